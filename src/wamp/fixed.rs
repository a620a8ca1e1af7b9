//! Values of a binary serializer whose first byte says how many bytes they have: numbers and short texts.

use super::utf8::is_ascii;
use super::widest::widest;

/// Set for short texts.
pub(super) const TEXT: u8 = 0x80;

/// What a serializer says about first bytes.
#[derive(Debug)]
pub(super) struct Fixed {
    /// By the first byte of a value: how many bytes it has, if that says it, with [`TEXT`] if all but the first are text; or 0, also
    /// if there is something else in them to check.
    pub(super) lens: [u8; 256],
    /// The least first byte that is no small number: those below are a value each.
    pub(super) small_end: u8,
}

/// Behind so many values there are probably more.
const FEW: u32 = 4;
/// Values that are passed over at once, then.
const MANY: usize = 8;
/// More bytes than those can have, and fewer than with [`TEXT`].
const WINDOW: usize = TEXT as usize;

impl Fixed {
    /// Passes over at most `count` values at `at`, up to one about which nothing is said or that is not all there. Gives how
    /// many are left, and where.
    #[inline(never)]
    pub(super) fn values_end(&self, bytes: &[u8], mut at: usize, count: u64) -> (u64, usize) {
        let (mut left, mut passed) = (count, 0);
        while left > 0 {
            let Some(&first) = bytes.get(at) else { break };
            let len = self.len(first);
            if len == 0 || len > bytes.len() - at {
                break;
            }
            if self.is_text(first) {
                if !is_ascii(&bytes[at + 1..at + len]) {
                    break;
                }
                passed = 0;
            } else {
                passed += 1;
            }
            at += len;
            left -= 1;
            if passed == FEW {
                (left, at) = self.many_end(bytes, at, left);
                passed = 0;
            }
        }
        (left, at)
    }

    /// As [`Fixed::values_end`], as long as many are left and are there.
    #[inline(never)]
    fn many_end(&self, bytes: &[u8], mut at: usize, mut left: u64) -> (u64, usize) {
        while left >= MANY as u64 {
            let Some(window) = bytes.get(at..).and_then(|rest| rest.first_chunk::<WINDOW>()) else { break };
            let (mut end, mut len) = (0, 0);
            for _ in 0..MANY {
                // Once it is 0, it stays so.
                len = usize::from(self.lens[usize::from(window[end % WINDOW])]);
                end += len;
            }
            // A text has brought it beyond.
            if len == 0 || end > WINDOW {
                break;
            }
            at += end;
            left -= MANY as u64;
            if end == MANY * len {
                let alike = self.alike(window[end - len], &bytes[at..], left);
                at += alike * len;
                left -= alike as u64;
            }
        }
        (left, at)
    }

    /// Whether it says something about values that begin with `first`.
    #[inline]
    pub(super) fn has(&self, first: u8) -> bool {
        self.lens[usize::from(first)] > 0
    }

    #[inline]
    fn len(&self, first: u8) -> usize {
        usize::from(self.lens[usize::from(first)] & !TEXT)
    }

    #[inline]
    fn is_text(&self, first: u8) -> bool {
        self.lens[usize::from(first)] & TEXT != 0
    }

    /// How many values, `left` at most, at the start of `bytes` are like those before them that began with `first`. Fewer than
    /// there are, perhaps.
    #[inline(never)]
    fn alike(&self, first: u8, bytes: &[u8], left: u64) -> usize {
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        match self.len(first) {
            1 => small_numbers(&bytes[..bytes.len().min(left)], self.small_end),
            2 => same::<2>(first, bytes, left),
            3 => same::<3>(first, bytes, left),
            5 => same::<5>(first, bytes, left),
            9 => same::<9>(first, bytes, left),
            _ => 0,
        }
    }
}

/// How many values of `N` bytes begin with `first`, by fours.
#[inline]
fn same<const N: usize>(first: u8, bytes: &[u8], left: usize) -> usize {
    let (fours, _) = bytes.as_chunks::<N>().0.as_chunks::<4>();
    let mut count = 0;
    for [a, b, c, d] in &fours[..fours.len().min(left / 4)] {
        if a[0] != first || b[0] != first || c[0] != first || d[0] != first {
            break;
        }
        count += 4;
    }
    count
}

widest! {
    /// How many of `bytes` are below `end`, in whole steps.
    fn small_numbers(bytes: &[u8], end: u8) -> usize {
        let long = steps_below::<128>(bytes, end);
        long + steps_below::<32>(&bytes[long..], end)
    }
}

#[inline(always)]
fn steps_below<const N: usize>(bytes: &[u8], end: u8) -> usize {
    let mut count = 0;
    for step in bytes.as_chunks::<N>().0 {
        let mut is_below = true;
        for byte in step {
            is_below &= *byte < end;
        }
        if !is_below {
            break;
        }
        count += N;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wamp::widest::tests::wide_and_narrow;

    /// One byte up to 0x3f, small ones below 0x20; then more; texts from 0xe8, and nothing from 0xf0 on.
    static FIXED: Fixed = {
        let mut lens = [1; 256];
        let mut first = 0x40;
        while first < 256 {
            lens[first] = match first {
                0x40..0x80 => 2,
                0x80..0xc0 => 5,
                0xc0..0xe0 => 9,
                0xe0..0xe8 => 3,
                0xe8..0xf0 => TEXT | (1 + first as u8 - 0xe8),
                _ => 0,
            };
            first += 1;
        }
        Fixed { lens, small_end: 0x20 }
    };

    fn one_by_one(bytes: &[u8], mut at: usize, mut left: u64) -> (u64, usize) {
        while left > 0 && at < bytes.len() {
            let len = usize::from(FIXED.lens[usize::from(bytes[at])] & 0x7f);
            if len == 0 || at + len > bytes.len() {
                break;
            }
            if bytes[at] >= 0xe8 && bytes[at + 1..at + len].iter().any(|byte| *byte >= 0x80) {
                break;
            }
            at += len;
            left -= 1;
        }
        (left, at)
    }

    /// Lists of every length of like and of unlike values, cut off and with another value anywhere.
    #[test]
    fn equals_one_by_one() {
        wide_and_narrow(|| {
            let mut state = 1_u32;
            let mut random = |n: usize| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 16) as usize % n
            };
            for i in 0..20_000 {
                let mut bytes = Vec::new();
                let count = random(300);
                let kinds = [
                    &[0x01][..],
                    &[0x01, 0x3f],
                    &[0x41],
                    &[0xe1],
                    &[0x81],
                    &[0xc1],
                    &[0x01, 0x41, 0x81, 0xc1],
                    &[0x01, 0xc1, 0xe8, 0xe9, 0xef],
                    &[0x01, 0x3f, 0x02, 0x04, 0x41, 0x81, 0xea],
                ];
                let kinds = kinds[i % kinds.len()];
                for _ in 0..count {
                    let first = kinds[random(kinds.len())];
                    bytes.push(first);
                    bytes.extend(
                        (1..FIXED.len(first)).map(|_| random(if first < 0xe8 { 256 } else { 128 }) as u8),
                    );
                }
                for _ in 0..random(3) {
                    let at = random(bytes.len() + 1);
                    match random(4) {
                        0 => bytes.truncate(at),
                        1 => bytes.insert(at, 0xf0),
                        _ => bytes.insert(at, random(256) as u8),
                    }
                }
                let at = random(3).min(bytes.len());
                for left in [count as u64, random(400) as u64, u64::MAX] {
                    assert_eq!(
                        FIXED.values_end(&bytes, at, left),
                        one_by_one(&bytes, at, left),
                        "{bytes:x?}"
                    );
                }
            }
        });
    }
}
