//! Peers that mean harm, over real sockets. (Resets, floods of messages and slow readers: `connections`; TLS: `tls`.)

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use connectanum::limits::Limits;

use crate::child::*;
use crate::client::frame;
use crate::common::*;

on_every_shell! {
    slow_peers_end_at_the_deadline,
    a_flood_of_silent_connections,
    announced_lengths_take_no_memory,
    pings_of_somebody_who_does_not_read,
}

pub(crate) const HEAD: &[u8] =
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: wamp.2.json\r\n\r\n";

/// A byte now and then, which is never the last: a head, a frame of a WebSocket, a frame of RawSocket.
fn slow_peers_end_at_the_deadline(setup: Setup) {
    const DEADLINE: Duration = Duration::from_millis(1500);
    let limits = Limits { handshake_ms_max: DEADLINE.as_millis() as u64, ..Limits::default() };
    let Some(router) = setup.start_with(limits) else { return };
    let mut witness = router.client();
    let addr = router.tcp();
    thread::scope(|scope| {
        for (at_once, slowly) in [
            (&b""[..], HEAD),
            (HEAD, &b"\x81\xfe\x01\0\0\0\0\0[1,\"realm1\",{\"roles\":{\"caller\":{}}}"[..]),
            (b"\x7f\xf1\0\0", b"\0\0\x01\0[1,\"realm1\",{\"roles\":{\"caller\":{}}}"),
            (b"\x7f", b"\xf1\0"),
        ] {
            scope.spawn(move || {
                let mut stream = TcpStream::connect(addr).unwrap();
                let start = Instant::now();
                stream.write_all(at_once).unwrap();
                stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
                let mut left = slowly.iter();
                loop {
                    if let Some(byte) = left.next().filter(|_| left.len() > 0) {
                        let _ = stream.write_all(&[*byte]);
                    }
                    match stream.read(&mut [0; 1000]) {
                        Ok(0) => break,
                        Err(e) if e.kind() == ErrorKind::ConnectionReset => break,
                        _ => assert!(start.elapsed() < PATIENCE, "it never ends"),
                    }
                }
                assert!(start.elapsed() > DEADLINE / 2, "before its time");
            });
        }
        witness.echo("served");
    });
    witness.echo("still served");
    router.await_connections(1);
}

fn a_flood_of_silent_connections(setup: Setup) {
    let limits = Limits { handshake_ms_max: 1000, ..Limits::default() };
    let Some(router) = setup.start_with(limits) else { return };
    let mut witness = router.client();
    let silent: Vec<_> = (0..400).map(|_| TcpStream::connect(router.tcp()).unwrap()).collect();
    witness.echo("served");
    router.client().echo("let in");
    // They are there until their time is over, although they never close.
    router.await_connections(1);
    witness.echo("still served");
    drop(silent);
}

fn announced_lengths_take_no_memory(setup: Setup) {
    const CONNECTIONS: u64 = 300;
    let Some(child) = Child::start(setup, "ulimit -n 4096", "enemy::announced_lengths") else { return };
    let mut web = [0x81_u8, 0xFF].to_vec();
    web.extend((1_u64 << 24).to_be_bytes());
    web.extend([0; 200]);
    let raw = [&[8, 0, 0, 0][..], &[b'['; 200]].concat();
    let connections: Vec<_> = (0..CONNECTIONS)
        .map(|n| {
            let mut stream = TcpStream::connect(child.addr).unwrap();
            let (hello, frame) = if n % 2 == 0 { (HEAD, &web) } else { (&b"\x7f\xf1\0\0"[..], &raw) };
            stream.write_all(hello).unwrap();
            stream.write_all(frame).unwrap();
            stream
        })
        .collect();
    // In turn with the others: theirs has been looked at by now.
    Client::tcp(child.addr).joined().echo("served");
    thread::sleep(Duration::from_millis(200));
    let taken: u64 = child.result().parse().unwrap();
    drop(connections);
    assert!(taken < CONNECTIONS * (1 << 20), "{taken} bytes, where {} were announced", CONNECTIONS << 24);
}

#[test]
#[ignore = "run by announced_lengths_take_no_memory"]
fn announced_lengths() {
    let Some(router) = start_as_child(Limits { drain_ms_max: 100, ..Limits::default() }) else { return };
    let before = virtual_bytes();
    announce(&router);
    await_stdin_closed();
    assert!(router.handle.connections() > 200, "measured too late");
    println!("result {}", virtual_bytes().saturating_sub(before));
}

/// All that is allocated, touched or not.
fn virtual_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// It is not read any more when its pongs wait; what it fills is the system's buffers.
fn pings_of_somebody_who_does_not_read(setup: Setup) {
    let Some(router) = setup.start_with(Limits { outbound_bytes_high: 100_000, ..Limits::default() }) else {
        return;
    };
    let mut witness = router.client();
    let mut client = router.client();
    let ping = [&[1, 0, 0x27, 0x10][..], &[7; 10_000]].concat();
    client.stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut sent = 0;
    let stopped = loop {
        match client.stream.write(&ping[sent % ping.len()..]) {
            Ok(n) => sent += n,
            Err(e) => break e,
        }
        assert!(sent < 1 << 30, "a gigabyte of pings was read");
    };
    assert!(matches!(stopped.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{stopped}");
    witness.echo("served");
    // Once it reads, all pongs come, and it can go on.
    let mut stream = client.stream.try_clone().unwrap();
    let rest = (ping.len() - sent % ping.len()) % ping.len();
    thread::scope(|scope| {
        scope.spawn(move || {
            stream.set_write_timeout(None).unwrap();
            stream.write_all(&ping[ping.len() - rest..]).unwrap();
            stream.write_all(&frame(&serde_json::json!([48, 9, {}, "wamp.session.count"]))).unwrap();
        });
        let mut pong = vec![0; 10_004];
        for _ in 0..sent.div_ceil(10_004) {
            client.stream.read_exact(&mut pong).unwrap();
            assert_eq!(pong[..4], [2, 0, 0x27, 0x10]);
        }
        assert_eq!(client.next(), serde_json::json!([50, 9, {}, [2]]));
    });
}
