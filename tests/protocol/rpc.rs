//! Calls and their answers (spec: "Remote Procedure Calls"; decisions D3, D10, D15).

use connectanum::limits::Limits;
use serde_json::{Value, json};

use crate::harness::{Client, everywhere, everywhere_with};

#[test]
fn a_call_and_its_result() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let registration = bob.register("com.procedure");
        let payloads = [
            json!([]),
            json!([[]]),
            json!([[23, 7]]),
            json!([["x", -1.5, true, null, [], {"a": {}}]]),
            json!([[], {}]),
            json!([["johnny"], {"firstname": "John", "surname": "Doe"}]),
        ];
        for payload in payloads {
            let payload = payload.as_array().unwrap();
            let with =
                |head: Value| head.as_array().unwrap().iter().chain(payload).cloned().collect::<Value>();
            alice.send(with(json!([48, 5, {}, "com.procedure"])));
            let invocation = bob.expect_invocation(registration, with(json!([{}])));
            bob.send(with(json!([70, invocation, {}])));
            assert_eq!(alice.next(), with(json!([50, 5, {}])));

            alice.send(with(json!([48, 6, {}, "com.procedure"])));
            let invocation = bob.expect_invocation(registration, with(json!([{}])));
            bob.send(with(json!([8, 68, invocation, {}, "com.myapp.error.object_write_protected"])));
            let error = "com.myapp.error.object_write_protected";
            assert_eq!(alice.next(), with(json!([8, 48, 6, {}, error])));
        }
        bob.expect_nothing();
    });
}

#[test]
fn nobody_offers_the_procedure() {
    everywhere(|net| {
        let alice = net.join();
        alice.send(json!([48, 1, {}, "com.procedure", ["x"]]));
        alice.expect_error(48, 1, "wamp.error.no_such_procedure", "no callee offers 'com.procedure'");
    });
}

/// Answers come in whichever order callees give them.
#[test]
fn calls_under_way_at_once() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let registration = bob.register("com.procedure");
        alice.send_all((1..=20).map(|n| json!([48, n, {}, "com.procedure", [n]])));
        let invocations: Vec<_> =
            (1..=20).map(|n| (bob.expect_invocation(registration, json!([{}, [n]])), n)).collect();
        for &(invocation, n) in invocations.iter().rev() {
            bob.send(json!([70, invocation, {}, [n * n]]));
            assert_eq!(alice.next(), json!([50, n, {}, [n * n]]));
        }
    });
}

/// Invocations of one caller at one callee come in the order of the calls, across procedures.
#[test]
fn order() {
    everywhere(|net| {
        let [alice, bob, carol] = net.join_all();
        let procedures = ["com.a", "com.b", "com.shared"];
        bob.register("com.a");
        bob.register_with(json!({"match": "prefix"}), "com.b");
        // For this one the owner is asked whose turn it is.
        bob.register_with(json!({"invoke": "roundrobin"}), "com.shared");
        carol.register_with(json!({"invoke": "roundrobin"}), "com.shared");
        alice.send_all((1..=60).map(|n: usize| json!([48, n, {}, procedures[n % 3], [n]])));
        let came = |callee: &Client| {
            callee.all().iter().map(|message| message[4][0].as_u64().unwrap()).collect::<Vec<_>>()
        };
        let (of_bob, of_carol) = (came(&bob), came(&carol));
        assert!(of_bob.is_sorted() && of_carol.is_sorted(), "{of_bob:?} {of_carol:?}");
        assert_eq!((of_bob.len(), of_carol.len()), (50, 10));
    });
}

#[test]
fn a_session_calls_itself() {
    everywhere(|net| {
        let alice = net.join();
        let registration = alice.register("com.procedure");
        alice.send(json!([48, 7, {}, "com.procedure", ["me"]]));
        let invocation = alice.expect_invocation(registration, json!([{}, ["me"]]));
        alice.send(json!([70, invocation, {}, ["myself"]]));
        assert_eq!(alice.next(), json!([50, 7, {}, ["myself"]]));
    });
}

/// REGISTERED comes before the first INVOCATION, even if the client waits for nothing.
#[test]
fn registered_comes_first() {
    everywhere(|net| {
        let alice = net.join();
        alice.send_all([json!([64, 1, {}, "com.procedure"]), json!([48, 2, {}, "com.procedure"])]);
        let registered = alice.next();
        assert_eq!(registered, json!([65, 1, registered[2]]));
        assert_eq!(alice.next(), json!([68, 1, registered[2], {}]));
    });
}

/// Only the first final answer counts; what comes later is ignored, and does no harm (decision D3).
#[test]
fn late_answers_are_ignored() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let registration = bob.register("com.procedure");
        let late = |invocation: u64| {
            [
                json!([70, invocation, {}, ["late"]]),
                json!([70, invocation, {"progress": true}, ["late"]]),
                json!([8, 68, invocation, {}, "com.late"]),
            ]
        };
        for answer in [json!([70, 1, {}]), json!([8, 68, 1, {}, "com.error"])] {
            alice.send(json!([48, 1, {}, "com.procedure"]));
            let invocation = bob.expect_invocation(registration, json!([{}]));
            let mut answer = answer;
            let at = if answer[0] == 8 { 2 } else { 1 };
            answer[at] = json!(invocation);
            bob.send(answer);
            assert_ne!(alice.next(), Value::Null);
            bob.send_all(late(invocation));
        }
        alice.expect_nothing();
        bob.expect_nothing();
    });
}

#[test]
fn the_caller_leaves() {
    everywhere(|net| {
        let (alice, bob) = (net.join(), net.join());
        let registration = bob.register("com.procedure");
        for n in 0..3 {
            let caller = net.join();
            caller.send(json!([48, 1, {}, "com.procedure"]));
            let invocation = bob.expect_invocation(registration, json!([{}]));
            match n {
                0 => caller.socket.lose(),
                1 => assert_eq!(caller.ask(json!([6, {}, "com.bye"]))[0], 6),
                _ => caller.send(json!([48])),
            }
            // No INTERRUPT: it did not announce canceling. The answer is for nobody.
            bob.expect_nothing();
            assert_eq!(net.census()[4], 0);
            bob.send(json!([70, invocation, {}]));
            bob.expect_nothing();
        }
        alice.expect_nothing();
    });
}

/// Decision D15.
#[test]
fn the_callee_leaves() {
    everywhere(|net| {
        let alice = net.join();
        for n in 0..4 {
            let bob = net.join();
            let registration = bob.register("com.procedure");
            alice.send_all([json!([48, 1, {}, "com.procedure"]), json!([48, 2, {}, "com.procedure"])]);
            bob.expect_invocation(registration, json!([{}]));
            bob.expect_invocation(registration, json!([{}]));
            match n {
                0 => bob.socket.lose(),
                1 => bob.send(json!([6, {}, "com.bye"])),
                2 => bob.send(json!([48])),
                _ => bob.send(json!([3, {}, "com.bye"])),
            }
            let mut errors = alice.all();
            errors.sort_unstable_by_key(|error| error[2].as_u64());
            let text = "the callee left before it answered";
            let canceled = |n| json!([8, 48, n, {}, "wamp.error.canceled", [text]]);
            assert_eq!(errors, [canceled(1), canceled(2)]);
        }
    });
}

/// An id that the router never sent to this session (decision D3).
#[test]
fn an_answer_to_what_was_never_asked() {
    everywhere(|net| {
        let [alice, carol] = net.join_all();
        for answer in [
            (|id| json!([70, id, {}])) as fn(u64) -> Value,
            |id| json!([70, id, {"progress": true}]),
            |id| json!([8, 68, id, {}, "com.error"]),
        ] {
            let bob = net.join();
            bob.send(answer(1));
            bob.expect_violation("INVOCATION 1, which was never sent to this session");

            let bob = net.join();
            let registration = bob.register("com.procedure");
            alice.send(json!([48, 1, {}, "com.procedure"]));
            assert_eq!(bob.expect_invocation(registration, json!([{}])), 1);
            bob.send(answer(2));
            bob.expect_violation("INVOCATION 2, which was never sent to this session");
            alice.expect_error(48, 1, "wamp.error.canceled", "the callee left");
        }
        carol.expect_nothing();
    });
}

/// Another session's invocations are not one's own, even if the numbers agree.
#[test]
fn an_answer_to_someone_elses_invocation() {
    everywhere(|net| {
        let [alice, bob, carol] = net.join_all();
        let of_bob = bob.register("com.bob");
        let of_carol = carol.register("com.carol");
        alice.send_all([json!([48, 1, {}, "com.bob"]), json!([48, 2, {}, "com.carol"])]);
        assert_eq!(bob.expect_invocation(of_bob, json!([{}])), 1);
        assert_eq!(carol.expect_invocation(of_carol, json!([{}])), 1);
        carol.send(json!([70, 1, {}, ["of carol"]]));
        assert_eq!(alice.next(), json!([50, 2, {}, ["of carol"]]));
        alice.expect_nothing();
        bob.send(json!([70, 1, {}, ["of bob"]]));
        assert_eq!(alice.next(), json!([50, 1, {}, ["of bob"]]));
    });
}

/// Progressive results are not announced: `receive_progress` is not forwarded, and progress that comes all the same is
/// dropped without harm to anybody (decision D10).
#[test]
fn progress_that_nobody_asked_for() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let registration = bob.register("com.procedure");
        for options in [json!({}), json!({"receive_progress": true}), json!({"receive_progress": false})] {
            alice.send(json!([48, 1, options, "com.procedure"]));
            let invocation = bob.expect_invocation(registration, json!([{}]));
            for n in 0..3 {
                bob.send(json!([70, invocation, {"progress": true}, [n]]));
                alice.expect_nothing();
            }
            bob.send(json!([70, invocation, {"progress": false}, ["done"]]));
            assert_eq!(alice.next(), json!([50, 1, {}, ["done"]]));
        }
    });
}

#[test]
fn too_many_calls_without_an_answer() {
    everywhere_with(Limits { pending_calls_max: 2, ..Limits::default() }, |net| {
        let [alice, bob] = net.join_all();
        let registration = bob.register("com.procedure");
        alice.send_all((1..=3).map(|n| json!([48, n, {}, "com.procedure"])));
        alice.expect_error(
            48,
            3,
            "wamp.error.unavailable",
            "2 calls that wait for an answer (pending_calls_max)",
        );
        assert_eq!(net.limited().pending_calls_max, 1);
        let first = bob.expect_invocation(registration, json!([{}]));
        bob.expect_invocation(registration, json!([{}]));
        bob.expect_nothing();
        bob.send(json!([70, first, {}]));
        assert_eq!(alice.next(), json!([50, 1, {}]));
        alice.send(json!([48, 4, {}, "com.procedure"]));
        bob.expect_invocation(registration, json!([{}]));
        let carol = net.join();
        carol.send(json!([48, 1, {}, "com.procedure"]));
        bob.expect_invocation(registration, json!([{}]));
    });
}

/// Calls that their callers have given up or left behind count, too, until the callee has answered.
#[test]
fn too_many_invocations_without_an_answer() {
    everywhere_with(Limits { pending_invocations_max: 2, ..Limits::default() }, |net| {
        let [alice, bob] = net.join_all();
        let registration = bob.register("com.procedure");
        alice.send(json!([48, 1, {}, "com.procedure"]));
        alice.send(json!([49, 1, {}]));
        alice.expect_error(48, 1, "wamp.error.canceled", "");
        alice.send(json!([48, 2, {}, "com.procedure"]));
        let first = bob.expect_invocation(registration, json!([{}]));
        bob.expect_invocation(registration, json!([{}]));
        alice.send(json!([48, 3, {}, "com.procedure"]));
        alice.expect_error(
            48,
            3,
            "wamp.error.unavailable",
            "too many invocations that it has not answered (pending_invocations_max)",
        );
        assert_eq!(net.limited().pending_invocations_max, 1);
        bob.expect_nothing();
        bob.send(json!([70, first, {}]));
        alice.expect_nothing();
        alice.send(json!([48, 4, {}, "com.procedure"]));
        assert_eq!(bob.expect_invocation(registration, json!([{}])), 3);
    });
}

/// An id may be used again, but not while its call waits: an answer could mean either.
#[test]
fn the_id_of_a_call_under_way() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        bob.register("com.procedure");
        alice.send(json!([48, 4, {}, "com.procedure"]));
        bob.send(json!([70, 1, {}]));
        assert_eq!(alice.next(), json!([50, 4, {}]));
        alice.send(json!([48, 4, {}, "com.procedure"]));
        alice.expect_nothing();
        alice.send(json!([48, 4, {}, "com.procedure"]));
        alice.expect_violation("CALL uses request id 4, which an active call has");
    });
}
