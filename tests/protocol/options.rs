//! Options and details: known keys have their type, unknown ones are ignored, none comes twice (spec: "Messages"; decisions
//! D4, D14, D18, D23).

use connectanum::wamp::Serializer;
use serde_json::{Value, json};

use crate::harness::everywhere;

/// The types of options.
#[derive(Clone, Copy)]
enum Type {
    Bool,
    Text,
    Count,
    Ids,
    Texts,
    Match,
    Invoke,
    Encryption,
    Forwarders,
}

use Type::{Bool, Count, Encryption, Forwarders, Ids, Invoke, Match, Text, Texts};

impl Type {
    fn expected(self) -> &'static str {
        match self {
            Bool => "must be a bool",
            Text => "must be a string",
            Count => "must be an integer that is not negative",
            Ids => "must be a list of ids",
            Texts => "must be a list of strings",
            Match => "must be one of exact, prefix, wildcard",
            Invoke => "must be one of single, first, last, random, roundrobin, load",
            Encryption => "must be one of cryptobox, mqtt, xbr",
            Forwarders => "must be a list of {session, authid, authrole}",
        }
    }

    fn wrong(self) -> Vec<Value> {
        let mut wrong = vec![json!(null), json!({}), json!(1.5)];
        wrong.extend(match self {
            Bool => vec![json!(0), json!(1), json!("true"), json!([true])],
            Text => vec![json!(1), json!(true), json!(["x"])],
            Count => vec![json!(-1), json!("1"), json!(true), json!([1])],
            Ids => vec![json!(1), json!("1"), json!(["1"]), json!([1, -1]), json!([[1]])],
            Texts => vec![json!("x"), json!([1]), json!(["x", null]), json!([["x"]])],
            Match => vec![json!("regex"), json!("Exact"), json!(""), json!(1), json!(true)],
            Invoke => vec![json!("all"), json!("round_robin"), json!(""), json!(1), json!(false)],
            Encryption => vec![json!("rot13"), json!(1), json!("")],
            Forwarders => vec![json!("x"), json!([1]), json!([{}]), json!([{"session": 1, "authid": "a"}])],
        });
        wrong
    }
}

const PASSTHRU: [(&str, Type); 7] = [
    ("ppt_scheme", Text),
    ("ppt_serializer", Text),
    ("ppt_cipher", Text),
    ("ppt_keyid", Text),
    ("enc_algo", Encryption),
    ("enc_key", Text),
    ("enc_serializer", Text),
];

const EVERYWHERE: [(&str, Type); 2] = [("forward_for", Forwarders), ("transaction_hash", Text)];

const PUBLISH: [(&str, Type); 11] = [
    ("acknowledge", Bool),
    ("exclude_me", Bool),
    ("disclose_me", Bool),
    ("retain", Bool),
    ("rkey", Text),
    ("exclude", Ids),
    ("exclude_authid", Texts),
    ("exclude_authrole", Texts),
    ("eligible", Ids),
    ("eligible_authid", Texts),
    ("eligible_authrole", Texts),
];

const CALL: [(&str, Type); 6] = [
    ("timeout", Count),
    ("receive_progress", Bool),
    ("progress", Bool),
    ("disclose_me", Bool),
    ("rkey", Text),
    ("runmode", Text),
];

const SUBSCRIBE: [(&str, Type); 3] = [("match", Match), ("get_retained", Bool), ("nkey", Text)];

const REGISTER: [(&str, Type); 6] = [
    ("match", Match),
    ("invoke", Invoke),
    ("disclose_caller", Bool),
    ("forward_timeout", Bool),
    ("concurrency", Count),
    ("force_reregister", Bool),
];

/// The name of options, a message that has them, and the keys that are known there.
type Options = (&'static str, fn(Value) -> Value, Vec<(&'static str, Type)>);

fn options() -> Vec<Options> {
    vec![
        ("PUBLISH.Options", |o| json!([16, 1, o, "com.x"]), [&PUBLISH[..], &PASSTHRU, &EVERYWHERE].concat()),
        ("CALL.Options", |o| json!([48, 1, o, "com.x"]), [&CALL[..], &PASSTHRU, &EVERYWHERE].concat()),
        ("SUBSCRIBE.Options", |o| json!([32, 1, o, "com.x"]), [&SUBSCRIBE[..], &EVERYWHERE].concat()),
        ("REGISTER.Options", |o| json!([64, 1, o, "com.x"]), [&REGISTER[..], &EVERYWHERE].concat()),
        ("CANCEL.Options", |o| json!([49, 1, o]), vec![("mode", Text)]),
        ("YIELD.Options", |o| json!([70, 1, o]), [&[("progress", Bool)], &PASSTHRU[..]].concat()),
        ("ERROR.Details", |o| json!([8, 68, 1, o, "com.x"]), PASSTHRU.to_vec()),
        ("GOODBYE.Details", |o| json!([6, o, "com.x"]), vec![("message", Text)]),
        ("ABORT.Details", |o| json!([3, o, "com.x"]), vec![("message", Text), ("scram", Text)]),
    ]
}

/// Decision D4. The first setups try every wrong value, the others one each.
#[test]
fn known_options_of_the_wrong_type() {
    let turn = std::cell::Cell::new(0);
    everywhere(|net| {
        turn.set(turn.get() + 1);
        for (name, message, options) in options() {
            for (key, type_) in options {
                let wrong = type_.wrong();
                let chosen =
                    if turn.get() == 1 { wrong } else { vec![wrong[turn.get() % wrong.len()].clone()] };
                for value in chosen {
                    let alice = net.join();
                    alice.send(message(json!({key: value})));
                    alice.expect_violation(&format!("{name}.{key} {}", type_.expected()));
                }
            }
        }
    });
}

/// Whatever an unknown key says.
#[test]
fn unknown_options_are_ignored() {
    let unknown = json!({
        "x_custom": 1, "_impl": null, "exclude_you": [[]], "Match": 7, "": {"": {}},
        "disclose": "yes", "a": {"match": 1, "b": [{"c": 2.5}]}
    });
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let subscription = bob.subscribe_with(unknown.clone(), "com.x");
        let registration = bob.register_with(unknown.clone(), "com.x");
        alice.send(json!([16, 1, unknown, "com.x"]));
        bob.expect_event(subscription, json!([{}]));
        alice.send(json!([48, 2, unknown, "com.x"]));
        let invocation = bob.expect_invocation(registration, json!([{}]));
        bob.send(json!([70, invocation, unknown]));
        assert_eq!(alice.next(), json!([50, 2, {}]));
        alice.send(json!([48, 3, {}, "com.x"]));
        let invocation = bob.expect_invocation(registration, json!([{}]));
        bob.send(json!([8, 68, invocation, unknown, "com.error"]));
        assert_eq!(alice.next(), json!([8, 48, 3, {}, "com.error"]));
        alice.send(json!([49, 3, unknown]));
        assert_eq!(alice.ask(json!([6, unknown, "com.bye"]))[0], 6);
    });
}

/// Known options that this router has no use for change nothing, and are not passed on.
#[test]
fn options_without_an_effect() {
    let session = json!({"session": 1, "authid": "a", "authrole": "b"});
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let subscription = bob.subscribe_with(json!({"get_retained": true, "nkey": "x"}), "com.x");
        let options = json!({"forward_timeout": true, "concurrency": 1, "force_reregister": false});
        let registration = bob.register_with(options, "com.x");
        let options = json!({
            "retain": true, "rkey": "x", "transaction_hash": "0x1", "forward_for": [session],
            "ppt_serializer": "cbor", "enc_key": "k"
        });
        alice.send(json!([16, 1, options, "com.x"]));
        bob.expect_event(subscription, json!([{}]));
        let options = json!({
            "receive_progress": true, "rkey": "x", "runmode": "partition",
            "forward_for": [session, session]
        });
        alice.send(json!([48, 2, options, "com.x"]));
        bob.expect_invocation(registration, json!([{}]));
        net.wait_ms(100_000);
        alice.expect_nothing();
    });
}

/// Decision D18: what the router reads may not be ambiguous; payloads are not its business.
#[test]
fn a_key_that_comes_twice() {
    everywhere(|net| {
        for (message, path) in [
            (r#"[16,1,{"exclude_me":true,"exclude_me":true},"com.x"]"#, "PUBLISH.Options.exclude_me"),
            (r#"[16,1,{"x":1,"y":2,"x":1},"com.x"]"#, "PUBLISH.Options.x"),
            (r#"[48,1,{"timeout":1,"timeou\u0074":1},"com.x"]"#, "CALL.Options.timeout"),
            (r#"[6,{"message":"a","message":"b"},"com.x"]"#, "GOODBYE.Details.message"),
        ] {
            let alice = net.join_with(Serializer::Json);
            alice.send_bytes(message.as_bytes());
            alice.expect_violation(&format!("{path} is given twice"));
        }
        let (alice, bob) = (net.join_with(Serializer::Json), net.join_with(Serializer::Json));
        bob.subscribe("com.x");
        alice.send_bytes(br#"[16,1,{},"com.x",[{"a":1,"a":2}],{"b":1,"b":2}]"#);
        let event = String::from_utf8(bob.next_bytes()).unwrap();
        assert!(event.ends_with(r#",{},[{"a":1,"a":2}],{"b":1,"b":2}]"#), "{event}");
    });
}

#[test]
fn too_many_keys() {
    everywhere(|net| {
        let options = |n: usize| (0..n).map(|n| (format!("x_{n}"), json!(n))).collect::<Value>();
        let alice = net.join();
        assert_eq!(alice.ask(json!([32, 1, options(128), "com.x"]))[0], 33);
        alice.send(json!([32, 2, options(129), "com.x"]));
        alice.expect_violation("SUBSCRIBE.Options has more than 128 keys");
    });
}
