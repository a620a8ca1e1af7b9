//! What few calls have: time limits, progress, levels of trust, payloads that nobody looks into. It is behind one pointer, so ordinary calls pay nothing for it.

use super::super::dealer::CallRecord;
use super::super::identity::Identity;
use super::super::invocations::Marks;
use super::super::mesh::CallKey;
use super::super::passthru;
use super::super::session::Violation;
use super::super::shard::{ConnId, Shard};
use super::super::time::Time;
use super::stream::aside_bytes;
use super::{Errand, Stream};
use crate::auth::Answer;
use crate::wamp::message::{Call, Features, InvocationDetails, Passthru, Payload, Rare};
use crate::wamp::{RegistrationId, RequestId};

/// What travels with the call to its callee.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in super::super) struct CallDetails {
    /// The caller takes progressive results.
    receive_progress: bool,
    /// More CALLs follow with the same request id.
    pub(in super::super) progress: bool,
    /// Milliseconds that the call may take, or that may pass between its results.
    timeout_ms: Option<u64>,
    /// That is the operator's word, not the caller's: no callee has to say in it.
    is_timeout_imposed: bool,
    /// How far the configuration trusts the caller with this procedure.
    trustlevel: Option<u64>,
    passthru: Rare<Passthru<'static>>,
    /// The operator wants the call to be tried again if its callee is lost.
    reroute_lost: bool,
}

/// What the caller's shard remembers of it.
#[derive(Debug, Default)]
pub(in super::super) struct Watch {
    pub(super) timeout_ms: u64,
    /// When the time is up, if this shard looks after it.
    pub(super) deadline: Option<Time>,
    /// If more CALLs may follow.
    pub(super) stream: Option<Stream>,
    /// If the router itself calls: what for.
    pub(in super::super) errand: Option<Errand>,
}

impl CallDetails {
    /// What is unusual about an invocation of this callee; why it cannot do what the call needs.
    #[cold]
    #[inline(never)]
    pub(in super::super) fn marks(
        &self,
        callee: Features,
        forward_timeout: bool,
    ) -> Result<Marks, &'static str> {
        const STREAM: Features = Features::PROGRESSIVE_CALL_INVOCATIONS.with(Features::CALL_CANCELING);
        if self.progress && !callee.contains(STREAM) {
            return Err(
                "the callee has not announced progressive_call_invocations together with call_canceling",
            );
        }
        if self.passthru.get().is_some() && !callee.contains(Features::PAYLOAD_PASSTHRU_MODE) {
            return Err("the callee has not announced payload_passthru_mode");
        }
        let mut marks = Marks::default();
        marks.set(Marks::STREAM, self.progress);
        // That it can be interrupted is not demanded (decision D9).
        let takes_progress = callee.contains(Features::PROGRESSIVE_CALL_RESULTS);
        marks.set(Marks::PROGRESS, self.receive_progress && takes_progress);
        let keeps_time = forward_timeout && callee.contains(Features::CALL_TIMEOUT);
        let is_left_to_it = self.timeout_ms.is_some() && !self.is_timeout_imposed;
        marks.set(Marks::KEEPS_TIME, keeps_time && is_left_to_it);
        Ok(marks)
    }

    /// Whether the operator wants the call to be tried again if its callee is lost.
    pub(in super::super) fn reroutes_lost(&self) -> bool {
        self.reroute_lost
    }

    /// Adds what the callee is told.
    pub(in super::super) fn tell(&self, details: &mut InvocationDetails<'_>, marks: Marks, progress: bool) {
        details.progress = progress.then_some(true);
        details.receive_progress = marks.has(Marks::PROGRESS).then_some(true);
        details.trustlevel = self.trustlevel;
        details.passthru = self.passthru.clone();
        details.timeout_ms = self.timeout_ms.filter(|_| marks.has(Marks::KEEPS_TIME));
    }
}

impl Shard {
    /// Whether a session may use the options of this CALL, which are not the usual ones.
    #[cold]
    pub(in super::super) fn check_options(&self, id: ConnId, call: &Call<'_>) -> Result<(), Violation> {
        let (options, Some(session)) = (&call.options, self.session(id)) else { return Ok(()) };
        let announced = session.features.caller;
        passthru::admit(&options.passthru, call.payload, "CALL", announced)?;
        if options.progress == Some(true) && !announced.contains(Features::PROGRESSIVE_CALL_INVOCATIONS) {
            let text = "CALL.Options.progress is used, but this caller has not announced progressive_call_invocations";
            return Err(text.to_owned());
        }
        Ok(())
    }

    /// What the caller is told of the payload of an answer, which has attributes; why the callee may not send that.
    pub(in super::super) fn admit_answer(
        &self,
        id: ConnId,
        message: &str,
        attributes: &Rare<Passthru<'_>>,
        payload: Payload<'_>,
    ) -> Result<Rare<Passthru<'static>>, Violation> {
        let announced = self.session(id).map(|session| session.features.callee).unwrap_or_default();
        passthru::admit(attributes, payload, message, announced)
    }

    /// What a call has beyond the ordinary, if anything.
    #[cold]
    #[inline(never)]
    pub(in super::super) fn call_details(
        &self,
        registration: RegistrationId,
        call: &Call<'_>,
        record: &CallRecord,
        caller: &Identity,
    ) -> Option<Box<CallDetails>> {
        let realm = usize::from(record.realm.0);
        let (config, options) = (&self.config.realms[realm], &call.options);
        let offer = self.realms[realm].registration.get(&registration).map(|it| &it.offer);
        let policy = offer.and_then(|offer| config.procedure_policy(&offer.procedure, offer.policy));
        let imposed = policy.and_then(|policy| policy.timeout_ms);
        let details = CallDetails {
            progress: options.progress == Some(true),
            receive_progress: options.receive_progress == Some(true),
            timeout_ms: imposed.or(options.timeout_ms).filter(|ms| *ms > 0),
            is_timeout_imposed: imposed.is_some(),
            reroute_lost: policy.is_some_and(|policy| policy.reroute_lost),
            trustlevel: config.trustlevel(&call.procedure, &caller.authid, &caller.authrole),
            passthru: options
                .passthru
                .get()
                .filter(|it| it.is_used())
                .map(Passthru::to_owned)
                .unwrap_or_default()
                .into(),
        };
        (details != CallDetails::default()).then(|| Box::new(details))
    }

    /// Caller's shard: a call needs more than a record.
    #[cold]
    #[inline(never)]
    pub(in super::super) fn watch(
        &mut self,
        now: Time,
        key: CallKey,
        procedure: &str,
        details: &CallDetails,
    ) {
        if details.timeout_ms.is_none() && !details.progress {
            return;
        }
        let stream = details.progress.then(|| Stream::new(procedure, details.passthru.get().is_some()));
        let watch =
            Watch { timeout_ms: details.timeout_ms.unwrap_or(0), deadline: None, stream, errand: None };
        if let Some(record) = self.calls.get_mut(key) {
            record.watch = Some(Box::new(watch));
        }
        self.start_timer(now, key);
    }

    /// Caller's shard: such a call is over.
    #[cold]
    #[inline(never)]
    pub(in super::super) fn end_watch(
        &mut self,
        key: CallKey,
        caller: ConnId,
        request: RequestId,
        watch: Watch,
    ) {
        if watch.deadline.is_some() {
            self.stop_timer();
        }
        if let Some(stream) = watch.stream {
            self.end_stream(caller, request, &stream);
        }
        // It has ended without an answer.
        if let Some(errand) = watch.errand {
            self.return_from(key, errand, Answer::Failed);
        }
    }

    /// Caller's shard: the callee has its INVOCATION.
    pub(in super::super) fn invoked(&mut self, now: Time, key: CallKey, keeps_time: bool) {
        let Some(record) = self.calls.get_mut(key) else { return };
        let caller = record.caller;
        let Some(watch) = record.watch.as_deref_mut() else { return };
        let aside = watch.stream.as_mut().map(Stream::begin).unwrap_or_default();
        if keeps_time && watch.deadline.take().is_some() {
            self.stop_timer();
        }
        if !aside.is_empty() {
            self.waits_less(caller, aside_bytes(&aside));
        }
        for more in aside {
            self.send_more(now, Box::new(more));
        }
        // Not at once: this may be the first of several that were held, and nothing may overtake the others.
        self.unblocked.push(caller);
    }
}
