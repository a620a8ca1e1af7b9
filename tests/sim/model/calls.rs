//! Calls: one invocation at most, the right callee, in order; one answer, the callee's own.

use connectanum::wamp::message::{Error, Invocation, InvokePolicy, MatchPolicy, Payload};

use super::events::{is_disclosed, same_payload};
use super::{Model, Reg, Request};
use crate::uris;
use crate::value::Args;

/// A CALL.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) session: usize,
    pub(crate) request: u64,
    pub(crate) procedure: &'static str,
    pub(crate) args: Args,
    /// As the caller wrote them.
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_large: bool,
    pub(crate) disclose: bool,
    /// CANCEL was sent.
    pub(crate) is_cancelled: bool,
    pub(crate) handed: Option<u64>,
    /// The registration of the callee that was invoked.
    pub(crate) reg: Option<usize>,
    /// What the callee has answered first.
    pub(crate) answer: Option<usize>,
}

/// What a callee answers.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The error's URI; else it is a YIELD.
    pub(crate) error: Option<&'static str>,
    pub(crate) args: Args,
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_large: bool,
}

impl Model {
    pub(super) fn invoked(&mut self, session: usize, invocation: &Invocation<'_>) {
        let it = &mut self.sessions[session];
        assert_eq!(invocation.request.0, it.last_invocation + 1, "the INVOCATION's request id");
        it.last_invocation += 1;
        let Some(&at) = it.regs.get(&invocation.registration.0) else {
            panic!("INVOCATION for {}, which is not registered", invocation.registration);
        };
        let args = Args::read(&invocation.payload);
        let Some(("call", ix)) = args.origin() else { panic!("INVOCATION with {args:?}") };
        let (call, reg) = (&self.calls[ix], &self.regs[at]);
        let (caller, callee) = (&self.sessions[call.session], &self.sessions[session]);
        let handed = call.handed.expect("an INVOCATION comes after its CALL");
        assert_eq!(call.reg, None, "call {ix} was invoked twice");
        assert_eq!(caller.realm, callee.realm);
        assert!(uris::matches(reg.pattern, call.procedure), "{reg:?} got {call:?}");
        assert!(!(call.is_large && callee.is_limited), "more than the callee accepts");
        same_payload(&call.args, &call.bytes, caller.serializer, &args, &invocation.payload);
        let shown = (reg.pattern.0 != MatchPolicy::Exact).then_some(call.procedure);
        assert_eq!(invocation.details.procedure.as_deref(), shown);
        is_disclosed(invocation.details.caller, call.disclose || reg.disclose_caller, caller);
        for other in self.callees_since(handed, caller.realm, call.procedure) {
            let better = uris::is_better(other.pattern, reg.pattern);
            assert!(!better, "{reg:?} was called instead of {other:?}");
            if other.pattern == reg.pattern && !self.was_there_before(at, handed) {
                is_right_choice(reg, other);
            }
        }
        self.is_in_order(ix, at, session);

        let (caller, request) = (call.session, call.request);
        let id = self.regs[at].id;
        for of in [None, id] {
            let last = self.sessions[session].called.entry((caller, of)).or_insert(0);
            *last = (*last).max(request);
        }
        self.calls[ix].reg = Some(at);
        self.sessions[session].open.push((invocation.request.0, ix));
        // What is under way when a callee comes again with a lower limit still comes.
        let same = self.regs.iter().filter(|reg| reg.session == session && reg.id == id);
        if self.regs[at].concurrency.is_some()
            && let Some(max) = same.filter_map(|reg| reg.concurrency).max()
        {
            let open = self.open_of(session, id);
            assert!(open <= max, "{open} invocations at a time for {:?}", self.regs[at]);
        }
    }

    /// Invocations of a registration that a callee has not answered, but those that it got when it had not set a limit.
    fn open_of(&self, session: usize, id: Option<u64>) -> u64 {
        let reg = |call: usize| self.calls[call].reg.map(|reg| &self.regs[reg]);
        let counts = |reg: &Reg| reg.id == id && reg.concurrency.is_some();
        self.sessions[session].open.iter().filter(|(_, call)| reg(*call).is_some_and(counts)).count() as u64
    }

    /// Whether a call may have been meant for an earlier registration of the same kind and callee.
    fn was_there_before(&self, at: usize, handed: u64) -> bool {
        let reg = &self.regs[at];
        let same = |other: &Reg| other.session == reg.session && other.pattern == reg.pattern;
        self.regs
            .iter()
            .enumerate()
            .any(|(ix, other)| ix != at && same(other) && self.may_fail(other, handed))
    }

    /// Calls reach a callee in the order of their caller, unless one had to try another callee before. Those that may have waited for
    /// a callee to be free are in order among themselves.
    fn is_in_order(&self, ix: usize, at: usize, callee: usize) {
        let call = &self.calls[ix];
        let reg = &self.regs[at];
        let of = if self.is_counted(reg) { reg.id } else { None };
        let last = self.sessions[callee].called.get(&(call.session, of)).copied().unwrap_or(0);
        if last < call.request {
            return;
        }
        let realm = self.sessions[callee].realm;
        let excused = self.regs.iter().enumerate().any(|(other, reg)| {
            other != at
                && self.realm(reg) == realm
                && uris::matches(reg.pattern, call.procedure)
                && self.may_fail(reg, call.handed.unwrap_or(0))
        });
        assert!(excused, "request {last} was before {call:?}, now for {:?}", self.regs[at]);
    }

    pub(super) fn result(&mut self, ix: usize, payload: &Payload<'_>) {
        let (answer, callee) = self.answer_of(ix);
        assert_eq!(answer.error, None, "RESULT for an ERROR");
        assert!(!(answer.is_large && self.sessions[self.calls[ix].session].is_limited));
        let args = Args::read(payload);
        same_payload(&answer.args, &answer.bytes, self.sessions[callee].serializer, &args, payload);
    }

    pub(super) fn call_failed(&mut self, ix: usize, error: &Error<'_>) {
        let call = &self.calls[ix];
        let caller = &self.sessions[call.session];
        match &*error.error {
            "wamp.error.no_such_procedure" => {
                assert_eq!(call.reg, None, "no_such_procedure after an INVOCATION");
                let handed = call.handed.expect("an ERROR comes after its CALL");
                let there = self.callees_since(handed, caller.realm, call.procedure).next();
                assert!(there.is_none(), "no_such_procedure for {call:?}, but there is {there:?}");
            }
            "wamp.error.canceled" => {
                // The callee may have left before it saw the INVOCATION.
                let left = match call.reg {
                    Some(reg) => !self.is_alive(self.regs[reg].session),
                    None => self
                        .regs
                        .iter()
                        .any(|reg| !self.is_alive(reg.session) && uris::matches(reg.pattern, call.procedure)),
                };
                assert!(call.is_cancelled || left, "canceled, but {call:?} was not");
            }
            "wamp.error.payload_size_exceeded" => {
                let too_large = match call.answer {
                    Some(answer) => self.answers[answer].is_large && caller.is_limited,
                    None => call.is_large,
                };
                assert!(too_large, "payload_size_exceeded for {call:?}");
            }
            "wamp.error.unavailable" => {
                let calls = caller.requests.values().filter(|request| matches!(request, Request::Call(_)));
                let too_many = calls.count() >= self.limits.pending_calls_max;
                assert!(too_many || self.limits.held_invocations_max == 1, "unavailable for {call:?}");
            }
            uri => {
                let (answer, callee) = self.answer_of(ix);
                assert_eq!(answer.error, Some(uri));
                assert!(!(answer.is_large && caller.is_limited));
                let args = Args::read(&error.payload);
                let serializer = self.sessions[callee].serializer;
                same_payload(&answer.args, &answer.bytes, serializer, &args, &error.payload);
            }
        }
    }

    fn answer_of(&self, ix: usize) -> (&Answer, usize) {
        let call = &self.calls[ix];
        let answer = call.answer.unwrap_or_else(|| panic!("an answer that no callee gave to {call:?}"));
        let callee = self.regs[call.reg.expect("answered calls were invoked")].session;
        (&self.answers[answer], callee)
    }
}

/// `chosen` took a call although `other`, of the same registration, was there all the time.
fn is_right_choice(chosen: &Reg, other: &Reg) {
    // Others may have been busy.
    if other.concurrency.is_some() {
        return;
    }
    let before = |a: &Reg, b: &Reg| a.registered < b.handed;
    match chosen.invoke {
        InvokePolicy::First => assert!(!before(other, chosen), "{other:?} registered before {chosen:?}"),
        InvokePolicy::Last => assert!(!before(chosen, other), "{other:?} registered after {chosen:?}"),
        _ => {}
    }
}
