//! The invoke policy `load`: the callee that has fewest invocations to answer takes the call (beyond the specification).

use serde_json::{Value, json};

use crate::harness::{Client, Net, everywhere};

/// Callees that share `com.procedure`, in the order of their registration.
fn share<const N: usize>(net: &Net) -> [Client; N] {
    let callees = net.join_all();
    for callee in callees.each_ref() {
        callee.register_with(json!({"invoke": "load"}), "com.procedure");
    }
    callees
}

/// The invocations that have come to each.
fn came(callees: &[Client]) -> Vec<Vec<Value>> {
    callees
        .iter()
        .map(|callee| callee.all().into_iter().map(|message| message[1].clone()).collect())
        .collect()
}

/// Calls from `callers` in turn; returns how many have come to each callee.
fn called(callers: &[Client], callees: &[Client], times: usize) -> Vec<usize> {
    for n in 0..times {
        callers[n % callers.len()].send(json!([48, callers[n % callers.len()].fresh(), {}, "com.procedure"]));
    }
    came(callees).iter().map(Vec::len).collect()
}

#[test]
fn whoever_has_least_to_do_is_called() {
    everywhere(|net| {
        let callees = share::<3>(net);
        let callers = net.join_all::<2>();
        assert_eq!(called(&callers, &callees, 6), [2, 2, 2]);
        // The second answers both, the third one of its invocations.
        callees[1].send_all([json!([70, 1, {}]), json!([8, 68, 2, {}, "com.error"])]);
        callees[2].send(json!([70, 1, {}]));
        assert_eq!(called(&callers, &callees, 1), [0, 1, 0]);
        assert_eq!(called(&callers, &callees, 1), [0, 0, 1]);
        assert_eq!(called(&callers, &callees, 1), [0, 1, 0]);
        assert_eq!(called(&callers, &callees, 3), [1, 1, 1]);
    });
}

/// Of several that have least to do it is whose turn it is.
#[test]
fn ties_go_by_turn() {
    everywhere(|net| {
        let callees = share::<3>(net);
        let callers = net.join_all::<2>();
        for n in 0..7 {
            let mut expected = [0; 3];
            expected[n % 3] = 1;
            let caller = &callers[n % 2];
            let request = caller.fresh();
            caller.send(json!([48, request, {}, "com.procedure"]));
            let came = came(&callees);
            assert_eq!(came.iter().map(Vec::len).collect::<Vec<_>>(), expected, "call {n}");
            callees[n % 3].send(json!([70, came[n % 3][0], {}]));
            assert_eq!(caller.next(), json!([50, request, {}]));
        }
    });
}

/// Calls that are under way between shards count, too.
#[test]
fn counts_what_is_under_way() {
    everywhere(|net| {
        let callees = share::<4>(net);
        let callers = net.join_all::<4>();
        net.carry_mesh(false);
        for caller in &callers {
            caller.send_all((1..=10).map(|n| json!([48, n, {}, "com.procedure"])));
        }
        net.carry_mesh(true);
        assert_eq!(came(&callees).iter().map(Vec::len).collect::<Vec<_>>(), [10; 4]);
    });
}

/// A callee that does not answer cancelled calls still has them to do; one that left and came again has not.
#[test]
fn what_counts_as_open() {
    everywhere(|net| {
        let [a, b] = share::<2>(net);
        let caller = net.join();
        let calls =
            |n: u64| caller.send_all((0..n).map(|_| json!([48, caller.fresh(), {}, "com.procedure"])));
        calls(2);
        caller.send_all([json!([49, 1, {"mode": "skip"}]), json!([49, 2, {"mode": "skip"}])]);
        assert_eq!((a.all().len(), b.all().len(), caller.all().len()), (1, 1, 2));
        // Only the second answers.
        b.send(json!([70, 1, {}]));
        calls(2);
        assert_eq!((a.all().len(), b.all().len()), (1, 1));
        a.socket.lose();
        caller.all();
        let c = net.join();
        c.register_with(json!({"invoke": "load"}), "com.procedure");
        calls(1);
        assert_eq!((b.all().len(), c.all().len()), (0, 1));
    });
}

/// Alone, a callee takes all, as many as there are.
#[test]
fn a_lone_callee() {
    everywhere(|net| {
        let callees = share::<1>(net);
        let callers = net.join_all::<2>();
        assert_eq!(called(&callers, &callees, 20), [20]);
    });
}

#[test]
fn is_a_policy_of_its_own() {
    everywhere(|net| {
        let [_a] = share::<1>(net);
        let bob = net.join();
        bob.send(json!([64, 9, {"invoke": "roundrobin"}, "com.procedure"]));
        let text = "is registered with invoke policy 'load', not 'roundrobin'";
        bob.expect_error(64, 9, "wamp.error.procedure_already_exists", text);
    });
}
