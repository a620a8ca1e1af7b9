//! What the scan and the transcoder ask of a serializer when they read.
//!
//! A reader is a cursor over exactly one value. It checks what it passes over, never allocates but for strings that do
//! not stand in the bytes as they are (JSON escapes, CBOR chunks), and never nests deeper than
//! [`NESTING_DEPTH_MAX`].

use std::borrow::Cow;

use super::cursor::Cursor;
use super::message::Text;
use super::serializer::Serializer;
use crate::limits::NESTING_DEPTH_MAX;

/// What reading gives.
pub(super) type Read<T> = Result<T, Failed>;

/// Reading failed; [`Reader::fault`] says why. It has no content, so that results stay in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failed;

/// Why a value could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The bytes are no well-formed value.
    Malformed(Flaw),
    /// Lists and dictionaries are nested deeper than the limit.
    TooDeep,
    /// There is a value, but not of the type asked for. The reader is of no further use.
    WrongType,
    /// An integer that is no id.
    NoId(u64),
}

impl Fault {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Fault::Malformed(flaw) => flaw.text(),
            Fault::TooDeep => "lists and dictionaries are nested too deeply",
            Fault::WrongType | Fault::NoId(_) => "a value of the wrong type",
        }
    }
}

/// What is wrong with bytes that are no well-formed value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    End,
    Value,
    Key,
    Colon,
    Comma,
    Escape,
    Control,
    Quote,
    Utf8,
    Code,
    Length,
    Chunk,
    Rest,
}

impl Flaw {
    const fn text(self) -> &'static str {
        match self {
            Flaw::End => "unexpected end",
            Flaw::Value => "expected a value",
            Flaw::Key => "expected a key",
            Flaw::Colon => "expected a colon",
            Flaw::Comma => "expected a comma or the end of the list or dictionary",
            Flaw::Escape => "invalid escape in a string",
            Flaw::Control => "control character in a string",
            Flaw::Quote => "a string does not end",
            Flaw::Utf8 => "text is not UTF-8",
            Flaw::Code => "a reserved code begins no value",
            Flaw::Length => "a length points behind the end",
            Flaw::Chunk => "expected a chunk of the string",
            Flaw::Rest => "more than was announced",
        }
    }
}

/// What kind of value comes next, as far as the scan cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    List,
    Dict,
    /// Text or binary.
    String,
    Other,
}

/// Any value: scalars whole, lists and dictionaries opened.
#[derive(Debug)]
pub(super) enum Value<'a, Open> {
    Null,
    Bool(bool),
    Unsigned(u64),
    /// The integer `-1 - n`.
    Negative(u64),
    /// An integer that fits neither of the two.
    Big(BigInt<'a>),
    Float32(f32),
    Float(f64),
    Text(Text<'a>),
    Binary(Cow<'a, [u8]>),
    /// Seconds since 1970 and nanoseconds.
    Timestamp(i64, u32),
    List(Open),
    Dict(Open),
}

/// An integer beyond 64 bits, as its serializer writes it.
#[derive(Debug)]
pub(super) enum BigInt<'a> {
    /// JSON digits, perhaps with a minus before them.
    Decimal(&'a str),
    /// CBOR: `magnitude` (big-endian), or `-1 - magnitude`.
    Binary { negative: bool, magnitude: Cow<'a, [u8]> },
}

/// A message `[code, id, {}, uri, …payload]`, or one without a URI where its code has none: read at one go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain<'a> {
    /// Of PUBLISH, CALL or YIELD.
    pub(super) code: u64,
    pub(super) id: u64,
    /// Empty for YIELD.
    pub(super) uri: &'a str,
    /// How many elements the payload has: a list, then a dictionary.
    pub(super) items: u8,
    /// Those, as in [`Payload::bytes`](super::message::Payload::bytes).
    pub(super) payload: &'a [u8],
}

impl<'a> Plain<'a> {
    /// Whether messages of a type have a URI behind their options; `None` for those that are not read at one go.
    #[inline]
    pub(super) const fn has_uri(code: u64) -> Option<bool> {
        match code {
            16 | 48 => Some(true),
            70 => Some(false),
            _ => None,
        }
    }

    /// Reads what stands behind the options, of which there are `left` elements.
    #[inline]
    pub(super) fn behind_options<R: Reader<'a>>(
        mut reader: R,
        code: u64,
        id: u64,
        left: usize,
    ) -> Option<Plain<'a>> {
        let mut left = left;
        let mut uri = "";
        if Plain::has_uri(code)? {
            let Text::Borrowed(text) = reader.text().ok()? else { return None };
            uri = text;
            left = left.checked_sub(1)?;
        }
        let start = reader.position();
        for kind in [Kind::List, Kind::Dict].get(..left)? {
            if reader.kind() != *kind {
                return None;
            }
            reader.skip().ok()?;
        }
        let payload = reader.since(start);
        reader.at_end().then_some(Plain { code, id, uri, items: left as u8, payload })
    }
}

/// A cursor over one value in the writing of one serializer.
///
/// Between the calls it stands at the first byte of a value, except after a value inside a list or dictionary, where
/// [`Reader::next`] moves it on.
pub(super) trait Reader<'a>: Sized {
    /// The serializer.
    const SERIALIZER: Serializer;

    /// What has to be remembered of a list or dictionary that is being read.
    type Open;

    /// A reader at the start of `bytes`, in which nothing may be nested deeper than `depth_max`; `None` if they have to be UTF-8 and are not.
    fn within(bytes: &'a [u8], depth_max: usize) -> Option<Self>;

    /// The same, for what the router has let in already.
    fn new(bytes: &'a [u8]) -> Option<Self> {
        Self::within(bytes, NESTING_DEPTH_MAX)
    }

    /// What all readers have in common.
    fn cursor(&self) -> &Cursor<'a>;

    /// The same, to be moved.
    fn cursor_mut(&mut self) -> &mut Cursor<'a>;

    /// Offset of the cursor. After a failure, that of the offending byte.
    #[inline]
    fn position(&self) -> usize {
        self.cursor().at
    }

    /// What the last failure was about.
    fn fault(&self) -> Fault {
        self.cursor().fault()
    }

    /// Fails for another reason than the reader's own.
    fn fail<T>(&mut self, fault: Fault) -> Read<T> {
        self.cursor_mut().fail(fault)
    }

    /// The bytes from the offset `start` to the cursor.
    #[inline]
    fn since(&self, start: usize) -> &'a [u8] {
        self.cursor().since(start)
    }

    /// The kind of the next value. Looks at its first byte only.
    fn kind(&self) -> Kind;

    /// The whole message, if it is as plain as most are that a router routes. `None` says nothing but that it is to be read
    /// the usual way. Only for a reader at the start.
    fn plain(&self) -> Option<Plain<'a>>;

    /// Enters a list.
    fn open_list(&mut self) -> Read<Self::Open>;

    /// Enters a dictionary.
    fn open_dict(&mut self) -> Read<Self::Open>;

    /// The inside of a list of `count` elements that begins at the cursor, without its header.
    fn inside(count: usize) -> Self::Open;

    /// Moves to the next element of a list or the next key of a dictionary; `false`: that was the end, and the cursor
    /// stands behind it.
    fn next(&mut self, open: &mut Self::Open) -> Read<bool>;

    /// Moves from behind a key to its value.
    fn after_key(&mut self) -> Read<()> {
        Ok(())
    }

    /// The next key of a dictionary whose keys have to be strings, with the cursor at its value.
    fn next_key(&mut self, open: &mut Self::Open) -> Read<Option<Text<'a>>> {
        if !self.next(open)? {
            return Ok(None);
        }
        let key = self.text()?;
        self.after_key()?;
        Ok(Some(key))
    }

    /// Reads an integer of 0..2^64, written as an integer.
    fn unsigned(&mut self) -> Read<u64>;

    /// Reads a boolean.
    fn boolean(&mut self) -> Read<bool>;

    /// Reads a string.
    fn text(&mut self) -> Read<Text<'a>>;

    /// Passes over a whole value of any type, checking it.
    fn skip(&mut self) -> Read<()>;

    /// Reads a value of any type.
    fn value(&mut self) -> Read<Value<'a, Self::Open>>;

    /// Reads a dictionary's key of any type.
    fn key(&mut self) -> Read<Value<'a, Self::Open>> {
        self.value()
    }

    /// Whether nothing (of meaning) follows.
    fn at_end(&mut self) -> bool;
}
