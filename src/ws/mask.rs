//! Masking (RFC 6455, section 5.3): XOR with a repeated key of four bytes. The same operation masks and unmasks.

/// XORs `payload` with `key`, from the key's first byte on.
pub(super) fn apply(payload: &mut [u8], key: [u8; 4]) {
    // Sixteen bytes at a time: four whole keys, so the phase stays, and one vector register on every target.
    let wide = u128::from_ne_bytes(std::array::from_fn(|i| key[i % 4]));
    let (chunks, rest) = payload.as_chunks_mut::<16>();
    for chunk in chunks {
        *chunk = (u128::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.into_iter().cycle()) {
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
