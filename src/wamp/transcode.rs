//! Payloads from one serializer to another.
//!
//! It reads with the readers of the scan, so it accepts exactly what the scan accepts, and writes as it reads: nothing
//! is collected but what is being written. (A general JSON parser would lose integers beyond 64 bits and refuse numbers
//! beyond a float.)
//!
//! What has no equal on the other side becomes the closest value:
//!
//! | value | in JSON | in MessagePack | in CBOR |
//! |---|---|---|---|
//! | binary | string of NUL and Base64, and back | as it is | as it is |
//! | text that begins with NUL | as it is; reads as binary if Base64 follows | as it is | as it is |
//! | integer beyond 64 bits | digits¹ | float | bignum¹ |
//! | integer of -2^64..-2^63 | digits | float | as it is |
//! | number beyond a float (JSON) | | infinity | infinity |
//! | NaN, infinity | null | as it is | as it is |
//! | undefined, unassigned simple value | null | null | |
//! | half-precision float | digits | single precision | |
//! | tag (but of bignums) | dropped | dropped | |
//! | timestamp extension | seconds since 1970, a number | | tag 1² |
//! | other extension | as binary | | binary without its type |
//! | key that is no text | its JSON text³ | as it is | as it is |
//!
//! ¹ Up to [`BIG_INTEGER_BYTES_MAX`](crate::limits::BIG_INTEGER_BYTES_MAX); beyond it an infinity.
//! ² With nanoseconds a float, exact to about a microsecond.
//! ³ A list or dictionary: binary, of its own bytes.

use simd_json::OwnedValue;
use thiserror::Error;

use super::cbor::{Cbor, CborReader};
use super::json::{Json, JsonReader};
use super::message::{Payload, RawValue};
use super::msgpack::{MsgPack, MsgPackReader};
use super::reader::{Failed, Fault, Flaw, Read, Reader, Value};
use super::serializer::Serializer;
use super::utf8::utf8_error_at;
use super::writer::{Container, Writer};

/// The bytes are no payload or value of the serializer that they claim. Cannot happen to what the scan has accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("malformed {} at byte {at}: {what}", .serializer.name())]
pub struct TranscodeError {
    /// What they should be written in.
    pub serializer: Serializer,
    /// Offset of the offending byte.
    pub at: usize,
    /// What is wrong there.
    pub what: &'static str,
}

/// Appends the items of `payload` to `out`, in the form of [`Payload::bytes`], written in `target`.
///
/// # Errors
///
/// If the payload is malformed; `out` is then as before.
pub fn transcode(payload: Payload<'_>, target: Serializer, out: &mut Vec<u8>) -> Result<(), TranscodeError> {
    let Payload { serializer, items, bytes } = payload;
    convert(serializer, bytes, usize::from(items), target, out)
}

/// Appends `value` to `out`, written in `target`.
///
/// # Errors
///
/// If the value is malformed; `out` is then as before.
pub fn transcode_value(
    value: RawValue<'_>,
    target: Serializer,
    out: &mut Vec<u8>,
) -> Result<(), TranscodeError> {
    convert(value.serializer, value.bytes, 1, target, out)
}

/// The items of a payload one by one. What is malformed, which the scan excludes, ends them.
pub fn items(payload: Payload<'_>) -> [Option<RawValue<'_>>; 2] {
    match payload.serializer {
        Serializer::Json => items_of::<JsonReader<'_>>(payload),
        Serializer::MsgPack => items_of::<MsgPackReader<'_>>(payload),
        Serializer::Cbor => items_of::<CborReader<'_>>(payload),
    }
}

fn items_of<'a, R: Reader<'a>>(payload: Payload<'a>) -> [Option<RawValue<'a>>; 2] {
    let Payload { serializer, items, bytes } = payload;
    let mut reader = R::new(bytes);
    let mut open = R::inside(usize::from(items));
    [1, 2].map(|item| {
        let reader = reader.as_mut().filter(|_| item <= items)?;
        reader.next(&mut open).ok()?;
        let start = reader.position();
        reader.skip().ok()?;
        Some(RawValue { serializer, bytes: reader.since(start) })
    })
}

/// `raw` as a JSON value, for uses where speed is no matter (`authextra`, arguments of meta procedures). Binary is a
/// string, see above. Malformed bytes, which the scan excludes, are null.
pub fn value(raw: RawValue<'_>) -> OwnedValue {
    json_value(raw)
        .or_else(|| {
            // The parser refuses numbers that fit neither 64 bits nor a float. MessagePack has none of them.
            let mut msgpack = Vec::new();
            transcode_value(raw, Serializer::MsgPack, &mut msgpack).ok()?;
            json_value(RawValue { serializer: Serializer::MsgPack, bytes: &msgpack })
        })
        .unwrap_or_default()
}

/// The items of a payload as JSON values, for uses where speed is no matter; see [`value`].
pub fn payload_values(payload: Payload<'_>) -> Vec<OwnedValue> {
    json_values(payload)
        .or_else(|| {
            let mut msgpack = Vec::new();
            transcode(payload, Serializer::MsgPack, &mut msgpack).ok()?;
            json_values(Payload { serializer: Serializer::MsgPack, bytes: &msgpack, ..payload })
        })
        .unwrap_or_default()
}

fn json_values(payload: Payload<'_>) -> Option<Vec<OwnedValue>> {
    let mut json = b"[".to_vec();
    transcode(payload, Serializer::Json, &mut json).ok()?;
    json.push(b']');
    match simd_json::to_owned_value(&mut json) {
        Ok(OwnedValue::Array(items)) => Some(*items),
        _ => None,
    }
}

fn json_value(raw: RawValue<'_>) -> Option<OwnedValue> {
    let mut json = Vec::new();
    transcode_value(raw, Serializer::Json, &mut json).ok()?;
    simd_json::to_owned_value(&mut json).ok()
}

fn convert(
    source: Serializer,
    bytes: &[u8],
    items: usize,
    target: Serializer,
    out: &mut Vec<u8>,
) -> Result<(), TranscodeError> {
    use Serializer as S;

    let convert = match (source, target) {
        (S::Json, S::Json) | (S::MsgPack, S::MsgPack) | (S::Cbor, S::Cbor) => {
            out.extend_from_slice(bytes);
            return Ok(());
        }
        (S::Json, S::MsgPack) => values::<JsonReader<'_>, MsgPack>,
        (S::Json, S::Cbor) => values::<JsonReader<'_>, Cbor>,
        (S::MsgPack, S::Json) => values::<MsgPackReader<'_>, Json>,
        (S::MsgPack, S::Cbor) => values::<MsgPackReader<'_>, Cbor>,
        (S::Cbor, S::Json) => values::<CborReader<'_>, Json>,
        (S::Cbor, S::MsgPack) => values::<CborReader<'_>, MsgPack>,
    };
    let start = out.len();
    convert(bytes, items, out).inspect_err(|_| out.truncate(start))
}

/// Converts all of `bytes`, which have to be `items` values.
fn values<'a, R: Reader<'a>, W: Writer>(
    bytes: &'a [u8],
    items: usize,
    out: &mut Vec<u8>,
) -> Result<(), TranscodeError> {
    let error = |at, fault: Fault| TranscodeError { serializer: R::SERIALIZER, at, what: fault.text() };
    let mut reader =
        R::new(bytes).ok_or_else(|| error(utf8_error_at(bytes), Fault::Malformed(Flaw::Utf8)))?;
    let converted = all::<R, W>(&mut reader, items, out);
    converted.map_err(|Failed| error(reader.position(), reader.fault()))
}

fn all<'a, R: Reader<'a>, W: Writer>(reader: &mut R, items: usize, out: &mut Vec<u8>) -> Read<()> {
    let mut open = R::inside(items);
    for item in 0..items {
        if !reader.next(&mut open)? {
            return reader.fail(Fault::Malformed(Flaw::End));
        }
        if item > 0 {
            W::comma(out);
        }
        any::<R, W>(reader, out)?;
    }
    if reader.at_end() { Ok(()) } else { reader.fail(Fault::Malformed(Flaw::Rest)) }
}

/// Converts a value. The reader bounds the depth of the recursion.
fn any<'a, R: Reader<'a>, W: Writer>(reader: &mut R, out: &mut Vec<u8>) -> Read<()> {
    match reader.value()? {
        Value::List(open) => list::<R, W>(reader, open, out),
        Value::Dict(open) => dict::<R, W>(reader, open, out),
        scalar => {
            write::<W, _>(&scalar, out);
            Ok(())
        }
    }
}

fn list<'a, R: Reader<'a>, W: Writer>(reader: &mut R, mut open: R::Open, out: &mut Vec<u8>) -> Read<()> {
    let begun = W::begin(Container::List, out);
    let mut count = 0;
    while reader.next(&mut open)? {
        if count > 0 {
            W::comma(out);
        }
        any::<R, W>(reader, out)?;
        count += 1;
    }
    W::end(begun, count, out);
    Ok(())
}

fn dict<'a, R: Reader<'a>, W: Writer>(reader: &mut R, mut open: R::Open, out: &mut Vec<u8>) -> Read<()> {
    let begun = W::begin(Container::Dict, out);
    let mut count = 0;
    while reader.next(&mut open)? {
        if count > 0 {
            W::comma(out);
        }
        key::<R, W>(reader, out)?;
        reader.after_key()?;
        W::colon(out);
        any::<R, W>(reader, out)?;
        count += 1;
    }
    W::end(begun, count, out);
    Ok(())
}

fn key<'a, R: Reader<'a>, W: Writer>(reader: &mut R, out: &mut Vec<u8>) -> Read<()> {
    let start = reader.position();
    match reader.key()? {
        Value::List(open) if W::TEXT_KEYS => W::binary(pass_over(reader, open, 1, start)?, out),
        Value::Dict(open) if W::TEXT_KEYS => W::binary(pass_over(reader, open, 2, start)?, out),
        Value::List(open) => list::<R, W>(reader, open, out)?,
        Value::Dict(open) => dict::<R, W>(reader, open, out)?,
        text @ (Value::Text(_) | Value::Binary(_)) => write::<W, _>(&text, out),
        scalar if W::TEXT_KEYS => W::text(&json_text(&scalar), out),
        scalar => write::<W, _>(&scalar, out),
    }
    Ok(())
}

/// Passes over the rest of a list (`each` 1) or a dictionary (2); gives the bytes from `start` to its end.
fn pass_over<'a, R: Reader<'a>>(reader: &mut R, mut open: R::Open, each: u8, start: usize) -> Read<&'a [u8]> {
    while reader.next(&mut open)? {
        for _ in 0..each {
            reader.skip()?;
        }
    }
    Ok(reader.since(start))
}

/// What a scalar without quotes looks like in JSON.
fn json_text<Open>(scalar: &Value<'_, Open>) -> String {
    let mut text = Vec::new();
    write::<Json, _>(scalar, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

fn write<W: Writer, Open>(scalar: &Value<'_, Open>, out: &mut Vec<u8>) {
    match scalar {
        Value::Null => W::null(out),
        Value::Bool(value) => W::boolean(*value, out),
        Value::Unsigned(value) => W::unsigned(*value, out),
        Value::Negative(n) => W::negative(*n, out),
        Value::Big(value) => W::big(value, out),
        Value::Float32(value) => W::float32(*value, out),
        Value::Float(value) => W::float(*value, out),
        Value::Text(text) => W::text(text, out),
        Value::Binary(binary) => W::binary(binary, out),
        Value::Timestamp(seconds, nanoseconds) => W::timestamp(*seconds, *nanoseconds, out),
        Value::List(_) | Value::Dict(_) => debug_assert!(false, "no scalar"),
    }
}

#[cfg(test)]
mod tests {
    use simd_json::prelude::*;

    use super::*;

    fn raw(serializer: Serializer, bytes: &[u8]) -> RawValue<'_> {
        RawValue { serializer, bytes }
    }

    #[test]
    fn values_of_all_serializers() {
        let json = value(raw(Serializer::Json, br#"{"a": [1, -2, "\u0000AQI=", null, 1.5, true]}"#));
        let msgpack = value(raw(
            Serializer::MsgPack,
            b"\x81\xa1a\x96\x01\xfe\xc4\x02\x01\x02\xc0\xca\x3f\xc0\x00\x00\xc3",
        ));
        let cbor = value(raw(Serializer::Cbor, b"\xa1\x61a\x86\x01\x21\x42\x01\x02\xf6\xf9\x3e\x00\xf5"));
        assert_eq!(json, simd_json::json!({"a": [1, -2, "\0AQI=", null, 1.5, true]}));
        assert_eq!(msgpack, json);
        assert_eq!(cbor, json);
    }

    #[test]
    fn values_with_numbers_beyond_a_json_parser() {
        let list = value(raw(
            Serializer::Json,
            b"[1e400, -9223372036854775809, 18446744073709551615, 1e308, -1e999, 3]",
        ));
        let list = list.as_array().expect("a list");
        assert!(list[0].is_null() && list[4].is_null());
        assert_eq!(list[1].as_f64(), Some(-9223372036854775809.0));
        assert_eq!(list[2].as_u64(), Some(u64::MAX));
        assert_eq!(list[3].as_f64(), Some(1e308));
        let float_max = format!("[1e400, {:?}]", f64::MAX);
        assert_eq!(value(raw(Serializer::Json, float_max.as_bytes()))[1].as_f64(), Some(f64::MAX));
        assert!(value(raw(Serializer::Json, b"[1")).is_null());
    }

    #[test]
    fn keys_that_are_no_text() {
        // {1: 1, -1.5: 2, h'01': 3, null: 4, [1]: 5, {}: 6, 2^64: 7}
        let cbor = b"\xa7\x01\x01\xf9\xbe\x00\x02\x41\x01\x03\xf6\x04\x81\x01\x05\xa0\x06\xc2\x49\x01\0\0\0\0\0\0\0\0\x07";
        let mut json = Vec::new();
        transcode_value(raw(Serializer::Cbor, cbor), Serializer::Json, &mut json).expect("a value");
        let expected = r#"{"1":1,"-1.5":2,"\u0000AQ==":3,"null":4,"\u0000gQE=":5,"\u0000oA==":6,"18446744073709551616":7}"#;
        assert_eq!(std::str::from_utf8(&json), Ok(expected));
    }

    #[test]
    fn extensions_and_tags() {
        let cases: [(Serializer, &[u8], Serializer, &[u8]); 9] = [
            (Serializer::MsgPack, b"\xd6\xff\x00\x00\x00\x01", Serializer::Json, b"1"),
            (Serializer::MsgPack, b"\xd6\xff\x00\x00\x00\x01", Serializer::Cbor, b"\xc1\x01"),
            (Serializer::MsgPack, b"\xd7\xff\x77\x35\x94\x00\x00\x00\x00\x02", Serializer::Json, b"2.5"),
            (
                Serializer::MsgPack,
                b"\xc7\x0c\xff\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff",
                Serializer::Cbor,
                b"\xc1\x20",
            ),
            (Serializer::MsgPack, b"\xd4\x05\x07", Serializer::Cbor, b"\x41\x07"),
            (Serializer::MsgPack, b"\xd5\xff\x07\x08", Serializer::Json, b"\"\\u0000Bwg=\""),
            (Serializer::Cbor, b"\xc0\x61a", Serializer::MsgPack, b"\xa1a"),
            (Serializer::Cbor, b"\xc2\x41\x07", Serializer::Json, b"7"),
            (Serializer::Cbor, b"\xf7", Serializer::MsgPack, b"\xc0"),
        ];
        for (from, bytes, to, expected) in cases {
            let mut out = Vec::new();
            transcode_value(raw(from, bytes), to, &mut out).expect("a value");
            assert_eq!(out, expected, "{from:?} {bytes:x?} to {to:?}");
        }
    }

    #[test]
    fn malformed_payloads_leave_nothing() {
        let mut out = b"before".to_vec();
        for (items, bytes) in [(2, &b"[1],"[..]), (1, b"[1] [2]"), (2, b"[1],{\"a\":[}"), (0, b"[]")] {
            let payload = Payload { serializer: Serializer::Json, items, bytes };
            assert!(transcode(payload, Serializer::Cbor, &mut out).is_err(), "{items} {bytes:?}");
            assert_eq!(out, b"before");
        }
    }
}
