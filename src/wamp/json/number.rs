//! The numbers of JSON.

use super::plain::short_number_end;

/// Whether the processor has words of 64 bits. If not, a number is passed over byte by byte: that takes fewer instructions than
/// the words that are made of two.
pub(super) const WORDS_ARE_WIDE: bool = usize::BITS >= u64::BITS;

/// Where the number at `at` ends; `at` itself if there is no number.
#[inline]
pub(super) fn end(bytes: &[u8], at: usize) -> usize {
    if WORDS_ARE_WIDE && let Some(end) = short_number_end(bytes, at) {
        return end;
    }
    any_end(bytes, at)
}

#[inline(never)]
fn any_end(bytes: &[u8], at: usize) -> usize {
    let start = at + usize::from(bytes.get(at) == Some(&b'-'));
    let end = match bytes.get(start) {
        Some(b'0') => start + 1,
        _ => digits_end(bytes, start),
    };
    match bytes.get(end) {
        _ if end == start => at,
        Some(b'.' | b'e' | b'E') => fraction_end(bytes, end).unwrap_or(at),
        _ => end,
    }
}

/// Whether a number is written as an integer.
pub(super) fn is_integer(number: &[u8]) -> bool {
    !number.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
}

/// Where the fraction and the exponent that begin at `at` end.
fn fraction_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    if bytes.get(at) == Some(&b'.') {
        at = some_digits_end(bytes, at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        at = some_digits_end(bytes, at + 1 + sign)?;
    }
    Some(at)
}

fn some_digits_end(bytes: &[u8], at: usize) -> Option<usize> {
    let end = digits_end(bytes, at);
    (end > at).then_some(end)
}

fn digits_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len())
}

/// Reads an unsigned integer at `at`; gives its end, too. `None` if there is none or it does not fit.
#[inline]
pub(super) fn unsigned_at(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let (mut end, mut value) = (at, 0u64);
    while let Some(digit @ b'0'..=b'9') = bytes.get(end) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        end += 1;
    }
    let is_integer = !matches!(bytes.get(end), Some(b'.' | b'e' | b'E'));
    let has_leading_zero = end > at + 1 && bytes.get(at) == Some(&b'0');
    if end == at || !is_integer || has_leading_zero {
        return None;
    }
    // 19 digits cannot have overflowed.
    if end - at > 19 {
        value = unsigned(&bytes[at..end])?;
    }
    Some((value, end))
}

/// The value of decimal digits; `None` if it does not fit or there are none.
#[inline(never)]
pub(super) fn unsigned(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammar() {
        for (number, expected) in [
            ("0", Some((1, true))),
            ("-0", Some((2, true))),
            ("120,", Some((3, true))),
            ("01", Some((1, true))),
            ("1.5e-3 ", Some((6, false))),
            ("1E+2", Some((4, false))),
            ("-", None),
            ("1.", None),
            ("1.e3", None),
            ("1e", None),
            ("1e+", None),
            (".5", None),
            ("+1", None),
            ("", None),
        ] {
            let ends = |at| expected.map_or(at, |(len, _)| at + len);
            assert_eq!(end(number.as_bytes(), 0), ends(0), "{number}");
            assert_eq!(end(format!("[{number}").as_bytes(), 1), ends(1), "{number}");
            if let Some((len, integer)) = expected {
                assert_eq!(is_integer(&number.as_bytes()[..len]), integer, "{number}");
            }
        }
    }

    #[test]
    fn vectors_decide_as_bytes_do() {
        let mut state = 1_u32;
        let mut random = |n: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as usize % n
        };
        let mut short = 0;
        for _ in 0..200_000 {
            let len = random(24);
            let digits = random(8);
            let text: Vec<u8> = (0..len)
                .map(|_| if random(8) < digits { b'0' + random(10) as u8 } else { b"-.eE+,]0 "[random(9)] })
                .collect();
            for at in [0, 1.min(len), len] {
                let end_by_bytes = any_end(&text, at);
                assert_eq!(end(&text, at), end_by_bytes, "{} at {at}", text.escape_ascii());
                short += usize::from(short_number_end(&text, at).is_some());
            }
        }
        assert!(short > 10_000, "{short} by vectors");
    }

    #[test]
    fn edges() {
        assert_eq!(unsigned(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(unsigned(b"18446744073709551616"), None);
        assert_eq!(unsigned(b"9999999999999999999"), Some(9_999_999_999_999_999_999));
        assert_eq!(unsigned(b""), None);
        assert_eq!(unsigned_at(b"[18446744073709551615]", 1), Some((u64::MAX, 21)));
        assert_eq!(unsigned_at(b"0", 0), Some((0, 1)));
        for not_it in ["", "x", "-1", "01", "1.0", "1e3", "18446744073709551616", "000000000000000000001"] {
            assert_eq!(unsigned_at(not_it.as_bytes(), 0), None, "{not_it}");
        }
    }
}
