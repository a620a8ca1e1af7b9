//! A line every second for somebody who watches: one that overwrites itself on a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::measure::{Glance, Live};
use crate::progress;
use crate::report::{nanoseconds, si};

const PERIOD: Duration = Duration::from_secs(1);

/// Tells how it goes.
#[derive(Debug)]
pub(super) struct Ticker {
    begun: Instant,
    latest: Instant,
    terminal: bool,
}

impl Ticker {
    pub(super) fn new() -> Ticker {
        let now = Instant::now();
        Ticker { begun: now, latest: now, terminal: io::stderr().is_terminal() }
    }

    /// Tells, if it is time.
    pub(super) fn tick(&mut self, live: &Live) {
        let (since, now) = (self.latest.elapsed(), Instant::now());
        if since < PERIOD {
            return;
        }
        self.latest = now;
        let line = line(now - self.begun, since, live.look());
        if self.terminal {
            // Nobody to tell when standard error is closed.
            let _ = write!(io::stderr(), "\r{line}\x1b[K");
        } else {
            progress(&line);
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        if self.terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(elapsed: Duration, since: Duration, glance: Glance) -> String {
    let rate = si(glance.delivered as f64 / since.as_secs_f64());
    let [p50, p99] = [glance.p50_ns, glance.p99_ns].map(|ns| nanoseconds(ns as f64));
    format!("{:>4} s  {rate:>7}/s  p50 {p50}  p99 {p99}", elapsed.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line() {
        let glance = Glance { delivered: 3000, p50_ns: 21_500, p99_ns: 90_000 };
        let line = line(Duration::from_millis(12_034), Duration::from_secs(2), glance);
        assert_eq!(line, "  12 s   1.50 k/s  p50 21.5 µs  p99 90.0 µs");
    }
}
