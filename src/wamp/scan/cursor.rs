//! Walking through a message: its elements in order, the keys of its dictionaries in any order.

use smallvec::SmallVec;

use super::super::message::{Payload, Text};
use super::super::reader::{Failed, Fault, Flaw, Kind, Read, Reader};
use super::super::shape::{Shape, shape};
use super::super::utf8::utf8_error_at;
use super::error::{Path, ScanError};
use super::field::{Field, ForwardFor, wrong_type};
use crate::limits::DICT_KEYS_MAX;

/// The elements of a message that are still to be read.
#[derive(Debug)]
pub(super) struct Elements<'a, R: Reader<'a>> {
    reader: R,
    open: R::Open,
    shape: &'static Shape,
    /// How many were there so far.
    given: usize,
    /// Whether the last was seen.
    ended: bool,
}

impl<'a, R: Reader<'a>> Elements<'a, R> {
    /// Enters the message and reads its code.
    #[inline]
    pub(super) fn open(reader: Option<R>, bytes: &'a [u8]) -> Result<(Self, u64), ScanError> {
        let root = Path::message("");
        let mut reader = reader.ok_or_else(|| ScanError::Malformed {
            serializer: R::SERIALIZER,
            at: utf8_error_at(bytes),
            what: Fault::Malformed(Flaw::Utf8).text(),
        })?;
        let error = |reader: &R, wrong_type| match root.error(reader, "") {
            ScanError::Mismatch { .. } => wrong_type,
            error => error,
        };
        let mut open = reader.open_list().map_err(|Failed| error(&reader, ScanError::NoList))?;
        if !reader.next(&mut open).map_err(|Failed| error(&reader, ScanError::NoList))? {
            return Err(ScanError::Empty);
        }
        let code = reader.unsigned().map_err(|Failed| error(&reader, ScanError::NoType))?;
        let shape = shape(code).ok_or(ScanError::UnknownType(code))?;
        Ok((Elements { reader, open, shape, given: 1, ended: false }, code))
    }

    /// Reads the next element, which has to be there.
    #[inline]
    pub(super) fn take<T: Field<'a>>(&mut self, name: &'static str) -> Result<T, ScanError> {
        self.advance()?;
        T::read(&mut self.reader).map_err(|Failed| self.error(name, T::EXPECTED))
    }

    /// Reads the next element, which has to be there and the last.
    #[inline]
    pub(super) fn take_last<T: Field<'a>>(&mut self, name: &'static str) -> Result<T, ScanError> {
        let value = self.take(name)?;
        self.finish()?;
        Ok(value)
    }

    /// Reads the next element, a dictionary. `on_key` as in [`Dict::read`].
    #[inline]
    pub(super) fn take_dict(
        &mut self,
        name: &'static str,
        on_key: impl FnMut(&mut Dict<'_, 'a, R>) -> Result<bool, ScanError>,
    ) -> Result<(), ScanError> {
        self.advance()?;
        Dict::read(&mut self.reader, Path::message(self.shape.name).child(name), on_key)
    }

    /// As [`Elements::take_dict`], if there is a next element; says whether.
    pub(super) fn take_dict_if_any(
        &mut self,
        name: &'static str,
        on_key: impl FnMut(&mut Dict<'_, 'a, R>) -> Result<bool, ScanError>,
    ) -> Result<bool, ScanError> {
        if !self.more().map_err(|Failed| self.stopped(Stop::Element("")))? {
            return Ok(false);
        }
        Dict::read(&mut self.reader, Path::message(self.shape.name).child(name), on_key)?;
        Ok(true)
    }

    /// Reads the arguments, if there are any, and makes sure that the message ends there. Where `transparent`, one
    /// string (text or binary) may stand for the arguments.
    #[inline]
    pub(super) fn take_payload(&mut self, transparent: bool) -> Result<Payload<'a>, ScanError> {
        self.payload(transparent).map_err(|stop| self.stopped(stop))
    }

    #[inline]
    fn payload(&mut self, transparent: bool) -> Result<Payload<'a>, Stop> {
        let end = Stop::Element("");
        if !self.more().map_err(|Failed| end)? {
            self.end()?;
            return Ok(Payload::empty(R::SERIALIZER));
        }
        let start = self.reader.position();
        let kind = self.reader.kind();
        let as_string = transparent && kind == Kind::String;
        if kind != Kind::List && !as_string {
            return Err(Stop::WrongType("Arguments", "a list"));
        }
        self.reader.skip().map_err(|Failed| Stop::Element("Arguments"))?;
        let mut bytes = self.reader.since(start);
        let mut items = 1;
        if !as_string && self.more().map_err(|Failed| end)? {
            if self.reader.kind() != Kind::Dict {
                return Err(Stop::WrongType("ArgumentsKw", "a dict"));
            }
            self.reader.skip().map_err(|Failed| Stop::Element("ArgumentsKw"))?;
            bytes = self.reader.since(start);
            items = 2;
        }
        self.end()?;
        Ok(Payload { serializer: R::SERIALIZER, items, bytes })
    }

    /// Makes sure that the message ends here, and nothing follows.
    #[inline]
    pub(super) fn finish(&mut self) -> Result<(), ScanError> {
        self.end().map_err(|stop| self.stopped(stop))
    }

    #[inline]
    fn end(&mut self) -> Result<(), Stop> {
        if self.more().map_err(|Failed| Stop::Element(""))? {
            return Err(Stop::Count);
        }
        if self.reader.at_end() { Ok(()) } else { Err(Stop::TrailingBytes) }
    }

    #[cold]
    #[inline(never)]
    fn stopped(&mut self, stop: Stop) -> ScanError {
        match stop {
            Stop::Element(name) => self.error(name, ""),
            Stop::WrongType(name, expected) => {
                let _ = wrong_type::<R, ()>(&mut self.reader);
                self.error(name, expected)
            }
            Stop::Count => self.wrong_count(),
            Stop::TrailingBytes => ScanError::TrailingBytes,
        }
    }

    /// The error for an element that the reader has just failed to read.
    #[cold]
    #[inline(never)]
    pub(super) fn error(&self, name: &'static str, expected: &'static str) -> ScanError {
        Path::message(self.shape.name).child(name).error(&self.reader, expected)
    }

    /// The error for an element that was read but cannot be.
    #[cold]
    #[inline(never)]
    pub(super) fn refuse(&mut self, name: &'static str, fault: Fault, expected: &'static str) -> ScanError {
        let _ = self.reader.fail::<()>(fault);
        self.error(name, expected)
    }

    /// The error for a key that has to be in the element.
    #[cold]
    #[inline(never)]
    pub(super) fn missing(&self, name: &'static str, key: &'static str) -> ScanError {
        ScanError::Missing { path: Path::message(self.shape.name).child(name).child(key).to_string() }
    }

    /// Moves to the next element; `false` if there is none.
    #[inline]
    fn more(&mut self) -> Read<bool> {
        if self.ended {
            return Ok(false);
        }
        let more = self.reader.next(&mut self.open)?;
        self.given += usize::from(more);
        self.ended = !more;
        Ok(more)
    }

    /// Moves to the next element, which has to be there.
    #[inline]
    fn advance(&mut self) -> Result<(), ScanError> {
        match self.more() {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.stopped(Stop::Count)),
            Err(Failed) => Err(self.stopped(Stop::Element(""))),
        }
    }

    /// The error for a message with too few or too many elements, once they are counted.
    #[cold]
    #[inline(never)]
    fn wrong_count(&mut self) -> ScanError {
        while !self.ended {
            if let Err(Failed) = self.reader.skip().and_then(|()| self.more()) {
                return self.error("", "");
            }
        }
        let Shape { name, elements, .. } = self.shape;
        ScanError::Elements { message: name, takes: elements.clone(), given: self.given }
    }
}

/// Why the elements cannot be read on: small, so that results stay in registers until one is made into an error.
#[derive(Clone, Copy)]
enum Stop {
    /// The reader has failed at this one.
    Element(&'static str),
    /// This one comes next and should be that.
    WrongType(&'static str, &'static str),
    /// There are too few or too many.
    Count,
    TrailingBytes,
}

/// A dictionary of a message that is being read.
#[derive(Debug)]
pub(super) struct Dict<'r, 'a, R: Reader<'a>> {
    reader: &'r mut R,
    path: Path<'r>,
    /// The key whose value comes next.
    key: Text<'a>,
    /// How many keys there were so far.
    keys: usize,
    /// The keys whose repetition is noticed by their name.
    seen: SmallVec<[Text<'a>; 8]>,
}

impl<'r, 'a, R: Reader<'a>> Dict<'r, 'a, R> {
    /// Reads a dictionary. `on_key` takes the value of the current key ([`Dict::take`]) and returns `true`, or returns
    /// `false` if it does not know the key.
    #[inline]
    fn read(
        reader: &'r mut R,
        path: Path<'r>,
        mut on_key: impl FnMut(&mut Self) -> Result<bool, ScanError>,
    ) -> Result<(), ScanError> {
        let mut open = reader.open_dict().map_err(|Failed| path.error(reader, "a dict"))?;
        let mut dict = Dict { reader, path, key: Text::Borrowed(""), keys: 0, seen: SmallVec::new() };
        while dict.advance(&mut open)? {
            if !on_key(&mut dict)? {
                dict.ignore()?;
            }
        }
        Ok(())
    }

    /// The current key.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Reads the value of the current key into `slot`. Returns `true`, as `on_key` should.
    pub(super) fn take<T: Field<'a>>(&mut self, slot: &mut Option<T>) -> Result<bool, ScanError> {
        self.check_new(slot.is_none())?;
        let value = T::read(self.reader).map_err(|Failed| self.error(T::EXPECTED))?;
        *slot = Some(value);
        Ok(true)
    }

    /// Reads the value of the current key, a dictionary. Returns `true`.
    pub(super) fn take_dict(
        &mut self,
        on_key: impl FnMut(&mut Dict<'_, 'a, R>) -> Result<bool, ScanError>,
    ) -> Result<bool, ScanError> {
        self.only_once()?;
        Dict::read(self.reader, self.path.child(&self.key), on_key)?;
        Ok(true)
    }

    /// Notices if the current key was here before.
    pub(super) fn only_once(&mut self) -> Result<(), ScanError> {
        self.check_new(!self.seen.contains(&self.key))?;
        self.seen.push(self.key.clone());
        Ok(())
    }

    /// Moves to the next key; `false` if there is none.
    #[inline]
    fn advance(&mut self, open: &mut R::Open) -> Result<bool, ScanError> {
        let key = self.reader.next_key(open);
        let key = key.map_err(|Failed| self.path.error(self.reader, "a dict with strings for keys"))?;
        let Some(key) = key else { return Ok(false) };
        self.key = key;
        self.keys += 1;
        if self.keys > DICT_KEYS_MAX {
            return Err(ScanError::TooManyKeys { path: self.path.to_string() });
        }
        Ok(true)
    }

    /// Passes over the value of a key that the router has no use for. Of some it knows the type.
    fn ignore(&mut self) -> Result<(), ScanError> {
        self.only_once()?;
        match self.key() {
            "forward_for" => self.take::<ForwardFor>(&mut None).map(drop),
            "transaction_hash" => self.take::<Text<'_>>(&mut None).map(drop),
            "x_acknowledged_delivery" => self.take::<bool>(&mut None).map(drop),
            _ => self.reader.skip().map_err(|Failed| self.error("")),
        }
    }

    #[inline]
    fn check_new(&self, is_new: bool) -> Result<(), ScanError> {
        if is_new {
            return Ok(());
        }
        Err(ScanError::Duplicate { path: self.path.child(&self.key).to_string() })
    }

    /// The error for the value of the current key, which the reader has just failed to read.
    #[cold]
    #[inline(never)]
    fn error(&self, expected: &'static str) -> ScanError {
        self.path.child(&self.key).error(self.reader, expected)
    }
}
