//! What a session leaves behind (spec: "Session Testament").

use connectanum::limits::Limits;
use connectanum::wamp::Serializer;
use serde_json::{Value, json};

use super::{fails, result};
use crate::harness::{Client, Net, STRICT_URIS, Transport, everywhere, everywhere_with};

const ADD: &str = "wamp.session.add_testament";
const FLUSH: &str = "wamp.session.flush_testaments";
const SHUTDOWN: &str = "wamp.close.system_shutdown";
const INVALID: &str = "wamp.error.invalid_argument";

#[track_caller]
fn add(client: &Client, payload: Value) {
    assert_eq!(result(client, ADD, payload), json!(null));
}

/// The topics and arguments of all events that have come.
fn heard(client: &Client) -> Vec<Value> {
    let rest = |event: &Value| {
        let mut rest = vec![event[3]["topic"].clone()];
        rest.extend(event.as_array().unwrap()[4..].iter().cloned());
        json!(rest)
    };
    client.all().iter().filter(|message| message[0] == 36).map(rest).collect()
}

fn watch(client: &Client) {
    client.subscribe_with(json!({"match": "prefix"}), "com.");
}

/// However a session ends, its testaments are published once: those of `detached` first, each scope in its order, behind all
/// that the session has published itself.
#[test]
fn every_end_of_a_session() {
    let ends: [fn(&Client, &Net); 8] = [
        |alice, _| alice.send(json!([6, {}, "wamp.close.close_realm"])),
        |alice, _| alice.send(json!([3, {}, "com.reason"])),
        |alice, _| alice.send(json!([48])),
        |alice, _| alice.send_bytes(b"garbage"),
        |alice, _| alice.socket.eof(),
        |alice, _| alice.socket.lose(),
        |alice, net| drop(result(&net.join(), "wamp.session.kill", json!([[alice.session()]]))),
        |_, net| net.shutdown(),
    ];
    for end in ends {
        everywhere(|net| {
            let [watcher, alice] = net.join_all();
            watch(&watcher);
            // Nobody hears his own, whatever he wants.
            watch(&alice);
            add(&alice, json!([["com.d", [2], {"a": 1}]]));
            add(&alice, json!([["com.c", [1]], {"scope": "detached"}]));
            add(
                &alice,
                json!([["com.d", [3], {}], {"scope": "destroyed", "publish_options": {"exclude_me": false}}]),
            );
            add(&alice, json!([["com.c"], {"scope": "detached"}]));
            add(&alice, json!([["com.e", null, {"b": [null]}]]));
            alice.send(json!([16, alice.fresh(), {}, "com.last", ["words"]]));
            assert_eq!(heard(&watcher), [json!(["com.last", ["words"]])]);
            end(&alice, net);
            let events = heard(&watcher);
            let expected = [
                json!(["com.c", [1]]),
                json!(["com.c"]),
                json!(["com.d", [2], {"a": 1}]),
                json!(["com.d", [3], {}]),
                json!(["com.e", [], {"b": [null]}]),
            ];
            // When the router shuts down, who is dismissed first hears nothing.
            let is_over = events.is_empty() && alice.all().last().is_some_and(|it| it[2] == SHUTDOWN);
            assert!(is_over || events == expected, "{events:?}");
            assert!(alice.all().iter().all(|message| message[0] != 36));
        });
    }
}

/// The specification says so.
#[test]
fn kill_all_publishes_none() {
    everywhere(|net| {
        let [watcher, alice] = net.join_all();
        watch(&watcher);
        add(&alice, json!([["com.x"]]));
        assert_eq!(result(&watcher, "wamp.session.kill_all", json!([])), json!(1));
        watcher.expect_nothing();
    });
}

#[test]
fn testaments_are_flushed() {
    everywhere(|net| {
        let [watcher, alice] = net.join_all();
        watch(&watcher);
        for (scope, flushed, left) in [
            (json!({}), 2, json!(["com.detached"])),
            (json!({"scope": "destroyed"}), 2, json!(["com.detached"])),
            (json!({"scope": "detached"}), 1, json!(["com.destroyed", "com.destroyed"])),
        ] {
            let client = net.join();
            assert_eq!(result(&client, FLUSH, json!([[], scope])), json!(0));
            add(&client, json!([["com.destroyed"]]));
            add(&client, json!([["com.detached"], {"scope": "detached"}]));
            add(&client, json!([["com.destroyed"], {"scope": "destroyed"}]));
            assert_eq!(result(&alice, FLUSH, json!([[], scope])), json!(0), "only its own");
            assert_eq!(result(&client, FLUSH, json!([[], scope])), json!(flushed));
            assert_eq!(result(&client, FLUSH, json!([[], scope])), json!(0));
            client.socket.lose();
            let topics: Value = heard(&watcher).into_iter().map(|event| event[0].clone()).collect();
            assert_eq!(topics, left);
        }
    });
}

/// Each session has its own, also the next one on a connection.
#[test]
fn the_next_session_begins_anew() {
    everywhere(|net| {
        let [watcher, alice] = net.join_all();
        watch(&watcher);
        add(&alice, json!([["com.x"]]));
        assert_eq!(alice.ask(json!([6, {}, "wamp.close.normal"]))[0], 6);
        assert_eq!(heard(&watcher).len(), 1);
        let alice = alice.welcomed("realm1");
        alice.socket.lose();
        watcher.expect_nothing();
    });
}

/// Options mean what they mean in PUBLISH.
#[test]
fn publish_options() {
    everywhere(|net| {
        let [alice, bob, carol] = net.join_all();
        let subscriptions = [&bob, &carol].map(|client| client.subscribe("com.x"));
        let to_bob = json!({"eligible": [bob.session()], "acknowledge": true});
        let not_to_bob = json!({"exclude": [bob.session()], "disclose_me": true});
        let to_nobody = json!({"eligible_authrole": ["nobody"]});
        for options in [to_bob, not_to_bob, to_nobody] {
            add(&alice, json!([["com.x"], {"publish_options": options}]));
        }
        let authid = result(&bob, "wamp.session.get", json!([[alice.session()]]))["authid"].clone();
        assert_eq!(alice.ask(json!([6, {}, "wamp.close.normal"]))[0], 6);
        bob.expect_event(subscriptions[0], json!([{}]));
        bob.expect_nothing();
        let details = json!({
            "publisher": alice.session(),
            "publisher_authid": authid,
            "publisher_authrole": "anonymous",
        });
        carol.expect_event(subscriptions[1], json!([details]));
        carol.expect_nothing();
        alice.expect_nothing();
    });
}

/// A last will is often read by who comes later.
#[test]
fn a_testament_is_retained() {
    everywhere(|net| {
        let alice = net.join();
        add(&alice, json!([["com.status", ["gone"]], {"publish_options": {"retain": true}}]));
        alice.socket.lose();
        let bob = net.join();
        let subscription = bob.subscribe_with(json!({"get_retained": true}), "com.status");
        bob.expect_event(subscription, json!([{"retained": true}, ["gone"]]));
    });
}

/// Whose payload may not be passed through in PUBLISH may not be in a testament.
#[test]
fn a_testament_with_passthru() {
    everywhere(|net| {
        let bob = net.join();
        let subscription = bob.subscribe("com.x");
        let binary = "\0AAEC";
        let options = json!({"ppt_scheme": "x_my", "ppt_keyid": "k"});
        let arguments = json!([["com.x", [binary]], {"publish_options": options}]);
        fails(&net.join(), ADD, arguments.clone(), INVALID, "ppt_scheme");

        let publisher = json!({"features": {"payload_passthru_mode": true}});
        // In JSON, this text is binary.
        let alice = net.client_over(Transport::raw_socket(Serializer::Json));
        let welcome = alice.ask(json!([1, "realm1", {"roles": {"publisher": publisher, "caller": {}}}]));
        let alice = alice.in_session(&welcome);
        fails(&alice, ADD, json!([["com.x", [1]], {"publish_options": options}]), INVALID, "binary");
        add(&alice, arguments);
        alice.socket.lose();
        bob.expect_event(subscription, json!([options, [binary]]));
    });
}

/// Arguments are kept as they were written: the bytes, where the serializer is the same.
#[test]
fn arguments_are_kept_without_loss() {
    everywhere(|net| {
        for (serializer, call, tail) in [
            (
                Serializer::Json,
                br#"[48,1,{},"wamp.session.add_testament",["com.x", [123456789012345678901234567890,1.50], {"k" : -0}]]"#
                    .to_vec(),
                br#"[123456789012345678901234567890,1.50],{"k" : -0}]"#.to_vec(),
            ),
            (
                Serializer::MsgPack,
                [
                    &b"\x95\x30\x01\x80\xbawamp.session.add_testament"[..],
                    b"\x93\xa5com.x\x92\xc4\x03\x00\xff\x01\xd6\xff\x00\x00\x00\x01\x81\x01\xca\x7f\xc0\x00\x00",
                ]
                .concat(),
                b"\x92\xc4\x03\x00\xff\x01\xd6\xff\x00\x00\x00\x01\x81\x01\xca\x7f\xc0\x00\x00".to_vec(),
            ),
            (
                Serializer::Cbor,
                [
                    &b"\x85\x18\x30\x01\xa0\x78\x1awamp.session.add_testament"[..],
                    b"\x9f\x65com.x\x82\xc2\x49\x01\x00\x00\x00\x00\x00\x00\x00\x00\x42\xff\x00\xa1\x61k\xf9\x7e\x00\xff",
                ]
                .concat(),
                b"\x82\xc2\x49\x01\x00\x00\x00\x00\x00\x00\x00\x00\x42\xff\x00\xa1\x61k\xf9\x7e\x00".to_vec(),
            ),
        ] {
            let [alice, bob] = [net.join_with(serializer), net.join_with(serializer)];
            bob.subscribe("com.x");
            alice.send_bytes(&call);
            assert_eq!(alice.next()[0], 50);
            alice.socket.lose();
            let event = bob.next_bytes();
            assert!(event.ends_with(&tail), "{serializer:?}: {event:x?}");
        }
    });
}

#[test]
fn faulty_arguments() {
    everywhere(|net| {
        let alice = net.join();
        for (payload, text) in [
            (json!([]), "topic"),
            (json!([[null]]), "topic"),
            (json!([[7]]), "topic"),
            (json!([["com.x", {}]]), "args"),
            (json!([["com.x", [], []]]), "kwargs"),
            (json!([["com.x", [], {}], {"scope": "forever"}]), "scope"),
            (json!([["com.x", [], {}], {"scope": 7}]), "scope"),
            (json!([["com.x", [], {}], {"publish_options": []}]), "publish_options"),
            (json!([["com.x", [], {}], {"publish_options": {"exclude_me": 7}}]), "exclude_me"),
            (json!([["com.x", [], {}], {"publish_options": {"eligible": "x"}}]), "eligible"),
        ] {
            fails(&alice, ADD, payload, INVALID, text);
        }
        for topic in ["", "com..x", "com.x ", "wamp.session.on_join", "wamp"] {
            fails(&alice, ADD, json!([[topic]]), "wamp.error.invalid_uri", "");
        }
        for scope in [json!(7), json!("all")] {
            fails(&alice, FLUSH, json!([[], {"scope": scope}]), INVALID, "scope");
        }
        let strict = net.join_realm(STRICT_URIS);
        fails(&strict, ADD, json!([["com.X"]]), "wamp.error.invalid_uri", "strict");
        let watcher = net.join();
        watcher.subscribe_with(json!({"match": "prefix"}), "com");
        alice.socket.lose();
        watcher.expect_nothing();
    });
}

/// By name they are understood, too.
#[test]
fn arguments_by_name() {
    everywhere(|net| {
        let [watcher, alice] = net.join_all();
        watch(&watcher);
        add(&alice, json!([[], {"topic": "com.x", "args": [1], "kwargs": {"a": 2}}]));
        add(&alice, json!([["com.y"], {"kwargs": {"a": 3}}]));
        alice.socket.lose();
        let expected = [json!(["com.x", [1], {"a": 2}]), json!(["com.y", [], {"a": 3}])];
        assert_eq!(heard(&watcher), expected);
    });
}

#[test]
fn testaments_are_limited() {
    let limits = Limits { testaments_max: 3, testaments_bytes_max: 1000, ..Limits::default() };
    everywhere_with(limits, |net| {
        let [watcher, alice] = net.join_all();
        watch(&watcher);
        let unavailable = "wamp.error.unavailable";
        let long = json!([["com.x", ["x".repeat(600)]]]);
        add(&alice, long.clone());
        fails(&alice, ADD, long.clone(), unavailable, "testaments_bytes_max");
        add(&alice, json!([["com.x"]]));
        add(&alice, json!([["com.x"], {"scope": "detached"}]));
        fails(&alice, ADD, json!([["com.x"]]), unavailable, "testaments_max");
        assert_eq!((net.limited().testaments_max, net.limited().testaments_bytes_max), (1, 1));
        assert_eq!(result(&alice, FLUSH, json!([])), json!(2));
        add(&alice, long);
        alice.socket.lose();
        assert_eq!(heard(&watcher).len(), 2);
    });
}

/// Testaments are for others: nothing is left of a session whose testaments nobody hears.
#[test]
fn nobody_hears() {
    everywhere(|net| {
        let before = net.census();
        let alice = net.join();
        add(&alice, json!([["com.x"]]));
        alice.socket.lose();
        assert_eq!(net.census(), before);
    });
}
