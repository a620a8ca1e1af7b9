//! What ends a session at once: ABORT names the fault, then the connection is closed (spec: "Protocol Violations";
//! decision D1). The wording of every fault is tested with the syntax, in `tests/wire`.

use serde_json::{Value, json};

use crate::harness::everywhere;

/// Messages of clients, in their longest form, and how many elements they need.
fn of_clients() -> Vec<(&'static str, usize, Value)> {
    vec![
        ("ABORT", 3, json!([3, {}, "com.x", [], {}])),
        ("AUTHENTICATE", 3, json!([5, "signature", {}])),
        ("GOODBYE", 3, json!([6, {}, "com.x"])),
        ("ERROR", 5, json!([8, 68, 1, {}, "com.x", [], {}])),
        ("PUBLISH", 4, json!([16, 1, {}, "com.x", [], {}])),
        ("SUBSCRIBE", 4, json!([32, 1, {}, "com.x"])),
        ("UNSUBSCRIBE", 3, json!([34, 1, 1])),
        ("CALL", 4, json!([48, 1, {}, "com.x", [], {}])),
        ("CANCEL", 3, json!([49, 1, {}])),
        ("REGISTER", 4, json!([64, 1, {}, "com.x"])),
        ("UNREGISTER", 3, json!([66, 1, 1])),
        ("YIELD", 3, json!([70, 1, {}, [], {}])),
        ("EVENT_RECEIVED", 2, json!([337, 1])),
    ]
}

#[test]
fn one_element_less_or_more() {
    everywhere(|net| {
        for (name, least, longest) in of_clients() {
            let elements = longest.as_array().unwrap();
            let longer: Value = elements.iter().cloned().chain([json!({})]).collect();
            let shorter: Value = elements[..least - 1].iter().cloned().collect();
            for wrong in [longer, shorter] {
                let alice = net.join();
                alice.send(wrong);
                alice.expect_violation(&format!("{name} takes"));
            }
        }
        for wrong in [json!([1, "realm1"]), json!([1, "realm1", {"roles": {"caller": {}}}, []])] {
            let alice = net.client();
            alice.send(wrong);
            alice.expect_violation("HELLO takes 3 elements");
        }
    });
}

#[test]
fn elements_of_the_wrong_type() {
    let dicts = [json!(null), json!([]), json!("x"), json!(1), json!(true)];
    let strings = [json!(null), json!([]), json!({}), json!(1), json!(false)];
    let lists = [json!(null), json!({}), json!("x"), json!(1)];
    everywhere(|net| {
        for (name, _, longest) in of_clients() {
            for (at, element) in longest.as_array().unwrap().iter().enumerate() {
                let (wrong, text): (&[Value], _) = match element {
                    Value::Object(_) => (&dicts, " must be a dict"),
                    Value::String(_) => (&strings, " must be a string"),
                    Value::Array(_) => (&lists, ".Arguments must be a list"),
                    _ => continue,
                };
                // One of them each time, else this takes long.
                let wrong = &wrong[(at + longest[0].as_u64().unwrap() as usize) % wrong.len()];
                let mut message = longest.clone();
                message[at] = wrong.clone();
                let alice = net.join();
                alice.send(message);
                alice.expect_violation(name);
                let alice = net.join();
                let mut message = longest.clone();
                message[at] = json!(null);
                alice.send(message);
                alice.expect_violation(text);
            }
        }
    });
}

#[test]
fn no_message_at_all() {
    everywhere(|net| {
        for (message, text) in [
            (json!([]), "the message is an empty list"),
            (json!({}), "a message must be a list"),
            (json!("x"), "a message must be a list"),
            (json!(null), "a message must be a list"),
            (json!(["48", 1, {}, "com.x"]), "the message type must be an integer"),
            (json!([48.0, 1, {}, "com.x"]), "the message type must be an integer"),
            (json!([0]), "message type 0 is unknown"),
            (json!([7, 1]), "message type 7 is unknown"),
            (json!([99, 1, {}]), "message type 99 is unknown"),
            (json!([37, 1]), "message type 37 is unknown"),
        ] {
            let alice = net.join();
            alice.send(message);
            alice.expect_violation(text);
        }
    });
}

#[test]
fn messages_of_a_router() {
    everywhere(|net| {
        for (name, message) in [
            ("WELCOME", json!([2, 1, {}])),
            ("CHALLENGE", json!([4, "ticket", {}])),
            ("PUBLISHED", json!([17, 1, 1])),
            ("SUBSCRIBED", json!([33, 1, 1])),
            ("UNSUBSCRIBED", json!([35, 1])),
            ("UNSUBSCRIBED", json!([35, 0, {"subscription": 1}])),
            ("EVENT", json!([36, 1, 1, {}])),
            ("RESULT", json!([50, 1, {}])),
            ("REGISTERED", json!([65, 1, 1])),
            ("UNREGISTERED", json!([67, 1])),
            ("INVOCATION", json!([68, 1, 1, {}])),
            ("INTERRUPT", json!([69, 1, {}])),
        ] {
            let alice = net.join();
            alice.send(message);
            alice.expect_violation(&format!("{name} is sent by a router, never to it"));
        }
    });
}

#[test]
fn authenticate_without_a_challenge() {
    everywhere(|net| {
        let alice = net.join();
        alice.send(json!([5, "signature", {}]));
        alice.expect_violation("AUTHENTICATE without a CHALLENGE");
    });
}

/// Clients answer nothing but INVOCATION.
#[test]
fn error_for_another_request() {
    everywhere(|net| {
        for request_type in [16, 32, 34, 48, 64, 66] {
            let alice = net.join();
            alice.send(json!([8, request_type, 1, {}, "com.error"]));
            alice.expect_violation(&format!("ERROR for a request of type {request_type}"));
        }
        for request_type in [json!(0), json!(1), json!(70), json!(69), json!("68"), json!(null)] {
            let alice = net.join();
            alice.send(json!([8, request_type, 1, {}, "com.error"]));
            alice.expect_violation("ERROR.Request.Type must be");
        }
    });
}

/// Decision D23: existing clients send it, and nobody waits for an answer.
#[test]
fn event_received_is_taken() {
    everywhere(|net| {
        let alice = net.join();
        alice.send(json!([337, 12345]));
        alice.expect_nothing();
    });
}

/// Features that change what a message means must not be used unannounced (spec: "Payload Passthru Mode", "Progressive
/// Call Invocations").
#[test]
fn features_that_are_not_announced() {
    everywhere(|net| {
        for (message, text) in [
            (json!([16, 1, {"ppt_scheme": "wamp"}, "com.x", []]), "payload_passthru_mode"),
            (json!([48, 1, {"ppt_scheme": "x_my"}, "com.x", []]), "payload_passthru_mode"),
            (json!([70, 1, {"ppt_scheme": "mqtt"}, []]), "payload_passthru_mode"),
            (json!([8, 68, 1, {"ppt_scheme": "mqtt"}, "com.x"]), "payload_passthru_mode"),
            (json!([16, 1, {"enc_algo": "cryptobox"}, "com.x", "payload"]), "payload encryption"),
            (json!([48, 1, {"progress": true}, "com.x"]), "progressive_call_invocations"),
        ] {
            let alice = net.join();
            alice.send(message);
            alice.expect_violation(text);
        }
        let alice = net.join();
        alice.send(json!([48, 1, {"progress": false}, "com.x"]));
        alice.expect_error(48, 1, "wamp.error.no_such_procedure", "com.x");
    });
}

/// The text that names the fault is short, whatever the client wrote.
#[test]
fn a_long_fault_is_named_briefly() {
    everywhere(|net| {
        let key = "k".repeat(100_000);
        let alice = net.join_with(connectanum::wamp::Serializer::Json);
        alice.send_bytes(format!(r#"[16,1,{{"{key}":1,"{key}":2}},"com.x"]"#).as_bytes());
        let abort = alice.next();
        assert_eq!(abort[2], "wamp.error.protocol_violation");
        assert!(abort[1]["message"].as_str().unwrap().len() < 500);
        alice.socket.lose();
    });
}
