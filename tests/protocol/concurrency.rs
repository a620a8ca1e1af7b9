//! `REGISTER.Options.concurrency`: a callee has so many invocations at a time and no more; calls beyond wait, first come,
//! first served (beyond the specification).

use connectanum::limits::Limits;
use connectanum::wamp::Serializer;
use serde_json::{Value, json};

use crate::harness::{Client, REALM, Transport, everywhere, everywhere_with, once};

fn offer(callee: &Client, invoke: &str, concurrency: u64) -> u64 {
    callee.register_with(json!({"invoke": invoke, "concurrency": concurrency}), "com.procedure")
}

fn call(caller: &Client, n: u64) {
    caller.send(json!([48, n, {}, "com.procedure", [n]]));
}

/// The request id and the first argument of each invocation that has come.
fn came(callee: &Client) -> Vec<(u64, u64)> {
    let numbers = |message: Value| {
        assert_eq!(message[0], 68, "{message}");
        (message[1].as_u64().unwrap(), message[4][0].as_u64().unwrap())
    };
    callee.all().into_iter().map(numbers).collect()
}

#[test]
fn calls_wait_for_their_turn() {
    everywhere(|net| {
        let callee = net.join();
        offer(&callee, "single", 2);
        let callers = net.join_all::<3>();
        // The caller's number, then the call's.
        for n in 0..12 {
            call(&callers[n as usize % 3], n + 1);
        }
        let mut open = came(&callee);
        assert_eq!(open, [(1, 1), (2, 2)]);
        for n in 3..=12 {
            // It does not matter in which order it answers, and how.
            let (request, answered) = open.remove(n as usize % 2);
            match n % 2 {
                0 => callee.send(json!([70, request, {}])),
                _ => callee.send(json!([8, 68, request, {}, "com.error"])),
            }
            assert_eq!(callers[(answered as usize - 1) % 3].all().len(), 1);
            open.extend(came(&callee));
            assert_eq!(open.last(), Some(&(n, n)));
            assert_eq!(open.len(), 2);
        }
    });
}

/// Each callee has its own limit; one without takes what the others cannot.
#[test]
fn of_a_shared_registration() {
    everywhere(|net| {
        let [a, b, c] = net.join_all();
        offer(&a, "roundrobin", 1);
        offer(&b, "roundrobin", 3);
        let caller = net.join();
        (1..=6).for_each(|n| call(&caller, n));
        assert_eq!(came(&a), [(1, 1)]);
        assert_eq!(came(&b), [(1, 2), (2, 3), (3, 4)]);
        // Somebody comes who takes all that wait.
        c.register_with(json!({"invoke": "roundrobin"}), "com.procedure");
        (7..=9).for_each(|n| call(&caller, n));
        assert_eq!(came(&c).iter().map(|(_, n)| *n).collect::<Vec<_>>(), [5, 6, 7, 8, 9]);
        assert_eq!((came(&a), came(&b)), (vec![], vec![]));
    });
}

/// A limit that comes later holds from then on, also on shards that used to choose themselves.
#[test]
fn a_limit_among_callees_without() {
    everywhere(|net| {
        let [a, b, caller] = net.join_all();
        a.register_with(json!({"invoke": "last"}), "com.procedure");
        (1..=3).for_each(|n| call(&caller, n));
        assert_eq!(came(&a).len(), 3);
        offer(&b, "last", 2);
        (4..=8).for_each(|n| call(&caller, n));
        assert_eq!((came(&a).len(), came(&b).len()), (3, 2));
        // What was not counted does not count when it ends.
        a.send_all((1..=3).map(|n| json!([70, n, {}])));
        assert_eq!(caller.all().len(), 3);
    });
}

#[test]
fn other_policies_among_those_that_are_free() {
    for (invoke, expected) in [("first", [1, 1, 2, 2, 3, 3]), ("last", [3, 3, 2, 2, 1, 1])] {
        everywhere(|net| {
            let callees = net.join_all::<3>();
            for callee in callees.each_ref() {
                offer(callee, invoke, 2);
            }
            let caller = net.join();
            for (n, at) in (1..).zip(expected) {
                call(&caller, n);
                assert_eq!(came(&callees[at - 1]).len(), 1, "{invoke}, call {n}");
            }
            call(&caller, 7);
            assert_eq!(callees.each_ref().map(|callee| came(callee).len()), [0; 3]);
        });
    }
    everywhere(|net| {
        for invoke in ["random", "load"] {
            let callees = net.join_all::<3>();
            for callee in callees.each_ref() {
                offer(callee, invoke, 2);
            }
            let caller = net.join();
            (1..=7).for_each(|n| call(&caller, n));
            assert_eq!(callees.each_ref().map(|callee| came(callee).len()), [2; 3]);
            for callee in callees.each_ref() {
                callee.socket.lose();
            }
        }
    });
}

/// A callee that calls back while it is busy does not wait for itself, though its caller's next call waits.
#[test]
fn what_waits_holds_nobody_up() {
    everywhere(|net| {
        let [service, app] = net.join_all();
        let registration = offer(&service, "single", 1);
        let callback = app.register("com.callback");
        call(&app, 11);
        call(&app, 12);
        // The application calls something else behind the call that waits.
        app.send(json!([48, 13, {}, "com.other"]));
        app.expect_error(48, 13, "wamp.error.no_such_procedure", "");
        let first = service.expect_invocation(registration, json!([{}, [11]]));
        service.send(json!([48, 1, {}, "com.callback"]));
        let inner = app.expect_invocation(callback, json!([{}]));
        app.send_all([json!([48, 14, {}, "com.callback"]), json!([70, inner, {}])]);
        app.expect_invocation(callback, json!([{}]));
        assert_eq!(service.next(), json!([50, 1, {}]));
        service.send(json!([70, first, {}]));
        assert_eq!(app.next(), json!([50, 11, {}]));
        service.expect_invocation(registration, json!([{}, [12]]));
    });
}

/// The calls of one caller to a registration stay in their order, whatever else it calls in between.
#[test]
fn order_of_one_caller() {
    everywhere(|net| {
        let [service, a, b, caller] = net.join_all();
        offer(&service, "single", 1);
        for callee in [&a, &b] {
            callee.register_with(json!({"invoke": "roundrobin"}), "com.shared");
        }
        net.carry_mesh(false);
        for n in 1..=20 {
            caller.send(json!([48, 2 * n, {}, "com.shared", [n]]));
            call(&caller, 2 * n + 1);
        }
        net.carry_mesh(true);
        for n in 1..=20 {
            assert_eq!(came(&service), [(n, 2 * n + 1)]);
            service.send(json!([70, n, {}]));
        }
        for callee in [&a, &b] {
            assert!(came(callee).is_sorted_by_key(|(_, n)| *n));
        }
    });
}

/// A caller that gives up, or leaves, gives its place away.
#[test]
fn callers_that_do_not_wait() {
    everywhere(|net| {
        let [callee, alice, bob, carol] = net.join_all();
        offer(&callee, "single", 1);
        call(&alice, 1);
        call(&alice, 2);
        call(&bob, 3);
        call(&carol, 4);
        alice.send(json!([49, 2, {}]));
        alice.expect_error(48, 2, "wamp.error.canceled", "");
        bob.socket.lose();
        assert_eq!(came(&callee), [(1, 1)]);
        callee.send(json!([70, 1, {}]));
        assert_eq!(came(&callee), [(2, 4)]);
        callee.send(json!([70, 2, {}]));
        assert_eq!(carol.next(), json!([50, 4, {}]));
        call(&carol, 5);
        assert_eq!(came(&callee), [(3, 5)]);
    });
}

/// A call that ends while its slot is on the way to it: the slot goes back.
#[test]
fn a_slot_that_comes_too_late() {
    everywhere(|net| {
        let [callee, alice, bob] = net.join_all();
        offer(&callee, "single", 1);
        call(&alice, 1);
        call(&alice, 2);
        call(&bob, 3);
        assert_eq!(came(&callee), [(1, 1)]);
        net.carry_mesh(false);
        callee.send(json!([70, 1, {}]));
        alice.send(json!([49, 2, {}]));
        net.carry_mesh(true);
        // With one shard the second call has gone out before it is cancelled.
        let next = came(&callee);
        if next == [(2, 2)] {
            callee.send(json!([70, 2, {}]));
            assert_eq!(came(&callee), [(3, 3)]);
        } else {
            assert_eq!(next, [(2, 3)]);
        }
    });
}

/// A call that is cancelled while it queues behind another one of its session, with a slot already.
#[test]
fn a_slot_that_was_not_used() {
    everywhere(|net| {
        let [callee, other, another, alice, bob] = net.join_all();
        offer(&callee, "single", 1);
        for callee in [&other, &another] {
            callee.register_with(json!({"invoke": "roundrobin"}), "com.shared");
        }
        net.carry_mesh(false);
        alice.send(json!([48, 1, {}, "com.shared"]));
        call(&alice, 2);
        alice.send(json!([49, 2, {}]));
        net.carry_mesh(true);
        let freed = came(&callee).is_empty();
        call(&bob, 3);
        if freed {
            assert_eq!(came(&callee), [(1, 3)]);
        } else {
            callee.send(json!([70, 1, {}]));
            assert_eq!(came(&callee), [(2, 3)]);
        }
    });
}

/// An invocation that nobody waits for any more is still one that the callee has to do.
#[test]
fn a_cancelled_call_keeps_its_callee_busy() {
    everywhere(|net| {
        let [callee, caller] = net.join_all();
        offer(&callee, "single", 1);
        call(&caller, 1);
        call(&caller, 2);
        caller.send(json!([49, 1, {"mode": "skip"}]));
        caller.expect_error(48, 1, "wamp.error.canceled", "");
        assert_eq!(came(&callee), [(1, 1)]);
        callee.send(json!([70, 1, {}]));
        assert_eq!(came(&callee), [(2, 2)]);
    });
}

/// When the last callee leaves, calls that wait are decided anew: there may be a pattern.
#[test]
fn callees_that_leave() {
    everywhere(|net| {
        let [a, b, caller, fallback] = net.join_all();
        let registration = offer(&a, "roundrobin", 1);
        offer(&b, "roundrobin", 1);
        (1..=4).for_each(|n| call(&caller, n));
        assert_eq!((came(&a), came(&b)), (vec![(1, 1)], vec![(1, 2)]));
        // The first leaves without an answer, and its place is gone with it.
        a.socket.lose();
        caller.expect_error(48, 1, "wamp.error.canceled", "left");
        b.expect_nothing();
        b.send(json!([70, 1, {}]));
        assert_eq!(caller.next(), json!([50, 2, {}]));
        assert_eq!(came(&b), [(2, 3)]);
        let pattern = fallback.register_with(json!({"match": "prefix"}), "com");
        // The second unregisters; what it has goes on.
        assert_eq!(b.ask(json!([66, 9, registration])), json!([67, 9]));
        fallback.expect_invocation(pattern, json!([{"procedure": "com.procedure"}, [4]]));
        b.send(json!([70, 2, {}]));
        assert_eq!(caller.next(), json!([50, 3, {}]));
        call(&caller, 5);
        fallback.expect_invocation(pattern, json!([{"procedure": "com.procedure"}, [5]]));
    });
}

#[test]
fn the_last_callee_leaves() {
    everywhere(|net| {
        let [a, caller] = net.join_all();
        offer(&a, "single", 1);
        (1..=3).for_each(|n| call(&caller, n));
        a.socket.lose();
        let mut errors: Vec<_> = caller.all().into_iter().map(|it| (it[2].clone(), it[4].clone())).collect();
        errors.sort_by_key(|(request, _)| request.as_u64());
        let gone = json!("wamp.error.no_such_procedure");
        let expected = [(json!(1), json!("wamp.error.canceled")), (json!(2), gone.clone()), (json!(3), gone)];
        assert_eq!(errors, expected);
    });
}

/// Who leaves a registration and comes again while it still answers has no more at a time for that.
#[test]
fn coming_again_does_not_double_the_limit() {
    everywhere(|net| {
        let [a, b, caller] = net.join_all();
        let registration = offer(&a, "first", 1);
        offer(&b, "first", 1);
        call(&caller, 1);
        assert_eq!(came(&a), [(1, 1)]);
        assert_eq!(a.ask(json!([66, 9, registration])), json!([67, 9]));
        assert_eq!(offer(&a, "first", 1), registration);
        (2..=4).for_each(|n| call(&caller, n));
        assert_eq!((came(&a), came(&b)), (vec![], vec![(1, 2)]));
        a.send(json!([70, 1, {}]));
        assert_eq!((came(&a), came(&b)), (vec![(2, 3)], vec![]));
    });
}

/// What never reaches the callee does not keep it busy.
#[test]
fn invocations_that_are_not_made() {
    everywhere_with(Limits { pending_invocations_max: 1, ..Limits::default() }, |net| {
        let [callee, caller] = net.join_all();
        offer(&callee, "single", 2);
        // Two at a time would be allowed, but not by the limit of all invocations.
        for n in [1, 3, 5] {
            call(&caller, n);
            call(&caller, n + 1);
            caller.expect_error(48, n + 1, "wamp.error.unavailable", "");
            let open = came(&callee);
            assert_eq!(open.len(), 1);
            callee.send(json!([70, open[0].0, {}]));
            assert_eq!(caller.next(), json!([50, n, {}]));
        }
    });
}

#[test]
fn too_large_for_the_callee() {
    everywhere(|net| {
        let transport = Transport::RawSocket { serializer: Serializer::MsgPack, length: 0 };
        let callee = net.client_over(transport).welcomed(REALM);
        let caller = net.join();
        offer(&callee, "single", 1);
        for n in 1..=3 {
            caller.send(json!([48, n, {}, "com.procedure", [n, "x".repeat(1000)]]));
            caller.expect_error(48, n, "wamp.error.payload_size_exceeded", "");
        }
        call(&caller, 4);
        assert_eq!(came(&callee), [(1, 4)]);
    });
}

#[test]
fn a_limit_of_nothing() {
    everywhere(|net| {
        let callee = net.join();
        callee.send(json!([64, 1, {"concurrency": 0}, "com.procedure"]));
        let text = "REGISTER.Options.concurrency must be 1 or more";
        callee.expect_error(64, 1, "wamp.error.invalid_argument", text);
        // A large one is as none.
        callee.register_with(json!({"concurrency": 1_u64 << 53}), "com.procedure");
    });
}

/// By default a thousand calls wait; the others fail at once.
#[test]
fn the_queue_is_bounded() {
    once(|net| {
        let [callee, alice, bob] = net.join_all();
        offer(&callee, "single", 1);
        alice.send_all((1..=1001).map(|n| json!([48, n, {}, "com.procedure", [n]])));
        assert_eq!(came(&callee), [(1, 1)]);
        call(&bob, 1);
        bob.expect_error(
            48,
            1,
            "wamp.error.no_available_callee",
            "too many calls wait for them already (queue)",
        );
        assert_eq!(net.limited().queue, 1);
        alice.send(json!([49, 500, {}]));
        alice.expect_error(48, 500, "wamp.error.canceled", "");
        call(&bob, 2);
        bob.expect_nothing();
        for n in 1..=1001 {
            callee.send(json!([70, n, {}]));
        }
        assert_eq!(came(&callee).len(), 1000);
        assert_eq!(bob.next(), json!([50, 2, {}]));
    });
}
