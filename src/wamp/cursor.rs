//! What the readers of all serializers share: the bytes, a place in them, the depth, and what went wrong.

use super::fixed::Fixed;
use super::reader::{Failed, Fault, Flaw, Read};
use super::utf8::{utf8, utf8_error_at};
use crate::limits::NESTING_DEPTH_MAX;

/// A place in the bytes of a value.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    depth: usize,
    depth_max: usize,
    fault: Fault,
}

impl<'a> Cursor<'a> {
    /// At the start. Nothing may be nested deeper than `depth_max`, and not than [`NESTING_DEPTH_MAX`].
    #[inline]
    pub(super) fn new(bytes: &'a [u8], depth_max: usize) -> Cursor<'a> {
        let depth_max = depth_max.min(NESTING_DEPTH_MAX);
        Cursor { bytes, at: 0, depth: 0, depth_max, fault: Fault::WrongType }
    }

    /// Another one, `at` some place in the list that the bytes are.
    pub(super) fn inside_list(&self, at: usize) -> Cursor<'a> {
        Cursor { at, depth: 1, fault: Fault::WrongType, ..*self }
    }

    /// What the last failure was about.
    pub(super) fn fault(&self) -> Fault {
        self.fault
    }

    /// Fails at the current place.
    #[cold]
    pub(super) fn fail<T>(&mut self, fault: Fault) -> Read<T> {
        self.fault = fault;
        Err(Failed)
    }

    /// The bytes from `start` to here.
    #[inline]
    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    /// The next byte.
    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Enters a list or dictionary.
    #[inline]
    pub(super) fn enter(&mut self) -> Read<()> {
        if self.depth >= self.depth_max {
            return self.fail(Fault::TooDeep);
        }
        self.depth += 1;
        Ok(())
    }

    /// Leaves it.
    #[inline]
    pub(super) fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// How many more lists and dictionaries may be entered here.
    pub(super) fn depth_left(&self) -> usize {
        self.depth_max.saturating_sub(self.depth)
    }

    /// Takes the next `N` bytes.
    #[inline]
    pub(super) fn take_array<const N: usize>(&mut self) -> Read<[u8; N]> {
        match self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()) {
            Some(array) => {
                self.at += N;
                Ok(*array)
            }
            None => self.fail(Fault::Malformed(Flaw::End)),
        }
    }

    /// Takes the next `len` bytes.
    #[inline]
    pub(super) fn take(&mut self, len: u64) -> Read<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        match usize::try_from(len).ok().and_then(|len| rest.get(..len)) {
            Some(taken) => {
                self.at += taken.len();
                Ok(taken)
            }
            None => self.fail(Fault::Malformed(Flaw::Length)),
        }
    }

    /// Takes the next `len` bytes, which have to be text.
    #[inline]
    pub(super) fn take_text(&mut self, len: u64) -> Read<&'a str> {
        let bytes = self.take(len)?;
        match utf8(bytes) {
            Some(text) => Ok(text),
            None => self.fail_utf8(bytes),
        }
    }

    /// Passes over `len` bytes, which have to be text.
    #[inline]
    pub(super) fn skip_text(&mut self, len: u64) -> Read<()> {
        let bytes = self.take(len)?;
        match utf8(bytes) {
            Some(_) => Ok(()),
            None => self.fail_utf8(bytes),
        }
    }

    /// Passes over at most `count` values, up to one that `fixed` says nothing about or that is not all there. Gives how many
    /// are left.
    #[inline]
    pub(super) fn skip_fixed(&mut self, fixed: &Fixed, count: u64) -> u64 {
        // Texts have to be checked.
        if self.peek().is_none_or(|first| !fixed.has(first)) {
            return count;
        }
        let (left, end) = fixed.values_end(self.bytes, self.at, count);
        self.at = end;
        left
    }

    /// Fails at the offending one of the bytes just taken.
    #[cold]
    fn fail_utf8<T>(&mut self, taken: &[u8]) -> Read<T> {
        self.at -= taken.len() - utf8_error_at(taken);
        self.fail(Fault::Malformed(Flaw::Utf8))
    }
}
