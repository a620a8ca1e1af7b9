//! What is measured: who sends how much to whom.

use std::fmt;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use connectanum::wamp::Serializer;
use serde::Serialize;

use crate::target::{Protocol, Target};
use crate::wamp::{Intent, Reader, STAMP_BYTES, Template, text};

const EVENT: u64 = 36;
const RESULT: u64 = 50;
const INVOCATION: u64 = 68;

/// A kind of load. Lanes are independent of each other: each has one source, which sends, and others around it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Scenario {
    /// Who is in a lane.
    pub(crate) kind: Kind,
    /// The number of lanes.
    pub(crate) lanes: u32,
    /// Messages in flight per lane: the next is sent when one has arrived everywhere (a closed loop).
    pub(crate) window: u32,
    /// Length of the text that is the only argument.
    pub(crate) payload_bytes: usize,
}

/// Who is in a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// One publisher and its subscribers.
    PubSub {
        /// Subscribers of one publisher.
        fanout: u32,
    },
    /// One caller and one callee, which answers with what it got.
    Rpc,
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
    /// What the names of topics and procedures begin with. No two runs share it: the server may still be busy with
    /// the end of another.
    pub(crate) prefix: String,
    /// The load.
    pub(crate) scenario: Scenario,
    /// How long it runs before anything counts.
    pub(crate) warmup: Duration,
    /// How long it is measured.
    pub(crate) duration: Duration,
}

/// A run that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RunError {
    /// Nothing would happen.
    #[error("pairs, fan-out and window must be 1 at least")]
    Zero,
    /// More than a stamp can name.
    #[error("{0} pairs are too many, there can be {LANES_MAX}")]
    Lanes(u32),
    /// No room for the stamp.
    #[error("a payload of {0} bytes is too small; every message carries a stamp of {STAMP_BYTES} bytes")]
    Payload(usize),
    /// The relay copies from one to one.
    #[error("the relay has no fan-out: what one connection sends one other receives")]
    RelayFanout,
    /// There is no such thing in the harness.
    #[error("calls are not measured with NATS")]
    NatsRpc,
}

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
}

impl Role {
    /// Whether it is the one that sends.
    pub(crate) fn is_source(self) -> bool {
        matches!(self, Role::Publisher | Role::Caller)
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
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::PubSub { .. } => "pubsub",
            Kind::Rpc => "rpc",
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
            Kind::PubSub { fanout: 1 } => pairs(f, "pair")?,
            Kind::PubSub { fanout } => {
                write!(f, "{} → {}", self.lanes, u64::from(self.lanes) * u64::from(fanout))?
            }
            Kind::Rpc => pairs(f, "caller")?,
        }
        write!(f, ", window {}, payload {} bytes", self.window, self.payload_bytes)
    }
}

impl Kind {
    /// How many receive each message.
    pub(crate) fn receivers(self) -> u32 {
        match self {
            Kind::PubSub { fanout } => fanout,
            Kind::Rpc => 1,
        }
    }

    /// What is counted.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Kind::PubSub { .. } => "event",
            Kind::Rpc => "call",
        }
    }
}

impl Run {
    /// Whether the run makes sense.
    pub(crate) fn check(&self) -> Result<(), RunError> {
        let Scenario { kind, lanes, window, payload_bytes } = self.scenario;
        match (&self.target.protocol, kind) {
            _ if lanes == 0 || window == 0 || kind.receivers() == 0 => Err(RunError::Zero),
            _ if lanes > LANES_MAX => Err(RunError::Lanes(lanes)),
            _ if payload_bytes < STAMP_BYTES => Err(RunError::Payload(payload_bytes)),
            (Protocol::Raw, Kind::PubSub { fanout: 2.. }) => Err(RunError::RelayFanout),
            (Protocol::Nats, Kind::Rpc) => Err(RunError::NatsRpc),
            _ => Ok(()),
        }
    }

    /// All connections in the order in which they connect: that of a lane's source is followed by the others of the
    /// lane, which is how the relay finds its pairs.
    pub(crate) fn seats(&self) -> impl Iterator<Item = Seat> {
        let kind = self.scenario.kind;
        (0..self.scenario.lanes).flat_map(move |lane| {
            let (source, others) = match kind {
                Kind::PubSub { fanout } => (Role::Publisher, fanout),
                Kind::Rpc => (Role::Caller, 1),
            };
            let other = move |n| if kind == Kind::Rpc { Role::Callee } else { Role::Subscriber(n) };
            [source].into_iter().chain((0..others).map(other)).map(move |role| Seat { lane, role })
        })
    }

    /// What a connection is for.
    pub(crate) fn intent(&self, seat: Seat) -> Intent {
        match seat.role {
            Role::Publisher | Role::Caller => Intent::Send,
            Role::Subscriber(_) => Intent::Subscribe(self.uri(seat.lane)),
            Role::Callee => Intent::Register(self.uri(seat.lane)),
        }
    }

    /// How to read what arrives at a connection.
    pub(crate) fn reader(&self, seat: Seat) -> Reader {
        let text = text(self.scenario.payload_bytes);
        let code = match seat.role {
            Role::Callee => INVOCATION,
            Role::Caller => RESULT,
            Role::Publisher | Role::Subscriber(_) => EVENT,
        };
        match self.target.protocol {
            Protocol::WebSocket { .. } | Protocol::RawSocket => Reader::wamp(self.serializer, code, &text),
            Protocol::Raw => Reader::raw(&text),
            Protocol::Nats => Reader::bare(&text),
        }
    }

    /// What the source of a lane sends.
    pub(crate) fn request(&self, lane: u32) -> Template {
        let (uri, text) = (self.uri(lane), text(self.scenario.payload_bytes));
        match (&self.target.protocol, self.scenario.kind) {
            (Protocol::Raw, _) => Template::raw(&uri, &text),
            (Protocol::Nats, _) => Template::nats(&uri, &text),
            (_, Kind::PubSub { .. }) => Template::publish(self.serializer, &uri, &text),
            (_, Kind::Rpc) => Template::call(self.serializer, &uri, &text),
        }
    }

    /// What a callee answers.
    pub(crate) fn answer(&self, lane: u32) -> Template {
        let text = text(self.scenario.payload_bytes);
        match self.target.protocol {
            Protocol::Raw => Template::raw(&self.uri(lane), &text),
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
        Run {
            target: url.parse().unwrap(),
            serializer: Serializer::Json,
            realm: "realm1".to_owned(),
            prefix: prefix(),
            scenario: Scenario { kind, lanes, window: 1, payload_bytes: 64 },
            warmup: Duration::ZERO,
            duration: Duration::ZERO,
        }
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
    }

    #[test]
    fn nonsense_is_refused() {
        let fanout = Kind::PubSub { fanout: 2 };
        assert_eq!(run("raw://127.0.0.1:1", fanout, 1).check(), Err(RunError::RelayFanout));
        assert_eq!(run("nats://127.0.0.1:1", Kind::Rpc, 1).check(), Err(RunError::NatsRpc));
        assert_eq!(run("nats://127.0.0.1:1", fanout, 1).check(), Ok(()));
        assert_eq!(run("nats://127.0.0.1:1", fanout, 0).check(), Err(RunError::Zero));
        assert_eq!(run("nats://127.0.0.1:1", Kind::PubSub { fanout: 0 }, 1).check(), Err(RunError::Zero));
        assert_eq!(
            run("tcp://127.0.0.1:1", fanout, LANES_MAX + 1).check(),
            Err(RunError::Lanes(LANES_MAX + 1))
        );
        let mut small = run("tcp://127.0.0.1:1", fanout, 1);
        small.scenario.payload_bytes = 15;
        assert_eq!(small.check(), Err(RunError::Payload(15)));
    }

    #[test]
    fn in_words() {
        let words = |kind, lanes| run("tcp://127.0.0.1:1", kind, lanes).scenario.to_string();
        assert_eq!(words(Kind::PubSub { fanout: 1 }, 1), "1 pair, window 1, payload 64 bytes");
        assert_eq!(words(Kind::PubSub { fanout: 100 }, 1), "1 → 100, window 1, payload 64 bytes");
        assert_eq!(words(Kind::Rpc, 3), "3 callers, window 1, payload 64 bytes");
    }
}
