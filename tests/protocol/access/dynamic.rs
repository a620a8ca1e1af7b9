//! Authorizers that are procedures: what they are asked, what their answers mean, and what waits for them.

use connectanum::config::RealmConfig;
use connectanum::limits::Limits;
use serde_json::{Value, json};

use super::{FAILED, NOT_AUTHORIZED, REQUESTS, join_as, refused};
use crate::harness::{Client, Net, REALM, everywhere_in};

const NO_SUCH: &str = "wamp.error.no_such_procedure";

/// Whoever comes without authentication may do everything; about `user` the procedure `com.authorize` decides.
fn realm() -> RealmConfig {
    let mut realm = super::realm(Vec::new());
    realm.roles[1].authorizer = Some("com.authorize".into());
    realm
}

#[track_caller]
fn everywhere(test: impl Fn(&Net)) {
    everywhere_in(&realm(), Limits::default(), test);
}

/// The authorizer is asked this, and answers that.
#[track_caller]
fn decide(authorizer: &Client, registration: u64, action: &str, uri: &str, answer: Value) {
    let request = asked(authorizer, registration, action, uri, json!({}));
    authorizer.send(json!([70, request, {}, [answer]]));
}

/// The authorizer is asked this, about `user`.
#[track_caller]
fn asked(authorizer: &Client, registration: u64, action: &str, uri: &str, options: Value) -> u64 {
    let invocation = authorizer.next();
    let details = json!({
        "session": invocation[4][0]["session"], "realm": REALM, "authid": "user", "authrole": "user",
        "authmethod": "ticket", "authprovider": "static",
    });
    let expected = json!([68, invocation[1], registration, {}, [details, uri, action, options]]);
    assert_eq!(invocation, expected);
    invocation[1].as_u64().expect("an id")
}

#[test]
fn what_authorizers_are_asked_and_say() {
    everywhere(|net| {
        let (open, user) = (net.join(), join_as(net, "user"));
        let registration = open.register("com.authorize");
        for (action, code) in REQUESTS {
            let request = user.fresh();
            user.send(json!([code, request, {"acknowledge": true}, "com.x"]));
            user.expect_nothing();
            decide(&open, registration, action.name(), "com.x", json!(false));
            user.expect_error(code, request, NOT_AUTHORIZED, &format!("{} 'com.x'", action.name()));
        }
        for (answer, error) in [
            (json!(true), NO_SUCH),
            (json!({"allow": true}), NO_SUCH),
            (json!({"allow": true, "cache": false, "disclose": null}), NO_SUCH),
            (json!({"allow": false}), NOT_AUTHORIZED),
            (json!({}), FAILED),
            (json!({"allow": 1}), FAILED),
            (json!({"allow": true, "cache": "yes"}), FAILED),
            (json!("true"), FAILED),
            (json!(null), FAILED),
        ] {
            let request = user.fresh();
            user.send(json!([48, request, {}, "com.x"]));
            decide(&open, registration, "call", "com.x", answer);
            user.expect_error(48, request, error, "");
        }
        let request = user.fresh();
        user.send(json!([48, request, {}, "com.x"]));
        let invocation = asked(&open, registration, "call", "com.x", json!({}));
        open.send(json!([70, invocation, {}]));
        user.expect_error(48, request, FAILED, "could not be decided");
        // Patterns are named as such.
        let request = user.fresh();
        user.send(json!([32, request, {"match": "prefix"}, "com."]));
        let invocation = asked(&open, registration, "subscribe", "com.", json!({"match": "prefix"}));
        open.send(json!([70, invocation, {}, [true]]));
        assert_eq!(user.next()[0], 33);
    });
}

#[test]
fn answers_are_remembered_if_the_authorizer_says_so() {
    everywhere(|net| {
        let (open, user) = (net.join(), join_as(net, "user"));
        let registration = open.register("com.authorize");
        let subscription = open.subscribe("com.topic");
        let me = user.session();
        user.send(json!([16, 1, {}, "com.topic"]));
        decide(
            &open,
            registration,
            "publish",
            "com.topic",
            json!({"allow": true, "cache": true, "disclose": true}),
        );
        let details = json!({"publisher": me, "publisher_authid": "user", "publisher_authrole": "user"});
        open.expect_event(subscription, json!([details]));
        user.send(json!([16, 2, {}, "com.topic"]));
        open.expect_event(subscription, json!([details]));
        user.send(json!([48, 3, {}, "com.no"]));
        decide(&open, registration, "call", "com.no", json!({"allow": false, "cache": true}));
        user.expect_error(48, 3, NOT_AUTHORIZED, "");
        user.send(json!([48, 4, {}, "com.no"]));
        user.expect_error(48, 4, NOT_AUTHORIZED, "");
        open.expect_nothing();
    });
}

/// What comes behind a message that waits does not overtake it.
#[test]
fn messages_wait_in_their_order() {
    everywhere(|net| {
        let (open, user) = (net.join(), join_as(net, "user"));
        let registration = open.register("com.authorize");
        let subscription = open.subscribe("com.topic");
        user.send_all((1..=3).map(|n| json!([16, n, {}, "com.topic", [n]])));
        user.send_last([json!([48, 4, {}, "com.x"]), json!([6, {}, "wamp.close.close_realm"])]);
        for n in 1..=3 {
            decide(&open, registration, "publish", "com.topic", json!(true));
            open.expect_event(subscription, json!([{}, [n]]));
        }
        user.expect_nothing();
        decide(&open, registration, "call", "com.x", json!(true));
        user.expect_error(48, 4, NO_SUCH, "");
        assert_eq!(user.next()[0], 6);
    });
}

#[test]
fn authorizers_that_fail() {
    everywhere(|net| {
        let (open, user) = (net.join(), join_as(net, "user"));
        let failed = || user.expect_error(48, 1, FAILED, "role 'user' may call 'com.x' could not be decided");
        let ask = || user.send(json!([48, 1, {}, "com.x"]));
        // Nobody is there.
        ask();
        failed();
        // It answers with an error.
        let registration = open.register("com.authorize");
        ask();
        let invocation = asked(&open, registration, "call", "com.x", json!({}));
        open.send(json!([8, 68, invocation, {}, "com.error"]));
        failed();
        // It takes too long.
        ask();
        let late = asked(&open, registration, "call", "com.x", json!({}));
        net.wait_ms(9_999);
        user.expect_nothing();
        assert_eq!(net.limited().authorizer_ms_max, 0);
        net.wait_ms(1);
        failed();
        assert_eq!(net.limited().authorizer_ms_max, 1);
        open.send(json!([70, late, {}, [true]]));
        user.expect_nothing();
        // It leaves.
        ask();
        asked(&open, registration, "call", "com.x", json!({}));
        open.socket.lose();
        failed();
    });
}

/// Who asks leaves, or its connection breaks; nobody wants the answer any more.
#[test]
fn who_asks_leaves() {
    everywhere(|net| {
        for features in [&[][..], &["call_canceling"]] {
            let open = net.join_announcing(features);
            let registration = open.register("com.authorize");
            for answers in [true, false] {
                let user = join_as(net, "user");
                user.send(json!([48, 1, {}, "com.x"]));
                let invocation = asked(&open, registration, "call", "com.x", json!({}));
                user.socket.lose();
                assert_eq!(net.census()[4], 0, "the call is over");
                if !features.is_empty() {
                    assert_eq!(open.next(), json!([69, invocation, {"mode": "killnowait"}]));
                }
                if answers {
                    open.send(json!([70, invocation, {}, [true]]));
                }
            }
            open.socket.lose();
        }
    });
}

#[test]
fn several_authorizers_take_turns_but_not_for_themselves() {
    everywhere(|net| {
        let [one, two] = net.join_all();
        let user = join_as(net, "user");
        let options = json!({"invoke": "roundrobin"});
        let registration = one.register_with(options.clone(), "com.authorize");
        two.register_with(options.clone(), "com.authorize");
        let answer = |client: &Client| {
            let invocation = client.next();
            client.send(json!([70, invocation[1], {}, [true]]));
        };
        for n in 1..=4 {
            user.send(json!([48, n, {}, "com.x"]));
            answer(if n % 2 == 1 { &one } else { &two });
            user.expect_error(48, n, NO_SUCH, "");
        }
        // The session becomes one of those who decide.
        user.send(json!([64, 5, options, "com.authorize"]));
        answer(&one);
        assert_eq!(user.next(), json!([65, 5, registration]));
        // It is not asked what it may do itself, not even if nobody else is there.
        for n in 6..=9 {
            user.send(json!([48, n, {}, "com.x"]));
            let seen: Vec<&Client> = [&one, &two].into_iter().filter(|it| it.has_more()).collect();
            assert_eq!(seen.len(), 1, "one of the others is asked");
            answer(seen[0]);
            user.expect_error(48, n, NO_SUCH, "");
        }
        one.socket.lose();
        two.socket.lose();
        user.send(json!([48, 10, {}, "com.x"]));
        user.expect_error(48, 10, FAILED, "");
    });
}

/// It is not asked by a way around, either: a pattern of its own that the procedure matches, too.
#[test]
fn nobody_decides_for_itself() {
    everywhere(|net| {
        let (open, other, user) = (net.join(), net.join(), join_as(net, "user"));
        let exact = open.register("com.authorize");
        user.send(json!([64, 1, {"match": "prefix"}, "com.auth"]));
        let invocation = asked(&open, exact, "register", "com.auth", json!({"match": "prefix"}));
        open.send(json!([70, invocation, {}, [true]]));
        assert_eq!(user.next()[0], 65);
        user.send(json!([48, 2, {}, "com.x"]));
        asked(&open, exact, "call", "com.x", json!({}));
        open.socket.lose();
        user.expect_error(48, 2, FAILED, "");
        // Its own is the best, and somebody else has a pattern.
        let prefix = other.register_with(json!({"match": "prefix"}), "com.a");
        user.send(json!([48, 4, {}, "com.x"]));
        let invocation = other.next();
        assert_eq!((&invocation[2], &invocation[3]["procedure"]), (&json!(prefix), &json!("com.authorize")));
        other.send(json!([70, invocation[1], {}, [true]]));
        other.expect_nothing();
        user.expect_error(48, 4, NO_SUCH, "");
    });
}

/// A testament is asked about twice: the call, and where it is to be published.
#[test]
fn testaments() {
    everywhere(|net| {
        let (open, user) = (net.join(), join_as(net, "user"));
        let registration = open.register("com.authorize");
        let subscription = open.subscribe("com.topic");
        let add = "wamp.session.add_testament";
        for (request, allowed) in [(1, false), (2, true)] {
            user.send(json!([48, request, {}, add, ["com.topic", [], {}]]));
            decide(&open, registration, "call", add, json!({"allow": true, "cache": true}));
            decide(&open, registration, "publish", "com.topic", json!(allowed));
            match allowed {
                true => assert_eq!(user.next()[0], 50),
                false => user.expect_error(48, request, NOT_AUTHORIZED, "publish 'com.topic'"),
            }
        }
        user.socket.lose();
        open.expect_event(subscription, json!([{}, [], {}]));
    });
}

/// Ids stay in sequence although messages are looked at twice.
#[test]
fn strict_request_ids() {
    let realm = RealmConfig { strict_request_ids: true, ..realm() };
    everywhere_in(&realm, Limits::default(), |net| {
        let (open, user) = (net.join(), join_as(net, "user"));
        let registration = open.register("com.authorize");
        for n in 1..=4 {
            user.send(json!([48, n, {}, "com.x"]));
            decide(&open, registration, "call", "com.x", json!(n % 2 == 0));
            user.expect_error(48, n, if n % 2 == 0 { NO_SUCH } else { NOT_AUTHORIZED }, "");
        }
    });
}

/// New rules count for what waits, too.
#[test]
fn other_rules_while_somebody_is_asked() {
    everywhere(|net| {
        let (open, user) = (net.join(), join_as(net, "user"));
        let registration = open.register("com.authorize");
        user.send(json!([48, 1, {}, "com.x"]));
        let invocation = asked(&open, registration, "call", "com.x", json!({}));
        net.set_roles(&super::realm(Vec::new()).roles);
        user.expect_error(48, 1, NOT_AUTHORIZED, "");
        open.send(json!([70, invocation, {}, [true]]));
        refused(&user, 32, json!({}), "com.x");
    });
}
