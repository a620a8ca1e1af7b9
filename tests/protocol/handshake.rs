//! HELLO, and everything that may be wrong with the beginning (spec: "Session Establishment").

use serde_json::json;

use crate::harness::{Client, REALM, everywhere, hello};

/// The first answer of the router, and all that it announces.
#[test]
fn welcome() {
    everywhere(|net| {
        let alice = net.client();
        let welcome = alice.ask(hello(REALM));
        let session = &welcome[1];
        let authid = &welcome[2]["authid"];
        assert!(session.as_u64().is_some_and(|id| (1..=1 << 53).contains(&id)), "{welcome}");
        assert!(authid.as_str().is_some_and(|authid| !authid.is_empty()), "{welcome}");
        // Which features, `features` looks at.
        let features = |role: &str| welcome[2]["roles"][role]["features"].clone();
        let roles = json!({
            "broker": {"features": features("broker")},
            "dealer": {"features": features("dealer")},
        });
        let details = json!({
            "realm": REALM,
            "roles": roles,
            "agent": "the agent",
            "authid": authid,
            "authrole": "anonymous",
            "authmethod": "anonymous",
            "authprovider": "static",
        });
        assert_eq!(welcome, json!([2, session, details]));
        alice.expect_nothing();
    });
}

#[test]
fn one_role_is_enough() {
    everywhere(|net| {
        for role in ["publisher", "subscriber", "caller", "callee"] {
            let welcome = net.client().ask(json!([1, REALM, {"roles": {role: {}}}]));
            assert_eq!(welcome[0], 2, "{role}: {welcome}");
        }
    });
}

#[test]
fn features_and_details_that_nobody_knows_are_ignored() {
    everywhere(|net| {
        let details = json!({
            "agent": "someone",
            "authid": "joe",
            "authrole": "user",
            "authextra": {"x": [1, null]},
            "x_detail": {"y": 1},
            "roles": {
                "caller": {"features": {"call_canceling": true, "flying": true}, "x": 1},
                "philosopher": {},
            },
        });
        assert_eq!(net.client().ask(json!([1, REALM, details]))[0], 2);
    });
}

#[test]
fn a_client_without_a_role() {
    everywhere(|net| {
        for details in [json!({}), json!({"roles": {}}), json!({"roles": {"broker": {}, "dealer": {}}})] {
            let alice = net.client();
            alice.send(json!([1, REALM, details]));
            alice.expect_violation("HELLO.Details.roles must be a dict with at least one of publisher");
        }
    });
}

#[test]
fn a_realm_that_does_not_exist() {
    everywhere(|net| {
        for realm in ["realm2", "realm1.x", "wamp.realm", "réalm"] {
            let alice = net.client();
            alice.send(hello(realm));
            let text = format!("there is no realm '{realm}'");
            alice.expect_abort("wamp.error.no_such_realm", &text);
        }
    });
}

/// Decision D5.
#[test]
fn a_realm_that_is_no_uri() {
    everywhere(|net| {
        let long = "r".repeat(1025);
        for realm in ["", "realm 1", "realm..1", ".realm1", "realm1.", "realm#1", &long] {
            let alice = net.client();
            alice.send(hello(realm));
            alice.expect_abort("wamp.error.invalid_uri", "is not a valid realm URI");
        }
        for realm in [json!(null), json!(1), json!(["realm1"])] {
            let alice = net.client();
            alice.send(json!([1, realm, {"roles": {"caller": {}}}]));
            alice.expect_violation("HELLO.Realm must be a string");
        }
    });
}

/// Decision D11. A list that offers nothing demands nothing.
#[test]
fn authentication_methods() {
    everywhere(|net| {
        let hello = |methods| json!([1, REALM, {"roles": {"caller": {}}, "authmethods": methods}]);
        for methods in [json!([]), json!(["anonymous"]), json!(["wampcra", "anonymous"])] {
            assert_eq!(net.client().ask(hello(methods))[0], 2);
        }
        for methods in [json!(["ticket"]), json!(["wampcra", "cryptosign"]), json!([""])] {
            let alice = net.client();
            alice.send(hello(methods));
            alice.expect_abort("wamp.error.no_matching_auth_method", "authentication methods are: anonymous");
        }
        for methods in [json!("anonymous"), json!([1]), json!(null)] {
            let alice = net.client();
            alice.send(hello(methods));
            alice.expect_violation("HELLO.Details.authmethods must be a list of strings");
        }
    });
}

#[test]
fn a_second_hello() {
    everywhere(|net| {
        let alice = net.join();
        alice.send(hello(REALM));
        alice.expect_violation("HELLO in a session that is established already");
    });
}

/// Whatever is not HELLO, or the client's ABORT, may not come first.
#[test]
fn nothing_comes_before_hello() {
    everywhere(|net| {
        for (message, name) in [
            (json!([2, 1, {}]), "WELCOME"),
            (json!([4, "ticket", {}]), "CHALLENGE"),
            (json!([5, "signature", {}]), "AUTHENTICATE"),
            (json!([6, {}, "wamp.close.close_realm"]), "GOODBYE"),
            (json!([8, 68, 1, {}, "com.x"]), "ERROR"),
            (json!([16, 1, {}, "com.x"]), "PUBLISH"),
            (json!([17, 1, 1]), "PUBLISHED"),
            (json!([32, 1, {}, "com.x"]), "SUBSCRIBE"),
            (json!([33, 1, 1]), "SUBSCRIBED"),
            (json!([34, 1, 1]), "UNSUBSCRIBE"),
            (json!([35, 1]), "UNSUBSCRIBED"),
            (json!([36, 1, 1, {}]), "EVENT"),
            (json!([48, 1, {}, "com.x"]), "CALL"),
            (json!([49, 1, {}]), "CANCEL"),
            (json!([50, 1, {}]), "RESULT"),
            (json!([64, 1, {}, "com.x"]), "REGISTER"),
            (json!([65, 1, 1]), "REGISTERED"),
            (json!([66, 1, 1]), "UNREGISTER"),
            (json!([67, 1]), "UNREGISTERED"),
            (json!([68, 1, 1, {}]), "INVOCATION"),
            (json!([69, 1, {}]), "INTERRUPT"),
            (json!([70, 1, {}]), "YIELD"),
            (json!([337, 1]), "EVENT_RECEIVED"),
        ] {
            let alice = net.client();
            alice.send(message);
            alice.expect_violation(&format!("{name} before a session is established"));
        }
    });
}

/// ABORT is never answered, neither before a session nor in one.
#[test]
fn a_client_that_aborts() {
    everywhere(|net| {
        let abort = json!([3, {"message": "changed my mind"}, "com.reason", ["x"], {"y": 1}]);
        for alice in [net.client(), net.join()] {
            alice.send(abort.clone());
            alice.expect_closed(1000);
        }
    });
}

/// What follows in the same piece as the message that ended the connection is not looked at.
#[test]
fn nothing_is_read_after_an_abort() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        bob.subscribe("com.x");
        alice.send_all([json!([48]), json!([16, 1, {}, "com.x"])]);
        alice.expect_violation("CALL takes 4 to 6 elements, 1 given");
        bob.expect_nothing();
    });
}

/// Session ids are random, over the whole range, and no two are the same.
#[test]
fn session_ids() {
    everywhere(|net| {
        let mut ids: Vec<u64> = net.join_all::<64>().iter().map(Client::session).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 64);
        assert!(ids[0] < 1 << 50 && *ids.last().unwrap() > 1 << 52, "{ids:?}");
    });
}

#[test]
fn no_session_in_time() {
    everywhere(|net| {
        let (silent, halfway, client, late) = (net.socket(), net.socket(), net.client(), net.client());
        halfway.write(b"GET /ws HTT");
        net.wait_ms(9_999);
        let late = late.welcomed(REALM);
        assert!(!silent.is_ended() && !halfway.is_ended() && !client.socket.is_ended());
        net.wait_ms(1);
        silent.expect_end();
        halfway.expect_end();
        client.expect_closed(1008);
        net.wait_ms(1_000_000);
        late.expect_nothing();
    });
}
