//! The reader of JSON: the whole grammar of RFC 8259, with lone surrogates refused.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::cursor::Cursor;
use super::super::message::Text;
use super::super::reader::{BigInt, Fault, Flaw, Kind, Plain, Read, Reader, Value};
use super::super::serializer::Serializer;
use super::super::utf8::utf8;
use super::plain::plain_end;
use super::{list, number, string};
use crate::limits::NESTING_DEPTH_MAX;

/// A cursor over JSON text.
#[derive(Debug)]
pub(in super::super) struct JsonReader<'a> {
    cursor: Cursor<'a>,
    /// The bytes of the cursor, known to be UTF-8.
    text: &'a str,
}

/// An open list or dictionary.
#[derive(Debug)]
pub(in super::super) struct Open {
    close: u8,
    first: bool,
}

impl<'a> Reader<'a> for JsonReader<'a> {
    const SERIALIZER: Serializer = Serializer::Json;

    type Open = Open;

    fn within(bytes: &'a [u8], depth_max: usize) -> Option<Self> {
        Some(JsonReader::of_text(utf8(bytes)?, depth_max))
    }

    fn cursor(&self) -> &Cursor<'a> {
        &self.cursor
    }

    fn cursor_mut(&mut self) -> &mut Cursor<'a> {
        &mut self.cursor
    }

    fn kind(&self) -> Kind {
        match self.cursor.peek() {
            Some(b'[') => Kind::List,
            Some(b'{') => Kind::Dict,
            Some(b'"') => Kind::String,
            _ => Kind::Other,
        }
    }

    #[inline]
    fn plain(&self) -> Option<Plain<'a>> {
        let bytes = self.cursor.bytes;
        let [b'[', tens @ b'1'..=b'9', ones @ b'0'..=b'9', b','] = *bytes.first_chunk()? else { return None };
        let code = u64::from((tens - b'0') * 10 + (ones - b'0'));
        let (id, at) = number::unsigned_at(bytes, 4)?;
        let [b',', b'{', b'}'] = *bytes.get(at..)?.first_chunk()? else { return None };
        let mut at = at + 3;
        let mut uri = "";
        if Plain::has_uri(code)? {
            let [b',', b'"'] = *bytes.get(at..)?.first_chunk()? else { return None };
            let end = plain_end(bytes, at + 2);
            if bytes.get(end) != Some(&b'"') {
                return None;
            }
            uri = &self.text[at + 2..end];
            at = end + 1;
        }
        let mut reader = JsonReader { cursor: self.cursor.inside_list(at), text: self.text };
        let mut items = 0;
        let start = at + 1;
        for open in [b'[', b'{'] {
            if bytes.get(at) != Some(&b',') || bytes.get(at + 1) != Some(&open) {
                break;
            }
            at = reader.value_end(at + 1).ok()?;
            items += 1;
        }
        let payload = if items == 0 { &[] } else { &bytes[start..at] };
        (bytes.get(at..)? == b"]").then_some(Plain { code, id, uri, items, payload })
    }

    fn open_list(&mut self) -> Read<Open> {
        self.open(b'[', b']')
    }

    fn open_dict(&mut self) -> Read<Open> {
        self.open(b'{', b'}')
    }

    fn inside(_count: usize) -> Open {
        Open { close: b']', first: true }
    }

    #[inline]
    fn next(&mut self, open: &mut Open) -> Read<bool> {
        self.skip_space();
        let byte = self.cursor.peek();
        if byte == Some(b',') && !open.first {
            self.cursor.at += 1;
            self.skip_space();
        } else if byte == Some(open.close) {
            self.cursor.at += 1;
            self.cursor.leave();
            return Ok(false);
        } else if byte.is_none() || !open.first {
            return self.malformed(Flaw::Comma);
        }
        open.first = false;
        if open.close == b'}' && self.cursor.peek() != Some(b'"') {
            return self.malformed(Flaw::Key);
        }
        Ok(true)
    }

    #[inline]
    fn after_key(&mut self) -> Read<()> {
        self.cursor.at = self.value_start(self.cursor.at)?;
        Ok(())
    }

    #[inline]
    fn unsigned(&mut self) -> Read<u64> {
        match number::unsigned_at(self.cursor.bytes, self.cursor.at) {
            Some((value, end)) => {
                self.cursor.at = end;
                Ok(value)
            }
            None => self.wrong_type(),
        }
    }

    fn boolean(&mut self) -> Read<bool> {
        let (word, value) = match self.cursor.peek() {
            Some(b't') => ("true", true),
            Some(b'f') => ("false", false),
            _ => return self.wrong_type(),
        };
        self.cursor.at = self.word_end(self.cursor.at, word)?;
        Ok(value)
    }

    #[inline]
    fn text(&mut self) -> Read<Text<'a>> {
        if self.cursor.peek() != Some(b'"') {
            return self.wrong_type();
        }
        let start = self.cursor.at + 1;
        let (end, escaped) = self.string_end(self.cursor.at)?;
        self.cursor.at = end;
        let written = &self.text[start..end - 1];
        Ok(if escaped { Cow::Owned(string::unescape(written)) } else { Cow::Borrowed(written) })
    }

    fn skip(&mut self) -> Read<()> {
        self.cursor.at = self.value_end(self.cursor.at)?;
        Ok(())
    }

    fn value(&mut self) -> Read<Value<'a, Open>> {
        match self.cursor.peek() {
            Some(b'"') => self.text().map(text_or_binary),
            Some(b'[') => self.open_list().map(Value::List),
            Some(b'{') => self.open_dict().map(Value::Dict),
            Some(b't' | b'f') => self.boolean().map(Value::Bool),
            Some(b'n') => {
                self.cursor.at = self.word_end(self.cursor.at, "null")?;
                Ok(Value::Null)
            }
            _ => self.number(),
        }
    }

    fn key(&mut self) -> Read<Value<'a, Open>> {
        self.text().map(Value::Text)
    }

    fn at_end(&mut self) -> bool {
        self.skip_space();
        self.cursor.at == self.text.len()
    }
}

/// What passes over something takes its offset and gives the offset behind it, so that a loop can keep the offset in
/// a register. When it fails the cursor is at the offending byte.
impl<'a> JsonReader<'a> {
    /// A reader at the start of `text`.
    pub(in super::super) fn of_text(text: &'a str, depth_max: usize) -> Self {
        let mut reader = JsonReader { cursor: Cursor::new(text.as_bytes(), depth_max), text };
        reader.skip_space();
        reader
    }

    #[cold]
    fn malformed<T>(&mut self, flaw: Flaw) -> Read<T> {
        self.cursor.fail(Fault::Malformed(flaw))
    }

    #[cold]
    fn malformed_at<T>(&mut self, at: usize, flaw: Flaw) -> Read<T> {
        self.cursor.at = at;
        self.malformed(flaw)
    }

    /// Fails because of a value that is not what it should be, if it is a value at all.
    #[cold]
    fn wrong_type<T>(&mut self) -> Read<T> {
        self.value_end(self.cursor.at)?;
        self.cursor.fail(Fault::WrongType)
    }

    fn open(&mut self, open: u8, close: u8) -> Read<Open> {
        if self.cursor.peek() != Some(open) {
            return self.wrong_type();
        }
        self.cursor.enter()?;
        self.cursor.at += 1;
        Ok(Open { close, first: true })
    }

    #[inline]
    fn skip_space(&mut self) {
        self.cursor.at = space_end(self.cursor.bytes, self.cursor.at);
    }

    /// Passes over a string, which has to be there; says whether it has escapes.
    #[inline]
    fn string_end(&mut self, at: usize) -> Read<(usize, bool)> {
        let end = plain_end(self.cursor.bytes, at + 1);
        if self.cursor.bytes.get(end) == Some(&b'"') {
            return Ok((end + 1, false));
        }
        Ok((self.escaped_string_end(end)?, true))
    }

    /// Passes over the rest of a string, from its first special byte on.
    #[inline(never)]
    fn escaped_string_end(&mut self, mut at: usize) -> Read<usize> {
        let bytes = self.cursor.bytes;
        loop {
            match bytes.get(at) {
                Some(b'"') => return Ok(at + 1),
                Some(b'\\') => match string::escape_len(&bytes[at..]) {
                    Some(len) => at += len,
                    None => return self.malformed_at(at, Flaw::Escape),
                },
                Some(_) => return self.malformed_at(at, Flaw::Control),
                None => return self.malformed_at(at, Flaw::Quote),
            }
            at = plain_end(bytes, at);
        }
    }

    #[inline]
    fn word_end(&mut self, at: usize, word: &str) -> Read<usize> {
        let end = at + word.len();
        if self.cursor.bytes.get(at..end) == Some(word.as_bytes()) {
            return Ok(end);
        }
        self.malformed_at(at, Flaw::Value)
    }

    /// Passes over the key at `at`, its colon, and the space behind that.
    #[inline]
    fn key_end(&mut self, at: usize) -> Read<usize> {
        if self.cursor.bytes.get(at) != Some(&b'"') {
            return self.malformed_at(at, Flaw::Key);
        }
        let (end, _) = self.string_end(at)?;
        self.value_start(end)
    }

    /// Passes over a colon and the space around it.
    #[inline]
    fn value_start(&mut self, at: usize) -> Read<usize> {
        let bytes = self.cursor.bytes;
        let at = space_end(bytes, at);
        if bytes.get(at) == Some(&b':') {
            return Ok(space_end(bytes, at + 1));
        }
        self.malformed_at(at, Flaw::Colon)
    }

    /// Passes over a value of any type. No recursion: which of the open ones are dictionaries are bits of a word.
    fn value_end(&mut self, mut at: usize) -> Read<usize> {
        const { assert!(NESTING_DEPTH_MAX <= u64::BITS as usize) };
        let bytes = self.cursor.bytes;
        let depth_max = self.cursor.depth_left();
        let mut depth = 0;
        let mut dicts = 0u64; // the lowest bit is the innermost
        loop {
            match bytes.get(at) {
                Some(b'"') => at = self.string_end(at)?.0,
                Some(open @ (b'[' | b'{')) => {
                    if depth == depth_max {
                        self.cursor.at = at;
                        return self.cursor.fail(Fault::TooDeep);
                    }
                    at = space_end(bytes, at + 1);
                    let is_dict = *open == b'{';
                    if bytes.get(at) == Some(if is_dict { &b'}' } else { &b']' }) {
                        at += 1;
                    } else {
                        depth += 1;
                        dicts = dicts << 1 | u64::from(is_dict);
                        if is_dict {
                            at = self.key_end(at)?;
                        }
                        continue;
                    }
                }
                Some(b't') => at = self.word_end(at, "true")?,
                Some(b'f') => at = self.word_end(at, "false")?,
                Some(b'n') => at = self.word_end(at, "null")?,
                _ => {
                    match number::end(bytes, at) {
                        end if end > at => at = end,
                        _ => return self.malformed_at(at, Flaw::Value),
                    }
                    // Numbers come in lists of numbers.
                    if depth > 0 && dicts & 1 == 0 && bytes.get(at) == Some(&b',') {
                        at = list::more_numbers_end(bytes, at);
                    }
                }
            }
            // Behind a value: what may follow depends on what it is in.
            loop {
                if depth == 0 {
                    return Ok(at);
                }
                at = space_end(bytes, at);
                let is_dict = dicts & 1 == 1;
                match bytes.get(at) {
                    Some(b',') => {
                        at = space_end(bytes, at + 1);
                        if is_dict {
                            at = self.key_end(at)?;
                        }
                        break;
                    }
                    Some(byte) if *byte == if is_dict { b'}' } else { b']' } => {
                        at += 1;
                        depth -= 1;
                        dicts >>= 1;
                    }
                    _ => return self.malformed_at(at, Flaw::Comma),
                }
            }
        }
    }

    fn number(&mut self) -> Read<Value<'a, Open>> {
        let start = self.cursor.at;
        let end = number::end(self.cursor.bytes, start);
        if end == start {
            return self.malformed(Flaw::Value);
        }
        self.cursor.at = end;
        let written = &self.text[start..end];
        if !number::is_integer(written.as_bytes()) {
            return match written.parse() {
                Ok(float) => Ok(Value::Float(float)),
                Err(_) => self.malformed(Flaw::Value),
            };
        }
        let value = match written.strip_prefix('-') {
            None => number::unsigned(written.as_bytes()).map(Value::Unsigned),
            Some("0") => Some(Value::Unsigned(0)),
            Some("18446744073709551616") => Some(Value::Negative(u64::MAX)),
            Some(digits) => number::unsigned(digits.as_bytes()).map(|value| Value::Negative(value - 1)),
        };
        Ok(value.unwrap_or(Value::Big(BigInt::Decimal(written))))
    }
}

/// Passes over white space, of which there is seldom any.
#[inline]
fn space_end(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at) {
        Some(..=b' ') => long_space_end(bytes, at),
        _ => at,
    }
}

#[inline(never)]
fn long_space_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}

/// Spec, "Binary conversion of JSON strings": NUL and then Base64 is binary.
fn text_or_binary<Open>(text: Text<'_>) -> Value<'_, Open> {
    match text.strip_prefix('\0').and_then(|encoded| STANDARD.decode(encoded).ok()) {
        Some(binary) => Value::Binary(Cow::Owned(binary)),
        None => Value::Text(text),
    }
}
