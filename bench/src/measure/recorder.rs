//! Latencies while a load is measured, kept by interval: all together they are the run's distribution, one by one they
//! show how it went.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The longest latency that is told from longer ones, in nanoseconds.
const LATENCY_MAX: u64 = 100_000_000_000;

/// Intervals that a run is cut into at most.
const INTERVALS_MAX: u32 = 100;

/// The shortest interval. Longer ones are multiples of it.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// What happened in one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// The end of the interval, in nanoseconds since measuring began.
    pub(crate) at_ns: u64,
    /// Messages that were received in it.
    pub(crate) delivered: u64,
    /// The median of their latencies, in nanoseconds; 0 if there was none.
    pub(crate) p50_ns: u64,
    /// What 99 % of them did not exceed.
    pub(crate) p99_ns: u64,
    /// The longest of them.
    pub(crate) max_ns: u64,
}

/// Takes latencies. One costs a counter in memory that is there already.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    interval_ns: u64,
    /// By interval. The last takes what comes late, too.
    intervals: Vec<Histogram<u32>>,
    current: usize,
    /// When the current interval ends; never, before measuring begins.
    current_end: u64,
}

impl Recorder {
    /// For a run of this length.
    pub(crate) fn new(duration: Duration) -> Recorder {
        let interval = interval(duration);
        let count = duration.as_nanos().div_ceil(interval.as_nanos()).max(1) as usize;
        let interval_ns = interval.as_nanos() as u64;
        let intervals = vec![histogram(); count];
        Recorder { interval_ns, intervals, current: 0, current_end: u64::MAX }
    }

    /// How long an interval of such a run is.
    pub(crate) fn interval(duration: Duration) -> Duration {
        interval(duration)
    }

    /// Measuring begins at `now`, in nanoseconds of a clock that [`Recorder::at`] goes on with.
    pub(crate) fn begin(&mut self, now: u64) {
        self.current_end = now + self.interval_ns;
    }

    /// What is recorded next belongs to this time.
    #[inline]
    pub(crate) fn at(&mut self, now: u64) {
        while now >= self.current_end && self.current + 1 < self.intervals.len() {
            self.current += 1;
            self.current_end += self.interval_ns;
        }
    }

    /// Takes a latency in nanoseconds.
    #[inline]
    pub(crate) fn record(&mut self, latency: u64) {
        self.intervals[self.current].saturating_record(latency);
    }

    /// Adds what another has taken, of a run of the same length.
    pub(crate) fn merge(&mut self, other: &Recorder) {
        for (mine, others) in self.intervals.iter_mut().zip(&other.intervals) {
            // They have the same bounds.
            let _ = mine.add(others);
        }
    }

    /// All latencies.
    pub(crate) fn latency(&self) -> Histogram<u64> {
        let mut all = histogram();
        for value in self.intervals.iter().flat_map(|interval| interval.iter_recorded()) {
            all.saturating_record_n(value.value_iterated_to(), value.count_since_last_iteration());
        }
        all
    }

    /// How it went in the `elapsed_ns` nanoseconds that were measured.
    pub(crate) fn timeline(&self, elapsed_ns: u64) -> Vec<Sample> {
        let last = self.intervals.len() - 1;
        let sample = |(index, interval): (usize, &Histogram<u32>)| {
            let (begin, end) = (index as u64 * self.interval_ns, (index as u64 + 1) * self.interval_ns);
            let at_ns = if index == last { elapsed_ns } else { end.min(elapsed_ns) };
            (begin < elapsed_ns).then(|| Sample {
                at_ns,
                delivered: interval.len(),
                p50_ns: interval.value_at_quantile(0.5),
                p99_ns: interval.value_at_quantile(0.99),
                max_ns: interval.max(),
            })
        };
        self.intervals.iter().enumerate().filter_map(sample).collect()
    }
}

/// Counters for latencies in nanoseconds, with three significant digits.
pub(crate) fn histogram<C: hdrhistogram::Counter>() -> Histogram<C> {
    Histogram::new_with_bounds(1, LATENCY_MAX, 3).expect("the bounds are sound")
}

/// How long an interval of a run is.
fn interval(duration: Duration) -> Duration {
    let intervals = (duration / INTERVALS_MAX).as_nanos().div_ceil(INTERVAL_MIN.as_nanos()).max(1);
    INTERVAL_MIN * u32::try_from(intervals).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_hundred_intervals_at_most() {
        for (seconds, milliseconds) in [(0.05, 100), (5.0, 100), (10.0, 100), (10.1, 200), (60.0, 600)] {
            let duration = Duration::from_secs_f64(seconds);
            assert_eq!(interval(duration), Duration::from_millis(milliseconds), "{seconds} s");
            assert!((1..=100).contains(&Recorder::new(duration).intervals.len()), "{seconds} s");
        }
    }

    #[test]
    fn what_is_recorded_belongs_to_its_interval() {
        let mut recorder = Recorder::new(Duration::from_millis(350));
        recorder.at(900 * MS);
        recorder.begin(1000 * MS);
        for (now, latency) in [(1000, 10), (1099, 20), (1100, 30), (1320, 40), (1410, 50)] {
            recorder.at(now * MS);
            recorder.record(latency);
        }
        let expected = [(100, 2, 10, 20), (200, 1, 30, 30), (300, 0, 0, 0), (410, 2, 40, 50)].map(
            |(at, delivered, p50, max)| Sample {
                at_ns: at * MS,
                delivered,
                p50_ns: p50,
                p99_ns: max,
                max_ns: max,
            },
        );
        assert_eq!(recorder.timeline(410 * MS), expected);
        let all = recorder.latency();
        assert_eq!((all.len(), all.min(), all.max()), (5, 10, 50));
    }

    #[test]
    fn merged_by_interval() {
        let mut recorders = [5, 9].map(|latency| {
            let mut recorder = Recorder::new(Duration::from_millis(200));
            recorder.begin(0);
            recorder.record(7);
            recorder.at(150 * MS);
            recorder.record(latency);
            recorder
        });
        let [mine, other] = &mut recorders;
        mine.merge(other);
        let timeline = mine.timeline(200 * MS);
        assert_eq!([timeline[0].delivered, timeline[1].delivered, timeline[1].max_ns], [2, 2, 9]);
    }

    #[test]
    fn an_early_end_cuts_it_off() {
        let mut recorder = Recorder::new(Duration::from_secs(1));
        recorder.begin(0);
        recorder.record(7);
        assert_eq!(
            recorder.timeline(130 * MS).iter().map(|sample| sample.at_ns).collect::<Vec<_>>(),
            [100 * MS, 130 * MS]
        );
        assert!(recorder.timeline(0).is_empty(), "nothing was measured");
    }
}
