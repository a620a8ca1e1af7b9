//! Payload passthru: what its messages have instead of arguments (spec: "Payload Passthru Mode").

use super::cbor::CborReader;
use super::json::JsonReader;
use super::message::{Passthru, Payload, Text};
use super::msgpack::MsgPackReader;
use super::reader::{Read, Reader, Value};
use super::serializer::Serializer;

impl Passthru<'_> {
    /// Whether the mode is in use: there is a scheme, and it is not empty.
    pub fn is_used(&self) -> bool {
        self.ppt_scheme.as_ref().is_some_and(|scheme| !scheme.is_empty())
    }

    /// The attributes of the specification.
    fn attributes(&self) -> [&Option<Text<'_>>; 4] {
        [&self.ppt_scheme, &self.ppt_serializer, &self.ppt_cipher, &self.ppt_keyid]
    }

    /// Whether none of the attributes that are passed on has more bytes than these.
    pub fn is_within(&self, bytes_max: usize) -> bool {
        self.attributes().into_iter().flatten().all(|text| text.len() <= bytes_max)
    }

    /// Bytes of all attributes that are passed on.
    pub fn bytes(&self) -> usize {
        self.attributes().into_iter().flatten().map(|text| text.len()).sum()
    }

    /// What is passed on: the attributes of the specification.
    pub fn to_owned(&self) -> Passthru<'static> {
        let own = |text: &Option<Text<'_>>| text.as_ref().map(|text| Text::Owned(text.to_string()));
        Passthru {
            ppt_scheme: own(&self.ppt_scheme),
            ppt_serializer: own(&self.ppt_serializer),
            ppt_cipher: own(&self.ppt_cipher),
            ppt_keyid: own(&self.ppt_keyid),
            ..Passthru::default()
        }
    }
}

/// Whether a payload is one binary item, without keyword arguments.
pub fn is_one_binary(payload: Payload<'_>) -> bool {
    fn read<'a, R: Reader<'a>>(payload: Payload<'a>) -> Option<bool> {
        one_binary(&mut R::new(payload.bytes)?, payload.items).ok()
    }
    let read = match payload.serializer {
        Serializer::Json => read::<JsonReader<'_>>,
        Serializer::MsgPack => read::<MsgPackReader<'_>>,
        Serializer::Cbor => read::<CborReader<'_>>,
    };
    read(payload).unwrap_or(false)
}

fn one_binary<'a, R: Reader<'a>>(reader: &mut R, items: u8) -> Read<bool> {
    let mut payload = R::inside(usize::from(items));
    if items == 0 || !reader.next(&mut payload)? {
        return Ok(false);
    }
    let mut args = reader.open_list()?;
    if !reader.next(&mut args)? || !matches!(reader.value()?, Value::Binary(_)) || reader.next(&mut args)? {
        return Ok(false);
    }
    if items == 1 || !reader.next(&mut payload)? {
        return Ok(true);
    }
    let mut kwargs = reader.open_dict()?;
    Ok(!reader.next(&mut kwargs)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_binary_item_and_nothing_else() {
        let cases: [(Serializer, u8, &[u8], bool); 18] = [
            (Serializer::Json, 1, br#"["\u0000AQI="]"#, true),
            (Serializer::Json, 1, br#" [ "\u0000" ] "#, true),
            (Serializer::Json, 2, br#"["\u0000AQI="],{}"#, true),
            (Serializer::Json, 2, br#"["\u0000AQI="] , { }"#, true),
            (Serializer::Json, 2, br#"["\u0000AQI="],{"a":1}"#, false),
            (Serializer::Json, 1, br#"["AQI="]"#, false),
            (Serializer::Json, 1, br#"["\u0000?"]"#, false),
            (Serializer::Json, 1, br#"["\u0000AQI=",1]"#, false),
            (Serializer::Json, 1, b"[]", false),
            (Serializer::Json, 0, b"", false),
            (Serializer::MsgPack, 1, b"\x91\xc4\x01\x07", true),
            (Serializer::MsgPack, 2, b"\x91\xc4\x01\x07\x80", true),
            (Serializer::MsgPack, 2, b"\x91\xc4\x01\x07\x81\xa1a\x01", false),
            (Serializer::MsgPack, 1, b"\x91\xa1\x07", false),
            (Serializer::Cbor, 1, b"\x81\x41\x07", true),
            (Serializer::Cbor, 1, b"\x9f\x5f\x41\x07\x41\x08\xff\xff", true),
            (Serializer::Cbor, 2, b"\x81\x41\x07\xbf\xff", true),
            (Serializer::Cbor, 1, b"\x82\x41\x07\x41\x07", false),
        ];
        for (serializer, items, bytes, expected) in cases {
            assert_eq!(
                is_one_binary(Payload { serializer, items, bytes }),
                expected,
                "{serializer:?} {bytes:x?}"
            );
        }
    }
}
