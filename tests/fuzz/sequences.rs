//! Sequences of messages: several enemies, over all transports and on several shards, send what is nearly sound, in any order.
//! Others get what is theirs all the while, and nothing is left when the enemies have gone.

use std::cell::Cell;

use connectanum::limits::Limits;
use serde_json::{Value, json};

use crate::harness::{Client, Frame, Net, REALM, STRICT_URIS, everywhere_with, hello, oracle};
use crate::mutate::{Random, mutated};
use crate::{Round, seeds};

/// Rounds in each of the setups.
const ROUNDS: u64 = 6;
/// What the enemies do in one round.
const STEPS: usize = 120;

const NAMES: [&str; 8] = [
    "com.topic",
    "com.",
    "com..topic",
    "com.procedure",
    "com.a.b",
    "",
    "wamp.session.list",
    "com.\u{e4}\"\n",
];
const META: [&str; 12] = [
    "wamp.session.count",
    "wamp.session.list",
    "wamp.session.get",
    "wamp.session.kill",
    "wamp.session.kill_all",
    "wamp.registration.list",
    "wamp.registration.get",
    "wamp.registration.lookup",
    "wamp.subscription.list",
    "wamp.subscription.get_events",
    "wamp.session.add_testament",
    "wamp.session.flush_testaments",
];

#[test]
fn messages() {
    let limits = Limits {
        message_bytes_max: 4096,
        outbound_bytes_max: 100_000,
        outbound_bytes_high: 20_000,
        pending_calls_max: 20,
        pending_invocations_max: 20,
        retained_events_max: 5,
        testaments_max: 3,
        ..Limits::default()
    };
    let (setup, heard) = (Cell::new(0), Cell::new(0));
    everywhere_with(limits, |net| {
        setup.set(setup.get() + 1);
        for seed in seeds(ROUNDS) {
            let _round = Round("messages", seed);
            heard.set(heard.get() | round(net, &mut Random::new(seed << 8 | setup.get())));
        }
    });
    // The enemies got deep enough to be answered, called, called off and thrown out.
    let deaf =
        [3, 8, 17, 33, 35, 36, 50, 65, 67, 68, 69].iter().filter(|code| heard.get() >> **code & 1 == 0);
    let deaf: Vec<_> = deaf.collect();
    assert!(deaf.is_empty() || seeds(ROUNDS).count() < ROUNDS as usize, "nobody has got {deaf:?}");
}

/// The codes of the messages that the enemies got, as bits.
fn round(net: &Net, random: &mut Random) -> u128 {
    let before = net.census();
    let mut heard = 0;
    // The innocent: in a realm of their own, so that nobody may kill them.
    let innocent = Innocent::new(net);
    let mut enemies: Vec<Enemy> = (0..4).map(|_| Enemy::new(net, random)).collect();
    for step in 0..STEPS {
        if random.chance(40) {
            net.wait_ms(random.next() % 3000);
        }
        let index = random.below(enemies.len());
        if enemies[index].client.socket.is_ended() || random.chance(60) {
            enemies[index].client.socket.lose();
            enemies[index] = Enemy::new(net, random);
        }
        enemies[index].act(random);
        heard |= enemies[index].heard;
        innocent.see_to_it(step);
    }
    for enemy in &enemies {
        enemy.client.socket.lose();
    }
    innocent.leave();
    net.wait_ms(10_000);
    assert_eq!(net.census(), before, "something is left");
    heard
}

/// Two who use the names that the enemies use, in another realm.
struct Innocent {
    bob: Client,
    carol: Client,
    subscription: u64,
    registration: u64,
}

impl Innocent {
    fn new(net: &Net) -> Innocent {
        let [bob, carol] = [0, 1].map(|_| net.join_realm(STRICT_URIS));
        let (subscription, registration) = (bob.subscribe("com.topic"), bob.register("com.procedure"));
        Innocent { bob, carol, subscription, registration }
    }

    fn see_to_it(&self, n: usize) {
        self.carol.send(json!([16, self.carol.fresh(), {}, "com.topic", [n]]));
        self.bob.expect_event(self.subscription, json!([{}, [n]]));
        let request = self.carol.fresh();
        self.carol.send(json!([48, request, {}, "com.procedure", [n]]));
        let invocation = self.bob.expect_invocation(self.registration, json!([{}, [n]]));
        self.bob.send(json!([70, invocation, {}, [n]]));
        assert_eq!(self.carol.next(), json!([50, request, {}, [n]]));
        self.bob.expect_nothing();
        self.carol.expect_nothing();
    }

    fn leave(self) {
        self.bob.socket.lose();
        self.carol.socket.lose();
    }
}

/// Somebody who remembers the ids that it gets, to use and to misuse them.
struct Enemy {
    client: Client,
    ids: Vec<u64>,
    heard: u128,
}

impl Enemy {
    fn new(net: &Net, random: &mut Random) -> Enemy {
        let client = net.client();
        let features = json!({"features": {
            "progressive_call_results": true, "progressive_call_invocations": true, "call_canceling": true,
            "call_timeout": true, "payload_passthru_mode": true, "call_reroute": true,
            "shared_registration": true, "registration_revocation": true, "subscription_revocation": true,
        }});
        let features = if random.chance(2) { features } else { json!({}) };
        let mut hello = hello(REALM);
        for role in ["publisher", "subscriber", "caller", "callee"] {
            hello[2]["roles"][role] = features.clone();
        }
        if !random.chance(8) {
            client.send(hello);
        }
        Enemy { client, ids: vec![1], heard: 0 }
    }

    fn act(&mut self, random: &mut Random) {
        let socket = &self.client.socket;
        if random.chance(50) {
            socket.take_only(random.below(3000));
        } else if random.chance(30) {
            socket.take_only(usize::MAX);
        } else if random.chance(80) {
            socket.eof();
        }
        let serializer = self.client.transport.serializer();
        let sound = oracle::from_json(serializer, &self.message(random));
        match random.below(12) {
            0 => self.client.send_bytes(&mutated(random, &[sound])),
            1 if random.chance(4) => {
                let frame = self.client.transport.frame(&sound);
                socket.write(&mutated(random, &[frame]));
            }
            _ => self.client.send_bytes(&sound),
        }
        if random.chance(2) {
            self.listen();
        }
    }

    /// Whatever comes is well-formed: the harness panics otherwise.
    fn listen(&mut self) {
        while let Some(frame) = self.client.next_frame() {
            let Frame::Message(bytes) = frame else { continue };
            let message = oracle::to_json(self.client.transport.serializer(), &bytes);
            self.heard |= 1 << message[0].as_u64().filter(|code| *code < 128).expect("a code");
            self.ids.extend(message.as_array().expect("a list").iter().filter_map(Value::as_u64));
        }
        let old = self.ids.len().saturating_sub(40);
        self.ids.drain(..old);
    }

    fn id(&self, random: &mut Random) -> u64 {
        match random.below(8) {
            0 => random.next() >> 11 | 1,
            1 => random.next() % 5 + 1,
            _ => random.pick(&self.ids),
        }
    }

    fn message(&self, random: &mut Random) -> Value {
        let request = if random.chance(20) { self.id(random) } else { self.client.fresh() };
        let (id, other) = (self.id(random), self.id(random));
        let name = random.pick(&NAMES);
        let payload = json!([random.next(), "x".repeat(random.below(500)), {"a": [null]}]);
        match random.below(17) {
            0 | 1 => json!([16, request, options(random, &PUBLISH), name, payload]),
            2 | 3 => json!([32, request, options(random, &SUBSCRIBE), name]),
            4 => json!([34, request, id]),
            5..=7 => json!([48, request, options(random, &CALL), name, payload]),
            8 => json!([48, request, options(random, &CALL), random.pick(&META), [id, other, payload]]),
            9 => json!([49, id, options(random, &CANCEL)]),
            10 | 11 => json!([64, request, options(random, &REGISTER), name]),
            12 => json!([66, request, id]),
            13 | 14 => json!([70, id, options(random, &YIELD), payload, {"k": id}]),
            15 => json!([8, 68, id, {}, random.pick(&["com.error", "wamp.error.unavailable"]), payload]),
            _ => match random.below(12) {
                0 => json!([6, {}, "wamp.close.normal"]),
                1 => json!([3, {}, "wamp.error.x"]),
                2 => hello(REALM),
                3 => json!([random.below(80), id, {}, name]),
                _ => json!([337, id]),
            },
        }
    }
}

type Choice = (&'static str, fn(&mut Random) -> Value);

fn flag(random: &mut Random) -> Value {
    json!(random.chance(2))
}

fn some(random: &mut Random) -> Value {
    json!(random.next() % 50)
}

const PUBLISH: [Choice; 6] = [
    ("acknowledge", flag),
    ("exclude_me", flag),
    ("disclose_me", flag),
    ("retain", flag),
    ("eligible_authrole", |_| json!(["anonymous"])),
    ("exclude", |random| json!([random.next() >> 11 | 1])),
];
const SUBSCRIBE: [Choice; 3] = [
    ("match", |random| json!(random.pick(&["exact", "prefix", "wildcard"]))),
    ("get_retained", flag),
    ("nkey", |_| json!("key")),
];
const CALL: [Choice; 5] = [
    ("receive_progress", flag),
    ("progress", flag),
    ("timeout", some),
    ("disclose_me", flag),
    ("rkey", |_| json!("key")),
];
const CANCEL: [Choice; 1] = [("mode", |random| json!(random.pick(&["skip", "kill", "killnowait"])))];
const REGISTER: [Choice; 5] = [
    ("match", |random| json!(random.pick(&["exact", "prefix", "wildcard"]))),
    ("invoke", |random| json!(random.pick(&["single", "first", "last", "random", "roundrobin"]))),
    ("concurrency", some),
    ("force_reregister", flag),
    ("forward_timeout", flag),
];
const YIELD: [Choice; 1] = [("progress", flag)];

/// Some of the options, now and then one of a wrong type.
fn options(random: &mut Random, choices: &[Choice]) -> Value {
    let mut options = json!({});
    for (key, value) in choices {
        if random.chance(4) {
            options[*key] = if random.chance(60) { json!([[]]) } else { value(random) };
        }
    }
    options
}
