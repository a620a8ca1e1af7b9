//! Registrations that the router takes away (spec: "Registration Revocation"; beyond it `wamp.registration.remove_callee`
//! and `force_reregister`).

use connectanum::config::RealmConfig;
use connectanum::limits::Limits;
use serde_json::{Value, json};

use crate::harness::{Client, Net, REALM, everywhere, everywhere_in};

fn join_all<const N: usize>(net: &Net) -> [Client; N] {
    std::array::from_fn(|_| net.join_announcing(&["registration_revocation"]))
}

fn remove(client: &Client, arguments: Value) -> Value {
    client.ask(json!([48, client.fresh(), {}, "wamp.registration.remove_callee", arguments]))
}

#[test]
fn callees_are_removed() {
    everywhere(|net| {
        let [a, b, caller] = join_all(net);
        let registration = a.register_with(json!({"invoke": "roundrobin"}), "com.procedure");
        b.register_with(json!({"invoke": "roundrobin"}), "com.procedure");
        assert_eq!(remove(&caller, json!([registration, a.session(), "com.reason"]))[0], 50);
        assert_eq!(a.next(), json!([67, 0, {"registration": registration, "reason": "com.reason"}]));
        for n in 11..=13 {
            caller.send(json!([48, n, {}, "com.procedure"]));
            b.expect_invocation(registration, json!([{}]));
        }
        // It is not there any more, and may come again.
        let again = remove(&caller, json!([registration, a.session()]));
        assert_eq!(again[4], "wamp.error.no_such_callee");
        a.send(json!([66, 9, registration]));
        a.expect_error(66, 9, "wamp.error.no_such_registration", "");
        assert_eq!(a.register_with(json!({"invoke": "roundrobin"}), "com.procedure"), registration);
        // Without a reason.
        for callee in [&a, &b] {
            assert_eq!(remove(&caller, json!([registration, callee.session()]))[0], 50);
            assert_eq!(callee.next(), json!([67, 0, {"registration": registration}]));
        }
        caller.send(json!([48, 20, {}, "com.procedure"]));
        caller.expect_error(48, 20, "wamp.error.no_such_procedure", "");
        let gone = remove(&caller, json!([registration, a.session()]));
        assert_eq!(gone[4], "wamp.error.no_such_registration");
    });
}

/// A callee that did not announce the feature is removed without a word.
#[test]
fn callees_that_do_not_know_of_it() {
    everywhere(|net| {
        let [a, caller] = net.join_all();
        let registration = a.register("com.procedure");
        remove(&caller, json!([registration, a.session(), "com.reason"]));
        a.expect_nothing();
        caller.send(json!([48, 1, {}, "com.procedure"]));
        caller.expect_error(48, 1, "wamp.error.no_such_procedure", "");
    });
}

#[test]
fn open_invocations_go_on() {
    everywhere(|net| {
        let [a, caller] = join_all(net);
        let registration = a.register_with(json!({"concurrency": 1}), "com.procedure");
        caller.send_all([json!([48, 11, {}, "com.procedure"]), json!([48, 12, {}, "com.procedure"])]);
        let first = a.expect_invocation(registration, json!([{}]));
        remove(&caller, json!([registration, a.session()]));
        // That is for the call that waited.
        caller.all();
        a.send(json!([70, first, {}, ["late"]]));
        assert_eq!(caller.next(), json!([50, 11, {}, ["late"]]));
    });
}

#[test]
fn faulty_arguments() {
    everywhere(|net| {
        let [a, caller] = net.join_all();
        let registration = a.register("com.procedure");
        for (arguments, error) in [
            (json!([]), "wamp.error.invalid_argument"),
            (json!([registration]), "wamp.error.invalid_argument"),
            (json!([registration, "x"]), "wamp.error.invalid_argument"),
            (json!([-1, a.session()]), "wamp.error.invalid_argument"),
            (json!([registration, a.session(), 7]), "wamp.error.invalid_argument"),
            (json!([registration, a.session(), "no URI"]), "wamp.error.invalid_uri"),
            (json!([registration, a.session(), ""]), "wamp.error.invalid_uri"),
            (json!([registration + 1, a.session()]), "wamp.error.no_such_registration"),
            (json!([1_u64 << 53, a.session()]), "wamp.error.no_such_registration"),
            (json!([registration, caller.session()]), "wamp.error.no_such_callee"),
        ] {
            assert_eq!(remove(&caller, arguments)[4], error);
        }
        let other = net.join_realm(crate::harness::STRICT_URIS);
        let elsewhere = remove(&other, json!([registration, a.session()]));
        assert_eq!(elsewhere[4], "wamp.error.no_such_registration");
    });
}

/// The revocation comes behind REGISTERED, also if both are decided at the same time.
#[test]
fn while_registering() {
    everywhere(|net| {
        let [a, b] = join_all(net);
        net.carry_mesh(false);
        a.send(json!([64, 1, {}, "com.procedure"]));
        b.send(json!([64, 1, {"force_reregister": true}, "com.procedure"]));
        net.carry_mesh(true);
        let (of_a, of_b) = (a.all(), b.all());
        // Whoever is first, one has it in the end and was told so.
        let registered = |messages: &[Value]| {
            let kinds: Vec<_> = messages.iter().map(|message| message[0].as_u64().unwrap()).collect();
            assert!([&[65][..], &[65, 67], &[8]].contains(&&kinds[..]), "{messages:?}");
            kinds == [65]
        };
        assert!(registered(&of_b));
        assert!(!registered(&of_a));
    });
}

/// `force_reregister`: all that were there have to go, whatever their policy.
#[test]
fn by_force() {
    const REASON: &str = "connectanum.registration.reregistered";
    everywhere(|net| {
        let [a, b, c, caller] = join_all(net);
        let force = json!({"force_reregister": true});
        let first = a.register_with(json!({"invoke": "roundrobin"}), "com.procedure");
        b.register_with(json!({"invoke": "roundrobin"}), "com.procedure");
        // It is another registration.
        let second = c.register_with(force.clone(), "com.procedure");
        assert_ne!(second, first);
        for callee in [&a, &b] {
            assert_eq!(callee.next(), json!([67, 0, {"registration": first, "reason": REASON}]));
        }
        caller.send(json!([48, 1, {}, "com.procedure"]));
        c.expect_invocation(second, json!([{}]));
        a.send(json!([64, 9, {}, "com.procedure"]));
        a.expect_error(64, 9, "wamp.error.procedure_already_exists", "");
        // Also with the same policy: clients do not expect an id back that they have lost.
        let third = a.register_with(force.clone(), "com.procedure");
        assert!(![first, second].contains(&third));
        assert_eq!(c.next(), json!([67, 0, {"registration": second, "reason": REASON}]));
        caller.send(json!([48, 2, {}, "com.procedure"]));
        a.expect_invocation(third, json!([{}]));
        // Who forces itself out is told of it, too.
        a.send(json!([64, 8, force, "com.procedure"]));
        assert_eq!(a.next(), json!([67, 0, {"registration": third, "reason": REASON}]));
        let fourth = a.next()[2].as_u64().expect("REGISTERED");
        caller.send(json!([48, 3, {}, "com.procedure"]));
        a.expect_invocation(fourth, json!([{}]));
        assert_eq!(a.ask(json!([66, 9, fourth])), json!([67, 9]));
        // Where nobody is, nobody goes.
        b.register_with(force, "com.procedure");
    });
}

/// No call is lost when a procedure changes hands, not even one that waits or that is sent meanwhile.
#[test]
fn calls_go_to_whoever_takes_over() {
    for options in [json!({"concurrency": 1}), json!({})] {
        everywhere(|net| {
            let [a, b, caller] = join_all(net);
            a.register_with(options.clone(), "com.procedure");
            caller.send_all((1..=3).map(|n| json!([48, n, {}, "com.procedure"])));
            net.carry_mesh(false);
            b.send(json!([64, 9, {"force_reregister": true, "concurrency": 9}, "com.procedure"]));
            caller.send_all((4..=6).map(|n| json!([48, n, {}, "com.procedure"])));
            net.carry_mesh(true);
            let came = |client: &Client| client.all().iter().filter(|message| message[0] == 68).count();
            let (of_a, of_b) = (came(&a), came(&b));
            assert_eq!(of_a + of_b, 6, "{of_a} and {of_b}");
            assert!(of_b >= 3 || options == json!({}), "{of_a} and {of_b}");
            caller.expect_nothing();
        });
    }
}

#[test]
fn the_operator_forbids_force() {
    let realm = RealmConfig { force_reregister: false, ..RealmConfig::new(REALM) };
    everywhere_in(&realm, Limits::default(), |net| {
        let [a, b] = net.join_all();
        a.register("com.procedure");
        b.send(json!([64, 1, {"force_reregister": true}, "com.procedure"]));
        b.expect_error(64, 1, "wamp.error.option_not_allowed", "REGISTER.Options.force_reregister");
        b.register_with(json!({"force_reregister": false}), "com.other");
    });
}

/// Watchers are told who goes and who comes.
#[test]
fn meta_events() {
    everywhere(|net| {
        let [a, b, watcher] = join_all(net);
        let events = ["on_create", "on_register", "on_unregister", "on_delete"];
        let first = a.register("com.procedure");
        let subscriptions = events.map(|event| watcher.subscribe(&format!("wamp.registration.{event}")));
        let heard = || -> Vec<(&str, Value)> {
            let event = |message: Value| {
                let at = subscriptions.iter().position(|id| message[1] == *id).expect("a known event");
                (events[at], message[4].clone())
            };
            watcher.all().into_iter().map(event).collect()
        };
        b.register_with(json!({"force_reregister": true}), "com.procedure");
        let of_b = heard();
        let kinds: Vec<_> = of_b.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, ["on_unregister", "on_delete", "on_create", "on_register"]);
        assert_eq!(of_b[1].1, json!([a.session(), first]));
        assert_ne!(of_b[3].1, json!([b.session(), first]));
        let first = of_b[3].1[1].clone();
        assert_eq!(a.next()[0], 67);
        let second = a.register_with(json!({"force_reregister": true, "invoke": "last"}), "com.procedure");
        let heard = heard();
        let kinds: Vec<_> = heard.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, ["on_unregister", "on_delete", "on_create", "on_register"]);
        assert_eq!(heard[1].1, json!([b.session(), first]));
        assert_eq!(heard[3].1, json!([a.session(), second]));
    });
}
