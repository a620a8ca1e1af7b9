//! One thread of the generator where connections themselves are the load: each connects, joins the realm, says good-bye
//! and makes room for the next.

use std::io::{self, ErrorKind};
use std::mem;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use mio::event::Event;
use mio::{Events, Poll, Waker};

use super::connection::Connection;
use super::control::{Control, News, Part, Stage};
use super::{EVENTS, Failure, NAP, PATIENCE, WAKER, lost};
use crate::measure::{Recorder, Tap, histogram, thread_ns};
use crate::scenario::{Role, Run, Seat};
use crate::wire::Frame;

/// Bytes that are read at a time.
const READ_BYTES: usize = 64 * 1024;

/// A thread of the generator.
pub(super) struct Visitor<'r> {
    run: &'r Run,
    poll: Poll,
    waker: Arc<Waker>,
    /// The visits at a time, each with its place.
    places: Vec<Place>,
    /// Those that are under way.
    open: u64,
    stage: Stage,
    /// When something last happened.
    latest: u64,
    buffer: Vec<u8>,
    total: u64,
    recorder: Recorder,
    tap: Option<Tap>,
    /// This thread's CPU time: when measuring began, then what it took.
    busy_ns: u64,
}

/// Where one visit follows the other.
struct Place {
    seat: Seat,
    visit: Option<Visit>,
}

struct Visit {
    connection: Connection,
    /// When it began to connect.
    begun: u64,
    is_connected: bool,
}

impl<'r> Visitor<'r> {
    /// The thread with this number.
    ///
    /// # Errors
    /// The system has no epoll.
    pub(super) fn new(run: &'r Run, index: usize) -> io::Result<Visitor<'r>> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let lanes = (0..run.scenario.lanes).skip(index).step_by(run.threads);
        let place = |lane| Place { seat: Seat { lane, role: Role::Visitor }, visit: None };
        Ok(Visitor {
            run,
            poll,
            waker,
            places: lanes.map(place).collect(),
            open: 0,
            stage: Stage::Setup,
            latest: 0,
            buffer: vec![0; READ_BYTES],
            total: 0,
            recorder: Recorder::new(run.duration),
            tap: run.progress.then(Tap::new),
            busy_ns: 0,
        })
    }

    /// Wakes the thread.
    pub(super) fn waker(&self) -> Arc<Waker> {
        self.waker.clone()
    }

    /// Goes through all stages.
    ///
    /// # Errors
    /// The server does not do what it should.
    pub(super) fn run(mut self, control: &Control, news: &Sender<News>) -> Result<Part, Failure> {
        let mut events = Events::with_capacity(EVENTS);
        let mut drained = false;
        // Nobody listens only if another thread has failed.
        let _ = news.send(News::Ready);
        loop {
            self.change_stage(control)?;
            if self.stage == Stage::Done {
                let Visitor { recorder, total, busy_ns, .. } = self;
                return Ok(Part { recorder, calls: None, late: histogram(), stalled: None, total, busy_ns });
            }
            if !drained && self.stage == Stage::Drain && self.open == 0 {
                drained = true;
                let _ = news.send(News::Drained);
            }
            match self.poll.poll(&mut events, Some(NAP)) {
                Err(e) if e.kind() != ErrorKind::Interrupted => return Err(e.into()),
                _ => {}
            }
            if events.is_empty() && self.open > 0 && control.now().saturating_sub(self.latest) > PATIENCE {
                return Err(Failure::Visits(self.open));
            }
            for event in events.iter().filter(|event| event.token() != WAKER) {
                self.on_event(event, control)?;
            }
            if let (Some(tap), Some(live)) = (&mut self.tap, &control.live) {
                tap.at(self.latest, live);
            }
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
        match stage {
            Stage::Warmup => (0..self.places.len()).try_for_each(|index| self.begin(index, control)),
            Stage::Measure => {
                self.recorder.begin(control.since(stage));
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

    /// A visit begins, unless it is time to end.
    fn begin(&mut self, index: usize, control: &Control) -> Result<(), Failure> {
        if !matches!(self.stage, Stage::Warmup | Stage::Measure) {
            return Ok(());
        }
        let seat = self.places[index].seat;
        let begun = control.now();
        let connection = Connection::dial(self.run, seat).map_err(|e| self.refused(seat, e))?;
        connection.register(self.poll.registry(), index)?;
        self.places[index].visit = Some(Visit { connection, begun, is_connected: false });
        self.open += 1;
        Ok(())
    }

    fn on_event(&mut self, event: &Event, control: &Control) -> Result<(), Failure> {
        let index = event.token().0;
        let Place { seat, visit: Some(visit) } = &mut self.places[index] else { return Ok(()) };
        let seat = *seat;
        if !visit.is_connected {
            match visit.connection.connected() {
                Ok(connected) => visit.is_connected = connected,
                Err(e) => return Err(self.refused(seat, e)),
            }
            if !visit.is_connected {
                return Ok(());
            }
        }
        visit.connection.flush().map_err(|e| lost(seat, e))?;
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.receive(index, control)?;
        }
        Ok(())
    }

    /// Reads until there is no more, or the visit is over.
    fn receive(&mut self, index: usize, control: &Control) -> Result<(), Failure> {
        let mut buffer = mem::take(&mut self.buffer);
        while let Place { seat, visit: Some(visit) } = &mut self.places[index] {
            let read = visit.connection.read(&mut buffer).map_err(|e| lost(*seat, e))?;
            if let Some(n) = read {
                visit.connection.incoming.extend_from_slice(&buffer[..n]);
                visit.frames()?;
            }
            visit.connection.flush().map_err(|e| lost(*seat, e))?;
            if read.is_none() {
                break;
            }
            self.latest = control.now();
            if visit.connection.session.has_left() {
                self.end(index, control)?;
                break;
            }
        }
        self.buffer = buffer;
        Ok(())
    }

    /// A visit is over; the next begins.
    fn end(&mut self, index: usize, control: &Control) -> Result<(), Failure> {
        let Some(visit) = self.places[index].visit.take() else { return Ok(()) };
        let latency = self.latest.saturating_sub(visit.begun);
        visit.connection.reset();
        self.open -= 1;
        self.total += 1;
        if self.stage == Stage::Measure {
            self.recorder.at(self.latest);
            self.recorder.record(latency);
        }
        if let Some(tap) = &mut self.tap {
            tap.record(latency);
        }
        self.begin(index, control)
    }

    fn refused(&self, seat: Seat, error: io::Error) -> Failure {
        Failure::Connect(seat, self.run.target.to_string(), error)
    }
}

impl Visit {
    /// Takes what has come in.
    fn frames(&mut self) -> Result<(), Failure> {
        let Connection { seat, session, framing, incoming, outgoing, .. } = &mut self.connection;
        let seat = *seat;
        let wire = |error| Failure::Wire(seat, error);
        let mut used = 0;
        while used < incoming.len() && !session.has_left() {
            if session.is_shaking_hands() {
                let Some((n, hello)) = session.handshake(&incoming[used..]).map_err(wire)? else { break };
                framing.put(&hello, outgoing);
                used += n;
                continue;
            }
            let Some((n, frame)) = framing.cut(&mut incoming[used..]).map_err(wire)? else { break };
            used += n;
            let ping = match &frame {
                Frame::Ping(payload) => Some(payload.to_vec()),
                Frame::Close(why) => return Err(Failure::Closed(seat, why.clone())),
                _ => None,
            };
            let mut request = session.frame(&frame).map_err(|e| Failure::Session(seat, e))?;
            if session.is_ready() {
                request = Some(session.leave());
            }
            if let Some(payload) = ping {
                framing.put_pong(&payload, outgoing);
            }
            if let Some(request) = request {
                framing.put(&request, outgoing);
            }
        }
        incoming.drain(..used);
        Ok(())
    }
}
