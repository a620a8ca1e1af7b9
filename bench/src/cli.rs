//! The command line.

mod load;
mod scale;

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use connectanum::wamp::Serializer;
use nix::unistd::Pid;

use self::load::{AccessArgs, Load};
use self::scale::ScaleArgs;
use crate::baselines::relay::Relay;
use crate::engine;
use crate::interrupt;
use crate::measure::Meter;
use crate::output::{OutputArgs, print};
use crate::report::Report;
use crate::scenario::{Run, Scenario};
use crate::showing::Showing;
use crate::target::Target;

const EXAMPLES: &str = "\
Examples:
  connectanum-bench pubsub ws://127.0.0.1:8080 --pairs 50 --window 8 --server-pid PID
      50 publishers with a subscriber each; what it costs the router.
  connectanum-bench pubsub tcp://127.0.0.1:8080 --serializer msgpack --fanout 1000
      RawSocket; the next event goes when all 1000 have the last.
  connectanum-bench pubsub ws://127.0.0.1:8080 --pairs 100 --rate 20000
      An open loop: 20000 events per second, whether the router keeps up or not.
  connectanum-bench pubsub tcp://127.0.0.1:8080 --pairs 50 --shards 4 --place cross
      Every event goes to another shard of the router; compare with --place same.
  connectanum-bench rpc unix:/run/connectanum.sock --serializer cbor --json a.json --html a.html
      Calls over a Unix socket; the report as text, for programs, and as a page with curves.
  connectanum-bench rpc ws://127.0.0.1:8080 --callers 50 --callees 4 --threads 2 --pin 2,3
      One procedure that four callees share; the generator on two CPUs.
  connectanum-bench rpc wss://router.example/ws --realm com.example --authid joe --wampcra SECRET
      Over TLS, and who it is.
  connectanum-bench mixed ws://127.0.0.1:8080 --pairs 20 --calls 30
      Sessions that publish and call; three of ten messages are calls.
  connectanum-bench connect ws://127.0.0.1:8080 --concurrency 50
      How many clients per second can connect, join and leave, and how long one takes.
  connectanum-bench idle ws://127.0.0.1:8080 --sessions 10000 --subscriptions 2 --server-pid PID
      Memory of the router for each session that does nothing.
  connectanum-bench slow ws://127.0.0.1:8080 --rate 5000 --fanout 10 --server-pid PID
      Whether one subscriber that stops to read disturbs ten others, and what becomes of it.
  connectanum-bench scale --over pairs=1,10,100 pubsub ws://127.0.0.1:8080 --window 8
      A line for each number of pairs; any option of a load can be varied.
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
    #[command(flatten)]
    Load(Box<Load>),
    /// A load again and again, with other values of one of its options
    Scale(ScaleArgs),
    /// Run the raw relay: connections are paired as they come, and get what the other sends
    Relay(RelayArgs),
    #[command(flatten)]
    Showing(Showing),
}

/// What all loads have in common.
#[derive(Debug, Args)]
struct LoadArgs {
    /// The server: ws://HOST:PORT/PATH, tcp://HOST:PORT for RawSocket, both with an s for TLS, unix:/PATH;
    /// raw://HOST:PORT for the relay, nats://HOST:PORT for NATS. USER:PASSWORD@ before the host stands for
    /// --authid, and for --ticket and --wampcra
    url: Target,

    /// How messages are written
    #[arg(long, value_name = "NAME", value_enum, default_value_t)]
    serializer: SerializerArg,

    /// Realm to join
    #[arg(long, value_name = "NAME", default_value = "realm1")]
    realm: String,

    #[command(flatten)]
    access: AccessArgs,

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

    /// Threads of the generator; pairs are spread over them
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,

    /// Pin the generator's threads, each to one of these CPUs
    #[arg(long, value_name = "CPU", value_delimiter = ',')]
    pin: Vec<usize>,

    /// Tell every second how it goes [default: if standard error is a terminal]
    #[arg(long)]
    progress: bool,

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
        Command::Load(load) => measure(load.args(), load.run()?),
        Command::Scale(args) => args.run(),
        Command::Relay(args) => relay(&args),
        Command::Showing(showing) => showing.run(),
    }
}

fn measure(load: &LoadArgs, run: Run) -> Result<(), Failure> {
    load.output.check()?;
    Ok(load.output.write(&report(load, run)?)?)
}

/// Puts the load on the server, and says what it has brought.
fn report(load: &LoadArgs, run: Run) -> Result<Report, Failure> {
    let meter = match load.server_pid {
        Some(pid) => Meter::of(Pid::from_raw(pid), load.syscalls)?,
        None => Meter::new(),
    };
    Ok(Report::new(&run, &engine::run(&run, meter)?))
}

fn relay(args: &RelayArgs) -> Result<(), Failure> {
    let relay = Relay::bind(args.listen).map_err(|e| format!("cannot listen on {}: {e}", args.listen))?;
    print(&format!("raw://{}\n", relay.address()?))?;
    Ok(relay.run()?)
}

impl LoadArgs {
    fn run(&self, scenario: Scenario) -> Result<Run, Failure> {
        Ok(Run {
            serializer: match self.serializer {
                SerializerArg::Json => Serializer::Json,
                SerializerArg::Msgpack => Serializer::MsgPack,
                SerializerArg::Cbor => Serializer::Cbor,
            },
            realm: self.realm.clone(),
            warmup: self.warmup,
            duration: self.duration,
            progress: self.progress || io::stderr().is_terminal(),
            threads: self.threads,
            cpus: self.pin.clone(),
            credentials: Arc::new(self.access.credentials(&self.url)),
            tls: if self.url.tls.is_some() { Some(self.access.trust().config()?) } else { None },
            ..Run::new(self.url.clone(), scenario)
        })
    }
}

/// The longest time that can be asked for; a month.
const SECONDS_MAX: f64 = 31.0 * 24.0 * 3600.0;

/// A positive number of seconds; fractions are fine.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("`{text}` is no number of seconds"))?;
    if seconds > SECONDS_MAX {
        return Err(format!("{SECONDS_MAX} seconds are the most"));
    }
    Duration::try_from_secs_f64(seconds).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::placement::{Place, Placement};
    use crate::scenario::{Idle, Invoke, Kind, Pattern};
    use crate::wamp::Credentials;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    fn run(words: &str) -> Run {
        let cli = Cli::try_parse_from(format!("bench {words}").split(' ')).unwrap();
        let Command::Load(load) = cli.command else { panic!("{cli:?}") };
        load.run().unwrap()
    }

    #[test]
    fn a_load() {
        let run =
            run("rpc tcp://127.0.0.1:1 --serializer cbor --pairs 2 --window 3 --payload 99 --duration 0.5");
        let expected =
            Scenario { kind: Kind::Rpc, lanes: 2, window: 3, payload_bytes: 99, ..Scenario::default() };
        assert_eq!(run.scenario, expected);
        assert_eq!((run.serializer, run.duration), (Serializer::Cbor, Duration::from_millis(500)));
    }

    #[test]
    fn a_schedule_and_threads() {
        let words = "--pairs 4 --rate 1000 --backlog 5 --threads 2 --pin 0,1 --calls 30";
        let run = run(&format!("mixed tcp://127.0.0.1:1 {words}"));
        assert_eq!(run.scenario.kind, Kind::Mixed { fanout: 1, calls: 30 });
        assert_eq!((run.scenario.rate, run.backlog), (Some(1000), 5));
        assert_eq!((run.threads, run.cpus), (2, vec![0, 1]));
    }

    #[test]
    fn sessions_that_do_nothing() {
        let idle = run("idle ws://127.0.0.1:1 --sessions 7 --subscriptions 2 --match prefix --server-pid 1")
            .scenario;
        assert_eq!(idle.kind, Kind::Idle);
        let expected = Idle { sessions: 7, subscriptions: 2, pattern: Pattern::Prefix };
        assert_eq!(idle.idle, expected);
        let beside = run("rpc ws://127.0.0.1:1 --idle 7 --subscriptions 2 --match prefix").scenario;
        assert_eq!((beside.kind, beside.idle), (Kind::Rpc, expected));
        let slow = run("slow ws://127.0.0.1:1 --fanout 3").scenario;
        assert_eq!(slow.kind, Kind::Slow { fanout: 3 });
    }

    #[test]
    fn visits() {
        let visits = run("connect ws://127.0.0.1:1 --concurrency 7").scenario;
        assert_eq!((visits.kind, visits.lanes), (Kind::Connect, 7));
    }

    #[test]
    fn a_place() {
        let placed = run("rpc tcp://127.0.0.1:1 --shards 4 --place cross").placement;
        assert_eq!(placed, Some(Placement { shards: 4, place: Place::Cross }));
        assert_eq!(run("rpc tcp://127.0.0.1:1 --shards 4").placement, None);
    }

    #[test]
    fn who_to_be() {
        let credentials = |words: &str| {
            let Credentials { authid, ticket, secret } = &*run(&format!("rpc {words}")).credentials;
            [authid, ticket, secret].map(|word| word.clone().unwrap_or_default())
        };
        assert_eq!(credentials("ws://127.0.0.1:1"), ["", "", ""]);
        assert_eq!(credentials("ws://joe:x@127.0.0.1:1"), ["joe", "x", "x"]);
        assert_eq!(credentials("ws://joe:x@127.0.0.1:1 --ticket y"), ["joe", "y", ""]);
        assert_eq!(credentials("ws://127.0.0.1:1 --authid ann --wampcra z"), ["ann", "", "z"]);
    }

    #[test]
    fn a_shared_registration() {
        let kind = |words: &str| {
            let scenario = run(&format!("rpc tcp://127.0.0.1:1 {words}")).scenario;
            (scenario.kind, scenario.lanes)
        };
        let shared = |callees, invoke| Kind::Shared { callees, invoke };
        assert_eq!(kind("--pairs 3"), (Kind::Rpc, 3));
        assert_eq!(kind("--callers 3 --callees 2"), (shared(2, Invoke::RoundRobin), 3));
        assert_eq!(kind("--callees 2 --invoke last"), (shared(2, Invoke::Last), 1));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for words in [
            "bench pubsub",
            "bench pubsub http://127.0.0.1:1",
            "bench pubsub ws://127.0.0.1:1 --duration -1",
            "bench pubsub ws://127.0.0.1:1 --duration 1e9",
            "bench pubsub ws://127.0.0.1:1 --rate 0",
            "bench pubsub ws://127.0.0.1:1 --rate 10000000000",
            "bench pubsub ws://127.0.0.1:1 --window 4000000000",
            "bench pubsub ws://127.0.0.1:1 --syscalls",
            "bench pubsub ws://127.0.0.1:1 --server-pid 0",
            "bench rpc ws://127.0.0.1:1 --fanout 2",
            "bench rpc ws://127.0.0.1:1 --invoke last",
            "bench rpc wss://127.0.0.1:1 --insecure --ca a.pem",
            "bench pubsub ws://127.0.0.1:1 --rate 5 --window 2",
            "bench pubsub ws://127.0.0.1:1 --backlog 2",
            "bench pubsub ws://127.0.0.1:1 --place cross",
            "bench pubsub ws://127.0.0.1:1 --subscriptions 2",
            "bench idle ws://127.0.0.1:1 --sessions 5",
            "bench scale pubsub ws://127.0.0.1:1",
            "bench scale --over pairs pubsub ws://127.0.0.1:1",
        ] {
            assert!(Cli::try_parse_from(words.split(' ')).is_err(), "{words}");
        }
    }
}
