//! CANCEL and INTERRUPT (spec: "Call Canceling"; decisions D3, D8).

use serde_json::{Value, json};

use crate::harness::{Client, everywhere};

const CANCELING: &[&str] = &["call_canceling"];

/// Someone who cannot be interrupted: whatever the mode, the caller is answered at once and the callee's answer is dropped.
#[test]
fn a_callee_that_cannot_be_interrupted() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let registration = bob.register("com.procedure");
        let mut request = 0;
        for options in [
            json!({}),
            json!({"mode": "skip"}),
            json!({"mode": "kill"}),
            json!({"mode": "killnowait"}),
            json!({"x": 1}),
        ] {
            request += 1;
            alice.send(json!([48, request, {}, "com.procedure"]));
            let invocation = bob.expect_invocation(registration, json!([{}]));
            alice.send(json!([49, request, options]));
            alice.expect_error(48, request, "wamp.error.canceled", "cancelled by its caller");
            bob.expect_nothing();
            bob.send(json!([70, invocation, {}, ["too late"]]));
            alice.expect_nothing();
            bob.expect_nothing();
        }
        assert_eq!(net.census()[4], 0);
    });
}

#[test]
fn skip_does_not_interrupt() {
    everywhere(|net| {
        let (alice, bob) = (net.join(), net.join_announcing(CANCELING));
        let registration = bob.register("com.procedure");
        alice.send(json!([48, 1, {}, "com.procedure"]));
        let invocation = bob.expect_invocation(registration, json!([{}]));
        alice.send(json!([49, 1, {"mode": "skip"}]));
        alice.expect_error(48, 1, "wamp.error.canceled", "cancelled by its caller");
        alice.send(json!([49, 1, {"mode": "kill"}]));
        bob.expect_nothing();
        bob.send(json!([70, invocation, {}, ["too late"]]));
        alice.expect_nothing();
        bob.expect_nothing();
    });
}

/// The callee need not answer, and may.
#[test]
fn killnowait_interrupts_and_answers_at_once() {
    everywhere(|net| {
        // Both spellings are understood.
        for key in ["call_canceling", "call_cancelling"] {
            let (alice, bob) = (net.join(), net.join_announcing(&[key]));
            let registration = bob.register("com.procedure");
            let mut request = 0;
            for options in [json!({}), json!({"mode": "killnowait"})] {
                for late in [None, Some(json!([70, 0, {}])), Some(json!([8, 68, 0, {}, "com.error"]))] {
                    request += 1;
                    alice.send(json!([48, request, {}, "com.procedure"]));
                    let invocation = bob.expect_invocation(registration, json!([{}]));
                    alice.send(json!([49, request, options]));
                    alice.expect_error(48, request, "wamp.error.canceled", "cancelled by its caller");
                    assert_eq!(bob.next(), json!([69, invocation, {"mode": "killnowait"}]));
                    if let Some(late) = late {
                        bob.send(for_invocation(late, invocation));
                    }
                    alice.send_all([json!([49, request, {}]), json!([49, request, {"mode": "kill"}])]);
                    alice.expect_nothing();
                    bob.expect_nothing();
                }
            }
            bob.socket.lose();
            alice.expect_nothing();
        }
    });
}

/// The caller is answered by what the callee answers.
#[test]
fn kill_waits_for_the_callee() {
    everywhere(|net| {
        let (alice, bob) = (net.join(), net.join_announcing(CANCELING));
        let registration = bob.register("com.procedure");
        let mut request = 0;
        let mut killed = || {
            request += 1;
            alice.send(json!([48, request, {}, "com.procedure"]));
            let invocation = bob.expect_invocation(registration, json!([{}]));
            alice.send(json!([49, request, {"mode": "kill"}]));
            alice.expect_nothing();
            assert_eq!(bob.next(), json!([69, invocation, {"mode": "kill"}]));
            // Nobody is interrupted twice.
            alice.send(json!([49, request, {"mode": "kill"}]));
            bob.expect_nothing();
            (request, invocation)
        };
        let (request, invocation) = killed();
        bob.send(json!([8, 68, invocation, {}, "wamp.error.canceled", ["why"]]));
        assert_eq!(alice.next(), json!([8, 48, request, {}, "wamp.error.canceled", ["why"]]));

        let (request, invocation) = killed();
        bob.send(json!([70, invocation, {}, ["done already"]]));
        assert_eq!(alice.next(), json!([50, request, {}, ["done already"]]));

        // Who has no patience any more need not wait.
        for mode in ["skip", "killnowait"] {
            let (request, invocation) = killed();
            alice.send(json!([49, request, {"mode": mode}]));
            alice.expect_error(48, request, "wamp.error.canceled", "cancelled by its caller");
            bob.expect_nothing();
            bob.send(json!([70, invocation, {}]));
            alice.expect_nothing();
        }

        let (request, _) = killed();
        bob.socket.lose();
        alice.expect_error(48, request, "wamp.error.canceled", "the callee left");
        alice.expect_nothing();
    });
}

/// Whoever calls and leaves, however, leaves no callee working for nothing.
#[test]
fn the_caller_leaves() {
    everywhere(|net| {
        let bob = net.join_announcing(CANCELING);
        let of_bob = bob.register("com.bob");
        let carol = net.join();
        let of_carol = carol.register("com.carol");
        let leave: [fn(&Client); 5] = [
            |caller| caller.socket.lose(),
            |caller| caller.socket.eof(),
            |caller| assert_eq!(caller.ask(json!([6, {}, "com.bye"]))[0], 6),
            |caller| caller.send(json!([3, {}, "com.bye"])),
            |caller| caller.send(json!([48])),
        ];
        for leave in leave {
            let caller = net.join();
            caller.send_all([json!([48, 1, {}, "com.bob"]), json!([48, 2, {}, "com.carol"])]);
            let first = bob.expect_invocation(of_bob, json!([{}]));
            let second = carol.expect_invocation(of_carol, json!([{}]));
            leave(&caller);
            assert_eq!(net.census()[4], 0);
            assert_eq!(bob.next(), json!([69, first, {"mode": "killnowait"}]));
            carol.expect_nothing();
            bob.send(json!([70, first, {}]));
            carol.send(json!([8, 68, second, {}, "com.error"]));
            bob.expect_nothing();
            carol.expect_nothing();
        }
        // It is interrupted once only, also if it was killed before.
        let caller = net.join();
        caller.send_all([json!([48, 1, {}, "com.bob"]), json!([49, 1, {"mode": "kill"}])]);
        let invocation = bob.expect_invocation(of_bob, json!([{}]));
        caller.socket.lose();
        assert_eq!(bob.next(), json!([69, invocation, {"mode": "kill"}]));
        bob.expect_nothing();
    });
}

/// A session that calls itself, in the same piece of bytes.
#[test]
fn canceling_a_call_to_oneself() {
    everywhere(|net| {
        let alice = net.join_announcing(CANCELING);
        let registration = alice.register("com.procedure");
        alice.send_all([json!([48, 9, {}, "com.procedure"]), json!([49, 9, {}])]);
        let came = alice.all();
        assert_eq!(came.len(), 3, "{came:?}");
        assert!(came.contains(&json!([68, 1, registration, {}])), "{came:?}");
        assert!(came.contains(&json!([69, 1, {"mode": "killnowait"}])), "{came:?}");
        assert!(came.iter().any(|message| message[0] == 8 && message[2] == 9), "{came:?}");
        alice.send_all([json!([48, 10, {}, "com.procedure"]), json!([3, {}, "com.bye"])]);
    });
}

/// The callee's leaving, its answer and CANCEL cross each other on the mesh: there is one answer all the same.
#[test]
fn crossing_on_the_way() {
    everywhere(|net| {
        for mode in ["skip", "kill", "killnowait"] {
            for answers in [true, false] {
                let (alice, bob) = (net.join(), net.join_announcing(CANCELING));
                bob.register("com.procedure");
                alice.send(json!([48, 1, {}, "com.procedure"]));
                net.carry_mesh(false);
                if answers {
                    bob.send(json!([70, 1, {}]));
                } else {
                    bob.socket.lose();
                }
                alice.send(json!([49, 1, {"mode": mode}]));
                net.carry_mesh(true);
                let came = alice.all();
                assert_eq!(came.len(), 1, "{came:?}");
                assert_eq!(net.census()[4], 0);
                if answers {
                    bob.socket.lose();
                }
            }
        }
    });
}

/// An invocation that comes to a callee that has gone is not given to another one when its call is killed.
#[test]
fn a_killed_call_is_not_tried_again() {
    everywhere(|net| {
        let (alice, bob) = (net.join(), net.join_announcing(CANCELING));
        let carol = net.join_announcing(CANCELING);
        let options = json!({"invoke": "first"});
        bob.register_with(options.clone(), "com.procedure");
        carol.register_with(options, "com.procedure");
        net.carry_mesh(false);
        alice.send(json!([48, 1, {}, "com.procedure"]));
        let came = bob.all();
        bob.socket.lose();
        alice.send(json!([49, 1, {"mode": "kill"}]));
        net.carry_mesh(true);
        let answers = alice.all();
        assert_eq!(answers.len(), 1, "{answers:?} {came:?}");
        assert_eq!(answers[0][4], "wamp.error.canceled");
        carol.expect_nothing();
    });
}

/// An answer with the request id of an invocation.
fn for_invocation(mut answer: Value, invocation: u64) -> Value {
    let at = if answer[0] == 8 { 2 } else { 1 };
    answer[at] = json!(invocation);
    answer
}

#[test]
fn an_unknown_mode() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let registration = bob.register("com.procedure");
        alice.send(json!([48, 1, {}, "com.procedure"]));
        for mode in ["", "Kill", "gently", &"long".repeat(1000)] {
            alice.send(json!([49, 1, {"mode": mode}]));
            alice.expect_error(49, 1, "wamp.error.invalid_argument", "not one of skip, kill, killnowait");
        }
        // The call goes on.
        let invocation = bob.expect_invocation(registration, json!([{}]));
        bob.send(json!([70, invocation, {}]));
        assert_eq!(alice.next(), json!([50, 1, {}]));
    });
}

/// A call that is over, and a request that was no call, cannot be canceled; that is no fault.
#[test]
fn nothing_to_cancel() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let registration = bob.register("com.procedure");
        alice.send(json!([48, 5, {}, "com.procedure"]));
        let invocation = bob.expect_invocation(registration, json!([{}]));
        bob.send(json!([70, invocation, {}]));
        assert_eq!(alice.next(), json!([50, 5, {}]));
        alice.send_all([json!([49, 5, {}]), json!([49, 5, {"mode": "kill"}]), json!([49, 3, {}])]);
        alice.ask(json!([32, 6, {}, "com.topic"]));
        alice.send(json!([49, 6, {}]));
        alice.expect_nothing();
        bob.expect_nothing();
    });
}

#[test]
fn canceling_twice_is_answered_once() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        bob.register("com.procedure");
        alice.send_all([json!([48, 1, {}, "com.procedure"]), json!([49, 1, {}]), json!([49, 1, {}])]);
        alice.expect_error(48, 1, "wamp.error.canceled", "");
        alice.expect_nothing();
    });
}

/// An id that the session has not used.
#[test]
fn canceling_what_was_never_called() {
    everywhere(|net| {
        for used in [0, 1, 7] {
            let alice = net.join();
            if used > 0 {
                alice.ask(json!([32, used, {}, "com.topic"]));
            }
            alice.send(json!([49, used + 1, {}]));
            alice.expect_violation(&format!("CANCEL for request {}", used + 1));
        }
    });
}

/// A call that still waits for its turn (round robin, decided on another shard) can be canceled, too; those behind it go on.
#[test]
fn canceling_a_call_that_has_not_left() {
    everywhere(|net| {
        let [alice, bob, carol] = net.join_all();
        let options = json!({"invoke": "roundrobin"});
        bob.register_with(options.clone(), "com.procedure");
        let registration = carol.register_with(options, "com.procedure");
        net.carry_mesh(false);
        alice.send_all((1..=3).map(|n| json!([48, n, {}, "com.procedure", [n]])));
        alice.send_all([json!([49, 1, {}]), json!([49, 2, {}])]);
        let answers = alice.all();
        assert_eq!(answers.iter().map(|answer| answer[2].clone()).collect::<Vec<_>>(), [json!(1), json!(2)]);
        net.carry_mesh(true);
        let third = json!([68, 1, registration, {}, [3]]);
        let came = [bob.all(), carol.all()].concat();
        assert!(came.iter().any(|message| message[4] == third[4]), "{came:?}");
        assert_eq!(net.census()[4], 1);
    });
}

/// A call behind a canceled one no longer waits for it.
#[test]
fn canceling_lets_the_next_call_go() {
    everywhere(|net| {
        let [alice, bob, carol] = net.join_all();
        let options = json!({"invoke": "roundrobin"});
        bob.register_with(options.clone(), "com.shared");
        carol.register_with(options, "com.shared");
        let of_carol = carol.register("com.carol");
        net.carry_mesh(false);
        alice.send_all([
            json!([48, 1, {}, "com.shared"]),
            json!([48, 2, {}, "com.carol"]),
            json!([49, 1, {}]),
        ]);
        net.carry_mesh(true);
        alice.expect_error(48, 1, "wamp.error.canceled", "");
        let came = carol.all();
        assert!(came.iter().any(|message| message[2] == of_carol), "{came:?}");
    });
}

/// The highest id counts, not the last.
#[test]
fn canceling_with_ids_out_of_order() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        bob.register("com.procedure");
        alice.send(json!([48, 7, {}, "com.procedure"]));
        alice.ask(json!([32, 3, {}, "com.topic"]));
        alice.send_all([json!([49, 5, {}]), json!([49, 7, {}])]);
        alice.expect_error(48, 7, "wamp.error.canceled", "");
        alice.expect_nothing();
    });
}
