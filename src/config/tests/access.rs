//! Roles in a file: what they mean, and what is said of faults.

use super::super::*;
use super::{load, refused};
use crate::access::{Action, Actions, Role, Rule};

#[test]
fn roles_and_their_permissions() {
    let config = load(
        "[[realm]]\nname = 'a'\n\
         [[realm.role]]\nname = 'anonymous'\n\
         [[realm.role.permission]]\nuri = 'com.a'\nallow = ['call', 'publish']\n\
         [[realm.role.permission]]\nuri = ''\nmatch = 'prefix'\nallow = []\ndisclose = true\ncache = false\n\
         [[realm.role]]\nname = 'asked'\nauthorizer = 'com.authorize'\n",
    );
    let rules = vec![
        Rule {
            uri: "com.a".into(),
            match_policy: MatchPolicy::Exact,
            allow: [Action::Call, Action::Publish].into_iter().collect(),
            disclose: false,
            cache: true,
        },
        Rule {
            uri: String::new(),
            match_policy: MatchPolicy::Prefix,
            allow: Actions::default(),
            disclose: true,
            cache: false,
        },
    ];
    let expected = [
        Role { name: "anonymous".into(), rules, authorizer: None },
        Role { name: "asked".into(), rules: Vec::new(), authorizer: Some("com.authorize".into()) },
    ];
    let router = config.unwrap().router;
    assert_eq!(router.realms[0].roles, expected);
    assert!(!router.access()[0].is_open());
    assert!(RouterConfig::default().access()[0].is_open());
}

#[test]
fn faults_of_roles() {
    let realm = "[[realm]]\nname = 'a'\nanonymous_role = 'user'\n";
    let role = "[[realm.role]]\nname = 'user'\n";
    refused(
        &format!("{realm}[[realm.role]]\n[[realm.role]]\nname = ''"),
        &["4: the role has no name; write `name =", "6: `name` is empty or has control"],
    );
    refused(
        &format!("{realm}{role}[[realm.role.permission]]\nallow = ['cal']\nuri = 'a..b'\nlevel = 1"),
        &[
            "4: role `user`: `a..b` is no URI to match by `exact`; `match = \"wildcard\"` leaves",
            "7: `allow`: `cal` is none of call, register, publish, subscribe (did you mean `call`?)",
            "9: unknown key `level` in [[realm.role.permission]]; it belongs in [[realm.trustlevel]]",
        ],
    );
    // As Crossbar.io has prefixes.
    for (uri, prefix) in [("com.example.*", "com.example."), ("*", ""), ("", ""), ("com.", "com.")] {
        let error = format!(
            "4: role `user`: `{uri}` is no URI to match by `exact`; for all that begins with it write `uri = \"{prefix}\"` and \
             `match = \"prefix\"`"
        );
        refused(
            &format!("{realm}{role}[[realm.role.permission]]\nallow = []\nuri = '{uri}'"),
            &[error.as_str()],
        );
    }
    for (uri, policy, remedy) in [
        ("com.*", "prefix", "for all that begins with it write `uri = \"com.\"`"),
        (
            "com.*.add",
            "exact",
            "with components left open it is `uri = \"com..add\"` and `match = \"wildcard\"`",
        ),
    ] {
        let error = format!("4: role `user`: `{uri}` is no URI to match by `{policy}`; {remedy}");
        let permission = format!("[[realm.role.permission]]\nallow = []\nuri = '{uri}'\nmatch = '{policy}'");
        refused(&format!("{realm}{role}{permission}"), &[error.as_str()]);
    }
    let permission = "[[realm.role.permission]]\nuri = 'a'\nallow = []\n";
    refused(
        &format!(
            "{realm}{role}[[realm.role.permission]]\nuri = 'a'\nallow = 'call'\n[[realm.role.permission]]\nuri='b'"
        ),
        &[
            "8: `allow` must be a list of actions, as `[\"call\"",
            "9: the permission does not say what it allows",
        ],
    );
    refused(&format!("{realm}{role}{permission}{permission}"), &["4: role `user`: `a` is there twice"]);
    refused(
        &format!("{realm}{role}authorizer = 'com.authorize'\n{permission}"),
        &["4: role `user` has an `authorizer`, which decides alone; leave out"],
    );
    for uri in ["wamp.authorize", "a..b"] {
        let error = format!("4: role `user`: `{uri}` is no procedure that somebody could register");
        refused(&format!("{realm}{role}authorizer = '{uri}'"), &[error.as_str()]);
    }
    refused(&format!("{realm}{role}{role}"), &["6: role `user` is there twice"]);
}

/// Who has a role that there is not could do nothing, which nobody wants.
#[test]
fn roles_that_nobody_has_defined() {
    let realm = "[router]\nallow_plain_secrets = true\n[[realm]]\nname = 'a'\n";
    let roles = "[[realm.role]]\nname = 'user'\n[[realm.role]]\nname = 'operator'\n";
    let user = "[[realm.user]]\nauthid = 'joe'\nauthrole = 'usr'\nticket = 'plain:x'\n";
    refused(
        &format!("{realm}{user}{roles}"),
        &[
            "4: user `joe` of realm `a` has the role `usr`, for which there is no [[realm.role]]; did you mean `user`?",
        ],
    );
    refused(
        &format!("{realm}{roles}"),
        &[
            "4: whoever comes without authentication of realm `a` has the role `anonymous`, for which there is no \
           [[realm.role]]; known are user, operator",
        ],
    );
    assert!(load(&format!("{realm}{}{roles}", user.replace("usr", "user"))).is_ok());
}

/// An open door is one thing, what may be done behind it another.
#[test]
fn roles_say_what_strangers_may_do() {
    let text = "[router]\nlisten = ['ws://0.0.0.0:81']\n[[realm]]\nname = 'a'\n";
    assert!(load(text).is_err());
    assert!(load(&format!("{text}[[realm.role]]\nname = 'anonymous'")).is_ok());
}
