//! The servers that are compared, and how to start each.

use std::env;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use connectanum::wamp::Serializer;
use tempfile::TempDir;

use super::SuiteError;
use crate::children::{Server, ServerError, free_address};
use crate::engine;
use crate::measure::Meter;
use crate::report::{Report, serializer_name};
use crate::scenario::{Kind, Run, Scenario};

/// The realm that a router has without being told.
const REALM: &str = "realm1";

/// A server that can be started.
#[derive(Clone, Debug)]
pub(crate) enum Contender {
    /// The raw relay of this program.
    Relay,
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
    /// Its process.
    pub(crate) server: Server,
    name: String,
    serializer: Serializer,
    /// Where its Unix socket is.
    _folder: TempDir,
}

impl Contender {
    /// Starts it on an address of its own, pinned to a CPU.
    ///
    /// # Errors
    /// It does not listen.
    pub(crate) fn start(&self, cpu: Option<usize>) -> Result<Running, ServerError> {
        let fault = |e: io::Error| ServerError::Start(self.to_string(), e);
        let folder = tempfile::tempdir().map_err(fault)?;
        let (program, url, args) = self.command(folder.path()).map_err(fault)?;
        let target = url.parse().map_err(|e| fault(io::Error::other(e)))?;
        let server = Server::start(&program, &args, target, cpu)?;
        Ok(Running { server, name: self.to_string(), serializer: self.serializer(), _folder: folder })
    }

    /// The program, the URL it will listen on, and its arguments. Unix sockets go into `folder`.
    fn command(&self, folder: &Path) -> io::Result<(PathBuf, String, Vec<String>)> {
        let address = free_address()?;
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Ok(match self {
            Contender::Relay => {
                let args = words(&["relay", "--listen", &address.to_string()]);
                (env::current_exe()?, format!("raw://{address}"), args)
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
                let args = words(&["serve", "--listen", &url, "--io", io, "--shards", "1", "--log", "warn"]);
                (program.clone(), url, args)
            }
        })
    }

    /// How messages are written, where that has a meaning.
    fn serializer(&self) -> Serializer {
        match self {
            Contender::Router { via, .. } => via.serializer,
            Contender::Relay | Contender::Nats { .. } => Serializer::Json,
        }
    }

    /// Whether it can do such work: the relay has no fan-out, NATS no calls here.
    pub(crate) fn can(&self, kind: Kind) -> bool {
        match (self, kind) {
            (Contender::Relay, kind) => matches!(kind, Kind::PubSub { fanout: 1 } | Kind::Rpc),
            (Contender::Nats { .. }, kind) => matches!(kind, Kind::PubSub { .. }),
            (Contender::Router { .. }, _) => true,
        }
    }

    /// Whether others are compared with it.
    pub(crate) fn is_baseline(&self) -> bool {
        !matches!(self, Contender::Router { .. })
    }
}

impl Running {
    /// Puts a load on it.
    ///
    /// # Errors
    /// It does not do what it should.
    pub(crate) fn run(
        &self,
        scenario: &Scenario,
        warmup: Duration,
        duration: Duration,
        syscalls: bool,
    ) -> Result<Report, SuiteError> {
        let run = Run {
            serializer: self.serializer,
            realm: REALM.to_owned(),
            warmup,
            duration,
            ..Run::new(self.server.target.clone(), scenario.clone())
        };
        let meter = Meter::of(self.server.pid(), syscalls)?;
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
            Contender::Relay => f.write_str("raw relay"),
            Contender::Nats { .. } => f.write_str("nats-server"),
            Contender::Router { io, via, .. } => write!(f, "router {io} {via}"),
        }
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
        assert!(matches!(router.start(None), Err(ServerError::Start(..))));
        assert!(Contender::Relay.is_baseline() && !router.is_baseline());
        let nats = Contender::Nats { program: "nats-server".into() };
        let can = |contender: &Contender| {
            [Kind::PubSub { fanout: 1 }, Kind::PubSub { fanout: 2 }, Kind::Rpc]
                .map(|kind| contender.can(kind))
        };
        assert_eq!(can(&Contender::Relay), [true, false, true]);
        assert_eq!(can(&nats), [true, true, false]);
        assert_eq!(can(&router), [true, true, true]);
    }
}
