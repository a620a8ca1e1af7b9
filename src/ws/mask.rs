//! Masking (RFC 6455, section 5.3): XOR with a repeated key of four bytes. The same operation masks and unmasks.

/// XORs `payload` with `key`, from the key's first byte on.
pub(super) fn apply(payload: &mut [u8], key: [u8; 4]) {
    // Whole keys at a time, so the phase stays. The compiler makes two vector registers of a step, on every target that has
    // them; the steps get smaller so that few single bytes are left of a short message.
    const STEP: usize = 32;
    let wide: [u8; STEP] = std::array::from_fn(|i| key[i % 4]);
    let (steps, rest) = payload.as_chunks_mut::<STEP>();
    for step in steps {
        for (byte, key) in step.iter_mut().zip(wide) {
            *byte ^= key;
        }
    }
    let (words, rest) = rest.as_chunks_mut::<8>();
    let pair = u64::from_ne_bytes(std::array::from_fn(|i| key[i % 4]));
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    /// The definition of the RFC, word by word.
    fn scalar(payload: &mut [u8], key: [u8; 4]) {
        for i in 0..payload.len() {
            payload[i] ^= key[i % 4];
        }
    }

    #[test]
    fn equals_the_definition_at_every_length_and_alignment() {
        let bytes: Vec<u8> = (0..200_u8).map(|i| i.wrapping_mul(37)).collect();
        let key = [0xA5, 0x01, 0xFF, 0x3C];
        for start in 0..40 {
            for end in start..bytes.len() {
                let (mut wide, mut plain) = (bytes.clone(), bytes.clone());
                super::apply(&mut wide[start..end], key);
                scalar(&mut plain[start..end], key);
                assert_eq!(wide, plain, "{start}..{end}");
            }
        }
    }

    proptest! {
        #[test]
        fn equals_the_definition_at_any_length_and_alignment(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
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
