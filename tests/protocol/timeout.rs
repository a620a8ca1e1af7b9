//! Calls with a time limit (spec: "Call Timeouts").

use connectanum::config::{ProcedurePolicy, RealmConfig};
use connectanum::limits::Limits;
use connectanum::wamp::message::MatchPolicy;
use serde_json::json;

use crate::harness::{REALM, everywhere, everywhere_in};

const CANCELING: &[&str] = &["call_canceling"];

/// The unit is the millisecond, and the time is met exactly.
#[test]
fn the_time_is_up() {
    everywhere(|net| {
        let (alice, bob, carol) = (net.join(), net.join(), net.join_announcing(CANCELING));
        let of_bob = bob.register("com.bob");
        let of_carol = carol.register("com.carol");
        for timeout in [1, 250, 86_400_000] {
            let requests = [alice.fresh(), alice.fresh()];
            alice.send_all([
                json!([48, requests[0], {"timeout": timeout}, "com.bob"]),
                json!([48, requests[1], {"timeout": timeout}, "com.carol"]),
            ]);
            let first = bob.expect_invocation(of_bob, json!([{}]));
            let second = carol.expect_invocation(of_carol, json!([{}]));
            net.wait_ms(timeout - 1);
            alice.expect_nothing();
            net.wait_ms(1);
            let mut errors = alice.all();
            errors.sort_by_key(|error| error[2].as_u64());
            let error = |request| {
                let text = format!("there was no answer within {timeout} ms");
                json!([8, 48, request, {}, "wamp.error.timeout", [text]])
            };
            assert_eq!(errors, requests.map(error));
            assert_eq!(net.census()[4], 0);
            let options = json!({"mode": "killnowait", "reason": "wamp.error.timeout"});
            assert_eq!(carol.next(), json!([69, second, options]));
            bob.send(json!([70, first, {}]));
            carol.send(json!([70, second, {}]));
            bob.expect_nothing();
            alice.send(json!([49, requests[0], {}]));
            alice.expect_nothing();
        }
    });
}

#[test]
fn an_answer_in_time() {
    everywhere(|net| {
        let (alice, bob) = (net.join(), net.join_announcing(CANCELING));
        let registration = bob.register("com.procedure");
        for timeout in [json!(0), json!(100), json!(i64::MAX)] {
            let request = alice.fresh();
            alice.send(json!([48, request, {"timeout": timeout}, "com.procedure"]));
            let invocation = bob.expect_invocation(registration, json!([{}]));
            net.wait_ms(99);
            bob.send(json!([70, invocation, {}]));
            assert_eq!(alice.next(), json!([50, request, {}]));
            net.wait_ms(1_000_000);
            alice.expect_nothing();
            bob.expect_nothing();
        }
    });
}

/// A call that waits for its pick, and one behind it, have their time, too.
#[test]
fn the_time_of_a_call_that_has_not_left() {
    everywhere(|net| {
        let [alice, bob, carol] = net.join_all();
        let options = json!({"invoke": "roundrobin"});
        bob.register_with(options.clone(), "com.procedure");
        carol.register_with(options, "com.procedure");
        net.carry_mesh(false);
        alice.send_all([
            json!([48, 1, {"timeout": 5}, "com.procedure"]),
            json!([48, 2, {"timeout": 4}, "com.procedure"]),
        ]);
        net.wait_ms(5);
        alice.expect_error(48, 2, "wamp.error.timeout", "");
        alice.expect_error(48, 1, "wamp.error.timeout", "");
        net.carry_mesh(true);
        assert_eq!(net.census()[4], 0);
        alice.expect_nothing();
    });
}

/// A kill that is never answered ends with the time.
#[test]
fn killed_and_out_of_time() {
    everywhere(|net| {
        let (alice, bob) = (net.join(), net.join_announcing(CANCELING));
        let registration = bob.register("com.procedure");
        alice.send(json!([48, 1, {"timeout": 10}, "com.procedure"]));
        let invocation = bob.expect_invocation(registration, json!([{}]));
        alice.send(json!([49, 1, {"mode": "kill"}]));
        assert_eq!(bob.next(), json!([69, invocation, {"mode": "kill"}]));
        net.wait_ms(10);
        alice.expect_error(48, 1, "wamp.error.timeout", "");
        bob.expect_nothing();
    });
}

/// A callee that announced call timeouts and registered with `forward_timeout` looks after them itself.
#[test]
fn the_callee_keeps_the_time() {
    everywhere(|net| {
        let alice = net.join();
        let told = json!([{"timeout": 50}]);
        for (features, forward, expected) in [
            (&["call_timeout"][..], json!(true), &told),
            (&["call_timeout"], json!(false), &json!([{}])),
            (&[], json!(true), &json!([{}])),
        ] {
            let bob = net.join_announcing(features);
            let registration = bob.register_with(json!({"forward_timeout": forward}), "com.procedure");
            let request = alice.fresh();
            alice.send(json!([48, request, {"timeout": 50}, "com.procedure"]));
            let invocation = bob.expect_invocation(registration, expected.clone());
            net.wait_ms(1000);
            if *expected == told {
                alice.expect_nothing();
                bob.send(json!([8, 68, invocation, {}, "wamp.error.timeout"]));
                assert_eq!(alice.next(), json!([8, 48, request, {}, "wamp.error.timeout"]));
                // Its end is told all the same.
                let request = alice.fresh();
                alice.send(json!([48, request, {"timeout": 50}, "com.procedure"]));
                bob.expect_invocation(registration, expected.clone());
                bob.socket.lose();
                alice.expect_error(48, request, "wamp.error.canceled", "");
            } else {
                alice.expect_error(48, request, "wamp.error.timeout", "");
                bob.socket.lose();
            }
        }
    });
}

/// What the operator says of a procedure is more than what callers and callees wish.
#[test]
fn the_operators_time() {
    let mut realm = RealmConfig::new(REALM);
    realm.procedures.push(ProcedurePolicy {
        uri: "com.slow".to_owned(),
        match_policy: MatchPolicy::Prefix,
        invoke: None,
        concurrency: None,
        queue: None,
        timeout_ms: Some(20),
        reroute_lost: false,
    });
    everywhere_in(&realm, Limits::default(), |net| {
        let (alice, bob) = (net.join(), net.join_announcing(&["call_timeout"]));
        let options = json!({"match": "prefix", "forward_timeout": true});
        let slow = bob.register_with(options, "com.slow");
        let other = bob.register("com.slow.but.exact");
        for timeout in [json!({}), json!({"timeout": 5}), json!({"timeout": 100})] {
            let request = alice.fresh();
            alice.send(json!([48, request, timeout, "com.slow.procedure"]));
            bob.expect_invocation(slow, json!([{"procedure": "com.slow.procedure"}]));
            net.wait_ms(19);
            alice.expect_nothing();
            net.wait_ms(1);
            alice.expect_error(48, request, "wamp.error.timeout", "within 20 ms");
        }
        alice.send(json!([48, alice.fresh(), {}, "com.slow.but.exact"]));
        bob.expect_invocation(other, json!([{}]));
        net.wait_ms(1000);
        alice.expect_nothing();
    });
}
