//! Ending other sessions (spec: "Session Meta API").

use serde_json::{Value, json};

use super::{fails, result, sorted};
use crate::harness::{Client, STRICT_URIS, everywhere};

const KILL: [(&str, bool); 4] = [
    ("wamp.session.kill", true),
    ("wamp.session.kill_by_authid", true),
    ("wamp.session.kill_by_authrole", true),
    ("wamp.session.kill_all", false),
];

fn authid(client: &Client) -> Value {
    result(client, "wamp.session.get", json!([[client.session()]]))["authid"].clone()
}

#[test]
fn a_session_is_killed() {
    everywhere(|net| {
        let [killer, witness] = net.join_all();
        let before = net.census();
        for (kwargs, goodbye) in [
            (json!({}), json!([6, {}, "wamp.close.killed"])),
            (json!({"reason": "com.reason"}), json!([6, {}, "com.reason"])),
            (json!({"message": "go"}), json!([6, {"message": "go"}, "wamp.close.killed"])),
            (json!({"message": "go", "reason": "a.b"}), json!([6, {"message": "go"}, "a.b"])),
        ] {
            let victim = net.join();
            victim.subscribe("com.topic");
            victim.register("com.procedure");
            let killed = result(&killer, "wamp.session.kill", json!([[victim.session()], kwargs]));
            assert_eq!(killed, json!(null));
            assert_eq!(victim.next(), goodbye);
            // It is its last message, and nothing of the session is left.
            witness.send(json!([16, witness.fresh(), {}, "com.topic"]));
            let registration = witness.register("com.procedure");
            let [_, sessions, topics, ..] = net.census();
            assert_eq!((sessions, topics), (before[1], before[2]));
            fails(
                &killer,
                "wamp.session.kill",
                json!([[victim.session()]]),
                "wamp.error.no_such_session",
                "no other session",
            );
            // What it has sent meanwhile is ignored, until it answers.
            victim.send_all([
                json!([48, 1, {}, "com.procedure"]),
                json!([6, {}, "wamp.close.goodbye_and_out"]),
            ]);
            victim.expect_closed(1000);
            assert_eq!(net.census()[3], before[3] + net.shards() as usize);
            witness.send(json!([66, witness.fresh(), registration]));
            assert_eq!(witness.next()[0], 67);
        }
    });
}

#[test]
fn nobody_kills_himself_or_strangers() {
    everywhere(|net| {
        let killer = net.join();
        let stranger = net.join_realm(STRICT_URIS);
        for unknown in [killer.session(), stranger.session(), 1] {
            let error = "wamp.error.no_such_session";
            fails(&killer, "wamp.session.kill", json!([[unknown]]), error, &unknown.to_string());
        }
        let own = authid(&killer);
        assert_eq!(result(&killer, "wamp.session.kill_by_authid", json!([[own]])), json!([]));
        assert_eq!(result(&killer, "wamp.session.kill_by_authid", json!([["nobody"]])), json!([]));
        assert_eq!(result(&killer, "wamp.session.kill_by_authrole", json!([["anonymous"]])), json!(0));
        assert_eq!(result(&killer, "wamp.session.kill_all", json!([])), json!(0));
        stranger.expect_nothing();
        killer.expect_nothing();
    });
}

#[test]
fn faulty_arguments() {
    everywhere(|net| {
        let [killer, victim] = net.join_all();
        for (procedure, has_target) in KILL {
            let target = match procedure {
                "wamp.session.kill" => json!([victim.session()]),
                "wamp.session.kill_by_authid" => json!([authid(&victim)]),
                "wamp.session.kill_by_authrole" => json!(["anonymous"]),
                _ => json!([]),
            };
            let invalid = "wamp.error.invalid_argument";
            if has_target {
                for faulty in [json!([]), json!([[]]), json!([[null]]), json!([[{}]]), json!([[1.5]])] {
                    fails(&killer, procedure, faulty, invalid, "must be");
                }
            }
            for (key, value) in [("reason", json!(7)), ("message", json!(7)), ("message", json!(["x"]))] {
                fails(&killer, procedure, json!([target, {key: value}]), invalid, key);
            }
            for reason in ["", "a..b", "no blanks", "a.#"] {
                let error = "wamp.error.invalid_uri";
                fails(&killer, procedure, json!([target, {"reason": reason}]), error, "valid URI");
            }
        }
        victim.expect_nothing();
    });
}

#[test]
fn all_of_a_principal() {
    everywhere(|net| {
        let [killer, alice, bob] = net.join_all();
        let killed = result(&killer, "wamp.session.kill_by_authid", json!([[authid(&alice)]]));
        assert_eq!(killed, json!([alice.session()]));
        assert_eq!(alice.next(), json!([6, {}, "wamp.close.killed"]));
        bob.expect_nothing();
    });
}

#[test]
fn all_of_a_role() {
    everywhere(|net| {
        let [killer, alice, bob, carol] = net.join_all();
        let stranger = net.join_realm(STRICT_URIS);
        killer.subscribe("wamp.session.on_leave");
        let request = killer.fresh();
        killer.send(
            json!([48, request, {}, "wamp.session.kill_by_authrole", ["anonymous"], {"message": "all"}]),
        );
        for victim in [&alice, &bob, &carol] {
            assert_eq!(victim.next(), json!([6, {"message": "all"}, "wamp.close.killed"]));
        }
        let mut heard = killer.all();
        let at = heard.iter().position(|message| message[0] == 50).expect("a RESULT");
        assert_eq!(heard.remove(at), json!([50, request, {}, [3]]));
        let left: Value = heard.iter().map(|event| event[4][0].clone()).collect();
        assert_eq!(sorted(&left), sorted(&json!([alice.session(), bob.session(), carol.session()])));
        stranger.expect_nothing();
    });
}

/// No meta events then, says the specification.
#[test]
fn all() {
    everywhere(|net| {
        let [killer, alice, bob] = net.join_all();
        let stranger = net.join_realm(STRICT_URIS);
        killer.subscribe("wamp.session.on_leave");
        let killed = result(&killer, "wamp.session.kill_all", json!([[], {"reason": "com.reason"}]));
        assert_eq!(killed, json!(2));
        for victim in [&alice, &bob] {
            assert_eq!(victim.next(), json!([6, {}, "com.reason"]));
        }
        killer.expect_nothing();
        stranger.expect_nothing();
        assert_eq!(result(&killer, "wamp.session.count", json!([])), json!(1));
    });
}

/// Who does not answer is closed.
#[test]
fn the_grace_of_the_killed() {
    everywhere(|net| {
        let [killer, victim] = net.join_all();
        result(&killer, "wamp.session.kill", json!([[victim.session()]]));
        assert_eq!(victim.next()[0], 6);
        net.wait_ms(1_999);
        victim.expect_nothing();
        net.wait_ms(1);
        victim.expect_closed(1000);
    });
}

/// A client that is about to leave has its own GOODBYE answered, and is not there any more for others.
#[test]
fn a_kill_that_crosses_a_goodbye() {
    everywhere(|net| {
        let [killer, victim] = net.join_all();
        for n in 0..4 {
            victim.register(&format!("com.procedure.{n}"));
        }
        net.carry_mesh(false);
        victim.send(json!([6, {}, "wamp.close.normal"]));
        killer.send(json!([48, 1, {}, "wamp.session.kill", [victim.session()]]));
        net.carry_mesh(true);
        assert_eq!(victim.next(), json!([6, {}, "wamp.close.goodbye_and_out"]));
        killer.expect_error(48, 1, "wamp.error.no_such_session", "no other session");
        victim.expect_nothing();
    });
}

/// The callers of one that is killed are told.
#[test]
fn calls_of_the_killed() {
    everywhere(|net| {
        let [killer, callee, caller] = net.join_all();
        let registration = callee.register("com.procedure");
        caller.send(json!([48, 1, {}, "com.procedure"]));
        callee.expect_invocation(registration, json!([{}]));
        let request = callee.fresh();
        callee.send(json!([48, request, {}, "com.procedure"]));
        callee.expect_invocation(registration, json!([{}]));
        result(&killer, "wamp.session.kill", json!([[callee.session()]]));
        caller.expect_error(48, 1, "wamp.error.canceled", "the callee left");
        assert_eq!(callee.next()[0], 6);
        callee.expect_nothing();
        assert_eq!(net.census()[4], 0);
    });
}
