//! Realms that are made when a client asks for them.

use connectanum::auth::Method;
use connectanum::config::{RealmConfig, Template};
use connectanum::wamp::message::MatchPolicy;
use serde_json::json;

use crate::harness::{Client, Net, everywhere, hello};

use super::realms::works;
use super::rights::user;

/// What realms below `com.tenant.` are made after, so many at most.
fn template(max: usize) -> RealmConfig {
    let template = Some(Template { match_policy: MatchPolicy::Prefix, max });
    RealmConfig { strict_uris: true, template, ..RealmConfig::new("com.tenant.") }
}

#[track_caller]
fn everywhere_up_to(max: usize, test: impl Fn(&Net)) {
    everywhere(|net| {
        net.reconfigure(|config| config.realms.insert(0, template(max)));
        test(net);
    });
}

#[track_caller]
fn expect_none(net: &Net, realm: &str, text: &str) {
    let client = net.client();
    client.send(hello(realm));
    client.expect_abort("wamp.error.no_such_realm", text);
}

#[test]
fn the_first_client_makes_it() {
    everywhere_up_to(3, |net| {
        for name in ["com.tenant.a", "com.tenant.b", "com.tenant.b.c"] {
            works(net, name);
        }
        // It has the rules of what it was made after.
        let client = net.join_realm("com.tenant.a");
        let request = client.fresh();
        client.send(json!([32, request, {}, "A"]));
        client.expect_error(32, request, "wamp.error.invalid_uri", "strict");
        expect_none(net, "com.tenant.d", "as many realms as there may be");
        expect_none(net, "com.tenants", "there is no realm");
        assert_eq!(net.limited().on_demand, 1);
        works(net, "com.tenant.b");
    });
}

#[test]
fn they_do_not_see_each_other() {
    everywhere_up_to(2, |net| {
        let mine: Vec<Client> = (0..4).map(|_| net.join_realm("com.tenant.a")).collect();
        let other = net.join_realm("com.tenant.b");
        for client in &mine {
            client.subscribe_with(json!({"match": "prefix"}), "com");
        }
        mine[0].register("com.p");
        other.send_all([json!([16, 1, {}, "com.t"]), json!([48, 2, {}, "com.p"])]);
        other.expect_error(48, 2, "wamp.error.no_such_procedure", "");
        mine.iter().for_each(Client::expect_nothing);
    });
}

#[test]
fn those_who_come_at_once_get_the_same() {
    everywhere_up_to(1, |net| {
        net.carry_mesh(false);
        let clients: Vec<Client> = (0..6).map(|_| net.client()).collect();
        for (i, client) in clients.iter().enumerate() {
            client.send(hello(if i == 5 { "com.tenant.b" } else { "com.tenant.a" }));
        }
        // One that does not wait for it, and one whose handshake takes too long.
        let gone = net.client();
        gone.send(hello("com.tenant.a"));
        gone.socket.lose();
        net.carry_mesh(true);
        let welcomed = clients.iter().filter(|client| client.next()[0] == 2).count();
        assert!(welcomed == 5 || welcomed == 1, "one of the two realms is made, for all who want it");
        assert_eq!(net.census()[1], welcomed);
    });
}

/// The users of the template are theirs, also those that come and go later.
#[test]
fn they_have_the_users_of_the_template() {
    everywhere(|net| {
        net.reconfigure(|config| {
            let mut template = template(3);
            template.auth.methods = vec![Method::Ticket];
            template.auth.users = vec![user("joe"), user("ann")];
            config.realms.insert(0, template);
        });
        let join = |authid: &str| {
            let mut hello = hello("com.tenant.a");
            hello[2]["authmethods"] = json!(["ticket"]);
            hello[2]["authid"] = json!(authid);
            let client = net.client();
            assert_eq!(client.ask(hello)[0], 4);
            client.send(json!([5, "secret", {}]));
            client
        };
        let (joe, ann) = (join("joe"), join("ann"));
        assert_eq!((joe.next()[0].clone(), ann.next()[0].clone()), (json!(2), json!(2)));
        // What has changed is not about them.
        net.reconfigure(|config| config.realms[0].strict_uris = false);
        joe.expect_nothing();
        net.reconfigure(|config| config.realms[0].auth.users[0] = user("eve"));
        assert_eq!(joe.next()[2], "wamp.close.killed");
        ann.expect_nothing();
        assert_eq!(join("eve").next()[0], 2);
        join("joe").expect_abort("wamp.error.authentication_denied", "");
    });
}

#[test]
fn a_reload_keeps_them_while_they_would_be_made() {
    everywhere_up_to(2, |net| {
        let [a, b] = ["com.tenant.a", "com.tenant.b"].map(|name| net.join_realm(name));
        a.subscribe("x");
        net.reconfigure(|config| config.realms[0].strict_uris = false);
        a.subscribe("X");
        // One of them gets a table of its own; there is room for another.
        net.reconfigure(|config| config.realms.push(RealmConfig::new("com.tenant.a")));
        works(net, "com.tenant.c");
        expect_none(net, "com.tenant.d", "as many realms as there may be");
        a.expect_nothing();
        net.reconfigure(|config| drop(config.realms.remove(0)));
        assert_eq!(b.next()[2], "wamp.close.close_realm");
        a.expect_nothing();
        works(net, "com.tenant.a");
        expect_none(net, "com.tenant.b", "there is no realm");
        expect_none(net, "com.tenant.e", "there is no realm");
        // And again.
        net.reconfigure(|config| config.realms.push(template(1)));
        works(net, "com.tenant.b");
    });
}
