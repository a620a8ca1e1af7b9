//! Realms that come, go, and come back.

use connectanum::config::RealmConfig;
use serde_json::json;

use crate::harness::{Client, Net, REALM, everywhere, hello};

const NEW: &str = "com.example.new";

#[track_caller]
fn expect_goodbye(client: &Client) {
    // Its callee may have been on a shard that knew it before.
    let mut message = client.next();
    if message[0] == 8 {
        assert_eq!(message[4], "wamp.error.canceled");
        message = client.next();
    }
    assert_eq!(message, json!([6, {"message": "the realm was closed"}, "wamp.close.close_realm"]));
}

/// A publication and a call get through, wherever the clients are.
#[track_caller]
pub(super) fn works(net: &Net, realm: &str) {
    let clients: Vec<Client> = (0..4).map(|_| net.join_realm(realm)).collect();
    for (i, callee) in clients.iter().enumerate() {
        let (topic, procedure) = (format!("topic.{i}"), format!("procedure.{i}"));
        let subscription = callee.subscribe(&topic);
        let registration = callee.register(&procedure);
        let other = &clients[(i + 1) % 4];
        other.send(json!([16, other.fresh(), {}, topic, [i]]));
        callee.expect_event(subscription, json!([{}, [i]]));
        let call = other.fresh();
        other.send(json!([48, call, {}, procedure]));
        let invocation = callee.expect_invocation(registration, json!([{}]));
        callee.send(json!([70, invocation, {}, [i]]));
        assert_eq!(other.next(), json!([50, call, {}, [i]]));
    }
    for client in &clients {
        assert_eq!(client.ask(json!([6, {}, "wamp.close.normal"]))[0], 6);
    }
}

#[test]
fn a_new_one_is_there_and_nobody_else_notices() {
    everywhere(|net| {
        let [caller, callee, other] = net.join_all();
        let (subscription, registration) = (other.subscribe("topic.0"), callee.register("slow"));
        let call = caller.fresh();
        caller.send(json!([48, call, {}, "slow"]));
        let invocation = callee.expect_invocation(registration, json!([{}]));
        let early = net.client();
        early.send(hello(NEW));
        early.expect_abort("wamp.error.no_such_realm", "there is no realm");
        // The order in the file is of no importance.
        net.reconfigure(|config| config.realms.insert(0, RealmConfig::new(NEW)));
        assert_eq!(net.reconfigured(), 1);
        works(net, NEW);
        works(net, REALM);
        // Of what `works` does in both realms, one reaches this one.
        other.expect_event(subscription, json!([{}, [0]]));
        callee.send(json!([70, invocation, {}, ["done"]]));
        assert_eq!(caller.next(), json!([50, call, {}, ["done"]]));
        [caller, callee, other].iter().for_each(Client::expect_nothing);
    });
}

#[test]
fn it_opens_when_all_shards_know_it() {
    everywhere(|net| {
        let shards = net.shards() as usize;
        for slow in 1..shards {
            let name = format!("{NEW}.{slow}");
            for link in [(0, slow), (slow, 0)] {
                net.hold_link(Some(link));
                if link.1 == slow {
                    net.reconfigure(|config| config.realms.push(RealmConfig::new(&name)));
                }
                for _ in 0..4 {
                    let early = net.client();
                    early.send(hello(&name));
                    early.expect_abort("wamp.error.no_such_realm", "there is no realm");
                }
                if link.1 == slow {
                    // The slow one hears of it, but nobody hears that.
                    net.hold_link(None);
                    break;
                }
            }
            assert_eq!(net.reconfigured(), slow);
            works(net, &name);
        }
    });
}

#[test]
fn one_that_goes_takes_its_sessions_with_it() {
    everywhere(|net| {
        net.reconfigure(|config| config.realms.push(RealmConfig::new(NEW)));
        let gone: Vec<Client> = (0..4).map(|_| net.join_realm(NEW)).collect();
        for (i, client) in gone.iter().enumerate() {
            client.subscribe("a");
            client.subscribe("wamp.session.on_leave");
            client.register(&format!("p{i}"));
        }
        gone[0].send(json!([48, gone[0].fresh(), {}, "p1"]));
        gone[1].next();
        gone[0].send(json!([16, gone[0].fresh(), {"retain": true, "exclude_me": false}, "r", [1]]));
        let stays = net.join();
        let subscription = stays.subscribe("a");
        net.reconfigure(|config| config.realms.retain(|realm| realm.name != NEW));
        for client in &gone {
            expect_goodbye(client);
            client.expect_nothing();
            client.send(json!([6, {}, "wamp.close.goodbye_and_out"]));
            client.expect_closed(1000);
        }
        let late = net.client();
        late.send(hello(NEW));
        late.expect_abort("wamp.error.no_such_realm", "there is no realm");
        let other = net.join();
        other.send(json!([16, other.fresh(), {}, "a"]));
        stays.expect_event(subscription, json!([{}]));
        assert_eq!(net.census(), [2, 2, net.census()[2], 0, 0]);

        // Back again, it is as new.
        net.reconfigure(|config| config.realms.insert(1, RealmConfig::new(NEW)));
        works(net, NEW);
        let back = net.join_realm(NEW);
        back.subscribe_with(json!({"get_retained": true}), "r");
        back.register("p0");
        back.expect_nothing();
        stays.expect_nothing();
    });
}

#[test]
fn who_is_about_to_join_is_told() {
    let mut user = connectanum::auth::User::new("joe", "user");
    user.secrets.wampcra = Some(connectanum::auth::CraSecret::plain("secret"));
    everywhere(|net| {
        let mut realm = RealmConfig::new(NEW);
        realm.auth.users = vec![user.clone()];
        realm.auth.methods = vec![connectanum::auth::Method::Wampcra];
        net.reconfigure(|config| config.realms.push(realm));
        let client = net.client();
        let challenge = client.ask(json!([1, NEW, {"roles": {"caller": {}}, "authmethods": ["wampcra"],
            "authid": "joe"}]));
        assert_eq!(challenge[0], 4);
        net.reconfigure(|config| config.realms.retain(|realm| realm.name != NEW));
        client.expect_abort("wamp.error.no_such_realm", "the realm was closed");
    });
}

#[test]
fn one_change_after_the_other() {
    everywhere(|net| {
        net.carry_mesh(false);
        for n in 0..5 {
            let name = format!("{NEW}.{n}");
            net.reconfigure(|config| {
                config.realms.retain(|realm| !realm.name.starts_with(NEW));
                config.realms.push(RealmConfig::new(name));
            });
        }
        net.carry_mesh(true);
        assert_eq!(net.reconfigured(), 5);
        works(net, &format!("{NEW}.4"));
        let late = net.client();
        late.send(hello(&format!("{NEW}.3")));
        late.expect_abort("wamp.error.no_such_realm", "there is no realm");
    });
}
