//! Events of the past (spec: "Event History").

use connectanum::config::{RealmConfig, Retain, TopicPolicy};
use connectanum::limits::Limits;
use connectanum::wamp::Serializer;
use connectanum::wamp::message::MatchPolicy;
use serde_json::{Value, json};

use crate::harness::{Client, Net, REALM, everywhere_in};

#[track_caller]
fn everywhere(test: impl Fn(&Net)) {
    everywhere_limited(Limits::default(), test);
}

#[track_caller]
fn everywhere_limited(limits: Limits, test: impl Fn(&Net)) {
    let policy = |uri: &str, match_policy, history| TopicPolicy {
        uri: uri.to_owned(),
        match_policy,
        history,
        retain: Retain::Asked,
    };
    let topics = vec![
        policy("com.exact", MatchPolicy::Exact, 3),
        policy("com.not", MatchPolicy::Prefix, 0),
        policy("com..wild", MatchPolicy::Wildcard, 5),
        policy("com.log.", MatchPolicy::Prefix, 100),
    ];
    everywhere_in(&RealmConfig { topics, ..RealmConfig::new(REALM) }, limits, test);
}

#[track_caller]
fn publish(client: &Client, topic: &str, args: Value) -> u64 {
    publish_with(client, json!({}), topic, args)
}

#[track_caller]
fn publish_with(client: &Client, mut options: Value, topic: &str, args: Value) -> u64 {
    options["acknowledge"] = json!(true);
    let answer = client.ask(json!([16, client.fresh(), options, topic, args]));
    assert_eq!(answer[0], 17, "{answer}");
    answer[2].as_u64().unwrap()
}

/// The events of a subscription, as the router gives them.
#[track_caller]
fn events(client: &Client, subscription: u64, filter: Value) -> Vec<Value> {
    let request = client.fresh();
    let answer = client.ask(json!([48, request, {}, "wamp.subscription.get_events", [subscription], filter]));
    let [events] = answer[3].as_array().unwrap_or_else(|| panic!("{answer}")).as_slice() else {
        panic!("{answer}")
    };
    assert_eq!(answer, json!([50, request, {}, [events]]));
    events.as_array().unwrap().clone()
}

/// The first argument of each.
fn numbers(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["args"][0].as_u64().unwrap()).collect()
}

/// The example of the specification: what went to a subscription is its history; here also what was published before it.
#[test]
fn subscriptions_have_the_events_that_they_match() {
    everywhere(|net| {
        let [alice, bob, carol] = net.join_all();
        let first = publish(&alice, "com.log.auth", json!([0]));
        for (n, topic) in
            ["com.log.basket", "com.log.basket", "com.other", "com.exact", "com.log.out"].iter().enumerate()
        {
            net.wait_ms(10);
            publish(&alice, topic, json!([n + 1]));
        }
        for (options, pattern, expected) in [
            (json!({}), "com.log.auth", vec![0]),
            (json!({}), "com.log.basket", vec![1, 2]),
            (json!({}), "com.other", vec![]),
            (json!({"match": "prefix"}), "com.log", vec![0, 1, 2, 5]),
            (json!({"match": "prefix"}), "com", vec![0, 1, 2, 4, 5]),
            (json!({"match": "wildcard"}), "..basket", vec![1, 2]),
            (json!({"match": "wildcard"}), "org..", vec![]),
        ] {
            let subscription = bob.subscribe_with(options.clone(), pattern);
            // Whoever may call may ask.
            for client in [&bob, &carol] {
                assert_eq!(
                    numbers(&events(client, subscription, json!({}))),
                    expected,
                    "{pattern} {options}"
                );
            }
        }
        let exact = bob.subscribe("com.log.auth");
        let event = json!({
            "timestamp": "2023-11-14T22:13:20.000Z", "subscription": exact, "publication": first,
            "details": {}, "args": [0],
        });
        assert_eq!(events(&bob, exact, json!({})), std::slice::from_ref(&event));
        let prefix = bob.subscribe_with(json!({"match": "prefix"}), "com.log.a");
        let mut of_pattern = event;
        of_pattern["subscription"] = json!(prefix);
        of_pattern["details"] = json!({"topic": "com.log.auth"});
        assert_eq!(events(&bob, prefix, json!({})), [of_pattern]);
    });
}

/// As many as the configuration says, for each of its entries.
#[test]
fn only_the_last_are_kept() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        for n in 0..10 {
            publish(&alice, "com.exact", json!([n]));
            publish(&alice, if n % 2 == 0 { "com.a.wild" } else { "com.b.wild" }, json!([n]));
        }
        let exact = bob.subscribe("com.exact");
        assert_eq!(numbers(&events(&bob, exact, json!({}))), [7, 8, 9]);
        let wild = bob.subscribe_with(json!({"match": "wildcard"}), "..wild");
        assert_eq!(numbers(&events(&bob, wild, json!({}))), [5, 6, 7, 8, 9]);
        let one = bob.subscribe("com.a.wild");
        assert_eq!(numbers(&events(&bob, one, json!({}))), [6, 8]);
    });
}

#[test]
fn filters() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let mut ids = Vec::new();
        for n in 0..8 {
            ids.push(publish(&alice, ["com.log.a", "com.log.b"][n % 2], json!([n])));
            net.wait_ms(1000);
        }
        let subscription = bob.subscribe_with(json!({"match": "prefix"}), "com.log.");
        let time = |s: u64| format!("2023-11-14T22:13:{}Z", 20 + s);
        for (filter, expected) in [
            (json!({"reverse": true}), vec![7, 6, 5, 4, 3, 2, 1, 0]),
            (json!({"reverse": false, "limit": 3}), vec![0, 1, 2]),
            (json!({"reverse": true, "limit": 3}), vec![7, 6, 5]),
            (json!({"from_time": time(5)}), vec![5, 6, 7]),
            (json!({"after_time": time(5)}), vec![6, 7]),
            (json!({"before_time": time(2)}), vec![0, 1]),
            (json!({"until_time": time(2)}), vec![0, 1, 2]),
            (json!({"until_time": "2023-11-14T23:13:22+01:00"}), vec![0, 1, 2]),
            (json!({"topic": "com.log.b"}), vec![1, 3, 5, 7]),
            (json!({"topic": "com.log.c"}), vec![]),
            (json!({"from_publication": ids[5]}), vec![5, 6, 7]),
            (json!({"after_publication": ids[5]}), vec![6, 7]),
            (json!({"before_publication": ids[2]}), vec![0, 1]),
            (json!({"until_publication": ids[2]}), vec![0, 1, 2]),
            (
                json!({"after_publication": ids[1], "before_publication": ids[6], "topic": "com.log.a"}),
                vec![2, 4],
            ),
            (
                json!({"from_time": time(1), "until_publication": ids[4], "reverse": true, "limit": 2}),
                vec![4, 3],
            ),
            (json!({"after_publication": ids[7]}), vec![]),
            (json!({"from_publication": 4711}), vec![]),
            (json!({"limit": null, "topic": null}), vec![0, 1, 2, 3, 4, 5, 6, 7]),
        ] {
            assert_eq!(numbers(&events(&bob, subscription, filter.clone())), expected, "{filter}");
        }
    });
}

#[test]
fn faulty_arguments_are_named() {
    everywhere(|net| {
        let bob = net.join();
        let subscription = bob.subscribe("com.exact");
        let procedure = "wamp.subscription.get_events";
        for (args, filter, name) in [
            (json!([]), json!({}), "subscription"),
            (json!(["x"]), json!({}), "subscription"),
            (json!([0]), json!({}), "subscription"),
            (json!([subscription]), json!({"reverse": 1}), "reverse"),
            (json!([subscription]), json!({"limit": 0}), "limit"),
            (json!([subscription]), json!({"limit": -1}), "limit"),
            (json!([subscription]), json!({"limit": "1"}), "limit"),
            (json!([subscription]), json!({"from_time": "yesterday"}), "from_time"),
            (json!([subscription]), json!({"after_time": 1}), "after_time"),
            (json!([subscription]), json!({"before_time": []}), "before_time"),
            (json!([subscription]), json!({"until_time": "2023-11-14"}), "until_time"),
            (json!([subscription]), json!({"topic": 1}), "topic"),
            (json!([subscription]), json!({"from_publication": 0}), "from_publication"),
            (json!([subscription]), json!({"after_publication": "x"}), "after_publication"),
            (json!([subscription]), json!({"before_publication": 1.5}), "before_publication"),
            (json!([subscription]), json!({"until_publication": true}), "until_publication"),
        ] {
            bob.send(json!([48, 100, {}, procedure, args, filter]));
            bob.expect_error(48, 100, "wamp.error.invalid_argument", name);
        }
        bob.send(json!([48, 101, {}, procedure, [subscription + 1]]));
        bob.expect_error(48, 101, "wamp.error.no_such_subscription", &(subscription + 1).to_string());
        bob.ask(json!([34, bob.fresh(), subscription]));
        bob.send(json!([48, 102, {}, procedure, [subscription]]));
        bob.expect_error(48, 102, "wamp.error.no_such_subscription", &subscription.to_string());
    });
}

/// Lists of roles and names are asked again, with the session that asks; what names sessions is not recorded.
#[test]
fn lists_of_receivers() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        publish_with(&alice, json!({"eligible_authrole": ["anonymous"]}), "com.exact", json!([0]));
        publish_with(&alice, json!({"exclude_authrole": ["anonymous"]}), "com.exact", json!([1]));
        publish_with(&alice, json!({"eligible_authid": ["joe"]}), "com.exact", json!([2]));
        let subscription = bob.subscribe("com.exact");
        assert_eq!(numbers(&events(&bob, subscription, json!({}))), [0]);
        publish_with(&alice, json!({"exclude": [12345]}), "com.exact", json!([3]));
        publish_with(&alice, json!({"eligible": [bob.session()]}), "com.exact", json!([4]));
        bob.all();
        assert_eq!(numbers(&events(&bob, subscription, json!({}))), [0]);
        publish_with(&alice, json!({"exclude": []}), "com.exact", json!([5]));
        bob.all();
        // The one for everybody has pushed out the first.
        assert_eq!(numbers(&events(&bob, subscription, json!({}))), [5]);
    });
}

/// Payloads are given as they came, whatever they hold, in the caller's serializer.
#[test]
fn payloads_and_details() {
    everywhere(|net| {
        let alice = net.join_as(&json!({"publisher": {"features": {"payload_passthru_mode": true}}}));
        let bob = net.join();
        let options = json!({"disclose_me": true});
        publish_with(&alice, options, "com.exact", json!([[1, -1, 0.5, null, "\u{e9}"], {"a": {"b": []}}]));
        alice.send(json!([16, alice.fresh(), {}, "com.exact", [], {"k": "v"}]));
        alice.send(json!([16, alice.fresh(), {}, "com.exact"]));
        if alice.transport.serializer() == Serializer::Json {
            let message = r#"[16,9,{"ppt_scheme":"x_my"},"com.log.x",["\u0000AQI="]]"#;
            alice.send_bytes(message.as_bytes());
        }
        let subscription = bob.subscribe("com.exact");
        let events_of = |serializer| {
            let client = net.join_with(serializer);
            (events(&client, subscription, json!({})), client)
        };
        for serializer in Serializer::ALL {
            let (all, client) = events_of(serializer);
            assert_eq!(all[0]["args"], json!([[1, -1, 0.5, null, "\u{e9}"], {"a": {"b": []}}]));
            assert_eq!(all[0]["details"]["publisher"], alice.session());
            assert_eq!((&all[1]["args"], &all[1]["kwargs"]), (&json!([]), &json!({"k": "v"})));
            assert_eq!((all[2].get("args"), all[2].get("kwargs")), (None, None));
            let log = client.subscribe("com.log.x");
            for event in events(&client, log, json!({})) {
                assert_eq!(event["args"], json!(["\0AQI="]));
                assert_eq!(event["details"], json!({"ppt_scheme": "x_my"}));
            }
        }
    });
}

/// A result is no larger than a message may be, and a limit is not more than the router's own.
#[test]
fn results_are_bounded() {
    let limits = Limits { message_bytes_max: 2000, history_bytes_max: 100_000, ..Limits::default() };
    everywhere_limited(limits, |net| {
        let [alice, bob] = net.join_all();
        for n in 0..10 {
            publish(&alice, "com.log.x", json!([n, "x".repeat(700)]));
        }
        let subscription = bob.subscribe("com.log.x");
        let page = events(&bob, subscription, json!({}));
        assert_eq!(numbers(&page), [0, 1]);
        let next = events(&bob, subscription, json!({"after_publication": page[1]["publication"]}));
        assert_eq!(numbers(&next), [2, 3]);
        assert_eq!(
            numbers(&events(&bob, subscription, json!({"reverse": true, "limit": 1_u64 << 60}))),
            [9, 8]
        );
    });
}

#[test]
fn memory_is_bounded() {
    let limits = Limits { history_bytes_max: 3000, ..Limits::default() };
    everywhere_limited(limits, |net| {
        let [alice, bob] = net.join_all();
        for n in 0..10 {
            publish(&alice, "com.log.x", json!([n, "x".repeat(700)]));
        }
        let subscription = bob.subscribe("com.log.x");
        assert_eq!(numbers(&events(&bob, subscription, json!({}))), [7, 8, 9]);
        publish(&alice, "com.log.x", json!([10, "x".repeat(5000)]));
        bob.all();
        assert_eq!(numbers(&events(&bob, subscription, json!({}))), [0; 0]);
        assert_eq!(net.limited().history_bytes_max, 11);
    });
}

/// A caller that leaves or cancels is not waited for.
#[test]
fn the_caller_leaves() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        publish(&alice, "com.exact", json!([0]));
        let subscription = bob.subscribe("com.exact");
        net.carry_mesh(false);
        bob.send(json!([48, 1, {}, "wamp.subscription.get_events", [subscription]]));
        bob.socket.lose();
        net.carry_mesh(true);
    });
}
