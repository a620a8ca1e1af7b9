//! Shared registrations are exact, on whatever shards callers, callees and the owner are.

use connectanum::limits::Limits;
use connectanum::wamp::message::InvokePolicy::{self, First, Last, Random, RoundRobin};
use connectanum::wamp::message::MatchPolicy::Exact;

use super::world;
use crate::plan::Case;
use crate::trace::Trace;
use crate::uris::Pattern;
use crate::world::World;

const PROCEDURE: Pattern = (Exact, "t.a.b");

/// Callees register one after the other; calls are made one after the other, then many at once; then callees leave, one after the
/// other, in order or by the end of their connection. None of them is called any more once that is known, so no call is lost.
pub(crate) fn run(case: Case, slot: &mut Option<World>, trace: Trace) {
    let world = slot.insert(world(case, trace, Limits::default()));
    let policy = *world.dice.pick(&[RoundRobin, RoundRobin, First, Last, Random]);
    let mut callees: Vec<usize> = Vec::new();
    for _ in 0..world.dice.between(2, 5) {
        let ix = world.joined();
        let reg = world.register(ix, PROCEDURE, policy);
        world.until(|world| world.model.regs[reg].registered.is_some());
        callees.push(reg);
    }
    let callers: Vec<usize> = (0..3).map(|_| world.joined()).collect();

    let mut last = None;
    for _ in 0..3 * callees.len() {
        last = Some(world.call_and_check(policy, &callees, &callers, last));
    }
    world.call_at_once(policy, &callees, &callers);

    // The turn stays with the neighbour of who leaves.
    last = None;
    while callees.len() > 1 {
        for _ in 0..world.dice.between(1, callees.len()) {
            last = Some(world.call_and_check(policy, &callees, &callers, last));
        }
        let leaves = world.dice.below(callees.len());
        let reg = callees.remove(leaves);
        let ix = world.client_of(reg);
        if world.dice.percent(50) {
            world.unregister(ix, reg);
            world.until(|world| world.model.regs[reg].released.is_some());
        } else {
            world.lose(ix);
            world.call_while_it_dies(&callees, &callers);
            // Who takes the next turn depends on who heard of it first.
            last = None;
        }
        let left = callees.len();
        last = last.map(|last| if leaves <= last { (last + left - 1) % left } else { last });
    }
    world.call_and_check(policy, &callees, &callers, last);

    world.calm_down();
    world.model.check_rest();
    world.end();
}

impl World {
    /// Somebody calls; returns the index of the callee, which must be the one that follows `last`.
    fn call_and_check(
        &mut self,
        policy: InvokePolicy,
        callees: &[usize],
        callers: &[usize],
        last: Option<usize>,
    ) -> usize {
        let caller = *self.dice.pick(callers);
        let call = self.call(caller, PROCEDURE.1);
        self.until(|world| world.model.calls[call].reg.is_some());
        let reg = self.model.calls[call].reg;
        let callee = callees.iter().position(|callee| Some(*callee) == reg).expect("one of the callees");
        match (policy, last) {
            (RoundRobin, Some(last)) => assert_eq!(callee, (last + 1) % callees.len(), "out of turn"),
            (First, _) => assert_eq!(callee, 0),
            (Last, _) => assert_eq!(callee, callees.len() - 1),
            _ => {}
        }
        callee
    }

    /// Everybody calls at once: in turn means that nobody is called more often than another, but for one call.
    fn call_at_once(&mut self, policy: InvokePolicy, callees: &[usize], callers: &[usize]) {
        let from = self.model.calls.len();
        for _ in 0..10 * callees.len() {
            let caller = *self.dice.pick(callers);
            self.call(caller, PROCEDURE.1);
            for _ in 0..self.dice.below(4) {
                self.step();
            }
        }
        self.until(|world| world.model.calls[from..].iter().all(|call| call.reg.is_some()));
        let calls = &self.model.calls[from..];
        let times = |callee: &usize| calls.iter().filter(|call| call.reg == Some(*callee)).count();
        let times: Vec<usize> = callees.iter().map(times).collect();
        match policy {
            RoundRobin => assert!(times.iter().all(|n| *n == 10), "{times:?}"),
            First => assert_eq!(times[0], calls.len(), "{times:?}"),
            Last => assert_eq!(times.last(), Some(&calls.len()), "{times:?}"),
            // That all of 20 calls go to one of two callees has a probability of 2^-19.
            _ => assert!(times.iter().filter(|n| **n > 0).count() >= 2, "{times:?}"),
        }
    }

    /// Everybody calls while a callee is dying. When all know, every call goes to one that lives.
    fn call_while_it_dies(&mut self, living: &[usize], callers: &[usize]) {
        self.call_around(living, callers);
        while self.step() {}
        let from = self.model.calls.len();
        self.call_around(living, callers);
        self.until(|world| world.model.calls[from..].iter().all(|call| call.reg.is_some()));
        let to_the_living = |call: &crate::model::Call| call.reg.is_some_and(|reg| living.contains(&reg));
        assert!(self.model.calls[from..].iter().all(to_the_living), "a dead callee is called");
    }

    fn call_around(&mut self, callees: &[usize], callers: &[usize]) {
        for _ in 0..3 * (callees.len() + 1) {
            let caller = *self.dice.pick(callers);
            self.call(caller, PROCEDURE.1);
        }
    }

    pub(super) fn client_of(&self, reg: usize) -> usize {
        let session = self.model.regs[reg].session;
        let is_its = |client: &crate::client::Client| client.session == Some(session);
        self.clients.iter().position(is_its).expect("a client")
    }
}
