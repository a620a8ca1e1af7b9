//! Tungstenite's client as the peer: it connects, sends, receives and closes over our handshake and framing.

use connectanum::http::{self, Answer, Site};
use connectanum::wamp::Serializer;
use connectanum::ws::{self, Control, Data, Decoded, Decoder, Event, OpCode, Role};
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::HandshakeError;
use tungstenite::handshake::client::ClientHandshake;
use tungstenite::http::HeaderValue;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message, WebSocket};

use crate::pipe::Pipe;

/// A connected client, with the test's end of its connection.
fn connect() -> (WebSocket<Pipe>, Pipe) {
    let pipe = Pipe::default();
    let mut request = "ws://localhost:8080/ws".into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("mqtt, wamp.2.cbor"));
    let handshake = ClientHandshake::start(pipe.clone(), request, None).unwrap().handshake();
    let Err(HandshakeError::Interrupted(waiting)) = handshake else { panic!("it waits for the response") };
    let head = pipe.take();
    let Some((consumed, Answer::Upgrade { response, serializer, .. })) =
        http::answer(&head, 4096, &http::Origins::default(), &Site::default())
    else {
        panic!("refused: {}", String::from_utf8_lossy(&head));
    };
    assert_eq!((consumed, serializer), (head.len(), Serializer::Cbor));
    pipe.send(&response);
    let (client, response) = waiting.handshake().expect("the client is content with the response");
    assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "wamp.2.cbor");
    (client, pipe)
}

/// Decodes all that the client has written; each event in words.
fn events(decoder: &mut Decoder, pipe: &Pipe) -> Vec<String> {
    let mut bytes = pipe.take();
    let (mut at, mut events) = (0, Vec::new());
    loop {
        match decoder.decode(&mut bytes[at..]).expect("a client without faults") {
            Decoded::Frame { consumed, event } => {
                at += consumed;
                events.extend(event.map(|event| format!("{event:?}")));
            }
            Decoded::Incomplete { .. } => {
                assert_eq!(at, bytes.len(), "the client writes whole frames");
                return events;
            }
        }
    }
}

fn words(event: Event<'_>) -> String {
    format!("{event:?}")
}

fn decoder() -> Decoder {
    Decoder::new(Role::Server, 1 << 20)
}

#[test]
fn messages_of_a_client() {
    let (mut client, pipe) = connect();
    let mut decoder = decoder();
    for len in [0, 1, 125, 126, 65_535, 65_536, 300_000] {
        let text = "\u{e4}".repeat(len / 2);
        client.send(Message::text(text.as_str())).unwrap();
        let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
        client.send(Message::binary(bytes.clone())).unwrap();
        let expected = [words(Event::Text(&text)), words(Event::Binary(&bytes))];
        assert!(events(&mut decoder, &pipe) == expected, "{len} bytes");
    }
}

#[test]
fn fragments_of_a_client_with_a_ping_between() {
    let (mut client, pipe) = connect();
    let mut decoder = decoder();
    let mut fragment = |bytes: &'static [u8], opcode, fin| {
        client.send(Message::Frame(Frame::message(bytes, OpCode::Data(opcode), fin))).unwrap();
    };
    fragment(b"[1,", Data::Text, false);
    fragment(b"\xC3", Data::Continue, false);
    assert_eq!(events(&mut decoder, &pipe), [""; 0]);
    client.send(Message::Ping("alive?".into())).unwrap();
    assert_eq!(events(&mut decoder, &pipe), [words(Event::Ping(b"alive?"))]);
    client.send(Message::Frame(Frame::message(&b"\xA4]"[..], OpCode::Data(Data::Continue), true))).unwrap();
    assert_eq!(events(&mut decoder, &pipe), [words(Event::Text("[1,\u{e4}]"))]);
}

#[test]
fn messages_to_a_client() {
    let (mut client, pipe) = connect();
    for len in [0, 1, 125, 126, 65_535, 65_536, 300_000] {
        let mut out = Vec::new();
        let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
        ws::write_frame_header(&mut out, OpCode::Data(Data::Binary), len);
        out.extend_from_slice(&bytes);
        pipe.send(&out);
        assert!(client.read().unwrap() == Message::binary(bytes), "{len} bytes");
    }
    let mut out = Vec::new();
    ws::write_frame_header(&mut out, OpCode::Control(Control::Ping), 2);
    out.extend_from_slice(b"hi");
    pipe.send(&out);
    assert_eq!(client.read().unwrap(), Message::Ping("hi".into()));
    client.flush().unwrap();
    assert_eq!(events(&mut decoder(), &pipe), [words(Event::Pong(b"hi"))]);
}

#[test]
fn a_client_closes() {
    let (mut client, pipe) = connect();
    let frame = CloseFrame { code: CloseCode::Away, reason: "tab closed".into() };
    client.close(Some(frame)).unwrap();
    let expected = words(Event::Close { code: Some(1001), reason: "tab closed" });
    assert_eq!(events(&mut decoder(), &pipe), [expected]);
    let mut answer = Vec::new();
    ws::write_close(&mut answer, 1001, "");
    pipe.send(&answer);
    assert!(matches!(client.read(), Ok(Message::Close(Some(frame))) if frame.code == CloseCode::Away));
}

#[test]
fn the_server_closes_and_the_client_reads_why() {
    let (mut client, pipe) = connect();
    let mut bytes = [0x81, 0x00];
    let fault = decoder().decode(&mut bytes).unwrap_err();
    let mut close = Vec::new();
    ws::write_close(&mut close, fault.close_code(), &fault.to_string());
    pipe.send(&close);
    let Ok(Message::Close(Some(frame))) = client.read() else { panic!("no close frame") };
    assert_eq!(frame.code, CloseCode::Protocol);
    assert_eq!(frame.reason.as_str(), "frames of a client must be masked");
    assert!(matches!(client.flush(), Ok(()) | Err(Error::ConnectionClosed)));
    let echoed = Event::Close { code: Some(1002), reason: "frames of a client must be masked" };
    assert_eq!(events(&mut decoder(), &pipe), [words(echoed)]);
}
