//! The commands that put a load on a server, with the options that each has for itself.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Failure, LoadArgs};
use crate::placement::{Place, Placement};
use crate::scenario::{BACKLOG, Idle, Invoke, Kind, Pattern, Run, Scenario};
use crate::target::Target;
use crate::wamp::Credentials;
use crate::wire::Trust;

/// A load.
#[derive(Debug, Subcommand)]
pub(super) enum Load {
    /// Publish, and measure how long events take to their subscribers
    Pubsub(PubsubArgs),
    /// Call, and measure how long results take
    Rpc(RpcArgs),
    /// Publish and call in the same sessions
    Mixed(MixedArgs),
    /// Connect, join, leave, and again
    Connect(ConnectArgs),
    /// Open sessions that do nothing, and see what memory they take
    Idle(IdleArgs),
    /// Publish to subscribers, one of which stops to read
    Slow(PubsubArgs),
}

#[derive(Debug, Args)]
pub(super) struct PubsubArgs {
    #[command(flatten)]
    load: LoadArgs,

    #[command(flatten)]
    traffic: TrafficArgs,

    /// Subscribers of each publisher
    #[arg(long, value_name = "N", default_value_t = 1)]
    fanout: u32,
}

#[derive(Debug, Args)]
pub(super) struct RpcArgs {
    #[command(flatten)]
    load: LoadArgs,

    #[command(flatten)]
    traffic: TrafficArgs,

    /// Callees that share one procedure, which all callers call [default: each caller has its own]
    #[arg(long, value_name = "N")]
    callees: Option<u32>,

    /// How the router chooses among them
    #[arg(long, value_name = "POLICY", value_enum, default_value_t = Invoke::RoundRobin, requires = "callees")]
    invoke: Invoke,
}

#[derive(Debug, Args)]
pub(super) struct MixedArgs {
    #[command(flatten)]
    load: LoadArgs,

    #[command(flatten)]
    traffic: TrafficArgs,

    /// How many of a hundred messages are calls
    #[arg(long, value_name = "PERCENT", default_value_t = 50)]
    calls: u8,

    /// Subscribers of each publisher
    #[arg(long, value_name = "N", default_value_t = 1)]
    fanout: u32,
}

#[derive(Debug, Args)]
pub(super) struct ConnectArgs {
    #[command(flatten)]
    load: LoadArgs,

    /// Connections at a time
    #[arg(long, value_name = "N", default_value_t = 10)]
    concurrency: u32,
}

#[derive(Debug, Args)]
#[command(mut_arg("server_pid", |arg| arg.required(true)))]
pub(super) struct IdleArgs {
    #[command(flatten)]
    load: LoadArgs,

    /// Sessions to open
    #[arg(long, value_name = "N", default_value_t = 1000)]
    sessions: u32,

    /// Subscriptions of each, to topics of their own
    #[arg(long, value_name = "N", default_value_t = 0)]
    subscriptions: u32,

    /// How their topics match
    #[arg(long = "match", value_name = "POLICY", value_enum, default_value_t)]
    pattern: Pattern,
}

/// How much is sent, and between which shards.
#[derive(Debug, Args)]
struct TrafficArgs {
    /// Publishers or callers; each has subscribers or a callee of its own
    #[arg(long, visible_alias = "callers", value_name = "N", default_value_t = 1)]
    pairs: u32,

    /// Messages in flight per pair: the next is sent when one has arrived
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "rate",
        value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    window: u32,

    /// Send on a schedule, this many messages per second of all pairs together, and measure from when each was due
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    rate: Option<u64>,

    /// Messages per pair that may be in flight with --rate; the run fails when there are more
    #[arg(long, value_name = "N", default_value_t = BACKLOG, requires = "rate")]
    backlog: u32,

    /// Bytes of the text that each message carries
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    payload: usize,

    /// Sessions beside them that do nothing
    #[arg(long, value_name = "N", default_value_t = 0)]
    idle: u32,

    /// Subscriptions of each of these, to topics that nobody publishes to
    #[arg(long, value_name = "N", default_value_t = 0, requires = "idle")]
    subscriptions: u32,

    /// How their topics match
    #[arg(long = "match", value_name = "POLICY", value_enum, default_value_t, requires = "subscriptions")]
    pattern: Pattern,

    /// Sessions beside them that publish as fast as they can, to a topic that nobody subscribes to
    #[arg(long, value_name = "N", default_value_t = 0)]
    flood: u32,

    /// Shards of the router, if the ids of its sessions tell them (id mod shards), as Connectanum's do
    #[arg(long, value_name = "N")]
    shards: Option<u16>,

    /// Where receivers are: on the shard of their source, or on others; they connect until they are
    #[arg(long, value_name = "PLACE", value_enum, requires = "shards")]
    place: Option<Place>,
}

/// Who to be, and whom to trust.
#[derive(Debug, Args)]
pub(super) struct AccessArgs {
    /// Who to be in the realm
    #[arg(long, value_name = "NAME")]
    authid: Option<String>,

    /// Prove it with a ticket
    #[arg(long, value_name = "TICKET")]
    ticket: Option<String>,

    /// Prove it with WAMP-CRA and this secret, salted or not
    #[arg(long, value_name = "SECRET")]
    wampcra: Option<String>,

    /// Trust the certificates of this file (PEM) [default: those that the system trusts]
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    ca: Option<PathBuf>,

    /// Trust any certificate
    #[arg(long)]
    insecure: bool,
}

impl AccessArgs {
    /// Options come before what the URL says. Its password may be either, and the router chooses.
    pub(super) fn credentials(&self, target: &Target) -> Credentials {
        let authid = self.authid.clone().or_else(|| target.user.clone());
        match (&self.ticket, &self.wampcra) {
            (None, None) => {
                Credentials { authid, ticket: target.password.clone(), secret: target.password.clone() }
            }
            (ticket, secret) => Credentials { authid, ticket: ticket.clone(), secret: secret.clone() },
        }
    }

    pub(super) fn trust(&self) -> Trust {
        match &self.ca {
            _ if self.insecure => Trust::Anybody,
            Some(path) => Trust::File(path.clone()),
            None => Trust::System,
        }
    }
}

impl Load {
    /// What all loads have in common.
    pub(super) fn args(&self) -> &LoadArgs {
        match self {
            Load::Pubsub(args) | Load::Slow(args) => &args.load,
            Load::Rpc(args) => &args.load,
            Load::Mixed(args) => &args.load,
            Load::Connect(args) => &args.load,
            Load::Idle(args) => &args.load,
        }
    }

    /// The run that it stands for.
    ///
    /// # Errors
    /// Something that it names is not there.
    pub(super) fn run(&self) -> Result<Run, Failure> {
        match self {
            Load::Pubsub(args) => args.run(),
            Load::Rpc(args) => args.run(),
            Load::Mixed(args) => args.run(),
            Load::Connect(args) => args.run(),
            Load::Idle(args) => args.run(),
            Load::Slow(args) => args.run_slow(),
        }
    }
}

impl PubsubArgs {
    fn run(&self) -> Result<Run, Failure> {
        self.traffic.run(&self.load, self.kind())
    }

    fn kind(&self) -> Kind {
        Kind::PubSub { fanout: self.fanout }
    }

    /// The same with one more subscriber, who does not read.
    fn run_slow(&self) -> Result<Run, Failure> {
        self.traffic.run(&self.load, Kind::Slow { fanout: self.fanout })
    }
}

impl ConnectArgs {
    fn run(&self) -> Result<Run, Failure> {
        let lanes = self.concurrency;
        self.load.run(Scenario { kind: Kind::Connect, lanes, ..Scenario::default() })
    }
}

impl IdleArgs {
    fn run(&self) -> Result<Run, Failure> {
        let IdleArgs { sessions, subscriptions, pattern, .. } = *self;
        let idle = Idle { sessions, subscriptions, pattern };
        self.load.run(Scenario { kind: Kind::Idle, idle, ..Scenario::default() })
    }
}

impl RpcArgs {
    fn run(&self) -> Result<Run, Failure> {
        self.traffic.run(&self.load, self.kind())
    }

    fn kind(&self) -> Kind {
        match self.callees {
            None => Kind::Rpc,
            Some(callees) => Kind::Shared { callees, invoke: self.invoke },
        }
    }
}

impl MixedArgs {
    fn run(&self) -> Result<Run, Failure> {
        self.traffic.run(&self.load, self.kind())
    }

    fn kind(&self) -> Kind {
        Kind::Mixed { fanout: self.fanout, calls: self.calls }
    }
}

impl TrafficArgs {
    fn run(&self, load: &LoadArgs, kind: Kind) -> Result<Run, Failure> {
        let scenario = Scenario {
            kind,
            lanes: self.pairs,
            window: self.window,
            payload_bytes: self.payload,
            rate: self.rate,
            idle: Idle { sessions: self.idle, subscriptions: self.subscriptions, pattern: self.pattern },
            flood: self.flood,
        };
        let placement = self.shards.zip(self.place).map(|(shards, place)| Placement { shards, place });
        Ok(Run { placement, backlog: self.backlog, ..load.run(scenario)? })
    }
}
