//! Calls that nobody answers end when their time is over: to the microsecond of their shard's clock, neither early nor late.

use connectanum::limits::Limits;
use connectanum::router::Time;
use connectanum::wamp::message::InvokePolicy::RoundRobin;
use connectanum::wamp::message::MatchPolicy::Exact;

use super::world;
use crate::model::Request;
use crate::plan::Case;
use crate::trace::Trace;
use crate::uris::NAMES;
use crate::world::World;

pub(crate) fn run(case: Case, slot: &mut Option<World>, trace: Trace) {
    let world = slot.insert(world(case, trace, Limits::default()));
    for _ in 0..3 {
        let ix = world.joined();
        let reg = world.register(ix, (Exact, NAMES[0]), RoundRobin);
        world.until(|world| world.model.regs[reg].registered.is_some());
    }
    let callers: Vec<usize> = (0..4).map(|_| world.joined()).collect();
    // Nobody answers for the time being.
    let act = std::mem::take(&mut world.plan.weights.act);
    world.plan.hurried = 80;
    for _ in 0..40 {
        let caller = *world.dice.pick(&callers);
        world.call(caller, NAMES[0]);
        for _ in 0..world.dice.below(12) {
            world.step();
        }
    }
    world.end_stalls();
    world.rest();
    while let Some(next) = world.next_end() {
        world.set_clock(Time(next.0 - 1));
        world.set_clock(next);
        world.rest();
    }
    world.check_overdue();
    world.plan.weights.act = act;
    world.calm_down();
    world.model.check_rest();
    world.end();
}

impl World {
    /// When the next call will be over; the shards know it, too.
    fn next_end(&self) -> Option<Time> {
        self.check_overdue();
        let ends = self.model.calls.iter().filter_map(|call| call.deadline());
        let next = ends.filter(|at| *at > self.now).min()?;
        let wanted = self.hosts.iter().filter_map(|host| host.shard.next_deadline()).min();
        assert!(wanted.is_some_and(|at| at <= next), "nobody will look at what ends at {next:?}: {wanted:?}");
        Some(next)
    }

    /// It is `now` everywhere; then each shard has those calls that are not over.
    fn set_clock(&mut self, now: Time) {
        if now < self.now {
            return;
        }
        (self.now, self.model.now) = (now, now);
        for shard in 0..self.hosts.len() {
            self.input(shard, |shard, now| shard.expire(now));
            let is_here = |call: &&crate::model::Call| {
                usize::from(self.model.sessions[call.session].shard) == shard
                    && call.deadline().is_none_or(|at| at > now)
            };
            let open = self.model.calls.iter().filter(is_here).count();
            assert_eq!(self.hosts[shard].shard.census().calls, open, "calls of shard {shard} at {now:?}");
        }
    }

    /// At rest: who called has been told of all that is over.
    fn check_overdue(&self) {
        for (ix, call) in self.model.calls.iter().enumerate() {
            let requests = &self.model.sessions[call.session].requests;
            let is_open = requests.get(&call.request) == Some(&Request::Call(ix));
            let is_over = call.deadline().is_some_and(|at| at <= self.now);
            assert_eq!(is_open, !is_over, "at {:?}: {call:?}", self.now);
        }
    }
}
