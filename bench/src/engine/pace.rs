//! The schedule of an open loop: when each message is due, whatever has become of those before. The lanes of all threads
//! take turns, so that no two messages are due at the same time.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

/// Nanoseconds per second.
const SECOND: u64 = 1_000_000_000;

/// One thread's part of the schedule, with a clock that wakes the thread for it: epoll's own timeout is as coarse as a
/// millisecond.
#[derive(Debug)]
pub(super) struct Pace {
    turns: Turns,
    next_due: u64,
    timer: TimerFd,
    /// What the timer is set to.
    armed: u64,
}

/// The order of the lanes, and when their turn is.
#[derive(Clone, Copy, Debug)]
struct Turns {
    /// Messages per second, of all threads.
    rate: u64,
    /// When the first message of all is due.
    start: u64,
    /// Lanes of all threads.
    lanes: u64,
    /// The first lane of this thread; it has every `step`th after it.
    first: u64,
    step: u64,
    /// Whose turn is next: the number of the round, and the lane.
    round: u64,
    lane: u64,
}

impl Pace {
    /// The schedule of the lanes `first`, `first + step` … of all the `lanes`; it begins with [`Pace::start`].
    ///
    /// # Errors
    /// The system has no timer.
    pub(super) fn new(rate: u64, lanes: u32, first: usize, step: usize) -> io::Result<Pace> {
        let (lanes, first, step) = (u64::from(lanes), first as u64, step as u64);
        let turns = Turns { rate, start: 0, lanes, first, step, round: 0, lane: first };
        let timer =
            TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        Ok(Pace { turns, next_due: u64::MAX, timer, armed: u64::MAX })
    }

    pub(super) fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut SourceFd(&self.timer.as_fd().as_raw_fd()), token, Interest::READABLE)
    }

    /// The first message of all threads is due at `now`.
    pub(super) fn start(&mut self, now: u64) {
        self.turns.start = now;
        self.next_due = if self.turns.first < self.turns.lanes { self.turns.due() } else { u64::MAX };
    }

    /// Whether a message is due.
    #[inline]
    pub(super) fn is_due(&self, now: u64) -> bool {
        now >= self.next_due
    }

    /// The lane whose message is due, by its place among those of this thread, and since when.
    #[inline]
    pub(super) fn take(&mut self, now: u64) -> Option<(usize, u64)> {
        if !self.is_due(now) {
            return None;
        }
        let lane = (self.turns.lane - self.turns.first) / self.turns.step;
        let due = self.next_due;
        self.turns.advance();
        self.next_due = self.turns.due();
        Some((lane as usize, due))
    }

    /// The timer has woken the thread, and is set to nothing any more.
    pub(super) fn fired(&mut self) {
        self.armed = u64::MAX;
    }

    /// Sees to it that the thread is woken for its next message.
    ///
    /// # Errors
    /// The timer cannot be set.
    pub(super) fn arm(&mut self, now: u64) -> io::Result<()> {
        if self.armed == self.next_due || self.next_due == u64::MAX {
            return Ok(());
        }
        self.armed = self.next_due;
        // Setting it to nothing would stop it.
        let rest = self.next_due.saturating_sub(now).max(1);
        let rest = TimeSpec::from_duration(Duration::from_nanos(rest));
        Ok(self.timer.set(Expiration::OneShot(rest), TimerSetTimeFlags::empty())?)
    }
}

impl Turns {
    /// When the next message is due.
    fn due(&self) -> u64 {
        let number = self.round * self.lanes + self.lane;
        self.start + number / self.rate * SECOND + number % self.rate * SECOND / self.rate
    }

    fn advance(&mut self) {
        self.lane += self.step;
        if self.lane >= self.lanes {
            self.lane = self.first;
            self.round += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_take_turns_at_even_distances() {
        // Three lanes in two threads, 1000 messages a second: one every millisecond.
        let mut found = Vec::new();
        for first in 0..2 {
            let mut pace = Pace::new(1000, 3, first, 2).unwrap();
            assert_eq!(pace.take(0), None, "not before the start");
            pace.start(5_000_000);
            while let Some((lane, due)) = pace.take(11_000_000) {
                found.push((due / 1_000_000, first + 2 * lane));
            }
        }
        found.sort();
        assert_eq!(found, [(5, 0), (6, 1), (7, 2), (8, 0), (9, 1), (10, 2), (11, 0)]);
    }

    #[test]
    fn the_rate_holds_in_the_long_run() {
        let mut pace = Pace::new(7, 1, 0, 1).unwrap();
        pace.start(0);
        let count = std::iter::from_fn(|| pace.take(1000 * SECOND - 1)).count();
        assert_eq!(count, 7000);
    }

    #[test]
    fn a_thread_without_lanes_sends_nothing() {
        let mut pace = Pace::new(1000, 1, 1, 2).unwrap();
        pace.start(0);
        assert_eq!(pace.take(u64::MAX - 1), None);
    }

    #[test]
    fn the_timer_wakes() {
        let mut pace = Pace::new(1000, 1, 0, 1).unwrap();
        pace.start(1);
        pace.arm(0).unwrap();
        pace.timer.wait().unwrap();
        pace.fired();
        pace.arm(2).unwrap();
        pace.timer.wait().unwrap();
    }
}
