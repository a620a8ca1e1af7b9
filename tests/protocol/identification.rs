//! Who published, who calls (spec: "Publisher Identification", "Caller Identification").

use connectanum::config::RealmConfig;
use connectanum::limits::Limits;
use serde_json::{Value, json};

use crate::harness::{Client, Net, REALM, everywhere, everywhere_in, hello, id};

/// A client, with its session id and authid.
fn known(net: &Net) -> (Client, u64, Value) {
    let client = net.client();
    let welcome = client.ask(hello(REALM));
    (client, id(&welcome[1]), welcome[2]["authid"].clone())
}

#[test]
fn a_publisher_discloses_itself_if_it_likes() {
    everywhere(|net| {
        let (alice, session, authid) = known(net);
        let [bob, carol] = net.join_all();
        let exact = bob.subscribe("com.topic");
        let prefix = carol.subscribe_with(json!({"match": "prefix"}), "com.");
        for (options, disclosed) in [
            (json!({}), json!({})),
            (json!({"disclose_me": false}), json!({})),
            (
                json!({"disclose_me": true}),
                json!({"publisher": session, "publisher_authid": authid, "publisher_authrole": "anonymous"}),
            ),
        ] {
            alice.send(json!([16, 1, options, "com.topic", ["hi"]]));
            bob.expect_event(exact, json!([disclosed, ["hi"]]));
            let mut with_topic = disclosed.clone();
            with_topic["topic"] = json!("com.topic");
            carol.expect_event(prefix, json!([with_topic, ["hi"]]));
        }
    });
}

#[test]
fn a_caller_discloses_itself_if_it_likes() {
    everywhere(|net| {
        let (alice, session, authid) = known(net);
        let bob = net.join();
        let exact = bob.register("com.procedure");
        let prefix = bob.register_with(json!({"match": "prefix"}), "com.prefix.");
        for (options, disclosed) in [
            (json!({}), json!({})),
            (json!({"disclose_me": false}), json!({})),
            (
                json!({"disclose_me": true}),
                json!({"caller": session, "caller_authid": authid, "caller_authrole": "anonymous"}),
            ),
        ] {
            alice.send(json!([48, alice.fresh(), options, "com.procedure"]));
            bob.expect_invocation(exact, json!([disclosed]));
            let mut with_procedure = disclosed.clone();
            with_procedure["procedure"] = json!("com.prefix.x");
            alice.send(json!([48, alice.fresh(), options, "com.prefix.x"]));
            bob.expect_invocation(prefix, json!([with_procedure]));
        }
    });
}

/// A callee that registers with `disclose_caller` knows all callers; of several it is each one's own choice.
#[test]
fn a_callee_asks_who_calls() {
    everywhere(|net| {
        let (alice, session, authid) = known(net);
        let [bob, carol] = net.join_all();
        let shared = |disclose: bool| json!({"invoke": "roundrobin", "disclose_caller": disclose});
        let registration = bob.register_with(shared(true), "com.procedure");
        carol.register_with(shared(false), "com.procedure");
        let disclosed = json!({"caller": session, "caller_authid": authid, "caller_authrole": "anonymous"});
        for _ in 0..2 {
            for options in [json!({}), json!({"disclose_me": false})] {
                alice.send(json!([48, alice.fresh(), options, "com.procedure"]));
                bob.expect_invocation(registration, json!([disclosed]));
                alice.send(json!([48, alice.fresh(), {}, "com.procedure"]));
                carol.expect_invocation(registration, json!([{}]));
            }
        }
    });
}

/// What is disclosed is what WELCOME said, not what HELLO claimed.
#[test]
fn nobody_chooses_a_name() {
    everywhere(|net| {
        let mallory = net.client();
        let roles = json!({"publisher": {}, "caller": {}});
        let claims = json!({"roles": roles, "authid": "admin", "authrole": "trusted", "authprovider": "me"});
        let welcome = mallory.ask(json!([1, REALM, claims]));
        assert_ne!(welcome[2]["authid"], "admin");
        assert_eq!(welcome[2]["authrole"], "anonymous");
        let bob = net.join();
        bob.subscribe("com.topic");
        mallory.send(json!([16, 1, {"disclose_me": true, "publisher_authid": "admin"}, "com.topic"]));
        let event = bob.next();
        assert_eq!(event[3]["publisher_authid"], welcome[2]["authid"]);
        assert_eq!(event[3]["publisher_authrole"], "anonymous");
    });
}

/// A realm may forbid it (decision D16).
#[test]
fn where_nobody_may_disclose_himself() {
    let realm = RealmConfig { disclose_me: false, ..RealmConfig::new(REALM) };
    everywhere_in(&realm, Limits::default(), |net| {
        let [client, other] = net.join_all();
        let subscription = other.subscribe("com.topic");
        let registration = other.register("com.proc");
        let (error, why) =
            ("wamp.error.option_disallowed.disclose_me", "does not allow the option disclose_me");
        let request = client.fresh();
        client.send(json!([16, request, {"disclose_me": true, "acknowledge": true}, "com.topic"]));
        client.expect_error(16, request, error, why);
        client.send(json!([16, client.fresh(), {"disclose_me": true}, "com.topic"]));
        let request = client.fresh();
        client.send(json!([48, request, {"disclose_me": true}, "com.proc"]));
        client.expect_error(48, request, error, why);
        // A testament that nobody would ever get.
        let (request, options) = (client.fresh(), json!({"publish_options": {"disclose_me": true}}));
        client.send(json!([48, request, {}, "wamp.session.add_testament", ["com.topic", [], {}], options]));
        client.expect_error(48, request, error, why);
        other.expect_nothing();
        client.send(json!([16, client.fresh(), {"disclose_me": false}, "com.topic", [1]]));
        other.expect_event(subscription, json!([{}, [1]]));
        client.send(json!([48, client.fresh(), {}, "com.proc", [2]]));
        other.expect_invocation(registration, json!([{}, [2]]));
    });
}
