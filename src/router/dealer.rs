//! The dealer: calls, from their caller's side (spec: "Remote Procedure Calls", "Shared Registration").
//!
//! A call goes straight from its caller's shard to its callee's. The caller's shard keeps the record of the call and answers it exactly
//! once; the callee's shard keeps its mirror, the invocation (see `invocations`). Which callee takes the call, the caller's shard
//! decides from its copy of the registration, except where all shards must take turns: then the owner picks.

use std::collections::VecDeque;
use std::mem;

use super::audience::home;
use super::calls::{CALLEE_LEFT, CANCELED_BY_CALLER, Next, Watch};
use super::conn::{Pieces, Stall, TooLarge};
use super::delivery::Body;
use super::invocations::Invoking;
use super::mesh::{Answer, CallKey, Invoke, More, Outcome, RealmId, Refusal, Turn, Wish, Word};
use super::partition::Partition;
use super::pick::Choice;
use super::session::{Violation, quote};
use super::shard::{ConnId, Shard};
use super::time::Time;
use super::{Hasher, Map};
use crate::limits::{PICKS_MAX, QUEUED_BYTES_HIGH};
use crate::wamp::message::{self, Call, Features, MatchPolicy, Payload, Rare, Text};
use crate::wamp::{Message, RegistrationId, RequestId, SessionId, encode, error_uri, uri};

/// What WELCOME announces.
pub(super) const FEATURES: Features = Features::SHARED_REGISTRATION
    .with(Features::PROGRESSIVE_CALL_RESULTS)
    .with(Features::PROGRESSIVE_CALL_INVOCATIONS)
    .with(Features::CALLER_IDENTIFICATION)
    .with(Features::CALL_CANCELING)
    .with(Features::CALL_TIMEOUT)
    .with(Features::CALL_TRUSTLEVELS)
    .with(Features::CALL_REROUTE)
    .with(Features::PAYLOAD_PASSTHRU_MODE)
    .with(Features::REGISTRATION_REVOCATION)
    .with(Features::SHARDED_REGISTRATION)
    .with(Features::PATTERN_BASED_REGISTRATION)
    .with(Features::SESSION_META_API)
    .with(Features::REGISTRATION_META_API)
    .with(Features::TESTAMENT_META_API);

/// Code of CALL in ERROR.
pub(super) const CALL: u8 = 48;
/// Why an answer does not reach its caller.
pub(super) const TOO_LARGE: &str = "the answer is larger than what the caller's transport accepts";
/// Code of RESULT.
const RESULT: u8 = 50;

/// A call that has not been answered, at its caller's shard.
#[derive(Debug)]
pub(super) struct CallRecord {
    pub(super) caller: ConnId,
    pub(super) request: RequestId,
    pub(super) realm: RealmId,
    pub(super) state: CallState,
    /// The key that says which callee of a registration must take it.
    partition: Option<Partition>,
    /// Callees that turned out to be gone, each with what it was called for.
    tried: Vec<(RegistrationId, SessionId)>,
    /// What few calls need.
    pub(super) watch: Option<Box<Watch>>,
}

#[derive(Debug)]
pub(super) enum CallState {
    /// In its session's queue, until those before it have gone and it is known where it goes.
    Queued { invoke: Invoke, turn: Option<Turn> },
    /// Out of the queue: the owner is asked for another callee, or lets it wait until one is free.
    Waiting(Invoke),
    /// On its way to this callee, or with it; 0 is the router itself. `killed`: the callee decides how the call ends, but the call
    /// goes to no other one.
    Sent { callee: SessionId, killed: bool },
}

impl CallState {
    const UNSENT: CallState = CallState::sent(SessionId(0));

    pub(super) const fn sent(callee: SessionId) -> CallState {
        CallState::Sent { callee, killed: false }
    }
}

/// What a session has as a caller.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) calls: Map<RequestId, CallKey>,
    /// Calls that wait for a pick, and those behind them: calls leave in the order they came.
    queue: VecDeque<Waiting>,
    /// Bytes of what is in it.
    queued_bytes: usize,
    /// Bytes of calls out of it, and of more of them, that wait for a callee to be free.
    pub(super) waiting_bytes: usize,
    /// Progressive invocations that ended before their last CALL had come, the oldest first. What still comes of them is discarded.
    pub(super) unfinished: VecDeque<RequestId>,
}

/// What waits in a session's queue.
#[derive(Debug)]
pub(super) enum Waiting {
    /// With the bytes that it has.
    Call(CallKey, usize),
    /// Until its call has been invoked.
    More(Box<More>),
}

impl Waiting {
    fn bytes(&self) -> usize {
        match self {
            Waiting::Call(_, bytes) => *bytes,
            Waiting::More(more) => more.parcel.bytes.len(),
        }
    }
}

impl Shard {
    pub(super) fn call(&mut self, now: Time, id: ConnId, call: &Call<'_>) -> Result<(), Violation> {
        let Call { request, options, procedure, payload } = call;
        let is_plain = options.is_plain();
        if !is_plain {
            self.check_options(id, call)?;
        }
        let Some(session) = self.session(id) else { return Ok(()) };
        let (active, queued) = match &session.caller {
            Some(caller) => {
                if let Some(key) = caller.calls.get(request) {
                    return self.continue_call(now, id, *key, call);
                }
                if caller.unfinished.contains(request) {
                    self.discard(id, call);
                    return Ok(());
                }
                (caller.calls.len(), !caller.queue.is_empty())
            }
            None => (0, false),
        };
        let tables = &self.realms[usize::from(session.realm.0)];
        let exact = tables.procedures.get(MatchPolicy::Exact, procedure);
        let has_details = !is_plain || tables.has_call_rules;
        // What somebody has registered has been checked.
        if exact.is_none()
            && let Err(text) = self.check_uri(id, procedure, MatchPolicy::Exact)
        {
            self.is_uri_too_long(procedure);
            self.refuse_call(id, call, error_uri::INVALID_URI, &text);
            return Ok(());
        }
        let disclose = options.disclose_me == Some(true) || session.discloses();
        let (realm, identity) = (session.realm, session.identity.clone());
        if options.disclose_me == Some(true)
            && let Some(text) = self.forbids_disclosure(id)
        {
            self.refuse_call(id, call, error_uri::OPTION_DISALLOWED_DISCLOSE_ME, text);
            return Ok(());
        }
        let max = self.limits().pending_calls_max;
        if active >= max {
            self.limited.pending_calls_max += 1;
            let text = format!(
                "this session has {max} calls that wait for an answer (pending_calls_max): await some"
            );
            self.refuse_call(id, call, error_uri::UNAVAILABLE, &text);
            return Ok(());
        }
        // No application offers what is reserved, and no pattern of one reaches there.
        if exact.is_none() && uri::is_reserved(procedure) {
            self.call_router(now, id, realm, call);
            return Ok(());
        }
        let partition = match options.runmode.as_ref().map(|_| self.partition(options)).transpose() {
            Ok(partition) => partition,
            Err(text) => {
                self.refuse_call(id, call, error_uri::INVALID_ARGUMENT, text);
                return Ok(());
            }
        };
        let best = exact.or_else(|| self.realm(realm).procedures.best_match(procedure, |_| true));
        let chosen = best
            .and_then(|registration| Some((registration, self.choose(realm, registration, &[], partition)?)));
        let Some((registration, choice)) = chosen else {
            let text = format!("no callee offers '{}'", quote(procedure));
            self.refuse_call(id, call, error_uri::NO_SUCH_PROCEDURE, &text);
            return Ok(());
        };
        let callee = if let Choice::Callee(callee) = choice { callee } else { SessionId(0) };
        let key = self.record_call(id, *request, realm, callee);
        if partition.is_some()
            && let Some(record) = self.calls.get_mut(key)
        {
            record.partition = partition;
        }
        let details = match has_details {
            true => self.call_details(registration, call, &self.calls[key], &identity),
            false => None,
        };
        if let Some(details) = &details {
            self.watch(now, key, procedure, details);
        }
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
                counted: None,
                details: details.as_deref(),
            };
            if self.invoke_here(now, callee, &invoking, &mut Body::new(*payload)) {
                // Said so, it costs nothing where there is nothing.
                if let Some(details) = details {
                    drop(details);
                }
                return Ok(());
            }
        }
        let parcel = self.parcel(procedure, *payload);
        let invoke = Invoke {
            call: key,
            callee,
            registration,
            caller: identity,
            disclose,
            refusal: Refusal::default(),
            counted: None,
            details,
            parcel,
        };
        match choice {
            Choice::Callee(callee) if !queued => {
                self.tell(now, home(callee, self.shards), Word::Invoke(invoke))
            }
            choice => self.enqueue(now, id, key, invoke, &choice),
        }
        Ok(())
    }

    /// A call of the router's own procedures.
    #[inline(never)]
    fn call_router(&mut self, now: Time, id: ConnId, realm: RealmId, call: &Call<'_>) {
        if call.options.progress == Some(true) {
            let text = "procedures of the router are not called in parts";
            return self.refuse_call(id, call, error_uri::FEATURE_NOT_SUPPORTED, text);
        }
        let key = self.record_call(id, call.request, realm, SessionId(0));
        self.meta_call(now, key, &call.procedure, call.payload);
    }

    #[inline(never)] // shared by all that call
    pub(super) fn record_call(
        &mut self,
        caller: ConnId,
        request: RequestId,
        realm: RealmId,
        callee: SessionId,
    ) -> CallKey {
        let state = CallState::sent(callee);
        let (partition, tried, watch) = (None, Vec::new(), None);
        let key = self.calls.insert(CallRecord { caller, request, realm, state, partition, tried, watch });
        self.caller_mut(caller, |caller| caller.calls.insert(request, key));
        key
    }

    /// Puts a call behind those of its session that wait for a pick.
    fn enqueue(&mut self, now: Time, id: ConnId, key: CallKey, invoke: Invoke, choice: &Choice) {
        let registration = invoke.registration;
        let Some(record) = self.calls.get_mut(key) else { return };
        let (realm, partition) = (record.realm, record.partition);
        let turn = if let Choice::Callee(callee) = choice { Some(Turn::Callee(*callee)) } else { None };
        let is_asked = turn.is_none();
        let bytes = invoke.parcel.bytes.len();
        record.state = CallState::Queued { invoke, turn };
        self.wait(id, Waiting::Call(key, bytes));
        if is_asked {
            let owner = self.registration_owner(registration);
            let wish = Wish { partition, ..Wish::default() };
            self.tell(now, owner, Word::Pick { realm, registration, call: key, wish });
        }
    }

    /// Puts something at the end of a session's queue.
    pub(super) fn wait(&mut self, id: ConnId, what: Waiting) {
        let has_enough = self.caller_mut(id, |caller| {
            caller.queued_bytes += what.bytes();
            caller.queue.push_back(what);
            caller.queue.len() >= PICKS_MAX || caller.queued_bytes >= QUEUED_BYTES_HIGH
        });
        if has_enough == Some(true) {
            self.wire.stall(id, Stall::PICKS);
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
            Some(CallRecord { caller, state: state @ CallState::Waiting(_), .. }) => {
                let id = *caller;
                if let CallState::Waiting(invoke) = mem::replace(state, CallState::UNSENT) {
                    self.waits_less(id, invoke.parcel.bytes.len());
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
            let Some(caller) = self.session(id).and_then(|s| s.caller.as_deref()) else { return };
            let front = match caller.queue.front() {
                None => None,
                Some(Waiting::Call(key, _)) => Some(Ok(*key)),
                Some(Waiting::More(more)) => Some(Err(more.call)),
            };
            if caller.queue.len() < PICKS_MAX / 2 && caller.queued_bytes < QUEUED_BYTES_HIGH {
                self.wire.unstall(id, Stall::PICKS);
            }
            let Some(front) = front else { return };
            // What waits here would only wait there; `relieve` comes back.
            if self.choke(id) {
                return;
            }
            let next = match front {
                Ok(key) => {
                    let state = self.calls.get(key).map(|record| &record.state);
                    let waits = matches!(state, Some(CallState::Queued { turn: None, .. }));
                    (!waits).then_some(Next::Go)
                }
                Err(key) => self.next_more(key),
            };
            let Some(next) = next else { return };
            // What becomes of it may lead back here.
            let front = self.caller_mut(id, |caller| {
                let front = caller.queue.pop_front()?;
                caller.queued_bytes -= front.bytes();
                Some(front)
            });
            match front.flatten() {
                Some(Waiting::Call(key, _)) => {
                    let state = self.calls.get_mut(key).map(|record| &mut record.state);
                    let state = state.map(|state| mem::replace(state, CallState::UNSENT));
                    // Otherwise it was cancelled meanwhile.
                    if let Some(CallState::Queued { invoke, turn: Some(turn) }) = state {
                        self.go_on(now, invoke, turn);
                    }
                }
                Some(Waiting::More(more)) if next == Next::Aside => self.put_aside(*more),
                Some(Waiting::More(more)) => self.send_more(now, more),
                None => return,
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
            Turn::Wait => self.await_turn(now, invoke),
            Turn::Full => {
                self.limited.queue += 1;
                let text = "all callees are busy, and too many calls wait for them already (queue)";
                self.end_call(invoke.call, error_uri::NO_AVAILABLE_CALLEE, text);
            }
            Turn::Nobody => self.retry(now, invoke),
        }
    }

    /// A call waits for the owner's word. It leaves its session's queue: what waits for a callee to be free must not hold up calls to
    /// others, one of which that callee may need to come to an end.
    #[cold]
    fn await_turn(&mut self, now: Time, mut invoke: Invoke) {
        let Some(CallRecord { caller, realm, .. }) = self.calls.get(invoke.call) else { return };
        let (id, realm) = (*caller, *realm);
        let waiting = self.caller_mut(id, |caller| caller.waiting_bytes).unwrap_or_default();
        if waiting + invoke.parcel.bytes.len() > self.limits().waiting_bytes_max() {
            let Invoke { call, registration, .. } = invoke;
            let owner = self.registration_owner(registration);
            self.tell(now, owner, Word::Withdraw { realm, registration, call });
            let text =
                "all callees are busy, and this session's calls that wait for some have too many bytes";
            return self.end_call(call, error_uri::NO_AVAILABLE_CALLEE, text);
        }
        invoke.parcel.detach();
        self.leave_queue(invoke);
    }

    /// What waited for a callee to be free waits no more.
    pub(super) fn waits_less(&mut self, id: ConnId, bytes: usize) {
        self.caller_mut(id, |caller| caller.waiting_bytes = caller.waiting_bytes.saturating_sub(bytes));
    }

    /// The owner of a registration has the say about a call that is no longer in its session's queue.
    fn leave_queue(&mut self, invoke: Invoke) {
        if let Some(record) = self.calls.get_mut(invoke.call) {
            let (id, bytes) = (record.caller, invoke.parcel.bytes.len());
            record.state = CallState::Waiting(invoke);
            // More of it may be at the front of the queue.
            if record.watch.is_some() {
                self.unblocked.push(id);
            }
            self.caller_mut(id, |caller| caller.waiting_bytes += bytes);
        }
    }

    /// A call is over before it has left: what its owner keeps for it is given back.
    pub(super) fn abandon(&mut self, now: Time, key: CallKey) {
        let Some(record) = self.calls.get_mut(key) else { return };
        let (id, realm) = (record.caller, record.realm);
        if let CallState::Sent { .. } = record.state {
            return;
        }
        if let CallState::Waiting(invoke) = &record.state {
            let bytes = invoke.parcel.bytes.len();
            self.waits_less(id, bytes);
        }
        let Some(record) = self.calls.get_mut(key) else { return };
        match mem::replace(&mut record.state, CallState::UNSENT) {
            CallState::Queued { turn: Some(Turn::Slot(slot)), .. } => self.give_back(now, slot),
            CallState::Queued { invoke, turn: None | Some(Turn::Wait) } | CallState::Waiting(invoke) => {
                let registration = invoke.registration;
                let owner = self.registration_owner(registration);
                self.tell(now, owner, Word::Withdraw { realm, registration, call: key });
            }
            CallState::Queued { .. } | CallState::Sent { .. } => {}
        }
    }

    fn dispatch(&mut self, now: Time, mut invoke: Invoke, callee: SessionId) {
        invoke.callee = callee;
        if let Some(record) = self.calls.get_mut(invoke.call) {
            record.state = CallState::sent(callee);
        }
        self.tell(now, home(callee, self.shards), Word::Invoke(invoke));
    }

    /// Caller's shard: the callee was gone when the invocation came, or does not take it.
    pub(super) fn refused(&mut self, now: Time, invoke: Invoke) {
        let Some(record) = self.calls.get_mut(invoke.call) else { return };
        if let CallState::Sent { killed: true, .. } = record.state {
            return self.end_call(invoke.call, error_uri::CANCELED, CANCELED_BY_CALLER);
        }
        record.tried.push((invoke.registration, invoke.callee));
        if record.watch.is_some() {
            self.resume_timer(now, invoke.call);
        }
        self.retry(now, invoke);
    }

    /// Tries the best registration that has a callee left to try: the one that was tried may be gone, and another, or a
    /// pattern, be there.
    fn retry(&mut self, now: Time, mut invoke: Invoke) {
        let key = invoke.call;
        let Some(CallRecord { realm, partition, tried, watch, .. }) = self.calls.get(key) else { return };
        let (realm, partition, tables) = (*realm, *partition, &self.realms[usize::from(realm.0)]);
        // Whoever an errand is about is not called.
        let is_errand = watch.as_ref().is_some_and(|watch| watch.errand.is_some());
        let spared = is_errand.then_some(invoke.caller.session);
        let has_more = |id: RegistrationId| {
            let may = |callee: &SessionId| Some(*callee) != spared && !tried.contains(&(id, *callee));
            tables.registration.get(&id).is_some_and(|it| it.callees.iter().any(may))
        };
        // Who cannot take a call now leaves it to others of the same registration.
        let best = match invoke.refusal {
            Refusal::Unavailable => Some(invoke.registration).filter(|id| has_more(*id)),
            Refusal::Gone | Refusal::Lost => tables.procedures.best_match(invoke.parcel.uri(), has_more),
        };
        let tried = tried.iter().filter(|(id, _)| Some(*id) == best);
        let tried: Vec<SessionId> = tried.map(|(_, callee)| *callee).chain(spared).collect();
        let chosen = best.and_then(|registration| {
            Some((registration, self.choose(realm, registration, &tried, partition)?))
        });
        let Some((registration, choice)) = chosen else {
            let (error, text) = match invoke.refusal {
                Refusal::Gone => (error_uri::NO_SUCH_PROCEDURE, "no callee is left that could take the call"),
                Refusal::Unavailable => {
                    (error_uri::NO_AVAILABLE_CALLEE, "no callee of the procedure can take the call now")
                }
                Refusal::Lost => (error_uri::CANCELED, CALLEE_LEFT),
            };
            return self.end_call(key, error, text);
        };
        invoke.registration = registration;
        match choice {
            Choice::Callee(callee) => self.dispatch(now, invoke, callee),
            Choice::Owner => {
                self.leave_queue(invoke);
                let owner = self.registration_owner(registration);
                let wish = Wish { is_again: !tried.is_empty(), tried: tried.into(), partition };
                self.tell(now, owner, Word::Pick { realm, registration, call: key, wish });
            }
        }
    }

    /// Caller's shard: the answer has come from another shard.
    pub(super) fn answered(&mut self, now: Time, answer: &Answer) {
        let Answer { call, outcome, passthru, parcel } = answer;
        let mut body = Body::of_parcel(parcel);
        if *outcome == Outcome::Progress || passthru.get().is_some() {
            return self.respond_with_details(now, *call, *outcome, parcel.uri(), passthru, &mut body);
        }
        self.finish(*call, *outcome, parcel.uri(), &mut body);
    }

    /// Caller's shard: the one final answer. A caller that has left or cancelled has no record any more.
    pub(super) fn finish(&mut self, key: CallKey, outcome: Outcome, uri: &str, body: &mut Body<'_>) {
        let Some(CallRecord { caller: id, request, watch, .. }) = self.calls.remove(key) else { return };
        if let Some(mut watch) = watch {
            let errand = watch.errand.take();
            self.end_watch(key, id, request, *watch);
            if let Some(errand) = errand {
                return self.errand_answered(key, errand, outcome, uri, body);
            }
        }
        // Whoever has left in this very step hears nothing more.
        let Some(caller) = self.session_mut(id).and_then(|s| s.caller.as_deref_mut()) else { return };
        caller.calls.remove(&request);
        let Some(serializer) = self.wire.serializer(id) else { return };
        let items = body.items();
        let (bytes, shared) = body.form(serializer, &mut self.arena);
        let head = &mut self.scratch.heads;
        head.clear();
        match outcome {
            Outcome::Result | Outcome::Progress => {
                encode::plain_head(RESULT, [request.0], items, serializer, head)
            }
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
            self.refuse(id, CALL, request, error_uri::PAYLOAD_SIZE_EXCEEDED, TOO_LARGE);
        }
    }

    /// Forgets a call that is over; returns whose it was.
    pub(super) fn forget_call(&mut self, key: CallKey) -> Option<(ConnId, RequestId)> {
        let CallRecord { caller, request, watch, .. } = self.calls.remove(key)?;
        if let Some(watch) = watch {
            self.end_watch(key, caller, request, *watch);
        }
        Some((caller, request))
    }

    /// Caller's shard: the call ends with an error of the router's.
    pub(super) fn end_call(&mut self, key: CallKey, error: &str, text: &str) {
        let Some((id, request)) = self.forget_call(key) else { return };
        if self.caller_mut(id, |caller| caller.calls.remove(&request)).is_some() {
            self.refuse(id, CALL, request, error, text);
        }
    }

    pub(super) fn caller_mut<R>(&mut self, id: ConnId, f: impl FnOnce(&mut Caller) -> R) -> Option<R> {
        let session = self.wire.conns.get_mut(id)?.session.as_deref_mut()?;
        Some(f(session.caller.get_or_insert_with(|| Box::new(Caller::new(&self.hasher)))))
    }
}

impl Caller {
    /// Whether a CALL with this id is more of a call that has begun.
    pub(super) fn knows(&self, request: RequestId) -> bool {
        self.calls.contains_key(&request) || self.unfinished.contains(&request)
    }

    /// Whether something waits that later calls must not overtake.
    pub(super) fn is_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    fn new(hasher: &Hasher) -> Caller {
        Caller {
            calls: Map::with_hasher(hasher.clone()),
            queue: VecDeque::new(),
            queued_bytes: 0,
            waiting_bytes: 0,
            unfinished: VecDeque::new(),
        }
    }
}
