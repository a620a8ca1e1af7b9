//! What the command line accepts.

use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue};
use clap::{Args as ClapArgs, Error, Parser, Subcommand};
use connectanum::config::{Io, Listen, LogFilter, Overrides, Shards, Spin};

use super::secrets::HashSecret;

const EXAMPLES: &str = "\
Examples:
  connectanum
      Serve realm `realm1` on 127.0.0.1:8080; open http://127.0.0.1:8080/ for the demo.
  connectanum --listen ws://127.0.0.1:9000 --listen unix:/run/connectanum.sock --realm com.example
      Other addresses and another realm.
  connectanum --listen ws://0.0.0.0:8080 --allow-anonymous-remote
      Let other machines in. A realm without users asks nobody who they are: everyone there may do everything.
  connectanum check-config connectanum.toml && connectanum --config connectanum.toml
      Check a configuration file, then serve with it.
  connectanum reload --config connectanum.toml
      Have the router that runs with this file read it again; it names a control socket: `[router] control`.
  connectanum status --config connectanum.toml
      Print what that router has and has done: sessions, connections, how often each limit was met.
  connectanum hash-secret --method wampcra < password.txt
      Make the secret of a user, to be put into the configuration file.";

/// A WAMP router: RPC and PubSub over WebSocket and RawSocket.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, args_conflicts_with_subcommands = true, max_term_width = 100)]
pub(super) struct Args {
    /// What to do; `serve` if nothing is said.
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    /// The options of `serve`.
    #[command(flatten)]
    pub(super) serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the router until SIGINT or SIGTERM (the default)
    Serve(ServeArgs),
    /// Read a configuration file and say what it means, or everything that is wrong with it
    CheckConfig {
        /// The file
        file: PathBuf,
    },
    /// Have the router that runs read its configuration file again
    Reload {
        #[command(flatten)]
        router: RunningRouter,
    },
    /// Print the metrics of the router that runs, as Prometheus reads them
    Status {
        #[command(flatten)]
        router: RunningRouter,
    },
    /// Hash a secret for the configuration: reads it, prints the line for [[realm.user]]
    HashSecret(HashSecret),
    /// Make a pair of keys for cryptosign: writes the private key, prints the line for [[realm.user]]
    Keygen {
        /// A new file for the private key
        file: PathBuf,
    },
}

/// Tells those who name a file alone, as other programs take it, what they mean.
pub(super) fn explain(mut error: Error) -> Error {
    if let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand)
        && Path::new(word).is_file()
    {
        let tip = format!("to serve with a configuration file, write `--config {word}`");
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

/// Which router is meant.
#[derive(Debug, ClapArgs)]
pub(super) struct RunningRouter {
    /// The configuration file, which names the control socket
    #[arg(long, value_name = "FILE", required_unless_present = "control")]
    pub(super) config: Option<PathBuf>,
    /// The control socket, instead
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    pub(super) control: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ServeArgs {
    /// Configuration file (TOML); the options here win over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Address to listen on: ws://HOST:PORT, tcp://HOST:PORT or unix:/PATH; with TLS wss:// or tcps://, for which
    /// the configuration names certificates; repeatable
    /// [default: ws://127.0.0.1:8080]
    #[arg(long, value_name = "URL")]
    listen: Vec<Listen>,

    /// Realm to serve; repeatable [default: realm1]
    #[arg(long, value_name = "NAME")]
    realm: Vec<String>,

    /// Number of shards, or `auto`: one per CPU that the process may use [default: auto]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    shards: Option<Shards>,

    /// What drives the sockets: `glommio` (io_uring), `epoll`, or `auto`, the first that works [default: auto]
    #[arg(long, value_name = "NAME")]
    io: Option<Io>,

    /// How long a shard looks for something to do before it sleeps: sooner answers for a busy core while there
    /// is traffic [default: 0]
    #[arg(long, value_name = "MICROSECONDS")]
    spin_us: Option<Spin>,

    /// Log level: off, error, warn, info, debug, trace; or by module, as in `info,connectanum=debug`
    /// [default: info]
    #[arg(long, value_name = "FILTER")]
    log: Option<LogFilter>,

    /// Allow addresses that other machines can reach, although nobody has to authenticate
    #[arg(long)]
    allow_anonymous_remote: bool,
}

impl ServeArgs {
    /// The configuration file, and what wins over it.
    pub(super) fn split(self) -> (Option<PathBuf>, Overrides) {
        let overrides = Overrides {
            listen: self.listen,
            realms: self.realm,
            shards: self.shards,
            io: self.io,
            spin: self.spin_us,
            log: self.log,
            allow_anonymous_remote: self.allow_anonymous_remote,
        };
        (self.config, overrides)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn serve_is_the_default() {
        let options = ["--listen", "ws://[::1]:1", "--listen", "unix:/a", "--realm", "a", "--realm", "b"];
        let more =
            ["--shards", "8", "--io", "epoll", "--spin-us", "50", "--log", "debug", "--config", "c.toml"];
        let words = || options.into_iter().chain(more);
        let bare = Args::try_parse_from(["connectanum"].into_iter().chain(words())).unwrap();
        let named = Args::try_parse_from(["connectanum", "serve"].into_iter().chain(words())).unwrap();
        let Some(Command::Serve(named)) = named.command else { panic!("{named:?}") };
        assert!(bare.command.is_none());
        let split = bare.serve.split();
        assert_eq!(split, named.split());
        let expected = Overrides {
            listen: vec!["ws://[::1]:1".parse().unwrap(), "unix:/a".parse().unwrap()],
            realms: vec!["a".to_owned(), "b".to_owned()],
            shards: Some("8".parse().unwrap()),
            io: Some(Io::Epoll),
            spin: Some("50".parse().unwrap()),
            log: Some("debug".parse().unwrap()),
            allow_anonymous_remote: false,
        };
        assert_eq!(split, (Some("c.toml".into()), expected));
    }
}
