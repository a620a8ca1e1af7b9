//! Shared registrations: several callees offer a procedure, a policy chooses (spec: "Shared Registration"; decisions D12,
//! D13).

use serde_json::json;

use crate::harness::{Client, Net, everywhere};

/// Callees that share `com.procedure`, in the order of their registration.
fn share<const N: usize>(net: &Net, invoke: &str) -> [Client; N] {
    let callees = net.join_all();
    let registrations = callees.each_ref().map(|callee| offer(callee, invoke));
    assert!(registrations.iter().all(|id| *id == registrations[0]), "they share one registration");
    callees
}

fn offer(callee: &Client, invoke: &str) -> u64 {
    callee.register_with(json!({"invoke": invoke}), "com.procedure")
}

fn leave(callee: &Client, registration: u64) {
    assert_eq!(callee.ask(json!([66, 99, registration])), json!([67, 99]));
}

/// Calls, has the callee answer, and returns which it was: 1 is the first of `callees`.
#[track_caller]
fn called(caller: &Client, callees: &[&Client]) -> usize {
    caller.send(json!([48, 1, {}, "com.procedure"]));
    let mut came = callees
        .iter()
        .enumerate()
        .flat_map(|(at, callee)| callee.all().into_iter().map(move |message| (at, message)));
    let (at, invocation) = came.next().expect("one callee is called");
    assert_eq!(came.next(), None, "only one callee is called");
    callees[at].send(json!([70, invocation[1], {}, [at]]));
    assert_eq!(caller.next(), json!([50, 1, {}, [at]]));
    at + 1
}

#[test]
fn first_and_last() {
    everywhere(|net| {
        let caller = net.join();
        for (invoke, expected) in [("first", [1, 1, 2]), ("last", [3, 2, 2])] {
            let [a, b, c] = share(net, invoke);
            let all = [&a, &b, &c];
            assert_eq!(called(&caller, &all), expected[0]);
            assert_eq!(called(&caller, &all), expected[0]);
            c.socket.lose();
            assert_eq!(called(&caller, &all), expected[1]);
            if invoke == "first" {
                a.socket.lose();
            }
            assert_eq!(called(&caller, &all), expected[2]);
            for callee in all {
                callee.socket.lose();
            }
        }
    });
}

/// In turn, whichever shard the calls come from.
#[test]
fn round_robin() {
    everywhere(|net| {
        let [a, b, c] = share(net, "roundrobin");
        let callers = net.join_all::<5>();
        let turns = (0..15).map(|n| called(&callers[n % 5], &[&a, &b, &c]));
        assert_eq!(turns.collect::<Vec<_>>(), [1, 2, 3].repeat(5));
    });
}

/// Even if all the calls are made at once.
#[test]
fn round_robin_under_load() {
    everywhere(|net| {
        let callees = share::<3>(net, "roundrobin");
        let callers = net.join_all::<4>();
        net.carry_mesh(false);
        for caller in &callers {
            caller.send_all((1..=30).map(|n| json!([48, n, {}, "com.procedure"])));
        }
        net.carry_mesh(true);
        for callee in &callees {
            assert_eq!(callee.all().len(), 40);
        }
    });
}

/// Decision D13: whoever was next stays next.
#[test]
fn round_robin_when_a_callee_leaves() {
    // Which callees are called first, who leaves, and who follows.
    for (before, leaves, after) in [
        (2, 2, [3, 1, 3, 1]),
        (2, 1, [3, 2, 3, 2]),
        (2, 3, [1, 2, 1, 2]),
        (1, 2, [3, 1, 3, 1]),
        (1, 1, [2, 3, 2, 3]),
        (1, 3, [2, 1, 2, 1]),
        (3, 3, [1, 2, 1, 2]),
        (3, 1, [2, 3, 2, 3]),
        (0, 1, [2, 3, 2, 3]),
    ] {
        everywhere(|net| {
            let callees = share::<3>(net, "roundrobin");
            let all = callees.each_ref();
            let callers = net.join_all::<2>();
            for n in 0..before {
                assert_eq!(called(&callers[n % 2], &all), n + 1);
            }
            callees[leaves - 1].socket.lose();
            let turns: Vec<_> = (0..4).map(|n| called(&callers[n % 2], &all)).collect();
            assert_eq!(turns, after, "{before} were called, {leaves} left");
        });
    }
}

/// A callee that comes later has its turn after those that were there.
#[test]
fn round_robin_when_a_callee_comes() {
    everywhere(|net| {
        let [a, b] = share(net, "roundrobin");
        let [c, caller, other] = net.join_all();
        let all = [&a, &b, &c];
        assert_eq!(called(&caller, &all), 1);
        let registration = offer(&c, "roundrobin");
        let turns: Vec<_> = (0..5).map(|n| called([&caller, &other][n % 2], &all)).collect();
        assert_eq!(turns, [2, 3, 1, 2, 3]);
        leave(&c, registration);
        leave(&b, registration);
        assert_eq!((called(&caller, &all), called(&other, &all)), (1, 1));
        offer(&b, "roundrobin");
        assert_eq!([(); 3].map(|()| called(&caller, &all)), [1, 2, 1]);
    });
}

/// After the last of the ring it is the first one's turn, even if somebody has come behind the last meanwhile.
#[test]
fn round_robin_wraps_before_it_grows() {
    everywhere(|net| {
        let [a, b, c] = share(net, "roundrobin");
        let [d, caller] = net.join_all();
        let all = [&a, &b, &c, &d];
        assert_eq!([(); 2].map(|()| called(&caller, &all)), [1, 2]);
        c.socket.lose();
        offer(&d, "roundrobin");
        assert_eq!([(); 4].map(|()| called(&caller, &all)), [1, 2, 4, 1]);
    });
}

#[test]
fn random() {
    everywhere(|net| {
        let callees = share::<3>(net, "random");
        let all = callees.each_ref();
        let callers = net.join_all::<2>();
        let mut counts = [0; 3];
        for n in 0..60 {
            counts[called(&callers[n % 2], &all) - 1] += 1;
        }
        assert!(counts.iter().all(|count| *count >= 5), "{counts:?}");
        callees[1].socket.lose();
        assert!((0..20).all(|n| called(&callers[n % 2], &all) != 2));
    });
}

/// Decision D12: the first callee fixes the policy.
#[test]
fn another_policy() {
    let policies = ["single", "first", "last", "random", "roundrobin"];
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        for has in policies {
            let registration = offer(&alice, has);
            for wants in policies.into_iter().filter(|wants| *wants != has) {
                bob.send(json!([64, 9, {"invoke": wants}, "com.procedure"]));
                let text = format!("'com.procedure' is registered with invoke policy '{has}', not '{wants}'");
                bob.expect_error(64, 9, "wamp.error.procedure_already_exists", &text);
            }
            leave(&alice, registration);
        }
    });
}

/// A session has one part in a registration.
#[test]
fn sharing_with_oneself() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        for invoke in ["first", "last", "random", "roundrobin"] {
            let registration = offer(&alice, invoke);
            offer(&bob, invoke);
            alice.send(json!([64, 9, {"invoke": invoke}, "com.procedure"]));
            let text = "registered by this same session already";
            alice.expect_error(64, 9, "wamp.error.procedure_already_exists", text);
            leave(&alice, registration);
            leave(&bob, registration);
        }
    });
}

/// The registration lives until its last callee leaves; then the next one may choose another policy.
#[test]
fn the_last_callee() {
    everywhere(|net| {
        let [alice, bob, caller] = net.join_all();
        let registration = offer(&alice, "roundrobin");
        assert_eq!(offer(&bob, "roundrobin"), registration);
        leave(&alice, registration);
        assert_eq!([(); 2].map(|()| called(&caller, &[&alice, &bob])), [2, 2]);
        leave(&bob, registration);
        caller.send(json!([48, 1, {}, "com.procedure"]));
        caller.expect_error(48, 1, "wamp.error.no_such_procedure", "com.procedure");
        assert_ne!(offer(&alice, "single"), registration);
        assert_eq!(called(&caller, &[&alice]), 1);
    });
}

/// Patterns are shared like any other registration.
#[test]
fn a_shared_pattern() {
    everywhere(|net| {
        let [a, b, caller] = net.join_all();
        let options = json!({"match": "wildcard", "invoke": "roundrobin"});
        let registration = a.register_with(options.clone(), "com..get");
        assert_eq!(b.register_with(options, "com..get"), registration);
        for n in 0..4 {
            let uri = format!("com.{n}.get");
            caller.send(json!([48, 1, {}, uri]));
            let callee = [&a, &b][n % 2];
            let invocation = callee.expect_invocation(registration, json!([{"procedure": uri}]));
            callee.send(json!([70, invocation, {}]));
            assert_eq!(caller.next(), json!([50, 1, {}]));
        }
    });
}
