//! The load generator: threads around an edge-triggered epoll each, with a state machine per connection.
//!
//! A run has four stages. All connections are opened and made ready; the load runs for a while and does not count; it
//! is measured; and what is still in flight has to arrive. The threads go through them in step. Every single message is
//! checked: its type, its payload, its place in the order.

mod connection;
mod control;
mod lane;
mod pace;
mod ticker;
mod visitor;
mod worker;

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use core_affinity::CoreId;
use hdrhistogram::Histogram;
use mio::{Token, Waker};

use self::connection::Connection;
use self::control::{Control, News, Part, Stage};
use self::lane::Misdelivery;
use self::ticker::Ticker;
use self::visitor::Visitor;
use self::worker::Worker;
use crate::interrupt;
use crate::measure::{Cost, Live, Memory, Meter, MeterError, Recorder, Sample, Stalled, histogram};
use crate::scenario::{Kind, Run, RunError, Seat};
use crate::wamp::{ReadError, SessionError};
use crate::wire::WireError;

/// How often somebody who waits looks whether the run is to end.
const LOOK: Duration = Duration::from_millis(20);

/// Events that one call of epoll reports.
const EVENTS: usize = 1024;

/// Nanoseconds without anything happening, after which a run has failed.
const PATIENCE: u64 = 10_000_000_000;

/// How long a thread sleeps at most, so that it notices when nothing happens.
const NAP: Duration = Duration::from_secs(1);

/// What the events of a thread's waker are called.
const WAKER: Token = Token(usize::MAX);

/// What a run has brought.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Messages that were received while it was measured.
    pub(crate) delivered: u64,
    /// Messages that were received in all.
    pub(crate) total: u64,
    /// Their latencies in nanoseconds: from before the message is written, or in an open loop from when it was due,
    /// until after it is read.
    pub(crate) latency: Histogram<u64>,
    /// Those of calls alone, where there are others.
    pub(crate) calls: Option<Histogram<u64>>,
    /// How late messages of an open loop were sent, in nanoseconds: the generator's own part of their latencies.
    pub(crate) late: Histogram<u64>,
    /// How it went, interval by interval.
    pub(crate) timeline: Vec<Sample>,
    /// What it cost.
    pub(crate) cost: Cost,
    /// CPU time of each of the generator's threads, in nanoseconds.
    pub(crate) busy_ns: Vec<u64>,
    /// What became of a subscriber that stopped to read.
    pub(crate) stalled: Option<Stalled>,
    /// The server's memory over time.
    pub(crate) memory: Vec<Memory>,
    /// From the first connection until all were ready, in nanoseconds.
    pub(crate) setup_ns: u64,
    /// It was ended early, on demand.
    pub(crate) interrupted: bool,
}

/// Why a run has failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// It makes no sense.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Nobody listens.
    #[error("{0} cannot connect to {1}: {2}")]
    Connect(Seat, String, io::Error),
    /// The connection has gone.
    #[error("{0} lost its connection: {1}")]
    Lost(Seat, io::Error),
    /// The server has closed it.
    #[error("the connection of {0} was closed by the server: {1}")]
    Closed(Seat, String),
    /// The server breaks the rules of its transport.
    #[error("{0}: {1}")]
    Wire(Seat, WireError),
    /// The server does not let it take part.
    #[error("{0} {1}")]
    Session(Seat, SessionError),
    /// A message is wrong.
    #[error("{0}: {1}")]
    Message(Seat, ReadError),
    /// A message should not have come, or has not.
    #[error("{0} received {1}")]
    Delivery(Seat, Misdelivery),
    /// Not all are ready.
    #[error("{ready} of {all} connections are ready, and nothing happens any more")]
    Setup {
        /// Those that are.
        ready: usize,
        /// All.
        all: usize,
    },
    /// Nothing comes any more.
    #[error("{0} deliveries are missing, and nothing comes any more")]
    Missing(u64),
    /// Nobody is let in any more, or out.
    #[error("{0} connections are on their way in or out, and nothing happens any more")]
    Visits(u64),
    /// The server is slower than the schedule.
    #[error(
        "the server does not keep up with {rate} messages/s: {backlog} of {seat} are in flight, and that is all that \
         --backlog allows; lower --rate, or raise --backlog to see how far it falls behind"
    )]
    Backlog {
        /// Whose messages.
        seat: Seat,
        /// What was asked for.
        rate: u64,
        /// How many may be in flight.
        backlog: u32,
    },
    /// The session ids do not say what they should.
    #[error(
        "{seat} has connected {tries} times and was never on the shard it has to be on; does this router have \
         {shards} shards, and do its session ids tell them?"
    )]
    Placement {
        /// Who.
        seat: Seat,
        /// How often.
        tries: u32,
        /// How many shards there should be.
        shards: u16,
    },
    /// The system does not pin a thread.
    #[error("the generator cannot be pinned to CPU {0}")]
    Pin(usize),
    /// The server cannot be looked at.
    #[error(transparent)]
    Meter(#[from] MeterError),
    /// The system.
    #[error("the load generator failed: {0}")]
    System(#[from] io::Error),
}

/// Runs the load and measures it.
///
/// # Errors
/// The server does not do what it should, or something is in the way.
pub(crate) fn run(run: &Run, meter: Meter) -> Result<Tally, Failure> {
    run.check()?;
    // Without it, a few hundred connections still work.
    let _ = connectanum::shell::raise_open_files();
    let begun = Instant::now();
    let mut crew = (0..run.threads).map(|index| Member::new(run, index)).collect::<Result<Vec<_>, _>>()?;
    for seat in run.seats() {
        if interrupt::is_asked() {
            return Ok(Tally::new(&[], Cost::default()).interrupted());
        }
        let refused = |e| Failure::Connect(seat, run.target.to_string(), e);
        let connection = Connection::open(run, seat).map_err(refused)?;
        if let Member::Worker(worker) = &mut crew[seat.lane as usize % run.threads] {
            worker.take(connection)?;
        }
    }
    let live = run.progress.then(Live::new);
    let control = Control::new(crew.iter().map(Member::waker).collect(), live);
    let (sender, news) = mpsc::channel();
    thread::scope(|scope| {
        for (index, member) in crew.into_iter().enumerate() {
            let (control, sender, cpu) = (&control, sender.clone(), run.cpus.get(index).copied());
            scope.spawn(move || work(member, cpu, control, &sender));
        }
        // A thread that ends without a word is noticed.
        drop(sender);
        let ticker = run.progress.then(Ticker::new);
        let mut conductor =
            Conductor { run, control: &control, news: &news, meter, ticker, begun, memory: Vec::new() };
        let tally = conductor.run();
        if tally.is_err() {
            // The threads end, and the error is told.
            let _ = control.enter(Stage::Done);
        }
        tally
    })
}

/// One thread of the generator, before it runs.
enum Member<'r> {
    Worker(Box<Worker<'r>>),
    Visitor(Box<Visitor<'r>>),
}

impl<'r> Member<'r> {
    fn new(run: &'r Run, index: usize) -> io::Result<Member<'r>> {
        Ok(match run.scenario.kind {
            Kind::Connect => Member::Visitor(Box::new(Visitor::new(run, index)?)),
            _ => Member::Worker(Box::new(Worker::new(run, index)?)),
        })
    }

    fn waker(&self) -> Arc<Waker> {
        match self {
            Member::Worker(worker) => worker.waker(),
            Member::Visitor(visitor) => visitor.waker(),
        }
    }
}

/// One thread of the generator.
fn work(member: Member<'_>, cpu: Option<usize>, control: &Control, news: &Sender<News>) {
    let part = match cpu.filter(|&cpu| !pin(cpu)) {
        Some(cpu) => Err(Failure::Pin(cpu)),
        None => match member {
            Member::Worker(worker) => worker.run(control, news),
            Member::Visitor(visitor) => visitor.run(control, news),
        },
    };
    // Nobody listens only if another thread has failed before.
    let _ = news.send(match part {
        Ok(part) => News::Ended(Box::new(part)),
        Err(failure) => News::Failed(failure),
    });
}

/// What it means that a connection cannot be read from or written to.
fn lost(seat: Seat, error: io::Error) -> Failure {
    match error.kind() {
        ErrorKind::UnexpectedEof => Failure::Closed(seat, "it said nothing about why".to_owned()),
        _ => Failure::Lost(seat, explained(error)),
    }
}

/// What to do about a certificate that is not trusted.
fn explained(error: io::Error) -> io::Error {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(_)) => io::Error::new(
            error.kind(),
            format!("{error}; name a file with who has signed it, `--ca FILE`, or say `--insecure`"),
        ),
        _ => error,
    }
}

/// Pins the calling thread to one of the CPUs that the process may use. Returns whether it is.
fn pin(cpu: usize) -> bool {
    let cpus = core_affinity::get_core_ids().unwrap_or_default();
    cpus.contains(&CoreId { id: cpu }) && core_affinity::set_for_current(CoreId { id: cpu })
}

/// Leads the threads through the stages.
struct Conductor<'r> {
    run: &'r Run,
    control: &'r Control,
    news: &'r Receiver<News>,
    meter: Meter,
    ticker: Option<Ticker>,
    /// When the first connection was opened.
    begun: Instant,
    memory: Vec<Memory>,
}

/// How waiting has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Over,
    Interrupted,
}

impl Conductor<'_> {
    fn run(&mut self) -> Result<Tally, Failure> {
        let mut interrupted = self.wait_for_all(true)? == Wait::Interrupted;
        let setup_ns = self.begun.elapsed().as_nanos() as u64;
        let mut cost = Cost::default();
        if !interrupted {
            self.control.enter(Stage::Warmup)?;
            interrupted = self.wait(self.run.warmup)? == Wait::Interrupted;
        }
        if !interrupted {
            self.meter.begin()?;
            self.control.enter(Stage::Measure)?;
            interrupted = self.measure()? == Wait::Interrupted;
            self.control.enter(Stage::Drain)?;
            cost = self.meter.end()?;
            self.wait_for_all(false)?;
        }
        self.control.enter(Stage::Done)?;
        let parts = (0..self.run.threads).map(|_| self.part()).collect::<Result<Vec<_>, _>>()?;
        let memory = std::mem::take(&mut self.memory);
        Ok(Tally { setup_ns, memory, interrupted, ..Tally::new(&parts, cost) })
    }

    /// Waits until every thread has told that it is done with the present stage, or until somebody presses Ctrl-C.
    fn wait_for_all(&self, interruptible: bool) -> Result<Wait, Failure> {
        let mut missing = self.run.threads;
        while missing > 0 {
            match self.news.recv_timeout(LOOK) {
                Ok(News::Failed(failure)) => return Err(failure),
                Ok(_) => missing -= 1,
                Err(_) if interruptible && interrupt::is_asked() => return Ok(Wait::Interrupted),
                Err(_) => {}
            }
        }
        Ok(Wait::Over)
    }

    /// Measures, and looks at the server's memory now and then.
    fn measure(&mut self) -> Result<Wait, Failure> {
        let begun = Instant::now();
        loop {
            if let Some(rss_bytes) = self.meter.look()? {
                self.memory.push(Memory { at_ns: begun.elapsed().as_nanos() as u64, rss_bytes });
            }
            let rest = self.run.duration.saturating_sub(begun.elapsed());
            if rest.is_zero() {
                return Ok(Wait::Over);
            }
            if self.wait(rest.min(Recorder::interval(self.run.duration)))? == Wait::Interrupted {
                return Ok(Wait::Interrupted);
            }
        }
    }

    /// Lets the present stage last.
    fn wait(&mut self, duration: Duration) -> Result<Wait, Failure> {
        let begun = Instant::now();
        loop {
            let rest = duration.saturating_sub(begun.elapsed());
            if rest.is_zero() {
                return Ok(Wait::Over);
            }
            if interrupt::is_asked() {
                return Ok(Wait::Interrupted);
            }
            if let (Some(ticker), Some(live)) = (&mut self.ticker, &self.control.live) {
                ticker.tick(live);
            }
            match self.news.recv_timeout(rest.min(LOOK)) {
                Ok(News::Failed(failure)) => return Err(failure),
                Ok(_) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }

    fn part(&self) -> Result<Part, Failure> {
        loop {
            match self.news.recv() {
                Ok(News::Ended(part)) => return Ok(*part),
                Ok(News::Failed(failure)) => return Err(failure),
                Ok(News::Ready | News::Drained) => {}
                Err(_) => return Err(io::Error::other("a thread has ended without a word").into()),
            }
        }
    }
}

impl Tally {
    /// What the threads have counted, put together.
    fn new(parts: &[Part], cost: Cost) -> Tally {
        let merged = |recorders: &mut dyn Iterator<Item = &Recorder>| {
            let first = recorders.next()?.clone();
            Some(recorders.fold(first, |mut all, recorder| {
                all.merge(recorder);
                all
            }))
        };
        let all = merged(&mut parts.iter().flat_map(|part| [&part.recorder].into_iter().chain(&part.calls)));
        let calls = merged(&mut parts.iter().filter_map(|part| part.calls.as_ref()));
        let latency = all.as_ref().map_or_else(histogram, Recorder::latency);
        let mut late: Histogram<u64> = histogram();
        for part in parts {
            // They have the same bounds.
            let _ = late.add(&part.late);
        }
        Tally {
            late,
            delivered: latency.len(),
            total: parts.iter().map(|part| part.total).sum(),
            latency,
            calls: calls.as_ref().map(Recorder::latency),
            timeline: all.map_or_else(Vec::new, |recorder| recorder.timeline(cost.elapsed_ns)),
            cost,
            busy_ns: parts.iter().map(|part| part.busy_ns).collect(),
            stalled: parts.iter().find_map(|part| part.stalled),
            memory: Vec::new(),
            setup_ns: 0,
            interrupted: false,
        }
    }

    fn interrupted(self) -> Tally {
        Tally { interrupted: true, ..self }
    }
}
