//! Ids: their range, their scopes, their sequence (spec: "IDs"; decisions D2, D3).

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::harness::{Net, STRICT_IDS, everywhere, id};

const ID_MAX: u64 = 1 << 53;

#[test]
fn the_range_of_ids() {
    everywhere(|net| {
        let alice = net.join();
        for request in [ID_MAX, 1, ID_MAX - 1, 1 << 32, 255, 256, 65_536] {
            assert_eq!(alice.ask(json!([32, request, {}, "com.x"]))[1], request);
            alice.send(json!([34, request, ID_MAX]));
            alice.expect_error(34, request, "wamp.error.no_such_subscription", "9007199254740992");
        }
    });
}

#[test]
fn what_is_no_id() {
    let wrong = [
        (json!(0), "the id 0 is outside 1..2^53"),
        (json!(ID_MAX + 1), "the id 9007199254740993 is outside 1..2^53"),
        (json!(i64::MAX), "is outside 1..2^53"),
        (json!(-1), "must be an id, which is an integer"),
        (json!(1.0), "must be an id, which is an integer"),
        (json!(1.5), "must be an id, which is an integer"),
        (json!("1"), "must be an id, which is an integer"),
        (json!(null), "must be an id, which is an integer"),
        (json!(true), "must be an id, which is an integer"),
        (json!([1]), "must be an id, which is an integer"),
    ];
    let messages: [fn(&Value) -> Value; 11] = [
        |id| json!([16, id, {}, "com.x"]),
        |id| json!([32, id, {}, "com.x"]),
        |id| json!([34, id, 1]),
        |id| json!([34, 1, id]),
        |id| json!([48, id, {}, "com.x"]),
        |id| json!([49, id, {}]),
        |id| json!([64, id, {}, "com.x"]),
        |id| json!([66, id, 1]),
        |id| json!([66, 1, id]),
        |id| json!([70, id, {}]),
        |id| json!([8, 68, id, {}, "com.x"]),
    ];
    everywhere(|net| {
        for (id, text) in &wrong {
            for message in messages {
                let alice = net.join();
                alice.send(message(id));
                alice.expect_violation(text);
            }
        }
    });
}

/// Decision D2: threaded clients send their requests out of order, so gaps and repetitions are taken.
#[test]
fn gaps_and_repetitions_are_taken() {
    everywhere(|net| {
        let alice = net.join();
        for request in [7, 3, 3, 1000, 1] {
            let answer = alice.ask(json!([32, request, {}, "com.x"]));
            assert_eq!(answer, json!([33, request, answer[2]]));
        }
    });
}

/// Decision D2: a realm may insist. All requests of a session count together.
#[test]
fn the_strict_sequence() {
    everywhere(|net| {
        let alice = net.join_realm(STRICT_IDS);
        let subscription = id(&alice.ask(json!([32, 1, {}, "com.topic"]))[2]);
        let registration = id(&alice.ask(json!([64, 2, {}, "com.procedure"]))[2]);
        alice.send(json!([32, 3, {}, "not..valid"]));
        alice.expect_error(32, 3, "wamp.error.invalid_uri", "");
        assert_eq!(alice.ask(json!([16, 4, {"acknowledge": true}, "com.topic"]))[0], 17);
        alice.send(json!([48, 5, {}, "com.procedure"]));
        let invocation = alice.expect_invocation(registration, json!([{}]));
        // These two are no new requests.
        assert_eq!(alice.ask(json!([49, 5, {}]))[0], 8);
        alice.send(json!([70, invocation, {}]));
        assert_eq!(alice.ask(json!([34, 6, subscription])), json!([35, 6]));
        assert_eq!(alice.ask(json!([66, 7, registration])), json!([67, 7]));

        assert_eq!(alice.ask(json!([6, {}, "com.bye"]))[0], 6);
        let alice = alice.welcomed(STRICT_IDS);
        assert_eq!(alice.ask(json!([32, 1, {}, "com.topic"]))[0], 33, "a new session counts from 1");
    });
}

#[test]
fn a_break_in_the_strict_sequence() {
    everywhere(|net| {
        for (before, request, expected) in [(0, 2, 1), (1, 1, 2), (1, 3, 2), (3, 2, 4)] {
            for message in [
                json!([16, request, {}, "com.x"]),
                json!([32, request, {}, "com.x"]),
                json!([34, request, 1]),
                json!([48, request, {}, "com.x"]),
                json!([64, request, {}, "com.x"]),
                json!([66, request, 1]),
            ] {
                let alice = net.join_realm(STRICT_IDS);
                alice.send_all((1..=before).map(|n| json!([16, n, {}, "com.x"])));
                alice.send(message);
                let text = format!("request id {request} is out of sequence, {expected} was expected");
                alice.expect_violation(&text);
            }
        }
    });
}

/// The router counts its INVOCATIONs for each session, from 1.
#[test]
fn invocations_are_numbered_per_session() {
    everywhere(|net| {
        let [alice, bob, carol] = net.join_all();
        let of_bob = bob.register("com.bob");
        let of_carol = carol.register("com.carol");
        for n in 1..=5 {
            alice.send_all([json!([48, 2 * n, {}, "com.bob"]), json!([48, 2 * n + 1, {}, "com.carol"])]);
            assert_eq!(bob.expect_invocation(of_bob, json!([{}])), n);
            assert_eq!(carol.expect_invocation(of_carol, json!([{}])), n);
            carol.send(json!([70, n, {}]));
        }
    });
}

/// Publication ids are random over the whole range; subscription and registration ids are the router's own.
#[test]
fn ids_of_the_router() {
    everywhere(|net| {
        let alice = net.join();
        let mut publications = HashSet::new();
        for n in 1..=64 {
            publications.insert(id(&alice.ask(json!([16, n, {"acknowledge": true}, "com.x"]))[2]));
        }
        assert_eq!(publications.len(), 64);
        assert!(publications.iter().all(|id| (1..=ID_MAX).contains(id)));
        assert!(publications.iter().any(|id| *id > 1 << 52) && publications.iter().any(|id| *id < 1 << 52));

        distinct(net, "subscriptions", |client, uri| client.subscribe(uri));
        distinct(net, "registrations", |client, uri| client.register(uri));
    });
}

fn distinct(net: &Net, what: &str, ask: fn(&crate::harness::Client, &str) -> u64) {
    let client = net.join();
    let ids: HashSet<u64> = (0..50).map(|n| ask(&client, &format!("com.{n}"))).collect();
    assert_eq!(ids.len(), 50, "{what}");
    assert!(ids.iter().all(|id| (1..=ID_MAX).contains(id)), "{what}: {ids:?}");
}
