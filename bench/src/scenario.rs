//! What is measured: who sends how much to whom.

use std::fmt;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use clap::ValueEnum;
use connectanum::wamp::Serializer;
use connectanum::wamp::message::{InvokePolicy, MatchPolicy};
use rustls::ClientConfig;
use serde::{Deserialize, Serialize};

use crate::placement::{Place, Placement};
use crate::target::{Protocol, Target};
use crate::wamp::{Credentials, Intent, Reader, STAMP_BYTES, Template, text};
use crate::wire::MESSAGE_BYTES_MAX;

const EVENT: u64 = 36;
const RESULT: u64 = 50;
const INVOCATION: u64 = 68;

/// Messages that may be in flight per source of an open loop, unless told otherwise.
pub(crate) const BACKLOG: u32 = 10_000;

/// A kind of load. Lanes are independent of each other: each has one source, which sends, and others around it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scenario {
    /// Who is in a lane.
    pub(crate) kind: Kind,
    /// The number of lanes.
    pub(crate) lanes: u32,
    /// Messages in flight per lane of a closed loop: the next is sent when one has arrived everywhere.
    pub(crate) window: u32,
    /// Length of the text that is the only argument.
    pub(crate) payload_bytes: usize,
    /// An open loop: messages per second, of all lanes together, sent on a schedule whatever has become of those before.
    #[serde(default)]
    pub(crate) rate: Option<u64>,
    /// Sessions that are there and do nothing.
    #[serde(default, skip_serializing_if = "Idle::is_none")]
    pub(crate) idle: Idle,
    /// Sessions that publish as fast as they can, to topics of nobody.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) flood: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Sessions beside the lanes, which send nothing and receive nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Idle {
    /// How many.
    pub(crate) sessions: u32,
    /// Subscriptions of each, to topics that nobody else has.
    pub(crate) subscriptions: u32,
    /// What they match.
    pub(crate) pattern: Pattern,
}

/// How the topics of idle subscriptions match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Pattern {
    /// One topic.
    #[default]
    Exact,
    /// What begins like it.
    Prefix,
    /// What differs in one component.
    Wildcard,
}

/// Who is in a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// One publisher and its subscribers.
    PubSub {
        /// Subscribers of one publisher.
        fanout: u32,
    },
    /// One caller and one callee, which answers with what it got.
    Rpc,
    /// One caller. All of them call one procedure, which several callees serve.
    Shared {
        /// The callees of all lanes together.
        callees: u32,
        /// Which of them is to serve a call.
        invoke: Invoke,
    },
    /// One session that publishes and calls, its subscribers, and a callee.
    Mixed {
        /// Subscribers of one publisher.
        fanout: u32,
        /// How many of a hundred messages are calls.
        calls: u8,
    },
    /// One publisher and its subscribers. One more, of the first lane, stops to read when measuring begins.
    Slow {
        /// Subscribers of one publisher.
        fanout: u32,
    },
    /// Nobody: there are only idle sessions.
    Idle,
    /// One connection after the other, which joins and leaves.
    Connect,
}

/// How a router chooses among the callees of a shared registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub(crate) enum Invoke {
    /// One after the other.
    RoundRobin,
    /// Any.
    Random,
    /// The one that registered first.
    First,
    /// The one that registered last.
    Last,
}

impl Default for Scenario {
    fn default() -> Scenario {
        Scenario {
            kind: Kind::default(),
            lanes: 1,
            window: 1,
            payload_bytes: 64,
            rate: None,
            idle: Idle::default(),
            flood: 0,
        }
    }
}

impl Default for Kind {
    fn default() -> Kind {
        Kind::PubSub { fanout: 1 }
    }
}

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// The server.
    pub(crate) target: Target,
    /// How WAMP messages are written; without WAMP it has no meaning.
    pub(crate) serializer: Serializer,
    /// The realm to join.
    pub(crate) realm: String,
    /// Who to be there.
    pub(crate) credentials: Arc<Credentials>,
    /// What connections over TLS are made with.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// What the names of topics and procedures begin with. No two runs share it: the server may still be busy with
    /// the end of another.
    pub(crate) prefix: String,
    /// The load.
    pub(crate) scenario: Scenario,
    /// How long it runs before anything counts.
    pub(crate) warmup: Duration,
    /// How long it is measured.
    pub(crate) duration: Duration,
    /// Which shards of the router the connections are to be on.
    pub(crate) placement: Option<Placement>,
    /// Messages that may be in flight per lane of an open loop.
    pub(crate) backlog: u32,
    /// Whether to tell every second how it goes.
    pub(crate) progress: bool,
    /// Threads that share the lanes.
    pub(crate) threads: usize,
    /// The CPU of each thread; those without one run where the system likes.
    pub(crate) cpus: Vec<usize>,
}

/// A run that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RunError {
    /// Nothing would happen.
    #[error("pairs, callees, fan-out, sessions, window, rate, backlog and threads must be 1 at least")]
    Zero,
    /// Neither publications nor calls alone.
    #[error("the share of calls is 1 to 99 %, not {0}; for one kind alone there are pubsub and rpc")]
    Share(u8),
    /// More than a stamp can name.
    #[error("{0} pairs are too many, there can be {LANES_MAX}")]
    Lanes(u32),
    /// No room for the stamp.
    #[error("a payload of {0} bytes is too small; every message carries a stamp of {STAMP_BYTES} bytes")]
    Payload(usize),
    /// More than is taken back.
    #[error("a payload of {0} bytes is too large; {PAYLOAD_BYTES_MAX} bytes are the most")]
    Large(usize),
    /// The relay copies from one to one.
    #[error("the relay has no fan-out: what one connection sends one other receives")]
    RelayFanout,
    /// The bare fan-out has nobody who answers.
    #[error("the bare fan-out has no calls: what is received from it is not answered")]
    FanoutRpc,
    /// There is no such thing in the harness.
    #[error("calls are not measured with NATS")]
    NatsRpc,
    /// Others than routers can do less.
    #[error("{0} is for WAMP routers only")]
    WampOnly(Kind),
    /// Nowhere to be.
    #[error("there is no other shard to be on: --place cross needs --shards 2 at least, --place same 1")]
    Shards,
    /// No session, no id.
    #[error("only a WAMP router tells which shard a connection is on")]
    WampPlace,
    /// A thread without anything to do.
    #[error("{0} threads are too many: each needs a lane of its own, and there are {1}")]
    Threads(usize, u32),
}

/// The largest payload: with all that is around it, it is a message that is taken.
const PAYLOAD_BYTES_MAX: usize = MESSAGE_BYTES_MAX / 2;

/// A stamp has 24 bits for the lane.
const LANES_MAX: u32 = 1 << 24;

/// A connection's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    /// Index of the lane.
    pub(crate) lane: u32,
    /// What the connection does there.
    pub(crate) role: Role,
}

/// What a connection does in its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Publishes.
    Publisher,
    /// Receives everything, and is number so-and-so of those that do.
    Subscriber(u32),
    /// Calls, and receives the results.
    Caller,
    /// Answers.
    Callee,
    /// Publishes and calls, and receives the results.
    Source,
    /// Subscribes, and stops to read.
    Stalled,
    /// Joins, and may subscribe to what nobody publishes.
    Idle,
    /// Publishes to nobody, without a pause.
    Flooder,
    /// Joins and leaves.
    Visitor,
}

impl Role {
    /// Whether it is the one that sends.
    pub(crate) fn is_source(self) -> bool {
        matches!(self, Role::Publisher | Role::Caller | Role::Source)
    }
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role {
            Role::Publisher => write!(f, "publisher {}", self.lane),
            Role::Subscriber(0) => write!(f, "subscriber {}", self.lane),
            Role::Subscriber(n) => write!(f, "subscriber {}.{n}", self.lane),
            Role::Caller => write!(f, "caller {}", self.lane),
            Role::Callee => write!(f, "callee {}", self.lane),
            Role::Source => write!(f, "publisher and caller {}", self.lane),
            Role::Stalled => write!(f, "the slow subscriber"),
            Role::Idle => write!(f, "idle session {}", self.lane),
            Role::Flooder => write!(f, "flooder {}", self.lane),
            Role::Visitor => write!(f, "visitor {}", self.lane),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::PubSub { .. } => "pubsub",
            Kind::Rpc | Kind::Shared { .. } => "rpc",
            Kind::Mixed { .. } => "mixed",
            Kind::Slow { .. } => "slow",
            Kind::Idle => "idle",
            Kind::Connect => "connect",
        })
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = |f: &mut fmt::Formatter<'_>, what: &str| {
            let plural = if self.lanes == 1 { "" } else { "s" };
            write!(f, "{} {what}{plural}", self.lanes)
        };
        match self.kind {
            Kind::Idle => return write!(f, "{}", self.idle),
            Kind::Connect => return write!(f, "{} at a time", self.lanes),
            Kind::PubSub { fanout: 1 } => pairs(f, "pair")?,
            Kind::PubSub { fanout } => {
                write!(f, "{} → {}", self.lanes, u64::from(self.lanes) * u64::from(fanout))?
            }
            Kind::Rpc => pairs(f, "caller")?,
            Kind::Shared { callees, invoke } => {
                write!(f, "{} → {callees} callees, {invoke}", self.lanes)?;
            }
            Kind::Mixed { fanout, calls } => {
                pairs(f, "source")?;
                write!(f, ", {calls} % calls, fan-out {fanout}")?;
            }
            Kind::Slow { fanout } => {
                let subscribers = u64::from(self.lanes) * u64::from(fanout);
                write!(f, "{} → {subscribers} and one that does not read", self.lanes)?;
            }
        }
        match self.rate {
            None => write!(f, ", window {}", self.window)?,
            Some(rate) => write!(f, ", {rate} messages/s")?,
        }
        write!(f, ", payload {} bytes", self.payload_bytes)?;
        if !self.idle.is_none() {
            write!(f, ", beside {}", self.idle)?;
        }
        if self.flood > 0 { write!(f, ", beside {} that flood", self.flood) } else { Ok(()) }
    }
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count| if count == 1 { "" } else { "s" };
        let Idle { sessions, subscriptions, pattern } = *self;
        write!(f, "{sessions} idle session{}", plural(sessions))?;
        match subscriptions {
            0 => Ok(()),
            _ => write!(f, " with {subscriptions} {pattern} subscription{} each", plural(subscriptions)),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.policy().name())
    }
}

impl Pattern {
    fn policy(self) -> MatchPolicy {
        match self {
            Pattern::Exact => MatchPolicy::Exact,
            Pattern::Prefix => MatchPolicy::Prefix,
            Pattern::Wildcard => MatchPolicy::Wildcard,
        }
    }
}

impl Idle {
    fn is_none(&self) -> bool {
        self.sessions == 0
    }
}

impl fmt::Display for Invoke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Invoke::RoundRobin => "roundrobin",
            Invoke::Random => "random",
            Invoke::First => "first",
            Invoke::Last => "last",
        })
    }
}

impl Invoke {
    fn policy(self) -> InvokePolicy {
        match self {
            Invoke::RoundRobin => InvokePolicy::RoundRobin,
            Invoke::Random => InvokePolicy::Random,
            Invoke::First => InvokePolicy::First,
            Invoke::Last => InvokePolicy::Last,
        }
    }
}

impl Kind {
    /// How many receive each message; of several kinds of them, each that is no call.
    pub(crate) fn receivers(self) -> u32 {
        match self {
            Kind::PubSub { fanout } | Kind::Mixed { fanout, .. } | Kind::Slow { fanout } => fanout,
            Kind::Idle => 0,
            Kind::Rpc | Kind::Shared { .. } | Kind::Connect => 1,
        }
    }

    /// What is counted.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Kind::PubSub { .. } | Kind::Slow { .. } => "event",
            Kind::Idle => "session",
            Kind::Connect => "connection",
            Kind::Rpc | Kind::Shared { .. } => "call",
            Kind::Mixed { .. } => "message",
        }
    }
}

impl Run {
    /// A run with the usual settings: JSON, a second to warm up, five to measure, one thread.
    pub(crate) fn new(target: Target, scenario: Scenario) -> Run {
        Run {
            target,
            serializer: Serializer::Json,
            realm: "realm1".to_owned(),
            credentials: Arc::default(),
            tls: None,
            prefix: prefix(),
            scenario,
            warmup: Duration::from_secs(1),
            duration: Duration::from_secs(5),
            placement: None,
            backlog: BACKLOG,
            progress: false,
            threads: 1,
            cpus: Vec::new(),
        }
    }

    /// Whether the run makes sense.
    pub(crate) fn check(&self) -> Result<(), RunError> {
        let Scenario { kind, lanes, window, payload_bytes, rate, idle, flood } = self.scenario;
        let counts = match kind {
            Kind::Idle => [idle.sessions, 1],
            _ => [lanes, kind.receivers()],
        };
        let places = lanes.max(idle.sessions);
        let none = counts.contains(&0)
            || [window, self.backlog].contains(&0)
            || rate == Some(0)
            || self.threads == 0
            || matches!(kind, Kind::Shared { callees: 0, .. });
        let plain = matches!(kind, Kind::PubSub { .. } | Kind::Rpc) && idle.is_none() && flood == 0;
        match (&self.target.protocol, kind) {
            _ if none => Err(RunError::Zero),
            _ if lanes > LANES_MAX => Err(RunError::Lanes(lanes)),
            _ if payload_bytes < STAMP_BYTES => Err(RunError::Payload(payload_bytes)),
            (Protocol::Raw, Kind::Rpc) if self.target.fans_out() => Err(RunError::FanoutRpc),
            _ if payload_bytes > PAYLOAD_BYTES_MAX => Err(RunError::Large(payload_bytes)),
            _ if self.threads > places as usize => Err(RunError::Threads(self.threads, places)),
            (_, Kind::Mixed { calls: calls @ (0 | 100..), .. }) => Err(RunError::Share(calls)),
            (Protocol::Raw, Kind::PubSub { fanout: 2.. }) if !self.target.fans_out() => {
                Err(RunError::RelayFanout)
            }
            (Protocol::Nats, Kind::Rpc) => Err(RunError::NatsRpc),
            _ if self.placement.is_some_and(|p| p.shards < if p.place == Place::Cross { 2 } else { 1 }) => {
                Err(RunError::Shards)
            }
            (Protocol::Raw | Protocol::Nats, _) if self.placement.is_some() => Err(RunError::WampPlace),
            (Protocol::Raw | Protocol::Nats, _) if !plain => Err(RunError::WampOnly(kind)),
            _ => Ok(()),
        }
    }

    /// All connections that last, in the order in which they connect: that of a lane's source is followed by the others of the
    /// lane, which is how the relay finds its pairs.
    pub(crate) fn seats(&self) -> impl Iterator<Item = Seat> {
        let kind = self.scenario.kind;
        let lane = move |lane| {
            let (source, subscribers, callees) = match kind {
                Kind::PubSub { fanout } => (Role::Publisher, fanout, 0),
                Kind::Rpc => (Role::Caller, 0, 1),
                Kind::Shared { .. } => (Role::Caller, 0, 0),
                Kind::Mixed { fanout, .. } => (Role::Source, fanout, 1),
                Kind::Slow { fanout } => (Role::Publisher, fanout, 0),
                Kind::Idle | Kind::Connect => (Role::Idle, 0, 0),
            };
            let subscribers = (0..subscribers).map(Role::Subscriber);
            let callees = (0..callees).map(|_| Role::Callee);
            [source].into_iter().chain(subscribers).chain(callees).map(move |role| Seat { lane, role })
        };
        let shared = match kind {
            Kind::Shared { callees, .. } => callees,
            _ => 0,
        };
        let shared = (0..shared).map(|lane| Seat { lane, role: Role::Callee });
        let stalled = matches!(kind, Kind::Slow { .. }).then_some(Seat { lane: 0, role: Role::Stalled });
        let lanes = if matches!(kind, Kind::Idle | Kind::Connect) { 0 } else { self.scenario.lanes };
        let idle = (0..self.scenario.idle.sessions).map(|lane| Seat { lane, role: Role::Idle });
        let flood = (0..self.scenario.flood).map(|lane| Seat { lane, role: Role::Flooder });
        (0..lanes).flat_map(lane).chain(shared).chain(stalled).chain(idle).chain(flood)
    }

    /// What a connection is for.
    pub(crate) fn intent(&self, seat: Seat) -> Intent {
        let uri = || self.uri(seat.lane);
        match (seat.role, self.scenario.kind) {
            (Role::Publisher | Role::Caller | Role::Source | Role::Flooder | Role::Visitor, _) => {
                Intent::Send
            }
            (Role::Subscriber(_) | Role::Stalled, _) => Intent::Subscribe(uri()),
            (Role::Idle, _) => {
                let Idle { subscriptions, pattern, .. } = self.scenario.idle;
                // One component is empty: a wildcard there, where it is one.
                let prefix = match pattern {
                    Pattern::Exact | Pattern::Prefix => format!("{}.idle.{}", self.prefix, seat.lane),
                    Pattern::Wildcard => format!("{}.idle..{}", self.prefix, seat.lane),
                };
                Intent::SubscribeAll { prefix, count: subscriptions, policy: pattern.policy() }
            }
            (Role::Callee, Kind::Shared { invoke, .. }) => Intent::Register(self.uri(0), invoke.policy()),
            (Role::Callee, _) => Intent::Register(uri(), InvokePolicy::Single),
        }
    }

    /// How to read what arrives at a connection.
    pub(crate) fn reader(&self, seat: Seat) -> Reader {
        let text = text(self.scenario.payload_bytes);
        let code = match seat.role {
            Role::Callee => INVOCATION,
            Role::Caller | Role::Source => RESULT,
            Role::Publisher
            | Role::Subscriber(_)
            | Role::Stalled
            | Role::Idle
            | Role::Flooder
            | Role::Visitor => EVENT,
        };
        match self.target.protocol {
            Protocol::WebSocket { .. } | Protocol::RawSocket => Reader::wamp(self.serializer, code, &text),
            Protocol::Raw => Reader::raw(&text),
            Protocol::Nats => Reader::bare(&text),
        }
    }

    /// What those that flood send: WAMP is spoken where there are any.
    pub(crate) fn flood(&self) -> Template {
        let text = text(self.scenario.payload_bytes);
        Template::publish(self.serializer, &format!("{}.flood", self.prefix), &text)
    }

    /// What the source of a lane sends; of a mixed lane, what it publishes.
    pub(crate) fn request(&self, lane: u32) -> Template {
        let (uri, text) = (self.uri(lane), text(self.scenario.payload_bytes));
        match (&self.target.protocol, self.scenario.kind) {
            (Protocol::Raw, _) => Template::raw(&uri, &text),
            (Protocol::Nats, _) => Template::nats(&uri, &text),
            (
                _,
                Kind::PubSub { .. } | Kind::Mixed { .. } | Kind::Slow { .. } | Kind::Idle | Kind::Connect,
            ) => Template::publish(self.serializer, &uri, &text),
            (_, Kind::Rpc | Kind::Shared { .. }) => self.call(lane),
        }
    }

    /// What the source of a lane calls.
    pub(crate) fn call(&self, lane: u32) -> Template {
        let shared = matches!(self.scenario.kind, Kind::Shared { .. });
        let uri = self.uri(if shared { 0 } else { lane });
        Template::call(self.serializer, &uri, &text(self.scenario.payload_bytes))
    }

    /// What a callee answers.
    pub(crate) fn answer(&self) -> Template {
        let text = text(self.scenario.payload_bytes);
        match self.target.protocol {
            Protocol::Raw => Template::raw(&self.uri(0), &text),
            _ => Template::yielding(self.serializer, &text),
        }
    }

    /// The topic or procedure of a lane.
    fn uri(&self, lane: u32) -> String {
        format!("{}.{lane}", self.prefix)
    }
}

/// A prefix that no other run has.
pub(crate) fn prefix() -> String {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    format!("bench.{}.{}", process::id(), RUNS.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(url: &str, kind: Kind, lanes: u32) -> Run {
        Run::new(url.parse().unwrap(), Scenario { kind, lanes, ..Scenario::default() })
    }

    fn names(run: &Run) -> String {
        run.seats().map(|seat| seat.to_string()).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn the_order_of_connections() {
        let pubsub = run("tcp://127.0.0.1:1", Kind::PubSub { fanout: 2 }, 2);
        let expected = "publisher 0, subscriber 0, subscriber 0.1, publisher 1, subscriber 1, subscriber 1.1";
        assert_eq!(names(&pubsub), expected);
        let rpc = run("raw://127.0.0.1:1", Kind::Rpc, 2);
        assert_eq!(names(&rpc), "caller 0, callee 0, caller 1, callee 1");
        let shared = Kind::Shared { callees: 3, invoke: Invoke::Last };
        let shared = names(&run("tcp://127.0.0.1:1", shared, 2));
        assert_eq!(shared, "caller 0, caller 1, callee 0, callee 1, callee 2");
        let mixed = run("tcp://127.0.0.1:1", Kind::Mixed { fanout: 1, calls: 10 }, 1);
        assert_eq!(names(&mixed), "publisher and caller 0, subscriber 0, callee 0");
        let idle = Idle { sessions: 2, ..Idle::default() };
        let slow = Scenario { kind: Kind::Slow { fanout: 1 }, idle, ..Scenario::default() };
        let slow = Run::new("tcp://127.0.0.1:1".parse().unwrap(), slow);
        let expected = "publisher 0, subscriber 0, the slow subscriber, idle session 0, idle session 1";
        assert_eq!(names(&slow), expected);
    }

    #[test]
    fn nonsense_is_refused() {
        let fanout = Kind::PubSub { fanout: 2 };
        assert_eq!(run("raw://127.0.0.1:1", fanout, 1).check(), Err(RunError::RelayFanout));
        assert_eq!(run("fanout://127.0.0.1:1", fanout, 1).check(), Ok(()));
        assert_eq!(run("fanout://127.0.0.1:1", Kind::Rpc, 1).check(), Err(RunError::FanoutRpc));
        assert_eq!(run("nats://127.0.0.1:1", Kind::Rpc, 1).check(), Err(RunError::NatsRpc));
        assert_eq!(run("nats://127.0.0.1:1", fanout, 1).check(), Ok(()));
        assert_eq!(run("nats://127.0.0.1:1", fanout, 0).check(), Err(RunError::Zero));
        assert_eq!(run("nats://127.0.0.1:1", Kind::PubSub { fanout: 0 }, 1).check(), Err(RunError::Zero));
        assert_eq!(
            run("tcp://127.0.0.1:1", fanout, LANES_MAX + 1).check(),
            Err(RunError::Lanes(LANES_MAX + 1))
        );
        let none = Kind::Shared { callees: 0, invoke: Invoke::First };
        assert_eq!(run("tcp://127.0.0.1:1", none, 1).check(), Err(RunError::Zero));
        let mixed = |calls| Kind::Mixed { fanout: 1, calls };
        assert_eq!(run("tcp://127.0.0.1:1", mixed(100), 1).check(), Err(RunError::Share(100)));
        assert_eq!(run("raw://127.0.0.1:1", mixed(50), 1).check(), Err(RunError::WampOnly(mixed(50))));
        let crowd = Run { threads: 2, ..run("tcp://127.0.0.1:1", fanout, 1) };
        assert_eq!(crowd.check(), Err(RunError::Threads(2, 1)));
        let placed = |url: &str, shards, place| {
            let placement = Some(Placement { shards, place });
            Run { placement, ..run(url, fanout, 1) }.check()
        };
        assert_eq!(placed("tcp://127.0.0.1:1", 1, Place::Same), Ok(()));
        assert_eq!(placed("tcp://127.0.0.1:1", 1, Place::Cross), Err(RunError::Shards));
        assert_eq!(placed("nats://127.0.0.1:1", 2, Place::Cross), Err(RunError::WampPlace));
        let mut small = run("tcp://127.0.0.1:1", fanout, 1);
        small.scenario.payload_bytes = 15;
        assert_eq!(small.check(), Err(RunError::Payload(15)));
        small.scenario.payload_bytes = usize::MAX;
        assert_eq!(small.check(), Err(RunError::Large(usize::MAX)));
    }

    #[test]
    fn in_words() {
        let words = |kind, lanes| run("tcp://127.0.0.1:1", kind, lanes).scenario.to_string();
        assert_eq!(words(Kind::PubSub { fanout: 1 }, 1), "1 pair, window 1, payload 64 bytes");
        assert_eq!(words(Kind::PubSub { fanout: 100 }, 1), "1 → 100, window 1, payload 64 bytes");
        assert_eq!(words(Kind::Rpc, 3), "3 callers, window 1, payload 64 bytes");
        let shared = Kind::Shared { callees: 2, invoke: Invoke::RoundRobin };
        assert_eq!(words(shared, 3), "3 → 2 callees, roundrobin, window 1, payload 64 bytes");
        let idle = Idle { sessions: 10, subscriptions: 3, pattern: Pattern::Wildcard };
        let idle = Scenario { kind: Kind::Idle, idle, ..Scenario::default() }.to_string();
        assert_eq!(idle, "10 idle sessions with 3 wildcard subscriptions each");
        let mixed = Kind::Mixed { fanout: 2, calls: 30 };
        let open = Scenario { kind: mixed, rate: Some(500), ..Scenario::default() }.to_string();
        assert_eq!(open, "1 source, 30 % calls, fan-out 2, 500 messages/s, payload 64 bytes");
    }
}
