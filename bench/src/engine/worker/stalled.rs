//! The subscriber that stops to read: what becomes of it while the others go on. It sends a ping now and then, because a
//! connection that the server has ended says so only to who reads it, or to who writes.

use mio::event::Event;

use super::{READ_BYTES, Worker};
use crate::engine::Failure;
use crate::engine::control::{Control, Stage};
use crate::measure::Stalled;
use crate::scenario::Role;

/// Nanoseconds between two pings.
const PING_EVERY: u64 = 100_000_000;

/// Nanoseconds without anything to read, after which there is no more to come.
const QUIET: u64 = 500_000_000;

/// Its state.
#[derive(Debug)]
pub(super) struct Stall {
    /// Its connection.
    index: usize,
    /// When to send the next ping.
    ping_at: u64,
    /// When measuring began, and it stopped to read.
    since: u64,
    /// When something was last read.
    read_at: u64,
    /// When it was noticed that the server has ended the connection.
    closed_at: Option<u64>,
    /// Messages that it has read.
    pub(super) received: u64,
}

impl Stall {
    /// The connection at `index` is the one.
    pub(super) fn new(index: usize) -> Stall {
        Stall { index, ping_at: 0, since: 0, read_at: 0, closed_at: None, received: 0 }
    }
}

impl Worker<'_> {
    /// Whether the connection at `index` is the one, and the time to read is over.
    #[inline]
    pub(super) fn is_stalled(&self, index: usize) -> bool {
        self.stage >= Stage::Measure && self.stall.as_ref().is_some_and(|stall| stall.index == index)
    }

    /// Something has happened to its connection.
    pub(super) fn on_stalled_event(&mut self, event: &Event, control: &Control) {
        let ended = event.is_error() || event.is_read_closed() || event.is_write_closed();
        match self.stage {
            Stage::Measure if ended => self.stall_closed(control),
            Stage::Measure => {}
            _ => self.read_stalled(event.is_read_closed(), control),
        }
    }

    /// It had more to read than one turn takes; it does not go on before the load is over.
    pub(super) fn on_stalled_rest(&mut self, control: &Control) {
        if self.stage > Stage::Measure {
            self.read_stalled(true, control);
        }
    }

    /// It stops to read now, or goes on to see what there is.
    pub(super) fn change_stall(&mut self, control: &Control) {
        let now = control.now();
        let Some(stall) = &mut self.stall else { return };
        match self.stage {
            Stage::Measure => (stall.since, stall.ping_at) = (now, now + PING_EVERY),
            Stage::Drain => {
                stall.read_at = now;
                self.read_stalled(true, control);
            }
            _ => {}
        }
    }

    /// Sends a ping if it is time.
    pub(super) fn ping_stalled(&mut self, control: &Control) {
        let now = control.now();
        let (Stage::Measure, Some(stall)) = (self.stage, &mut self.stall) else { return };
        if now < stall.ping_at || stall.closed_at.is_some() {
            return;
        }
        stall.ping_at = now + PING_EVERY;
        let index = stall.index;
        let connection = &mut self.connections[index];
        connection.framing.put_ping(&mut connection.outgoing);
        if self.flush(index).is_err() {
            self.stall_closed(control);
        }
    }

    /// Whether all has been read that there was.
    pub(super) fn is_stall_settled(&self, control: &Control) -> bool {
        let settled =
            |stall: &Stall| stall.closed_at.is_some() || control.now().saturating_sub(stall.read_at) > QUIET;
        let complete = |stalled: Stalled| stalled.received == stalled.sent;
        self.stall.as_ref().is_none_or(settled) || self.stalled().is_some_and(complete)
    }

    /// What has become of it.
    pub(super) fn stalled(&self) -> Option<Stalled> {
        let stall = self.stall.as_ref()?;
        let seats = self.connections.iter().map(|connection| connection.seat);
        let lane = seats.clone().position(|seat| seat.role == Role::Publisher && seat.lane == 0)?;
        let lane = self.connections[lane].lane;
        Some(Stalled {
            sent: self.lanes[lane].sent(),
            received: stall.received,
            disconnected_after_ns: stall.closed_at.map(|at| at.saturating_sub(stall.since)),
        })
    }

    fn read_stalled(&mut self, closed: bool, control: &Control) {
        let Some(stall) = &mut self.stall else { return };
        if stall.closed_at.is_some() {
            return;
        }
        stall.read_at = control.now();
        let index = stall.index;
        // The end of this connection is a result and no failure.
        if let Err(Failure::Lost(..) | Failure::Closed(..)) = self.receive(index, closed, control) {
            self.stall_closed(control);
        }
        if self.buffer.is_empty() {
            self.buffer = vec![0; READ_BYTES];
        }
    }

    fn stall_closed(&mut self, control: &Control) {
        if let Some(stall) = &mut self.stall {
            stall.closed_at.get_or_insert(control.now());
        }
    }
}
