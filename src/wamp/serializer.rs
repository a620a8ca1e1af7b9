//! The serializers and the names by which transports negotiate them.

/// How the messages of a connection are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Serializer {
    /// JSON text; binary values as strings that begin with NUL (spec: "Binary conversion of JSON strings").
    Json = 0,
    /// MessagePack, version 5 (text and binary distinct).
    MsgPack = 1,
    /// CBOR (RFC 8949).
    Cbor = 2,
}

impl Serializer {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Serializer; 3] = [Serializer::Json, Serializer::MsgPack, Serializer::Cbor];

    /// Its name, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Serializer::Json => "JSON",
            Serializer::MsgPack => "MessagePack",
            Serializer::Cbor => "CBOR",
        }
    }

    /// The WebSocket subprotocol.
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Serializer::Json => "wamp.2.json",
            Serializer::MsgPack => "wamp.2.msgpack",
            Serializer::Cbor => "wamp.2.cbor",
        }
    }

    /// The serializer that a WebSocket subprotocol names.
    pub fn from_subprotocol(name: &str) -> Option<Serializer> {
        Serializer::ALL.into_iter().find(|s| s.subprotocol() == name)
    }

    /// The serializer's number in the RawSocket handshake.
    pub const fn rawsocket_code(self) -> u8 {
        self as u8 + 1
    }

    /// The serializer that a RawSocket handshake names.
    pub const fn from_rawsocket_code(code: u8) -> Option<Serializer> {
        match code {
            1 => Some(Serializer::Json),
            2 => Some(Serializer::MsgPack),
            3 => Some(Serializer::Cbor),
            _ => None,
        }
    }

    /// A list without elements.
    pub const fn empty_list(self) -> &'static [u8] {
        match self {
            Serializer::Json => b"[]",
            Serializer::MsgPack => &[0x90],
            Serializer::Cbor => &[0x80],
        }
    }

    /// A dictionary without keys.
    pub const fn empty_dict(self) -> &'static [u8] {
        match self {
            Serializer::Json => b"{}",
            Serializer::MsgPack => &[0x80],
            Serializer::Cbor => &[0xa0],
        }
    }

    /// Whether its messages travel in binary WebSocket frames.
    pub const fn is_binary(self) -> bool {
        !matches!(self, Serializer::Json)
    }
}
