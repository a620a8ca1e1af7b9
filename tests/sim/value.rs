//! Payloads as values, written and read by other people's serializers.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use connectanum::wamp::message::{Passthru, Text};
use connectanum::wamp::{Payload, Serializer};

use crate::dice::Dice;

/// What a payload may hold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Binary(Vec<u8>),
    List(Vec<Value>),
    Dict(BTreeMap<String, Value>),
}

/// The arguments of a message: the list and, perhaps, the dictionary.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Args(pub(crate) Vec<Value>);

impl Args {
    /// Arguments that name what they belong to by `kind` and `index`; `bytes` is roughly their size.
    pub(crate) fn new(dice: &mut Dice, kind: &str, index: usize, bytes: usize) -> Args {
        let mut list = vec![Value::Text(kind.to_owned()), Value::Int(index as i64)];
        for _ in 0..dice.below(3) {
            list.push(random(dice, 2));
        }
        match dice.below(3) {
            _ if bytes == 0 => {}
            0 => list.push(Value::Binary((0..bytes).map(|i| (i * 7) as u8).collect())),
            _ => list.push(Value::Text("é\"\\/ü\n".repeat(bytes / 7))),
        }
        let mut args = Args(vec![Value::List(list)]);
        if dice.percent(30) {
            args.0.push(dict(dice, 2));
        }
        args
    }

    /// One binary item, which nobody but its receiver looks into; it names what it belongs to as well.
    pub(crate) fn sealed(dice: &mut Dice, kind: &str, index: usize) -> Args {
        let mut item = format!("{kind} {index} ").into_bytes();
        item.extend(dice.bytes::<4>());
        Args(vec![Value::List(vec![Value::Binary(item)])])
    }

    /// Arguments that continue these: sealed, and with the same attributes, if these are.
    pub(crate) fn more(&self, dice: &mut Dice, kind: &str, index: usize) -> Args {
        let Some(style) = self.item().and_then(<[u8]>::last) else { return Args::new(dice, kind, index, 0) };
        let item = [format!("{kind} {index} ").as_bytes(), &[*style]].concat();
        Args(vec![Value::List(vec![Value::Binary(item)])])
    }

    /// The attributes that go with these arguments: none, unless they are sealed.
    pub(crate) fn passthru(&self) -> Passthru<'static> {
        let Some(item) = self.item() else { return Passthru::default() };
        let is = |text| Some(Text::Borrowed(text));
        match item.last().map(|byte| byte % 3) {
            Some(0) => Passthru { ppt_scheme: is("mqtt"), ..Passthru::default() },
            Some(1) => Passthru { ppt_scheme: is("x_sim"), ppt_keyid: is("\"é"), ..Passthru::default() },
            _ => Passthru {
                ppt_scheme: is("wamp"),
                ppt_serializer: is("cbor"),
                ppt_cipher: is("xsalsa20poly1305"),
                ppt_keyid: is("1"),
                ..Passthru::default()
            },
        }
    }

    /// What [`Args::new`] or [`Args::sealed`] was told.
    pub(crate) fn origin(&self) -> Option<(&str, usize)> {
        if let Some(item) = self.item() {
            let mut words = item.split(|byte| *byte == b' ').map(str::from_utf8);
            let (Some(Ok(kind)), Some(Ok(index))) = (words.next(), words.next()) else { return None };
            return Some((kind, index.parse().ok()?));
        }
        match self.0.first() {
            Some(Value::List(list)) => match list.get(..2) {
                Some([Value::Text(kind), Value::Int(index)]) => Some((kind, *index as usize)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The item, if they are sealed.
    fn item(&self) -> Option<&[u8]> {
        match &self.0[..] {
            [Value::List(list)] => match &list[..] {
                [Value::Binary(item)] => Some(item),
                _ => None,
            },
            _ => None,
        }
    }

    pub(crate) fn items(&self) -> u8 {
        self.0.len() as u8
    }

    /// The bytes of a payload.
    pub(crate) fn write(&self, serializer: Serializer) -> Vec<u8> {
        let mut out = Vec::new();
        for (i, item) in self.0.iter().enumerate() {
            if i > 0 && serializer == Serializer::Json {
                out.push(b',');
            }
            match serializer {
                Serializer::Json => serde_json::to_writer(&mut out, &to_json(item)).expect("JSON"),
                Serializer::MsgPack => {
                    rmpv::encode::write_value(&mut out, &to_msgpack(item)).expect("MessagePack");
                }
                Serializer::Cbor => ciborium::into_writer(&to_cbor(item), &mut out).expect("CBOR"),
            }
        }
        out
    }

    /// What stands in a payload.
    pub(crate) fn read(payload: &Payload<'_>) -> Args {
        let mut rest = payload.bytes;
        let items = match payload.serializer {
            Serializer::Json => {
                let list = [b"[", payload.bytes, b"]"].concat();
                let list: Vec<serde_json::Value> = serde_json::from_slice(&list).expect("JSON");
                list.iter().map(from_json).collect()
            }
            Serializer::MsgPack => (0..payload.items)
                .map(|_| from_msgpack(&rmpv::decode::read_value(&mut rest).expect("MessagePack")))
                .collect(),
            Serializer::Cbor => (0..payload.items)
                .map(|_| from_cbor(&ciborium::from_reader(&mut rest).expect("CBOR")))
                .collect(),
        };
        Args(items)
    }
}

fn random(dice: &mut Dice, depth: usize) -> Value {
    match dice.below(if depth == 0 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => Value::Bool(dice.percent(50)),
        2 => Value::Int(dice.word() as i64 >> dice.below(64)),
        3 => Value::Float(dice.below(1000) as f64 + 0.25),
        4 => Value::Text("a \"text\" \u{1F980}\t"[..dice.below(8)].to_owned()),
        5 => Value::Binary(dice.bytes::<5>().to_vec()),
        6 => Value::List((0..dice.below(3)).map(|_| random(dice, depth - 1)).collect()),
        _ => dict(dice, depth - 1),
    }
}

fn dict(dice: &mut Dice, depth: usize) -> Value {
    Value::Dict((0..dice.below(3)).map(|i| (format!("k{i}"), random(dice, depth))).collect())
}

fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(it) => (*it).into(),
        Value::Int(it) => (*it).into(),
        Value::Float(it) => (*it).into(),
        Value::Text(it) => it.as_str().into(),
        Value::Binary(it) => format!("\0{}", STANDARD.encode(it)).into(),
        Value::List(it) => it.iter().map(to_json).collect(),
        Value::Dict(it) => {
            serde_json::Value::Object(it.iter().map(|(k, v)| (k.clone(), to_json(v))).collect())
        }
    }
}

fn from_json(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(it) => Value::Bool(*it),
        serde_json::Value::Number(it) => match it.as_i64() {
            Some(int) => Value::Int(int),
            None => Value::Float(it.as_f64().expect("a number")),
        },
        serde_json::Value::String(it) => match it.strip_prefix('\0') {
            Some(base64) => Value::Binary(STANDARD.decode(base64).expect("Base64")),
            None => Value::Text(it.clone()),
        },
        serde_json::Value::Array(it) => Value::List(it.iter().map(from_json).collect()),
        serde_json::Value::Object(it) => {
            Value::Dict(it.iter().map(|(k, v)| (k.clone(), from_json(v))).collect())
        }
    }
}

fn to_msgpack(value: &Value) -> rmpv::Value {
    match value {
        Value::Null => rmpv::Value::Nil,
        Value::Bool(it) => (*it).into(),
        Value::Int(it) => (*it).into(),
        Value::Float(it) => (*it).into(),
        Value::Text(it) => it.as_str().into(),
        Value::Binary(it) => rmpv::Value::Binary(it.clone()),
        Value::List(it) => rmpv::Value::Array(it.iter().map(to_msgpack).collect()),
        Value::Dict(it) => {
            rmpv::Value::Map(it.iter().map(|(k, v)| (k.as_str().into(), to_msgpack(v))).collect())
        }
    }
}

fn from_msgpack(value: &rmpv::Value) -> Value {
    match value {
        rmpv::Value::Nil => Value::Null,
        rmpv::Value::Boolean(it) => Value::Bool(*it),
        rmpv::Value::Integer(it) => Value::Int(it.as_i64().expect("64 bits")),
        rmpv::Value::F32(it) => Value::Float(f64::from(*it)),
        rmpv::Value::F64(it) => Value::Float(*it),
        rmpv::Value::String(it) => Value::Text(it.as_str().expect("UTF-8").to_owned()),
        rmpv::Value::Binary(it) => Value::Binary(it.clone()),
        rmpv::Value::Array(it) => Value::List(it.iter().map(from_msgpack).collect()),
        rmpv::Value::Map(it) => {
            let key = |k: &rmpv::Value| k.as_str().expect("a text key").to_owned();
            Value::Dict(it.iter().map(|(k, v)| (key(k), from_msgpack(v))).collect())
        }
        rmpv::Value::Ext(..) => panic!("an extension that nobody sent"),
    }
}

fn to_cbor(value: &Value) -> ciborium::Value {
    match value {
        Value::Null => ciborium::Value::Null,
        Value::Bool(it) => (*it).into(),
        Value::Int(it) => (*it).into(),
        Value::Float(it) => (*it).into(),
        Value::Text(it) => it.as_str().into(),
        Value::Binary(it) => ciborium::Value::Bytes(it.clone()),
        Value::List(it) => ciborium::Value::Array(it.iter().map(to_cbor).collect()),
        Value::Dict(it) => {
            ciborium::Value::Map(it.iter().map(|(k, v)| (k.as_str().into(), to_cbor(v))).collect())
        }
    }
}

fn from_cbor(value: &ciborium::Value) -> Value {
    match value {
        ciborium::Value::Null => Value::Null,
        ciborium::Value::Bool(it) => Value::Bool(*it),
        ciborium::Value::Integer(it) => Value::Int(i64::try_from(*it).expect("64 bits")),
        ciborium::Value::Float(it) => Value::Float(*it),
        ciborium::Value::Text(it) => Value::Text(it.clone()),
        ciborium::Value::Bytes(it) => Value::Binary(it.clone()),
        ciborium::Value::Array(it) => Value::List(it.iter().map(from_cbor).collect()),
        ciborium::Value::Map(it) => {
            let key = |k: &ciborium::Value| k.as_text().expect("a text key").to_owned();
            Value::Dict(it.iter().map(|(k, v)| (key(k), from_cbor(v))).collect())
        }
        other => panic!("{other:?}, which nobody sent"),
    }
}
