//! Integers beyond 64 bits: from CBOR's bytes to JSON's digits and back.

use std::fmt::Write;

use crate::limits::BIG_INTEGER_BYTES_MAX;

use super::reader::BigInt;

/// How many digits are converted at a time: as many as fit a limb of 32 bits.
const CHUNK_DIGITS: usize = 9;

/// The digits of `magnitude` (big-endian), or of `-1 - magnitude` if `negative`. `None` if it is beyond the limit;
/// such integers are beyond every float, too.
pub(super) fn to_decimal(negative: bool, magnitude: &[u8]) -> Option<String> {
    const CHUNK: u64 = 10u64.pow(CHUNK_DIGITS as u32);

    let mut limbs = limbs(magnitude)?;
    if negative {
        multiply_and_add(&mut limbs, 1, 1);
    }
    // Some digits at a time, the lowest first.
    let mut chunks = Vec::new();
    while !limbs.is_empty() {
        let mut remainder = 0;
        for limb in limbs.iter_mut().rev() {
            let value = remainder << 32 | u64::from(*limb);
            *limb = (value / CHUNK) as u32;
            remainder = value % CHUNK;
        }
        chunks.push(remainder);
        trim(&mut limbs);
    }
    let mut digits = String::from(if negative { "-" } else { "" });
    digits += &chunks.pop().unwrap_or(0).to_string();
    for chunk in chunks.iter().rev() {
        // Writing to a String cannot fail.
        let _ = write!(digits, "{chunk:0CHUNK_DIGITS$}");
    }
    Some(digits)
}

/// The sign and magnitude (big-endian, without leading zeros) that CBOR would write for `decimal`: that of the number,
/// or of `-1 - number` if it is negative. `None` if it is beyond the limit.
pub(super) fn from_decimal(decimal: &str) -> Option<(bool, Vec<u8>)> {
    // A byte makes 2.41 digits.
    if decimal.len() > BIG_INTEGER_BYTES_MAX * 12 / 5 {
        return None;
    }
    let (negative, digits) = match decimal.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, decimal),
    };
    let mut limbs = Vec::new();
    for chunk in digits.as_bytes().chunks(CHUNK_DIGITS) {
        multiply_and_add(&mut limbs, 10u32.pow(chunk.len() as u32), chunk_value(chunk));
    }
    if negative {
        subtract_one(&mut limbs);
    }
    let bytes = limbs.iter().rev().flat_map(|limb| limb.to_be_bytes());
    Some((negative, bytes.skip_while(|&byte| byte == 0).collect()))
}

fn chunk_value(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |value, digit| value * 10 + u32::from(digit.wrapping_sub(b'0')))
}

/// The float closest to `value`.
pub(super) fn to_float(value: &BigInt<'_>) -> f64 {
    let beyond = |negative| if negative { f64::NEG_INFINITY } else { f64::INFINITY };
    match value {
        BigInt::Decimal(digits) => digits.parse().unwrap_or(f64::NAN),
        BigInt::Binary { negative, magnitude } => match to_decimal(*negative, magnitude) {
            Some(digits) => digits.parse().unwrap_or(f64::NAN),
            None => beyond(*negative),
        },
    }
}

/// The limbs of a big-endian integer, the lowest first, without leading zeros.
fn limbs(magnitude: &[u8]) -> Option<Vec<u32>> {
    let zeros = magnitude.iter().take_while(|&&byte| byte == 0).count();
    let magnitude = &magnitude[zeros..];
    if magnitude.len() > BIG_INTEGER_BYTES_MAX {
        return None;
    }
    let limb = |bytes: &[u8]| bytes.iter().fold(0, |limb, &byte| limb << 8 | u32::from(byte));
    Some(magnitude.rchunks(4).map(limb).collect())
}

fn trim(limbs: &mut Vec<u32>) {
    while limbs.last() == Some(&0) {
        limbs.pop();
    }
}

fn multiply_and_add(limbs: &mut Vec<u32>, factor: u32, summand: u32) {
    let mut carry = summand;
    for limb in limbs.iter_mut() {
        let value = u64::from(*limb) * u64::from(factor) + u64::from(carry);
        *limb = value as u32;
        carry = (value >> 32) as u32;
    }
    if carry > 0 {
        limbs.push(carry);
    }
}

fn subtract_one(limbs: &mut Vec<u32>) {
    for limb in limbs.iter_mut() {
        let (difference, borrow) = limb.overflowing_sub(1);
        *limb = difference;
        if !borrow {
            break;
        }
    }
    trim(limbs);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_back() {
        for (digits, negative, bytes) in [
            ("340282366920938463463374607431768211455", false, vec![0xff; 16]),
            ("-340282366920938463463374607431768211456", true, vec![0xff; 16]),
            ("18446744073709551616", false, vec![1, 0, 0, 0, 0, 0, 0, 0, 0]),
            ("-18446744073709551617", true, vec![1, 0, 0, 0, 0, 0, 0, 0, 0]),
            ("1000000000000000000000000000000000000", false, 10u128.pow(36).to_be_bytes()[1..].to_vec()),
            ("1000000000000000000000000000", false, 10u128.pow(27).to_be_bytes()[4..].to_vec()),
            ("0", false, vec![]),
        ] {
            assert_eq!(to_decimal(negative, &bytes).as_deref(), Some(digits));
            assert_eq!(from_decimal(digits), Some((negative, bytes)));
        }
    }

    #[test]
    fn beyond_the_limit() {
        assert!(to_decimal(false, &[1; BIG_INTEGER_BYTES_MAX]).is_some());
        assert_eq!(to_decimal(false, &[1; BIG_INTEGER_BYTES_MAX + 1]), None);
        assert_eq!(from_decimal(&"1".repeat(10_000)), None);
        let huge = BigInt::Binary { negative: true, magnitude: vec![1; 1000].into() };
        assert_eq!(to_float(&huge), f64::NEG_INFINITY);
    }
}
