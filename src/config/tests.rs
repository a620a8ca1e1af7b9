//! The configuration as a whole: what a file says, what it must not say, and who wins.

mod access;
mod auth;

use super::*;
use crate::config::file::SECTIONS;
use crate::config::limits::LIMITS;
use crate::limits::SHARDS_MAX;
use crate::wamp::message::InvokePolicy;

const EXAMPLE: &str = include_str!("../../docs/connectanum.example.toml");
const MANUAL: &str = include_str!("../../docs/CONFIG.md");

fn load(text: &str) -> Result<ServeConfig, ConfigErrors> {
    ServeConfig::load(Some(("c.toml", text)), Overrides::default())
}

/// The file gives exactly these errors, each `LINE: beginning of the text`.
#[track_caller]
fn refused(text: &str, expected: &[&str]) {
    let errors = load(text).expect_err("is accepted").to_string();
    let matches = errors.lines().zip(expected).all(|(e, x)| e.starts_with(&format!("c.toml:{x}")));
    assert!(matches && errors.lines().count() == expected.len(), "expected {expected:#?}, found\n{errors}");
}

#[test]
fn an_empty_file_says_nothing() {
    assert_eq!(load(""), Ok(ServeConfig::default()));
    assert_eq!(load("[router]\n[limits]\n"), Ok(ServeConfig::default()));
    assert_eq!(ServeConfig::load(None, Overrides::default()), Ok(ServeConfig::default()));
    assert_eq!(ServeConfig::default().check(), Ok(()));
}

/// A machine with so many MiB of memory.
struct Memory(u64);

impl Sources for Memory {
    fn file(&self, path: &str) -> Result<String, String> {
        NoSources.file(path)
    }

    fn variable(&self, name: &str) -> Result<String, String> {
        NoSources.variable(name)
    }

    fn memory_bytes(&self) -> Option<u64> {
        Some(self.0 << 20)
    }
}

#[test]
fn limits_by_memory() {
    let load = |mib, text: Option<&str>| {
        let file = text.map(|text| ("c.toml", text));
        ServeConfig::load_with(file, &Memory(mib), Overrides::default()).map(|config| config.router.limits)
    };
    let small = Limits::for_memory(463 << 20);
    assert_ne!(small, Limits::default());
    assert_eq!(load(463, None), Ok(small.clone()));
    assert_eq!(load(463, Some("[router]\nshards = 1")), Ok(small.clone()));
    assert_eq!(load(4096, Some("")), Ok(Limits::default()));
    // What the file says counts.
    assert_eq!(
        load(463, Some("[limits]\nconnections_max = 70_000")),
        Ok(Limits { connections_max: 70_000, ..small.clone() })
    );
    // What is good on a large machine is good on a small one.
    assert_eq!(
        load(463, Some("[limits]\nmessage_bytes_max = 16_777_216\noutbound_bytes_high = 12_000_000")),
        Ok(Limits {
            message_bytes_max: 16_777_216,
            outbound_bytes_high: 12_000_000,
            outbound_bytes_max: 16_777_216,
            ..small
        })
    );
    assert!(load(463, Some("[limits]\nmessage_bytes_max = 100_000_000")).is_err());
    assert!(load(463, Some("[limits]\noutbound_bytes_max = 1_000_000")).is_err());
}

#[test]
fn every_key_is_read() {
    let config = load(
        r#"
            [router]
            listen = ["ws://0.0.0.0:80", "unix:/run/c.sock"]
            allow_anonymous_remote = true
            shards = 3
            io = "epoll"
            spin_us = 50
            log = "warn,connectanum=trace"

            [limits]
            uri_bytes_max = 0x1_00

            [tls]
            min_version = "1.3"
            client_certificates = "optional"
            client_ca = "/etc/ca.pem"
            resumption = false

            [[tls.certificate]]
            chain = "a.pem"
            key = "../a.key"

            [[tls.certificate]]
            chain = "/b.pem"
            key = "/b.key"

            [[realm]]
            name = "com.example.a"
            strict_uris = true

            [[realm]]
            name = "Größe"
            strict_request_ids = true
            takeover = true
            disclose_me = false
            force_reregister = false

            [[realm.procedure]]
            uri = "com..resize"
            match = "wildcard"
            invoke = "last"
            concurrency = 4
            queue = 0
            timeout_ms = 5000
            reroute_lost = true

            [[realm.topic]]
            uri = ""
            match = "prefix"
            history = 100
            retain = "always"

            [[realm.trustlevel]]
            uri = "com.a"
            authid = "joe"
            authrole = "user"
            level = 3
        "#,
    )
    .unwrap();
    assert_eq!(config.listen, ["ws://0.0.0.0:80".parse().unwrap(), "unix:/run/c.sock".parse().unwrap()]);
    assert!(config.allow_anonymous_remote);
    assert_eq!(config.shards.to_string(), "3");
    assert_eq!(config.io, Io::Epoll);
    assert_eq!(config.spin.to_string(), "50");
    assert_eq!(config.log, "warn,connectanum=trace".parse().unwrap());
    assert_eq!(config.router.limits, Limits { uri_bytes_max: 256, ..Limits::default() });
    let tls = TlsConfig {
        certificates: vec![
            CertificateFiles { chain: "a.pem".into(), key: "../a.key".into() },
            CertificateFiles { chain: "/b.pem".into(), key: "/b.key".into() },
        ],
        min_version: TlsVersion::V13,
        client_certificates: ClientCertificates::Optional,
        client_ca: Some("/etc/ca.pem".into()),
        resumption: false,
    };
    assert_eq!(config.tls, tls);
    let strict = RealmConfig { strict_uris: true, ..RealmConfig::new("com.example.a") };
    let sequential = RealmConfig {
        strict_request_ids: true,
        takeover: true,
        disclose_me: false,
        force_reregister: false,
        procedures: vec![ProcedurePolicy {
            uri: "com..resize".to_owned(),
            match_policy: MatchPolicy::Wildcard,
            invoke: Some(InvokePolicy::Last),
            concurrency: Some(4),
            queue: Some(0),
            timeout_ms: Some(5000),
            reroute_lost: true,
        }],
        topics: vec![TopicPolicy {
            uri: String::new(),
            match_policy: MatchPolicy::Prefix,
            history: 100,
            retain: Retain::Always,
        }],
        trustlevels: vec![TrustRule {
            uri: "com.a".to_owned(),
            match_policy: MatchPolicy::Exact,
            authid: Some("joe".to_owned()),
            authrole: Some("user".to_owned()),
            level: 3,
        }],
        ..RealmConfig::new("Größe")
    };
    assert_eq!(sequential.trustlevel("com.a", "joe", "user"), Some(3));
    assert_eq!(sequential.trustlevel("com.a", "ann", "user"), None);
    assert!(sequential.topic_policy("any.topic").is_some());
    assert_eq!(config.router.realms, [strict, sequential]);
}

#[test]
fn every_limit_is_read_by_its_name() {
    for key in LIMITS {
        // The lowest value, with the limits around it low enough.
        let value = key.range.start();
        let mut text = format!("[limits]\n{} = {value}\n", key.name);
        if key.name == "outbound_bytes_max" {
            text += "outbound_bytes_high = 1024\nmessage_bytes_max = 1024\n";
        }
        let config = load(&text).unwrap_or_else(|errors| panic!("{text}{errors}"));
        assert_eq!(key.get(&config.router.limits), *value, "{}", key.name);
    }
}

#[test]
fn unknown_keys_name_the_nearest() {
    refused("[router]\n\nlisen = []", &["3: unknown key `lisen` in [router]; did you mean `listen`?"]);
    refused("[limit]\n", &["1: unknown key `limit`; did you mean `limits`?"]);
    refused("[realms]\n", &["1: unknown key `realms`; did you mean `realm`?"]);
    refused("io = 'epoll'", &["1: unknown key `io`; it belongs in [router]"]);
    refused(
        "[router]\nuri_bytes_max=9",
        &["2: unknown key `uri_bytes_max` in [router]; it belongs in [limits]"],
    );
    refused("[router]\nlimits = {}", &["2: unknown key `limits` in [router]; `[limits]` stands by itself"]);
    refused(
        "[[realm]]\nname = 'a'\ncolour = 'red'",
        &["3: unknown key `colour` in [[realm]]; known are name, strict_uris, strict_request_ids"],
    );
    refused(
        "[limits]\nmesage_byte_max = 1",
        &["2: unknown key `mesage_byte_max` in [limits]; did you mean `message_bytes_max`?"],
    );
}

#[test]
fn wrong_types_are_named() {
    refused("router = 1", &["1: `router` must be a table, begun by `[router]`, not a number"]);
    refused("limits = []", &["1: `limits` must be a table, begun by `[limits]`, not a list"]);
    refused(
        "[realm]\nname = 'a'",
        &["1: `realm` must be a list of tables, each begun by `[[realm]]`, not a table"],
    );
    refused(
        "[router]\nlisten = 'ws://127.0.0.1:80'\nallow_anonymous_remote = 'yes'\nshards = 1.5\nio = true\nlog = 1979-05-27",
        &[
            "2: `listen` must be a list of strings, as `[\"ws://127.0.0.1:8080\"]`, not a string",
            "3: `allow_anonymous_remote` must be true or false, not a string",
            "4: `shards` must be \"auto\" or a number of shards, not a number with a fraction",
            "5: `io` must be a string, not true or false",
            "6: `log` must be a string, not a date",
        ],
    );
    refused(
        "[limits]\nuri_bytes_max = '1 KiB'",
        &["2: `uri_bytes_max` must be a whole number from 16 to 4096, not"],
    );
    refused(
        "[[realm]]\nname = 7\nstrict_uris = 0",
        &["2: `name` must be a string", "3: `strict_uris` must be true"],
    );
}

#[test]
fn values_out_of_range() {
    refused("[router]\nshards = 0", &["2: `shards`: `0` is no number of shards; write `auto`"]);
    refused("[router]\nshards = -1", &["2: `shards` must be \"auto\" or a number of shards, not -1"]);
    refused("[router]\nshards = 'all'", &["2: `shards`: `all` is no number of shards"]);
    refused("[router]\nio = 'uring'", &["2: `io`: `uring` is no shell; write `auto`, `glommio` or `epoll`"]);
    refused("[router]\nlog = 'loud'", &["2: `log`: `loud` is no log level"]);
    refused(
        "[limits]\nconnections_max = 0\nclosing_ms_max = -5\nuri_bytes_max = 99999999999999999999",
        &[
            "2: `connections_max` must be a whole number from 1 to 10000000, not 0",
            "3: `closing_ms_max` must be a whole number from 1 to 3600000, not -5",
            "4: `uri_bytes_max` must be a whole number from 16 to 4096, not 99999999999999999999",
        ],
    );
}

#[test]
fn limits_that_contradict_each_other() {
    refused(
        "[limits]\noutbound_bytes_high = 2000\noutbound_bytes_max = 1500\nmessage_bytes_max = 1024",
        &[
            "2: `outbound_bytes_high` (2000) must not exceed `outbound_bytes_max` (1500): else a connection would",
        ],
    );
    // The line of the one that the file sets.
    refused(
        "[limits]\noutbound_bytes_max = 8_000_000",
        &[
            "2: `message_bytes_max` (16777216) must not exceed `outbound_bytes_max` (8000000): else the largest",
        ],
    );
    // No conclusions from a value that could not be read.
    refused(
        "[limits]\noutbound_bytes_max = ''\noutbound_bytes_high = 80_000_000",
        &["2: `outbound_bytes_max` must"],
    );
}

#[test]
fn addresses() {
    refused("[router]\nlisten = []", &["2: `listen` is empty; give at least one address"]);
    refused(
        "[router]\nlisten = [\n 'ws://127.0.0.1:80',\n 'https://127.0.0.1:443',\n 'tcp://127.0.0.1:80',\n 7]",
        &[
            "4: `listen`: `https:` is no scheme to listen with",
            "5: `tcp://127.0.0.1:80` is listened on already; leave it out; one TCP port takes WebSocket and",
            "6: `listen` must be a list of strings",
        ],
    );
    refused(
        "[router]\nlisten = ['unix:/a', 'unix:///a']",
        &["2: `unix:/a` is listened on already; leave it out"],
    );
    refused("[router]\nlisten = ['bad']", &["2: `listen`: `bad` has no scheme; write `ws://HOST:PORT`"]);
    assert!(load("[router]\nlisten = ['ws://127.0.0.1:0', 'ws://127.0.0.1:0', 'ws://127.0.0.1:1']").is_ok());
}

#[test]
fn anonymous_access_from_elsewhere_must_be_asked_for() {
    let text = "[router]\nlisten = [\"ws://127.0.0.1:80\",\n\"ws://0.0.0.0:81\"]\n";
    let error = "3: other machines can reach `ws://0.0.0.0:81`, and in realm `realm1`, which has no authentication, everyone \
                 there may do everything; listen on 127.0.0.1, give the realm users or, if you want that, say so with \
                 `--allow-anonymous-remote` or `allow_anonymous_remote = true` in [router]";
    refused(text, &[error]);
    assert!(load(&format!("{text}allow_anonymous_remote = true")).is_ok());
    let allowed = Overrides { allow_anonymous_remote: true, ..Overrides::default() };
    assert!(ServeConfig::load(Some(("", text)), allowed).is_ok());
    // The address of the file does not count once the command line gives another.
    let elsewhere = Overrides { listen: vec![Listen::default()], ..Overrides::default() };
    assert_eq!(ServeConfig::load(Some(("", text)), elsewhere), Ok(ServeConfig::default()));
}

#[test]
fn realms() {
    refused("realm = []", &["1: there is no realm; name at least one"]);
    refused(
        "[[realm]]\nname = 'a'\n\n[[realm]]\nstrict_uris = true",
        &["4: the realm has no name; write `name"],
    );
    refused("[[realm]]\nname = 'a'\n[[realm]]\nname = 'a'", &["4: realm `a` is there twice; leave one out"]);
    for name in ["", "a..b", "a b", "a#b"] {
        let error =
            format!("2: `{name}` is no name for a realm: it is components divided by single dots, without");
        refused(&format!("[[realm]]\nname = '{name}'"), &[error.as_str()]);
    }
    refused(
        "[[realm]]\nname = 'Realm1'\nstrict_uris = true",
        &["2: `Realm1` is no name for a realm: with `strict_uris` it is components of a-z, 0-9 and `_`"],
    );
    refused(
        "[limits]\nuri_bytes_max = 16\n[[realm]]\nname = 'com.example.realm'",
        &["4: `com.example.realm` is no name for a realm: it has 17 bytes, but `uri_bytes_max` is 16"],
    );
}

#[test]
fn realms_on_demand() {
    let text = "[[realm]]\nname = 'com..app'\nmatch = 'wildcard'\non_demand = 5\n";
    let realms = load(text).expect("sound").router.realms;
    assert_eq!(realms[0].template, Some(Template { match_policy: MatchPolicy::Wildcard, max: 5 }));
    for (name, is_made) in
        [("com.a.app", true), ("com.a.b.app", false), ("com..app", true), ("com.app", false)]
    {
        assert_eq!(realms[0].makes(name), is_made, "{name}");
    }
    let other = |lines: &str| format!("[[realm]]\nname = 'a.'\n{lines}");
    refused(
        &other("match = 'prefix'"),
        &["2: `a.` is no name for a realm", "3: `match` is for realms on demand; add"],
    );
    refused(
        "[[realm]]\nname = 'com.*'\nmatch = 'prefix'\non_demand = 5",
        &[
            "2: `com.*` is no name for a realm: `com.*` is no URI to match by `prefix`; for all that begins with it write `uri",
        ],
    );
    refused(&other("on_demand = 5"), &["2: `a.` is no name for a realm", "3: `on_demand` needs `match ="]);
    refused(
        &other("match = 'exact'\non_demand = 0"),
        &[
            "2: `a.` is no name",
            "3: `match`: `exact` is none of prefix, wildcard",
            "4: `on_demand` must be a whole number",
        ],
    );
    // It is asked what a realm is asked.
    let open = format!("[router]\nlisten = ['ws://0.0.0.0:80']\n{text}");
    assert!(load(&open).expect_err("everybody may come").to_string().contains("in realm `com..app`"));
}

#[test]
fn policies_of_a_realm() {
    let realm = "[[realm]]\nname = 'a'\n";
    refused(
        &format!("{realm}[[realm.procedure]]\nuri = 'a'\ninvoke = 'rondrobin'\nconcurrency = 0\nlevel = 1"),
        &[
            "5: `invoke`: `rondrobin` is none of single, first, last, random, roundrobin, load",
            "6: `concurrency` must be a whole number from 1 to",
            "7: unknown key `level` in [[realm.procedure]]; it belongs in [[realm.trustlevel]]",
        ],
    );
    refused(
        &format!("{realm}[[realm.topic]]\nmatch = 'any'\nretain = true"),
        &[
            "3: there is no URI; write `uri =",
            "4: `match`: `any` is none of exact, prefix, wildcard",
            "5: `retain` must be one of asked, always, never, not true or false",
        ],
    );
    refused(
        &format!("{realm}[[realm.trustlevel]]\nuri = 'a..b'"),
        &["3: the rule has no level; write `level = 1`", "3: `a..b` is no URI to match by `exact`"],
    );
    refused(
        &format!("{realm}[[realm.procedure]]\nuri='a'\n[[realm.procedure]]\nuri='a'\n"),
        &["5: procedure `a` is there twice with this `match`; leave one out"],
    );
    refused(&format!("{realm}procedure = 7"), &["3: `procedure` must be a list of tables"]);
}

#[test]
fn tls() {
    refused(
        "[router]\nlisten = ['wss://127.0.0.1:1', 'tcps://[::1]:1']",
        &[
            "2: `wss://127.0.0.1:1` speaks TLS, for which there is no certificate; name one: [[tls.certificate]]",
            "2: `tcps://[::1]:1` speaks TLS",
        ],
    );
    refused(
        "[router]\nlisten = ['wss://127.0.0.1:1', 'ws://127.0.0.1:1']\n[[tls.certificate]]\nchain = ''\nkye = 'b'",
        &[
            "2: `ws://127.0.0.1:1` is listened on already; leave it out; one TCP port takes WebSocket and RawSocket \
             alike, all with TLS or all without",
            "3: the certificate has no `key`; write `key = \"FILE.pem\"`",
            "4: `chain` names no file",
            "5: unknown key `kye` in [[tls.certificate]]; did you mean `key`?",
        ],
    );
    refused(
        "[tls]\nmin_version = '1.1'\nclient_certificates = 'yes'\nclient_ca = 7\nresumption = 1\ncertificate = {}",
        &[
            "2: `min_version`: `1.1` is none of 1.2, 1.3",
            "3: `client_certificates`: `yes` is none of off, optional, required",
            "4: `client_ca` must be the name of a file, not a number",
            "5: `resumption` must be true or false",
            "6: `certificate` must be a list of tables, each begun by `[[tls.certificate]]`, not a table",
        ],
    );
    refused(
        "[tls]\nclient_certificates = 'required'",
        &["2: `client_certificates` is \"required\", but nobody is"],
    );
    refused("[tls]\nclient_ca = 'a.pem'", &["2: `client_ca` has no effect while clients are not asked for"]);
}

#[test]
fn file_names_begin_at_the_configuration() {
    let text = "[tls]\nclient_ca = 'ca.pem'\nclient_certificates = 'required'\n\
                [[tls.certificate]]\nchain = '/a.pem'\nkey = 'keys/a.pem'";
    let tls = ServeConfig::load(Some(("/etc/c/c.toml", text)), Overrides::default()).unwrap().tls;
    assert_eq!(tls.client_ca, Some("/etc/c/ca.pem".into()));
    let files = CertificateFiles { chain: "/a.pem".into(), key: "/etc/c/keys/a.pem".into() };
    assert_eq!(tls.certificates, [files]);
}

#[test]
fn what_is_not_toml() {
    refused("[router]\nio = \"epoll\"\nshards 3", &["3: this is not TOML: "]);
    refused("[router]\nio = 'epoll'\nio = 'auto'", &["3: this is not TOML: duplicate key"]);
    // What comes after it is not judged.
    refused("[router\nuri_bytes_max = 0", &["1: this is not TOML: "]);
    refused("{\n  \"version\": 2\n}", &["1: this is JSON, but the configuration is TOML; docs/MIGRATION.md"]);
    let long = format!("[router]\nio = 'auto'\ncontrol = '/{}'", "x".repeat(107));
    refused(
        &long,
        &["3: `control`: the path has 108 bytes, but a Unix socket's path has at most 107; choose a shorter"],
    );
}

#[test]
fn the_command_line_wins() {
    let text = "[router]\nshards = 3\nio = 'epoll'\nlog = 'off'\n[[realm]]\nname = 'a'\nstrict_uris = true\n";
    let overrides = Overrides {
        listen: vec!["tcp://127.0.0.1:1".parse().unwrap()],
        realms: vec!["b".to_owned(), "a".to_owned()],
        shards: Some(Shards::Auto),
        io: Some(Io::Glommio),
        spin: Some("7".parse().unwrap()),
        log: Some("debug".parse().unwrap()),
        allow_anonymous_remote: false,
    };
    let config = ServeConfig::load(Some(("", text)), overrides.clone()).unwrap();
    assert_eq!(config.listen, overrides.listen);
    assert_eq!(config.spin, "7".parse().unwrap());
    assert_eq!((config.shards, config.io, config.log), (Shards::Auto, Io::Glommio, "debug".parse().unwrap()));
    let strict = RealmConfig { strict_uris: true, ..RealmConfig::new("a") };
    assert_eq!(config.router.realms, [RealmConfig::new("b"), strict]);
}

#[test]
fn faults_of_the_command_line_have_no_line() {
    let bad = Overrides {
        listen: vec!["ws://[::]:80".parse().unwrap()],
        realms: vec!["a".to_owned(), "a".to_owned()],
        ..Overrides::default()
    };
    let errors = ServeConfig::load(Some(("c.toml", "[[realm]]\nname = 'a'")), bad).unwrap_err();
    let texts: Vec<_> =
        errors.0.iter().map(|e| (e.place.clone(), e.text.split(',').next().unwrap())).collect();
    assert_eq!(
        texts,
        [
            (None, "other machines can reach `ws://[::]:80`"),
            (None, "realm `a` is there twice; leave one out")
        ]
    );
}

#[test]
fn a_configuration_made_in_code_is_checked_too() {
    let mut config = ServeConfig { listen: vec![], ..ServeConfig::default() };
    config.router.realms.clear();
    config.router.limits.connections_max = 0;
    let errors = config.check().unwrap_err().to_string();
    let mut lines = errors.lines();
    assert!(lines.next().unwrap().starts_with("there is no address to listen on"), "{errors}");
    assert!(lines.next().unwrap().starts_with("there is no realm"), "{errors}");
    assert!(lines.next().unwrap().starts_with("`connections_max` must be a whole number"), "{errors}");
    assert_eq!(lines.next(), None);
}

#[test]
fn metrics_have_an_address_of_their_own() {
    let config = load("[router]\nmetrics = 'http://127.0.0.1:9464/metrics'").expect("a sound file");
    assert_eq!(config.metrics, Listen::metrics("http://127.0.0.1:9464").ok());
    refused(
        "[router]\nmetrics = '127.0.0.1:9464'",
        &["2: `metrics`: metrics cannot be had from `127.0.0.1:9464`"],
    );
    refused("[router]\nmetrics = 9464", &["2: `metrics` must be an address"]);
    let both =
        ServeConfig { metrics: Listen::metrics("http://127.0.0.1:8080").ok(), ..ServeConfig::default() };
    let error = both.check().expect_err("it is taken").to_string();
    assert!(error.starts_with("`http://127.0.0.1:8080` is for clients already"), "{error}");
}

#[test]
fn the_example_says_the_defaults() {
    assert_eq!(load(EXAMPLE), Ok(ServeConfig::default()));
    for name in SECTIONS.iter().flat_map(|section| section.keys) {
        assert!(EXAMPLE.contains(name), "the example does not show `{name}`");
    }
}

#[test]
fn the_manual_names_every_key_and_its_default() {
    let row = |name: &str| MANUAL.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
    for name in SECTIONS[1..].iter().flat_map(|section| section.keys) {
        assert!(row(name).is_some(), "docs/CONFIG.md has no row for `{name}`");
    }
    let default = ServeConfig::default();
    let realm = &default.router.realms[0];
    let others = [
        ("listen", format!("[\"{}\"]", default.listen[0])),
        ("cookie_name", "\"connectanum\"".to_owned()),
        ("cookie_max_age_s", default.router.cookie_max_age_s.to_string()),
        ("allow_anonymous_remote", default.allow_anonymous_remote.to_string()),
        ("shards", format!("\"{}\"", default.shards)),
        ("io", format!("\"{}\"", default.io)),
        ("spin_us", default.spin.to_string()),
        ("log", format!("\"{}\"", default.log)),
        ("name", format!("\"{}\"", realm.name)),
        ("strict_uris", realm.strict_uris.to_string()),
        ("strict_request_ids", realm.strict_request_ids.to_string()),
        ("takeover", realm.takeover.to_string()),
        ("disclose_me", realm.disclose_me.to_string()),
        ("force_reregister", realm.force_reregister.to_string()),
        ("min_version", format!("\"{}\"", default.tls.min_version.name())),
        ("client_certificates", format!("\"{}\"", default.tls.client_certificates.name())),
        ("resumption", default.tls.resumption.to_string()),
    ];
    let limits = LIMITS.iter().map(|key| (key.name, key.get(&default.router.limits).to_string()));
    for (name, value) in limits.chain(others) {
        let row = row(name).unwrap_or_default();
        assert!(
            row.contains(&format!("| `{value}` |")),
            "docs/CONFIG.md: default of `{name}` is {value}\n{row}"
        );
    }
    assert!(row("shards").unwrap_or_default().contains(&format!("from 1 to {SHARDS_MAX}")));
    for key in LIMITS {
        let range = format!("| {} to {} |", key.range.start(), key.range.end());
        assert!(row(key.name).unwrap_or_default().contains(&range), "docs/CONFIG.md: {} {range}", key.name);
    }
}

/// What the documents show can be used as it stands.
#[test]
fn examples_are_good() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["", "docs", "examples"].map(|folder| root.join(folder));
    let files =
        folders.iter().flat_map(|folder| folder.read_dir().unwrap()).map(|entry| entry.unwrap().path());
    let mut count = 0;
    for path in files {
        let text = || std::fs::read_to_string(&path).unwrap();
        let blocks: Vec<(usize, String)> = match path.extension().and_then(|it| it.to_str()) {
            Some("toml") if path.parent() != Some(root) => vec![(1, text())],
            Some("md") => {
                let text = text();
                let blocks = text.match_indices("```toml\n").map(|(at, fence)| at + fence.len());
                let block = |at: usize| text[at..].split("\n```").next().unwrap_or_default().to_owned();
                blocks.map(|at| (1 + text[..at].matches('\n').count(), block(at))).collect()
            }
            _ => continue,
        };
        for (line, block) in blocks {
            count += 1;
            let loaded = load(&block);
            assert!(loaded.is_ok(), "{}:{line}: {}", path.display(), loaded.unwrap_err());
        }
    }
    assert!(count > 4, "{count} examples");
}
