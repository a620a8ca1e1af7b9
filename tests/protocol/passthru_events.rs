//! Payloads of events that the router does not look into (spec: "Payload Passthru Mode").

use connectanum::wamp::Serializer;
use serde_json::{Value, json};

use crate::harness::{Client, Net, REALM, everywhere};

/// A publisher that has announced the mode.
#[track_caller]
fn announcer(net: &Net) -> Client {
    net.join_as(&json!({"publisher": {"features": {"payload_passthru_mode": true}}}))
}

fn all() -> Value {
    json!({
        "ppt_scheme": "wamp", "ppt_serializer": "cbor", "ppt_cipher": "xsalsa20poly1305", "ppt_keyid": "k\u{e9}\"",
    })
}

/// Binary, as the harness writes it in JSON; in all serializers it is what they have for bytes.
const BINARY: &str = "\0AAECAwT/";

/// The bytes of a PUBLISH with all attributes and one binary item.
fn publish(serializer: Serializer, request: u64, attributes: &Value, args: &[u8]) -> Vec<u8> {
    let message = json!([16, request, attributes, "com.x"]);
    let mut bytes = crate::harness::oracle::from_json(serializer, &message);
    match serializer {
        Serializer::Json => {
            bytes.pop();
            bytes.push(b',');
            bytes.extend_from_slice(args);
            bytes.push(b']');
        }
        Serializer::MsgPack | Serializer::Cbor => {
            bytes[0] += 1;
            bytes.extend_from_slice(args);
        }
    }
    bytes
}

fn binary(serializer: Serializer) -> &'static [u8] {
    match serializer {
        Serializer::Json => br#"["\u0000AAECAwT/"]"#,
        Serializer::MsgPack => b"\x91\xc4\x06\x00\x01\x02\x03\x04\xff",
        Serializer::Cbor => b"\x81\x46\x00\x01\x02\x03\x04\xff",
    }
}

/// The attributes come with the event, to subscribers with and without the feature, and bytes stay bytes in every serializer.
#[test]
fn attributes_and_bytes_are_passed_on() {
    everywhere(|net| {
        let alice = announcer(net);
        let subscribers = Serializer::ALL.map(|serializer| net.join_with(serializer));
        let able = net.join_as(&json!({"subscriber": {"features": {"payload_passthru_mode": true}}}));
        let mut ids: Vec<u64> = subscribers.iter().map(|it| it.subscribe("com.x")).collect();
        ids.push(able.subscribe("com.x"));
        for attributes in [all(), json!({"ppt_scheme": "mqtt"})] {
            let serializer = alice.transport.serializer();
            alice.send_bytes(&publish(serializer, alice.fresh(), &attributes, binary(serializer)));
            for (subscriber, id) in subscribers.iter().chain([&able]).zip(&ids) {
                subscriber.expect_event(*id, json!([attributes, [BINARY]]));
            }
        }
    });
}

#[test]
fn with_other_options() {
    everywhere(|net| {
        let alice = announcer(net);
        let [bob, carol] = net.join_all();
        let by_prefix = bob.subscribe_with(json!({"match": "prefix"}), "com");
        carol.subscribe("com.x");
        let serializer = alice.transport.serializer();
        let options = json!({"ppt_scheme": "x_my", "disclose_me": true, "exclude": [carol.session()], "acknowledge": true});
        alice.send_bytes(&publish(serializer, 1, &options, binary(serializer)));
        assert_eq!(alice.next()[0], 17);
        let event = bob.next();
        assert_eq!(event[1], by_prefix);
        assert_eq!(event[3]["ppt_scheme"], "x_my");
        assert_eq!((&event[3]["topic"], &event[3]["publisher"]), (&json!("com.x"), &json!(alice.session())));
        assert_eq!(event[4], json!([BINARY]));
        carol.expect_nothing();
    });
}

#[test]
fn only_publishers_that_have_announced_it() {
    everywhere(|net| {
        let bob = net.join();
        bob.subscribe("com.x");
        for roles in [
            json!({"publisher": {}}),
            json!({"publisher": {"features": {"payload_passthru_mode": false}}}),
            json!({"publisher": {}, "subscriber": {"features": {"payload_passthru_mode": true}}}),
        ] {
            let alice = net.client().welcomed_as(REALM, &roles);
            let serializer = alice.transport.serializer();
            alice.send_bytes(&publish(serializer, 1, &all(), binary(serializer)));
            alice.expect_violation("has not announced payload_passthru_mode");
        }
        bob.expect_nothing();
    });
}

#[test]
fn anything_but_one_binary_item_is_a_violation() {
    everywhere(|net| {
        let bob = net.join();
        bob.subscribe("com.x");
        for payload in [
            json!([]),
            json!([[]]),
            json!([["text"]]),
            json!([[1]]),
            json!([["text", "text"]]),
            json!([[], {"a": 1}]),
        ] {
            let alice = announcer(net);
            let mut message = json!([16, 1, all(), "com.x"]);
            message.as_array_mut().unwrap().extend(payload.as_array().unwrap().clone());
            alice.send(message);
            alice.expect_violation("one binary item");
        }
        bob.expect_nothing();
    });
}

/// Without a scheme, or with an empty one, the mode is not in use, and nothing is passed on.
#[test]
fn without_a_scheme_it_is_not_in_use() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let subscription = bob.subscribe("com.x");
        for options in [json!({"ppt_serializer": "cbor"}), json!({"ppt_scheme": "", "ppt_keyid": "k"})] {
            alice.send(json!([16, alice.fresh(), options, "com.x", [1, 2], {"a": 1}]));
            bob.expect_event(subscription, json!([{}, [1, 2], {"a": 1}]));
        }
    });
}
