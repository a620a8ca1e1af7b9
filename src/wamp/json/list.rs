//! Lists of numbers, a block of bytes at a time: a word for each kind of byte says where it stands, and what the grammar asks
//! is a few operations on those words.

#![allow(unsafe_code)]

use super::number::{self, WORDS_ARE_WIDE};

/// Passes over numbers with a comma before each. They have to follow on another in a list.
#[inline(never)]
pub(super) fn more_numbers_end(bytes: &[u8], mut at: usize) -> usize {
    /// Behind so many numbers there are probably more.
    const MANY: u32 = 3;

    let mut count = 0;
    while let Some([b',', b'-' | b'0'..=b'9']) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        count += 1;
        if WORDS_ARE_WIDE && count == MANY {
            count = 0;
            // From comma to comma.
            let end = lane::numbers_end(bytes, at + 1) - 1;
            if end > at {
                at = end;
                continue;
            }
        }
        match number::end(bytes, at + 1) {
            end if end > at + 1 => at = end,
            _ => break,
        }
    }
    at
}

/// Bytes of a block: as many as a word has bits.
const BLOCK: usize = u64::BITS as usize;

/// Where each kind of byte stands, the lowest bit being the first byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Kinds {
    digits: u64,
    zeros: u64,
    commas: u64,
    dots: u64,
    minuses: u64,
}

impl Kinds {
    /// With those of the bytes behind the first `at`.
    #[inline(always)]
    fn with(self, at: usize, behind: Kinds) -> Kinds {
        Kinds {
            digits: self.digits | behind.digits << at,
            zeros: self.zeros | behind.zeros << at,
            commas: self.commas | behind.commas << at,
            dots: self.dots | behind.dots << at,
            minuses: self.minuses | behind.minuses << at,
        }
    }

    /// How many bytes of the block, which begins with a number, are numbers with a comma behind each. None, if what
    /// stands there is something else; also for a number with an exponent.
    #[inline(always)]
    fn numbers_end(self) -> usize {
        let Kinds { digits, zeros, commas, dots, minuses } = self;
        let known = digits | commas | dots | minuses;
        let before_others = known & !known.wrapping_add(1);
        let commas = commas & before_others;
        if commas == 0 {
            return 0;
        }
        let starts = commas << 1 | 1;
        let first_digits = starts & !minuses | minuses << 1;
        let fractions = dots << 1;
        // The carry runs through the digits of a fraction to what is behind them.
        let behind_fractions = digits.wrapping_add(fractions) & !digits;
        let faults = (first_digits | fractions) & !digits
            | first_digits & zeros & digits >> 1
            | (dots | commas) & !(digits << 1)
            | minuses & !starts
            | dots & behind_fractions;
        let behind = commas.leading_zeros();
        if faults & u64::MAX >> behind == 0 { BLOCK - behind as usize } else { 0 }
    }
}

/// Passes over numbers with a comma behind each, in whole blocks. A number has to begin at `at`, in a list; whether one begins at the
/// end is not known.
#[inline(always)]
fn blocks_end<const N: usize>(bytes: &[u8], mut at: usize, kinds: impl Fn(&[u8; N]) -> Kinds) -> usize {
    loop {
        let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<BLOCK>()) else { return at };
        let mut all = Kinds::default();
        for (i, lane) in block.as_chunks().0.iter().enumerate() {
            all = all.with(i * N, kinds(lane));
        }
        match all.numbers_end() {
            0 => return at,
            len => at += len,
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod lane {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_set1_epi8, _mm_sub_epi8,
        _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_set1_epi8,
        _mm256_sub_epi8,
    };

    use super::{Kinds, blocks_end};
    use crate::wamp::widest::has_avx2;

    /// As [`blocks_end`].
    #[inline(never)]
    pub(super) fn numbers_end(bytes: &[u8], at: usize) -> usize {
        if has_avx2() {
            // SAFETY: the processor has AVX2.
            unsafe { numbers_end_avx2(bytes, at) }
        } else {
            numbers_end_sse2(bytes, at)
        }
    }

    #[target_feature(enable = "avx2")]
    fn numbers_end_avx2(bytes: &[u8], at: usize) -> usize {
        blocks_end(bytes, at, |lane: &[u8; 32]| {
            // SAFETY: the load needs no alignment, and the bytes are as many as it reads.
            let bytes = unsafe { _mm256_loadu_si256(lane.as_ptr().cast()) };
            let equal = |a, b| u64::from(_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, b)) as u32);
            let all = |byte: u8| _mm256_set1_epi8(byte as i8);
            let values = _mm256_sub_epi8(bytes, all(b'0'));
            Kinds {
                digits: equal(values, _mm256_min_epu8(values, all(9))),
                zeros: equal(bytes, all(b'0')),
                commas: equal(bytes, all(b',')),
                dots: equal(bytes, all(b'.')),
                minuses: equal(bytes, all(b'-')),
            }
        })
    }

    fn numbers_end_sse2(bytes: &[u8], at: usize) -> usize {
        // SAFETY: every x86-64 has SSE2; the load needs no alignment, and the bytes are as many as it reads.
        blocks_end(bytes, at, |lane: &[u8; 16]| unsafe {
            let bytes = _mm_loadu_si128(lane.as_ptr().cast());
            let equal = |a, b| _mm_movemask_epi8(_mm_cmpeq_epi8(a, b)) as u64;
            let all = |byte: u8| _mm_set1_epi8(byte as i8);
            let values = _mm_sub_epi8(bytes, all(b'0'));
            Kinds {
                digits: equal(values, _mm_min_epu8(values, all(9))),
                zeros: equal(bytes, all(b'0')),
                commas: equal(bytes, all(b',')),
                dots: equal(bytes, all(b'.')),
                minuses: equal(bytes, all(b'-')),
            }
        })
    }
}

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod lane {
    use std::arch::aarch64::{
        uint8x16_t, vandq_u8, vceqq_u8, vcleq_u8, vdupq_n_u8, vgetq_lane_u64, vld1q_u8, vpaddq_u8,
        vreinterpretq_u64_u8, vsubq_u8,
    };

    use super::{BLOCK, Kinds, blocks_end};

    /// The bit of each byte in the word of a block.
    const BITS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];

    /// As [`blocks_end`].
    #[inline(never)]
    pub(super) fn numbers_end(bytes: &[u8], at: usize) -> usize {
        // SAFETY: every aarch64 that Rust's targets are for has NEON; the bytes are as many as the loads read.
        blocks_end(bytes, at, |block: &[u8; BLOCK]| unsafe {
            let lanes: [uint8x16_t; 4] = std::array::from_fn(|i| vld1q_u8(block.as_ptr().add(16 * i)));
            let equal = |byte: u8| bits(lanes.map(|lane| vceqq_u8(lane, vdupq_n_u8(byte))));
            let values = lanes.map(|lane| vsubq_u8(lane, vdupq_n_u8(b'0')));
            Kinds {
                digits: bits(values.map(|lane| vcleq_u8(lane, vdupq_n_u8(9)))),
                zeros: equal(b'0'),
                commas: equal(b','),
                dots: equal(b'.'),
                minuses: equal(b'-'),
            }
        })
    }

    /// A bit for each byte, of bytes that have all bits set or none.
    #[inline]
    #[target_feature(enable = "neon")]
    fn bits(lanes: [uint8x16_t; 4]) -> u64 {
        // SAFETY: the bytes are as many as the load reads.
        let weights = unsafe { vld1q_u8(BITS.as_ptr()) };
        let [a, b, c, d] = lanes.map(|lane| vandq_u8(lane, weights));
        let pairs = vpaddq_u8(vpaddq_u8(a, b), vpaddq_u8(c, d));
        vgetq_lane_u64::<0>(vreinterpretq_u64_u8(vpaddq_u8(pairs, pairs)))
    }
}

/// Words instead of vectors. Compiled for the tests everywhere, which compare it with the vectors.
#[cfg(any(test, not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little")))))]
mod word {
    use super::{Kinds, blocks_end};

    const LOWS: u64 = u64::from_ne_bytes([0x7f; 8]);

    /// As [`blocks_end`].
    #[inline(never)]
    pub(super) fn numbers_end(bytes: &[u8], at: usize) -> usize {
        blocks_end(bytes, at, |lane: &[u8; 8]| {
            let word = u64::from_le_bytes(*lane);
            let equal = |byte: u8| below(1, word ^ u64::from_ne_bytes([byte; 8]));
            Kinds {
                digits: below(10, word ^ u64::from_ne_bytes([b'0'; 8])),
                zeros: equal(b'0'),
                commas: equal(b','),
                dots: equal(b'.'),
                minuses: equal(b'-'),
            }
        })
    }

    /// A bit for each byte: whether it is below `end`.
    #[inline]
    fn below(end: u8, bytes: u64) -> u64 {
        // The sum reaches the highest bit from `end` on. The product brings all of them together.
        let from_end_on = ((bytes & LOWS) + u64::from_ne_bytes([0x80 - end; 8])) | bytes;
        ((!from_end_on & !LOWS) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
    }
}
#[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little"))))]
use word as lane;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wamp::widest::tests::wide_and_narrow;

    /// As `number::end`, byte by byte.
    fn number_end(bytes: &[u8], at: usize) -> usize {
        let digits =
            |from: usize| from + bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
        let start = at + usize::from(bytes.get(at) == Some(&b'-'));
        let mut end = if bytes.get(start) == Some(&b'0') { start + 1 } else { digits(start) };
        if end == start {
            return at;
        }
        if bytes.get(end) == Some(&b'.') {
            let start = end + 1;
            end = digits(start);
            if end == start {
                return at;
            }
        }
        if let Some(b'e' | b'E') = bytes.get(end) {
            let start = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            end = digits(start);
            if end == start {
                return at;
            }
        }
        end
    }

    fn more_by_bytes(bytes: &[u8], mut at: usize) -> usize {
        while bytes.get(at) == Some(&b',') {
            match number_end(bytes, at + 1) {
                end if end > at + 1 => at = end,
                _ => break,
            }
        }
        at
    }

    #[track_caller]
    fn check(list: &[u8]) -> bool {
        let end = more_by_bytes(list, 0);
        assert_eq!(more_numbers_end(list, 0), end, "{}", list.escape_ascii());
        if list.first() != Some(&b',') {
            return false;
        }
        assert_eq!(word::numbers_end(list, 1), lane::numbers_end(list, 1), "{}", list.escape_ascii());
        let end_of_blocks = lane::numbers_end(list, 1) - 1;
        assert!(end_of_blocks <= end, "{}", list.escape_ascii());
        // It is the end of a number, with a comma behind it.
        assert_eq!(more_by_bytes(&list[..end_of_blocks], 0), end_of_blocks, "{}", list.escape_ascii());
        assert!(end_of_blocks == 0 || list[end_of_blocks] == b',', "{}", list.escape_ascii());
        end_of_blocks > 0
    }

    fn random_numbers() -> impl FnMut(usize) -> usize {
        let mut state = 1_u64;
        move |n| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % n
        }
    }

    /// Every byte at every place of lists whose numbers lie differently across the blocks.
    #[test]
    fn every_byte_everywhere() {
        wide_and_narrow(|| {
            for list in ["1", "-0", "12.5", "0.25,-7", "1234567890123456789"] {
                let list = format!(",{list}").repeat(200 / (list.len() + 1));
                assert!(check(list.as_bytes()));
                let mut list = list.into_bytes();
                for at in 0..list.len() {
                    for byte in (0..=255).skip(at % 5).step_by(if at.is_multiple_of(9) { 1 } else { 5 }) {
                        let before = std::mem::replace(&mut list[at], byte);
                        check(&list);
                        list[at] = before;
                    }
                }
            }
        });
    }

    #[test]
    fn blocks_decide_as_bytes_do() {
        wide_and_narrow(|| {
            let mut random = random_numbers();
            let mut by_blocks = 0;
            for i in 0..20_000 {
                // From hardly any fault to hardly a number.
                let faults = [400, 60, 8][i % 3];
                let mut list = Vec::new();
                for _ in 0..random(70) {
                    list.push(b',');
                    if random(4) == 0 {
                        list.push(b'-');
                    }
                    match random(8) {
                        0 => list.push(b'0'),
                        _ => list.extend(
                            (0..1 + random(9)).map(|at| b'0' + (random(9) + usize::from(at == 0)) as u8),
                        ),
                    }
                    if random(3) == 0 {
                        list.push(b'.');
                        list.extend((0..1 + random(20)).map(|_| b'0' + random(10) as u8));
                    }
                    if random(40) == 0 {
                        list.extend_from_slice([&b"e5"[..], b"E-12", b"e+", b" ", b"]"][random(5)]);
                    }
                }
                for byte in &mut list {
                    if random(faults) == 0 {
                        *byte = b"-.,0123456789eE+ ]/:"[random(20)];
                    }
                }
                by_blocks += usize::from(check(&list));
            }
            assert!(by_blocks > 5_000, "{by_blocks} by blocks");
        });
    }
}
