//! The commands that compare servers with each other, and reports.

use std::env;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use nix::unistd::Pid;

use crate::baselines::fanout::Fanout;
use crate::cli::{Failure, seconds};
use crate::output::{self, OutputArgs, print, print_json};
use crate::progress;
use crate::report::{self, Comparison, Report, Sweep};
use crate::suite::{self, Contender, Cpus, Peer, Rounds, Table, Via, Work};

#[derive(Debug, Subcommand)]
pub(crate) enum Showing {
    /// Run the bare fan-out: what a connection sends goes to those that have come after it
    Fanout(FanoutArgs),
    /// Compare routers with the baselines, and with each other
    Suite(SuiteArgs),
    /// Show a report that was kept as JSON, or make a page of it
    Show(ShowArgs),
    /// Compare reports of the same load
    Compare(CompareArgs),
    /// Draw how figures change with what was varied, as `scale` has written it
    Plot(PlotArgs),
    /// Everything once and briefly, as a test
    Smoke(SmokeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct FanoutArgs {
    /// Address to listen on; port 0 takes any free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9000")]
    listen: SocketAddr,

    /// Subscribers of each publisher; the load has to have as many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    subscribers: u32,
}

#[derive(Debug, Args)]
pub(crate) struct SuiteArgs {
    #[command(flatten)]
    router: RouterArgs,

    /// How to talk to the router: ws, tcp or unix, and json, msgpack or cbor
    #[arg(long, value_name = "VIA", value_delimiter = ',', default_value = "ws+json,tcp+msgpack")]
    via: Vec<Via>,

    /// Another router, which runs already: NAME=URL, or NAME=URL,SERIALIZER; can be repeated
    #[arg(long = "peer", value_name = "NAME=URL")]
    peers: Vec<Peer>,

    /// The process of a peer, to see what it uses; can be repeated
    #[arg(long = "peer-pid", value_name = "NAME=PID", value_parser = peer_pid)]
    peer_pids: Vec<(String, i32)>,

    /// Only these works
    #[arg(long, value_name = "WORK", value_delimiter = ',')]
    only: Vec<String>,

    /// How often everything is measured
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// How long to measure each time
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    duration: Duration,

    /// How long to run before
    #[arg(long, value_name = "SECONDS", default_value = "0.5", value_parser = seconds)]
    warmup: Duration,

    /// Count system calls in one more round, with perf
    #[arg(long)]
    syscalls: bool,

    /// CPU of the servers [default: the first]
    #[arg(long, value_name = "CPU")]
    server_cpu: Option<usize>,

    /// CPU of the generator [default: the second]
    #[arg(long, value_name = "CPU")]
    generator_cpu: Option<usize>,

    /// How to print it
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    format: Format,

    /// Write it as text and JSON, a page and pictures into this folder as well
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SmokeArgs {
    #[command(flatten)]
    router: RouterArgs,

    /// How long each load is measured; a slow machine needs longer to deliver something
    #[arg(long, value_name = "SECONDS", default_value = "0.08", value_parser = seconds)]
    duration: Duration,
}

#[derive(Debug, Args)]
struct RouterArgs {
    /// The router's program [default: `connectanum` beside this one]
    #[arg(long, value_name = "PATH")]
    router: Option<PathBuf>,

    /// What the router is told to drive its sockets with: epoll, glommio, auto
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "auto")]
    io: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Text,
    Markdown,
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// A report that was written with `--json FILE`
    #[arg(value_name = "REPORT")]
    report: PathBuf,

    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Reports that were written with `--json FILE`; the others are compared with the first
    #[arg(value_name = "REPORT", num_args = 2.., required = true)]
    reports: Vec<PathBuf>,

    /// Write a page with the curves as well
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PlotArgs {
    /// A file that `scale` has written with `--json FILE`
    #[arg(value_name = "SWEEP")]
    sweep: PathBuf,

    /// The picture
    #[arg(long, value_name = "FILE.svg")]
    out: PathBuf,
}

impl Showing {
    /// Does it.
    ///
    /// # Errors
    /// It did not work; the error says why in words.
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self {
            Showing::Fanout(args) => fanout(&args),
            Showing::Suite(args) => args.run(),
            Showing::Show(args) => show(&args),
            Showing::Compare(args) => compare(&args),
            Showing::Plot(args) => plot(&args),
            Showing::Smoke(args) => {
                let (router, io) = args.router.resolve()?;
                Ok(suite::smoke(&router, &io, args.duration)?)
            }
        }
    }
}

fn fanout(args: &FanoutArgs) -> Result<(), Failure> {
    let fanout = Fanout::bind(args.listen, args.subscribers as usize)
        .map_err(|e| format!("cannot listen on {}: {e}", args.listen))?;
    print(&format!("fanout://{}\n", fanout.address()?))?;
    Ok(fanout.run()?)
}

fn show(args: &ShowArgs) -> Result<(), Failure> {
    args.output.check()?;
    Ok(args.output.write(&report::read::<Report>(&args.report)?)?)
}

fn compare(args: &CompareArgs) -> Result<(), Failure> {
    if let Some(path) = &args.html {
        output::check(path)?;
    }
    let comparison = Comparison::read(&args.reports)?;
    print(&comparison.text())?;
    if let Some(path) = &args.html {
        output::write(path, &report::html::compare(&comparison))?;
    }
    Ok(())
}

fn plot(args: &PlotArgs) -> Result<(), Failure> {
    output::check(&args.out)?;
    let sweep: Sweep = report::read(&args.sweep)?;
    Ok(output::write(&args.out, &sweep.svg())?)
}

impl SuiteArgs {
    fn run(self) -> Result<(), Failure> {
        let works = suite::choose(&self.only)?;
        if let Some(folder) = &self.out {
            output::make_folder(folder)?;
        }
        let rounds = Rounds {
            contenders: self.contenders(&works)?,
            works,
            rounds: self.rounds,
            warmup: self.warmup,
            duration: self.duration,
            cpus: Cpus::choose(self.server_cpu, self.generator_cpu),
            syscalls: self.syscalls,
        };
        let table = Table::new(&rounds, &rounds.run()?);
        match self.format {
            Format::Text => print(&table.text())?,
            Format::Markdown => print(&table.markdown())?,
            Format::Json => print_json(&table)?,
        }
        if let Some(folder) = &self.out {
            suite::write_all(&table, folder)?;
        }
        Ok(())
    }

    /// The baselines, the router in each of its forms, and the peers.
    fn contenders(&self, works: &[Work]) -> Result<Vec<Contender>, Failure> {
        let (program, ios) = self.router.resolve()?;
        let mut contenders = vec![Contender::Relay];
        contenders.extend(suite::fanouts(works));
        match suite::find_nats() {
            Some(program) => contenders.push(Contender::Nats { program }),
            None => progress("nats-server is not installed: the table goes without, and without its bars"),
        }
        let router = |io: String| {
            let program = program.clone();
            self.via.iter().map(move |&via| Contender::Router {
                program: program.clone(),
                io: io.clone(),
                via,
            })
        };
        contenders.extend(ios.into_iter().flat_map(router));
        contenders.extend(self.peers()?.into_iter().map(Contender::Peer));
        Ok(contenders)
    }

    /// The peers with their processes.
    fn peers(&self) -> Result<Vec<Peer>, Failure> {
        let mut peers = self.peers.clone();
        for (name, pid) in &self.peer_pids {
            let peer = peers.iter_mut().find(|peer| peer.name == *name);
            let peer = peer.ok_or_else(|| format!("no --peer is called `{name}`, but --peer-pid has one"))?;
            peer.pid = Some(Pid::from_raw(*pid));
        }
        Ok(peers)
    }
}

impl RouterArgs {
    /// The router's program, and its shells.
    fn resolve(&self) -> Result<(PathBuf, Vec<String>), Failure> {
        let beside = || env::current_exe().map(|this| this.with_file_name("connectanum"));
        let router = self.router.clone().map_or_else(beside, Ok)?;
        if !router.is_file() {
            let path = router.display();
            return Err(format!("there is no router at {path}; build it, or name it with --router").into());
        }
        Ok((router, self.io.clone()))
    }
}

fn peer_pid(text: &str) -> Result<(String, i32), String> {
    let parts = text.split_once('=').and_then(|(name, pid)| Some((name.to_owned(), pid.parse().ok()?)));
    parts.filter(|(_, pid)| *pid > 0).ok_or_else(|| format!("`{text}` is not NAME=PID"))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(subcommand)]
        showing: Showing,
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn peers_get_their_processes() {
        let peers = |words: &str| {
            let cli = Cli::try_parse_from(words.split(' ')).unwrap();
            let Showing::Suite(args) = cli.showing else { panic!("{cli:?}") };
            args.peers()
        };
        let both = "bench suite --peer a=ws://127.0.0.1:1 --peer b=tcp://127.0.0.1:2,cbor --peer-pid b=77";
        let pids: Vec<_> = peers(both).unwrap().into_iter().map(|peer| (peer.name, peer.pid)).collect();
        assert_eq!(pids, [("a".to_owned(), None), ("b".to_owned(), Some(Pid::from_raw(77)))]);
        let error = peers("bench suite --peer-pid c=77").unwrap_err().to_string();
        assert!(error.contains("no --peer is called `c`"), "{error}");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for words in [
            "bench suite --via ws",
            "bench suite --rounds 0",
            "bench suite --peer a=http://127.0.0.1:1",
            "bench suite --peer-pid a=b",
            "bench suite --peer-pid a=0",
            "bench compare one.json",
            "bench show",
            "bench plot sweep.json",
            "bench fanout",
            "bench fanout --subscribers 0",
        ] {
            assert!(Cli::try_parse_from(words.split(' ')).is_err(), "{words}");
        }
    }
}
