//! Sessions whose rights were withdrawn end, and are told why; others stay.

use connectanum::access::{Action, Role, Rule};
use connectanum::auth::{Method, TicketSecret, User};
use connectanum::config::{RealmConfig, RouterConfig};
use connectanum::limits::Limits;
use connectanum::wamp::message::MatchPolicy;
use serde_json::{Value, json};

use crate::harness::{Client, Net, REALM, everywhere_in};

pub(super) fn user(authid: &str) -> User {
    let mut user = User::new(authid, "user");
    user.secrets.ticket = Some(TicketSecret::of("secret"));
    user
}

#[track_caller]
fn everywhere(test: impl Fn(&Net)) {
    let mut realm = RealmConfig::new(REALM);
    realm.auth.methods = vec![Method::Ticket, Method::Anonymous];
    realm.auth.users = vec![user("joe"), user("ann")];
    everywhere_in(&realm, Limits::default(), test);
}

#[track_caller]
fn challenged(net: &Net, authid: &str) -> Client {
    let client = net.client();
    let mut hello = crate::harness::hello(REALM);
    hello[2]["authmethods"] = json!(["ticket"]);
    hello[2]["authid"] = json!(authid);
    assert_eq!(client.ask(hello)[0], 4);
    client
}

const AUTHENTICATE: &str = r#"[5, "secret", {}]"#;

fn authenticate() -> Value {
    serde_json::from_str(AUTHENTICATE).expect("JSON")
}

#[track_caller]
fn joined(net: &Net, authid: &str) -> Client {
    let client = challenged(net, authid);
    let welcome = client.ask(authenticate());
    client.in_session(&welcome)
}

fn realm(config: &mut RouterConfig) -> &mut RealmConfig {
    config.realms.iter_mut().find(|realm| realm.name == REALM).expect("the realm")
}

#[test]
fn of_users() {
    type Change = fn(&mut RealmConfig);
    let changes: [(Change, &str); 5] = [
        (|realm| drop(realm.auth.users.remove(0)), "there is no user `joe` any more"),
        (
            |realm| realm.auth.users[0].authrole = "admin".to_owned(),
            "the role of `joe` has changed; join again",
        ),
        (|realm| realm.auth.users[0].expires_ms = Some(1_700_000_000_000), "the user `joe` has expired"),
        (|realm| realm.auth.users[0].secrets.ticket = None, "the user `joe` may not use `ticket` any more"),
        (
            |realm| realm.auth.methods.retain(|method| *method == Method::Anonymous),
            "this realm does not offer `ticket` any more",
        ),
    ];
    for (change, why) in changes {
        everywhere(|net| {
            let (joe, again, ann, nobody) =
                (joined(net, "joe"), joined(net, "joe"), joined(net, "ann"), net.join());
            let subscription = nobody.subscribe("a");
            joe.register("p");
            let verifying = challenged(net, "joe");
            net.reconfigure(|config| change(realm(config)));
            for client in [joe, again] {
                assert_eq!(client.next(), json!([6, {"message": why}, "wamp.close.killed"]));
                client.send(json!([6, {}, "wamp.close.goodbye_and_out"]));
                client.expect_closed(1000);
            }
            // Who was on the way in comes too late.
            verifying.send(authenticate());
            verifying.expect_abort("wamp.error.authentication_denied", why);
            if !why.contains("offer") {
                ann.send(json!([16, ann.fresh(), {}, "a"]));
                nobody.expect_event(subscription, json!([{}]));
            }
            nobody.register("p");
            nobody.expect_nothing();
        });
    }
}

#[test]
fn of_those_without_a_name() {
    everywhere(|net| {
        let (ann, nobody) = (joined(net, "ann"), net.join());
        net.reconfigure(|config| realm(config).auth.anonymous_role = "guest".to_owned());
        let why = "the role of those without a name has changed; join again";
        assert_eq!(nobody.next(), json!([6, {"message": why}, "wamp.close.killed"]));
        let guest = net.join();
        net.reconfigure(|config| realm(config).auth.methods = vec![Method::Ticket]);
        let why = "this realm does not offer `anonymous` any more";
        assert_eq!(guest.next(), json!([6, {"message": why}, "wamp.close.killed"]));
        ann.expect_nothing();
    });
}

#[test]
fn new_users_and_secrets_count_from_now_on() {
    everywhere(|net| {
        let joe = joined(net, "joe");
        net.reconfigure(|config| {
            let users = &mut realm(config).auth.users;
            users[0].secrets.ticket = Some(TicketSecret::of("another"));
            users.push(user("new"));
        });
        // What it had shown was right then.
        joe.subscribe("a");
        joined(net, "new").subscribe("a");
        let late = challenged(net, "joe");
        late.send(authenticate());
        late.expect_abort("wamp.error.authentication_denied", "wrong secret");
        let late = challenged(net, "joe");
        assert_eq!(late.ask(json!([5, "another", {}]))[0], 2);
    });
}

#[test]
fn who_does_not_answer_is_cut_off() {
    everywhere(|net| {
        let joe = joined(net, "joe");
        net.reconfigure(|config| realm(config).auth.users.clear());
        assert_eq!(joe.next()[0], 6);
        net.wait_ms(Limits::default().closing_ms_max);
        joe.expect_closed(1000);
    });
}

/// Roles that the file has now count at once, in a realm that had none and in one whose roles change.
#[test]
fn of_roles() {
    let role = |name: &str, allow: &[Action]| {
        let rule = Rule {
            uri: String::new(),
            match_policy: MatchPolicy::Prefix,
            allow: allow.iter().copied().collect(),
            disclose: false,
            cache: true,
        };
        Role { name: name.to_owned(), rules: vec![rule], authorizer: None }
    };
    everywhere(|net| {
        let (joe, nobody) = (joined(net, "joe"), net.join());
        let topic = "com.topic";
        let subscription = joe.subscribe(topic);
        net.reconfigure(|config| {
            realm(config).roles = vec![role("user", &Action::ALL), role("anonymous", &[Action::Publish])];
        });
        let request = nobody.fresh();
        nobody.send(json!([32, request, {}, topic]));
        nobody.expect_error(32, request, "wamp.error.not_authorized", "not authorized to subscribe");
        nobody.send(json!([16, nobody.fresh(), {}, topic, [1]]));
        assert_eq!(joe.next()[1], subscription);

        net.reconfigure(|config| realm(config).roles[0] = role("user", &[Action::Publish]));
        // It has not announced that it understands to be told.
        nobody.send(json!([16, nobody.fresh(), {}, topic, [2]]));
        joe.expect_nothing();

        net.reconfigure(|config| realm(config).roles.clear());
        joe.subscribe(topic);
        nobody.subscribe(topic);
    });
}
