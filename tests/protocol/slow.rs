//! Clients that do not read: they are not read either; too far behind they are closed. Others notice nothing.

use connectanum::limits::Limits;
use connectanum::ws::Control;
use serde_json::{Value, json};

use crate::harness::{Frame, Stage, Transport, everywhere, everywhere_with, raw_frame, ws_control};

/// A client stalls with 10 000 bytes waiting for it, and is closed with more than 50 000.
fn limits() -> Limits {
    Limits { outbound_bytes_high: 10_000, outbound_bytes_max: 50_000, ..Limits::default() }
}

fn text() -> String {
    "x".repeat(990)
}

/// An event whose number comes before its text.
fn publish(n: usize) -> Value {
    json!([16, n + 1, {}, "com.topic", [n, text()]])
}

fn numbers(events: &[Value]) -> Vec<usize> {
    events.iter().map(|event| event[4][0].as_u64().unwrap() as usize).collect()
}

#[test]
fn a_slow_subscriber_catches_up() {
    everywhere_with(limits(), |net| {
        let [alice, bob, slow] = net.join_all();
        bob.subscribe("com.topic");
        slow.subscribe("com.topic");
        slow.socket.take_only(0);
        for n in 0..40 {
            alice.send(publish(n));
            assert_eq!(numbers(&bob.all()), [n]);
        }
        assert!(slow.socket.is_paused(), "a client that does not read is not read");
        assert!(!alice.socket.is_paused() && !bob.socket.is_paused());
        slow.send(json!([16, 1, {"acknowledge": true}, "com.other"]));
        // It reads again, in small bites at first.
        slow.socket.take_only(1001);
        assert!(slow.socket.is_paused());
        slow.socket.take_only(usize::MAX);
        assert!(!slow.socket.is_paused());
        let mut messages = slow.all();
        assert_eq!(messages.pop().unwrap()[0], 17);
        assert_eq!(numbers(&messages), (0..40).collect::<Vec<_>>());
    });
}

#[test]
fn a_slow_subscriber_is_closed() {
    everywhere_with(limits(), |net| {
        let [alice, bob, slow] = net.join_all();
        bob.subscribe("com.topic");
        slow.subscribe("com.topic");
        slow.register("com.procedure");
        slow.socket.take_only(0);
        for n in 0..100 {
            alice.send(publish(n));
            if n < 47 {
                assert_eq!(slow.socket.stage(), Stage::Open, "{n}");
            }
        }
        assert_eq!(slow.socket.stage(), Stage::Closed);
        assert_eq!((net.limited().outbound_bytes_max, net.limited().outbound_bytes_high), (1, 1));
        assert_eq!(numbers(&bob.all()), (0..100).collect::<Vec<_>>());
        alice.send(json!([48, 200, {}, "com.procedure"]));
        alice.expect_error(48, 200, "wamp.error.no_such_procedure", "");
        assert!(!alice.socket.is_paused());
    });
}

/// Callers of a callee that is closed for its slowness are told.
#[test]
fn a_slow_callee_is_closed() {
    everywhere_with(limits(), |net| {
        let [alice, slow] = net.join_all();
        slow.register("com.procedure");
        slow.socket.take_only(0);
        alice.send_all((1..=60).map(|n| json!([48, n, {}, "com.procedure", [text()]])));
        let errors = alice.all();
        assert_eq!(errors.len(), 60);
        for error in errors {
            let gone = ["wamp.error.canceled", "wamp.error.no_such_procedure"];
            assert!(gone.contains(&error[4].as_str().unwrap()), "{error}");
        }
        assert_eq!(slow.socket.stage(), Stage::Closed);
    });
}

/// A client that asks and does not read the answers is not read; it loses nothing.
#[test]
fn a_client_that_only_asks() {
    everywhere_with(limits(), |net| {
        let [alice, bob] = net.join_all();
        bob.subscribe("com.topic");
        alice.socket.take_only(0);
        alice.send_all((0..1000).map(|n| json!([16, n + 1, {"acknowledge": true}, "com.topic", [n]])));
        assert!(alice.socket.is_paused());
        let before = bob.all().len();
        assert!((100..1000).contains(&before), "{before}");
        alice.socket.take_only(usize::MAX);
        assert!(!alice.socket.is_paused());
        assert_eq!((alice.all().len(), bob.all().len()), (1000, 1000 - before));
    });
}

/// When the router has ended the connection it reads again: only so it sees that the client has closed, too.
#[test]
fn the_end_of_a_client_that_does_not_read() {
    everywhere_with(limits(), |net| {
        let alice = net.join();
        alice.socket.take_only(0);
        alice.send_all((0..1000).map(|n| json!([16, n + 1, {"acknowledge": true}, "com.topic"])));
        assert!(alice.socket.is_paused());
        net.shutdown();
        net.wait_ms(5_000);
        assert!(!alice.socket.is_paused());
        assert_eq!(alice.socket.stage(), Stage::Open, "what waits for it is still to be sent");
        alice.socket.take_only(usize::MAX);
        assert_eq!(alice.socket.stage(), Stage::Shut);
        alice.socket.eof();
        assert_eq!(alice.socket.stage(), Stage::Closed);
    });
}

/// Not even with pings can a client make the router keep more for it.
#[test]
fn a_client_that_only_pings() {
    everywhere_with(limits(), |net| {
        let alice = net.join();
        alice.socket.take_only(0);
        let ping = match alice.transport {
            Transport::RawSocket { .. } => raw_frame(1, &[7; 100]),
            Transport::WebSocket(_) => ws_control(Control::Ping, &[7; 100]),
        };
        alice.socket.write(&ping.repeat(1000));
        assert_eq!((alice.socket.is_paused(), alice.socket.stage()), (true, Stage::Open));
        alice.socket.take_only(usize::MAX);
        for _ in 0..1000 {
            assert_eq!(alice.next_frame(), Some(Frame::Pong(vec![7; 100])));
        }
        alice.expect_nothing();
    });
}

/// What one shard cannot get rid of slows those who produce it, on that shard; it is not lost and keeps its order.
#[test]
fn a_link_between_shards_that_is_slow() {
    let limits = Limits { mesh_outbox_bytes_high: 10_000, ..Limits::default() };
    everywhere_with(limits, |net| {
        let [alice, bob] = net.join_all();
        bob.subscribe("com.topic");
        net.carry_mesh(false);
        for n in 0..60 {
            alice.send(publish(n));
        }
        let at_once = bob.all().len();
        let is_apart = at_once == 0;
        assert_eq!(alice.socket.is_paused(), is_apart);
        assert_eq!(net.limited().mesh_outbox_bytes_high, u64::from(is_apart));
        net.carry_mesh(true);
        assert!(!alice.socket.is_paused());
        let later = bob.all();
        assert_eq!(numbers(&later), (at_once..60).collect::<Vec<_>>());
    });
}

/// As long as it reads, nobody is too slow: the limit is for what waits, not for what was sent.
#[test]
fn much_for_a_client_that_reads() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let subscription = bob.subscribe("com.topic");
        let large = "x".repeat(200_000);
        for _ in 0..5 {
            alice.send(json!([16, 1, {}, "com.topic", [large]]));
            bob.expect_event(subscription, json!([{}, [large]]));
        }
    });
}
