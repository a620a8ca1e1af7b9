//! Whoever subscribes while events are under way gets all from some event on, with no gap (spec: "Ordering Guarantees").

use serde_json::json;

use crate::harness::{Client, Net, everywhere, id};

/// The shard that a client's session lives on.
fn home(net: &Net, client: &Client) -> usize {
    (client.session() % net.shards()) as usize
}

/// Holds what one shard sends to another, if they are two.
fn hold(net: &Net, from: usize, to: usize) {
    net.hold_link((from != to).then_some((from, to)));
}

fn unsubscribe(client: &Client, subscription: u64) {
    client.send(json!([34, client.fresh(), subscription]));
    assert_eq!(client.all().last().map(|answer| answer[0].clone()), Some(json!(35)));
}

/// An event that was sent to a neighbour on the same shard comes late; what was published next was sent to nobody there.
#[test]
fn events_on_their_way_to_others_do_not_come() {
    everywhere(|net| {
        let [publisher, neighbour, _, _, _, alice] = net.join_all();
        assert_eq!(home(net, &neighbour), home(net, &alice));
        for topic in 0..8 {
            let topic = format!("com.topic{topic}");
            let publish = |n: u64| publisher.send(json!([16, publisher.fresh(), {}, topic, [n]]));
            let pattern = neighbour.subscribe_with(json!({"match": "prefix"}), "com.");
            hold(net, home(net, &publisher), home(net, &alice));
            publish(1);
            unsubscribe(&neighbour, pattern);
            publish(2);
            alice.send(json!([32, alice.fresh(), {}, topic]));
            publish(3);
            net.hold_link(None);
            let subscribed = alice.next();
            assert_eq!(subscribed[0], json!(33), "{subscribed}");
            let subscription = id(&subscribed[2]);
            alice.expect_event(subscription, json!([{}, [3]]));
            alice.expect_nothing();
            unsubscribe(&alice, subscription);
        }
    });
}

/// The same for what shards report of their subscribers: who is told that a session has come is told that it has left.
#[test]
fn nobody_stays_who_has_left_while_nobody_listened() {
    everywhere(|net| {
        let [alice, first, second, third, bob] = net.join_all();
        assert_eq!(home(net, &alice), home(net, &bob));
        let prefix = json!({"match": "prefix"});
        for topic in 0..8 {
            let topic = format!("com.topic{topic}");
            let before = first.subscribe_with(prefix.clone(), "wamp.subscription.");
            let subscription = alice.subscribe(&topic);
            let owner = ((subscription - 1) % net.shards()) as usize;
            hold(net, home(net, &bob), owner);
            bob.subscribe(&topic);
            unsubscribe(&first, before);
            unsubscribe(&bob, subscription);
            let watcher = if home(net, &second) == owner { &third } else { &second };
            watcher.send(json!([32, watcher.fresh(), prefix, "wamp.subscription."]));
            net.hold_link(None);

            let told = watcher.all();
            let (subscribed, events) = told.split_first().expect("SUBSCRIBED");
            assert_eq!(subscribed[0], json!(33), "{subscribed}");
            let bobs = events.iter().filter(|event| event[4][0] == json!(bob.session()));
            let names: Vec<&str> = bobs.filter_map(|event| event[3]["topic"].as_str()).collect();
            let life = ["wamp.subscription.on_subscribe", "wamp.subscription.on_unsubscribe"];
            assert!(names.is_empty() || names == life || names == life[1..], "{names:?}");
            unsubscribe(watcher, id(&subscribed[2]));
            unsubscribe(&alice, subscription);
        }
    });
}
