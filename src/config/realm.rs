//! `[[realm]]` and what stands in it, from TOML.

use super::access;
use super::auth::{self, Reading};
use super::file::{Key, Place, SECTIONS};
use super::policy::{ProcedurePolicy, Rate, RateRule, Retain, TopicPolicy, TrustRule};
use super::table::{Faults, Section, Table, Value};
use super::{RealmConfig, Template, nearest};
use crate::wamp::message::{InvokePolicy, MatchPolicy};

pub(super) const REALM: Section = Section {
    header: "[[realm]]",
    keys: &[
        "name",
        "strict_uris",
        "strict_request_ids",
        "takeover",
        "disclose_me",
        "force_reregister",
        "procedure",
        "topic",
        "trustlevel",
        "rate",
        "authmethods",
        "anonymous_role",
        "user",
        "jwt",
        "authenticator",
        "role",
        "match",
        "on_demand",
    ],
};
pub(super) const PROCEDURE: Section = Section {
    header: "[[realm.procedure]]",
    keys: &["uri", "match", "invoke", "concurrency", "queue", "timeout_ms", "reroute_lost"],
};
pub(super) const TOPIC: Section =
    Section { header: "[[realm.topic]]", keys: &["uri", "match", "history", "retain"] };
pub(super) const TRUSTLEVEL: Section =
    Section { header: "[[realm.trustlevel]]", keys: &["uri", "match", "authid", "authrole", "level"] };

pub(super) const RATE: Section = Section {
    header: "[[realm.rate]]",
    keys: &["authrole", "publish", "publish_burst", "call", "call_burst"],
};

/// The highest rate, in a second, and the largest burst.
const RATE_MAX: u64 = 1_000_000;
/// Most realms that are made after one pattern.
const REALMS_ON_DEMAND_MAX: u64 = 10_000;
/// Most events that a topic's history keeps.
const HISTORY_MAX: u64 = 1_000_000;
/// Most invocations at a time, and calls that wait, that can be asked for.
const CALLS_MAX: u64 = 1_000_000;
/// The longest timeout: a day.
const TIMEOUT_MS_MAX: u64 = 86_400_000;

/// Realms that have been read, with the lines of what is checked in the end.
#[derive(Default)]
pub(super) struct Realms {
    pub(super) realms: Vec<RealmConfig>,
    pub(super) places: Vec<(Key, Place)>,
}

impl Realms {
    /// Reads the table of a realm that begins on `line`.
    pub(super) fn read(&mut self, table: &Table<'_>, line: usize, reading: Reading<'_>, faults: &mut Faults) {
        table.unknown_keys(&REALM, &SECTIONS, faults);
        let mut flag = |key| table.value(key).and_then(|v| v.boolean(faults));
        let (strict_uris, strict_request_ids) = (flag("strict_uris"), flag("strict_request_ids"));
        let (takeover, force_reregister) = (flag("takeover"), flag("force_reregister"));
        let disclose_me = flag("disclose_me");
        let index = self.realms.len();
        let mut places = Vec::new();
        let mut policies = |key, expected, faults: &mut Faults| -> Vec<Table<'_>> {
            let Some(list) = table.value(key).and_then(|v| v.list(expected, faults)) else {
                return Vec::new();
            };
            let tables = list.into_iter().filter_map(|v| Some((v.line(), v.table(expected, faults)?)));
            let (lines, tables): (Vec<usize>, Vec<Table<'_>>) = tables.unzip();
            let keys = (0..).map(|i| Key::Policy(index, key, i));
            places.extend(keys.zip(lines.into_iter().map(Place::Line)));
            tables
        };
        let procedures =
            policies("procedure", "a list of tables, each begun by `[[realm.procedure]]`", faults);
        let topics = policies("topic", "a list of tables, each begun by `[[realm.topic]]`", faults);
        let trustlevels =
            policies("trustlevel", "a list of tables, each begun by `[[realm.trustlevel]]`", faults);
        let rates = policies("rate", "a list of tables, each begun by `[[realm.rate]]`", faults);
        let procedures = procedures.iter().map(|table| procedure(table, faults)).collect();
        let topics = topics.iter().map(|table| topic(table, faults)).collect();
        let trustlevels = trustlevels.iter().map(|table| trustlevel(table, faults)).collect();
        let rates = rates.iter().map(|table| rate_rule(table, faults)).collect();
        let auth = auth::read(table, reading, faults);
        let roles = access::read(table, index, &mut places, faults);
        let template = template(table, faults);
        let Some(name) = table.value("name") else {
            faults.push((Some(line), "the realm has no name; write `name = \"…\"`".to_owned()));
            return;
        };
        let Some(uri) = name.string("a string", faults) else { return };
        let default = RealmConfig::new(uri);
        self.realms.push(RealmConfig {
            strict_uris: strict_uris.unwrap_or(default.strict_uris),
            strict_request_ids: strict_request_ids.unwrap_or(default.strict_request_ids),
            takeover: takeover.unwrap_or(default.takeover),
            disclose_me: disclose_me.unwrap_or(default.disclose_me),
            force_reregister: force_reregister.unwrap_or(default.force_reregister),
            procedures,
            topics,
            trustlevels,
            rates,
            auth,
            roles,
            template,
            ..default
        });
        self.places.push((Key::Realm(index), Place::Line(name.line())));
        self.places.extend(places);
    }
}

/// `match` and `on_demand`.
fn template(table: &Table<'_>, faults: &mut Faults) -> Option<Template> {
    let names = [MatchPolicy::Prefix, MatchPolicy::Wildcard].map(|policy| (policy.name(), policy));
    let policy = table.value("match").and_then(|value| one_of(value, &names, faults));
    let max = number(table, "on_demand", 1..=REALMS_ON_DEMAND_MAX, faults);
    match (table.value("match"), table.value("on_demand")) {
        (Some(value), None) => {
            value.fault(
                "`match` is for realms on demand; add `on_demand = N`, the most of them".to_owned(),
                faults,
            );
        }
        (None, Some(value)) => {
            let text = "`on_demand` needs `match = \"prefix\"` or \"wildcard\": `name` is a pattern then";
            value.fault(text.to_owned(), faults);
        }
        _ => {}
    }
    Some(Template { match_policy: policy?, max: max? as usize })
}

fn procedure(table: &Table<'_>, faults: &mut Faults) -> ProcedurePolicy {
    table.unknown_keys(&PROCEDURE, &SECTIONS, faults);
    let (uri, match_policy) = pattern(table, faults);
    let names = InvokePolicy::ALL.map(|policy| (policy.name(), policy));
    let invoke = table.value("invoke").and_then(|v| one_of(v, &names, faults));
    let concurrency = number(table, "concurrency", 1..=CALLS_MAX, faults).map(|n| n as u32);
    let queue = number(table, "queue", 0..=CALLS_MAX, faults).map(|n| n as u32);
    let timeout_ms = number(table, "timeout_ms", 1..=TIMEOUT_MS_MAX, faults);
    let reroute_lost = table.value("reroute_lost").and_then(|v| v.boolean(faults)).unwrap_or_default();
    ProcedurePolicy { uri, match_policy, invoke, concurrency, queue, timeout_ms, reroute_lost }
}

fn topic(table: &Table<'_>, faults: &mut Faults) -> TopicPolicy {
    table.unknown_keys(&TOPIC, &SECTIONS, faults);
    let (uri, match_policy) = pattern(table, faults);
    let history = number(table, "history", 0..=HISTORY_MAX, faults).unwrap_or_default() as usize;
    let retain = table.value("retain").and_then(|v| one_of(v, &Retain::NAMES, faults)).unwrap_or_default();
    TopicPolicy { uri, match_policy, history, retain }
}

fn trustlevel(table: &Table<'_>, faults: &mut Faults) -> TrustRule {
    table.unknown_keys(&TRUSTLEVEL, &SECTIONS, faults);
    let (uri, match_policy) = pattern(table, faults);
    let mut text = |key| table.value(key).and_then(|v| v.string("a string", faults)).map(str::to_owned);
    let (authid, authrole) = (text("authid"), text("authrole"));
    let level = number(table, "level", 0..=1 << 53, faults);
    if table.value("level").is_none() {
        faults.push((Some(table.line()), "the rule has no level; write `level = 1`".to_owned()));
    }
    TrustRule { uri, match_policy, authid, authrole, level: level.unwrap_or_default() }
}

fn rate_rule(table: &Table<'_>, faults: &mut Faults) -> RateRule {
    table.unknown_keys(&RATE, &SECTIONS, faults);
    let authrole = table.value("authrole").and_then(|v| v.string("a string", faults)).map(str::to_owned);
    let publish = rate(table, "publish", "publish_burst", faults);
    let call = rate(table, "call", "call_burst", faults);
    if table.value("publish").is_none() && table.value("call").is_none() {
        faults.push((
            Some(table.line()),
            "the rule has no rate; write `publish = 100` or `call = 100`".to_owned(),
        ));
    }
    RateRule { authrole, publish, call }
}

/// So many in a second, and at once as many unless the second key says otherwise.
fn rate(table: &Table<'_>, key: &'static str, burst: &'static str, faults: &mut Faults) -> Option<Rate> {
    let per_s = number(table, key, 1..=RATE_MAX, faults);
    let at_once = number(table, burst, 1..=RATE_MAX, faults);
    if let (None, Some(value)) = (table.value(key), table.value(burst)) {
        value.fault(format!("`{burst}` says nothing without `{key}`"), faults);
    }
    let per_s = per_s?;
    Rate::new(per_s as u32, at_once.unwrap_or(per_s) as u32)
}

/// `uri` and `match`. The empty prefix matches everything.
pub(super) fn pattern(table: &Table<'_>, faults: &mut Faults) -> (String, MatchPolicy) {
    let names = MatchPolicy::ALL.map(|policy| (policy.name(), policy));
    let policy = table.value("match").and_then(|v| one_of(v, &names, faults)).unwrap_or_default();
    let Some(uri) = table.value("uri") else {
        faults.push((Some(table.line()), "there is no URI; write `uri = \"…\"`".to_owned()));
        return (String::new(), MatchPolicy::Prefix);
    };
    match uri.string("a string", faults) {
        Some(text) => (text.to_owned(), policy),
        None => (String::new(), MatchPolicy::Prefix),
    }
}

pub(super) fn number(
    table: &Table<'_>,
    key: &'static str,
    range: std::ops::RangeInclusive<u64>,
    faults: &mut Faults,
) -> Option<u64> {
    let value = table.value(key)?;
    let expected = format!("a whole number from {} to {}", range.start(), range.end());
    let number = value.number(&expected, faults)?;
    if !range.contains(&number) {
        value.fault(format!("`{key}` must be {expected}, not {number}"), faults);
        return None;
    }
    Some(number)
}

/// One of some words.
pub(super) fn one_of<T: Copy>(value: Value<'_>, names: &[(&str, T)], faults: &mut Faults) -> Option<T> {
    let all = names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let word = value.string(&format!("one of {all}"), faults)?;
    if let Some((_, found)) = names.iter().find(|(name, _)| *name == word) {
        return Some(*found);
    }
    let names = names.iter().map(|(name, _)| *name);
    let hint = nearest(word, names).map(|n| format!(" (did you mean `{n}`?)")).unwrap_or_default();
    value.fault(format!("`{}`: `{word}` is none of {all}{hint}", value.key()), faults);
    None
}
