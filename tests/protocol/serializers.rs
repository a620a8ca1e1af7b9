//! Clients with different serializers meet (decision D20); what every value becomes is tested with the syntax, in `tests/wire`.

use connectanum::wamp::Serializer::{self, Cbor, Json, MsgPack};
use serde_json::json;

use crate::harness::{REALM, everywhere};

/// Everything that all three can say.
#[test]
fn every_pair() {
    let payload = json!([
        [null, true, false, 0, 1, -1, 127, 128, 255, 256, 65_535, 65_536, -32, -33, -128, -129],
        [4_294_967_296_u64, 9_007_199_254_740_993_u64, i64::MIN, i64::MAX, 1.5, -0.25, 1e300],
        ["", "a", "ü日本\u{1F600}", "\"\\/\u{8}\u{c}\n\r\t\u{1}", "x".repeat(40), "y".repeat(300), "z".repeat(5_000)],
        [[], {}, [[[]]], {"": {"a": [{}]}}, (0..20).collect::<Vec<_>>(), (0..300).collect::<Vec<_>>()],
    ]);
    everywhere(|net| {
        for from in Serializer::ALL {
            let alice = net.join_with(from);
            for to in Serializer::ALL {
                let bob = net.join_with(to);
                let subscription = bob.subscribe("com.topic");
                let registration = bob.register("com.procedure");
                let kw = json!({"payload": payload[3]});
                alice.send(json!([16, 1, {}, "com.topic", payload, kw]));
                bob.expect_event(subscription, json!([{}, payload, kw]));
                alice.send(json!([48, 2, {}, "com.procedure", payload, kw]));
                let invocation = bob.expect_invocation(registration, json!([{}, payload, kw]));
                bob.send(json!([70, invocation, {}, payload, kw]));
                assert_eq!(alice.next(), json!([50, 2, {}, payload, kw]));
                bob.socket.lose();
            }
        }
    });
}

/// One publication for subscribers of all kinds.
#[test]
fn all_at_once() {
    everywhere(|net| {
        let subscribers = Serializer::ALL.map(|serializer| net.join_with(serializer));
        let more = Serializer::ALL.map(|serializer| net.join_with(serializer));
        for publisher in Serializer::ALL.map(|serializer| net.join_with(serializer)) {
            for size in [10, 5_000, 100_000] {
                let text = "x".repeat(size);
                let all = || subscribers.iter().chain(&more);
                let subscription = all().map(|client| client.subscribe("com.topic")).max().unwrap();
                publisher.send(json!([16, 1, {}, "com.topic", [text], {"n": size}]));
                for client in all() {
                    client.expect_event(subscription, json!([{}, [text], {"n": size}]));
                }
            }
        }
    });
}

/// Among equals the payload is passed on to the byte, however unusual its writing.
#[test]
fn untouched() {
    // Serializer, what comes before the payload, the payload, what comes after it.
    type Case = (Serializer, &'static [u8], &'static [u8], &'static [u8]);
    let cases: [Case; 6] = [
        (Json, b"[16,1,{},\"com.x\",", b"[ 1.0e2 ,\t\"\\u0041\",{ \"a\":1,\"a\":2 } ], {\"k\" : -0.0}", b"]"),
        (Json, b"[16,1,{},\"com.x\",", b"[123456789012345678901234567890, 1E400]", b"]"),
        // An integer of 64 bits that would fit 8, binary, an extension, a key that is no string.
        (
            MsgPack,
            b"\x95\x10\x01\x80\xa5com.x",
            b"\x94\xcf\0\0\0\0\0\0\0\x01\xc4\x02\xff\0\xd4\x05\x07\x81\x01\x02",
            b"",
        ),
        (MsgPack, b"\x96\x10\x01\x80\xa5com.x", b"\xdc\0\x01\xca\x3f\x80\0\0\x80", b""),
        // Of indefinite length, a bignum, a tag, undefined.
        (
            Cbor,
            b"\x85\x10\x01\xa0\x65com.x",
            b"\x9f\xc2\x49\x01\0\0\0\0\0\0\0\0\xc1\x1a\0\0\0\x01\xf7\x7f\x61a\x61b\xff\xff",
            b"",
        ),
        (Cbor, b"\x86\x10\x01\xa0\x65com.x", b"\x81\xf9\x7e\x00\xbf\x01\x02\xff", b""),
    ];
    everywhere(|net| {
        for (serializer, head, payload, tail) in cases {
            let (alice, bob) = (net.join_with(serializer), net.join_with(serializer));
            bob.subscribe("com.x");
            alice.send_bytes(&[head, payload, tail].concat());
            let event = bob.next_bytes();
            assert!(event.ends_with(&[payload, tail].concat()), "{:?}", String::from_utf8_lossy(&event));
            bob.socket.lose();
        }
    });
}

/// Binary is a string of NUL and Base64 in JSON.
#[test]
fn binary() {
    everywhere(|net| {
        let [json, msgpack, cbor] = Serializer::ALL.map(|serializer| net.join_with(serializer));
        let subscription = json.subscribe("com.x");
        msgpack.subscribe("com.x");
        cbor.subscribe("com.x");
        let text = "\u{0}EOP/";
        let expected = json!([{}, [text]]);
        // The tests' decoders show binary as JSON has it.
        json.send(json!([16, 1, {}, "com.x", [text]]));
        msgpack.expect_event(subscription, expected.clone());
        cbor.expect_event(subscription, expected.clone());
        msgpack.send_bytes(b"\x95\x10\x01\x80\xa5com.x\x91\xc4\x03\x10\xe3\xff");
        json.expect_event(subscription, expected.clone());
        assert!(cbor.next_bytes().ends_with(b"\x81\x43\x10\xe3\xff"));
        cbor.send_bytes(b"\x85\x10\x01\xa0\x65com.x\x81\x43\x10\xe3\xff");
        json.expect_event(subscription, expected);
        assert!(msgpack.next_bytes().ends_with(b"\x91\xc4\x03\x10\xe3\xff"));
    });
}

/// The router's own words are in the serializer of whoever hears them.
#[test]
fn errors_cross_serializers() {
    everywhere(|net| {
        for from in Serializer::ALL {
            for to in Serializer::ALL {
                let (alice, bob) = (net.join_with(from), net.join_with(to));
                let registration = bob.register("com.procedure");
                alice.send(json!([48, 1, {}, "com.procedure"]));
                bob.expect_invocation(registration, json!([{}]));
                bob.socket.lose();
                alice.expect_error(48, 1, "wamp.error.canceled", "the callee left before it answered");
            }
        }
        net.client().welcomed(REALM).expect_nothing();
    });
}
