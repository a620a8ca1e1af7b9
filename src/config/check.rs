//! Whether the values of a configuration make sense, each alone and together.

use super::access;
use super::file::Key;
use super::limits::{LIMITS, ORDERED, limit};
use super::listen::UNIX_PATH_BYTES_MAX;
use super::{ClientCertificates, Listen, ListenError, RealmConfig, ServeConfig};
use crate::wamp::message::MatchPolicy;
use crate::wamp::uri::{self, UriRule};

/// Something that does not make sense.
pub(super) struct Fault {
    /// What it is about; the most telling first.
    pub(super) keys: Vec<Key>,
    /// What is wrong and what to do.
    pub(super) text: String,
}

/// All faults of `config`.
pub(super) fn check(config: &ServeConfig) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |keys: Vec<Key>, text: String| faults.push(Fault { keys, text });
    listen(config, &mut fault);
    control(config, &mut fault);
    tls(config, &mut fault);
    realms(config, &mut fault);
    limits(config, &mut fault);
    faults
}

fn listen(config: &ServeConfig, fault: &mut impl FnMut(Vec<Key>, String)) {
    if config.listen.is_empty() {
        fault(
            vec![],
            "there is no address to listen on; give at least one, as `ws://127.0.0.1:8080`".to_owned(),
        );
    }
    if let Some(metrics) = config.metrics.as_ref()
        && config.listen.iter().any(|listen| same_address(metrics, listen))
    {
        let text = format!("`{metrics}` is for clients already: give `metrics` an address of their own");
        fault(vec![], text);
    }
    for (i, listen) in config.listen.iter().enumerate() {
        if config.listen[..i].iter().any(|other| same_address(other, listen)) {
            let hint = match listen {
                Listen::Tcp { .. } => {
                    "; one TCP port takes WebSocket and RawSocket alike, all with TLS or all without"
                }
                Listen::Unix { .. } => "",
            };
            fault(vec![Key::Listen(i)], format!("`{listen}` is listened on already; leave it out{hint}"));
        }
        let open = config.router.realms.iter().find(|it| it.auth.admits_anonymous() && it.roles.is_empty());
        if let Some(realm) = open
            && !listen.is_local()
            && !config.allow_anonymous_remote
        {
            let text = format!(
                "other machines can reach `{listen}`, and in realm `{}`, which has no authentication, everyone there may do \
                 everything; listen on 127.0.0.1, give the realm users or, if you want that, say so with \
                 `--allow-anonymous-remote` or `allow_anonymous_remote = true` in [router]",
                realm.name
            );
            fault(vec![Key::Listen(i)], text);
        }
    }
}

fn tls(config: &ServeConfig, fault: &mut impl FnMut(Vec<Key>, String)) {
    let tls = &config.tls;
    if tls.certificates.is_empty() {
        for (i, listen) in config.listen.iter().enumerate().filter(|(_, listen)| listen.is_secure()) {
            let text = format!(
                "`{listen}` speaks TLS, for which there is no certificate; name one: [[tls.certificate]] with `chain` \
                 and `key`"
            );
            fault(vec![Key::Listen(i), Key::Tls("certificate")], text);
        }
    }
    let keys = || vec![Key::Tls("client_certificates"), Key::Tls("client_ca")];
    match (tls.client_certificates, &tls.client_ca) {
        (ClientCertificates::Off, Some(_)) => fault(
            keys(),
            "`client_ca` has no effect while clients are not asked for certificates; add `client_certificates = \
             \"required\"` or \"optional\", or leave it out"
                .to_owned(),
        ),
        (ClientCertificates::Optional | ClientCertificates::Required, None) => fault(
            keys(),
            format!(
                "`client_certificates` is \"{}\", but nobody is trusted to sign them; name a file with authorities: \
                 `client_ca = \"FILE.pem\"`",
                tls.client_certificates.name()
            ),
        ),
        _ => {}
    }
}

/// Whether binding the second would fail because of the first.
fn same_address(a: &Listen, b: &Listen) -> bool {
    match (a, b) {
        (Listen::Tcp { host: a, port: p, .. }, Listen::Tcp { host: b, port: q, .. }) => {
            a == b && p == q && *p != 0
        }
        _ => a == b,
    }
}

fn control(config: &ServeConfig, fault: &mut impl FnMut(Vec<Key>, String)) {
    let bytes = config.control.as_ref().map_or(0, |path| path.as_os_str().len());
    if bytes > UNIX_PATH_BYTES_MAX {
        fault(vec![Key::Control], format!("`control`: {}", ListenError::UnixPathLong(bytes)));
    }
}

fn realms(config: &ServeConfig, fault: &mut impl FnMut(Vec<Key>, String)) {
    let realms = &config.router.realms;
    if realms.is_empty() {
        fault(vec![], "there is no realm; name at least one".to_owned());
    }
    for (i, realm) in realms.iter().enumerate() {
        if realms[..i].iter().any(|other| other.name == realm.name) {
            fault(vec![Key::Realm(i)], format!("realm `{}` is there twice; leave one out", realm.name));
        }
        if let Some(what) = uri_fault(realm, config.router.limits.uri_bytes_max) {
            fault(vec![Key::Realm(i)], format!("`{}` is no name for a realm: {what}", realm.name));
        }
        for procedure in &realm.auth.procedures {
            let Some(other) = procedure.realm.as_deref() else { continue };
            if !realms.iter().any(|it| it.name == other && it.template.is_none() || it.makes(other)) {
                let text = format!(
                    "the authenticator `{}` is to be in realm `{other}`, which there is not",
                    procedure.procedure
                );
                fault(vec![Key::Realm(i)], text);
            }
        }
        policies(i, realm, fault);
        access::check(i, realm, fault);
    }
}

fn policies(i: usize, realm: &RealmConfig, fault: &mut impl FnMut(Vec<Key>, String)) {
    let procedures = realm.procedures.iter().map(|it| ("procedure", &it.uri, it.match_policy));
    let topics = realm.topics.iter().map(|it| ("topic", &it.uri, it.match_policy));
    let rules = realm.trustlevels.iter().map(|it| ("trustlevel", &it.uri, it.match_policy));
    for (kind, policies) in [
        ("procedure", procedures.collect()),
        ("topic", topics.collect()),
        ("trustlevel", Vec::from_iter(rules)),
    ] {
        for (n, (_, uri, policy)) in policies.iter().enumerate() {
            let key = || vec![Key::Policy(i, kind, n)];
            let rule = if realm.strict_uris { UriRule::Strict } else { UriRule::Loose };
            if let Some(text) = pattern_fault(uri, *policy, rule) {
                fault(key(), text);
            }
            if kind == "procedure" && policies[..n].iter().any(|(_, u, p)| u == uri && p == policy) {
                fault(key(), format!("procedure `{uri}` is there twice with this `match`; leave one out"));
            }
        }
    }
}

/// What is wrong with a pattern. Other routers write `*` for what is open; here it would stand for itself, and match nothing.
pub(super) fn pattern_fault(uri: &str, policy: MatchPolicy, rule: UriRule) -> Option<String> {
    let starred = uri.ends_with('*') || uri.split('.').any(|component| component == "*");
    if !starred && uri::is_valid_pattern(uri, policy, rule) {
        return None;
    }
    let prefix = uri.strip_suffix('*').unwrap_or(uri);
    let remedy = if starred && prefix.contains('*') {
        let open = uri.replace('*', "");
        format!("; with components left open it is `uri = \"{open}\"` and `match = \"wildcard\"`")
    } else if starred || policy == MatchPolicy::Exact && (uri.is_empty() || uri.ends_with('.')) {
        format!("; for all that begins with it write `uri = \"{prefix}\"` and `match = \"prefix\"`")
    } else if policy == MatchPolicy::Exact && uri.contains("..") {
        "; `match = \"wildcard\"` leaves components open".to_owned()
    } else {
        format!(": {}", in_words(rule))
    };
    Some(format!("`{uri}` is no URI to match by `{}`{remedy}", policy.name()))
}

/// What a URI is.
fn in_words(rule: UriRule) -> &'static str {
    match rule {
        UriRule::Strict => "with `strict_uris` it is components of a-z, 0-9 and `_`, divided by dots",
        UriRule::Loose => "it is components divided by single dots, without blanks and `#`",
    }
}

/// What is wrong with the realm's name, by the URI rule that holds in it.
fn uri_fault(realm: &RealmConfig, bytes_max: usize) -> Option<String> {
    let rule = if realm.strict_uris { UriRule::Strict } else { UriRule::Loose };
    if realm.name.len() > bytes_max {
        Some(format!("it has {} bytes, but `uri_bytes_max` is {bytes_max}", realm.name.len()))
    } else {
        match &realm.template {
            Some(template) => pattern_fault(&realm.name, template.match_policy, rule),
            None => (!uri::is_valid(&realm.name, rule)).then(|| in_words(rule).to_owned()),
        }
    }
}

fn limits(config: &ServeConfig, fault: &mut impl FnMut(Vec<Key>, String)) {
    let limits = &config.router.limits;
    for key in LIMITS {
        if let Err(text) = key.check(key.get(limits)) {
            fault(vec![Key::Limit(key.name)], text);
        }
    }
    for &(low, high, why) in ORDERED {
        let value = |name| limit(name).map(|key| key.get(limits));
        if let (Some(a), Some(b)) = (value(low), value(high))
            && a > b
        {
            let text = format!("`{low}` ({a}) must not exceed `{high}` ({b}): else {why}");
            fault(vec![Key::Limit(low), Key::Limit(high)], text);
        }
    }
}
