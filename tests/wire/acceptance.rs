//! The scan accepts a payload exactly when it is well-formed: mutated payloads against other people's decoders.

use connectanum::limits::NESTING_DEPTH_MAX;
use connectanum::wamp::list::{IdList, TextList};
use connectanum::wamp::message::RawValue;
use connectanum::wamp::transcode::value;
use connectanum::wamp::{Payload, ScanError, Serializer, scan, transcode};

use crate::random::Random;
use crate::tree::Tree;

const MUTANTS: u64 = 3000;

/// A random message `[16, 1, {}, "t", args, kwargs]` whose payload was then damaged.
pub(crate) fn mutant(random: &mut Random, serializer: Serializer) -> Vec<u8> {
    let head = match serializer {
        Serializer::Json => br#"[16,1,{},"t","#.to_vec(),
        Serializer::MsgPack => b"\x96\x10\x01\x80\xa1t".to_vec(),
        Serializer::Cbor => b"\x86\x10\x01\xa0\x61t".to_vec(),
    };
    let payload = Tree::payload(&[random.list(3), random.dict(2)], serializer);
    let mut bytes = [&head, payload.bytes, serializer.tail()].concat();
    for _ in 0..1 + random.below(3) {
        let at = head.len() + random.below((bytes.len() - head.len()).max(1));
        if at >= bytes.len() {
            continue;
        }
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => drop(bytes.remove(at)),
            3 => drop(bytes.splice(at..at, spice(random, serializer))),
            4 => bytes.truncate(at),
            _ => {
                let end = at + random.below(8).min(bytes.len() - at);
                let piece = bytes[at..end].to_vec();
                let to = head.len() + random.below(bytes.len() - head.len());
                bytes.splice(to..to, piece);
            }
        }
    }
    bytes
}

/// A piece that means something, or almost.
fn spice(random: &mut Random, serializer: Serializer) -> Vec<u8> {
    let bytes: &[u8] = match serializer {
        Serializer::Json => b"[]{},:\"\\ \n0123456789-+.eEutfnabrd/\0\x1f\x7f\xc3\xa9",
        Serializer::MsgPack => b"\x90\x91\x80\x81\xa0\xa1\xc0\xc1\xc4\xc7\xd4\xd9\xdc\xdd\xdf\xcb",
        Serializer::Cbor => b"\x80\x81\x9f\xa0\xbf\xff\x7f\x5f\x60\x40\xc2\xd8\xf8\xf9\xfb\x1c\x3b\xe0",
    };
    let pieces: &[&[u8]] = match serializer {
        Serializer::Json => &[
            br"\ud83d",
            br"\ude00",
            br"\ud83d\ude00",
            br"\u0000",
            br"\x",
            b"1e5,",
            b"-0,",
            b"01,",
            b"1.,",
            b"null,",
            b"[],",
        ],
        Serializer::MsgPack => {
            &[b"\xd4\xff\x00", b"\xc7\x00\x01", b"\xda\x00\x01a", b"\xa2\xc3\xa9", b"\xa1\xc3"]
        }
        Serializer::Cbor => &[
            b"\xf8\x18",
            b"\xf8\x20",
            b"\xc2\x41",
            b"\xd8\x18",
            b"\x7f\x61a\xff",
            b"\x7f\x41a\xff",
            b"\x7f\x7f\xff\xff",
            b"\x5f\xff",
            b"\xbf\x01\xff",
            b"\x9f\xff",
            b"\xf9\x7e\x00",
            b"\x61\xc3",
        ],
    };
    if random.chance(3) { random.pick(pieces).to_vec() } else { vec![random.pick(bytes)] }
}

/// Whether `tree` is a PUBLISH with at most two items of payload.
fn is_message(tree: &Tree) -> bool {
    let Tree::List(elements) = tree else { return false };
    let shape = matches!(
        &elements[..],
        [_, _, _, _] | [_, _, _, _, Tree::List(_)] | [_, _, _, _, Tree::List(_), Tree::Dict(_)]
    );
    shape && tree.depth() <= NESTING_DEPTH_MAX
}

#[test]
fn json_like_serde_json() {
    let (mut accepted, mut refused) = (0, 0);
    for seed in 0..MUTANTS {
        let bytes = mutant(&mut Random::new(seed), Serializer::Json);
        let expected = Tree::read(Serializer::Json, &bytes).is_some_and(|tree| is_message(&tree));
        let scanned = scan(Serializer::Json, &bytes);
        assert_eq!(scanned.is_ok(), expected, "{}: {scanned:?}", String::from_utf8_lossy(&bytes));
        *if expected { &mut accepted } else { &mut refused } += 1;
    }
    assert!(accepted > MUTANTS / 20 && refused > MUTANTS / 20, "{accepted} accepted, {refused} refused");
}

#[test]
fn msgpack_like_rmpv() {
    let (mut accepted, mut refused) = (0, 0);
    for seed in 0..MUTANTS {
        let bytes = mutant(&mut Random::new(seed), Serializer::MsgPack);
        let expected = Tree::read(Serializer::MsgPack, &bytes).is_some_and(|tree| is_message(&tree));
        let scanned = scan(Serializer::MsgPack, &bytes);
        if let Err(ScanError::Malformed { what: "a reserved code begins no value", .. }) = scanned {
            continue; // for rmpv it is nil
        }
        assert_eq!(scanned.is_ok(), expected, "{bytes:x?}: {scanned:?}");
        *if expected { &mut accepted } else { &mut refused } += 1;
    }
    assert!(accepted > MUTANTS / 20 && refused > MUTANTS / 20, "{accepted} accepted, {refused} refused");
}

#[test]
fn cbor_like_its_specification() {
    let (mut accepted, mut refused) = (0, 0);
    for seed in 0..MUTANTS {
        let bytes = mutant(&mut Random::new(seed), Serializer::Cbor);
        let well_formed = WellFormed::check(&bytes);
        let scanned = scan(Serializer::Cbor, &bytes);
        // What is well-formed may still be something else than a list and a dictionary.
        let expected = well_formed && !matches!(scanned, Err(ScanError::Mismatch { .. }));
        assert_eq!(scanned.is_ok(), expected, "{bytes:x?}: {scanned:?}");
        if Tree::read(Serializer::Cbor, &bytes).is_some_and(|tree| is_message(&tree)) {
            assert!(scanned.is_ok(), "ciborium accepts {bytes:x?}: {scanned:?}");
        }
        *if expected { &mut accepted } else { &mut refused } += 1;
    }
    assert!(accepted > MUTANTS / 20 && refused > MUTANTS / 20, "{accepted} accepted, {refused} refused");
}

/// All there is in two bytes, as the only element of the arguments.
#[test]
fn every_value_of_two_bytes() {
    for value in 0..=u16::MAX {
        let value = value.to_be_bytes();
        let message = |head: &[u8], tail: &[u8]| [head, &value, tail].concat();

        let bytes = message(br#"[16,1,{},"t",["#, b"]]");
        let expected = Tree::read(Serializer::Json, &bytes).is_some();
        assert_eq!(scan(Serializer::Json, &bytes).is_ok(), expected, "{}", value.escape_ascii());

        let bytes = message(b"\x95\x10\x01\x80\xa1t\x91", b"");
        // 0xc1 is reserved, but for rmpv it is nil.
        let expected = Tree::read(Serializer::MsgPack, &bytes).is_some() && value != [0x91, 0xc1];
        assert_eq!(scan(Serializer::MsgPack, &bytes).is_ok(), expected, "{value:x?}");

        let bytes = message(b"\x85\x10\x01\xa0\x61t\x81", b"");
        assert_eq!(scan(Serializer::Cbor, &bytes).is_ok(), WellFormed::check(&bytes), "{value:x?}");
    }
}

/// RFC 8949, appendix C, and that text is UTF-8.
pub(crate) struct WellFormed<'a>(&'a [u8]);

impl<'a> WellFormed<'a> {
    pub(crate) fn check(bytes: &'a [u8]) -> bool {
        let mut it = WellFormed(bytes);
        it.item(false).is_some() && it.0.is_empty()
    }

    /// The major type of the item passed over, 255 for a break; `None` if it is not well-formed.
    fn item(&mut self, breakable: bool) -> Option<u8> {
        let first = self.take(1)?[0];
        let (major, info) = (first >> 5, first & 31);
        let value = match info {
            24..=27 => {
                self.take(1 << (info - 24))?.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte))
            }
            28..=30 => return None,
            31 => return self.indefinite(major, breakable),
            _ => info.into(),
        };
        match major {
            2 => drop(self.take(value)?),
            3 => drop(std::str::from_utf8(self.take(value)?).ok()?),
            4 => (0..value).try_for_each(|_| self.item(false).map(drop))?,
            5 => (0..value).try_for_each(|_| self.item(false).and_then(|_| self.item(false)).map(drop))?,
            6 => drop(self.item(false)?),
            7 if info == 24 && value < 32 => return None,
            _ => {}
        }
        Some(major)
    }

    fn indefinite(&mut self, major: u8, breakable: bool) -> Option<u8> {
        match major {
            2 | 3 => loop {
                let is_definite = self.0.first().is_some_and(|first| first & 31 != 31);
                match self.item(true)? {
                    255 => break,
                    chunk if chunk == major && is_definite => {}
                    _ => return None,
                }
            },
            4 => while self.item(true)? != 255 {},
            5 => {
                while self.item(true)? != 255 {
                    self.item(false)?;
                }
            }
            7 if breakable => return Some(255),
            _ => return None,
        }
        Some(major)
    }

    fn take(&mut self, len: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(taken)
    }
}

#[test]
fn noise_never_panics() {
    let mut random = Random::new(1);
    for _ in 0..15_000 {
        let len = random.below(60);
        let mut bytes = random.bytes(len);
        for serializer in Serializer::ALL {
            let _ = scan(serializer, &bytes);
            if let Some(first) = bytes.first_mut() {
                *first = match serializer {
                    Serializer::Json => random.pick(b"[{\"]-1"),
                    Serializer::MsgPack => 0x94,
                    Serializer::Cbor => random.pick(b"\x84\x9f\xa2\xbf\xc2"),
                };
            }
            let _ = scan(serializer, &bytes);
            let items = random.below(4) as u8;
            for target in Serializer::ALL {
                let _ = transcode(Payload { serializer, items, bytes: &bytes }, target, &mut Vec::new());
            }
            let _ = value(RawValue { serializer, bytes: &bytes });
            assert!(IdList::Raw { serializer, bytes: &bytes }.iter().count() <= len);
            assert!(TextList::Raw { serializer, bytes: &bytes }.iter().count() <= len);
        }
    }
}
