//! Subscribers that share the keys of a topic among them (spec: "Sharded Subscription", a sketch).

use serde_json::{Value, json};

use crate::harness::{Client, everywhere};

/// Publishes an event for each of `keys` and waits for all shards; its argument is the key.
#[track_caller]
fn publish(client: &Client, topic: &str, keys: std::ops::Range<u64>) {
    for key in keys {
        let options = json!({"rkey": format!("sensor{key}"), "acknowledge": true});
        assert_eq!(client.ask(json!([16, client.fresh(), options, topic, [key]]))[0], 17);
    }
}

/// The keys of the events that have come.
#[track_caller]
fn keys(client: &Client) -> Vec<u64> {
    client.all().iter().map(|event| event[4][0].as_u64().unwrap_or_else(|| panic!("{event}"))).collect()
}

fn node(name: &str) -> Value {
    json!({"nkey": name})
}

#[test]
fn each_node_has_its_keys() {
    everywhere(|net| {
        let [alice, a, b, twin, plain] = net.join_all();
        let subscriptions = [
            a.subscribe_with(node("a"), "com.x"),
            b.subscribe_with(node("b"), "com.x"),
            twin.subscribe_with(node("b"), "com.x"),
            plain.subscribe("com.x"),
        ];
        assert_eq!(subscriptions[1], subscriptions[2], "one node, one subscription");
        publish(&alice, "com.x", 0..40);
        let (of_a, of_b) = (keys(&a), keys(&b));
        assert_eq!(keys(&twin), of_b);
        assert_eq!(keys(&plain), Vec::from_iter(0..40));
        assert!(of_a.len() > 5 && of_b.len() > 5, "{of_a:?} {of_b:?}");
        let mut both = [of_a.clone(), of_b.clone()].concat();
        both.sort_unstable();
        assert_eq!(both, Vec::from_iter(0..40));
        // A key stays where it is, whoever publishes.
        publish(&plain, "com.x", 0..40);
        assert_eq!((keys(&a), keys(&b), keys(&twin)), (of_a, of_b.clone(), of_b));
    });
}

/// When a node comes or goes, only its keys move.
#[test]
fn nodes_come_and_go() {
    everywhere(|net| {
        let [alice, a, b, c] = net.join_all();
        a.subscribe_with(node("a"), "com.x");
        b.subscribe_with(node("b"), "com.x");
        publish(&alice, "com.x", 0..40);
        let before = [keys(&a), keys(&b)];
        let third = c.subscribe_with(node("c"), "com.x");
        publish(&alice, "com.x", 0..40);
        let (with_c, of_c) = ([keys(&a), keys(&b)], keys(&c));
        assert!(of_c.len() > 3, "{of_c:?}");
        for (before, now) in before.iter().zip(&with_c) {
            let stayed = before.iter().copied().filter(|key| !of_c.contains(key));
            assert_eq!(Vec::from_iter(stayed), *now);
        }
        assert_eq!(c.ask(json!([34, c.fresh(), third]))[0], 35);
        b.socket.lose();
        publish(&alice, "com.x", 0..40);
        assert_eq!((keys(&a), keys(&c)), (Vec::from_iter(0..40), vec![]));
    });
}

#[test]
fn without_a_key_all_nodes_get_it() {
    everywhere(|net| {
        let [alice, a, b] = net.join_all();
        let of_a = a.subscribe_with(node("a"), "com.x");
        let of_b = b.subscribe_with(node("b"), "com.x");
        alice.send(json!([16, 1, {}, "com.x", [1]]));
        a.expect_event(of_a, json!([{}, [1]]));
        b.expect_event(of_b, json!([{}, [1]]));
        a.expect_nothing();
    });
}

/// Each pattern has its own nodes; details are as ever.
#[test]
fn patterns_are_rings_of_their_own() {
    everywhere(|net| {
        let [alice, a, b, c] = net.join_all();
        let by_prefix = |name| json!({"nkey": name, "match": "prefix"});
        a.subscribe_with(by_prefix("a"), "com.");
        b.subscribe_with(by_prefix("b.c"), "com.");
        let wildcard = c.subscribe_with(json!({"nkey": "a", "match": "wildcard"}), "com..x");
        publish(&alice, "com.s.x", 0..30);
        let (of_a, of_b) = (keys(&a), keys(&b));
        assert_eq!(of_a.len() + of_b.len(), 30);
        assert!(!of_a.is_empty() && !of_b.is_empty());
        let events = c.all();
        assert_eq!(events.len(), 30);
        assert_eq!(events[0][1], wildcard);
        assert_eq!(events[0][3], json!({"topic": "com.s.x"}));
    });
}

/// A session may be several nodes, and a plain subscriber, too: these are several subscriptions.
#[test]
fn subscriptions_of_one_session() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let a = bob.subscribe_with(node("a"), "com.x");
        let b = bob.subscribe_with(node("b"), "com.x");
        let plain = bob.subscribe("com.x");
        assert!(a != b && b != plain && a != plain);
        assert_eq!(bob.subscribe_with(node("a"), "com.x"), a);
        publish(&alice, "com.x", 0..1);
        let mut got: Vec<u64> = bob.all().iter().map(|event| event[1].as_u64().unwrap()).collect();
        got.sort_unstable();
        assert_eq!(got.len(), 2);
        assert!(got.contains(&plain));
        // The plain one goes; the nodes stay.
        assert_eq!(bob.ask(json!([34, bob.fresh(), plain]))[0], 35);
        publish(&alice, "com.x", 0..1);
        assert_eq!(keys(&bob), [0]);
        // And comes again as another, or the same: it works.
        let again = bob.subscribe("com.x");
        alice.send(json!([16, 100, {}, "com.x", [7]]));
        let got: Vec<Value> = bob.all();
        assert_eq!(got.len(), 3);
        assert!(got.iter().any(|event| event[1] == again));
    });
}

/// Lists hold for nodes, too; what is retained is for every node that asks.
#[test]
fn with_other_features() {
    everywhere(|net| {
        let [alice, a, b] = net.join_all();
        a.subscribe_with(node("a"), "com.x");
        let options = json!({"rkey": "k", "exclude": [a.session()], "retain": true, "acknowledge": true});
        assert_eq!(alice.ask(json!([16, 1, options, "com.x", [1]]))[0], 17);
        a.expect_nothing();
        b.subscribe_with(json!({"nkey": "b", "get_retained": true}), "com.x");
        assert_eq!(b.next()[3], json!({"retained": true}));
    });
}

#[test]
fn what_the_meta_api_says() {
    everywhere(|net| {
        let bob = net.join();
        let id = bob.subscribe_with(node("n#1"), "com.x");
        let details = bob.ask(json!([48, bob.fresh(), {}, "wamp.subscription.get", [id]]))[3][0].clone();
        assert_eq!((&details["uri"], &details["nkey"]), (&json!("com.x"), &json!("n#1")));
        let members = bob.ask(json!([48, bob.fresh(), {}, "wamp.subscription.list_subscribers", [id]]));
        assert_eq!(members[3][0], json!([bob.session()]));
        let none = bob.ask(json!([48, bob.fresh(), {}, "wamp.subscription.lookup", ["com.x"]]));
        assert_eq!(none[3][0], json!(null));
    });
}

/// No topic names a node, and node keys are not longer than URIs.
#[test]
fn faults() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        bob.subscribe_with(node("a"), "com.x");
        alice.send(json!([16, 1, {"acknowledge": true}, "com.x#a", [1]]));
        alice.expect_error(16, 1, "wamp.error.invalid_uri", "com.x#a");
        alice.send(json!([32, 2, {}, "com.x#a"]));
        alice.expect_error(32, 2, "wamp.error.invalid_uri", "com.x#a");
        bob.expect_nothing();
        alice.send(json!([32, 3, {"nkey": "k".repeat(2000)}, "com.x"]));
        alice.expect_error(32, 3, "wamp.error.invalid_argument", "nkey");
    });
}

/// Other shards choose a node as long as they do not know that it has left: its keys' events are not lost, and nobody gets one twice.
#[test]
fn a_node_leaves_unnoticed() {
    everywhere(|net| {
        let [alice, a, b, c, plain] = net.join_all();
        let subscription = a.subscribe_with(node("a"), "com.x");
        b.subscribe_with(node("b"), "com.x");
        c.subscribe_with(node("c"), "com.x");
        plain.subscribe("com.x");
        net.carry_mesh(false);
        assert_eq!(a.ask(json!([34, 9, subscription])), json!([35, 9]));
        for key in 0..40 {
            alice.send(json!([16, alice.fresh(), {"rkey": format!("sensor{key}")}, "com.x", [key]]));
        }
        net.carry_mesh(true);
        a.expect_nothing();
        let mut others = [keys(&b), keys(&c)].concat();
        others.sort_unstable();
        assert_eq!(others, Vec::from_iter(0..40));
        assert_eq!(keys(&plain), Vec::from_iter(0..40));
    });
}

/// Two nodes leave, and neither's shard knows of the other: their keys' events find who is left, and nobody else gets them again.
#[test]
fn two_nodes_leave_unnoticed() {
    everywhere(|net| {
        let [alice, a, b, c, p, q] = net.join_all();
        let leaving =
            [(&a, "a"), (&b, "b")].map(|(client, name)| (client, client.subscribe_with(node(name), "com.x")));
        c.subscribe_with(node("c"), "com.x");
        for (client, name) in [(&p, "p"), (&q, "q")] {
            client.subscribe_with(json!({"nkey": name, "match": "prefix"}), "com.");
        }
        net.carry_mesh(false);
        for (client, subscription) in leaving {
            assert_eq!(client.ask(json!([34, 9, subscription])), json!([35, 9]));
        }
        for key in 0..40 {
            alice.send(json!([16, alice.fresh(), {"rkey": format!("sensor{key}")}, "com.x", [key]]));
        }
        net.carry_mesh(true);
        let all = |clients: &[&Client]| {
            let mut all: Vec<u64> = clients.iter().flat_map(|client| keys(client)).collect();
            all.sort_unstable();
            all
        };
        assert_eq!(all(&[&a, &b]), [0; 0]);
        assert_eq!(all(&[&c]), Vec::from_iter(0..40));
        assert_eq!(all(&[&p, &q]), Vec::from_iter(0..40));
    });
}
