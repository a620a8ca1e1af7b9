//! Prefixes and wildcards (spec: "Pattern-based Subscriptions", "Pattern-based Registrations").

use serde_json::json;

use crate::harness::{Client, Net, everywhere};

/// Patterns, URIs that match them, and URIs that do not.
const PATTERNS: [(&str, &str, &[&str], &[&str]); 9] = [
    ("exact", "com.a", &["com.a"], &["com.a.b", "com", "com.aa", "com.A"]),
    ("prefix", "com.a", &["com.a", "com.a.b", "com.abc", "com.a-b.c"], &["com.b", "com", "com.A"]),
    ("prefix", "com.a.", &["com.a.b", "com.a.b.c"], &["com.a", "com.ab"]),
    ("prefix", "", &["com", "x.y.z"], &[]),
    (
        "wildcard",
        "com..b",
        &["com.a.b", "com.b.b"],
        &["com.a.c", "com.b", "com.a.a.b", "com.a.b.c", "org.a.b"],
    ),
    ("wildcard", "com.a", &["com.a"], &["com.a.b", "com.b"]),
    ("wildcard", "..", &["a.b.c"], &["a.b", "a.b.c.d"]),
    ("wildcard", "", &["a"], &["a.b"]),
    ("wildcard", "com.a.", &["com.a.b"], &["com.a", "com.a.b.c"]),
];

#[test]
fn subscriptions() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        for (policy, pattern, matching, others) in PATTERNS {
            let subscription = bob.subscribe_with(json!({"match": policy}), pattern);
            // Those that cover what the router has to tell of themselves.
            bob.all();
            for uri in matching {
                alice.send(json!([16, 1, {}, uri]));
                let details = if policy == "exact" { json!({}) } else { json!({"topic": uri}) };
                bob.expect_event(subscription, json!([details]));
            }
            for uri in others {
                alice.send(json!([16, 1, {}, uri]));
                bob.expect_nothing();
            }
            bob.send(json!([34, 1, subscription]));
            assert_eq!(bob.all().last().unwrap()[0], 35);
            alice.send(json!([16, 1, {}, matching[0]]));
            bob.expect_nothing();
        }
    });
}

#[test]
fn registrations() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        for (policy, pattern, matching, others) in PATTERNS {
            let registration = bob.register_with(json!({"match": policy}), pattern);
            for uri in matching {
                alice.send(json!([48, 1, {}, uri]));
                let details = if policy == "exact" { json!({}) } else { json!({"procedure": uri}) };
                let invocation = bob.expect_invocation(registration, json!([details]));
                bob.send(json!([70, invocation, {}]));
                assert_eq!(alice.next(), json!([50, 1, {}]));
            }
            for uri in others {
                alice.send(json!([48, 1, {}, uri]));
                alice.expect_error(48, 1, "wamp.error.no_such_procedure", uri);
            }
            assert_eq!(bob.ask(json!([66, 1, registration]))[0], 67);
            alice.send(json!([48, 1, {}, matching[0]]));
            alice.expect_error(48, 1, "wamp.error.no_such_procedure", matching[0]);
        }
    });
}

/// The same URI with another policy is another subscription, and another registration.
#[test]
fn the_policy_is_part_of_the_name() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let policies = ["exact", "prefix", "wildcard"];
        let subscriptions = policies.map(|policy| alice.subscribe_with(json!({"match": policy}), "com.x"));
        assert_eq!(alice.subscribe("com.x"), subscriptions[0], "exact is the default");
        let again = policies.map(|policy| bob.subscribe_with(json!({"match": policy}), "com.x"));
        assert_eq!(again, subscriptions);
        assert!(subscriptions[0] != subscriptions[1] && subscriptions[1] != subscriptions[2]);

        for policy in policies {
            alice.register_with(json!({"match": policy}), "com.x");
            bob.send(json!([64, 9, {"match": policy}, "com.x"]));
            bob.expect_error(64, 9, "wamp.error.procedure_already_exists", "com.x");
        }
    });
}

fn call(caller: &Client, callees: &[(Client, &str)], uri: &str) -> Option<usize> {
    caller.send(json!([48, 1, {}, uri]));
    let called: Vec<_> = callees.iter().map(|(callee, _)| callee.all()).collect();
    let index = called.iter().position(|messages| !messages.is_empty());
    match index {
        None => caller.expect_error(48, 1, "wamp.error.no_such_procedure", uri),
        Some(index) => {
            assert_eq!(called.iter().flatten().count(), 1, "one callee only");
            callees[index].0.send(json!([70, called[index][0][1], {}]));
            assert_eq!(caller.next(), json!([50, 1, {}]));
        }
    }
    index.map(|index| index + 1)
}

fn offer<'a>(net: &Net, offers: &[(&str, &'a str)]) -> Vec<(Client, &'a str)> {
    let offer = |&(policy, uri): &(&str, &'a str)| {
        let callee = net.join();
        callee.register_with(json!({"match": policy}), uri);
        (callee, uri)
    };
    offers.iter().map(offer).collect()
}

/// A call goes to one registration: the exact one, else the longest prefix, else the best wildcard. This is the
/// specification's example, but for one dot: there the prefix `a1.b2.c3` is said not to match `a1.b2.c33.d4.e5`, which
/// contradicts the rule for prefixes.
#[test]
fn precedence() {
    everywhere(|net| {
        let alice = net.join();
        let callees = offer(
            net,
            &[
                ("exact", "a1.b2.c3.d4.e55"),
                ("prefix", "a1.b2.c3."),
                ("prefix", "a1.b2.c3.d4"),
                ("wildcard", "a1.b2..d4.e5"),
                ("wildcard", "a1.b2.c33..e5"),
                ("wildcard", "a1.b2..d4.e5..g7"),
                ("wildcard", "a1.b2..d4..f6.g7"),
            ],
        );
        for (uri, registration) in [
            ("a1.b2.c3.d4.e55", Some(1)),
            ("a1.b2.c3.d98.e74", Some(2)),
            ("a1.b2.c3.d4.e325", Some(3)),
            ("a1.b2.c55.d4.e5", Some(4)),
            ("a1.b2.c33.d4.e5", Some(5)),
            ("a1.b2.c88.d4.e5.f6.g7", Some(6)),
            ("a2.b2.c2.d2.e2", None),
        ] {
            assert_eq!(call(&alice, &callees, uri), registration, "{uri}");
        }
    });
}

/// A prefix is preferred to a wildcard, however little it says; when the better one goes, the next takes over.
#[test]
fn the_next_best() {
    everywhere(|net| {
        let alice = net.join();
        let mut callees = offer(
            net,
            &[
                ("exact", "com.a.b"),
                ("prefix", "com.a."),
                ("prefix", "c"),
                ("wildcard", "com.a."),
                ("wildcard", "com..b"),
                ("wildcard", ".a.b"),
                ("wildcard", ".."),
            ],
        );
        while !callees.is_empty() {
            assert_eq!(call(&alice, &callees, "com.a.b"), Some(1), "{:?} and others", callees[0].1);
            callees.remove(0).0.socket.lose();
        }
        assert_eq!(call(&alice, &callees, "com.a.b"), None);
    });
}

/// What begins with `wamp.` is the router's own: a pattern that covers it is not offered calls to it. (Ours; the
/// specification only reserves the names.)
#[test]
fn patterns_do_not_reach_into_the_routers_own_procedures() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        bob.register_with(json!({"match": "prefix"}), "");
        bob.register_with(json!({"match": "prefix"}), "wam");
        bob.register_with(json!({"match": "wildcard"}), ".session.count");
        assert_eq!(alice.ask(json!([48, 1, {}, "wamp.session.count"])), json!([50, 1, {}, [2]]));
        alice.send(json!([48, 2, {}, "wamp.session.other"]));
        alice.expect_error(48, 2, "wamp.error.no_such_procedure", "wamp.session.other");
        bob.expect_nothing();
        alice.send(json!([48, 3, {}, "wampum.session.count"]));
        assert_eq!(bob.next()[0], 68);
    });
}
