//! Testaments: events that a session leaves behind (spec: "Session Testament").
//!
//! A testament is kept as the PUBLISH that its session could have sent: its arguments stay as they were written, and its options
//! mean what they mean there. Sessions are not resumed here, so both scopes end with the session, `detached` first.

use std::mem;

use simd_json::OwnedValue;
use simd_json::prelude::*;

use super::super::mesh::CallKey;
use super::super::shard::{ConnId, Shard};
use super::super::time::Time;
use super::{Arguments, MetaError, MetaResult, invalid};
use crate::wamp::cut::{Argument, argument};
use crate::wamp::message::{MatchPolicy, Payload};
use crate::wamp::{Message, Serializer, error_uri, scan};

/// What a session leaves behind.
#[derive(Debug, Default)]
pub(in super::super) struct Testaments {
    detached: Vec<Testament>,
    destroyed: Vec<Testament>,
}

/// A whole PUBLISH.
#[derive(Debug)]
struct Testament {
    serializer: Serializer,
    message: Box<[u8]>,
}

#[derive(Clone, Copy, Debug)]
enum Scope {
    Detached,
    Destroyed,
}

impl Testaments {
    fn of(&mut self, scope: Scope) -> &mut Vec<Testament> {
        match scope {
            Scope::Detached => &mut self.detached,
            Scope::Destroyed => &mut self.destroyed,
        }
    }

    fn count(&self) -> usize {
        self.detached.len() + self.destroyed.len()
    }

    fn bytes(&self) -> usize {
        self.detached.iter().chain(&self.destroyed).map(|testament| testament.message.len()).sum()
    }
}

impl Shard {
    pub(super) fn add_testament(
        &mut self,
        key: CallKey,
        arguments: &Arguments,
        payload: Payload<'_>,
    ) -> MetaResult {
        let Some((id, _)) = self.caller_of(key) else { return Ok(None) };
        let topic = arguments.text(0, "topic")?;
        if let Err(text) = self.check_application_uri(id, topic, MatchPolicy::Exact) {
            self.is_uri_too_long(topic);
            return Err(MetaError { uri: error_uri::INVALID_URI, text });
        }
        let scope = scope(arguments)?;
        let testament =
            Testament { serializer: payload.serializer, message: publication(arguments, payload)?.into() };
        self.check_testament(id, &testament)?;
        let (count_max, bytes_max) = (self.limits().testaments_max, self.limits().testaments_bytes_max);
        let Some(session) = self.session_mut(id) else { return Ok(None) };
        let testaments = session.testaments.get_or_insert_default();
        let full = |text| Err(MetaError { uri: error_uri::UNAVAILABLE, text });
        if testaments.count() >= count_max {
            self.limited.testaments_max += 1;
            return full(format!("a session may have {count_max} testaments (testaments_max)"));
        }
        if testaments.bytes() + testament.message.len() > bytes_max {
            self.limited.testaments_bytes_max += 1;
            return full(format!(
                "the testaments of a session may take {bytes_max} bytes (testaments_bytes_max)"
            ));
        }
        testaments.of(scope).push(testament);
        Ok(Some(OwnedValue::default()))
    }

    pub(super) fn flush_testaments(&mut self, key: CallKey, arguments: &Arguments) -> MetaResult {
        let scope = scope(arguments)?;
        let Some((id, _)) = self.caller_of(key) else { return Ok(None) };
        let Some(session) = self.session_mut(id) else { return Ok(None) };
        let flushed = session.testaments.as_mut().map_or(0, |it| mem::take(it.of(scope)).len());
        session.testaments.take_if(|testaments| testaments.count() == 0);
        Ok(Some(flushed.into()))
    }

    /// Whether the session could send it as PUBLISH.
    fn check_testament(&self, id: ConnId, testament: &Testament) -> Result<(), MetaError> {
        match scan(testament.serializer, &testament.message) {
            Ok(Message::Publish(publish)) => {
                if publish.options.disclose_me == Some(true)
                    && let Some(text) = self.forbids_disclosure(id)
                {
                    let uri = error_uri::OPTION_DISALLOWED_DISCLOSE_ME;
                    return Err(MetaError { uri, text: text.to_owned() });
                }
                self.extras(id, &publish).map(drop).map_err(invalid)
            }
            Ok(other) => Err(invalid(format!("{} is no testament", other.name()))),
            Err(error) => Err(invalid(format!("publish_options: {error}"))),
        }
    }

    /// The session ends: what it leaves behind is published in its name.
    pub(in super::super) fn publish_testaments(&mut self, now: Time, id: ConnId) {
        let Some(testaments) = self.session_mut(id).and_then(|session| session.testaments.take()) else {
            return;
        };
        let Testaments { detached, destroyed } = *testaments;
        for Testament { serializer, message } in detached.into_iter().chain(destroyed) {
            if let Ok(Message::Publish(mut publish)) = scan(serializer, &message) {
                // Nobody is there to be answered.
                publish.options.acknowledge = None;
                if !self.admits_testament(id, &publish.topic) {
                    continue;
                }
                if let Err(text) = self.publish(now, id, &publish) {
                    tracing::debug!(conn = ?id, text, "testament could not be published");
                }
            }
        }
    }
}

fn scope(arguments: &Arguments) -> Result<Scope, MetaError> {
    match arguments.keyword_text("scope")? {
        Some("detached") => Ok(Scope::Detached),
        Some("destroyed") | None => Ok(Scope::Destroyed),
        Some(_) => Err(invalid("argument scope must be detached or destroyed")),
    }
}

/// A PUBLISH with what `wamp.session.add_testament` was given, as it was written.
fn publication(arguments: &Arguments, payload: Payload<'_>) -> Result<Vec<u8>, MetaError> {
    let raw = |index: usize, name| {
        let which = match arguments.positional(index) {
            Some(_) => Argument::At(index),
            None => Argument::Named(name),
        };
        arguments.either(index, name)?;
        argument(payload, which).map(|value| value.bytes)
    };
    let is = |index, name, fits: fn(&OwnedValue) -> bool, what| match arguments.either(index, name) {
        Some(value) if !fits(value) => Err(invalid(format!("argument {name} must be a {what}"))),
        _ => Ok(()),
    };
    is(1, "args", |value| value.is_array(), "list")?;
    is(2, "kwargs", |value| value.is_object(), "dictionary")?;
    is(usize::MAX, "publish_options", |value| value.is_object(), "dictionary")?;
    let options = raw(usize::MAX, "publish_options").unwrap_or(payload.serializer.empty_dict());
    let topic = raw(0, "topic").unwrap_or_default();
    let (args, kwargs) = (raw(1, "args"), raw(2, "kwargs"));
    let mut elements = vec![options, topic];
    elements.extend(args.or(kwargs.map(|_| payload.serializer.empty_list())));
    elements.extend(kwargs);
    Ok(match payload.serializer {
        Serializer::Json => [b"[16,1,", &*elements.join(&b","[..]), b"]"].concat(),
        Serializer::MsgPack => binary(0x90, &elements),
        Serializer::Cbor => binary(0x80, &elements),
    })
}

/// The same for MessagePack and CBOR, where a short list begins with its length added to `list`, and small numbers are themselves.
fn binary(list: u8, elements: &[&[u8]]) -> Vec<u8> {
    let mut message = vec![list + 2 + elements.len() as u8, 16, 1];
    elements.iter().for_each(|element| message.extend_from_slice(element));
    message
}
