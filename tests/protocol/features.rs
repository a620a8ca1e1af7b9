//! The documentation of features says what WELCOME says.

use connectanum::wamp::message::Features;
use serde_json::json;

use crate::harness::{REALM, everywhere, hello};

const DOCUMENT: &str = include_str!("../../docs/FEATURES.md");

/// Key, roles and status of every row in the table of advanced features.
fn documented() -> Vec<(&'static str, Vec<&'static str>, &'static str)> {
    let rows = DOCUMENT.lines().filter_map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let &["", _, key, roles, status, ..] = cells.as_slice() else { return None };
        let key = key.strip_prefix('`')?.strip_suffix('`')?;
        Some((key, roles.split(", ").collect(), status))
    });
    rows.collect()
}

#[test]
fn the_table_is_complete() {
    let documented: Vec<_> = documented().into_iter().map(|(key, ..)| key).collect();
    for (_, key) in Features::KEYS {
        assert_eq!(documented.iter().filter(|it| *it == key).count(), 1, "{key}");
    }
    assert_eq!(documented.len(), Features::KEYS.len());
}

#[test]
fn the_table_is_true() {
    everywhere(|net| {
        let roles = net.client().ask(hello(REALM))[2]["roles"].clone();
        for (key, its_roles, status) in documented() {
            for role in ["broker", "dealer"] {
                let announced = match status {
                    "announced" => its_roles.contains(&role),
                    "not yet" => false,
                    other => panic!("{key}: the status {other} is none"),
                };
                let is = &roles[role]["features"][key];
                assert_eq!(*is, if announced { json!(true) } else { json!(null) }, "{key} of the {role}");
            }
        }
    });
}
