//! Reading: what has come on a connection is cut into frames, as its transport has them, and whole messages go to `session`.

use std::mem;

use super::super::shard::{ConnId, Shard};
use super::super::time::Time;
use super::{Framing, Stall};
use crate::rawsocket::{self, FrameKind, HandshakeError};
use crate::wamp::Serializer;
use crate::ws::{self, CloseCode, Control, OpCode};
use crate::{demo, http};

/// What a TLS handshake begins with. Neither HTTP nor RawSocket does.
const TLS_HANDSHAKE: u8 = 22;

/// A TLS record with an alert: fatal, `handshake_failure`.
const TLS_ALERT: [u8; 7] = [21, 3, 3, 0, 2, 2, 40];

/// How the bytes of a connection are read.
#[derive(Debug)]
pub(super) enum Transport {
    /// The first byte will tell.
    Unknown,
    Http,
    RawSocketHandshake,
    WebSocket(ws::Decoder),
    RawSocket {
        /// The largest message that the peer was told it may send.
        bytes_max: usize,
    },
    /// Taken out while its input is being read.
    Reading,
}

/// What a look at the front of the input brought.
enum Step {
    /// So many bytes were used.
    Used(usize),
    /// So many more are needed at least.
    Missing(usize),
}

impl Shard {
    /// Bytes have come.
    pub(in super::super) fn read(&mut self, now: Time, id: ConnId, mut bytes: &mut [u8]) {
        let Some(conn) = self.wire.conns.get_mut(id) else { return };
        if !conn.phase.is_alive() {
            return;
        }
        let mut input = mem::take(&mut conn.input);
        let mut transport = mem::replace(&mut conn.transport, Transport::Reading);
        // Complete the frame that has begun, then read on from the shared buffer without copying.
        while !input.is_empty() && !bytes.is_empty() && self.is_readable(id) {
            let missing = self.wire.conns.get(id).map_or(1, |c| c.missing);
            // The length is taken before the bytes are.
            let n = missing.clamp(1, bytes.len());
            let (now_in, rest) = mem::take(&mut bytes).split_at_mut(n);
            input.extend_from_slice(now_in);
            bytes = rest;
            let used = self.consume(now, id, &mut transport, &mut input);
            input.drain(..used);
        }
        if input.is_empty() {
            let used = self.consume(now, id, &mut transport, bytes);
            bytes = &mut bytes[used..];
        }
        self.keep(id, transport, input, bytes);
    }

    /// A stall is over: what was held and what had come meanwhile.
    pub(in super::super) fn resume(&mut self, now: Time, id: ConnId) {
        self.resume_recalls(id);
        self.resume_handshake(now, id);
        if !self.is_readable(id) {
            return;
        }
        if let Some(held) = self.wire.conns.get_mut(id).and_then(|c| c.held.take()) {
            self.message(now, id, &held);
        }
        let Some(conn) = self.wire.conns.get_mut(id) else { return };
        if !conn.input.is_empty() {
            let mut input = mem::take(&mut conn.input);
            let mut transport = mem::replace(&mut conn.transport, Transport::Reading);
            let used = self.consume(now, id, &mut transport, &mut input);
            input.drain(..used);
            self.keep(id, transport, input, &[]);
        }
        if self.wire.conns.get(id).is_some_and(|c| c.end_of_input) {
            self.end_of_input(now, id);
        }
    }

    /// The peer will send nothing more; what it has sent before still counts.
    pub(in super::super) fn end_of_input(&mut self, now: Time, id: ConnId) {
        let Some(conn) = self.wire.conns.get_mut(id) else { return };
        conn.end_of_input = true;
        if conn.stall != Stall::NONE && (conn.held.is_some() || !conn.input.is_empty()) {
            return;
        }
        if self.session(id).is_some_and(|session| session.unacknowledged > 0) {
            self.wire.stall(id, Stall::HELD);
            return;
        }
        self.leave(now, id);
        self.wire.end_of_input(id);
    }

    /// Puts back what [`Shard::consume`] has left.
    fn keep(&mut self, id: ConnId, mut transport: Transport, mut input: Vec<u8>, rest: &[u8]) {
        let Some(conn) = self.wire.conns.get_mut(id) else { return };
        if !conn.phase.is_alive() {
            return;
        }
        if let Transport::WebSocket(decoder) = &mut transport {
            // The decoder lets go of a fragmented message at the call after the one that delivered it.
            let _ = decoder.decode(&mut []);
        }
        conn.transport = transport;
        if input.is_empty() && rest.is_empty() {
            self.wire.pool.give(input);
            return;
        }
        if input.capacity() == 0 {
            input = self.wire.pool.take();
        }
        input.extend_from_slice(rest);
        conn.input = input;
    }

    fn is_readable(&self, id: ConnId) -> bool {
        self.wire.conns.get(id).is_some_and(|c| c.phase.is_alive() && c.stall == Stall::NONE)
    }

    /// Uses as many whole frames of `input` as it may; returns how many bytes they took.
    fn consume(&mut self, now: Time, id: ConnId, transport: &mut Transport, input: &mut [u8]) -> usize {
        let mut at = 0;
        while at < input.len() && self.is_readable(id) && !self.choke(id) {
            let rest = &mut input[at..];
            let step = match transport {
                Transport::Unknown => {
                    *transport = match rest[0] {
                        rawsocket::MAGIC => Transport::RawSocketHandshake,
                        TLS_HANDSHAKE => return self.refuse_tls(id, rest.len()),
                        _ => Transport::Http,
                    };
                    Step::Used(0)
                }
                Transport::Http => self.http(now, id, transport, rest),
                Transport::RawSocketHandshake => self.rawsocket_handshake(id, transport, rest),
                Transport::WebSocket(decoder) => self.websocket(now, id, decoder, rest),
                Transport::RawSocket { bytes_max } => self.rawsocket(now, id, *bytes_max, rest),
                Transport::Reading => Step::Used(rest.len()),
            };
            match step {
                Step::Used(n) => at += n,
                Step::Missing(n) => {
                    if let Some(conn) = self.wire.conns.get_mut(id) {
                        conn.missing = n;
                    }
                    break;
                }
            }
        }
        if self.wire.conns.get(id).is_none_or(|c| !c.phase.is_alive()) { input.len() } else { at }
    }

    /// The peer speaks TLS, where it is not expected. It is told in its own language, for no other makes sense to it.
    #[cold]
    fn refuse_tls(&mut self, id: ConnId, used: usize) -> usize {
        let peer = self.wire.conns.get(id).map(|conn| conn.peer);
        tracing::debug!(
            ?peer,
            "a client speaks TLS to an address that does not: it wants `ws://` or `tcp://`"
        );
        self.wire.queue_raw(id, |out| out.extend_from_slice(&TLS_ALERT));
        self.wire.begin_close(id);
        used
    }

    fn http(&mut self, now: Time, id: ConnId, transport: &mut Transport, input: &[u8]) -> Step {
        let limits = &self.config.limits;
        let site = http::Site { tracking: self.tracking(id), ..demo::SITE };
        match http::answer(input, limits.http_head_bytes_max, &self.config.origins, &site) {
            None => Step::Missing(usize::MAX),
            Some((used, http::Answer::Upgrade { mut response, serializer, visitor })) => {
                *transport =
                    Transport::WebSocket(ws::Decoder::new(ws::Role::Server, limits.message_bytes_max));
                if let Some(visitor) = visitor {
                    self.visit(now, id, &visitor, &mut response);
                }
                self.wire.queue_raw(id, |out| out.extend_from_slice(&response));
                self.speak(id, Framing::WebSocket(serializer));
                Step::Used(used)
            }
            Some((used, http::Answer::Respond { response })) => {
                // Nothing else is forbidden, or too large.
                self.limited.origins += u64::from(response.starts_with(b"HTTP/1.1 403 "));
                self.limited.http_head_bytes_max += u64::from(response.starts_with(b"HTTP/1.1 431 "));
                self.wire.queue_raw(id, |out| out.extend_from_slice(&response));
                self.wire.begin_close(id);
                Step::Used(used)
            }
        }
    }

    fn rawsocket_handshake(&mut self, id: ConnId, transport: &mut Transport, input: &[u8]) -> Step {
        let Some(octets) = input.first_chunk() else { return Step::Missing(4 - input.len()) };
        let bytes_max = self.limits().message_bytes_max;
        match rawsocket::parse_handshake(*octets) {
            Ok(handshake) => {
                let serializer = handshake.serializer;
                *transport = Transport::RawSocket { bytes_max };
                self.wire
                    .queue_raw(id, |out| out.extend_from_slice(&rawsocket::reply(serializer, bytes_max)));
                self.speak(id, Framing::RawSocket { serializer, peer_bytes_max: handshake.peer_bytes_max });
            }
            Err(error) => self.refuse_rawsocket(id, error),
        }
        Step::Used(4)
    }

    fn refuse_rawsocket(&mut self, id: ConnId, error: HandshakeError) {
        tracing::debug!(conn = ?id, %error, "RawSocket handshake refused");
        self.wire.queue_raw(id, |out| out.extend_from_slice(&error.octets()));
        self.wire.begin_close(id);
    }

    fn speak(&mut self, id: ConnId, framing: Framing) {
        if let Some(conn) = self.wire.conns.get_mut(id) {
            conn.framing = framing;
        }
    }

    fn websocket(&mut self, now: Time, id: ConnId, decoder: &mut ws::Decoder, input: &mut [u8]) -> Step {
        let (used, event) = match decoder.decode(input) {
            Ok(ws::Decoded::Incomplete { missing }) => return Step::Missing(missing),
            Ok(ws::Decoded::Frame { consumed, event }) => (consumed, event),
            Err(error) => {
                let text = error.to_string();
                tracing::debug!(conn = ?id, error = text, "WebSocket violation");
                self.limited.message_bytes_max += u64::from(matches!(error, ws::Error::TooBig { .. }));
                self.leave(now, id);
                self.wire.hang_up(id, error.close_code().into(), &text);
                return Step::Used(0);
            }
        };
        let binary = self.wire.serializer(id).is_some_and(Serializer::is_binary);
        match event {
            None | Some(ws::Event::Pong(_)) => {}
            Some(ws::Event::Text(text)) if !binary => self.text_message(now, id, text),
            Some(ws::Event::Binary(message)) if binary => self.message(now, id, message),
            Some(ws::Event::Text(_) | ws::Event::Binary(_)) => {
                let kind = if binary { "binary" } else { "text" };
                self.violation(now, id, &format!("this subprotocol takes {kind} frames only"));
            }
            Some(ws::Event::Ping(payload)) => self.wire.queue_raw(id, |out| {
                ws::write_frame_header(out, OpCode::Control(Control::Pong), payload.len());
                out.extend_from_slice(payload);
            }),
            Some(ws::Event::Close { code, .. }) => {
                self.leave(now, id);
                self.wire.hang_up(id, code.map_or(CloseCode::Normal, CloseCode::from), "");
            }
        }
        Step::Used(used)
    }

    fn rawsocket(&mut self, now: Time, id: ConnId, bytes_max: usize, input: &[u8]) -> Step {
        let Some(octets) = input.first_chunk() else { return Step::Missing(4 - input.len()) };
        let header = match rawsocket::parse_header(*octets) {
            Ok(header) if header.len <= bytes_max => header,
            Ok(header) => {
                self.refuse_frame(now, id, header.len, bytes_max);
                return Step::Used(0);
            }
            Err(error) => {
                self.break_rawsocket(now, id, &error.to_string());
                return Step::Used(0);
            }
        };
        let Some(payload) = input.get(4..4 + header.len) else {
            return Step::Missing(4 + header.len - input.len());
        };
        match header.kind {
            FrameKind::Message => self.message(now, id, payload),
            FrameKind::Ping => self.wire.queue_raw(id, |out| {
                out.extend_from_slice(&rawsocket::header(FrameKind::Pong, payload.len()));
                out.extend_from_slice(payload);
            }),
            FrameKind::Pong => {}
        }
        Step::Used(4 + header.len)
    }

    #[cold]
    fn refuse_frame(&mut self, now: Time, id: ConnId, bytes: usize, bytes_max: usize) {
        self.limited.message_bytes_max += 1;
        let text = format!(
            "frame of {bytes} bytes is larger than announced: {bytes_max} at most (message_bytes_max)"
        );
        self.break_rawsocket(now, id, &text);
    }

    /// RawSocket has no error frame: a session is told by ABORT, then the connection ends.
    fn break_rawsocket(&mut self, now: Time, id: ConnId, why: &str) {
        tracing::debug!(conn = ?id, why, "RawSocket violation");
        self.violation(now, id, why);
    }
}
