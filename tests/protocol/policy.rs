//! What the operator decides about a procedure, whatever its callees ask for (beyond the specification).

use connectanum::config::{ProcedurePolicy, RealmConfig};
use connectanum::limits::Limits;
use connectanum::wamp::message::{InvokePolicy, MatchPolicy};
use serde_json::json;

use crate::harness::{Net, REALM, everywhere_in};

fn realm(policy: ProcedurePolicy) -> RealmConfig {
    RealmConfig { procedures: vec![policy], ..RealmConfig::new(REALM) }
}

fn policy(invoke: Option<InvokePolicy>) -> ProcedurePolicy {
    ProcedurePolicy {
        uri: "com.procedure".into(),
        match_policy: MatchPolicy::Exact,
        invoke,
        concurrency: None,
        queue: None,
        timeout_ms: None,
        reroute_lost: false,
    }
}

#[track_caller]
fn everywhere(policy: ProcedurePolicy, test: impl Fn(&Net)) {
    everywhere_in(&realm(policy), Limits::default(), test);
}

/// Callees that ask for another policy, or for none, are accepted under the operator's.
#[test]
fn the_operator_chooses_how_calls_are_spread() {
    everywhere(policy(Some(InvokePolicy::Last)), |net| {
        let [alice, bob, carol, caller] = net.join_all();
        let registration = alice.register("com.procedure");
        assert_eq!(bob.register_with(json!({"invoke": "roundrobin"}), "com.procedure"), registration);
        assert_eq!(carol.register_with(json!({"invoke": "first"}), "com.procedure"), registration);
        for n in 1..=3 {
            caller.send(json!([48, n, {}, "com.procedure"]));
            carol.expect_invocation(registration, json!([{}]));
        }
        // Once is enough for each.
        bob.send(json!([64, 9, {}, "com.procedure"]));
        bob.expect_error(64, 9, "wamp.error.procedure_already_exists", "by this same session");
    });
}

#[test]
fn the_operator_forbids_to_share() {
    everywhere(policy(Some(InvokePolicy::Single)), |net| {
        let [alice, bob] = net.join_all();
        alice.register_with(json!({"invoke": "roundrobin"}), "com.procedure");
        bob.send(json!([64, 9, {"invoke": "roundrobin"}, "com.procedure"]));
        let text = "registered already, with invoke policy 'single'";
        bob.expect_error(64, 9, "wamp.error.procedure_already_exists", text);
    });
}

/// A policy holds for one URI with one kind of match, in its realm.
#[test]
fn other_procedures_are_as_their_callees_ask() {
    everywhere(policy(Some(InvokePolicy::RoundRobin)), |net| {
        let [alice, bob] = net.join_all();
        alice.register("com.procedure.other");
        bob.send(json!([64, 1, {}, "com.procedure.other"]));
        bob.expect_error(64, 1, "wamp.error.procedure_already_exists", "'single'");
        alice.register_with(json!({"match": "prefix"}), "com.procedure");
        bob.send(json!([64, 2, {"match": "prefix"}, "com.procedure"]));
        bob.expect_error(64, 2, "wamp.error.procedure_already_exists", "'single'");
        alice.register("com.procedure");
        bob.register("com.procedure");
    });
}

/// The operator's limit wins over the callee's, and his queue is as long as he says.
#[test]
fn the_operator_limits_callees() {
    let policy = ProcedurePolicy { concurrency: Some(2), queue: Some(1), ..policy(None) };
    everywhere(policy, |net| {
        let [alice, caller] = net.join_all();
        let registration = alice.register_with(json!({"concurrency": 7}), "com.procedure");
        caller.send_all((1..=4).map(|n| json!([48, n, {}, "com.procedure", [n]])));
        caller.expect_error(48, 4, "wamp.error.no_available_callee", "too many calls wait");
        let first = alice.expect_invocation(registration, json!([{}, [1]]));
        alice.expect_invocation(registration, json!([{}, [2]]));
        alice.expect_nothing();
        alice.send(json!([70, first, {}]));
        assert_eq!(caller.next(), json!([50, 1, {}]));
        alice.expect_invocation(registration, json!([{}, [3]]));
    });
}

/// Without a queue, calls that find everybody busy fail at once.
#[test]
fn the_operator_allows_no_queue() {
    let policy = ProcedurePolicy { concurrency: Some(1), queue: Some(0), ..policy(None) };
    everywhere(policy, |net| {
        let [alice, caller] = net.join_all();
        let registration = alice.register("com.procedure");
        for n in [1, 3] {
            caller.send(json!([48, n, {}, "com.procedure"]));
            let invocation = alice.expect_invocation(registration, json!([{}]));
            caller.send(json!([48, n + 1, {}, "com.procedure"]));
            caller.expect_error(48, n + 1, "wamp.error.no_available_callee", "");
            alice.send(json!([70, invocation, {}]));
            assert_eq!(caller.next(), json!([50, n, {}]));
        }
    });
}
