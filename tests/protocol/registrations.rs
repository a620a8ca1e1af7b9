//! Who offers a procedure (spec: "Remote Procedure Calls"; shared registrations have a file of their own).

use serde_json::{Value, json};

use crate::harness::{everywhere, id};

#[test]
fn a_procedure_has_one_callee() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        alice.register("com.procedure");
        for client in [&alice, &bob] {
            client.send(json!([64, 9, {}, "com.procedure"]));
            let text = "'com.procedure' is registered already, with invoke policy 'single'";
            client.expect_error(64, 9, "wamp.error.procedure_already_exists", text);
        }
    });
}

#[test]
fn unregistering() {
    everywhere(|net| {
        let [alice, bob, carol] = net.join_all();
        let registration = bob.register("com.procedure");
        // It is not Carol's.
        carol.send(json!([66, 1, registration]));
        carol.expect_error(66, 1, "wamp.error.no_such_registration", "this session has no registration");
        assert_eq!(bob.ask(json!([66, 2, registration])), json!([67, 2]));
        bob.send(json!([66, 3, registration]));
        bob.expect_error(66, 3, "wamp.error.no_such_registration", &registration.to_string());
        alice.send(json!([48, 1, {}, "com.procedure"]));
        alice.expect_error(48, 1, "wamp.error.no_such_procedure", "com.procedure");
        assert_ne!(carol.register("com.procedure"), registration);
    });
}

/// A subscription is no registration, and the other way round.
#[test]
fn ids_of_the_other_kind() {
    everywhere(|net| {
        let alice = net.join();
        let subscriptions = ["com.a", "com.b", "com.c"].map(|topic| alice.subscribe(topic));
        let registrations = ["com.x", "com.y"].map(|procedure| alice.register(procedure));
        for subscription in subscriptions.iter().filter(|id| !registrations.contains(id)) {
            alice.send(json!([66, 1, subscription]));
            alice.expect_error(66, 1, "wamp.error.no_such_registration", "");
        }
        for registration in registrations.iter().filter(|id| !subscriptions.contains(id)) {
            alice.send(json!([34, 1, registration]));
            alice.expect_error(34, 1, "wamp.error.no_such_subscription", "");
        }
    });
}

/// A call that is under way is still answered.
#[test]
fn unregistering_while_a_call_is_under_way() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let registration = bob.register("com.procedure");
        alice.send_all([json!([48, 1, {}, "com.procedure"]), json!([48, 2, {}, "com.procedure"])]);
        let first = bob.expect_invocation(registration, json!([{}]));
        let second = bob.expect_invocation(registration, json!([{}]));
        assert_eq!(bob.ask(json!([66, 3, registration])), json!([67, 3]));
        bob.send_all([json!([70, first, {}, ["still"]]), json!([8, 68, second, {}, "com.error"])]);
        assert_eq!(alice.next(), json!([50, 1, {}, ["still"]]));
        assert_eq!(alice.next(), json!([8, 48, 2, {}, "com.error"]));
    });
}

/// UNREGISTERED waits for the shard that owns the procedure, REGISTERED and SUBSCRIBED for all shards.
#[test]
fn answers_wait_for_other_shards() {
    everywhere(|net| {
        let alice = net.join();
        let procedures: Vec<_> = (0..20).map(|n| format!("com.procedure.{n}")).collect();
        let registrations: Vec<_> = procedures.iter().map(|procedure| alice.register(procedure)).collect();
        let answers = |requests: Vec<Value>| {
            let count = requests.len();
            net.carry_mesh(false);
            alice.send_all(requests);
            let early = alice.all().len();
            net.carry_mesh(true);
            assert_eq!(early + alice.all().len(), count);
            early
        };
        let unregister = registrations.iter().map(|registration| json!([66, 1, registration]));
        let register = procedures.iter().map(|procedure| json!([64, 1, {}, procedure]));
        let subscribe = procedures.iter().map(|topic| json!([32, 1, {}, topic]));
        let subscribe_again = subscribe.clone();
        let early = [
            answers(unregister.collect()),
            answers(register.collect()),
            answers(subscribe.collect()),
            answers(subscribe_again.collect()),
        ];
        match net.shards() {
            1 => assert_eq!(early, [20; 4]),
            _ => assert!(early[0] < 20 && early[1..] == [0, 0, 20], "{early:?}"),
        }
    });
}

/// Whoever sees UNREGISTERED may register the same, at once and on any shard.
#[test]
fn a_procedure_changes_hands() {
    everywhere(|net| {
        let [alice, bob, caller] = net.join_all();
        for _ in 0..10 {
            for callee in [&alice, &bob] {
                let registration = callee.register("com.procedure");
                caller.send(json!([48, 1, {}, "com.procedure"]));
                let invocation = callee.expect_invocation(registration, json!([{}]));
                callee.send(json!([70, invocation, {}]));
                assert_eq!(caller.next(), json!([50, 1, {}]));
                assert_eq!(callee.ask(json!([66, 9, registration])), json!([67, 9]));
            }
        }
    });
}

/// REGISTER, UNREGISTER and REGISTER of one session, without waiting.
#[test]
fn requests_of_a_session_take_effect_in_their_order() {
    everywhere(|net| {
        let alice = net.join();
        let first = alice.register("com.procedure");
        alice.send_all([
            json!([64, 11, {}, "com.procedure"]),
            json!([66, 12, first]),
            json!([48, 13, {}, "com.procedure"]),
            json!([64, 14, {}, "com.procedure"]),
            json!([48, 15, {}, "com.procedure"]),
        ]);
        alice.expect_error(64, 11, "wamp.error.procedure_already_exists", "");
        assert_eq!(alice.next(), json!([67, 12]));
        alice.expect_error(48, 13, "wamp.error.no_such_procedure", "");
        let registered = alice.next();
        assert_eq!(registered, json!([65, 14, registered[2]]));
        assert_eq!(alice.expect_invocation(id(&registered[2]), json!([{}])), 1);
    });
}

/// Two sessions want the same at the same time: one gets it, the other learns so.
#[test]
fn a_race_for_a_procedure() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        net.carry_mesh(false);
        for client in [&alice, &bob] {
            client.send(json!([64, 1, {}, "com.procedure"]));
        }
        net.carry_mesh(true);
        let answers = [alice.next(), bob.next()];
        let mut kinds = answers.each_ref().map(|answer| answer[0].as_u64().unwrap());
        kinds.sort_unstable();
        assert_eq!(kinds, [8, 65], "{answers:?}");
    });
}

/// A callee that has left while its REGISTER was under way leaves nothing behind.
#[test]
fn leaving_while_registering_and_subscribing() {
    everywhere(|net| {
        let before = net.census();
        let alice = net.join();
        net.carry_mesh(false);
        alice.send_all([
            json!([64, 1, {}, "com.x"]),
            json!([32, 2, {}, "com.x"]),
            json!([48, 3, {}, "com.x"]),
        ]);
        alice.socket.lose();
        net.carry_mesh(true);
        assert_eq!(net.census(), before);
        net.join().register("com.x");
    });
}
