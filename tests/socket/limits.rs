//! What happens at the limits.

use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use connectanum::limits::{Limits, READ_BUFFER_BYTES};

use crate::child::*;
use crate::common::*;

on_every_shell! {
    past_connections_max_they_are_closed_at_once,
    without_descriptors_others_wait,
    idle_connections_are_small,
}

fn past_connections_max_they_are_closed_at_once(setup: Setup) {
    let Some(router) = setup.start_with(Limits { connections_max: 3, ..Limits::default() }) else { return };
    let mut clients: Vec<_> = (0..3).map(|_| router.client()).collect();
    clients.iter_mut().for_each(|client| client.echo("in"));
    for _ in 0..5 {
        Client::tcp(router.tcp()).await_closed();
    }
    clients.iter_mut().for_each(|client| client.echo("still in"));
    eventually(|| router.counted(|c| c.refused), |&n| n == 5);
    assert_eq!(router.counted(|c| c.accepted), 3);
    clients.pop();
    router.await_connections(2);
    router.client().echo("in again");
}

fn without_descriptors_others_wait(setup: Setup) {
    let Some(child) = Child::start(setup, "ulimit -n 96", "limits::few_descriptors") else { return };
    let mut clients: Vec<_> = (0..120).map(|_| Client::tcp(child.addr)).collect();
    clients.iter_mut().for_each(|client| client.hello());
    thread::sleep(Duration::from_millis(500));
    let answered = |client: &Client<TcpStream>| {
        client.stream.set_nonblocking(true).unwrap();
        let answered = client.stream.peek(&mut [0]).is_ok();
        client.stream.set_nonblocking(false).unwrap();
        answered
    };
    let (served, waiting): (Vec<_>, Vec<_>) = clients.into_iter().partition(answered);
    assert!(served.len() > 20 && waiting.len() > 24, "{} served, {} wait", served.len(), waiting.len());
    // Those that were accepted are served although others wait, and when they go it is the others' turn.
    for mut client in served {
        client.welcome();
        client.echo("hello");
    }
    for mut client in waiting {
        client.welcome();
    }
    // Accepting was tried every 100 ms, not all the time.
    let turns: u64 = child.result().parse().unwrap();
    assert!(turns < 2000, "{turns} turns");
}

#[test]
#[ignore = "run by without_descriptors_others_wait"]
fn few_descriptors() {
    let Some(router) = start_as_child(Limits::default()) else { return };
    announce(&router);
    await_stdin_closed();
    println!("result {}", router.counted(|c| c.turns));
}

fn idle_connections_are_small(setup: Setup) {
    const CONNECTIONS: u64 = 1000;
    let Some(child) = Child::start(setup, "ulimit -n 4096", "limits::idle_connections") else { return };
    let mut clients: Vec<_> = (0..CONNECTIONS).map(|_| Client::tcp(child.addr).joined()).collect();
    clients.iter_mut().for_each(|client| client.echo(&"x".repeat(1000)));
    let each = child.result().parse::<u64>().unwrap() / CONNECTIONS;
    drop(clients);
    assert!(each < READ_BUFFER_BYTES as u64 / 8, "{each} bytes for an idle connection");
}

#[test]
#[ignore = "run by idle_connections_are_small"]
fn idle_connections() {
    let Some(router) = start_as_child(Limits { drain_ms_max: 100, ..Limits::default() }) else { return };
    let before = resident_bytes("self");
    announce(&router);
    await_stdin_closed();
    assert!(router.handle.connections() > 0, "measured too late");
    println!("result {}", resident_bytes("self").saturating_sub(before));
}
