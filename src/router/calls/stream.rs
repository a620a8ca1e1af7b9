//! Calls whose arguments come in parts (spec: "Progressive Call Invocations").
//!
//! Later CALLs go the way of the first, which may lead to several callees before one takes it. So they wait in their session's queue
//! until the callee's shard has sent the INVOCATION and says so. From then on they travel on the same link. While the call waits for a
//! callee to be free it is out of the queue, and so are they: nothing may wait behind it.

use std::sync::Arc;

use super::super::audience::home;
use super::super::conn::{Pieces, TooLarge};
use super::super::dealer::{CALL, CallState, Waiting};
use super::super::delivery::Body;
use super::super::identity::Identity;
use super::super::invocations::{Invoking, disclosing};
use super::super::mesh::{CallKey, More, ShardId, Stop, Word};
use super::super::session::Violation;
use super::super::shard::{ConnId, Shard};
use super::super::time::Time;
use super::CallDetails;
use crate::limits::{PICKS_MAX, UNFINISHED_MAX};
use crate::wamp::message::{Call, Features, Invocation, Payload, Text};
use crate::wamp::passthru::is_one_binary;
use crate::wamp::{Message, RegistrationId, RequestId, SessionId, encode, error_uri};

/// A call whose CALLs have not all come, at its caller's shard.
#[derive(Debug)]
pub(in super::super) struct Stream {
    procedure: Box<str>,
    /// Its payloads are one binary item each.
    is_passthru: bool,
    /// The callee has the first INVOCATION.
    pub(super) is_invoked: bool,
    /// The last CALL has come.
    is_complete: bool,
    /// More that has come while the call waited for a callee to be free.
    aside: Vec<More>,
}

/// What all INVOCATIONs of a call say, at its callee's shard: the first CALL decides it.
#[derive(Debug)]
pub(in super::super) struct Frozen {
    registration: RegistrationId,
    procedure: Option<Box<str>>,
    caller: Option<Arc<Identity>>,
    details: CallDetails,
}

/// Where more of a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Next {
    /// To the callee, if the call still has one.
    Go,
    /// It waits elsewhere.
    Aside,
}

impl Stream {
    /// The callee has the first INVOCATION; returns what has come for it meanwhile.
    pub(super) fn begin(&mut self) -> Vec<More> {
        self.is_invoked = true;
        std::mem::take(&mut self.aside)
    }

    pub(super) fn new(procedure: &str, is_passthru: bool) -> Stream {
        Stream {
            procedure: procedure.into(),
            is_passthru,
            is_invoked: false,
            is_complete: false,
            aside: Vec::new(),
        }
    }
}

/// Bytes of what was put aside.
pub(super) fn aside_bytes(aside: &[More]) -> usize {
    aside.iter().map(|more| more.parcel.bytes.len()).sum()
}

impl Frozen {
    pub(in super::super) fn new(invoking: &Invoking<'_>, names_procedure: bool, discloses: bool) -> Frozen {
        Frozen {
            registration: invoking.registration,
            procedure: names_procedure.then(|| invoking.procedure.into()),
            caller: discloses.then(|| invoking.caller.clone()),
            details: invoking.details.cloned().unwrap_or_default(),
        }
    }
}

impl Shard {
    /// A CALL with the request id of an active call.
    #[cold]
    #[inline(never)]
    pub(in super::super) fn continue_call(
        &mut self,
        now: Time,
        id: ConnId,
        key: CallKey,
        call: &Call<'_>,
    ) -> Result<(), Violation> {
        let Call { request, options, procedure, payload } = call;
        let Some(record) = self.calls.get_mut(key) else { return Ok(()) };
        let stream = record.watch.as_mut().and_then(|watch| watch.stream.as_mut());
        let Some(stream) = stream.filter(|stream| !stream.is_complete) else {
            return Err(format!("CALL uses request id {request}, which an active call has"));
        };
        if *stream.procedure != **procedure {
            return Err(format!("CALL continues request {request} with another procedure"));
        }
        if stream.is_passthru && !is_one_binary(*payload) {
            return Err("CALL with ppt_scheme has other arguments than one binary item".to_owned());
        }
        let progress = options.progress == Some(true);
        stream.is_complete = !progress;
        let is_invoked = stream.is_invoked;
        let callee = if let CallState::Sent { callee, .. } = record.state { callee } else { SessionId(0) };
        let queued = self.session(id).and_then(|s| s.caller.as_ref()).is_some_and(|c| c.is_waiting());
        let may_go = is_invoked && !queued;
        if may_go && home(callee, self.shards) == self.id {
            self.invoke_again(now, self.id, callee, key, progress, &mut Body::new(*payload));
            return Ok(());
        }
        let more = Box::new(More { call: key, callee, progress, parcel: self.parcel("", *payload) });
        if may_go {
            self.send_more(now, more);
        } else {
            self.wait(id, Waiting::More(more));
            self.release(now, id);
        }
        Ok(())
    }

    /// A CALL whose request id is out of sequence, in a realm that insists on that: it may continue a call, or come too late for that.
    #[cold]
    #[inline(never)]
    pub(in super::super) fn continue_strictly(
        &mut self,
        now: Time,
        id: ConnId,
        call: &Call<'_>,
        violation: Violation,
    ) -> Result<(), Violation> {
        let Some(session) = self.session(id) else { return Ok(()) };
        let announced = session.features.caller.contains(Features::PROGRESSIVE_CALL_INVOCATIONS);
        if !announced || call.request.0 > session.last_request {
            return Err(violation);
        }
        match session.caller.as_ref().and_then(|caller| caller.calls.get(&call.request)) {
            Some(key) => self.continue_call(now, id, *key, call),
            None => Ok(()),
        }
    }

    /// A CALL that belongs to one that has ended early: there is nothing to say to it.
    #[cold]
    #[inline(never)]
    pub(in super::super) fn discard(&mut self, id: ConnId, call: &Call<'_>) {
        if call.options.progress != Some(true) {
            self.caller_mut(id, |caller| caller.unfinished.retain(|request| *request != call.request));
        }
    }

    /// Answers a CALL with ERROR; what follows of it is discarded.
    #[cold]
    pub(in super::super) fn refuse_call(&mut self, id: ConnId, call: &Call<'_>, error: &str, text: &str) {
        self.refuse(id, CALL, call.request, error, text);
        if call.options.progress == Some(true) {
            self.expect_more(id, call.request);
        }
    }

    fn expect_more(&mut self, id: ConnId, request: RequestId) {
        self.caller_mut(id, |caller| {
            if caller.unfinished.len() >= UNFINISHED_MAX {
                caller.unfinished.pop_front();
            }
            caller.unfinished.push_back(request);
        });
    }

    /// Caller's shard: the call is over, whatever has come of it.
    pub(super) fn end_stream(&mut self, caller: ConnId, request: RequestId, stream: &Stream) {
        if !stream.is_complete {
            self.expect_more(caller, request);
        }
        self.waits_less(caller, aside_bytes(&stream.aside));
        self.unblocked.push(caller);
    }

    /// Caller's shard: what becomes of more of a call that is at the front of its session's queue; `None`: it waits there.
    pub(in super::super) fn next_more(&mut self, key: CallKey) -> Option<Next> {
        let Some(record) = self.calls.get_mut(key) else { return Some(Next::Go) };
        let stream = record.watch.as_mut().and_then(|watch| watch.stream.as_mut());
        let Some(stream) = stream.filter(|stream| !stream.is_invoked) else { return Some(Next::Go) };
        let may_leave = matches!(record.state, CallState::Waiting(_)) && stream.aside.len() < PICKS_MAX;
        let id = record.caller;
        let waiting = self.caller_mut(id, |caller| caller.waiting_bytes).unwrap_or_default();
        (may_leave && waiting < self.limits().waiting_bytes_max()).then_some(Next::Aside)
    }

    /// Caller's shard: more of a call is put aside.
    pub(in super::super) fn put_aside(&mut self, more: More) {
        let Some(record) = self.calls.get_mut(more.call) else { return };
        let Some(stream) = record.watch.as_mut().and_then(|watch| watch.stream.as_mut()) else { return };
        let (id, bytes) = (record.caller, more.parcel.bytes.len());
        stream.aside.push(more);
        self.caller_mut(id, |caller| caller.waiting_bytes += bytes);
    }

    /// Caller's shard: more of a call goes where that is.
    pub(in super::super) fn send_more(&mut self, now: Time, mut more: Box<More>) {
        let state = self.calls.get(more.call).map(|record| &record.state);
        if let Some(CallState::Sent { callee, .. }) = state {
            more.callee = *callee;
            self.tell(now, home(more.callee, self.shards), Word::Continue(more));
        }
    }

    /// Callee's shard: more has come.
    pub(in super::super) fn continued(&mut self, now: Time, from: ShardId, more: &More) {
        let mut body = Body::of_parcel(&more.parcel);
        self.invoke_again(now, from, more.callee, more.call, more.progress, &mut body);
    }

    /// Sends a further INVOCATION, unless the call is over.
    fn invoke_again(
        &mut self,
        now: Time,
        from: ShardId,
        session: SessionId,
        call: CallKey,
        progress: bool,
        body: &mut Body<'_>,
    ) {
        let Some(id) = self.conn_of(session) else { return };
        let Some(conn) = self.wire.conns.get_mut(id) else { return };
        let Some(serializer) = conn.framing.serializer() else { return };
        let Some(callee) = conn.session.as_deref_mut().and_then(|s| s.callee.as_deref_mut()) else { return };
        let Some((request, mirror)) = callee.find(from, call) else { return };
        let mirror = *mirror;
        let Some(frozen) = callee.frozen.get(&request).filter(|_| mirror.is_awaited()) else { return };
        let mut details =
            disclosing(frozen.procedure.as_deref().map(Text::Borrowed), frozen.caller.as_deref());
        frozen.details.tell(&mut details, mirror.marks, progress);
        let items = body.items();
        let (payload, shared) = body.form(serializer, &mut self.arena);
        let head = &mut self.scratch.heads;
        head.clear();
        let message = Message::Invocation(Invocation {
            request: RequestId(request),
            registration: frozen.registration,
            details,
            payload: Payload { serializer, items, bytes: payload },
        });
        encode::encode_head(&message, serializer, head);
        if self.wire.send(id, Pieces { head, payload, shared }) == Err(TooLarge) {
            let text = "a part of the call is larger than what the callee's transport accepts";
            self.stop(now, from, session, call, Stop::KillNoWait);
            self.fail(now, mirror, error_uri::PAYLOAD_SIZE_EXCEEDED, text);
        }
    }
}
