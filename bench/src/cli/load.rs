//! The commands that put a load on a server, with the options that each has for itself.

use clap::Args;

use super::LoadArgs;
use crate::scenario::{Invoke, Kind};

#[derive(Debug, Args)]
pub(super) struct PubsubArgs {
    #[command(flatten)]
    pub(super) load: LoadArgs,

    /// Subscribers of each publisher
    #[arg(long, value_name = "N", default_value_t = 1)]
    fanout: u32,
}

#[derive(Debug, Args)]
pub(super) struct RpcArgs {
    #[command(flatten)]
    pub(super) load: LoadArgs,

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
    pub(super) load: LoadArgs,

    /// How many of a hundred messages are calls
    #[arg(long, value_name = "PERCENT", default_value_t = 50)]
    calls: u8,

    /// Subscribers of each publisher
    #[arg(long, value_name = "N", default_value_t = 1)]
    fanout: u32,
}

impl PubsubArgs {
    pub(super) fn kind(&self) -> Kind {
        Kind::PubSub { fanout: self.fanout }
    }
}

impl RpcArgs {
    pub(super) fn kind(&self) -> Kind {
        match self.callees {
            None => Kind::Rpc,
            Some(callees) => Kind::Shared { callees, invoke: self.invoke },
        }
    }
}

impl MixedArgs {
    pub(super) fn kind(&self) -> Kind {
        Kind::Mixed { fanout: self.fanout, calls: self.calls }
    }
}
