//! A client: what it has sent, what it may still get, and how the host sees its connection.

use std::collections::VecDeque;

use connectanum::router::{ConnId, Time};
use connectanum::wamp::{Message, encode};

use crate::dice::Dice;
use crate::model::Mark;
use crate::transport::{Kind, Transport};

/// How far a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No session yet, or no longer.
    Idle,
    /// HELLO is sent.
    Joining,
    Joined,
    /// GOODBYE is sent.
    Leaving,
    /// The router has said GOODBYE; the client has not answered yet.
    Dismissed,
    /// The client did what a router does not tolerate. ABORT comes with this reason; without one only the transport's end.
    Doomed(Option<&'static str>),
    /// Nothing more may come.
    Over,
}

/// What has been sent of the client's end of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Eof {
    No,
    /// After what is still to be handed over.
    Wanted,
    Given,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) shard: u16,
    pub(crate) conn: ConnId,
    pub(crate) transport: Transport,
    pub(crate) phase: Phase,
    /// When its connection was accepted.
    pub(crate) accepted: Time,
    /// Its present or last session.
    pub(crate) session: Option<usize>,
    /// Sent, not yet handed to the shard.
    pub(crate) out: VecDeque<u8>,
    marks: VecDeque<(u64, usize, Mark)>,
    sent: u64,
    handed: u64,
    pub(crate) pings: VecDeque<Vec<u8>>,
    pub(crate) eof: Eof,
    /// The connection does not exist any more.
    pub(crate) is_closed: bool,
    /// The router has shut down its sending side.
    pub(crate) is_finished: bool,
    /// The host does not read from it.
    pub(crate) is_paused: bool,
    /// The host is to write to it.
    pub(crate) is_flushing: bool,
    /// It reads no more and will never close.
    pub(crate) is_deaf: bool,
    /// It neither reads nor writes until this step.
    pub(crate) stalled_until: u64,
    /// Steps from which on it is deaf.
    pub(crate) deaf_from: Option<u64>,
}

impl Client {
    pub(crate) fn new(shard: u16, conn: ConnId, transport: Transport, accepted: Time) -> Client {
        Client {
            shard,
            conn,
            transport,
            phase: Phase::Idle,
            accepted,
            session: None,
            out: VecDeque::new(),
            marks: VecDeque::new(),
            sent: 0,
            handed: 0,
            pings: VecDeque::new(),
            eof: Eof::No,
            is_closed: false,
            is_finished: false,
            is_paused: false,
            is_flushing: false,
            is_deaf: false,
            stalled_until: 0,
            deaf_from: None,
        }
    }

    /// Whether it has a session that it may use.
    pub(crate) fn is_joined(&self) -> bool {
        self.phase == Phase::Joined && self.can_send()
    }

    pub(crate) fn can_send(&self) -> bool {
        !self.is_closed && self.eof == Eof::No && !self.is_deaf
    }

    pub(crate) fn is_limited(&self) -> bool {
        matches!(self.transport.kind, Kind::RawSocket(bytes_max) if bytes_max < 1 << 16)
    }

    /// Sends a message of its session.
    pub(crate) fn send(&mut self, dice: &mut Dice, message: &Message<'_>, mark: Mark) {
        let mut bytes = Vec::new();
        encode(message, self.transport.serializer, &mut bytes);
        self.send_wamp(dice, &bytes, mark);
    }

    /// Sends the bytes of what may be a message.
    pub(crate) fn send_wamp(&mut self, dice: &mut Dice, bytes: &[u8], mark: Mark) {
        let frame = self.transport.frame(dice, bytes);
        self.send_raw(&frame, mark);
    }

    pub(crate) fn send_raw(&mut self, bytes: &[u8], mark: Mark) {
        assert!(self.can_send());
        // The first byte of nonsense may be enough.
        let decisive = if mark == Mark::Violation { 1 } else { bytes.len() as u64 };
        if let Some(session) = self.session {
            self.marks.push_back((self.sent + decisive, session, mark));
        }
        self.out.extend(bytes);
        self.sent += bytes.len() as u64;
    }

    /// Takes the next `n` bytes to be handed over, and what they complete.
    pub(crate) fn hand_over(&mut self, n: usize) -> (Vec<u8>, Vec<(usize, Mark)>) {
        let bytes: Vec<u8> = self.out.drain(..n).collect();
        self.handed += n as u64;
        let mut complete = Vec::new();
        while let Some(&(end, session, mark)) = self.marks.front()
            && end <= self.handed
        {
            self.marks.pop_front();
            complete.push((session, mark));
        }
        (bytes, complete)
    }

    /// Where the message that comes next ends, counted from what is handed over.
    pub(crate) fn next_end(&self) -> usize {
        let end = self.marks.front().map_or(usize::MAX, |(end, ..)| (end - self.handed) as usize);
        end.min(self.out.len())
    }

    /// Closes its sending side; `keep` bytes of what it has sent still come.
    pub(crate) fn end_after(&mut self, keep: usize) {
        assert_eq!(self.eof, Eof::No);
        self.out.truncate(keep);
        self.eof = Eof::Wanted;
    }

    pub(crate) fn is_stalled(&self, step: u64) -> bool {
        self.stalled_until > step
    }
}
