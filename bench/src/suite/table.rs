//! The table that compares servers: by work and by server the median of the rounds, and the ratio to the baseline.

use std::fmt::Write;

use serde::Serialize;

use super::contender::{Baseline, Contender};
use super::host::Cpus;
use super::rounds::{Results, Rounds, Run};
use super::spread::Spread;
use super::start::{self, Start};
use super::work::{Figure, SAME_SHARD, Work};
use crate::measure::Machine;
use crate::report::{Align, Distribution, Grid, Report, nanoseconds, si, significant};

/// A comparison.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    machine: Machine,
    cpus: Cpus,
    pub(super) rounds: u32,
    seconds: f64,
    warmup_seconds: f64,
    starts: Vec<Start>,
    pub(super) works: Vec<Section>,
}

/// One work.
#[derive(Debug, Serialize)]
pub(super) struct Section {
    #[serde(flatten)]
    pub(super) work: Work,
    /// The server that the ratios refer to.
    pub(super) baseline: Option<Baseline>,
    pub(super) servers: Vec<Entry>,
}

/// One server's part in it. Latencies and CPU times are in nanoseconds.
#[derive(Debug, Serialize)]
pub(super) struct Entry {
    pub(super) name: String,
    /// The others' ratios refer to it.
    is_baseline: bool,
    /// The bar is for it.
    is_judged: bool,
    rate: Option<Spread>,
    p50_ns: Option<Spread>,
    p99_ns: Option<Spread>,
    cpu_ns: Option<Spread>,
    pub(super) p50_ratio: Option<Spread>,
    pub(super) cpu_ratio: Option<Spread>,
    /// The figure of the bar, as a multiple of that of the server which the bar names.
    pub(super) bar_ratio: Option<Spread>,
    switches: Option<Spread>,
    rss_bytes: Option<Spread>,
    /// The suite has started it, and not others.
    is_ours: bool,
    /// System calls per message.
    syscalls: Option<f64>,
    /// The generator may be what limited the rate.
    generator_limits: bool,
    /// The latencies of all rounds.
    pub(super) latencies: Distribution,
    /// The rounds, without their latencies.
    runs: Vec<Report>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counted: Option<Report>,
}

impl Table {
    /// Makes the table of what [`Rounds::run`] has brought.
    pub(crate) fn new(rounds: &Rounds, results: &[Vec<Results>]) -> Table {
        let sections = rounds.works.iter().zip(results);
        let same = sections.clone().find(|(work, _)| work.name == SAME_SHARD);
        let same = same.map_or(&[][..], |(_, results)| results);
        Table {
            machine: Machine::this(),
            cpus: rounds.cpus,
            // Fewer than were asked for, if somebody has ended it.
            rounds: results.iter().flatten().map(|results| results.runs.len() as u32).max().unwrap_or(0),
            seconds: rounds.duration.as_secs_f64(),
            warmup_seconds: rounds.warmup.as_secs_f64(),
            starts: start::starts(&rounds.contenders, results),
            works: sections
                .map(|(work, results)| Section::new(work, &rounds.contenders, results, same))
                .collect(),
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

    /// How it was measured.
    pub(super) fn head(&self) -> String {
        let mut head = format!("{}. ", self.machine);
        // Writing to a string cannot fail.
        let _ = match (self.cpus.server, self.cpus.generator) {
            (Some(server), Some(generator)) => {
                write!(head, "Servers on CPU {server}, the load generator (one thread) on CPU {generator}. ")
            }
            _ => write!(head, "Servers and load generator are not pinned and disturb each other. "),
        };
        let peers = self.peers();
        if !peers.is_empty() {
            let _ = write!(head, "Started by others, and where they chose: {}. ", peers.join(", "));
        }
        let (seconds, warmup) = (self.seconds, self.warmup_seconds);
        let _ = match self.rounds {
            1 => writeln!(head, "One round of {seconds} s, {warmup} s to warm up."),
            rounds => writeln!(
                head,
                "{rounds} rounds of {seconds} s, {warmup} s to warm up; medians, and ratios of the same round with \
                 the least and the most."
            ),
        };
        head
    }

    /// The servers that the suite has not started.
    fn peers(&self) -> Vec<&str> {
        let mut peers: Vec<&str> = Vec::new();
        for entry in self.works.iter().flat_map(|section| &section.servers) {
            if !entry.is_ours && !peers.contains(&entry.name.as_str()) {
                peers.push(&entry.name);
            }
        }
        peers
    }

    fn footnote(&self) -> &'static str {
        let mut entries = self.works.iter().flat_map(|section| &section.servers);
        if entries.any(|entry| entry.generator_limits) {
            "\\* The server had time to spare and the generator had not: the rate is the generator's.\n"
        } else {
            ""
        }
    }

    pub(super) fn grid(&self) -> Grid {
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
    pub(super) fn starts(&self) -> Grid {
        start::grid(&self.starts)
    }
}

impl Section {
    /// `same_shard` are the results by contender that [`Baseline::SameShard`] stands for.
    fn new(work: &Work, contenders: &[Contender], results: &[Results], same_shard: &[Results]) -> Section {
        let present: Vec<_> =
            contenders.iter().zip(results).filter(|(_, results)| !results.runs.is_empty()).collect();
        let baseline =
            present.iter().find_map(|(contender, results)| Some((contender.baseline()?, *results)));
        let against = present
            .iter()
            .find(|(contender, _)| work.bar.is_some_and(|bar| contender.baseline() == Some(bar.against)));
        let against = against.map(|(_, results)| *results);
        let servers = present.iter().map(|(contender, results)| {
            let mut entry = Entry::new(contender, results, baseline);
            let itself = contenders.iter().position(|it| it.to_string() == entry.name);
            entry.bar_ratio = work.bar.and_then(|bar| {
                let against = match bar.against {
                    Baseline::SameShard => same_shard.get(itself?)?,
                    _ => against?,
                };
                Spread::of_ratios(results.figures(bar.figure), against.figures(bar.figure))
            });
            entry
        });
        let servers = servers.collect();
        Section { work: work.clone(), baseline: baseline.map(|(baseline, _)| baseline), servers }
    }
}

impl Entry {
    fn new(contender: &Contender, results: &Results, baseline: Option<(Baseline, &Results)>) -> Entry {
        let runs = &results.runs;
        let spread = |figure: fn(&Run) -> Option<f64>| Spread::of(runs.iter().filter_map(figure));
        let ratio = |figure: Figure| {
            let (_, baseline) = baseline?;
            Spread::of_ratios(results.figures(figure), baseline.figures(figure))
        };
        let server = |run: &Run| run.report.server.clone();
        let counted = results.counted.clone();
        Entry {
            is_baseline: baseline.is_some_and(|(baseline, _)| Some(baseline) == contender.baseline()),
            is_judged: contender.is_judged(),
            name: contender.to_string(),
            rate: spread(|run| Some(run.report.rate)),
            p50_ns: spread(|run| Figure::P50.of(&run.report)),
            p99_ns: spread(|run| Some(run.report.latency_ns.p99 as f64)),
            cpu_ns: spread(|run| Figure::Cpu.of(&run.report)),
            p50_ratio: ratio(Figure::P50),
            cpu_ratio: ratio(Figure::Cpu),
            bar_ratio: None,
            switches: Spread::of(
                runs.iter().filter_map(|run| Some(run.report.per_message(server(run)?.switches))),
            ),
            rss_bytes: Spread::of(runs.iter().filter_map(|run| Some(server(run)?.rss_bytes as f64))),
            is_ours: runs.iter().all(|run| run.started_in.is_some()),
            syscalls: counted.as_ref().and_then(Report::syscalls_per_message),
            generator_limits: runs.iter().any(|run| run.report.generator_limits()),
            latencies: Distribution::sum(runs.iter().map(|run| &run.report.latencies)),
            runs: runs.iter().map(|run| brief(&run.report)).collect(),
            counted: counted.as_ref().map(brief),
        }
    }

    /// The cells after the work's name.
    fn cells(&self, work: &Work) -> [String; 9] {
        let shown = |spread: Option<Spread>, show: fn(f64) -> String| {
            spread.map_or_else(String::new, |spread| show(spread.median))
        };
        let ratio = |spread: Option<Spread>| match spread {
            Some(spread) if !self.is_baseline => spread.to_string(),
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
        let Some(ratio) = self.bar_ratio else { return String::new() };
        let (figure, median) = (bar.figure.name(), ratio.median);
        let (verdict, limit) = match median {
            _ if median <= bar.goal => ("goal", bar.goal),
            _ if median <= bar.limit => ("met", bar.limit),
            _ => ("missed", bar.limit),
        };
        match bar.against {
            Baseline::Relay => format!("{verdict}: {figure} ≤ {limit}"),
            // The ratio is in no other column.
            other => format!("{verdict}: {figure} {ratio} ≤ {limit} × {other}"),
        }
    }
}

impl Results {
    /// A figure, round by round.
    fn figures(&self, figure: Figure) -> impl Iterator<Item = Option<f64>> {
        self.runs.iter().map(move |run| figure.of(&run.report))
    }
}

/// A report without what is long: the table keeps the latencies of all rounds together.
fn brief(report: &Report) -> Report {
    Report { latencies: Distribution::default(), timeline: Vec::new(), ..report.clone() }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::super::work;
    use super::*;
    use crate::measure::ServerCost;
    use crate::report::Latency;

    /// A run with a median latency and a CPU time per message, both in nanoseconds.
    fn run(work: &Work, p50: u64, cpu_ns: u64) -> Run {
        let report = Report {
            scenario: work.scenario.clone(),
            latency_ns: Latency { p50, p99: 2 * p50, ..Latency::default() },
            latencies: Distribution::example([p50, 2 * p50]),
            server: Some(ServerCost { cpu_ns: cpu_ns * 1000, ..ServerCost::default() }),
            ..Report::example()
        };
        Run { report, started_in: Some(Duration::from_millis(2)), idle_rss_bytes: Some(4_000_000) }
    }

    /// Three rounds of these works, with the relay and a router that is spoken to in two ways.
    fn rounds(works: [&str; 2]) -> Rounds {
        let router = |via: &str| Contender::Router {
            program: "connectanum".into(),
            io: "epoll".to_owned(),
            via: via.parse().unwrap(),
        };
        Rounds {
            works: work::choose(&works.map(str::to_owned)).unwrap(),
            contenders: vec![Contender::Relay, router("ws+json"), router("tcp+cbor")],
            rounds: 3,
            warmup: Duration::from_millis(500),
            duration: Duration::from_secs(2),
            cpus: Cpus { server: Some(0), generator: Some(1) },
            syscalls: false,
        }
    }

    pub(in crate::suite) fn table() -> Table {
        let rounds = rounds(["pair-w1", "fanout-100"]);
        let works = &rounds.works;
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
        assert_eq!(rows[3][7..], ["1.05 (1.05–1.20)", "1.10", "goal: p50 ≤ 1.1"]);
        assert_eq!(rows[4][7..], ["1.50", "2.00", "missed: p50 ≤ 1.25"]);
        // Nothing to compare the fan-out with.
        assert_eq!(rows[5][..2], ["fanout-100", "router epoll ws+json"]);
        assert_eq!(rows[5][7..], ["", "", ""]);
        assert_eq!(
            rows.last().unwrap()[..],
            ["router epoll tcp+cbor", "2.00 ms", "goal: ≤ 20.0 ms", "4.00 MB", "goal: ≤ 6.00 MB"]
        );
    }

    #[test]
    fn the_head_says_how_it_was_measured() {
        let text = table().text();
        assert!(text.contains("Servers on CPU 0, the load generator (one thread) on CPU 1."), "{text}");
        assert!(text.contains("3 rounds of 2 s, 0.5 s to warm up"), "{text}");
    }

    #[test]
    fn fan_out_has_two_baselines() {
        let works = work::choose(&["fanout-100".to_owned()]).unwrap();
        let peer = "other=ws://127.0.0.1:1".parse().unwrap();
        let via = "ws+json".parse().unwrap();
        let router = Contender::Router { program: "connectanum".into(), io: "epoll".to_owned(), via };
        let contenders = vec![
            Contender::Fanout { subscribers: 100 },
            Contender::Nats { program: "nats-server".into() },
            router,
            Contender::Peer(peer),
        ];
        let result = |started: bool, cpu: u64| {
            let mut runs = vec![run(&works[0], 1000, cpu); 2];
            if !started {
                runs.iter_mut().for_each(|run| run.started_in = None);
            }
            Results { runs, counted: None }
        };
        let results = vec![result(true, 400), result(true, 1000), result(true, 550), result(false, 4000)];
        let rounds = Rounds {
            works: works.clone(),
            contenders,
            rounds: 2,
            warmup: Duration::ZERO,
            duration: Duration::from_secs(1),
            cpus: Cpus { server: None, generator: None },
            syscalls: false,
        };
        let table = Table::new(&rounds, &[results]);
        let lines: Vec<_> = table.works[0].servers.iter().map(|entry| entry.cells(&works[0])).collect();
        let cpu: Vec<_> = lines.iter().map(|cells| cells[7].as_str()).collect();
        assert_eq!(cpu, ["", "2.50", "1.38", "10.0"]);
        let bars: Vec<_> = lines.iter().map(|cells| cells[8].as_str()).collect();
        assert_eq!(bars, ["", "", "met: CPU 0.55 ≤ 0.6 × nats-server", ""]);
        assert!(table.text().contains("Started by others, and where they chose: other."), "{}", table.text());
        assert!(!table.starts().text().contains("other"));
    }

    #[test]
    fn another_shard_is_compared_with_the_same() {
        let rounds = Rounds { rounds: 1, ..rounds(["same-shard", "cross-shard"]) };
        let works = &rounds.works;
        let results = |work: &Work, cpus: [u64; 2]| {
            let routers = cpus.map(|cpu| Results { runs: vec![run(work, 1000, cpu)], counted: None });
            [Results::default()].into_iter().chain(routers).collect::<Vec<_>>()
        };
        let (same, cross) = (results(&works[0], [1000, 2000]), results(&works[1], [1100, 2800]));
        let table = Table::new(&rounds, &[same, cross]);
        let bars: Vec<_> = table.works[1].servers.iter().map(|entry| entry.verdict(&works[1])).collect();
        assert_eq!(bars, ["goal: CPU 1.10 ≤ 1.15 × same shard", "missed: CPU 1.40 ≤ 1.3 × same shard"]);
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
