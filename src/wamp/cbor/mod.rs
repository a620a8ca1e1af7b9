//! CBOR (RFC 8949), read and written for WAMP.

mod read;
mod write;

pub(super) use read::CborReader;
pub(super) use write::Cbor;
