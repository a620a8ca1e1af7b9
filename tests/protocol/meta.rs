//! Procedures of the router itself (spec: "Meta API").

use serde_json::json;

use crate::harness::everywhere;

#[test]
fn sessions_are_counted() {
    everywhere(|net| {
        let [alice, _bob] = net.join_all();
        for (payload, count) in
            [(json!([]), 2), (json!([["anonymous"]]), 2), (json!([["nobody"]]), 0), (json!([]), 2)]
        {
            let result = alice.ask(json!([48, 7, {}, "wamp.session.count", payload]));
            assert_eq!(result, json!([50, 7, {}, [count]]));
        }
        let faulty = alice.ask(json!([48, 8, {}, "wamp.session.count", [3]]));
        assert_eq!(faulty[4], "wamp.error.invalid_argument");
        let unknown = alice.ask(json!([48, 9, {}, "wamp.session.cuont"]));
        assert_eq!(unknown[4], "wamp.error.no_such_procedure");
    });
}
