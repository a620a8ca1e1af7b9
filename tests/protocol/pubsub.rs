//! Subscriptions and publications (spec: "Publish and Subscribe").

use serde_json::{Value, json};

use crate::harness::{REALM, STRICT_URIS, everywhere, id};

#[test]
fn an_event_has_what_was_published() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let subscription = bob.subscribe("com.topic");
        let payloads = [
            json!([]),
            json!([[]]),
            json!([["Hello, world!"]]),
            json!([[1, -2, 3.5, true, null, "ü", [[]], {"a": {"b": []}}]]),
            json!([[], {}]),
            json!([[], {"color": "orange", "sizes": [23, 42, 7]}]),
            json!([["johnny"], {"firstname": "John", "": 0}]),
        ];
        for payload in payloads {
            let payload = payload.as_array().unwrap();
            let publish = [json!(16), json!(1), json!({}), json!("com.topic")];
            alice.send(publish.iter().chain(payload).cloned().collect());
            bob.expect_event(subscription, [json!({})].iter().chain(payload).cloned().collect());
        }
        alice.expect_nothing();
    });
}

/// PUBLISHED comes only if it was asked for, and names the publication that subscribers see.
#[test]
fn acknowledge() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let subscription = bob.subscribe("com.topic");
        alice.send(json!([16, 1, {"acknowledge": false}, "com.topic"]));
        bob.expect_event(subscription, json!([{}]));
        let published = alice.ask(json!([16, 2, {"acknowledge": true}, "com.topic"]));
        let publication = bob.expect_event(subscription, json!([{}]));
        assert_eq!(published, json!([17, 2, publication]));
        let nobody = alice.ask(json!([16, 3, {"acknowledge": true}, "com.nobody.listens"]));
        assert_eq!(nobody, json!([17, 3, nobody[2]]));
        alice.expect_nothing();
    });
}

/// Without `acknowledge` there is no answer, not even an ERROR.
#[test]
fn an_error_only_to_those_who_ask() {
    everywhere(|net| {
        let alice = net.join();
        alice.send(json!([16, 1, {"acknowledge": true}, "not..valid"]));
        alice.expect_error(16, 1, "wamp.error.invalid_uri", "'not..valid'");
        alice.send(json!([16, 2, {}, "not..valid"]));
        alice.send(json!([16, 3, {"acknowledge": false}, "wamp.topic"]));
        alice.expect_nothing();
    });
}

/// A publisher does not receive its own event unless it wants to (spec: "Publisher Exclusion").
#[test]
fn exclude_me() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let subscription = alice.subscribe("com.topic");
        assert_eq!(bob.subscribe("com.topic"), subscription);
        for (options, to_herself) in
            [(json!({}), false), (json!({"exclude_me": true}), false), (json!({"exclude_me": false}), true)]
        {
            alice.send(json!([16, 1, options, "com.topic", ["hi"]]));
            let publication = bob.expect_event(subscription, json!([{}, ["hi"]]));
            if to_herself {
                assert_eq!(alice.expect_event(subscription, json!([{}, ["hi"]])), publication);
            }
            alice.expect_nothing();
        }
    });
}

/// All subscribers of a topic share one subscription; a new one gets that id, too.
#[test]
fn a_subscription_is_shared() {
    everywhere(|net| {
        let subscribers = net.join_all::<6>();
        let alice = net.join();
        let subscription = subscribers[0].subscribe("com.topic");
        for n in 1..6 {
            assert_eq!(subscribers[n].subscribe("com.topic"), subscription);
            let published = alice.ask(json!([16, 1, {"acknowledge": true}, "com.topic", [n]]));
            for subscriber in &subscribers[..=n] {
                assert_eq!(subscriber.expect_event(subscription, json!([{}, [n]])), id(&published[2]));
            }
        }
        for subscriber in &subscribers {
            subscriber.expect_nothing();
        }
    });
}

/// Subscribing again gives the same subscription, no second event, and one UNSUBSCRIBE ends it (decision D17).
#[test]
fn subscribing_twice() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let subscription = bob.subscribe("com.topic");
        assert_eq!(bob.subscribe("com.topic"), subscription);
        alice.send(json!([16, 1, {}, "com.topic"]));
        bob.expect_event(subscription, json!([{}]));
        bob.expect_nothing();
        assert_eq!(bob.ask(json!([34, 9, subscription])), json!([35, 9]));
        alice.send(json!([16, 2, {}, "com.topic"]));
        bob.expect_nothing();
        bob.send(json!([34, 10, subscription]));
        bob.expect_error(34, 10, "wamp.error.no_such_subscription", &subscription.to_string());
    });
}

/// The same, with both SUBSCRIBEs under way at once.
#[test]
fn subscribing_twice_at_once() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        bob.send_all([json!([32, 1, {}, "com.topic"]), json!([32, 2, {}, "com.topic"])]);
        let (first, second) = (bob.next(), bob.next());
        assert_eq!((&first, &second), (&json!([33, 1, first[2]]), &json!([33, 2, first[2]])));
        alice.send(json!([16, 1, {}, "com.topic"]));
        bob.expect_event(id(&first[2]), json!([{}]));
        bob.expect_nothing();
        assert_eq!(bob.ask(json!([34, 3, first[2]])), json!([35, 3]));
        alice.send(json!([16, 2, {}, "com.topic"]));
        bob.expect_nothing();
    });
}

#[test]
fn unsubscribing() {
    everywhere(|net| {
        let [alice, bob, carol] = net.join_all();
        let subscription = bob.subscribe("com.topic");
        assert_eq!(carol.subscribe("com.topic"), subscription);
        assert_eq!(bob.ask(json!([34, 5, subscription])), json!([35, 5]));
        alice.send(json!([16, 1, {}, "com.topic"]));
        carol.expect_event(subscription, json!([{}]));
        bob.expect_nothing();
        // It is not Bob's any more, and never was Alice's.
        for client in [&alice, &bob] {
            client.send(json!([34, 6, subscription]));
            client.expect_error(34, 6, "wamp.error.no_such_subscription", "this session has no subscription");
        }
        assert_eq!(bob.subscribe("com.topic"), subscription);
        alice.send(json!([16, 2, {}, "com.topic"]));
        bob.expect_event(subscription, json!([{}]));
    });
}

#[test]
fn a_topic_goes_with_its_last_subscriber() {
    everywhere(|net| {
        let [alice, bob, carol] = net.join_all();
        let before = net.census();
        let subscription = bob.subscribe("com.topic");
        carol.subscribe("com.topic");
        assert_eq!(net.census()[2], before[2] + net.shards() as usize, "every shard knows the topic");
        bob.ask(json!([34, 5, subscription]));
        carol.ask(json!([34, 5, subscription]));
        assert_eq!(net.census(), before);
        alice.send(json!([16, 1, {}, "com.topic"]));
        let subscription = bob.subscribe("com.topic");
        bob.expect_nothing();
        alice.send(json!([16, 2, {}, "com.topic"]));
        bob.expect_event(subscription, json!([{}]));
    });
}

/// One event for each subscription that matches, all of the same publication.
#[test]
fn several_subscriptions_of_one_session() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let exact = bob.subscribe("com.a.b");
        let prefix = bob.subscribe_with(json!({"match": "prefix"}), "com.a");
        let wildcard = bob.subscribe_with(json!({"match": "wildcard"}), "com..b");
        alice.send(json!([16, 1, {}, "com.a.b", [7]]));
        let topic = json!({"topic": "com.a.b"});
        let mut expected =
            [(exact, json!([{}, [7]])), (prefix, json!([topic, [7]])), (wildcard, json!([topic, [7]]))];
        expected.sort_unstable_by_key(|(subscription, _)| *subscription);
        let mut events = bob.all();
        events.sort_unstable_by_key(|event| id(&event[1]));
        assert_eq!(events.len(), 3);
        for (event, (subscription, rest)) in events.iter().zip(expected) {
            assert_eq!(event[2], events[0][2], "the publication");
            assert_eq!((&event[1], &event[3], &event[4]), (&json!(subscription), &rest[0], &rest[1]));
        }
    });
}

#[test]
fn realms_are_worlds_apart() {
    everywhere(|net| {
        let (alice, bob) = (net.join_realm(REALM), net.join_realm(STRICT_URIS));
        bob.subscribe("com.topic");
        bob.register("com.procedure");
        alice.send(json!([16, 1, {}, "com.topic"]));
        alice.send(json!([48, 2, {}, "com.procedure"]));
        alice.expect_error(48, 2, "wamp.error.no_such_procedure", "com.procedure");
        bob.expect_nothing();
        alice.register("com.procedure");
    });
}

/// SUBSCRIBED comes before the first EVENT, even if the client waits for nothing.
#[test]
fn subscribed_comes_first() {
    everywhere(|net| {
        let alice = net.join();
        let publish = |n| json!([16, n, {"exclude_me": false}, "com.topic", [n]]);
        alice.send_all([publish(1), json!([32, 2, {}, "com.topic"]), publish(3), publish(4)]);
        let subscribed = alice.next();
        assert_eq!(subscribed, json!([33, 2, subscribed[2]]));
        alice.expect_event(id(&subscribed[2]), json!([{}, [3]]));
        alice.expect_event(id(&subscribed[2]), json!([{}, [4]]));
        alice.expect_nothing();
    });
}

/// Events of one publisher come in the order of their publication, across topics.
#[test]
fn order() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let topics = ["com.a", "com.b", "com.c.d"];
        for topic in &topics[..2] {
            bob.subscribe(topic);
        }
        bob.subscribe_with(json!({"match": "prefix"}), "com.c");
        let publish = |n: usize| json!([16, n + 1, {}, topics[n % 3], [n]]);
        alice.send_all((0..60).map(publish));
        let came: Vec<Value> = bob.all().iter().map(|event| event[4][0].clone()).collect();
        assert_eq!(Value::from(came), Value::from_iter(0..60));
    });
}

/// SUBSCRIBE, PUBLISH, UNSUBSCRIBE of one session take effect in this order.
#[test]
fn requests_of_a_session_take_effect_in_their_order() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let subscription = bob.subscribe("com.topic");
        let publish = |n| json!([16, n, {"exclude_me": false}, "com.topic", [n]]);
        alice.send_all([
            publish(1),
            json!([32, 2, {}, "com.topic"]),
            publish(3),
            json!([34, 4, subscription]),
            publish(5),
        ]);
        assert_eq!(alice.next(), json!([33, 2, subscription]));
        alice.expect_event(subscription, json!([{}, [3]]));
        assert_eq!(alice.next(), json!([35, 4]));
        alice.expect_nothing();
        for n in [1, 3, 5] {
            bob.expect_event(subscription, json!([{}, [n]]));
        }
    });
}
