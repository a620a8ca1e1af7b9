//! The world: shards, links, connections, clock, and the scheduler that picks what happens next.

use connectanum::router::{ShardId, Time};

use crate::client::{Client, Eof, Phase};
use crate::dice::Dice;
use crate::host::Host;
use crate::link::Link;
use crate::model::{Model, Session};
use crate::plan::{Case, Plan};
use crate::trace::Trace;

/// What clients and network are up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Anything.
    Chaos,
    /// What is under way comes to its end; clients answer what they are asked.
    Calm,
    /// As `Calm`, and clients without a session go.
    Leaving,
}

/// Something that can happen next. What it works on is a client, a shard, or a link's two ends.
#[derive(Clone, Copy, Debug, Hash)]
enum Step {
    Deliver(usize),
    Eof(usize),
    Write(usize),
    Act(usize),
    Drain(usize),
    Expire(usize),
    Flush(usize, usize),
    Mesh(usize, usize),
    Connect,
    Jump,
    Reload,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) dice: Dice,
    pub(crate) trace: Trace,
    pub(crate) model: Model,
    pub(crate) now: Time,
    pub(crate) step: u64,
    pub(crate) mode: Mode,
    pub(crate) hosts: Vec<Host>,
    pub(crate) clients: Vec<Client>,
    pub(crate) is_shut_down: bool,
    links: Vec<Link>,
    options: Vec<(Step, usize)>,
}

/// Steps until what is under way must have come to its end.
const STEPS_TO_REST_MAX: u64 = 100_000;

impl World {
    pub(crate) fn new(case: Case, plan: Plan, mut dice: Dice, trace: Trace) -> World {
        let seed = dice.bytes();
        let shards = usize::from(case.shards);
        World {
            hosts: (0..case.shards).map(|id| Host::new(plan.config.clone(), id, case.shards, seed)).collect(),
            links: (0..shards * shards).map(|_| Link::new(case.capacity)).collect(),
            model: Model::new(case.shards, &plan.config),
            plan,
            dice,
            trace,
            now: Time(0),
            step: 0,
            mode: Mode::Chaos,
            clients: Vec::new(),
            is_shut_down: false,
            options: Vec::new(),
        }
    }

    /// Lets one thing happen; false if there is nothing.
    pub(crate) fn step(&mut self) -> bool {
        self.step += 1;
        self.model.tick = self.step;
        self.now.0 += self.dice.below(100) as u64;
        self.model.now = self.now;
        let mut options = std::mem::take(&mut self.options);
        options.clear();
        self.collect(&mut options);
        let chosen = self.dice.weighted(options.iter().map(|(_, weight)| *weight)).map(|i| options[i].0);
        self.options = options;
        let Some(step) = chosen else { return false };
        self.trace.step(self.step, &step);
        match step {
            Step::Deliver(client) => self.deliver(client),
            Step::Eof(client) => self.deliver_eof(client),
            Step::Write(client) => self.write(client),
            Step::Act(client) => self.act(client),
            Step::Drain(shard) => self.drain(shard),
            Step::Expire(shard) => self.input(shard, |shard, now| shard.expire(now)),
            Step::Flush(from, to) => self.flush_link(from, to),
            Step::Mesh(from, to) => self.deliver_mesh(from, to),
            Step::Connect => self.connect_somebody(),
            Step::Jump => self.jump(),
            Step::Reload => self.reload(),
        }
        self.begin_stalls();
        if self.is_mesh_empty() {
            self.model.is_quiet();
        }
        true
    }

    /// Steps until nothing is left to do.
    pub(crate) fn rest(&mut self) {
        let last = self.step + STEPS_TO_REST_MAX;
        while self.step() {
            assert!(self.step < last, "no rest after {STEPS_TO_REST_MAX} steps");
        }
        assert!(self.is_mesh_empty(), "messages of the mesh are stuck");
        for host in &self.hosts {
            let census = host.shard.census();
            assert_eq!((census.rounds, census.mesh_waiting_bytes), (0, 0), "at rest: {census:?}");
        }
        for (ix, client) in self.clients.iter().enumerate().filter(|(_, c)| !c.is_closed && !c.is_deaf) {
            assert!(!client.is_paused, "client {ix} stays paused: {client:?}");
            assert!(client.out.is_empty());
            let waiting = self.hosts[usize::from(client.shard)].outgoing(client.conn, 1);
            assert_eq!(waiting, [] as [u8; 0], "bytes for client {ix} were not announced");
            assert!(client.transport.is_between_frames(), "client {ix} has half a frame: {client:?}");
        }
    }

    /// From now on nothing stalls.
    pub(crate) fn end_stalls(&mut self) {
        self.plan.stalls = 0;
        self.links.iter_mut().for_each(|link| link.stalled_until = 0);
        self.clients.iter_mut().for_each(|client| client.stalled_until = 0);
    }

    /// Steps until something has come true.
    #[track_caller]
    pub(crate) fn until(&mut self, is_true: impl Fn(&World) -> bool) {
        let last = self.step + STEPS_TO_REST_MAX;
        while !is_true(self) {
            assert!(self.step < last, "it does not come true");
            self.step();
        }
    }

    /// Lets time pass until the next deadline of any shard; false if there is none.
    pub(crate) fn pass_time(&mut self) -> bool {
        let next = self.hosts.iter().filter_map(|host| host.shard.next_deadline()).min();
        self.now = self.now.max(next.unwrap_or(self.now));
        self.model.now = self.now;
        next.is_some()
    }

    fn collect(&self, options: &mut Vec<(Step, usize)>) {
        let weights = &self.plan.weights;
        for (ix, client) in self.clients.iter().enumerate().filter(|(_, c)| !c.is_closed) {
            if !client.is_stalled(self.step) {
                match client.eof {
                    _ if client.is_paused && !client.out.is_empty() => {}
                    _ if !client.out.is_empty() => options.push((Step::Deliver(ix), weights.deliver)),
                    // A host may hear of it although it does not read.
                    Eof::Wanted => options.push((Step::Eof(ix), weights.deliver)),
                    Eof::No | Eof::Given => {}
                }
            }
            if client.is_flushing && !client.is_deaf && !client.is_stalled(self.step) {
                options.push((Step::Write(ix), weights.write));
            }
            if self.wants_to_act(ix) {
                options.push((Step::Act(ix), weights.act));
            }
        }
        for (ix, host) in self.hosts.iter().enumerate() {
            if host.is_dirty {
                options.push((Step::Drain(ix), weights.drain));
            }
            if host.shard.next_deadline().is_some_and(|at| at <= self.now) {
                options.push((Step::Expire(ix), weights.drain));
            } else if self.mode == Mode::Chaos {
                // Too early does nothing.
                options.push((Step::Expire(ix), weights.jump));
            }
        }
        for (from, to) in self.pairs() {
            let link = &self.links[from * self.hosts.len() + to];
            if link.is_flushing && link.has_room() {
                options.push((Step::Flush(from, to), weights.flush));
            }
            if link.len() > 0 && link.stalled_until <= self.step {
                options.push((Step::Mesh(from, to), weights.mesh));
            }
        }
        if self.mode == Mode::Chaos {
            let open = self.clients.iter().filter(|client| !client.is_closed).count();
            if open < self.plan.clients_max {
                options.push((Step::Connect, weights.connect));
            }
            options.push((Step::Jump, weights.jump));
            if !self.plan.reloads.is_empty() {
                options.push((Step::Reload, weights.reload));
            }
        }
    }

    fn wants_to_act(&self, ix: usize) -> bool {
        let client = &self.clients[ix];
        if !client.can_send() {
            return false;
        }
        match self.mode {
            _ if client.is_finished || client.phase == Phase::Dismissed => true,
            Mode::Chaos => client.out.len() < 2000,
            Mode::Leaving if matches!(client.phase, Phase::Idle | Phase::Over) => true,
            Mode::Calm | Mode::Leaving => client.is_joined() && self.has_open_invocation(client),
        }
    }

    pub(crate) fn has_open_invocation(&self, client: &Client) -> bool {
        let has_any = |it: &Session| !it.open.is_empty() || !it.asked.is_empty();
        client.session.is_some_and(|session| has_any(&self.model.sessions[session]))
    }

    /// The host asks a shard for what waits for another one.
    fn flush_link(&mut self, from: usize, to: usize) {
        let shards = self.hosts.len();
        let link = &mut self.links[from * shards + to];
        let now = self.now;
        let empty = self.hosts[from].shard.flush_mesh(now, ShardId(to as u16), |message| link.push(message));
        assert!(empty || !link.has_room(), "a message was kept although the link has room");
        link.is_flushing = !empty;
        self.after_input(from);
    }

    fn deliver_mesh(&mut self, from: usize, to: usize) {
        let n = if self.dice.percent(70) { 1 } else { self.dice.between(1, 8) };
        for _ in 0..n {
            let Some(message) = self.link(from, to).pop() else { break };
            self.input(to, |shard, now| shard.mesh_received(now, ShardId(from as u16), message));
        }
    }

    pub(crate) fn link(&mut self, from: usize, to: usize) -> &mut Link {
        &mut self.links[from * self.hosts.len() + to]
    }

    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let shards = self.hosts.len();
        (0..shards * shards).map(move |i| (i / shards, i % shards)).filter(|(from, to)| from != to)
    }

    fn is_mesh_empty(&self) -> bool {
        self.links.iter().all(|link| link.len() == 0)
            && self.hosts.iter().all(|host| host.shard.census().mesh_waiting_bytes == 0)
    }

    fn begin_stalls(&mut self) {
        if self.dice.below(1000) >= self.plan.stalls {
            return;
        }
        let until = self.step + self.dice.between(1, self.plan.stall_steps_max) as u64;
        let which = self.dice.below(self.links.len() + self.clients.len());
        match which.checked_sub(self.links.len()) {
            None => self.links[which].stalled_until = until,
            Some(client) => self.clients[client].stalled_until = until,
        }
    }

    fn jump(&mut self) {
        if self.dice.percent(20) {
            self.pass_time();
        }
    }
}
