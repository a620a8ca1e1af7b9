//! Long payloads, which are checked many bytes at a time: what is accepted is what other people's crates accept.

use connectanum::limits::NESTING_DEPTH_MAX;
use connectanum::wamp::{ScanError, Serializer, scan};

use crate::acceptance::WellFormed;
use crate::random::Random;
use crate::tree::Tree;

/// Lengths around the steps of the vectors.
const LENGTHS: [usize; 14] = [120, 128, 143, 144, 145, 159, 160, 161, 176, 255, 256, 400, 417, 700];

/// A YIELD with one list, without the closing brackets of JSON.
fn head(serializer: Serializer, count: usize) -> Vec<u8> {
    let count = u16::try_from(count).expect("a short list").to_be_bytes();
    match serializer {
        Serializer::Json => b"[70,1,{},[[".to_vec(),
        Serializer::MsgPack => [&b"\x94\x46\x01\x80\x91\xdc"[..], &count].concat(),
        Serializer::Cbor => [&b"\x84\x18\x46\x01\xa0\x81\x99"[..], &count].concat(),
    }
}

fn is_accepted(serializer: Serializer, bytes: &[u8]) -> bool {
    scan(serializer, bytes).is_ok()
}

#[test]
fn strings_with_anything_anywhere() {
    let anything: [&[u8]; 12] = [
        b"\"",
        b"\\",
        b"\\n",
        b"\\u00e4",
        b"\\ud83d",
        b"\x01",
        b"\x1f",
        b"\xc3\xa4",
        b"\xe2\x82\xac",
        b"\xe2\x82",
        b"\xff",
        b"\x7f",
    ];
    for len in LENGTHS {
        for at in 0..=len {
            for piece in [anything[at % 12], anything[(at * 5 + len) % 12]] {
                let text = [&vec![b'x'; at], piece, &vec![b'y'; len - at]].concat();
                let json = [b"[70,1,{},[\"", &text[..], b"\",1]]"].concat();
                let expected = serde_json::from_slice::<serde_json::Value>(&json).is_ok();
                assert_eq!(is_accepted(Serializer::Json, &json), expected, "{}", json.escape_ascii());
                let expected = std::str::from_utf8(&text).is_ok();
                let len = (text.len() as u16).to_be_bytes();
                let msgpack = [&b"\x94\x46\x01\x80\x91\xda"[..], &len, &text].concat();
                assert_eq!(is_accepted(Serializer::MsgPack, &msgpack), expected, "{text:x?}");
                let cbor = [&b"\x84\x18\x46\x01\xa0\x81\x79"[..], &len, &text].concat();
                assert_eq!(is_accepted(Serializer::Cbor, &cbor), expected, "{text:x?}");
            }
        }
    }
}

/// A list of numbers of one form or of many.
fn numbers(random: &mut Random, serializer: Serializer) -> Vec<u8> {
    let count = random.below(200);
    let form = random.below(8);
    let mut bytes = head(serializer, count);
    for i in 0..count {
        let number = match (form, random.below(30)) {
            (0, _) => Tree::Int(random.below(24) as i128),
            (1, _) => Tree::Int(random.below(128) as i128),
            (2, _) => Tree::Int(i128::from(random.next() as i8)),
            (3, _) => Tree::Int(1000 + random.below(64_000) as i128),
            (4, _) => Tree::Float(random.next() as i32 as f64 / 64.0),
            (5, 0) => random.tree(1),
            (_, 1..=9) => Tree::Float(random.next() as i16 as f64 / 4.0),
            _ => Tree::Int(i128::from(random.next() as i64 >> random.below(64))),
        };
        if serializer == Serializer::Json && i > 0 {
            bytes.extend_from_slice(if random.chance(300) { b", " } else { b"," });
        }
        bytes.extend(number.write(serializer));
    }
    if serializer == Serializer::Json {
        bytes.extend_from_slice(b"]]]");
    }
    bytes
}

#[test]
fn lists_of_numbers_whole_or_damaged() {
    let mut counts = [0, 0];
    for seed in 0..3_000 {
        let random = &mut Random::new(seed);
        let serializer = Serializer::ALL[seed as usize % 3];
        let bytes = numbers(random, serializer);
        assert!(is_accepted(serializer, &bytes), "{}", bytes.escape_ascii());
        let head = head(serializer, 0).len();
        for _ in 0..8 {
            let mut bytes = bytes.clone();
            let at = head + random.below(bytes.len() - head + 1);
            match random.below(3) {
                0 => bytes.truncate(at),
                1 if at < bytes.len() => drop(bytes.remove(at)),
                _ => bytes.insert(
                    at,
                    random.pick(b"0123456789-.,eE \x00\x17\x18\x7f\x80\xa1\xc1\xcb\xcd\xe0\xf9\xff"),
                ),
            }
            // What damage makes of the end may be a message of another form.
            let expected = match serializer {
                Serializer::Cbor => WellFormed::check(&bytes),
                _ => Tree::read(serializer, &bytes)
                    .is_some_and(|tree| matches!(tree, Tree::List(it) if it.len() == 4)),
            };
            match scan(serializer, &bytes) {
                // For rmpv the reserved code is nil.
                Err(ScanError::Malformed { what: "a reserved code begins no value", .. }) if expected => {}
                result => {
                    assert_eq!(result.is_ok(), expected, "{serializer:?} {} {result:?}", bytes.escape_ascii())
                }
            }
            counts[usize::from(expected)] += 1;
        }
    }
    assert!(counts.iter().all(|count| *count > 3_000), "{counts:?}");
}

/// The list that is one too deep is refused, whatever stands beside it.
#[test]
fn lists_of_numbers_as_deep_as_may_be() {
    for depth in NESTING_DEPTH_MAX - 2..NESTING_DEPTH_MAX + 2 {
        for count in [0, 1, 7, 40] {
            // The message is a list, too.
            let list = (1..depth).fold(None, |inner: Option<Tree>, _| {
                let numbers = (0..count).map(|i| Tree::Int(i * 97));
                Some(Tree::List(numbers.clone().chain(inner).chain(numbers).collect()))
            });
            let message =
                Tree::List(vec![Tree::Int(70), Tree::Int(1), Tree::Dict(vec![]), list.expect("a list")]);
            for serializer in Serializer::ALL {
                let bytes = message.write(serializer);
                assert_eq!(
                    is_accepted(serializer, &bytes),
                    depth <= NESTING_DEPTH_MAX,
                    "{depth} {serializer:?}"
                );
            }
        }
    }
}
