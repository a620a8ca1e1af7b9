//! The servers that are compared, and how to start each.

use std::env;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use connectanum::wamp::Serializer;
use nix::unistd::Pid;
use serde::Serialize;
use tempfile::TempDir;

use super::SuiteError;
use super::work::Work;
use crate::children::{Server, ServerError, free_address};
use crate::engine;
use crate::measure::{Meter, MeterError, resident_bytes};
use crate::placement::Placement;
use crate::report::{Report, serializer_name};
use crate::scenario::{Kind, Run, Scenario};
use crate::target::{Protocol, Target, TargetError};

/// The realm that a router has without being told.
const REALM: &str = "realm1";

/// A server that can be started.
#[derive(Clone, Debug)]
pub(crate) enum Contender {
    /// The raw relay of this program.
    Relay,
    /// The bare fan-out of this program.
    Fanout {
        /// Subscribers of each publisher.
        subscribers: u32,
    },
    /// `nats-server`.
    Nats {
        /// The program.
        program: PathBuf,
    },
    /// Connectanum.
    Router {
        /// The program.
        program: PathBuf,
        /// The value of its option `--io`.
        io: String,
        /// How clients talk to it.
        via: Via,
    },
    /// Something that runs already.
    Peer(Peer),
}

/// A router that somebody else has started, written as `NAME=URL` or `NAME=URL,SERIALIZER`.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// What to call it.
    pub(crate) name: String,
    /// Where it listens.
    pub(crate) target: Target,
    /// How messages are written.
    pub(crate) serializer: Serializer,
    /// Its process, if its CPU time is to be known.
    pub(crate) pid: Option<Pid>,
}

/// Servers that others are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Baseline {
    /// The raw relay.
    Relay,
    /// The bare fan-out.
    Fanout,
    /// `nats-server`.
    Nats,
    /// The same server with the same load, on one shard.
    SameShard,
}

/// A transport with a serializer, written as `ws+json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Via {
    /// How bytes get there.
    pub(crate) transport: Transport,
    /// How messages are written.
    pub(crate) serializer: Serializer,
}

/// How bytes get to a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// WebSocket.
    Ws,
    /// RawSocket over TCP.
    Tcp,
    /// RawSocket over a Unix socket.
    Unix,
}

/// A contender that runs.
#[derive(Debug)]
pub(crate) struct Running {
    /// `None` if somebody else has started it.
    server: Option<Server>,
    target: Target,
    pid: Option<Pid>,
    name: String,
    serializer: Serializer,
    /// Where its Unix socket is.
    _folder: Option<TempDir>,
}

impl Contender {
    /// Starts it on an address of its own, pinned to a CPU, and a router with so many shards; a peer runs as it runs.
    ///
    /// # Errors
    /// It does not listen.
    pub(crate) fn start(&self, cpu: Option<usize>, shards: u16) -> Result<Running, ServerError> {
        let (name, serializer) = (self.to_string(), self.serializer());
        if let Contender::Peer(Peer { target, pid, .. }) = self {
            let (target, pid) = (target.clone(), *pid);
            return Ok(Running { server: None, target, pid, name, serializer, _folder: None });
        }
        let fault = |e: io::Error| ServerError::Start(self.to_string(), e);
        let folder = tempfile::tempdir().map_err(fault)?;
        let (program, url, args) = self.command(folder.path(), shards).map_err(fault)?;
        let target: Target = url.parse().map_err(|e| fault(io::Error::other(e)))?;
        let server = Server::start(&program, &args, target.clone(), cpu)?;
        let pid = Some(server.pid());
        Ok(Running { server: Some(server), target, pid, name, serializer, _folder: Some(folder) })
    }

    /// The program, the URL it will listen on, and its arguments. Unix sockets go into `folder`.
    fn command(&self, folder: &Path, shards: u16) -> io::Result<(PathBuf, String, Vec<String>)> {
        let address = free_address()?;
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Ok(match self {
            Contender::Relay => {
                let args = words(&["relay", "--listen", &address.to_string()]);
                (env::current_exe()?, format!("raw://{address}"), args)
            }
            Contender::Fanout { subscribers } => {
                let (address, subscribers) = (address.to_string(), subscribers.to_string());
                let args = words(&["fanout", "--listen", &address, "--subscribers", &subscribers]);
                (env::current_exe()?, format!("fanout://{address}"), args)
            }
            Contender::Nats { program } => {
                let args = words(&["-a", &address.ip().to_string(), "-p", &address.port().to_string()]);
                (program.clone(), format!("nats://{address}"), args)
            }
            Contender::Router { program, io, via } => {
                let url = match via.transport {
                    Transport::Ws => format!("ws://{address}"),
                    Transport::Tcp => format!("tcp://{address}"),
                    Transport::Unix => format!("unix:{}", folder.join("socket").display()),
                };
                let shards = shards.to_string();
                let args =
                    words(&["serve", "--listen", &url, "--io", io, "--shards", &shards, "--log", "warn"]);
                (program.clone(), url, args)
            }
            Contender::Peer(_) => return Err(io::Error::other("somebody else starts it")),
        })
    }

    /// How messages are written, where that has a meaning.
    fn serializer(&self) -> Serializer {
        match self {
            Contender::Router { via, .. } => via.serializer,
            Contender::Peer(peer) => peer.serializer,
            Contender::Relay | Contender::Fanout { .. } | Contender::Nats { .. } => Serializer::Json,
        }
    }

    /// Whether it can do such work: the relay has no fan-out, the bare fan-out has one of its size and nothing else,
    /// NATS has no calls here.
    pub(crate) fn can(&self, kind: Kind) -> bool {
        match (self, kind) {
            (Contender::Relay, kind) => matches!(kind, Kind::PubSub { fanout: 1 } | Kind::Rpc),
            (Contender::Fanout { subscribers }, kind) => {
                matches!(kind, Kind::PubSub { fanout } if fanout == *subscribers)
            }
            (Contender::Nats { .. }, kind) => matches!(kind, Kind::PubSub { .. }),
            _ => true,
        }
    }

    /// What it is to those that are compared with it.
    pub(crate) fn baseline(&self) -> Option<Baseline> {
        match self {
            Contender::Relay => Some(Baseline::Relay),
            Contender::Fanout { .. } => Some(Baseline::Fanout),
            Contender::Nats { .. } => Some(Baseline::Nats),
            Contender::Router { .. } | Contender::Peer(_) => None,
        }
    }

    /// Whether it is the router that has bars to meet.
    pub(crate) fn is_judged(&self) -> bool {
        matches!(self, Contender::Router { .. })
    }

    /// Whether it is a process that can be looked at.
    pub(crate) fn is_known(&self) -> bool {
        !matches!(self, Contender::Peer(Peer { pid: None, .. }))
    }
}

impl Running {
    /// From the start of its process until it listened.
    pub(crate) fn started_in(&self) -> Option<Duration> {
        self.server.as_ref().map(|server| server.started_in)
    }

    /// Its memory now, in bytes; of one that was just started it is what it needs for itself.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub(crate) fn resident_bytes(&self) -> Result<Option<u64>, MeterError> {
        self.server.as_ref().map(|server| resident_bytes(server.pid())).transpose()
    }

    /// Ends it, if it was started here.
    ///
    /// # Errors
    /// It does not end, or not well.
    pub(crate) fn end(self) -> Result<(), ServerError> {
        self.server.map_or(Ok(()), Server::end)
    }

    /// Puts a load on it.
    ///
    /// # Errors
    /// It does not do what it should.
    pub(crate) fn run(
        &self,
        scenario: &Scenario,
        placement: Option<Placement>,
        warmup: Duration,
        duration: Duration,
        syscalls: bool,
    ) -> Result<Report, SuiteError> {
        let run = Run {
            serializer: self.serializer,
            realm: REALM.to_owned(),
            warmup,
            duration,
            placement,
            ..Run::new(self.target.clone(), scenario.clone())
        };
        let meter = self.pid.map_or_else(|| Ok(Meter::new()), |pid| Meter::of(pid, syscalls))?;
        let tally = engine::run(&run, meter)
            .map_err(|failure| SuiteError::Run(self.name.clone(), scenario.to_string(), failure))?;
        if tally.interrupted {
            return Err(SuiteError::Interrupted);
        }
        Ok(Report::new(&run, &tally))
    }
}

impl Via {
    /// Every combination.
    pub(crate) fn all() -> impl Iterator<Item = Via> {
        let transports = [Transport::Ws, Transport::Tcp, Transport::Unix];
        let via = |transport| Serializer::ALL.map(|serializer| Via { transport, serializer });
        transports.into_iter().flat_map(via)
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Contender::Relay => Baseline::Relay.fmt(f),
            Contender::Fanout { .. } => Baseline::Fanout.fmt(f),
            Contender::Nats { .. } => Baseline::Nats.fmt(f),
            Contender::Peer(peer) => f.write_str(&peer.name),
            Contender::Router { io, via, .. } => write!(f, "router {io} {via}"),
        }
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Baseline::Relay => "raw relay",
            Baseline::Fanout => "bare fan-out",
            Baseline::Nats => "nats-server",
            Baseline::SameShard => "same shard",
        })
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match self.transport {
            Transport::Ws => "ws",
            Transport::Tcp => "tcp",
            Transport::Unix => "unix",
        };
        write!(f, "{transport}+{}", serializer_name(self.serializer))
    }
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Peer, String> {
        let form = || format!("`{text}` is no peer; write NAME=URL or NAME=URL,SERIALIZER");
        let (name, rest) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(form)?;
        let named = |name: &str| Serializer::ALL.into_iter().find(|it| serializer_name(*it) == name);
        let with = rest.rsplit_once(',').and_then(|(url, name)| Some((url, named(name)?)));
        let (url, serializer) = with.unwrap_or((rest, Serializer::Json));
        let target: Target = url.parse().map_err(|e: TargetError| e.to_string())?;
        match target.protocol {
            Protocol::WebSocket { .. } | Protocol::RawSocket => {
                Ok(Peer { name: name.to_owned(), target, serializer, pid: None })
            }
            _ => Err(format!(
                "`{url}` is no WAMP router; write ws://HOST:PORT/PATH, tcp://HOST:PORT or unix:/PATH"
            )),
        }
    }
}

impl FromStr for Via {
    type Err = String;

    fn from_str(text: &str) -> Result<Via, String> {
        let found = Via::all().find(|via| via.to_string() == text);
        found.ok_or_else(|| {
            let all: Vec<_> = Via::all().map(|via| via.to_string()).collect();
            format!("`{text}` is none of {}", all.join(", "))
        })
    }
}

/// A bare fan-out for each number of subscribers.
pub(crate) fn fanouts(works: &[Work]) -> Vec<Contender> {
    let mut sizes: Vec<u32> = works
        .iter()
        .filter_map(|work| match work.scenario.kind {
            Kind::PubSub { fanout } if fanout > 1 => Some(fanout),
            _ => None,
        })
        .collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes.into_iter().map(|subscribers| Contender::Fanout { subscribers }).collect()
}

/// `nats-server`, where Debian puts it or on the path; `None` if it is not installed.
pub(crate) fn find_nats() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/bin".into()]);
    folders.map(|folder| folder.join("nats-server")).find(|program| program.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combinations_have_names() {
        assert_eq!(Via::all().count(), 9);
        for via in Via::all() {
            assert_eq!(via.to_string().parse(), Ok(via));
        }
        let error = "http+json".parse::<Via>().unwrap_err();
        assert!(error.starts_with("`http+json` is none of ws+json, ws+msgpack, "), "{error}");
    }

    #[test]
    fn the_relay_is_this_program_and_others_are_not_there() {
        let program = PathBuf::from("/nonexistent/router");
        let via = "unix+cbor".parse().unwrap();
        let router = Contender::Router { program, io: "epoll".to_owned(), via };
        assert_eq!(router.to_string(), "router epoll unix+cbor");
        assert!(matches!(router.start(None, 1), Err(ServerError::Start(..))));
        assert_eq!((Contender::Relay.baseline(), router.baseline()), (Some(Baseline::Relay), None));
        assert!(router.is_judged() && !Contender::Relay.is_judged());
        let nats = Contender::Nats { program: "nats-server".into() };
        let can = |contender: &Contender| {
            [Kind::PubSub { fanout: 1 }, Kind::PubSub { fanout: 2 }, Kind::Rpc]
                .map(|kind| contender.can(kind))
        };
        assert_eq!(can(&Contender::Relay), [true, false, true]);
        assert_eq!(can(&Contender::Fanout { subscribers: 2 }), [false, true, false]);
        assert_eq!(can(&nats), [true, true, false]);
        assert_eq!(can(&router), [true, true, true]);
    }

    #[test]
    fn peers_have_a_name_and_a_url() {
        let peer: Peer = "crossbar=ws://127.0.0.1:8080/ws,msgpack".parse().unwrap();
        assert_eq!((peer.name.as_str(), peer.serializer), ("crossbar", Serializer::MsgPack));
        assert_eq!(peer.target.to_string(), "ws://127.0.0.1:8080/ws");
        assert_eq!("n=unix:/a,b".parse::<Peer>().unwrap().target.to_string(), "unix:/a,b");
        for (text, fault) in [
            ("ws://127.0.0.1:1", "`ws://127.0.0.1:1` is no peer"),
            ("=ws://127.0.0.1:1", "is no peer"),
            ("a=ws://127.0.0.1:1,xml", "cannot be resolved"),
            ("a=nats://127.0.0.1:1", "is no WAMP router"),
        ] {
            let error = text.parse::<Peer>().unwrap_err();
            assert!(error.contains(fault), "{text}: {error}");
        }
    }
}
