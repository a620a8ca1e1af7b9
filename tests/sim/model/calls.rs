//! Calls: one invocation at most, the right callee, in order; one answer, the callee's own.

use connectanum::router::Time;
use connectanum::wamp::message::{Error, Features, Invocation, InvokePolicy, MatchPolicy, Payload};

use super::events::{is_disclosed, same_payload};
use super::{Model, Reg, Request, STREAM, Stream, UNAVAILABLE};
use crate::rules::AUTHORIZER;
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
    pub(crate) timeout_ms: Option<u64>,
    /// If its arguments come in parts.
    pub(crate) stream: Option<Stream>,
    pub(crate) receive_progress: bool,
    /// The parts of the result that its callee has sent, and how many have come.
    pub(crate) parts: Vec<usize>,
    pub(crate) parts_received: usize,
    /// The modes of the CANCELs that were sent.
    pub(crate) cancels: Vec<&'static str>,
    pub(crate) handed: Option<u64>,
    pub(crate) handed_at: Time,
    /// The registration of the callee that was invoked.
    pub(crate) reg: Option<usize>,
    /// What the callee has answered first.
    pub(crate) answer: Option<usize>,
    /// It was not allowed.
    pub(crate) is_refused: bool,
    /// The registrations of callees that had it before and were not available.
    pub(crate) tried: Vec<usize>,
    /// Given if its callee is found by that.
    pub(crate) rkey: Option<&'static str>,
}

/// An INVOCATION, as its callee sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Invoked {
    /// Nothing for a call of the router itself.
    pub(crate) call: Option<usize>,
    pub(crate) is_interrupted: bool,
    /// Nobody waits for the answer.
    pub(crate) is_over: bool,
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

impl Call {
    /// When it is over, if nobody answers.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.timeout_ms.filter(|_| self.handed.is_some()).map(|ms| self.handed_at.plus_ms(ms))
    }
}

impl Model {
    pub(super) fn invoked(&mut self, session: usize, invocation: &Invocation<'_>) {
        let args = Args::read(&invocation.payload);
        if let Some(("more", ix)) = args.origin() {
            return self.invoked_again(session, invocation, ix);
        }
        let it = &mut self.sessions[session];
        assert_eq!(invocation.request.0, it.last_invocation + 1, "the INVOCATION's request id");
        it.last_invocation += 1;
        let Some(&at) = it.regs.get(&invocation.registration.0) else {
            panic!("INVOCATION for {}, which is not registered", invocation.registration);
        };
        if self.regs[at].pattern == AUTHORIZER {
            return self.questioned(session, invocation.request.0, &args);
        }
        let Some(("call", ix)) = args.origin() else { panic!("INVOCATION with {args:?}") };
        self.goes_on(ix, session);
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
        let takes_progress =
            call.receive_progress && callee.features.contains(Features::PROGRESSIVE_CALL_RESULTS);
        assert_eq!(invocation.details.receive_progress, takes_progress.then_some(true));
        assert_eq!(invocation.details.progress, call.stream.is_some().then_some(true));
        assert!(call.stream.is_none() || callee.features.contains(STREAM));
        assert_eq!(invocation.details.trustlevel, self.trustlevel(call.session, call.procedure));
        is_disclosed(invocation.details.caller, call.disclose || reg.disclose_caller, caller);
        assert!(!call.is_refused, "it was refused: {call:?}");
        self.was_allowed(call.session, Request::Call(ix));
        self.still_registered(at, handed);
        let untried = |other: &&Reg| !self.has_tried(call, other.session);
        for other in self.callees_since(handed, caller.realm, call.procedure).filter(untried) {
            let better = uris::is_better(other.pattern, reg.pattern);
            assert!(!better, "{reg:?} was called instead of {other:?}");
            let is_chosen = call.rkey.is_none() && !self.was_there_before(at, handed);
            if other.pattern == reg.pattern && is_chosen {
                is_right_choice(reg, other);
            }
        }
        let is_first = call.tried.is_empty();
        if is_first {
            self.is_in_order(ix, at, session);
        }

        let (caller, request) = (call.session, call.request);
        let id = self.regs[at].id;
        for of in [None, id].into_iter().filter(|_| is_first) {
            let last = self.sessions[session].called.entry((caller, of)).or_insert(0);
            *last = (*last).max(request);
        }
        self.calls[ix].reg = Some(at);
        self.sessions[session].open.push((invocation.request.0, ix));
        self.sessions[session].invoked.push(Invoked {
            call: Some(ix),
            is_interrupted: false,
            is_over: false,
        });
        // What is under way when a callee comes again with a lower limit, or with one at all, still comes.
        let same = self.regs.iter().filter(|reg| reg.session == session && reg.id == id);
        let max = same.map(|reg| reg.concurrency.unwrap_or(u64::MAX)).max();
        if self.regs[at].concurrency.is_some()
            && let Some(max) = max
        {
            let open = self.open_of(session, id);
            assert!(open <= max, "{open} invocations at a time for {:?}", self.regs[at]);
        }
    }

    /// Invocations of a registration that a callee has to answer, but those that it got when it had not set a limit.
    fn open_of(&self, session: usize, id: Option<u64>) -> u64 {
        let it = &self.sessions[session];
        let reg = |call: usize| self.calls[call].reg.map(|reg| &self.regs[reg]);
        let counts = |reg: &Reg| reg.id == id && reg.concurrency.is_some();
        let is_over = |request: u64| it.invoked[request as usize - 1].is_over;
        let open = it.open.iter().filter(|(request, _)| !is_over(*request));
        open.filter(|(_, call)| reg(*call).is_some_and(counts)).count() as u64
    }

    /// INTERRUPT: once at most, for a reason, to somebody who understands it.
    pub(super) fn interrupted(&mut self, session: usize, request: u64, mode: Option<&str>) {
        let it = &mut self.sessions[session];
        assert!(it.features.contains(Features::CALL_CANCELING), "INTERRUPT for who did not announce it");
        let Some(invoked) = it.invoked.get_mut(request as usize - 1) else {
            panic!("INTERRUPT for {request}, which was never sent");
        };
        let again = std::mem::replace(&mut invoked.is_interrupted, true);
        assert!(!again, "invocation {request} is interrupted twice");
        let Some(call) = invoked.call else {
            invoked.is_over = true;
            if request.is_multiple_of(2) {
                it.asked.retain(|(asked, _)| *asked != request);
            }
            return assert!(mode == Some("killnowait") && self.is_idle(session, request));
        };
        let call = &self.calls[call];
        match mode {
            Some("kill") => assert!(call.cancels.contains(&"kill"), "{call:?}"),
            Some("killnowait") => {
                // Whoever is not waited for need not answer.
                invoked.is_over = true;
                if request.is_multiple_of(2) {
                    it.open.retain(|(open, _)| *open != request);
                }
                let left = !self.is_alive(call.session) || self.is_overdue(call);
                assert!(left || call.cancels.contains(&"killnowait"), "{call:?}");
            }
            other => panic!("INTERRUPT with mode {other:?}"),
        }
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

    fn is_overdue(&self, call: &Call) -> bool {
        call.deadline().is_some_and(|at| at <= self.now)
    }

    /// A part of the result: the next one that the callee has sent.
    pub(super) fn progressed(&mut self, ix: usize, payload: &Payload<'_>) {
        let call = &mut self.calls[ix];
        assert!(call.receive_progress, "nobody asked for parts of {call:?}");
        let Some(part) = call.parts.get(call.parts_received) else {
            panic!("a part that was not sent: {call:?}")
        };
        call.parts_received += 1;
        let callee = self.regs[call.reg.expect("it was invoked")].session;
        let part = &self.answers[*part];
        let serializer = self.sessions[callee].serializer;
        same_payload(&part.args, &part.bytes, serializer, &Args::read(payload), payload);
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
        self.was_allowed(call.session, Request::Call(ix));
        match &*error.error {
            "wamp.error.no_such_procedure" => {
                assert!(call.reg.is_none() || self.goes_elsewhere(call), "it was invoked: {call:?}");
                let handed = call.handed.expect("an ERROR comes after its CALL");
                let untried = |reg: &&Reg| !self.has_tried(call, reg.session);
                let there = self.callees_since(handed, caller.realm, call.procedure).find(untried);
                assert!(there.is_none(), "no_such_procedure for {call:?}, but there is {there:?}");
            }
            "wamp.error.canceled" => {
                // The callee may have left before it saw the INVOCATION.
                let left = match call.reg {
                    Some(reg) if !self.goes_elsewhere(call) => !self.is_alive(self.regs[reg].session),
                    _ => self
                        .regs
                        .iter()
                        .any(|reg| !self.is_alive(reg.session) && uris::matches(reg.pattern, call.procedure)),
                };
                assert!(!call.cancels.is_empty() || left, "canceled, but {call:?} was not");
            }
            "wamp.error.feature_not_supported" => {
                assert!(call.stream.is_some() && call.reg.is_none());
                let lacks = |reg: &Reg| !self.sessions[reg.session].features.contains(STREAM);
                let all = &mut self.regs.iter().filter(|reg| uris::matches(reg.pattern, call.procedure));
                assert!(all.any(lacks), "everybody can take {call:?}");
            }
            "wamp.error.timeout" => assert!(self.is_overdue(call), "too early: {call:?}"),
            "wamp.error.payload_size_exceeded" => {
                let too_large = match call.answer {
                    Some(answer) if self.answers[answer].is_large && caller.is_limited => true,
                    Some(_) => self.goes_elsewhere(call) && call.is_large,
                    None => call.is_large,
                };
                assert!(too_large, "payload_size_exceeded for {call:?}");
            }
            "wamp.error.no_available_callee" => self.nobody_is_left(call),
            UNAVAILABLE if self.is_answer(call, &error.payload) => {
                assert!(!self.may_go_on(call), "others were not asked: {call:?}");
                self.failed_as_answered(ix, UNAVAILABLE, error);
            }
            // The router's own: the call has gone nowhere, or was on its way to another callee.
            UNAVAILABLE => {
                assert!(call.answer.is_none() || self.goes_elsewhere(call), "{call:?}");
                let too_many = self.has_too_many_calls(call.session);
                assert!(too_many || self.limits.held_invocations_max == 1, "unavailable for {call:?}");
            }
            uri => self.failed_as_answered(ix, uri, error),
        }
    }

    /// The ERROR is the callee's own.
    fn failed_as_answered(&self, ix: usize, uri: &str, error: &Error<'_>) {
        let (answer, callee) = self.answer_of(ix);
        assert_eq!(answer.error, Some(uri));
        assert!(!(answer.is_large && self.sessions[self.calls[ix].session].is_limited));
        let args = Args::read(&error.payload);
        same_payload(&answer.args, &answer.bytes, self.sessions[callee].serializer, &args, &error.payload);
    }

    fn is_answer(&self, call: &Call, payload: &Payload<'_>) -> bool {
        call.answer.is_some_and(|answer| self.answers[answer].args == Args::read(payload))
    }

    fn answer_of(&self, ix: usize) -> (&Answer, usize) {
        let call = &self.calls[ix];
        assert_eq!(call.parts_received, call.parts.len(), "parts are missing before the end of {call:?}");
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
