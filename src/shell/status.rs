//! What a running router is and has done, in numbers: [`Handle::status`], and as the text that Prometheus reads. The shards are asked
//! when somebody wants to know, so that numbers cost nothing before.

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::time::{Duration, Instant};

use super::reload::Order;
use super::shared::{Counters, Handle};
use crate::limits::Limited;
use crate::router::{Census, ShardId};

/// How long a shard may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a router is and has done.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// By shard.
    pub shards: Vec<ShardStatus>,
    /// Realms that clients can join.
    pub realms: usize,
    /// How often limits were met, on all shards together.
    pub limited: Limited,
    /// Configurations that it has gone over to while it ran.
    pub reloads: u64,
    /// Those that it has refused.
    pub reloads_refused: u64,
    /// How long it has been running.
    pub uptime: Duration,
    /// The date of the start: seconds since 1970.
    pub started: f64,
    /// Memory of the process, in bytes, where the system tells.
    pub resident_bytes: Option<u64>,
}

/// What a shard is and has done.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShardStatus {
    /// What it holds.
    pub census: Census,
    /// What it has done.
    pub counters: Counters,
    /// How often limits were met.
    pub limited: Limited,
    /// Realms that clients can join.
    pub realms: usize,
}

impl Handle {
    /// Asks all shards. `None`: the router does not run, or a shard does not answer in time.
    pub fn status(&self) -> Option<Status> {
        let shared = &self.0;
        let shards = shared.bells.len();
        let (sender, answers) = crossbeam_channel::bounded(shards);
        for shard in (0..shards as u16).map(ShardId) {
            shared.order(shard, Order::Status(sender.clone()));
        }
        drop(sender);
        let deadline = Instant::now() + PATIENCE;
        let mut all = vec![None; shards];
        for _ in 0..shards {
            let (ShardId(shard), status): (_, ShardStatus) = answers.recv_deadline(deadline).ok()?;
            *all.get_mut(usize::from(shard))? = Some(status);
        }
        let shards = all.into_iter().collect::<Option<Vec<_>>>()?;
        let mut limited = Limited::default();
        shards.iter().for_each(|shard| limited += shard.limited);
        let (reloads, reloads_refused) = shared.reloads();
        Some(Status {
            // All have the same.
            realms: shards.first()?.realms,
            shards,
            limited,
            reloads,
            reloads_refused,
            uptime: shared.uptime(),
            started: shared.started().0 as f64 / 1000.0,
            resident_bytes: resident_bytes(),
        })
    }
}

/// What the system says that this process has in memory.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// A metric that each shard has: its name, what it is, and where it comes from.
type OfShard = (&'static str, &'static str, fn(&ShardStatus) -> u64);

const GAUGES: [OfShard; 7] = [
    ("connections", "Connections that are open.", |it| it.census.connections as u64),
    ("sessions", "Sessions that are established.", |it| it.census.sessions as u64),
    ("authenticating", "Clients that are authenticating.", |it| it.census.handshakes as u64),
    ("pending_calls", "Calls that wait for their answer.", |it| it.census.calls as u64),
    ("pending_invocations", "Invocations that callees have not answered.", |it| it.census.invocations as u64),
    ("waiting_calls", "Calls that wait for a callee to be free.", |it| it.census.waiting_calls as u64),
    ("mesh_waiting_bytes", "Bytes that wait to go to other shards.", |it| {
        it.census.mesh_waiting_bytes as u64
    }),
];

const COUNTERS: [OfShard; 11] = [
    ("connections_accepted_total", "Connections that were accepted.", |it| it.counters.accepted),
    ("connections_handed_over_total", "Those of them that another shard got.", |it| it.counters.handed_over),
    ("tls_handshakes_total", "TLS handshakes that were completed.", |it| it.counters.tls_handshakes),
    ("tls_resumed_total", "Those of them that resumed an earlier session.", |it| it.counters.tls_resumed),
    ("tls_failed_total", "TLS handshakes that have failed.", |it| it.counters.tls_failed),
    ("events_received_total", "EVENT_RECEIVED messages of clients.", |it| it.counters.events_received),
    ("reads_total", "Reads that brought bytes.", |it| it.counters.reads),
    ("writes_total", "Writes that took bytes.", |it| it.counters.writes),
    ("mesh_messages_received_total", "Messages from other shards.", |it| it.counters.mesh_received),
    ("wakes_total", "Sleeping shards that were woken.", |it| it.counters.wakes),
    ("turns_total", "Turns of the loop.", |it| it.counters.turns),
];

/// The text format of Prometheus, version 0.0.4.
impl Display for Status {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let version = env!("CARGO_PKG_VERSION");
        head(f, "connectanum_build_info", "gauge", "The version that runs.")?;
        writeln!(f, "connectanum_build_info{{version=\"{version}\"}} 1")?;
        one(f, "process_start_time_seconds", "gauge", "When it was started, since 1970.", self.started)?;
        let uptime = self.uptime.as_millis() as f64 / 1000.0;
        one(f, "connectanum_uptime_seconds", "gauge", "How long it has been running.", uptime)?;
        if let Some(bytes) = self.resident_bytes {
            one(f, "process_resident_memory_bytes", "gauge", "Memory of the process.", bytes)?;
        }
        one(f, "connectanum_shards", "gauge", "Shards, one thread each.", self.shards.len())?;
        one(f, "connectanum_realms", "gauge", "Realms that clients can join.", self.realms)?;
        // Shards have copies of each other's tables.
        let most = |of: fn(&Census) -> usize| self.shards.iter().map(|it| of(&it.census)).max().unwrap_or(0);
        one(f, "connectanum_topics", "gauge", "Topics and patterns with subscribers.", most(|it| it.topics))?;
        let registrations = most(|it| it.registrations);
        one(f, "connectanum_registrations", "gauge", "Procedures and patterns with callees.", registrations)?;
        head(f, "connectanum_reloads_total", "counter", "Configurations that came while it ran.")?;
        writeln!(f, "connectanum_reloads_total{{result=\"adopted\"}} {}", self.reloads)?;
        writeln!(f, "connectanum_reloads_total{{result=\"refused\"}} {}", self.reloads_refused)?;
        head(f, "connectanum_limit_reached_total", "counter", "How often a limit was met, by its key.")?;
        for (limit, count) in self.limited.each() {
            writeln!(f, "connectanum_limit_reached_total{{limit=\"{limit}\"}} {count}")?;
        }
        let gauges = GAUGES.iter().map(|metric| ("gauge", metric));
        for (kind, (name, help, value)) in gauges.chain(COUNTERS.iter().map(|metric| ("counter", metric))) {
            head(f, &format!("connectanum_{name}"), kind, help)?;
            for (i, shard) in self.shards.iter().enumerate() {
                writeln!(f, "connectanum_{name}{{shard=\"{i}\"}} {}", value(shard))?;
            }
        }
        Ok(())
    }
}

fn head(f: &mut Formatter<'_>, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(f, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

fn one(f: &mut Formatter<'_>, name: &str, kind: &str, help: &str, value: impl Display) -> fmt::Result {
    head(f, name, kind, help)?;
    writeln!(f, "{name} {value}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::limits::LIMITS;

    const MANUAL: &str = include_str!("../../docs/METRICS.md");

    fn status() -> Status {
        let mut limited = Limited { origins: 7, ..Limited::default() };
        limited += Limited { origins: 1, uri_bytes_max: 3, ..Limited::default() };
        let census = |sessions, topics| Census { sessions, topics, ..Census::default() };
        let shard = |census| ShardStatus { census, ..ShardStatus::default() };
        let shards = vec![shard(census(5, 2)), shard(census(0, 3))];
        let uptime = Duration::from_millis(1500);
        Status { shards, limited, uptime, resident_bytes: Some(4096), ..Status::default() }
    }

    #[test]
    fn values_and_their_labels() {
        let text = status().to_string();
        for line in [
            "connectanum_sessions{shard=\"0\"} 5\nconnectanum_sessions{shard=\"1\"} 0\n",
            "# HELP connectanum_topics Topics and patterns with subscribers.\n# TYPE connectanum_topics gauge\n\
             connectanum_topics 3\n",
            "connectanum_limit_reached_total{limit=\"uri_bytes_max\"} 3\n",
            "connectanum_limit_reached_total{limit=\"origins\"} 8\n",
            "connectanum_uptime_seconds 1.5\n",
            "process_resident_memory_bytes 4096\n",
            concat!("connectanum_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1\n"),
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }

    /// Each family has HELP, TYPE and then its samples, and comes once; counters end in `_total`.
    #[test]
    fn the_text_keeps_to_its_format() {
        let text = status().to_string();
        let mut seen = BTreeSet::new();
        let mut family = "";
        let mut kind = "";
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                family = rest.split(' ').next().unwrap_or_default();
                kind = "";
                assert!(seen.insert(family), "{family} comes twice");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, what) = rest.split_once(' ').expect("a type");
                assert_eq!((name, kind), (family, ""));
                kind = what;
                assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
            } else {
                let (name, value) = line.rsplit_once(' ').expect("a sample");
                assert_eq!(name.split('{').next(), Some(family));
                assert!(!kind.is_empty() && value.parse::<f64>().is_ok(), "{line}");
            }
        }
        assert!(seen.len() > 25 && text.ends_with('\n'), "{text}");
    }

    /// Whoever adds a limit has to count it (or it does not compile), and to say what clients see of it.
    #[test]
    fn every_limit_has_its_metric_and_its_row() {
        let text = status().to_string();
        let counted = Limited::default();
        let names = LIMITS.iter().map(|key| key.name).chain(counted.each().map(|(name, _)| name));
        for name in names {
            let sample = format!("connectanum_limit_reached_total{{limit=\"{name}\"}} ");
            assert!(text.contains(&sample), "there is no metric for {name}");
            let row = MANUAL.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
            let row = row.unwrap_or_else(|| panic!("docs/METRICS.md has no row for {name}"));
            let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
            assert!(cells.len() == 3 && cells.iter().all(|cell| cell.trim().len() > 3), "{row}");
        }
        for (name, _) in Limited::default().each() {
            let fixed = ["origins", "queue", "on_demand"];
            let is_key = LIMITS.iter().any(|key| key.name == name);
            assert!(is_key != fixed.contains(&name), "{name}");
        }
    }

    #[test]
    fn every_metric_is_in_the_manual_and_no_other() {
        let text = status().to_string();
        let there: BTreeSet<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        let named: BTreeSet<&str> = MANUAL
            .lines()
            .filter_map(|line| line.strip_prefix("| `"))
            .filter(|line| line.starts_with("connectanum_") || line.starts_with("process_"))
            .filter_map(|line| line.split(['`', '{']).next())
            .collect();
        assert_eq!(there, named);
    }
}
