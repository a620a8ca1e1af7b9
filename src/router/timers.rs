//! Deadlines. Entries are never searched for: what has moved its deadline, or is gone, ignores the old entry.

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
}

/// A heap of (when, what).
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Time, Due)>>,
}

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
}
