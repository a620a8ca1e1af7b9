//! Limits of what a session may have and do: what the client is told, and that nobody else is held up. Those of what the router keeps in
//! memory for a client are in `hoarding`.

use connectanum::auth::{Method, TicketSecret, User};
use connectanum::config::{Rate, RateRule, RealmConfig};
use connectanum::limits::{Limited, Limits};
use serde_json::json;

use crate::harness::{Client, Net, REALM, everywhere_in, everywhere_with, hello};

const UNAVAILABLE: &str = "wamp.error.unavailable";

#[test]
fn subscriptions_of_a_session() {
    everywhere_with(Limits { subscriptions_max: 2, ..Limits::default() }, |net| {
        let (client, other) = (net.join(), net.join());
        let first = client.subscribe("com.a");
        client.subscribe_with(json!({"match": "prefix"}), "com.");
        let request = client.fresh();
        client.send(json!([32, request, {}, "com.b"]));
        client.expect_error(32, request, UNAVAILABLE, "(subscriptions_max)");
        assert_eq!(client.subscribe("com.a"), first, "that is no new one");
        other.subscribe("com.b");
        assert_eq!(client.ask(json!([34, client.fresh(), first]))[0], 35);
        client.subscribe("com.b");
        assert_eq!(net.limited().subscriptions_max, 1);
    });
}

/// Requests that nobody has answered count.
#[test]
fn subscriptions_on_their_way() {
    everywhere_with(Limits { subscriptions_max: 5, ..Limits::default() }, |net| {
        let client = net.join();
        client.send_all((1..=20).map(|i| json!([32, i, {}, format!("com.topic{i}")])));
        let answers = client.all();
        let made = answers.iter().filter(|answer| answer[0] == 33).count();
        assert_eq!((made, answers.len()), (5, 20));
    });
}

#[test]
fn registrations_of_a_session() {
    everywhere_with(Limits { registrations_max: 1, ..Limits::default() }, |net| {
        let (client, other) = (net.join(), net.join());
        let first = client.register("com.a");
        let request = client.fresh();
        client.send(json!([64, request, {}, "com.b"]));
        client.expect_error(64, request, UNAVAILABLE, "(registrations_max)");
        other.register("com.b");
        assert_eq!(client.ask(json!([66, client.fresh(), first]))[0], 67);
        client.register("com.c");
        assert_eq!(net.limited().registrations_max, 1);
    });
}

/// Who publishes faster than it may is slowed down, in order and without loss.
#[test]
fn publications_in_a_second() {
    everywhere_with(Limits { publish_rate_max: 10, ..Limits::default() }, |net| {
        let (publisher, subscriber, other) = (net.join(), net.join(), net.join());
        let subscription = subscriber.subscribe("com.topic");
        let numbers = |events: Vec<serde_json::Value>| -> Vec<u64> {
            assert!(events.iter().all(|event| event[1] == subscription));
            events.iter().map(|event| event[4][0].as_u64().expect("a number")).collect()
        };
        publisher.send_all((1..=15).map(|i| json!([16, i, {}, "com.topic", [i]])));
        assert_eq!(numbers(subscriber.all()), Vec::from_iter(1..=10));
        other.send(json!([16, other.fresh(), {}, "com.topic", [99]]));
        assert_eq!(numbers(subscriber.all()), [99], "it has a rate of its own");
        net.wait_ms(99);
        subscriber.expect_nothing();
        net.wait_ms(1);
        assert_eq!(numbers(subscriber.all()), [11]);
        net.wait_ms(400);
        assert_eq!(numbers(subscriber.all()), [12, 13, 14, 15]);
        assert_eq!(net.limited().publish_rate_max, 5);
    });
}

/// Calls are counted by themselves, other messages not at all; and each role may have its own rate.
#[test]
fn calls_in_a_second_by_role() {
    let mut realm = RealmConfig::new(REALM);
    realm.rates = vec![
        RateRule { authrole: Some("user".to_owned()), publish: None, call: Rate::new(100, 50) },
        RateRule { authrole: None, publish: None, call: Rate::new(2, 1) },
    ];
    realm.auth.methods = vec![Method::Anonymous, Method::Ticket];
    realm.auth.users = vec![user("joe")];
    everywhere_in(&realm, Limits::default(), |net| {
        let (callee, anonymous, joe) = (net.join(), net.join(), join_as(net, "joe"));
        let registration = callee.register("com.proc");
        for client in [&anonymous, &joe] {
            client.send_all((1..=3).map(|i| json!([48, i, {}, "com.proc", [i]])));
        }
        let invoked = callee.all();
        assert!(invoked.iter().all(|invocation| invocation[2] == registration));
        assert_eq!(invoked.len(), 1 + 3);
        // What is behind a call that waits, waits.
        anonymous.send(json!([16, 4, {"acknowledge": true}, "com.topic"]));
        anonymous.expect_nothing();
        net.wait_ms(1000);
        assert_eq!(callee.all().len(), 2);
        assert_eq!(anonymous.next()[0], 17);
    });
}

/// A client that leaves while its message waits leaves nothing behind.
#[test]
fn who_waits_and_goes() {
    everywhere_with(Limits { publish_rate_max: 1, ..Limits::default() }, |net| {
        let before = net.census();
        let subscriber = net.join();
        subscriber.subscribe("com.topic");
        let client = net.join();
        client.send_last((1..=3).map(|i| json!([16, i, {}, "com.topic", [i]])));
        net.wait_ms(5000);
        assert_eq!(subscriber.all().len(), 3, "what it had sent counts");
        subscriber.send_last([]);
        net.wait_ms(5000);
        assert_eq!(net.census(), before);
    });
}

#[test]
fn rates_follow_the_configuration() {
    everywhere_with(Limits::default(), |net| {
        let (publisher, subscriber) = (net.join(), net.join());
        subscriber.subscribe("com.topic");
        let publish = |n: u64| {
            publisher.send_all((0..n).map(|_| json!([16, publisher.fresh(), {}, "com.topic"])));
            subscriber.all().len()
        };
        assert_eq!(publish(50), 50);
        net.reconfigure(|config| config.limits.publish_rate_max = 5);
        assert_eq!(publish(6), 5);
        net.reconfigure(|config| config.limits.publish_rate_max = 0);
        net.wait_ms(200);
        assert_eq!(subscriber.all().len(), 1);
        assert_eq!(publish(50), 50);
    });
}

#[test]
fn sessions_of_an_authid() {
    let mut realm = RealmConfig::new(REALM);
    realm.auth.methods = vec![Method::Anonymous, Method::Ticket];
    realm.auth.users = vec![user("joe"), user("ann")];
    everywhere_in(&realm, Limits { sessions_per_authid_max: 2, ..Limits::default() }, |net| {
        let (first, _second) = (join_as(net, "joe"), join_as(net, "joe"));
        let third = challenged(net, "joe");
        third.send(json!([5, "secret", {}]));
        third.expect_abort(UNAVAILABLE, "`joe` has 2 sessions");
        join_as(net, "ann");
        net.join_all::<5>();
        assert_eq!(net.limited(), Limited { sessions_per_authid_max: 1, ..Limited::default() });
        assert_eq!(first.ask(json!([6, {}, "wamp.close.close_realm"]))[0], 6);
        join_as(net, "joe");
    });
}

fn user(name: &str) -> User {
    let mut user = User::new(name, "user");
    user.secrets.ticket = Some(TicketSecret::of("secret"));
    user
}

#[track_caller]
fn challenged(net: &Net, authid: &str) -> Client {
    let mut hello = hello(REALM);
    hello[2]["authmethods"] = json!(["ticket"]);
    hello[2]["authid"] = json!(authid);
    let client = net.client();
    assert_eq!(client.ask(hello)[0], 4);
    client
}

#[track_caller]
fn join_as(net: &Net, authid: &str) -> Client {
    let client = challenged(net, authid);
    let welcome = client.ask(json!([5, "secret", {}]));
    client.in_session(&welcome)
}

/// Requests that are under way on other shards count for what they are, not for whatever is asked for behind them.
#[test]
fn limits_of_pipelined_requests() {
    let limits = Limits { subscriptions_max: 3, registrations_max: 1, ..Limits::default() };
    everywhere_with(limits, |net| {
        let client = net.join();
        let answers = |messages: &[serde_json::Value]| {
            client.send_all(messages.iter().cloned());
            let mut codes: Vec<u64> = client.all().iter().map(|m| m[0].as_u64().expect("a code")).collect();
            codes.sort_unstable();
            codes
        };
        let register = |procedure: &str| json!([64, client.fresh(), {}, procedure]);
        let first = client.register("com.a");
        // One goes, so another may come.
        assert_eq!(answers(&[json!([66, client.fresh(), first]), register("com.b")]), [65, 67]);
        assert_eq!(answers(&[register("com.c")]), [8]);
        // These are subscriptions, and no registrations; one too many is refused.
        let client = net.join();
        client.send_all((1..=2).map(|n| json!([32, n, {}, format!("com.t{n}")])).chain([
            json!([64, 3, {}, "com.e"]),
            json!([32, 4, {}, "com.t4"]),
            json!([32, 5, {}, "com.t5"]),
        ]));
        let answers = client.all();
        let refused = answers.iter().filter(|answer| answer[0] == 8).map(|answer| &answer[2]);
        assert_eq!(Vec::from_iter(refused), [&json!(5)]);
        assert_eq!(answers.len(), 5);
    });
}
