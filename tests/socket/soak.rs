//! Nothing grows, however long the router runs. `CONNECTANUM_SOAK=1000000` does so many operations; the default is brief.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use connectanum::limits::Limits;
use serde_json::{Value, json};
use socket2::SockRef;

use crate::child::*;
use crate::common::*;

on_every_shell! {
    nothing_grows,
}

/// Operations without being told otherwise.
const OPERATIONS: usize = 40_000;

/// Rounds of one connection.
const ROUNDS: usize = 8;

/// Operations of a connection: HELLO, SUBSCRIBE to its own topic, the rounds, GOODBYE.
const OPERATIONS_PER_CONNECTION: usize = 2 + 6 * ROUNDS + 1;

/// What may come after the warm-up: the allocator's own ups and downs.
const GROWTH_BYTES_MAX: u64 = 1024 * 1024;

fn nothing_grows(setup: Setup) {
    let Some(child) = Child::start(setup, "ulimit -n 4096", "soak::router") else { return };
    let operations = std::env::var("CONNECTANUM_SOAK").map_or(OPERATIONS, |n| n.parse().unwrap());
    let connections = operations / OPERATIONS_PER_CONNECTION;
    live(child.addr, connections / 4, 0);
    let before = child.resident_bytes();
    live(child.addr, connections - connections / 4, connections);
    let after = child.resident_bytes();
    println!("{connections} connections, {operations} operations: {before} bytes, then {after}");
    assert_eq!(child.result(), "0 connections", "something is left");
    assert!(after < before + GROWTH_BYTES_MAX, "{before} bytes became {after}");
}

#[test]
#[ignore = "run by nothing_grows"]
fn router() {
    let Some(router) = start_as_child(Limits::default()) else { return };
    announce(&router);
    await_stdin_closed();
    router.await_connections(0);
    println!("result {} connections", router.handle.connections());
}

/// So many connections one after the other, on each of two threads half.
fn live(addr: SocketAddr, connections: usize, name: usize) {
    thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || (half..connections).step_by(2).for_each(|n| one_life(addr, name + n)));
        }
    });
}

/// Joins, subscribes, publishes, registers, calls, and goes: in order, or in the middle of everything.
fn one_life(addr: SocketAddr, name: usize) {
    let mut client = Client::tcp(addr).joined();
    // Else the system would run out of ports that are in TIME_WAIT.
    SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();
    let mut id = 1;
    let ask = |client: &mut Client<_>, message: Value, code: u64| {
        client.send(&message);
        loop {
            let answer = client.next();
            // Events of the topic that all share may come at any time.
            match answer[0].as_u64() {
                Some(36) => {}
                Some(found) if found == code => return answer,
                _ => panic!("{answer} for {message}"),
            }
        }
    };
    for round in 0..ROUNDS {
        let topic =
            if round % 2 == 0 { "test.soak.shared".to_owned() } else { format!("test.soak.{name}.{round}") };
        let subscribed = ask(&mut client, json!([32, id + 1, {}, topic]), 33);
        ask(&mut client, json!([16, id + 2, {"acknowledge": true}, topic, ["x".repeat(100)]]), 17);
        let registered =
            ask(&mut client, json!([64, id + 3, {}, format!("test.soak.procedure.{name}.{round}")]), 65);
        let call = json!([48, id + 4, {}, format!("test.soak.procedure.{name}.{round}"), [round]]);
        let invocation = ask(&mut client, call, 68);
        if round == ROUNDS - 1 && name.is_multiple_of(3) {
            return; // The call is pending, the procedure registered, the topic subscribed.
        }
        ask(&mut client, json!([70, invocation[1], {}, ["done"]]), 50);
        ask(&mut client, json!([66, id + 5, registered[2]]), 67);
        ask(&mut client, json!([34, id + 6, subscribed[2]]), 35);
        id += 6;
    }
    ask(&mut client, json!([6, {}, "wamp.close.normal"]), 6);
}
