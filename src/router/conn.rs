//! Connections: bytes to messages and messages to bytes, for every transport.
//!
//! [`Wire`] holds them and writes to them; it knows nothing of WAMP's rules, so the broker can write to many while it looks at its
//! tables. `reading` cuts what has come into frames and hands whole messages to `session`.

mod reading;

use std::collections::VecDeque;
use std::mem;

use bytes::Bytes;
use slotmap::SlotMap;

use super::handshake::Handshake;
use super::mesh::CallKey;
use super::outbound::{Outbound, Pool};
use super::session::Session;
use super::shard::{ConnId, Output, Peer};
use super::time::Time;
use super::tls_peer::TlsPeer;
use super::visitors::Visit;
use crate::limits::{Limits, QUESTIONS_MAX};
use crate::rawsocket::{self, FrameKind};
use crate::wamp::{Message, Serializer, encode};
use crate::ws::{self, CloseCode};
use reading::Transport;

/// A connection.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) peer: Peer,
    pub(super) tls: Option<Box<TlsPeer>>,
    /// The cookie by which the client is known again.
    pub(super) visit: Option<Box<Visit>>,
    pub(super) phase: Phase,
    pub(super) framing: Framing,
    pub(super) session: Option<Box<Session>>,
    /// A session that is not established yet.
    handshake: Option<Box<Handshake>>,
    /// When [`super::shard::Shard::overdue`] is to look at it.
    pub(super) deadline: Option<Time>,
    pub(super) out: Outbound,
    transport: Transport,
    /// Bytes that do not make a frame yet, or that came while the connection was stalled.
    input: Vec<u8>,
    /// How many more bytes the frame at the front of `input` needs at least.
    missing: usize,
    /// A message that waits for earlier ones of its session to take effect on all shards.
    held: Option<Box<[u8]>>,
    stall: Stall,
    announced: bool,
    end_of_input: bool,
    /// Questions that its meta procedures have under way.
    questions: u16,
}

impl Conn {
    /// Whether a procedure is being called that says who the client is.
    pub(super) fn is_being_decided(&self) -> bool {
        self.handshake.as_ref().is_some_and(|handshake| handshake.call().is_some())
    }
}

/// How far a connection is from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// In use.
    Open,
    /// The router has said GOODBYE, which is the last message to this client; all but its answer is ignored.
    Dismissed,
    /// What waits is written, nothing is read any more.
    Draining,
    /// All is written, the sending side is shut down; the peer's end of file is awaited.
    Lingering,
}

impl Phase {
    /// Whether the connection is still read.
    fn is_alive(self) -> bool {
        matches!(self, Phase::Open | Phase::Dismissed)
    }
}

/// How messages to the peer are framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// No WAMP transport yet.
    None,
    WebSocket(Serializer),
    RawSocket {
        serializer: Serializer,
        /// The largest message that the peer accepts.
        peer_bytes_max: usize,
    },
}

impl Framing {
    /// The serializer, if WAMP is spoken.
    #[inline]
    pub(super) fn serializer(self) -> Option<Serializer> {
        match self {
            Framing::None => None,
            Framing::WebSocket(serializer) | Framing::RawSocket { serializer, .. } => Some(serializer),
        }
    }
}

/// Why a connection is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stall(u8);

impl Stall {
    const NONE: Stall = Stall(0);
    /// An earlier message of the session has not taken effect on all shards.
    pub(super) const HELD: Stall = Stall(1);
    /// The mesh is congested.
    pub(super) const MESH: Stall = Stall(2);
    /// The peer does not read what it asked for.
    pub(super) const OUTBOUND: Stall = Stall(4);
    /// Too many calls wait for a callee to be picked.
    pub(super) const PICKS: Stall = Stall(8);
    /// Too many questions to other shards are under way.
    const QUESTIONS: Stall = Stall(16);
}

/// A message in pieces: head, payload, and the serializer's closing bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pieces<'a> {
    pub(super) head: &'a [u8],
    pub(super) payload: &'a [u8],
    /// The payload again, if it is large enough to be queued by reference.
    pub(super) shared: Option<&'a Bytes>,
}

/// The message is larger than what the peer said it accepts; nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

/// What is to be seen to when a connection ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    /// It has begun to close, and wants a deadline.
    Conn(ConnId),
    /// A procedure was to say who its client is.
    Errand(CallKey),
}

/// All connections of a shard, and what the host is to do about them.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) conns: SlotMap<ConnId, Conn>,
    pub(super) outputs: VecDeque<Output>,
    /// Connections whose queue has overflowed.
    pub(super) doomed: Vec<ConnId>,
    /// Connections that may be read again.
    pub(super) runnable: Vec<ConnId>,
    pub(super) endings: Vec<Ending>,
    /// Connections with a handshake.
    handshakes: usize,
    pool: Pool,
    scratch: Vec<u8>,
    outbound_bytes_max: usize,
    outbound_bytes_high: usize,
    /// How often a connection was not read any more since it had passed `outbound_bytes_high`.
    pub(super) pauses: u64,
}

impl Wire {
    pub(super) fn new(limits: &Limits) -> Wire {
        Wire {
            conns: SlotMap::with_key(),
            outputs: VecDeque::new(),
            doomed: Vec::new(),
            runnable: Vec::new(),
            endings: Vec::new(),
            handshakes: 0,
            pool: Pool::new(limits),
            scratch: Vec::new(),
            outbound_bytes_max: limits.outbound_bytes_max,
            outbound_bytes_high: limits.outbound_bytes_high,
            pauses: 0,
        }
    }

    /// The limits have changed.
    pub(super) fn set_limits(&mut self, limits: &Limits) {
        self.outbound_bytes_max = limits.outbound_bytes_max;
        self.outbound_bytes_high = limits.outbound_bytes_high;
    }

    pub(super) fn accept(&mut self, peer: Peer) -> ConnId {
        self.conns.insert(Conn {
            peer,
            tls: None,
            visit: None,
            phase: Phase::Open,
            framing: Framing::None,
            session: None,
            handshake: None,
            deadline: None,
            out: Outbound::default(),
            transport: Transport::Unknown,
            input: Vec::new(),
            missing: 1,
            held: None,
            stall: Stall::NONE,
            questions: 0,
            announced: false,
            end_of_input: false,
        })
    }

    /// Queues a WAMP message.
    pub(super) fn send(&mut self, id: ConnId, pieces: Pieces<'_>) -> Result<(), TooLarge> {
        self.send_with(id, |_, _| Some(pieces))
    }

    /// Queues the WAMP message that `pieces` makes for the connection and its serializer, if it makes one.
    #[inline]
    pub(super) fn send_with<'p>(
        &mut self,
        id: ConnId,
        pieces: impl FnOnce(&Conn, Serializer) -> Option<Pieces<'p>>,
    ) -> Result<(), TooLarge> {
        let Some(conn) = self.conns.get_mut(id) else { return Ok(()) };
        if conn.phase != Phase::Open {
            return Ok(());
        }
        let Some(serializer) = conn.framing.serializer() else { return Ok(()) };
        let Some(Pieces { head, payload, shared }) = pieces(conn, serializer) else { return Ok(()) };
        let tail = serializer.tail();
        let len = head.len() + payload.len() + tail.len();
        let is_websocket = match conn.framing {
            Framing::RawSocket { peer_bytes_max, .. } if len > peer_bytes_max => return Err(TooLarge),
            Framing::RawSocket { .. } => false,
            _ => true,
        };
        let begin = |out: &mut Vec<u8>| match is_websocket {
            true => ws::write_message_header(out, serializer.is_binary(), len),
            false => out.extend_from_slice(&rawsocket::header(FrameKind::Message, len)),
        };
        match shared {
            None => conn.out.gather(&mut self.pool, |out| {
                begin(out);
                out.extend_from_slice(head);
                out.extend_from_slice(payload);
                // A byte or none: no call for so little.
                tail.iter().for_each(|byte| out.push(*byte));
            }),
            Some(bytes) => {
                conn.out.gather(&mut self.pool, |out| {
                    begin(out);
                    out.extend_from_slice(head);
                });
                conn.out.share(&mut self.pool, bytes.clone());
                if !tail.is_empty() {
                    conn.out.gather(&mut self.pool, |out| out.extend_from_slice(tail));
                }
            }
        }
        if conn.out.len() > self.outbound_bytes_high || !conn.announced {
            self.queued(id);
        }
        Ok(())
    }

    /// Queues a message of the router itself, which is small enough for every peer.
    pub(super) fn send_message(&mut self, id: ConnId, message: &Message<'_>) {
        if self.try_send_message(id, message) == Err(TooLarge) {
            tracing::error!(conn = ?id, message = message.name(), "larger than the peer accepts, not sent");
        }
    }

    /// Queues a message in the connection's serializer. The message must carry no payload in another one.
    pub(super) fn try_send_message(&mut self, id: ConnId, message: &Message<'_>) -> Result<(), TooLarge> {
        let Some(serializer) = self.serializer(id) else { return Ok(()) };
        let mut head = mem::take(&mut self.scratch);
        head.clear();
        encode::encode(message, serializer, &mut head);
        head.truncate(head.len() - serializer.tail().len());
        let sent = self.send(id, Pieces { head: &head, payload: &[], shared: None });
        self.scratch = head;
        sent
    }

    /// How many clients are authenticating.
    pub(super) fn handshakes(&self) -> usize {
        self.handshakes
    }

    /// Notes how far a client has come.
    pub(super) fn set_handshake(&mut self, id: ConnId, handshake: Box<Handshake>) {
        if let Some(conn) = self.conns.get_mut(id)
            && conn.phase == Phase::Open
        {
            self.handshakes += usize::from(conn.handshake.is_none());
            conn.handshake = Some(handshake);
        }
    }

    pub(super) fn handshake_mut(&mut self, id: ConnId) -> Option<&mut Handshake> {
        self.conns.get_mut(id)?.handshake.as_deref_mut()
    }

    pub(super) fn take_handshake(&mut self, id: ConnId) -> Option<Box<Handshake>> {
        let taken = self.conns.get_mut(id)?.handshake.take();
        self.handshakes -= usize::from(taken.is_some());
        taken
    }

    fn end_handshake(&mut self, id: ConnId) {
        let call = self.take_handshake(id).and_then(|handshake| handshake.call());
        self.endings.extend(call.map(Ending::Errand));
    }

    /// The serializer of a connection on which WAMP is spoken.
    pub(super) fn serializer(&self, id: ConnId) -> Option<Serializer> {
        self.conns.get(id)?.framing.serializer()
    }

    /// Stops reading for `why`; returns whether that is new.
    pub(super) fn stall(&mut self, id: ConnId, why: Stall) -> bool {
        let Some(conn) = self.conns.get_mut(id) else { return false };
        let before = conn.stall;
        conn.stall = Stall(before.0 | why.0);
        if before == Stall::NONE {
            self.outputs.push_back(Output::Pause(id));
        }
        before != conn.stall
    }

    /// `why` is over; reads on when it was the last reason.
    pub(super) fn unstall(&mut self, id: ConnId, why: Stall) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if conn.stall.0 & why.0 == 0 {
            return;
        }
        conn.stall = Stall(conn.stall.0 & !why.0);
        if conn.stall == Stall::NONE {
            self.outputs.push_back(Output::Resume(id));
            self.runnable.push(id);
        }
    }

    /// A question of the client is on its way to shards. Past some, it has to wait for answers.
    pub(super) fn asks(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.questions += 1;
        if conn.questions >= QUESTIONS_MAX {
            self.stall(id, Stall::QUESTIONS);
        }
    }

    /// One of its questions is answered.
    pub(super) fn is_told(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.questions = conn.questions.saturating_sub(1);
        if conn.questions < QUESTIONS_MAX {
            self.unstall(id, Stall::QUESTIONS);
        }
    }

    /// Keeps a message until the stall [`Stall::HELD`] ends.
    pub(super) fn hold(&mut self, id: ConnId, message: &[u8]) {
        if let Some(conn) = self.conns.get_mut(id) {
            conn.held = Some(message.into());
        }
        self.stall(id, Stall::HELD);
    }

    /// Whether a message waits.
    pub(super) fn holds(&self, id: ConnId) -> bool {
        self.conns.get(id).is_some_and(|conn| conn.held.is_some())
    }

    /// `n` bytes have been written; returns whether more wait.
    pub(super) fn sent(&mut self, id: ConnId, n: usize) -> bool {
        let Some(conn) = self.conns.get_mut(id) else { return false };
        conn.out.advance(&mut self.pool, n);
        let waiting = conn.out.len();
        let more = !conn.out.is_empty();
        if !more {
            conn.announced = false;
        }
        let finished = !more && conn.phase == Phase::Draining;
        if waiting < self.outbound_bytes_high / 2 {
            self.unstall(id, Stall::OUTBOUND);
        }
        if finished {
            self.written_out(id);
        }
        more
    }

    /// Sends no further messages, and forgets what its session, which is over, has not come to read.
    pub(super) fn dismiss(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(id) {
            conn.phase = Phase::Dismissed;
            conn.held = None;
            self.unstall(id, Stall::HELD);
            self.unstall(id, Stall::PICKS);
        }
    }

    /// Writes what waits, then closes. With a WebSocket close frame if that transport is spoken.
    pub(super) fn hang_up(&mut self, id: ConnId, code: CloseCode, reason: &str) {
        if let Some(conn) = self.conns.get_mut(id)
            && conn.phase.is_alive()
            && matches!(conn.framing, Framing::WebSocket(_))
        {
            conn.out.gather(&mut self.pool, |out| ws::write_close(out, code.into(), reason));
        }
        self.begin_close(id);
    }

    /// Reads nothing more, writes what waits, then closes.
    pub(super) fn begin_close(&mut self, id: ConnId) {
        self.end_handshake(id);
        let Some(conn) = self.conns.get_mut(id) else { return };
        if !conn.phase.is_alive() {
            return;
        }
        conn.phase = Phase::Draining;
        conn.input = Vec::new();
        conn.held = None;
        let idle = conn.out.is_empty();
        if conn.stall != Stall::NONE {
            // The end of file must be seen.
            conn.stall = Stall::NONE;
            self.outputs.push_back(Output::Resume(id));
        }
        self.endings.push(Ending::Conn(id));
        if idle {
            self.written_out(id);
        } else {
            self.announce(id);
        }
    }

    /// After the peer's end of file.
    fn end_of_input(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get(id) {
            match conn.phase {
                Phase::Open | Phase::Dismissed => self.begin_close(id),
                Phase::Draining => {}
                Phase::Lingering => self.close(id),
            }
        }
    }

    /// Forgets the connection and has the host close it.
    pub(super) fn close(&mut self, id: ConnId) {
        self.forget(id);
        self.outputs.push_back(Output::Close(id));
    }

    /// Forgets the connection.
    pub(super) fn forget(&mut self, id: ConnId) {
        self.end_handshake(id);
        if let Some(mut conn) = self.conns.remove(id) {
            conn.out.clear(&mut self.pool);
        }
    }

    fn written_out(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if conn.end_of_input {
            self.close(id);
        } else {
            conn.phase = Phase::Lingering;
            self.outputs.push_back(Output::Shutdown(id));
        }
    }

    /// After bytes were queued.
    #[inline(never)]
    fn queued(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get(id) else { return };
        let len = conn.out.len();
        if len > self.outbound_bytes_high {
            self.pauses += u64::from(self.stall(id, Stall::OUTBOUND));
            if len > self.outbound_bytes_max {
                self.doomed.push(id);
            }
        }
        self.announce(id);
    }

    fn announce(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(id)
            && !conn.announced
        {
            conn.announced = true;
            self.outputs.push_back(Output::Flush(id));
        }
    }

    fn queue_raw(&mut self, id: ConnId, write: impl FnOnce(&mut Vec<u8>)) {
        if let Some(conn) = self.conns.get_mut(id)
            && conn.phase.is_alive()
        {
            conn.out.gather(&mut self.pool, write);
            self.queued(id);
        }
    }
}
