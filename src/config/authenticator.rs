//! Who is asked for a realm's users: `[[realm.authenticator]]`.

use super::auth::{METHODS, string, tables};
use super::file::SECTIONS;
use super::realm::one_of;
use super::table::{Faults, Section, Table};
use crate::auth::{AuthProcedure, Method, User};
use crate::wamp::message::MatchPolicy;
use crate::wamp::uri::{self, UriRule};

pub(super) const AUTHENTICATOR: Section =
    Section { header: "[[realm.authenticator]]", keys: &["method", "procedure", "realm", "authrole"] };
/// Reads a realm's authenticators.
pub(super) fn read(realm: &Table<'_>, faults: &mut Faults) -> Vec<AuthProcedure> {
    let expected = "a list of tables, each begun by `[[realm.authenticator]]`";
    let tables = tables(realm, "authenticator", expected, faults);
    tables.iter().filter_map(|table| procedure(table, faults)).collect()
}

fn procedure(table: &Table<'_>, faults: &mut Faults) -> Option<AuthProcedure> {
    table.unknown_keys(&AUTHENTICATOR, &SECTIONS, faults);
    for (key, example) in [("method", "ticket"), ("procedure", "com.example.authenticate")] {
        if table.value(key).is_none() {
            let text = format!("the authenticator has no {key}; write `{key} = \"{example}\"`");
            faults.push((Some(table.line()), text));
        }
    }
    let method = table.value("method").and_then(|value| one_of(value, &METHODS, faults));
    let mut text = |key| string(table, key, faults).map(Into::into);
    let (procedure, realm, authrole) = (text("procedure"), text("realm"), text("authrole"));
    Some(AuthProcedure { method: method?, procedure: procedure?, realm, authrole })
}

/// Authenticators that nobody could ask, and what they make senseless.
pub(super) fn check<'a>(
    realm: &Table<'_>,
    procedures: &[AuthProcedure],
    methods: &[Method],
    users: impl Iterator<Item = &'a User> + Clone,
    faults: &mut Faults,
) {
    let Some(value) = realm.value("authenticator") else { return };
    let mut fault = |text: String| value.fault(text, faults);
    for (i, AuthProcedure { method, procedure, realm: other, .. }) in procedures.iter().enumerate() {
        let name = method.name();
        if *method == Method::Cookie {
            fault("`cookie` is no method for an authenticator: it lets in who came in before".to_owned());
        }
        if procedures[..i].iter().any(|it| it.method == *method) {
            fault(format!("there are two authenticators for `{name}`; leave one out"));
        }
        if !methods.contains(method) {
            fault(format!("`authmethods` does not offer `{name}`: nobody would ask `{procedure}`"));
        }
        if let Some(user) = users.clone().find(|user| user.secrets.has(*method)) {
            fault(format!(
                "`{procedure}` alone knows who comes in by `{name}`: the secret of user `{}` would not count; leave one out",
                user.authid
            ));
        }
        if *method == Method::Ticket && realm.value("jwt").is_some() {
            fault(format!(
                "`{procedure}` alone knows who comes in by `ticket`; leave it or [[realm.jwt]] out"
            ));
        }
        if *method == Method::Anonymous && realm.value("anonymous_role").is_some() {
            fault(format!(
                "`{procedure}` gives those without a name their role; leave it or `anonymous_role` out"
            ));
        }
        if !uri::is_valid_pattern(procedure, MatchPolicy::Exact, UriRule::Loose)
            || uri::is_reserved(procedure)
        {
            fault(format!("`{procedure}` is no procedure that somebody could register"));
        }
        let own = realm.value("name").and_then(|name| name.string("a string", &mut Faults::new()));
        let is_own = other.is_none() || other.as_deref() == own;
        let is_asked = |method: &Method| procedures.iter().any(|it| it.method == *method);
        if is_own && methods.iter().all(|method| *method == Method::Cookie || is_asked(method)) {
            fault(format!(
                "nobody could come into the realm and offer `{procedure}`; add a [[realm.user]] who does, or `realm = \"…\"`, \
                 where it is offered"
            ));
        }
    }
}
