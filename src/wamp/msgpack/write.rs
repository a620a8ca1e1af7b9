//! The writer of MessagePack: always the shortest form.

use super::super::bigint;
use super::super::reader::BigInt;
use super::super::serializer::Serializer;
use super::super::writer::{Container, Writer};

/// Writes MessagePack.
#[derive(Debug)]
pub(in super::super) struct MsgPack;

impl Writer for MsgPack {
    const SERIALIZER: Serializer = Serializer::MsgPack;

    fn null(out: &mut Vec<u8>) {
        out.push(0xc0);
    }

    fn boolean(value: bool, out: &mut Vec<u8>) {
        out.push(0xc2 + u8::from(value));
    }

    fn unsigned(value: u64, out: &mut Vec<u8>) {
        match value {
            0..=0x7f => out.push(value as u8),
            0x80..=0xff => put(0xcc, [value as u8], out),
            0x100..=0xffff => put(0xcd, (value as u16).to_be_bytes(), out),
            0x1_0000..=0xffff_ffff => put(0xce, (value as u32).to_be_bytes(), out),
            _ => put(0xcf, value.to_be_bytes(), out),
        }
    }

    /// Below -2^63 it becomes a float.
    fn negative(n: u64, out: &mut Vec<u8>) {
        let Ok(n) = i64::try_from(n) else { return Self::float(-1.0 - n as f64, out) };
        let value = !n;
        match value {
            -0x20.. => out.push(value as u8),
            -0x80.. => put(0xd0, [value as u8], out),
            -0x8000.. => put(0xd1, (value as i16).to_be_bytes(), out),
            -0x8000_0000.. => put(0xd2, (value as i32).to_be_bytes(), out),
            _ => put(0xd3, value.to_be_bytes(), out),
        }
    }

    /// The closest float.
    fn big(value: &BigInt<'_>, out: &mut Vec<u8>) {
        Self::float(bigint::to_float(value), out);
    }

    fn float32(value: f32, out: &mut Vec<u8>) {
        put(0xca, value.to_be_bytes(), out);
    }

    fn float(value: f64, out: &mut Vec<u8>) {
        put(0xcb, value.to_be_bytes(), out);
    }

    fn text(text: &str, out: &mut Vec<u8>) {
        match text.len() {
            len @ ..=31 => out.push(0xa0 | len as u8),
            len => length([0xd9, 0xda, 0xdb], len, out),
        }
        out.extend_from_slice(text.as_bytes());
    }

    fn binary(bytes: &[u8], out: &mut Vec<u8>) {
        length([0xc4, 0xc5, 0xc6], bytes.len(), out);
        out.extend_from_slice(bytes);
    }

    fn timestamp(seconds: i64, nanoseconds: u32, out: &mut Vec<u8>) {
        match u32::try_from(seconds) {
            Ok(seconds) if nanoseconds == 0 => {
                out.extend_from_slice(&[0xd6, 0xff]);
                out.extend_from_slice(&seconds.to_be_bytes());
            }
            _ => {
                out.extend_from_slice(&[0xc7, 12, 0xff]);
                out.extend_from_slice(&nanoseconds.to_be_bytes());
                out.extend_from_slice(&seconds.to_be_bytes());
            }
        }
    }

    fn header(container: Container, count: usize, out: &mut Vec<u8>) {
        let (short, long) = match container {
            Container::List => (0x90, [0xdc, 0xdd]),
            Container::Dict => (0x80, [0xde, 0xdf]),
        };
        match count {
            ..=15 => out.push(short | count as u8),
            16..=0xffff => put(long[0], (count as u16).to_be_bytes(), out),
            _ => put(long[1], (count as u32).to_be_bytes(), out),
        }
    }

    fn close(_container: Container, _out: &mut Vec<u8>) {}

    fn comma(_out: &mut Vec<u8>) {}

    fn colon(_out: &mut Vec<u8>) {}
}

/// Writes the shortest of the three codes with its 1, 2 or 4 bytes of length.
fn length([one, two, four]: [u8; 3], len: usize, out: &mut Vec<u8>) {
    match len {
        ..=0xff => put(one, [len as u8], out),
        0x100..=0xffff => put(two, (len as u16).to_be_bytes(), out),
        _ => put(four, (len as u32).to_be_bytes(), out),
    }
}

fn put<const N: usize>(code: u8, value: [u8; N], out: &mut Vec<u8>) {
    out.push(code);
    out.extend_from_slice(&value);
}
