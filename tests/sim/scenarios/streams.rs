//! Calls whose arguments come in parts, while callees come and go: each ends, or its callee has all of it.

use connectanum::limits::Limits;
use connectanum::wamp::message::InvokePolicy::{First, Random, RoundRobin};
use connectanum::wamp::message::MatchPolicy::Exact;

use super::world;
use crate::model::{Request, STREAM};
use crate::plan::Case;
use crate::trace::Trace;
use crate::uris::NAMES;
use crate::world::World;

pub(crate) fn run(case: Case, slot: &mut Option<World>, trace: Trace) {
    let world = slot.insert(world(case, trace, Limits::default()));
    let policy = *world.dice.pick(&[RoundRobin, First, Random]);
    let clients: Vec<usize> = (0..8).map(|_| world.joined()).collect();
    let able = |world: &World, ix: usize| world.model.sessions[world.session(ix)].features.contains(STREAM);
    let (able, other): (Vec<usize>, Vec<usize>) = clients.into_iter().partition(|ix| able(world, *ix));
    let (callers, callees) = (&able[..2], [&able[2..], &other[..1]].concat());
    let mut regs = Vec::new();
    for ix in &callees {
        let reg = world.register(*ix, (Exact, NAMES[0]), policy);
        world.until(|world| world.model.regs[reg].registered.is_some());
        regs.push((*ix, reg));
    }
    // Nobody answers for the time being.
    let act = std::mem::take(&mut world.plan.weights.act);
    let mut calls = Vec::new();
    for _ in 0..80 {
        let ix = *world.dice.pick(callers);
        match world.dice.below(10) {
            0..2 => calls.push(world.call_in_parts(ix, NAMES[0])),
            2 => _ = world.call(ix, NAMES[0]),
            3 if regs.len() > 1 && world.dice.percent(20) => {
                let (ix, reg) = regs.swap_remove(world.dice.below(regs.len()));
                world.unregister(ix, reg);
            }
            _ => world.continue_something(ix),
        }
        for _ in 0..world.dice.below(4) {
            world.step();
        }
    }
    world.end_stalls();
    world.rest();
    for call in calls {
        let it = &world.model.calls[call];
        let stream = it.stream.as_ref().expect("a call in parts");
        let is_open =
            world.model.sessions[it.session].requests.values().any(|request| *request == Request::Call(call));
        assert!(!is_open || (it.reg.is_some() && stream.received == stream.more.len()), "{it:?}");
    }
    world.plan.weights.act = act;
    world.calm_down();
    world.model.check_rest();
    world.end();
}
