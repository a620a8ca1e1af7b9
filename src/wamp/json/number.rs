//! The numbers of JSON.

/// Where the number at `at` ends; `at` itself if there is no number.
#[inline]
pub(super) fn end(bytes: &[u8], at: usize) -> usize {
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
#[inline]
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

#[inline]
fn some_digits_end(bytes: &[u8], at: usize) -> Option<usize> {
    let end = digits_end(bytes, at);
    (end > at).then_some(end)
}

/// Looks at eight bytes at a time: digits are seldom alone.
#[inline]
fn digits_end(bytes: &[u8], mut at: usize) -> usize {
    const LOWS: u64 = u64::from_ne_bytes([0x7f; 8]);

    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let values = u64::from_le_bytes(*chunk) ^ u64::from_ne_bytes([b'0'; 8]);
        // The highest bit of each byte that is no digit: the sum reaches it from ten on.
        let others = ((values & LOWS) + u64::from_ne_bytes([0x76; 8]) | values) & !LOWS;
        if others != 0 {
            return at + others.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while let Some(b'0'..=b'9') = bytes.get(at) {
        at += 1;
    }
    at
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
    fn digits_end_where_they_end() {
        for len in 0..40 {
            for at in 0..=len {
                for other in 0..=255 {
                    let mut bytes: Vec<u8> = (0..len).map(|i| b'0' + (i * 7 % 10) as u8).collect();
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = other;
                    }
                    for start in [0, at / 2, at] {
                        let digits = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                        assert_eq!(digits_end(&bytes, start), start + digits);
                    }
                }
            }
        }
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
