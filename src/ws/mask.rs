//! Masking (RFC 6455, section 5.3): XOR with a repeated key of four bytes. The same operation masks and unmasks.

use crate::wamp::widest::widest;

/// Payloads from so many bytes on are worth the choice of the vectors.
const LONG_BYTES: usize = 256;

/// As many bytes as the widest vectors have.
const VECTOR: usize = 32;

/// XORs `payload` with `key`, from the key's first byte on.
#[inline]
pub(super) fn apply(payload: &mut [u8], key: [u8; 4]) {
    if payload.len() < LONG_BYTES { short(payload, key) } else { long(payload, key) }
}

/// Whole keys at a time, so the phase stays. The steps get smaller so that few single bytes are left.
fn short(payload: &mut [u8], key: [u8; 4]) {
    let rest = steps::<VECTOR>(payload, key);
    let (words, rest) = rest.as_chunks_mut::<8>();
    let pair = pair(key);
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ pair).to_ne_bytes();
    }
    let (half, rest) = rest.as_chunks_mut::<4>();
    for word in half {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key) {
        *byte ^= key;
    }
}

/// The key, twice.
#[inline(always)]
fn pair(key: [u8; 4]) -> u64 {
    u64::from_ne_bytes(std::array::from_fn(|i| key[i % 4]))
}

#[inline(never)]
fn long(payload: &mut [u8], key: [u8; 4]) {
    short(long_steps(payload, key), key)
}

widest! {
    fn long_steps(payload: &mut [u8], key: [u8; 4]) -> &mut [u8] {
        steps::<{ 4 * VECTOR }>(payload, key)
    }
}

/// XORs as many steps as there are; gives the rest.
#[inline(always)]
fn steps<const STEP: usize>(payload: &mut [u8], key: [u8; 4]) -> &mut [u8] {
    let (steps, rest) = payload.as_chunks_mut::<STEP>();
    let (wide, pair) = (std::array::from_fn::<u8, VECTOR, _>(|i| key[i % 4]), pair(key));
    for step in steps {
        if usize::BITS < u64::BITS {
            // Perhaps there are no vectors, and of bytes the compiler makes no words.
            for word in step.as_chunks_mut().0 {
                *word = (u64::from_ne_bytes(*word) ^ pair).to_ne_bytes();
            }
            continue;
        }
        // Of these it makes vectors.
        for vector in step.as_chunks_mut::<VECTOR>().0 {
            for i in 0..VECTOR {
                vector[i] ^= wide[i];
            }
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::wamp::widest::tests::wide_and_narrow;

    /// The definition of the RFC, word by word.
    fn scalar(payload: &mut [u8], key: [u8; 4]) {
        for i in 0..payload.len() {
            payload[i] ^= key[i % 4];
        }
    }

    #[test]
    fn equals_the_definition_at_every_length_and_alignment() {
        let bytes: Vec<u8> = (0..600_u16).map(|i| (i * 37) as u8).collect();
        let key = [0xA5, 0x01, 0xFF, 0x3C];
        wide_and_narrow(|| {
            for start in 0..40 {
                for end in start..bytes.len() {
                    let (mut wide, mut plain) = (bytes[..end].to_vec(), bytes[..end].to_vec());
                    super::apply(&mut wide[start..], key);
                    scalar(&mut plain[start..], key);
                    assert_eq!(wide, plain, "{start}..{end}");
                }
            }
        });
    }

    proptest! {
        #[test]
        fn equals_the_definition_at_any_length_and_alignment(
            bytes in prop::collection::vec(any::<u8>(), 0..1000),
            key: [u8; 4],
            start in 0_usize..20,
        ) {
            let start = start.min(bytes.len());
            let (mut wide, mut plain) = (bytes.clone(), bytes.clone());
            super::apply(&mut wide[start..], key);
            scalar(&mut plain[start..], key);
            prop_assert_eq!(&wide, &plain);
            super::apply(&mut wide[start..], key);
            prop_assert_eq!(wide, bytes);
        }
    }
}
