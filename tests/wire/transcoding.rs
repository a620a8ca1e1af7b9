//! Payloads from every serializer to every other, against the conversion table as a slow function of trees.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use connectanum::limits::NESTING_DEPTH_MAX;
use connectanum::wamp::message::RawValue;
use connectanum::wamp::{Payload, Serializer, scan, transcode, transcode_value};

use crate::acceptance::mutant;
use crate::random::Random;
use crate::tree::Tree;

/// What `tree`, read from `from`, is in `to`. For random trees, which have neither tags nor extensions.
fn converted(tree: &Tree, from: Serializer, to: Serializer) -> Tree {
    let is_json = |serializer| serializer == Serializer::Json;
    match tree {
        Tree::Text(text) if is_json(from) && !is_json(to) => {
            match text.strip_prefix('\0').map(|it| STANDARD.decode(it)) {
                Some(Ok(binary)) => Tree::Binary(binary),
                _ => tree.clone(),
            }
        }
        Tree::Binary(binary) if is_json(to) => Tree::Text(Tree::binary_text(binary)),
        Tree::List(list) => Tree::List(list.iter().map(|it| converted(it, from, to)).collect()),
        Tree::Dict(dict) => {
            Tree::Dict(dict.iter().map(|(k, v)| (k.clone(), converted(v, from, to))).collect())
        }
        tree => tree.clone(),
    }
}

fn transcoded<'o>(payload: Payload<'_>, target: Serializer, out: &'o mut Vec<u8>) -> Payload<'o> {
    out.clear();
    transcode(payload, target, out).unwrap_or_else(|error| panic!("{error}: {payload:?}"));
    Payload { serializer: target, items: payload.items, bytes: out }
}

#[test]
fn random_payloads() {
    for seed in 0..400 {
        for from in Serializer::ALL {
            let mut random = Random::new(seed);
            let items = [random.list(4), random.dict(4)];
            let payload = Tree::payload(&items[..random.below(3)], from);
            // As read: JSON has no binary.
            let items = Tree::items(&payload);
            for to in Serializer::ALL {
                let mut there = Vec::new();
                let there = transcoded(payload, to, &mut there);
                let expected: Vec<_> = items.iter().map(|item| converted(item, from, to)).collect();
                assert_eq!(Tree::items(&there), expected, "{from:?} to {to:?}");

                let mut back = Vec::new();
                let expected: Vec<_> = expected.iter().map(|item| converted(item, to, from)).collect();
                assert_eq!(
                    Tree::items(&transcoded(there, from, &mut back)),
                    expected,
                    "{from:?} to {to:?} and back"
                );
                if from == to {
                    assert_eq!(there, payload);
                }
            }
        }
    }
}

/// Whatever the scan accepts can be transcoded, and the scan accepts the result.
#[test]
fn strange_payloads() {
    let mut count = 0;
    for seed in 0..1200 {
        for from in Serializer::ALL {
            let bytes = mutant(&mut Random::new(seed), from);
            let Ok(message) = scan(from, &bytes) else { continue };
            let payload = *message.payload().expect("a PUBLISH");
            for to in Serializer::ALL {
                let mut out = match to {
                    Serializer::Json => br#"[16,1,{},"t""#.to_vec(),
                    Serializer::MsgPack => [&[0x94 + payload.items], &b"\x10\x01\x80\xa1t"[..]].concat(),
                    Serializer::Cbor => [&[0x84 + payload.items], &b"\x10\x01\xa0\x61t"[..]].concat(),
                };
                if to == Serializer::Json && payload.items > 0 {
                    out.push(b',');
                }
                transcode(payload, to, &mut out).unwrap_or_else(|error| panic!("{error}: {bytes:x?}"));
                out.extend_from_slice(to.tail());
                if let Err(error) = scan(to, &out) {
                    panic!("{error}: {bytes:x?} became {out:x?}");
                }
                count += 1;
            }
        }
    }
    assert!(count > 1000, "{count}");
}

#[test]
fn deep_payloads() {
    let depth = NESTING_DEPTH_MAX - 1;
    for from in Serializer::ALL {
        let (open, innermost, close) = match from {
            Serializer::Json => (&b"["[..], &b"[]"[..], &b"]"[..]),
            Serializer::MsgPack => (&b"\x91"[..], &b"\x90"[..], &b""[..]),
            Serializer::Cbor => (&b"\x81"[..], &b"\x80"[..], &b""[..]),
        };
        let bytes = [open.repeat(depth - 1), innermost.to_vec(), close.repeat(depth - 1)].concat();
        let payload = Payload { serializer: from, items: 1, bytes: &bytes };
        for to in Serializer::ALL {
            let mut out = Vec::new();
            let there = transcoded(payload, to, &mut out);
            let mut back = Vec::new();
            assert_eq!(transcoded(there, from, &mut back), payload, "{from:?} to {to:?}");
        }
    }
    // Chains of tags are no nesting; keys inside keys do not multiply what they become.
    let tags = [&b"\x81"[..], &b"\xd8\x64".repeat(100_000), b"\x01"].concat();
    let mut out = Vec::new();
    transcoded(Payload { serializer: Serializer::Cbor, items: 1, bytes: &tags }, Serializer::Json, &mut out);
    assert_eq!(out, b"[1]");
    let keys = [&b"\x81".repeat(60)[..], b"\x01", &b"\x02".repeat(60)].concat();
    let payload = Payload { serializer: Serializer::MsgPack, items: 1, bytes: &keys };
    transcoded(payload, Serializer::Json, &mut out);
    assert!(out.len() < 1000);
}

/// The corners of the table, as they stand in bytes.
#[test]
fn corners() {
    use Serializer::{Cbor, Json, MsgPack};
    let cases: &[(Serializer, &[u8], Serializer, &[u8])] = &[
        // The edges of 64 bits.
        (Json, b"18446744073709551615", Cbor, b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff"),
        (Json, b"18446744073709551615", MsgPack, b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
        (Json, b"-9223372036854775808", MsgPack, b"\xd3\x80\0\0\0\0\0\0\0"),
        (Json, b"-9223372036854775809", MsgPack, b"\xcb\xc3\xe0\0\0\0\0\0\0"),
        (Json, b"-9223372036854775809", Cbor, b"\x3b\x80\0\0\0\0\0\0\0"),
        (Json, b"-18446744073709551616", Cbor, b"\x3b\xff\xff\xff\xff\xff\xff\xff\xff"),
        (Cbor, b"\x3b\xff\xff\xff\xff\xff\xff\xff\xff", Json, b"-18446744073709551616"),
        (Cbor, b"\x3b\xff\xff\xff\xff\xff\xff\xff\xff", MsgPack, b"\xcb\xc3\xf0\0\0\0\0\0\0"),
        (Json, b"-0", Cbor, b"\x00"),
        (Json, b"-1", MsgPack, b"\xff"),
        (Json, b"-32", MsgPack, b"\xe0"),
        (Json, b"-33", MsgPack, b"\xd0\xdf"),
        // Beyond them.
        (Json, b"18446744073709551616", Cbor, b"\xc2\x49\x01\0\0\0\0\0\0\0\0"),
        (Json, b"18446744073709551616", MsgPack, b"\xcb\x43\xf0\0\0\0\0\0\0"),
        (Json, b"-18446744073709551617", Cbor, b"\xc3\x49\x01\0\0\0\0\0\0\0\0"),
        (Cbor, b"\xc3\x49\x01\0\0\0\0\0\0\0\0", Json, b"-18446744073709551617"),
        (
            Cbor,
            b"\xc2\x50\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            Json,
            b"340282366920938463463374607431768211455",
        ),
        (Cbor, b"\xc2\x5f\x48\x01\0\0\0\0\0\0\0\x41\0\xff", Json, b"18446744073709551616"),
        (Cbor, b"\xc2\x40", Json, b"0"),
        (Cbor, b"\xc3\x40", Json, b"-1"),
        // Floats.
        (Json, b"1.0", MsgPack, b"\xcb\x3f\xf0\0\0\0\0\0\0"),
        (Json, b"1e400", Cbor, b"\xfb\x7f\xf0\0\0\0\0\0\0"),
        (Json, b"-1e400", MsgPack, b"\xcb\xff\xf0\0\0\0\0\0\0"),
        (Cbor, b"\xf9\x7e\0", Json, b"null"),
        (Cbor, b"\xf9\x7c\0", Json, b"null"),
        (Cbor, b"\xf9\x3c\0", Json, b"1.0"),
        (Cbor, b"\xf9\x3e\0", MsgPack, b"\xca\x3f\xc0\0\0"),
        (MsgPack, b"\xca\x7f\xc0\0\0", Json, b"null"),
        (MsgPack, b"\xca\x7f\xc0\0\0", Cbor, b"\xfa\x7f\xc0\0\0"),
        (MsgPack, b"\xcb\x7e\x37\xe4\x3c\x88\0\x75\x9c", Json, b"1e300"),
        (MsgPack, b"\xcb\x80\0\0\0\0\0\0\0", Json, b"-0.0"),
        // Strings.
        (Json, br#""\u0000""#, MsgPack, b"\xc4\0"),
        (Json, br#""\u0000AQI=""#, Cbor, b"\x42\x01\x02"),
        (Json, br#""\u0000AQI""#, Cbor, b"\x64\0AQI"),
        (Json, br#""\ud83d\ude00\n""#, MsgPack, b"\xa5\xf0\x9f\x98\x80\n"),
        (MsgPack, b"\xa2\x01\"", Json, br#""\u0001\"""#),
        (MsgPack, b"\xc4\0", Json, br#""\u0000""#),
        (Cbor, b"\x7f\x61a\x60\x61b\xff", MsgPack, b"\xa2ab"),
        (Cbor, b"\x5f\x41\x01\x41\x02\xff", Json, br#""\u0000AQI=""#),
        // Lists and dictionaries.
        (Cbor, b"\x9f\x01\x9f\xff\xbf\x61a\x02\xff\xff", MsgPack, b"\x93\x01\x90\x81\xa1a\x02"),
        (Cbor, b"\xd9\xd9\xf7\x81\xc1\x01", MsgPack, b"\x91\x01"),
        (Json, b" [ 1 , { \"a\" : [ ] } ] ", Cbor, b"\x82\x01\xa1\x61a\x80"),
        (Json, br#"{"a":1,"a":2}"#, MsgPack, b"\x82\xa1a\x01\xa1a\x02"),
        (MsgPack, b"\x81\x01\x02", Cbor, b"\xa1\x01\x02"),
        (MsgPack, b"\x81\x91\x01\x02", Cbor, b"\xa1\x81\x01\x02"),
        // What has no meaning.
        (Cbor, b"\xf7", Json, b"null"),
        (Cbor, b"\xe0", Json, b"null"),
        (Cbor, b"\xf8\xff", MsgPack, b"\xc0"),
    ];
    for (from, bytes, to, expected) in cases {
        let mut out = Vec::new();
        let raw = RawValue { serializer: *from, bytes };
        if let Err(error) = transcode_value(raw, *to, &mut out) {
            panic!("{error}: {from:?} {}", bytes.escape_ascii());
        }
        assert_eq!(
            out.escape_ascii().to_string(),
            expected.escape_ascii().to_string(),
            "{from:?} {}",
            bytes.escape_ascii()
        );
    }
}

/// Headers of all sizes: the count of a list is known only at its end.
#[test]
fn long_lists_and_strings() {
    for len in [15, 16, 23, 24, 31, 32, 255, 256, 65_535, 65_536] {
        let text = Tree::Text("x".repeat(len));
        let list = Tree::List(vec![Tree::List(vec![Tree::Int(1); len]), text, Tree::Binary(vec![7; len])]);
        for from in Serializer::ALL {
            let payload = Tree::payload(std::slice::from_ref(&list), from);
            for to in Serializer::ALL {
                let mut out = Vec::new();
                let there = transcoded(payload, to, &mut out);
                assert_eq!(
                    Tree::items(&there),
                    [converted(&Tree::items(&payload)[0], from, to)],
                    "{from:?} to {to:?}"
                );
                assert_eq!(
                    there.bytes.len(),
                    Tree::payload(&Tree::items(&there), to).bytes.len(),
                    "not the shortest"
                );
            }
        }
    }
}
