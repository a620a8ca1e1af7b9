//! Calls that are cancelled, in every mode, and callers that leave: whenever that reaches the calls, each is answered once, and every
//! callee that can be interrupted hears of it, once. Nobody swallows a call, nothing is left of it.

use connectanum::limits::Limits;
use connectanum::wamp::message::Features;
use connectanum::wamp::message::InvokePolicy::{First, Random, RoundRobin};
use connectanum::wamp::message::MatchPolicy::Exact;

use super::world;
use crate::model::Request;
use crate::plan::Case;
use crate::trace::Trace;
use crate::uris::NAMES;
use crate::world::World;

const POLICIES: [connectanum::wamp::message::InvokePolicy; 3] = [RoundRobin, First, Random];

pub(crate) fn run(case: Case, slot: &mut Option<World>, trace: Trace) {
    let world = slot.insert(world(case, trace, Limits::default()));
    for _ in 0..4 {
        let callee = world.joined();
        for (name, policy) in NAMES.iter().zip(POLICIES) {
            let reg = world.register(callee, (Exact, name), policy);
            // Some calls come before REGISTERED.
            if world.dice.percent(70) {
                world.until(|world| world.model.regs[reg].registered.is_some());
            }
        }
    }
    let callers: Vec<usize> = (0..4).map(|_| world.joined()).collect();
    // Nobody answers for the time being.
    let act = std::mem::take(&mut world.plan.weights.act);
    let mut calls = Vec::new();
    for _ in 0..30 {
        let ix = *world.dice.pick(&callers);
        let name = NAMES[world.dice.below(POLICIES.len())];
        calls.push((ix, world.call(ix, name)));
        world.some_steps(6);
        if world.dice.percent(60) {
            let (ix, call) = *world.dice.pick(&calls);
            world.cancel(ix, call);
        }
    }
    // Half of the callers leave.
    for ix in &callers[..2] {
        match world.dice.below(3) {
            0 => world.lose(*ix),
            1 => world.send_goodbye(*ix),
            _ => world.clients[*ix].end_after(usize::MAX),
        }
        world.some_steps(20);
    }
    world.end_stalls();
    world.rest();
    world.check_interrupts(&calls);

    world.plan.weights.act = act;
    world.calm_down();
    world.model.check_rest();
    world.end();
}

impl World {
    fn some_steps(&mut self, n: usize) {
        for _ in 0..self.dice.below(n) {
            self.step();
        }
    }

    /// At rest, without any answer of a callee.
    fn check_interrupts(&self, calls: &[(usize, usize)]) {
        for &(ix, call) in calls {
            let it = &self.model.calls[call];
            let caller = &self.model.sessions[it.session];
            let of_callee = it.reg.map(|reg| &self.model.sessions[self.model.regs[reg].session]);
            let told = of_callee
                .is_some_and(|it| it.invoked.iter().any(|i| i.call == Some(call) && i.is_interrupted));
            let can = of_callee.is_some_and(|c| c.features.contains(Features::CALL_CANCELING));
            let left = caller.ending.is_some();
            // A kill that comes after the end of the call finds nothing.
            let first = it.cancels.first().copied();
            let must = can && (matches!(first, Some("kill" | "killnowait")) || (left && first.is_none()));
            // The CANCEL of somebody who left may not have come through.
            let may = must || (can && left);
            assert!(!must || told, "the callee of client {ix}'s {it:?} was not interrupted");
            assert!(!told || may, "the callee of client {ix}'s {it:?} was interrupted");
            if !left {
                let is_open = caller.requests.values().any(|request| *request == Request::Call(call));
                let waits = match it.cancels.as_slice() {
                    [] => true,
                    modes => can && modes.iter().all(|mode| *mode == "kill"),
                };
                assert_eq!(is_open, waits, "{it:?}");
            }
        }
    }
}
