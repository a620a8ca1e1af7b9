//! One thread of the generator: its connections, their lanes, and the loop around them.

mod flood;
mod stalled;

use std::io::{self, ErrorKind};
use std::mem;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use hdrhistogram::Histogram;
use mio::event::Event;
use mio::{Events, Poll, Token, Waker};

use self::flood::Flood;
use self::stalled::Stall;
use super::connection::Connection;
use super::control::{Control, News, Part, Stage};
use super::lane::{Lane, Misdelivery};
use super::pace::Pace;
use super::{EVENTS, Failure, NAP, PATIENCE, WAKER, lost};
use crate::measure::{Recorder, Tap, histogram, thread_ns};
use crate::placement::Placement;
use crate::scenario::{Kind, Role, Run};
use crate::wamp::{Received, Stamp, Template};
use crate::wire::Frame;

/// Bytes that are read at a time.
const READ_BYTES: usize = 256 * 1024;

/// How often a connection is read from before it is the others' turn, and before the stage is looked at again: a server may
/// send faster than this thread can read.
const READS: usize = 4;

/// How long it sleeps at most where something has to be done now and then.
const SHORT_NAP: Duration = Duration::from_millis(50);

/// What the timer's events are called.
const TIMER: Token = Token(usize::MAX - 1);

/// A thread of the generator.
pub(super) struct Worker<'r> {
    run: &'r Run,
    poll: Poll,
    waker: Arc<Waker>,
    connections: Vec<Connection>,
    lanes: Vec<Lane>,
    /// The subscriber that stops to read, if it is here.
    stall: Option<Stall>,
    /// Those that flood.
    flood: Flood,
    /// Connections on shards where nobody wants to be.
    misplaced: Vec<Connection>,
    /// What callees answer.
    answer: Template,
    /// When to send, in an open loop.
    pace: Option<Pace>,
    /// Those that had more to read than one turn takes.
    unread: Vec<usize>,
    /// Connections that take part.
    ready: usize,
    /// The stage that this thread has noticed.
    stage: Stage,
    /// When something last happened.
    latest: u64,
    buffer: Vec<u8>,
    message: Vec<u8>,
    /// Deliveries that are to come of what has been sent, those that have come included.
    owed: u64,
    total: u64,
    recorder: Recorder,
    /// Where sources publish as well, their calls are recorded here, and not there.
    calls: Option<Recorder>,
    /// How late messages of an open loop were sent, in nanoseconds.
    late: Histogram<u64>,
    tap: Option<Tap>,
    /// This thread's CPU time: when measuring began, then what it took.
    busy_ns: u64,
}

impl<'r> Worker<'r> {
    /// The thread with this number.
    ///
    /// # Errors
    /// The system has no epoll.
    pub(super) fn new(run: &'r Run, index: usize) -> io::Result<Worker<'r>> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let pace = match run.scenario.rate {
            None => None,
            Some(rate) => Some(Pace::new(rate, run.scenario.lanes, index, run.threads)?),
        };
        if let Some(pace) = &pace {
            pace.register(poll.registry(), TIMER)?;
        }
        let mixed = matches!(run.scenario.kind, Kind::Mixed { .. });
        Ok(Worker {
            run,
            poll,
            waker,
            connections: Vec::new(),
            lanes: Vec::new(),
            stall: None,
            flood: Flood::default(),
            misplaced: Vec::new(),
            answer: run.answer(),
            pace,
            unread: Vec::new(),
            ready: 0,
            stage: Stage::Setup,
            latest: 0,
            buffer: vec![0; READ_BYTES],
            message: Vec::new(),
            owed: 0,
            total: 0,
            recorder: Recorder::new(run.duration),
            calls: mixed.then(|| Recorder::new(run.duration)),
            late: histogram(),
            tap: run.progress.then(Tap::new),
            busy_ns: 0,
        })
    }

    /// Wakes the thread.
    pub(super) fn waker(&self) -> Arc<Waker> {
        self.waker.clone()
    }

    /// Gives it a connection. That of a lane's source comes before the others.
    ///
    /// # Errors
    /// epoll refuses it.
    pub(super) fn take(&mut self, mut connection: Connection) -> io::Result<()> {
        let (seat, index) = (connection.seat, self.connections.len());
        connection.lane = seat.lane as usize / self.run.threads;
        if seat.role.is_source() {
            self.lanes.push(Lane::new(self.run, seat.lane, index));
        }
        if seat.role == Role::Stalled {
            self.stall = Some(Stall::new(index));
        }
        if seat.role == Role::Flooder {
            self.flood.add(index, self.run, &mut connection.framing);
        }
        connection.register(self.poll.registry(), index)?;
        self.connections.push(connection);
        Ok(())
    }

    /// Goes through all stages.
    ///
    /// # Errors
    /// The server does not do what it should.
    pub(super) fn run(mut self, control: &Control, news: &Sender<News>) -> Result<Part, Failure> {
        let mut events = Events::with_capacity(EVENTS);
        let mut told = Stage::Setup;
        for index in 0..self.connections.len() {
            self.ready += usize::from(self.connections[index].session.is_ready());
            self.flush(index)?;
        }
        self.latest = control.now();
        loop {
            self.change_stage(control)?;
            if self.stage == Stage::Done {
                let stalled = self.stalled();
                let Worker { recorder, calls, late, total, busy_ns, .. } = self;
                return Ok(Part { recorder, calls, late, stalled, total, busy_ns });
            }
            // Told once per stage; nobody listens only if another thread has failed.
            if told == Stage::Setup && self.ready == self.connections.len() {
                told = Stage::Warmup;
                let _ = news.send(News::Ready);
            }
            if told != Stage::Drain && self.is_drained(control) {
                told = Stage::Drain;
                let _ = news.send(News::Drained);
            }
            let nap = match (self.pour()? || !self.unread.is_empty(), &self.stall) {
                (true, _) => Duration::ZERO,
                (false, Some(_)) => SHORT_NAP,
                (false, None) => NAP,
            };
            match self.poll.poll(&mut events, Some(nap)) {
                Err(e) if e.kind() != ErrorKind::Interrupted => return Err(e.into()),
                _ => {}
            }
            if events.is_empty() {
                self.check_patience(control.now())?;
            }
            let unread = mem::take(&mut self.unread);
            for event in &events {
                self.on_event(event, control)?;
            }
            for index in unread {
                self.read_on(index, control)?;
            }
            if self.stall.is_some() {
                self.ping_stalled(control);
            }
            if let (Some(tap), Some(live)) = (&mut self.tap, &control.live) {
                tap.at(self.latest, live);
            }
        }
    }

    fn on_event(&mut self, event: &Event, control: &Control) -> Result<(), Failure> {
        let index = match event.token() {
            WAKER => return Ok(()),
            TIMER => {
                if let Some(pace) = &mut self.pace {
                    pace.fired();
                }
                return self.send_due(control);
            }
            Token(index) if self.is_stalled(index) => {
                self.on_stalled_event(event, control);
                return Ok(());
            }
            Token(index) => index,
        };
        if event.is_writable() {
            self.flush(index)?;
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.receive(index, event.is_read_closed(), control)?;
        }
        // A long list of events must not delay what is due.
        if self.pace.as_ref().is_some_and(|pace| pace.is_due(self.latest)) {
            self.send_due(control)?;
        }
        Ok(())
    }

    /// Goes on with a connection that had more than one turn takes.
    #[cold]
    fn read_on(&mut self, index: usize, control: &Control) -> Result<(), Failure> {
        if self.is_stalled(index) {
            self.on_stalled_rest(control);
            return Ok(());
        }
        // No event tells whether the server has closed it since.
        self.receive(index, true, control)
    }

    /// Reads until there is no more, or it is the others' turn: a short read has emptied the socket, unless the server has
    /// closed it.
    fn receive(&mut self, index: usize, closed: bool, control: &Control) -> Result<(), Failure> {
        let mut buffer = mem::take(&mut self.buffer);
        let mut emptied = false;
        for _ in 0..READS {
            let connection = &mut self.connections[index];
            let seat = connection.seat;
            let Some(n) = connection.read(&mut buffer).map_err(|e| lost(seat, e))? else {
                if !connection.is_plain() {
                    // What TLS has to say for itself.
                    self.flush(index)?;
                }
                emptied = true;
                break;
            };
            let now = control.now();
            self.latest = now;
            self.at(now);
            self.digest(index, &mut buffer[..n], now, control)?;
            if n < buffer.len() && !closed && self.connections[index].is_plain() {
                emptied = true;
                break;
            }
        }
        self.buffer = buffer;
        if !emptied && !self.unread.contains(&index) {
            self.unread.push(index);
        }
        Ok(())
    }

    /// Takes what has been read, and sends what may be sent then.
    fn digest(&mut self, index: usize, input: &mut [u8], now: u64, control: &Control) -> Result<(), Failure> {
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
        let (lane, role) = (connection.lane, connection.seat.role);
        self.flush(index)?;
        match role {
            Role::Callee | Role::Stalled | Role::Idle | Role::Flooder | Role::Visitor => Ok(()),
            _ if self.pace.is_some() => Ok(()),
            _ => self.send(lane, control),
        }
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
                    let (was_ready, had_id) = (session.is_ready(), session.id().is_some());
                    let request = session.frame(&frame).map_err(|e| Failure::Session(seat, e))?;
                    if let (Some(placement), Some(id), false) = (self.run.placement, session.id(), had_id)
                        && !placement.fits(self.run.scenario.kind, seat, id)
                    {
                        self.try_again(index, placement)?;
                        return Ok(input.len());
                    }
                    self.ready += usize::from(!was_ready && session.is_ready());
                    if let Some(request) = request {
                        framing.put(&request, outgoing);
                    }
                }
            }
        }
        Ok(used)
    }

    /// Connects again, because the connection is on the wrong shard. The old one stays open until all are placed: a
    /// router that gives each new connection to its emptiest shard would else choose the same one again and again.
    #[cold]
    fn try_again(&mut self, index: usize, placement: Placement) -> Result<(), Failure> {
        let Connection { seat, lane, tries, .. } = self.connections[index];
        if tries == placement.tries() {
            return Err(Failure::Placement { seat, tries, shards: placement.shards });
        }
        let refused = |e| Failure::Connect(seat, self.run.target.to_string(), e);
        let mut again = Connection::open(self.run, seat).map_err(refused)?;
        (again.lane, again.tries) = (lane, tries + 1);
        again.register(self.poll.registry(), index)?;
        let old = mem::replace(&mut self.connections[index], again);
        old.deregister(self.poll.registry())?;
        self.misplaced.push(old);
        Ok(())
    }

    /// A message under load.
    #[inline]
    fn received(&mut self, index: usize, received: Received, now: u64) -> Result<(), Failure> {
        let Connection { seat, framing, outgoing, lane, .. } = &mut self.connections[index];
        let Stamp { lane: found, number } = received.stamp;
        if seat.role == Role::Callee {
            self.answer.write(received.id, received.stamp, &mut self.message);
            framing.put(&self.message, outgoing);
            return Ok(());
        }
        let delivery = |error| Failure::Delivery(*seat, error);
        if found != seat.lane {
            return Err(delivery(Misdelivery::Lane { found, expected: seat.lane }));
        }
        let subscriber = match seat.role {
            Role::Subscriber(n) => n,
            Role::Idle | Role::Flooder => return Err(delivery(Misdelivery::NotInFlight(number))),
            Role::Stalled => {
                if let Some(stall) = &mut self.stall {
                    stall.received += 1;
                }
                return Ok(());
            }
            _ => 0,
        };
        let latency = self.lanes[*lane].arrived(subscriber, number, now).map_err(delivery)?;
        self.total += 1;
        if self.stage == Stage::Measure {
            let recorder = match (&mut self.calls, seat.role) {
                (Some(calls), Role::Source) => calls,
                _ => &mut self.recorder,
            };
            recorder.record(latency);
        }
        if let Some(tap) = &mut self.tap {
            tap.record(latency);
        }
        Ok(())
    }

    /// Sends what a lane of a closed loop may send.
    fn send(&mut self, lane: usize, control: &Control) -> Result<(), Failure> {
        if !matches!(self.stage, Stage::Warmup | Stage::Measure) {
            return Ok(());
        }
        let now = control.now();
        while let Some(number) = self.lanes[lane].send(now) {
            self.put(lane, number);
        }
        self.flush(self.lanes[lane].source)
    }

    /// Sends what is due in an open loop.
    fn send_due(&mut self, control: &Control) -> Result<(), Failure> {
        if !matches!(self.stage, Stage::Warmup | Stage::Measure) {
            return Ok(());
        }
        let mut now = control.now();
        // Messages of one source that are late go together.
        let mut unflushed = None;
        loop {
            let Some(pace) = &mut self.pace else { return Ok(()) };
            let Some((lane, due)) = pace.take(now) else {
                if let Some(source) = unflushed.take() {
                    self.flush(source)?;
                    now = control.now();
                    continue;
                }
                return Ok(pace.arm(now)?);
            };
            if self.stage == Stage::Measure {
                self.late.saturating_record(now - due);
            }
            let source = self.lanes[lane].source;
            if let Some(before) = unflushed.replace(source).filter(|&before| before != source) {
                self.flush(before)?;
            }
            let Some(number) = self.lanes[lane].send_due(due) else {
                let (rate, backlog) = (self.run.scenario.rate.unwrap_or_default(), self.run.backlog);
                return Err(Failure::Backlog { seat: self.connections[source].seat, rate, backlog });
            };
            self.put(lane, number);
        }
    }

    /// Puts a message of a lane into what its source is to write.
    #[inline]
    fn put(&mut self, lane: usize, number: u64) {
        let lane = &self.lanes[lane];
        let Connection { seat, framing, outgoing, .. } = &mut self.connections[lane.source];
        lane.template(number).write(number + 1, Stamp { lane: seat.lane, number }, &mut self.message);
        framing.put(&self.message, outgoing);
        self.owed += u64::from(lane.receivers_of(number));
    }

    fn flush(&mut self, index: usize) -> Result<(), Failure> {
        let connection = &mut self.connections[index];
        connection.flush().map_err(|e| lost(connection.seat, e))
    }

    /// What is received now belongs to this time.
    #[inline]
    fn at(&mut self, now: u64) {
        self.recorder.at(now);
        if let Some(calls) = &mut self.calls {
            calls.at(now);
        }
    }

    /// Follows to the stage that the run is in.
    fn change_stage(&mut self, control: &Control) -> Result<(), Failure> {
        while self.stage != control.stage() {
            self.enter(self.stage.towards(control.stage()), control)?;
        }
        Ok(())
    }

    fn enter(&mut self, stage: Stage, control: &Control) -> Result<(), Failure> {
        self.stage = stage;
        self.latest = control.now();
        self.misplaced.clear();
        self.change_stall(control);
        match stage {
            Stage::Warmup => match &mut self.pace {
                None => (0..self.lanes.len()).try_for_each(|lane| self.send(lane, control)),
                Some(pace) => {
                    pace.start(control.since(stage));
                    self.send_due(control)
                }
            },
            Stage::Measure => {
                for recorder in [&mut self.recorder].into_iter().chain(&mut self.calls) {
                    recorder.begin(control.since(stage));
                }
                self.busy_ns = thread_ns();
                Ok(())
            }
            Stage::Drain => {
                self.busy_ns = thread_ns().saturating_sub(self.busy_ns);
                Ok(())
            }
            Stage::Setup | Stage::Done => Ok(()),
        }
    }

    /// Whether nothing of its own is in flight any more.
    fn is_drained(&self, control: &Control) -> bool {
        self.stage == Stage::Drain && self.owed == self.total && self.is_stall_settled(control)
    }

    /// Fails if what has to come has not come for a long time.
    fn check_patience(&self, now: u64) -> Result<(), Failure> {
        let (ready, all) = (self.ready, self.connections.len());
        match self.stage {
            _ if now.saturating_sub(self.latest) <= PATIENCE => Ok(()),
            Stage::Setup if ready < all => Err(Failure::Setup { ready, all }),
            _ if self.owed > self.total => Err(Failure::Missing(self.owed - self.total)),
            _ => Ok(()),
        }
    }
}
