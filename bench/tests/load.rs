//! The load generator as a program: against a router, against relays that break what they should copy, and against
//! nobody.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;

use connectanum::config::RouterConfig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use support::{Served, bench, failure, report};

#[test]
fn every_transport_and_serializer() {
    let router = Served::start(1);
    let urls = [
        format!("ws://{}/ws", router.address),
        format!("tcp://{}", router.address),
        format!("unix:{}", router.socket.display()),
    ];
    for (url, serializer) in urls.iter().flat_map(|url| ["json", "msgpack", "cbor"].map(|name| (url, name))) {
        for load in ["pubsub --fanout 3 --pairs 2 --window 4", "rpc --pairs 2 --window 4 --payload 300"] {
            let output = bench(&format!("{load} {url} --serializer {serializer} --json"));
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            let number = |pointer: &str| report.pointer(pointer).and_then(Value::as_f64).unwrap();
            assert_eq!(report["serializer"], serializer);
            assert!(number("/delivered") > 0.0 && number("/total") >= number("/delivered"), "{report:#}");
            assert!(number("/rate") > 0.0 && number("/seconds") >= 0.1, "{report:#}");
            assert!(number("/latency_ns/p50") <= number("/latency_ns/max"), "{report:#}");
            assert!(number("/latency_ns/p50") > 1000.0, "{report:#}");
            let timeline = report["timeline"].as_array().unwrap();
            let delivered: u64 = timeline.iter().map(|sample| sample["delivered"].as_u64().unwrap()).sum();
            assert_eq!(delivered as f64, number("/delivered"), "{report:#}");
        }
    }
}

#[test]
fn shards_and_what_the_server_uses() {
    let router = Served::start(3);
    let pid = std::process::id();
    let output =
        bench(&format!("pubsub tcp://{} --pairs 5 --fanout 4 --window 2 --server-pid {pid}", router.address));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("5 → 20, window 2, payload 64 bytes") && text.contains(" CPU per event"), "{text}");
}

#[test]
fn a_report_in_every_form() {
    let router = Served::start(1);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let files = format!("--json {} --hgrm {} --html {}", file("a.json"), file("a.hgrm"), file("a.html"));
    let output = bench(&format!("pubsub tcp://{} {files}", router.address));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with(&format!("pubsub tcp://{} json: 1 pair", router.address)), "{text}");
    let report: Value = serde_json::from_slice(&std::fs::read(file("a.json")).unwrap()).unwrap();
    let counts = report["latencies"].as_array().unwrap().iter().map(|pair| pair[1].as_u64().unwrap());
    let delivered = report["delivered"].as_u64().unwrap();
    assert_eq!(counts.sum::<u64>(), delivered);
    let hgrm = std::fs::read_to_string(file("a.hgrm")).unwrap();
    assert!(hgrm.contains(&format!("Total count    = {delivered:>12}]")), "{hgrm}");
    let html = std::fs::read_to_string(file("a.html")).unwrap();
    assert!(html.starts_with("<!doctype html>") && html.contains("Latency by percentile"), "{html}");
    let nowhere = failure(&format!("pubsub tcp://{} --hgrm {}", router.address, file("no/a.hgrm")));
    assert!(
        nowhere.starts_with("error: cannot write ") && nowhere.contains("there is no folder"),
        "{nowhere}"
    );
}

#[test]
fn an_open_loop_keeps_its_schedule() {
    let router = Served::start(2);
    let url = format!("tcp://{}", router.address);
    for load in ["pubsub --pairs 3 --rate 2000", "rpc --pairs 3 --rate 2000 --threads 2"] {
        let report = report(&format!("{load} {url} --duration 0.5"));
        assert_eq!(report["closed_loop"], false);
        assert_eq!(report["scenario"]["rate"], 2000);
        let (late, latency) = (&report["late_ns"]["p50"], &report["latency_ns"]["p50"]);
        assert!(late.as_u64().unwrap() > 0 && late.as_u64() <= latency.as_u64(), "{report:#}");
        // However late a busy machine is.
        let rate = report["rate"].as_f64().unwrap();
        assert!((500.0..4000.0).contains(&rate), "{report:#}");
    }
}

#[test]
fn a_server_that_falls_behind_is_told() {
    // A relay that takes everything and gives nothing.
    let silent = spoiling_relay(|number, piece| {
        if number > 0 {
            thread::park();
        }
        vec![piece]
    });
    let error = failure(&format!("pubsub raw://{silent} --rate 10000 --backlog 20"));
    assert!(
        error.contains("does not keep up with 10000 messages/s: 20 of publisher 0 are in flight"),
        "{error}"
    );
}

#[test]
fn several_threads() {
    let router = Served::start(2);
    let url = format!("ws://{}", router.address);
    for load in ["pubsub --pairs 5 --fanout 2 --window 3 --threads 3", "rpc --pairs 4 --threads 2 --pin 0"] {
        let report = report(&format!("{load} {url}"));
        let threads = report["threads_busy"].as_array().unwrap();
        assert!(threads.len() > 1 && threads.iter().all(|busy| busy.as_f64().unwrap() > 0.0), "{report:#}");
        assert!(report["total"].as_u64().unwrap() > 0, "{report:#}");
    }
    let pin = failure(&format!("pubsub {url} --pin 4000"));
    assert!(pin.contains("cannot be pinned to CPU 4000"), "{pin}");
    let crowd = failure(&format!("pubsub {url} --threads 2"));
    assert!(crowd.contains("2 threads are too many"), "{crowd}");
}

#[test]
fn a_procedure_that_callees_share() {
    let router = Served::start(2);
    for policy in ["roundrobin", "random", "first", "last"] {
        let report = report(&format!(
            "rpc ws://{} --callers 3 --callees 4 --invoke {policy} --window 2 --threads 2",
            router.address
        ));
        assert_eq!(report["scenario"]["kind"]["shared"]["invoke"], policy);
        assert!(report["total"].as_u64().unwrap() > 0, "{report:#}");
    }
}

#[test]
fn receivers_are_where_they_are_wanted() {
    let router = Served::start(3);
    let url = format!("tcp://{}", router.address);
    for load in ["pubsub --pairs 3 --fanout 2", "rpc --pairs 2 --threads 2", "rpc --callers 2 --callees 2"] {
        for place in ["same", "cross"] {
            let report = report(&format!("{load} {url} --shards 3 --place {place}"));
            assert_eq!(report["placement"]["place"], place);
            assert!(report["total"].as_u64().unwrap() > 0, "{report:#}");
        }
    }
}

/// A router that calls every session 1.
fn monotonous_router() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut clients = Vec::new();
        for client in listener.incoming() {
            let (mut client, mut hands) = (client.unwrap(), [0; 4]);
            client.read_exact(&mut hands).unwrap();
            client.write_all(&hands).unwrap();
            let welcome = br#"[2,1,{"roles":{"broker":{},"dealer":{}}}]"#;
            client.write_all(&(welcome.len() as u32).to_be_bytes()).unwrap();
            client.write_all(welcome).unwrap();
            clients.push(client);
        }
    });
    address
}

#[test]
fn shards_that_are_not_there() {
    let error = failure(&format!("rpc tcp://{} --shards 2 --place same", monotonous_router()));
    assert!(error.contains(" 0 has connected 60 times"), "{error}");
}

#[test]
fn sessions_that_do_nothing() {
    let router = Served::start(2);
    let pid = std::process::id();
    for (pattern, threads) in [("exact", 1), ("prefix", 2), ("wildcard", 1)] {
        let idle = format!("--subscriptions 3 --match {pattern} --threads {threads}");
        let load = format!("idle ws://{} --sessions 20 {idle} --server-pid {pid}", router.address);
        let report = report(&load);
        assert_eq!(report["scenario"]["idle"]["pattern"], pattern);
        assert!(report["setup_seconds"].as_f64().unwrap() > 0.0, "{report:#}");
        assert!(report["server"]["rss_before_bytes"].as_u64().unwrap() > 0, "{report:#}");
        let text = String::from_utf8(bench(&load).stdout).unwrap();
        assert!(
            text.contains("20 idle sessions with 3 ") && text.contains(" of memory per session"),
            "{text}"
        );
        let beside = format!("rpc ws://{} --idle 5 {} --pairs 2", router.address, idle);
        assert!(self::report(&beside)["total"].as_u64().unwrap() > 0);
    }
}

#[test]
fn sessions_that_flood() {
    let router = Served::start(1);
    for url in [format!("ws://{} --serializer cbor", router.address), format!("tcp://{}", router.address)] {
        let report = report(&format!("pubsub {url} --flood 2 --pairs 2"));
        assert_eq!(report["scenario"]["flood"], 2);
        assert!(report["total"].as_u64().unwrap() > 0, "{report:#}");
    }
}

#[test]
fn connections_that_come_and_go() {
    let router = Served::start(2);
    let urls = [
        format!("ws://{}", router.address),
        format!("tcp://{}", router.address),
        format!("unix:{}", router.socket.display()),
    ];
    for (url, threads) in urls.iter().zip([1, 2, 3]) {
        let report = report(&format!("connect {url} --concurrency 7 --threads {threads} --serializer cbor"));
        let number = |pointer: &str| report.pointer(pointer).and_then(Value::as_f64).unwrap();
        assert!(number("/total") > 0.0 && number("/total") >= number("/delivered"), "{report:#}");
        assert!(number("/latency_ns/p50") <= number("/latency_ns/max"), "{report:#}");
    }
    let text = String::from_utf8(bench(&format!("connect {}", urls[0])).stdout).unwrap();
    assert!(text.contains("json: 10 at a time") && text.contains(" connections/s "), "{text}");
    let realm = failure(&format!("connect {} --realm a.b", urls[0]));
    assert!(realm.contains("received ABORT wamp.error.no_such_realm"), "{realm}");
    drop(router);
    let refused = failure(&format!("connect {}", urls[0]));
    assert!(refused.contains("visitor 0 cannot connect to ws://"), "{refused}");
}

#[test]
fn one_that_stops_to_read() {
    let router = Served::start(1);
    let pid = std::process::id();
    let few = report(&format!("slow ws://{} --rate 100 --fanout 2 --server-pid {pid}", router.address));
    assert_eq!(few["stalled"]["disconnected_after_ns"], Value::Null, "{few:#}");
    assert_eq!(few["stalled"]["sent"], few["stalled"]["received"], "{few:#}");
    assert!(few["total"].as_u64().unwrap() > 0 && !few["memory"].as_array().unwrap().is_empty(), "{few:#}");
    // More than the system and this router hold for one client.
    let mut config = RouterConfig::default();
    (config.limits.outbound_bytes_high, config.limits.outbound_bytes_max) = (1 << 16, 1 << 20);
    let router = Served::with(1, config);
    let flood = format!("slow tcp://{} --payload 100000 --window 8 --duration 3", router.address);
    let many = report(&flood);
    assert!(many["stalled"]["disconnected_after_ns"].is_u64(), "{many:#}");
    assert!(many["stalled"]["sent"].as_u64() > many["stalled"]["received"].as_u64(), "{many:#}");
}

#[test]
fn calls_and_publications_in_one_session() {
    let router = Served::start(2);
    let output = bench(&format!("mixed tcp://{} --pairs 2 --calls 30 --fanout 2 --window 4", router.address));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("mixed tcp://") && text.contains("30 % calls") && text.contains("  calls  "),
        "{text}"
    );
}

#[test]
fn somebody_who_watches_sees_how_it_goes() {
    let router = Served::start(1);
    let output = bench(&format!("pubsub tcp://{} --progress --warmup 1.2", router.address));
    let lines = String::from_utf8(output.stderr).unwrap();
    assert!(lines.lines().any(|line| line.contains("/s  p50 ") && line.contains(" p99 ")), "{lines}");
}

#[test]
fn an_option_that_grows() {
    let router = Served::start(1);
    let sweep = format!("pairs=1,3 rpc tcp://{} --warmup 0.02 --duration 0.1 --window 2", router.address);
    let program = |words: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_connectanum-bench"));
        command.args(words.split(' ')).output().unwrap()
    };
    let output = program(&format!("scale --json --over {sweep}"));
    let curve: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&curve["points"][0]["x"], &curve["points"][1]["x"]), (&Value::from(1.0), &Value::from(3.0)));
    let lanes = |point: usize| curve["points"][point]["report"]["scenario"]["lanes"].as_u64().unwrap();
    assert_eq!((&curve["over"], lanes(0), lanes(1)), (&Value::from("pairs"), 1, 3), "{curve:#}");
    let text = String::from_utf8(program(&format!("scale --over {sweep}")).stdout).unwrap();
    let starts: Vec<_> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(matches!(starts[..], ["pairs", _, "1", "3"]), "{text}");
    let wrong = String::from_utf8(program("scale --over pears=1 rpc tcp://127.0.0.1:1").stderr).unwrap();
    assert!(wrong.contains("'--pears'"), "{wrong}");
}

/// The report of a load that is interrupted a second after it has begun.
fn interrupted(words: &str) -> Value {
    let mut child = Command::new(env!("CARGO_BIN_EXE_connectanum-bench"))
        .args(words.split(' '))
        .args(["--warmup", "0.02", "--duration", "60", "--progress"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{words}: {line}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn an_early_end_has_a_report() {
    let router = Served::start(2);
    let url = format!("tcp://{}", router.address);
    let loads = [
        format!("pubsub {url} --json"),
        format!("mixed {url} --rate 500 --pairs 2 --threads 2 --json"),
        format!("connect {url} --concurrency 2 --json"),
        format!("idle {url} --sessions 3 --server-pid {} --json", std::process::id()),
        format!("slow {url} --rate 50 --json"),
    ];
    let threads = loads.map(|load| thread::spawn(move || interrupted(&load)));
    for report in threads.map(|thread| thread.join().unwrap()) {
        assert_eq!(report["interrupted"], true);
        assert!((0.0..55.0).contains(&report["seconds"].as_f64().unwrap()), "{report:#}");
    }
    let sweep = interrupted(&format!("scale --json --over window=1,2 rpc {url}"));
    assert_eq!(sweep["points"].as_array().unwrap().len(), 1, "{sweep:#}");
}

#[test]
fn refusals_are_told() {
    let router = Served::start(1);
    let realm = failure(&format!("pubsub ws://{} --realm a.b", router.address));
    assert!(realm.starts_with("error: publisher 0 received ABORT wamp.error.no_such_realm"), "{realm}");
    let page = failure(&format!("pubsub ws://{}/nothing", router.address));
    assert!(page.contains("the upgrade to WebSocket failed: the server answered 404"), "{page}");
    drop(router);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = failure(&format!("rpc tcp://{nobody}"));
    assert!(refused.contains(&format!("caller 0 cannot connect to tcp://{nobody}: ")), "{refused}");
}

/// A relay that hands each piece that it copies to `spoil`, with its number, and copies what that returns; it ends
/// at nothing.
fn spoiling_relay(spoil: fn(usize, Vec<u8>) -> Vec<Vec<u8>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let [mut from, mut to]: [TcpStream; 2] = std::array::from_fn(|_| listener.accept().unwrap().0);
        let mut buffer = vec![0; 1 << 16];
        for number in 0.. {
            // With a window of 1 a piece is a message.
            let n = from.read(&mut buffer).unwrap_or(0);
            let pieces = spoil(number, buffer[..n].to_vec());
            if n == 0 || pieces.is_empty() || pieces.iter().any(|piece| to.write_all(piece).is_err()) {
                return;
            }
        }
    });
    address
}

#[test]
fn a_server_that_sends_faster_than_one_reads_holds_nothing_up() {
    let relay = spoiling_relay(|number, piece| {
        // Frames that mean nothing: RawSocket's PONG, empty. Without an end they would be read for ever.
        let rest = [2, 0, 0, 0].repeat(1 << 20);
        if number < 200 { vec![piece, rest] } else { vec![] }
    });
    let report = report(&format!("pubsub raw://{relay}"));
    assert!(report["total"].as_u64().unwrap() > 0, "{report:#}");
    assert!(report["seconds"].as_f64().unwrap() < 5.0, "{report:#}");
}

#[test]
fn whatever_goes_wrong_is_found() {
    let run = |spoil| failure(&format!("pubsub raw://{}", spoiling_relay(spoil)));
    let doubled = run(|_, piece| vec![piece.clone(), piece]);
    assert!(doubled.contains("subscriber 0 received message 0 of its lane instead of 1"), "{doubled}");
    let old = run(|number, mut piece| {
        if number == 5 {
            let stamp = piece.windows(16).position(|part| part == b"0000000000000005").unwrap();
            piece[stamp + 15] = b'4';
        }
        vec![piece]
    });
    assert!(old.contains("subscriber 0 received message 4 of its lane instead of 5"), "{old}");
    let changed = run(|number, mut piece| {
        let end = piece.len() - 10;
        piece[end] ^= u8::from(number == 7);
        vec![piece]
    });
    assert!(changed.contains("subscriber 0: the payload has changed on its way"), "{changed}");
    let closed = run(|number, piece| if number < 9 { vec![piece] } else { vec![] });
    assert!(closed.contains("closed by the server") || closed.contains("lost its connection"), "{closed}");
}

#[test]
fn loads_without_sense_are_refused() {
    assert!(failure("pubsub raw://127.0.0.1:1 --fanout 2").contains("the relay has no fan-out"));
    assert!(failure("rpc nats://127.0.0.1:1").contains("calls are not measured with NATS"));
    assert!(failure("pubsub tcp://127.0.0.1:1 --payload 15").contains("too small"));
    assert!(failure("pubsub tcp://127.0.0.1:1 --window 0").contains("must be 1 at least"));
}
