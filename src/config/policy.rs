//! What a realm's operator decides about single procedures, topics and callers.

use std::num::NonZeroU32;

use crate::wamp::message::{InvokePolicy, MatchPolicy};
use crate::wamp::uri;

/// What holds for one registration, `[[realm.procedure]]`: it wins over what its callees ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcedurePolicy {
    /// The procedure, or the pattern, as callees register it.
    pub uri: String,
    /// How they register it.
    pub match_policy: MatchPolicy,
    /// How calls are spread over its callees; `None`: as the first of them asks.
    pub invoke: Option<InvokePolicy>,
    /// Most invocations that a callee has at a time; `None`: as it asks.
    pub concurrency: Option<u32>,
    /// Most calls that wait for a callee to have a hand free, where concurrency is limited; `None`: the default.
    pub queue: Option<u32>,
    /// Milliseconds until a call fails, whatever its caller asks for; `None`: as the caller asks.
    pub timeout_ms: Option<u64>,
    /// A call whose callee is lost before it answered goes to another one. It may then have been carried out twice.
    pub reroute_lost: bool,
}

/// What holds for topics, `[[realm.topic]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPolicy {
    /// The topic, or a pattern of topics.
    pub uri: String,
    /// How topics match it.
    pub match_policy: MatchPolicy,
    /// How many of its last events are kept, for `wamp.subscription.get_events`; 0: none.
    pub history: usize,
    /// Which events are retained for later subscribers.
    pub retain: Retain,
}

/// Which events of a topic are retained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retain {
    /// Those whose publisher asks for it.
    #[default]
    Asked,
    /// All.
    Always,
    /// None.
    Never,
}

/// How far calls and events are trusted, `[[realm.trustlevel]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustRule {
    /// The procedure or topic, or a pattern.
    pub uri: String,
    /// How procedures and topics match it.
    pub match_policy: MatchPolicy,
    /// Of this authid only.
    pub authid: Option<String>,
    /// Of this role only.
    pub authrole: Option<String>,
    /// The level that receivers are told.
    pub level: u64,
}

/// How often something may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// In a second.
    pub per_s: NonZeroU32,
    /// At once.
    pub burst: NonZeroU32,
}

impl Rate {
    /// So many in a second, so many at once; `None` if one of them is zero.
    pub fn new(per_s: u32, burst: u32) -> Option<Rate> {
        Some(Rate { per_s: NonZeroU32::new(per_s)?, burst: NonZeroU32::new(burst)? })
    }
}

/// How often sessions of a role may publish and call, `[[realm.rate]]`. What is `None` is as [`crate::limits::Limits`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateRule {
    /// The role; `None`: all.
    pub authrole: Option<String>,
    /// Publications.
    pub publish: Option<Rate>,
    /// Calls.
    pub call: Option<Rate>,
}

impl Retain {
    /// All, with their names in the configuration.
    pub const NAMES: [(&str, Retain); 3] =
        [("asked", Retain::Asked), ("always", Retain::Always), ("never", Retain::Never)];
}

impl TopicPolicy {
    /// Whether it is about this topic.
    pub fn matches(&self, topic: &str) -> bool {
        uri::matches(&self.uri, self.match_policy, topic)
    }
}

impl TrustRule {
    /// Whether it is about what this principal does with this procedure or topic.
    pub fn matches(&self, uri: &str, authid: &str, authrole: &str) -> bool {
        self.authid.as_deref().is_none_or(|it| it == authid)
            && self.authrole.as_deref().is_none_or(|it| it == authrole)
            && uri::matches(&self.uri, self.match_policy, uri)
    }
}
