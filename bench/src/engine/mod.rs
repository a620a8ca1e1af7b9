//! The load generator: one thread around an edge-triggered epoll, with a state machine per connection.
//!
//! A run has four stages. All connections are opened and made ready; the load runs for a while and does not count; it
//! is measured; and what is still in flight has to arrive. Every single message is checked: its type, its payload, its
//! place in the order.

mod connection;
mod lane;

use std::io::{self, ErrorKind};
use std::mem;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::event::Event;
use mio::{Events, Poll};

use self::connection::Connection;
use self::lane::{Lane, Misdelivery};
use crate::interrupt;
use crate::measure::{Cost, Meter, MeterError, Recorder, Sample};
use crate::scenario::{Role, Run, RunError, Seat};
use crate::wamp::{ReadError, Received, SessionError, Stamp};
use crate::wire::{Frame, WireError};

/// Bytes that are read at a time.
const READ_BYTES: usize = 256 * 1024;

/// Events that one call of epoll reports.
const EVENTS: usize = 1024;

/// Nanoseconds without anything happening, after which a run has failed.
const PATIENCE: u64 = 10_000_000_000;

/// What a run has brought.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Messages that were received while it was measured.
    pub(crate) delivered: u64,
    /// Messages that were received in all.
    pub(crate) total: u64,
    /// Their latencies in nanoseconds, from before the message is written until after it is read.
    pub(crate) latency: Histogram<u64>,
    /// How it went, interval by interval.
    pub(crate) timeline: Vec<Sample>,
    /// What it cost.
    pub(crate) cost: Cost,
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
    let mut engine = Engine::connect(run, meter)?;
    engine.run()?;
    let Engine { recorder, total, cost, interrupted, .. } = engine;
    let (latency, timeline) = (recorder.latency(), recorder.timeline(cost.elapsed_ns));
    Ok(Tally { delivered: latency.len(), total, latency, timeline, cost, interrupted })
}

struct Engine<'r> {
    run: &'r Run,
    poll: Poll,
    connections: Vec<Connection>,
    lanes: Vec<Lane>,
    /// Connections that take part.
    ready: usize,
    stage: Stage,
    /// When the stage ends, in nanoseconds on the engine's clock.
    stage_end: u64,
    /// When something last happened.
    latest: u64,
    clock: Instant,
    buffer: Vec<u8>,
    message: Vec<u8>,
    meter: Meter,
    total: u64,
    recorder: Recorder,
    cost: Cost,
    interrupted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Setup,
    Warmup,
    Measure,
    Drain,
    Done,
}

impl<'r> Engine<'r> {
    fn connect(run: &'r Run, meter: Meter) -> Result<Engine<'r>, Failure> {
        // Without it, a few hundred connections still work.
        let _ = connectanum::shell::raise_open_files();
        let poll = Poll::new()?;
        let (mut connections, mut lanes) = (Vec::new(), Vec::new());
        for seat in run.seats() {
            let refused = |e| Failure::Connect(seat, run.target.to_string(), e);
            let connection = Connection::open(run, seat).map_err(refused)?;
            if seat.role.is_source() {
                lanes.push(Lane::new(run, seat.lane, connections.len()));
            }
            connection.register(poll.registry(), connections.len())?;
            connections.push(connection);
        }
        Ok(Engine {
            run,
            poll,
            connections,
            lanes,
            ready: 0,
            stage: Stage::Setup,
            stage_end: u64::MAX,
            latest: 0,
            clock: Instant::now(),
            buffer: vec![0; READ_BYTES],
            message: Vec::new(),
            meter,
            total: 0,
            recorder: Recorder::new(run.duration),
            cost: Cost::default(),
            interrupted: false,
        })
    }

    fn run(&mut self) -> Result<(), Failure> {
        let mut events = Events::with_capacity(EVENTS);
        for index in 0..self.connections.len() {
            self.ready += usize::from(self.connections[index].session.is_ready());
            self.flush(index)?;
        }
        loop {
            self.change_stage()?;
            if self.stage == Stage::Done {
                return Ok(());
            }
            match self.poll.poll(&mut events, Some(self.rest())) {
                Err(e) if e.kind() != ErrorKind::Interrupted => return Err(e.into()),
                _ => {}
            }
            for event in &events {
                self.on_event(event)?;
            }
        }
    }

    fn on_event(&mut self, event: &Event) -> Result<(), Failure> {
        let index = event.token().0;
        if event.is_writable() {
            self.flush(index)?;
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.receive(index, event.is_read_closed())?;
        }
        Ok(())
    }

    /// Reads until there is no more: a short read has emptied the socket, unless the server has closed it.
    fn receive(&mut self, index: usize, closed: bool) -> Result<(), Failure> {
        let mut buffer = mem::take(&mut self.buffer);
        loop {
            let connection = &mut self.connections[index];
            let seat = connection.seat;
            let Some(n) = connection.read(&mut buffer).map_err(|e| lost(seat, e))? else { break };
            let now = self.now();
            self.latest = now;
            self.recorder.at(now);
            self.digest(index, &mut buffer[..n], now)?;
            if n < buffer.len() && !closed {
                break;
            }
        }
        self.buffer = buffer;
        Ok(())
    }

    /// Takes what has been read, and sends what may be sent then.
    fn digest(&mut self, index: usize, input: &mut [u8], now: u64) -> Result<(), Failure> {
        let mut incoming = mem::take(&mut self.connections[index].incoming);
        if incoming.is_empty() {
            let used = self.frames(index, input, now)?;
            incoming.extend_from_slice(&input[used..]);
        } else {
            incoming.extend_from_slice(input);
            let used = self.frames(index, &mut incoming, now)?;
            incoming.drain(..used);
        }
        let connection = &mut self.connections[index];
        connection.incoming = incoming;
        let (lane, role) = (connection.seat.lane as usize, connection.seat.role);
        self.flush(index)?;
        if role != Role::Callee {
            self.send(lane)?;
        }
        Ok(())
    }

    /// Takes the frames at the front of `input`. Returns the number of their bytes.
    fn frames(&mut self, index: usize, input: &mut [u8], now: u64) -> Result<usize, Failure> {
        let mut used = 0;
        while used < input.len() {
            let Connection { seat, session, framing, reader, outgoing, .. } = &mut self.connections[index];
            let seat = *seat;
            let wire = |error| Failure::Wire(seat, error);
            if session.is_shaking_hands() {
                let Some((n, hello)) = session.handshake(&input[used..]).map_err(wire)? else { break };
                framing.put(&hello, outgoing);
                used += n;
                continue;
            }
            let Some((n, frame)) = framing.cut(&mut input[used..]).map_err(wire)? else { break };
            used += n;
            match frame {
                Frame::Message(message) if session.is_ready() => {
                    let received = reader.read(message).map_err(|e| Failure::Message(seat, e))?;
                    self.received(index, received, now)?;
                }
                Frame::Ping(payload) => {
                    let payload = payload.to_vec();
                    framing.put_pong(&payload, outgoing);
                }
                Frame::Close(why) => return Err(Failure::Closed(seat, why)),
                frame => {
                    let was_ready = session.is_ready();
                    let request = session.frame(&frame).map_err(|e| Failure::Session(seat, e))?;
                    self.ready += usize::from(!was_ready && session.is_ready());
                    if let Some(request) = request {
                        framing.put(&request, outgoing);
                    }
                }
            }
        }
        Ok(used)
    }

    /// A message under load.
    #[inline]
    fn received(&mut self, index: usize, received: Received, now: u64) -> Result<(), Failure> {
        let Connection { seat, framing, outgoing, .. } = &mut self.connections[index];
        let Stamp { lane: found, number } = received.stamp;
        let delivery = |error| Failure::Delivery(*seat, error);
        if found != seat.lane {
            return Err(delivery(Misdelivery::Lane { found, expected: seat.lane }));
        }
        let lane = &mut self.lanes[found as usize];
        let subscriber = match seat.role {
            Role::Subscriber(n) => n,
            Role::Publisher | Role::Caller => 0,
            Role::Callee => {
                lane.answer.write(received.id, received.stamp, &mut self.message);
                framing.put(&self.message, outgoing);
                return Ok(());
            }
        };
        let latency = lane.arrived(subscriber, number, now).map_err(delivery)?;
        self.total += 1;
        if self.stage == Stage::Measure {
            self.recorder.record(latency);
        }
        Ok(())
    }

    /// Sends what a lane may send.
    fn send(&mut self, lane: usize) -> Result<(), Failure> {
        if !matches!(self.stage, Stage::Warmup | Stage::Measure) {
            return Ok(());
        }
        let now = self.now();
        let Lane { source, .. } = self.lanes[lane];
        while let Some(number) = self.lanes[lane].send(now) {
            let stamp = Stamp { lane: lane as u32, number };
            let Connection { framing, outgoing, .. } = &mut self.connections[source];
            self.lanes[lane].request.write(number + 1, stamp, &mut self.message);
            framing.put(&self.message, outgoing);
        }
        self.flush(source)
    }

    fn flush(&mut self, index: usize) -> Result<(), Failure> {
        let connection = &mut self.connections[index];
        connection.flush().map_err(|e| lost(connection.seat, e))
    }

    /// Goes on to the next stage if it is time.
    fn change_stage(&mut self) -> Result<(), Failure> {
        let now = self.now();
        if interrupt::is_asked() && !self.interrupted {
            self.interrupted = true;
            return self.interrupt();
        }
        match self.stage {
            Stage::Setup if self.ready == self.connections.len() => {
                self.enter(Stage::Warmup, self.run.warmup);
                (0..self.lanes.len()).try_for_each(|lane| self.send(lane))
            }
            Stage::Warmup if now >= self.stage_end => {
                self.meter.begin()?;
                self.enter(Stage::Measure, self.run.duration);
                self.recorder.begin(self.now());
                Ok(())
            }
            Stage::Measure if now >= self.stage_end => self.finish(),
            Stage::Drain if self.missing() == 0 => {
                self.stage = Stage::Done;
                Ok(())
            }
            _ if now.saturating_sub(self.latest) > PATIENCE => Err(self.standstill()),
            _ => Ok(()),
        }
    }

    fn enter(&mut self, stage: Stage, duration: Duration) {
        self.stage = stage;
        self.stage_end = self.now() + duration.as_nanos() as u64;
    }

    /// The measured time is over.
    fn finish(&mut self) -> Result<(), Failure> {
        self.cost = self.meter.end()?;
        self.latest = self.now();
        self.stage = Stage::Drain;
        Ok(())
    }

    /// Ends early, with what there is.
    fn interrupt(&mut self) -> Result<(), Failure> {
        match self.stage {
            Stage::Measure => self.finish(),
            _ => {
                self.stage = Stage::Done;
                Ok(())
            }
        }
    }

    fn standstill(&self) -> Failure {
        match self.stage {
            Stage::Setup => Failure::Setup { ready: self.ready, all: self.connections.len() },
            _ => Failure::Missing(self.missing()),
        }
    }

    fn missing(&self) -> u64 {
        self.lanes.iter().map(Lane::missing).sum()
    }

    /// How long to wait for something to happen.
    fn rest(&self) -> Duration {
        let until = self.stage_end.min(self.latest + PATIENCE + 1);
        Duration::from_nanos(until.saturating_sub(self.now()))
    }

    #[inline]
    fn now(&self) -> u64 {
        self.clock.elapsed().as_nanos() as u64
    }
}

fn lost(seat: Seat, error: io::Error) -> Failure {
    match error.kind() {
        ErrorKind::UnexpectedEof => Failure::Closed(seat, "it said nothing about why".to_owned()),
        _ => Failure::Lost(seat, error),
    }
}
