//! WAMP over WebSocket: frames, fragments, the closing handshake (spec: "WebSocket Transport"; RFC 6455). The framing
//! itself is tested in `tests/transport` and by Autobahn|Testsuite.

use connectanum::limits::Limits;
use connectanum::wamp::Serializer;
use connectanum::ws::{CloseCode, Control, Data};
use serde_json::{Value, json};

use crate::harness::{
    Client, Frame, Net, REALM, Transport, everywhere, everywhere_with, hello, oracle, ws_close, ws_control,
    ws_frame,
};

fn client(net: &Net, serializer: Serializer) -> Client {
    net.client_over(Transport::WebSocket(serializer))
}

fn joined(net: &Net, serializer: Serializer) -> Client {
    client(net, serializer).welcomed(REALM)
}

fn written(client: &Client, message: &Value) -> Vec<u8> {
    oracle::from_json(client.transport.serializer(), message)
}

/// JSON travels as text, the others as binary; the opposite is a violation.
#[test]
fn the_wrong_type_of_frame() {
    everywhere(|net| {
        for serializer in Serializer::ALL {
            let (wrong, right) = match serializer {
                Serializer::Json => (Data::Binary, "this subprotocol takes text frames only"),
                _ => (Data::Text, "this subprotocol takes binary frames only"),
            };
            let alice = client(net, serializer);
            alice.socket.write(&ws_frame(wrong, b"[]"));
            alice.expect_violation(right);
            let alice = joined(net, serializer);
            alice.socket.write(&ws_frame(wrong, b"[]"));
            alice.expect_violation(right);
        }
    });
}

/// A message may come in any number of fragments, with control frames between them.
#[test]
fn fragments() {
    everywhere(|net| {
        for serializer in Serializer::ALL {
            let alice = joined(net, serializer);
            let message = written(&alice, &json!([32, 1, {}, "com.ü.日本"]));
            let kind = if serializer.is_binary() { Data::Binary } else { Data::Text };
            for (at, octet) in message.iter().enumerate() {
                let mut frame = ws_frame(if at == 0 { kind } else { Data::Continue }, &[*octet]);
                if at + 1 < message.len() {
                    frame[0] &= 0x7F;
                }
                alice.socket.write(&frame);
                alice.socket.write(&ws_control(Control::Ping, &[at as u8]));
                if at + 1 < message.len() {
                    assert_eq!(alice.next_frame(), Some(Frame::Pong(vec![at as u8])));
                }
            }
            assert_eq!(alice.next()[0], 33);
            assert!(matches!(alice.next_frame(), Some(Frame::Pong(_))));
        }
    });
}

#[test]
fn ping() {
    everywhere(|net| {
        let alice = client(net, Serializer::Json);
        for payload in [&b""[..], b"hi", &[0xFF; 125]] {
            alice.socket.write(&ws_control(Control::Ping, payload));
            assert_eq!(alice.next_frame(), Some(Frame::Pong(payload.to_vec())));
        }
        let alice = alice.welcomed(REALM);
        alice.socket.write(&ws_control(Control::Pong, b"unasked"));
        alice.socket.write(&ws_control(Control::Ping, b"in a session"));
        assert_eq!(alice.next_frame(), Some(Frame::Pong(b"in a session".to_vec())));
        alice.expect_nothing();
    });
}

/// A close frame is answered with the same code; the session is over, whether it was told or not.
#[test]
fn the_client_closes() {
    everywhere(|net| {
        for code in [1000, 1001, 1011, 3000, 4999] {
            let alice = joined(net, Serializer::Cbor);
            alice.register("com.procedure");
            alice.socket.write(&ws_close(CloseCode::from(code), "bye"));
            assert_eq!(net.census()[1..], [0; 4]);
            alice.expect_closed(code);
        }
        let alice = joined(net, Serializer::Json);
        alice.socket.write(&ws_control(Control::Close, b""));
        alice.expect_closed(1000);
        let alice = client(net, Serializer::Json);
        alice.socket.write(&ws_close(CloseCode::Normal, ""));
        alice.expect_closed(1000);
    });
}

/// After its close frame a client has nothing to say.
#[test]
fn nothing_counts_after_a_close_frame() {
    everywhere(|net| {
        let (alice, bob) = (joined(net, Serializer::Json), joined(net, Serializer::Json));
        bob.subscribe("com.x");
        let publish = ws_frame(Data::Text, br#"[16,1,{},"com.x"]"#);
        alice.socket.write(&[ws_close(CloseCode::Normal, ""), publish.clone()].concat());
        alice.socket.write(&publish);
        alice.expect_closed(1000);
        bob.expect_nothing();
    });
}

/// Faults of the framing have their close codes; WAMP has no say there.
#[test]
fn faults() {
    let mut unmasked = ws_frame(Data::Text, b"[]");
    unmasked[1] &= 0x7F;
    let mut reserved_bit = ws_frame(Data::Text, b"[]");
    reserved_bit[0] |= 0x40;
    let mut reserved_opcode = ws_frame(Data::Text, b"[]");
    reserved_opcode[0] = 0x83;
    let mut fragmented_ping = ws_control(Control::Ping, b"x");
    fragmented_ping[0] &= 0x7F;
    let faults = [
        (unmasked, 1002),
        (reserved_bit, 1002),
        (reserved_opcode, 1002),
        (fragmented_ping, 1002),
        (ws_frame(Data::Continue, b"[]"), 1002),
        (ws_control(Control::Close, &[3]), 1002),
        (ws_close(CloseCode::from(1005), ""), 1002),
        (ws_close(CloseCode::from(999), ""), 1002),
        (ws_control(Control::Close, &[3, 0xE8, 0xFF]), 1007),
        (ws_frame(Data::Text, b"[\"\xFF\"]"), 1007),
    ];
    everywhere(|net| {
        for (bytes, code) in &faults {
            for alice in [client(net, Serializer::Json), joined(net, Serializer::Json)] {
                alice.socket.write(bytes);
                alice.expect_closed(*code);
            }
        }
    });
}

/// Whether in one frame or in many: 1009, as soon as it is announced.
#[test]
fn oversize() {
    everywhere_with(Limits { message_bytes_max: 1024, ..Limits::default() }, |net| {
        let message =
            |bytes: usize| format!("{}{}", r#"[16,1,{},"com.x"]"#, " ".repeat(bytes - 17)).into_bytes();
        let alice = joined(net, Serializer::Json);
        alice.send_bytes(&message(1024));
        alice.expect_nothing();
        let large = ws_frame(Data::Text, &message(1025));
        alice.socket.write(&large[..4]);
        alice.expect_closed(1009);

        let alice = joined(net, Serializer::Json);
        let message = message(1025);
        let mut first = ws_frame(Data::Text, &message[..1000]);
        first[0] &= 0x7F;
        alice.socket.write(&first);
        alice.expect_nothing();
        alice.socket.write(&ws_frame(Data::Continue, &message[1000..]));
        alice.expect_closed(1009);
        assert_eq!(net.limited().message_bytes_max, 2);
    });
}

/// One message is one WebSocket message: two in one are none.
#[test]
fn two_messages_in_one() {
    everywhere(|net| {
        for serializer in Serializer::ALL {
            let alice = joined(net, serializer);
            let message = written(&alice, &json!([34, 1, 1]));
            alice.send_bytes(&[&message[..], &message].concat());
            alice.expect_violation("trailing bytes after the message");
        }
    });
}

#[test]
fn messages_with_the_request_for_a_websocket() {
    everywhere(|net| {
        let transport = Transport::WebSocket(Serializer::MsgPack);
        let socket = net.socket();
        let message = transport.frame(&oracle::from_json(Serializer::MsgPack, &hello(REALM)));
        socket.write(&[transport.hello(), message].concat());
        let mut answer = socket.read();
        transport.accepted(&mut answer);
        let Some(Frame::Message(welcome)) = transport.parse(&mut answer) else { panic!("no WELCOME") };
        assert_eq!(oracle::to_json(Serializer::MsgPack, &welcome)[0], 2);
    });
}
