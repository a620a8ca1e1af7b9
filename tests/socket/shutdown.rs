//! The end of a router.

use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use connectanum::limits::Limits;

use connectanum::shell::install_signals;

use crate::child::*;
use crate::common::*;

on_every_shell! {
    sessions_get_goodbye,
    who_does_not_answer_is_cut_off,
    nobody_there_ends_at_once,
    before_it_runs_is_not_too_early,
    while_many_talk,
    listeners_close_first,
    a_signal_shuts_down,
    a_second_signal_ends_at_once,
}

fn sessions_get_goodbye(setup: Setup) {
    let Some(router) = setup.start() else { return };
    let mut clients: Vec<_> = (0..10).map(|_| router.client()).collect();
    clients.iter_mut().for_each(|client| client.echo("hello"));
    router.handle.shutdown();
    clients.into_iter().for_each(Client::goodbye);
    router.ended().unwrap();
}

fn who_does_not_answer_is_cut_off(setup: Setup) {
    let Some(router) = setup.start_with(Limits { drain_ms_max: 400, ..Limits::default() }) else { return };
    let mut client = router.client();
    client.echo("hello");
    let start = Instant::now();
    router.handle.shutdown();
    router.handle.shutdown();
    router.ended().unwrap();
    let took = start.elapsed();
    assert!((Duration::from_millis(400)..Duration::from_secs(5)).contains(&took), "{took:?}");
    client.expect_goodbye();
    client.await_closed();
}

fn nobody_there_ends_at_once(setup: Setup) {
    let Some(router) = setup.start() else { return };
    router.client().echo("it runs");
    router.await_connections(0);
    let start = Instant::now();
    router.handle.shutdown();
    router.ended().unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

fn before_it_runs_is_not_too_early(setup: Setup) {
    let Some(router) = built(setup.builder(Limits::default())) else { return };
    router.handle().shutdown();
    router.run().unwrap();
}

fn while_many_talk(setup: Setup) {
    let Some(router) = setup.start() else { return };
    thread::scope(|scope| {
        for _ in 0..8 {
            let mut client = router.client();
            // Until the router says GOODBYE.
            scope.spawn(move || {
                loop {
                    client.publish(&client.topic.clone(), "hello");
                    if client.next()[0] == 6 {
                        return;
                    }
                }
            });
        }
        thread::sleep(Duration::from_millis(50));
        router.handle.shutdown();
    });
    router.ended().unwrap();
}

fn listeners_close_first(setup: Setup) {
    let Some(router) = setup.start() else { return };
    let addr = router.tcp();
    let mut client = router.client();
    client.echo("hello");
    router.handle.shutdown();
    client.expect_goodbye();
    eventually(|| TcpStream::connect(addr).is_err(), |&refused| refused);
    drop(client);
    router.ended().unwrap();
}

fn a_signal_shuts_down(setup: Setup) {
    for signal in ["INT", "TERM"] {
        let Some(child) = Child::start(setup, "true", "shutdown::with_signals") else { return };
        let mut client = Client::tcp(child.addr).joined();
        client.echo("hello");
        child.signal(signal);
        client.goodbye();
        assert_eq!(child.ended().code(), Some(0));
    }
}

fn a_second_signal_ends_at_once(setup: Setup) {
    let Some(child) = Child::start(setup, "true", "shutdown::with_signals") else { return };
    let mut client = Client::tcp(child.addr).joined();
    client.echo("hello");
    child.signal("INT");
    client.expect_goodbye();
    child.signal("TERM");
    assert_eq!(child.ended().code(), Some(128 + libc::SIGTERM));
}

#[test]
#[ignore = "run by a_signal_shuts_down and a_second_signal_ends_at_once"]
fn with_signals() {
    let Some(router) =
        start_as_child(Limits { drain_ms_max: 60_000, closing_ms_max: 60_000, ..Limits::default() })
    else {
        return;
    };
    install_signals(router.handle.clone()).unwrap();
    announce(&router);
    router.ended().unwrap();
}
