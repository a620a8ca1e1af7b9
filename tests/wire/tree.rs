//! A value of any serializer, read and written by other people's crates: the oracle of these tests.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use connectanum::wamp::{Payload, Serializer};
use rmpv::Utf8String;
use serde_json::Value as Json;

/// A value. What a serializer lacks shows in the form that it has for it: JSON never yields `Binary`.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Null,
    Bool(bool),
    /// -2^64..2^64.
    Int(i128),
    /// Digits of an integer beyond that.
    BigInt(String),
    Float(f64),
    Text(String),
    Binary(Vec<u8>),
    List(Vec<Tree>),
    Dict(Vec<(Tree, Tree)>),
    /// CBOR.
    Tag(u64, Box<Tree>),
    /// MessagePack.
    Extension(i8, Vec<u8>),
}

impl PartialEq for Tree {
    /// Floats are equal when their bits are, or when both are NaN; dictionaries when their entries are, in any order.
    fn eq(&self, other: &Tree) -> bool {
        match (self, other) {
            (Tree::Null, Tree::Null) => true,
            (Tree::Bool(a), Tree::Bool(b)) => a == b,
            (Tree::Int(a), Tree::Int(b)) => a == b,
            (Tree::BigInt(a), Tree::BigInt(b)) | (Tree::Text(a), Tree::Text(b)) => a == b,
            (Tree::Float(a), Tree::Float(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
            (Tree::Binary(a), Tree::Binary(b)) => a == b,
            (Tree::List(a), Tree::List(b)) => a == b,
            (Tree::Dict(a), Tree::Dict(b)) => {
                a.len() == b.len()
                    && a.iter().all(|entry| b.contains(entry))
                    && b.iter().all(|entry| a.contains(entry))
            }
            (Tree::Tag(a, x), Tree::Tag(b, y)) => a == b && x == y,
            (Tree::Extension(a, x), Tree::Extension(b, y)) => a == b && x == y,
            _ => false,
        }
    }
}

impl Tree {
    /// As the other crates write it. Panics where the serializer has no such value, but binary in JSON is a string.
    pub(crate) fn write(&self, serializer: Serializer) -> Vec<u8> {
        let mut bytes = Vec::new();
        match serializer {
            Serializer::Json => bytes = serde_json::to_vec(&self.to_json()).expect("JSON"),
            Serializer::MsgPack => {
                rmpv::encode::write_value(&mut bytes, &self.to_rmpv()).expect("MessagePack")
            }
            Serializer::Cbor => ciborium::into_writer(&self.to_ciborium(), &mut bytes).expect("CBOR"),
        }
        bytes
    }

    /// As the other crates read it; `None` if they refuse it or something follows.
    pub(crate) fn read(serializer: Serializer, bytes: &[u8]) -> Option<Tree> {
        let mut rest = bytes;
        let tree = match serializer {
            Serializer::Json => {
                rest = &[];
                Tree::from_json(serde_json::from_slice(bytes).ok()?)
            }
            Serializer::MsgPack => Tree::from_rmpv(rmpv::decode::read_value(&mut rest).ok()?)?,
            Serializer::Cbor => Tree::from_ciborium(ciborium::from_reader(&mut rest).ok()?),
        };
        rest.is_empty().then_some(tree)
    }

    /// A payload of these items, which lives for ever.
    pub(crate) fn payload(items: &[Tree], serializer: Serializer) -> Payload<'static> {
        let written: Vec<_> = items.iter().map(|item| item.write(serializer)).collect();
        let separator = if serializer == Serializer::Json { &b","[..] } else { b"" };
        Payload { serializer, items: items.len() as u8, bytes: written.join(separator).leak() }
    }

    /// The items of a payload.
    pub(crate) fn items(payload: &Payload<'_>) -> Vec<Tree> {
        let list = match payload.serializer {
            Serializer::Json => [b"[", payload.bytes, b"]"].concat(),
            Serializer::MsgPack => [&[0x90 | payload.items], payload.bytes].concat(),
            Serializer::Cbor => [&[0x80 | payload.items], payload.bytes].concat(),
        };
        match Tree::read(payload.serializer, &list) {
            Some(Tree::List(items)) if items.len() == usize::from(payload.items) => items,
            other => panic!("{other:?} in {payload:?}"),
        }
    }

    pub(crate) fn text(text: &str) -> Tree {
        Tree::Text(text.to_owned())
    }

    /// Binary as WAMP writes it in JSON.
    pub(crate) fn binary_text(binary: &[u8]) -> String {
        format!("\0{}", STANDARD.encode(binary))
    }

    /// How deep lists and dictionaries are nested.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Tree::List(list) => 1 + list.iter().map(Tree::depth).max().unwrap_or(0),
            Tree::Dict(dict) => {
                1 + dict.iter().map(|(key, value)| key.depth().max(value.depth())).max().unwrap_or(0)
            }
            Tree::Tag(_, inner) => inner.depth(),
            _ => 0,
        }
    }

    /// `value`, which has only what JSON has.
    pub(crate) fn from_json(value: Json) -> Tree {
        match value {
            Json::Null => Tree::Null,
            Json::Bool(it) => Tree::Bool(it),
            Json::Number(it) => {
                let digits = it.to_string();
                match digits.parse() {
                    Ok(integer) if (-(1i128 << 64)..1 << 64).contains(&integer) => Tree::Int(integer),
                    _ if digits.contains(['.', 'e', 'E']) => Tree::Float(digits.parse().expect("a float")),
                    _ => Tree::BigInt(digits),
                }
            }
            Json::String(it) => Tree::Text(it),
            Json::Array(it) => Tree::List(it.into_iter().map(Tree::from_json).collect()),
            Json::Object(it) => {
                Tree::Dict(it.into_iter().map(|(k, v)| (Tree::Text(k), Tree::from_json(v))).collect())
            }
        }
    }

    pub(crate) fn to_json(&self) -> Json {
        match self {
            Tree::Null => Json::Null,
            Tree::Bool(it) => Json::Bool(*it),
            Tree::Int(it) => serde_json::from_str(&it.to_string()).expect("a number"),
            Tree::BigInt(it) => serde_json::from_str(it).expect("a number"),
            Tree::Float(it) => serde_json::from_str(&format!("{it:?}")).expect("a finite number"),
            Tree::Text(it) => Json::String(it.clone()),
            Tree::Binary(it) => Json::String(Tree::binary_text(it)),
            Tree::List(it) => it.iter().map(Tree::to_json).collect(),
            Tree::Dict(it) => it
                .iter()
                .map(|(key, value)| match key {
                    Tree::Text(key) => (key.clone(), value.to_json()),
                    key => panic!("{key:?} is no key of JSON"),
                })
                .collect(),
            Tree::Tag(..) | Tree::Extension(..) => panic!("JSON has no {self:?}"),
        }
    }

    fn from_rmpv(value: rmpv::Value) -> Option<Tree> {
        Some(match value {
            rmpv::Value::Nil => Tree::Null,
            rmpv::Value::Boolean(it) => Tree::Bool(it),
            rmpv::Value::Integer(it) => {
                Tree::Int(it.as_u64().map_or_else(|| it.as_i64().map(i128::from), |it| Some(it.into()))?)
            }
            rmpv::Value::F32(it) => Tree::Float(it.into()),
            rmpv::Value::F64(it) => Tree::Float(it),
            rmpv::Value::String(it) => Tree::Text(Utf8String::into_str(it)?),
            rmpv::Value::Binary(it) => Tree::Binary(it),
            rmpv::Value::Array(it) => Tree::List(it.into_iter().map(Tree::from_rmpv).collect::<Option<_>>()?),
            rmpv::Value::Map(it) => Tree::Dict(
                it.into_iter()
                    .map(|(key, value)| Some((Tree::from_rmpv(key)?, Tree::from_rmpv(value)?)))
                    .collect::<Option<_>>()?,
            ),
            rmpv::Value::Ext(kind, data) => Tree::Extension(kind, data),
        })
    }

    fn to_rmpv(&self) -> rmpv::Value {
        match self {
            Tree::Null => rmpv::Value::Nil,
            Tree::Bool(it) => (*it).into(),
            Tree::Int(it) => match u64::try_from(*it) {
                Ok(unsigned) => unsigned.into(),
                Err(_) => i64::try_from(*it).expect("an integer of MessagePack").into(),
            },
            Tree::Float(it) => (*it).into(),
            Tree::Text(it) => it.as_str().into(),
            Tree::Binary(it) => it.as_slice().into(),
            Tree::List(it) => rmpv::Value::Array(it.iter().map(Tree::to_rmpv).collect()),
            Tree::Dict(it) => rmpv::Value::Map(it.iter().map(|(k, v)| (k.to_rmpv(), v.to_rmpv())).collect()),
            Tree::Extension(kind, data) => rmpv::Value::Ext(*kind, data.clone()),
            Tree::Tag(..) | Tree::BigInt(_) => panic!("MessagePack has no {self:?}"),
        }
    }

    fn from_ciborium(value: ciborium::Value) -> Tree {
        match value {
            ciborium::Value::Bool(it) => Tree::Bool(it),
            ciborium::Value::Integer(it) => Tree::Int(it.into()),
            ciborium::Value::Float(it) => Tree::Float(it),
            ciborium::Value::Text(it) => Tree::Text(it),
            ciborium::Value::Bytes(it) => Tree::Binary(it),
            ciborium::Value::Array(it) => Tree::List(it.into_iter().map(Tree::from_ciborium).collect()),
            ciborium::Value::Map(it) => Tree::Dict(
                it.into_iter().map(|(k, v)| (Tree::from_ciborium(k), Tree::from_ciborium(v))).collect(),
            ),
            ciborium::Value::Tag(tag, inner) => Tree::Tag(tag, Box::new(Tree::from_ciborium(*inner))),
            _ => Tree::Null,
        }
    }

    fn to_ciborium(&self) -> ciborium::Value {
        match self {
            Tree::Null => ciborium::Value::Null,
            Tree::Bool(it) => (*it).into(),
            Tree::Int(it) => ciborium::Value::Integer((*it).try_into().expect("an integer of CBOR")),
            Tree::Float(it) => (*it).into(),
            Tree::Text(it) => it.as_str().into(),
            Tree::Binary(it) => it.as_slice().into(),
            Tree::List(it) => ciborium::Value::Array(it.iter().map(Tree::to_ciborium).collect()),
            Tree::Dict(it) => {
                ciborium::Value::Map(it.iter().map(|(k, v)| (k.to_ciborium(), v.to_ciborium())).collect())
            }
            Tree::Tag(tag, inner) => ciborium::Value::Tag(*tag, Box::new(inner.to_ciborium())),
            Tree::Extension(..) | Tree::BigInt(_) => panic!("CBOR has no {self:?}"),
        }
    }
}
