//! What is fuzzed: each parser as a function of bytes, with bytes to begin with. Shared with `fuzz/`, where libFuzzer runs them.

use std::sync::{Arc, LazyLock};

use connectanum::auth::{
    self, AuthProcedure, Channel, CookieId, CraSecret, Directory, Gate, Hello, Issuer, Keys, Method, Step,
    TicketSecret, User,
};
use connectanum::config::{Overrides, ServeConfig};
use connectanum::http::{self, Answer, CookieName, Site, StaticFile, Tracking};
use connectanum::wamp::{Message, Serializer, encode, scan, transcode, transcode_value};
use connectanum::ws::{Decoded, Decoder, Role};
use connectanum::{rawsocket, wamp};

/// Something that reads bytes of others.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Panics if something is wrong.
    pub(crate) run: fn(&[u8]),
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub(crate) const TARGETS: [Target; 12] = [
    Target { name: "json", run: json, seeds: json_seeds },
    Target { name: "msgpack", run: msgpack, seeds: || converted(Serializer::MsgPack) },
    Target { name: "cbor", run: cbor, seeds: || converted(Serializer::Cbor) },
    Target { name: "values", run: values, seeds: value_seeds },
    Target { name: "ws", run: ws, seeds: ws_seeds },
    Target { name: "ws_client", run: ws_client, seeds: ws_seeds },
    Target {
        name: "rawsocket",
        run: raw_socket,
        seeds: || vec![b"\x7f\xf1\0\0\0\0\0\x05hello\x01\0\0\x01x".to_vec()],
    },
    Target { name: "http", run: http_head, seeds: http_seeds },
    Target { name: "ticket", run: ticket, seeds: ticket_seeds },
    Target { name: "auth", run: auth, seeds: auth_seeds },
    Target { name: "authenticator", run: authenticator, seeds: authenticator_seeds },
    Target { name: "config", run: config, seeds: config_seeds },
];

fn json(bytes: &[u8]) {
    message(Serializer::Json, bytes);
}

fn msgpack(bytes: &[u8]) {
    message(Serializer::MsgPack, bytes);
}

fn cbor(bytes: &[u8]) {
    message(Serializer::Cbor, bytes);
}

/// What is taken for a message stays one, with every serializer, and comes back as it was.
fn message(serializer: Serializer, bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes).as_ref()
        && serializer == Serializer::Json
    {
        assert_eq!(wamp::scan::scan_json(text, 64).is_ok(), scan(serializer, bytes).is_ok());
    }
    let Ok(message) = scan(serializer, bytes) else { return };
    let mut written = Vec::new();
    encode(&message, serializer, &mut written);
    let again = scan(serializer, &written).expect("what is written can be read");
    let mut twice = Vec::new();
    encode(&again, serializer, &mut twice);
    assert!(written == twice, "written differently the second time");

    let payload = payload(&message);
    wamp::transcode::payload_values(payload);
    for target in Serializer::ALL {
        let mut out = Vec::new();
        transcode(payload, target, &mut out).expect("what the scan takes can be transcoded");
        for item in wamp::transcode::items(wamp::Payload { serializer: target, bytes: &out, ..payload }) {
            item.map(wamp::transcode::value);
        }
        // Among others it is still one message with as many arguments.
        let event = event(wamp::Payload { serializer: target, bytes: &out, ..payload });
        let mut frame = Vec::new();
        encode(&event, target, &mut frame);
        let read = scan(target, &frame).expect("an event with a foreign payload can be read");
        assert_eq!(self::payload(&read).items, payload.items);
        assert!(self::payload(&read).bytes == out, "another payload");
    }
}

fn event(payload: wamp::Payload<'_>) -> Message<'_> {
    Message::Event(wamp::message::Event {
        subscription: wamp::SubscriptionId(1),
        publication: wamp::PublicationId(2),
        details: wamp::message::EventDetails::default(),
        payload,
    })
}

fn payload<'a>(message: &Message<'a>) -> wamp::Payload<'a> {
    match message {
        Message::Publish(it) => it.payload,
        Message::Call(it) => it.payload,
        Message::Yield(it) => it.payload,
        Message::Error(it) => it.payload,
        Message::Event(it) => it.payload,
        Message::Result(it) => it.payload,
        Message::Invocation(it) => it.payload,
        Message::Abort(it) => it.payload,
        _ => wamp::Payload { serializer: Serializer::Json, items: 0, bytes: &[] },
    }
}

/// Single values: those that are no value are refused, and leave nothing behind.
fn values(bytes: &[u8]) {
    for serializer in Serializer::ALL {
        for target in Serializer::ALL {
            let mut out = vec![b'x'];
            let raw = wamp::message::RawValue { serializer, bytes };
            match transcode_value(raw, target, &mut out) {
                Ok(()) => {
                    let back = wamp::message::RawValue { serializer: target, bytes: &out[1..] };
                    transcode_value(back, serializer, &mut Vec::new()).expect("a value");
                    wamp::transcode::value(raw);
                }
                Err(_) => assert_eq!(out, [b'x']),
            }
        }
    }
}

fn ws(bytes: &[u8]) {
    decode(Role::Server, bytes);
}

fn ws_client(bytes: &[u8]) {
    decode(Role::Client, bytes);
}

/// All at once, or in pieces as the first byte says: the same events, and the same end.
fn decode(role: Role, bytes: &[u8]) {
    let Some((&piece, bytes)) = bytes.split_first() else { return };
    let whole = events(role, bytes, bytes.len().max(1));
    let pieces = events(role, bytes, usize::from(piece) % 40 + 1);
    // A fault may show earlier if more is there to be looked at, but nothing that came before it is lost.
    assert_eq!(whole, pieces);
}

fn events(role: Role, bytes: &[u8], piece: usize) -> Vec<String> {
    const MESSAGE_BYTES_MAX: usize = 10_000;
    let mut decoder = Decoder::new(role, MESSAGE_BYTES_MAX);
    let (mut waiting, mut events) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        waiting.extend_from_slice(piece);
        loop {
            let there = waiting.len();
            match decoder.decode(&mut waiting) {
                Ok(Decoded::Frame { consumed, event }) => {
                    assert!((2..=there).contains(&consumed));
                    events.extend(event.map(|event| format!("{event:?}")));
                    waiting.drain(..consumed);
                }
                Ok(Decoded::Incomplete { missing }) => {
                    assert!(missing > 0 && missing <= MESSAGE_BYTES_MAX + 14);
                    break;
                }
                Err(error) => {
                    assert!((1000..5000).contains(&error.close_code()));
                    events.push(error.to_string());
                    return events;
                }
            }
        }
    }
    events
}

fn raw_socket(bytes: &[u8]) {
    let Some((handshake, mut rest)) = bytes.split_first_chunk() else { return };
    let _ = (rawsocket::parse_handshake(*handshake), rawsocket::parse_reply(*handshake));
    while let Some((head, after)) = rest.split_first_chunk() {
        let Ok(header) = rawsocket::parse_header(*head) else { return };
        assert!(header.len <= rawsocket::FRAME_BYTES_MAX);
        assert_eq!(rawsocket::header(header.kind, header.len), *head);
        rest = after.get(header.len..).unwrap_or_default();
    }
}

static COOKIE: LazyLock<CookieName> = LazyLock::new(CookieName::default);

fn site() -> Site<'static> {
    Site {
        files: &[StaticFile { path: "/", content_type: "text/html; charset=utf-8", body: b"<p>demo" }],
        tracking: Some(Tracking { name: &COOKIE, is_tls: false }),
    }
}

/// A response has one head, whose lines are ours alone.
fn http_head(bytes: &[u8]) {
    let Some((consumed, answer)) = http::answer(bytes, 2048, &http::Origins::default(), &site()) else {
        assert!(bytes.len() < 2048, "a head beyond its limit");
        return;
    };
    assert!(consumed <= bytes.len());
    let response = match answer {
        Answer::Respond { response } => response,
        Answer::Upgrade { mut response, visitor, .. } => {
            if let Some(visitor) = visitor {
                let value = visitor.cookie.as_deref().and_then(|value| value.parse::<CookieId>().ok());
                let value = value.unwrap_or(CookieId::new([7; 32]));
                http::set_cookie(&mut response, &COOKIE, value, 60, visitor.is_secure);
            }
            response
        }
    };
    let end = response.windows(4).position(|at| at == b"\r\n\r\n").expect("a whole head");
    let head = std::str::from_utf8(&response[..end]).expect("ASCII");
    assert!(head.starts_with("HTTP/1.1 ") && head.is_ascii());
    const OURS: [&str; 14] = [
        "Allow",
        "Cache-Control",
        "Connection",
        "Content-Length",
        "Content-Security-Policy",
        "Content-Type",
        "Date",
        "Referrer-Policy",
        "Sec-WebSocket-Accept",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Version",
        "Upgrade",
        "X-Content-Type-Options",
        "Set-Cookie",
    ];
    for line in head.split("\r\n").skip(1) {
        let (name, value) = line.split_once(": ").expect("a field");
        assert!(OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)), "{line}");
        assert!(value.chars().all(|c| (' '..='~').contains(&c)), "{line:?}");
    }
}

const SECRET: &[u8] = b"a secret that is long enough for HS256";

static GATE: LazyLock<Gate> = LazyLock::new(|| {
    let mut joe = User::new("joe", "user");
    joe.secrets.ticket = Some(TicketSecret::of("ticket"));
    joe.secrets.wampcra = Some(CraSecret::plain("secret"));
    let users = Arc::new(Directory::new(vec![joe], b"seed"));
    let issuer = Issuer::new(Keys::secret(SECRET).expect("long enough"), "guest");
    [Method::Ticket, Method::Wampcra, Method::Scram, Method::Cryptosign, Method::Tls]
        .into_iter()
        .fold(Gate::new(), |gate, method| gate.with_users(method, &users, std::slice::from_ref(&issuer)))
});

const METHODS: [&str; 5] = ["ticket", "wampcra", "scram", "cryptosign", "tls"];

fn hello<'a>(
    authmethods: &'a [&'a str],
    authid: Option<&'a str>,
    extra: &'a simd_json::OwnedValue,
    channel: &'a Channel,
) -> Hello<'a> {
    let (random, date_ms) = ([9; 32], 1_700_000_000_000);
    Hello { realm: "realm1", session: 1, authmethods, authid, extra, channel, random, date_ms }
}

/// What a procedure answers that knows the users.
fn authenticator(bytes: &[u8]) {
    let value =
        |bytes| wamp::transcode::value(wamp::message::RawValue { serializer: Serializer::Json, bytes });
    let channel = Channel { certificate: Some([1; 32]), ..Channel::default() };
    let extra = value(
        br#"{"nonce": "AAAA", "pubkey": "545efb0a2192db8d43f118e9bf9aee081466e1ef36c708b96ee6f62dddad9122"}"#,
    );
    for (method, authid) in
        [Method::Anonymous, Method::Ticket, Method::Wampcra, Method::Scram, Method::Cryptosign, Method::Tls]
            .into_iter()
            .flat_map(|method| [(method, None), (method, Some("joe"))])
    {
        let procedure = AuthProcedure { method, procedure: "com.auth".into(), realm: None, authrole: None };
        let gate = Gate::new().with_procedure(procedure, b"");
        let offered = [method.name()];
        let mut step = gate.start(&hello(&offered, authid, &extra, &channel));
        for _ in 0..5 {
            step = match step {
                Step::Ask(ask) => ask.go_on(auth::Answer::Value(value(bytes)), 1_700_000_000_001),
                Step::Challenge(challenge) => challenge.pending.finish("AAAA", &extra, 1_700_000_000_002),
                Step::Welcome(principal) => {
                    assert!(
                        matches!(method, Method::Anonymous | Method::Ticket | Method::Tls),
                        "{principal:?}"
                    );
                    assert!(!principal.authid.is_empty() && !principal.authrole.is_empty(), "{principal:?}");
                    break;
                }
                Step::Deny(_) | Step::Verify(_) => break,
            };
        }
    }
}

fn authenticator_seeds() -> Vec<Vec<u8>> {
    let key = "545efb0a2192db8d43f118e9bf9aee081466e1ef36c708b96ee6f62dddad9122";
    [
        r#""user""#.to_owned(),
        r#"{"role":"user","authid":"joe","realm":"realm1","extra":{"a":[1]}}"#.to_owned(),
        r#"{"role":"user","secret":"s","salt":"salt","iterations":100,"keylen":32}"#.to_owned(),
        format!(r#"{{"role":"user","pubkey":"{key}"}}"#),
        format!(
            r#"{{"role":"user","salt":"00ff","kdf":"argon2id13","iterations":1,"memory":16,"stored-key":"{key}","server-key":"{key}"}}"#
        ),
    ]
    .map(String::into_bytes)
    .to_vec()
}

/// A handshake with this method, extra and answer. Nobody gets in who does not know the secret.
fn handshake(methods: &[&str], authid: &str, extra: &[u8], signature: &str, answer: &[u8]) {
    let value =
        |bytes| wamp::transcode::value(wamp::message::RawValue { serializer: Serializer::Json, bytes });
    let channel = Channel { exporter: Some([7; 32]), ..Default::default() };
    let extra = value(extra);
    let hello = hello(methods, Some(authid), &extra, &channel);
    let mut step = GATE.start(&hello);
    for _ in 0..4 {
        step = match step {
            Step::Challenge(challenge) => {
                challenge.pending.finish(signature, &value(answer), 1_700_000_000_001)
            }
            // Hashing takes long on purpose.
            Step::Verify(_) | Step::Ask(_) | Step::Deny(_) => return,
            Step::Welcome(principal) => {
                assert!(methods.contains(&"ticket") && signature == "ticket", "let in: {principal:?}");
                return;
            }
        };
    }
    panic!("a handshake without an end");
}

/// {"alg":"HS256"}, {"sub":"ann","exp":4000000000}; the signature is not right, so that nothing made of it can be.
const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4iLCJleHAiOjQwMDAwMDAwMDB9.\
     AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn ticket(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    handshake(&["ticket"], "ann", b"{}", &text, b"{}");
    let _ = Keys::pem(&text);
    let _ = Keys::jwks(&text);
}

fn ticket_seeds() -> Vec<Vec<u8>> {
    let jwks = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"a"},
        {"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T"}]}"#;
    let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    [TOKEN, jwks, pem, "ticket"].map(|text| text.as_bytes().to_vec()).to_vec()
}

/// Lines: the method, the authid, authextra, the signature, the extra of AUTHENTICATE.
fn auth(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n').chain(std::iter::repeat(""));
    let mut line = || lines.next().unwrap_or_default();
    let first = line();
    let methods: Vec<_> =
        first.split(' ').chain(METHODS.into_iter().filter(|name| first.contains(&name[..2]))).collect();
    let (authid, extra, signature, answer) = (line(), line(), line(), line());
    handshake(&methods, authid, extra.as_bytes(), signature, answer.as_bytes());
}

fn auth_seeds() -> Vec<Vec<u8>> {
    let key = "545efb0a2192db8d43f118e9bf9aee081466e1ef36c708b96ee6f62dddad9122";
    let seeds = [
        format!("ticket\njoe\n{{}}\n{TOKEN}\n{{}}"),
        "wampcra\njoe\n{}\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n{}".to_owned(),
        "scram\njoe\n{\"nonce\":\"rOprNGfwEbeRWgbNEkqO0000\",\"channel_binding\":\"tls-exporter\"}\ndHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=\n\
         {\"nonce\":\"rOprNGfwEbeRWgbNEkqO0000x\",\"channel_binding\":null,\"cbind_data\":null}"
            .to_owned(),
        format!("cryptosign\njoe\n{{\"pubkey\":\"{key}\",\"channel_binding\":\"tls-exporter\"}}\n{}\n{{}}", key.repeat(3)),
    ];
    seeds.map(String::into_bytes).to_vec()
}

/// A file that names files and variables finds none.
fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match ServeConfig::load(Some(("router.toml", text)), Overrides::default()) {
        Ok(config) => drop(config.check()),
        Err(faults) => {
            let lines = text.lines().count().max(1) + 1;
            assert!(!faults.0.is_empty());
            for fault in &faults.0 {
                assert!(fault.place.as_ref().is_none_or(|(_, line)| (1..=lines).contains(line)), "{fault:?}");
            }
            faults.to_string();
        }
    }
}

fn config_seeds() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../../docs/connectanum.example.toml").to_vec(),
        include_bytes!("../clients/router.toml").to_vec(),
    ]
}

fn http_seeds() -> Vec<Vec<u8>> {
    let upgrade = "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://localhost\r\n\
         Cookie: a=b; connectanum=BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH; c=d\r\n\
         Sec-WebSocket-Protocol: wamp.2.json, wamp.2.cbor\r\n\r\n";
    let get = "GET / HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n";
    vec![upgrade.into(), get.into(), b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()]
}

fn ws_seeds() -> Vec<Vec<u8>> {
    let masked = b"\x07\x81\x85\x01\x02\x03\x04iggho\x01\x82\0\0\0\0ab\x89\x81\0\0\0\0p\x80\x81\0\0\0\0c\x88\x82\0\0\0\0\x03\xe8";
    let plain = b"\x03\x01\x02ab\x89\x01p\x80\x01c\x82\x7e\0\x80"
        .iter()
        .copied()
        .chain([7; 128])
        .chain(*b"\x88\x02\x03\xe8");
    let long = b"\x02\x82\xfe\x01\x00\0\0\0\0".iter().copied().chain([1; 256]);
    vec![masked.to_vec(), plain.collect(), long.collect()]
}

const MESSAGES: [&str; 17] = [
    r#"[1,"realm1",{"roles":{"publisher":{"features":{"payload_passthru_mode":true}},"caller":{}},"authmethods":["ticket"],"authextra":{"a":[1]}}]"#,
    r#"[5,"signature",{"nonce":"x"}]"#,
    r#"[16,1,{},"com.x",[1,-2.5e3,"a\u00e9\"",null,true,{"k":[[]]}],{"kw":"\u0000AQI="}]"#,
    r#"[16,2,{"acknowledge":true,"exclude":[1,2],"eligible_authid":["a"],"retain":true,"ppt_scheme":"x_y"},"com.x"]"#,
    r#"[32,3,{"match":"prefix","get_retained":true,"nkey":"k"},"com."]"#,
    r#"[34,4,9007199254740992]"#,
    r#"[48,5,{"timeout":10,"receive_progress":true,"progress":false},"com.p",[123456789012345678901234567890]]"#,
    r#"[49,5,{"mode":"kill"}]"#,
    r#"[64,6,{"match":"wildcard","invoke":"roundrobin","concurrency":3},"com..p"]"#,
    r#"[66,7,12]"#,
    r#"[70,8,{"progress":true},[1.0e400,0.1]]"#,
    r#"[8,68,9,{},"com.error",["text"],{}]"#,
    r#"[3,{"message":"m"},"wamp.close.x"]"#,
    r#"[6,{},"wamp.close.normal"]"#,
    r#"[337,1]"#,
    r#"[36,1,2,{"publisher":3,"topic":"t"},["x"]]"#,
    r#"[68,1,2,{"procedure":"p","timeout":1},["x"]]"#,
];

fn json_seeds() -> Vec<Vec<u8>> {
    MESSAGES.map(|text| text.as_bytes().to_vec()).to_vec()
}

/// The messages in another serializer.
fn converted(target: Serializer) -> Vec<Vec<u8>> {
    let convert = |text: &str| {
        let mut out = Vec::new();
        let raw = wamp::message::RawValue { serializer: Serializer::Json, bytes: text.as_bytes() };
        transcode_value(raw, target, &mut out).expect("sound");
        out
    };
    MESSAGES.map(convert).to_vec()
}

fn value_seeds() -> Vec<Vec<u8>> {
    let all = [json_seeds(), converted(Serializer::MsgPack), converted(Serializer::Cbor)];
    let mut all = all.concat();
    all.push(b"\xd7\xff\x12\x34\x56\x78\x9a\xbc\xde\xf0".to_vec());
    all.push(b"\xc2\x49\x01\0\0\0\0\0\0\0\0".to_vec());
    all.push(b"\x9f\xf9\x3c\x00\xfb\x3f\xf0\0\0\0\0\0\0\x7f\x61a\xff\xff".to_vec());
    all
}

/// Runs the target of this name.
pub(crate) fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    (target.run)(bytes);
}
