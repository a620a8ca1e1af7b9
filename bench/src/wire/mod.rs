//! From bytes to frames and back, for everything that a server may speak.

pub(crate) mod nats;
mod tls;
mod upgrade;

use connectanum::rawsocket::{self, FrameKind, ReplyError};
use connectanum::wamp::Serializer;
use connectanum::ws::{self, Control, Data, Decoded, Decoder, Event, OpCode, Role};

pub(crate) use tls::{Tls, Trust};
pub(crate) use upgrade::{Upgrade, UpgradeError};

/// Largest message that is taken.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1 << 26;

/// How messages are told apart on one connection.
#[derive(Debug)]
pub(crate) enum Framing {
    /// WebSocket frames; ours are masked.
    WebSocket {
        /// What comes in.
        decoder: Decoder,
        /// Text or binary.
        data: OpCode,
        /// The latest masking key. It changes with every frame; nobody here has to be surprised by it.
        key: u32,
    },
    /// RawSocket frames. The relay gets them, too: it does not look.
    RawSocket,
    /// Lines, and payloads whose length a line has told.
    Nats,
}

/// A frame that has come in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'b> {
    /// A message.
    Message(&'b [u8]),
    /// To be answered by [`Framing::put_pong`].
    Ping(&'b [u8]),
    /// The answer to a ping.
    Pong,
    /// Nothing that matters.
    Other,
    /// The server ends the connection, and says why.
    Close(String),
}

/// The server breaks the rules of its own transport.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("WebSocket: {0}")]
    WebSocket(#[from] ws::Error),
    #[error("RawSocket: {0}")]
    RawSocket(#[from] rawsocket::FrameError),
    #[error("RawSocket: {0}")]
    Handshake(#[from] ReplyError),
    #[error("RawSocket: asked for {0:?}, and the server agreed to {1:?}")]
    OtherSerializer(Serializer, Serializer),
    #[error("the upgrade to WebSocket failed: {0}")]
    Upgrade(#[from] UpgradeError),
    #[error("NATS: {0}")]
    Nats(#[from] nats::NatsError),
}

impl Framing {
    /// WebSocket, with text or binary frames.
    pub(crate) fn websocket(serializer: Serializer) -> Framing {
        let data = OpCode::Data(if serializer.is_binary() { Data::Binary } else { Data::Text });
        Framing::WebSocket { decoder: Decoder::new(Role::Client, MESSAGE_BYTES_MAX), data, key: 1 }
    }

    /// Takes one frame from the front of `input`, with the number of its bytes; `None` if it is not all there yet.
    ///
    /// # Errors
    /// The bytes are no frame.
    #[inline]
    pub(crate) fn cut<'b>(
        &'b mut self,
        input: &'b mut [u8],
    ) -> Result<Option<(usize, Frame<'b>)>, WireError> {
        match self {
            Framing::WebSocket { decoder, .. } => match decoder.decode(input)? {
                Decoded::Incomplete { .. } => Ok(None),
                Decoded::Frame { consumed, event } => Ok(Some((consumed, websocket_frame(event)))),
            },
            Framing::RawSocket => rawsocket_frame(input),
            Framing::Nats => Ok(nats::cut(input)?),
        }
    }

    /// Appends a message. One of NATS brings its line with it.
    pub(crate) fn put(&mut self, message: &[u8], out: &mut Vec<u8>) {
        match self {
            Framing::WebSocket { data, key, .. } => {
                *key = key.wrapping_add(0x9E37_79B9);
                ws::write_masked_frame(out, *data, key.to_be_bytes(), message);
            }
            Framing::RawSocket => put_rawsocket(FrameKind::Message, message, out),
            Framing::Nats => out.extend_from_slice(message),
        }
    }

    /// Appends a ping.
    pub(crate) fn put_ping(&mut self, out: &mut Vec<u8>) {
        match self {
            Framing::WebSocket { key, .. } => {
                ws::write_masked_frame(out, OpCode::Control(Control::Ping), key.to_be_bytes(), b"");
            }
            Framing::RawSocket => put_rawsocket(FrameKind::Ping, b"", out),
            Framing::Nats => out.extend_from_slice(nats::PING),
        }
    }

    /// Appends the answer to a ping.
    pub(crate) fn put_pong(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        match self {
            Framing::WebSocket { key, .. } => {
                ws::write_masked_frame(out, OpCode::Control(Control::Pong), key.to_be_bytes(), payload);
            }
            Framing::RawSocket => put_rawsocket(FrameKind::Pong, payload, out),
            Framing::Nats => out.extend_from_slice(nats::PONG),
        }
    }
}

fn put_rawsocket(kind: FrameKind, payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&rawsocket::header(kind, payload.len()));
    out.extend_from_slice(payload);
}

fn websocket_frame(event: Option<Event<'_>>) -> Frame<'_> {
    match event {
        Some(Event::Text(message)) => Frame::Message(message.as_bytes()),
        Some(Event::Binary(message)) => Frame::Message(message),
        Some(Event::Ping(payload)) => Frame::Ping(payload),
        Some(Event::Pong(_)) => Frame::Pong,
        None => Frame::Other,
        Some(Event::Close { code, reason }) => Frame::Close(match code {
            Some(code) => format!("WebSocket close code {code} {reason:?}"),
            None => "WebSocket close without a code".to_owned(),
        }),
    }
}

fn rawsocket_frame(input: &[u8]) -> Result<Option<(usize, Frame<'_>)>, WireError> {
    let Some((&head, rest)) = input.split_first_chunk() else { return Ok(None) };
    let header = rawsocket::parse_header(head)?;
    let Some(payload) = rest.get(..header.len) else { return Ok(None) };
    let frame = match header.kind {
        FrameKind::Message => Frame::Message(payload),
        FrameKind::Ping => Frame::Ping(payload),
        FrameKind::Pong => Frame::Pong,
    };
    Ok(Some((head.len() + header.len, frame)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `framing` finds in `bytes`, given piece by piece.
    fn messages(framing: &mut Framing, bytes: &[u8]) -> Vec<Vec<u8>> {
        let (mut found, mut input) = (Vec::new(), Vec::new());
        for byte in bytes {
            input.push(*byte);
            while let Some((used, frame)) = framing.cut(&mut input).unwrap() {
                if let Frame::Message(message) = frame {
                    found.push(message.to_vec());
                }
                input.drain(..used);
            }
        }
        assert!(input.is_empty());
        found
    }

    #[test]
    fn rawsocket_takes_what_it_puts() {
        let mut bytes = Vec::new();
        let sent = [vec![], vec![7; 300], b"end".to_vec()];
        for message in &sent {
            Framing::RawSocket.put(message, &mut bytes);
            Framing::RawSocket.put_pong(b"p", &mut bytes);
        }
        assert_eq!(messages(&mut Framing::RawSocket, &bytes), sent);
    }

    #[test]
    fn a_websocket_server_understands_what_is_put() {
        let mut framing = Framing::websocket(Serializer::Cbor);
        let mut server = Decoder::new(Role::Server, 1 << 20);
        let mut bytes = Vec::new();
        for _ in 0..3 {
            bytes.clear();
            framing.put(&[9; 70_000], &mut bytes);
            let decoded = server.decode(&mut bytes).unwrap();
            let Decoded::Frame { event: Some(Event::Binary(message)), .. } = decoded else {
                panic!("{decoded:?}")
            };
            assert_eq!(message, [9; 70_000]);
        }
    }

    #[test]
    fn websocket_events_and_their_meaning() {
        let mut framing = Framing::websocket(Serializer::Json);
        let mut bytes = Vec::new();
        ws::write_frame_header(&mut bytes, OpCode::Data(Data::Text), 2);
        bytes.extend_from_slice(b"[]");
        assert_eq!(messages(&mut framing, &bytes), [b"[]"]);
        bytes.clear();
        ws::write_close(&mut bytes, 1001, "bye");
        let (used, frame) = framing.cut(&mut bytes).unwrap().unwrap();
        assert_eq!((used, frame), (7, Frame::Close("WebSocket close code 1001 \"bye\"".to_owned())));
    }
}
