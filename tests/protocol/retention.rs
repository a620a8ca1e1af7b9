//! Events for those who subscribe later (spec: "Event Retention").

use connectanum::config::{RealmConfig, Retain, TopicPolicy};
use connectanum::limits::Limits;
use connectanum::wamp::message::MatchPolicy;
use serde_json::{Value, json};

use crate::harness::{Client, REALM, everywhere, everywhere_in, everywhere_with};

/// Publishes and waits for the acknowledgement.
#[track_caller]
fn retain(client: &Client, topic: &str, args: Value) -> u64 {
    retain_with(client, json!({}), topic, args)
}

#[track_caller]
fn retain_with(client: &Client, mut options: Value, topic: &str, args: Value) -> u64 {
    options["retain"] = json!(true);
    options["acknowledge"] = json!(true);
    let request = client.fresh();
    let answer = client.ask(json!([16, request, options, topic, args]));
    assert_eq!(answer, json!([17, request, answer[2]]));
    answer[2].as_u64().unwrap()
}

/// Subscribes and asks for what is retained: the subscription, and the events that came behind SUBSCRIBED.
#[track_caller]
fn recall(client: &Client, mut options: Value, topic: &str) -> (u64, Vec<Value>) {
    options["get_retained"] = json!(true);
    client.all();
    let subscription = client.subscribe_with(options, topic);
    let mut events = client.all();
    events.sort_by_key(|event| event[3]["topic"].as_str().unwrap_or_default().to_owned());
    (subscription, events)
}

#[test]
fn the_last_retained_event_comes_behind_subscribed() {
    everywhere(|net| {
        let [alice, bob, carol] = net.join_all();
        retain(&alice, "com.x", json!([1]));
        let publication = retain(&alice, "com.x", json!([2]));
        alice.send(json!([16, alice.fresh(), {}, "com.x", [3]]));
        let (subscription, events) = recall(&bob, json!({}), "com.x");
        assert_eq!(events, [json!([36, subscription, publication, {"retained": true}, [2]])]);
        // To nobody but those who ask.
        carol.subscribe("com.x");
        carol.expect_nothing();
        carol.subscribe_with(json!({"get_retained": false}), "com.x");
        carol.expect_nothing();
        // Ordinary ones are as ever, and asking again brings it again.
        alice.send(json!([16, alice.fresh(), {"retain": true}, "com.x", [4]]));
        bob.expect_event(subscription, json!([{}, [4]]));
        let (_, events) = recall(&bob, json!({}), "com.x");
        assert_eq!((events.len(), &events[0][4]), (1, &json!([4])));
    });
}

#[test]
fn nothing_is_retained_unless_asked() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        alice.send(json!([16, 1, {}, "com.x", [1]]));
        alice.send(json!([16, 2, {"retain": false}, "com.x", [1]]));
        retain(&alice, "com.y", json!([1]));
        assert_eq!(recall(&bob, json!({}), "com.x").1, [] as [Value; 0]);
    });
}

/// The publisher need not be there any more.
#[test]
fn the_event_outlives_its_publisher() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        retain_with(&alice, json!({"disclose_me": true}), "com.x", json!([1]));
        alice.socket.lose();
        let (_, events) = recall(&bob, json!({}), "com.x");
        assert_eq!(events[0][3]["publisher"], alice.session());
        assert_eq!(events[0][3]["retained"], true);
    });
}

/// Of each topic that the pattern matches the last one.
#[test]
fn patterns_bring_all_their_topics() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        for (n, topic) in ["com.a.x", "com.b.x", "com.c.y", "org.a.x", "com.a.x"].into_iter().enumerate() {
            retain(&alice, topic, json!([n]));
        }
        for (options, pattern, expected) in [
            (json!({"match": "prefix"}), "com.", vec![("com.a.x", 4), ("com.b.x", 1), ("com.c.y", 2)]),
            (json!({"match": "wildcard"}), "com..x", vec![("com.a.x", 4), ("com.b.x", 1)]),
            (json!({"match": "wildcard"}), "net..x", vec![]),
        ] {
            let (subscription, events) = recall(&bob, options, pattern);
            let got: Vec<_> = events
                .iter()
                .map(|event| {
                    assert_eq!((&event[1], &event[3]["retained"]), (&json!(subscription), &json!(true)));
                    (event[3]["topic"].as_str().unwrap(), event[4][0].as_u64().unwrap())
                })
                .collect();
            assert_eq!(got, expected);
        }
    });
}

/// A subscriber gets the newest that it would have got when it was published.
#[test]
fn lists_are_asked_again() {
    everywhere(|net| {
        let [alice, bob, carol] = net.join_all();
        retain(&alice, "com.x", json!(["all"]));
        retain_with(&alice, json!({"eligible": [bob.session()]}), "com.x", json!(["bob"]));
        retain_with(&alice, json!({"exclude_authrole": ["anonymous"]}), "com.x", json!(["nobody"]));
        assert_eq!(recall(&bob, json!({}), "com.x").1[0][4], json!(["bob"]));
        assert_eq!(recall(&carol, json!({"match": "prefix"}), "com.x").1[0][4], json!(["all"]));
        // One for everybody takes the place of all.
        retain(&alice, "com.x", json!(["new"]));
        assert_eq!(recall(&bob, json!({"match": "prefix"}), "com.x").1[0][4], json!(["new"]));
    });
}

#[test]
fn many_restricted_events_leave_the_one_for_all() {
    everywhere(|net| {
        let [alice, bob, carol] = net.join_all();
        retain(&alice, "com.x", json!(["all"]));
        for n in 0..40 {
            retain_with(&alice, json!({"eligible": [bob.session()]}), "com.x", json!([n]));
        }
        assert_eq!(recall(&bob, json!({}), "com.x").1[0][4], json!([39]));
        assert_eq!(recall(&carol, json!({}), "com.x").1[0][4], json!(["all"]));
    });
}

/// As with live events, the publisher gets its own only if it wants to.
#[test]
fn the_publisher_itself() {
    everywhere(|net| {
        let alice = net.join();
        retain(&alice, "com.x", json!([1]));
        assert_eq!(recall(&alice, json!({}), "com.x").1, [] as [Value; 0]);
        let request = alice.fresh();
        alice.send(json!([16, request, {"retain": true, "exclude_me": false}, "com.y", [2]]));
        assert_eq!(recall(&alice, json!({}), "com.y").1[0][4], json!([2]));
    });
}

/// Payloads cross serializers, and what came with the event stays with it; large ones are shared in memory.
#[test]
fn payloads_and_attributes() {
    everywhere(|net| {
        let publisher = net.join_as(&json!({"publisher": {"features": {"payload_passthru_mode": true}}}));
        let text = "\u{e9}".repeat(5000);
        retain(&publisher, "com.x", json!([text, null, -1]));
        let options = json!({"ppt_scheme": "x_my", "retain": true});
        if publisher.transport.serializer() == connectanum::wamp::Serializer::Json {
            publisher.send_bytes(
                format!(r#"[16, {}, {options}, "com.y", ["\u0000AQI="]]"#, publisher.fresh()).as_bytes(),
            );
        }
        for _ in 0..3 {
            let bob = net.join();
            assert_eq!(recall(&bob, json!({}), "com.x").1[0][4], json!([text, null, -1]));
            for event in recall(&bob, json!({}), "com.y").1 {
                assert_eq!(event[3], json!({"ppt_scheme": "x_my", "retained": true}));
                assert_eq!(event[4], json!(["\0AQI="]));
            }
        }
    });
}

#[test]
fn the_configuration_decides() {
    let policy = |uri: &str, retain| TopicPolicy {
        uri: uri.into(),
        match_policy: MatchPolicy::Prefix,
        history: 0,
        retain,
    };
    let topics = vec![policy("com.never", Retain::Never), policy("com.", Retain::Always)];
    let realm = RealmConfig { topics, ..RealmConfig::new(REALM) };
    everywhere_in(&realm, Limits::default(), |net| {
        let [alice, bob] = net.join_all();
        retain(&alice, "com.never", json!([1]));
        alice.send(json!([16, alice.fresh(), {}, "com.x", [2]]));
        alice.send(json!([16, alice.fresh(), {}, "org.x", [3]]));
        assert_eq!(recall(&bob, json!({}), "com.never").1, [] as [Value; 0]);
        assert_eq!(recall(&bob, json!({}), "com.x").1[0][4], json!([2]));
        assert_eq!(recall(&bob, json!({}), "org.x").1, [] as [Value; 0]);
    });
}

/// What does not fit is delivered but not retained, and no older event stands in for it.
#[test]
fn limits() {
    let limits = Limits { retained_events_max: 1, retained_bytes_max: 2000, ..Limits::default() };
    everywhere_with(limits, |net| {
        let [alice, bob, carol] = net.join_all();
        let live = carol.subscribe("com.x");
        retain(&alice, "com.x", json!([1]));
        carol.expect_event(live, json!([{}, [1]]));
        assert_eq!(recall(&bob, json!({}), "com.x").1[0][4], json!([1]));
        let large = "x".repeat(3000);
        retain(&alice, "com.x", json!([large]));
        carol.expect_event(live, json!([{}, [large]]));
        assert_eq!(recall(&bob, json!({}), "com.x").1, [] as [Value; 0]);
        assert_eq!((net.limited().retained_events_max, net.limited().retained_bytes_max), (0, 1));
        // There is room again.
        retain(&alice, "com.x", json!([2]));
        assert_eq!(recall(&bob, json!({}), "com.x").1[0][4], json!([2]));
        // Each shard has its own, so of so many topics not all fit.
        for n in 0..20 {
            retain(&alice, &format!("org.{n}"), json!([n]));
        }
        let events = recall(&bob, json!({"match": "prefix"}), "org.").1;
        assert!(events.len() <= net.shards() as usize, "{events:?}");
        assert_eq!(net.limited().retained_events_max, 20 - events.len() as u64);
    });
}

/// Requests may be pipelined: what was published before on the same connection is there.
#[test]
fn publish_and_subscribe_at_once() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        alice.send_all([
            json!([16, 1, {"retain": true, "exclude_me": false}, "com.x", [1]]),
            json!([32, 2, {"get_retained": true}, "com.x"]),
            json!([32, 3, {"match": "prefix", "get_retained": true}, "com."]),
        ]);
        let answers = alice.all();
        assert_eq!(answers.len(), 4, "{answers:?}");
        for (subscribed, event) in [(33, 2), (33, 3)] {
            let at = answers.iter().position(|it| it[0] == subscribed && it[1] == event).expect("SUBSCRIBED");
            let id = &answers[at][2];
            let event = answers.iter().position(|it| it[0] == 36 && it[1] == *id).expect("EVENT");
            assert!(at < event);
        }
        bob.expect_nothing();
    });
}

/// Much that is retained does not make a subscriber too slow: it comes as fast as it is read. What is overtaken meanwhile does not come.
#[test]
fn as_fast_as_it_is_read() {
    let limits = Limits {
        outbound_bytes_high: 20_000,
        outbound_bytes_max: 40_000,
        message_bytes_max: 20_000,
        ..Limits::default()
    };
    everywhere_with(limits, |net| {
        let [alice, bob] = net.join_all();
        let text = "x".repeat(1000);
        for n in 0..100 {
            retain(&alice, &format!("com.n{n}"), json!([n, text]));
        }
        bob.socket.take_only(0);
        bob.send_all((1..=70).map(|n| {
            json!([32, n, {"match": "prefix", "get_retained": n == 1}, if n == 1 { "com." } else { "org." }])
        }));
        for n in 0..100 {
            alice
                .send(json!([16, alice.fresh(), {"retain": true, "eligible": []}, format!("com.n{n}"), [n]]));
        }
        alice.send(json!([16, alice.fresh(), {"retain": true}, "com.n3", ["new"]]));
        bob.socket.take_only(usize::MAX);
        let events: Vec<Value> = bob.all().into_iter().filter(|message| message[0] == 36).collect();
        let of = |topic: &str| {
            let of = events.iter().filter(|event| event[3]["topic"] == topic);
            Vec::from_iter(of.map(|event| event[4][0].clone()))
        };
        for n in 0..100 {
            let got = of(&format!("com.n{n}"));
            match n {
                // Either the retained one came first, or the new one alone.
                3 => assert!(got == [json!(3), json!("new")] || got == [json!("new")], "{got:?}"),
                _ => assert_eq!(got, [json!(n)]),
            }
        }
        assert!(bob.socket.stage() == crate::harness::Stage::Open);
    });
}

/// A client may ask more often than answers are sought at a time.
#[test]
fn many_questions_at_once() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        retain(&alice, "com.x", json!([1]));
        bob.send_all((1..=300).map(|n| json!([32, n, {"match": "prefix", "get_retained": true}, "com."])));
        let answers = bob.all();
        let count = |code| answers.iter().filter(|message| message[0] == code).count();
        assert_eq!((count(33), count(36)), (300, 300));
    });
}

/// The answer to a subscriber that has left meanwhile goes nowhere.
#[test]
fn who_leaves_gets_nothing() {
    everywhere(|net| {
        let [alice, bob, carol] = net.join_all();
        retain(&alice, "com.x", json!([1]));
        let subscription = carol.subscribe("com.x");
        bob.send_all([json!([32, 1, {"get_retained": true}, "com.x"]), json!([34, 2, subscription])]);
        let answers = bob.all();
        let unsubscribed = answers.iter().position(|it| it[0] == 35).expect("UNSUBSCRIBED");
        assert_eq!(answers.len(), unsubscribed + 1, "{answers:?}");
        net.carry_mesh(false);
        bob.send(json!([32, 3, {"get_retained": true}, "com.x"]));
        bob.socket.lose();
        net.carry_mesh(true);
    });
}
