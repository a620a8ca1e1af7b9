//! What a run has shown, as numbers: for programs (JSON), and for people ([`text()`]).

mod curve;
mod grid;
mod number;
mod text;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

pub(crate) use curve::{Curve, Point};
pub(crate) use grid::{Align, Grid};
pub(crate) use number::{bytes, nanoseconds, si, significant};
pub(crate) use text::text;

use crate::engine::Tally;
use crate::measure::{Memory, Sample, ServerCost, Stalled};
use crate::placement::Placement;
use crate::scenario::{Kind, Run, Scenario};
use crate::target::Protocol;

/// A generator that is busier than this may be what limits the rate.
const BUSY: f64 = 0.95;

/// The result of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Report {
    /// The server.
    pub(crate) target: String,
    /// How messages are written; `None` where there is no WAMP.
    pub(crate) serializer: Option<&'static str>,
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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) memory: Vec<Memory>,
    /// From the first connection until all were ready, in seconds.
    pub(crate) setup_seconds: f64,
    /// It was ended before its time.
    pub(crate) interrupted: bool,
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
            serializer: wamp.then(|| serializer_name(run.serializer)),
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
        }
    }

    /// The server's CPU time per delivered message, in nanoseconds.
    pub(crate) fn cpu_per_message(&self) -> Option<f64> {
        self.server.as_ref().map(|server| self.per_message(server.cpu_ns))
    }

    /// The server's memory for each idle session, in bytes, where there is nothing else.
    pub(crate) fn rss_per_session(&self) -> Option<f64> {
        let server = self.server.as_ref().filter(|_| self.scenario.kind == Kind::Idle)?;
        let grown = server.rss_bytes.saturating_sub(server.rss_before_bytes);
        Some(ratio(grown as f64, f64::from(self.scenario.idle.sessions)))
    }

    /// The server's system calls per delivered message, if they were counted.
    pub(crate) fn syscalls_per_message(&self) -> Option<f64> {
        let calls = self.server.as_ref()?.syscalls.as_ref()?;
        Some(self.per_message(*calls.get("all").unwrap_or(&0)))
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
