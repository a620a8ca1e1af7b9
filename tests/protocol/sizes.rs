//! Messages that are larger than what a RawSocket peer said it accepts (spec: "RawSocket Transport", "Predefined URIs").

use connectanum::wamp::Serializer;
use serde_json::json;

use crate::harness::{Client, Net, REALM, Transport, everywhere, hello, long_realm};

/// A client that accepts messages of up to 512 bytes.
fn small(net: &Net) -> Client {
    net.client_over(Transport::RawSocket { serializer: Serializer::MsgPack, length: 0 })
}

const TOO_LARGE: &str = "wamp.error.payload_size_exceeded";

/// The subscriber goes without the event; others, and later events, are not concerned.
#[test]
fn an_event() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let small = small(net).welcomed(REALM);
        let subscription = small.subscribe("com.topic");
        bob.subscribe("com.topic");
        for text in ["x".repeat(450), "x".repeat(600), "x".repeat(100_000), "y".to_owned()] {
            let published = alice.ask(json!([16, 1, {"acknowledge": true}, "com.topic", [text]]));
            assert_eq!(published[0], 17);
            bob.expect_event(subscription, json!([{}, [text]]));
            if text.len() < 500 {
                small.expect_event(subscription, json!([{}, [text]]));
            }
            small.expect_nothing();
        }
    });
}

#[test]
fn an_invocation() {
    everywhere(|net| {
        let alice = net.join();
        let small = small(net).welcomed(REALM);
        let registration = small.register("com.procedure");
        for (n, size) in [(1, 10), (2, 600), (3, 100_000), (4, 10)] {
            let text = "x".repeat(size);
            alice.send(json!([48, n, {}, "com.procedure", [text]]));
            if size > 500 {
                alice.expect_error(48, n, TOO_LARGE, "the callee's transport");
                small.expect_nothing();
            } else {
                // Those that were not sent do not count.
                let invocation = small.expect_invocation(registration, json!([{}, [text]]));
                assert_eq!(invocation, if n == 1 { 1 } else { 2 });
                small.send(json!([70, invocation, {}]));
                assert_eq!(alice.next(), json!([50, n, {}]));
            }
        }
        small.send(json!([70, 3, {}]));
        small.expect_violation("INVOCATION 3, which was never sent");
    });
}

#[test]
fn a_result_and_an_error() {
    everywhere(|net| {
        let bob = net.join();
        let small = small(net).welcomed(REALM);
        let registration = bob.register("com.procedure");
        for size in [10, 600, 100_000] {
            let text = "x".repeat(size);
            for head in [json!([70, 0, {}]), json!([8, 68, 0, {}, "com.error"])] {
                small.send(json!([48, 7, {}, "com.procedure"]));
                let invocation = bob.expect_invocation(registration, json!([{}]));
                let mut answer = head.clone();
                answer[if head[0] == 8 { 2 } else { 1 }] = json!(invocation);
                answer.as_array_mut().unwrap().push(json!([text]));
                bob.send(answer);
                match (size, &head[0]) {
                    (10, code) if *code == 70 => assert_eq!(small.next(), json!([50, 7, {}, [text]])),
                    (10, _) => assert_eq!(small.next(), json!([8, 48, 7, {}, "com.error", [text]])),
                    _ => small.expect_error(48, 7, TOO_LARGE, "the caller's transport"),
                }
            }
        }
    });
}

/// The router's own errors are always small enough, whatever they are about.
#[test]
fn the_routers_own_errors() {
    everywhere(|net| {
        let small = small(net).welcomed(REALM);
        // Written as JSON, every one of these characters takes six bytes.
        for unit in ["x", "\u{1}", "日"] {
            let uri = unit.repeat(1000 / unit.len());
            for request in [json!([48, 1, {}, uri]), json!([32, 1, {}, uri + " "])] {
                assert_eq!(small.ask(request)[0], 8);
            }
        }
        let json = Transport::RawSocket { serializer: Serializer::Json, length: 0 };
        let small = net.client_over(json).welcomed(REALM);
        let uri = "\u{1}".repeat(1000);
        let error = small.ask(json!([48, 1, {}, uri]));
        assert_eq!(
            (&error[1], &error[2], &error[4]),
            (&json!(48), &json!(1), &json!("wamp.error.no_such_procedure"))
        );
        small.send(json!([16, 1, {uri.clone(): 1, "exclude_me": uri}, "com.x"]));
        small.expect_violation("");
    });
}

/// WELCOME names no features to a client that cannot take them all.
#[test]
fn a_short_welcome() {
    everywhere(|net| {
        let json = Transport::RawSocket { serializer: Serializer::Json, length: 0 };
        let welcome = net.client_over(json).ask(hello(REALM));
        assert_eq!((&welcome[0], &welcome[2]["realm"]), (&json!(2), &json!(REALM)));
        let roles = &welcome[2]["roles"];
        for role in ["broker", "dealer"] {
            assert!(
                roles[role].is_object() && roles[role]["features"].as_object().is_none_or(|it| it.is_empty())
            );
        }
    });
}

/// A client that cannot be welcomed is told so, and has no session.
#[test]
fn a_welcome() {
    everywhere(|net| {
        let small = small(net);
        small.send(hello(&long_realm()));
        small.expect_abort(TOO_LARGE, "WELCOME");
        assert_eq!(net.census(), [0; 5]);
        net.join_realm(&long_realm());
    });
}
