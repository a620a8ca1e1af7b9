//! Single arguments cut out of a payload, as they stand there: to keep them without loss.

use super::cbor::CborReader;
use super::json::JsonReader;
use super::message::{Payload, RawValue};
use super::msgpack::MsgPackReader;
use super::reader::{Fault, Flaw, Read, Reader};
use super::serializer::Serializer;

/// Which argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument<'n> {
    /// An element of `Arguments`.
    At(usize),
    /// An entry of `ArgumentsKw`; of several with the same key the first.
    Named(&'n str),
}

/// The argument's bytes, if it is there.
pub fn argument<'a>(payload: Payload<'a>, which: Argument<'_>) -> Option<RawValue<'a>> {
    let Payload { serializer, items, bytes } = payload;
    let find = match serializer {
        Serializer::Json => find::<JsonReader<'a>>,
        Serializer::MsgPack => find::<MsgPackReader<'a>>,
        Serializer::Cbor => find::<CborReader<'a>>,
    };
    // What the scan has accepted does not fail, but for keys that are no text, behind which nothing is found.
    find(bytes, items, which).ok().flatten().map(|bytes| RawValue { serializer, bytes })
}

fn find<'a, R: Reader<'a>>(bytes: &'a [u8], items: u8, which: Argument<'_>) -> Read<Option<&'a [u8]>> {
    let Some(mut reader) = R::new(bytes) else { return Ok(None) };
    let mut both = R::inside(usize::from(items));
    if items == 0 || !reader.next(&mut both)? {
        return Ok(None);
    }
    match which {
        Argument::At(index) => {
            let mut list = reader.open_list()?;
            for _ in 0..index {
                if !reader.next(&mut list)? {
                    return Ok(None);
                }
                reader.skip()?;
            }
            if reader.next(&mut list)? { cut(&mut reader).map(Some) } else { Ok(None) }
        }
        Argument::Named(name) => {
            reader.skip()?;
            if items < 2 || !reader.next(&mut both)? {
                return Ok(None);
            }
            let mut dict = reader.open_dict()?;
            while let Some(key) = reader.next_key(&mut dict)? {
                let value = cut(&mut reader)?;
                if key == name {
                    return Ok(Some(value));
                }
            }
            Ok(None)
        }
    }
}

/// The value at the cursor, which moves behind it.
fn cut<'a, R: Reader<'a>>(reader: &mut R) -> Read<&'a [u8]> {
    let start = reader.position();
    reader.skip()?;
    let bytes = reader.since(start);
    if bytes.is_empty() { reader.fail(Fault::Malformed(Flaw::End)) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::super::transcode;
    use super::*;

    const JSON: &[u8] = br#" [1, "two" , {"x":[3]},18446744073709551616] , {"a": [ ], "b" :null,"a":7}"#;

    #[test]
    fn arguments_are_cut_as_they_stand() {
        let json = Payload { serializer: Serializer::Json, items: 2, bytes: JSON };
        for serializer in Serializer::ALL {
            let mut bytes = Vec::new();
            transcode(json, serializer, &mut bytes).unwrap();
            let payload = Payload { serializer, bytes: &bytes, ..json };
            for (which, expected) in [
                (Argument::At(0), Some("1")),
                (Argument::At(1), Some(r#""two""#)),
                (Argument::At(2), Some(r#"{"x":[3]}"#)),
                (Argument::At(4), None),
                (Argument::Named("a"), Some("[]")),
                (Argument::Named("b"), Some("null")),
                (Argument::Named("c"), None),
            ] {
                let found = argument(payload, which).map(|value| {
                    let mut json = Vec::new();
                    transcode::transcode_value(value, Serializer::Json, &mut json).unwrap();
                    String::from_utf8(json).unwrap().replace(' ', "")
                });
                assert_eq!(found.as_deref(), expected, "{serializer:?} {which:?}");
            }
        }
    }

    #[test]
    fn there_may_be_none() {
        for (items, bytes) in [(0, &b""[..]), (1, b"[]"), (2, b"[],{}")] {
            let payload = Payload { serializer: Serializer::Json, items, bytes };
            assert_eq!(argument(payload, Argument::At(0)), None);
            assert_eq!(argument(payload, Argument::Named("a")), None);
        }
        // Keys of MessagePack need not be text.
        let payload =
            Payload { serializer: Serializer::MsgPack, items: 2, bytes: b"\x90\x82\x01\x02\xa1a\x03" };
        assert_eq!(argument(payload, Argument::Named("a")), None);
    }
}
