//! What the shards' threads and the program around them share: the phase of the router's life, the count of
//! connections, the counters, the bells. [`Handle`] is the program's view of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use super::link::Doorbell;
use crate::limits::Limits;
use crate::router::{ShardId, Time};

/// A running router from outside: cheap to clone, usable from any thread.
#[derive(Clone, Debug)]
pub struct Handle(pub(super) Arc<Shared>);

impl Handle {
    /// Shuts the router down: listeners close, sessions get GOODBYE, and [`super::Router::run`] returns when all
    /// is written or [`crate::limits::Limits::drain_ms_max`] has passed. Calling it again changes nothing.
    pub fn shutdown(&self) {
        self.0.advance(Phase::Draining);
    }

    /// What the shards have done so far, by shard. Each shard publishes once per turn of its loop.
    pub fn counters(&self) -> Vec<Counters> {
        self.0.counters.iter().map(SharedCounters::load).collect()
    }

    /// Connections that are open now.
    pub fn connections(&self) -> usize {
        self.0.connections.load(Ordering::Relaxed)
    }
}

/// Where the router is in its life; it only ever advances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Phase {
    Running,
    /// Shut down in an orderly way.
    Draining,
    /// End at once: a shard has failed.
    Halted,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Shared {
    start: Instant,
    phase: AtomicU8,
    drained: AtomicUsize,
    connections: AtomicUsize,
    connections_max: usize,
    pub(super) drain_ms_max: u64,
    pub(super) bells: Vec<Arc<Doorbell>>,
    counters: Vec<SharedCounters>,
}

impl Shared {
    pub(super) fn new(shards: usize, limits: &Limits) -> Shared {
        Shared {
            start: Instant::now(),
            phase: AtomicU8::new(Phase::Running as u8),
            drained: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            connections_max: limits.connections_max,
            drain_ms_max: limits.drain_ms_max,
            bells: (0..shards).map(|_| Arc::default()).collect(),
            counters: (0..shards).map(|_| SharedCounters::default()).collect(),
        }
    }

    /// The time of all shards.
    pub(super) fn now(&self) -> Time {
        Time(self.start.elapsed().as_micros() as u64)
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Running,
            1 => Phase::Draining,
            _ => Phase::Halted,
        }
    }

    /// Enters `phase`, unless that is past already, and wakes all shards.
    pub(super) fn advance(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
        self.ring_all();
    }

    /// One more shard has nothing left to do.
    pub(super) fn shard_drained(&self) {
        self.drained.fetch_add(1, Ordering::AcqRel);
        self.ring_all();
    }

    /// Whether no shard has anything left to do: none will send to another.
    pub(super) fn all_drained(&self) -> bool {
        self.drained.load(Ordering::Acquire) == self.bells.len()
    }

    /// The right to one more connection, unless there are [`crate::limits::Limits::connections_max`] already.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Permit> {
        let permit = Permit(self.clone());
        let before = self.connections.fetch_add(1, Ordering::Relaxed);
        (before < self.connections_max).then_some(permit)
    }

    /// Makes a shard's counters visible.
    pub(super) fn publish(&self, shard: ShardId, counters: &Counters) {
        self.counters[usize::from(shard.0)].store(counters);
    }

    fn ring_all(&self) {
        for bell in &self.bells {
            bell.ring();
        }
    }
}

/// Counts one connection for as long as it lives.
#[derive(Debug)]
pub(super) struct Permit(Arc<Shared>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Makes [`Counters`] and the form of it that threads share.
macro_rules! counters {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// What one shard has done since the start.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[$doc])+ pub $name: u64,)+
        }

        /// [`Counters`], alone on their cache lines.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        struct SharedCounters {
            $($name: AtomicU64,)+
        }

        impl SharedCounters {
            fn load(&self) -> Counters {
                Counters { $($name: self.$name.load(Ordering::Relaxed),)+ }
            }

            fn store(&self, counters: &Counters) {
                $(self.$name.store(counters.$name, Ordering::Relaxed);)+
            }
        }
    };
}

counters! {
    /// Turns of the loop.
    turns,
    /// Reads that brought bytes.
    reads,
    /// Writes that took bytes: one system call each.
    writes,
    /// Sleeping shards that were woken: one system call each.
    wakes,
    /// Mesh messages received.
    mesh_received,
    /// Connections accepted.
    accepted,
    /// Connections closed at once, because of the limit.
    refused,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_never_goes_back() {
        let shared = Shared::new(1, &Limits::default());
        assert_eq!(shared.phase(), Phase::Running);
        for (to, is) in [
            (Phase::Draining, Phase::Draining),
            (Phase::Halted, Phase::Halted),
            (Phase::Draining, Phase::Halted),
        ] {
            shared.advance(to);
            assert_eq!(shared.phase(), is);
        }
    }

    #[test]
    fn a_new_phase_wakes_who_sleeps() {
        let shared = Shared::new(2, &Limits::default());
        shared.bells[1].doze();
        shared.advance(Phase::Draining);
        assert!(!shared.bells[1].ring(), "it was rung already");
    }

    #[test]
    fn permits_count_connections() {
        let shared = Arc::new(Shared::new(1, &Limits { connections_max: 2, ..Limits::default() }));
        let (a, b) = (shared.admit(), shared.admit());
        assert!(a.is_some() && b.is_some());
        assert!(shared.admit().is_none());
        assert_eq!(Handle(shared.clone()).connections(), 2, "a refused one does not count");
        drop(a);
        assert!(shared.admit().is_some());
    }
}
