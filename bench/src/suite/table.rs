//! The table that compares servers: by work and by server the median of the rounds, and the ratio to the baseline.

use std::fmt::Write;

use serde::Serialize;

use super::contender::Contender;
use super::host::{Cpus, Machine};
use super::rounds::{Results, Rounds, Run};
use super::spread::Spread;
use super::work::{Figure, Work};
use crate::report::{Align, Grid, Report, bytes, nanoseconds, si, significant};

/// A comparison.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    machine: Machine,
    cpus: Cpus,
    rounds: u32,
    seconds: f64,
    warmup_seconds: f64,
    works: Vec<Section>,
}

/// One work.
#[derive(Debug, Serialize)]
struct Section {
    #[serde(flatten)]
    work: Work,
    /// The server that the ratios refer to.
    baseline: Option<String>,
    servers: Vec<Entry>,
}

/// One server's part in it. Latencies and CPU times are in nanoseconds.
#[derive(Debug, Serialize)]
struct Entry {
    name: String,
    /// The others' ratios refer to it.
    is_baseline: bool,
    /// The bar is for it.
    is_judged: bool,
    rate: Option<Spread>,
    p50_ns: Option<Spread>,
    p99_ns: Option<Spread>,
    cpu_ns: Option<Spread>,
    p50_ratio: Option<Spread>,
    cpu_ratio: Option<Spread>,
    switches: Option<Spread>,
    rss_bytes: Option<Spread>,
    idle_rss_bytes: Option<Spread>,
    started_ns: Option<Spread>,
    /// System calls per message.
    syscalls: Option<f64>,
    /// The generator may be what limited the rate.
    generator_limits: bool,
    runs: Vec<Report>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counted: Option<Report>,
}

impl Table {
    /// Makes the table of what [`Rounds::run`] has brought.
    pub(crate) fn new(rounds: &Rounds, results: &[Vec<Results>]) -> Table {
        let sections = rounds.works.iter().zip(results);
        Table {
            machine: Machine::this(),
            cpus: rounds.cpus,
            rounds: rounds.rounds,
            seconds: rounds.duration.as_secs_f64(),
            warmup_seconds: rounds.warmup.as_secs_f64(),
            works: sections.map(|(work, results)| Section::new(work, &rounds.contenders, results)).collect(),
        }
    }

    /// For a terminal.
    pub(crate) fn text(&self) -> String {
        [self.head(), self.grid().text() + self.footnote(), self.starts().text()].join("\n")
    }

    /// For a page.
    pub(crate) fn markdown(&self) -> String {
        let mut parts = vec![self.head(), self.grid().markdown(), self.starts().markdown()];
        if !self.footnote().is_empty() {
            parts.insert(2, self.footnote().to_owned());
        }
        parts.join("\n")
    }

    fn head(&self) -> String {
        let mut head = format!("{}. ", self.machine);
        // Writing to a string cannot fail.
        let _ = match (self.cpus.server, self.cpus.generator) {
            (Some(server), Some(generator)) => {
                write!(head, "Servers on CPU {server}, the load generator (one thread) on CPU {generator}. ")
            }
            _ => write!(head, "Servers and load generator are not pinned and disturb each other. "),
        };
        let _ = writeln!(
            head,
            "{} rounds of {} s, {} s to warm up; medians, and ratios of the same round with the least and the most.",
            self.rounds, self.seconds, self.warmup_seconds
        );
        head
    }

    fn footnote(&self) -> &'static str {
        let mut entries = self.works.iter().flat_map(|section| &section.servers);
        if entries.any(|entry| entry.generator_limits) {
            "\\* The server had time to spare and the generator had not: the rate is the generator's.\n"
        } else {
            ""
        }
    }

    fn grid(&self) -> Grid {
        use Align::{Left, Right};
        let mut grid = Grid::new(&[
            ("work", Left),
            ("server", Left),
            ("msg/s", Right),
            ("p50", Right),
            ("p99", Right),
            ("CPU/msg", Right),
            ("calls/msg", Right),
            ("p50 ÷ baseline", Left),
            ("CPU ÷ baseline", Left),
            ("bar", Left),
        ]);
        for (i, section) in self.works.iter().enumerate() {
            if i > 0 {
                grid.rule();
            }
            for (i, entry) in section.servers.iter().enumerate() {
                let name = if i == 0 { section.work.name.to_owned() } else { String::new() };
                grid.row([name].into_iter().chain(entry.cells(&section.work)));
            }
        }
        grid
    }

    /// What servers need before anybody connects.
    fn starts(&self) -> Grid {
        let mut grid = Grid::new(&[
            ("server", Align::Left),
            ("start to listening", Align::Right),
            ("RSS idle", Align::Right),
        ]);
        let mut seen: Vec<&str> = Vec::new();
        for entry in self.works.iter().flat_map(|section| &section.servers) {
            if !seen.contains(&entry.name.as_str()) {
                seen.push(&entry.name);
                let started = entry.started_ns.map_or_else(String::new, |it| nanoseconds(it.median));
                let rss = entry.idle_rss_bytes.map_or_else(String::new, |it| bytes(it.median as u64));
                grid.row([entry.name.clone(), started, rss]);
            }
        }
        grid
    }
}

impl Section {
    fn new(work: &Work, contenders: &[Contender], results: &[Results]) -> Section {
        let present = || contenders.iter().zip(results).filter(|(_, results)| !results.runs.is_empty());
        let baseline = present().find(|(contender, _)| contender.is_baseline());
        let baseline = baseline.map(|(contender, results)| (contender.to_string(), results));
        let entry = |(contender, results)| Entry::new(contender, results, baseline.as_ref());
        let servers = present().map(entry).collect();
        Section { work: work.clone(), baseline: baseline.as_ref().map(|(name, _)| name.clone()), servers }
    }
}

impl Entry {
    fn new(contender: &Contender, results: &Results, baseline: Option<&(String, &Results)>) -> Entry {
        let name = contender.to_string();
        let runs = &results.runs;
        let spread = |figure: fn(&Run) -> Option<f64>| Spread::of(runs.iter().filter_map(figure));
        let ratio = |figure: Figure| {
            let of = move |run: &Run| figure.of(&run.report);
            let (_, baseline) = baseline?;
            Spread::of_ratios(runs.iter().map(of), baseline.runs.iter().map(of))
        };
        let server = |run: &Run| run.report.server.clone();
        let counted = results.counted.clone();
        Entry {
            is_baseline: baseline.is_some_and(|(baseline, _)| *baseline == name),
            is_judged: !contender.is_baseline(),
            name,
            rate: spread(|run| Some(run.report.rate)),
            p50_ns: spread(|run| Figure::P50.of(&run.report)),
            p99_ns: spread(|run| Some(run.report.latency_ns.p99 as f64)),
            cpu_ns: spread(|run| Figure::Cpu.of(&run.report)),
            p50_ratio: ratio(Figure::P50),
            cpu_ratio: ratio(Figure::Cpu),
            switches: Spread::of(
                runs.iter().filter_map(|run| Some(run.report.per_message(server(run)?.switches))),
            ),
            rss_bytes: Spread::of(runs.iter().filter_map(|run| Some(server(run)?.rss_bytes as f64))),
            idle_rss_bytes: spread(|run| Some(run.idle_rss_bytes as f64)),
            started_ns: spread(|run| Some(run.started_in.as_nanos() as f64)),
            syscalls: counted.as_ref().and_then(Report::syscalls_per_message),
            generator_limits: runs.iter().any(|run| run.report.generator_limits()),
            runs: runs.iter().map(|run| run.report.clone()).collect(),
            counted,
        }
    }

    /// The cells after the work's name.
    fn cells(&self, work: &Work) -> [String; 9] {
        let shown = |spread: Option<Spread>, show: fn(f64) -> String| {
            spread.map_or_else(String::new, |spread| show(spread.median))
        };
        let ratio = |spread: Option<Spread>| match spread {
            Some(Spread { median, min, max }) if !self.is_baseline => {
                format!("{} ({}–{})", significant(median), significant(min), significant(max))
            }
            _ => String::new(),
        };
        let limited = if self.generator_limits { "*" } else { "" };
        [
            self.name.clone(),
            shown(self.rate, si) + limited,
            shown(self.p50_ns, nanoseconds),
            shown(self.p99_ns, nanoseconds),
            shown(self.cpu_ns, nanoseconds),
            self.syscalls.map_or_else(String::new, significant),
            ratio(self.p50_ratio),
            ratio(self.cpu_ratio),
            self.verdict(work),
        ]
    }

    /// Whether the bar is met.
    fn verdict(&self, work: &Work) -> String {
        let Some(bar) = work.bar.filter(|_| self.is_judged) else { return String::new() };
        let (ratio, figure) = match bar.figure {
            Figure::P50 => (self.p50_ratio, "p50"),
            Figure::Cpu => (self.cpu_ratio, "CPU"),
        };
        let Some(Spread { median, .. }) = ratio else { return String::new() };
        match median {
            _ if median <= bar.goal => format!("goal: {figure} ≤ {}", bar.goal),
            _ if median <= bar.limit => format!("met: {figure} ≤ {}", bar.limit),
            _ => format!("missed: {figure} ≤ {}", bar.limit),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::work;
    use super::*;
    use crate::measure::ServerCost;
    use crate::report::Latency;

    /// A run with a median latency and a CPU time per message, both in nanoseconds.
    fn run(work: &Work, p50: u64, cpu_ns: u64) -> Run {
        let report = Report {
            target: "tcp://127.0.0.1:1".to_owned(),
            serializer: None,
            scenario: work.scenario.clone(),
            closed_loop: true,
            seconds: 2.0,
            delivered: 1000,
            total: 1000,
            rate: 500.0,
            latency_ns: Latency { p50, p99: 2 * p50, ..Latency::default() },
            generator_busy: 0.5,
            server: Some(ServerCost { cpu_ns: cpu_ns * 1000, ..ServerCost::default() }),
            ..Report::default()
        };
        Run { report, started_in: Duration::from_millis(2), idle_rss_bytes: 4_000_000 }
    }

    fn table() -> Table {
        let works = work::choose(&["pair-w1".to_owned(), "fanout-100".to_owned()]).unwrap();
        let router = |via: &str| Contender::Router {
            program: "connectanum".into(),
            io: "epoll".to_owned(),
            via: via.parse().unwrap(),
        };
        let rounds = Rounds {
            works: works.clone(),
            contenders: vec![Contender::Relay, router("ws+json"), router("tcp+cbor")],
            rounds: 3,
            warmup: Duration::from_millis(500),
            duration: Duration::from_secs(2),
            cpus: Cpus { server: Some(0), generator: Some(1) },
            syscalls: false,
        };
        let results = |work: &Work, figures: &[(u64, u64)]| Results {
            runs: figures.iter().map(|&(p50, cpu)| run(work, p50, cpu)).collect(),
            counted: None,
        };
        let pair = &works[0];
        // The machine is twice as slow in the second round: the ratios do not see it.
        let pairs = vec![
            results(pair, &[(20_000, 10_000), (40_000, 20_000), (20_000, 10_000)]),
            results(pair, &[(21_000, 11_000), (42_000, 22_000), (24_000, 11_000)]),
            results(pair, &[(30_000, 20_000), (60_000, 40_000), (30_000, 20_000)]),
        ];
        let fanouts =
            vec![Results::default(), results(&works[1], &[(5000, 700)]), results(&works[1], &[(5000, 700)])];
        Table::new(&rounds, &[pairs, fanouts])
    }

    #[test]
    fn rows() {
        let table = table().markdown();
        let rows: Vec<Vec<&str>> = table
            .lines()
            .filter(|line| line.starts_with("| "))
            .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
            .collect();
        let relay = ["pair-w1", "raw relay", "500", "20.0 µs", "40.0 µs", "10.0 µs", "", "", "", ""];
        assert_eq!(rows[2], relay);
        assert_eq!(rows[3][..3], ["", "router epoll ws+json", "500"]);
        assert_eq!(rows[3][7..], ["1.05 (1.05–1.20)", "1.10 (1.10–1.10)", "goal: p50 ≤ 1.1"]);
        assert_eq!(rows[4][7..], ["1.50 (1.50–1.50)", "2.00 (2.00–2.00)", "missed: p50 ≤ 1.25"]);
        // Nothing to compare the fan-out with.
        assert_eq!(rows[5][..2], ["fanout-100", "router epoll ws+json"]);
        assert_eq!(rows[5][7..], ["", "", ""]);
        assert_eq!(rows.last().unwrap()[..], ["router epoll tcp+cbor", "2.00 ms", "4.00 MB"]);
    }

    #[test]
    fn the_head_says_how_it_was_measured() {
        let text = table().text();
        assert!(text.contains("Servers on CPU 0, the load generator (one thread) on CPU 1."), "{text}");
        assert!(text.contains("3 rounds of 2 s, 0.5 s to warm up"), "{text}");
    }

    #[test]
    fn programs_get_every_run() {
        let json = serde_json::to_value(table()).unwrap();
        assert_eq!(json["works"][0]["servers"][1]["p50_ratio"]["median"], 1.05);
        assert_eq!(json["works"][0]["servers"][1]["runs"][2]["latency_ns"]["p50"], 24_000);
        assert_eq!(json["works"][0]["name"], "pair-w1");
        assert!(json["works"][1]["baseline"].is_null());
    }
}
