//! Calls that go to another callee (spec: "Call Re-Routing"), and, if the operator wants it, those whose callee is lost.

use connectanum::config::{ProcedurePolicy, RealmConfig};
use connectanum::limits::Limits;
use connectanum::wamp::message::MatchPolicy;
use serde_json::{Value, json};

use crate::harness::{Client, Net, REALM, everywhere, everywhere_in};

const REROUTE: &[&str] =
    &["call_reroute", "call_canceling", "progressive_call_results", "progressive_call_invocations"];
const UNAVAILABLE: &str = "wamp.error.unavailable";

/// Three callees of a shared procedure.
fn callees(net: &Net, invoke: &str) -> [Client; 3] {
    std::array::from_fn(|_| {
        let callee = net.join_announcing(REROUTE);
        callee.register_with(json!({"invoke": invoke}), "com.procedure");
        callee
    })
}

/// Who of the callees has got an INVOCATION, and its request id.
#[track_caller]
fn invoked(callees: &[Client]) -> (usize, u64) {
    let mut found = None;
    for (i, callee) in callees.iter().enumerate() {
        for message in callee.all() {
            assert_eq!(message[0], 68, "{message}");
            assert_eq!(message[4], json!(["args"]));
            assert_eq!(found.replace((i, message[1].as_u64().unwrap())), None, "two have the call");
        }
    }
    found.expect("an INVOCATION")
}

fn unavailable(invocation: u64) -> Value {
    json!([8, 68, invocation, {}, UNAVAILABLE, ["busy"]])
}

/// By the policy of the registration; when none is left the caller is told.
#[test]
fn the_next_callee() {
    everywhere(|net| {
        for (invoke, expected) in [
            ("first", Some([0, 1, 2])),
            ("last", Some([2, 1, 0])),
            ("roundrobin", Some([0, 1, 2])),
            ("random", None),
            ("load", Some([0, 1, 2])),
        ] {
            let (alice, callees) = (net.join(), callees(net, invoke));
            alice.send(json!([48, 1, {}, "com.procedure", ["args"]]));
            let mut order = Vec::new();
            for _ in 0..3 {
                let (who, invocation) = invoked(&callees);
                order.push(who);
                alice.expect_nothing();
                callees[who].send(unavailable(invocation));
            }
            alice.expect_error(48, 1, "wamp.error.no_available_callee", "");
            if let Some(expected) = expected {
                assert_eq!(order, expected, "{invoke}");
            }
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2]);

            // The next call has all of them again.
            alice.send(json!([48, 2, {}, "com.procedure", ["args"]]));
            let (who, invocation) = invoked(&callees);
            callees[who].send(unavailable(invocation));
            let (who, invocation) = invoked(&callees);
            callees[who].send(json!([70, invocation, {}, ["done"]]));
            assert_eq!(alice.next(), json!([50, 2, {}, ["done"]]));
            for callee in &callees {
                callee.expect_nothing();
                callee.socket.lose();
            }
        }
    });
}

/// Who shares with nobody is all there is; of who did not announce it this is an error like any other.
#[test]
fn nobody_else() {
    everywhere(|net| {
        for (features, invoke) in [(REROUTE, "single"), (&[], "single"), (&[], "first")] {
            let (alice, bob) = (net.join(), net.join_announcing(features));
            bob.register_with(json!({"invoke": invoke}), "com.procedure");
            if invoke != "single" {
                net.join().register_with(json!({"invoke": invoke}), "com.procedure");
            }
            alice.send(json!([48, 1, {}, "com.procedure"]));
            bob.send(unavailable(1));
            let expected = if features.is_empty() { UNAVAILABLE } else { "wamp.error.no_available_callee" };
            assert_eq!(alice.next(), json!([8, 48, 1, {}, expected, ["busy"]]));
            bob.socket.lose();
        }
    });
}

/// Everything of the call comes to the next callee: large arguments, details, the time limit.
#[test]
fn nothing_gets_lost() {
    everywhere(|net| {
        let (alice, callees) = (net.join(), callees(net, "first"));
        let text = "x".repeat(10_000);
        let options = json!({"disclose_me": true, "receive_progress": true, "timeout": 100});
        alice.send(json!([48, 1, options, "com.procedure", [text], {"k": [1, 2]}]));
        let first = callees[0].next();
        assert_eq!(first[3]["caller"], alice.session());
        net.wait_ms(60);
        callees[0].send(unavailable(1));
        let second = callees[1].next();
        assert_eq!((&second[3], &second[4], &second[5]), (&first[3], &json!([text]), &json!({"k": [1, 2]})));
        // A late answer of the first counts no more.
        callees[0].send(json!([70, 1, {}, ["late"]]));
        net.wait_ms(39);
        alice.expect_nothing();
        net.wait_ms(1);
        alice.expect_error(48, 1, "wamp.error.timeout", "");
        assert_eq!(callees[1].next()[0], 69);
    });
}

/// Cancelled, or with parts on their way, a call stays where it is.
#[test]
fn calls_that_are_bound() {
    everywhere(|net| {
        let (alice, callees) = (net.join_announcing(REROUTE), callees(net, "first"));
        alice.send_all([json!([48, 1, {}, "com.procedure"]), json!([49, 1, {"mode": "kill"}])]);
        callees[0].send(unavailable(1));
        assert_eq!(alice.next(), json!([8, 48, 1, {}, UNAVAILABLE, ["busy"]]));

        alice.send(json!([48, 2, {"receive_progress": true}, "com.procedure"]));
        callees[0].send_all([json!([70, 2, {"progress": true}, [1]]), unavailable(2)]);
        assert_eq!(alice.next(), json!([50, 2, {"progress": true}, [1]]));
        assert_eq!(alice.next(), json!([8, 48, 2, {}, UNAVAILABLE, ["busy"]]));

        alice.send(json!([48, 3, {"progress": true}, "com.procedure"]));
        callees[0].send(unavailable(3));
        assert_eq!(alice.next(), json!([8, 48, 3, {}, UNAVAILABLE, ["busy"]]));

        alice.send_all([json!([48, 4, {}, "com.procedure"]), json!([49, 4, {"mode": "skip"}])]);
        alice.expect_error(48, 4, "wamp.error.canceled", "");
        callees[0].send(unavailable(4));
        alice.expect_nothing();
        assert_eq!(callees[1].all(), [] as [Value; 0]);
    });
}

/// A call that was turned away leaves nothing behind when its caller is gone.
#[test]
fn turned_away_for_nobody() {
    everywhere(|net| {
        let (alice, callees) = (net.join(), callees(net, "roundrobin"));
        alice.send(json!([48, 1, {}, "com.procedure", ["args"]]));
        let (who, invocation) = invoked(&callees);
        net.carry_mesh(false);
        callees[who].send(unavailable(invocation));
        alice.socket.lose();
        net.carry_mesh(true);
        assert_eq!(net.census()[4], 0);
    });
}

fn lost_realm() -> RealmConfig {
    let mut realm = RealmConfig::new(REALM);
    realm.procedures.push(ProcedurePolicy {
        uri: "com.procedure".to_owned(),
        match_policy: MatchPolicy::Exact,
        invoke: None,
        concurrency: None,
        queue: None,
        timeout_ms: None,
        reroute_lost: true,
    });
    realm
}

/// Where the operator says so, a call whose callee is lost goes to another one.
#[test]
fn a_lost_callee() {
    everywhere_in(&lost_realm(), Limits::default(), |net| {
        let alice = net.join();
        let callees: [Client; 2] = std::array::from_fn(|_| {
            let callee = net.join_announcing(&["progressive_call_results"]);
            callee.register_with(json!({"invoke": "first"}), "com.procedure");
            callee
        });
        let started = json!({"receive_progress": true});
        alice.send_all([
            json!([48, 1, {}, "com.procedure", ["args"]]),
            json!([48, 2, started, "com.procedure", ["args"]]),
        ]);
        assert_eq!(callees[0].all().len(), 2);
        callees[0].send(json!([70, 2, {"progress": true}]));
        assert_eq!(alice.next(), json!([50, 2, {"progress": true}]));
        callees[0].socket.lose();
        // Of the second a part was passed on: nobody else can go on with it.
        alice.expect_error(48, 2, "wamp.error.canceled", "the callee left");
        let (_, invocation) = invoked(&callees[1..]);
        // This error is one like any other: nobody announced re-routing.
        callees[1].send(unavailable(invocation));
        assert_eq!(alice.next(), json!([8, 48, 1, {}, UNAVAILABLE, ["busy"]]));

        alice.send(json!([48, 3, {}, "com.procedure", ["args"]]));
        invoked(&callees[1..]);
        callees[1].send(json!([6, {}, "com.bye"]));
        alice.expect_error(48, 3, "wamp.error.canceled", "the callee left");
    });
}

/// Elsewhere it is cancelled.
#[test]
fn a_lost_callee_of_another_procedure() {
    everywhere_in(&lost_realm(), Limits::default(), |net| {
        let (alice, bob, carol) = (net.join(), net.join_announcing(REROUTE), net.join_announcing(REROUTE));
        for callee in [&bob, &carol] {
            callee.register_with(json!({"invoke": "first"}), "com.other");
        }
        alice.send(json!([48, 1, {}, "com.other"]));
        bob.socket.lose();
        alice.expect_error(48, 1, "wamp.error.canceled", "the callee left");
        carol.expect_nothing();
    });
}
