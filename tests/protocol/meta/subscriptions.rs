//! Who subscribes to what, and since when (spec: "Subscription Meta API").

use serde_json::{Value, json};

use super::{fails, result, sorted};
use crate::harness::{Client, STRICT_URIS, everywhere};

const INVALID: &str = "wamp.error.invalid_argument";
const EVENTS: [&str; 4] = ["on_create", "on_subscribe", "on_unsubscribe", "on_delete"];

/// The subscriptions of a client to all events about subscriptions.
fn watch(client: &Client) -> [u64; 4] {
    EVENTS.map(|event| client.subscribe(&format!("wamp.subscription.{event}")))
}

/// All that has come, as names of events with their arguments.
fn heard(client: &Client, subscriptions: [u64; 4]) -> Vec<(&'static str, Value)> {
    let name = |event: &Value| {
        let at = subscriptions.iter().position(|subscription| event[1] == json!(subscription));
        EVENTS[at.unwrap_or_else(|| panic!("not expected: {event}"))]
    };
    client.all().into_iter().map(|event| (name(&event), event[4].clone())).collect()
}

fn unsubscribe(client: &Client, subscription: u64) {
    assert_eq!(client.ask(json!([34, client.fresh(), subscription]))[0], 35);
}

#[test]
fn the_life_of_a_subscription() {
    everywhere(|net| {
        let [watcher, alice, bob, carol] = net.join_all();
        let subscriptions = watch(&watcher);
        net.wait_ms(1_500);
        let options = json!({"match": "wildcard"});
        let id = alice.subscribe_with(options.clone(), "com..t");
        let created = json!({
            "id": id,
            "created": "2023-11-14T22:13:21.500Z",
            "uri": "com..t",
            "match": "wildcard",
        });
        let (a, b, c) = (alice.session(), bob.session(), carol.session());
        assert_eq!(
            heard(&watcher, subscriptions),
            [("on_create", json!([a, created])), ("on_subscribe", json!([a, id]))]
        );
        net.wait_ms(1_500);
        // Again is the same.
        for client in [&alice, &bob, &alice, &carol] {
            client.subscribe_with(options.clone(), "com..t");
        }
        assert_eq!(
            heard(&watcher, subscriptions),
            [("on_subscribe", json!([b, id])), ("on_subscribe", json!([c, id]))]
        );
        assert_eq!(result(&watcher, "wamp.subscription.get", json!([[id]])), created);

        unsubscribe(&bob, id);
        assert_eq!(heard(&watcher, subscriptions), [("on_unsubscribe", json!([b, id]))]);
        alice.socket.lose();
        assert_eq!(heard(&watcher, subscriptions), [("on_unsubscribe", json!([a, id]))]);
        carol.send(json!([6, {}, "wamp.close.normal"]));
        let last = json!([c, id]);
        assert_eq!(heard(&watcher, subscriptions), [("on_unsubscribe", last.clone()), ("on_delete", last)]);

        net.join_realm(STRICT_URIS).subscribe("com.y");
        bob.send(json!([32, bob.fresh(), {}, "com..y"]));
        assert_eq!(bob.next()[0], 8);
        assert_eq!(heard(&watcher, subscriptions), []);
    });
}

/// Decision D19: there are no events about what belongs to the router.
#[test]
fn meta_events_are_not_told_of() {
    everywhere(|net| {
        let [watcher, alice] = net.join_all();
        let subscriptions = watch(&watcher);
        let id = alice.subscribe("wamp.session.on_join");
        unsubscribe(&alice, id);
        let options = json!({"match": "prefix"});
        let everything = alice.subscribe_with(options.clone(), "wamp.");
        watcher.subscribe_with(options, "wamp.");
        unsubscribe(&alice, everything);
        assert_eq!(heard(&watcher, subscriptions), []);
    });
}

/// Also a session that ends while others still know nothing of its SUBSCRIBE.
#[test]
fn a_subscriber_that_does_not_wait() {
    everywhere(|net| {
        let watcher = net.join();
        let subscriptions = watch(&watcher);
        for n in 0..6 {
            let alice = net.join();
            net.carry_mesh(false);
            alice.send(json!([32, 1, {}, format!("com.topic.{n}")]));
            alice.socket.lose();
            net.carry_mesh(true);
            let events = heard(&watcher, subscriptions);
            let names: Vec<&str> = events.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, EVENTS);
            assert!(events.iter().all(|(_, args)| args[0] == alice.session()), "{events:?}");
        }
    });
}

/// Whoever hears that somebody subscribes reaches him.
#[test]
fn what_is_told_is_true() {
    everywhere(|net| {
        let [watcher, alice] = net.join_all();
        let subscription = watcher.subscribe("wamp.subscription.on_subscribe");
        for n in 0..10 {
            let topic = format!("com.topic.{n}");
            let own = alice.subscribe(&topic);
            watcher.expect_event(subscription, json!([{}, [alice.session(), own]]));
            watcher.send(json!([16, watcher.fresh(), {}, topic]));
            alice.expect_event(own, json!([{}]));
        }
    });
}

#[test]
fn subscriptions_are_found() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let nothing = json!({"exact": [], "prefix": [], "wildcard": []});
        assert_eq!(result(&bob, "wamp.subscription.list", json!([])), nothing);
        let exact = ["a.b.c", "wamp.session.on_join"].map(|topic| alice.subscribe(topic));
        let policy = |policy: &str| json!({"match": policy});
        let prefix = ["a", "a.b"].map(|topic| alice.subscribe_with(policy("prefix"), topic));
        let wild = ["a..c", ".b.c"].map(|topic| bob.subscribe_with(policy("wildcard"), topic));
        net.join_realm(STRICT_URIS).subscribe("a.b.e");

        let lists = result(&bob, "wamp.subscription.list", json!([]));
        for (policy, ids) in [("exact", exact), ("prefix", prefix), ("wildcard", wild)] {
            let mut ids = ids.to_vec();
            ids.sort_unstable();
            assert_eq!(sorted(&lists[policy]), ids, "{policy}");
        }
        for (topic, mut matching) in [
            ("a.b.c", vec![exact[0], prefix[0], prefix[1], wild[0], wild[1]]),
            ("a.x.c", vec![prefix[0], wild[0]]),
            ("wamp.session.on_join", vec![exact[1]]),
        ] {
            matching.sort_unstable();
            assert_eq!(sorted(&result(&bob, "wamp.subscription.match", json!([[topic]]))), matching);
        }
        assert_eq!(result(&bob, "wamp.subscription.match", json!([["q.q"]])), json!(null));
        for (arguments, found) in [
            (json!([["a.b.c"]]), json!(exact[0])),
            (json!([["a.b.c", {"get_retained": true}]]), json!(exact[0])),
            (json!([["a.b.c", {"match": "prefix"}]]), json!(null)),
            (json!([["a.b"]]), json!(null)),
            (json!([["a.b", {"match": "prefix"}]]), json!(prefix[1])),
            (json!([["a..c", {"match": "wildcard"}]]), json!(wild[0])),
            (json!([[], {"topic": "a.b", "options": {"match": "prefix"}}]), json!(prefix[1])),
            (json!([["wamp.session.on_join"]]), json!(exact[1])),
        ] {
            assert_eq!(result(&bob, "wamp.subscription.lookup", arguments.clone()), found, "{arguments}");
        }
    });
}

#[test]
fn subscribers_are_listed_and_counted() {
    everywhere(|net| {
        let clients: [Client; 5] = net.join_all();
        let watcher = &clients[4];
        let ids = clients[..4].iter().map(|client| client.subscribe("com.t"));
        let ids: Vec<u64> = ids.collect();
        assert_eq!(ids, [ids[0]; 4]);
        clients[0].subscribe("com.other");
        let mut sessions: Vec<u64> = clients[..4].iter().map(Client::session).collect();
        while let Some(leaver) = sessions.pop() {
            let mut expected = sessions.clone();
            expected.push(leaver);
            expected.sort_unstable();
            let list = result(watcher, "wamp.subscription.list_subscribers", json!([[ids[0]]]));
            assert_eq!(sorted(&list), expected);
            let count = result(watcher, "wamp.subscription.count_subscribers", json!([[ids[0]]]));
            assert_eq!(count, json!(expected.len()));
            let client = clients.iter().find(|client| client.session() == leaver).unwrap();
            unsubscribe(client, ids[0]);
        }
        for procedure in ["get", "list_subscribers", "count_subscribers"] {
            let procedure = format!("wamp.subscription.{procedure}");
            let error = "wamp.error.no_such_subscription";
            fails(watcher, &procedure, json!([[ids[0]]]), error, &ids[0].to_string());
        }
    });
}

#[test]
fn faulty_arguments() {
    everywhere(|net| {
        let alice = net.join();
        let foreign = net.join_realm(STRICT_URIS).subscribe("com.t");
        for procedure in ["get", "list_subscribers", "count_subscribers"] {
            let procedure = format!("wamp.subscription.{procedure}");
            for unknown in [foreign, 1 << 40, 1 << 53] {
                let error = "wamp.error.no_such_subscription";
                fails(&alice, &procedure, json!([[unknown]]), error, &unknown.to_string());
            }
            for faulty in [json!([]), json!([["1"]]), json!([[0]]), json!([[{}]])] {
                fails(&alice, &procedure, faulty, INVALID, "subscription");
            }
        }
        for procedure in ["match", "lookup"] {
            let procedure = format!("wamp.subscription.{procedure}");
            for faulty in [json!([]), json!([[7]]), json!([[["com.t"]]])] {
                fails(&alice, &procedure, faulty, INVALID, "topic");
            }
        }
        for options in [json!(7), json!([]), json!({"match": 7}), json!({"match": "regex"})] {
            fails(&alice, "wamp.subscription.lookup", json!([["com.t", options]]), INVALID, "options");
        }
    });
}
