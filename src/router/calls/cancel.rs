//! Calls that are given up: by CANCEL, or because their caller has left (spec: "Call Canceling"; decisions D3, D8).
//!
//! The caller's shard decides how the caller is answered; the callee's shard knows whether the callee can be interrupted. The word
//! between them travels behind the invocation. Whatever it does not find there has been answered or comes back, and then the
//! record at the caller's shard, or its absence, says what becomes of it.

use super::super::audience::home;
use super::super::dealer::{CallState, Caller};
use super::super::invocations::Marks;
use super::super::mesh::{CallKey, ShardId, Stop, Word};
use super::super::session::{Violation, quote};
use super::super::shard::{ConnId, Shard};
use super::super::time::Time;
use super::CANCELED_BY_CALLER;
use crate::wamp::message::{Features, InterruptOptions, Text};
use crate::wamp::{Message, RequestId, SessionId, error_uri};

/// Code of CANCEL in ERROR.
const CANCEL: u8 = 49;

impl Stop {
    /// The mode that a client names; without one it is `killnowait` (decision D8).
    fn from_mode(mode: Option<&str>) -> Option<Stop> {
        match mode {
            Some("skip") => Some(Stop::Skip),
            Some("kill") => Some(Stop::Kill),
            Some("killnowait") | None => Some(Stop::KillNoWait),
            Some(_) => None,
        }
    }

    /// What INTERRUPT says.
    fn options(self) -> InterruptOptions<'static> {
        let mode = if self == Stop::Kill { "kill" } else { "killnowait" };
        let reason = (self == Stop::Timeout).then_some(Text::Borrowed(error_uri::TIMEOUT));
        InterruptOptions { mode: Some(Text::Borrowed(mode)), reason }
    }
}

impl Shard {
    /// CANCEL.
    pub(in super::super) fn cancel(
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
        let key = session.caller.as_ref().and_then(|c| c.calls.get(&request).copied());
        let Some(how) = Stop::from_mode(mode) else {
            let mode = quote(mode.unwrap_or_default());
            let text = format!("CANCEL.Options.mode is '{mode}', not one of skip, kill, killnowait");
            self.refuse(id, CANCEL, request, error_uri::INVALID_ARGUMENT, &text);
            return Ok(());
        };
        if let Some(key) = key {
            if how == Stop::Kill {
                self.kill_call(now, key);
            } else {
                self.give_up(now, key, how, error_uri::CANCELED, CANCELED_BY_CALLER);
            }
            self.release(now, id);
        }
        Ok(())
    }

    /// Caller's shard: the callee is interrupted, and its answer awaited. A call that has not left yet ends at once.
    fn kill_call(&mut self, now: Time, key: CallKey) {
        match self.calls.get_mut(key).map(|record| &mut record.state) {
            Some(CallState::Sent { callee, killed }) if callee.0 != 0 => {
                let (callee, again) = (*callee, std::mem::replace(killed, true));
                if !again {
                    self.tell_to_stop(now, callee, key, Stop::Kill);
                }
            }
            _ => self.give_up(now, key, Stop::Kill, error_uri::CANCELED, CANCELED_BY_CALLER),
        }
    }

    /// Caller's shard: the call ends with this error; its callee is told, if it has one.
    pub(super) fn give_up(&mut self, now: Time, key: CallKey, how: Stop, error: &str, text: &str) {
        if let Some(CallState::Sent { callee, .. }) = self.calls.get(key).map(|record| &record.state) {
            self.tell_to_stop(now, *callee, key, how);
        }
        self.abandon(now, key);
        self.end_call(key, error, text);
    }

    fn tell_to_stop(&mut self, now: Time, callee: SessionId, call: CallKey, how: Stop) {
        if callee.0 != 0 {
            self.tell(now, home(callee, self.shards), Word::Stop { callee, call, how });
        }
    }

    /// The caller has left: its callees are told, late answers find nothing.
    pub(in super::super) fn caller_left(&mut self, now: Time, caller: &Caller) {
        for key in caller.calls.values() {
            self.abandon(now, *key);
            if let Some(CallState::Sent { callee, .. }) = self.calls.get(*key).map(|record| &record.state) {
                self.tell_to_stop(now, *callee, *key, Stop::KillNoWait);
            }
            self.forget_call(*key);
        }
    }

    /// Callee's shard: a call is given up. One that is not here has been answered, or is on its way back.
    pub(in super::super) fn stop(
        &mut self,
        now: Time,
        from: ShardId,
        callee: SessionId,
        call: CallKey,
        how: Stop,
    ) {
        let Some(id) = self.conn_of(callee) else { return };
        let Some(session) = self.session_mut(id) else { return };
        let can_cancel = session.features.callee.contains(Features::CALL_CANCELING);
        let Some(callee) = session.callee.as_deref_mut() else { return };
        let held = callee.held.iter().position(|(home, invoke)| *home == from && invoke.call == call);
        if let Some(held) = held {
            let (_, mut invoke) = callee.held.remove(held);
            if let Some(slot) = invoke.take_slot() {
                self.give_back(now, slot);
            }
            if how == Stop::Kill {
                // It knows what that means.
                self.tell(now, from, Word::Refused(invoke));
            }
            return;
        }
        let Some((request, mirror)) = callee.find(from, call) else { return };
        let before = *mirror;
        let was_interrupted = before.marks.has(Marks::INTERRUPTED);
        let is_over = can_cancel && matches!(how, Stop::KillNoWait | Stop::Timeout) && !was_interrupted;
        let interrupt = can_cancel && how != Stop::Skip;
        mirror.marks.set(Marks::INTERRUPTED, interrupt);
        mirror.marks.set(Marks::ABANDONED, how != Stop::Kill || !can_cancel);
        if interrupt && !was_interrupted {
            let message = Message::Interrupt { request: RequestId(request), options: how.options() };
            self.wire.send_message(id, &message);
        } else if how == Stop::Kill && !can_cancel {
            self.fail(now, before, error_uri::CANCELED, CANCELED_BY_CALLER);
        }
        // Whoever is interrupted and not waited for need not answer.
        if is_over {
            let callee = self.session_mut(id).and_then(|session| session.callee.as_deref_mut());
            callee.and_then(|callee| callee.remove(request));
            self.free_slot(now, id, request);
        }
    }
}
