//! Authorization: what roles may do, which of their rules counts, and how a denial looks (spec: "Authorization").

mod dynamic;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use connectanum::access::{Action, Authorizer, Decision, Grant, Request, Role, Rule};
use connectanum::auth::{Method, TicketSecret, User};
use connectanum::config::{RealmAuth, RealmConfig};
use connectanum::limits::Limits;
use connectanum::wamp::message::MatchPolicy;
use connectanum::wamp::message::MatchPolicy::{Exact, Prefix, Wildcard};
use serde_json::{Value, json};

use crate::harness::{Client, Net, REALM, everywhere_by, everywhere_in, hello};

const NOT_AUTHORIZED: &str = "wamp.error.not_authorized";
const FAILED: &str = "wamp.error.authorization_failed";
const INVALID: &str = "wamp.error.invalid_uri";

/// Codes of requests.
const REQUESTS: [(Action, u64); 4] =
    [(Action::Publish, 16), (Action::Subscribe, 32), (Action::Call, 48), (Action::Register, 64)];

fn rule(match_policy: MatchPolicy, uri: &str, allow: &[Action]) -> Rule {
    let allow = allow.iter().copied().collect();
    Rule { uri: uri.into(), match_policy, allow, disclose: false, cache: true }
}

/// Whoever comes without authentication may do everything; `user`, who has a ticket, what these rules say.
fn realm(rules: Vec<Rule>) -> RealmConfig {
    let users = ["user", "stranger"].map(|name| {
        let mut user = User::new(name, name);
        user.secrets.ticket = Some(TicketSecret::of("secret"));
        user
    });
    let methods = vec![Method::Anonymous, Method::Ticket];
    let auth = RealmAuth { methods, users: users.to_vec(), ..RealmAuth::default() };
    let all = vec![rule(Prefix, "", &Action::ALL)];
    let role = |name: &str, rules| Role { name: name.into(), rules, authorizer: None };
    let roles = vec![role("anonymous", all), role("user", rules)];
    RealmConfig { auth, roles, ..RealmConfig::new(REALM) }
}

#[track_caller]
fn everywhere(rules: Vec<Rule>, test: impl Fn(&Net)) {
    everywhere_in(&realm(rules), Limits::default(), test);
}

/// A client with this name and role.
#[track_caller]
fn join_as(net: &Net, name: &str) -> Client {
    let mut hello = hello(REALM);
    hello[2]["authmethods"] = json!(["ticket"]);
    hello[2]["authid"] = json!(name);
    let client = net.client();
    assert_eq!(client.ask(hello)[0], 4);
    let welcome = client.ask(json!([5, "secret", {}]));
    assert_eq!(welcome[2]["authrole"], name);
    client.in_session(&welcome)
}

#[track_caller]
fn user(net: &Net) -> Client {
    join_as(net, "user")
}

/// What the client asks is refused.
#[track_caller]
fn refused(client: &Client, code: u64, options: Value, uri: &str) {
    let request = client.fresh();
    client.send(json!([code, request, options, uri]));
    let action = REQUESTS.iter().find(|(_, other)| *other == code).expect("a request").0.name();
    client.expect_error(code, request, NOT_AUTHORIZED, &format!("not authorized to {action} '{uri}'"));
}

#[test]
fn each_action_by_itself() {
    let rules = REQUESTS.map(|(action, _)| rule(Exact, &format!("com.{}", action.name()), &[action]));
    everywhere(rules.to_vec(), |net| {
        let (open, client) = (net.join(), user(net));
        let registration = open.register("com.call");
        for (action, code) in REQUESTS {
            for (other, _) in REQUESTS.iter().filter(|(other, _)| *other != action) {
                let options = if code == 16 { json!({"acknowledge": true}) } else { json!({}) };
                // Twice, since the second time it is remembered.
                for _ in 0..2 {
                    refused(&client, code, options.clone(), &format!("com.{}", other.name()));
                }
            }
        }
        for _ in 0..2 {
            client.subscribe("com.subscribe");
            let request = client.fresh();
            let published = client.ask(json!([16, request, {"acknowledge": true}, "com.publish"]));
            assert_eq!(published, json!([17, request, published[2]]));
            let request = client.fresh();
            client.send(json!([48, request, {}, "com.call"]));
            let invocation = open.expect_invocation(registration, json!([{}]));
            open.send(json!([70, invocation, {}]));
            assert_eq!(client.next(), json!([50, request, {}]));
        }
        client.register("com.register");
    });
}

/// A denial does not tell whether there is such a procedure, and nothing comes of what is denied.
#[test]
fn denials_tell_nothing() {
    everywhere(vec![rule(Prefix, "com.open.", &Action::ALL)], |net| {
        let (open, client) = (net.join(), user(net));
        open.register("com.secret.there");
        open.subscribe("com.secret.there");
        let mut answers = Vec::new();
        for uri in ["com.secret.there", "com.secret.none!"] {
            client.send(json!([48, 1, {}, uri]));
            answers.push(client.next().to_string().replace(uri, ""));
            client.send(json!([64, 2, {}, uri]));
            client.expect_error(64, 2, NOT_AUTHORIZED, "role 'user' is not authorized to register");
            // Whoever does not ask is told nothing.
            client.send(json!([16, 3, {}, uri]));
            client.expect_nothing();
            client.send(json!([16, 4, {"acknowledge": true}, uri]));
            client.expect_error(16, 4, NOT_AUTHORIZED, "publish");
        }
        assert_eq!(answers[0], answers[1]);
        open.expect_nothing();
        assert_eq!(net.census()[2..], [1, 1, 0].map(|n| n * net.shards() as usize));
    });
}

#[test]
fn who_has_no_role_may_do_nothing() {
    everywhere(vec![rule(Prefix, "", &Action::ALL)], |net| {
        let client = join_as(net, "stranger");
        for (_, code) in REQUESTS {
            refused(&client, code, json!({"acknowledge": true}), "com.x");
        }
        refused(&client, 48, json!({}), "wamp.session.count");
        user(net).subscribe("com.x");
    });
}

#[test]
fn the_most_specific_rule_counts() {
    let call = &[Action::Call];
    let rules = vec![
        rule(Wildcard, "com..x", call),
        rule(Wildcard, "com.a.", &[]),
        rule(Prefix, "com.b", call),
        rule(Prefix, "com.b.secret", &[]),
        rule(Exact, "com.b.secret.not", call),
    ];
    everywhere(rules, |net| {
        let client = user(net);
        let called = |uri: &str, allowed: bool| {
            let request = client.fresh();
            client.send(json!([48, request, {}, uri]));
            let error = if allowed { "wamp.error.no_such_procedure" } else { NOT_AUTHORIZED };
            client.expect_error(48, request, error, "");
        };
        for (uri, allowed) in [
            ("com.c.x", true),
            ("com.a.x", false),
            ("com.c.y", false),
            ("com.b.x", true),
            ("com.bb", true),
            ("com.b.secrets", false),
            ("com.b.secret.not", true),
            ("org", false),
        ] {
            called(uri, allowed);
            called(uri, allowed);
        }
    });
}

/// A pattern is allowed if all that it stands for is.
#[test]
fn patterns() {
    let both = &[Action::Subscribe, Action::Register];
    let rules =
        vec![rule(Prefix, "com.", both), rule(Exact, "com.secret", &[]), rule(Wildcard, "org..x", both)];
    everywhere(rules, |net| {
        let client = user(net);
        for (policy, pattern, allowed) in [
            ("prefix", "com.open.", true),
            ("prefix", "com.", false),
            ("prefix", "com.se", false),
            ("prefix", "", false),
            ("wildcard", "com.", false),
            ("wildcard", "com..x", true),
            ("wildcard", "org..x", true),
            ("wildcard", "..x", false),
            ("prefix", "org.", false),
        ] {
            let options = json!({"match": policy});
            if allowed {
                client.subscribe_with(options.clone(), pattern);
                client.register_with(options, pattern);
            } else {
                refused(&client, 32, options.clone(), pattern);
                refused(&client, 64, options, pattern);
            }
        }
        // A node has what its pattern has.
        client.subscribe_with(json!({"nkey": "a"}), "com.x");
        refused(&client, 32, json!({"nkey": "a"}), "com.secret");
    });
}

#[test]
fn procedures_and_events_of_the_router() {
    let rules = vec![
        rule(Prefix, "wamp.session.", &[Action::Call, Action::Subscribe, Action::Publish, Action::Register]),
        rule(Exact, "wamp.session.kill", &[]),
        rule(Prefix, "com.", &[Action::Publish]),
    ];
    everywhere(rules, |net| {
        let client = user(net);
        let count = client.ask(json!([48, 1, {}, "wamp.session.count"]));
        assert_eq!(count, json!([50, 1, {}, [1]]));
        client.subscribe("wamp.session.on_join");
        refused(&client, 48, json!({}), "wamp.session.kill");
        refused(&client, 48, json!({}), "wamp.registration.list");
        refused(&client, 32, json!({}), "wamp.registration.on_create");
        refused(&client, 32, json!({"match": "prefix"}), "wamp.");
        // The reserved part stays reserved, whatever the rules say.
        client.send(json!([64, 70, {}, "wamp.session.mine"]));
        client.expect_error(64, 70, INVALID, "restricted");
        client.send(json!([16, 71, {"acknowledge": true}, "wamp.session.on_join"]));
        client.expect_error(16, 71, INVALID, "restricted");
        // And what is no URI is none.
        client.send(json!([48, 72, {}, "com..x"]));
        client.expect_error(48, 72, INVALID, "'com..x'");
    });
}

/// A testament is a PUBLISH.
#[test]
fn testaments() {
    let rules = vec![
        rule(Exact, "wamp.session.add_testament", &[Action::Call]),
        Rule { disclose: true, ..rule(Prefix, "com.open.", &[Action::Publish]) },
    ];
    everywhere(rules, |net| {
        let (open, client) = (net.join(), user(net));
        let subscription = open.subscribe("com.open.x");
        open.subscribe("com.secret");
        for _ in 0..2 {
            let request = client.fresh();
            client.send(json!([48, request, {}, "wamp.session.add_testament", ["com.secret", [1], {}]]));
            client.expect_error(48, request, NOT_AUTHORIZED, "to publish 'com.secret'");
            let request = client.fresh();
            let added =
                client.ask(json!([48, request, {}, "wamp.session.add_testament", ["com.open.x", [1], {}]]));
            assert_eq!(added[0], 50, "{added}");
        }
        let session = client.session();
        client.socket.lose();
        for _ in 0..2 {
            let details =
                json!({"publisher": session, "publisher_authid": "user", "publisher_authrole": "user"});
            open.expect_event(subscription, json!([details, [1], {}]));
        }
        open.expect_nothing();
    });
}

/// The operator discloses who calls and who publishes, for single URIs.
#[test]
fn disclosure() {
    let rules = vec![
        rule(Prefix, "com.", &Action::ALL),
        Rule { disclose: true, ..rule(Prefix, "com.known.", &Action::ALL) },
    ];
    everywhere(rules, |net| {
        let (open, client) = (net.join(), user(net));
        let me = client.session();
        for _ in 0..2 {
            for (uri, caller, publisher) in [
                (
                    "com.known.x",
                    json!({"caller": me, "caller_authid": "user", "caller_authrole": "user"}),
                    json!({"publisher": me, "publisher_authid": "user", "publisher_authrole": "user"}),
                ),
                ("com.x", json!({}), json!({})),
            ] {
                let (registration, subscription) = (open.register(uri), open.subscribe(uri));
                let (call, publish) = (client.fresh(), client.fresh());
                client.send_all([json!([48, call, {}, uri]), json!([16, publish, {}, uri])]);
                let request = open.fresh();
                let mut seen = open.all();
                seen.sort_by_key(|message| message[0].as_u64());
                assert_eq!((&seen[0][0], &seen[0][3]), (&json!(36), &publisher), "{uri}");
                assert_eq!((&seen[1][0], &seen[1][3]), (&json!(68), &caller), "{uri}");
                open.send_all([
                    json!([70, seen[1][1], {}]),
                    json!([34, request, subscription]),
                    json!([66, request + 100, registration]),
                ]);
                assert_eq!(client.next()[0], 50);
                assert_eq!(open.all().len(), 2);
            }
        }
    });
}

/// Progressive calls are decided once, and refused as a whole.
#[test]
fn calls_in_parts() {
    everywhere(vec![rule(Exact, "com.open", &[Action::Call])], |net| {
        let features = json!({"features": {"progressive_call_invocations": true, "call_canceling": true}});
        let open = net.join_announcing(&["progressive_call_invocations", "call_canceling"]);
        let registration = open.register("com.open");
        let mut hello = hello(REALM);
        hello[2]["authmethods"] = json!(["ticket"]);
        hello[2]["authid"] = json!("user");
        hello[2]["roles"]["caller"] = features;
        let client = net.client();
        client.send(hello);
        client.next();
        let welcome = client.ask(json!([5, "secret", {}]));
        let client = client.in_session(&welcome);
        client.send_all([
            json!([48, 1, {"progress": true}, "com.open", [1]]),
            json!([48, 1, {}, "com.open", [2]]),
            json!([48, 2, {"progress": true}, "com.secret", [1]]),
            json!([48, 2, {"progress": true}, "com.secret", [2]]),
            json!([48, 2, {}, "com.secret", [3]]),
        ]);
        client.expect_error(48, 2, NOT_AUTHORIZED, "call 'com.secret'");
        client.expect_nothing();
        let request = open.expect_invocation(registration, json!([{"progress": true}, [1]]));
        assert_eq!(open.next(), json!([68, request, registration, {}, [2]]));
        open.send(json!([70, request, {}]));
        assert_eq!(client.next(), json!([50, 1, {}]));
    });
}

/// Ids stay in sequence, whatever becomes of the requests.
#[test]
fn strict_request_ids() {
    let realm = RealmConfig { strict_request_ids: true, ..realm(vec![rule(Exact, "com.x", &Action::ALL)]) };
    everywhere_in(&realm, Limits::default(), |net| {
        let client = user(net);
        let mut request = 0;
        for _ in 0..2 {
            for (_, code) in REQUESTS {
                request += 1;
                client.send(json!([code, request, {"acknowledge": true}, "com.secret"]));
                client.expect_error(code, request, NOT_AUTHORIZED, "");
            }
        }
        assert_eq!(client.ask(json!([32, 9, {}, "com.x"]))[0], 33);
        client.send(json!([48, 11, {}, "com.secret"]));
        client.expect_violation("11 is out of sequence");
    });
}

/// New rules count at once: what they do not allow is taken away.
#[test]
fn other_rules() {
    let features = json!({"features": {"subscription_revocation": true, "registration_revocation": true}});
    everywhere(vec![rule(Prefix, "", &Action::ALL)], |net| {
        let (open, client) = (net.join(), net.client());
        let mut hello = hello(REALM);
        hello[2]["authmethods"] = json!(["ticket"]);
        hello[2]["authid"] = json!("user");
        hello[2]["roles"] =
            json!({"publisher": {}, "caller": {}, "subscriber": features, "callee": features});
        client.ask(hello);
        let welcome = client.ask(json!([5, "secret", {}]));
        let client = client.in_session(&welcome);
        let subscription = client.subscribe_with(json!({"match": "prefix"}), "com");
        let stays = client.subscribe("com.open.topic");
        let registration = client.register("com.procedure");
        client.register("com.open.procedure");
        client.send(json!([16, 100, {"acknowledge": true}, "com.topic"]));
        assert_eq!(client.next()[0], 17);

        let roles = realm(vec![rule(Prefix, "com.open.", &Action::ALL)]).roles;
        net.set_roles(&roles);
        let reason = |kind: &str, id: u64| json!({kind: id, "reason": NOT_AUTHORIZED});
        assert_eq!(client.next(), json!([35, 0, reason("subscription", subscription)]));
        assert_eq!(client.next(), json!([67, 0, reason("registration", registration)]));
        client.expect_nothing();
        refused(&client, 16, json!({"acknowledge": true}), "com.topic");
        open.send_all([json!([16, 1, {}, "com.topic"]), json!([16, 2, {}, "com.open.topic"])]);
        client.expect_event(stays, json!([{}]));
        open.send_all([json!([48, 3, {}, "com.procedure"]), json!([48, 4, {}, "com.open.procedure"])]);
        open.expect_error(48, 3, "wamp.error.no_such_procedure", "");
        assert_eq!(client.next()[0], 68);
        client.expect_nothing();

        // Without roles, everything is allowed.
        net.set_roles(&[]);
        client.subscribe("com.topic");
        net.set_roles(&roles);
        assert_eq!(client.next()[0], 35);
        refused(&client, 32, json!({}), "com.topic");
    });
}

/// What was asked for under the old rules and comes when the new ones are there, goes again.
#[test]
fn other_rules_while_requests_are_under_way() {
    everywhere(vec![rule(Prefix, "", &Action::ALL)], |net| {
        let (open, client) = (net.join(), user(net));
        net.carry_mesh(false);
        client.send_all([json!([32, 1, {}, "com.topic"]), json!([64, 2, {}, "com.procedure"])]);
        net.set_roles(&realm(Vec::new()).roles);
        net.carry_mesh(true);
        assert!(client.all().len() >= 2);
        open.send_all([json!([16, 1, {}, "com.topic"]), json!([48, 2, {}, "com.procedure"])]);
        open.expect_error(48, 2, "wamp.error.no_such_procedure", "");
        client.expect_nothing();
    });
}

/// The same where there were no rules, for several sessions that have asked for the same.
#[test]
fn first_rules_while_requests_are_under_way() {
    everywhere(Vec::new(), |net| {
        let rules = realm(Vec::new()).roles;
        net.set_roles(&[]);
        let open = net.join();
        let clients: Vec<Client> = (0..8).map(|_| user(net)).collect();
        net.carry_mesh(false);
        for client in &clients {
            let register = json!([64, 2, {"invoke": "roundrobin"}, "com.procedure"]);
            client.send_all([json!([32, 1, {}, "com.topic"]), register]);
        }
        net.set_roles(&rules);
        net.carry_mesh(true);
        assert!(clients.iter().all(|client| client.all().len() >= 2));
        open.send_all([json!([16, 1, {}, "com.topic"]), json!([48, 2, {}, "com.procedure"])]);
        open.expect_error(48, 2, "wamp.error.no_such_procedure", "");
        clients.iter().for_each(Client::expect_nothing);
    });
}

/// Decides by the name of the URI, and counts how often it is asked.
#[derive(Debug, Default)]
struct Counting(AtomicUsize);

impl Authorizer for Counting {
    fn decide(&self, request: &Request<'_>) -> Decision {
        self.0.fetch_add(1, Ordering::Relaxed);
        let Request { session, authid, authrole, uri, .. } = request;
        assert!(*session > 0 && !authid.is_empty() && *authrole == "anonymous");
        let cache = !uri.starts_with("com.fresh");
        match uri.ends_with(".no") {
            _ if uri.starts_with("com.ask") => Decision::Ask("com.authorize".into()),
            true => Decision::Deny { cache },
            false => Decision::Allow(Grant { disclose: false, cache }),
        }
    }
}

/// What an authorizer of an embedder says is remembered, unless it says otherwise.
#[test]
fn an_authorizer_of_an_embedder() {
    let counting = Arc::new(Counting::default());
    let authorizer: Arc<dyn Authorizer> = counting.clone();
    everywhere_by(&authorizer, |net| {
        let client = net.join();
        let asked = |uri: &str, error: &str| {
            let before = counting.0.load(Ordering::Relaxed);
            for _ in 0..3 {
                let request = client.fresh();
                client.send(json!([48, request, {}, uri]));
                client.expect_error(48, request, error, "");
            }
            counting.0.load(Ordering::Relaxed) - before
        };
        for round in 0..2 {
            let times = if round == 0 { 1 } else { 0 };
            assert_eq!(asked("com.x", "wamp.error.no_such_procedure"), times);
            assert_eq!(asked("com.x.no", NOT_AUTHORIZED), times);
            assert_eq!(asked("com.fresh", "wamp.error.no_such_procedure"), 3);
            assert_eq!(asked("com.fresh.no", NOT_AUTHORIZED), 3);
            // Whoever is to be asked is not there.
            assert_eq!(asked("com.ask", FAILED), 3);
        }
        // Each action is decided by itself.
        client.subscribe("com.x");
        let before = counting.0.load(Ordering::Relaxed);
        client.subscribe("com.x");
        assert_eq!(counting.0.load(Ordering::Relaxed), before);
        // So much is not remembered that it would take more than its share of memory.
        for n in 0..2000 {
            client.send(json!([16, client.fresh(), {}, format!("com.many.{n}")]));
        }
        assert_eq!(asked("com.x", "wamp.error.no_such_procedure"), 1);
        // Another session has memory of its own.
        let other = net.join();
        let before = counting.0.load(Ordering::Relaxed);
        other.subscribe("com.x");
        assert_eq!(counting.0.load(Ordering::Relaxed), before + 1);
    });
}
