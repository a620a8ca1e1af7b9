//! How far the plain part of a JSON string goes, the bytes that stand for themselves, and how far a number: the inner loops
//! of the scan.
//!
//! A step looks at a vector of bytes; where there are no vectors that can say which byte it was, at a word.

#![allow(unsafe_code)]

use super::super::widest::widest;
use lane::{BITS_PER_BYTE, LANE, marks};

/// Where the bytes that may stand in a JSON string as they are end, from `at` on: the first quote, backslash or
/// control character, or the end of `bytes`.
#[inline]
pub(super) fn plain_end(bytes: &[u8], at: usize) -> usize {
    // Most strings are short.
    match chunk_at(bytes, at) {
        Some(lane) => match first(marks(lane)) {
            Some(offset) => at + offset,
            None => far_end(bytes, at + LANE),
        },
        None => last_end(bytes, at),
    }
}

#[inline(never)]
fn far_end(bytes: &[u8], mut at: usize) -> usize {
    // Names and URIs end here.
    let Some(lane) = chunk_at(bytes, at) else { return last_end(bytes, at) };
    if let Some(offset) = first(marks(lane)) {
        return at + offset;
    }
    at += LANE;
    let near = bytes.len().min(at + NEAR);
    match lanes_end(&bytes[..near], at) {
        end if end == near && near < bytes.len() => long_end(bytes, end),
        end => end,
    }
}

#[inline(never)]
fn long_end(bytes: &[u8], at: usize) -> usize {
    lanes_end(bytes, at + plain_blocks(&bytes[at..]))
}

#[inline]
fn lanes_end(bytes: &[u8], mut at: usize) -> usize {
    let (lanes, rest) = bytes[at..].as_chunks();
    for lane in lanes {
        if let Some(offset) = first(marks(lane)) {
            return at + offset;
        }
        at += LANE;
    }
    last_end(bytes, bytes.len() - rest.len())
}

/// Bytes in which a string most often ends that is no name: beyond them it is long.
const NEAR: usize = 128;
/// Bytes of a step through a long string.
const LONG: usize = 256;
/// What is made of such a step: as many bytes as the widest vectors have.
const STEP: usize = 32;

widest! {
    /// How many bytes are plain in whole steps.
    fn plain_blocks(bytes: &[u8]) -> usize {
        let at = steps_end::<LONG>(bytes, 0);
        steps_end::<STEP>(bytes, at)
    }
}

#[inline(always)]
fn steps_end<const N: usize>(bytes: &[u8], mut at: usize) -> usize {
    for block in bytes[at..].as_chunks::<N>().0 {
        if has_special(block) {
            break;
        }
        at += N;
    }
    at
}

/// As `block.iter().any(is_special)`, in a form of which words are made where there are no vectors, and else vectors.
#[cfg(not(any(target_feature = "sse2", target_feature = "neon")))]
#[inline(always)]
fn has_special<const N: usize>(block: &[u8; N]) -> bool {
    let mut all = 0;
    for word in block.as_chunks().0 {
        all |= word::marks(word);
    }
    all != 0
}

/// As `block.iter().any(is_special)`, in a form of which vectors are made.
#[cfg(any(target_feature = "sse2", target_feature = "neon"))]
#[inline(always)]
fn has_special<const N: usize>(block: &[u8; N]) -> bool {
    let mut least = [u8::MAX; STEP];
    let mut least_slashed = [u8::MAX; STEP];
    for bytes in block.as_chunks::<STEP>().0 {
        for i in 0..STEP {
            least[i] = least[i].min(bytes[i] ^ QUOTE_TO_SPACE);
            least_slashed[i] = least_slashed[i].min(bytes[i] ^ b'\\');
        }
    }
    let mut found = false;
    for i in 0..STEP {
        found |= (least[i] <= b' ') | (least_slashed[i] == 0);
    }
    found
}

/// As [`plain_end`], within the last bytes, which are fewer than a lane.
fn last_end(bytes: &[u8], at: usize) -> usize {
    let Some(rest @ [_, ..]) = bytes.get(at..) else { return bytes.len() };
    match bytes.last_chunk() {
        // A whole lane that ends where the bytes end, without what stands in it before `at`.
        Some(lane) => {
            let marks = marks(lane) >> ((LANE - rest.len()) * BITS_PER_BYTE);
            first(marks).map_or(bytes.len(), |offset| at + offset)
        }
        None => rest.iter().position(|&byte| is_special(byte)).map_or(bytes.len(), |offset| at + offset),
    }
}

/// Where the number at `at` ends, if it is there, has no exponent, and a vector holds it and the byte behind it. `None` says
/// nothing.
#[inline]
pub(super) fn short_number_end(bytes: &[u8], at: usize) -> Option<usize> {
    let lane: &[u8; LANE] = chunk_at(bytes, at)?;
    let others = lane::others(lane);
    let start = usize::from(lane[0] == b'-');
    let end = start + first(others >> (start * BITS_PER_BYTE))?;
    if end == start || (lane[start] == b'0' && end > start + 1) {
        return None;
    }
    match lane[end] {
        b'.' if end + 1 < LANE => {
            let digits = first(others >> ((end + 1) * BITS_PER_BYTE))?;
            let end = end + 1 + digits;
            (digits > 0 && !matches!(lane[end], b'e' | b'E')).then_some(at + end)
        }
        b'.' | b'e' | b'E' => None,
        _ => Some(at + end),
    }
}

#[inline]
fn chunk_at<const N: usize>(bytes: &[u8], at: usize) -> Option<&[u8; N]> {
    bytes.get(at..)?.first_chunk()
}

/// Offset of the first byte that is marked.
#[inline]
fn first(marks: u64) -> Option<usize> {
    (marks != 0).then(|| marks.trailing_zeros() as usize / BITS_PER_BYTE)
}

#[inline]
fn is_special(byte: u8) -> bool {
    (byte < b' ') | (byte == b'"') | (byte == b'\\')
}

/// Flips the bit by which a quote lies above the control characters and the space, so that one comparison finds both.
const QUOTE_TO_SPACE: u8 = b'"' ^ b' ';

#[cfg(target_arch = "x86_64")]
mod lane {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_set1_epi8,
        _mm_setzero_si128, _mm_sub_epi8, _mm_subs_epu8, _mm_xor_si128,
    };

    use super::QUOTE_TO_SPACE;

    pub(super) const LANE: usize = 16;
    pub(super) const BITS_PER_BYTE: usize = 1;

    /// Has a bit set for each special byte.
    #[inline]
    pub(super) fn marks(lane: &[u8; LANE]) -> u64 {
        // SAFETY: every x86-64 has SSE2.
        u64::from(unsafe { zeros(weigh(lane)) })
    }

    /// Zero for each special byte.
    #[inline]
    #[target_feature(enable = "sse2")]
    fn weigh(lane: &[u8; LANE]) -> __m128i {
        // SAFETY: the load needs no alignment, and the bytes are as many as it reads.
        let bytes = unsafe { _mm_loadu_si128(lane.as_ptr().cast()) };
        let flipped = _mm_xor_si128(bytes, _mm_set1_epi8(QUOTE_TO_SPACE as i8));
        let above_space = _mm_subs_epu8(flipped, _mm_set1_epi8(b' ' as i8));
        _mm_min_epu8(above_space, _mm_xor_si128(bytes, _mm_set1_epi8(b'\\' as i8)))
    }

    /// Has a bit set for each byte that is no digit.
    #[inline]
    pub(super) fn others(lane: &[u8; LANE]) -> u64 {
        // SAFETY: every x86-64 has SSE2; the load needs no alignment, and the bytes are as many as it reads.
        unsafe {
            let bytes = _mm_loadu_si128(lane.as_ptr().cast());
            let values = _mm_sub_epi8(bytes, _mm_set1_epi8(b'0' as i8));
            u64::from(zeros(_mm_subs_epu8(values, _mm_set1_epi8(9))) ^ 0xffff)
        }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn zeros(weights: __m128i) -> u32 {
        _mm_movemask_epi8(_mm_cmpeq_epi8(weights, _mm_setzero_si128())) as u32
    }
}

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod lane {
    use std::arch::aarch64::{
        uint8x16_t, vceqzq_u8, vcgtq_u8, vdupq_n_u8, veorq_u8, vget_lane_u64, vld1q_u8, vminq_u8, vqsubq_u8,
        vreinterpret_u64_u8, vreinterpretq_u16_u8, vshrn_n_u16, vsubq_u8,
    };

    use super::QUOTE_TO_SPACE;

    pub(super) const LANE: usize = 16;
    pub(super) const BITS_PER_BYTE: usize = 4;

    /// Has four bits set for each special byte.
    #[inline]
    pub(super) fn marks(lane: &[u8; LANE]) -> u64 {
        // SAFETY: every aarch64 that Rust's targets are for has NEON.
        unsafe {
            let zeros = vreinterpretq_u16_u8(vceqzq_u8(weigh(lane)));
            vget_lane_u64::<0>(vreinterpret_u64_u8(vshrn_n_u16::<4>(zeros)))
        }
    }

    /// Has four bits set for each byte that is no digit.
    #[inline]
    pub(super) fn others(lane: &[u8; LANE]) -> u64 {
        // SAFETY: as above; the bytes are as many as the load reads.
        unsafe {
            let values = vsubq_u8(vld1q_u8(lane.as_ptr()), vdupq_n_u8(b'0'));
            let others = vreinterpretq_u16_u8(vcgtq_u8(values, vdupq_n_u8(9)));
            vget_lane_u64::<0>(vreinterpret_u64_u8(vshrn_n_u16::<4>(others)))
        }
    }

    /// Zero for each special byte.
    #[inline]
    #[target_feature(enable = "neon")]
    fn weigh(lane: &[u8; LANE]) -> uint8x16_t {
        // SAFETY: the bytes are as many as the load reads.
        let bytes = unsafe { vld1q_u8(lane.as_ptr()) };
        let flipped = veorq_u8(bytes, vdupq_n_u8(QUOTE_TO_SPACE));
        let above_space = vqsubq_u8(flipped, vdupq_n_u8(b' '));
        vminq_u8(above_space, veorq_u8(bytes, vdupq_n_u8(b'\\')))
    }
}

/// Words instead of vectors. Compiled for the tests everywhere, which compare it with the vectors.
#[cfg(any(test, not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little")))))]
mod word {
    use super::QUOTE_TO_SPACE;

    pub(super) const LANE: usize = 8;
    pub(super) const BITS_PER_BYTE: usize = 8;

    /// Has the highest bit set of each special byte, and no other: nothing carries from byte to byte.
    #[inline(always)]
    pub(super) fn marks(lane: &[u8; LANE]) -> u64 {
        const LOWS: u64 = u64::from_ne_bytes([0x7f; 8]);

        let word = u64::from_le_bytes(*lane);
        let flipped = word ^ u64::from_ne_bytes([QUOTE_TO_SPACE; 8]);
        let backslashes = word ^ u64::from_ne_bytes([b'\\'; 8]);
        // The sums reach the highest bit from 0x21 on, and from 1 on.
        let above_space = ((flipped & LOWS) + u64::from_ne_bytes([0x5f; 8])) | flipped;
        let no_backslash = ((backslashes & LOWS) + LOWS) | backslashes;
        !(above_space & no_backslash) & !LOWS
    }

    /// Has the highest bit set of each byte that is no digit.
    #[inline]
    pub(super) fn others(lane: &[u8; LANE]) -> u64 {
        const LOWS: u64 = u64::from_ne_bytes([0x7f; 8]);

        let values = u64::from_le_bytes(*lane) ^ u64::from_ne_bytes([b'0'; 8]);
        // The sum reaches the highest bit from ten on.
        (((values & LOWS) + u64::from_ne_bytes([0x76; 8])) | values) & !LOWS
    }
}
#[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little"))))]
use word as lane;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wamp::widest::tests::wide_and_narrow;

    /// Every byte at every place of strings that end around the steps.
    #[test]
    fn long_strings() {
        wide_and_narrow(|| {
            let steps =
                [LANE + NEAR, LANE + NEAR + STEP, LANE + NEAR + LONG, 2 * LANE + NEAR + 2 * LONG + STEP];
            for len in steps.into_iter().flat_map(|len| [len - 1, len, len + 1, len + LANE]) {
                let mut bytes = vec![0xe4; len];
                assert_eq!(plain_end(&bytes, 0), len);
                for at in 0..len {
                    for byte in (0..=255).skip(at % 7).step_by(if at % 32 == 31 { 1 } else { 7 }) {
                        bytes[at] = byte;
                        let expected = if is_special(byte) { at } else { len };
                        assert_eq!(plain_end(&bytes, 0), expected, "{byte:#x} at {at} of {len}");
                    }
                    bytes[at] = b'"';
                    assert_eq!(plain_end(&bytes, at.saturating_sub(NEAR)), at, "{at} of {len}");
                    bytes[at] = 0xe4;
                }
            }
        });
    }

    #[test]
    fn ends_at_the_first_special_byte() {
        for len in 0..200 {
            for at in 0..len {
                let special = [b'"', b'\\', 0, 0x1f][(len + at) % 4];
                let mut bytes = vec![b'x'; len];
                bytes[at] = special;
                // What follows must not move the mark.
                for follower in [b'"', b'!', b'#', b' ', 0xff, 0x7f, 0x80, 0xa2] {
                    bytes[at + 1..].fill(follower);
                    for start in [0, at / 2, at.saturating_sub(1), at] {
                        assert_eq!(plain_end(&bytes, start), at, "{len} {at} from {start}");
                    }
                }
            }
            assert_eq!(plain_end(&vec![b'x'; len], len / 3), len);
            assert_eq!(plain_end(&vec![b'x'; len], len), len);
        }
    }

    /// What stands before must not count, however the lanes lie.
    #[test]
    fn starts_behind_special_bytes() {
        for len in 1..100 {
            for start in 0..=len {
                let mut bytes = vec![b'"'; start];
                bytes.resize(len, b'x');
                assert_eq!(plain_end(&bytes, start), len, "{len} {start}");
            }
        }
    }

    #[test]
    fn every_byte() {
        for byte in 0..=255 {
            for len in [7, 23, 64, 80, 90] {
                let expected = if is_special(byte) { 0 } else { len };
                assert_eq!(plain_end(&vec![byte; len], 0), expected, "{byte:#x}");
            }
        }
    }

    #[test]
    fn vectors_equal_words() {
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let bytes: [u8; 64] = std::array::from_fn(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                // Many bytes near the special ones, few that are.
                [b'!', b'#', b' ', b'[', b']', 0x7f, 0x80, 0xff, b'2', b'B', 0xa2, 0xdc]
                    [(state >> 33) as usize % 12]
                    ^ if (state >> 40).is_multiple_of(40) { 0x02 } else { 0 }
            });
            assert_eq!(has_special(&bytes), bytes.iter().any(|&byte| is_special(byte)));
            for (lane_bytes, at) in
                bytes.as_chunks::<{ word::LANE }>().0.iter().zip((0..).step_by(word::LANE))
            {
                let marked =
                    (0..word::LANE).map(|i| word::marks(lane_bytes) >> (i * word::BITS_PER_BYTE) & 0xff);
                let expected = bytes[at..].iter().map(|&byte| if is_special(byte) { 0x80 } else { 0 });
                assert!(marked.eq(expected.take(word::LANE)), "{}", lane_bytes.escape_ascii());
                let marked =
                    (0..word::LANE).map(|i| word::others(lane_bytes) >> (i * word::BITS_PER_BYTE) & 0xff);
                let expected = bytes[at..].iter().map(|byte| if byte.is_ascii_digit() { 0 } else { 0x80 });
                assert!(marked.eq(expected.take(word::LANE)), "{}", lane_bytes.escape_ascii());
            }
            for (lane_bytes, at) in bytes.as_chunks::<LANE>().0.iter().zip((0..).step_by(LANE)) {
                let marked =
                    (0..LANE).map(|i| marks(lane_bytes) >> (i * BITS_PER_BYTE + BITS_PER_BYTE - 1) & 1 == 1);
                let expected = bytes[at..].iter().map(|&byte| is_special(byte));
                assert!(marked.eq(expected.take(LANE)), "{}", lane_bytes.escape_ascii());
                let marked = (0..LANE)
                    .map(|i| lane::others(lane_bytes) >> (i * BITS_PER_BYTE + BITS_PER_BYTE - 1) & 1 == 1);
                let expected = bytes[at..].iter().map(|byte| !byte.is_ascii_digit());
                assert!(marked.eq(expected.take(LANE)), "{}", lane_bytes.escape_ascii());
            }
        }
    }
}
