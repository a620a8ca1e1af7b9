//! What one client can make the router hold for it, and make it do, is bounded.

use connectanum::config::{RealmConfig, Retain, TopicPolicy};
use connectanum::limits::{Limits, META_ARGUMENTS_BYTES_MAX, QUESTIONS_MAX, WAITING_BYTES_MAX};
use connectanum::wamp::message::MatchPolicy;
use serde_json::{Value, json};

use crate::harness::{Client, REALM, everywhere, everywhere_in, everywhere_with, once};

const MIB: usize = 1024 * 1024;

/// ERROR for this call.
#[track_caller]
fn fails(client: &Client, procedure: &str, args: Value, error: &str, text: &str) {
    let request = client.fresh();
    let mut call = vec![json!(48), json!(request), json!({}), json!(procedure)];
    call.extend(args.as_array().unwrap().iter().cloned());
    client.send(Value::Array(call));
    client.expect_error(48, request, error, text);
}

#[test]
fn arguments_of_meta_procedures() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let roles = vec!["role"; 65];
        fails(&alice, "wamp.session.count", json!([[roles]]), "wamp.error.invalid_argument", "more than 64");
        // It would be copied for each of those who are killed.
        let kill = json!([[bob.session()], {"message": "m".repeat(1025)}]);
        fails(&alice, "wamp.session.kill", kill, "wamp.error.invalid_argument", "more than 1024 bytes");
        bob.expect_nothing();
        // What is longer than any URI is not there.
        let long = "a.".repeat(3000) + "a";
        for procedure in
            ["registration.lookup", "registration.match", "subscription.lookup", "subscription.match"]
        {
            let call = json!([48, alice.fresh(), {}, format!("wamp.{procedure}"), [long]]);
            assert_eq!(alice.ask(call)[3], json!([null]), "{procedure}");
        }
    });
    once(|net| {
        let args = json!([["m".repeat(META_ARGUMENTS_BYTES_MAX)]]);
        fails(
            &net.join(),
            "wamp.session.list",
            args,
            "wamp.error.payload_size_exceeded",
            "bytes of arguments",
        );
    });
}

/// A client with many questions under way is not read; all are answered.
#[test]
fn questions_to_other_shards() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let subscription = bob.subscribe("com.topic");
        net.carry_mesh(false);
        let procedures =
            ["wamp.session.list", "wamp.subscription.get_events", "wamp.subscription.list_subscribers"];
        let (first, count) = (alice.fresh(), 5 * u64::from(QUESTIONS_MAX));
        for n in 0..count {
            let procedure = procedures[n as usize % 3];
            let args = if n % 3 == 0 { json!([]) } else { json!([subscription]) };
            alice.send(json!([48, first + n, {}, procedure, args]));
        }
        // What is on its way belongs to calls that have been read.
        assert!(net.census()[4] <= usize::from(QUESTIONS_MAX), "{:?}", net.census());
        net.carry_mesh(true);
        let mut answers: Vec<u64> = alice
            .all()
            .iter()
            .map(|answer| {
                assert_eq!(answer[0], 50, "{answer}");
                answer[1].as_u64().unwrap()
            })
            .collect();
        answers.sort_unstable();
        assert_eq!(answers, Vec::from_iter(first..first + count));
    });
}

/// Calls that wait for a busy callee are bounded in bytes, too; so is what comes of one in parts.
#[test]
fn calls_that_wait_for_a_callee() {
    once(|net| {
        let callee = net.join_announcing(&["progressive_call_invocations", "call_canceling"]);
        let caller = net.join_announcing(&["progressive_call_invocations"]);
        callee.register_with(json!({"concurrency": 1}), "com.procedure");
        let payload = "p".repeat(8 * MIB);
        let mut refused = Vec::new();
        for n in 1..=(WAITING_BYTES_MAX / (8 * MIB)) as u64 + 3 {
            caller.send(json!([48, n, {}, "com.procedure", [payload]]));
            refused.extend(caller.all().into_iter().map(|error| (error[2].clone(), error[4].clone())));
        }
        // The first is with the callee, seven wait: with its name each is more than 8 MiB.
        let error = json!("wamp.error.no_available_callee");
        assert_eq!(refused, [9, 10, 11].map(|n| (json!(n), error.clone())));
        // When one has gone, there is room again.
        let answer = |callee: &Client| {
            let invocation = callee.next();
            callee.send(json!([70, invocation[1], {}]));
        };
        answer(&callee);
        caller.next();
        caller.send(json!([48, 12, {}, "com.procedure", [payload]]));
        caller.expect_nothing();
        for _ in 0..8 {
            answer(&callee);
            assert_eq!(caller.next()[0], 50);
        }
        callee.expect_nothing();
    });
}

/// Calls that wait for their pick are bounded in bytes, too: beyond that, a session is not read.
#[test]
fn calls_that_wait_for_a_pick() {
    once(|net| {
        let [a, b, caller] = net.join_all();
        let payload = "p".repeat(300 * 1024);
        let mut read = Vec::new();
        // The owners of most are on other shards.
        for name in ["com.a", "com.b", "com.c", "com.d", "com.e", "com.f"] {
            for callee in [&a, &b] {
                callee.register_with(json!({"invoke": "roundrobin"}), name);
            }
            net.carry_mesh(false);
            let before = net.census()[4];
            for _ in 0..10 {
                caller.send(json!([48, caller.fresh(), {}, name, [payload]]));
            }
            read.push(net.census()[4] - before);
            net.carry_mesh(true);
            assert_eq!((a.all().len(), b.all().len()), (5, 5), "{name}");
        }
        assert_eq!(read.iter().min(), Some(&4), "{read:?}");
    });
}

/// What is kept of calls in case they have to go elsewhere is bounded; beyond it a call stays with its callee.
#[test]
fn calls_that_may_go_elsewhere() {
    once(|net| {
        let [a, b] = [0, 1].map(|_| net.join_announcing(&["call_reroute"]));
        let caller = net.join();
        a.register_with(json!({"invoke": "first"}), "com.procedure");
        b.register_with(json!({"invoke": "first"}), "com.procedure");
        let payload = "p".repeat(8 * MIB);
        let mut invocations = Vec::new();
        for n in 1..=9 {
            caller.send(json!([48, n, {}, "com.procedure", [payload]]));
            invocations.push(a.next()[1].clone());
        }
        let unavailable = |n: usize| a.send(json!([8, 68, invocations[n], {}, "wamp.error.unavailable"]));
        unavailable(8);
        assert_eq!(caller.next()[4], "wamp.error.unavailable");
        b.expect_nothing();
        unavailable(0);
        assert_eq!(b.next()[0], 68);
    });
}

/// The lists of those who may get an event count, too.
#[test]
fn retained_events_and_history() {
    let topic = TopicPolicy {
        uri: "com.".to_owned(),
        match_policy: MatchPolicy::Prefix,
        history: 100,
        retain: Retain::Asked,
    };
    let realm = RealmConfig { topics: vec![topic], ..RealmConfig::new(REALM) };
    let limits = Limits { retained_bytes_max: 10_000, history_bytes_max: 10_000, ..Limits::default() };
    everywhere_in(&realm, limits, |net| {
        let [alice, bob] = net.join_all();
        let nobodies: Vec<String> = (0..2000).map(|n| format!("nobody-{n}")).collect();
        for options in [
            json!({"retain": true, "acknowledge": true, "exclude_authid": nobodies}),
            json!({"retain": true, "acknowledge": true, "exclude_authrole": nobodies}),
        ] {
            assert_eq!(alice.ask(json!([16, alice.fresh(), options, "com.topic", [1]]))[0], 17);
        }
        let subscription = bob.subscribe_with(json!({"get_retained": true}), "com.topic");
        bob.expect_nothing();
        let call = json!([48, bob.fresh(), {}, "wamp.subscription.get_events", [subscription]]);
        assert_eq!(bob.ask(call)[3], json!([[]]));
    });
}

#[test]
fn attributes_of_payloads() {
    everywhere_with(Limits::default(), |net| {
        let alice = net.join_announcing(&["payload_passthru_mode"]);
        let options = json!({"ppt_scheme": "x_mine", "ppt_keyid": "k".repeat(1025)});
        alice.send(json!([16, 1, options, "com.topic", ["\u{0}AQI="]]));
        alice.expect_violation("ppt attribute of more than 1024 bytes");
    });
}
