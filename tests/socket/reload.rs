//! Another configuration under load: no message is lost, none comes twice or out of order.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use connectanum::config::{Listen, RealmConfig, Retain, ServeConfig, TopicPolicy};
use connectanum::limits::Limits;
use connectanum::shell::Address;
use connectanum::wamp::message::MatchPolicy;
use serde_json::json;

use crate::client::Client;
use crate::common::*;

on_every_shell! {
    no_message_is_lost,
    addresses_come_and_go,
}

/// What the router was started with.
fn served() -> ServeConfig {
    ServeConfig { listen: vec!["tcp://127.0.0.1:0".parse().unwrap()], ..ServeConfig::default() }
}

/// A client with the transport's handshake done, in a realm.
#[track_caller]
fn joined(router: &Running, realm: &str) -> (Client<TcpStream>, serde_json::Value) {
    let mut client = Client::tcp(router.tcp());
    client.shake_hands();
    let roles = json!({"publisher": {}, "subscriber": {}, "caller": {}, "callee": {}});
    let answer = client.ask(&json!([1, realm, {"roles": roles}]));
    (client, answer)
}

fn no_message_is_lost(setup: Setup) {
    const RELOADS: usize = 20;
    let Some(router) = setup.start() else { return };
    let is_over = AtomicBool::new(false);
    // Events and results so far.
    let progress: [AtomicU64; 2] = Default::default();
    let [mut publisher, mut subscriber, mut caller, mut callee] = std::array::from_fn(|_| router.client());
    subscriber.subscribe("com.load");
    assert_eq!(callee.ask(&json!([64, 2, {}, "com.double"]))[0], 65);
    thread::scope(|scope| {
        let publishing = scope.spawn(|| {
            let mut n = 0;
            while !is_over.load(Ordering::Relaxed) {
                // No more under way than the subscriber reads while a change is made.
                if n > progress[0].load(Ordering::Relaxed) + 200 {
                    thread::yield_now();
                    continue;
                }
                publisher.publish("com.load", &n.to_string());
                n += 1;
            }
            publisher.publish("com.load", "end");
            n
        });
        let subscribing = scope.spawn(|| {
            for n in 0.. {
                let event = subscriber.next();
                if event[4][0] == "end" {
                    return n;
                }
                assert_eq!(event[4][0], n.to_string(), "{event}");
                progress[0].store(n, Ordering::Relaxed);
            }
            unreachable!("the end comes before the numbers are used up")
        });
        let answering = scope.spawn(|| {
            for n in 0.. {
                let invocation = callee.next();
                assert_eq!(invocation[4][0], n, "{invocation}");
                callee.send(&json!([70, invocation[1], {}, [2 * n]]));
                if invocation[4][1] == "last" {
                    return n;
                }
            }
            unreachable!("the last call comes before the numbers are used up")
        });
        let calling = scope.spawn(|| {
            for n in 0_u64.. {
                let word = if is_over.load(Ordering::Relaxed) { "last" } else { "" };
                let result = caller.ask(&json!([48, n + 2, {}, "com.double", [n, word]]));
                assert_eq!(result, json!([50, n + 2, {}, [2 * n]]));
                progress[1].store(n, Ordering::Relaxed);
                if word == "last" {
                    return n;
                }
            }
            unreachable!("it is over before the numbers are used up")
        });
        let mut config = served();
        for n in 0..RELOADS {
            // Between two changes there is traffic.
            let before = progress.each_ref().map(|it| it.load(Ordering::Relaxed));
            let has_gone_on = |i: usize| progress[i].load(Ordering::Relaxed) > before[i] + 5;
            eventually(|| [0, 1].map(has_gone_on), |on| *on == [true, true]);
            let other = format!("com.example.{}", n % 3);
            config.router.realms.retain(|realm| realm.name == "realm1");
            config.router.realms.insert(n % 2, RealmConfig::new(&other));
            // Those that the load is in have other rules, too.
            let realm = config.router.realms.iter_mut().find(|realm| realm.name == "realm1").unwrap();
            realm.topics = vec![TopicPolicy {
                uri: "com.load".to_owned(),
                match_policy: MatchPolicy::Exact,
                history: 10 * (n % 3),
                retain: Retain::Asked,
            }];
            config.router.limits = Limits { pending_calls_max: 100 + n, ..Limits::default() };
            router.handle.reload(&config).unwrap();
            let (mut member, welcome) = joined(&router, &other);
            assert_eq!(welcome[0], 2, "{welcome}");
            config.router.realms.retain(|realm| realm.name == "realm1");
            router.handle.reload(&config).unwrap();
            let goodbye = member.next();
            assert!(goodbye[0] == 6 && goodbye[2] == "wamp.close.close_realm", "{goodbye}");
        }
        is_over.store(true, Ordering::Relaxed);
        let (sent, received) = (publishing.join().unwrap(), subscribing.join().unwrap());
        let (asked, answered) = (calling.join().unwrap(), answering.join().unwrap());
        assert_eq!((received, answered), (sent, asked));
    });
}

fn addresses_come_and_go(setup: Setup) {
    let Some(router) = setup.start() else { return };
    let mut stays = router.client();
    let port = |listen: &str| -> Listen { listen.parse().unwrap() };
    let mut config = served();
    for _ in 0..5 {
        config.listen = vec![port("tcp://127.0.0.1:0"), port("ws://127.0.0.1:0")];
        let opened = router.handle.reload(&config).unwrap().opened;
        let [Address::Tcp { addr, .. }] = opened[..] else { panic!("{opened:?}") };
        // Enough for all shards to accept some.
        let mut clients: Vec<_> = (0..20).map(|_| Client::tcp(addr).joined()).collect();
        config.listen.pop();
        assert_eq!(router.handle.reload(&config).unwrap().closed, opened);
        assert!(TcpStream::connect(addr).is_err(), "nobody listens there");
        clients.iter_mut().for_each(|client| client.echo("still here"));
        stays.echo("too");
    }
    assert_eq!(router.handle.addresses(), router.addresses);
    assert_eq!(router.handle.reload(&config).unwrap(), Default::default(), "nothing has changed");
    router.handle.shutdown();
    assert!(router.handle.reload(&config).is_err());
}
