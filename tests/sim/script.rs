//! What clients do of their own accord.

use connectanum::wamp::message::{InvokePolicy, RegisterOptions, SubscribeOptions, Text};
use connectanum::wamp::{Message, RegistrationId, RequestId, Serializer, SubscriptionId};

use crate::client::{Eof, Phase};
use crate::model::{Filter, Mark, Reg, Request, STREAM};
use crate::transport::{Kind, Transport};
use crate::uris::{META_PATTERNS, NAMES, PATTERNS};
use crate::world::{Mode, World};

const VIOLATION: Phase = Phase::Doomed(Some("wamp.error.protocol_violation"));

impl World {
    /// Somebody connects to some shard; it may have said HELLO already.
    pub(crate) fn connect_somebody(&mut self) {
        let kind = *self.dice.pick(&[Kind::WebSocket, Kind::RawSocket(1 << 24), Kind::RawSocket(1 << 12)]);
        let shard = self.dice.below(self.hosts.len());
        let serializer = *self.dice.pick(&Serializer::ALL);
        let ix = self.connect(shard, kind, serializer);
        if self.dice.percent(self.plan.deaf) {
            self.clients[ix].deaf_from = Some(self.step + self.dice.below(300) as u64);
        }
    }

    pub(crate) fn connect(&mut self, shard: usize, kind: Kind, serializer: Serializer) -> usize {
        let transport = Transport::new(kind, serializer);
        let hello = transport.hello();
        let ix = self.accept(shard, transport);
        self.clients[ix].send_raw(&hello, Mark::Nothing);
        self.trace
            .say(|| format!("         client {ix} connects to shard {shard}: {kind:?}, {serializer:?}"));
        ix
    }

    /// A client does something.
    pub(crate) fn act(&mut self, ix: usize) {
        let client = &self.clients[ix];
        if self.mode == Mode::Chaos && client.deaf_from.is_some_and(|step| step <= self.step) {
            self.trace.say(|| format!("         client {ix} is deaf from now on"));
            self.clients[ix].is_deaf = true;
            return;
        }
        if client.is_finished {
            return self.disconnect(ix, 100);
        }
        match (client.phase, self.mode) {
            (Phase::Dismissed, _) => self.send_goodbye(ix),
            (Phase::Idle | Phase::Over, Mode::Leaving) => self.disconnect(ix, 90),
            (_, Mode::Leaving | Mode::Calm) => self.answer_somehow(ix),
            (Phase::Idle, Mode::Chaos) => self.act_without_session(ix),
            (Phase::Joined, Mode::Chaos) => self.act_in_session(ix),
            // Pipelining, from the first message on.
            (Phase::Joining, Mode::Chaos) if self.is_challenged(ix) => {}
            (Phase::Joining, Mode::Chaos) if self.dice.percent(5) => self.act_harmlessly(ix),
            (Phase::Over, Mode::Chaos) if self.dice.percent(30) => self.disconnect(ix, 50),
            (Phase::Leaving | Phase::Doomed(_), Mode::Chaos) if self.dice.percent(self.plan.acts.vanish) => {
                self.disconnect(ix, 50);
            }
            (Phase::Joining | Phase::Over | Phase::Leaving | Phase::Doomed(_), Mode::Chaos) => {}
        }
    }

    /// Ends the connection; `whole` percent of all ends are in order: an end of file after all that was sent.
    pub(crate) fn disconnect(&mut self, ix: usize, whole: usize) {
        if self.dice.percent(whole) {
            self.clients[ix].end_after(usize::MAX);
        } else if self.dice.percent(50) {
            let keep = self.dice.below(self.clients[ix].out.len() + 1);
            self.clients[ix].end_after(keep);
        } else {
            self.lose(ix);
        }
    }

    fn act_without_session(&mut self, ix: usize) {
        match self.dice.below(100) {
            0..80 => {
                let realm = usize::from(self.dice.percent(self.plan.elsewhere));
                self.send_hello(ix, realm);
            }
            80..84 if self.plan.acts.violate > 0 => self.send_lost_hello(ix),
            84..88 if self.plan.acts.violate > 0 => {
                let client = &mut self.clients[ix];
                client.phase = VIOLATION;
                let goodbye = Message::Goodbye { message: None, reason: Text::Borrowed("too.early") };
                client.send(&mut self.dice, &goodbye, Mark::Violation);
            }
            88..90 => self.disconnect(ix, 50),
            _ => {}
        }
    }

    fn act_in_session(&mut self, ix: usize) {
        let acts = self.plan.acts;
        let weights = [acts.goodbye, acts.vanish, acts.violate, acts.answer, 60];
        match self.dice.weighted(weights.into_iter()) {
            Some(0) => self.send_goodbye(ix),
            Some(1) => self.disconnect(ix, 30),
            Some(2) => self.violate(ix),
            Some(3) => self.answer_somehow(ix),
            _ => self.act_harmlessly(ix),
        }
    }

    /// A request that keeps the session alive.
    fn act_harmlessly(&mut self, ix: usize) {
        let acts = self.plan.acts;
        let weights = [
            acts.subscribe,
            acts.unsubscribe,
            acts.publish,
            acts.register,
            acts.unregister,
            acts.call,
            acts.cancel,
            acts.late,
            acts.refused,
            acts.testament,
            acts.kill,
            acts.ask,
            acts.ping,
            acts.revoke,
            acts.judge,
        ];
        match self.dice.weighted(weights.into_iter()) {
            Some(0) => {
                let pattern = match self.dice.percent(10) {
                    true => *self.dice.pick(&META_PATTERNS),
                    false => *self.dice.pick(&PATTERNS),
                };
                let node = self.key();
                self.subscribe_as(ix, pattern, node);
            }
            Some(1) => self.unsubscribe_somewhere(ix),
            Some(2) => {
                let topic = *self.dice.pick(&NAMES);
                let (acknowledge, filter) = (self.dice.percent(50), self.filter(ix));
                self.publish(ix, topic, acknowledge, filter);
            }
            Some(3) => self.register_something(ix),
            Some(4) => self.unregister_something(ix),
            Some(5) => {
                let procedure = *self.dice.pick(&NAMES);
                let session = &self.model.sessions[self.session(ix)];
                match self.dice.below(100) {
                    0..15 if session.features.contains(STREAM) => _ = self.call_in_parts(ix, procedure),
                    15..40 => self.continue_something(ix),
                    _ => match self.key() {
                        Some(key) => _ = self.call_by_key(ix, procedure, key),
                        None => _ = self.call(ix, procedure),
                    },
                }
            }
            Some(6) => self.cancel_something(ix),
            Some(7) => {
                let last = self.model.sessions[self.session(ix)].last_invocation;
                let session = &self.model.sessions[self.session(ix)];
                let open = session.open.iter().chain(&session.asked).map(|(request, _)| *request);
                let open: Vec<u64> = open.collect();
                let closed: Vec<u64> = (1..=last).filter(|request| !open.contains(request)).collect();
                if !closed.is_empty() {
                    let request = *self.dice.pick(&closed);
                    self.answer_late(ix, request);
                }
            }
            Some(8) => self.ask_in_vain(ix),
            Some(9) => {
                let topic = *self.dice.pick(&NAMES);
                self.add_testament(ix, topic);
            }
            Some(10) => self.kill_somebody(ix),
            Some(11) => self.ask_router(ix),
            Some(12) => {
                let payload = self.dice.bytes::<6>().to_vec();
                let ping = self.clients[ix].transport.ping(&mut self.dice, &payload);
                self.clients[ix].pings.push_back(payload);
                self.clients[ix].send_raw(&ping, Mark::Nothing);
            }
            Some(13) => self.revoke_something(ix),
            Some(14) => self.judge(ix),
            _ => {}
        }
    }

    fn answer_somehow(&mut self, ix: usize) {
        let session = &self.model.sessions[self.session(ix)];
        let (open, asked) = (session.open.len(), session.asked.len());
        if open + asked > 0 {
            match self.dice.below(open + asked) {
                which if which < open => self.answer_invocation(ix, which),
                which => self.answer_question(ix, which - open),
            }
        }
    }

    fn unsubscribe_somewhere(&mut self, ix: usize) {
        let session = &self.model.sessions[self.session(ix)];
        let subs: Vec<usize> =
            session.subs.values().copied().filter(|sub| !self.model.subs[*sub].is_left).collect();
        if !subs.is_empty() {
            let sub = *self.dice.pick(&subs);
            self.unsubscribe(ix, sub);
        }
    }

    fn unregister_something(&mut self, ix: usize) {
        let session = &self.model.sessions[self.session(ix)];
        // What is registered anew may have got the id of what was revoked.
        let regs = &self.model.regs;
        let is_pending = |reg: &Reg| reg.registered.is_none() && !reg.is_refused;
        let is_again = |at: usize| {
            let again = |reg: &Reg| {
                reg.session == regs[at].session && reg.pattern == regs[at].pattern && is_pending(reg)
            };
            regs.iter().any(again)
        };
        let is_there = |reg: &usize| !regs[*reg].is_left && !is_again(*reg);
        let regs: Vec<usize> = session.regs.values().copied().filter(is_there).collect();
        if !regs.is_empty() {
            let reg = *self.dice.pick(&regs);
            self.unregister(ix, reg);
        }
    }

    /// Most clients agree on how a procedure is shared.
    fn register_something(&mut self, ix: usize) {
        use InvokePolicy::{First, Last, Load, Random, RoundRobin, Single};
        let which = self.dice.below(PATTERNS.len());
        let policies = [Single, RoundRobin, First, RoundRobin, Last, Single, Random, Load];
        let usual = policies[(which + self.plan.custom) % policies.len()];
        let invoke = if self.dice.percent(90) { usual } else { *self.dice.pick(&policies) };
        let concurrency = self.dice.percent(self.plan.limited).then(|| *self.dice.pick(&[1, 1, 2, 5]));
        // Nobody forces itself out.
        let session = self.session(ix);
        let is_own = |reg: &Reg| reg.session == session && reg.pattern == PATTERNS[which];
        let force = self.dice.percent(self.plan.forces)
            && !self.model.regs.iter().any(|reg| is_own(reg) && !reg.is_refused && reg.released.is_none());
        let force_reregister = force.then_some(true);
        let options = RegisterOptions { invoke, concurrency, force_reregister, ..Default::default() };
        self.register_with(ix, PATTERNS[which], options);
    }

    fn cancel_something(&mut self, ix: usize) {
        let requests = &self.model.sessions[self.session(ix)].requests;
        let calls: Vec<usize> = requests
            .values()
            .filter_map(|request| if let Request::Call(call) = request { Some(*call) } else { None })
            .collect();
        if !calls.is_empty() {
            let call = *self.dice.pick(&calls);
            self.cancel(ix, call);
        }
    }

    /// Requests that the router refuses, without ending the session.
    fn ask_in_vain(&mut self, ix: usize) {
        const INVALID_URI: &str = "wamp.error.invalid_uri";
        let unknown = 1 << 40;
        match self.dice.below(5) {
            0 => self.request(ix, Request::Refused(34, "wamp.error.no_such_subscription"), |request| {
                Message::Unsubscribe { request, subscription: SubscriptionId(unknown) }
            }),
            1 => self.request(ix, Request::Refused(66, "wamp.error.no_such_registration"), |request| {
                Message::Unregister { request, registration: RegistrationId(unknown) }
            }),
            2 => self.request(ix, Request::Refused(32, INVALID_URI), |request| Message::Subscribe {
                request,
                options: SubscribeOptions::default(),
                topic: Text::Borrowed("t..b"),
            }),
            3 => self.request(ix, Request::Refused(64, INVALID_URI), |request| Message::Register {
                request,
                options: Default::default(),
                procedure: Text::Borrowed("wamp.session.count"),
            }),
            _ => self.request(ix, Request::Refused(34, "wamp.error.no_such_subscription"), |request| {
                Message::Unsubscribe { request, subscription: SubscriptionId(unknown + 1) }
            }),
        }
    }

    /// Breaks the protocol; nobody else may notice.
    fn violate(&mut self, ix: usize) {
        let client = &mut self.clients[ix];
        client.phase = VIOLATION;
        let session = client.session.expect("a session");
        let last = self.model.sessions[session].last_request;
        let dice = &mut self.dice;
        match dice.below(7) {
            0 => {
                let nonsense = client.transport.nonsense();
                if client.transport.kind == Kind::WebSocket {
                    client.phase = Phase::Doomed(None);
                }
                client.send_raw(&nonsense, Mark::Violation);
            }
            1 => client.send_wamp(dice, b"[]", Mark::Violation),
            2 => client.send_wamp(dice, br#"[16,4711,{},"t.a.b",["torn"]"#, Mark::Violation),
            3 => {
                // The last element is one too many: were it passed on, others would see it.
                let splice = br#"[16,4711,{},"t.a.b",["publication",0],{},{}]"#;
                client.send_wamp(dice, splice, Mark::Violation);
            }
            4 => {
                let topic = Text::Borrowed("t.a.b");
                let (request, options) = (RequestId(0), SubscribeOptions::default());
                client.send(dice, &Message::Subscribe { request, options, topic }, Mark::Violation);
            }
            5 => {
                let (request, subscription) = (RequestId(last + 1), SubscriptionId(1));
                client.send(dice, &Message::Subscribed { request, subscription }, Mark::Violation);
            }
            _ => client.send(
                dice,
                &Message::Cancel { request: RequestId(last + 9), mode: None },
                Mark::Violation,
            ),
        }
    }

    /// Some key, or the name of some node.
    fn key(&mut self) -> Option<&'static str> {
        let is_wanted = self.plan.keys > 0 && self.dice.percent(self.plan.keys);
        is_wanted.then(|| *self.dice.pick(&["a", "b", "c", "d"]))
    }

    /// To whom an event goes.
    fn filter(&mut self, ix: usize) -> Filter {
        let realm = self.model.sessions[self.session(ix)].realm;
        let known = |s: &&crate::model::Session| s.realm == realm && s.id.is_some();
        let known: Vec<(u64, String)> = self
            .model
            .sessions
            .iter()
            .filter(known)
            .filter_map(|s| Some((s.id?, s.authid.clone())))
            .collect();
        let mut filter = Filter { to_me: self.dice.percent(30), rkey: self.key(), ..Filter::default() };
        if known.is_empty() || self.dice.percent(70) {
            return filter;
        }
        let n = self.dice.between(1, 3);
        let some: Vec<(u64, String)> = (0..n).map(|_| self.dice.pick(&known).clone()).collect();
        match self.dice.below(5) {
            0 => filter.exclude = some.into_iter().map(|(id, _)| id).collect(),
            1 => filter.exclude_authid = some.into_iter().map(|(_, authid)| authid).collect(),
            2 => {
                filter.eligible =
                    Some(known.iter().map(|(id, _)| *id).filter(|_| self.dice.percent(70)).collect())
            }
            3 => filter.eligible_authrole = Some(*self.dice.pick(&["anonymous", "nobody"])),
            _ => filter.eligible = Some(Vec::new()),
        }
        filter
    }

    /// The ways in which a client leaves at the end of a run.
    pub(crate) fn leave_somehow(&mut self, ix: usize) {
        let client = &self.clients[ix];
        if client.is_closed || client.eof != Eof::No {
            return;
        }
        match client.phase {
            _ if client.is_deaf => {}
            Phase::Joined if self.dice.percent(60) => self.send_goodbye(ix),
            Phase::Joined if self.dice.percent(20) => {
                let abort = connectanum::wamp::message::Abort {
                    message: None,
                    scram: None,
                    reason: Text::Borrowed("app.enough"),
                    payload: connectanum::wamp::Payload::empty(self.clients[ix].transport.serializer),
                };
                let client = &mut self.clients[ix];
                client.phase = Phase::Doomed(None);
                client.send(&mut self.dice, &Message::Abort(abort), Mark::Violation);
            }
            _ => self.disconnect(ix, 50),
        }
    }
}
