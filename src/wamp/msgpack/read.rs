//! The reader of MessagePack.

use std::borrow::Cow;

use super::super::cursor::Cursor;
use super::super::fixed::{Fixed, TEXT};
use super::super::message::Text;
use super::super::reader::{Fault, Flaw, Kind, Plain, Read, Reader, Value};
use super::super::serializer::Serializer;

/// A cursor over MessagePack.
#[derive(Debug)]
pub(in super::super) struct MsgPackReader<'a> {
    cursor: Cursor<'a>,
}

/// An open list or dictionary: how many elements or entries are left.
#[derive(Debug)]
pub(in super::super) struct Open(u32);

/// The first bytes of a value.
#[derive(Clone, Copy)]
enum Head {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float32(f32),
    Float(f64),
    Text(u32),
    Binary(u32),
    Extension(u32, i8),
    List(u32),
    Dict(u32),
}

/// The extension type of timestamps.
const TIMESTAMP: i8 = -1;

impl<'a> Reader<'a> for MsgPackReader<'a> {
    const SERIALIZER: Serializer = Serializer::MsgPack;

    type Open = Open;

    fn within(bytes: &'a [u8], depth_max: usize) -> Option<Self> {
        Some(MsgPackReader { cursor: Cursor::new(bytes, depth_max) })
    }

    fn cursor(&self) -> &Cursor<'a> {
        &self.cursor
    }

    fn cursor_mut(&mut self) -> &mut Cursor<'a> {
        &mut self.cursor
    }

    fn kind(&self) -> Kind {
        match self.cursor.peek() {
            Some(0x90..=0x9f | 0xdc | 0xdd) => Kind::List,
            Some(0x80..=0x8f | 0xde | 0xdf) => Kind::Dict,
            Some(0xa0..=0xbf | 0xd9..=0xdb | 0xc4..=0xc6) => Kind::String,
            _ => Kind::Other,
        }
    }

    #[inline]
    fn plain(&self) -> Option<Plain<'a>> {
        let bytes = self.cursor.bytes;
        let [list @ 0x93..=0x9f, code @ ..=0x7f] = *bytes.first_chunk()? else { return None };
        let mut reader = MsgPackReader { cursor: self.cursor.inside_list(2) };
        let id = reader.unsigned().ok()?;
        let [0x80] = reader.cursor.take_array().ok()? else { return None };
        Plain::behind_options(reader, u64::from(code), id, usize::from(list & 0x0f) - 3)
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
        Open(count as u32)
    }

    fn next(&mut self, open: &mut Open) -> Read<bool> {
        match open.0.checked_sub(1) {
            Some(left) => {
                open.0 = left;
                Ok(true)
            }
            None => {
                self.cursor.leave();
                Ok(false)
            }
        }
    }

    fn unsigned(&mut self) -> Read<u64> {
        match self.head()? {
            Head::Unsigned(value) => Ok(value),
            Head::Signed(value) if value >= 0 => Ok(value as u64),
            _ => self.fail(Fault::WrongType),
        }
    }

    fn boolean(&mut self) -> Read<bool> {
        let Head::Bool(value) = self.head()? else { return self.fail(Fault::WrongType) };
        Ok(value)
    }

    fn text(&mut self) -> Read<Text<'a>> {
        let Head::Text(len) = self.head()? else { return self.fail(Fault::WrongType) };
        self.cursor.take_text(len.into()).map(Cow::Borrowed)
    }

    fn skip(&mut self) -> Read<()> {
        match self.head()? {
            Head::Text(len) => self.cursor.skip_text(len.into()),
            Head::Binary(len) | Head::Extension(len, _) => self.cursor.take(len.into()).map(drop),
            Head::List(count) => self.skip_values(u64::from(count)),
            Head::Dict(count) => self.skip_values(2 * u64::from(count)),
            _ => Ok(()),
        }
    }

    fn value(&mut self) -> Read<Value<'a, Open>> {
        Ok(match self.head()? {
            Head::Nil => Value::Null,
            Head::Bool(value) => Value::Bool(value),
            Head::Unsigned(value) => Value::Unsigned(value),
            Head::Signed(value) if value < 0 => Value::Negative(!value as u64),
            Head::Signed(value) => Value::Unsigned(value as u64),
            Head::Float32(value) => Value::Float32(value),
            Head::Float(value) => Value::Float(value),
            Head::Text(len) => Value::Text(Cow::Borrowed(self.cursor.take_text(len.into())?)),
            Head::Binary(len) => Value::Binary(Cow::Borrowed(self.cursor.take(len.into())?)),
            Head::Extension(len, kind) => {
                let data = self.cursor.take(len.into())?;
                match timestamp(data).filter(|_| kind == TIMESTAMP) {
                    Some((seconds, nanoseconds)) => Value::Timestamp(seconds, nanoseconds),
                    None => Value::Binary(Cow::Borrowed(data)),
                }
            }
            Head::List(count) => {
                self.cursor.enter()?;
                Value::List(Open(count))
            }
            Head::Dict(count) => {
                self.cursor.enter()?;
                Value::Dict(Open(count))
            }
        })
    }

    fn at_end(&mut self) -> bool {
        self.cursor.at == self.cursor.bytes.len()
    }
}

impl<'a> MsgPackReader<'a> {
    #[inline(always)]
    fn head(&mut self) -> Read<Head> {
        let [first] = self.cursor.take_array()?;
        Ok(match first {
            0x00..=0x7f => Head::Unsigned(u64::from(first)),
            0x80..=0x8f => Head::Dict(u32::from(first & 0x0f)),
            0x90..=0x9f => Head::List(u32::from(first & 0x0f)),
            0xa0..=0xbf => Head::Text(u32::from(first & 0x1f)),
            0xc0 => Head::Nil,
            0xc1 => {
                self.cursor.at -= 1;
                return self.fail(Fault::Malformed(Flaw::Code));
            }
            0xc2 => Head::Bool(false),
            0xc3 => Head::Bool(true),
            0xc4 => Head::Binary(self.u8()?),
            0xc5 => Head::Binary(self.u16()?),
            0xc6 => Head::Binary(self.u32()?),
            0xc7 => Head::Extension(self.u8()?, self.extension_type()?),
            0xc8 => Head::Extension(self.u16()?, self.extension_type()?),
            0xc9 => Head::Extension(self.u32()?, self.extension_type()?),
            0xca => Head::Float32(f32::from_be_bytes(self.cursor.take_array()?)),
            0xcb => Head::Float(f64::from_be_bytes(self.cursor.take_array()?)),
            0xcc => Head::Unsigned(u64::from(self.u8()?)),
            0xcd => Head::Unsigned(u64::from(self.u16()?)),
            0xce => Head::Unsigned(u64::from(self.u32()?)),
            0xcf => Head::Unsigned(u64::from_be_bytes(self.cursor.take_array()?)),
            0xd0 => Head::Signed(i64::from(i8::from_be_bytes(self.cursor.take_array()?))),
            0xd1 => Head::Signed(i64::from(i16::from_be_bytes(self.cursor.take_array()?))),
            0xd2 => Head::Signed(i64::from(i32::from_be_bytes(self.cursor.take_array()?))),
            0xd3 => Head::Signed(i64::from_be_bytes(self.cursor.take_array()?)),
            0xd4..=0xd8 => Head::Extension(1 << (first - 0xd4), self.extension_type()?),
            0xd9 => Head::Text(self.u8()?),
            0xda => Head::Text(self.u16()?),
            0xdb => Head::Text(self.u32()?),
            0xdc => Head::List(self.u16()?),
            0xdd => Head::List(self.u32()?),
            0xde => Head::Dict(self.u16()?),
            0xdf => Head::Dict(self.u32()?),
            0xe0..=0xff => Head::Signed(i64::from(first as i8)),
        })
    }

    fn extension_type(&mut self) -> Read<i8> {
        self.cursor.take_array().map(i8::from_be_bytes)
    }

    fn u8(&mut self) -> Read<u32> {
        self.cursor.take_array().map(u8::from_be_bytes).map(u32::from)
    }

    fn u16(&mut self) -> Read<u32> {
        self.cursor.take_array().map(u16::from_be_bytes).map(u32::from)
    }

    fn u32(&mut self) -> Read<u32> {
        self.cursor.take_array().map(u32::from_be_bytes)
    }

    fn skip_values(&mut self, count: u64) -> Read<()> {
        self.cursor.enter()?;
        let mut left = count;
        loop {
            left = self.cursor.skip_fixed(&FIXED, left);
            if left == 0 {
                break;
            }
            self.skip()?;
            left -= 1;
        }
        self.cursor.leave();
        Ok(())
    }
}

static FIXED: Fixed = {
    let mut lens = [0; 256];
    let mut first = 0;
    while first < 256 {
        lens[first] = match first {
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => 1,
            0xcc | 0xd0 => 2,
            0xcd | 0xd1 => 3,
            0xca | 0xce | 0xd2 => 5,
            0xcb | 0xcf | 0xd3 => 9,
            0xa0..=0xbf => TEXT | (1 + first as u8 - 0xa0),
            _ => 0,
        };
        first += 1;
    }
    Fixed { lens, small_end: 0x80 }
};

/// The time that the data of a timestamp extension tells: seconds since 1970 and nanoseconds.
fn timestamp(data: &[u8]) -> Option<(i64, u32)> {
    let (seconds, nanoseconds) = match data.len() {
        4 => (i64::from(u32::from_be_bytes(*data.first_chunk()?)), 0),
        8 => {
            let both = u64::from_be_bytes(*data.first_chunk()?);
            ((both & ((1 << 34) - 1)) as i64, (both >> 34) as u32)
        }
        12 => (i64::from_be_bytes(*data.last_chunk()?), u32::from_be_bytes(*data.first_chunk()?)),
        _ => return None,
    };
    (nanoseconds < 1_000_000_000).then_some((seconds, nanoseconds))
}
