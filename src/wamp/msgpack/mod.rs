//! MessagePack (specification of 2013, with text and binary distinct), read and written for WAMP.

mod read;
mod write;

pub(super) use read::MsgPackReader;
pub(super) use write::MsgPack;
