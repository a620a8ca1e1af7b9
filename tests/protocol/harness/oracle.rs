//! Other people's decoders and encoders, which the tests believe.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use connectanum::wamp::Serializer;
use serde_json::{Value as Json, json};

/// `value` in the writing of `serializer`.
pub(crate) fn from_json(serializer: Serializer, value: &Json) -> Vec<u8> {
    let mut bytes = Vec::new();
    match serializer {
        Serializer::Json => bytes = serde_json::to_vec(value).expect("JSON"),
        Serializer::MsgPack => rmpv::encode::write_value(&mut bytes, &to_rmpv(value)).expect("MessagePack"),
        Serializer::Cbor => ciborium::into_writer(&to_ciborium(value), &mut bytes).expect("CBOR"),
    }
    bytes
}

fn to_rmpv(value: &Json) -> rmpv::Value {
    match value {
        Json::Null => rmpv::Value::Nil,
        Json::Bool(it) => (*it).into(),
        Json::Number(it) => match it.as_i64() {
            Some(integer) => integer.into(),
            None => it.as_f64().expect("a number").into(),
        },
        Json::String(it) => it.as_str().into(),
        Json::Array(it) => rmpv::Value::Array(it.iter().map(to_rmpv).collect()),
        Json::Object(it) => {
            rmpv::Value::Map(it.iter().map(|(k, v)| (k.as_str().into(), to_rmpv(v))).collect())
        }
    }
}

fn to_ciborium(value: &Json) -> ciborium::Value {
    match value {
        Json::Null => ciborium::Value::Null,
        Json::Bool(it) => (*it).into(),
        Json::Number(it) => match it.as_i64() {
            Some(integer) => integer.into(),
            None => it.as_f64().expect("a number").into(),
        },
        Json::String(it) => it.as_str().into(),
        Json::Array(it) => ciborium::Value::Array(it.iter().map(to_ciborium).collect()),
        Json::Object(it) => {
            ciborium::Value::Map(it.iter().map(|(k, v)| (k.as_str().into(), to_ciborium(v))).collect())
        }
    }
}

/// The value in `bytes`, binary as WAMP writes it in JSON.
pub(crate) fn to_json(serializer: Serializer, bytes: &[u8]) -> Json {
    let mut rest = bytes;
    match serializer {
        Serializer::Json => serde_json::from_slice(bytes).expect("JSON"),
        Serializer::MsgPack => from_rmpv(&rmpv::decode::read_value(&mut rest).expect("MessagePack")),
        Serializer::Cbor => from_ciborium(&ciborium::from_reader(bytes).expect("CBOR")),
    }
}

fn from_rmpv(value: &rmpv::Value) -> Json {
    match value {
        rmpv::Value::Nil => Json::Null,
        rmpv::Value::Boolean(it) => json!(it),
        rmpv::Value::Integer(it) => it.as_u64().map_or_else(|| json!(it.as_i64()), |it| json!(it)),
        rmpv::Value::F32(it) => json!(it),
        rmpv::Value::F64(it) => json!(it),
        rmpv::Value::String(it) => json!(it.as_str().expect("UTF-8")),
        rmpv::Value::Binary(it) => binary(it),
        rmpv::Value::Array(it) => it.iter().map(from_rmpv).collect(),
        rmpv::Value::Map(it) => {
            it.iter().map(|(k, v)| (k.as_str().expect("a text key").to_owned(), from_rmpv(v))).collect()
        }
        rmpv::Value::Ext(..) => panic!("an extension"),
    }
}

fn from_ciborium(value: &ciborium::Value) -> Json {
    match value {
        ciborium::Value::Null => Json::Null,
        ciborium::Value::Bool(it) => json!(it),
        ciborium::Value::Integer(it) => json!(i128::from(*it)),
        ciborium::Value::Float(it) => json!(it),
        ciborium::Value::Text(it) => json!(it),
        ciborium::Value::Bytes(it) => binary(it),
        ciborium::Value::Array(it) => it.iter().map(from_ciborium).collect(),
        ciborium::Value::Map(it) => {
            it.iter().map(|(k, v)| (k.as_text().expect("a text key").to_owned(), from_ciborium(v))).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn binary(bytes: &[u8]) -> Json {
    json!(format!("\0{}", STANDARD.encode(bytes)))
}
