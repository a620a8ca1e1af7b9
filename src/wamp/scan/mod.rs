//! The header scan: from the bytes of a message to a [`Message`] that borrows from them.
//!
//! Type, ids, options and URI are decoded; the payload is passed over, but checked to be well-formed, so that it may be
//! passed on as it is. One pass, no allocation but for strings with escapes.

mod cursor;
mod error;
mod field;
mod messages;

pub use error::ScanError;

use self::cursor::Elements;
use super::cbor::CborReader;
use super::id;
use super::json::JsonReader;
use super::message::Message;
use super::msgpack::MsgPackReader;
use super::reader::Reader;
use super::serializer::Serializer;
use crate::limits::NESTING_DEPTH_MAX;

/// Reads one message, of any type and direction. `bytes` have to be exactly that message.
///
/// # Errors
///
/// Every error is a violation of the protocol and says which: `wamp.error.protocol_violation`.
pub fn scan(serializer: Serializer, bytes: &[u8]) -> Result<Message<'_>, ScanError> {
    scan_within(serializer, bytes, NESTING_DEPTH_MAX)
}

/// As [`scan`], where lists and dictionaries may be nested as deeply as `depth_max` at most.
///
/// # Errors
///
/// As [`scan`].
pub fn scan_within(serializer: Serializer, bytes: &[u8], depth_max: usize) -> Result<Message<'_>, ScanError> {
    match serializer {
        Serializer::Json => message(JsonReader::within(bytes, depth_max), bytes),
        Serializer::MsgPack => message(MsgPackReader::within(bytes, depth_max), bytes),
        Serializer::Cbor => message(CborReader::within(bytes, depth_max), bytes),
    }
}

/// As [`scan_within`], for JSON that is known to be UTF-8: a WebSocket has checked its text frames.
///
/// # Errors
///
/// As [`scan`].
pub fn scan_json(text: &str, depth_max: usize) -> Result<Message<'_>, ScanError> {
    message(Some(JsonReader::of_text(text, depth_max)), text.as_bytes())
}

#[inline]
fn message<'a, R: Reader<'a>>(reader: Option<R>, bytes: &'a [u8]) -> Result<Message<'a>, ScanError> {
    if let Some(plain) = reader.as_ref().and_then(R::plain)
        && id::is_valid(plain.id)
    {
        return Ok(messages::plain(plain, R::SERIALIZER));
    }
    any_message(reader, bytes)
}

#[inline(never)]
fn any_message<'a, R: Reader<'a>>(reader: Option<R>, bytes: &'a [u8]) -> Result<Message<'a>, ScanError> {
    let (mut elements, code) = Elements::open(reader, bytes)?;
    messages::message(&mut elements, code)
}
