//! Lists of ids and of strings inside options: read from the message on demand, never collected.

use std::iter::from_fn;

use super::cbor::CborReader;
use super::json::JsonReader;
use super::message::Text;
use super::msgpack::MsgPackReader;
use super::reader::{Read, Reader};
use super::serializer::Serializer;

/// A list of ids (`eligible`, `exclude`).
#[derive(Clone, Copy, Debug)]
pub enum IdList<'a> {
    /// As it stands in a message, checked by the scan.
    Raw {
        /// What the bytes are written in.
        serializer: Serializer,
        /// The whole list value.
        bytes: &'a [u8],
    },
    /// Made by a program.
    Slice(&'a [u64]),
}

/// A list of strings (`eligible_authrole`, `authmethods`, …).
#[derive(Clone, Copy, Debug)]
pub enum TextList<'a> {
    /// As it stands in a message, checked by the scan.
    Raw {
        /// What the bytes are written in.
        serializer: Serializer,
        /// The whole list value.
        bytes: &'a [u8],
    },
    /// Made by a program.
    Slice(&'a [&'a str]),
}

impl<'a> IdList<'a> {
    /// The ids, in their order.
    pub fn iter(&self) -> impl Iterator<Item = u64> + use<'a> {
        let (slice, mut raw) = match *self {
            IdList::Raw { serializer, bytes } => (&[][..], Elements::new(serializer, bytes)),
            IdList::Slice(ids) => (ids, None),
        };
        slice.iter().copied().chain(from_fn(move || raw.as_mut()?.id()).fuse())
    }

    /// Whether `id` is among them.
    pub fn contains(&self, id: u64) -> bool {
        self.iter().any(|it| it == id)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl<'a> TextList<'a> {
    /// The strings, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Text<'a>> + use<'a> {
        let (slice, mut raw) = match *self {
            TextList::Raw { serializer, bytes } => (&[][..], Elements::new(serializer, bytes)),
            TextList::Slice(texts) => (texts, None),
        };
        slice.iter().map(|&text| Text::Borrowed(text)).chain(from_fn(move || raw.as_mut()?.text()).fuse())
    }

    /// Whether `text` is among them.
    pub fn contains(&self, text: &str) -> bool {
        self.iter().any(|it| it == text)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl PartialEq for IdList<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl PartialEq for TextList<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

/// The elements of a list as it stands in a message. A fault, which the scan excludes, ends it.
enum Elements<'a> {
    Json(Cursor<'a, JsonReader<'a>>),
    MsgPack(Cursor<'a, MsgPackReader<'a>>),
    Cbor(Cursor<'a, CborReader<'a>>),
}

impl<'a> Elements<'a> {
    fn new(serializer: Serializer, bytes: &'a [u8]) -> Option<Elements<'a>> {
        match serializer {
            Serializer::Json => Cursor::new(bytes).map(Elements::Json),
            Serializer::MsgPack => Cursor::new(bytes).map(Elements::MsgPack),
            Serializer::Cbor => Cursor::new(bytes).map(Elements::Cbor),
        }
    }

    fn id(&mut self) -> Option<u64> {
        match self {
            Elements::Json(cursor) => cursor.next(Reader::unsigned),
            Elements::MsgPack(cursor) => cursor.next(Reader::unsigned),
            Elements::Cbor(cursor) => cursor.next(Reader::unsigned),
        }
    }

    fn text(&mut self) -> Option<Text<'a>> {
        match self {
            Elements::Json(cursor) => cursor.next(Reader::text),
            Elements::MsgPack(cursor) => cursor.next(Reader::text),
            Elements::Cbor(cursor) => cursor.next(Reader::text),
        }
    }
}

struct Cursor<'a, R: Reader<'a>> {
    reader: R,
    open: R::Open,
}

impl<'a, R: Reader<'a>> Cursor<'a, R> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = R::new(bytes)?;
        let open = reader.open_list().ok()?;
        Some(Cursor { reader, open })
    }

    fn next<T>(&mut self, read: impl Fn(&mut R) -> Read<T>) -> Option<T> {
        if !self.reader.next(&mut self.open).ok()? {
            return None;
        }
        read(&mut self.reader).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_by_content_whatever_the_writing() {
        let slice = IdList::Slice(&[1, 200, 1 << 53]);
        let json = IdList::Raw { serializer: Serializer::Json, bytes: b"[1, 200 ,9007199254740992]" };
        let msgpack = b"\x93\x01\xcc\xc8\xcf\x00\x20\x00\x00\x00\x00\x00\x00";
        let msgpack = IdList::Raw { serializer: Serializer::MsgPack, bytes: msgpack };
        let cbor = b"\x9f\x01\x18\xc8\x1b\x00\x20\x00\x00\x00\x00\x00\x00\xff";
        let cbor = IdList::Raw { serializer: Serializer::Cbor, bytes: cbor };
        for list in [json, msgpack, cbor] {
            assert_eq!(list, slice);
            assert!(list.contains(200) && !list.contains(2) && !list.is_empty());
        }
        assert_ne!(slice, IdList::Slice(&[1, 200]));
        assert!(IdList::Raw { serializer: Serializer::Json, bytes: b"[ ]" }.is_empty());
    }

    #[test]
    fn texts_with_escapes_and_chunks() {
        let slice = TextList::Slice(&["ab", "\u{e9}"]);
        let json = TextList::Raw { serializer: Serializer::Json, bytes: br#"["a\u0062","\u00e9"]"# };
        let cbor =
            TextList::Raw { serializer: Serializer::Cbor, bytes: b"\x82\x7f\x61a\x61b\xff\x62\xc3\xa9" };
        assert_eq!(json, slice);
        assert_eq!(cbor, slice);
        assert!(json.contains("ab") && !json.contains("a") && !json.is_empty());
    }

    #[test]
    fn broken_lists_end() {
        for bytes in [&b"[1,"[..], b"[1,x]", b"[1", b"1", b""] {
            assert!(IdList::Raw { serializer: Serializer::Json, bytes }.iter().count() <= 1);
        }
    }
}
