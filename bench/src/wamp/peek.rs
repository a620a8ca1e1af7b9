//! The first two elements of a message, which are integers in every message that the load is made of. The rest is left
//! alone: the generator must not be slower than what it measures.

use connectanum::wamp::Serializer;

/// The message's code, and the id that follows it; `None` if the message does not begin like that.
#[inline]
pub(super) fn code_and_id(serializer: Serializer, message: &[u8]) -> Option<(u64, u64)> {
    match serializer {
        Serializer::Json => json(message),
        Serializer::MsgPack => msgpack(message),
        Serializer::Cbor => cbor(message),
    }
}

fn json(message: &[u8]) -> Option<(u64, u64)> {
    let rest = message.trim_ascii_start().strip_prefix(b"[")?;
    let (code, rest) = digits(rest)?;
    let (id, _) = digits(rest.strip_prefix(b",")?)?;
    Some((code, id))
}

/// A number with the blanks around it, and what follows.
fn digits(text: &[u8]) -> Option<(u64, &[u8])> {
    let mut rest = text.trim_ascii_start();
    let len = rest.len();
    let mut number = 0_u64;
    while let [digit @ b'0'..=b'9', after @ ..] = rest {
        number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
        rest = after;
    }
    (rest.len() < len).then(|| (number, rest.trim_ascii_start()))
}

fn msgpack(message: &[u8]) -> Option<(u64, u64)> {
    let rest = match message {
        [0x90..=0x9F, rest @ ..] | [0xDC, _, _, rest @ ..] => rest,
        _ => return None,
    };
    let integer = |bytes: &'_ [u8]| match *bytes.first()? {
        small @ 0..=0x7F => Some((u64::from(small), 1)),
        kind @ 0xCC..=0xCF => big_endian(bytes, 1 << (kind - 0xCC)),
        _ => None,
    };
    two(rest, integer)
}

fn cbor(message: &[u8]) -> Option<(u64, u64)> {
    let rest = match message {
        [0x80..=0x97 | 0x9F, rest @ ..] | [0x98, _, rest @ ..] => rest,
        _ => return None,
    };
    let integer = |bytes: &'_ [u8]| match *bytes.first()? {
        small @ 0..=0x17 => Some((u64::from(small), 1)),
        kind @ 0x18..=0x1B => big_endian(bytes, 1 << (kind - 0x18)),
        _ => None,
    };
    two(rest, integer)
}

fn two(bytes: &[u8], integer: impl Fn(&[u8]) -> Option<(u64, usize)>) -> Option<(u64, u64)> {
    let (code, used) = integer(bytes)?;
    let (id, _) = integer(&bytes[used..])?;
    Some((code, id))
}

/// The integer of `len` bytes after the first, and the bytes of both.
fn big_endian(bytes: &[u8], len: usize) -> Option<(u64, usize)> {
    let digits = bytes.get(1..=len)?;
    let number = digits.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    Some((number, 1 + len))
}

#[cfg(test)]
mod tests {
    use connectanum::wamp::message::CallResult;
    use connectanum::wamp::{Message, Payload, RequestId, encode};

    use super::*;

    #[test]
    fn reads_what_the_router_writes() {
        let ids = (0..54).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        for (serializer, id) in ids.flat_map(|id| Serializer::ALL.map(|serializer| (serializer, id))) {
            let mut bytes = Vec::new();
            let message = Message::Result(CallResult {
                request: RequestId(id),
                progress: None,
                passthru: Default::default(),
                payload: Payload::empty(serializer),
            });
            encode(&message, serializer, &mut bytes);
            assert_eq!(code_and_id(serializer, &bytes), Some((50, id)), "{serializer:?}");
            for end in 0..3 {
                assert_eq!(code_and_id(serializer, &bytes[..end]), None);
            }
        }
    }

    #[test]
    fn other_ways_to_write_it() {
        assert_eq!(code_and_id(Serializer::Json, b" [ 36 ,\n12 , {}]"), Some((36, 12)));
        assert_eq!(code_and_id(Serializer::Json, b"[36,\"12\"]"), None);
        assert_eq!(code_and_id(Serializer::Json, b"[36,99999999999999999999]"), None);
        assert_eq!(code_and_id(Serializer::Json, b"{}"), None);
        assert_eq!(code_and_id(Serializer::MsgPack, b"\xDC\x00\x02\xCC\x24\xCD\x01\x00"), Some((36, 256)));
        assert_eq!(code_and_id(Serializer::MsgPack, b"\x92\x24\xA1x"), None);
        assert_eq!(code_and_id(Serializer::Cbor, b"\x9F\x18\x24\x19\x01\x00\xFF"), Some((36, 256)));
        assert_eq!(code_and_id(Serializer::Cbor, b"\x98\x02\x18\x24\x61x"), None);
    }
}
