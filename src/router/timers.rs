//! Deadlines. Entries are never searched for: what has moved its deadline, or is gone, ignores the old entry. These are counted, for they
//! would pile up, and swept out when they are most of all.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::mesh::CallKey;
use super::shard::ConnId;
use super::time::Time;

/// What has a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    Conn(ConnId),
    Call(CallKey),
    /// A message of this connection may be handled: see `rates`.
    Turn(ConnId),
}

/// A heap of (when, what).
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Time, Due)>>,
    /// Entries that will be ignored; those of connections that are gone do not count.
    stale: usize,
}

/// Fewer stale entries are not worth a sweep.
const STALE_MIN: usize = 256;

impl Timers {
    /// Wants `what` looked at when `at` has come.
    pub(super) fn add(&mut self, at: Time, what: Due) {
        self.heap.push(Reverse((at, what)));
    }

    /// The earliest.
    pub(super) fn next(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Something whose time has come.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<Due> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, what))| what)
    }

    /// An entry will be ignored; returns whether it is time to [`Timers::sweep`].
    pub(super) fn leave_stale(&mut self) -> bool {
        self.stale += 1;
        self.stale >= STALE_MIN && self.stale > self.heap.len() / 2
    }

    /// An entry was ignored.
    pub(super) fn ignored(&mut self) {
        self.stale = self.stale.saturating_sub(1);
    }

    /// Keeps what is still of use.
    pub(super) fn sweep(&mut self, is_of_use: impl Fn(Time, Due) -> bool) {
        self.heap.retain(|Reverse((at, what))| is_of_use(*at, *what));
        self.heap.shrink_to(2 * self.heap.len() + STALE_MIN);
        self.stale = 0;
    }

    /// How many entries there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::mesh::ShardId;
    use super::super::shard::{Output, Peer, Shard};
    use super::super::time::Date;
    use super::*;
    use crate::config::RouterConfig;

    #[test]
    fn sessions_that_come_and_go_leave_no_timers() {
        let config = Arc::new(RouterConfig::default());
        let mut shard = Shard::new(config, ShardId(0), 1, [1; 32], Date(0));
        let conn = shard.accept(Time(0), Peer::Unix);
        let rawsocket = |message: &str| [&[0, 0, 0, message.len() as u8], message.as_bytes()].concat();
        let hello = rawsocket(r#"[1,"realm1",{"roles":{"caller":{}}}]"#);
        let goodbye = rawsocket(r#"[6,{},"wamp.close.normal"]"#);
        shard.received(Time(0), conn, &mut [0x7F, 0xF1, 0, 0]);
        for n in 0..10_000 {
            shard.received(Time(n), conn, &mut hello.clone());
            assert_eq!(shard.census().sessions, 1);
            shard.received(Time(n), conn, &mut goodbye.clone());
            while let Some(output) = shard.poll_output() {
                if let Output::Flush(conn) = output {
                    shard.sent(Time(n), conn, shard.wire.conns[conn].out.len());
                }
            }
            assert!(shard.timers.len() <= 1000, "{} entries after {n} sessions", shard.timers.len());
        }
        assert_eq!(shard.next_deadline().map(|at| at >= Time(9_999)), Some(true), "it has to come back");
    }
}
