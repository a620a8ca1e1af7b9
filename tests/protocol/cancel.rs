//! CANCEL (decisions D3, D8). Canceling is not announced, so no callee is interrupted: whatever the mode, the caller is
//! answered at once and the callee's answer is dropped, which is the mode `skip` of the specification.

use serde_json::json;

use crate::harness::everywhere;

#[test]
fn every_mode_answers_the_caller_and_leaves_the_callee_alone() {
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
