//! How far publishers and callers are trusted (spec: "Publication Trust Levels", "Call Trust Levels").

use connectanum::config::{RealmConfig, TrustRule};
use connectanum::limits::Limits;
use connectanum::wamp::message::MatchPolicy;
use serde_json::json;

use crate::harness::{REALM, everywhere, everywhere_in};

fn rule(uri: &str, match_policy: MatchPolicy, authrole: Option<&str>, level: u64) -> TrustRule {
    TrustRule {
        uri: uri.to_owned(),
        match_policy,
        authid: None,
        authrole: authrole.map(str::to_owned),
        level,
    }
}

#[test]
fn the_first_rule_that_matches_gives_the_level() {
    let trustlevels = vec![
        rule("com.admin", MatchPolicy::Prefix, Some("admin"), 9),
        rule("com.a", MatchPolicy::Exact, Some("anonymous"), 0),
        rule("com..b", MatchPolicy::Wildcard, None, 2),
        rule("com.a", MatchPolicy::Prefix, None, 3),
        TrustRule { authid: Some("nobody".into()), ..rule("com.z", MatchPolicy::Exact, None, 4) },
    ];
    let realm = RealmConfig { trustlevels, ..RealmConfig::new(REALM) };
    everywhere_in(&realm, Limits::default(), |net| {
        let [alice, bob, carol] = net.join_all();
        for (topic, level) in [
            ("com.a", Some(0)),
            ("com.a.b", Some(2)),
            ("com.abc", Some(3)),
            ("com.admin", Some(3)),
            ("com.z", None),
        ] {
            let exact = bob.subscribe(topic);
            let pattern = carol.subscribe_with(json!({"match": "prefix"}), topic);
            alice.send(json!([16, alice.fresh(), {}, topic, ["hi"]]));
            let mut details = json!({});
            if let Some(level) = level {
                details["trustlevel"] = json!(level);
            }
            bob.expect_event(exact, json!([details, ["hi"]]));
            details["topic"] = json!(topic);
            carol.expect_event(pattern, json!([details, ["hi"]]));
            carol.ask(json!([34, carol.fresh(), pattern]));
        }
    });
}

#[test]
fn without_rules_there_is_no_level() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let subscription = bob.subscribe("com.a");
        alice.send(json!([16, 1, {}, "com.a"]));
        bob.expect_event(subscription, json!([{}]));
    });
}

/// Callers, too; whichever shard they and their callees are on.
#[test]
fn how_far_callers_are_trusted() {
    let trustlevels = vec![
        rule("com.admin", MatchPolicy::Prefix, Some("admin"), 9),
        rule("com.a", MatchPolicy::Exact, Some("anonymous"), 0),
        rule("com.a", MatchPolicy::Prefix, None, 3),
    ];
    let realm = RealmConfig { trustlevels, ..RealmConfig::new(REALM) };
    everywhere_in(&realm, Limits::default(), |net| {
        let [alice, bob] = net.join_all();
        let registration = bob.register_with(json!({"match": "prefix"}), "com");
        for (procedure, level) in [("com.a", Some(0)), ("com.admin.x", Some(3)), ("com.z", None)] {
            alice.send(json!([48, alice.fresh(), {}, procedure, ["hi"]]));
            let mut details = json!({"procedure": procedure});
            if let Some(level) = level {
                details["trustlevel"] = json!(level);
            }
            bob.expect_invocation(registration, json!([details, ["hi"]]));
        }
    });
}
