//! The end of a session, from either side, and of a connection (spec: "Session Closing").

use connectanum::limits::Limited;
use serde_json::{Value, json};

use crate::harness::{Client, REALM, STRICT_URIS, Stage, everywhere, hello};

fn goodbye() -> Value {
    json!([6, {}, "wamp.close.close_realm"])
}

fn goodbye_and_out() -> Value {
    json!([6, {}, "wamp.close.goodbye_and_out"])
}

/// Decision D7.
#[test]
fn goodbye_is_answered() {
    everywhere(|net| {
        for reason in ["wamp.close.close_realm", "wamp.close.normal", "com.example.lunch"] {
            let alice = net.join();
            let answer = alice.ask(json!([6, {"message": "see you", "x": 1}, reason]));
            assert_eq!(answer, goodbye_and_out());
            alice.expect_nothing();
        }
        assert_eq!(net.census(), [3, 0, 0, 0, 0]);
    });
}

/// A new session may follow on the same transport. It starts from nothing.
#[test]
fn hello_after_goodbye() {
    everywhere(|net| {
        let alice = net.join_realm(REALM);
        let bob = net.join();
        let first = alice.session();
        alice.subscribe("com.topic");
        let registration = alice.register("com.procedure");
        bob.send(json!([48, 1, {}, "com.procedure"]));
        assert_eq!(alice.expect_invocation(registration, json!([{}])), 1);

        assert_eq!(alice.ask(goodbye()), goodbye_and_out());
        bob.expect_error(48, 1, "wamp.error.canceled", "the callee left");
        bob.send_all([json!([16, 2, {}, "com.topic"]), json!([48, 3, {}, "com.procedure"])]);
        bob.expect_error(48, 3, "wamp.error.no_such_procedure", "no callee offers 'com.procedure'");
        alice.expect_nothing();

        let alice = alice.welcomed(REALM);
        assert_ne!(alice.session(), first);
        let registration = alice.register("com.procedure");
        bob.send(json!([48, 4, {}, "com.procedure"]));
        assert_eq!(alice.expect_invocation(registration, json!([{}])), 1, "ids begin again with 1");
    });
}

/// The next HELLO need not wait for the answer, even if the owners of what the session offered are asked first.
#[test]
fn hello_right_behind_goodbye() {
    everywhere(|net| {
        let alice = net.join();
        for n in 0..8 {
            alice.register(&format!("com.procedure.{n}"));
        }
        alice.send_all([goodbye(), hello(REALM), json!([64, 1, {}, "com.procedure.3"])]);
        assert_eq!(alice.next(), goodbye_and_out());
        assert_eq!(alice.next()[0], 2);
        assert_eq!(alice.next()[0], 65);
        net.wait_ms(60_000);
        alice.expect_nothing();
    });
}

#[test]
fn a_session_on_the_same_transport_may_be_of_another_realm() {
    everywhere(|net| {
        let alice = net.join();
        assert_eq!(alice.ask(goodbye()), goodbye_and_out());
        let alice = alice.welcomed(STRICT_URIS);
        assert_eq!(alice.ask(goodbye()), goodbye_and_out());
        alice.send(hello("realm.unknown"));
        alice.expect_abort("wamp.error.no_such_realm", "realm.unknown");
    });
}

/// The router waits as long as it waits for a first HELLO.
#[test]
fn no_hello_after_goodbye() {
    everywhere(|net| {
        let alice = net.join();
        net.wait_ms(60_000);
        assert_eq!(alice.ask(goodbye()), goodbye_and_out());
        net.wait_ms(9_999);
        alice.expect_nothing();
        net.wait_ms(1);
        alice.expect_closed(1008);
    });
}

#[test]
fn other_messages_after_goodbye() {
    everywhere(|net| {
        for message in [goodbye(), json!([16, 1, {}, "com.x"]), json!([34, 1, 1])] {
            let alice = net.join();
            assert_eq!(alice.ask(goodbye()), goodbye_and_out());
            alice.send(message);
            alice.expect_violation("before a session is established");
        }
    });
}

/// Whoever knows that a session has left can take over what it offered, on any shard.
#[test]
fn what_a_session_offered_is_free_when_its_goodbye_is_answered() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        for n in 0..20 {
            alice.register(&format!("com.procedure.{n}"));
        }
        net.carry_mesh(false);
        alice.send(goodbye());
        let at_once = alice.next_frame().is_some();
        assert_eq!(at_once, net.shards() == 1, "other shards own some of them, and have to know");
        net.carry_mesh(true);
        if !at_once {
            assert_eq!(alice.next(), goodbye_and_out());
        }
        for n in 0..20 {
            bob.register(&format!("com.procedure.{n}"));
        }
    });
}

/// However a session ends, nothing of it stays, and its callers are told.
#[test]
fn every_end_of_a_session_is_the_same_to_others() {
    let ends: [fn(&Client); 6] = [
        |alice| alice.send(goodbye()),
        |alice| alice.send(json!([3, {}, "com.reason"])),
        |alice| alice.send(json!([48])),
        |alice| alice.send_bytes(b"garbage"),
        |alice| alice.socket.eof(),
        |alice| alice.socket.lose(),
    ];
    everywhere(|net| {
        let bob = net.join();
        let before = net.census();
        for end in ends {
            let alice = net.join();
            alice.subscribe("com.topic");
            alice.subscribe_with(json!({"match": "wildcard"}), "com.");
            let registration = alice.register("com.procedure");
            let call = bob.fresh();
            bob.send(json!([48, call, {}, "com.procedure"]));
            alice.expect_invocation(registration, json!([{}]));
            alice.send(json!([48, 77, {}, "com.procedure"]));
            alice.expect_invocation(registration, json!([{}]));

            end(&alice);
            bob.expect_error(48, call, "wamp.error.canceled", "the callee left before it answered");
            alice.socket.lose();
            assert_eq!(net.census(), before);
        }
    });
}

/// A client that does not close after an ABORT, or does not even read it, is given two seconds.
#[test]
fn the_grace_to_close() {
    everywhere(|net| {
        let [polite, deaf] = net.join_all();
        deaf.socket.take_only(0);
        for client in [&polite, &deaf] {
            client.send(json!([48]));
        }
        assert_eq!((polite.socket.stage(), deaf.socket.stage()), (Stage::Shut, Stage::Open));
        net.wait_ms(1_999);
        assert_eq!((polite.socket.stage(), deaf.socket.stage()), (Stage::Shut, Stage::Open));
        net.wait_ms(1);
        assert_eq!((polite.socket.stage(), deaf.socket.stage()), (Stage::Closed, Stage::Closed));
        assert_eq!(net.limited(), Limited { closing_ms_max: 2, ..Limited::default() });
        assert_eq!(net.census(), [0; 5]);
    });
}

/// What a client has sent before it closed its side still counts, and it gets what it asked for.
#[test]
fn half_closed() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let subscription = bob.subscribe("com.x");
        alice.send_last([json!([16, 1, {"acknowledge": true}, "com.x"])]);
        bob.expect_event(subscription, json!([{}]));
        assert_eq!(alice.next()[0], 17);
        assert_eq!(alice.socket.stage(), Stage::Closed);
    });
}

/// Also if its requests have to wait for other shards.
#[test]
fn half_closed_in_the_middle_of_requests() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let subscription = bob.subscribe("com.x");
        let requests = (1..10).flat_map(|n| {
            let topic = format!("com.topic.{n}");
            [json!([32, 2 * n, {}, topic]), json!([16, 2 * n + 1, {}, "com.x", [n]])]
        });
        alice.send_last(requests);
        for n in 1..10 {
            assert_eq!(alice.next()[0], 33);
            bob.expect_event(subscription, json!([{}, [n]]));
        }
        assert_eq!(alice.socket.stage(), Stage::Closed);
    });
}

fn shut_down_goodbye() -> Value {
    json!([6, {"message": "the router is shutting down"}, "wamp.close.system_shutdown"])
}

#[test]
fn the_router_shuts_down() {
    everywhere(|net| {
        let [alice, bob, carol] = net.join_all();
        let (without_session, without_transport) = (net.client(), net.socket());
        net.shutdown();
        without_session.expect_closed(1001);
        without_transport.expect_end();
        for client in [&alice, &bob, &carol] {
            assert_eq!(client.next(), shut_down_goodbye());
        }
        // Alice answers in order, Bob has gone, Carol does not listen.
        alice.send_all([json!([16, 1, {}, "com.x"]), goodbye_and_out()]);
        alice.expect_closed(1000);
        bob.socket.lose();
        carol.send(json!([32, 1, {}, "com.x"]));
        carol.expect_nothing();
        assert!(!net.is_drained());
        net.wait_ms(4_999);
        carol.expect_nothing();
        net.wait_ms(1);
        carol.expect_closed(1001);
        assert!(net.is_drained());
        assert_eq!(net.limited(), Limited { drain_ms_max: 1, ..Limited::default() });
    });
}

#[test]
fn nobody_is_let_in_while_the_router_shuts_down() {
    everywhere(|net| {
        let alice = net.join();
        net.shutdown();
        assert_eq!(alice.next(), shut_down_goodbye());
        alice.send(hello(REALM));
        alice.expect_nothing();
        let late = net.socket();
        late.expect_end();
        late.write(&[0x7F, 0xF1, 0, 0]);
        assert!(late.read().is_empty());
    });
}

/// A client whose requests wait for other shards, and are not read on, is heard when it answers.
#[test]
fn a_shutdown_in_the_middle_of_requests() {
    everywhere(|net| {
        let alice = net.join();
        net.carry_mesh(false);
        let register = |n: usize| json!([64, n + 1, {}, format!("com.procedure.{n}")]);
        alice.send_all(
            (0..20).map(register).chain([json!([16, 50, {}, "com.x"]), json!([16, 51, {}, "com.x"])]),
        );
        assert_eq!(alice.socket.is_paused(), net.shards() > 1);
        net.shutdown();
        assert_eq!(alice.all().last(), Some(&shut_down_goodbye()));
        alice.send(goodbye_and_out());
        alice.expect_closed(1000);
        net.carry_mesh(true);
        assert!(net.is_drained());
    });
}

/// A client that is about to leave when the router shuts down still has its GOODBYE answered.
#[test]
fn a_goodbye_that_crosses_the_shutdown() {
    everywhere(|net| {
        let alice = net.join();
        alice.register("com.procedure");
        net.carry_mesh(false);
        alice.send(goodbye());
        net.shutdown();
        net.carry_mesh(true);
        assert_eq!(alice.next(), goodbye_and_out());
        alice.expect_closed(1001);
        assert!(net.is_drained());
    });
}

/// For a client, GOODBYE is the last word of its session: what others do afterwards does not reach it.
#[test]
fn nothing_follows_the_routers_goodbye() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        alice.subscribe("com.x");
        bob.register("com.procedure");
        alice.send(json!([48, 9, {}, "com.procedure"]));
        bob.next();
        net.carry_mesh(false);
        bob.send_all([json!([16, 1, {}, "com.x"]), json!([16, 2, {}, "com.x"])]);
        net.shutdown();
        net.carry_mesh(true);
        bob.socket.lose();
        assert_eq!(alice.all().last(), Some(&shut_down_goodbye()));
        alice.send(goodbye_and_out());
        alice.expect_closed(1000);
    });
}
