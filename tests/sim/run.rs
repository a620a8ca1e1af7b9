//! A whole run: chaos, then calm, then everybody leaves and nothing may stay.

use std::panic::{AssertUnwindSafe, catch_unwind};

use connectanum::router::Census;

use crate::client::{Client, Phase};
use crate::dice::Dice;
use crate::plan::{Case, Plan};
use crate::trace::Trace;
use crate::world::{Mode, World};

/// Lines of the story of a run that went wrong; `SIM_LINES` sets another number.
const LINES: usize = 120;

/// A run that went wrong.
#[derive(Debug)]
pub(crate) struct Failure {
    course: &'static str,
    case: Case,
    fault: String,
    /// The last steps.
    story: String,
}

/// What happens in a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Course {
    pub(crate) name: &'static str,
    /// The world is left in the slot, so that it can be looked at if the run fails.
    pub(crate) run: fn(Case, &mut Option<World>, Trace),
}

/// Runs a case; returns the hash of all that happened.
pub(crate) fn attempt(case: Case, course: Course) -> Result<u64, Failure> {
    let once = |trace| {
        let mut world = None;
        let result = catch_unwind(AssertUnwindSafe(|| (course.run)(case, &mut world, trace)));
        (result.map_err(|panic| message(&*panic)), world.map(|world| world.trace))
    };
    match once(Trace::new(0)) {
        (Ok(()), trace) => Ok(trace.map_or(0, |trace| trace.hash())),
        (Err(fault), _) => {
            // The same again, with its story.
            let (again, trace) = once(Trace::new(crate::variable("SIM_LINES").unwrap_or(LINES)));
            let mut story = trace.map(|trace| trace.lines()).unwrap_or_default();
            if again.as_ref() != Err(&fault) {
                story = format!(
                    "The second time it went otherwise: the seed does not decide everything!\n{story}"
                );
            }
            Err(Failure { course: course.name, case, fault, story })
        }
    }
}

/// The results of runs that must all go well.
#[track_caller]
pub(crate) fn all_well(results: Vec<Result<u64, Failure>>) -> Vec<u64> {
    let (well, failed): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    let failed: Vec<Failure> = failed.into_iter().filter_map(Result::err).collect();
    if let Some(Failure { fault, story, .. }) = failed.first() {
        let list: String = failed.iter().map(Failure::brief).collect();
        panic!("{story}\n{fault}\n\n{} runs failed:\n{list}", failed.len());
    }
    well.into_iter().filter_map(Result::ok).collect()
}

impl Failure {
    /// What went wrong, and the command that does it again.
    fn brief(&self) -> String {
        let Failure { course, case: Case { seed, shards, capacity }, fault, .. } = self;
        let fault: String = fault.chars().take(160).collect();
        format!(
            "{fault}\n    SIM_COURSE={course} SIM_SEED={seed} SIM_SHARDS={shards} SIM_CAPACITY={capacity} \
             cargo test --test sim replay -- --nocapture\n"
        )
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default()
}

/// Trouble of all kinds.
pub(crate) fn chaos(case: Case, slot: &mut Option<World>, trace: Trace) {
    let mut dice = Dice::new(case.seed);
    let plan = Plan::chaos(&mut dice);
    chaos_of(slot.insert(World::new(case, plan, dice, trace)));
}

/// The same, with what few clients and operators ask for.
pub(crate) fn extras(case: Case, slot: &mut Option<World>, trace: Trace) {
    let mut dice = Dice::new(case.seed);
    let plan = Plan::extras(&mut dice);
    chaos_of(slot.insert(World::new(case, plan, dice, trace)));
}

pub(crate) fn chaos_of(world: &mut World) {
    while world.step < world.plan.steps {
        world.step();
    }
    world.calm_down();
    world.model.check_rest();
    world.end();
}

impl World {
    /// The faults stop; all that is under way comes to its end.
    pub(crate) fn calm_down(&mut self) {
        self.trace.say(|| "calm".to_owned());
        self.mode = Mode::Calm;
        self.end_stalls();
        for ix in 0..self.clients.len() {
            let Client { is_deaf, is_closed, phase, .. } = self.clients[ix];
            if is_deaf && !is_closed && matches!(phase, Phase::Joining | Phase::Joined | Phase::Leaving) {
                self.lose(ix);
            }
        }
        self.rest_without_stuck();
        for host in &self.hosts {
            let census = host.shard.census();
            let left = [census.calls, census.invocations, census.waiting_calls, census.open_slots];
            assert_eq!(left, [0; 4], "all is answered, but {census:?}");
        }
    }

    /// Who is not read because it does not read keeps its session, however it has misbehaved; and others wait for it.
    fn rest_without_stuck(&mut self) {
        self.rest();
        for ix in 0..self.clients.len() {
            let Client { is_deaf, is_closed, is_paused, .. } = self.clients[ix];
            if is_deaf && is_paused && !is_closed {
                self.lose(ix);
            }
        }
        self.rest();
    }

    /// Everybody leaves, then nothing may be left.
    pub(crate) fn end(&mut self) {
        self.trace.say(|| "the end".to_owned());
        self.mode = Mode::Leaving;
        if self.plan.shuts_down {
            self.shut_down();
            self.rest();
        } else {
            for ix in 0..self.clients.len() {
                self.leave_somehow(ix);
                for _ in 0..self.dice.below(20) {
                    self.step();
                }
            }
            self.rest_without_stuck();
        }
        // Clients that never close go by their deadlines; that those are looked at takes a few steps.
        let limits = &self.plan.config.limits;
        let open_ms = if self.is_shut_down { limits.drain_ms_max } else { limits.handshake_ms_max };
        let last = self.now.plus_ms(open_ms + limits.closing_ms_max + 100);
        while self.hosts.iter().any(|host| host.shard.census().connections > 0) {
            let has_deadline = self.pass_time();
            let left: Vec<_> = self.clients.iter().filter(|client| !client.is_closed).collect();
            assert!(has_deadline && self.now <= last, "still there: {left:?}");
            self.rest();
        }
        for (ix, client) in self.clients.iter().enumerate() {
            assert!(client.is_closed, "client {ix} is not closed: {client:?}");
        }
        for (ix, host) in self.hosts.iter().enumerate() {
            assert_eq!(host.shard.census(), Census::default(), "left on shard {ix}");
        }
    }

    fn shut_down(&mut self) {
        self.is_shut_down = true;
        for session in 0..self.model.sessions.len() {
            self.model.is_cut(session);
        }
        // Some do not answer.
        for client in &mut self.clients {
            client.is_deaf |= self.dice.percent(15);
        }
        for shard in 0..self.hosts.len() {
            self.input(shard, |shard, now| shard.shutdown(now));
            if self.dice.percent(30) {
                self.connect_somebody();
            }
            for _ in 0..self.dice.below(20) {
                self.step();
            }
        }
    }
}
