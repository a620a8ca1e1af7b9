//! RawSocket, octet by octet (spec: "RawSocket Transport"; decision D21).

use connectanum::limits::Limits;
use connectanum::wamp::Serializer;
use serde_json::json;

use crate::harness::{Client, Frame, Net, REALM, Transport, everywhere, everywhere_with, once, raw_frame};

fn json_client(net: &Net) -> Client {
    net.client_over(Transport::raw_socket(Serializer::Json))
}

/// Every length that a client may announce, with every serializer.
#[test]
fn handshakes() {
    everywhere(|net| {
        for length in 0..16 {
            for (code, serializer) in (1..).zip(Serializer::ALL) {
                let client = net.client_over(Transport::RawSocket { serializer, length });
                assert_eq!(serializer.rawsocket_code(), code);
                client.welcomed(REALM).expect_nothing();
            }
        }
    });
}

#[test]
fn handshakes_that_are_refused() {
    everywhere(|net| {
        let mut refused = vec![([0x7F, 0xF1, 0, 1], 3), ([0x7F, 0xF1, 1, 0], 3), ([0x7F, 0xF1, 0x80, 0], 3)];
        // 0 is illegal, 4 and 5 are serializers that are not spoken here, the others are reserved.
        refused.extend([0, 4, 5, 6, 10, 15].map(|serializer| ([0x7F, 0xF0 | serializer, 0, 0], 1)));
        for (octets, error) in refused {
            let socket = net.socket();
            socket.write(&octets);
            assert_eq!(socket.read(), [0x7F, error << 4, 0, 0], "{octets:x?}");
            socket.expect_end();
        }
    });
}

/// The router announces its own limit, rounded down to what the octet can say.
#[test]
fn the_routers_limit() {
    for (message_bytes_max, announced) in
        [(512, 0), (1000, 0), (1024, 1), (1 << 20, 11), (1 << 24, 15), (1 << 29, 15)]
    {
        everywhere_with(Limits { message_bytes_max, ..Limits::default() }, |net| {
            let socket = net.socket();
            socket.write(&[0x7F, 0x02, 0, 0]);
            assert_eq!(socket.read(), [0x7F, announced << 4 | 2, 0, 0]);
        });
    }
}

#[test]
fn octets_one_by_one() {
    everywhere(|net| {
        let socket = net.socket();
        for octet in [0x7F, 0xF1, 0] {
            socket.write(&[octet]);
            assert!(socket.read().is_empty());
        }
        socket.write(&[0]);
        assert_eq!(socket.read(), [0x7F, 0xF1, 0, 0]);
        let hello = br#"[1,"realm1",{"roles":{"caller":{}}}]"#;
        let frame = raw_frame(0, hello);
        for octet in &frame[..frame.len() - 1] {
            socket.write(&[*octet]);
            assert!(socket.read().is_empty());
        }
        socket.write(&frame[frame.len() - 1..]);
        assert!(socket.read()[4..].starts_with(b"[2,"));
    });
}

/// Handshake, HELLO and requests may all come in one piece.
#[test]
fn everything_at_once() {
    everywhere(|net| {
        let socket = net.socket();
        let mut bytes = vec![0x7F, 0xF1, 0, 0];
        for message in
            [r#"[1,"realm1",{"roles":{"caller":{}}}]"#, r#"[32,1,{},"com.x"]"#, r#"[6,{},"com.bye"]"#]
        {
            bytes.extend(raw_frame(0, message.as_bytes()));
        }
        bytes.extend(raw_frame(1, b"ping"));
        socket.write(&bytes);
        let answer = String::from_utf8_lossy(&socket.read()).into_owned();
        for part in ["[2,", "[33,1,", "[6,{}", "ping"] {
            assert!(answer.contains(part), "{part} is not in {answer}");
        }
    });
}

#[test]
fn the_end_in_the_middle_of_something() {
    everywhere(|net| {
        for bytes in [&[][..], &[0x7F], &[0x7F, 0xF1, 0], &[0x7F, 0xF1, 0, 0], &[0x7F, 0xF1, 0, 0, 0, 0]] {
            let socket = net.socket();
            socket.write(bytes);
            socket.eof();
            assert_eq!(socket.stage(), crate::harness::Stage::Closed);
        }
        let client = json_client(net).welcomed(REALM);
        client.socket.write(&[0, 0, 0, 100, b'[']);
        client.socket.eof();
        assert_eq!(net.census(), [0; 5]);
    });
}

/// PING is answered at once, before and in a session, with the same payload; PONG is taken.
#[test]
fn ping() {
    everywhere(|net| {
        let client = json_client(net);
        for payload in [&b""[..], b"x", b"[1,2,3]", &[0; 70_000]] {
            client.socket.write(&raw_frame(1, payload));
            assert_eq!(client.next_frame(), Some(Frame::Pong(payload.to_vec())));
        }
        let client = client.welcomed(REALM);
        client.socket.write(&[raw_frame(2, b"unasked"), raw_frame(1, b"a"), raw_frame(1, b"b")].concat());
        assert_eq!(client.next_frame(), Some(Frame::Pong(b"a".to_vec())));
        assert_eq!(client.next_frame(), Some(Frame::Pong(b"b".to_vec())));
        client.expect_nothing();
    });
}

#[test]
fn reserved_types_and_bits() {
    everywhere(|net| {
        for first in [3, 4, 5, 6, 7, 0x0B, 0x0F] {
            let client = json_client(net).welcomed(REALM);
            client.socket.write(&[first, 0, 0, 0]);
            client.expect_violation(&format!("frame type {} is reserved", first & 7));
        }
        for first in [0x10, 0x20, 0x40, 0x80, 0xF1, 0x7F] {
            let client = json_client(net).welcomed(REALM);
            client.socket.write(&[first, 0, 0, 0]);
            client.expect_violation("reserved bits are set in the frame header's first octet");
        }
    });
}

/// A frame beyond the limit is refused by its header alone, whatever it is.
#[test]
fn oversize() {
    everywhere_with(Limits { message_bytes_max: 1024, ..Limits::default() }, |net| {
        let client = json_client(net).welcomed(REALM);
        for payload in [[b' '; 1024 - 18].as_slice(), b""] {
            let message = [br#"[16,1,{},"com.x"]"#, payload, b" "].concat();
            client.socket.write(&raw_frame(0, &message));
            client.expect_nothing();
        }
        client.socket.write(&raw_frame(1, &[0; 1024]));
        assert_eq!(client.next_frame(), Some(Frame::Pong(vec![0; 1024])));
        for kind in 0..3 {
            for length in [[0, 0x04, 0x01], [0, 0xFF, 0xFF], [0xFF, 0xFF, 0xFF]] {
                let client = json_client(net).welcomed(REALM);
                client.socket.write(&[&[kind][..], &length].concat());
                client.expect_violation("is larger than announced: 1024 at most (message_bytes_max)");
            }
        }
        assert_eq!(net.limited().message_bytes_max, 9);
    });
}

/// The largest frame has 2^24 bytes, and a bit of its own to say so.
#[test]
fn the_largest_frame() {
    once(|net| {
        let alice = json_client(net).welcomed(REALM);
        let bob = net.client_over(Transport::WebSocket(Serializer::Json)).welcomed(REALM);
        let subscription = bob.subscribe("com.x");
        for (length, header) in [((1 << 24) - 1, [0, 0xFF, 0xFF, 0xFF]), (1 << 24, [8, 0, 0, 0])] {
            let (head, tail) = (r#"[16,1,{},"com.x",[""#, r#""]]"#);
            let text = "x".repeat(length - head.len() - tail.len());
            alice.socket.write(&[&header[..], head.as_bytes(), text.as_bytes(), tail.as_bytes()].concat());
            bob.expect_event(subscription, json!([{}, [text]]));
        }
        alice.socket.write(&[8, 0, 0, 1]);
        alice.expect_violation("exceeds the largest possible");
    });
}
