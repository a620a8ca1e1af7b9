//! Subscriptions that are taken away (spec: "Subscription Revocation").

use serde_json::{Value, json};

use crate::harness::{Client, Net, STRICT_URIS, everywhere};

const REMOVE: &str = "wamp.subscription.remove_subscriber";

#[track_caller]
fn able(net: &Net) -> Client {
    net.join_as(&json!({"subscriber": {"features": {"subscription_revocation": true}}, "caller": {}}))
}

#[track_caller]
fn remove(client: &Client, args: Value) {
    let request = client.fresh();
    let answer = client.ask(json!([48, request, {}, REMOVE, args]));
    assert_eq!(answer, json!([50, request, {}, [null]]));
}

#[test]
fn subscribers_that_understand_are_told() {
    everywhere(|net| {
        let [admin, alice] = net.join_all();
        let bob = able(net);
        let other = bob.subscribe_with(json!({"match": "prefix"}), "com.");
        for reason in [None, Some("com.no_longer_authorized")] {
            let subscription = bob.subscribe("com.x");
            let mut args = json!([subscription, bob.session()]);
            let mut details = json!({"subscription": subscription});
            if let Some(reason) = reason {
                args.as_array_mut().unwrap().push(json!(reason));
                details["reason"] = json!(reason);
            }
            remove(&admin, args);
            assert_eq!(bob.next(), json!([35, 0, details]));
            // Its other subscriptions stay.
            alice.send(json!([16, alice.fresh(), {}, "com.x", [1]]));
            bob.expect_event(other, json!([{"topic": "com.x"}, [1]]));
            bob.expect_nothing();
            // It is gone: it can be had again, not be given back.
            let request = bob.fresh();
            bob.send(json!([34, request, subscription]));
            bob.expect_error(34, request, "wamp.error.no_such_subscription", "");
        }
    });
}

#[test]
fn others_lose_it_in_silence() {
    everywhere(|net| {
        let [admin, alice, bob, carol] = net.join_all();
        let subscription = bob.subscribe("com.x");
        assert_eq!(carol.subscribe("com.x"), subscription);
        remove(&admin, json!([subscription, bob.session(), "com.why"]));
        bob.expect_nothing();
        alice.send(json!([16, 1, {}, "com.x", [1]]));
        bob.expect_nothing();
        carol.expect_event(subscription, json!([{}, [1]]));
    });
}

/// Also one's own, with keywords, and as the last of a topic.
#[test]
fn ones_own() {
    everywhere(|net| {
        let bob = able(net);
        let subscription = bob.subscribe("com.x");
        let kwargs = json!({"subscription": subscription, "subscriber": bob.session(), "reason": "com.r"});
        bob.send(json!([48, bob.fresh(), {}, REMOVE, [], kwargs]));
        let mut answers = bob.all();
        answers.sort_by_key(|message| message[0].as_u64());
        assert_eq!(answers[0], json!([35, 0, {"subscription": subscription, "reason": "com.r"}]));
        assert_eq!((answers.len(), &answers[1][0]), (2, &json!(50)));
        assert_eq!(net.census()[2], 0, "topics");
    });
}

#[test]
fn errors() {
    everywhere(|net| {
        let [admin, bob] = net.join_all();
        let stranger = net.join_realm(STRICT_URIS);
        let subscription = bob.subscribe("com.x");
        let (me, him, foreign) = (admin.session(), bob.session(), stranger.session());
        let theirs = stranger.subscribe("com.x");
        for (args, error, text) in [
            (json!([]), "invalid_argument", "subscription"),
            (json!([subscription]), "invalid_argument", "subscriber"),
            (json!(["x", him]), "invalid_argument", "subscription"),
            (json!([subscription, 0]), "invalid_argument", "subscriber"),
            (json!([subscription, him, 1]), "invalid_argument", "reason"),
            (json!([subscription, him, "no URI"]), "invalid_uri", "no URI"),
            (json!([subscription, him, ""]), "invalid_uri", ""),
            (json!([subscription, me]), "no_such_subscription", "has no subscription"),
            (json!([subscription + 1000, him]), "no_such_subscription", "has no subscription"),
            (json!([subscription, him + 1]), "no_such_session", "session"),
            (json!([theirs, foreign]), "no_such_session", "session"),
        ] {
            let request = admin.fresh();
            admin.send(json!([48, request, {}, REMOVE, args]));
            admin.expect_error(48, request, &format!("wamp.error.{error}"), text);
        }
        admin.send(json!([16, 100, {}, "com.x"]));
        bob.expect_event(subscription, json!([{}]));
    });
}
