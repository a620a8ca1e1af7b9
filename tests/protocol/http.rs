//! One port for all: RawSocket, WebSocket and HTTP are told apart by their first bytes (decision D21). What the responses say
//! is tested in `src/http`.

use connectanum::limits::Limits;
use connectanum::wamp::Serializer;
use serde_json::json;

use crate::harness::{Net, REALM, Transport, everywhere, everywhere_with, upgrade};

/// Sends a request; returns status and body of the response, after which the connection must end.
#[track_caller]
fn ask(net: &Net, request: &str) -> (u16, String) {
    let socket = net.socket();
    socket.write(request.as_bytes());
    let response = String::from_utf8(socket.read()).unwrap();
    assert!(response.contains("\r\nConnection: close"), "{response}");
    let (head, body) = response.split_once("\r\n\r\n").expect("a whole response");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
    socket.expect_end();
    (head[9..12].parse().unwrap(), body.to_owned())
}

#[test]
fn what_is_not_a_websocket() {
    everywhere(|net| {
        for (request, status, says) in [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 200, "<html"),
            ("GET /ws HTTP/1.1\r\nHost: x\r\n\r\n", 426, "Upgrade: websocket"),
            ("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", 404, "/ws"),
            ("POST /ws HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 405, "GET only"),
            ("BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 405, "GET, HEAD"),
            ("GET / HTTP/1.1\r\n\r\n", 400, "Host"),
            ("GET / HTTP/2.0\r\n\r\n", 400, "HTTP/1.1"),
            ("\u{1}\u{2}\u{3}", 400, "HTTP/1.1"),
        ] {
            let (is, body) = ask(net, request);
            assert_eq!(is, status, "{request:?}: {body}");
            assert!(body.contains(says), "{says:?} is not in {body}");
        }
        assert_eq!(net.census(), [0; 5]);
    });
}

/// A client of `wss://` is told in a language that it understands.
#[test]
fn a_tls_handshake_gets_an_alert() {
    everywhere(|net| {
        for hello in [&[22][..], &[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]] {
            let socket = net.socket();
            socket.write(hello);
            assert_eq!(socket.read(), [21, 3, 3, 0, 2, 2, 40], "fatal, handshake_failure");
            socket.expect_end();
        }
        assert_eq!(net.census(), [0; 5]);
    });
}

/// The subprotocol must be negotiated, and the client's order decides.
#[test]
fn subprotocols() {
    everywhere(|net| {
        for offer in ["", "mqtt", "wamp.2.ubjson", "wamp.2.json.batched", "WAMP.2.JSON", "wamp"] {
            let (status, body) = ask(net, &upgrade("/ws", offer));
            assert_eq!(status, 400, "{offer}");
            assert!(body.contains("wamp.2.json, wamp.2.msgpack, wamp.2.cbor"), "{body}");
        }
        for (path, offer, chosen) in [
            ("/ws", "wamp.2.json", "wamp.2.json"),
            ("/", "wamp.2.cbor,wamp.2.json", "wamp.2.cbor"),
            ("/ws", "wamp.2.ubjson , wamp.2.msgpack, wamp.2.cbor", "wamp.2.msgpack"),
        ] {
            let socket = net.socket();
            socket.write(upgrade(path, offer).as_bytes());
            let mut answer = socket.read();
            Transport::WebSocket(Serializer::from_subprotocol(chosen).unwrap()).accepted(&mut answer);
            assert!(!socket.is_ended());
        }
    });
}

#[test]
fn a_handshake_that_is_not_one() {
    everywhere(|net| {
        let good = upgrade("/ws", "wamp.2.json");
        for (from, to, status) in [
            ("Upgrade: websocket\r\n", "", 426),
            ("Connection: Upgrade\r\n", "", 426),
            ("Version: 13", "Version: 8", 426),
            ("dGhlIHNhbXBsZSBub25jZQ==", "short", 400),
            ("/ws", "/wss", 404),
            ("GET", "POST", 405),
        ] {
            assert_ne!(good, good.replace(from, to));
            assert_eq!(ask(net, &good.replace(from, to)).0, status, "{to}");
        }
    });
}

#[test]
fn a_head_that_never_ends() {
    everywhere_with(Limits { http_head_bytes_max: 2000, ..Limits::default() }, |net| {
        let (status, body) = ask(net, &format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(3000)));
        assert_eq!(status, 431, "{body}");
        assert!(body.contains("2000 bytes (http_head_bytes_max)"), "{body}");
        assert_eq!(net.limited().http_head_bytes_max, 1);
    });
}

/// What was begun as HTTP stays HTTP.
#[test]
fn the_first_byte_decides() {
    everywhere(|net| {
        let socket = net.socket();
        socket.write(b"G");
        socket.write(&[0x7F, 0xF1, 0, 0]);
        assert!(socket.read().starts_with(b"HTTP/1.1 400 "));
        socket.expect_end();

        let [raw, web] = [Transport::raw_socket(Serializer::Cbor), Transport::WebSocket(Serializer::Json)]
            .map(|transport| net.client_over(transport).welcomed(REALM));
        let subscription = raw.subscribe("com.x");
        web.send(json!([16, 1, {}, "com.x", ["through one port"]]));
        raw.expect_event(subscription, json!([{}, ["through one port"]]));
    });
}
