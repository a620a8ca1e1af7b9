//! WebSocket framing (RFC 6455, sections 5 to 7): bytes in, messages out, and back. No state but a connection's
//! [`Decoder`], no I/O. The opening handshake is in [`crate::http`]; extensions are not offered.

mod decoder;
mod encode;
mod error;
mod header;
mod mask;

pub use decoder::{Decoded, Decoder, Event};
pub use encode::{write_close, write_frame_header, write_masked_frame, write_message_header};
pub use error::Error;
pub use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

/// Which end of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Receives masked frames and sends unmasked ones.
    Server,
    /// Receives unmasked frames and sends masked ones.
    Client,
}

/// Largest payload of a control frame, in bytes (section 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;
