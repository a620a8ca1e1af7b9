//! The stamp with which every payload begins: whose message it is, and which.

use std::iter;

/// Bytes of a stamp as text.
pub(crate) const STAMP_BYTES: usize = 16;

/// Bits of the number; the lane has the others.
const NUMBER_BITS: u32 = 40;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Names one message. Written in hexadecimal digits, which are the same text in every serializer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The lane, less than 2^24.
    pub(crate) lane: u32,
    /// The number of the message in its lane, from 0, less than 2^40.
    pub(crate) number: u64,
}

impl Stamp {
    /// The stamp as text.
    #[inline]
    pub(crate) fn to_text(self) -> [u8; STAMP_BYTES] {
        let mut bits = u64::from(self.lane) << NUMBER_BITS | self.number;
        let mut text = [0; STAMP_BYTES];
        for byte in text.iter_mut().rev() {
            *byte = DIGITS[(bits & 0xF) as usize];
            bits >>= 4;
        }
        text
    }

    /// Reads a stamp; `None` if it is no such text.
    #[inline]
    pub(crate) fn from_text(text: &[u8; STAMP_BYTES]) -> Option<Stamp> {
        let mut bits = 0;
        for byte in text {
            let digit = match byte {
                b'0'..=b'9' => byte - b'0',
                b'a'..=b'f' => byte - b'a' + 10,
                _ => return None,
            };
            bits = bits << 4 | u64::from(digit);
        }
        Some(Stamp { lane: (bits >> NUMBER_BITS) as u32, number: bits & ((1 << NUMBER_BITS) - 1) })
    }
}

/// A text of `bytes` bytes that begins with a stamp, to be replaced. Letters and digits, the same at every place
/// whatever the length.
pub(crate) fn text(bytes: usize) -> String {
    let filler = ('a'..='z').chain('0'..='9').cycle();
    iter::repeat_n('-', STAMP_BYTES).chain(filler).take(bytes.max(STAMP_BYTES)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for stamp in [
            Stamp { lane: 0, number: 0 },
            Stamp { lane: 1, number: 0xABCDEF },
            Stamp { lane: (1 << 24) - 1, number: (1 << 40) - 1 },
        ] {
            assert_eq!(Stamp::from_text(&stamp.to_text()), Some(stamp));
        }
        assert_eq!(&Stamp { lane: 0x12, number: 0x3f }.to_text(), b"000012000000003f");
        assert_eq!(Stamp::from_text(b"000012000000003F"), None);
        assert_eq!(Stamp::from_text(b"----------------"), None);
    }

    #[test]
    fn texts_have_their_length() {
        assert_eq!(text(0), "----------------");
        assert_eq!(text(18), "----------------ab");
        assert_eq!(text(16 * 1024).len(), 16 * 1024);
    }
}
