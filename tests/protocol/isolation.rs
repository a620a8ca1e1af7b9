//! Whatever a client sends, it harms itself alone: others see nothing of a message that is not sound, and nothing of its
//! sender stays.

use connectanum::limits::Limits;
use connectanum::wamp::Serializer;
use serde_json::{Value, json};

use crate::harness::{Client, Net, everywhere, everywhere_with};

/// A malformed message for each serializer, and why it is.
const MALFORMED: [(Serializer, &[u8], &str); 24] = [
    (Serializer::Json, b"", "malformed"),
    (Serializer::Json, b"[16,1,{},\"com.x\"", "malformed"),
    (Serializer::Json, b"[16,1,{},\"com.x\",[1]],", "trailing bytes"),
    (Serializer::Json, b"[16,1,{},\"com.x\",[01]]", "malformed"),
    (Serializer::Json, b"[16,1,{},\"com.x\",[\"\\ud800\"]]", "malformed"),
    (Serializer::Json, b"[16,1,{},\"com.x\",[\"\n\"]]", "malformed"),
    (Serializer::Json, b"[16,1,{},\"com.x\",[nul]]", "malformed"),
    (Serializer::Json, b"[16,1,{1:2},\"com.x\"]", "malformed"),
    (Serializer::Json, b"\x00\x01\x02", "malformed"),
    (Serializer::MsgPack, b"", "malformed"),
    (Serializer::MsgPack, b"\xc1", "malformed"),
    (Serializer::MsgPack, b"\x94\x10\x01\x80", "malformed"),
    (Serializer::MsgPack, b"\x94\x10\x01\x80\xa5com.", "malformed"),
    (Serializer::MsgPack, b"\x95\x10\x01\x80\xa5com.x\x91", "malformed"),
    (Serializer::MsgPack, b"\x95\x10\x01\x80\xa5com.x\xdd\xff\xff\xff\xff", "malformed"),
    (Serializer::MsgPack, b"\x94\x10\x01\x80\xa5com.x\x90", "trailing bytes"),
    (Serializer::MsgPack, b"\x95\x10\x01\x80\xa5com.x\x91\xa1\xff", "malformed"),
    (Serializer::Cbor, b"", "malformed"),
    (Serializer::Cbor, b"\xff", "malformed"),
    (Serializer::Cbor, b"\x84\x10\x01\xa0", "malformed"),
    (Serializer::Cbor, b"\x85\x10\x01\xa0\x65com.x\x9f\x01", "malformed"),
    (Serializer::Cbor, b"\x85\x10\x01\xa0\x65com.x\x9b\xff\xff\xff\xff\xff\xff\xff\xff", "malformed"),
    (Serializer::Cbor, b"\x84\x10\x01\xa0\x65com.x\x80", "trailing bytes"),
    (Serializer::Cbor, b"\x85\x10\x01\xa0\x65com.x\x81\x1c", "malformed"),
];

#[test]
fn malformed_messages() {
    everywhere(|net| {
        let bob = net.join();
        let subscription = bob.subscribe_with(json!({"match": "prefix"}), "com.");
        let before = net.census();
        for (serializer, bytes, text) in MALFORMED {
            let alice = net.join_with(serializer);
            alice.subscribe("com.y");
            alice.register("com.y");
            alice.send_bytes(bytes);
            alice.expect_violation(text);
            assert_eq!(net.census(), before);
            bob.expect_nothing();

            let stranger = net.client_over(alice.transport);
            stranger.send_bytes(bytes);
            stranger.expect_violation(text);
            assert_eq!(net.census(), before);
        }
        net.join().send(json!([16, 1, {}, "com.x"]));
        bob.expect_event(subscription, json!([{"topic": "com.x"}]));
    });
}

#[test]
fn nested_too_deeply() {
    let lists = |depth: usize| (1..depth).fold(json!([]), |inner, _| json!([inner]));
    let dicts = |depth: usize| (1..depth).fold(json!({}), |inner, _| json!({ "a": inner }));
    for nesting_depth_max in [64, 8] {
        everywhere_with(Limits { nesting_depth_max, ..Limits::default() }, |net| {
            let bob = net.join();
            let subscription = bob.subscribe("com.x");
            let (fits, too_deep) = (nesting_depth_max - 1, nesting_depth_max);
            // Short ones, and others that are read in another way.
            for options in [json!({}), json!({"acknowledge": false})] {
                let alice = net.join();
                alice.send(json!([16, 1, options, "com.x", lists(fits), dicts(fits)]));
                bob.expect_event(subscription, json!([{}, lists(fits), dicts(fits)]));
                for payload in [json!([lists(too_deep - 1)]), json!([dicts(too_deep - 1)])] {
                    let alice = net.join();
                    alice.send(json!([16, 1, options, "com.x", payload]));
                    let text = format!("deeper than {nesting_depth_max} (nesting_depth_max)");
                    alice.expect_violation(&text);
                }
            }
            assert_eq!(net.limited().nesting_depth_max, 4);
            bob.expect_nothing();
        });
    }
}

/// Payloads are passed on without being decoded. Nobody may use that to put elements or messages into what others receive.
#[test]
fn splices() {
    const JSON: [&str; 8] = [
        r#"[16,1,{},"com.x",[1],{}],[36,1,1,{}]"#,
        r#"[16,1,{},"com.x",[1],{},{"x":1}]"#,
        r#"[16,1,{},"com.x",[1]],{}]"#,
        r#"[16,1,{},"com.x",[1]]]"#,
        r#"[16,1,{},"com.x",[1}]"#,
        r#"[16,1,{},"com.x",[1],{"a":1}"#,
        "[16,1,{},\"com.x\",[1]]\0",
        "[16,1,{},\"com.x\",[\"\u{7f}\",\"\u{1f}\"]]",
    ];
    const MSGPACK: [&[u8]; 4] = [
        b"\x95\x10\x01\x80\xa5com.x\x91\x01\x80",
        b"\x95\x10\x01\x80\xa5com.x\x92\x01",
        b"\x96\x10\x01\x80\xa5com.x\x91\x01\x81\xa1a",
        b"\x97\x10\x01\x80\xa5com.x\x91\x01\x80\x80",
    ];
    const CBOR: [&[u8]; 4] = [
        b"\x85\x10\x01\xa0\x65com.x\x81\x01\xa0",
        b"\x85\x10\x01\xa0\x65com.x\x9f\x01\xff\xff",
        b"\x9f\x10\x01\xa0\x65com.x\x9f\x01\xff",
        b"\x86\x10\x01\xa0\x65com.x\x81\x01\xbf\x61a\xff",
    ];
    let all = JSON.map(|text| (Serializer::Json, text.as_bytes())).into_iter();
    let all = all.chain(MSGPACK.map(|bytes| (Serializer::MsgPack, bytes)));
    let all: Vec<_> = all.chain(CBOR.map(|bytes| (Serializer::Cbor, bytes))).collect();
    everywhere(|net| {
        for (serializer, bytes) in &all {
            let (alice, bob) = (net.join_with(*serializer), net.join_with(*serializer));
            bob.subscribe("com.x");
            alice.send_bytes(bytes);
            alice.expect_violation("");
            bob.expect_nothing();
            bob.socket.lose();
        }
    });
}

/// The same for answers of callees, which go to one caller.
#[test]
fn spliced_answers() {
    everywhere(|net| {
        let alice = net.join_with(Serializer::Json);
        for answer in [r#"[70,1,{},[1],{}],[50,1,{}]"#, r#"[70,1,{},[1]],{}]"#, r#"[8,68,1,{},"com.e",[1]]]"#]
        {
            let bob = net.join_with(Serializer::Json);
            bob.register("com.procedure");
            alice.send(json!([48, 1, {}, "com.procedure"]));
            assert_eq!(bob.next()[0], 68);
            bob.send_bytes(answer.as_bytes());
            bob.expect_violation("");
            alice.expect_error(48, 1, "wamp.error.canceled", "the callee left");
            alice.expect_nothing();
        }
    });
}

/// Strings of a client that stand in messages of the router are written as strings there.
#[test]
fn strings_stay_strings() {
    let strings =
        ["com.\"quote", "com.\\back", "com.\u{1}control", "com.{[,:]}", "com.\u{7f}", "com.</script>"];
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let subscription = bob.subscribe_with(json!({"match": "prefix"}), "com");
        let registration = bob.register_with(json!({"match": "prefix"}), "com");
        for uri in strings {
            alice.send(json!([16, 1, {}, uri, [uri], {uri: uri}]));
            bob.expect_event(subscription, json!([{"topic": uri}, [uri], {uri: uri}]));
            alice.send(json!([48, 1, {}, uri]));
            let invocation = bob.expect_invocation(registration, json!([{"procedure": uri}]));
            bob.send(json!([8, 68, invocation, {}, uri]));
            assert_eq!(alice.next(), json!([8, 48, 1, {}, uri]));
            alice.send(json!([48, 1, {}, format!("none.{uri}")]));
            alice.expect_error(48, 1, "wamp.error.no_such_procedure", "'none.com.");
        }
    });
}

/// A session in the middle of everything, which then breaks the protocol.
#[test]
fn a_busy_session_breaks_the_protocol() {
    everywhere(|net| {
        let [bob, carol] = net.join_all();
        let busy = |net: &Net| -> Client {
            let alice = net.join();
            alice.subscribe("com.topic");
            alice.register_with(json!({"invoke": "roundrobin"}), "com.shared");
            alice.register("com.alice");
            alice
        };
        carol.register_with(json!({"invoke": "roundrobin"}), "com.shared");
        let of_bob = bob.register("com.bob");
        let before = net.census();
        for end in [json!([48, 1, {}]), json!([1, "realm1", {"roles": {"caller": {}}}]), json!([70, 999, {}])]
        {
            let alice = busy(net);
            bob.send(json!([48, 50, {}, "com.alice"]));
            assert_eq!(alice.next()[0], 68);
            let requests: [Value; 6] = [
                json!([48, 10, {}, "com.bob"]),
                json!([48, 11, {}, "com.shared"]),
                json!([48, 12, {}, "com.shared"]),
                json!([64, 13, {}, "com.another"]),
                json!([32, 14, {"match": "wildcard"}, "com..x"]),
                end,
            ];
            alice.send_all(requests);
            let last = alice.all().pop();
            assert_eq!(last.unwrap()[2], "wamp.error.protocol_violation");
            alice.socket.expect_end();

            let invocation = bob.expect_invocation(of_bob, json!([{}]));
            bob.expect_error(48, 50, "wamp.error.canceled", "");
            bob.send(json!([70, invocation, {}]));
            for invocation in carol.all() {
                carol.send(json!([70, invocation[1], {}]));
            }
            bob.expect_nothing();
            assert_eq!(net.census(), before);
        }
    });
}
