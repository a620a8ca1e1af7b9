//! The command line.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use connectanum::wamp::Serializer;
use core_affinity::CoreId;
use nix::unistd::Pid;

use crate::baselines::relay::Relay;
use crate::engine;
use crate::interrupt;
use crate::measure::Meter;
use crate::output::{OutputArgs, print};
use crate::report::Report;
use crate::scenario::{self, Kind, Run, Scenario};
use crate::showing::Showing;
use crate::target::Target;

const EXAMPLES: &str = "\
Examples:
  connectanum-bench pubsub ws://127.0.0.1:8080 --pairs 50 --window 8 --server-pid $(pidof connectanum)
      50 publishers with a subscriber each; what it costs the router.
  connectanum-bench pubsub tcp://127.0.0.1:8080 --serializer msgpack --fanout 1000
      RawSocket; the next event goes when all 1000 have the last.
  connectanum-bench rpc unix:/run/connectanum.sock --serializer cbor --json a.json --html a.html
      Calls over a Unix socket; the report as text, for programs, and as a page with curves.
  connectanum-bench compare a.json b.json --html both.html
      Ratios, and the curves over each other.
  connectanum-bench suite --router target/release/connectanum --io epoll,glommio --out report
      The router against the baselines, with medians, ratios and pictures.
  connectanum-bench suite --peer crossbar=ws://127.0.0.1:8080/ws --peer-pid crossbar=4711
      Another router beside it.";

/// Load generator and baselines for WAMP routers.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Publish, and measure how long events take to their subscribers
    Pubsub(PubsubArgs),
    /// Call, and measure how long results take
    Rpc(RpcArgs),
    /// Run the raw relay: connections are paired as they come, and get what the other sends
    Relay(RelayArgs),
    #[command(flatten)]
    Showing(Showing),
}

#[derive(Debug, Args)]
struct PubsubArgs {
    #[command(flatten)]
    load: LoadArgs,

    /// Subscribers of each publisher
    #[arg(long, value_name = "N", default_value_t = 1)]
    fanout: u32,
}

#[derive(Debug, Args)]
struct RpcArgs {
    #[command(flatten)]
    load: LoadArgs,
}

/// What all loads have in common.
#[derive(Debug, Args)]
struct LoadArgs {
    /// The server: ws://HOST:PORT/PATH, tcp://HOST:PORT, unix:/PATH; raw://HOST:PORT for the relay,
    /// nats://HOST:PORT for NATS
    url: Target,

    /// How messages are written
    #[arg(long, value_name = "NAME", value_enum, default_value_t)]
    serializer: SerializerArg,

    /// Realm to join
    #[arg(long, value_name = "NAME", default_value = "realm1")]
    realm: String,

    /// Publishers or callers; each has subscribers or a callee of its own
    #[arg(long, value_name = "N", default_value_t = 1)]
    pairs: u32,

    /// Messages in flight per pair
    #[arg(long, value_name = "N", default_value_t = 1)]
    window: u32,

    /// Bytes of the text that each message carries
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    payload: usize,

    /// How long to measure
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    duration: Duration,

    /// How long to run before
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    warmup: Duration,

    /// Process of the server, to see what it uses
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    server_pid: Option<i32>,

    /// Count the server's system calls with perf; slows it
    #[arg(long, requires = "server_pid")]
    syscalls: bool,

    /// Pin the generator to a CPU
    #[arg(long, value_name = "CPU")]
    pin: Option<usize>,

    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct RelayArgs {
    /// Address to listen on; port 0 takes any free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9000")]
    listen: SocketAddr,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum SerializerArg {
    #[default]
    Json,
    Msgpack,
    Cbor,
}

/// Why the program fails.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// Does what the command line says.
///
/// # Errors
/// It did not work; the error says why in words.
pub(crate) fn run() -> Result<(), Failure> {
    let cli = Cli::parse();
    interrupt::install()?;
    match cli.command {
        Command::Pubsub(PubsubArgs { load, fanout }) => measure(&load, Kind::PubSub { fanout }),
        Command::Rpc(RpcArgs { load }) => measure(&load, Kind::Rpc),
        Command::Relay(args) => relay(&args),
        Command::Showing(showing) => showing.run(),
    }
}

fn measure(load: &LoadArgs, kind: Kind) -> Result<(), Failure> {
    load.output.check()?;
    if let Some(id) = load.pin
        && !core_affinity::set_for_current(CoreId { id })
    {
        return Err(format!("the generator cannot be pinned to CPU {id}").into());
    }
    let meter = match load.server_pid {
        Some(pid) => Meter::of(Pid::from_raw(pid), load.syscalls)?,
        None => Meter::new(),
    };
    let run = load.run(kind);
    let report = Report::new(&run, &engine::run(&run, meter)?);
    Ok(load.output.write(&report)?)
}

fn relay(args: &RelayArgs) -> Result<(), Failure> {
    let relay = Relay::bind(args.listen).map_err(|e| format!("cannot listen on {}: {e}", args.listen))?;
    print(&format!("raw://{}\n", relay.address()?))?;
    Ok(relay.run()?)
}

impl LoadArgs {
    fn run(&self, kind: Kind) -> Run {
        Run {
            target: self.url.clone(),
            serializer: match self.serializer {
                SerializerArg::Json => Serializer::Json,
                SerializerArg::Msgpack => Serializer::MsgPack,
                SerializerArg::Cbor => Serializer::Cbor,
            },
            realm: self.realm.clone(),
            prefix: scenario::prefix(),
            scenario: Scenario { kind, lanes: self.pairs, window: self.window, payload_bytes: self.payload },
            warmup: self.warmup,
            duration: self.duration,
        }
    }
}

/// A positive number of seconds; fractions are fine.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("`{text}` is no number of seconds"))?;
    Duration::try_from_secs_f64(seconds).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_load() {
        let words =
            "bench rpc tcp://127.0.0.1:1 --serializer cbor --pairs 2 --window 3 --payload 99 --duration 0.5";
        let cli = Cli::try_parse_from(words.split(' ')).unwrap();
        let Command::Rpc(RpcArgs { load }) = cli.command else { panic!("{cli:?}") };
        let run = load.run(Kind::Rpc);
        assert_eq!(run.scenario, Scenario { kind: Kind::Rpc, lanes: 2, window: 3, payload_bytes: 99 });
        assert_eq!((run.serializer, run.duration), (Serializer::Cbor, Duration::from_millis(500)));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for words in [
            "bench pubsub",
            "bench pubsub http://127.0.0.1:1",
            "bench pubsub ws://127.0.0.1:1 --duration -1",
            "bench pubsub ws://127.0.0.1:1 --syscalls",
            "bench pubsub ws://127.0.0.1:1 --server-pid 0",
            "bench rpc ws://127.0.0.1:1 --fanout 2",
        ] {
            assert!(Cli::try_parse_from(words.split(' ')).is_err(), "{words}");
        }
    }
}
