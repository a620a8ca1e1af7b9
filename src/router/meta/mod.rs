//! What the router itself offers: procedures below `wamp.`, and events about sessions, registrations and subscriptions
//! (spec: "Meta API").
//!
//! A meta procedure is a call like any other to its caller: it can be cancelled, and its answer is the end of its record. Facts are
//! asked of their owners: a procedure that needs several shards sends each a [`Question`] and merges what they say. A question
//! travels on the links of the mesh behind whatever its caller did before, so nobody finds the world older than his own acts.

mod arguments;
mod history;
mod kill;
mod registrations;
mod revocation;
mod sessions;
mod subscriptions;
mod testaments;

use std::sync::Arc;

use simd_json::prelude::*;
use simd_json::{OwnedValue, json};

pub(super) use arguments::Arguments;
pub(super) use testaments::Testaments;

use kill::Kill;

use super::delivery::Body;
use super::history::Filter;
use super::mesh::{CallKey, Outcome, RealmId, ShardId, Word};
use super::nodes;
use super::session::quote;
use super::shard::{ConnId, Shard};
use super::time::Time;
use crate::limits::META_ARGUMENTS_BYTES_MAX;
use crate::wamp::message::{MatchPolicy, Payload};
use crate::wamp::{RegistrationId, Serializer, SessionId, SubscriptionId, error_uri};

slotmap::new_key_type! {
    /// Questions under way to several shards, at the shard that asked.
    pub(super) struct GatherKey;
}

/// The procedure by which a session publishes when it has gone.
pub(super) const ADD_TESTAMENT: &str = "wamp.session.add_testament";

/// What a meta procedure asks a shard. Answers are JSON values, see [`merge`].
#[derive(Debug)]
pub(super) enum Question {
    /// How many sessions there are, of these roles.
    SessionCount { realm: RealmId, authroles: Option<Vec<String>> },
    /// Which sessions there are, of these roles.
    SessionList { realm: RealmId, authroles: Option<Vec<String>> },
    /// Who this is.
    SessionGet { realm: RealmId, session: SessionId },
    /// End these sessions; which were there?
    Kill(Kill),
    /// The registrations that the shard owns, by policy.
    RegistrationList { realm: RealmId },
    /// The registration of this pattern.
    RegistrationLookup { realm: RealmId, policy: MatchPolicy, procedure: String },
    /// Of the registrations that the shard owns, the one that takes calls to this procedure.
    RegistrationMatch { realm: RealmId, procedure: String },
    /// What this registration is.
    RegistrationGet { realm: RealmId, registration: RegistrationId },
    /// Who has registered.
    Callees { realm: RealmId, registration: RegistrationId },
    /// How many have registered.
    CalleeCount { realm: RealmId, registration: RegistrationId },
    /// Take the registration from this callee. Was it there?
    RemoveCallee { realm: RealmId, registration: RegistrationId, callee: SessionId, reason: String },
    /// The subscriptions that the shard owns, by policy.
    SubscriptionList { realm: RealmId },
    /// The subscription to this pattern.
    SubscriptionLookup { realm: RealmId, policy: MatchPolicy, topic: String },
    /// The subscriptions that the shard owns and that this topic matches.
    SubscriptionMatch { realm: RealmId, topic: String },
    /// What this subscription is.
    SubscriptionGet { realm: RealmId, subscription: SubscriptionId },
    /// The pattern of this subscription, which its owner knows, and what is wanted of it then.
    SubscriptionPattern { realm: RealmId, subscription: SubscriptionId, then: Then },
    /// The shard's own subscribers, or their number.
    Subscribers {
        realm: RealmId,
        policy: MatchPolicy,
        topic: String,
        subscription: SubscriptionId,
        count: bool,
    },
    /// Take this subscription away from this session.
    RemoveSubscriber {
        realm: RealmId,
        subscription: SubscriptionId,
        subscriber: SessionId,
        reason: Option<Box<str>>,
    },
}

/// What a subscription is looked up for.
#[derive(Debug)]
pub(super) enum Then {
    Subscribers,
    SubscriberCount,
    Events(Filter),
}

/// The answers that a meta procedure waits for.
#[derive(Debug)]
pub(super) struct Gather {
    call: CallKey,
    /// Who asks.
    conn: ConnId,
    question: Arc<Question>,
    missing: u16,
    so_far: OwnedValue,
}

/// Why a meta procedure fails.
#[derive(Debug)]
pub(super) struct MetaError {
    pub(super) uri: &'static str,
    pub(super) text: String,
}

/// The arguments do not fit the procedure.
pub(super) fn invalid(text: impl Into<String>) -> MetaError {
    MetaError { uri: error_uri::INVALID_ARGUMENT, text: text.into() }
}

/// What becomes of a call to a meta procedure: its result, or `None` if it comes later.
pub(super) type MetaResult = Result<Option<OwnedValue>, MetaError>;

/// Ids in a list for each policy.
fn by_policy(ids: impl Iterator<Item = (MatchPolicy, u64)>) -> OwnedValue {
    let [mut exact, mut prefix, mut wildcard] = [const { Vec::<u64>::new() }; 3];
    for (policy, id) in ids {
        match policy {
            MatchPolicy::Exact => exact.push(id),
            MatchPolicy::Prefix => prefix.push(id),
            MatchPolicy::Wildcard => wildcard.push(id),
        }
    }
    json!({"exact": exact, "prefix": prefix, "wildcard": wildcard})
}

impl Shard {
    /// A session of this shard calls a procedure of the router itself.
    #[cold]
    pub(super) fn meta_call(&mut self, now: Time, key: CallKey, procedure: &str, payload: Payload<'_>) {
        if payload.bytes.len() > META_ARGUMENTS_BYTES_MAX {
            let text = format!("procedures of the router take {META_ARGUMENTS_BYTES_MAX} bytes of arguments");
            return self.end_call(key, error_uri::PAYLOAD_SIZE_EXCEEDED, &text);
        }
        let arguments = Arguments::of(payload);
        let outcome = match procedure {
            "wamp.session.count" => self.session_count(now, key, &arguments),
            "wamp.session.list" => self.session_list(now, key, &arguments),
            "wamp.session.get" => self.session_get(now, key, &arguments),
            "wamp.session.kill" => self.kill(now, key, &arguments),
            "wamp.session.kill_by_authid" => self.kill_by_authid(now, key, &arguments),
            "wamp.session.kill_by_authrole" => self.kill_by_authrole(now, key, &arguments),
            "wamp.session.kill_all" => self.kill_all(now, key, &arguments),
            ADD_TESTAMENT => self.add_testament(key, &arguments, payload),
            "wamp.session.flush_testaments" => self.flush_testaments(key, &arguments),
            "wamp.registration.list" => self.registration_list(now, key),
            "wamp.registration.lookup" => self.registration_lookup(now, key, &arguments),
            "wamp.registration.match" => self.registration_match(now, key, &arguments),
            "wamp.registration.get" => self.registration_get(now, key, &arguments),
            "wamp.registration.list_callees" => self.list_callees(now, key, &arguments),
            "wamp.registration.count_callees" => self.count_callees(now, key, &arguments),
            "wamp.registration.remove_callee" => self.remove_callee_from(now, key, &arguments),
            "wamp.subscription.list" => self.subscription_list(now, key),
            "wamp.subscription.lookup" => self.subscription_lookup(now, key, &arguments),
            "wamp.subscription.match" => self.subscription_match(now, key, &arguments),
            "wamp.subscription.get" => self.subscription_get(now, key, &arguments),
            "wamp.subscription.list_subscribers" => self.subscribers(now, key, &arguments, Then::Subscribers),
            "wamp.subscription.count_subscribers" => {
                self.subscribers(now, key, &arguments, Then::SubscriberCount)
            }
            "wamp.subscription.remove_subscriber" => self.remove_subscriber_from(now, key, &arguments),
            "wamp.subscription.get_events" => self.get_events(now, key, &arguments),
            _ => Err(MetaError {
                uri: error_uri::NO_SUCH_PROCEDURE,
                text: format!("this router has no procedure '{}'", quote(procedure)),
            }),
        };
        match outcome {
            Ok(None) => {}
            outcome => self.meta_answer(key, outcome.map(Option::unwrap_or_default)),
        }
    }

    /// Answers a call with one positional argument, or with an error.
    pub(super) fn meta_answer(&mut self, key: CallKey, outcome: Result<OwnedValue, MetaError>) {
        match outcome {
            Ok(value) => {
                let json = OwnedValue::from(vec![value]).encode();
                let payload = Payload { serializer: Serializer::Json, items: 1, bytes: json.as_bytes() };
                self.finish(key, Outcome::Result, "", &mut Body::new(payload));
            }
            Err(error) => self.end_call(key, error.uri, &error.text),
        }
    }

    /// Asks all shards, this one included; the call is answered when all have answered.
    pub(super) fn ask_all(&mut self, now: Time, call: CallKey, question: Question) {
        let all = (0..self.shards).map(ShardId);
        self.ask(now, call, all, question);
    }

    /// Asks one shard, which may be this one.
    pub(super) fn ask_one(&mut self, now: Time, call: CallKey, shard: ShardId, question: Question) {
        self.ask(now, call, std::iter::once(shard), question);
    }

    /// The realm of a call's caller.
    pub(super) fn realm_of(&self, call: CallKey) -> Option<RealmId> {
        self.calls.get(call).map(|record| record.realm)
    }

    /// Who calls.
    pub(super) fn caller_of(&self, call: CallKey) -> Option<(ConnId, SessionId)> {
        let id = self.calls.get(call)?.caller;
        Some((id, self.session(id)?.id()))
    }

    /// A URI to look up; `None` if it is longer than any.
    fn uri(&self, arguments: &Arguments, name: &str) -> Result<Option<String>, MetaError> {
        let uri = arguments.text(0, name)?;
        Ok((uri.len() <= self.uri_bytes_max()).then(|| uri.to_owned()))
    }

    /// Why something is taken away: a URI, or nothing.
    fn reason(&mut self, call: CallKey, arguments: &Arguments) -> Result<Option<String>, MetaError> {
        if arguments.either(2, "reason").is_none() {
            return Ok(None);
        }
        let reason = arguments.text(2, "reason")?;
        if let Some((id, _)) = self.caller_of(call)
            && let Err(text) = self.check_uri(id, reason, MatchPolicy::Exact)
        {
            self.is_uri_too_long(reason);
            return Err(MetaError { uri: error_uri::INVALID_URI, text });
        }
        Ok(Some(reason.to_owned()))
    }

    /// Asks some shards, one at least; the call is answered when all have answered.
    pub(super) fn ask(
        &mut self,
        now: Time,
        call: CallKey,
        shards: impl ExactSizeIterator<Item = ShardId>,
        question: Question,
    ) {
        let Some(conn) = self.calls.get(call).map(|record| record.caller) else { return };
        self.wire.asks(conn);
        let question = Arc::new(question);
        let missing = shards.len() as u16;
        let gather = self.gathers.insert(Gather {
            call,
            conn,
            question: question.clone(),
            missing,
            so_far: OwnedValue::default(),
        });
        for shard in shards {
            self.tell(now, shard, Word::Ask { gather, question: question.clone() });
        }
    }

    /// A shard is asked.
    pub(super) fn reply(&mut self, now: Time, question: &Question) -> OwnedValue {
        match question {
            Question::RemoveSubscriber { realm, subscription, subscriber, reason } => {
                self.revoke_subscription(now, *realm, *subscription, *subscriber, reason.as_deref())
            }
            Question::SessionCount { realm, authroles } => {
                self.sessions_of(*realm, authroles.as_deref()).count().into()
            }
            Question::SessionList { realm, authroles } => {
                self.sessions_of(*realm, authroles.as_deref()).map(|session| session.id().0).collect()
            }
            Question::SessionGet { realm, session } => self.session_details(*realm, *session),
            Question::Kill(kill) => self.execute_kill(now, kill),
            Question::RegistrationList { realm } => self.own_registrations(*realm),
            Question::RegistrationLookup { realm, policy, procedure } => {
                let found = self.realm(*realm).procedures.get(*policy, procedure);
                found.map(|registration| registration.0).into()
            }
            Question::RegistrationMatch { realm, procedure } => self.own_best_match(*realm, procedure),
            Question::RegistrationGet { realm, registration } => {
                self.own_registration(*realm, *registration, registrations::details)
            }
            Question::Callees { realm, registration } => {
                self.own_registration(*realm, *registration, registrations::callees)
            }
            Question::CalleeCount { realm, registration } => {
                self.own_registration(*realm, *registration, |it| it.callees.len().into())
            }
            Question::RemoveCallee { realm, registration, callee, reason } => {
                let exists = self.realm(*realm).registration.contains_key(registration);
                let removed = || self.revoke_callee(now, *realm, *registration, *callee, reason);
                exists.then(removed).into()
            }
            Question::SubscriptionList { realm } => self.own_subscriptions(*realm),
            Question::SubscriptionLookup { realm, policy, topic } => {
                self.own_subscription_to(*realm, *policy, topic)
            }
            Question::SubscriptionMatch { realm, topic } => self.own_matches(*realm, topic),
            Question::SubscriptionGet { realm, subscription } => {
                self.own_subscription(*realm, *subscription, subscriptions::details)
            }
            Question::SubscriptionPattern { realm, subscription, .. } => {
                self.own_subscription(*realm, *subscription, subscriptions::pattern)
            }
            Question::Subscribers { realm, policy, topic, subscription, count } => {
                self.own_subscribers(*realm, *policy, topic, *subscription, *count)
            }
        }
    }

    /// A shard has answered.
    pub(super) fn told(&mut self, now: Time, key: GatherKey, reply: OwnedValue) {
        let Some(gather) = self.gathers.get_mut(key) else { return };
        merge(&mut gather.so_far, reply);
        gather.missing -= 1;
        if gather.missing == 0
            && let Some(Gather { call, conn, question, so_far, .. }) = self.gathers.remove(key)
        {
            self.wire.is_told(conn);
            match self.resolve(now, call, &question, so_far) {
                Ok(None) => {}
                outcome => self.meta_answer(call, outcome.map(Option::unwrap_or_default)),
            }
        }
    }

    /// What all shards together have said, as the result of the call; or the next question.
    fn resolve(&mut self, now: Time, call: CallKey, question: &Question, so_far: OwnedValue) -> MetaResult {
        let Question::SubscriptionPattern { realm, subscription, then } = question else {
            return conclude(question, so_far).map(Some);
        };
        let (realm, subscription) = (*realm, *subscription);
        let Some((policy, topic)) = subscriptions::read_pattern(&so_far) else {
            return Err(subscriptions::no_such_subscription(subscription));
        };
        match then {
            Then::Events(filter) => {
                let pattern = nodes::parts(topic).0.into();
                self.replay(now, call, realm, subscription, (policy, pattern), filter.clone());
            }
            Then::Subscribers | Then::SubscriberCount => {
                let (topic, count) = (topic.to_owned(), matches!(then, Then::SubscriberCount));
                self.ask_all(now, call, Question::Subscribers { realm, policy, topic, subscription, count });
            }
        }
        Ok(None)
    }
}

/// What all shards together have said, as the result of the call.
fn conclude(question: &Question, so_far: OwnedValue) -> Result<OwnedValue, MetaError> {
    match question {
        Question::RemoveSubscriber { subscription, subscriber, .. } => {
            revocation::subscriber_removed(*subscription, *subscriber, so_far.as_str())
        }
        Question::SessionCount { .. }
        | Question::SessionList { .. }
        | Question::RegistrationList { .. }
        | Question::RegistrationLookup { .. }
        | Question::SubscriptionList { .. }
        | Question::SubscriptionLookup { .. }
        | Question::SubscriptionMatch { .. }
        | Question::SubscriptionPattern { .. }
        | Question::Subscribers { .. } => Ok(so_far),
        Question::SessionGet { session, .. } => found(so_far, || no_such_session(*session)),
        Question::Kill(kill) => kill.outcome(so_far),
        Question::RegistrationMatch { procedure, .. } => Ok(registrations::best(&so_far, procedure)),
        Question::RegistrationGet { registration, .. }
        | Question::Callees { registration, .. }
        | Question::CalleeCount { registration, .. } => {
            found(so_far, || registrations::no_such_registration(*registration))
        }
        Question::RemoveCallee { registration, callee, .. } => {
            revocation::callee_removed(*registration, *callee, &so_far)
        }
        Question::SubscriptionGet { subscription, .. } => {
            found(so_far, || subscriptions::no_such_subscription(*subscription))
        }
    }
}

/// The memory that a reply keeps, roughly: what is long are lists.
pub(super) fn reply_bytes(reply: &OwnedValue) -> usize {
    let items = match reply {
        OwnedValue::Array(list) => list.len(),
        OwnedValue::Object(dict) => dict.values().map(|value| value.as_array().map_or(1, Vec::len)).sum(),
        _ => 1,
    };
    64 + items * size_of::<OwnedValue>()
}

/// What was found, or the error if nothing was.
fn found(value: OwnedValue, error: impl FnOnce() -> MetaError) -> Result<OwnedValue, MetaError> {
    if value.is_null() { Err(error()) } else { Ok(value) }
}

fn no_such_session(session: SessionId) -> MetaError {
    let text = format!("this realm has no other session {session}");
    MetaError { uri: error_uri::NO_SUCH_SESSION, text }
}

/// Takes in what one more shard says: nothing leaves things as they are, numbers are added, lists joined, dictionaries merged
/// entry by entry; of two other values the first stays.
fn merge(so_far: &mut OwnedValue, more: OwnedValue) {
    match (so_far, more) {
        (_, OwnedValue::Static(simd_json::StaticNode::Null)) => {}
        (OwnedValue::Array(list), OwnedValue::Array(more)) => list.extend(*more),
        (OwnedValue::Object(dict), OwnedValue::Object(more)) => {
            for (key, value) in *more {
                merge(dict.entry(key).or_insert_with(OwnedValue::default), value);
            }
        }
        (so_far, more) => match (so_far.as_u64(), more.as_u64()) {
            (Some(a), Some(b)) => *so_far = (a + b).into(),
            _ if so_far.is_null() => *so_far = more,
            _ => {}
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_merged() {
        let merged = |values: &[OwnedValue]| {
            let mut all = OwnedValue::default();
            values.iter().for_each(|value| merge(&mut all, value.clone()));
            all
        };
        assert_eq!(merged(&[json!(2), json!(null), json!(3)]), json!(5));
        assert_eq!(merged(&[json!([1]), json!([]), json!([2, 3])]), json!([1, 2, 3]));
        assert_eq!(
            merged(&[json!({"exact": [1], "prefix": []}), json!({"exact": [4], "wildcard": [5]})]),
            json!({"exact": [1, 4], "prefix": [], "wildcard": [5]})
        );
        assert_eq!(merged(&[json!(null), json!({"id": 1}), json!(null)]), json!({"id": 1}));
        assert_eq!(merged(&[json!(true), json!(false)]), json!(true));
    }
}
