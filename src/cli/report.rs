//! What the program tells about itself: short blocks of a name and a text per line.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::SystemTime;

use connectanum::config::{RealmConfig, ServeConfig, Spin};
use connectanum::http::METRICS_PATH;
use connectanum::limits::{Limits, memory_parts};
use connectanum::shell::{Address, CertificateFacts, Summary};

/// A block of lines, each a name and a text.
pub(super) struct Block(String);

impl Block {
    pub(super) fn new(title: &str) -> Self {
        Block(format!("{title}\n"))
    }

    /// Adds a line for each text; only the first shows the name.
    pub(super) fn lines<T: ToString>(mut self, name: &str, texts: impl IntoIterator<Item = T>) -> Self {
        for (i, text) in texts.into_iter().enumerate() {
            let name = if i == 0 { name } else { "" };
            // Writing to a string cannot fail.
            let _ = writeln!(self.0, "  {name:10} {}", text.to_string());
        }
        self
    }

    pub(super) fn line(self, name: &str, text: impl ToString) -> Self {
        self.lines(name, [text])
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// What a configuration means.
pub(super) fn config(
    title: &str,
    config: &ServeConfig,
    certificates: &[CertificateFacts],
    memory_bytes: Option<u64>,
) -> String {
    Block::new(title)
        .lines("listen", &config.listen)
        .lines("tls", tls(certificates))
        .line("realms", realms(&config.router.realms))
        .line("shards", config.shards)
        .line("io", spinning(config.io.to_string(), config.spin))
        .line("log", &config.log)
        .lines("control", config.control.iter().map(|path| path.display()))
        .lines("metrics", &config.metrics)
        .lines("limits", limits(&config.router.limits, &Machine { open_files: None, memory_bytes }))
        .finish()
}

/// What is known of the machine.
pub(super) struct Machine {
    /// How many files the router may open.
    pub(super) open_files: Option<u64>,
    pub(super) memory_bytes: Option<u64>,
}

/// What was decided when the router started.
pub(super) fn start(
    summary: &Summary,
    realms: &[RealmConfig],
    certificates: &[CertificateFacts],
    metrics: &[Address],
    machine: &Machine,
) -> String {
    let takes = |address: &Address| match address {
        Address::Tcp { declared, .. } if declared.is_secure() => {
            format!("{address} (WebSocket, RawSocket, HTTP; all over TLS)")
        }
        _ => format!("{address} (WebSocket, RawSocket, HTTP)"),
    };
    let tcp = summary.addresses.iter().find_map(|address| match address {
        Address::Tcp { addr, declared } => {
            Some((if declared.is_secure() { "s" } else { "" }, reachable(*addr)))
        }
        Address::Unix { .. } => None,
    });
    Block::new(concat!("Connectanum ", env!("CARGO_PKG_VERSION")))
        .lines("listening", summary.addresses.iter().map(takes))
        .lines("clients", tcp.map(|(s, addr)| format!("ws{s}://{addr}/ws")))
        .lines("demo page", tcp.map(|(s, addr)| format!("http{s}://{addr}/")))
        .lines("metrics", metrics.iter().map(|address| format!("{address} (HTTP, {METRICS_PATH})")))
        .lines("tls", tls(certificates))
        .line("realms", self::realms(realms))
        .line("shards", shards(&summary.shards))
        .line("io", spinning(format!("{}: {}", summary.io, summary.io_reason), summary.spin))
        .lines("limits", limits(&summary.limits, machine))
        .line("stop", "press Ctrl-C")
        .finish()
}

/// The certificates, with what is wrong with them.
fn tls(certificates: &[CertificateFacts]) -> impl Iterator<Item = String> {
    let now = SystemTime::now();
    certificates.iter().map(move |facts| match facts.fault(now) {
        Some(fault) => format!("{facts} (warning: {fault})"),
        None => facts.to_string(),
    })
}

/// How the sockets are driven; spinning is worth a word only if there is any.
fn spinning(io: String, spin: Spin) -> String {
    if spin == Spin::default() { io } else { format!("{io}; spins {spin} µs before it sleeps") }
}

/// The address under which this machine reaches a socket that is bound to `addr`.
fn reachable(mut addr: SocketAddr) -> SocketAddr {
    match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => addr.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => addr.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    addr
}

/// How many shards, and where: "3, pinned to CPUs 0-1, 4". Either all are pinned or none.
fn shards(cpus: &[Option<usize>]) -> String {
    let count = cpus.len();
    let pinned: Option<Vec<usize>> = cpus.iter().copied().collect();
    match pinned.as_deref() {
        Some([cpu]) => format!("{count}, pinned to CPU {cpu}"),
        Some(cpus) => format!("{count}, pinned to CPUs {}", ranges(cpus)),
        None => format!("{count}, not pinned"),
    }
}

/// Ascending numbers with the gaps shown: "0-3, 6".
fn ranges(numbers: &[usize]) -> String {
    let range = |run: &[usize]| match run {
        [one] => one.to_string(),
        [first, .., last] => format!("{first}-{last}"),
        [] => String::new(),
    };
    numbers.chunk_by(|a, b| a + 1 == *b).map(range).collect::<Vec<_>>().join(", ")
}

/// The realms with the rules that are not the default.
fn realms(realms: &[RealmConfig]) -> String {
    let realm = |realm: &RealmConfig| {
        let rules = [
            (realm.strict_uris, "strict URIs"),
            (realm.strict_request_ids, "strict request ids"),
            (realm.takeover, "takeover"),
            (!realm.disclose_me, "no disclose_me"),
            (!realm.force_reregister, "no force_reregister"),
        ];
        let policies = [
            (realm.procedures.len(), "procedure"),
            (realm.topics.len(), "topic"),
            (realm.trustlevels.len(), "trustlevel"),
            (realm.auth.users.len(), "user"),
            (realm.auth.issuers.len(), "jwt"),
            (realm.auth.procedures.len(), "authenticator"),
            (realm.roles.len(), "role"),
        ];
        let rules = rules.into_iter().filter(|(on, _)| *on).map(|(_, rule)| rule.to_owned());
        let policies = policies.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
        let demand = realm.template.map(|it| format!("{}, {} on demand", it.match_policy.name(), it.max));
        let rules: Vec<_> = demand.into_iter().chain(rules).chain(policies).collect();
        match rules.is_empty() {
            true => realm.name.clone(),
            false => format!("{} ({})", realm.name, rules.join(", ")),
        }
    };
    realms.iter().map(realm).collect::<Vec<_>>().join(", ")
}

/// The limits that an operator meets first.
fn limits(limits: &Limits, machine: &Machine) -> Vec<String> {
    // Each connection is an open file.
    let files = machine.open_files.filter(|files| *files < limits.connections_max as u64);
    let files = files.map(|files| format!(" (the system allows {files} open files: see `ulimit -Hn`)"));
    let lines = [
        format!("{} connections{}", limits.connections_max, files.unwrap_or_default()),
        format!(
            "{} per message, {} waiting for one connection",
            bytes(limits.message_bytes_max),
            bytes(limits.outbound_bytes_max)
        ),
        format!(
            "{} for the handshake, {} to close, {} to drain at the end",
            milliseconds(limits.handshake_ms_max),
            milliseconds(limits.closing_ms_max),
            milliseconds(limits.drain_ms_max)
        ),
    ];
    lines.into_iter().chain(machine.memory_bytes.and_then(little_memory)).collect()
}

/// What follows from little memory.
fn little_memory(bytes: u64) -> Option<String> {
    let part = match memory_parts(bytes) {
        1 => return None,
        2 => "half".to_owned(),
        parts => format!("1/{parts}"),
    };
    let mib = bytes >> 20;
    Some(format!("what the configuration leaves open is {part} of the default, for {mib} MiB of memory"))
}

/// Bytes in the largest unit that shows them exactly.
fn bytes(n: usize) -> String {
    exact(n as u64, &[(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")], "bytes")
}

/// Milliseconds in the largest unit that shows them exactly.
fn milliseconds(n: u64) -> String {
    exact(n, &[(60_000, "min"), (1000, "s")], "ms")
}

fn exact(n: u64, units: &[(u64, &str)], rest: &str) -> String {
    let unit = units.iter().find(|(size, _)| n >= *size && n.is_multiple_of(*size));
    let (size, name) = unit.copied().unwrap_or((1, rest));
    format!("{} {name}", n / size)
}

#[cfg(test)]
mod tests {
    use connectanum::config::Scheme;
    use connectanum::shell::IoKind;

    use super::*;

    #[test]
    fn units_are_exact() {
        let shown = [0, 1023, 1024, 1025, 16 << 20, 3 << 30].map(bytes);
        assert_eq!(shown, ["0 bytes", "1023 bytes", "1 KiB", "1025 bytes", "16 MiB", "3 GiB"]);
        let shown = [1, 2_000, 2_500, 60_000, 90_000].map(milliseconds);
        assert_eq!(shown, ["1 ms", "2 s", "2500 ms", "1 min", "90 s"]);
    }

    #[test]
    fn shards_and_their_cpus() {
        assert_eq!(shards(&[Some(3)]), "1, pinned to CPU 3");
        assert_eq!(shards(&[Some(0), Some(1), Some(2), Some(5)]), "4, pinned to CPUs 0-2, 5");
        assert_eq!(shards(&[None, None]), "2, not pinned");
    }

    #[test]
    fn a_start_in_words() {
        let tcp = |addr: &str| Address::Tcp { declared: Scheme::Ws, addr: addr.parse().unwrap() };
        let summary = Summary {
            addresses: vec![
                Address::Unix { path: "/run/c.sock".into() },
                tcp("[::]:8080"),
                tcp("10.0.0.1:80"),
            ],
            shards: vec![Some(0), Some(1)],
            io: IoKind::Epoll,
            io_reason: "as asked for".to_owned(),
            spin: Spin::default(),
            limits: Limits::default(),
        };
        let expected = "Connectanum VERSION
  listening  unix:/run/c.sock (WebSocket, RawSocket, HTTP)
             ws://[::]:8080 (WebSocket, RawSocket, HTTP)
             ws://10.0.0.1:80 (WebSocket, RawSocket, HTTP)
  clients    ws://[::1]:8080/ws
  demo page  http://[::1]:8080/
  realms     a
  shards     2, pinned to CPUs 0-1
  io         epoll: as asked for
  limits     100000 connections
             16 MiB per message, 64 MiB waiting for one connection
             10 s for the handshake, 2 s to close, 5 s to drain at the end
  stop       press Ctrl-C
";
        let expected = expected.replace("VERSION", env!("CARGO_PKG_VERSION"));
        let machine = |open_files| Machine { open_files: Some(open_files), memory_bytes: Some(2 << 30) };
        let realms = [RealmConfig::new("a")];
        assert_eq!(start(&summary, &realms, &[], &[], &machine(100_000)), expected);
        let metrics = Address::Tcp { declared: Scheme::Http, addr: "127.0.0.1:9464".parse().unwrap() };
        let text = start(&summary, &realms, &[], &[metrics], &machine(100_000));
        assert!(text.contains("\n  metrics    http://127.0.0.1:9464 (HTTP, /metrics)\n"), "{text}");
        let unix = Summary { addresses: vec![summary.addresses[0].clone()], ..summary };
        let text = start(&unix, &[], &[], &[], &machine(99_999));
        assert!(!text.contains("http"), "there is no page on a Unix socket:\n{text}");
        assert!(text.contains("100000 connections (the system allows 99999 open files"), "{text}");
    }

    #[test]
    fn a_configuration_in_words() {
        let mut served = ServeConfig::default();
        served.listen.push("unix:/run/c.sock".parse().unwrap());
        served.router.realms.push(RealmConfig { strict_uris: true, ..RealmConfig::new("com.example") });
        let expected = "\
ok: c.toml
  listen     ws://127.0.0.1:8080
             unix:/run/c.sock
  realms     realm1, com.example (strict URIs)
  shards     auto
  io         auto
  log        info
  limits     100000 connections
             16 MiB per message, 64 MiB waiting for one connection
             10 s for the handshake, 2 s to close, 5 s to drain at the end
";
        assert_eq!(config("ok: c.toml", &served, &[], None), expected);
        let small = config("ok: c.toml", &served, &[], Some(474_132 << 10));
        let last =
            "             what the configuration leaves open is 1/8 of the default, for 463 MiB of memory\n";
        assert_eq!(small, format!("{expected}{last}"));
        assert!(little_memory(1 << 30).is_some_and(|line| line.contains(" half ")));
    }
}
