//! What a run has shown, as numbers: for programs (JSON), and for people ([`text()`]).

mod charts;
mod compare;
mod distribution;
mod grid;
pub(crate) mod html;
mod json;
mod number;
pub(crate) mod plot;
mod sweep;
mod text;

use std::fmt;
use std::time::SystemTime;

use hdrhistogram::Histogram;

use serde::{Deserialize, Serialize};

pub(crate) use charts::percentiles;
pub(crate) use compare::{CompareError, Comparison};
pub(crate) use distribution::Distribution;
pub(crate) use grid::{Align, Grid};
pub(crate) use json::{json, read};
pub(crate) use number::{bytes, nanoseconds, si, significant};
pub(crate) use sweep::{Point, Sweep};
pub(crate) use text::text;

use crate::engine::Tally;
use crate::measure::{Machine, Memory, Sample, ServerCost, Stalled};
use crate::placement::Placement;
use crate::scenario::{Kind, Run, Scenario};
use crate::target::Protocol;

/// A generator that is busier than this may be what limits the rate.
const BUSY: f64 = 0.95;

/// The result of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The server.
    pub(crate) target: String,
    /// How messages are written; `None` where there is no WAMP.
    pub(crate) serializer: Option<String>,
    /// The machine of the generator.
    pub(crate) machine: Machine,
    /// When it was measured, as RFC 3339 writes it.
    pub(crate) ended_at: String,
    /// The load.
    pub(crate) scenario: Scenario,
    /// Which shards of the router it was between, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) placement: Option<Placement>,
    /// How the load is applied: the next message waits for the last, or is sent on a schedule.
    pub(crate) closed_loop: bool,
    /// The measured time, in seconds.
    pub(crate) seconds: f64,
    /// Events or results received in that time.
    pub(crate) delivered: u64,
    /// Those before and after, too: everything that was sent has arrived.
    pub(crate) total: u64,
    /// Events or results per second, in the measured time.
    pub(crate) rate: f64,
    /// How long they took, in nanoseconds.
    pub(crate) latency_ns: Latency,
    /// Calls alone, where there are others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) calls_ns: Option<Latency>,
    /// How late the generator was to send what was due, in an open loop: its own part of the latencies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) late_ns: Option<Latency>,
    /// How it went, interval by interval.
    #[serde(default)]
    pub(crate) timeline: Vec<Sample>,
    /// The part of its CPU that the busiest thread of the generator was busy, 0 to 1.
    pub(crate) generator_busy: f64,
    /// The same of each thread.
    pub(crate) threads_busy: Vec<f64>,
    /// What the server used.
    pub(crate) server: Option<ServerCost>,
    /// What became of a subscriber that stopped to read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stalled: Option<Stalled>,
    /// The server's memory over time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) memory: Vec<Memory>,
    /// From the first connection until all were ready, in seconds.
    pub(crate) setup_seconds: f64,
    /// It was ended before its time.
    pub(crate) interrupted: bool,
    /// All latencies.
    #[serde(default, skip_serializing_if = "Distribution::is_empty")]
    pub(crate) latencies: Distribution,
}

/// Latencies in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) mean: f64,
    pub(crate) p50: u64,
    pub(crate) p90: u64,
    pub(crate) p99: u64,
    pub(crate) p99_9: u64,
    pub(crate) p99_99: u64,
    pub(crate) max: u64,
}

impl Latency {
    /// The percentiles with their names, from the least to the greatest.
    pub(crate) fn named(&self) -> [(&'static str, u64); 6] {
        [
            ("p50", self.p50),
            ("p90", self.p90),
            ("p99", self.p99),
            ("p99.9", self.p99_9),
            ("p99.99", self.p99_99),
            ("max", self.max),
        ]
    }

    fn of(latencies: &Histogram<u64>) -> Latency {
        let quantile = |quantile| latencies.value_at_quantile(quantile);
        Latency {
            mean: latencies.mean(),
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            p99_9: quantile(0.999),
            p99_99: quantile(0.9999),
            max: latencies.max(),
        }
    }
}

impl Report {
    /// The report of a run.
    pub(crate) fn new(run: &Run, tally: &Tally) -> Report {
        let seconds = tally.cost.elapsed_ns as f64 / 1e9;
        let busy = |&ns| ratio(ns as f64, tally.cost.elapsed_ns as f64);
        let threads_busy: Vec<f64> = tally.busy_ns.iter().map(busy).collect();
        let wamp = matches!(run.target.protocol, Protocol::WebSocket { .. } | Protocol::RawSocket);
        Report {
            target: run.target.to_string(),
            serializer: wamp.then(|| serializer_name(run.serializer).to_owned()),
            machine: Machine::this(),
            ended_at: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            scenario: run.scenario.clone(),
            placement: run.placement,
            closed_loop: run.scenario.rate.is_none(),
            seconds,
            delivered: tally.delivered,
            total: tally.total,
            rate: ratio(tally.delivered as f64, seconds),
            latency_ns: Latency::of(&tally.latency),
            calls_ns: tally.calls.as_ref().map(Latency::of),
            late_ns: run.scenario.rate.map(|_| Latency::of(&tally.late)),
            timeline: tally.timeline.clone(),
            generator_busy: threads_busy.iter().copied().fold(0.0, f64::max),
            threads_busy,
            server: tally.cost.server.clone(),
            stalled: tally.stalled,
            memory: tally.memory.clone(),
            setup_seconds: tally.setup_ns as f64 / 1e9,
            interrupted: tally.interrupted,
            latencies: Distribution::of(&tally.latency),
        }
    }

    /// How the load was applied, in two words.
    pub(crate) fn pace(&self) -> &'static str {
        if self.closed_loop { "closed loop" } else { "open loop" }
    }

    /// The server's CPU time per delivered message, in nanoseconds.
    pub(crate) fn cpu_per_message(&self) -> Option<f64> {
        self.server.as_ref().map(|server| self.per_message(server.cpu_ns))
    }

    /// The server's memory for each idle session, in bytes, where there is nothing else. The code that comes in with the first is
    /// not counted.
    pub(crate) fn memory_per_session(&self) -> Option<f64> {
        let server = self.server.as_ref().filter(|_| self.scenario.kind == Kind::Idle)?;
        let grown = server.own_bytes.saturating_sub(server.own_before_bytes);
        Some(ratio(grown as f64, f64::from(self.scenario.idle.sessions)))
    }

    /// The server's system calls per delivered message, if they were counted.
    pub(crate) fn syscalls_per_message(&self) -> Option<f64> {
        let calls = self.server.as_ref()?.syscalls.as_ref()?;
        Some(self.per_message(*calls.get("all").unwrap_or(&0)))
    }

    /// The part of a CPU that the server was busy; of several CPUs it may be more than 1.
    pub(crate) fn server_busy(&self) -> Option<f64> {
        self.server.as_ref().map(|server| ratio(server.cpu_ns as f64 / 1e9, self.seconds))
    }

    /// `count` divided by the delivered messages.
    pub(crate) fn per_message(&self, count: u64) -> f64 {
        ratio(count as f64, self.delivered as f64)
    }

    /// What is counted: events or calls.
    pub(crate) fn unit(&self) -> &'static str {
        self.scenario.kind.unit()
    }

    /// Whether the generator may be what limited the rate, and not the server.
    pub(crate) fn generator_limits(&self) -> bool {
        let server_busy = self.server.as_ref().map_or(0.0, |server| {
            // What is not known of its threads may be that of one.
            let busiest_ns = server.busiest_ns.unwrap_or(server.cpu_ns);
            ratio(busiest_ns as f64 / 1e9, self.seconds)
        });
        self.generator_busy > BUSY && server_busy < BUSY
    }
}

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "got {} of {} events, ", self.received, self.sent)?;
        match self.disconnected_after_ns {
            None => f.write_str("still connected"),
            Some(ns) => write!(f, "disconnected after {}", nanoseconds(ns as f64)),
        }
    }
}

impl json::Stored for Report {
    const NAME: &'static str = "report of connectanum-bench";
    const REMEDY: &'static str = "`pubsub` and the other loads write one with `--json FILE`";
}

/// The name of a serializer on the command line and in reports.
pub(crate) fn serializer_name(serializer: connectanum::wamp::Serializer) -> &'static str {
    use connectanum::wamp::Serializer::{Cbor, Json, MsgPack};
    match serializer {
        Json => "json",
        MsgPack => "msgpack",
        Cbor => "cbor",
    }
}

/// A quotient that is 0 where there is none.
fn ratio(a: f64, b: f64) -> f64 {
    if b > 0.0 { a / b } else { 0.0 }
}

#[cfg(test)]
impl Report {
    /// A short run that went well.
    pub(crate) fn example() -> Report {
        let kind = crate::scenario::Kind::PubSub { fanout: 1 };
        Report {
            target: "ws://127.0.0.1:8080".to_owned(),
            serializer: Some("json".to_owned()),
            machine: Machine::default(),
            ended_at: "2026-11-22T18:00:00Z".to_owned(),
            scenario: Scenario { kind, lanes: 50, window: 8, ..Scenario::default() },
            closed_loop: true,
            seconds: 2.0,
            delivered: 1000,
            total: 1200,
            rate: 500.0,
            latency_ns: Latency { p50: 26_710, max: 2_000_000, ..Latency::default() },
            generator_busy: 0.5,
            server: Some(ServerCost {
                cpu_ns: 1_000_000_000,
                user_share: Some(0.25),
                switches: 500,
                rss_bytes: 5_400_000,
                ..ServerCost::default()
            }),
            ..Report::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let mut report = Report::example();
        report.timeline = vec![Sample { at_ns: 5, delivered: 4, p50_ns: 3, p99_ns: 2, max_ns: 1 }];
        report.latencies = Distribution::example([26_000, 26_000, 2_000_000]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        std::fs::write(&path, json(&report).unwrap()).unwrap();
        assert_eq!(read::<Report>(&path).unwrap(), report);
    }
}
