//! RawSocket (spec: "RawSocket Transport"): a handshake of four octets each way, then frames with a header of four.
//! Pure syntax; connections and limits are the router's.

use crate::wamp::Serializer;

/// The first octet of a handshake. HTTP can't begin with it, which is how one port serves both.
pub const MAGIC: u8 = 0x7F;

/// Largest payload that a frame can carry: 2^24 bytes.
pub const FRAME_BYTES_MAX: usize = 1 << 24;

/// What the other side said in its handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// How messages are written on this connection.
    pub serializer: Serializer,
    /// The largest frame that the other side accepts, in bytes of payload: 2^9 to 2^24.
    pub peer_bytes_max: usize,
}

/// Why a router refuses a handshake. [`HandshakeError::octets`] is the answer; then the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[repr(u8)]
pub enum HandshakeError {
    /// The serializer is none that we speak.
    #[error("serializer unsupported; 1 (JSON), 2 (MessagePack) and 3 (CBOR) are spoken")]
    SerializerUnsupported = 1,
    /// The length that the client accepts is too small to serve it.
    #[error("maximum message length unacceptable")]
    LengthUnacceptable = 2,
    /// The third or fourth octet is not 0.
    #[error("reserved bits are set; the last two octets must be 0")]
    ReservedBits = 3,
    /// The router has as many connections as it allows.
    #[error("maximum number of connections reached; try again later")]
    ConnectionLimit = 4,
}

impl HandshakeError {
    /// The error reply.
    pub fn octets(self) -> [u8; 4] {
        [MAGIC, (self as u8) << 4, 0, 0]
    }

    fn from_code(code: u8) -> Option<HandshakeError> {
        use HandshakeError::{ConnectionLimit, LengthUnacceptable, ReservedBits, SerializerUnsupported};
        [SerializerUnsupported, LengthUnacceptable, ReservedBits, ConnectionLimit]
            .into_iter()
            .find(|error| *error as u8 == code)
    }
}

/// Reads a client's handshake whose first octet is [`MAGIC`] (the caller has looked: else it is another protocol).
///
/// # Errors
/// What to answer instead of [`reply`].
pub fn parse_handshake(octets: [u8; 4]) -> Result<Handshake, HandshakeError> {
    let [_, choice, reserved @ ..] = octets;
    if reserved != [0, 0] {
        return Err(HandshakeError::ReservedBits);
    }
    Handshake::from_choice(choice).ok_or(HandshakeError::SerializerUnsupported)
}

/// The router's reply to a handshake that it accepts: the client's serializer, and the largest length that the
/// octet can express and `bytes_max` allows. (It can express no less than 512; the limit itself is still the
/// caller's to enforce.)
pub fn reply(serializer: Serializer, bytes_max: usize) -> [u8; 4] {
    let exponent = bytes_max.checked_ilog2().unwrap_or(0).clamp(9, 24) as u8;
    [MAGIC, (exponent - 9) << 4 | serializer.rawsocket_code(), 0, 0]
}

/// A client's handshake: the reply looks the same.
pub fn client_hello(serializer: Serializer, bytes_max: usize) -> [u8; 4] {
    reply(serializer, bytes_max)
}

/// What a client may find wrong with a router's reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// The first octet is not [`MAGIC`].
    #[error("the peer does not speak RawSocket: its first octet is {0:#04x}")]
    Magic(u8),
    /// The router refused.
    #[error("the router refused: {0}")]
    Refused(HandshakeError),
    /// An error code that the specification does not define.
    #[error("the router refused with the undefined error code {0}")]
    UndefinedCode(u8),
    /// The third or fourth octet is not 0.
    #[error("reserved bits are set in the reply")]
    ReservedBits,
    /// A serializer that we do not know.
    #[error("the reply names the unknown serializer {0}")]
    Serializer(u8),
}

/// Reads a router's reply, as a client. Whether it echoes the serializer that was asked for is the caller's to see.
///
/// # Errors
/// The router refused, or the reply is malformed.
pub fn parse_reply(octets: [u8; 4]) -> Result<Handshake, ReplyError> {
    let [magic, choice, reserved @ ..] = octets;
    if magic != MAGIC {
        return Err(ReplyError::Magic(magic));
    }
    if reserved != [0, 0] {
        return Err(ReplyError::ReservedBits);
    }
    match (choice >> 4, choice & 0x0F) {
        (code, 0) => Err(match HandshakeError::from_code(code) {
            Some(error) => ReplyError::Refused(error),
            None => ReplyError::UndefinedCode(code),
        }),
        (_, serializer) => Handshake::from_choice(choice).ok_or(ReplyError::Serializer(serializer)),
    }
}

impl Handshake {
    /// Reads the second octet of a handshake: length and serializer.
    fn from_choice(octet: u8) -> Option<Handshake> {
        let serializer = Serializer::from_rawsocket_code(octet & 0x0F)?;
        Some(Handshake { serializer, peer_bytes_max: 1 << (9 + (octet >> 4)) })
    }
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// One WAMP message.
    Message = 0,
    /// To be answered at once by one PONG of the same payload.
    Ping = 1,
    /// The answer to a PING.
    Pong = 2,
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// What the frame is.
    pub kind: FrameKind,
    /// Bytes of payload that follow, up to [`FRAME_BYTES_MAX`]; comparing with the own limit is the caller's.
    pub len: usize,
}

/// A malformed frame header: the connection must end (decision D21).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// One of the first four bits is set; the first octet.
    #[error("reserved bits are set in the frame header's first octet {0:#04x}")]
    ReservedBits(u8),
    /// A type from 3 to 7.
    #[error("frame type {0} is reserved; 0 (message), 1 (ping) and 2 (pong) are defined")]
    ReservedType(u8),
    /// The 25th bit of the length together with others: more than 2^24.
    #[error("frame length {0} exceeds the largest possible, 2^24")]
    LengthOutOfRange(usize),
}

/// Reads a frame header.
///
/// # Errors
/// Reserved bits or types, or a length beyond 2^24.
pub fn parse_header(octets: [u8; 4]) -> Result<FrameHeader, FrameError> {
    let first = octets[0];
    if first & 0xF0 != 0 {
        return Err(FrameError::ReservedBits(first));
    }
    let kind = match first & 0b111 {
        0 => FrameKind::Message,
        1 => FrameKind::Ping,
        2 => FrameKind::Pong,
        reserved => return Err(FrameError::ReservedType(reserved)),
    };
    let len =
        (u32::from_be_bytes(octets) & 0x00FF_FFFF) as usize + (usize::from(first & LENGTH_BIT_25) << 21);
    if len > FRAME_BYTES_MAX {
        return Err(FrameError::LengthOutOfRange(len));
    }
    Ok(FrameHeader { kind, len })
}

/// Bit 25 of the length, in the first octet.
const LENGTH_BIT_25: u8 = 0b1000;

/// The header of a frame with `len` bytes of payload. `len` must not exceed [`FRAME_BYTES_MAX`], nor what the other
/// side said that it accepts.
pub fn header(kind: FrameKind, len: usize) -> [u8; 4] {
    debug_assert!(len <= FRAME_BYTES_MAX, "{len} bytes do not fit a RawSocket frame");
    let [_, a, b, c] = (len as u32).to_be_bytes();
    let bit_25 = if len == FRAME_BYTES_MAX { LENGTH_BIT_25 } else { 0 };
    [kind as u8 | bit_25, a, b, c]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_specification() {
        let hello = Handshake { serializer: Serializer::Json, peer_bytes_max: 1 << 24 };
        assert_eq!(parse_handshake([0x7F, 0xF1, 0, 0]), Ok(hello));
        assert_eq!(reply(Serializer::MsgPack, 1 << 20), [0x7F, 0xB2, 0, 0]);
        assert_eq!(HandshakeError::SerializerUnsupported.octets(), [0x7F, 0x10, 0, 0]);
        assert_eq!(HandshakeError::ConnectionLimit.octets(), [0x7F, 0x40, 0, 0]);
    }

    #[test]
    fn every_second_octet() {
        for octet in 0..=255 {
            let expected = match octet & 0x0F {
                1 => Ok(Serializer::Json),
                2 => Ok(Serializer::MsgPack),
                3 => Ok(Serializer::Cbor),
                _ => Err(HandshakeError::SerializerUnsupported),
            }
            .map(|serializer| Handshake { serializer, peer_bytes_max: 512 << (octet >> 4) });
            assert_eq!(parse_handshake([MAGIC, octet, 0, 0]), expected);
            assert_eq!(parse_handshake([MAGIC, octet, 0, 1]), Err(HandshakeError::ReservedBits));
            assert_eq!(parse_handshake([MAGIC, octet, 0x80, 0]), Err(HandshakeError::ReservedBits));
            if let Ok(handshake) = expected {
                assert_eq!(
                    client_hello(handshake.serializer, handshake.peer_bytes_max),
                    [MAGIC, octet, 0, 0]
                );
                assert_eq!(parse_reply([MAGIC, octet, 0, 0]), Ok(handshake));
            }
        }
    }

    #[test]
    fn a_reply_announces_no_more_than_the_limit() {
        let announced = |bytes_max| parse_reply(reply(Serializer::Cbor, bytes_max)).unwrap().peer_bytes_max;
        assert_eq!(announced(512), 512);
        assert_eq!(announced(1023), 512);
        assert_eq!(announced(1024), 1024);
        assert_eq!(announced(1_000_000), 1 << 19);
        assert_eq!(announced((1 << 24) - 1), 1 << 23);
        assert_eq!(announced(usize::MAX), 1 << 24);
        assert_eq!(announced(0), 512, "the least that can be said");
    }

    #[test]
    fn refusals_reach_the_client() {
        for code in 1..=4 {
            let error = HandshakeError::from_code(code).unwrap();
            assert_eq!(error as u8, code);
            assert_eq!(parse_reply(error.octets()), Err(ReplyError::Refused(error)));
        }
        assert_eq!(parse_reply([MAGIC, 0, 0, 0]), Err(ReplyError::UndefinedCode(0)));
        assert_eq!(parse_reply([MAGIC, 0xF0, 0, 0]), Err(ReplyError::UndefinedCode(15)));
        assert_eq!(parse_reply([MAGIC, 0xF4, 0, 0]), Err(ReplyError::Serializer(4)));
        assert_eq!(parse_reply([MAGIC, 0xF1, 1, 0]), Err(ReplyError::ReservedBits));
        assert_eq!(parse_reply(*b"HTTP"), Err(ReplyError::Magic(b'H')));
    }

    #[test]
    fn every_first_octet_of_a_frame() {
        for first in 0..=255_u8 {
            let parsed = parse_header([first, 0, 0, 0]);
            let len = if first & 8 == 0 { 0 } else { 1 << 24 };
            let expected = match first & !8 {
                0 => Ok(FrameHeader { kind: FrameKind::Message, len }),
                1 => Ok(FrameHeader { kind: FrameKind::Ping, len }),
                2 => Ok(FrameHeader { kind: FrameKind::Pong, len }),
                kind @ 3..=7 => Err(FrameError::ReservedType(kind)),
                _ => Err(FrameError::ReservedBits(first)),
            };
            assert_eq!(parsed, expected);
            if let Ok(FrameHeader { kind, len }) = parsed {
                assert_eq!(header(kind, len), [first, 0, 0, 0]);
            }
        }
    }

    #[test]
    fn lengths_of_frames() {
        for len in [0, 1, 255, 256, 0xFFFF, 0x1_0000, (1 << 24) - 1, 1 << 24] {
            let parsed = parse_header(header(FrameKind::Message, len));
            assert_eq!(parsed, Ok(FrameHeader { kind: FrameKind::Message, len }));
        }
        assert_eq!(header(FrameKind::Ping, 0x01_0203), [1, 1, 2, 3]);
        assert_eq!(parse_header([8, 0, 0, 1]), Err(FrameError::LengthOutOfRange((1 << 24) + 1)));
        assert_eq!(parse_header([8, 255, 255, 255]), Err(FrameError::LengthOutOfRange((1 << 25) - 1)));
    }
}
