//! JSON (RFC 8259), read and written for WAMP.

mod list;
mod number;
mod plain;
mod read;
mod string;
mod write;

pub(super) use read::JsonReader;
pub(super) use write::Json;
