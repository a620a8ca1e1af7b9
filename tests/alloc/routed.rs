//! Messages through whole shards: from the bytes that a client sends to those that another receives.

use connectanum::limits::SHARE_PAYLOAD_BYTES_MIN;
use connectanum::wamp::Serializer;

use crate::allocations;
use crate::circuit::{Circuit, Plan, Speech};

/// Turns until everything has the size that it keeps.
const WARM_UP: usize = 400;
const COUNTED: usize = 100;

fn speeches() -> impl Iterator<Item = Speech> {
    let transports = [true, false].into_iter();
    transports.flat_map(|is_websocket| Serializer::ALL.map(|serializer| Speech { is_websocket, serializer }))
}

/// One message a turn to `receivers`, with a text of `bytes` bytes.
fn plan(from: Speech, to: Speech, receivers: usize, across: bool, bytes: usize) -> Plan {
    let args = format!("[\"{}\"]", "x".repeat(bytes));
    Plan { from, to, receivers, across, args, batch: 1, turns: WARM_UP + COUNTED, roles: false }
}

/// How often a warm router allocates in [`COUNTED`] turns, in each of which the clients have to receive `bytes_min`.
fn count(mut circuit: Circuit, bytes_min: usize) -> usize {
    for _ in 0..WARM_UP {
        circuit.turn().expect("a turn to warm up");
    }
    let before = circuit.received;
    let count = allocations(|| {
        for _ in 0..COUNTED {
            circuit.turn().expect("a turn to count");
        }
    });
    assert!(circuit.received - before >= COUNTED * bytes_min, "not everything has come");
    count
}

/// Payloads that are copied into each queue.
const SMALL: [usize; 3] = [0, 64, SHARE_PAYLOAD_BYTES_MIN - 20];
/// A payload that queues share by reference.
const LARGE: usize = 4 * SHARE_PAYLOAD_BYTES_MIN;

#[test]
fn events() {
    for speech in speeches() {
        for (receivers, across) in [(1, false), (1, true), (100, false), (100, true)] {
            for bytes in SMALL.into_iter().filter(|bytes| receivers == 1 || *bytes == 64) {
                let circuit = plan(speech, speech, receivers, across, bytes).publish();
                let count = count(circuit, receivers * bytes);
                assert_eq!(count, 0, "{speech:?} {receivers} {across} {bytes}");
            }
        }
    }
}

#[test]
fn calls() {
    for speech in speeches() {
        for across in [false, true] {
            for bytes in SMALL {
                let circuit = plan(speech, speech, 1, across, bytes).call();
                assert_eq!(count(circuit, 2 * bytes), 0, "{speech:?} {across} {bytes}");
            }
        }
    }
}

#[test]
fn many_messages_in_one_read() {
    for speech in speeches() {
        for across in [false, true] {
            let plan = Plan { batch: 50, ..plan(speech, speech, 1, across, 64) };
            assert_eq!(count(plan.publish(), 50 * 64), 0, "{speech:?} {across}");
            assert_eq!(count(plan.call(), 2 * 50 * 64), 0, "{speech:?} {across}");
        }
    }
}

/// What a session may do is looked up in what it remembers.
#[test]
fn with_roles() {
    for speech in speeches() {
        for across in [false, true] {
            let plan = Plan { roles: true, ..plan(speech, speech, 1, across, 64) };
            assert_eq!(count(plan.publish(), 64), 0, "{speech:?} {across}");
            assert_eq!(count(plan.call(), 2 * 64), 0, "{speech:?} {across}");
        }
    }
}

/// Their memory comes from the arena, which uses it again.
#[test]
fn large_payloads() {
    for speech in speeches() {
        for across in [false, true] {
            for receivers in [1, 100] {
                let circuit = plan(speech, speech, receivers, across, LARGE).publish();
                let count = count(circuit, receivers * LARGE);
                assert_eq!(count, 0, "{speech:?} {receivers} {across}");
            }
            let circuit = plan(speech, speech, 1, across, LARGE).call();
            assert_eq!(count(circuit, 2 * LARGE), 0, "{speech:?} {across}");
        }
    }
}

/// Converting allocates nothing either, but for strings that do not stand in the bytes as they are.
#[test]
fn between_serializers() {
    let pairs = || speeches().flat_map(|from| speeches().map(move |to| (from, to)));
    let list = format!("[1,-2.5,null,{{\"key\":[true,\"{}\"]}},{:?}]", "x".repeat(1000), [7; 40]);
    for (from, to) in pairs().filter(|(from, to)| from.serializer != to.serializer) {
        for across in [false, true] {
            let plan = Plan { args: list.clone(), ..plan(from, to, 10, across, 0) };
            assert_eq!(count(plan.publish(), 10 * 1000), 0, "{from:?} {to:?} {across}");
            assert_eq!(count(plan.call(), 2 * 1000), 0, "{from:?} {to:?} {across}");
        }
    }
    let json = Speech { is_websocket: true, serializer: Serializer::Json };
    let cbor = Speech { is_websocket: false, serializer: Serializer::Cbor };
    let plan = Plan { args: r#"["one\n","two\t","three"]"#.to_owned(), ..plan(json, cbor, 10, false, 0) };
    assert_eq!(
        count(plan.publish(), 1),
        2 * COUNTED,
        "one for each string with an escape, not for each receiver"
    );
}
