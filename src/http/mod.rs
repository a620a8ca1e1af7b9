//! HTTP/1.1, as far as a WebSocket upgrade and a few static pages need it: the bytes of one request in, the bytes of
//! the response out. Every response but an upgrade ends its connection.

mod cookie;
mod head;
mod metrics;
mod origin;
mod response;
mod upgrade;

pub use cookie::{CookieName, CookieNameError, Tracking, Visitor, set_cookie};
pub use head::{Head, Request};
pub use metrics::{METRICS_PATH, metrics};
pub use origin::{OriginError, Origins};
pub use response::Refusal;
pub use upgrade::accept;

use std::collections::BTreeSet;

use http::{Method, StatusCode};

use crate::wamp::Serializer;

/// The paths on which WAMP is spoken: the one that is documented, and the bare port that many clients connect to.
pub const WAMP_PATHS: [&str; 2] = ["/ws", "/"];

/// What the server has to offer besides WAMP.
#[derive(Clone, Copy, Debug, Default)]
pub struct Site<'a> {
    /// Every file has another path.
    pub files: &'static [StaticFile],
    /// The cookie by which clients of WAMP are known again, if there is one.
    pub tracking: Option<Tracking<'a>>,
}

/// A file of a [`Site`].
#[derive(Clone, Copy, Debug)]
pub struct StaticFile {
    /// Where it is, from the slash on: `/`.
    pub path: &'static str,
    /// Its media type: `text/html; charset=utf-8`.
    pub content_type: &'static str,
    /// The file.
    pub body: &'static [u8],
}

/// What becomes of a connection after its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It goes on as a WebSocket that speaks WAMP.
    Upgrade {
        /// The bytes to write first.
        response: Vec<u8>,
        /// The serializer that was agreed.
        serializer: Serializer,
        /// A client that may have a cookie, see [`set_cookie`].
        visitor: Option<Visitor>,
    },
    /// It ends as soon as the response is written.
    Respond {
        /// The bytes to write.
        response: Vec<u8>,
    },
}

/// Answers the request at the front of `input`, or returns `None` while its head is not whole. With the answer
/// comes the size of the head in bytes; what follows it belongs to the protocol that was switched to.
///
/// A head may have `head_bytes_max` bytes; WebSockets are for pages of `origins`, and for what is no page. Nothing is an error: what is malformed has its response, too.
pub fn answer(
    input: &[u8],
    head_bytes_max: usize,
    origins: &Origins,
    site: &Site<'_>,
) -> Option<(usize, Answer)> {
    match Head::parse(input, head_bytes_max) {
        Head::Incomplete => None,
        Head::Bad(refusal) => Some((input.len(), Answer::Respond { response: refusal.response() })),
        Head::Complete { consumed, request } => {
            let answer = answer_request(&request, origins, site)
                .unwrap_or_else(|refusal| Answer::Respond { response: refusal.response_to(&request) });
            Some((consumed, answer))
        }
    }
}

fn answer_request(request: &Request<'_>, origins: &Origins, site: &Site<'_>) -> Result<Answer, Refusal> {
    let file = site.files.iter().find(|file| file.path == request.path());
    let wamp = WAMP_PATHS.contains(&request.path());
    let allowed = match (file, wamp) {
        (Some(_), _) => "GET, HEAD",
        (None, true) => "GET",
        (None, false) => return Err(not_found(site)),
    };
    let is_get = request.method() == Method::GET;
    match file {
        Some(file) if !(wamp && is_get && request.means_websocket()) => {
            let with_body = match request.method() {
                "GET" => true,
                "HEAD" => false,
                _ => return Err(method_not_allowed(allowed)),
            };
            Ok(Answer::Respond { response: response::file(file, with_body) })
        }
        _ if is_get => {
            origins.check(request)?;
            let visitor = site.tracking.and_then(|tracking| Visitor::of(request, tracking));
            wamp_upgrade(request, visitor)
        }
        _ => Err(method_not_allowed(allowed)),
    }
}

/// The upgrade to the first subprotocol of the client's list that we speak.
fn wamp_upgrade(request: &Request<'_>, visitor: Option<Visitor>) -> Result<Answer, Refusal> {
    let serializer = request.subprotocols().find_map(Serializer::from_subprotocol);
    let response = accept(request, serializer.map(Serializer::subprotocol))?;
    match serializer {
        Some(serializer) => Ok(Answer::Upgrade { response, serializer, visitor }),
        None => Err(no_common_subprotocol()),
    }
}

fn no_common_subprotocol() -> Refusal {
    let spoken = Serializer::ALL.map(Serializer::subprotocol).join(", ");
    Refusal::new(
        StatusCode::BAD_REQUEST,
        format!(
            "No common WebSocket subprotocol. Name at least one of these in Sec-WebSocket-Protocol: {spoken}."
        ),
    )
}

fn not_found(site: &Site<'_>) -> Refusal {
    let files = site.files.iter().map(|file| file.path);
    let paths: BTreeSet<_> = files.chain(WAMP_PATHS).collect();
    let paths = Vec::from_iter(paths).join(", ");
    Refusal::new(
        StatusCode::NOT_FOUND,
        format!("Nothing is here. WAMP over WebSocket is at /ws; all paths: {paths}."),
    )
}

fn method_not_allowed(allowed: &'static str) -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, format!("This path answers {allowed} only."))
        .with_header("Allow", allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: Site<'_> = Site {
        tracking: None,
        files: &[
            StaticFile { path: "/", content_type: "text/html; charset=utf-8", body: b"<p>demo" },
            StaticFile { path: "/icon.svg", content_type: "image/svg+xml", body: b"<svg/>" },
        ],
    };

    /// The handshake of RFC 6455, section 1.3, with our subprotocols.
    const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://server.example.com\r\n\
        Sec-WebSocket-Protocol: wamp.2.msgpack, wamp.2.json\r\nSec-WebSocket-Version: 13\r\n\r\n";

    fn ask(request: &str) -> Answer {
        let (consumed, answer) =
            answer(request.as_bytes(), 4096, &Origins::default(), &SITE).expect("a whole head");
        assert_eq!(consumed, request.len());
        answer
    }

    /// Status, header fields and body of a response that ends the connection.
    fn refused(request: &str) -> (u16, String, String) {
        let Answer::Respond { response } = ask(request) else { panic!("upgraded: {request}") };
        let response = String::from_utf8(response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("\r\nConnection: close"), "{head}");
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
        (head[9..12].parse().unwrap(), head.to_owned(), body.to_owned())
    }

    fn upgraded(request: &str) -> Serializer {
        match ask(request) {
            Answer::Upgrade { serializer, .. } => serializer,
            Answer::Respond { response } => panic!("{}", String::from_utf8_lossy(&response)),
        }
    }

    #[test]
    fn the_handshake_of_the_rfc() {
        let Answer::Upgrade { response, serializer, visitor: None } = ask(HANDSHAKE) else {
            panic!("refused")
        };
        assert_eq!(serializer, Serializer::MsgPack, "the first of the client's list");
        assert_eq!(
            String::from_utf8(response).unwrap(),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: wamp.2.msgpack\r\n\r\n"
        );
    }

    #[test]
    fn every_prefix_is_incomplete_and_what_follows_stays() {
        for end in 0..HANDSHAKE.len() {
            assert_eq!(
                answer(&HANDSHAKE.as_bytes()[..end], 4096, &Origins::default(), &SITE),
                None,
                "{end} bytes"
            );
        }
        let mut pipelined = HANDSHAKE.as_bytes().to_vec();
        pipelined.extend_from_slice(b"\x81\x80frame");
        let (consumed, _) = answer(&pipelined, 4096, &Origins::default(), &SITE).unwrap();
        assert_eq!(consumed, HANDSHAKE.len());
    }

    #[test]
    fn variants_that_must_be_accepted() {
        for (from, to) in [
            ("/ws HTTP", "/ HTTP"),
            ("/ws HTTP", "/ws?token=1 HTTP"),
            ("/ws HTTP", "http://server.example.com/ws HTTP"),
            ("Connection: Upgrade", "connection:keep-alive,  uPGRADE"),
            ("Connection: Upgrade", "Connection: keep-alive\r\nConnection: Upgrade"),
            ("Upgrade: websocket", "upgrade: WebSocket"),
            ("Upgrade: websocket", "Upgrade: h2c, websocket"),
            ("Host", "HOST"),
            ("Origin: https://server.example.com", "Content-Length: 0"),
        ] {
            assert_ne!(HANDSHAKE, HANDSHAKE.replace(from, to));
            assert_eq!(upgraded(&HANDSHAKE.replace(from, to)), Serializer::MsgPack, "{to}");
        }
    }

    #[test]
    fn pages_from_elsewhere_are_refused() {
        for origin in ["https://app.example.com", "null", "x\" <b>\u{e4}"] {
            let (status, _, body) = refused(&HANDSHAKE.replace("https://server.example.com", origin));
            assert_eq!(status, 403, "{origin}");
            assert!(body.contains("[router] origins = "), "{body}");
            assert!(body.is_ascii() && !body.contains("\" <"), "{body}");
        }
        let twice = "https://server.example.com\r\nOrigin: https://server.example.com";
        assert_eq!(refused(&HANDSHAKE.replace("https://server.example.com", twice)).0, 403);
        // The page itself may be seen.
        assert_eq!(refused("GET / HTTP/1.1\r\nHost: x\r\nOrigin: null\r\n\r\n").0, 200);
    }

    #[test]
    fn the_clients_order_decides_the_subprotocol() {
        let with = |offer: &str| HANDSHAKE.replace("wamp.2.msgpack, wamp.2.json", offer);
        assert_eq!(upgraded(&with("wamp.2.cbor")), Serializer::Cbor);
        assert_eq!(upgraded(&with("wamp.2.flatbuffers,wamp.2.json ,wamp.2.cbor")), Serializer::Json);
        assert_eq!(
            upgraded(&with("x, \r\nSec-WebSocket-Protocol: wamp.2.cbor,wamp.2.json")),
            Serializer::Cbor
        );
        for offer in ["", "wamp.2.ubjson", "wamp.2.json.batched", "mqtt", "WAMP.2.JSON"] {
            let (status, _, body) = refused(&with(offer));
            assert_eq!(status, 400, "{offer}");
            assert!(body.contains("wamp.2.json, wamp.2.msgpack, wamp.2.cbor"), "{body}");
        }
        let (status, ..) = refused(&HANDSHAKE.replace("Sec-WebSocket-Protocol", "X-Other"));
        assert_eq!(status, 400);
    }

    #[test]
    fn handshakes_with_a_fault() {
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
        for (from, to, status, word) in [
            ("HTTP/1.1", "HTTP/1.0", 426, "HTTP/1.0"),
            ("Upgrade: websocket", "Upgrade: h2c", 426, "Upgrade: websocket"),
            ("Connection: Upgrade", "Connection: close", 426, "Connection: Upgrade"),
            ("Version: 13", "Version: 8", 426, "Version: 13"),
            ("Sec-WebSocket-Version: 13\r\n", "", 426, "Version: 13"),
            (key, "X: y", 400, "Sec-WebSocket-Key"),
            (key, "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==", 400, "16 bytes"),
            (key, "Sec-WebSocket-Key: !", 400, "Base64"),
            ("Origin", "Sec-WebSocket-Key", 400, "once"),
            ("Origin: https://server.example.com", "Content-Length: 5", 400, "body"),
            ("Origin: https://server.example.com", "Transfer-Encoding: chunked", 400, "body"),
            ("Host: server.example.com\r\n", "", 400, "Host"),
            ("Origin", "Host", 400, "Host"),
            ("GET /ws", "POST /ws", 405, "GET only"),
            ("GET /ws", "get /ws", 405, "GET only"),
            ("GET /ws", "GET /wss", 404, "/ws"),
        ] {
            assert_ne!(HANDSHAKE, HANDSHAKE.replace(from, to), "{from}");
            let (found, head, body) = refused(&HANDSHAKE.replace(from, to));
            assert_eq!(found, status, "{to}: {body}");
            assert!(body.contains(word), "{word:?} is not in {body:?}");
            assert_eq!(head.contains("\r\nUpgrade: websocket"), status == 426);
            assert_eq!(head.contains("\r\nConnection: close, Upgrade\r\n"), status == 426);
            assert_eq!(head.contains("\r\nSec-WebSocket-Version: 13"), body.contains("Version: 13"));
            assert_eq!(head.contains("\r\nAllow: GET"), status == 405);
        }
        let bare_port = HANDSHAKE.replace("/ws HTTP", "/ HTTP").replace("Upgrade: websocket\r\n", "");
        assert_eq!(refused(&bare_port).0, 426, "a proxy dropped Upgrade: the page is no answer");
    }

    #[test]
    fn pages() {
        let (status, head, body) = refused("GET /?a=b HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!((status, body.as_str()), (200, "<p>demo"));
        for field in [
            "Content-Type: text/html; charset=utf-8",
            "Cache-Control: no-cache",
            "X-Content-Type-Options: nosniff",
            "Content-Security-Policy: default-src 'none'; script-src 'self' 'unsafe-inline'",
        ] {
            assert!(head.contains(field), "{field} is not in {head}");
        }
        let (status, head, body) = refused("GET /icon.svg HTTP/1.0\r\n\r\n");
        assert_eq!((status, body.as_str()), (200, "<svg/>"));
        assert!(!head.contains("Content-Security-Policy"));
        let Answer::Respond { response } = ask("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n") else {
            panic!("upgraded")
        };
        let head = String::from_utf8(response).unwrap();
        assert!(head.ends_with("\r\n\r\n") && head.contains("Content-Length: 7\r\n"), "{head}");
    }

    #[test]
    fn requests_for_what_is_not_there() {
        assert_eq!(refused("GET /ws HTTP/1.1\r\nHost: x\r\n\r\n").0, 426);
        let head = "HEAD /ws HTTP/1.1\r\nHost: x\r\n\r\n";
        let Answer::Respond { response } = ask(head) else { panic!("upgraded") };
        assert!(response.starts_with(b"HTTP/1.1 405 ") && response.ends_with(b"\r\n\r\n"), "without a body");
        let (status, head, _) = refused("PUT / HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(status, 405);
        assert!(head.contains("\r\nAllow: GET, HEAD"), "{head}");
        let (status, _, body) = refused("GET /favicon.ico HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(status, 404);
        assert!(body.contains("/, /icon.svg, /ws"), "{body}");
        assert_eq!(refused("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").0, 404);
        let bare = answer(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 4096, &Origins::default(), &Site::default());
        assert!(
            matches!(bare, Some((_, Answer::Respond { response })) if response.starts_with(b"HTTP/1.1 426"))
        );
    }

    #[test]
    fn heads_that_are_too_large() {
        let size = HANDSHAKE.len();
        let status = |input: &[u8], bytes_max| match answer(input, bytes_max, &Origins::default(), &SITE) {
            None => 0,
            Some((_, Answer::Upgrade { .. })) => 101,
            Some((_, Answer::Respond { response })) => {
                std::str::from_utf8(&response[9..12]).unwrap().parse().unwrap()
            }
        };
        let bytes = HANDSHAKE.as_bytes();
        assert_eq!(status(bytes, size), 101);
        assert_eq!(status(bytes, size - 1), 431);
        assert_eq!(status(&bytes[..size - 1], size), 0);
        assert_eq!(status(&bytes[..size - 1], size - 1), 431);
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(500));
        assert_eq!(status(many.as_bytes(), 16_384), 431);
    }

    #[test]
    fn what_is_not_http_is_refused_early() {
        for input in
            ["\u{1}", "GET / HTTP/2.0\r\n", "GET\r\n", "GET / HTTP/1.1\r\nno colon\r\n", "\u{16}\u{3}\u{1}"]
        {
            assert_eq!(refused(input).0, 400, "{input:?}");
        }
        assert_eq!(refused("GET http:// HTTP/1.1\r\nHost: x\r\n\r\n").0, 400);
    }
}
