//! Time limits of calls (spec: "Call Timeouts"). The caller's shard looks after them, from the CALL on, unless the callee does.
//!
//! With progressive results the time is counted anew from each of them. That only moves the deadline of the record: its one entry
//! among the timers is put back when it comes up too early.

use super::super::mesh::{CallKey, Stop};
use super::super::shard::Shard;
use super::super::time::Time;
use super::super::timers::Due;
use super::{Errand, Watch};
use crate::wamp::error_uri;

impl Watch {
    /// Whether this shard looks after its time.
    pub(in super::super) fn has_deadline(&self) -> bool {
        self.deadline.is_some()
    }

    /// The time begins anew.
    pub(super) fn extend(&mut self, now: Time) {
        if self.deadline.is_some() {
            self.deadline = Some(now.plus_ms(self.timeout_ms));
        }
    }
}

impl Shard {
    /// The time of a call begins, if it is limited.
    pub(super) fn start_timer(&mut self, now: Time, key: CallKey) {
        let watch = self.calls.get_mut(key).and_then(|record| record.watch.as_deref_mut());
        let Some(watch) = watch.filter(|watch| watch.timeout_ms > 0) else { return };
        let at = now.plus_ms(watch.timeout_ms);
        watch.deadline = Some(at);
        self.timers.add(at, Due::Call(key));
    }

    /// The call goes to another callee, and its time begins anew if the last one looked after it.
    #[cold]
    pub(in super::super) fn resume_timer(&mut self, now: Time, key: CallKey) {
        let watch = self.calls.get(key).and_then(|record| record.watch.as_ref());
        if watch.is_some_and(|watch| watch.deadline.is_none()) {
            self.start_timer(now, key);
        }
    }

    /// Caller's shard: an entry of a call has come up.
    pub(in super::super) fn call_overdue(&mut self, now: Time, key: CallKey) {
        let record = self.calls.get_mut(key);
        let Some((caller, watch)) = record.and_then(|it| Some((it.caller, it.watch.as_deref_mut()?))) else {
            return self.timers.ignored();
        };
        match watch.deadline {
            None => self.timers.ignored(),
            Some(at) if at > now => self.timers.add(at, Due::Call(key)),
            Some(_) => {
                watch.deadline = None;
                self.limited.authorizer_ms_max += u64::from(matches!(watch.errand, Some(Errand::Access(..))));
                let text = format!("there was no answer within {} ms", watch.timeout_ms);
                self.give_up(now, key, Stop::Timeout, error_uri::TIMEOUT, &text);
                self.release(now, caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::super::mesh::{RealmId, ShardId};
    use super::super::super::shard::ConnId;
    use super::super::super::time::Date;
    use super::*;
    use crate::config::RouterConfig;
    use crate::wamp::{RequestId, SessionId};

    fn call(shard: &mut Shard, now: Time, timeout_ms: u64) -> CallKey {
        let key = shard.record_call(ConnId::default(), RequestId(1), RealmId(0), SessionId(0));
        let watch = Watch { timeout_ms, ..Watch::default() };
        shard.calls.get_mut(key).expect("a record").watch = Some(Box::new(watch));
        shard.start_timer(now, key);
        key
    }

    #[test]
    fn finished_calls_leave_no_timers() {
        let config = Arc::new(RouterConfig::default());
        let mut shard = Shard::new(config, ShardId(0), 1, [1; 32], Date(0));
        let lasting = call(&mut shard, Time(0), 60_000);
        for n in 0..1_000_000 {
            let key = call(&mut shard, Time(n), 3_600_000);
            shard.forget_call(key);
            assert!(shard.timers.len() <= 1000, "{} entries after {n} calls", shard.timers.len());
        }
        // What is still needed is still there.
        assert_eq!(shard.next_deadline(), Some(Time(60_000_000)));
        shard.expire(Time(60_000_000));
        assert!(!shard.calls.contains_key(lasting));
    }

    #[test]
    fn many_calls_under_way_are_not_swept_again_and_again() {
        let config = Arc::new(RouterConfig::default());
        let mut shard = Shard::new(config, ShardId(0), 1, [1; 32], Date(0));
        let keys: Vec<CallKey> = (0..10_000).map(|n| call(&mut shard, Time(n), 1000)).collect();
        for key in &keys[..5_000] {
            shard.forget_call(*key);
        }
        assert_eq!(shard.timers.len(), 10_000, "half of them are needed");
        shard.forget_call(keys[5_000]);
        assert_eq!(shard.timers.len(), 4_999);
        shard.expire(Time(2_000_000));
        assert_eq!((shard.calls.len(), shard.timers.len()), (0, 0));
    }
}
