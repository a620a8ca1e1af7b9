//! Whether bytes are text. Most texts are short and ASCII, which takes little to see.

#![allow(unsafe_code)]

use super::widest::widest;

/// Bytes of a step through a long text.
const BLOCK: usize = 256;

/// The highest bit of each byte of a word.
const HIGHEST: u64 = u64::from_ne_bytes([0x80; 8]);

/// `bytes` as text, if they are UTF-8.
#[inline]
pub(crate) fn utf8(bytes: &[u8]) -> Option<&str> {
    /// From so many bytes on, vectors are faster than words.
    const WORDS_BYTES_MAX: usize = 256;

    if bytes.len() >= WORDS_BYTES_MAX {
        return long(bytes);
    }
    if is_ascii(bytes) {
        // SAFETY: ASCII is UTF-8.
        return Some(unsafe { std::str::from_utf8_unchecked(bytes) });
    }
    beyond_ascii(bytes)
}

#[inline(never)]
fn long(bytes: &[u8]) -> Option<&str> {
    let rest = &bytes[ascii_blocks(bytes) * BLOCK..];
    if rest.len() >= BLOCK || !is_ascii(rest) {
        beyond_ascii(rest)?;
    }
    // SAFETY: the blocks are ASCII, and the rest is UTF-8.
    Some(unsafe { std::str::from_utf8_unchecked(bytes) })
}

widest! {
    /// How many blocks of `bytes` are ASCII before one that is not.
    fn ascii_blocks(bytes: &[u8]) -> usize {
        let mut ascii = 0;
        for block in bytes.as_chunks::<BLOCK>().0 {
            let mut bits = 0;
            for word in block.as_chunks().0 {
                bits |= u64::from_ne_bytes(*word);
            }
            if bits & HIGHEST != 0 {
                break;
            }
            ascii += 1;
        }
        ascii
    }
}

/// As `bytes.is_ascii()`, which looks at the last bytes of short texts one by one.
#[inline]
pub(super) fn is_ascii(bytes: &[u8]) -> bool {
    let bits = |words: &[[u8; 8]]| words.iter().fold(0, |bits, word| bits | u64::from_ne_bytes(*word));
    let (words, rest) = bytes.as_chunks();
    let rest = match bytes.last_chunk() {
        // Those that it has in common with the words do no harm.
        Some(word) => u64::from_ne_bytes(*word),
        None => rest.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte)),
    };
    (bits(words) | rest) & HIGHEST == 0
}

#[inline(never)]
fn beyond_ascii(bytes: &[u8]) -> Option<&str> {
    /// Below this many bytes the set-up of the vector units costs more than they save.
    const SIMD_BYTES_MIN: usize = 64;

    if bytes.len() < SIMD_BYTES_MIN {
        std::str::from_utf8(bytes).ok()
    } else {
        simdutf8::basic::from_utf8(bytes).ok()
    }
}

/// Offset of the first byte that is not UTF-8, for an error.
#[cold]
pub(super) fn utf8_error_at(bytes: &[u8]) -> usize {
    std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wamp::widest::tests::wide_and_narrow;

    #[test]
    fn equals_the_standard_library() {
        wide_and_narrow(compare);
    }

    fn compare() {
        let texts = ["", "a", "\u{7f}", "\u{80}", "\u{20ac}", "\u{1f600}"];
        let faults: [&[u8]; 6] =
            [b"\x80", b"\xc0\x80", b"\xed\xa0\x80", b"\xe2\x82", b"\xf4\x90\x80\x80", b"\xff"];
        let pieces = texts.iter().map(|text| text.as_bytes()).chain(faults);
        for piece in pieces {
            for before in (0..140).chain(250..260).chain(505..520) {
                for after in [0, 1, 15, 16, 31, 63, 64, 100, 200, 256, 300] {
                    let bytes = [&vec![b'x'; before], piece, &vec![b'y'; after]].concat();
                    assert_eq!(utf8(&bytes), std::str::from_utf8(&bytes).ok(), "{before} {piece:x?} {after}");
                    let unaligned = &bytes[before / 2..];
                    assert_eq!(utf8(unaligned), std::str::from_utf8(unaligned).ok());
                }
            }
        }
    }
}
