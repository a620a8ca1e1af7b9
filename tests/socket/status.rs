//! The numbers of a router that runs, as an operator gets them: from the program, over the control socket and over HTTP.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use connectanum::config::limits::LIMITS;
use connectanum::config::{Io, ServeConfig};
use connectanum::limits::Limits;
use connectanum::shell::IoKind;
use serde_json::json;

use crate::client::frame;
use crate::common::*;

on_every_shell! {
    limits_that_were_met,
    what_there_is,
    of_the_library,
}

/// The program, with a file of its own.
struct Program {
    process: Child,
    addr: SocketAddr,
    metrics: SocketAddr,
    file: PathBuf,
    _dir: Dir,
    _room: Room,
}

impl Program {
    /// `None` where its shell cannot run.
    fn start(setup: Setup, more: &str) -> Option<Program> {
        drop(built(setup.builder(Limits::default()))?);
        let (kind, io) = match setup.io {
            Io::Epoll => (IoKind::Epoll, "epoll"),
            _ => (IoKind::Glommio, "glommio"),
        };
        let room = Room::take(kind, usize::from(setup.shards));
        let dir = Dir::new();
        let file = dir.0.join("router.toml");
        let text = format!(
            "[router]\nlisten = ['ws://127.0.0.1:0']\nio = '{io}'\nshards = {}\ncontrol = 'control.sock'\n\
             metrics = 'http://127.0.0.1:0'\n{more}",
            setup.shards
        );
        std::fs::write(&file, text).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_connectanum"))
            .args(["--log", "error", "--config"])
            .arg(&file)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let block: Vec<String> = lines.take_while(|line| !line.starts_with("  stop")).collect();
        let addr = |name: &str| {
            let line =
                block.iter().find_map(|line| line.trim().strip_prefix(name)).expect("it is listened on");
            line.trim().split([' ', '/']).nth(2).unwrap().parse().unwrap()
        };
        let (addr, metrics) = (addr("listening"), addr("metrics"));
        Some(Program { process, addr, metrics, file, _dir: dir, _room: room })
    }

    fn client(&self) -> Client<TcpStream> {
        Client::tcp(self.addr).joined()
    }

    /// What `connectanum WORD` prints.
    fn told(&self, word: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_connectanum"));
        let control = self.file.with_file_name("control.sock");
        let output = command.args([word, "--control"]).arg(control).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// All samples, which both ways give.
    #[track_caller]
    fn samples(&self) -> Samples {
        let status = samples(&self.told("status"));
        // For so long an earlier answer is given again.
        thread::sleep(Duration::from_millis(100));
        let answer = http(self.metrics, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4;"), "{head}");
        let page = samples(body);
        assert!(status.keys().eq(page.keys()), "{status:?}\n{page:?}");
        // What has been counted is not uncounted: one of them is the older, and any will do for the others.
        status.into_iter().map(|(name, n)| (name.clone(), n.min(page[&name]))).collect()
    }

    /// All samples of a metric together.
    #[track_caller]
    fn sum(&self, metric: &str) -> f64 {
        let samples = self.samples().into_iter();
        samples.filter(|(name, _)| name.split('{').next() == Some(metric)).map(|(_, n)| n).sum()
    }

    /// Waits until a limit was met so often, by either way.
    #[track_caller]
    fn met(&self, limit: &str, n: u32) {
        let name = format!("connectanum_limit_reached_total{{limit=\"{limit}\"}}");
        eventually(|| self.samples()[&name], |is| *is == f64::from(n));
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

type Samples = BTreeMap<String, f64>;

#[track_caller]
fn samples(text: &str) -> Samples {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(k, v)| (k.to_owned(), v.parse().unwrap()))
        .collect()
}

/// The whole answer to a request.
fn http(addr: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// What limits cost their clients is counted where the operator sees it.
fn limits_that_were_met(setup: Setup) {
    let more = "[limits]\nhttp_head_bytes_max = 1024\nuri_bytes_max = 64\nsubscriptions_max = 2\n\
                registrations_max = 1\npending_calls_max = 1\nhandshake_ms_max = 5000\nconnections_max = 6\n\
                [[realm]]\nname = 'realm1'\n[[realm.procedure]]\nuri = 'com.slow'\nconcurrency = 1\nqueue = 0\n";
    let Some(router) = Program::start(setup, more) else { return };
    for (name, n) in router.samples().iter().filter(|(name, _)| name.contains("{limit=")) {
        assert_eq!(*n, 0.0, "{name}");
    }

    // It has a topic of its own already.
    let mut client = router.client();
    client.subscribe("com.a");
    for request in [90, 91, 92] {
        let refused = client.ask(&json!([32, request, {}, "com.b"]));
        assert_eq!((&refused[0], &refused[4]), (&json!(8), &json!("wamp.error.unavailable")), "{refused}");
    }
    router.met("subscriptions_max", 3);
    assert_eq!(client.ask(&json!([64, 93, {}, "com.slow"]))[0], 65);
    assert_eq!(client.ask(&json!([64, 94, {}, "com.more"]))[0], 8);
    router.met("registrations_max", 1);

    let mut caller = router.client();
    caller.send(&json!([48, 90, {}, "com.slow"]));
    let invocation = client.next();
    assert_eq!(invocation[0], 68);
    let refused = caller.ask(&json!([48, 91, {}, "com.slow"]));
    assert!(refused[5][0].as_str().unwrap().contains("(pending_calls_max)"), "{refused}");
    router.met("pending_calls_max", 1);
    let mut other = router.client();
    let refused = other.ask(&json!([48, 90, {}, "com.slow"]));
    assert!(refused[5][0].as_str().unwrap().contains("(queue)"), "{refused}");
    router.met("queue", 1);
    assert_eq!(router.sum("connectanum_pending_calls"), 1.0);

    let refused = other.ask(&json!([32, 91, {}, "x".repeat(65)]));
    assert!(refused[5][0].as_str().unwrap().contains("(uri_bytes_max)"), "{refused}");
    router.met("uri_bytes_max", 1);
    drop(other);

    let answer = http(router.addr, &format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(1024)));
    assert!(answer.starts_with("HTTP/1.1 431 ") && answer.contains("(http_head_bytes_max)"), "{answer}");
    router.met("http_head_bytes_max", 1);
    let upgrade = "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: wamp.2.json\r\n\
                   Origin: https://elsewhere.example\r\n\r\n";
    assert!(http(router.addr, upgrade).starts_with("HTTP/1.1 403 "));
    router.met("origins", 1);

    let text = std::fs::read_to_string(&router.file).unwrap();
    std::fs::write(&router.file, text.replace("[limits]\n", "[limits]\nmessage_bytes_max = 2048\n")).unwrap();
    assert!(router.told("reload").contains("`message_bytes_max` is 2048"));
    let mut new = Client::tcp(router.addr);
    new.stream.write_all(&[0x7F, 0xF1, 0, 0]).unwrap();
    new.stream.read_exact(&mut [0; 4]).unwrap();
    let abort = new.ask(&json!([1, "realm1", {"more": "x".repeat(3000)}]));
    assert!(abort[1]["message"].as_str().unwrap().contains("(message_bytes_max)"), "{abort}");
    router.met("message_bytes_max", 1);
    new.await_closed();
    drop(new);

    let connections = || router.sum("connectanum_connections");
    eventually(connections, |n| *n == 2.0);
    // Those that say nothing stay for five seconds, and so long there is no room for more.
    let silent: Vec<_> = (0..4).map(|_| Client::tcp(router.addr)).collect();
    eventually(connections, |n| *n == 6.0);
    Client::tcp(router.addr).await_closed();
    router.met("connections_max", 1);
    for mut client in silent {
        client.await_closed();
    }
    router.met("handshake_ms_max", 4);
}

/// What is there now, and what a reload does.
fn what_there_is(setup: Setup) {
    let Some(router) = Program::start(setup, "[[realm]]\nname = 'realm1'\n") else { return };
    let sum = |metric: &str| router.sum(metric);
    let clients: Vec<_> = (0..5).map(|_| router.client()).collect();
    let page = router.samples();
    assert_eq!(
        page.keys().filter(|key| key.starts_with("connectanum_sessions{")).count(),
        usize::from(setup.shards)
    );
    assert_eq!(sum("connectanum_sessions"), 5.0);
    assert_eq!(sum("connectanum_connections_accepted_total"), 5.0);
    assert_eq!(sum("connectanum_topics"), 5.0, "each has one of its own");
    assert_eq!(sum("connectanum_shards"), f64::from(setup.shards));
    assert_eq!(sum("connectanum_realms"), 1.0);
    assert!(sum("connectanum_reads_total") >= 10.0 && sum("connectanum_uptime_seconds") > 0.0);
    assert!(sum("process_resident_memory_bytes") > 1e6 && sum("process_start_time_seconds") > 1.7e9);
    drop(clients);
    eventually(|| sum("connectanum_sessions"), |n| *n == 0.0);

    let mut text = std::fs::read_to_string(&router.file).unwrap() + "[[realm]]\nname = 'realm2'\n";
    std::fs::write(&router.file, &text).unwrap();
    assert!(router.told("reload").contains("realm `realm2` is new"));
    assert_eq!(sum("connectanum_realms"), 2.0);
    text += "nonsense = 1\n";
    std::fs::write(&router.file, &text).unwrap();
    assert_eq!(router.told("reload"), "");
    std::fs::write(&router.file, text.replace("nonsense = 1\n", "")).unwrap();
    let samples = router.samples();
    let reloads =
        ["adopted", "refused"].map(|how| samples[&format!("connectanum_reloads_total{{result=\"{how}\"}}")]);
    assert_eq!(reloads, [1.0, 1.0]);

    // Where clients are served, there are no numbers, and where numbers are, no clients.
    assert!(http(router.addr, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 404 "));
    assert!(http(router.metrics, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 404 "));
    // It takes its time, and others do not wait for it for ever.
    let _slow = TcpStream::connect(router.metrics).unwrap();
    assert_eq!(sum("connectanum_shards"), f64::from(setup.shards));
}

fn of_the_library(setup: Setup) {
    let limits = Limits { subscriptions_max: 1, ..Limits::default() };
    let router = built(setup.builder(limits.clone()));
    let Some(router) = router else { return };
    // Nobody answers yet; who waits is told so when the router ends.
    let handle = router.handle();
    drop(router);
    assert!(handle.status().is_none());

    let Some(router) = setup.start_with(limits) else { return };
    let mut client = router.client();
    client.stream.write_all(&frame(&json!([32, 9, {}, "com.more"]))).unwrap();
    assert_eq!(client.next()[0], 8);
    let status = router.handle.status().expect("it runs");
    assert_eq!((status.limited.subscriptions_max, status.shards.len()), (1, usize::from(setup.shards)));
    assert_eq!(status.shards.iter().map(|shard| shard.census.sessions).sum::<usize>(), 1);
    assert_eq!((status.reloads, status.reloads_refused), (0, 0));
    router
        .handle
        .reload(&ServeConfig { listen: vec!["tcp://127.0.0.1:0".parse().unwrap()], ..ServeConfig::default() })
        .unwrap();
    assert_eq!(router.handle.status().expect("it runs").reloads, 1);
    let text = status.to_string();
    for key in LIMITS {
        assert!(text.contains(&format!("{{limit=\"{}\"}}", key.name)), "{}", key.name);
    }
}
