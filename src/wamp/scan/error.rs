//! What can be wrong with a message.

use std::fmt;
use std::ops::RangeInclusive;

use thiserror::Error;

use crate::limits::{DICT_KEYS_MAX, ID_MAX};
use crate::wamp::reader::{Fault, Reader};
use crate::wamp::serializer::Serializer;

/// Why bytes are no message. The text says what the sender did wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScanError {
    /// The bytes are not well-formed.
    #[error("malformed {} at byte {at}: {what}", .serializer.name())]
    Malformed {
        /// What they should be written in.
        serializer: Serializer,
        /// Offset of the offending byte.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// Lists and dictionaries are nested too deeply.
    #[error("lists and dictionaries are nested too deeply")]
    TooDeep,
    /// Something follows the message.
    #[error("trailing bytes after the message")]
    TrailingBytes,
    /// The message is no list.
    #[error("a message must be a list")]
    NoList,
    /// The message is a list without elements.
    #[error("the message is an empty list")]
    Empty,
    /// The first element is no integer.
    #[error("the message type must be an integer")]
    NoType,
    /// No message has this type.
    #[error("message type {0} is unknown")]
    UnknownType(u64),
    /// The message has too few or too many elements.
    #[error("{message} takes {} elements, {given} given", Count(.takes))]
    Elements {
        /// Name of the message.
        message: &'static str,
        /// How many it may have.
        takes: RangeInclusive<usize>,
        /// How many it has.
        given: usize,
    },
    /// An element or an option has a type or value that it cannot have.
    #[error("{path} must be {expected}")]
    Mismatch {
        /// Which, for example `PUBLISH.Options.exclude_me`.
        path: String,
        /// What it may be.
        expected: &'static str,
    },
    /// An id is none.
    #[error("{path}: the id {id} is outside 1..2^53")]
    NoId {
        /// Which, for example `CALL.Request`.
        path: String,
        /// The number given.
        id: u64,
    },
    /// A key that has to be there is not.
    #[error("{path} is missing")]
    Missing {
        /// Which.
        path: String,
    },
    /// A dictionary has a key twice.
    #[error("{path} is given twice")]
    Duplicate {
        /// Which.
        path: String,
    },
    /// A dictionary has too many keys.
    #[error("{path} has more than {DICT_KEYS_MAX} keys")]
    TooManyKeys {
        /// Which dictionary.
        path: String,
    },
}

const _: () = assert!(ID_MAX == 1 << 53, "the text of NoId says so");

/// Where the scan is: a message, an element of it, a key in that, and so on. Costs nothing until it is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    name: &'p str,
}

impl<'p> Path<'p> {
    pub(super) fn message(name: &'p str) -> Self {
        Path { parent: None, name }
    }

    pub(super) fn child(&'p self, name: &'p str) -> Self {
        Path { parent: Some(self), name }
    }

    /// The error for what stands here, which `reader` has just failed to read, where `expected` should stand.
    #[cold]
    pub(super) fn error<'a, R: Reader<'a>>(&self, reader: &R, expected: &'static str) -> ScanError {
        let fault = reader.fault();
        match fault {
            Fault::Malformed(_) => {
                ScanError::Malformed { serializer: R::SERIALIZER, at: reader.position(), what: fault.text() }
            }
            Fault::TooDeep => ScanError::TooDeep,
            Fault::WrongType => ScanError::Mismatch { path: self.to_string(), expected },
            Fault::NoId(id) => ScanError::NoId { path: self.to_string(), id },
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}.")?;
        }
        f.write_str(self.name)
    }
}

/// `3` or `4 to 6`.
struct Count<'a>(&'a RangeInclusive<usize>);

impl fmt::Display for Count<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (min, max) = (self.0.start(), self.0.end());
        if min == max { min.fmt(f) } else { write!(f, "{min} to {max}") }
    }
}
