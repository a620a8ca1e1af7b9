//! Messages that break the protocol, and what the sender is told.

use connectanum::wamp::{Serializer, scan};

#[track_caller]
fn refused(message: &str, text: &str) {
    let error = scan(Serializer::Json, message.as_bytes()).expect_err(message);
    assert_eq!(error.to_string(), text, "{message}");
}

#[track_caller]
fn accepted(message: &str) {
    if let Err(error) = scan(Serializer::Json, message.as_bytes()) {
        panic!("{message}: {error}");
    }
}

#[test]
fn frame_of_a_message() {
    refused("", "malformed JSON at byte 0: expected a value");
    refused("{}", "a message must be a list");
    refused("[]", "the message is an empty list");
    refused("[\"16\"]", "the message type must be an integer");
    refused("[1.0]", "the message type must be an integer");
    refused("[-1]", "the message type must be an integer");
    refused("[99]", "message type 99 is unknown");
    refused("[7,1]", "message type 7 is unknown");
    refused("[34,1,2]x", "trailing bytes after the message");
    refused("[34,1,2],[34,1,2]", "trailing bytes after the message");
    refused("[34,1,2,]", "malformed JSON at byte 8: expected a value");
    accepted(" [ 34 , 1 , 2 ] \r\n\t");
}

#[test]
fn number_of_elements() {
    refused("[48,1,{}]", "CALL takes 4 to 6 elements, 3 given");
    refused("[48,1,{},\"a\",[],{},[[]],0]", "CALL takes 4 to 6 elements, 8 given");
    refused("[6,{},\"a\",[]]", "GOODBYE takes 3 elements, 4 given");
    refused("[17,1]", "PUBLISHED takes 3 elements, 2 given");
    refused(
        "[16,1,{},\"a\",[]",
        "malformed JSON at byte 15: expected a comma or the end of the list or dictionary",
    );
    for abort in ["[3,{},\"a\"]", "[3,{},\"a\",[]]", "[3,{},\"a\",[],{}]"] {
        accepted(abort);
    }
}

#[test]
fn ids() {
    refused("[48,0,{},\"a\"]", "CALL.Request: the id 0 is outside 1..2^53");
    refused("[34,9007199254740993,1]", "UNSUBSCRIBE.Request: the id 9007199254740993 is outside 1..2^53");
    for number in ["1.0", "1e3", "-1", "\"1\"", "null", "99999999999999999999"] {
        refused(&format!("[34,{number},1]"), "UNSUBSCRIBE.Request must be an id, which is an integer");
    }
    accepted("[34,9007199254740992,1]");
}

#[test]
fn options() {
    refused("[16,1,[],\"a\"]", "PUBLISH.Options must be a dict");
    refused("[16,1,null,\"a\"]", "PUBLISH.Options must be a dict");
    refused("[16,1,{\"exclude_me\":1},\"a\"]", "PUBLISH.Options.exclude_me must be a bool");
    refused("[16,1,{\"exclude\":[0]},\"a\"]", "PUBLISH.Options.exclude: the id 0 is outside 1..2^53");
    refused("[48,1,{\"timeout\":-1},\"a\"]", "CALL.Options.timeout must be an integer that is not negative");
    refused(
        "[32,1,{\"match\":\"x\"},\"a\"]",
        "SUBSCRIBE.Options.match must be one of exact, prefix, wildcard",
    );
    refused(
        "[64,1,{\"invoke\":\"x\"},\"a\"]",
        "REGISTER.Options.invoke must be one of single, first, last, random, roundrobin, load",
    );
    refused("[48,1,{\"x\":1,\"x\":2},\"a\"]", "CALL.Options.x is given twice");
    refused("[48,1,{\"timeout\":1,\"time\\u006fut\":2},\"a\"]", "CALL.Options.timeout is given twice");
    accepted("[48,1,{\"x\":{\"y\":1,\"y\":2}},\"a\",[{\"y\":1,\"y\":2}]]");
    let many: Vec<_> = (0..129).map(|n| format!("\"k{n}\":0")).collect();
    refused(&format!("[48,1,{{{}}},\"a\"]", many.join(",")), "CALL.Options has more than 128 keys");
    accepted(&format!("[48,1,{{{}}},\"a\"]", many[..128].join(",")));
}

#[test]
fn roles() {
    const ROLES: &str =
        "HELLO.Details.roles must be a dict with at least one of publisher, subscriber, caller, callee";
    refused("[1,\"r\",{}]", ROLES);
    refused("[1,\"r\",{\"roles\":{}}]", ROLES);
    refused("[1,\"r\",{\"roles\":{\"broker\":{}}}]", ROLES);
    refused("[1,\"r\",{\"roles\":[]}]", "HELLO.Details.roles must be a dict");
    refused("[1,\"r\",{\"roles\":{\"caller\":1}}]", "HELLO.Details.roles.caller must be a dict");
    refused(
        "[1,\"r\",{\"roles\":{\"caller\":{\"features\":{\"call_canceling\":1}}}}]",
        "HELLO.Details.roles.caller.features.call_canceling must be a bool",
    );
    refused(
        "[1,\"r\",{\"roles\":{\"caller\":{\"features\":{\"call_timeout\":true,\"call_timeout\":true}}}}]",
        "HELLO.Details.roles.caller.features.call_timeout is given twice",
    );
    refused(
        "[1,\"r\",{\"roles\":{\"caller\":{\"features\":{},\"features\":{}}}}]",
        "HELLO.Details.roles.caller.features is given twice",
    );
    refused(
        "[1,\"r\",{\"roles\":{\"caller\":{},\"caller\":{}}}]",
        "HELLO.Details.roles.caller is given twice",
    );
    refused(
        "[1,\"r\",{\"roles\":{\"caller\":{}},\"authextra\":[]}]",
        "HELLO.Details.authextra must be a dict",
    );
    accepted(
        "[1,\"r\",{\"roles\":{\"caller\":{\"features\":{\"call_canceling\":true,\"call_cancelling\":true}}}}]",
    );
}

#[test]
fn payloads() {
    refused("[16,1,{},\"a\",null]", "PUBLISH.Arguments must be a list");
    refused("[16,1,{},\"a\",{}]", "PUBLISH.Arguments must be a list");
    refused("[16,1,{},\"a\",[],[]]", "PUBLISH.ArgumentsKw must be a dict");
    refused("[16,1,{},\"a\",\"binary\"]", "PUBLISH.Arguments must be a list");
    refused("[16,1,{\"enc_algo\":\"mqtt\"},\"a\",1]", "PUBLISH.Arguments must be a list");
    refused("[16,1,{\"enc_algo\":\"mqtt\"},\"a\",\"x\",{}]", "PUBLISH takes 4 to 6 elements, 6 given");
    accepted("[16,1,{\"enc_algo\":\"mqtt\"},\"a\",\"binary\"]");
    let nested = |depth: usize| format!("[16,1,{{}},\"a\",{}{}]", "[".repeat(depth), "]".repeat(depth));
    accepted(&nested(63));
    refused(&nested(64), "lists and dictionaries are nested too deeply");
}

#[test]
fn revocations() {
    accepted("[35,7]");
    accepted("[35,0,{\"subscription\":1}]");
    accepted("[67,0,{\"registration\":1,\"reason\":\"a\"}]");
    refused("[35,0]", "UNSUBSCRIBED.Request: the id 0 is outside 1..2^53");
    refused("[35,0,{}]", "UNSUBSCRIBED.Details.subscription is missing");
    refused(
        "[67,0,{\"registration\":true}]",
        "UNREGISTERED.Details.registration must be an id, which is an integer",
    );
    refused("[67,3,{\"registration\":1}]", "UNREGISTERED.Request must be 0 where there are Details");
}

#[test]
fn spliced_elements() {
    for splice in [
        r#"[16,1,{},"t",[1],{}],[16,2,{},"u"]"#,
        r#"[16,1,{},"t",[1],{},{"x":1}]"#,
        r#"[16,1,{},"t",[1]],{}]"#,
        r#"[16,1,{},"t",[1}]"#,
        r#"[16,1,{},"t",[1]]]"#,
        "[16,1,{},\"t\",[\"\n\"]]",
        "[16,1,{},\"t\",[1]]\0",
        r#"[16,1,{},"t",["\ud800"]]"#,
        r#"[16,1,{},"t",[1 2]]"#,
        r#"[16,1,{},"t",[1,]]"#,
        r#"[16,1,{},"t",[,1]]"#,
        r#"[16,1,{},"t",[],{"a":1,}]"#,
        r#"[16,1,{},"t",[],{"a"}]"#,
        r#"[16,1,{},"t",[],{a:1}]"#,
        r#"[16,1,{},"t",[01]]"#,
        r#"[16,1,{},"t",[NaN]]"#,
    ] {
        assert!(scan(Serializer::Json, splice.as_bytes()).is_err(), "{splice}");
    }
    // Counts and lengths that promise more or less than there is.
    let msgpack = b"\x95\x10\x01\x80\xa1t\x91\x01";
    assert!(scan(Serializer::MsgPack, msgpack).is_ok());
    let cbor = b"\x85\x10\x01\xa0\x61t\x81\x01";
    assert!(scan(Serializer::Cbor, cbor).is_ok());
    for (at, byte) in [(0, 1), (0, -1), (5, 1), (6, 1), (6, -1)] {
        for (serializer, message) in [(Serializer::MsgPack, msgpack), (Serializer::Cbor, cbor)] {
            let mut spliced = message.to_vec();
            spliced[if at == 5 { 4 } else { at }] =
                spliced[if at == 5 { 4 } else { at }].wrapping_add_signed(byte);
            assert!(scan(serializer, &spliced).is_err(), "{serializer:?} {spliced:x?}");
        }
    }
    assert!(scan(Serializer::Cbor, b"\x9f\x10\x01\xa0\x61t\x9f\x01\xff\xff").is_ok());
    assert!(scan(Serializer::Cbor, b"\x9f\x10\x01\xa0\x61t\x9f\x01\xff").is_err());
    assert!(scan(Serializer::Cbor, b"\x9f\x10\x01\xa0\x61t\x9f\x01\xff\xff\xff").is_err());
}
