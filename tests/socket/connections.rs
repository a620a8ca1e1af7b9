//! Connections that behave, and those that do not.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use connectanum::limits::{Limits, READ_BUFFER_BYTES};
use serde_json::json;
use socket2::SockRef;

use crate::client::{Stream, frame};
use crate::common::*;
use crate::enemy::HEAD;

on_every_shell! {
    tcp_and_unix_are_served,
    many_connections_at_once,
    connections_come_and_go,
    bytes_may_come_one_by_one,
    large_messages_go_both_ways,
    what_waits_is_written_after_end_of_file,
    a_reset_harms_nobody_else,
    a_slow_reader_harms_nobody_else,
    a_flood_harms_nobody_else,
    shards_reach_each_other,
    few_connections_are_spread,
    event_received_is_counted,
}

fn tcp_and_unix_are_served(setup: Setup) {
    let dir = Dir::new();
    let path = dir.0.join("socket");
    let unix = format!("unix:{}", path.display());
    let builder = setup.builder(Limits::default()).listen(unix.parse().unwrap());
    let Some(router) = Running::start(builder) else { return };
    assert_eq!(router.addresses[1].to_string(), unix);
    router.client().echo("over tcp");
    Client::unix(&path).joined().echo("over unix");
    // As a proxy does that hands WebSockets on.
    let mut proxy = UnixStream::connect(&path).unwrap();
    proxy.write_all(HEAD).unwrap();
    let mut answer = [0; 12];
    proxy.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    drop(proxy);
    router.await_connections(0);
    drop(router);
    assert!(!path.exists());
}

fn many_connections_at_once(setup: Setup) {
    let Some(router) = setup.start() else { return };
    let mut clients: Vec<_> = (0..300).map(|_| Client::tcp(router.tcp())).collect();
    clients.iter_mut().for_each(Client::hello);
    clients.iter_mut().for_each(Client::welcome);
    for _ in 0..3 {
        for client in &mut clients {
            client.publish(&client.topic.clone(), "hello");
        }
        clients.iter_mut().for_each(|client| client.expect("hello"));
    }
    assert_eq!(router.handle.connections(), 300);
    assert_eq!(router.counted(|c| c.accepted), 300);
    let busy = router.handle.counters().iter().filter(|shard| shard.accepted > 0).count();
    assert_eq!(busy, usize::from(setup.shards), "every shard accepts");
    drop(clients);
    router.await_connections(0);
}

fn connections_come_and_go(setup: Setup) {
    let Some(router) = setup.start() else { return };
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..50).for_each(|_| router.client().echo("hello")));
        }
    });
    router.await_connections(0);
    assert_eq!(router.counted(|c| c.accepted), 200);
}

fn bytes_may_come_one_by_one(setup: Setup) {
    let Some(router) = setup.start() else { return };
    let mut client = router.client();
    let publish = json!([16, 2, {"exclude_me": false}, client.topic, ["one by one"]]);
    for byte in frame(&publish) {
        client.stream.write_all(&[byte]).unwrap();
    }
    client.expect("one by one");
}

fn large_messages_go_both_ways(setup: Setup) {
    let Some(router) = setup.start() else { return };
    let mut client = router.client();
    for bytes in [READ_BUFFER_BYTES / 2, READ_BUFFER_BYTES, 2 * READ_BUFFER_BYTES, 5_000_000] {
        let payload = "x".repeat(bytes);
        client.echo(&payload);
    }
}

/// Publishes `0..n`, padded, while `more` says so.
fn publish_many(stream: &mut TcpStream, topic: &str, n: usize, progress: &AtomicUsize, more: &AtomicBool) {
    for i in 0..n {
        if !more.load(Ordering::Acquire) {
            return;
        }
        let publish = json!([16, 2 + i, {"exclude_me": false}, topic, [padded(i)]]);
        stream.write_all(&frame(&publish)).unwrap();
        progress.store(i + 1, Ordering::Release);
    }
}

fn padded(i: usize) -> String {
    format!("{i:>10000}")
}

fn what_waits_is_written_after_end_of_file(setup: Setup) {
    let Some(router) = setup.start() else { return };
    let mut client = router.client();
    let n = 300;
    let (mut stream, topic) = (client.stream.copy(), client.topic.clone());
    thread::scope(|scope| {
        scope.spawn(move || {
            publish_many(&mut stream, &topic, n, &AtomicUsize::new(0), &AtomicBool::new(true));
            stream.end_sending();
        });
        thread::sleep(Duration::from_millis(50));
        (0..n).for_each(|i| client.expect(&padded(i)));
    });
    client.await_closed();
    router.await_connections(0);
}

fn a_reset_harms_nobody_else(setup: Setup) {
    let Some(router) = setup.start() else { return };
    let mut witness = router.client();
    for sent in [0, 1, 5, 1000, 200_000] {
        for joined in [false, true] {
            for _ in 0..5 {
                let client = Client::tcp(router.tcp());
                let mut client = if joined { client.joined() } else { client };
                client.stream.set_nonblocking(true).unwrap();
                let publish = json!([16, 2, {"exclude_me": false}, client.topic, ["x".repeat(sent)]]);
                let publish = frame(&publish);
                let _ = client.stream.write(&publish[..sent.min(publish.len())]);
                SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();
            }
            witness.echo("still there");
        }
    }
    router.await_connections(1);
}

fn a_slow_reader_harms_nobody_else(setup: Setup) {
    let Some(router) = setup.start_with(Limits { outbound_bytes_high: 100_000, ..Limits::default() }) else {
        return;
    };
    let mut slow: Vec<_> = (0..2).map(|_| router.client()).collect();
    for client in &slow {
        // Else the system holds many megabytes before anybody has to wait.
        SockRef::from(&client.stream).set_send_buffer_size(200_000).unwrap();
        SockRef::from(&client.stream).set_recv_buffer_size(200_000).unwrap();
    }
    let mut witnesses: Vec<_> = (0..2 * setup.shards).map(|_| router.client()).collect();
    let more = AtomicBool::new(true);
    let progress: Vec<_> = slow.iter().map(|_| AtomicUsize::new(0)).collect();
    thread::scope(|scope| {
        let mut senders = Vec::new();
        for (client, progress) in slow.iter().zip(&progress) {
            let (mut stream, topic, more) = (client.stream.copy(), client.topic.clone(), &more);
            // The system may hold tens of megabytes on the way to the router; a gigabyte it does not.
            senders.push(scope.spawn(move || publish_many(&mut stream, &topic, 100_000, progress, more)));
        }
        // Until the router reads from none of them.
        let sent = || progress.iter().map(|n| n.load(Ordering::Relaxed)).collect::<Vec<_>>();
        let mut before = Vec::new();
        while before != sent() {
            before = sent();
            thread::sleep(Duration::from_millis(200));
        }
        assert!(senders.iter().all(|sender| !sender.is_finished()), "everything fits somewhere: {before:?}");
        for witness in &mut witnesses {
            let start = Instant::now();
            witness.echo("quick");
            assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        }
        // Each sender is in the middle of a message, its last one.
        more.store(false, Ordering::Release);
        for (client, stuck) in slow.iter_mut().zip(before) {
            (0..=stuck).for_each(|i| client.expect(&padded(i)));
        }
    });
    slow.iter_mut().for_each(|client| client.echo("awake again"));
}

fn a_flood_harms_nobody_else(setup: Setup) {
    let Some(router) = setup.start() else { return };
    let mut witnesses: Vec<_> = (0..2 * setup.shards).map(|_| router.client()).collect();
    let clients: Vec<_> = (0..4).map(|_| router.client()).collect();
    let mut slowest = Duration::ZERO;
    thread::scope(|scope| {
        for client in &clients {
            let (mut sender, mut receiver) = (client.stream.copy(), client.stream.copy());
            let publish = frame(&json!([16, 2, {"exclude_me": false}, client.topic, ["x".repeat(5000)]]));
            let flood = publish.repeat(20);
            scope.spawn(move || while sender.write_all(&flood).is_ok() {});
            scope.spawn(move || while receiver.read(&mut [0; 100_000]).is_ok_and(|n| n > 0) {});
        }
        thread::sleep(Duration::from_millis(50));
        for _ in 0..10 {
            for witness in &mut witnesses {
                let start = Instant::now();
                witness.echo("quick");
                slowest = slowest.max(start.elapsed());
            }
        }
        for client in &clients {
            client.stream.shutdown(Shutdown::Both).unwrap();
        }
    });
    assert!(slowest < PATIENCE / 2, "{slowest:?}");
}

fn shards_reach_each_other(setup: Setup) {
    for capacity in [1, 2, 1000] {
        let builder = setup.builder(Limits::default()).mesh_capacity(capacity);
        let Some(router) = Running::start(builder) else { return };
        let mut clients: Vec<_> = (0..8).map(|_| router.client()).collect();
        clients.iter_mut().for_each(|client| client.subscribe("test.all"));
        for round in 0..20 {
            let payload = round.to_string();
            clients.iter_mut().for_each(|client| client.publish("test.all", &payload));
            for client in &mut clients {
                (0..8).for_each(|_| client.expect(&payload));
            }
        }
        assert_eq!(router.counted(|c| c.mesh_received) > 0, setup.shards > 1);
    }
}

/// The kernel would leave some shards without any.
fn few_connections_are_spread(setup: Setup) {
    let Some(router) = setup.start() else { return };
    let mut clients: Vec<_> = (0..4 * setup.shards).map(|_| router.client()).collect();
    assert_eq!(router.handle.connections_by_shard(), vec![4; usize::from(setup.shards)]);
    clients.iter_mut().for_each(|client| client.echo("wherever it is"));
    assert!(setup.shards > 1 || router.counted(|c| c.handed_over) == 0);
    drop(clients);
    router.await_connections(0);
    assert_eq!(router.handle.connections_by_shard(), vec![0; usize::from(setup.shards)]);
}

/// Nothing follows from it (decision D23).
fn event_received_is_counted(setup: Setup) {
    let Some(router) = setup.start() else { return };
    let mut clients: Vec<_> = (0..3).map(|_| router.client()).collect();
    for client in &mut clients {
        client.send(&json!([337, 1]));
        client.echo("still there");
    }
    eventually(|| router.counted(|c| c.events_received), |&n| n == 3);
}
