//! Keys: while nobody comes or goes, a call by key goes to the same callee as every other with that key, and an event to the same node
//! of each topic or pattern, to all of its members. When somebody comes or goes, only his keys move.

use std::collections::BTreeMap;

use connectanum::limits::Limits;
use connectanum::wamp::message::InvokePolicy::{First, Last, Load, Random, RoundRobin};
use connectanum::wamp::message::MatchPolicy::{Exact, Prefix};

use super::world;
use crate::model::Filter;
use crate::plan::Case;
use crate::trace::Trace;
use crate::uris::{NAMES, Pattern};
use crate::world::World;

const KEYS: [&str; 24] = [
    "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", "u",
    "v", "w", "x",
];
const NODES: [&str; 4] = ["north", "south", "west", "east"];
const PATTERNS: [Pattern; 2] = [(Exact, NAMES[0]), (Prefix, "t")];

/// Which callee, or which node of a pattern, has which key.
type Parts<T> = BTreeMap<(&'static str, &'static str), T>;

/// Calls.
pub(crate) fn callees(case: Case, slot: &mut Option<World>, trace: Trace) {
    let world = slot.insert(world(case, trace, Limits::default()));
    let policy = *world.dice.pick(&[RoundRobin, First, Last, Random, Load]);
    let concurrency = world.dice.percent(30).then_some(2);
    let offer = |world: &mut World| {
        let ix = world.joined();
        let reg = world.register_limited(ix, PATTERNS[0], policy, concurrency);
        world.until(|world| world.model.regs[reg].registered.is_some());
        reg
    };
    let mut regs: Vec<usize> = (0..world.dice.between(2, 4)).map(|_| offer(world)).collect();
    let callers: Vec<usize> = (0..3).map(|_| world.joined()).collect();
    let before = world.call_by_all_keys(&callers);
    is_spread(&before);
    let new = offer(world);
    let with_new = world.call_by_all_keys(&callers);
    only_those_moved(&before, &with_new, &new);
    regs.push(new);
    let old = *world.dice.pick(&regs);
    let ix = world.client_of(old);
    if world.dice.percent(50) {
        world.lose(ix);
    } else {
        world.unregister(ix, old);
    }
    world.settle();
    let without_old = world.call_by_all_keys(&callers);
    only_those_moved(&without_old, &with_new, &old);
    world.calm_down();
    world.model.check_rest();
    world.end();
}

/// Events.
pub(crate) fn nodes(case: Case, slot: &mut Option<World>, trace: Trace) {
    let world = slot.insert(world(case, trace, Limits::default()));
    for (n, pattern) in [0, 0, 1, 2, 0, 1, 2, 1].into_iter().zip(PATTERNS.into_iter().cycle()) {
        world.subscribe_node(pattern, Some(NODES[n]));
    }
    world.subscribe_node(PATTERNS[1], None);
    let publishers: Vec<usize> = (0..3).map(|_| world.joined()).collect();
    let before = world.publish_all_keys(&publishers);
    is_spread(&before);
    let new: Vec<usize> =
        PATTERNS.into_iter().map(|pattern| world.subscribe_node(pattern, Some(NODES[3]))).collect();
    let with_new = world.publish_all_keys(&publishers);
    only_those_moved(&before, &with_new, &NODES[3]);
    for sub in new {
        let ix = world.client_of_session(world.model.subs[sub].session);
        if world.dice.percent(50) {
            world.lose(ix);
        } else {
            world.unsubscribe(ix, sub);
        }
    }
    world.settle();
    assert_eq!(world.publish_all_keys(&publishers), before, "all is as it was");
    world.calm_down();
    world.model.check_rest();
    world.end();
}

/// More than one has something.
fn is_spread<T: PartialEq>(parts: &Parts<T>) {
    let first = parts.values().next();
    assert!(parts.values().any(|part| Some(part) != first), "all keys are in one place");
}

/// Between the time without `who` and the time with him nothing has moved but to or from him.
fn only_those_moved<T: PartialEq>(without: &Parts<T>, with: &Parts<T>, who: &T) {
    for (key, part) in with {
        assert!(part == who || without.get(key) == Some(part), "key {key:?} has moved");
        assert!(without.get(key) != Some(who), "key {key:?} is with somebody who is not there");
    }
}

impl World {
    /// All that is under way comes to its end.
    fn settle(&mut self) {
        let stalls = self.plan.stalls;
        self.end_stalls();
        self.rest();
        self.plan.stalls = stalls;
    }

    /// Calls by each key, several times and from everywhere, among calls without a key. Returns which registration has which.
    fn call_by_all_keys(&mut self, callers: &[usize]) -> Parts<usize> {
        let from = self.model.calls.len();
        for n in 0..3 * KEYS.len() {
            let caller = *self.dice.pick(callers);
            self.call_by_key(caller, NAMES[0], KEYS[n % KEYS.len()]);
            if self.dice.percent(30) {
                self.call(caller, NAMES[0]);
            }
            for _ in 0..self.dice.below(4) {
                self.step();
            }
        }
        self.settle();
        let mut parts = BTreeMap::new();
        for call in &self.model.calls[from..] {
            let reg = call.reg.expect("each call reaches a callee");
            let Some(key) = call.rkey else { continue };
            let same = *parts.entry((NAMES[0], key)).or_insert(reg);
            assert_eq!(same, reg, "key {key} has two callees");
        }
        parts
    }

    /// Somebody subscribes as a member of a node.
    fn subscribe_node(&mut self, pattern: Pattern, node: Option<&'static str>) -> usize {
        let ix = self.joined();
        let sub = self.subscribe_as(ix, pattern, node);
        self.until(|world| world.model.subs[sub].id.is_some());
        sub
    }

    /// Publishes for each key, several times and from everywhere. Returns which node has which.
    fn publish_all_keys(&mut self, publishers: &[usize]) -> Parts<&'static str> {
        let from = self.model.publications.len();
        for n in 0..3 * KEYS.len() {
            let publisher = *self.dice.pick(publishers);
            let (rkey, acknowledge) = (Some(KEYS[n % KEYS.len()]), self.dice.percent(50));
            self.publish(publisher, NAMES[0], acknowledge, Filter { rkey, ..Filter::default() });
            if self.dice.percent(30) {
                self.publish(publisher, NAMES[0], false, Filter::default());
            }
            for _ in 0..self.dice.below(4) {
                self.step();
            }
        }
        self.settle();
        let mut parts = BTreeMap::new();
        for ix in from..self.model.publications.len() {
            let Some(key) = self.model.publications[ix].filter.rkey else { continue };
            for pattern in PATTERNS {
                let node = self.model.node_of(ix, pattern);
                let same = *parts.entry((pattern.1, key)).or_insert(node);
                assert_eq!(same, node, "key {key} is with two nodes of {pattern:?}");
            }
        }
        parts
    }
}
