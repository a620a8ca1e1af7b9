//! The reader of CBOR: everything that is well-formed, indefinite lengths included.

use std::borrow::Cow;

use super::super::cursor::Cursor;
use super::super::fixed::{Fixed, TEXT};
use super::super::message::Text;
use super::super::reader::{BigInt, Fault, Flaw, Kind, Plain, Read, Reader, Value};
use super::super::serializer::Serializer;

/// A cursor over CBOR.
#[derive(Debug)]
pub(in super::super) struct CborReader<'a> {
    cursor: Cursor<'a>,
}

/// An open list or dictionary: how many elements or entries are left; `None`: a break ends it.
#[derive(Debug)]
pub(in super::super) struct Open(Option<u64>);

/// The first bytes of a value. A length or count of `None` is indefinite.
#[derive(Clone, Copy)]
enum Head {
    Unsigned(u64),
    Negative(u64),
    Binary(Option<u64>),
    Text(Option<u64>),
    List(Option<u64>),
    Dict(Option<u64>),
    Tag(u64),
    Bool(bool),
    /// Null, undefined and the simple values without a meaning.
    Simple,
    Float32(f32),
    Float(f64),
}

const BREAK: u8 = 0xff;

impl<'a> Reader<'a> for CborReader<'a> {
    const SERIALIZER: Serializer = Serializer::Cbor;

    type Open = Open;

    fn within(bytes: &'a [u8], depth_max: usize) -> Option<Self> {
        Some(CborReader { cursor: Cursor::new(bytes, depth_max) })
    }

    fn cursor(&self) -> &Cursor<'a> {
        &self.cursor
    }

    fn cursor_mut(&mut self) -> &mut Cursor<'a> {
        &mut self.cursor
    }

    fn kind(&self) -> Kind {
        match self.cursor.peek() {
            Some(0x80..=0x9f) => Kind::List,
            Some(0xa0..=0xbf) => Kind::Dict,
            Some(0x40..=0x7f) => Kind::String,
            _ => Kind::Other,
        }
    }

    #[inline]
    fn plain(&self) -> Option<Plain<'a>> {
        let bytes = self.cursor.bytes;
        let list @ 0x83..=0x97 = *bytes.first()? else { return None };
        let mut reader = CborReader { cursor: self.cursor.inside_list(1) };
        let code = reader.unsigned().ok()?;
        let id = reader.unsigned().ok()?;
        let [0xa0] = reader.cursor.take_array().ok()? else { return None };
        Plain::behind_options(reader, code, id, usize::from(list & 0x1f) - 3)
    }

    fn open_list(&mut self) -> Read<Open> {
        let Head::List(count) = self.head()? else { return self.fail(Fault::WrongType) };
        self.cursor.enter()?;
        Ok(Open(count))
    }

    fn open_dict(&mut self) -> Read<Open> {
        let Head::Dict(count) = self.head()? else { return self.fail(Fault::WrongType) };
        self.cursor.enter()?;
        Ok(Open(count))
    }

    fn inside(count: usize) -> Open {
        Open(Some(count as u64))
    }

    fn next(&mut self, open: &mut Open) -> Read<bool> {
        let more = match &mut open.0 {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None => !self.take_break(),
        };
        if !more {
            self.cursor.leave();
        }
        Ok(more)
    }

    fn unsigned(&mut self) -> Read<u64> {
        let Head::Unsigned(value) = self.head()? else { return self.fail(Fault::WrongType) };
        Ok(value)
    }

    fn boolean(&mut self) -> Read<bool> {
        let Head::Bool(value) = self.head()? else { return self.fail(Fault::WrongType) };
        Ok(value)
    }

    fn text(&mut self) -> Read<Text<'a>> {
        let Head::Text(len) = self.head()? else { return self.fail(Fault::WrongType) };
        self.take_text(len)
    }

    fn skip(&mut self) -> Read<()> {
        loop {
            return match self.head()? {
                Head::Tag(_) => continue,
                Head::Text(Some(len)) => self.cursor.skip_text(len),
                Head::Text(None) => self.chunks(Self::text_chunk, drop),
                Head::Binary(Some(len)) => self.cursor.take(len).map(drop),
                Head::Binary(None) => self.chunks(Self::binary_chunk, drop),
                Head::List(count) => self.skip_values(count, 1),
                Head::Dict(count) => self.skip_values(count, 2),
                _ => Ok(()),
            };
        }
    }

    fn value(&mut self) -> Read<Value<'a, Open>> {
        const POSITIVE_BIGNUM: u64 = 2;
        const NEGATIVE_BIGNUM: u64 = 3;

        let mut tag = None;
        loop {
            return Ok(match self.head()? {
                Head::Tag(number) => {
                    tag = Some(number);
                    continue;
                }
                Head::Unsigned(value) => Value::Unsigned(value),
                Head::Negative(n) => Value::Negative(n),
                Head::Binary(len) => match (tag, self.take_binary(len)?) {
                    (Some(POSITIVE_BIGNUM), magnitude) => big(false, magnitude),
                    (Some(NEGATIVE_BIGNUM), magnitude) => big(true, magnitude),
                    (_, binary) => Value::Binary(binary),
                },
                Head::Text(len) => Value::Text(self.take_text(len)?),
                Head::List(count) => {
                    self.cursor.enter()?;
                    Value::List(Open(count))
                }
                Head::Dict(count) => {
                    self.cursor.enter()?;
                    Value::Dict(Open(count))
                }
                Head::Bool(value) => Value::Bool(value),
                Head::Simple => Value::Null,
                Head::Float32(value) => Value::Float32(value),
                Head::Float(value) => Value::Float(value),
            });
        }
    }

    fn at_end(&mut self) -> bool {
        self.cursor.at == self.cursor.bytes.len()
    }
}

impl<'a> CborReader<'a> {
    #[inline]
    fn head(&mut self) -> Read<Head> {
        let [first] = self.cursor.take_array()?;
        let (major, info) = (first >> 5, first & 0x1f);
        if major == 7 {
            return self.simple_or_float(info);
        }
        let argument = match info {
            0..=23 => Some(u64::from(info)),
            24 => Some(u64::from(u8::from_be_bytes(self.cursor.take_array()?))),
            25 => Some(u64::from(u16::from_be_bytes(self.cursor.take_array()?))),
            26 => Some(u64::from(u32::from_be_bytes(self.cursor.take_array()?))),
            27 => Some(u64::from_be_bytes(self.cursor.take_array()?)),
            31 if matches!(major, 2..=5) => None,
            _ => {
                self.cursor.at -= 1;
                return self.fail(Fault::Malformed(Flaw::Code));
            }
        };
        Ok(match (major, argument) {
            (0, Some(value)) => Head::Unsigned(value),
            (1, Some(value)) => Head::Negative(value),
            (2, len) => Head::Binary(len),
            (3, len) => Head::Text(len),
            (4, count) => Head::List(count),
            (5, count) => Head::Dict(count),
            (_, tag) => Head::Tag(tag.unwrap_or_default()),
        })
    }

    fn simple_or_float(&mut self, info: u8) -> Read<Head> {
        Ok(match info {
            20 => Head::Bool(false),
            21 => Head::Bool(true),
            0..=23 => Head::Simple,
            24 if self.cursor.peek().is_some_and(|value| value >= 32) => {
                self.cursor.at += 1;
                Head::Simple
            }
            25 => Head::Float32(half(u16::from_be_bytes(self.cursor.take_array()?))),
            26 => Head::Float32(f32::from_be_bytes(self.cursor.take_array()?)),
            27 => Head::Float(f64::from_be_bytes(self.cursor.take_array()?)),
            _ => {
                self.cursor.at -= 1;
                return self.fail(Fault::Malformed(Flaw::Code));
            }
        })
    }

    fn take_break(&mut self) -> bool {
        let is_break = self.cursor.peek() == Some(BREAK);
        self.cursor.at += usize::from(is_break);
        is_break
    }

    #[inline]
    fn take_text(&mut self, len: Option<u64>) -> Read<Text<'a>> {
        if let Some(len) = len {
            return self.cursor.take_text(len).map(Cow::Borrowed);
        }
        let mut text = String::new();
        self.chunks(Self::text_chunk, |chunk| text.push_str(chunk))?;
        Ok(Cow::Owned(text))
    }

    fn take_binary(&mut self, len: Option<u64>) -> Read<Cow<'a, [u8]>> {
        if let Some(len) = len {
            return self.cursor.take(len).map(Cow::Borrowed);
        }
        let mut binary = Vec::new();
        self.chunks(Self::binary_chunk, |chunk| binary.extend_from_slice(chunk))?;
        Ok(Cow::Owned(binary))
    }

    /// Reads the chunks of a string of indefinite length, each of them a string of definite length.
    fn chunks<T>(&mut self, chunk: impl Fn(&mut Self) -> Read<T>, mut with: impl FnMut(T)) -> Read<()> {
        while !self.take_break() {
            with(chunk(self)?);
        }
        Ok(())
    }

    fn text_chunk(&mut self) -> Read<&'a str> {
        match self.head()? {
            Head::Text(Some(len)) => self.cursor.take_text(len),
            _ => self.fail(Fault::Malformed(Flaw::Chunk)),
        }
    }

    fn binary_chunk(&mut self) -> Read<&'a [u8]> {
        match self.head()? {
            Head::Binary(Some(len)) => self.cursor.take(len),
            _ => self.fail(Fault::Malformed(Flaw::Chunk)),
        }
    }

    /// Passes over the values of a list (one each) or a dictionary (two each).
    fn skip_values(&mut self, count: Option<u64>, each: u64) -> Read<()> {
        self.cursor.enter()?;
        match count {
            // More than there are bytes, anyhow, if it does not fit.
            Some(count) => self.skip_all(count.saturating_mul(each))?,
            None => {
                while !self.take_break() {
                    self.skip_all(each)?;
                }
            }
        }
        self.cursor.leave();
        Ok(())
    }

    #[inline]
    fn skip_all(&mut self, count: u64) -> Read<()> {
        let mut left = count;
        loop {
            left = self.cursor.skip_fixed(&FIXED, left);
            if left == 0 {
                return Ok(());
            }
            self.skip()?;
            left -= 1;
        }
    }
}

static FIXED: Fixed = {
    let mut lens = [0; 256];
    let mut first = 0;
    while first < 256 {
        lens[first] = match (first >> 5, first & 0x1f) {
            (0 | 1 | 7, 0..=23) => 1,
            (0 | 1, 24) => 2,
            (0 | 1 | 7, 25) => 3,
            (0 | 1 | 7, 26) => 5,
            (0 | 1 | 7, 27) => 9,
            (3, len @ 0..=23) => TEXT | (1 + len as u8),
            _ => 0,
        };
        first += 1;
    }
    Fixed { lens, small_end: 24 }
};

/// A bignum, as a plain integer if it fits one.
fn big<'a, Open>(negative: bool, magnitude: Cow<'a, [u8]>) -> Value<'a, Open> {
    let digits = magnitude.iter().skip_while(|&&byte| byte == 0);
    if digits.clone().count() > size_of::<u64>() {
        return Value::Big(BigInt::Binary { negative, magnitude });
    }
    let value = digits.fold(0, |value, &byte| value << 8 | u64::from(byte));
    if negative { Value::Negative(value) } else { Value::Unsigned(value) }
}

/// The value of a half-precision float.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let mantissa = f32::from(bits & 0x3ff);
    sign * match exponent {
        0 => mantissa * 2f32.powi(-24),
        31 if mantissa == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (mantissa + 1024.0) * 2f32.powi(exponent - 25),
    }
}

#[cfg(test)]
mod tests {
    use super::half;

    #[test]
    fn halves() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x0001, 5.960_464_5e-8),
            (0x0400, 6.103_515_6e-5),
            (0x3c00, 1.0),
            (0xc400, -4.0),
            (0x7bff, 65504.0),
            (0x7c00, f32::INFINITY),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x7e00).is_nan());
        assert!(half(0x8000).is_sign_negative());
    }
}
