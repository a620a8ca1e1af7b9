//! Deadlines. Entries are never searched for: what has moved its deadline, or is gone, ignores the old entry. Those of calls, which
//! would pile up, are counted, and swept out when they are most of all.

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
    /// Entries of calls that will be ignored.
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

    /// The entry of a call will be ignored; returns whether it is time to [`Timers::sweep`].
    pub(super) fn leave_stale(&mut self) -> bool {
        self.stale += 1;
        self.stale >= STALE_MIN && self.stale > self.heap.len() / 2
    }

    /// An entry of a call was ignored.
    pub(super) fn ignored(&mut self) {
        self.stale = self.stale.saturating_sub(1);
    }

    /// Keeps what is still of use.
    pub(super) fn sweep(&mut self, is_of_use: impl Fn(Due) -> bool) {
        self.heap.retain(|Reverse((_, what))| is_of_use(*what));
        self.heap.shrink_to(2 * self.heap.len() + STALE_MIN);
        self.stale = 0;
    }

    /// How many entries there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }
}
