//! The dealer: calls, from their caller's side (spec: "Remote Procedure Calls", "Shared Registration").
//!
//! A call goes straight from its caller's shard to its callee's. The caller's shard keeps the record of the call and answers it exactly
//! once; the callee's shard keeps its mirror, the invocation (see `invocations`). Which callee takes the call, the caller's shard
//! decides from its copy of the registration, except where all shards must take turns: then the owner picks.

use std::collections::VecDeque;
use std::mem;

use super::audience::home;
use super::broker::refuse_passthru;
use super::conn::{Pieces, Stall, TooLarge};
use super::delivery::Body;
use super::invocations::Invoking;
use super::mesh::{Answer, CallKey, Invoke, Outcome, RealmId, Turn, Wish, Word};
use super::partition::Partition;
use super::pick::Choice;
use super::session::{Violation, quote};
use super::shard::{ConnId, Shard};
use super::time::Time;
use super::{Hasher, Map};
use crate::limits::PICKS_MAX;
use crate::wamp::message::{self, Call, Features, MatchPolicy, Payload, Rare, Text};
use crate::wamp::{Message, RegistrationId, RequestId, SessionId, encode, error_uri, uri};

/// What WELCOME announces.
pub(super) const FEATURES: Features = Features::SHARED_REGISTRATION
    .with(Features::CALLER_IDENTIFICATION)
    .with(Features::REGISTRATION_REVOCATION)
    .with(Features::SHARDED_REGISTRATION)
    .with(Features::PATTERN_BASED_REGISTRATION)
    .with(Features::SESSION_META_API)
    .with(Features::REGISTRATION_META_API)
    .with(Features::TESTAMENT_META_API);

/// Code of CALL in ERROR.
const CALL: u8 = 48;
/// Code of RESULT.
const RESULT: u8 = 50;
/// Code of CANCEL in ERROR.
const CANCEL: u8 = 49;

/// A call that has not been answered, at its caller's shard.
#[derive(Debug)]
pub(super) struct CallRecord {
    pub(super) caller: ConnId,
    request: RequestId,
    pub(super) realm: RealmId,
    state: CallState,
    /// The key that says which callee of a registration must take it.
    partition: Option<Partition>,
    /// Callees that turned out to be gone, each with what it was called for.
    tried: Vec<(RegistrationId, SessionId)>,
}

#[derive(Debug)]
enum CallState {
    /// In its session's queue, until those before it have gone and it is known where it goes.
    Queued { invoke: Invoke, turn: Option<Turn> },
    /// Out of the queue: the owner is asked for another callee, or lets it wait until one is free.
    Waiting(Invoke),
    /// On its way, or with the callee.
    Sent,
}

/// What a session has as a caller.
#[derive(Debug)]
pub(super) struct Caller {
    calls: Map<RequestId, CallKey>,
    /// Calls that wait for a pick, and those behind them: calls leave in the order they came.
    queue: VecDeque<CallKey>,
}

impl Shard {
    pub(super) fn call(&mut self, now: Time, id: ConnId, call: &Call<'_>) -> Result<(), Violation> {
        let Call { request, options, procedure, payload } = call;
        refuse_passthru(&options.passthru)?;
        if options.progress == Some(true) {
            return Err("CALL.Options.progress is used, but this router does not announce progressive_call_invocations".to_owned());
        }
        let Some(session) = self.session(id) else { return Ok(()) };
        let exact = self.realms[usize::from(session.realm.0)].procedures.get(MatchPolicy::Exact, procedure);
        // What somebody has registered has been checked.
        if exact.is_none()
            && let Err(text) = self.check_uri(id, procedure, MatchPolicy::Exact)
        {
            self.refuse(id, CALL, *request, error_uri::INVALID_URI, &text);
            return Ok(());
        }
        let (realm, identity) = (session.realm, session.identity.clone());
        let (active, queued) = match &session.caller {
            Some(caller) if caller.calls.contains_key(request) => {
                return Err(format!("CALL uses request id {request}, which an active call has"));
            }
            Some(caller) => (caller.calls.len(), !caller.queue.is_empty()),
            None => (0, false),
        };
        let max = self.limits().pending_calls_max;
        if active >= max {
            let text = format!("this session has {max} calls that wait for an answer");
            self.refuse(id, CALL, *request, error_uri::UNAVAILABLE, &text);
            return Ok(());
        }
        // No application offers what is reserved, and no pattern of one reaches there.
        if exact.is_none() && uri::is_reserved(procedure) {
            let key = self.record_call(id, *request, realm);
            self.meta_call(now, key, procedure, *payload);
            return Ok(());
        }
        let partition = match options.runmode.as_ref().map(|_| self.partition(options)).transpose() {
            Ok(partition) => partition,
            Err(text) => {
                self.refuse(id, CALL, *request, error_uri::INVALID_ARGUMENT, text);
                return Ok(());
            }
        };
        let best = exact.or_else(|| self.realm(realm).procedures.best_match(procedure, |_| true));
        let chosen = best
            .and_then(|registration| Some((registration, self.choose(realm, registration, &[], partition)?)));
        let Some((registration, choice)) = chosen else {
            let text = format!("no callee offers '{}'", quote(procedure));
            self.refuse(id, CALL, *request, error_uri::NO_SUCH_PROCEDURE, &text);
            return Ok(());
        };
        let key = self.record_call(id, *request, realm);
        if partition.is_some()
            && let Some(record) = self.calls.get_mut(key)
        {
            record.partition = partition;
        }
        let disclose = options.disclose_me == Some(true);
        if let Choice::Callee(callee) = choice
            && !queued
            && home(callee, self.shards) == self.id
        {
            let invoking = Invoking {
                home: self.id,
                call: key,
                registration,
                procedure,
                caller: &identity,
                disclose,
                slot: None,
            };
            if self.invoke_here(now, callee, &invoking, &mut Body::new(*payload)) {
                return Ok(());
            }
        }
        let parcel = self.parcel(procedure, *payload);
        let callee = SessionId(0);
        let invoke =
            Invoke { call: key, callee, registration, caller: identity, disclose, counted: None, parcel };
        match choice {
            Choice::Callee(callee) if !queued => self.dispatch(now, invoke, callee),
            choice => self.enqueue(now, id, key, invoke, &choice),
        }
        Ok(())
    }

    fn record_call(&mut self, caller: ConnId, request: RequestId, realm: RealmId) -> CallKey {
        let state = CallState::Sent;
        let key = self.calls.insert(CallRecord {
            caller,
            request,
            realm,
            state,
            partition: None,
            tried: Vec::new(),
        });
        self.caller_mut(caller, |caller| caller.calls.insert(request, key));
        key
    }

    /// Caller's shard: a call's time is up. No call has a deadline yet.
    pub(super) fn call_overdue(&mut self, _now: Time, _key: CallKey) {}

    /// Puts a call behind those of its session that wait for a pick.
    fn enqueue(&mut self, now: Time, id: ConnId, key: CallKey, invoke: Invoke, choice: &Choice) {
        let registration = invoke.registration;
        let Some(record) = self.calls.get_mut(key) else { return };
        let (realm, partition) = (record.realm, record.partition);
        let turn = if let Choice::Callee(callee) = choice { Some(Turn::Callee(*callee)) } else { None };
        let is_asked = turn.is_none();
        record.state = CallState::Queued { invoke, turn };
        let waiting = self.caller_mut(id, |caller| {
            caller.queue.push_back(key);
            caller.queue.len()
        });
        if waiting.is_some_and(|n| n >= PICKS_MAX) {
            self.wire.stall(id, Stall::PICKS);
        }
        if is_asked {
            let owner = self.registration_owner(registration);
            let wish = Wish { partition, ..Wish::default() };
            self.tell(now, owner, Word::Pick { realm, registration, call: key, wish });
        }
    }

    /// Caller's shard: the owner has picked.
    pub(super) fn picked(&mut self, now: Time, key: CallKey, picked: Turn) {
        match self.calls.get_mut(key) {
            Some(CallRecord { caller, state: CallState::Queued { turn, .. }, .. }) => {
                *turn = Some(picked);
                let id = *caller;
                self.release(now, id);
            }
            Some(CallRecord { state: state @ CallState::Waiting(_), .. }) => {
                if let CallState::Waiting(invoke) = mem::replace(state, CallState::Sent) {
                    self.go_on(now, invoke, picked);
                }
            }
            // The call is over.
            _ => {
                if let Turn::Slot(slot) = picked {
                    self.give_back(now, slot);
                }
            }
        }
    }

    /// Sends what is ready at the front of a session's queue, unless the mesh is congested.
    pub(super) fn release(&mut self, now: Time, id: ConnId) {
        loop {
            let Some(caller) = self.session_mut(id).and_then(|s| s.caller.as_deref_mut()) else { return };
            if caller.queue.len() < PICKS_MAX / 2 {
                self.wire.unstall(id, Stall::PICKS);
            }
            let Some(key) = self.caller_mut(id, |caller| caller.queue.front().copied()).flatten() else {
                return;
            };
            // What waits here would only wait there; `relieve` comes back.
            if self.choke(id) {
                return;
            }
            let state = self.calls.get_mut(key).map(|record| &mut record.state);
            if let Some(CallState::Queued { turn: None, .. }) = state {
                return;
            }
            // What becomes of it may lead back here.
            let state = state.map(|state| mem::replace(state, CallState::Sent));
            self.caller_mut(id, |caller| caller.queue.pop_front());
            // Otherwise it was cancelled meanwhile.
            if let Some(CallState::Queued { invoke, turn: Some(turn) }) = state {
                self.go_on(now, invoke, turn);
            }
        }
    }

    fn go_on(&mut self, now: Time, mut invoke: Invoke, turn: Turn) {
        match turn {
            Turn::Callee(callee) => self.dispatch(now, invoke, callee),
            Turn::Slot(slot) => {
                invoke.counted = Some(slot.realm);
                self.dispatch(now, invoke, slot.callee);
            }
            Turn::Wait => self.await_turn(invoke),
            Turn::Full => {
                let text = "all callees are busy, and too many calls wait for them already";
                self.end_call(invoke.call, error_uri::NO_AVAILABLE_CALLEE, text);
            }
            Turn::Nobody => self.retry(now, invoke),
        }
    }

    /// A call waits for the owner's word. It leaves its session's queue: what waits for a callee to be free must not hold up calls to
    /// others, one of which that callee may need to come to an end.
    #[cold]
    fn await_turn(&mut self, mut invoke: Invoke) {
        invoke.parcel.detach();
        if let Some(record) = self.calls.get_mut(invoke.call) {
            record.state = CallState::Waiting(invoke);
        }
    }

    /// A call is over before it has left: what its owner keeps for it is given back.
    pub(super) fn abandon(&mut self, now: Time, key: CallKey) {
        let Some(record) = self.calls.get_mut(key) else { return };
        let realm = record.realm;
        match mem::replace(&mut record.state, CallState::Sent) {
            CallState::Queued { turn: Some(Turn::Slot(slot)), .. } => self.give_back(now, slot),
            CallState::Queued { invoke, turn: None | Some(Turn::Wait) } | CallState::Waiting(invoke) => {
                let registration = invoke.registration;
                let owner = self.registration_owner(registration);
                self.tell(now, owner, Word::Withdraw { realm, registration, call: key });
            }
            CallState::Queued { .. } | CallState::Sent => {}
        }
    }

    fn dispatch(&mut self, now: Time, mut invoke: Invoke, callee: SessionId) {
        invoke.callee = callee;
        self.tell(now, home(callee, self.shards), Word::Invoke(invoke));
    }

    /// Caller's shard: the callee was gone when the invocation came.
    pub(super) fn refused(&mut self, now: Time, invoke: Invoke) {
        if let Some(record) = self.calls.get_mut(invoke.call) {
            record.tried.push((invoke.registration, invoke.callee));
            self.retry(now, invoke);
        }
    }

    /// Tries the best registration that has a callee left to try: the one that was tried may be gone, and another, or a
    /// pattern, be there.
    fn retry(&mut self, now: Time, mut invoke: Invoke) {
        let key = invoke.call;
        let Some(CallRecord { realm, partition, tried, .. }) = self.calls.get(key) else { return };
        let (realm, partition, tables) = (*realm, *partition, &self.realms[usize::from(realm.0)]);
        let has_more = |id: RegistrationId| {
            let registration = tables.registration.get(&id);
            registration.is_some_and(|r| r.callees.iter().any(|callee| !tried.contains(&(id, *callee))))
        };
        let best = tables.procedures.best_match(invoke.parcel.uri(), has_more);
        let tried = tried.iter().filter(|(id, _)| Some(*id) == best);
        let tried: Vec<SessionId> = tried.map(|(_, callee)| *callee).collect();
        let chosen = best.and_then(|registration| {
            Some((registration, self.choose(realm, registration, &tried, partition)?))
        });
        let Some((registration, choice)) = chosen else {
            let text = "no callee is left that could take the call";
            return self.end_call(key, error_uri::NO_SUCH_PROCEDURE, text);
        };
        invoke.registration = registration;
        match choice {
            Choice::Callee(callee) => self.dispatch(now, invoke, callee),
            Choice::Owner => {
                if let Some(record) = self.calls.get_mut(key) {
                    record.state = CallState::Waiting(invoke);
                }
                let owner = self.registration_owner(registration);
                let wish = Wish { tried: tried.into(), partition };
                self.tell(now, owner, Word::Pick { realm, registration, call: key, wish });
            }
        }
    }

    /// Caller's shard: the answer has come from another shard.
    pub(super) fn answered(&mut self, answer: &Answer) {
        let Answer { call, outcome, parcel } = answer;
        let mut body = Body::of_parcel(parcel);
        self.finish(*call, *outcome, parcel.uri(), &mut body);
    }

    /// Caller's shard: the one final answer. A caller that has left or cancelled has no record any more.
    pub(super) fn finish(&mut self, key: CallKey, outcome: Outcome, uri: &str, body: &mut Body<'_>) {
        let Some(CallRecord { caller: id, request, .. }) = self.calls.remove(key) else { return };
        if let Some(caller) = self.session_mut(id).and_then(|s| s.caller.as_deref_mut()) {
            caller.calls.remove(&request);
        }
        let Some(serializer) = self.wire.serializer(id) else { return };
        let items = body.items();
        let (bytes, shared) = body.form(serializer, &mut self.arena);
        let head = &mut self.scratch.heads;
        head.clear();
        match outcome {
            Outcome::Result => encode::plain_head(RESULT, [request.0], items, serializer, head),
            Outcome::Error => {
                let message = Message::Error(message::Error {
                    request_type: CALL,
                    request,
                    passthru: Rare::default(),
                    error: Text::Borrowed(uri),
                    payload: Payload { serializer, items, bytes },
                });
                encode::encode_head(&message, serializer, head);
            }
        }
        if self.wire.send(id, Pieces { head, payload: bytes, shared }) == Err(TooLarge) {
            let text = "the answer is larger than what the caller's transport accepts";
            self.refuse(id, CALL, request, error_uri::PAYLOAD_SIZE_EXCEEDED, text);
        }
    }

    /// Caller's shard: the call ends with an error of the router's.
    pub(super) fn end_call(&mut self, key: CallKey, error: &str, text: &str) {
        let Some(CallRecord { caller: id, request, .. }) = self.calls.remove(key) else { return };
        self.caller_mut(id, |caller| caller.calls.remove(&request));
        self.refuse(id, CALL, request, error, text);
    }

    /// CANCEL. Interrupting callees is not announced, so every mode acts as `skip` (decision D8).
    pub(super) fn cancel(
        &mut self,
        now: Time,
        id: ConnId,
        request: RequestId,
        mode: Option<&str>,
    ) -> Result<(), Violation> {
        let Some(session) = self.session(id) else { return Ok(()) };
        if request.0 > session.last_request {
            return Err(format!("CANCEL for request {request}, which this session has not made"));
        }
        if let Some(mode) = mode.filter(|mode| !matches!(*mode, "skip" | "kill" | "killnowait")) {
            let text = format!("CANCEL.Options.mode is '{}', not one of skip, kill, killnowait", quote(mode));
            self.refuse(id, CANCEL, request, error_uri::INVALID_ARGUMENT, &text);
            return Ok(());
        }
        if let Some(key) = session.caller.as_ref().and_then(|c| c.calls.get(&request).copied()) {
            self.abandon(now, key);
            self.end_call(key, error_uri::CANCELED, "the call was cancelled by its caller");
            self.release(now, id);
        }
        Ok(())
    }

    /// The caller has left: its calls are forgotten; late answers find nothing.
    pub(super) fn caller_left(&mut self, now: Time, caller: &Caller) {
        for key in caller.calls.values() {
            self.abandon(now, *key);
            self.calls.remove(*key);
        }
    }

    fn caller_mut<R>(&mut self, id: ConnId, f: impl FnOnce(&mut Caller) -> R) -> Option<R> {
        let session = self.wire.conns.get_mut(id)?.session.as_deref_mut()?;
        Some(f(session.caller.get_or_insert_with(|| Box::new(Caller::new(&self.hasher)))))
    }
}

impl Caller {
    fn new(hasher: &Hasher) -> Caller {
        Caller { calls: Map::with_hasher(hasher.clone()), queue: VecDeque::new() }
    }
}
