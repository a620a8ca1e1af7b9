//! Payloads of calls and answers that the router does not look into (spec: "Payload Passthru Mode").

use serde_json::{Value, json};

use crate::harness::oracle;
use crate::harness::{Client, everywhere};

const PASSTHRU: &[&str] =
    &["payload_passthru_mode", "progressive_call_results", "progressive_call_invocations", "call_canceling"];

fn all() -> Value {
    json!({"ppt_scheme": "wamp", "ppt_serializer": "cbor", "ppt_cipher": "xsalsa20poly1305", "ppt_keyid": "k\u{e9}\""})
}

/// Binary, as the harness writes it in JSON; in all serializers it is what they have for bytes.
const BINARY: &str = "\0AAECAwT/";

/// Sends a message with one binary item behind it.
fn send(client: &Client, head: Value) {
    use connectanum::wamp::Serializer::{Cbor, Json, MsgPack};
    let serializer = client.transport.serializer();
    let mut bytes = oracle::from_json(serializer, &head);
    let binary: &[u8] = match serializer {
        Json => br#",["\u0000AAECAwT/"]]"#,
        MsgPack => b"\x91\xc4\x06\x00\x01\x02\x03\x04\xff",
        Cbor => b"\x81\x46\x00\x01\x02\x03\x04\xff",
    };
    match serializer {
        Json => _ = bytes.pop(),
        MsgPack | Cbor => bytes[0] += 1,
    }
    bytes.extend_from_slice(binary);
    client.send_bytes(&bytes);
}

/// From CALL to INVOCATION, and from whichever answer to the caller, with bytes that stay bytes in every serializer.
#[test]
fn attributes_and_bytes_are_passed_on() {
    everywhere(|net| {
        let (alice, bob) = (net.join_announcing(PASSTHRU), net.join_announcing(PASSTHRU));
        let registration = bob.register("com.procedure");
        for attributes in
            [all(), json!({"ppt_scheme": "mqtt"}), json!({"ppt_scheme": "x_my", "ppt_keyid": "1"})]
        {
            let request = alice.fresh();
            let mut options = attributes.clone();
            options["receive_progress"] = json!(true);
            send(&alice, json!([48, request, options, "com.procedure"]));
            let invocation = bob.expect_invocation(registration, json!([options, [BINARY]]));
            let mut part = attributes.clone();
            part["progress"] = json!(true);
            send(&bob, json!([70, invocation, part]));
            assert_eq!(alice.next(), json!([50, request, part, [BINARY]]));
            // Parts may differ.
            bob.send(json!([70, invocation, {"progress": true}, ["plain"]]));
            assert_eq!(alice.next(), json!([50, request, {"progress": true}, ["plain"]]));
            send(&bob, json!([70, invocation, attributes]));
            assert_eq!(alice.next(), json!([50, request, attributes, [BINARY]]));

            let request = alice.fresh();
            alice.send(json!([48, request, {}, "com.procedure"]));
            let invocation = bob.expect_invocation(registration, json!([{}]));
            send(&bob, json!([8, 68, invocation, attributes, "com.error"]));
            assert_eq!(alice.next(), json!([8, 48, request, attributes, "com.error", [BINARY]]));
            assert_eq!(net.census()[4], 0);
        }
    });
}

/// An empty scheme, or attributes without a scheme, are no use of the mode.
#[test]
fn no_scheme() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let registration = bob.register("com.procedure");
        for options in [json!({"ppt_scheme": ""}), json!({"ppt_serializer": "cbor", "ppt_keyid": "1"})] {
            let request = alice.fresh();
            alice.send(json!([48, request, options, "com.procedure", [1, 2]]));
            let invocation = bob.expect_invocation(registration, json!([{}, [1, 2]]));
            bob.send(json!([70, invocation, options, [3, 4]]));
            assert_eq!(alice.next(), json!([50, request, {}, [3, 4]]));
        }
    });
}

/// Whoever sends it must have announced it, and send bytes.
#[test]
fn violations() {
    everywhere(|net| {
        let alice = net.join();
        send(&alice, json!([48, 1, all(), "com.procedure"]));
        alice
            .expect_violation("CALL uses ppt_scheme, but its sender has not announced payload_passthru_mode");
        let carol = net.join_announcing(PASSTHRU);
        for (features, answer, text) in [
            (&[][..], json!([70, 1, all()]), "YIELD uses ppt_scheme"),
            (&[], json!([70, 1, {"ppt_scheme": "x_y", "progress": true}]), "YIELD uses ppt_scheme"),
            (&[], json!([8, 68, 1, all(), "com.error"]), "ERROR uses ppt_scheme"),
        ] {
            let bob = net.join_announcing(features);
            bob.register("com.procedure");
            carol.send(json!([48, 1, {}, "com.procedure"]));
            assert_eq!(bob.next()[0], 68);
            send(&bob, answer);
            bob.expect_violation(text);
            carol.expect_error(48, 1, "wamp.error.canceled", "");
        }
        for rest in [json!([]), json!([[]]), json!([["text"]]), json!([[[BINARY]]]), json!([["a", "b"]])] {
            let alice = net.join_announcing(PASSTHRU);
            let mut call = json!([48, 1, all(), "com.procedure"]);
            call.as_array_mut().unwrap().extend(rest.as_array().unwrap().iter().cloned());
            alice.send(call);
            alice.expect_violation("one binary item");
        }
        // So has every part.
        let (alice, bob) = (net.join_announcing(PASSTHRU), net.join_announcing(PASSTHRU));
        bob.register("com.procedure");
        send(&alice, json!([48, 1, {"ppt_scheme": "x_y", "progress": true}, "com.procedure"]));
        send(&alice, json!([48, 1, {"progress": true}, "com.procedure"]));
        alice.send(json!([48, 1, {"progress": true}, "com.procedure", ["text"]]));
        alice.expect_violation("one binary item");
        let details = json!({"ppt_scheme": "x_y", "progress": true});
        for message in [bob.next(), bob.next()] {
            assert_eq!((&message[3], &message[4]), (&details, &json!([BINARY])));
        }
    });
}

#[test]
fn a_callee_that_lacks_it() {
    everywhere(|net| {
        let (alice, bob) = (net.join_announcing(PASSTHRU), net.join());
        bob.register("com.procedure");
        send(&alice, json!([48, 1, all(), "com.procedure"]));
        alice.expect_error(48, 1, "wamp.error.feature_not_supported", "payload_passthru_mode");
        bob.expect_nothing();
    });
}

/// The caller is told; the callee lives on.
#[test]
fn a_caller_that_lacks_it() {
    everywhere(|net| {
        let (alice, bob) = (net.join(), net.join_announcing(PASSTHRU));
        let registration = bob.register("com.procedure");
        for (progress, answer) in [
            (false, json!([70, 0, all()])),
            (false, json!([8, 68, 0, all(), "com.error"])),
            (true, json!([70, 0, {"ppt_scheme": "x_y", "progress": true}])),
        ] {
            let request = alice.fresh();
            alice.send(json!([48, request, {"receive_progress": progress}, "com.procedure"]));
            let invocation = bob.next()[1].clone();
            let mut answer = answer;
            let at = if answer[0] == 8 { 2 } else { 1 };
            answer[at] = invocation.clone();
            send(&bob, answer);
            alice.expect_error(48, request, "wamp.error.feature_not_supported", "caller has not announced");
            bob.expect_nothing();
            bob.send(json!([70, invocation, {}]));
            alice.expect_nothing();
        }
        alice.send(json!([48, alice.fresh(), {}, "com.procedure"]));
        bob.expect_invocation(registration, json!([{}]));
    });
}
