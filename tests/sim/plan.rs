//! What kind of run a seed makes: sizes, limits, and how likely each kind of trouble is. Each run has its own mixture, so
//! that some have much of what others have never.

use std::sync::Arc;

use connectanum::config::{RealmConfig, Retain, RouterConfig, TopicPolicy, TrustRule};
use connectanum::limits::Limits;
use connectanum::wamp::message::Features;
use connectanum::wamp::message::MatchPolicy::{self, Exact, Prefix, Wildcard};

use crate::dice::Dice;

/// What names a run: the same case is the same run, byte for byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) seed: u64,
    pub(crate) shards: u16,
    /// Messages that fit into a link.
    pub(crate) capacity: usize,
}

/// How often each step is taken, as weights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weights {
    pub(crate) deliver: usize,
    pub(crate) write: usize,
    pub(crate) mesh: usize,
    pub(crate) flush: usize,
    pub(crate) drain: usize,
    pub(crate) act: usize,
    pub(crate) connect: usize,
    pub(crate) jump: usize,
    pub(crate) reload: usize,
}

/// What clients like to do, as weights.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Acts {
    pub(crate) subscribe: usize,
    pub(crate) unsubscribe: usize,
    pub(crate) publish: usize,
    pub(crate) register: usize,
    pub(crate) unregister: usize,
    pub(crate) call: usize,
    pub(crate) cancel: usize,
    pub(crate) answer: usize,
    pub(crate) late: usize,
    pub(crate) refused: usize,
    pub(crate) testament: usize,
    pub(crate) kill: usize,
    pub(crate) revoke: usize,
    pub(crate) judge: usize,
    pub(crate) ask: usize,
    pub(crate) ping: usize,
    pub(crate) goodbye: usize,
    pub(crate) vanish: usize,
    pub(crate) violate: usize,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) config: Arc<RouterConfig>,
    /// Steps of the chaos.
    pub(crate) steps: u64,
    pub(crate) clients_max: usize,
    pub(crate) weights: Weights,
    pub(crate) acts: Acts,
    /// Stalls of links and of clients that begin in 1000 steps, and the steps of the longest.
    pub(crate) stalls: usize,
    pub(crate) stall_steps_max: usize,
    /// Percentage of new clients that stop reading at some time and never close.
    pub(crate) deaf: usize,
    /// Percentage of calls with a time limit.
    pub(crate) hurried: usize,
    /// Percentage of publications that are to be retained, and of subscribers that ask for such.
    pub(crate) retain: usize,
    /// Percentage of inputs after which the host drains at once.
    pub(crate) prompt: usize,
    /// Outbound queues are so small that clients are closed as too slow.
    pub(crate) closes_slow: bool,
    /// Percentage of callees that take so many invocations at a time.
    pub(crate) limited: usize,
    /// Percentage of callees that register by force.
    pub(crate) forces: usize,
    /// Shifts which procedure is usually shared how.
    pub(crate) custom: usize,
    /// What all clients announce, in every role.
    pub(crate) announced: Features,
    /// Percentage of payloads that are sealed, and of answers by which a callee sends the call to another one.
    pub(crate) sealed: usize,
    pub(crate) unavailable: usize,
    /// Percentage of calls and events with a key, and of subscribers that are nodes.
    pub(crate) keys: usize,
    /// Clients come as users, and have roles.
    pub(crate) has_users: bool,
    /// Percentage of sessions in the second realm.
    pub(crate) elsewhere: usize,
    /// What the router is told to go over to, the last first.
    pub(crate) reloads: Vec<Arc<RouterConfig>>,
    /// How the run ends: with the shutdown of the router, or client by client.
    pub(crate) shuts_down: bool,
}

/// Names of the realms; clients of different ones must never meet.
pub(crate) const REALMS: [&str; 2] = ["realm1", "realm2"];

/// How far whom is trusted with what.
const TRUST: [(MatchPolicy, &str, Option<&str>, u64); 5] = [
    (Prefix, "t.a", Some("nobody"), 9),
    (Exact, "t.a.b", Some("anonymous"), 0),
    (Wildcard, "t..b", None, 2),
    (Prefix, "t.", Some("anonymous"), 3),
    (Exact, "u", Some("nobody"), 4),
];

fn trust_rule((match_policy, uri, authrole, level): (MatchPolicy, &str, Option<&str>, u64)) -> TrustRule {
    TrustRule {
        uri: uri.to_owned(),
        match_policy,
        authid: None,
        authrole: authrole.map(str::to_owned),
        level,
    }
}

/// How many events of which topics are kept.
const HISTORY: [(MatchPolicy, &str, usize); 4] =
    [(Exact, "t.a.b", 3), (Wildcard, "..b", 20), (Prefix, "t.", 1000), (Exact, "u", 1)];

fn topic_policy((match_policy, uri, history): (MatchPolicy, &str, usize)) -> TopicPolicy {
    TopicPolicy { uri: uri.to_owned(), match_policy, history, retain: Retain::Asked }
}

impl Plan {
    /// A quiet run that only reorders.
    pub(crate) fn calm(limits: Limits) -> Plan {
        Plan {
            config: Arc::new(RouterConfig {
                realms: REALMS.map(RealmConfig::new).to_vec(),
                limits,
                agent: "sim".to_owned(),
                ..RouterConfig::default()
            }),
            steps: 0,
            clients_max: usize::MAX,
            weights: Weights {
                deliver: 5,
                write: 5,
                mesh: 5,
                flush: 5,
                drain: 5,
                act: 5,
                connect: 0,
                jump: 0,
                reload: 0,
            },
            acts: Acts::default(),
            stalls: 0,
            stall_steps_max: 1,
            deaf: 0,
            hurried: 0,
            retain: 0,
            prompt: 50,
            closes_slow: false,
            limited: 0,
            forces: 0,
            custom: 0,
            announced: Features::default(),
            sealed: 0,
            unavailable: 0,
            keys: 0,
            has_users: false,
            elsewhere: 15,
            reloads: Vec::new(),
            shuts_down: false,
        }
    }

    /// Trouble of all kinds.
    pub(crate) fn chaos(dice: &mut Dice) -> Plan {
        let closes_slow = dice.percent(10);
        let mut limits = Limits {
            mesh_outbox_bytes_high: *dice.pick(&[1024, 16 * 1024, 4 << 20]),
            outbound_bytes_high: *dice.pick(&[1024, 8 * 1024, 1 << 20]),
            pending_calls_max: *dice.pick(&[3, 65_536, 65_536, 65_536]),
            held_invocations_max: *dice.pick(&[1, 1024, 1024, 1024]),
            ..Limits::default()
        };
        if closes_slow {
            limits.outbound_bytes_high = 1024;
            limits.outbound_bytes_max = 10 * 1024;
        }
        let realms =
            REALMS.map(|name| RealmConfig { strict_request_ids: dice.percent(50), ..RealmConfig::new(name) });
        let often = [1, 3, 10];
        let seldom = [0, 0, 1, 3];
        Plan {
            config: Arc::new(RouterConfig {
                realms: realms.to_vec(),
                limits,
                agent: "sim".to_owned(),
                ..RouterConfig::default()
            }),
            steps: dice.between(800, 3200) as u64,
            clients_max: dice.between(3, 14),
            weights: Weights {
                deliver: dice.between(2, 12),
                write: dice.between(2, 12),
                mesh: dice.between(1, 12),
                flush: dice.between(2, 12),
                drain: dice.between(2, 12),
                act: dice.between(4, 24),
                connect: dice.between(1, 4),
                jump: dice.below(2),
                reload: 0,
            },
            acts: Acts {
                subscribe: *dice.pick(&often),
                unsubscribe: *dice.pick(&often),
                publish: *dice.pick(&often) * 3,
                register: *dice.pick(&often),
                unregister: *dice.pick(&often),
                call: *dice.pick(&often) * 3,
                cancel: *dice.pick(&seldom),
                answer: *dice.pick(&often) * 3,
                late: *dice.pick(&seldom),
                refused: *dice.pick(&seldom),
                testament: *dice.pick(&seldom),
                kill: *dice.pick(&[0, 0, 1]),
                revoke: 0,
                judge: 0,
                ask: *dice.pick(&seldom),
                ping: *dice.pick(&seldom),
                goodbye: *dice.pick(&seldom),
                vanish: *dice.pick(&seldom),
                violate: *dice.pick(&seldom),
            },
            stalls: *dice.pick(&[0, 5, 30]),
            stall_steps_max: *dice.pick(&[30, 300, 1000]),
            hurried: *dice.pick(&[0, 10, 50]),
            deaf: *dice.pick(&[0, 0, 10]),
            retain: *dice.pick(&[0, 10, 60]),
            prompt: if closes_slow { 100 } else { *dice.pick(&[0, 50, 90]) },
            closes_slow,
            limited: *dice.pick(&[0, 0, 30, 100]),
            forces: *dice.pick(&[0, 0, 20]),
            custom: dice.below(100),
            announced: Features::default(),
            sealed: 0,
            unavailable: 0,
            keys: 0,
            has_users: false,
            elsewhere: 15,
            reloads: Vec::new(),
            shuts_down: dice.percent(30),
        }
    }

    /// The same, with what few clients and operators ask for.
    pub(crate) fn extras(dice: &mut Dice) -> Plan {
        let mut plan = Plan::chaos(dice);
        let config = Arc::get_mut(&mut plan.config).expect("nobody else has it yet");
        // In the second realm other rules come first.
        for (realm, begin) in config.realms.iter_mut().zip([0, 2]) {
            realm.trustlevels = TRUST.map(trust_rule)[begin..].to_vec();
            realm.topics = HISTORY.map(topic_policy)[begin..].to_vec();
        }
        plan.acts.ask = plan.acts.ask.max(2);
        plan.announced = Features::PAYLOAD_PASSTHRU_MODE;
        plan.sealed = *dice.pick(&[10, 50]);
        plan.unavailable = *dice.pick(&[0, 20, 60]);
        plan.keys = *dice.pick(&[0, 30]);
        plan
    }
}
