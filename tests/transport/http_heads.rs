//! Heads of requests in pieces, at random, and not meant well: what comes back is a sound response or nothing yet.

use connectanum::http::{self, Answer, Site, StaticFile};
use proptest::prelude::*;

const SITE: Site<'_> = Site {
    files: &[StaticFile { path: "/", content_type: "text/html; charset=utf-8", body: b"<p>demo" }],
    tracking: None,
};

const HEAD_BYTES_MAX: usize = 2048;

fn answer(input: &[u8]) -> Option<(usize, Answer)> {
    http::answer(input, HEAD_BYTES_MAX, &http::Origins::default(), &SITE)
}

/// What a client would make of the response to `request`: its status, after a look at the rest.
fn status(answer: &Answer, request: &[u8]) -> u16 {
    let (Answer::Upgrade { response, .. } | Answer::Respond { response }) = answer;
    let mut fields = [httparse::EMPTY_HEADER; 16];
    let mut parsed = httparse::Response::new(&mut fields);
    let size = parsed.parse(response).expect("well-formed").unwrap();
    let code = parsed.code.expect("a status");
    let field = |name: &str| parsed.headers.iter().find(|field| field.name == name).map(|field| field.value);
    assert_eq!(matches!(answer, Answer::Upgrade { .. }), code == 101);
    if code == 101 {
        assert_eq!(response.len(), size);
    } else {
        let length: usize = std::str::from_utf8(field("Content-Length").unwrap()).unwrap().parse().unwrap();
        let body = response.len() - size;
        // What cannot be read as a request has no method that would forbid a body.
        let is_bare = request.starts_with(b"HEAD ") && code != 400;
        assert!(
            body == length && !is_bare || body == 0 && request.starts_with(b"HEAD "),
            "{length} bytes are announced, {body} sent"
        );
        assert!(field("Connection").unwrap().starts_with(b"close"));
    }
    code
}

/// Requests from sound to absurd, made of parts that matter.
fn head() -> impl Strategy<Value = String> {
    let method = prop_oneof![6 => Just("GET"), 1 => Just("HEAD"), 1 => Just("POST"), 1 => Just("G\u{e4}T")];
    let target = prop_oneof![
        4 => Just("/ws".to_owned()),
        2 => Just("/".to_owned()),
        1 => Just("*".to_owned()),
        1 => Just("//[::1".to_owned()),
        1 => "[!-~]{0,30}",
    ];
    let version = prop_oneof![8 => Just("HTTP/1.1"), 1 => Just("HTTP/1.0"), 1 => Just("HTTP/3")];
    let field = prop_oneof![
        4 => Just("Upgrade: websocket".to_owned()),
        4 => Just("Connection: keep-alive, Upgrade".to_owned()),
        4 => Just("Sec-WebSocket-Version: 13".to_owned()),
        4 => Just("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==".to_owned()),
        4 => Just("Sec-WebSocket-Protocol: wamp.2.json".to_owned()),
        1 => "Sec-WebSocket-(Key|Protocol|Version): [ -~]{0,40}",
        1 => "[A-Za-z-]{0,10}: ?[^\r\n]{0,20}",
        1 => "[^\r\n]{0,20}",
    ];
    (method, target, version, prop::collection::vec(field, 0..9)).prop_map(
        |(method, target, version, fields)| {
            format!("{method} {target} {version}\r\nHost: x\r\n{}\r\n\r\n", fields.join("\r\n"))
        },
    )
}

proptest! {
    #[test]
    fn every_head_has_a_sound_response_and_every_split_gives_the_same(head in head()) {
        let (consumed, expected) = answer(head.as_bytes()).expect("the head is whole");
        prop_assert!(consumed <= head.len());
        let expected_status = status(&expected, head.as_bytes());
        prop_assert!([101, 200, 400, 404, 405, 426].contains(&expected_status));
        for end in 0..head.len() {
            // A prefix either waits for more, or shows already that the head is malformed.
            if let Some((_, early)) = answer(&head.as_bytes()[..end]) {
                prop_assert_eq!(status(&early, head.as_bytes()), expected_status, "after {} bytes", end);
            }
        }
    }

    #[test]
    fn random_bytes_do_no_harm(input in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Some((consumed, answer)) = answer(&input) {
            prop_assert!(consumed <= input.len());
            prop_assert_ne!(status(&answer, &input), 101);
        }
    }

    #[test]
    fn no_head_may_wait_beyond_the_limit(filler in "[a-z]{0,40}") {
        let mut input = format!("GET /ws HTTP/1.1\r\nHost: x\r\nX-{filler}: ").into_bytes();
        input.resize(HEAD_BYTES_MAX - 1, b'x');
        prop_assert_eq!(answer(&input), None);
        input.push(b'x');
        prop_assert_eq!(answer(&input).map(|(_, answer)| status(&answer, &input)), Some(431));
    }
}
