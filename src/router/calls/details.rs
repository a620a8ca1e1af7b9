//! What few calls have: time limits, progress, a level of trust. It is behind one pointer, so ordinary calls pay nothing for it.

use super::super::broker::refuse_passthru;
use super::super::dealer::CallRecord;
use super::super::mesh::CallKey;
use super::super::session::Violation;
use super::super::shard::{ConnId, Shard};
use super::super::time::Time;
use crate::wamp::message::{Call, Features, InvocationDetails};
use crate::wamp::{RegistrationId, SessionId};

/// What travels with the call to its callee.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in super::super) struct CallDetails {
    /// The caller takes progressive results.
    receive_progress: bool,
    /// Milliseconds that the call may take, or that may pass between its results.
    timeout_ms: Option<u64>,
    /// That is the operator's word, not the caller's: no callee has to say in it.
    is_timeout_imposed: bool,
}

/// What the caller's shard remembers of it.
#[derive(Debug, Default)]
pub(in super::super) struct Watch {
    pub(super) timeout_ms: u64,
    /// When the time is up, if this shard looks after it.
    pub(super) deadline: Option<Time>,
}

impl CallDetails {
    /// Whether the callee can do what the call needs; if not, what it cannot.
    #[allow(clippy::unused_self)]
    pub(in super::super) fn suit(&self, _callee: Features) -> Result<(), &'static str> {
        Ok(())
    }

    /// Whether a callee that wants to look after the timeout itself may do so.
    pub(in super::super) fn may_leave_time_to(&self, callee: Features) -> bool {
        self.timeout_ms.is_some() && !self.is_timeout_imposed && callee.contains(Features::CALL_TIMEOUT)
    }

    /// Whether the callee is told that it may send progressive results. That it can be interrupted is not demanded (decision D9).
    pub(in super::super) fn takes_progress(&self, callee: Features) -> bool {
        self.receive_progress && callee.contains(Features::PROGRESSIVE_CALL_RESULTS)
    }

    /// Adds what the callee is told.
    pub(in super::super) fn tell(
        &self,
        details: &mut InvocationDetails<'_>,
        takes_progress: bool,
        keeps_time: bool,
    ) {
        details.receive_progress = takes_progress.then_some(true);
        details.timeout_ms = self.timeout_ms.filter(|_| keeps_time);
    }
}

impl Shard {
    /// Whether a session may use the options of this CALL, which are not the usual ones.
    #[cold]
    pub(in super::super) fn check_options(&self, _id: ConnId, call: &Call<'_>) -> Result<(), Violation> {
        let options = &call.options;
        refuse_passthru(&options.passthru)?;
        if options.progress == Some(true) {
            return Err("CALL.Options.progress is used, but this router does not announce progressive_call_invocations".to_owned());
        }
        Ok(())
    }

    /// What a call has beyond the ordinary, if anything.
    #[cold]
    #[inline(never)]
    pub(in super::super) fn call_details(
        &self,
        registration: RegistrationId,
        call: &Call<'_>,
        record: &CallRecord,
    ) -> Option<Box<CallDetails>> {
        let realm = usize::from(record.realm.0);
        let (config, options) = (&self.config.realms[realm], &call.options);
        let offer = self.realms[realm].registration.get(&registration).map(|it| &it.offer);
        let policy = offer.and_then(|offer| config.procedure_policy(&offer.procedure, offer.policy));
        let imposed = policy.and_then(|policy| policy.timeout_ms);
        let details = CallDetails {
            receive_progress: options.receive_progress == Some(true),
            timeout_ms: imposed.or(options.timeout_ms).filter(|ms| *ms > 0),
            is_timeout_imposed: imposed.is_some(),
        };
        (details != CallDetails::default()).then(|| Box::new(details))
    }

    /// Caller's shard: a call needs more than a record.
    #[cold]
    #[inline(never)]
    pub(in super::super) fn watch(&mut self, now: Time, key: CallKey, details: &CallDetails) {
        if details.timeout_ms.is_none() {
            return;
        }
        let watch = Watch { timeout_ms: details.timeout_ms.unwrap_or(0), deadline: None };
        if let Some(record) = self.calls.get_mut(key) {
            record.watch = Some(Box::new(watch));
        }
        self.start_timer(now, key);
    }

    /// Caller's shard: such a call is over.
    #[cold]
    #[inline(never)]
    pub(in super::super) fn end_watch(&mut self, watch: &Watch) {
        if watch.deadline.is_some() {
            self.stop_timer();
        }
    }

    /// Caller's shard: the callee has its INVOCATION.
    pub(in super::super) fn invoked(&mut self, now: Time, key: CallKey, keeps_time: bool) {
        let _ = (now, SessionId(0));
        let Some(watch) = self.calls.get_mut(key).and_then(|record| record.watch.as_deref_mut()) else {
            return;
        };
        if keeps_time && watch.deadline.take().is_some() {
            self.stop_timer();
        }
    }
}
