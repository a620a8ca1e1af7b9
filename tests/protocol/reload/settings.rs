//! Limits, policies and rules that change.

use connectanum::config::{ProcedurePolicy, RealmConfig, Retain, RouterConfig, TopicPolicy};
use connectanum::wamp::Serializer;
use connectanum::wamp::message::{InvokePolicy, MatchPolicy};
use serde_json::json;

use crate::harness::{REALM, Transport, everywhere, everywhere_in};

fn realm(config: &mut RouterConfig) -> &mut RealmConfig {
    config.realms.iter_mut().find(|realm| realm.name == REALM).expect("the realm")
}

#[test]
fn limits_hold_from_now_on() {
    everywhere(|net| {
        let old = net.client_over(Transport::raw_socket(Serializer::Json)).welcomed(REALM);
        let [caller, callee] = net.join_all();
        callee.register("p");
        net.reconfigure(|config| {
            config.limits.pending_calls_max = 1;
            config.limits.message_bytes_max = 1024;
        });
        let text = "x".repeat(2000);
        let subscription = old.subscribe("a");
        // It was told another size when it came.
        old.send(json!([16, old.fresh(), {"exclude_me": false}, "a", [text]]));
        old.expect_event(subscription, json!([{}, [text]]));
        let new = net.client_over(Transport::raw_socket(Serializer::Json)).welcomed(REALM);
        new.send(json!([16, 1, {}, "a", [text]]));
        new.expect_violation("larger than announced");
        let (first, second) = (caller.fresh(), caller.fresh());
        caller.send_all([json!([48, first, {}, "p"]), json!([48, second, {}, "p"])]);
        caller.expect_error(48, second, "wamp.error.unavailable", "");
        callee.next();
    });
}

#[test]
fn policies_of_procedures_hold_for_new_registrations_and_calls() {
    everywhere(|net| {
        let [a, b, caller] = net.join_all();
        let registration = a.register("p");
        net.reconfigure(|config| {
            realm(config).procedures.push(ProcedurePolicy {
                uri: "p".to_owned(),
                match_policy: MatchPolicy::Exact,
                invoke: Some(InvokePolicy::First),
                concurrency: None,
                queue: None,
                timeout_ms: Some(100),
                reroute_lost: false,
            });
        });
        let request = b.fresh();
        b.send(json!([64, request, {}, "p"]));
        b.expect_error(64, request, "wamp.error.procedure_already_exists", "");
        let call = caller.fresh();
        caller.send(json!([48, call, {}, "p"]));
        a.expect_invocation(registration, json!([{}]));
        net.wait_ms(100);
        assert_eq!(caller.next()[4], "wamp.error.timeout");
        let request = a.fresh();
        a.send(json!([66, request, registration]));
        while a.next()[0] != 67 {}
        a.register("p");
        b.register("p");
    });
}

#[test]
fn rules_about_names_and_ids() {
    everywhere(|net| {
        let client = net.join();
        client.subscribe("A-b");
        net.reconfigure(|config| realm(config).strict_uris = true);
        let request = client.fresh();
        client.send(json!([32, request, {}, "C-d"]));
        client.expect_error(32, request, "wamp.error.invalid_uri", "strict");
    });
}

#[test]
fn histories_keep_what_they_have() {
    let entry = |uri: &str, history| TopicPolicy {
        uri: uri.to_owned(),
        match_policy: MatchPolicy::Exact,
        history,
        retain: Retain::Asked,
    };
    let mut config = RealmConfig::new(REALM);
    config.topics = vec![entry("a", 10), entry("b", 10), entry("c", 10)];
    everywhere_in(&config, Default::default(), |net| {
        let [publisher, reader] = net.join_all();
        let publish = |topic: &str, n: u64| {
            let request = publisher.fresh();
            let published = publisher.ask(json!([16, request, {"acknowledge": true}, topic, [n]]));
            assert_eq!(published[0], 17);
        };
        (0..5).for_each(|n| ["a", "b", "c"].iter().for_each(|topic| publish(topic, n)));
        // Another order, one with less, one gone, one new before them.
        net.reconfigure(|config| realm(config).topics = vec![entry("new", 5), entry("c", 2), entry("a", 10)]);
        (5..7).for_each(|n| ["a", "b", "c", "new"].iter().for_each(|topic| publish(topic, n)));
        let recorded = |topic: &str| {
            let subscription = reader.subscribe(topic);
            let call = reader.fresh();
            let result = reader.ask(json!([48, call, {}, "wamp.subscription.get_events", [subscription]]));
            let events = result[3].as_array().expect("arguments").clone();
            let events = events.into_iter().flat_map(|it| match it {
                serde_json::Value::Array(list) => list,
                other => vec![other],
            });
            Vec::from_iter(events.map(|event| event["args"][0].as_u64().expect("a number")))
        };
        assert_eq!(recorded("a"), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(recorded("c"), [5, 6]);
        assert_eq!(recorded("new"), [5, 6]);
    });
}
