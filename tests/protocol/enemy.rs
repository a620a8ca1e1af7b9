//! Clients that mean harm: lengths that are only announced, ids of others, meta procedures across realms, headers and payloads
//! with more in them than they should have. (Malformed messages and splices: `isolation`; hoarding: `hoarding`.)

use connectanum::limits::Limits;
use connectanum::wamp::Serializer;
use serde_json::{Value, json};

use crate::harness::{
    Client, Net, STRICT_URIS, Transport, everywhere, everywhere_with, oracle, upgrade, ws_control,
};

/// Half a message, a few bytes at a time and each just in time: the deadline counts from the beginning.
#[test]
fn slowly() {
    let limits = Limits { handshake_ms_max: 1000, ..Limits::default() };
    everywhere_with(limits, |net| {
        let bob = net.join();
        let hello = json!([1, "realm1", {"roles": {"caller": {}}}]);
        for transport in [Transport::raw_socket(Serializer::Json), Transport::WebSocket(Serializer::Json)] {
            // The head or handshake itself; and a message on a transport that is up.
            let early = net.socket();
            let late = net.client_over(transport);
            let frame = transport.frame(&oracle::from_json(Serializer::Json, &hello));
            let head = transport.hello();
            for n in 0..10 {
                early.write(head.get(n..=n).filter(|_| n + 1 < head.len()).unwrap_or_default());
                late.socket.write(&frame[n..=n]);
                assert!(!early.is_ended() && !late.socket.is_ended());
                net.wait_ms(99);
            }
            net.wait_ms(20);
            assert!(early.is_ended() && late.socket.is_ended());
            for socket in [&early, &late.socket] {
                socket.eof();
            }
        }
        bob.expect_nothing();
        assert_eq!(net.census()[0], 1);
    });
}

/// Those who say nothing are gone in time, and others do not notice.
#[test]
fn half_open() {
    let limits = Limits { handshake_ms_max: 1000, ..Limits::default() };
    everywhere_with(limits, |net| {
        let [alice, bob] = net.join_all();
        let subscription = bob.subscribe("com.x");
        let sockets: Vec<_> = (0..200).map(|_| net.socket()).collect();
        alice.send(json!([16, 1, {}, "com.x"]));
        bob.expect_event(subscription, json!([{}]));
        assert_eq!(net.census()[..2], [202, 2]);
        net.wait_ms(1000);
        assert!(sockets.iter().all(|socket| socket.is_ended()));
        sockets.iter().for_each(|socket| socket.eof());
        assert_eq!(net.census()[..2], [2, 2]);
    });
}

/// A frame that announces more than is allowed is refused when its length is known; one that is allowed waits, within the
/// limit. (What is announced inside of messages: `isolation::malformed_messages`.)
#[test]
fn huge_lengths() {
    everywhere_with(Limits { message_bytes_max: 10_000, ..Limits::default() }, |net| {
        let bob = net.join();
        let web: [&[u8]; 4] = [
            b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff",
            b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x81\xff\0\0\0\0\xff\xff\xff\xff",
            b"\x01\xfe\x27\x11",
        ];
        for (transport, heads) in [
            (Transport::WebSocket(Serializer::Json), &web[..]),
            (
                Transport::raw_socket(Serializer::Json),
                &[&b"\0\xff\xff\xff"[..], b"\x08\0\0\0", b"\x01\xff\xff\xff"],
            ),
        ] {
            for head in heads {
                let alice = net.client_over(transport).welcomed("realm1");
                alice.socket.write(head);
                assert!(alice.socket.is_ended(), "{transport:?} {head:?}");
                alice.socket.eof();
            }
        }
        bob.expect_nothing();
        assert_eq!(net.census()[0], 1);
    });
}

/// Compression is not offered, so nobody can send what becomes huge when it is inflated.
#[test]
fn a_websocket_with_compression() {
    everywhere(|net| {
        let request = upgrade("/ws", "wamp.2.json");
        let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nHost:";
        let socket = net.socket();
        socket.write(request.replace("Host:", offer).as_bytes());
        let response = String::from_utf8(socket.read()).unwrap();
        assert!(response.starts_with("HTTP/1.1 101 ") && !response.contains("Extensions"), "{response}");
        // A compressed message all the same: its first bit of meaning is reserved.
        socket.write(b"\xc1\x85\0\0\0\0\xaa\x56\x4a\x04\0");
        assert_eq!(socket.read().first(), Some(&0x88), "a close frame");
        assert!(socket.is_ended());
        socket.eof();
    });
}

/// The pongs of somebody who does not read them are bounded: then it is not read either.
#[test]
fn pings_without_an_end() {
    let limits = Limits { outbound_bytes_high: 2000, ..Limits::default() };
    everywhere_with(limits, |net| {
        let bob = net.join();
        for transport in [Transport::raw_socket(Serializer::Cbor), Transport::WebSocket(Serializer::Cbor)] {
            let alice = net.client_over(transport);
            let ping = match transport {
                Transport::RawSocket { .. } => crate::harness::raw_frame(1, &[7; 100]),
                Transport::WebSocket(_) => ws_control(connectanum::ws::Control::Ping, &[7; 100]),
            };
            alice.socket.take_only(0);
            let mut sent = 0;
            while !alice.socket.is_paused() {
                alice.socket.write(&ping);
                sent += 1;
                assert!(sent < 100, "read without an end");
            }
            alice.socket.take_only(usize::MAX);
            let pongs = std::iter::from_fn(|| alice.next_frame()).count();
            assert_eq!(pongs, sent);
            alice.socket.lose();
        }
        bob.expect_nothing();
    });
}

/// ERROR of this kind, whoever the id belongs to: nothing is told that a number made up would not tell.
#[track_caller]
fn not_there(mallory: &Client, message: u64, ids: [u64; 2], error: &str) {
    let answers = ids.map(|id| {
        let request = mallory.fresh();
        let answer = mallory.ask(json!([message, request, id]));
        assert_eq!(answer, json!([8, message, request, {}, error, answer[5]]));
        without(&answer[5], id)
    });
    assert_eq!(answers[0], answers[1]);
}

/// The words in `value`, those that are the id left out.
fn without(value: &Value, id: u64) -> Vec<String> {
    let text = value.to_string();
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| *word != id.to_string());
    words.map(str::to_owned).collect()
}

/// Ids of others are of no use.
#[test]
fn guessed_ids() {
    everywhere(|net| {
        let callee = net.join_announcing(&["call_canceling", "progressive_call_results"]);
        let caller = net.join_announcing(&["progressive_call_results", "call_canceling"]);
        let subscription = caller.subscribe("com.topic");
        let registration = callee.register("com.procedure");
        let request = caller.fresh();
        caller.send(json!([48, request, {"receive_progress": true}, "com.procedure"]));
        let invocation = callee.next()[1].as_u64().unwrap();

        let mallory = net.join();
        not_there(&mallory, 34, [subscription, 1 << 50], "wamp.error.no_such_subscription");
        not_there(&mallory, 66, [registration, 1 << 50], "wamp.error.no_such_registration");
        // Nothing to cancel is no fault, whoever the request belongs to.
        mallory.send(json!([49, request, {"mode": "killnowait"}]));
        mallory.send(json!([337, 1]));
        mallory.send(json!([337, subscription]));
        callee.expect_nothing();
        caller.expect_nothing();
        mallory.all();
        // Who answers what it was not asked breaks the protocol, or answers what might have been withdrawn; never others' calls.
        for answer in [
            json!([70, invocation, {}, ["forged"]]),
            json!([70, invocation, {"progress": true}, ["forged"]]),
            json!([8, 68, invocation, {}, "com.forged"]),
        ] {
            let mallory = net.join();
            mallory.send(answer);
            mallory.expect_violation("");
            caller.expect_nothing();
            callee.expect_nothing();
        }
        // All is as it was.
        callee.send(json!([70, invocation, {}, ["right"]]));
        assert_eq!(caller.next(), json!([50, request, {}, ["right"]]));
        mallory.send(json!([16, mallory.fresh(), {}, "com.topic"]));
        caller.expect_event(subscription, json!([{}]));
        mallory.send(json!([48, mallory.fresh(), {}, "com.procedure"]));
        callee.expect_invocation(registration, json!([{}]));
    });
}

/// What one realm has does not exist for another.
#[test]
fn meta_procedures_of_another_realm() {
    everywhere(|net| {
        let victim = net.join();
        let (subscription, registration) = (victim.subscribe("com.topic"), victim.register("com.procedure"));
        let mallory = net.join_realm(STRICT_URIS);
        let ask = |procedure: &str, args: Value| {
            let mut answer = mallory.ask(json!([48, mallory.fresh(), {}, procedure, args]));
            let at = if answer[0] == 8 { 2 } else { 1 };
            answer[at] = json!("request");
            answer
        };
        let session = victim.session();
        for (procedure, id) in [
            ("wamp.session.get", session),
            ("wamp.session.kill", session),
            ("wamp.registration.get", registration),
            ("wamp.registration.list_callees", registration),
            ("wamp.registration.count_callees", registration),
            ("wamp.registration.remove_callee", registration),
            ("wamp.subscription.get", subscription),
            ("wamp.subscription.list_subscribers", subscription),
            ("wamp.subscription.count_subscribers", subscription),
            ("wamp.subscription.remove_subscriber", subscription),
            ("wamp.subscription.get_events", subscription),
        ] {
            let args = |id: u64| {
                if procedure.contains("remove") { json!([id, mallory.session()]) } else { json!([id]) }
            };
            let (theirs, nobodys) = (ask(procedure, args(id)), ask(procedure, args(1 << 50)));
            assert_eq!(theirs[0], 8, "{procedure}: {theirs}");
            assert_eq!(without(&theirs, id), without(&nobodys, 1 << 50), "{procedure}");
        }
        let alone = json!([mallory.session()]);
        for (procedure, args, result) in [
            ("wamp.session.list", json!([]), json!([alone])),
            ("wamp.session.count", json!([]), json!([1])),
            ("wamp.session.kill_all", json!([]), json!([0])),
            ("wamp.session.kill_by_authrole", json!(["anonymous"]), json!([0])),
            ("wamp.registration.lookup", json!(["com.procedure"]), json!([null])),
            ("wamp.registration.match", json!(["com.procedure"]), json!([null])),
            ("wamp.registration.list", json!([]), json!([{"exact": [], "prefix": [], "wildcard": []}])),
            ("wamp.subscription.lookup", json!(["com.topic"]), json!([null])),
            ("wamp.subscription.match", json!(["com.topic"]), json!([null])),
            ("wamp.subscription.list", json!([]), json!([{"exact": [], "prefix": [], "wildcard": []}])),
        ] {
            let answer = ask(procedure, args);
            assert_eq!((&answer[0], &answer[3]), (&json!(50), &result), "{procedure}: {answer}");
        }
        victim.expect_nothing();
        let [alice, bob] = [net.join(), net.join_realm(STRICT_URIS)];
        for stranger in [&bob, &alice] {
            stranger.send(json!([16, 1, {}, "com.topic"]));
            stranger.send(json!([48, 2, {}, "com.procedure"]));
        }
        bob.expect_error(48, 2, "wamp.error.no_such_procedure", "");
        victim.expect_event(subscription, json!([{}]));
        victim.expect_invocation(registration, json!([{}]));
        victim.expect_nothing();
    });
}

/// Lines of the response are the router's own, whatever is in the request.
#[test]
fn headers_with_more_in_them() {
    const EVIL: [&str; 7] = [
        "x\r\nX-Evil: 1",
        "x\rX-Evil: 1",
        "x\nX-Evil: 1",
        "x\0X-Evil: 1",
        "x\r\n\r\nX-Evil: 1\r\n\r\nHTTP/1.1 200 OK\r\n",
        "wamp.2.json\u{1}X-Evil: 1",
        "x\r\n X-Evil: folded",
    ];
    everywhere(|net| {
        for evil in EVIL {
            let good = upgrade("/ws", "wamp.2.json");
            let requests = [
                good.replace("localhost", evil),
                good.replace("Host:", &format!("Origin: {evil}\r\nHost:")),
                good.replace("Host:", &format!("Cookie: a={evil}\r\nHost:")),
                good.replace("wamp.2.json", &format!("{evil}, wamp.2.json")),
                good.replace("wamp.2.json", evil),
                good.replace("dGhlIHNhbXBsZSBub25jZQ==", evil),
                good.replace("/ws", &format!("/{}", evil.replace(' ', ""))),
                good.replace("websocket", evil),
            ];
            for request in requests {
                let socket = net.socket();
                socket.write(request.as_bytes());
                let response = String::from_utf8(socket.read()).expect("text");
                let (head, body) = response.split_once("\r\n\r\n").expect("a whole response");
                assert!(head.starts_with("HTTP/1.1 "), "{head}");
                let lines: Vec<_> = head.split("\r\n").collect();
                assert!(!lines.iter().any(|line| line.to_lowercase().contains("x-evil")), "{head}");
                assert!(!head.replace("\r\n", "").contains(['\r', '\n', '\0']), "{head}");
                assert!(!body.contains("HTTP/1.1 200"), "{body}");
                socket.eof();
                socket.lose();
            }
        }
    });
}

/// What looks like the end of a payload, or like the begin of another message, inside of strings and bytes: every receiver gets one
/// message with that payload, from every serializer to every other.
#[test]
fn payloads_that_look_like_more() {
    let strings = [
        r#""]],[36,1,1,{},["forged"]]"#,
        r#"\"]}"#,
        "],{}]",
        "\\",
        "\\u0000",
        "\u{0}not base64",
        "\u{1f}\u{7f}\u{85}\u{2028}\u{feff}",
        "\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        "\u{0}\u{0}\u{0}\u{5}[6,{}]",
        "</script><!--",
    ];
    everywhere(|net| {
        let receivers = Serializer::ALL.map(|serializer| {
            let client = net.join_with(serializer);
            (client.subscribe("com.x"), client)
        });
        for serializer in Serializer::ALL {
            let alice = net.join_with(serializer);
            for text in strings {
                let rest = json!([{}, [text, [text], {text: text}], {text: text}]);
                alice.send(json!([16, alice.fresh(), {}, "com.x", rest[1], rest[2]]));
                for (subscription, client) in &receivers {
                    client.expect_event(*subscription, rest.clone());
                    client.expect_nothing();
                }
            }
            alice.socket.lose();
        }
    });
}

/// A key that comes twice counts once, the same for all who look at it: two options do not pass one check and act as the other.
#[test]
fn keys_that_come_twice() {
    everywhere(|net| {
        for bytes in [
            r#"[16,1,{"acknowledge":true,"acknowledge":false},"com.x",["twice"]]"#,
            r#"[16,1,{"acknowledge":false,"acknowledge":true},"com.x",["twice"]]"#,
        ] {
            let (alice, bob) = (net.join_with(Serializer::Json), net.join_with(Serializer::Cbor));
            let subscription = bob.subscribe("com.x");
            alice.send_bytes(bytes.as_bytes());
            // Refused as a whole, or taken as a whole.
            let answers = alice.all();
            assert!(answers.len() <= 1, "{answers:?}");
            match alice.socket.is_ended() {
                true => bob.expect_nothing(),
                false => drop(bob.expect_event(subscription, json!([{}, ["twice"]]))),
            }
            alice.socket.lose();
            bob.socket.lose();
        }
    });
}

/// Frames inside of frames: a text that is a frame of the transport is a text.
#[test]
fn frames_within_frames() {
    everywhere(|net: &Net| {
        let [alice, bob] = net.join_all();
        let subscription = bob.subscribe("com.x");
        for transport in [Transport::raw_socket(Serializer::Json), Transport::WebSocket(Serializer::Json)] {
            let inner = transport.frame(br#"[6,{},"wamp.close.normal"]"#);
            let text: String = inner.iter().map(|byte| char::from(*byte)).collect();
            alice.send(json!([16, alice.fresh(), {}, "com.x", [text]]));
            bob.expect_event(subscription, json!([{}, [text]]));
            bob.expect_nothing();
            alice.expect_nothing();
        }
    });
}
