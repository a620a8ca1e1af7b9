//! Who is there, who comes and who goes (spec: "Session Meta API").

use serde_json::{Value, json};

use super::{fails, result, sorted};
use crate::harness::{Client, Net, STRICT_URIS, everywhere, hello};

const INVALID: &str = "wamp.error.invalid_argument";

#[test]
fn sessions_are_counted_and_listed() {
    everywhere(|net| {
        let clients: [Client; 3] = net.join_all();
        net.join_realm(STRICT_URIS);
        net.client();
        let mut ids = clients.each_ref().map(Client::session);
        ids.sort_unstable();
        for (payload, all) in [
            (json!([]), true),
            (json!([[]]), true),
            (json!([[null]]), true),
            (json!([[["anonymous"]]]), true),
            (json!([[["nobody", "anonymous"]]]), true),
            (json!([[["nobody"]]]), false),
            (json!([[[]]]), false),
            (json!([[], {"filter_authroles": ["nobody"]}]), false),
        ] {
            let expected = if all { &ids[..] } else { &[] };
            let count = result(&clients[0], "wamp.session.count", payload.clone());
            assert_eq!(count, json!(expected.len()), "{payload}");
            assert_eq!(sorted(&result(&clients[0], "wamp.session.list", payload)), expected);
        }
        for faulty in [json!([[3]]), json!([["anonymous"]]), json!([[["anonymous", 3]]]), json!([[{}]])] {
            for procedure in ["wamp.session.count", "wamp.session.list"] {
                fails(&clients[0], procedure, faulty.clone(), INVALID, "filter_authroles");
            }
        }
    });
}

#[test]
fn what_is_known_of_a_session() {
    everywhere(|net| {
        let bob = net.join();
        let alice = net.client();
        let welcome = alice.ask(hello("realm1"));
        let details = result(&bob, "wamp.session.get", json!([[welcome[1]]]));
        let transport = details["transport"].clone();
        assert_eq!(details, expected(&welcome, &transport));
        let serializer = alice.transport.serializer().subprotocol().trim_start_matches("wamp.2.");
        assert_eq!(transport["channel_serializer"], serializer);
        let framing = if alice.transport.is_websocket() { "websocket" } else { "rawsocket" };
        assert_eq!(transport["channel_framing"], framing);
        assert_eq!((&transport["channel_type"], &transport["peer"]), (&json!("unix"), &json!("unix")));

        let own = result(&bob, "wamp.session.get", json!([[], {"session": bob.session()}]));
        assert_eq!(own["session"], bob.session());
        let stranger = net.join_realm(STRICT_URIS).session();
        for unknown in [stranger, 1, 1 << 53] {
            let error = "wamp.error.no_such_session";
            fails(&bob, "wamp.session.get", json!([[unknown]]), error, &unknown.to_string());
        }
        for faulty in
            [json!([]), json!([["1"]]), json!([[0]]), json!([[-1]]), json!([[1.5]]), json!([[null]])]
        {
            fails(&bob, "wamp.session.get", faulty, INVALID, "session");
        }
    });
}

fn expected(welcome: &Value, transport: &Value) -> Value {
    let keys = ["authid", "authrole", "authmethod", "authprovider"];
    let mut details: Value = keys.iter().map(|key| (*key, welcome[2][*key].clone())).collect();
    details["session"] = welcome[1].clone();
    details["transport"] = transport.clone();
    details
}

fn ends() -> [fn(&Client, &Net); 8] {
    [
        |alice, _| alice.send(json!([6, {}, "wamp.close.close_realm"])),
        |alice, _| alice.send(json!([3, {}, "com.reason"])),
        |alice, _| alice.send(json!([48])),
        |alice, _| alice.send_bytes(b"garbage"),
        |alice, _| alice.socket.eof(),
        |alice, _| alice.socket.lose(),
        |alice, net| {
            let killer = net.join();
            result(&killer, "wamp.session.kill", json!([[alice.session()]]));
        },
        |alice, net| {
            let killer = net.join();
            let authid = result(&killer, "wamp.session.get", json!([[alice.session()]]))["authid"].clone();
            result(&killer, "wamp.session.kill_by_authid", json!([[authid]]));
        },
    ]
}

/// However a session ends, it is told; first that it came, then that it left.
#[test]
fn sessions_come_and_go() {
    everywhere(|net| {
        let carol = net.join();
        let join = carol.subscribe("wamp.session.on_join");
        let leave = carol.subscribe("wamp.session.on_leave");
        for end in ends() {
            let alice = net.client();
            let welcome = alice.ask(hello("realm1"));
            let event = carol.next();
            let details = expected(&welcome, &event[4][0]["transport"]);
            assert_eq!(event, json!([36, join, event[2], {}, [details]]));
            assert_eq!(event[4][0]["transport"]["channel_type"], "unix");
            alice.expect_nothing();

            let alice = alice.in_session(&welcome);
            end(&alice, net);
            let left = json!([36, leave, 0, {}, [welcome[1], welcome[2]["authid"], "anonymous"]]);
            let events: Vec<Value> = carol.all().into_iter().filter(|e| e[4][0] == welcome[1]).collect();
            assert_eq!(events.len(), 1, "{events:?}");
            assert_eq!((&events[0][1], &events[0][3], &events[0][4]), (&left[1], &left[3], &left[4]));
        }
        net.join_realm(STRICT_URIS);
        carol.expect_nothing();
    });
}

/// Meta events match patterns, and name their topic then.
#[test]
fn meta_events_reach_patterns() {
    everywhere(|net| {
        let carol = net.join();
        let prefix = carol.subscribe_with(json!({"match": "prefix"}), "wamp.session.");
        let wildcard = carol.subscribe_with(json!({"match": "wildcard"}), "wamp..on_leave");
        let everything = carol.subscribe_with(json!({"match": "prefix"}), "w");
        // That it subscribes so far, it hears itself.
        assert_eq!(carol.next()[3], json!({"topic": "wamp.subscription.on_subscribe"}));
        let alice = net.join();
        let mut joined: Vec<Value> = carol.all();
        assert_eq!(joined.len(), 2, "{joined:?}");
        joined.sort_by_key(|event| event[1] != json!(prefix));
        for (event, subscription) in joined.iter().zip([prefix, everything]) {
            assert_eq!(event[1], subscription);
            assert_eq!(event[3], json!({"topic": "wamp.session.on_join"}));
            assert_eq!(event[2], joined[0][2], "one publication");
        }
        alice.socket.lose();
        let left = carol.all();
        let mut subscriptions: Vec<u64> = left.iter().map(|event| event[1].as_u64().unwrap()).collect();
        subscriptions.sort_unstable();
        let mut expected = [prefix, wildcard, everything];
        expected.sort_unstable();
        assert_eq!(subscriptions, expected);
        assert!(left.iter().all(|event| event[3] == json!({"topic": "wamp.session.on_leave"})));
    });
}

/// Who leaves in order hears nothing of its own end, though its connection goes on.
#[test]
fn nobody_hears_its_own_end() {
    everywhere(|net| {
        let alice = net.join();
        for n in 0..10 {
            alice.subscribe(&format!("com.topic.{n}"));
            alice.register(&format!("com.topic.{n}"));
        }
        alice.subscribe_with(json!({"match": "prefix"}), "wamp.");
        alice.send(json!([6, {}, "wamp.close.normal"]));
        let all = alice.all();
        assert_eq!(all.last().unwrap()[0], 6, "{all:?}");
    });
}

/// All go at once, and those that are still there hear of it.
#[test]
fn a_shutdown_ends_sessions() {
    everywhere(|net| {
        let [alice, _bob] = net.join_all();
        alice.subscribe("wamp.session.on_leave");
        net.shutdown();
        let all = alice.all();
        assert_eq!(all.last().unwrap()[2], "wamp.close.system_shutdown", "the last message is GOODBYE");
    });
}
