//! Latencies for somebody who watches: what all threads have received since the last look.

use std::sync::Mutex;

use hdrhistogram::Histogram;

use super::recorder::histogram;

/// Nanoseconds that a thread keeps its latencies to itself.
const KEEP: u64 = 200_000_000;

/// Where the threads' latencies meet.
#[derive(Debug)]
pub(crate) struct Live(Mutex<Histogram<u64>>);

/// A thread's way to it.
#[derive(Debug)]
pub(crate) struct Tap {
    latencies: Histogram<u64>,
    /// When they are to be given away.
    give_at: u64,
}

/// What there was since the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Glance {
    pub(crate) delivered: u64,
    pub(crate) p50_ns: u64,
    pub(crate) p99_ns: u64,
}

impl Live {
    pub(crate) fn new() -> Live {
        Live(Mutex::new(histogram()))
    }

    /// What there was since the last look.
    pub(crate) fn look(&self) -> Glance {
        // A thread that has panicked in between has left a sound histogram.
        let mut all = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let quantile = |quantile| all.value_at_quantile(quantile);
        let glance = Glance { delivered: all.len(), p50_ns: quantile(0.5), p99_ns: quantile(0.99) };
        all.reset();
        glance
    }
}

impl Tap {
    pub(crate) fn new() -> Tap {
        Tap { latencies: histogram(), give_at: 0 }
    }

    /// Takes a latency in nanoseconds.
    #[inline]
    pub(crate) fn record(&mut self, latency: u64) {
        self.latencies.saturating_record(latency);
    }

    /// Gives what there is to `live` from time to time.
    #[inline]
    pub(crate) fn at(&mut self, now: u64, live: &Live) {
        if now < self.give_at {
            return;
        }
        self.give_at = now + KEEP;
        let mut all = live.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        // Both have the same bounds.
        let _ = all.add(&self.latencies);
        self.latencies.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_sees_what_is_new() {
        let (live, mut taps) = (Live::new(), [Tap::new(), Tap::new()]);
        for (tap, latency) in taps.iter_mut().zip([10, 20]) {
            tap.record(latency);
            tap.at(0, &live);
            tap.record(90);
            tap.at(KEEP - 1, &live);
        }
        assert_eq!(live.look(), Glance { delivered: 2, p50_ns: 10, p99_ns: 20 });
        assert_eq!(live.look().delivered, 0);
        taps[0].at(KEEP, &live);
        assert_eq!(live.look(), Glance { delivered: 1, p50_ns: 90, p99_ns: 90 });
    }
}
