//! What the threads of a run share: the clock, and the stage that the run is in. The thread that has started them says
//! when the next stage begins; they tell it how they fare.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Instant;

use hdrhistogram::Histogram;
use mio::Waker;

use super::Failure;
use crate::measure::{Live, Recorder, Stalled};

/// The stages of a run, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Connections are made ready.
    Setup,
    /// The load runs and does not count.
    Warmup,
    /// It is measured.
    Measure,
    /// Nothing more is sent; what is in flight has to arrive.
    Drain,
    /// It is over.
    Done,
}

/// What a thread tells.
#[derive(Debug)]
pub(super) enum News {
    /// All its connections take part.
    Ready,
    /// Nothing of its own is in flight any more.
    Drained,
    /// It has ended as it should.
    Ended(Box<Part>),
    /// It has failed.
    Failed(Failure),
}

/// What one thread has counted.
#[derive(Debug)]
pub(super) struct Part {
    /// Latencies of what was measured.
    pub(super) recorder: Recorder,
    /// Those of calls alone, where there are others.
    pub(super) calls: Option<Recorder>,
    /// How late messages of an open loop were sent.
    pub(super) late: Histogram<u64>,
    /// What became of a subscriber that stopped to read, if it is here.
    pub(super) stalled: Option<Stalled>,
    /// Messages that it received in all.
    pub(super) total: u64,
    /// Its CPU time while it was measured, in nanoseconds.
    pub(super) busy_ns: u64,
}

/// The clock and the stage.
#[derive(Debug)]
pub(super) struct Control {
    clock: Instant,
    stage: AtomicU8,
    /// When the present stage began, on the clock.
    since: AtomicU64,
    wakers: Vec<Arc<Waker>>,
    /// Where latencies go while somebody watches.
    pub(super) live: Option<Live>,
}

impl Control {
    /// The threads are woken by `wakers`.
    pub(super) fn new(wakers: Vec<Arc<Waker>>, live: Option<Live>) -> Control {
        let (stage, since) = (AtomicU8::new(Stage::Setup as u8), AtomicU64::new(0));
        Control { clock: Instant::now(), stage, since, wakers, live }
    }

    /// Nanoseconds since the run began; the same for all threads.
    #[inline]
    pub(super) fn now(&self) -> u64 {
        self.clock.elapsed().as_nanos() as u64
    }

    /// The present stage.
    #[inline]
    pub(super) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Setup,
            1 => Stage::Warmup,
            2 => Stage::Measure,
            3 => Stage::Drain,
            _ => Stage::Done,
        }
    }

    /// When it began.
    pub(super) fn since(&self) -> u64 {
        self.since.load(Ordering::Relaxed)
    }

    /// Begins a stage, in all threads.
    ///
    /// # Errors
    /// A thread cannot be woken.
    pub(super) fn enter(&self, stage: Stage) -> std::io::Result<()> {
        self.since.store(self.now(), Ordering::Relaxed);
        self.stage.store(stage as u8, Ordering::Release);
        self.wakers.iter().try_for_each(|waker| waker.wake())
    }
}
