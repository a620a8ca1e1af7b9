//! What the router itself offers (spec: "Meta API").

mod kill;
mod registrations;
mod sessions;
mod subscriptions;
mod testaments;

use serde_json::{Value, json};

use crate::harness::{Client, everywhere};

/// Calls a procedure of the router with these arguments (`[[…], {…}]`, as many as there are); returns its one result.
#[track_caller]
fn result(client: &Client, procedure: &str, payload: Value) -> Value {
    let answer = ask(client, procedure, payload);
    assert_eq!(answer, json!([50, answer[1], {}, [answer[3][0]]]), "{procedure}");
    answer[3][0].clone()
}

/// Calls a procedure of the router, which must fail so, with a text that contains `text`.
#[track_caller]
fn fails(client: &Client, procedure: &str, payload: Value, error: &str, text: &str) {
    let answer = ask(client, procedure, payload.clone());
    assert_eq!(answer, json!([8, 48, answer[2], {}, error, [answer[5][0]]]), "{procedure} {payload}");
    let said = answer[5][0].as_str().expect("a text");
    assert!(said.contains(text), "{procedure} {payload}: {said:?} does not contain {text:?}");
}

#[track_caller]
fn ask(client: &Client, procedure: &str, payload: Value) -> Value {
    let request = client.fresh();
    let mut message = json!([48, request, {}, procedure]);
    message.as_array_mut().unwrap().extend(payload.as_array().expect("a list").iter().cloned());
    let answer = client.ask(message);
    let at = if answer[0] == 8 { 2 } else { 1 };
    assert_eq!(answer[at], json!(request), "{answer}");
    answer
}

/// The ids of a list, in ascending order.
#[track_caller]
fn sorted(list: &Value) -> Vec<u64> {
    let ids = list.as_array().unwrap_or_else(|| panic!("{list} is no list")).iter();
    let mut ids: Vec<u64> = ids.map(crate::harness::id).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn a_procedure_that_is_none() {
    everywhere(|net| {
        let alice = net.join();
        for procedure in ["wamp.session.cuont", "wamp.session", "wamp.x"] {
            fails(&alice, procedure, json!([]), "wamp.error.no_such_procedure", procedure);
        }
    });
}

/// A question that is under way to other shards is forgotten with its caller, or with its call.
#[test]
fn calls_of_meta_procedures_are_calls() {
    everywhere(|net| {
        let [alice, bob] = net.join_all();
        net.carry_mesh(false);
        alice.send_all([json!([48, 1, {}, "wamp.session.count"]), json!([49, 1, {}])]);
        let answer = alice.next();
        if net.shards() > 1 {
            assert_eq!(answer[4], "wamp.error.canceled");
        } else {
            assert_eq!(answer, json!([50, 1, {}, [2]]));
        }
        bob.send(json!([48, 1, {}, "wamp.session.list"]));
        bob.socket.lose();
        net.carry_mesh(true);
        alice.expect_nothing();
        assert_eq!(net.census()[4], 0, "calls");
        // `everywhere` sees that no shard waits for an answer.
    });
}
