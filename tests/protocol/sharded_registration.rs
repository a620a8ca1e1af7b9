//! Sharded registrations: a key names the callee (spec: "Sharded Registration", a sketch that leaves most of it open).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{Client, everywhere};

/// Calls with each of 40 keys; returns the callee that each has come to.
#[track_caller]
fn parts(callers: &[&Client], callees: &[&Client]) -> BTreeMap<u64, u64> {
    for key in 0..40 {
        let caller = callers[key % callers.len()];
        let options = json!({"runmode": "partition", "rkey": format!("key {key}")});
        caller.send(json!([48, caller.fresh(), options, "com.procedure", [key]]));
    }
    let mut parts = BTreeMap::new();
    for callee in callees {
        for invocation in callee.all() {
            assert_eq!(invocation[0], 68, "{invocation}");
            parts.insert(invocation[4][0].as_u64().unwrap(), callee.session());
            callee.send(json!([70, invocation[1], {}]));
        }
    }
    assert_eq!(parts.len(), 40);
    for caller in callers {
        assert!(caller.all().iter().all(|message| message[0] == 50));
    }
    parts
}

fn offer(callee: &Client, options: &Value) -> u64 {
    callee.register_with(options.clone(), "com.procedure")
}

#[test]
fn a_key_has_its_callee() {
    for options in [
        json!({"invoke": "roundrobin"}),
        json!({"invoke": "first"}),
        json!({"invoke": "random"}),
        json!({"invoke": "load"}),
        json!({"invoke": "last", "concurrency": 50}),
    ] {
        everywhere(|net| {
            let [a, b, c, caller, other] = net.join_all();
            for callee in [&a, &b, &c] {
                offer(callee, &options);
            }
            let before = parts(&[&caller], &[&a, &b, &c]);
            for callee in [&a, &b, &c] {
                assert!(before.values().any(|it| *it == callee.session()), "{before:?}");
            }
            // From any shard, in any order.
            assert_eq!(parts(&[&other, &caller], &[&a, &b, &c]), before);
            // Who comes takes from all, and nothing else moves.
            let d = net.join();
            let registration = offer(&d, &options);
            let with = parts(&[&caller, &other], &[&a, &b, &c, &d]);
            assert!(with.values().any(|it| *it == d.session()), "{with:?}");
            assert!(with.iter().all(|(key, it)| *it == d.session() || before[key] == *it));
            // Who leaves gives to all.
            assert_eq!(d.ask(json!([66, 9, registration])), json!([67, 9]));
            assert_eq!(parts(&[&caller, &other], &[&a, &b, &c]), before);
            a.socket.lose();
            let without = parts(&[&caller, &other], &[&b, &c]);
            assert!(without.iter().all(|(key, it)| before[key] == *it || before[key] == a.session()));
        });
    }
}

/// A call to a callee that takes no more waits for that one, though others are free.
#[test]
fn a_busy_callee() {
    everywhere(|net| {
        let [a, b, caller] = net.join_all();
        for callee in [&a, &b] {
            offer(callee, &json!({"invoke": "roundrobin", "concurrency": 1}));
        }
        let call = |n: u64, key: &str| {
            caller.send(json!([48, n, {"runmode": "partition", "rkey": key}, "com.procedure", [n]]));
        };
        call(1, "key");
        let (owner, other) = if a.all().is_empty() { (&b, &a) } else { (&a, &b) };
        owner.all();
        call(2, "key");
        other.expect_nothing();
        caller.send(json!([48, 3, {}, "com.procedure", [3]]));
        assert_eq!(other.next()[4], json!([3]));
        owner.send(json!([70, 1, {}]));
        assert_eq!(owner.next()[4], json!([2]));
        call(4, "key");
        owner.socket.lose();
        // It is the other one's now, which is busy.
        other.expect_nothing();
        other.send(json!([70, 1, {}]));
        assert_eq!(other.next()[4], json!([4]));
    });
}

/// A key does no harm where there is nothing to choose.
#[test]
fn one_callee() {
    everywhere(|net| {
        let [alice, caller] = net.join_all();
        for (options, call) in [
            (json!({}), json!({"runmode": "partition", "rkey": ""})),
            (json!({"invoke": "roundrobin"}), json!({"runmode": "partition", "rkey": "x"})),
            // Without a runmode it means nothing.
            (json!({}), json!({"rkey": "x"})),
        ] {
            let registration = offer(&alice, &options);
            caller.send(json!([48, 1, call, "com.procedure"]));
            let invocation = alice.expect_invocation(registration, json!([{}]));
            alice.send(json!([70, invocation, {}]));
            assert_eq!(caller.next(), json!([50, 1, {}]));
            assert_eq!(alice.ask(json!([66, 9, registration])), json!([67, 9]));
        }
        caller.send(json!([48, 2, {"runmode": "partition", "rkey": "x"}, "com.procedure"]));
        caller.expect_error(48, 2, "wamp.error.no_such_procedure", "");
    });
}

#[test]
fn faulty_options() {
    everywhere(|net| {
        let [alice, caller] = net.join_all();
        offer(&alice, &json!({}));
        for (options, text) in [
            (json!({"runmode": "partition"}), "there is no rkey"),
            (json!({"runmode": "all"}), "is not 'partition'"),
            (json!({"runmode": "", "rkey": "x"}), "is not 'partition'"),
        ] {
            caller.send(json!([48, 1, options, "com.procedure"]));
            caller.expect_error(48, 1, "wamp.error.invalid_argument", text);
        }
        alice.expect_nothing();
    });
}
