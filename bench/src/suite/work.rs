//! The work that servers are compared by, and how good is good enough.

use serde::Serialize;

use super::SuiteError;
use super::contender::Baseline;
use crate::placement::Place;
use crate::report::Report;
use crate::scenario::{Kind, Scenario};

/// The work that [`Baseline::SameShard`] stands for.
pub(super) const SAME_SHARD: &str = "same-shard";

/// A load with a name.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Work {
    /// As it is chosen on the command line.
    pub(crate) name: &'static str,
    /// The load.
    pub(crate) scenario: Scenario,
    /// Between which shards of a router with two; only such a router can do it then.
    pub(crate) place: Option<Place>,
    /// What a router has to reach.
    pub(crate) bar: Option<Bar>,
}

/// A figure, as a multiple of that of a baseline.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Bar {
    /// What counts.
    pub(crate) figure: Figure,
    /// Whose figure it is compared with.
    pub(crate) against: Baseline,
    /// What has to be met.
    pub(crate) limit: f64,
    /// What is hoped for.
    pub(crate) goal: f64,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Figure {
    /// The median latency.
    P50,
    /// The server's CPU time per delivered message.
    Cpu,
}

impl Figure {
    /// What it is called in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Figure::P50 => "p50",
            Figure::Cpu => "CPU",
        }
    }

    /// Its value in a run.
    pub(crate) fn of(self, report: &Report) -> Option<f64> {
        match self {
            Figure::P50 => Some(report.latency_ns.p50 as f64),
            Figure::Cpu => report.cpu_per_message(),
        }
    }
}

/// The works with these names; all if there are none.
///
/// # Errors
/// A name that no work has.
pub(crate) fn choose(names: &[String]) -> Result<Vec<Work>, SuiteError> {
    let all = all();
    if let Some(unknown) = names.iter().find(|name| all.iter().all(|work| work.name != **name)) {
        let known: Vec<_> = all.iter().map(|work| work.name).collect();
        return Err(SuiteError::Work(unknown.clone(), known.join(", ")));
    }
    let chosen = |work: &Work| names.is_empty() || names.iter().any(|name| name == work.name);
    Ok(all.into_iter().filter(chosen).collect())
}

/// All of it, in the order of the table. Calls are compared with the relay as well: call and result pass it once
/// each, which makes two of its round trips.
pub(super) fn all() -> Vec<Work> {
    let pairs = |lanes, window| (Kind::PubSub { fanout: 1 }, lanes, window, 64);
    let fanout = |fanout| (Kind::PubSub { fanout }, 1, 1, 64);
    let rpc = |window| (Kind::Rpc, 1, window, 64);
    let large = (Kind::PubSub { fanout: 1 }, 1, 16, 16 * 1024);
    let bar = |figure, limit, goal| Some(Bar { figure, against: Baseline::Relay, limit, goal });
    let nats = |limit, goal| Some(Bar { figure: Figure::Cpu, against: Baseline::Nats, limit, goal });
    let across = Some(Bar { figure: Figure::Cpu, against: Baseline::SameShard, limit: 1.3, goal: 1.15 });
    let works = [
        ("pair-w1", pairs(1, 1), bar(Figure::P50, 1.25, 1.10)),
        ("pair-w64", pairs(1, 64), bar(Figure::Cpu, 3.0, 2.0)),
        ("pairs50-w1", pairs(50, 1), bar(Figure::Cpu, 1.3, 1.05)),
        ("pairs50-w8", pairs(50, 8), bar(Figure::Cpu, 1.8, 1.4)),
        ("fanout-100", fanout(100), nats(0.6, 0.5)),
        ("fanout-1000", fanout(1000), nats(0.6, 0.5)),
        ("payload-16k", large, bar(Figure::Cpu, 2.0, 1.4)),
        ("rpc-w1", rpc(1), bar(Figure::P50, 1.25, 1.1)),
        ("rpc-w64", rpc(64), None),
        (SAME_SHARD, pairs(8, 8), None),
        ("cross-shard", pairs(8, 8), across),
    ];
    let work = |(name, (kind, lanes, window, payload_bytes), bar)| {
        let scenario = Scenario { kind, lanes, window, payload_bytes, ..Scenario::default() };
        let place = match name {
            SAME_SHARD => Some(Place::Same),
            "cross-shard" => Some(Place::Cross),
            _ => None,
        };
        Work { name, scenario, place, bar }
    };
    works.into_iter().map(work).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_by_name_in_the_order_of_the_table() {
        let names = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            choose(&names).map(|works| works.iter().map(|work| work.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).unwrap().len(), 11);
        assert_eq!(names(&["rpc-w1", "pair-w1"]).unwrap(), ["pair-w1", "rpc-w1"]);
        let error = names(&["pair"]).unwrap_err().to_string();
        assert!(error.starts_with("no work is called `pair`; there are pair-w1, pair-w64,"), "{error}");
    }
}
