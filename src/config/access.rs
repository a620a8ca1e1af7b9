//! What those may do who are in a realm: `[[realm.role]]` and its permissions.

use super::auth::{string, tables};
use super::check::pattern_fault;
use super::file::{Key, Place, SECTIONS};
use super::realm::{one_of, pattern};
use super::table::{Faults, Section, Table};
use super::{RealmConfig, nearest};
use crate::access::{Action, Actions, Role, Rule};
use crate::wamp::message::MatchPolicy;
use crate::wamp::uri::{self, UriRule};

pub(super) const ROLE: Section =
    Section { header: "[[realm.role]]", keys: &["name", "permission", "authorizer"] };
pub(super) const PERMISSION: Section =
    Section { header: "[[realm.role.permission]]", keys: &["uri", "match", "allow", "disclose", "cache"] };

/// Reads the roles of a realm, the `index`-th of the file.
pub(super) fn read(
    realm: &Table<'_>,
    index: usize,
    places: &mut Vec<(Key, Place)>,
    faults: &mut Faults,
) -> Vec<Role> {
    let mut roles = Vec::new();
    for table in tables(realm, "role", "a list of tables, each begun by `[[realm.role]]`", faults) {
        places.push((Key::Policy(index, "role", roles.len()), Place::Line(table.line())));
        roles.push(role(&table, faults));
    }
    roles
}

fn role(table: &Table<'_>, faults: &mut Faults) -> Role {
    table.unknown_keys(&ROLE, &SECTIONS, faults);
    let name = string(table, "name", faults);
    if table.value("name").is_none() {
        faults.push((Some(table.line()), "the role has no name; write `name = \"…\"`".to_owned()));
    }
    let expected = "a list of tables, each begun by `[[realm.role.permission]]`";
    let permissions = tables(table, "permission", expected, faults);
    Role {
        name: name.unwrap_or_default(),
        rules: permissions.iter().map(|table| permission(table, faults)).collect(),
        authorizer: string(table, "authorizer", faults),
    }
}

fn permission(table: &Table<'_>, faults: &mut Faults) -> Rule {
    table.unknown_keys(&PERMISSION, &SECTIONS, faults);
    let (uri, match_policy) = pattern(table, faults);
    let mut flag = |key| table.value(key).and_then(|value| value.boolean(faults));
    let (disclose, cache) = (flag("disclose").unwrap_or(false), flag("cache").unwrap_or(true));
    let names = Action::ALL.map(|action| (action.name(), action));
    let expected = "a list of actions, as `[\"call\", \"subscribe\"]`";
    let allow = table.value("allow").and_then(|value| value.list(expected, faults)).unwrap_or_default();
    let allow: Actions = allow.into_iter().filter_map(|value| one_of(value, &names, faults)).collect();
    if table.value("allow").is_none() {
        let text =
            "the permission does not say what it allows; write `allow = [\"call\"]`, or `[]` for nothing";
        faults.push((Some(table.line()), text.to_owned()));
    }
    Rule { uri, match_policy, allow, disclose, cache }
}

/// Roles that make no sense, and those that somebody has and nobody has defined.
pub(super) fn check(i: usize, realm: &RealmConfig, fault: &mut impl FnMut(Vec<Key>, String)) {
    let syntax = if realm.strict_uris { UriRule::Strict } else { UriRule::Loose };
    for (n, role) in realm.roles.iter().enumerate() {
        let Role { name, rules, authorizer } = role;
        let mut fault = |text| fault(vec![Key::Policy(i, "role", n)], text);
        if !name.is_empty() && realm.roles[..n].iter().any(|other| other.name == *name) {
            fault(format!("role `{name}` is there twice; leave one out"));
        }
        for (m, Rule { uri, match_policy, .. }) in rules.iter().enumerate() {
            if let Some(text) = pattern_fault(uri, *match_policy, syntax) {
                fault(format!("role `{name}`: {text}"));
            }
            if rules[..m].iter().any(|it| it.uri == *uri && it.match_policy == *match_policy) {
                fault(format!("role `{name}`: `{uri}` is there twice with this `match`; leave one out"));
            }
        }
        let Some(authorizer) = authorizer else { continue };
        if !rules.is_empty() {
            fault(format!(
                "role `{name}` has an `authorizer`, which decides alone; leave out its permissions"
            ));
        }
        if !uri::is_valid_pattern(authorizer, MatchPolicy::Exact, syntax) || uri::is_reserved(authorizer) {
            fault(format!("role `{name}`: `{authorizer}` is no procedure that somebody could register"));
        }
    }
    // Of those without a name it has been said.
    if realm.roles.is_empty() || realm.roles.iter().any(|role| role.name.is_empty()) {
        return;
    }
    for (who, role) in realm.auth.roles() {
        let names = || realm.roles.iter().map(|role| role.name.as_str());
        if names().any(|name| name == role) {
            continue;
        }
        let hint = match nearest(role, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known are {}", Vec::from_iter(names()).join(", ")),
        };
        let text = format!(
            "{who} of realm `{}` has the role `{role}`, for which there is no [[realm.role]]; {hint}",
            realm.name
        );
        fault(vec![Key::Realm(i)], text);
    }
}
