//! More than links and clients can take: nothing blocks for ever, memory stays bounded, nothing is lost, nobody starves.

use connectanum::limits::{Limits, PICKS_MAX};
use connectanum::wamp::message::InvokePolicy::{First, RoundRobin};
use connectanum::wamp::message::MatchPolicy::Exact;

use super::world;
use crate::client::Phase;
use crate::model::Filter;
use crate::plan::Case;
use crate::trace::Trace;
use crate::uris::NAMES;
use crate::world::World;

const TOPIC: &str = NAMES[0];

/// Links that hold one message and stall, small outboxes, and publishers and callers that do not care.
pub(crate) fn mesh(case: Case, slot: &mut Option<World>, trace: Trace) {
    let high = 2048;
    let limits = Limits { mesh_outbox_bytes_high: high, ..Limits::default() };
    let world = slot.insert(world(Case { capacity: 1, ..case }, trace, limits));
    world.plan.weights.mesh = 1;
    let shards = world.hosts.len();
    let subscribers: Vec<usize> = (0..shards).map(|shard| world.joined_at(shard)).collect();
    for ix in subscribers {
        let sub = world.subscribe(ix, (Exact, TOPIC));
        world.until(|world| world.model.subs[sub].id.is_some());
        world.register(ix, (Exact, TOPIC), RoundRobin);
    }
    let senders: Vec<usize> = (0..2 * shards).map(|i| world.joined_at(i % shards)).collect();
    for _ in 0..30 {
        for ix in &senders {
            world.publish(*ix, TOPIC, true, Filter::default());
            world.call(*ix, TOPIC);
            world.steps_within(high, 3);
        }
    }
    world.end_stalls();
    world.steps_within(high, 1000);
    world.calm_down();
    world.model.check_rest();
    world.end();
}

/// More calls of one session than may wait for the owner's pick, mixed with calls that need none.
pub(crate) fn picks(case: Case, slot: &mut Option<World>, trace: Trace) {
    let world = slot.insert(world(case, trace, Limits::default()));
    for _ in 0..3 {
        let callee = world.joined();
        for (name, policy) in [(TOPIC, RoundRobin), (NAMES[1], First)] {
            let reg = world.register(callee, (Exact, name), policy);
            world.until(|world| world.model.regs[reg].registered.is_some());
        }
    }
    let callers = [world.joined(), world.joined()];
    for ix in callers {
        for _ in 0..2 * PICKS_MAX {
            let procedure = *world.dice.pick(&[TOPIC, TOPIC, TOPIC, NAMES[1]]);
            world.call(ix, procedure);
        }
    }
    world.calm_down();
    world.model.check_rest();
    assert!(world.model.calls.iter().all(|call| call.answer.is_some()));
    world.end();
}

/// Several publishers of one shard share a slow link: each has its part of it.
pub(crate) fn fairness(case: Case, slot: &mut Option<World>, trace: Trace) {
    let limits = Limits { mesh_outbox_bytes_high: 1024, ..Limits::default() };
    let world = slot.insert(world(Case { capacity: 1, ..case }, trace, limits));
    world.end_stalls();
    let subscriber = world.joined_at(1);
    let sub = world.subscribe(subscriber, (Exact, TOPIC));
    let publishers: Vec<usize> = (0..6).map(|_| world.joined_at(0)).collect();
    world.until(|world| world.model.subs[sub].id.is_some());
    for _ in 0..100 {
        for ix in &publishers {
            world.publish(*ix, TOPIC, false, Filter::default());
        }
    }
    world.plan.weights.mesh = 1;
    world.until(|world| world.received(sub) >= 300);
    for ix in &publishers {
        let session = world.session(*ix);
        let received = world.model.received_of(sub, session);
        assert!(received >= 3, "client {ix} got {received} events through, of 300 in all");
    }
    world.calm_down();
    world.model.check_rest();
    world.end();
}

/// A subscriber that does not read is closed; others are not even disturbed.
pub(crate) fn slow_reader(case: Case, slot: &mut Option<World>, trace: Trace) {
    let limits =
        Limits { outbound_bytes_high: 16 * 1024, outbound_bytes_max: 64 * 1024, ..Limits::default() };
    let world = slot.insert(world(case, trace, limits));
    world.end_stalls();
    world.plan.prompt = 100;
    world.plan.closes_slow = true;
    world.plan.weights.write = 50;
    let (slow, fast, publisher) = (world.joined(), world.joined(), world.joined());
    for ix in [slow, fast] {
        let sub = world.subscribe(ix, (Exact, TOPIC));
        world.until(|world| world.model.subs[sub].id.is_some());
    }
    world.clients[slow].stalled_until = u64::MAX;
    while !world.clients[slow].is_closed {
        assert!(world.model.publications.len() < 10_000, "it is never closed");
        world.publish(publisher, TOPIC, true, Filter::default());
        for _ in 0..20 {
            world.step();
        }
    }
    world.calm_down();
    for ix in [fast, publisher] {
        assert_eq!(world.clients[ix].phase, Phase::Joined);
        assert!(!world.clients[ix].is_closed, "client {ix} reads, but was closed, too");
    }
    world.model.check_rest();
    world.end();
}

impl World {
    /// Steps, while no outbox may hold much more than its limit: what one message adds, and control.
    fn steps_within(&mut self, high: usize, steps: usize) {
        const SLACK: usize = 16 * 1024;
        for _ in 0..steps {
            self.step();
            let links = self.hosts.len() - 1;
            for host in &self.hosts {
                let waiting = host.shard.census().mesh_waiting_bytes;
                assert!(waiting <= links * (high + SLACK), "{waiting} bytes wait for {links} links");
            }
        }
    }

    fn received(&self, sub: usize) -> usize {
        self.clients.iter().filter_map(|client| client.session).map(|s| self.model.received_of(sub, s)).sum()
    }
}
