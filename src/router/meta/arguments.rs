//! The arguments of a call to a meta procedure.

use simd_json::OwnedValue;
use simd_json::prelude::*;

use super::{MetaError, invalid};
use crate::limits::{FILTER_ROLES_MAX, ID_MAX};
use crate::wamp::message::{MatchPolicy, Payload};
use crate::wamp::transcode::payload_values;

/// See the module. A missing argument and a null are the same.
#[derive(Debug)]
pub(in super::super) struct Arguments {
    args: OwnedValue,
    kwargs: OwnedValue,
}

impl Arguments {
    /// Those of a CALL.
    pub(in super::super) fn of(payload: Payload<'_>) -> Arguments {
        let mut items = payload_values(payload).into_iter();
        Arguments { args: items.next().unwrap_or_default(), kwargs: items.next().unwrap_or_default() }
    }

    /// A positional argument.
    pub(in super::super) fn positional(&self, index: usize) -> Option<&OwnedValue> {
        self.args.get_idx(index).filter(|value| !value.is_null())
    }

    /// A keyword argument.
    pub(in super::super) fn keyword(&self, name: &str) -> Option<&OwnedValue> {
        self.kwargs.get(name).filter(|value| !value.is_null())
    }

    /// An argument that may come by position or by name.
    pub(in super::super) fn either(&self, index: usize, name: &str) -> Option<&OwnedValue> {
        self.positional(index).or_else(|| self.keyword(name))
    }

    /// An id, which has to be there.
    pub(in super::super) fn id(&self, index: usize, name: &str) -> Result<u64, MetaError> {
        let id = self.either(index, name).and_then(|value| value.as_u64());
        id.filter(|id| (1..=ID_MAX).contains(id)).ok_or_else(|| {
            invalid(format!("argument {index}, {name}, must be an id: an integer from 1 to 2^53"))
        })
    }

    /// A text, which has to be there.
    pub(in super::super) fn text(&self, index: usize, name: &str) -> Result<&str, MetaError> {
        text(self.either(index, name), name)?
            .ok_or_else(|| invalid(format!("argument {index}, {name}, must be a string")))
    }

    /// A keyword argument that is a text.
    pub(in super::super) fn keyword_text(&self, name: &str) -> Result<Option<&str>, MetaError> {
        text(self.keyword(name), name)
    }

    /// The `match` of the options that a look-up may have, as SUBSCRIBE and REGISTER have them.
    pub(in super::super) fn match_policy(&self, index: usize) -> Result<MatchPolicy, MetaError> {
        let Some(options) = self.either(index, "options") else { return Ok(MatchPolicy::Exact) };
        if options.as_object().is_none() {
            return Err(invalid(format!("argument {index}, options, must be a dictionary")));
        }
        let name = text(options.get("match").filter(|value| !value.is_null()), "options.match")?;
        name.map_or(Ok(MatchPolicy::Exact), |name| {
            MatchPolicy::from_name(name)
                .ok_or_else(|| invalid("options.match must be one of exact, prefix, wildcard"))
        })
    }

    /// A list of texts that may be missing.
    pub(in super::super) fn texts(&self, index: usize, name: &str) -> Result<Option<Vec<String>>, MetaError> {
        let Some(value) = self.either(index, name) else { return Ok(None) };
        let fault = || invalid(format!("argument {index}, {name}, must be a list of strings"));
        let list = value.as_array().ok_or_else(fault)?;
        if list.len() > FILTER_ROLES_MAX {
            return Err(invalid(format!(
                "argument {index}, {name}, has more than {FILTER_ROLES_MAX} strings"
            )));
        }
        let texts = list.iter().map(|item| item.as_str().map(str::to_owned));
        texts.collect::<Option<Vec<String>>>().map(Some).ok_or_else(fault)
    }
}

fn text<'a>(value: Option<&'a OwnedValue>, name: &str) -> Result<Option<&'a str>, MetaError> {
    match value {
        None => Ok(None),
        Some(value) => match value.as_str() {
            Some(text) => Ok(Some(text)),
            None => Err(invalid(format!("argument {name} must be a string"))),
        },
    }
}
