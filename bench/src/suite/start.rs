//! What servers need before anybody connects.

use serde::Serialize;

use super::contender::Contender;
use super::rounds::{Results, Run};
use super::spread::Spread;
use crate::report::{Align, Grid, bytes, nanoseconds};

/// How soon a router has to listen, in nanoseconds, and how soon it would be good.
const LISTENS: Limits = Limits { limit: 50e6, goal: 20e6 };

/// How much memory it may have then, in bytes.
const MEMORY: Limits = Limits { limit: 10e6, goal: 6e6 };

struct Limits {
    limit: f64,
    goal: f64,
}

/// One server, over all its starts.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Start {
    name: String,
    /// The limits are for it.
    is_judged: bool,
    /// From the start of the process until it listened.
    started_ns: Spread,
    /// Its memory then.
    idle_rss_bytes: Option<Spread>,
}

/// Of all servers that the suite has started, by work and by contender as the results are.
pub(super) fn starts(contenders: &[Contender], results: &[Vec<Results>]) -> Vec<Start> {
    let mut starts: Vec<Start> = Vec::new();
    for (index, contender) in contenders.iter().enumerate() {
        let runs = || results.iter().filter_map(|work| work.get(index)).flat_map(|it| &it.runs);
        let name = contender.to_string();
        let of = |figure: fn(&Run) -> Option<f64>| Spread::of(runs().filter_map(figure));
        let started = of(|run| Some(run.started_in?.as_nanos() as f64));
        if let Some(started_ns) = started.filter(|_| starts.iter().all(|start| start.name != name)) {
            let idle_rss_bytes = of(|run| Some(run.idle_rss_bytes? as f64));
            starts.push(Start { name, is_judged: contender.is_judged(), started_ns, idle_rss_bytes });
        }
    }
    starts
}

/// The table.
pub(super) fn grid(starts: &[Start]) -> Grid {
    use Align::{Left, Right};
    let columns =
        [("server", Left), ("start to listening", Right), ("", Left), ("RSS idle", Right), ("", Left)];
    let mut grid = Grid::new(&columns);
    for Start { name, is_judged, started_ns, idle_rss_bytes } in starts {
        let verdict = |limits: Limits, value: Spread, show: fn(f64) -> String| {
            if *is_judged { limits.verdict(value.median, show) } else { String::new() }
        };
        let size = |it: f64| bytes(it as u64);
        grid.row([
            name.clone(),
            nanoseconds(started_ns.median),
            verdict(LISTENS, *started_ns, nanoseconds),
            idle_rss_bytes.map_or_else(String::new, |it| size(it.median)),
            idle_rss_bytes.map_or_else(String::new, |it| verdict(MEMORY, it, size)),
        ]);
    }
    grid
}

impl Limits {
    fn verdict(&self, value: f64, show: fn(f64) -> String) -> String {
        match value {
            _ if value <= self.goal => format!("goal: ≤ {}", show(self.goal)),
            _ if value <= self.limit => format!("met: ≤ {}", show(self.limit)),
            _ => format!("missed: ≤ {}", show(self.limit)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::Report;

    #[test]
    fn over_all_works() {
        let router = Contender::Router {
            program: "connectanum".into(),
            io: "epoll".to_owned(),
            via: "ws+json".parse().unwrap(),
        };
        let peer = Contender::Peer("other=ws://127.0.0.1:1".parse().unwrap());
        let run = |started: Option<u64>, rss| Run {
            report: Report::example(),
            started_in: started.map(Duration::from_millis),
            idle_rss_bytes: rss,
        };
        let results = |runs: Vec<Run>| Results { runs, counted: None };
        let work = |relay, router| {
            vec![
                results(vec![run(Some(relay), Some(3_000_000))]),
                results(vec![run(Some(router), Some(7_000_000))]),
                results(vec![run(None, None)]),
            ]
        };
        let works = [work(1, 10), work(3, 90), work(2, 30)];
        let starts = starts(&[Contender::Relay, router, peer], &works);
        let text = grid(&starts).text();
        let rows: Vec<Vec<&str>> = text
            .lines()
            .skip(2)
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
            .collect();
        assert_eq!(rows[0], ["raw relay", "2.00 ms", "3.00 MB"]);
        assert_eq!(
            rows[1],
            ["router epoll ws+json", "30.0 ms", "met: ≤ 50.0 ms", "7.00 MB", "met: ≤ 10.0 MB"]
        );
        assert_eq!(rows.len(), 2, "nobody has seen the peer start");
        assert_eq!(LISTENS.verdict(20e6, nanoseconds), "goal: ≤ 20.0 ms");
        assert_eq!(LISTENS.verdict(51e6, nanoseconds), "missed: ≤ 50.0 ms");
    }
}
