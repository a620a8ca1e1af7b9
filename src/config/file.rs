//! The configuration file, from TOML to a [`Draft`]. `docs/CONFIG.md` describes it for operators.

use std::collections::BTreeMap;

use toml::de::DeTable;

use super::access::{PERMISSION, ROLE};
use super::auth::{AuthSeed, JWT, Reading, Sources, USER};
use super::authenticator::AUTHENTICATOR;
use super::limits::{LIMIT_NAMES, LIMITS, ORDERED, limit};
use super::realm::{PROCEDURE, RATE, REALM, Realms, TOPIC, TRUSTLEVEL, number};
use super::table::{Faults, Section, Table, Value, line};
use super::tls::{CERTIFICATE, TLS};
use super::{Listen, ServeConfig, Shards, Spin, TlsConfig};
use crate::http::Origins;
use crate::limits::Limits;

/// Bytes of the largest file worth reading. A larger one was named by mistake.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;

/// The longest time that a cookie counts: browsers keep none for longer than 400 days.
const COOKIE_MAX_AGE_S_MAX: u64 = 400 * 86_400;

const FILE: Section = Section { header: "", keys: &["router", "limits", "tls", "realm"] };
const ROUTER: Section = Section {
    header: "[router]",
    keys: &[
        "listen",
        "origins",
        "cookie_name",
        "cookie_max_age_s",
        "allow_anonymous_remote",
        "allow_plain_secrets",
        "auth_seed_file",
        "auth_seed_env",
        "shards",
        "io",
        "spin_us",
        "log",
        "control",
        "metrics",
    ],
};
const LIMIT: Section = Section { header: "[limits]", keys: LIMIT_NAMES };

/// All there is to set.
pub(super) const SECTIONS: [Section; 15] = [
    FILE,
    ROUTER,
    LIMIT,
    TLS,
    CERTIFICATE,
    REALM,
    PROCEDURE,
    TOPIC,
    TRUSTLEVEL,
    RATE,
    USER,
    JWT,
    AUTHENTICATOR,
    ROLE,
    PERMISSION,
];

/// A configuration that is being put together.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// The values so far.
    pub(super) config: ServeConfig,
    /// What is wrong so far.
    pub(super) faults: Faults,
    /// Where the file sets the values that are checked in the end.
    pub(super) places: BTreeMap<Key, Place>,
    /// The text is not TOML: `config` has the defaults.
    pub(super) not_toml: bool,
}

/// A value that is checked in the end, when all sources have spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Listen(usize),
    Realm(usize),
    /// The n-th policy of a kind in a realm.
    Policy(usize, &'static str, usize),
    Limit(&'static str),
    /// A key of `[tls]`.
    Tls(&'static str),
    Control,
}

/// What the file says for a [`Key`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A value, on this line.
    Line(usize),
    /// Something unreadable, which has been reported.
    Broken,
}

impl Draft {
    /// The defaults on this machine.
    pub(super) fn new(sources: &dyn Sources) -> Draft {
        let mut draft = Draft::default();
        if let Some(bytes) = sources.memory_bytes() {
            draft.config.router.limits = Limits::for_memory(bytes);
        }
        draft
    }

    /// Reads a file. What is wrong is reported and leaves the default in its place.
    pub(super) fn read(text: &str, sources: &dyn Sources) -> Draft {
        let mut draft = Draft::new(sources);
        if text.trim_start().starts_with('{') {
            let fault = "this is JSON, but the configuration is TOML; docs/MIGRATION.md has how to translate Crossbar.io's";
            draft.faults.push((Some(1), fault.to_owned()));
            draft.not_toml = true;
            return draft;
        }
        let (document, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            draft.file(&Table::new(text, document.get_ref()), sources);
        }
        for error in &errors {
            let line = error.span().map_or(1, |span| line(text, span.start));
            draft.faults.push((Some(line), format!("this is not TOML: {}", error.message())));
            draft.not_toml = true;
        }
        draft
    }

    fn file(&mut self, file: &Table<'_>, sources: &dyn Sources) {
        let mut reading = Reading { sources, plain: false };
        file.unknown_keys(&FILE, &SECTIONS, &mut self.faults);
        let table = |key, expected, faults: &mut Faults| file.value(key)?.table(expected, faults);
        if let Some(router) = table("router", "a table, begun by `[router]`", &mut self.faults) {
            self.router(&router, &mut reading);
        }
        if let Some(limits) = table("limits", "a table, begun by `[limits]`", &mut self.faults) {
            self.limits(&limits);
        }
        if let Some(tls) = table("tls", "a table, begun by `[tls]`", &mut self.faults) {
            let (config, places) = TlsConfig::read(&tls, &mut self.faults);
            self.config.tls = config;
            self.places.extend(places);
        }
        if let Some(realms) = file.value("realm") {
            self.realms(realms, reading);
        }
    }

    fn router(&mut self, router: &Table<'_>, reading: &mut Reading<'_>) {
        let Draft { config, faults, places, .. } = self;
        router.unknown_keys(&ROUTER, &SECTIONS, faults);
        if let Some(value) = router.value("allow_anonymous_remote").and_then(|v| v.boolean(faults)) {
            config.allow_anonymous_remote = value;
        }
        if let Some(value) = router.value("allow_plain_secrets").and_then(|v| v.boolean(faults)) {
            reading.plain = value;
        }
        if let Some((_, seed, _)) = reading.text(router, ["", "auth_seed_file", "auth_seed_env"], faults) {
            config.router.auth_seed = AuthSeed(seed);
        }
        if let Some(value) = router.value("shards").and_then(|v| shards(v, faults)) {
            config.shards = value;
        }
        if let Some(value) = router.value("io").and_then(|v| v.parse("a string", faults)) {
            config.io = value;
        }
        if let Some(value) = router.value("spin_us").and_then(|v| spin(v, faults)) {
            config.spin = value;
        }
        if let Some(value) = router.value("log").and_then(|v| v.parse("a string", faults)) {
            config.log = value;
        }
        if let Some(value) = router.value("origins") {
            config.router.origins = origins(value, faults);
        }
        if let Some(name) = router.value("cookie_name").and_then(|v| v.parse("a string", faults)) {
            config.router.cookie_name = name;
        }
        if let Some(seconds) = number(router, "cookie_max_age_s", 1..=COOKIE_MAX_AGE_S_MAX, faults) {
            config.router.cookie_max_age_s = seconds;
        }
        if let Some(value) = router.value("control") {
            let path = value.string("the path of a socket", faults).filter(|path| !path.is_empty());
            config.control = path.map(Into::into);
            places.insert(Key::Control, Place::Line(value.line()));
        }
        if let Some(value) = router.value("metrics") {
            let url = value.string("an address, as \"http://127.0.0.1:9464\"", faults);
            config.metrics = url.and_then(|url| value.accept(Listen::metrics(url), faults));
        }
        if let Some(value) = router.value("listen") {
            self.listen(value);
        }
    }

    fn listen(&mut self, value: Value<'_>) {
        let expected = "a list of strings, as `[\"ws://127.0.0.1:8080\"]`";
        let Some(addresses) = value.list(expected, &mut self.faults) else { return };
        if addresses.is_empty() {
            value.fault("`listen` is empty; give at least one address".to_owned(), &mut self.faults);
        }
        let parse = |v: Value<'_>| Some((v.parse(expected, &mut self.faults)?, v.line()));
        let (read, lines): (Vec<Listen>, Vec<usize>) = addresses.into_iter().filter_map(parse).unzip();
        if !read.is_empty() {
            self.config.listen = read;
            self.places.extend((0..).map(Key::Listen).zip(lines.into_iter().map(Place::Line)));
        }
    }

    fn limits(&mut self, limits: &Table<'_>) {
        limits.unknown_keys(&LIMIT, &SECTIONS, &mut self.faults);
        for key in LIMITS {
            let Some(value) = limits.value(key.name) else { continue };
            let number = value.number(&key.expected(), &mut self.faults);
            let set = number.map(|n| key.set(&mut self.config.router.limits, n));
            if let Some(Err(text)) = &set {
                value.fault(text.clone(), &mut self.faults);
            }
            let place = if let Some(Ok(())) = set { Place::Line(value.line()) } else { Place::Broken };
            self.places.insert(Key::Limit(key.name), place);
        }
        self.make_room();
    }

    /// What the file sets and a machine with more memory has room for must not be refused because of what this one chose for
    /// another limit.
    fn make_room(&mut self) {
        let limits = &mut self.config.router.limits;
        for &(low, high, _) in ORDERED {
            let (Some(low), Some(high)) = (limit(low), limit(high)) else { continue };
            let least = low.get(limits).min(high.get(&Limits::default()));
            if !self.places.contains_key(&Key::Limit(high.name)) && high.get(limits) < least {
                // It is in range: the default is.
                let _ = high.set(limits, least);
            }
        }
    }

    fn realms(&mut self, value: Value<'_>, reading: Reading<'_>) {
        let expected = "a list of tables, each begun by `[[realm]]`";
        let Some(realms) = value.list(expected, &mut self.faults) else { return };
        if realms.is_empty() {
            value.fault("there is no realm; name at least one".to_owned(), &mut self.faults);
        }
        let mut read = Realms::default();
        for realm in realms {
            if let Some(table) = realm.table(expected, &mut self.faults) {
                read.read(&table, realm.line(), reading, &mut self.faults);
            }
        }
        if !read.realms.is_empty() {
            self.config.router.realms = read.realms;
            self.places.extend(read.places);
        }
    }
}

fn origins(value: Value<'_>, faults: &mut Faults) -> Origins {
    let expected = "a list of origins, as `[\"https://app.example.com\"]`";
    let list = value.list(expected, faults).unwrap_or_default();
    let read = list.into_iter().filter_map(|value| {
        let text = value.string("an origin, as \"https://app.example.com\"", faults)?;
        value.accept(Origins::new([text]), faults)
    });
    read.collect()
}

fn shards(value: Value<'_>, faults: &mut Faults) -> Option<Shards> {
    let expected = "\"auto\" or a number of shards";
    match value.is_number() {
        true => {
            let number = value.number(expected, faults)?;
            value.accept(Shards::try_from(number), faults)
        }
        false => value.parse(expected, faults),
    }
}

fn spin(value: Value<'_>, faults: &mut Faults) -> Option<Spin> {
    let number = value.number("a number of microseconds", faults)?;
    value.accept(Spin::try_from(number), faults)
}
