//! What a client speaks: the bytes around its messages.

use connectanum::wamp::Serializer;
use connectanum::ws::{self, CloseCode, Control, Data, Decoded, Decoder, Event, OpCode, Role};

/// A transport and its serializer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Transport {
    RawSocket {
        serializer: Serializer,
        /// The client accepts messages of up to 2^(9+this) bytes.
        length: u8,
    },
    WebSocket(Serializer),
}

/// What a client receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Message(Vec<u8>),
    Pong(Vec<u8>),
    /// WebSocket's close frame: code and reason.
    Close(u16, String),
}

impl Transport {
    /// How many transports there are to rotate through.
    pub(crate) const ROTATION: usize = 6;

    /// The one whose turn is `n`.
    pub(crate) fn rotated(n: usize) -> Transport {
        let serializer = Serializer::ALL[n % 3];
        if n.is_multiple_of(2) { Transport::raw_socket(serializer) } else { Transport::WebSocket(serializer) }
    }

    /// RawSocket that takes messages of any size.
    pub(crate) fn raw_socket(serializer: Serializer) -> Transport {
        Transport::RawSocket { serializer, length: 15 }
    }

    pub(crate) fn serializer(self) -> Serializer {
        match self {
            Transport::RawSocket { serializer, .. } | Transport::WebSocket(serializer) => serializer,
        }
    }

    pub(crate) fn with_serializer(self, serializer: Serializer) -> Transport {
        match self {
            Transport::RawSocket { length, .. } => Transport::RawSocket { serializer, length },
            Transport::WebSocket(_) => Transport::WebSocket(serializer),
        }
    }

    pub(crate) fn is_websocket(self) -> bool {
        matches!(self, Transport::WebSocket(_))
    }

    /// What the client sends first.
    pub(crate) fn hello(self) -> Vec<u8> {
        match self {
            Transport::RawSocket { serializer, length } => {
                vec![0x7F, length << 4 | serializer.rawsocket_code(), 0, 0]
            }
            Transport::WebSocket(serializer) => upgrade("/ws", serializer.subprotocol()).into_bytes(),
        }
    }

    /// Takes the router's answer off the front of `input`, which must accept.
    #[track_caller]
    pub(crate) fn accepted(self, input: &mut Vec<u8>) {
        match self {
            Transport::RawSocket { serializer, .. } => {
                let limit = input[1] & 0xF0;
                assert_eq!(input[..4], [0x7F, limit | serializer.rawsocket_code(), 0, 0]);
                input.drain(..4);
            }
            Transport::WebSocket(serializer) => {
                let end = input.windows(4).position(|w| w == b"\r\n\r\n").expect("a whole response") + 4;
                let head: Vec<u8> = input.drain(..end).collect();
                let head = String::from_utf8(head).unwrap();
                assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
                let protocol = format!("Sec-WebSocket-Protocol: {}\r\n", serializer.subprotocol());
                assert!(head.contains(&protocol), "{head}");
            }
        }
    }

    /// The frame of a message.
    pub(crate) fn frame(self, message: &[u8]) -> Vec<u8> {
        match self {
            Transport::RawSocket { .. } => raw_frame(0, message),
            Transport::WebSocket(serializer) => {
                ws_frame(if serializer.is_binary() { Data::Binary } else { Data::Text }, message)
            }
        }
    }

    /// Takes one frame off the front of `input`, if one is there.
    #[track_caller]
    pub(crate) fn parse(self, input: &mut Vec<u8>) -> Option<Frame> {
        match self {
            Transport::RawSocket { .. } => {
                let [kind, a, b, c] = *input.first_chunk()?;
                let length = u32::from_be_bytes([kind >> 3, a, b, c]) as usize;
                let payload = input.get(4..4 + length)?.to_vec();
                input.drain(..4 + length);
                match kind & 0b1111_0111 {
                    0 => Some(Frame::Message(payload)),
                    2 => Some(Frame::Pong(payload)),
                    other => panic!("the router sent a frame of type {other}"),
                }
            }
            Transport::WebSocket(serializer) => {
                // The router fragments nothing.
                let mut decoder = Decoder::new(Role::Client, usize::MAX);
                let mut bytes = std::mem::take(input);
                let Decoded::Frame { consumed, event } = decoder.decode(&mut bytes).expect("a sound frame")
                else {
                    *input = bytes;
                    return None;
                };
                let frame = match event.expect("a whole message") {
                    Event::Text(message) if !serializer.is_binary() => Frame::Message(message.into()),
                    Event::Binary(message) if serializer.is_binary() => Frame::Message(message.to_vec()),
                    Event::Pong(payload) => Frame::Pong(payload.to_vec()),
                    Event::Close { code, reason } => Frame::Close(code.unwrap_or(1005), reason.to_owned()),
                    other => panic!("the router sent {other:?}"),
                };
                *input = bytes[consumed..].to_vec();
                Some(frame)
            }
        }
    }
}

/// A RawSocket frame whose first octet is `first`.
pub(crate) fn raw_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = (payload.len() as u32).to_be_bytes();
    [&[first, a, b, c], payload].concat()
}

/// A WebSocket frame of a client.
pub(crate) fn ws_frame(kind: Data, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ws::write_masked_frame(&mut out, OpCode::Data(kind), [7, 1, 9, 3], payload);
    out
}

/// A WebSocket control frame of a client.
pub(crate) fn ws_control(kind: Control, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ws::write_masked_frame(&mut out, OpCode::Control(kind), [0, 8, 1, 5], payload);
    out
}

/// A WebSocket close frame of a client.
pub(crate) fn ws_close(code: CloseCode, reason: &str) -> Vec<u8> {
    ws_control(Control::Close, &[&u16::from(code).to_be_bytes(), reason.as_bytes()].concat())
}

/// The request for a WebSocket.
pub(crate) fn upgrade(path: &str, subprotocols: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: {subprotocols}\r\n\r\n"
    )
}
