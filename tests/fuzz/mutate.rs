//! Bytes made of other bytes, at random, with what parsers stumble over.

pub(crate) use crate::chance::Random;

impl Random {
    fn range(&mut self, len: usize) -> std::ops::Range<usize> {
        let start = self.below(len + 1);
        let most = if self.chance(4) { len - start } else { (len - start).min(8) };
        start..start + self.below(most + 1)
    }
}

/// Ends, lengths, signs and quotes of all the languages here.
const PIECES: [&[u8]; 36] = [
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"]",
    b"}",
    b"[",
    b"{",
    b"\"",
    b"\\",
    b",",
    b":",
    b"\r\n",
    b"\r\n\r\n",
    b" ",
    b"1e999",
    b"-0",
    b"0",
    b"\\ud800",
    b"\xed\xa0\x80",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xdb\xff\xff\xff\xff",
    b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xbb\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x9f",
    b"\xbf",
    b"\xc1",
    b"\xc7\xff",
    b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x88\x80\0\0\0\0",
    b"\x00\xff\xff\xff",
    b"9007199254740993",
    b"[[[[[[[[[[[[[[[[",
    b"\x81\x81\x81\x81\x81\x81\x81\x81",
];

/// The longest that bytes may grow.
const BYTES_MAX: usize = 6000;

/// One of `seeds`, changed here and there.
pub(crate) fn mutated(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = random.pick(seeds);
    for _ in 0..1 << random.below(5) {
        mutate(random, &mut bytes, seeds);
    }
    bytes.truncate(BYTES_MAX);
    bytes
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let range = random.range(bytes.len());
    match random.below(9) {
        0 => bytes.truncate(range.start),
        1 => drop(bytes.drain(range)),
        2 => drop(bytes.splice(range, random.pick(&PIECES).iter().copied())),
        3 => {
            let repeated = bytes[range.clone()].repeat(1 + random.below(4));
            bytes.splice(range, repeated);
        }
        4 => {
            let other = random.pick(seeds);
            let piece = other[random.range(other.len())].to_vec();
            bytes.splice(range, piece);
        }
        5 => {
            let moved = bytes[range].to_vec();
            let at = random.below(bytes.len() + 1);
            bytes.splice(at..at, moved);
        }
        6 => drop(bytes.splice(range.start..range.start, random.pick(&PIECES).iter().copied())),
        _ => {
            if let Some(byte) = bytes.get_mut(range.start) {
                *byte = match random.below(4) {
                    0 => random.next() as u8,
                    1 => byte.wrapping_add(1),
                    2 => byte.wrapping_sub(1),
                    _ => *byte ^ 1 << random.below(8),
                };
            }
        }
    }
}
