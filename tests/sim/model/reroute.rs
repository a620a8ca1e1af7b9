//! Calls that go to another callee: each callee is asked once, and the caller hears of it only if nobody is left.

use connectanum::wamp::message::{Features, InvokePolicy};

use super::{Call, Model, Reg};

/// What a callee answers that leaves the call to others.
pub(crate) const UNAVAILABLE: &str = "wamp.error.unavailable";

impl Model {
    /// A call is about to be invoked at `callee`; if it was at another one before, for a reason.
    pub(super) fn goes_on(&mut self, ix: usize, callee: usize) {
        let call = &self.calls[ix];
        if let Some(before) = call.reg {
            assert!(self.goes_elsewhere(call), "call {ix} was invoked twice: {call:?}");
            assert!(call.parts_received == 0 && call.stream.is_none(), "it is bound to its callee: {call:?}");
            let call = &mut self.calls[ix];
            call.tried.push(before);
            (call.reg, call.answer, call.parts) = (None, None, Vec::new());
        }
        let call = &self.calls[ix];
        assert!(!self.has_tried(call, callee), "session {callee} had {call:?} before");
    }

    /// Whether a callee has had a call and was not available.
    pub(super) fn has_tried(&self, call: &Call, callee: usize) -> bool {
        call.tried.iter().any(|reg| self.regs[*reg].session == callee)
    }

    /// Whether the last callee has left a call to others.
    pub(super) fn goes_elsewhere(&self, call: &Call) -> bool {
        let (Some(reg), Some(answer)) = (call.reg, call.answer) else { return false };
        let callee = &self.sessions[self.regs[reg].session];
        self.answers[answer].error == Some(UNAVAILABLE) && callee.features.contains(Features::CALL_REROUTE)
    }

    /// The same, and nothing binds the call to its callee.
    pub(super) fn may_go_on(&self, call: &Call) -> bool {
        let is_bound = call.stream.is_some() || !call.parts.is_empty() || !call.cancels.is_empty();
        // When the last callee of a registration has left, there is nobody to go on to.
        let is_there = call.reg.is_some_and(|reg| self.is_registered(&self.regs[reg]));
        self.goes_elsewhere(call) && !is_bound && is_there
    }

    /// The caller is told that no callee is left: all that were there have been asked.
    pub(super) fn nobody_is_left(&self, call: &Call) {
        assert!(self.goes_elsewhere(call), "there was no callee that is not available: {call:?}");
        let last = &self.regs[call.reg.expect("it was invoked")];
        let (handed, realm) = (call.handed.unwrap_or(0), self.realm(last));
        let untried = |other: &&Reg| {
            other.pattern == last.pattern
                && other.session != last.session
                && other.invoke != InvokePolicy::Single
                && !self.has_tried(call, other.session)
        };
        let left = self.callees_since(handed, realm, call.procedure).find(untried);
        assert!(left.is_none(), "{left:?} was not asked: {call:?}");
    }
}
