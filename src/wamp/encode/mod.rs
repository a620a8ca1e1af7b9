//! Writing messages, the opposite of [`super::scan()`].
//!
//! A message is its head, the bytes of its payload, and its [`Serializer::tail`]. Only the head is made here; it can be
//! written once and the payload be shared among many receivers.

mod cursor;
mod messages;
mod plain;
mod records;

pub use plain::plain_head;
pub use records::{EventRecord, event_records};

use super::cbor::Cbor;
use super::json::Json;
use super::message::Message;
use super::msgpack::MsgPack;
use super::serializer::Serializer;
use super::writer::{Container, Writer};

impl Serializer {
    /// What ends a message, after its head and its payload.
    pub const fn tail(self) -> &'static [u8] {
        match self {
            Serializer::Json => b"]",
            Serializer::MsgPack | Serializer::Cbor => b"",
        }
    }
}

/// Appends the whole message to `out`.
///
/// Its payload and its raw values have to be written in `serializer` already.
pub fn encode(message: &Message<'_>, serializer: Serializer, out: &mut Vec<u8>) {
    encode_head(message, serializer, out);
    if let Some(payload) = message.payload() {
        out.extend_from_slice(payload.bytes);
    }
    out.extend_from_slice(serializer.tail());
}

/// Appends to `out` what stands before the bytes of the message's payload; without a payload, all but the tail.
///
/// Of the payload it looks at the number of items only. Raw values have to be written in `serializer` already.
pub fn encode_head(message: &Message<'_>, serializer: Serializer, out: &mut Vec<u8>) {
    match serializer {
        Serializer::Json => messages::head::<Json>(message, out),
        Serializer::MsgPack => messages::head::<MsgPack>(message, out),
        Serializer::Cbor => messages::head::<Cbor>(message, out),
    }
}

/// Appends the arguments list `[text]`, to be used as a payload of one item.
pub fn text_args(serializer: Serializer, text: &str, out: &mut Vec<u8>) {
    fn list<W: Writer>(text: &str, out: &mut Vec<u8>) {
        W::header(Container::List, 1, out);
        W::text(text, out);
        W::close(Container::List, out);
    }
    match serializer {
        Serializer::Json => list::<Json>(text, out),
        Serializer::MsgPack => list::<MsgPack>(text, out),
        Serializer::Cbor => list::<Cbor>(text, out),
    }
}
