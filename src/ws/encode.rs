//! From messages to bytes. What is written here is always one whole frame (FIN set).

use super::{CONTROL_BYTES_MAX, Control, OpCode, mask};

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;

/// Appends the header (2, 4 or 10 bytes) of an unmasked frame, as a server sends it; `len` bytes of payload follow
/// it. For a control frame `len` is 125 at most.
pub fn write_frame_header(out: &mut Vec<u8>, opcode: OpCode, len: usize) {
    write_header(out, opcode, len, 0);
}

/// As [`write_frame_header`], for a text or binary message.
#[inline]
pub fn write_message_header(out: &mut Vec<u8>, is_binary: bool, len: usize) {
    const TEXT: u8 = FIN | 1;
    const BINARY: u8 = FIN | 2;
    let first = if is_binary { BINARY } else { TEXT };
    match len {
        ..126 => out.extend_from_slice(&[first, len as u8]),
        _ => write_header(out, OpCode::from(first & 0x0F), len, 0),
    }
}

/// Appends an unmasked close frame, as a server sends it. What does not fit of `reason` (more than 123 bytes) is
/// cut off at a character's boundary.
pub fn write_close(out: &mut Vec<u8>, code: u16, reason: &str) {
    let room = reason.len().min(CONTROL_BYTES_MAX - 2);
    let end = (0..=room).rev().find(|&at| reason.is_char_boundary(at)).unwrap_or(0);
    let reason = &reason[..end];
    write_frame_header(out, OpCode::Control(Control::Close), 2 + reason.len());
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}

/// Appends a masked frame, as a client sends it. The router itself never does; its tests and load generator do.
pub fn write_masked_frame(out: &mut Vec<u8>, opcode: OpCode, key: [u8; 4], payload: &[u8]) {
    write_header(out, opcode, payload.len(), MASKED);
    out.extend_from_slice(&key);
    let start = out.len();
    out.extend_from_slice(payload);
    mask::apply(&mut out[start..], key);
}

fn write_header(out: &mut Vec<u8>, opcode: OpCode, len: usize, masked: u8) {
    let first = FIN | u8::from(opcode);
    if len < 126 {
        out.extend_from_slice(&[first, masked | len as u8]);
    } else if let Ok(len) = u16::try_from(len) {
        let [a, b] = len.to_be_bytes();
        out.extend_from_slice(&[first, masked | 126, a, b]);
    } else {
        out.extend_from_slice(&[first, masked | 127]);
        out.extend_from_slice(&(len as u64).to_be_bytes());
    }
}
