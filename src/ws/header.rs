//! The header of a frame (RFC 6455, section 5.2), with the checks that need nothing but the header.

use super::{CONTROL_BYTES_MAX, Data, Error, OpCode, Role};

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Never a reserved one.
    pub(super) opcode: OpCode,
    /// Whether this frame ends its message.
    pub(super) fin: bool,
    /// Bytes of the payload.
    pub(super) payload_bytes: u64,
    /// Bytes of the header, the masking key included: its last four, where `role` demands one.
    pub(super) header_bytes: usize,
}

/// What the front of a buffer says about a header.
pub(super) enum Parsed {
    /// All but possibly the masking key is there.
    Header(Header),
    /// So many bytes must still come before the length is known.
    Missing(usize),
}

/// Bytes of the header of a masked frame with up to 125 bytes of payload.
pub(super) const SHORT_BYTES: usize = 6;

/// What most frames are to a server: a whole message of up to 125 bytes, masked. Its kind and the length of its payload;
/// `None` says nothing.
#[inline]
pub(super) fn short_message(input: &[u8]) -> Option<(Data, usize)> {
    let (kind, second) = match *input.first_chunk()? {
        [0x81, second] => (Data::Text, second),
        [0x82, second] => (Data::Binary, second),
        _ => return None,
    };
    let len = usize::from(second.checked_sub(0x80)?);
    (len <= CONTROL_BYTES_MAX).then_some((kind, len))
}

/// Reads the header at the front of `input`, sent to a peer of role `role`. Judges as early as it can: two bytes
/// show most faults.
#[inline]
pub(super) fn parse(input: &[u8], role: Role) -> Result<Parsed, Error> {
    let &[first, second, ref rest @ ..] = input else {
        return Ok(Parsed::Missing(2 - input.len()));
    };
    let reserved = first >> 4 & 0b111;
    if reserved != 0 {
        return Err(Error::ReservedBits(reserved));
    }
    let fin = first & 0x80 != 0;
    let opcode = OpCode::from(first & 0x0F);
    let short = second & 0x7F;
    match opcode {
        OpCode::Data(Data::Reserved(code)) | OpCode::Control(super::Control::Reserved(code)) => {
            return Err(Error::ReservedOpcode(code));
        }
        OpCode::Control(_) if !fin => return Err(Error::ControlFragmented),
        OpCode::Control(_) if usize::from(short) > CONTROL_BYTES_MAX => return Err(Error::ControlTooLong),
        _ => {}
    }
    let key_bytes = match (role, second & 0x80 != 0) {
        (Role::Server, true) => 4,
        (Role::Server, false) => return Err(Error::Unmasked),
        (Role::Client, true) => return Err(Error::Masked),
        (Role::Client, false) => 0,
    };
    let (payload_bytes, length_bytes) = match short {
        126 => match rest.first_chunk() {
            Some(&bytes) => (u64::from(u16::from_be_bytes(bytes)), 2),
            None => return Ok(Parsed::Missing(2 - rest.len())),
        },
        127 => match rest.first_chunk() {
            Some(&bytes) => (u64::from_be_bytes(bytes), 8),
            None => return Ok(Parsed::Missing(8 - rest.len())),
        },
        short => (u64::from(short), 0),
    };
    let minimal = match length_bytes {
        0 => true,
        2 => payload_bytes > 125,
        _ => payload_bytes > 0xFFFF,
    };
    if !minimal {
        return Err(Error::LengthNotMinimal);
    }
    if payload_bytes >> 63 != 0 {
        return Err(Error::LengthOutOfRange);
    }
    Ok(Parsed::Header(Header { opcode, fin, payload_bytes, header_bytes: 2 + length_bytes + key_bytes }))
}
