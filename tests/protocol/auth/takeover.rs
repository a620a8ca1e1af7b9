//! A callee whose connection may be dead already is replaced by its own principal, where the realm says so.

use connectanum::config::RealmConfig;
use connectanum::limits::Limits;
use serde_json::json;

use super::answers::{PROOFS, realm};
use super::come_in;
use crate::harness::{Client, Net, everywhere_in};

/// A session of this user.
fn join(net: &Net, user: &str) -> Client {
    let proof = PROOFS.into_iter().find(|proof| proof.method == "ticket" && proof.user == user);
    let client = net.client();
    come_in(&client, proof.expect("the user has a ticket"), user, "secret");
    let welcome = client.next();
    client.in_session(&welcome)
}

fn users_with_tickets() -> [&'static str; 2] {
    let mut users = PROOFS.into_iter().filter(|proof| proof.method == "ticket").map(|proof| proof.user);
    [users.next().expect("one"), users.next().expect("another")]
}

#[test]
fn a_ghost_is_replaced_by_its_own_principal_only() {
    let [joe, ann] = users_with_tickets();
    let takeover = RealmConfig { takeover: true, ..realm() };
    everywhere_in(&takeover, Limits::default(), |net| {
        let (ghost, caller) = (join(net, joe), join(net, ann));
        ghost.register("com.procedure");
        let other = join(net, ann);
        other.send(json!([64, 1, {}, "com.procedure"]));
        other.expect_error(64, 1, "wamp.error.procedure_already_exists", "com.procedure");
        let reborn = join(net, joe);
        let registration = reborn.register("com.procedure");
        caller.send(json!([48, 1, {}, "com.procedure"]));
        let invocation = reborn.expect_invocation(registration, json!([{}]));
        reborn.send(json!([70, invocation, {}, ["here"]]));
        assert_eq!(caller.next(), json!([50, 1, {}, ["here"]]));
        ghost.expect_nothing();
    });
}

#[test]
fn nobody_is_replaced_unless_the_realm_says_so() {
    let [joe, _] = users_with_tickets();
    everywhere_in(&realm(), Limits::default(), |net| {
        let (ghost, reborn) = (join(net, joe), join(net, joe));
        ghost.register("com.procedure");
        reborn.send(json!([64, 1, {}, "com.procedure"]));
        reborn.expect_error(64, 1, "wamp.error.procedure_already_exists", "com.procedure");
    });
}
