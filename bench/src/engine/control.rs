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

impl Stage {
    /// All of them, in their order.
    const ALL: [Stage; 5] = [Stage::Setup, Stage::Warmup, Stage::Measure, Stage::Drain, Stage::Done];

    /// The stage that a thread in this one goes to while the run is in `present`. It leaves none out, however late it
    /// is, for each has its work; only what is over is over.
    pub(super) fn towards(self, present: Stage) -> Stage {
        match present {
            Stage::Done => Stage::Done,
            _ => Stage::ALL[(self as usize + 1).min(present as usize)],
        }
    }
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
    /// Latencies of what was measured, without those below.
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
    /// When each stage began, on the clock.
    since: [AtomicU64; Stage::ALL.len()],
    wakers: Vec<Arc<Waker>>,
    /// Where latencies go while somebody watches.
    pub(super) live: Option<Live>,
}

impl Control {
    /// The threads are woken by `wakers`.
    pub(super) fn new(wakers: Vec<Arc<Waker>>, live: Option<Live>) -> Control {
        let (stage, since) = (AtomicU8::new(Stage::Setup as u8), Default::default());
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
        Stage::ALL[usize::from(self.stage.load(Ordering::Acquire))]
    }

    /// When a stage began that has begun.
    pub(super) fn since(&self, stage: Stage) -> u64 {
        self.since[stage as usize].load(Ordering::Relaxed)
    }

    /// Begins a stage, in all threads.
    ///
    /// # Errors
    /// A thread cannot be woken.
    pub(super) fn enter(&self, stage: Stage) -> std::io::Result<()> {
        self.since[stage as usize].store(self.now(), Ordering::Relaxed);
        self.stage.store(stage as u8, Ordering::Release);
        self.wakers.iter().try_for_each(|waker| waker.wake())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_thread_leaves_no_stage_out() {
        let mut stage = Stage::Setup;
        let mut gone_through = Vec::new();
        while stage < Stage::Drain {
            stage = stage.towards(Stage::Drain);
            gone_through.push(stage);
        }
        assert_eq!(gone_through, [Stage::Warmup, Stage::Measure, Stage::Drain]);
        assert_eq!(Stage::Setup.towards(Stage::Done), Stage::Done, "an early end");
        assert_eq!(Stage::Measure.towards(Stage::Measure), Stage::Measure);
    }

    #[test]
    fn all_see_when_a_stage_began() {
        let control = Control::new(Vec::new(), None);
        assert_eq!(control.stage(), Stage::Setup);
        control.enter(Stage::Warmup).unwrap();
        let warmup = control.since(Stage::Warmup);
        control.enter(Stage::Measure).unwrap();
        assert_eq!(control.stage(), Stage::Measure);
        assert_eq!(control.since(Stage::Warmup), warmup);
        assert!(control.since(Stage::Measure) >= warmup && control.now() >= control.since(Stage::Measure));
    }
}
