//! The writer of CBOR: always the shortest form of integers and lengths, never indefinite lengths.

use super::super::bigint;
use super::super::reader::BigInt;
use super::super::serializer::Serializer;
use super::super::writer::{Container, Writer};

/// Writes CBOR.
#[derive(Debug)]
pub(in super::super) struct Cbor;

const UNSIGNED: u8 = 0x00;
const NEGATIVE: u8 = 0x20;
const BINARY: u8 = 0x40;
const TEXT: u8 = 0x60;
const LIST: u8 = 0x80;
const DICT: u8 = 0xa0;
const TAG: u8 = 0xc0;

const TAG_EPOCH: u64 = 1;
const TAG_BIGNUM: u64 = 2;

impl Writer for Cbor {
    const SERIALIZER: Serializer = Serializer::Cbor;

    fn null(out: &mut Vec<u8>) {
        out.push(0xf6);
    }

    fn boolean(value: bool, out: &mut Vec<u8>) {
        out.push(0xf4 + u8::from(value));
    }

    fn unsigned(value: u64, out: &mut Vec<u8>) {
        head(UNSIGNED, value, out);
    }

    fn negative(n: u64, out: &mut Vec<u8>) {
        head(NEGATIVE, n, out);
    }

    fn big(value: &BigInt<'_>, out: &mut Vec<u8>) {
        let mut bignum = |negative: bool, magnitude: &[u8]| {
            head(TAG, TAG_BIGNUM + u64::from(negative), out);
            Self::binary(magnitude, out);
        };
        match value {
            BigInt::Binary { negative, magnitude } => bignum(*negative, magnitude),
            BigInt::Decimal(digits) => match bigint::from_decimal(digits) {
                Some((negative, magnitude)) => bignum(negative, &magnitude),
                None => Self::float(bigint::to_float(value), out),
            },
        }
    }

    fn float32(value: f32, out: &mut Vec<u8>) {
        out.push(0xfa);
        out.extend_from_slice(&value.to_be_bytes());
    }

    fn float(value: f64, out: &mut Vec<u8>) {
        out.push(0xfb);
        out.extend_from_slice(&value.to_be_bytes());
    }

    fn text(text: &str, out: &mut Vec<u8>) {
        head(TEXT, text.len() as u64, out);
        out.extend_from_slice(text.as_bytes());
    }

    fn binary(bytes: &[u8], out: &mut Vec<u8>) {
        head(BINARY, bytes.len() as u64, out);
        out.extend_from_slice(bytes);
    }

    /// Tag 1: the seconds as an integer, or as a float if there are nanoseconds (exact to about a microsecond).
    fn timestamp(seconds: i64, nanoseconds: u32, out: &mut Vec<u8>) {
        head(TAG, TAG_EPOCH, out);
        match (nanoseconds, u64::try_from(seconds)) {
            (0, Ok(seconds)) => Self::unsigned(seconds, out),
            (0, Err(_)) => Self::negative(!seconds as u64, out),
            _ => Self::float(seconds as f64 + f64::from(nanoseconds) / 1e9, out),
        }
    }

    fn header(container: Container, count: usize, out: &mut Vec<u8>) {
        let major = match container {
            Container::List => LIST,
            Container::Dict => DICT,
        };
        head(major, count as u64, out);
    }

    fn close(_container: Container, _out: &mut Vec<u8>) {}

    fn comma(_out: &mut Vec<u8>) {}

    fn colon(_out: &mut Vec<u8>) {}
}

fn head(major: u8, argument: u64, out: &mut Vec<u8>) {
    match argument {
        0..=23 => out.push(major | argument as u8),
        24..=0xff => out.extend_from_slice(&[major | 24, argument as u8]),
        0x100..=0xffff => {
            out.push(major | 25);
            out.extend_from_slice(&(argument as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 26);
            out.extend_from_slice(&(argument as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&argument.to_be_bytes());
        }
    }
}
