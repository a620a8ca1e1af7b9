//! Callees that take so many invocations at a time: never more (the model sees to it), and never fewer for good. No slot is lost,
//! whatever becomes of callers, callees and calls.

use connectanum::limits::Limits;
use connectanum::wamp::message::InvokePolicy::{self, First, Last, Load, Random, RoundRobin};
use connectanum::wamp::message::MatchPolicy::{Exact, Prefix};

use super::world;
use crate::plan::Case;
use crate::trace::Trace;
use crate::uris::Pattern;
use crate::world::World;

const PROCEDURE: Pattern = (Exact, "t.a.b");
/// Its calls wait for the owner's pick, and others behind them.
const OTHER: Pattern = (Exact, "u.a.b");

/// Callers call, cancel and leave, callees answer, leave and come again. Then all slots must be there.
pub(crate) fn run(case: Case, slot: &mut Option<World>, trace: Trace) {
    let world = slot.insert(world(case, trace, Limits::default()));
    let policy = *world.dice.pick(&[RoundRobin, Load, Load, First, Last, Random]);
    let mut callees: Vec<usize> = Vec::new();
    for _ in 0..world.dice.between(1, 4) {
        let (ix, concurrency) = (world.joined(), world.dice.between(1, 3) as u64);
        callees.push(world.limited(ix, policy, concurrency));
    }
    if world.dice.percent(30) {
        let ix = world.joined();
        let reg = world.register(ix, (Prefix, "t"), RoundRobin);
        world.until(|world| world.model.regs[reg].registered.is_some());
    }
    for _ in 0..2 {
        let ix = world.joined();
        let reg = world.register(ix, OTHER, RoundRobin);
        world.until(|world| world.model.regs[reg].registered.is_some());
    }
    let mut callers: Vec<usize> = (0..3).map(|_| world.joined()).collect();
    let from = world.model.calls.len();
    for _ in 0..60 {
        match world.dice.below(20) {
            0..12 => {
                let caller = *world.dice.pick(&callers);
                let procedure = *world.dice.pick(&[PROCEDURE.1, PROCEDURE.1, OTHER.1]);
                world.call(caller, procedure);
            }
            12..15 => world.cancel_one(from),
            15 => {
                let which = world.dice.below(callers.len());
                world.lose(callers[which]);
                callers[which] = world.joined();
            }
            16..18 => {
                // A callee leaves, in one way or the other, and comes again or another for it.
                let which = world.dice.below(callees.len());
                let reg = callees[which];
                let mut ix = world.client_of(reg);
                if world.dice.percent(50) {
                    world.lose(ix);
                    ix = world.joined();
                } else {
                    world.unregister(ix, reg);
                    world.until(|world| world.model.regs[reg].released.is_some());
                }
                let concurrency = world.model.regs[reg].concurrency.unwrap_or(1);
                callees[which] = world.limited(ix, policy, concurrency);
            }
            _ => {
                for _ in 0..world.dice.below(100) {
                    world.step();
                }
            }
        }
    }
    world.calm_down();
    world.model.check_rest();
    world.all_slots_are_there(policy, &callees, &callers);
    world.calm_down();
    world.model.check_rest();
    world.end();
}

impl World {
    fn limited(&mut self, ix: usize, policy: InvokePolicy, concurrency: u64) -> usize {
        let reg = self.register_limited(ix, PROCEDURE, policy, Some(concurrency));
        self.until(|world| world.model.regs[reg].registered.is_some());
        reg
    }

    fn cancel_one(&mut self, from: usize) {
        let open = |world: &World, call: &usize| {
            let it = &world.model.calls[*call];
            let session = &world.model.sessions[it.session];
            world.is_alive(it.session) && session.requests.contains_key(&it.request)
        };
        let calls: Vec<usize> = (from..self.model.calls.len()).filter(|call| open(self, call)).collect();
        if !calls.is_empty() {
            let call = *self.dice.pick(&calls);
            let ix = self.client_of_session(self.model.calls[call].session);
            self.cancel(ix, call);
        }
    }

    /// As many calls as callees take at a time, none of which is answered, come through; one more does not.
    fn all_slots_are_there(&mut self, policy: InvokePolicy, callees: &[usize], callers: &[usize]) {
        let act = std::mem::replace(&mut self.plan.weights.act, 0);
        let max = |world: &World, reg: usize| world.model.regs[reg].concurrency.unwrap_or(0);
        let all: u64 = callees.iter().map(|reg| max(self, *reg)).sum();
        let from = self.model.calls.len();
        for n in 0..all {
            let caller = *self.dice.pick(callers);
            self.call(caller, PROCEDURE.1);
            self.until(|world| world.model.calls[from..].iter().all(|call| call.reg.is_some()));
            if policy == Load && n < callees.len() as u64 {
                let regs: Vec<_> = self.model.calls[from..].iter().map(|call| call.reg).collect();
                let twice = regs.iter().any(|reg| regs.iter().filter(|other| *other == reg).count() > 1);
                assert!(!twice, "a callee was called again while another had nothing to do");
            }
        }
        let caller = *self.dice.pick(callers);
        let call = self.call(caller, PROCEDURE.1);
        while self.step() {}
        assert_eq!(self.model.calls[call].reg, None, "more than all slots");
        self.plan.weights.act = act;
    }

    fn is_alive(&self, session: usize) -> bool {
        let client = &self.clients[self.client_of_session(session)];
        client.is_joined()
    }
}
