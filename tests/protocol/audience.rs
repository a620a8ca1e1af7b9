//! Who receives an event: the six lists of PUBLISH (spec: "Subscriber Black- and Whitelisting", "Publisher Exclusion").

use serde_json::{Value, json};

use crate::harness::{Client, Net, REALM, everywhere, hello, id};

/// A subscriber, and what lists may name of it.
struct Subscriber {
    client: Client,
    session: u64,
    authid: String,
}

fn subscriber(net: &Net) -> Subscriber {
    let client = net.client();
    let welcome = client.ask(hello(REALM));
    let subscribed = client.ask(json!([32, 1, {}, "com.topic"]));
    assert_eq!(subscribed[0], 33);
    Subscriber { client, session: id(&welcome[1]), authid: welcome[2]["authid"].as_str().unwrap().into() }
}

/// Publishes with these options; returns which of the subscribers received it.
#[track_caller]
fn receivers(publisher: &Client, options: Value, subscribers: &[Subscriber; 3]) -> [bool; 3] {
    publisher.send(json!([16, publisher.fresh(), options, "com.topic", ["hi"]]));
    subscribers.each_ref().map(|subscriber| match subscriber.client.all().as_slice() {
        [] => false,
        [event] => {
            assert_eq!((&event[0], &event[3], &event[4]), (&json!(36), &json!({}), &json!(["hi"])));
            true
        }
        more => panic!("received more than once: {more:?}"),
    })
}

#[test]
fn lists_of_sessions() {
    everywhere(|net| {
        let publisher = net.join();
        let subscribers = [(); 3].map(|()| subscriber(net));
        let [a, b, c] = subscribers.each_ref().map(|subscriber| subscriber.session);
        for (options, expected) in [
            (json!({"eligible": [a]}), [true, false, false]),
            (json!({"eligible": [c, a, 12345]}), [true, false, true]),
            (json!({"exclude": [a]}), [false, true, true]),
            (json!({"exclude": [b, c]}), [true, false, false]),
            (json!({"eligible": [a, b], "exclude": [b, c]}), [true, false, false]),
            (json!({"eligible": [a], "exclude": [a]}), [false; 3]),
            (json!({"eligible": [12345]}), [false; 3]),
        ] {
            assert_eq!(receivers(&publisher, options.clone(), &subscribers), expected, "{options}");
        }
    });
}

#[test]
fn lists_of_authids() {
    everywhere(|net| {
        let publisher = net.join();
        let subscribers = [(); 3].map(|()| subscriber(net));
        let [a, b, c] = subscribers.each_ref().map(|subscriber| &subscriber.authid);
        for (options, expected) in [
            (json!({"eligible_authid": [a]}), [true, false, false]),
            (json!({"eligible_authid": [b, c, "nobody"]}), [false, true, true]),
            (json!({"exclude_authid": [a]}), [false, true, true]),
            (json!({"eligible_authid": [a, b], "exclude_authid": [b]}), [true, false, false]),
            (json!({"eligible_authid": ["nobody"]}), [false; 3]),
        ] {
            assert_eq!(receivers(&publisher, options.clone(), &subscribers), expected, "{options}");
        }
    });
}

/// Without authentication everybody's role is `anonymous`.
#[test]
fn lists_of_authroles() {
    everywhere(|net| {
        let publisher = net.join();
        let subscribers = [(); 3].map(|()| subscriber(net));
        for (options, expected) in [
            (json!({"eligible_authrole": ["anonymous"]}), [true; 3]),
            (json!({"eligible_authrole": ["admin", "anonymous"]}), [true; 3]),
            (json!({"eligible_authrole": ["admin"]}), [false; 3]),
            (json!({"exclude_authrole": ["admin"]}), [true; 3]),
            (json!({"exclude_authrole": ["anonymous"]}), [false; 3]),
        ] {
            assert_eq!(receivers(&publisher, options.clone(), &subscribers), expected, "{options}");
        }
    });
}

/// An empty list of those who may means nobody, of those who may not means no restriction.
#[test]
fn empty_lists() {
    everywhere(|net| {
        let publisher = net.join();
        let subscribers = [(); 3].map(|()| subscriber(net));
        for kind in ["", "_authid", "_authrole"] {
            for (list, expected) in [("eligible", [false; 3]), ("exclude", [true; 3])] {
                let options = json!({format!("{list}{kind}"): []});
                assert_eq!(receivers(&publisher, options.clone(), &subscribers), expected, "{options}");
            }
        }
    });
}

/// Whoever is missing from one eligible list, or stands in one exclude list, receives nothing.
#[test]
fn all_lists_must_agree() {
    everywhere(|net| {
        let publisher = net.join();
        let subscribers = [(); 3].map(|()| subscriber(net));
        let [a, b, c] = subscribers.each_ref().map(|subscriber| subscriber.session);
        let [aa, bb, cc] = subscribers.each_ref().map(|subscriber| &subscriber.authid);
        for (options, expected) in [
            (json!({"eligible": [a, b], "eligible_authid": [bb, cc]}), [false, true, false]),
            (json!({"eligible": [a, b, c], "exclude_authid": [aa]}), [false, true, true]),
            (json!({"eligible": [a], "eligible_authrole": ["admin"]}), [false; 3]),
            (
                json!({"eligible_authid": [aa, bb], "exclude": [a], "exclude_authrole": []}),
                [false, true, false],
            ),
            (
                json!({
                    "eligible": [a, b, c], "eligible_authid": [aa, bb, cc], "eligible_authrole": ["anonymous"],
                    "exclude": [a], "exclude_authid": [bb], "exclude_authrole": ["admin"],
                }),
                [false, false, true],
            ),
        ] {
            assert_eq!(receivers(&publisher, options.clone(), &subscribers), expected, "{options}");
        }
    });
}

/// The publisher is excluded as such, however eligible it is; with `exclude_me: false` the lists alone decide.
#[test]
fn the_publisher_itself() {
    everywhere(|net| {
        let alice = subscriber(net);
        let me = alice.session;
        for (options, receives) in [
            (json!({"eligible": [me]}), false),
            (json!({"eligible": [me], "exclude_me": false}), true),
            (json!({"eligible": [], "exclude_me": false}), false),
            (json!({"exclude": [me], "exclude_me": false}), false),
            (json!({"exclude_authid": [alice.authid], "exclude_me": false}), false),
        ] {
            alice.client.send(json!([16, 2, options, "com.topic"]));
            assert_eq!(alice.client.all().len(), usize::from(receives), "{options}");
        }
    });
}
