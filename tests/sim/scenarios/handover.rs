//! Whoever learns that a procedure is free can have it: after UNREGISTERED and after the answer to GOODBYE.

use connectanum::limits::Limits;
use connectanum::wamp::message::InvokePolicy::Single;
use connectanum::wamp::message::MatchPolicy::Exact;

use super::world;
use crate::client::Phase;
use crate::plan::Case;
use crate::trace::Trace;
use crate::uris::NAMES;
use crate::world::World;

/// Two clients after each other, each with all procedures.
pub(crate) fn run(case: Case, slot: &mut Option<World>, trace: Trace) {
    let world = slot.insert(world(case, trace, Limits::default()));
    let (mut holder, mut heir) = (world.joined(), world.joined());
    let mut regs = world.register_all(holder);
    for _ in 0..5 {
        if world.dice.percent(50) {
            world.send_goodbye(holder);
            world.until(|world| world.clients[holder].phase == Phase::Idle);
        } else {
            for reg in regs {
                world.unregister(holder, reg);
                world.until(|world| world.model.regs[reg].released.is_some());
            }
        }
        regs = world.register_all(heir);
        if world.clients[holder].phase == Phase::Idle {
            world.rejoin(holder);
        }
        (holder, heir) = (heir, holder);
    }
    world.calm_down();
    world.model.check_rest();
    world.end();
}

impl World {
    fn register_all(&mut self, ix: usize) -> Vec<usize> {
        let regs: Vec<usize> = NAMES.iter().map(|name| self.register(ix, (Exact, name), Single)).collect();
        // A refusal fails in the model: nobody is in the way.
        self.until(|world| regs.iter().all(|reg| world.model.regs[*reg].registered.is_some()));
        regs
    }
}
