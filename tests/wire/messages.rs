//! Random messages: what the scan reads and the encoder writes is what other people's crates read and write.

use connectanum::wamp::{Message, Serializer, encode, encode_head, scan};

use crate::naive;
use crate::random::Random;
use crate::tree::Tree;

const MESSAGES: u64 = 500;

fn each(mut check: impl FnMut(&mut Random, Serializer, Message<'static>)) {
    for seed in 0..MESSAGES {
        for serializer in Serializer::ALL {
            let mut random = Random::new(seed);
            let message = random.message(serializer);
            check(&mut random, serializer, message);
        }
    }
}

#[test]
fn scan_agrees_with_a_full_decode() {
    each(|random, serializer, message| {
        let mut elements = naive::elements(&message);
        let raw = matches!(message, Message::Challenge { .. } | Message::Authenticate { .. });
        let header_len = elements.len() - message.payload().map_or(0, |payload| payload.items.into());
        for element in &mut elements[..header_len] {
            if let (Tree::Dict(options), false) = (element, raw) {
                for at in 0..random.below(7) {
                    options.push((Tree::Text(format!("_unknown{at}")), random.tree(2)));
                }
                shuffle(options, random);
            }
        }
        let bytes = loosen(random, serializer, Tree::List(elements));
        match scan(serializer, &bytes) {
            Ok(scanned) => assert_eq!(naive::elements(&scanned), naive::elements(&message), "{message:?}"),
            Err(error) => panic!("{error}: {message:?}"),
        }
    });
}

fn shuffle<T>(list: &mut [T], random: &mut Random) {
    for at in (1..list.len()).rev() {
        list.swap(at, random.below(at + 1));
    }
}

/// `tree` as other encoders write it, now and then in a form that is not the shortest.
fn loosen(random: &mut Random, serializer: Serializer, tree: Tree) -> Vec<u8> {
    match serializer {
        Serializer::Json if random.chance(3) => serde_json::to_vec_pretty(&tree.to_json()).expect("JSON"),
        Serializer::Json if random.chance(2) => escape(&tree.write(serializer)),
        // The list itself of indefinite length.
        Serializer::Cbor if random.chance(2) => {
            let Tree::List(elements) = tree else { panic!("a message is a list") };
            let elements = elements.iter().flat_map(|element| element.write(serializer));
            [0x9f].into_iter().chain(elements).chain([0xff]).collect()
        }
        _ => tree.write(serializer),
    }
}

/// Puts an escape in place of every `e` inside a string and of everything beyond ASCII.
fn escape(json: &[u8]) -> Vec<u8> {
    let mut escaped = String::new();
    let (mut in_string, mut after_backslash) = (false, false);
    for character in std::str::from_utf8(json).expect("UTF-8").chars() {
        match character {
            'e' if in_string && !after_backslash => escaped += "\\u0065",
            '\0'..='\x7f' => escaped.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    escaped += &format!("\\u{unit:04X}");
                }
            }
        }
        in_string ^= character == '"' && !after_backslash;
        after_backslash = character == '\\' && !after_backslash;
    }
    escaped.into_bytes()
}

#[test]
fn what_is_written_is_read_back() {
    each(|_, serializer, message| {
        let mut bytes = Vec::new();
        encode(&message, serializer, &mut bytes);
        match scan(serializer, &bytes) {
            Ok(scanned) => assert_eq!(scanned, message),
            Err(error) => panic!("{error}: {message:?}"),
        }
        let decoded = Tree::read(serializer, &bytes);
        assert_eq!(decoded, Some(Tree::List(naive::elements(&message))), "{message:?}");
    });
}

#[test]
fn head_and_payload_and_tail_are_the_message() {
    each(|_, serializer, message| {
        let mut whole = b"before".to_vec();
        encode(&message, serializer, &mut whole);
        let mut parts = b"before".to_vec();
        encode_head(&message, serializer, &mut parts);
        if let Some(payload) = message.payload() {
            parts.extend_from_slice(payload.bytes);
        }
        parts.extend_from_slice(serializer.tail());
        assert_eq!(whole, parts);
    });
}

#[test]
fn no_part_of_a_message_is_one() {
    for seed in 0..150 {
        for serializer in Serializer::ALL {
            let message = Random::new(seed).message(serializer);
            let mut bytes = Vec::new();
            encode(&message, serializer, &mut bytes);
            for end in (0..bytes.len()).step_by(1 + bytes.len() / 300) {
                assert!(scan(serializer, &bytes[..end]).is_err(), "{message:?} cut at {end}");
            }
            bytes.push(b' ');
            assert_eq!(scan(serializer, &bytes).is_ok(), serializer == Serializer::Json, "{message:?}");
        }
    }
}
