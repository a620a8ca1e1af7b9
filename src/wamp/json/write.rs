//! The writer of JSON.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::bigint;
use super::super::reader::BigInt;
use super::super::serializer::Serializer;
use super::super::writer::{Container, Writer};
use super::string;

/// Writes JSON.
#[derive(Debug)]
pub(in super::super) struct Json;

impl Writer for Json {
    const SERIALIZER: Serializer = Serializer::Json;

    const TEXT_KEYS: bool = true;

    fn null(out: &mut Vec<u8>) {
        out.extend_from_slice(b"null");
    }

    fn boolean(value: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    #[inline]
    fn unsigned(value: u64, out: &mut Vec<u8>) {
        // Codes of messages, and many ids, have one digit or two.
        if value < 100 {
            let (tens, ones) = (value as u8 / 10, value as u8 % 10);
            return match tens {
                0 => out.push(b'0' + ones),
                _ => out.extend_from_slice(&[b'0' + tens, b'0' + ones]),
            };
        }
        out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    fn negative(n: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(itoa::Buffer::new().format(-1 - i128::from(n)).as_bytes());
    }

    fn big(value: &BigInt<'_>, out: &mut Vec<u8>) {
        match value {
            BigInt::Decimal(digits) => out.extend_from_slice(digits.as_bytes()),
            BigInt::Binary { negative, magnitude } => match bigint::to_decimal(*negative, magnitude) {
                Some(digits) => out.extend_from_slice(digits.as_bytes()),
                None => Self::null(out),
            },
        }
    }

    fn float32(value: f32, out: &mut Vec<u8>) {
        Self::float(f64::from(value), out);
    }

    /// JSON has no NaN and no infinities: null.
    fn float(value: f64, out: &mut Vec<u8>) {
        if !value.is_finite() {
            return Self::null(out);
        }
        // The shortest digits that read back as the same number, with an exponent where they would be many. Writing to
        // a Vec cannot fail.
        let _ = write!(out, "{value:?}");
    }

    fn text(text: &str, out: &mut Vec<u8>) {
        string::write(text, out);
    }

    /// Spec, "Binary conversion of JSON strings": NUL and then Base64.
    fn binary(bytes: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"\\u0000");
        let start = out.len();
        out.resize(start + bytes.len().div_ceil(3) * 4, 0);
        // The room is exactly what is needed, so this cannot fail.
        let _ = STANDARD.encode_slice(bytes, &mut out[start..]);
        out.push(b'"');
    }

    /// The seconds since 1970, as the CBOR tag 1 would have them.
    fn timestamp(seconds: i64, nanoseconds: u32, out: &mut Vec<u8>) {
        match nanoseconds {
            0 => out.extend_from_slice(itoa::Buffer::new().format(seconds).as_bytes()),
            _ => Self::float(seconds as f64 + f64::from(nanoseconds) / 1e9, out),
        }
    }

    fn header(container: Container, _count: usize, out: &mut Vec<u8>) {
        out.push(if container == Container::List { b'[' } else { b'{' });
    }

    fn close(container: Container, out: &mut Vec<u8>) {
        out.push(if container == Container::List { b']' } else { b'}' });
    }

    fn comma(out: &mut Vec<u8>) {
        out.push(b',');
    }

    fn colon(out: &mut Vec<u8>) {
        out.push(b':');
    }
}
