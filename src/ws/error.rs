//! What can be wrong with a peer's frames.

use super::CONTROL_BYTES_MAX;

/// The peer broke RFC 6455 or a limit of ours. The connection is beyond repair: send a close frame with
/// [`Error::close_code`] and end it. The text is short enough to be that frame's reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// RSV1, RSV2 or RSV3 is set; the three bits as a number (RSV1 is 4).
    #[error("reserved bits {0:#05b} are set, but no extension was negotiated")]
    ReservedBits(u8),
    /// An opcode that the RFC keeps for later.
    #[error("opcode {0:#x} is reserved")]
    ReservedOpcode(u8),
    /// A client must mask every frame.
    #[error("frames of a client must be masked")]
    Unmasked,
    /// A server must mask no frame.
    #[error("frames of a server must not be masked")]
    Masked,
    /// The length would fit a shorter form.
    #[error("the payload length is not encoded in the shortest form")]
    LengthNotMinimal,
    /// The most significant bit of a 64-bit length is set.
    #[error("the payload length exceeds 63 bits")]
    LengthOutOfRange,
    /// A control frame without FIN.
    #[error("control frames must not be fragmented")]
    ControlFragmented,
    /// A control frame with an extended length.
    #[error("control frames carry at most {CONTROL_BYTES_MAX} bytes")]
    ControlTooLong,
    /// A continuation frame while no message is under way.
    #[error("a continuation frame without a message to continue")]
    ContinuationUnexpected,
    /// A text or binary frame while a fragmented message is under way.
    #[error("a new message before the last fragment of the previous one")]
    ContinuationExpected,
    /// The message, as far as announced, is larger than the limit.
    #[error("a message of {bytes} bytes or more; at most {bytes_max} are accepted (message_bytes_max)")]
    TooBig {
        /// Bytes of the message up to and including the frame that went too far.
        bytes: u64,
        /// The limit.
        bytes_max: usize,
    },
    /// A text message is not UTF-8.
    #[error("the text message is not valid UTF-8")]
    TextNotUtf8,
    /// A close frame with half a status code.
    #[error("a close frame of one byte; the status code takes two")]
    CloseTruncated,
    /// A status code that must not appear in a close frame.
    #[error("close code {0} must not be sent")]
    CloseCode(u16),
    /// The reason of a close frame is not UTF-8.
    #[error("the reason of the close frame is not valid UTF-8")]
    CloseNotUtf8,
}

impl Error {
    /// The status code for the close frame (section 7.4.1).
    pub fn close_code(&self) -> u16 {
        match self {
            Error::TextNotUtf8 | Error::CloseNotUtf8 => 1007,
            Error::TooBig { .. } => 1009,
            _ => 1002,
        }
    }
}
