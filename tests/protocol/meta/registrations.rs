//! Who offers what, and since when (spec: "Registration Meta API").

use serde_json::{Value, json};

use super::{fails, result, sorted};
use crate::harness::{Client, STRICT_URIS, everywhere};

const INVALID: &str = "wamp.error.invalid_argument";
const EVENTS: [&str; 4] = ["on_create", "on_register", "on_unregister", "on_delete"];

/// The subscriptions of a client to all events about registrations.
fn watch(client: &Client) -> [u64; 4] {
    EVENTS.map(|event| client.subscribe(&format!("wamp.registration.{event}")))
}

/// All that has come, as names of events with their arguments.
fn heard(client: &Client, subscriptions: [u64; 4]) -> Vec<(&'static str, Value)> {
    let name = |event: &Value| {
        let at = subscriptions.iter().position(|subscription| event[1] == json!(subscription));
        EVENTS[at.unwrap_or_else(|| panic!("not expected: {event}"))]
    };
    client.all().into_iter().map(|event| (name(&event), event[4].clone())).collect()
}

fn details(id: u64, created: &str, uri: &str, policy: &str, invoke: &str) -> Value {
    json!({"id": id, "created": created, "uri": uri, "match": policy, "invoke": invoke})
}

#[test]
fn the_life_of_a_registration() {
    everywhere(|net| {
        let [watcher, alice, bob] = net.join_all();
        let subscriptions = watch(&watcher);
        net.wait_ms(1_500);
        let options = json!({"match": "prefix", "invoke": "roundrobin"});
        let id = alice.register_with(options.clone(), "com.p");
        let created = details(id, "2023-11-14T22:13:21.500Z", "com.p", "prefix", "roundrobin");
        assert_eq!(
            heard(&watcher, subscriptions),
            [("on_create", json!([alice.session(), created])), ("on_register", json!([alice.session(), id]))]
        );
        net.wait_ms(1_500);
        bob.register_with(options, "com.p");
        assert_eq!(heard(&watcher, subscriptions), [("on_register", json!([bob.session(), id]))]);
        assert_eq!(result(&watcher, "wamp.registration.get", json!([[id]])), created);

        assert_eq!(alice.ask(json!([66, alice.fresh(), id]))[0], 67);
        assert_eq!(heard(&watcher, subscriptions), [("on_unregister", json!([alice.session(), id]))]);
        bob.socket.lose();
        let bob = json!([bob.session(), id]);
        assert_eq!(heard(&watcher, subscriptions), [("on_unregister", bob.clone()), ("on_delete", bob)]);
        // A REGISTER that is refused is none, and other realms are elsewhere.
        alice.register("com.x");
        assert_eq!(heard(&watcher, subscriptions).len(), 2);
        net.join_realm(STRICT_URIS).register("com.y");
        alice.send(json!([64, alice.fresh(), {}, "com.x"]));
        assert_eq!(alice.next()[0], 8);
        assert_eq!(heard(&watcher, subscriptions), []);
    });
}

/// However a callee ends, its registrations are told to be gone, and nobody can find them any more.
#[test]
fn every_end_of_a_callee() {
    let ends: [fn(&Client); 5] = [
        |alice| alice.send(json!([6, {}, "wamp.close.close_realm"])),
        |alice| alice.send(json!([48])),
        |alice| alice.socket.eof(),
        |alice| alice.socket.lose(),
        |alice| alice.send(json!([3, {}, "com.reason"])),
    ];
    everywhere(|net| {
        let watcher = net.join();
        let subscriptions = watch(&watcher);
        for end in ends {
            let alice = net.join();
            let ids = ["com.a", "com.b", "com.c"].map(|procedure| alice.register(procedure));
            assert_eq!(heard(&watcher, subscriptions).len(), 6);
            end(&alice);
            let events = heard(&watcher, subscriptions);
            assert_eq!(events.len(), 6, "{events:?}");
            for id in ids {
                let args = json!([alice.session(), id]);
                let of: Vec<_> = events.iter().filter(|(_, it)| *it == args).map(|(name, _)| *name).collect();
                assert_eq!(of, ["on_unregister", "on_delete"]);
                let error = "wamp.error.no_such_registration";
                fails(&watcher, "wamp.registration.get", json!([[id]]), error, &id.to_string());
            }
        }
    });
}

/// Whoever hears that a procedure is there can call it.
#[test]
fn what_is_told_is_true() {
    everywhere(|net| {
        let [watcher, alice] = net.join_all();
        let subscription = watcher.subscribe("wamp.registration.on_register");
        for n in 0..10 {
            let procedure = format!("com.procedure.{n}");
            let registration = alice.register(&procedure);
            watcher.expect_event(subscription, json!([{}, [alice.session(), registration]]));
            let request = watcher.fresh();
            watcher.send(json!([48, request, {}, procedure]));
            let invocation = alice.expect_invocation(registration, json!([{}]));
            alice.send(json!([70, invocation, {}]));
            assert_eq!(watcher.next(), json!([50, request, {}]));
        }
    });
}

#[test]
fn registrations_are_found() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        let nothing = json!({"exact": [], "prefix": [], "wildcard": []});
        assert_eq!(result(&bob, "wamp.registration.list", json!([])), nothing);
        let exact = ["a.b.c", "a.b.d"].map(|procedure| alice.register(procedure));
        let policy = |policy: &str| json!({"match": policy});
        let prefix = ["a", "a.b"].map(|procedure| alice.register_with(policy("prefix"), procedure));
        let wild = ["x..z", "x.y.", ".y.z"].map(|it| alice.register_with(policy("wildcard"), it));
        net.join_realm(STRICT_URIS).register("a.b.e");

        let lists = result(&bob, "wamp.registration.list", json!([]));
        for (policy, mut ids) in
            [("exact", exact.to_vec()), ("prefix", prefix.to_vec()), ("wildcard", wild.to_vec())]
        {
            ids.sort_unstable();
            assert_eq!(sorted(&lists[policy]), ids, "{policy}");
        }
        for (procedure, best) in [
            ("a.b.c", json!(exact[0])),
            ("a.b.e", json!(prefix[1])),
            ("a.x", json!(prefix[0])),
            ("x.y.z", json!(wild[1])),
            ("x.q.z", json!(wild[0])),
            ("q.y.z", json!(wild[2])),
            ("q.q", json!(null)),
            ("wamp.session.count", json!(null)),
        ] {
            assert_eq!(result(&bob, "wamp.registration.match", json!([[procedure]])), best, "{procedure}");
        }
        for (arguments, found) in [
            (json!([["a.b.c"]]), json!(exact[0])),
            (json!([["a.b.c", {}]]), json!(exact[0])),
            (json!([["a.b.c", {"match": "exact", "invoke": "first"}]]), json!(exact[0])),
            (json!([["a.b.c", {"match": "prefix"}]]), json!(null)),
            (json!([["a.b"]]), json!(null)),
            (json!([["a.b", {"match": "prefix"}]]), json!(prefix[1])),
            (json!([["x..z", {"match": "wildcard"}]]), json!(wild[0])),
            (json!([[], {"procedure": "a.b", "options": {"match": "prefix"}}]), json!(prefix[1])),
            (json!([["wamp.session.count"]]), json!(null)),
        ] {
            assert_eq!(result(&bob, "wamp.registration.lookup", arguments.clone()), found, "{arguments}");
        }
    });
}

#[test]
fn callees_are_listed_and_counted() {
    everywhere(|net| {
        let callees: [Client; 3] = net.join_all();
        let options = json!({"invoke": "last"});
        let ids = callees.each_ref().map(|callee| callee.register_with(options.clone(), "com.p"));
        let id = ids[0];
        assert_eq!(ids, [id; 3]);
        let mut sessions: Vec<u64> = callees.iter().map(Client::session).collect();
        // In the order of their registration.
        let list = |client: &Client| result(client, "wamp.registration.list_callees", json!([[id]]));
        let count = |client: &Client| result(client, "wamp.registration.count_callees", json!([[id]]));
        for callee in &callees {
            assert_eq!((list(callee), count(callee)), (json!(sessions), json!(3)));
        }
        callees[1].send(json!([66, 77, id]));
        assert_eq!(callees[1].next()[0], 67);
        sessions.remove(1);
        for callee in &callees {
            assert_eq!((list(callee), count(callee)), (json!(sessions), json!(2)));
        }
    });
}

#[test]
fn faulty_arguments() {
    everywhere(|net| {
        let alice = net.join();
        let foreign = net.join_realm(STRICT_URIS).register("com.p");
        for procedure in ["get", "list_callees", "count_callees"] {
            let procedure = format!("wamp.registration.{procedure}");
            for unknown in [foreign, 1 << 40, 1 << 53] {
                let error = "wamp.error.no_such_registration";
                fails(&alice, &procedure, json!([[unknown]]), error, &unknown.to_string());
            }
            for faulty in [json!([]), json!([["1"]]), json!([[0]]), json!([[{}]])] {
                fails(&alice, &procedure, faulty, INVALID, "registration");
            }
        }
        for procedure in ["match", "lookup"] {
            let procedure = format!("wamp.registration.{procedure}");
            for faulty in [json!([]), json!([[7]]), json!([[["com.p"]]])] {
                fails(&alice, &procedure, faulty, INVALID, "procedure");
            }
        }
        for options in [json!(7), json!([]), json!({"match": 7}), json!({"match": "regex"})] {
            fails(&alice, "wamp.registration.lookup", json!([["com.p", options]]), INVALID, "options");
        }
    });
}
