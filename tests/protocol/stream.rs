//! Calls whose arguments come in parts (spec: "Progressive Call Invocations").

use serde_json::{Value, json};

use crate::harness::{Client, Net, REALM, STRICT_IDS, everywhere};

const ALL: &[&str] = &["progressive_call_invocations", "progressive_call_results", "call_canceling"];

fn join_all<const N: usize>(net: &Net) -> [Client; N] {
    std::array::from_fn(|_| net.join_announcing(ALL))
}

/// A CALL with more to come, or the last one.
fn part(request: u64, progress: bool, n: u64) -> Value {
    let options = if progress { json!({"progress": true}) } else { json!({}) };
    json!([48, request, options, "com.procedure", [n]])
}

#[test]
fn arguments_in_parts() {
    everywhere(|net| {
        let [alice, bob] = join_all(net);
        let registration = bob.register("com.procedure");
        for all_at_once in [true, false] {
            let request = alice.fresh();
            let parts = (0..20).map(|n| part(request, n < 19, n));
            if all_at_once {
                alice.send_all(parts);
            } else {
                parts.for_each(|part| alice.send(part));
            }
            let invocation = bob.expect_invocation(registration, json!([{"progress": true}, [0]]));
            for n in 1..19 {
                assert_eq!(bob.next(), json!([68, invocation, registration, {"progress": true}, [n]]));
            }
            assert_eq!(bob.next(), json!([68, invocation, registration, {}, [19]]));
            bob.send(json!([70, invocation, {}, ["all"]]));
            assert_eq!(alice.next(), json!([50, request, {}, ["all"]]));
        }
        // The next call has an id of its own.
        alice.send(json!([48, alice.fresh(), {}, "com.procedure"]));
        assert_eq!(bob.expect_invocation(registration, json!([{}])), 3);
    });
}

/// What the first CALL says holds for all; later options count no more.
#[test]
fn options_are_frozen() {
    everywhere(|net| {
        let [alice, bob] = join_all(net);
        let registration = bob.register_with(json!({"match": "prefix"}), "com");
        let first = json!({"progress": true, "disclose_me": true, "receive_progress": true, "timeout": 1000});
        alice.send(json!([48, 1, first, "com.procedure", [1]]));
        let mut details = json!({
            "progress": true, "receive_progress": true, "procedure": "com.procedure",
            "caller": alice.session(), "caller_authid": null, "caller_authrole": "anonymous"
        });
        let came = bob.next();
        details["caller_authid"] = came[3]["caller_authid"].clone();
        assert_eq!(came, json!([68, 1, registration, details, [1]]));
        alice.send(
            json!([48, 1, {"progress": true, "disclose_me": false, "timeout": 1}, "com.procedure", [2]]),
        );
        assert_eq!(bob.next(), json!([68, 1, registration, details, [2]]));
        net.wait_ms(500);
        alice.send(json!([48, 1, {"receive_progress": false}, "com.procedure", [3]]));
        details.as_object_mut().unwrap().remove("progress");
        assert_eq!(bob.next(), json!([68, 1, registration, details, [3]]));
        net.wait_ms(499);
        alice.expect_nothing();
        net.wait_ms(1);
        alice.expect_error(48, 1, "wamp.error.timeout", "");
    });
}

/// Parts in both directions.
#[test]
fn full_duplex() {
    everywhere(|net| {
        let [alice, bob] = join_all(net);
        let registration = bob.register("com.procedure");
        let first = json!({"progress": true, "receive_progress": true});
        alice.send(json!([48, 1, first, "com.procedure", [0]]));
        let details = json!({"progress": true, "receive_progress": true});
        let invocation = bob.expect_invocation(registration, json!([details, [0]]));
        for n in 1..10 {
            bob.send(json!([70, invocation, {"progress": true}, [n]]));
            assert_eq!(alice.next(), json!([50, 1, {"progress": true}, [n]]));
            alice.send(part(1, true, n));
            assert_eq!(bob.next(), json!([68, invocation, registration, details, [n]]));
        }
        alice.send(part(1, false, 10));
        assert_eq!(bob.next(), json!([68, invocation, registration, {"receive_progress": true}, [10]]));
        bob.send(json!([70, invocation, {"progress": true}, ["nearly"]]));
        bob.send(json!([70, invocation, {}, ["end"]]));
        assert_eq!(alice.next(), json!([50, 1, {"progress": true}, ["nearly"]]));
        assert_eq!(alice.next(), json!([50, 1, {}, ["end"]]));
    });
}

#[test]
fn a_caller_that_did_not_announce_it() {
    everywhere(|net| {
        let bob = net.join_announcing(ALL);
        bob.register("com.procedure");
        let alice = net.join_announcing(&["call_canceling"]);
        alice.send(part(1, true, 1));
        alice.expect_violation("this caller has not announced progressive_call_invocations");
        bob.expect_nothing();
    });
}

#[test]
fn a_callee_that_lacks_it() {
    everywhere(|net| {
        for lacking in [&["call_canceling"][..], &["progressive_call_invocations"], &[]] {
            let (alice, bob) = (net.join_announcing(ALL), net.join_announcing(lacking));
            let registration = bob.register("com.procedure");
            alice.send_all([part(1, true, 1), part(1, true, 2)]);
            alice.expect_error(48, 1, "wamp.error.feature_not_supported", "progressive_call_invocations");
            // What follows is discarded, and then the id may be used anew.
            alice.send_all([part(1, true, 3), part(1, false, 4)]);
            alice.expect_nothing();
            bob.expect_nothing();
            alice.send(part(1, false, 5));
            bob.expect_invocation(registration, json!([{}, [5]]));
            bob.socket.lose();
        }
        // So do the router's own procedures.
        let alice = net.join_announcing(ALL);
        alice.send(json!([48, 1, {"progress": true}, "wamp.session.count"]));
        alice.expect_error(48, 1, "wamp.error.feature_not_supported", "");
        alice.send(json!([48, 1, {}, "wamp.session.count"]));
        alice.expect_nothing();
    });
}

/// After the end of the call, however it came, what is still under way is discarded, in strict realms and in others.
#[test]
fn too_late() {
    everywhere(|net| {
        for realm in [REALM, STRICT_IDS] {
            let join = || {
                let role =
                    json!({"features": {"progressive_call_invocations": true, "call_canceling": true}});
                let roles = json!({"caller": role, "callee": role});
                net.client().welcomed_as(realm, &roles)
            };
            let (alice, bob) = (join(), join());
            let registration = bob.register("com.procedure");
            for end in 0..4 {
                let request = alice.fresh();
                alice.send(part(request, true, 1));
                let invocation = bob.expect_invocation(registration, json!([{"progress": true}, [1]]));
                match end {
                    0 => bob.send(json!([70, invocation, {}])),
                    1 => bob.send(json!([8, 68, invocation, {}, "com.enough"])),
                    2 => alice.send(json!([49, request, {"mode": "skip"}])),
                    _ => alice.send(json!([49, request, {"mode": "killnowait"}])),
                }
                assert_ne!(alice.next(), Value::Null);
                alice.send_all([part(request, true, 2), part(request, true, 3), part(request, false, 4)]);
                alice.expect_nothing();
                if end == 3 {
                    assert_eq!(bob.next()[0], 69);
                }
                bob.expect_nothing();
            }
            // A call that nobody takes is over before its second part comes.
            let request = alice.fresh();
            let to_nobody = |progress: bool| json!([48, request, {"progress": progress}, "com.nobody"]);
            alice.send(to_nobody(true));
            alice.expect_error(48, request, "wamp.error.no_such_procedure", "");
            alice.send_all([to_nobody(true), to_nobody(false)]);
            alice.expect_nothing();
            let request = alice.fresh();
            alice.send(part(request, false, 5));
            bob.expect_invocation(registration, json!([{}, [5]]));
        }
    });
}

/// An id of an active call that is not, or no longer, in parts; and another procedure.
#[test]
fn parts_of_something_else() {
    everywhere(|net| {
        let bob = net.join_announcing(ALL);
        bob.register("com.procedure");
        let another = json!([48, 1, {"progress": true}, "com.another"]);
        for (first, second, text) in [
            (part(1, false, 1), part(1, true, 2), "which an active call has"),
            (part(1, false, 1), part(1, false, 2), "which an active call has"),
            (part(1, true, 1), another, "with another procedure"),
        ] {
            let alice = net.join_announcing(ALL);
            alice.send_all([first, second]);
            alice.expect_violation(text);
        }
        let alice = net.join_announcing(ALL);
        alice.send_all([part(1, true, 1), part(1, false, 2), part(1, false, 3)]);
        alice.expect_violation("which an active call has");
    });
}

/// All parts go to the callee that took the first, in their order, although that had to be picked.
#[test]
fn parts_stay_together() {
    everywhere(|net| {
        let callees: [Client; 3] = join_all(net);
        let options = json!({"invoke": "roundrobin"});
        for callee in &callees {
            callee.register_with(options.clone(), "com.procedure");
        }
        let [alice, carol] = join_all(net);
        for round in 0..2 {
            for caller in [&alice, &carol] {
                caller.send_all((0..5).map(|n| part(round + 1, n < 4, n)));
            }
        }
        let mut streams = 0;
        for callee in &callees {
            let came = callee.all();
            let mut ids: Vec<u64> = came.iter().map(|message| message[1].as_u64().unwrap()).collect();
            ids.sort_unstable();
            ids.dedup();
            for id in &ids {
                let parts: Vec<_> = came.iter().filter(|message| message[1] == *id).collect();
                let numbers: Vec<_> = parts.iter().map(|message| message[4][0].as_u64().unwrap()).collect();
                assert_eq!(numbers, [0, 1, 2, 3, 4]);
                assert!(parts[..4].iter().all(|message| message[3]["progress"] == true), "{parts:?}");
                assert_eq!(parts[4][3], json!({}));
            }
            streams += ids.len();
        }
        assert_eq!(streams, 4);
    });
}

/// Parts that come while the call still looks for a callee wait until it has one, and so do later calls.
#[test]
fn parts_wait_for_the_first() {
    everywhere(|net| {
        let [alice, bob, carol] = join_all(net);
        let options = json!({"invoke": "first"});
        bob.register_with(options.clone(), "com.procedure");
        let registration = carol.register_with(options, "com.procedure");
        let other = carol.register("com.other");
        net.carry_mesh(false);
        alice.send(part(1, true, 1));
        let taken = !bob.all().is_empty();
        bob.socket.lose();
        alice.send_all([part(1, true, 2), json!([48, 2, {}, "com.other"]), part(1, false, 3)]);
        net.carry_mesh(true);
        if taken {
            // Bob had it before he left.
            alice.expect_error(48, 1, "wamp.error.canceled", "");
            carol.expect_invocation(other, json!([{}]));
        } else {
            let invocation = carol.expect_invocation(registration, json!([{"progress": true}, [1]]));
            assert_eq!(carol.next(), json!([68, invocation, registration, {"progress": true}, [2]]));
            carol.expect_invocation(other, json!([{}]));
            assert_eq!(carol.next(), json!([68, invocation, registration, {}, [3]]));
        }
        carol.expect_nothing();
    });
}

#[test]
fn cancelled_before_all_has_come() {
    everywhere(|net| {
        let [alice, bob] = join_all(net);
        let registration = bob.register("com.procedure");
        alice.send(part(1, true, 1));
        let invocation = bob.expect_invocation(registration, json!([{"progress": true}, [1]]));
        alice.send(json!([49, 1, {"mode": "kill"}]));
        assert_eq!(bob.next(), json!([69, invocation, {"mode": "kill"}]));
        // It is still the callee's until that answers.
        alice.send(part(1, true, 2));
        assert_eq!(bob.next(), json!([68, invocation, registration, {"progress": true}, [2]]));
        bob.send(json!([8, 68, invocation, {}, "com.stopped"]));
        assert_eq!(alice.next(), json!([8, 48, 1, {}, "com.stopped"]));

        alice.send(part(2, true, 1));
        let invocation = bob.expect_invocation(registration, json!([{"progress": true}, [1]]));
        alice.socket.lose();
        assert_eq!(bob.next(), json!([69, invocation, {"mode": "killnowait"}]));
        bob.expect_nothing();
    });
}
