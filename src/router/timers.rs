//! Deadlines of connections. Entries are never searched for: a connection that has moved its deadline ignores the old entry.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::shard::ConnId;
use super::time::Time;

/// A heap of (when, connection).
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Time, ConnId)>>,
}

impl Timers {
    /// Wants `conn` looked at when `at` has come.
    pub(super) fn add(&mut self, at: Time, conn: ConnId) {
        self.heap.push(Reverse((at, conn)));
    }

    /// The earliest.
    pub(super) fn next(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// A connection whose time has come.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<ConnId> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, conn))| conn)
    }
}
