//! Bytes as hexadecimal text.

/// `bytes` in lower case.
pub fn encode(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes that `text` stands for.
pub fn decode_all(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    rest.is_empty().then(|| bytes.collect())?
}

/// The bytes that `text` stands for, if they are exactly `N`.
pub fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    // Whoever sends more need not have it looked at.
    (text.len() == 2 * N).then(|| decode_all(text))??.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        assert_eq!(encode(&[0, 0xAB, 255]), "00abff");
        assert_eq!(decode("00aBfF"), Some([0, 0xAB, 255]));
        for bad in ["00abf", "00abff00", "00abfg", "00ab+f", ""] {
            assert_eq!(decode::<3>(bad), None, "{bad}");
        }
    }
}
