//! Results in parts (spec: "Progressive Call Results"; decisions D3, D9, D10).

use connectanum::limits::Limits;
use connectanum::wamp::Serializer;
use serde_json::json;

use crate::harness::{Stage, Transport, everywhere, everywhere_with};

const PROGRESS: &[&str] = &["progressive_call_results"];
const BOTH: &[&str] = &["progressive_call_results", "call_canceling"];

#[test]
fn results_in_parts() {
    everywhere(|net| {
        // The callee need not announce canceling.
        for features in [PROGRESS, BOTH] {
            let (alice, bob) = (net.join(), net.join_announcing(features));
            let registration = bob.register("com.procedure");
            for end in
                [json!([70, 0, {}, ["end"]]), json!([70, 0, {}]), json!([8, 68, 0, {}, "com.error", ["end"]])]
            {
                let request = alice.fresh();
                alice.send(json!([48, request, {"receive_progress": true}, "com.procedure"]));
                let invocation = bob.expect_invocation(registration, json!([{"receive_progress": true}]));
                bob.send_all((0..100).map(|n| json!([70, invocation, {"progress": true}, [n], {"n": n}])));
                for n in 0..100 {
                    assert_eq!(alice.next(), json!([50, request, {"progress": true}, [n], {"n": n}]));
                }
                // An empty part, and the end in the same piece as the last part.
                let mut last = end.clone();
                last[if end[0] == 8 { 2 } else { 1 }] = json!(invocation);
                bob.send_all([
                    json!([70, invocation, {"progress": true}]),
                    json!([70, invocation, {"progress": true}, ["last"]]),
                    last.clone(),
                    json!([70, invocation, {"progress": true}, ["late"]]),
                    last,
                ]);
                assert_eq!(alice.next(), json!([50, request, {"progress": true}]));
                assert_eq!(alice.next(), json!([50, request, {"progress": true}, ["last"]]));
                let came = alice.next();
                assert!(came[0] == if end[0] == 8 { 8 } else { 50 }, "{came}");
                alice.expect_nothing();
                bob.expect_nothing();
            }
            bob.socket.lose();
        }
    });
}

/// Parts that nobody asked for, or that the callee was not told it may send, are dropped.
#[test]
fn parts_that_nobody_asked_for() {
    everywhere(|net| {
        for (features, asks) in [(PROGRESS, json!(false)), (&[], json!(true))] {
            let (alice, bob) = (net.join(), net.join_announcing(features));
            let registration = bob.register("com.procedure");
            alice.send(json!([48, 1, {"receive_progress": asks}, "com.procedure"]));
            let invocation = bob.expect_invocation(registration, json!([{}]));
            bob.send_all([
                json!([70, invocation, {"progress": true}, [1]]),
                json!([70, invocation, {}, ["end"]]),
            ]);
            assert_eq!(alice.next(), json!([50, 1, {}, ["end"]]));
            alice.expect_nothing();
            bob.socket.lose();
        }
    });
}

/// What is under way when the call is cancelled is for nobody; a killed callee may go on until it ends.
#[test]
fn cancelled_on_the_way() {
    everywhere(|net| {
        let (alice, bob) = (net.join(), net.join_announcing(BOTH));
        let registration = bob.register("com.procedure");
        for mode in ["skip", "killnowait", "kill"] {
            let request = alice.fresh();
            alice.send(json!([48, request, {"receive_progress": true}, "com.procedure"]));
            let invocation = bob.expect_invocation(registration, json!([{"receive_progress": true}]));
            bob.send(json!([70, invocation, {"progress": true}, [1]]));
            assert_eq!(alice.next(), json!([50, request, {"progress": true}, [1]]));
            alice.send(json!([49, request, {"mode": mode}]));
            if mode != "skip" {
                assert_eq!(bob.next(), json!([69, invocation, {"mode": mode}]));
            }
            bob.send(json!([70, invocation, {"progress": true}, [2]]));
            bob.send(json!([8, 68, invocation, {}, "com.stopped"]));
            if mode == "kill" {
                assert_eq!(alice.next(), json!([50, request, {"progress": true}, [2]]));
                assert_eq!(alice.next(), json!([8, 48, request, {}, "com.stopped"]));
            } else {
                alice.expect_error(48, request, "wamp.error.canceled", "");
            }
            alice.expect_nothing();
        }
    });
}

/// The time limit is the longest that may pass before the first part, and between two.
#[test]
fn the_time_between_parts() {
    everywhere(|net| {
        let (alice, bob) = (net.join(), net.join_announcing(BOTH));
        let registration = bob.register("com.procedure");
        let options = json!({"receive_progress": true, "timeout": 10});
        alice.send(json!([48, 1, options, "com.procedure"]));
        let invocation = bob.expect_invocation(registration, json!([{"receive_progress": true}]));
        for n in 0..5 {
            net.wait_ms(9);
            alice.expect_nothing();
            bob.send(json!([70, invocation, {"progress": true}, [n]]));
            assert_eq!(alice.next(), json!([50, 1, {"progress": true}, [n]]));
        }
        net.wait_ms(9);
        alice.expect_nothing();
        net.wait_ms(1);
        alice.expect_error(48, 1, "wamp.error.timeout", "within 10 ms");
        assert_eq!(bob.next()[0], 69);
        bob.send(json!([70, invocation, {"progress": true}, ["late"]]));
        alice.expect_nothing();
    });
}

/// A caller that does not read what it asked for is closed, and whoever sends it is interrupted.
#[test]
fn a_caller_that_does_not_read() {
    let limits = Limits { outbound_bytes_high: 10_000, outbound_bytes_max: 50_000, ..Limits::default() };
    everywhere_with(limits, |net| {
        let (alice, bob) = (net.join(), net.join_announcing(BOTH));
        let registration = bob.register("com.procedure");
        alice.send(json!([48, 1, {"receive_progress": true}, "com.procedure"]));
        let invocation = bob.expect_invocation(registration, json!([{"receive_progress": true}]));
        alice.socket.take_only(0);
        let text = "x".repeat(1000);
        let mut sent = 0;
        while alice.socket.stage() != Stage::Closed {
            assert!(sent < 100, "it is never closed");
            bob.send(json!([70, invocation, {"progress": true}, [text]]));
            sent += 1;
        }
        assert!(sent > 40, "closed after {sent} parts");
        assert_eq!(bob.next(), json!([69, invocation, {"mode": "killnowait"}]));
        bob.send(json!([70, invocation, {"progress": true}, [text]]));
        bob.expect_nothing();
        assert!(!bob.socket.is_paused());
    });
}

/// A part that the caller's transport cannot carry ends the call.
#[test]
fn too_large_a_part() {
    everywhere(|net| {
        let small = Transport::RawSocket { serializer: Serializer::Json, length: 3 };
        let alice = net.client_over(small).welcomed(crate::harness::REALM);
        let bob = net.join_announcing(BOTH);
        let registration = bob.register("com.procedure");
        alice.send(json!([48, 1, {"receive_progress": true}, "com.procedure"]));
        let invocation = bob.expect_invocation(registration, json!([{"receive_progress": true}]));
        bob.send(json!([70, invocation, {"progress": true}, ["x".repeat(5000)]]));
        alice.expect_error(48, 1, "wamp.error.payload_size_exceeded", "");
        assert_eq!(bob.next(), json!([69, invocation, {"mode": "killnowait"}]));
    });
}
