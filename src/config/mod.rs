//! The configuration as validated types: whatever reaches a thread has passed here.
//!
//! [`RouterConfig`] is what the shards need, [`ServeConfig`] what a whole router needs. The latter is built once,
//! before any thread starts, from defaults, then a file, then the command line ([`ServeConfig::load`]). Nothing
//! here resolves a name or opens a file; what a file needs of others, [`Sources`] bring.

mod access;
mod auth;
mod authenticator;
mod check;
mod choice;
mod error;
mod file;
pub mod limits;
mod listen;
mod policy;
mod realm;
mod serve;
mod table;
#[cfg(test)]
mod tests;
mod tls;

pub use auth::{AuthSeed, NoSources, RealmAuth, Sources};
pub use choice::{ChoiceError, Io, LogFilter, Shards, Spin};
pub use error::{ConfigError, ConfigErrors};
pub use file::FILE_BYTES_MAX;
pub use listen::{Listen, ListenError, Scheme};
pub use policy::{ProcedurePolicy, Rate, RateRule, Retain, TopicPolicy, TrustRule};
pub use serve::{Overrides, ServeConfig};
pub use tls::{CertificateFiles, ClientCertificates, TlsConfig, TlsVersion};

use std::sync::Arc;

use crate::access::{Access, Role};
use crate::auth::Gate;
use crate::http::{CookieName, Origins};
use crate::limits::Limits;
use crate::wamp::message::MatchPolicy;
use crate::wamp::uri;

/// What the shards need to know; the same for all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterConfig {
    /// Realms, in the order that gives them their index.
    pub realms: Vec<RealmConfig>,
    /// All limits.
    pub limits: Limits,
    /// Whose web pages may connect, besides the router's own and those of this machine.
    pub origins: Origins,
    /// The cookie by which clients are known again, where a realm offers that.
    pub cookie_name: CookieName,
    /// How many seconds it is remembered whose it is.
    pub cookie_max_age_s: u64,
    /// The `agent` of WELCOME.
    pub agent: String,
    /// The secret by which strangers are made to look like users; empty: it is made from the users' secrets.
    pub auth_seed: AuthSeed,
}

/// One realm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealmConfig {
    /// The realm's URI.
    pub name: String,
    /// Enforce the strict URI rule (`[0-9a-z_]+` components) instead of the loose one.
    pub strict_uris: bool,
    /// Enforce that a session's request ids are 1, 2, 3, … (decision D2; threaded clients break it).
    pub strict_request_ids: bool,
    /// A REGISTER with policy `single` replaces a callee of the same authid, whose connection may be dead already.
    pub takeover: bool,
    /// Allow `disclose_me`, by which callers and publishers make themselves known (decision D16).
    pub disclose_me: bool,
    /// Allow `force_reregister`, by which a REGISTER takes a procedure over from whoever has it.
    pub force_reregister: bool,
    /// What holds for single procedures.
    pub procedures: Vec<ProcedurePolicy>,
    /// What holds for topics; of several entries that match a topic the first counts.
    pub topics: Vec<TopicPolicy>,
    /// How often sessions may publish and call; of several rules that match a role the first counts.
    pub rates: Vec<RateRule>,
    /// How far calls and events are trusted; of several rules that match the first counts.
    pub trustlevels: Vec<TrustRule>,
    /// Who may come in.
    pub auth: RealmAuth,
    /// What they may do; without any, everything.
    pub roles: Vec<Role>,
    /// It is no realm, but what realms are made after that clients ask for: `name` is the pattern of their names.
    pub template: Option<Template>,
}

/// How realms are made on demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Template {
    /// How names match the pattern.
    pub match_policy: MatchPolicy,
    /// Most realms that are made.
    pub max: usize,
}

impl RealmConfig {
    /// A realm with the default rules.
    pub fn new(name: impl Into<String>) -> Self {
        RealmConfig {
            name: name.into(),
            strict_uris: false,
            strict_request_ids: false,
            takeover: false,
            disclose_me: true,
            force_reregister: true,
            procedures: Vec::new(),
            topics: Vec::new(),
            rates: Vec::new(),
            trustlevels: Vec::new(),
            auth: RealmAuth::default(),
            roles: Vec::new(),
            template: None,
        }
    }

    /// Whether a realm of this name is made after it when a client asks for it.
    pub fn makes(&self, name: &str) -> bool {
        let is_match = |it: &Template| it.max > 0 && uri::matches(&self.name, it.match_policy, name);
        self.template.as_ref().is_some_and(is_match)
    }

    /// What the operator decides about the registration of this URI or pattern.
    pub fn procedure_policy(&self, uri: &str, match_policy: MatchPolicy) -> Option<&ProcedurePolicy> {
        self.procedures.iter().find(|policy| policy.uri == uri && policy.match_policy == match_policy)
    }

    /// What the operator decides about this topic.
    pub fn topic_policy(&self, topic: &str) -> Option<&TopicPolicy> {
        self.topics.iter().find(|policy| policy.matches(topic))
    }

    /// How far a call to, or an event of, this URI is trusted; `None`: nobody has said.
    pub fn trustlevel(&self, uri: &str, authid: &str, authrole: &str) -> Option<u64> {
        self.trustlevels.iter().find(|rule| rule.matches(uri, authid, authrole)).map(|rule| rule.level)
    }
}

impl RouterConfig {
    /// What each realm asks of those who want in.
    pub fn gates(&self) -> Arc<[Gate]> {
        self.realms.iter().map(|realm| realm.auth.gate(self.auth_seed.0.as_bytes())).collect()
    }

    /// Who decides in each realm what sessions may do.
    pub fn access(&self) -> Arc<[Access]> {
        self.realms.iter().map(|realm| Access::of(&realm.roles)).collect()
    }
}

impl RouterConfig {
    /// How often a session of this realm and role may publish, and how often call.
    pub fn rates(&self, realm: usize, authrole: &str) -> (Option<Rate>, Option<Rate>) {
        let all = |per_s: usize| Rate::new(per_s as u32, per_s as u32);
        let rules = self.realms.get(realm).map_or(&[][..], |realm| &realm.rates);
        let is_for = |rule: &&RateRule| rule.authrole.as_deref().is_none_or(|role| role == authrole);
        let rule = rules.iter().find(is_for);
        (
            rule.and_then(|rule| rule.publish).or_else(|| all(self.limits.publish_rate_max)),
            rule.and_then(|rule| rule.call).or_else(|| all(self.limits.call_rate_max)),
        )
    }
}

impl Default for RouterConfig {
    fn default() -> Self {
        RouterConfig {
            realms: vec![RealmConfig::new("realm1")],
            limits: Limits::default(),
            origins: Origins::default(),
            cookie_name: CookieName::default(),
            cookie_max_age_s: 7 * 86_400,
            agent: concat!("connectanum-", env!("CARGO_PKG_VERSION")).to_owned(),
            auth_seed: AuthSeed::default(),
        }
    }
}

/// The candidate that `word` was most likely meant to be, if one is near enough.
fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |candidate: &str| strsim::damerau_levenshtein(&word.to_ascii_lowercase(), candidate);
    let best = candidates.into_iter().min_by_key(|candidate| distance(candidate))?;
    (distance(best) <= 1 + best.len() / 4).then_some(best)
}
