//! Most messages are read at one go, others element by element: what comes out does not depend on the way.

use connectanum::wamp::message::{Call, CallOptions, Publish, PublishOptions, Rare, Yield};
use connectanum::wamp::{Message, Payload, RequestId, ScanError, Serializer, encode, scan};

use crate::random::Random;
use crate::tree::Tree;

/// The same message written so that it is not read at one go, and how many bytes longer it is.
fn detour(serializer: Serializer, bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (&first, rest) = bytes.split_first()?;
    match (serializer, first) {
        (Serializer::Json, _) => Some(([b" ", bytes].concat(), 1)),
        (Serializer::MsgPack, 0x90..=0x9f) => Some(([&[0xdc, 0, first & 0x0f], rest].concat(), 2)),
        (Serializer::Cbor, 0x80..=0x97) => Some(([&[0x98, first & 0x1f], rest].concat(), 1)),
        _ => None,
    }
}

#[track_caller]
fn compare(serializer: Serializer, bytes: &[u8]) -> bool {
    let Some((longer, by)) = detour(serializer, bytes) else { return false };
    let expected = scan(serializer, &longer).map_err(|error| match error {
        ScanError::Malformed { serializer, at, what } => {
            ScanError::Malformed { serializer, at: at.saturating_sub(by), what }
        }
        other => other,
    });
    assert_eq!(scan(serializer, bytes), expected, "{serializer:?} {}", bytes.escape_ascii());
    expected.is_ok()
}

fn message<'a>(code: u16, id: u64, uri: &'a str, payload: Payload<'a>) -> Message<'a> {
    let request = RequestId(id);
    match code {
        16 => Message::Publish(Publish {
            request,
            options: PublishOptions::default(),
            topic: uri.into(),
            payload,
        }),
        48 => {
            Message::Call(Call { request, options: CallOptions::default(), procedure: uri.into(), payload })
        }
        _ => Message::Yield(Yield { request, progress: None, passthru: Rare::default(), payload }),
    }
}

#[test]
fn of_random_messages_whole_or_damaged() {
    let (mut accepted, mut refused) = (0, 0);
    for seed in 0..6_000 {
        let random = &mut Random::new(seed);
        let serializer = Serializer::ALL[seed as usize % 3];
        let items = [random.list(3), random.dict(2)];
        let payload = Tree::payload(&items[..random.below(3)], serializer);
        let id = random.pick(&[0, 1, 9, 10, 255, 256, 65_536, 1 << 32, 1 << 53, (1 << 53) + 1, u64::MAX]);
        let uri = random.pick(&[
            "",
            "a",
            "com.example.topic",
            "com.ex\u{e4}mple",
            "with \"quote\"",
            "\u{0}",
            "x\ty",
        ]);
        let code = random.pick(&[16, 48, 70]);
        let mut bytes = Vec::new();
        encode(&message(code, id, uri, payload), serializer, &mut bytes);
        let mut tell = |whole: bool| *if whole { &mut accepted } else { &mut refused } += 1;
        tell(compare(serializer, &bytes));
        for _ in 0..10 {
            let mut damaged = bytes.clone();
            // The head is where the two ways differ most.
            let end = if random.chance(2) { damaged.len() } else { damaged.len().min(16) };
            let at = random.below(end);
            match random.below(4) {
                0 => damaged[at] ^= 1 << random.below(8),
                1 => damaged[at] = random.next() as u8,
                2 => drop(damaged.remove(at)),
                _ => damaged.truncate(at),
            }
            tell(compare(serializer, &damaged));
        }
    }
    assert!(accepted > 5_000 && refused > 20_000, "{accepted} accepted, {refused} refused");
}

/// Strings of every length, plain or with one byte that is not, wherever it stands: whatever the steps of the vectors.
#[test]
fn of_strings_of_every_length() {
    let specials = ["\"", "\\", "\\n", "\\u00e4", "\\x", "\u{1}", "\u{1f}", "\u{e4}", "\u{7f}", "]", " "];
    for len in 0..140 {
        for (i, special) in specials.iter().enumerate() {
            let at = (len * 7 + i * 13) % (len + 1);
            let text = format!("{}{special}{}", "x".repeat(at), "y".repeat(len - at));
            for json in [
                format!(r#"[16,1,{{}},"com.example.topic",["{text}"]]"#),
                format!(r#"[48,77,{{}},"{text}",[],{{"{text}":"{text}"}}]"#),
                format!(r#"[70,123456789,{{}},["{text}",1,"{text}"]]"#),
            ] {
                compare(Serializer::Json, json.as_bytes());
                let parses = serde_json::from_str::<serde_json::Value>(&json).is_ok();
                assert_eq!(scan(Serializer::Json, json.as_bytes()).is_ok(), parses, "{json}");
            }
        }
    }
}

/// Numbers of every form, wherever they stand to the end of the message.
#[test]
fn of_lists_of_numbers() {
    let random = &mut Random::new(7);
    for _ in 0..20_000 {
        let count = random.below(6);
        let mut list = String::new();
        for _ in 0..count {
            let len = random.below(20);
            list.extend((0..len).map(|_| char::from(random.pick(b"0123456789012345678901234567890.-eE+"))));
            list.push_str(random.pick(&[",", ",", ",", "", " ", ",,", "]"]));
        }
        let json = format!(r#"[70,1,{{}},[{list}0]]"#);
        compare(Serializer::Json, json.as_bytes());
        let parses = Tree::read(Serializer::Json, json.as_bytes()).is_some();
        assert!(parses || scan(Serializer::Json, json.as_bytes()).is_err(), "{json}");
    }
}
