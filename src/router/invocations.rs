//! Invocations: calls, from their callee's side. Each is the mirror of a call whose record is at the caller's shard.

use std::borrow::Cow;
use std::mem;
use std::sync::Arc;

use super::calls::{CALLEE_LEFT, CallDetails, Frozen};
use super::conn::{Pieces, TooLarge};
use super::delivery::Body;
use super::identity::Identity;
use super::lazy_map::LazyMap;
use super::mesh::{Answer, CallKey, Invoke, Outcome, RealmId, ShardId, Slot, Word};
use super::registrations::Offering;
use super::session::{Session, Violation};
use super::shard::{ConnId, Shard};
use super::time::Time;
use super::{Hasher, Map};
use crate::limits::Limits;
use crate::wamp::message::{
    self, Features, Invocation, InvocationDetails, Passthru, Payload, Rare, Text, Yield,
};
use crate::wamp::{Message, RegistrationId, RequestId, Serializer, SessionId, encode, error_uri};

/// Code of INVOCATION.
const INVOCATION: u8 = 68;

/// What a session has as a callee.
#[derive(Debug)]
pub(super) struct Callee {
    /// The request id of its last INVOCATION.
    last_invocation: u64,
    pub(super) pending: Map<u64, Mirror>,
    /// Some invocation is marked, counted, or in the index: those of which more is to be known than their mirror.
    is_special: bool,
    /// The invocations of calls. Nobody needs it until the first is cancelled: then it is made, and kept until nothing is pending.
    index: Option<Box<Map<(ShardId, CallKey), u64>>>,
    /// Invocations that have come before their REGISTERED could be sent, and later ones of the same callers: the calls of
    /// one caller arrive in order. Empty unless a REGISTER of the session is under way.
    pub(super) held: Vec<(ShardId, Invoke)>,
    /// Invocations that the owner of their registration has counted.
    slots: LazyMap<u64, Slot>,
    /// Invocations that may go to another callee.
    kept: LazyMap<u64, Box<Invoke>>,
    kept_bytes: usize,
    /// What the later INVOCATIONs of a progressive one say, too.
    pub(super) frozen: LazyMap<u64, Frozen>,
}

/// An invocation: the callee's side of a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mirror {
    pub(super) home: ShardId,
    pub(super) marks: Marks,
    pub(super) call: CallKey,
}

/// What is unusual about an invocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks(u8);

impl Marks {
    /// The caller asked for progressive results, and the callee was told so.
    pub(super) const PROGRESS: Marks = Marks(1);
    /// More INVOCATIONs follow: see [`Callee::frozen`].
    pub(super) const STREAM: Marks = Marks(2);
    /// See [`Callee::kept`].
    pub(super) const KEPT: Marks = Marks(4);
    /// The callee looks after the call's timeout.
    pub(super) const KEEPS_TIME: Marks = Marks(8);
    /// INTERRUPT has been sent.
    pub(super) const INTERRUPTED: Marks = Marks(16);
    /// Nobody waits for the answer any more.
    pub(super) const ABANDONED: Marks = Marks(32);
    /// Its callee announced re-routing, but nobody else may take the call.
    pub(super) const LONE: Marks = Marks(64);

    /// Whether it is marked so, in one of these ways.
    pub(super) fn has(self, marks: Marks) -> bool {
        self.0 & marks.0 != 0
    }

    /// Both together.
    pub(super) const fn with(self, marks: Marks) -> Marks {
        Marks(self.0 | marks.0)
    }

    /// Marks it, if `condition`.
    pub(super) fn set(&mut self, marks: Marks, condition: bool) {
        self.0 |= if condition { marks.0 } else { 0 };
    }

    pub(super) fn clear(&mut self, marks: Marks) {
        self.0 &= !marks.0;
    }
}

impl Mirror {
    pub(super) fn new(home: ShardId, call: CallKey) -> Mirror {
        Mirror { home, marks: Marks::default(), call }
    }

    /// Whether anybody waits for the answer.
    pub(super) fn is_awaited(&self) -> bool {
        !self.marks.has(Marks::ABANDONED)
    }
}

/// An invocation to a callee of this shard.
pub(super) struct Invoking<'a> {
    pub(super) home: ShardId,
    pub(super) call: CallKey,
    pub(super) registration: RegistrationId,
    pub(super) procedure: &'a str,
    pub(super) caller: &'a Arc<Identity>,
    pub(super) disclose: bool,
    pub(super) details: Option<&'a CallDetails>,
    /// The realm, if the owner of the registration has counted the invocation.
    pub(super) counted: Option<RealmId>,
}

impl Invoking<'_> {
    fn slot(&self, callee: SessionId) -> Option<Slot> {
        let registration = self.registration;
        self.counted.map(|realm| Slot { realm, registration, callee })
    }
}

impl Shard {
    /// Callee's shard: an invocation has come.
    pub(super) fn invoke(&mut self, now: Time, from: ShardId, mut invoke: Invoke) {
        if self.invoke_parcel(now, from, &invoke) {
            return;
        }
        let hasher = self.hasher.clone();
        let held_max = self.limits().held_invocations_max;
        let session = self.conn_of(invoke.callee).and_then(|id| self.session_mut(id));
        // What is not there may be on its way: the caller's shard may know before this one that the callee has registered.
        let may_offer =
            |s: &&mut Session| s.registrations.contains_key(&invoke.registration) || s.unsettled > 0;
        let Some(session) = session.filter(may_offer) else {
            // It has left or has unregistered: the caller's shard tries another.
            if let Some(slot) = invoke.take_slot() {
                self.give_back(now, slot);
            }
            return self.tell(now, from, Word::Refused(invoke));
        };
        let held = &mut session.callee.get_or_insert_with(|| Box::new(Callee::new(&hasher))).held;
        if held.len() < held_max {
            held.push((from, invoke));
        } else {
            if let Some(slot) = invoke.take_slot() {
                self.give_back(now, slot);
            }
            self.limited.held_invocations_max += 1;
            let text = "too many calls wait until the callee has been told of its registration \
                        (held_invocations_max)";
            self.fail(now, Mirror::new(from, invoke.call), error_uri::UNAVAILABLE, text);
        }
    }

    /// After a REGISTERED: sends what waited for it, and what waited behind that.
    pub(super) fn release_held(&mut self, now: Time, id: ConnId) {
        let Some(callee) = self.session_mut(id).and_then(|s| s.callee.as_deref_mut()) else { return };
        for (from, invoke) in mem::take(&mut callee.held) {
            self.invoke(now, from, invoke);
        }
    }

    fn invoke_parcel(&mut self, now: Time, from: ShardId, invoke: &Invoke) -> bool {
        let invoking = Invoking {
            home: from,
            call: invoke.call,
            registration: invoke.registration,
            procedure: invoke.parcel.uri(),
            caller: &invoke.caller,
            disclose: invoke.disclose,
            details: invoke.details.as_deref(),
            counted: invoke.counted,
        };
        let mut body = Body::of_parcel(&invoke.parcel);
        self.invoke_here(now, invoke.callee, &invoking, &mut body)
    }

    /// Sends INVOCATION to a callee of this shard; returns false if it is gone, or if the invocation must wait: for its
    /// REGISTERED, or for an earlier one of the same caller that waits.
    pub(super) fn invoke_here(
        &mut self,
        now: Time,
        session_id: SessionId,
        invoking: &Invoking<'_>,
        body: &mut Body<'_>,
    ) -> bool {
        let pending_max = self.limits().pending_invocations_max;
        let Some(id) = self.conn_of(session_id) else { return false };
        let Some(conn) = self.wire.conns.get_mut(id) else { return false };
        let Some(serializer) = conn.framing.serializer() else { return false };
        let Some(session) = conn.session.as_deref_mut() else { return false };
        let Some(Offering { is_announced: true, is_pattern, disclose_caller, forward_timeout, .. }) =
            session.registrations.get(&invoking.registration)
        else {
            return false;
        };
        let procedure = is_pattern.then_some(Text::Borrowed(invoking.procedure));
        let caller = (invoking.disclose || *disclose_caller).then_some(invoking.caller);
        let callee = session.callee.get_or_insert_with(|| Box::new(Callee::new(&self.hasher)));
        if callee.held.iter().any(|(_, held)| held.caller.session == invoking.caller.session) {
            return false;
        }
        let mut mirror = Mirror::new(invoking.home, invoking.call);
        let features = session.features.callee;
        if let Some(details) = invoking.details {
            match details.marks(features, *forward_timeout) {
                Ok(marks) => {
                    mirror.marks = marks;
                    callee.is_special = true;
                }
                Err(text) => {
                    if let Some(slot) = invoking.slot(session_id) {
                        self.give_back(now, slot);
                    }
                    self.fail(now, mirror, error_uri::FEATURE_NOT_SUPPORTED, text);
                    return true;
                }
            }
        }
        if callee.pending.len() >= pending_max {
            // What cancelled calls and callers that have gone leave behind must not grow without end.
            if let Some(slot) = invoking.slot(session_id) {
                self.give_back(now, slot);
            }
            self.limited.pending_invocations_max += 1;
            let text =
                "the callee has too many invocations that it has not answered (pending_invocations_max)";
            self.fail(now, mirror, error_uri::UNAVAILABLE, text);
            return true;
        }
        callee.last_invocation = callee.last_invocation % crate::limits::ID_MAX + 1;
        let request = callee.last_invocation;
        callee.insert(request, mirror);
        if let Some(slot) = invoking.slot(session_id) {
            callee.slots.insert(&self.hasher, request, slot);
            callee.is_special = true;
        }
        if mirror.marks.has(Marks::STREAM) {
            let frozen = Frozen::new(invoking, procedure.is_some(), caller.is_some());
            callee.frozen.insert(&self.hasher, request, frozen);
        }
        let items = body.items();
        let (payload, shared) = body.form(serializer, &mut self.arena);
        let head = &mut self.scratch.heads;
        head.clear();
        if procedure.is_none() && caller.is_none() && invoking.details.is_none() {
            encode::plain_head(INVOCATION, [request, invoking.registration.0], items, serializer, head);
        } else {
            let mut details = disclosing(procedure, caller.map(|caller| &**caller));
            if let Some(more) = invoking.details {
                more.tell(&mut details, mirror.marks, more.progress);
            }
            let message = Message::Invocation(Invocation {
                request: RequestId(request),
                registration: invoking.registration,
                details,
                payload: Payload { serializer, items, bytes: payload },
            });
            encode::encode_head(&message, serializer, head);
        }
        if self.wire.send(id, Pieces { head, payload, shared }) == Err(TooLarge) {
            if let Some(callee) = self.session_mut(id).and_then(|s| s.callee.as_deref_mut()) {
                callee.remove(request);
                // It was not sent; the next one gets its number.
                callee.last_invocation = request - 1;
            }
            self.free_slot(now, id, request);
            let text = "the call is larger than what the callee's transport accepts";
            self.fail(now, mirror, error_uri::PAYLOAD_SIZE_EXCEEDED, text);
            return true;
        }
        if invoking.details.is_some() || features.contains(Features::CALL_REROUTE) {
            self.invoked_specially(now, id, request, invoking, mirror, body.source());
        }
        true
    }

    /// Callee: YIELD.
    pub(super) fn yielded(&mut self, now: Time, id: ConnId, message: &Yield<'_>) -> Result<(), Violation> {
        if message.progress == Some(true) || message.passthru.get().is_some() {
            return self.yielded_specially(now, id, message);
        }
        if let Some(mirror) = self.take_invocation(now, id, message.request, "YIELD", true)? {
            self.answer(now, mirror, Outcome::Result, "", message.payload);
        }
        Ok(())
    }

    /// Callee: ERROR for an INVOCATION.
    pub(super) fn invocation_error(
        &mut self,
        now: Time,
        id: ConnId,
        message: &message::Error<'_>,
    ) -> Result<(), Violation> {
        let passthru = self.admit_answer(id, "ERROR", &message.passthru, message.payload)?;
        if message.request_type != INVOCATION {
            return Err(format!(
                "ERROR for a request of type {}: a client answers INVOCATION (68) only",
                message.request_type
            ));
        }
        let max = self.uri_bytes_max();
        if message.error.len() > max {
            self.limited.uri_bytes_max += 1;
            let bytes = message.error.len();
            return Err(format!("error URI of {bytes} bytes is longer than {max} (uri_bytes_max)"));
        }
        if message.error == error_uri::UNAVAILABLE && self.is_rerouted(now, id, message.request) {
            return Ok(());
        }
        if let Some(mirror) = self.take_invocation(now, id, message.request, "ERROR", true)? {
            let is_lone = message.error == error_uri::UNAVAILABLE && mirror.marks.has(Marks::LONE);
            let error = if is_lone { error_uri::NO_AVAILABLE_CALLEE } else { &*message.error };
            self.answer_with(now, mirror, Outcome::Error, error, passthru, message.payload);
        }
        Ok(())
    }

    /// The invocation that a callee's answer is for. `None` if it is no longer waited for (decision D3).
    #[inline(always)] // the path of every YIELD
    pub(super) fn take_invocation(
        &mut self,
        now: Time,
        id: ConnId,
        request: RequestId,
        name: &str,
        take: bool,
    ) -> Result<Option<Mirror>, Violation> {
        let callee = self.session_mut(id).and_then(|s| s.callee.as_deref_mut());
        let last = callee.as_ref().map_or(0, |c| c.last_invocation);
        if request.0 > last {
            return Err(format!("{name} for INVOCATION {request}, which was never sent to this session"));
        }
        let Some(callee) = callee else { return Ok(None) };
        if callee.is_special {
            return Ok(self.take_special(now, id, request.0, take));
        }
        Ok(if take { callee.pending.remove(&request.0) } else { callee.pending.get(&request.0).copied() })
    }

    #[cold]
    #[inline(never)]
    fn take_special(&mut self, now: Time, id: ConnId, request: u64, take: bool) -> Option<Mirror> {
        let callee = self.session_mut(id).and_then(|s| s.callee.as_deref_mut())?;
        let mirror = if take { callee.remove(request) } else { callee.pending.get(&request).copied() };
        if take {
            self.free_slot(now, id, request);
        }
        mirror.filter(Mirror::is_awaited)
    }

    /// An invocation of a callee of this shard is over: if it was counted, the owner is told.
    #[cold]
    pub(super) fn free_slot(&mut self, now: Time, id: ConnId, request: u64) {
        let callee = self.session_mut(id).and_then(|s| s.callee.as_deref_mut());
        if let Some(slot) = callee.and_then(|callee| callee.slots.remove(&request)) {
            self.give_back(now, slot);
        }
    }

    fn answer(&mut self, now: Time, mirror: Mirror, outcome: Outcome, uri: &str, payload: Payload<'_>) {
        let Mirror { home, call, .. } = mirror;
        if home == self.id {
            self.finish(call, outcome, uri, &mut Body::new(payload));
        } else {
            let (parcel, passthru) = (self.parcel(uri, payload), Rare::default());
            self.tell(now, home, Word::Answer(Answer { call, outcome, passthru, parcel }));
        }
    }

    /// The same, if it may be an unusual answer.
    pub(super) fn answer_with(
        &mut self,
        now: Time,
        mirror: Mirror,
        outcome: Outcome,
        uri: &str,
        passthru: Rare<Passthru<'static>>,
        payload: Payload<'_>,
    ) {
        let Mirror { home, call, .. } = mirror;
        if outcome != Outcome::Progress && passthru.get().is_none() {
            return self.answer(now, mirror, outcome, uri, payload);
        }
        if home == self.id {
            self.respond_with_details(now, call, outcome, uri, &passthru, &mut Body::new(payload));
        } else {
            let parcel = self.parcel(uri, payload);
            self.tell(now, home, Word::Answer(Answer { call, outcome, passthru, parcel }));
        }
    }

    /// The router itself ends a call on behalf of its callee.
    pub(super) fn fail(&mut self, now: Time, mirror: Mirror, error: &str, text: &str) {
        let mut args = Vec::new();
        encode::text_args(Serializer::MsgPack, text, &mut args);
        let payload = Payload { serializer: Serializer::MsgPack, items: 1, bytes: &args };
        self.answer(now, mirror, Outcome::Error, error, payload);
    }

    /// Invocations of this shard's callees that have no answer yet.
    pub(super) fn open_invocations(&self) -> usize {
        let sessions = self.wire.conns.values().filter_map(|conn| conn.session.as_deref());
        sessions.filter_map(|session| session.callee.as_deref()).map(|c| c.pending.len() + c.held.len()).sum()
    }

    /// The callee has left: its callers are told.
    pub(super) fn callee_left(&mut self, now: Time, mut callee: Callee) {
        for (_, slot) in callee.slots.take() {
            self.give_back(now, slot);
        }
        for (from, mut invoke) in mem::take(&mut callee.held) {
            if let Some(slot) = invoke.take_slot() {
                self.give_back(now, slot);
            }
            self.tell(now, from, Word::Refused(invoke));
        }
        for (request, mirror) in
            mem::take(&mut callee.pending).into_iter().filter(|(_, mirror)| mirror.is_awaited())
        {
            match callee.take_kept(request).filter(|_| !mirror.marks.has(Marks::INTERRUPTED)) {
                Some(invoke) if invoke.is_rerouted_when_lost() => self.refuse_lost(now, mirror, *invoke),
                _ => self.fail(now, mirror, error_uri::CANCELED, CALLEE_LEFT),
            }
        }
    }
}

/// The details that every INVOCATION of a call has.
pub(super) fn disclosing<'a>(
    procedure: Option<Text<'a>>,
    caller: Option<&'a Identity>,
) -> InvocationDetails<'a> {
    InvocationDetails {
        procedure,
        caller: caller.map(|c| c.session),
        caller_authid: caller.map(|c| Cow::Borrowed(&*c.authid)),
        caller_authrole: caller.map(|c| Cow::Borrowed(&*c.authrole)),
        ..InvocationDetails::default()
    }
}

impl Callee {
    fn new(hasher: &Hasher) -> Callee {
        Callee {
            last_invocation: 0,
            pending: Map::with_hasher(hasher.clone()),
            is_special: false,
            index: None,
            held: Vec::new(),
            slots: LazyMap::default(),
            kept: LazyMap::default(),
            kept_bytes: 0,
            frozen: LazyMap::default(),
        }
    }

    #[inline]
    fn insert(&mut self, request: u64, mirror: Mirror) {
        self.pending.insert(request, mirror);
        if self.is_special {
            self.insert_special(request, mirror);
        }
    }

    #[cold]
    fn insert_special(&mut self, request: u64, mirror: Mirror) {
        if let Some(index) = &mut self.index {
            index.insert((mirror.home, mirror.call), request);
        }
    }

    /// Takes out an invocation that is over, with all that belongs to it but its slot.
    pub(super) fn remove(&mut self, request: u64) -> Option<Mirror> {
        let mirror = self.pending.remove(&request)?;
        if let Some(index) = &mut self.index {
            index.remove(&(mirror.home, mirror.call));
        }
        self.frozen.remove(&request);
        self.take_kept(request);
        if self.pending.is_empty() {
            self.index = None;
            self.is_special = !self.slots.is_empty();
        }
        Some(mirror)
    }

    /// Whether there is room to keep an invocation of so many bytes.
    pub(super) fn may_keep(&self, bytes: usize, limits: &Limits) -> bool {
        self.kept_bytes + bytes <= limits.kept_bytes_max()
    }

    /// Keeps an invocation in case it has to go to another callee.
    pub(super) fn keep(&mut self, hasher: &Hasher, request: u64, invoke: Box<Invoke>) {
        self.kept_bytes += invoke.parcel.bytes.len();
        self.kept.insert(hasher, request, invoke);
        self.is_special = true;
    }

    pub(super) fn kept(&self, request: u64) -> Option<&Invoke> {
        self.kept.get(&request).map(|invoke| &**invoke)
    }

    /// What was kept of an invocation.
    pub(super) fn take_kept(&mut self, request: u64) -> Option<Box<Invoke>> {
        let invoke = self.kept.remove(&request)?;
        self.kept_bytes -= invoke.parcel.bytes.len();
        Some(invoke)
    }

    /// The invocation of a call, if it is pending.
    pub(super) fn find(&mut self, home: ShardId, call: CallKey) -> Option<(u64, &mut Mirror)> {
        self.is_special = true;
        let index = self.index.get_or_insert_with(|| {
            let mut index = Map::with_capacity_and_hasher(self.pending.len(), self.pending.hasher().clone());
            index.extend(self.pending.iter().map(|(request, it)| ((it.home, it.call), *request)));
            Box::new(index)
        });
        let request = *index.get(&(home, call))?;
        self.pending.get_mut(&request).map(|mirror| (request, mirror))
    }
}
