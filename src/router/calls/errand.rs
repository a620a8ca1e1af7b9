//! Calls that the router itself makes, because it wants to know something. They are calls like any other, but for their end: no
//! session waits for the answer, an [`Errand`] does.

use std::sync::Arc;

use simd_json::OwnedValue;
use simd_json::prelude::*;

use super::super::audience::home;
use super::super::dealer::CallState;
use super::super::delivery::Body;
use super::super::identity::Identity;
use super::super::mesh::{CallKey, Invoke, Outcome, RealmId, Refusal, Stop, Wish, Word};
use super::super::pick::Choice;
use super::super::shard::{ConnId, Shard};
use super::super::time::Time;
use super::{CANCELED_BY_CALLER, Watch};
use crate::auth::Answer;
use crate::limits::{Limits, META_ARGUMENTS_BYTES_MAX};
use crate::wamp::message::Payload;
use crate::wamp::transcode::payload_values;
use crate::wamp::{RequestId, Serializer, SessionId, error_uri};

/// Errors by which the router itself ends a call: nobody has answered.
const NO_ANSWER: [&str; 7] = [
    error_uri::CANCELED,
    error_uri::TIMEOUT,
    error_uri::UNAVAILABLE,
    error_uri::NO_AVAILABLE_CALLEE,
    error_uri::NO_SUCH_PROCEDURE,
    error_uri::NETWORK_FAILURE,
    error_uri::PAYLOAD_SIZE_EXCEEDED,
];

/// What an answer is for.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Errand {
    /// Whether the session of this connection may do what it wants.
    Access(ConnId),
    /// Who the client of this connection is, which wants to come in.
    Handshake(ConnId),
}

impl Errand {
    fn timeout_ms(self, limits: &Limits) -> u64 {
        match self {
            Errand::Access(_) => limits.authorizer_ms_max,
            // So long the client has until it is cut off.
            Errand::Handshake(_) => limits.handshake_ms_max,
        }
    }
}

impl Shard {
    /// The record of a call for which [`Shard::run_errand`] or [`Shard::drop_errand`] follows. It names what is asked.
    #[cold]
    #[inline(never)]
    pub(in super::super) fn record_errand(&mut self, realm: RealmId, errand: Errand) -> CallKey {
        let key = self.record_call(ConnId::default(), RequestId(0), realm, SessionId(0));
        let timeout_ms = errand.timeout_ms(self.limits());
        if let Some(record) = self.calls.get_mut(key) {
            record.watch = Some(Box::new(Watch { timeout_ms, errand: Some(errand), ..Watch::default() }));
        }
        key
    }

    /// Calls a procedure with these arguments on behalf of a session, which itself is not called: it may wait for the answer.
    pub(in super::super) fn run_errand(
        &mut self,
        now: Time,
        key: CallKey,
        on_behalf: &Arc<Identity>,
        procedure: &str,
        args: &[OwnedValue],
    ) {
        let Some(realm) = self.realm_of(key) else { return };
        let me = on_behalf.session;
        let tables = &self.realms[usize::from(realm.0)];
        let best = tables.procedures.best_match(procedure, |id| {
            tables.registration.get(&id).is_some_and(|it| it.callees.iter().any(|callee| *callee != me))
        });
        let chosen = best
            .and_then(|registration| Some((registration, self.choose(realm, registration, &[me], None)?)));
        let Some((registration, choice)) = chosen else {
            tracing::warn!(procedure, "the router finds nobody who offers what it wants to call");
            return self.drop_errand(now, key);
        };
        let json = OwnedValue::from(args.to_vec()).encode();
        let payload = Payload { serializer: Serializer::Json, items: 1, bytes: json.as_bytes() };
        let parcel = self.parcel(procedure, payload);
        let callee = if let Choice::Callee(callee) = choice { callee } else { SessionId(0) };
        let invoke = Invoke {
            call: key,
            callee,
            registration,
            caller: on_behalf.clone(),
            disclose: false,
            refusal: Refusal::default(),
            counted: None,
            details: None,
            parcel,
        };
        let Some(record) = self.calls.get_mut(key) else { return };
        match choice {
            Choice::Callee(callee) => {
                record.state = CallState::sent(callee);
                self.start_timer(now, key);
                self.tell(now, home(callee, self.shards), Word::Invoke(invoke));
            }
            Choice::Owner => {
                record.state = CallState::Waiting(invoke);
                self.start_timer(now, key);
                let wish = Wish { tried: [me].into(), ..Wish::default() };
                let owner = self.registration_owner(registration);
                self.tell(now, owner, Word::Pick { realm, registration, call: key, wish });
            }
        }
    }

    /// Ends an errand: it fails, unless nobody wants to know its outcome any more.
    #[cold]
    pub(in super::super) fn drop_errand(&mut self, now: Time, key: CallKey) {
        self.give_up(now, key, Stop::KillNoWait, error_uri::CANCELED, CANCELED_BY_CALLER);
    }

    /// An errand's call has its answer.
    #[cold]
    pub(in super::super) fn errand_answered(
        &mut self,
        key: CallKey,
        errand: Errand,
        outcome: Outcome,
        uri: &str,
        body: &Body<'_>,
    ) {
        let payload = body.source();
        let first = || {
            let args = payload_values(payload).into_iter().next();
            args.and_then(|args| args.get_idx(0).cloned())
        };
        let answer = match outcome {
            _ if payload.bytes.len() > META_ARGUMENTS_BYTES_MAX => Answer::Failed,
            Outcome::Result | Outcome::Progress => Answer::Value(first().unwrap_or_default()),
            Outcome::Error if NO_ANSWER.contains(&uri) => Answer::Failed,
            Outcome::Error => Answer::Refused(first().as_str().map(str::to_owned)),
        };
        if answer == Answer::Failed {
            tracing::warn!(error = uri, "a procedure that the router has called has not answered");
        }
        self.return_from(key, errand, answer);
    }

    /// What comes of it.
    pub(super) fn return_from(&mut self, key: CallKey, errand: Errand, answer: Answer) {
        match errand {
            Errand::Access(conn) => {
                let decision = match answer {
                    Answer::Value(value) => super::super::access::decision(&value),
                    Answer::Refused(text) => {
                        tracing::warn!(text, "an authorizer has failed");
                        None
                    }
                    Answer::Failed => None,
                };
                self.answer_access(conn, key, decision);
            }
            Errand::Handshake(conn) => self.answer_handshake(conn, key, answer),
        }
    }
}
