//! The syntax of URIs, and what belongs to the protocol (spec: "URIs"; decisions D5, D6).

use connectanum::limits::{Limits, URI_BYTES_MAX};
use serde_json::{Value, json};

use crate::harness::{Client, REALM, STRICT_URIS, everywhere, everywhere_with, hello};

/// Every request that has a URI of one thing, and whether it can be a pattern.
const REQUESTS: [(u64, bool); 4] = [(16, false), (32, true), (48, false), (64, true)];

/// Sends the request `kind` with this URI; returns the error that the answer has, or "".
#[track_caller]
fn answer(client: &Client, kind: u64, policy: &str, uri: &str) -> String {
    let options = if kind == 16 { json!({"acknowledge": true}) } else { json!({"match": policy}) };
    let request = client.fresh();
    client.send(json!([kind, request, options, uri]));
    // What it subscribes to may cover what the router itself has to tell.
    let answer = std::iter::from_fn(|| Some(client.next())).find(|message| message[0] != 36).unwrap();
    let error = match answer[0].as_u64() {
        Some(8) => {
            assert_eq!((&answer[1], &answer[2]), (&json!(kind), &json!(request)));
            answer[4].as_str().unwrap()
        }
        _ => {
            assert_eq!((&answer[0], &answer[1]), (&json!(kind + 1), &json!(request)));
            ""
        }
    };
    // A call to a good URI that nobody offers.
    error.trim_start_matches("wamp.error.no_such_procedure").to_owned()
}

const GOOD: [&str; 3] = ["com.example.topic_1", "a", "0.1.2"];
const LOOSE_ONLY: [&str; 6] =
    ["Com.Example", "com.my-app", "com.exämple", "日本.東京", "com.a/b?c", "com.\u{1F600}"];
const EMPTY_COMPONENTS: [&str; 5] = ["", ".", "com.", ".com", "com..x"];
const BAD: [&str; 9] =
    ["com.a b", " com", "com.x ", "com.\t", "com.x\n", "com.a\u{a0}b", "com.\u{2003}", "com.a#b", "#"];

#[test]
fn the_loose_rule() {
    everywhere(|net| {
        let alice = net.join_realm(REALM);
        for (kind, _) in REQUESTS {
            for uri in GOOD.iter().chain(&LOOSE_ONLY) {
                assert_eq!(answer(&alice, kind, "exact", uri), "", "{kind} {uri:?}");
            }
            for uri in EMPTY_COMPONENTS.iter().chain(&BAD) {
                assert_eq!(answer(&alice, kind, "exact", uri), "wamp.error.invalid_uri", "{kind} {uri:?}");
            }
        }
    });
}

#[test]
fn the_strict_rule() {
    everywhere(|net| {
        let alice = net.join_realm(STRICT_URIS);
        for (kind, _) in REQUESTS {
            for uri in GOOD {
                assert_eq!(answer(&alice, kind, "exact", uri), "", "{kind} {uri:?}");
            }
            for uri in LOOSE_ONLY.iter().chain(&EMPTY_COMPONENTS).chain(&BAD) {
                assert_eq!(answer(&alice, kind, "exact", uri), "wamp.error.invalid_uri", "{kind} {uri:?}");
            }
        }
    });
}

/// Patterns may have empty components, and nothing else that is forbidden.
#[test]
fn patterns() {
    everywhere(|net| {
        for (realm, also_good) in [(REALM, &LOOSE_ONLY[..]), (STRICT_URIS, &[])] {
            let alice = net.join_realm(realm);
            for (kind, _) in REQUESTS.into_iter().filter(|(_, pattern)| *pattern) {
                for policy in ["prefix", "wildcard"] {
                    for uri in GOOD.iter().chain(&EMPTY_COMPONENTS).chain(also_good) {
                        assert_eq!(answer(&alice, kind, policy, uri), "", "{kind} {policy} {uri:?}");
                    }
                    for uri in BAD {
                        let error = answer(&alice, kind, policy, uri);
                        assert_eq!(error, "wamp.error.invalid_uri", "{kind} {policy} {uri:?}");
                    }
                }
            }
        }
    });
}

/// Decision D6: to publish and to register below `wamp.` is the router's; anybody may subscribe and call there.
#[test]
fn reserved_uris() {
    everywhere(|net| {
        let alice = net.join();
        for uri in ["wamp", "wamp.topic", "wamp.session.on_join"] {
            alice.send(json!([16, 1, {"acknowledge": true}, uri]));
            alice.expect_error(16, 1, "wamp.error.invalid_uri", "restricted");
            for policy in ["exact", "prefix", "wildcard"] {
                alice.send(json!([64, 2, {"match": policy}, uri]));
                alice.expect_error(64, 2, "wamp.error.invalid_uri", "restricted");
                assert_eq!(answer(&alice, 32, policy, uri), "");
            }
            assert_eq!(answer(&alice, 48, "exact", uri), "");
        }
        for uri in ["wamping", "wampx.y", "com.wamp", "wam"] {
            for (kind, _) in REQUESTS {
                assert_eq!(answer(&alice, kind, "exact", uri), "", "{kind} {uri:?}");
            }
        }
    });
}

/// The limit counts bytes, not characters.
#[test]
fn long_uris() {
    everywhere(|net| {
        let alice = net.join();
        for (unit, most) in [("a", 1024), ("é", 512), ("日", 341)] {
            for (kind, _) in REQUESTS {
                assert_eq!(answer(&alice, kind, "exact", &unit.repeat(most)), "");
                assert_eq!(answer(&alice, kind, "exact", &unit.repeat(most + 1)), "wamp.error.invalid_uri");
            }
        }
        alice.send(json!([48, 1, {}, "a".repeat(100_000)]));
        alice.expect_error(
            48,
            1,
            "wamp.error.invalid_uri",
            "100000 bytes is longer than 1024 (uri_bytes_max)",
        );
        assert_eq!(net.limited().uri_bytes_max, 3 * REQUESTS.len() as u64 + 1);
        alice.send(json!([48, 2, {}, "a..b"]));
        alice.expect_error(48, 2, "wamp.error.invalid_uri", "loose");
        net.client().ask(hello(&"a".repeat(1025)));
        assert_eq!(
            net.limited().uri_bytes_max,
            3 * REQUESTS.len() as u64 + 2,
            "only what is too long counts"
        );
    });
}

/// The longest that a configuration allows.
#[test]
fn the_longest_uri() {
    let longest = URI_BYTES_MAX;
    everywhere_with(Limits { uri_bytes_max: longest, ..Limits::default() }, |net| {
        let [alice, bob] = net.join_all();
        let uri = "u".repeat(longest);
        let subscription = bob.subscribe_with(json!({"match": "prefix"}), "u");
        let registration = bob.register_with(json!({"match": "prefix"}), "u");
        alice.send(json!([16, 1, {}, uri, ["x"]]));
        bob.expect_event(subscription, json!([{"topic": uri}, ["x"]]));
        alice.send(json!([48, 1, {}, uri, ["x"]]));
        let invocation = bob.expect_invocation(registration, json!([{"procedure": uri}, ["x"]]));
        bob.send(json!([8, 68, invocation, {}, uri, ["x"]]));
        assert_eq!(alice.next(), json!([8, 48, 1, {}, uri, ["x"]]));
        alice.send(json!([16, 2, {"acknowledge": true}, uri + "u"]));
        alice.expect_error(16, 2, "wamp.error.invalid_uri", "4097 bytes is longer than 4096");
    });
}

/// A pattern of nothing but wildcards is as deep as patterns get.
#[test]
fn the_deepest_pattern() {
    everywhere_with(Limits { uri_bytes_max: usize::MAX, ..Limits::default() }, |net| {
        let [alice, bob] = net.join_all();
        let subscription = bob.subscribe_with(json!({"match": "wildcard"}), &".".repeat(URI_BYTES_MAX));
        let uri = ["u"; URI_BYTES_MAX / 2].join(".");
        alice.send(json!([16, 1, {"acknowledge": true}, uri, ["x"]]));
        assert_eq!(alice.next()[0], 17);
        bob.send(json!([34, 2, subscription]));
        assert_eq!(bob.next(), json!([35, 2]));
        alice.send(json!([16, 2, {"acknowledge": true}, uri + "uu"]));
        alice.expect_error(16, 2, "wamp.error.invalid_uri", "4097 bytes is longer than 4096");
    });
}

/// Texts for people quote a URI, but not for pages.
#[test]
fn errors_quote_briefly() {
    everywhere(|net| {
        let alice = net.join();
        let bob = net.join();
        let long = "long.".repeat(200) + "uri";
        bob.register(&long);
        let invalid = format!("{long} ");
        let missing = format!("{long}.missing");
        for request in [json!([48, 1, {}, invalid]), json!([48, 1, {}, missing]), json!([64, 1, {}, long])] {
            let error = alice.ask(request);
            let text = error[5][0].as_str().unwrap();
            assert!(text.contains("long.long.") && text.len() < 200, "{error}");
        }
    });
}

/// The URI of an error is forwarded as the callee wrote it, below `wamp.` too: callees answer
/// `wamp.error.invalid_argument`.
#[test]
fn uris_of_errors() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let registration = bob.register("com.procedure");
        for error in ["com.myapp.error", "wamp.error.invalid_argument", "Any.Thing"] {
            alice.send(json!([48, 1, {}, "com.procedure"]));
            let invocation = bob.expect_invocation(registration, json!([{}]));
            bob.send(json!([8, 68, invocation, {}, error]));
            assert_eq!(alice.next(), json!([8, 48, 1, {}, error]));
        }
        alice.send(json!([48, 1, {}, "com.procedure"]));
        let invocation = bob.expect_invocation(registration, json!([{}]));
        bob.send(json!([8, 68, invocation, {}, "e".repeat(1025)]));
        bob.expect_violation("error URI of 1025 bytes is longer than 1024 (uri_bytes_max)");
        assert_eq!(net.limited().uri_bytes_max, 1);
        alice.expect_error(48, 1, "wamp.error.canceled", "the callee left");
        let _: Vec<Value> = alice.all();
    });
}
