//! The client's end of a transport: handshakes and frames of WebSocket and RawSocket.

use connectanum::rawsocket::{self, FrameKind};
use connectanum::wamp::Serializer;
use connectanum::ws::{self, Control, Data, OpCode};

use crate::dice::Dice;

/// Which transport a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    WebSocket,
    /// With the largest message that the client accepts.
    RawSocket(usize),
}

/// What a client finds in the bytes that it gets.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// The transport's handshake is done.
    Ready,
    /// A WAMP message.
    Message(Vec<u8>),
    /// The answer to a ping.
    Pong(Vec<u8>),
    /// A close frame.
    Close,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Transport {
    pub(crate) kind: Kind,
    pub(crate) serializer: Serializer,
    ready: bool,
    closed: bool,
    decoder: ws::Decoder,
    input: Vec<u8>,
}

/// The key of RFC 6455's example, and what a server must make of it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

impl Transport {
    pub(crate) fn new(kind: Kind, serializer: Serializer) -> Transport {
        let decoder = ws::Decoder::new(ws::Role::Client, 1 << 24);
        Transport { kind, serializer, ready: false, closed: false, decoder, input: Vec::new() }
    }

    /// What a client sends first.
    pub(crate) fn hello(&self) -> Vec<u8> {
        match self.kind {
            Kind::RawSocket(bytes_max) => rawsocket::client_hello(self.serializer, bytes_max).to_vec(),
            Kind::WebSocket => format!(
                "GET /ws HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Protocol: {}\r\n\r\n",
                self.serializer.subprotocol()
            )
            .into_bytes(),
        }
    }

    /// A WAMP message as it goes over the wire, now and then in fragments.
    pub(crate) fn frame(&self, dice: &mut Dice, message: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match self.kind {
            Kind::RawSocket(_) => {
                out.extend_from_slice(&rawsocket::header(FrameKind::Message, message.len()));
                out.extend_from_slice(message);
            }
            Kind::WebSocket => {
                let kind = if self.serializer.is_binary() { Data::Binary } else { Data::Text };
                let cut = if dice.percent(10) { dice.below(message.len()) } else { message.len() };
                let (first, rest) = message.split_at(cut);
                ws::write_masked_frame(&mut out, OpCode::Data(kind), dice.bytes(), first);
                if !rest.is_empty() {
                    out[0] &= !FIN;
                    if dice.percent(30) {
                        ws::write_masked_frame(&mut out, OpCode::Control(Control::Pong), dice.bytes(), b"x");
                    }
                    ws::write_masked_frame(&mut out, OpCode::Data(Data::Continue), dice.bytes(), rest);
                }
            }
        }
        out
    }

    pub(crate) fn ping(&self, dice: &mut Dice, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match self.kind {
            Kind::RawSocket(_) => {
                out.extend_from_slice(&rawsocket::header(FrameKind::Ping, payload.len()));
                out.extend_from_slice(payload);
            }
            Kind::WebSocket => {
                ws::write_masked_frame(&mut out, OpCode::Control(Control::Ping), dice.bytes(), payload);
            }
        }
        out
    }

    /// Bytes that no server accepts at this place.
    pub(crate) fn nonsense(&self) -> Vec<u8> {
        match self.kind {
            Kind::RawSocket(_) => vec![0x80, 0, 0, 1, b'x'],
            // An unmasked frame.
            Kind::WebSocket => vec![0x81, 1, b'x'],
        }
    }

    /// Takes what the router has sent.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<Incoming> {
        self.input.extend_from_slice(bytes);
        let mut found = Vec::new();
        let mut at = 0;
        while !self.closed
            && let Some((used, incoming)) = self.next(at)
        {
            at += used;
            found.extend(incoming);
        }
        self.input.drain(..at);
        assert!(!self.closed || self.input.is_empty(), "bytes after the router's close frame");
        found
    }

    /// Whether the last byte that came ended a frame.
    pub(crate) fn is_between_frames(&self) -> bool {
        self.input.is_empty()
    }

    fn next(&mut self, at: usize) -> Option<(usize, Option<Incoming>)> {
        let rest = &mut self.input[at..];
        match (self.kind, self.ready) {
            (Kind::RawSocket(_), false) => {
                let reply = rawsocket::parse_reply(*rest.first_chunk()?).expect("a handshake reply");
                assert_eq!(reply.serializer, self.serializer);
                self.ready = true;
                Some((4, Some(Incoming::Ready)))
            }
            (Kind::RawSocket(bytes_max), true) => {
                let header = rawsocket::parse_header(*rest.first_chunk()?).expect("a frame header");
                let payload = rest.get(4..4 + header.len)?.to_vec();
                assert!(header.len <= bytes_max, "a frame of {} bytes", header.len);
                let incoming = match header.kind {
                    FrameKind::Message => Incoming::Message(payload),
                    FrameKind::Pong => Incoming::Pong(payload),
                    FrameKind::Ping => panic!("the router does not ping"),
                };
                Some((4 + header.len, Some(incoming)))
            }
            (Kind::WebSocket, false) => {
                let end = rest.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
                let head = std::str::from_utf8(&rest[..end]).expect("ASCII");
                assert!(head.starts_with("HTTP/1.1 101 ") && head.contains(ACCEPT), "{head}");
                self.ready = true;
                Some((end, Some(Incoming::Ready)))
            }
            (Kind::WebSocket, true) => {
                let (used, event) = match self.decoder.decode(rest).expect("a frame") {
                    ws::Decoded::Incomplete { .. } => return None,
                    ws::Decoded::Frame { consumed, event } => (consumed, event),
                };
                let incoming = match event.expect("an unfragmented frame") {
                    ws::Event::Text(message) => {
                        assert!(!self.serializer.is_binary(), "a text frame");
                        Incoming::Message(message.as_bytes().to_vec())
                    }
                    ws::Event::Binary(message) => {
                        assert!(self.serializer.is_binary(), "a binary frame");
                        Incoming::Message(message.to_vec())
                    }
                    ws::Event::Pong(payload) => Incoming::Pong(payload.to_vec()),
                    ws::Event::Ping(_) => panic!("the router does not ping"),
                    ws::Event::Close { .. } => Incoming::Close,
                };
                self.closed |= matches!(incoming, Incoming::Close);
                Some((used, Some(incoming)))
            }
        }
    }
}

const FIN: u8 = 0x80;
