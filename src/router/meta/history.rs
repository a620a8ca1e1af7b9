//! The procedure that gives events of the past (spec: "Event History").

use simd_json::OwnedValue;
use simd_json::prelude::*;

use super::super::conn::Framing;
use super::super::delivery::Body;
use super::super::history::{Filter, Replaying};
use super::super::mesh::{CallKey, Outcome};
use super::super::shard::Shard;
use super::super::time::{Date, Time};
use super::{Arguments, MetaError, MetaResult, Question, Then, invalid};
use crate::limits::{HISTORY_EVENTS_MAX, ID_MAX};
use crate::wamp::encode::{EventRecord, event_records};
use crate::wamp::message::Payload;
use crate::wamp::{PublicationId, SubscriptionId};

/// Room for the head of RESULT, in bytes.
const HEAD_BYTES: usize = 64;

impl Shard {
    pub(super) fn get_events(&mut self, now: Time, key: CallKey, arguments: &Arguments) -> MetaResult {
        let subscription = SubscriptionId(arguments.id(0, "subscription")?);
        let filter = filter(arguments)?;
        let Some(realm) = self.realm_of(key) else { return Ok(None) };
        let owner = self.subscription_owner(subscription);
        let then = Then::Events(filter);
        self.ask_one(now, key, owner, Question::SubscriptionPattern { realm, subscription, then });
        Ok(None)
    }

    /// The events are there: the call is answered with those that it asks for and its caller may see. Payloads are not looked into.
    pub(in super::super) fn answer_replay(&mut self, replaying: &Replaying) {
        let Replaying { call, subscription, policy, filter, events, .. } = replaying;
        let Some(id) = self.calls.get(*call).map(|record| record.caller) else { return };
        let Some(conn) = self.wire.conns.get(id) else { return };
        let (Some(serializer), Some(session)) = (conn.framing.serializer(), conn.session.as_deref()) else {
            return;
        };
        let most = self.config.limits.message_bytes_max;
        let most = match conn.framing {
            Framing::RawSocket { peer_bytes_max, .. } => most.min(peer_bytes_max),
            _ => most,
        };
        let admits = |lists: &super::super::extras::Extras| {
            lists.audience.as_ref().is_none_or(|audience| audience.admits(&session.identity))
        };
        let picked = filter.pick(events, |kept| admits(&kept.extras));
        let records = picked.map(|kept| EventRecord {
            timestamp: kept.date.to_string(),
            subscription: *subscription,
            publication: kept.publication,
            details: kept.details(*policy),
            payload: kept.parcel.payload(),
        });
        let mut bytes = Vec::new();
        event_records(serializer, records, most.saturating_sub(HEAD_BYTES), &mut bytes);
        let payload = Payload { serializer, items: 1, bytes: &bytes };
        self.finish(*call, Outcome::Result, "", &mut Body::new(payload));
    }
}

fn filter(arguments: &Arguments) -> Result<Filter, MetaError> {
    let limit = number(arguments, "limit", u64::MAX)?.unwrap_or(u64::MAX);
    Ok(Filter {
        reverse: match arguments.keyword("reverse") {
            None => false,
            Some(value) => value.as_bool().ok_or_else(|| invalid("argument reverse must be a boolean"))?,
        },
        limit: usize::try_from(limit).map_or(HISTORY_EVENTS_MAX, |limit| limit.min(HISTORY_EVENTS_MAX)),
        from_time: time(arguments, "from_time")?,
        after_time: time(arguments, "after_time")?,
        before_time: time(arguments, "before_time")?,
        until_time: time(arguments, "until_time")?,
        topic: arguments.keyword_text("topic")?.map(Into::into),
        from_publication: publication(arguments, "from_publication")?,
        after_publication: publication(arguments, "after_publication")?,
        before_publication: publication(arguments, "before_publication")?,
        until_publication: publication(arguments, "until_publication")?,
    })
}

fn number(arguments: &Arguments, name: &str, max: u64) -> Result<Option<u64>, MetaError> {
    let Some(value) = arguments.keyword(name) else { return Ok(None) };
    let number = OwnedValue::as_u64(value).filter(|n| (1..=max).contains(n));
    number.map(Some).ok_or_else(|| invalid(format!("argument {name} must be a positive integer")))
}

fn publication(arguments: &Arguments, name: &str) -> Result<Option<PublicationId>, MetaError> {
    Ok(number(arguments, name, ID_MAX)?.map(PublicationId))
}

fn time(arguments: &Arguments, name: &str) -> Result<Option<Date>, MetaError> {
    let Some(text) = arguments.keyword_text(name)? else { return Ok(None) };
    let date = text.parse().map(Some);
    date.map_err(|_| invalid(format!("argument {name} must be a date as in RFC 3339, 2026-01-31T12:00:00Z")))
}
