//! Users, roles and their rules; what operators make of them while sessions go on; and what clients do about the rights of others.
//!
//! What counts is when a message was handed over. When all shards have gone over to rules that withdraw a right, nothing that is handed
//! over later comes by it, but by what was asked for before and not answered yet: that may last until the mesh is quiet. A call that was
//! allowed once may still be invoked.

use std::sync::Arc;

use connectanum::access::{Action, Actions, Role, Rule};
use connectanum::auth::{Method, TicketSecret, User};
use connectanum::config::{RealmAuth, RealmConfig, RouterConfig};
use connectanum::limits::Limits;
use connectanum::wamp::list::TextList;
use connectanum::wamp::message::InvokePolicy::{First, Random, RoundRobin};
use connectanum::wamp::message::MatchPolicy::{self, Exact, Prefix};
use connectanum::wamp::message::{Features, Message, Payload, RawValue, RegisterOptions, Text, Yield};
use connectanum::wamp::{RequestId, Serializer};

use crate::dice::Dice;
use crate::model::{Mark, Request, Revoke, Ruling};
use crate::plan::{Case, Plan, REALMS};
use crate::requests::hello;
use crate::run::chaos_of;
use crate::trace::Trace;
use crate::uris::{NAMES, Pattern};
use crate::value::{Args, Value};
use crate::world::World;

/// The procedure that decides about those for whom there are no rules. No other pattern reaches it.
pub(crate) const AUTHORIZER: Pattern = (Exact, "judge.decide");

/// URIs of all kinds that a pattern or a rule of a run tells apart.
pub(crate) const SAMPLES: [&str; 29] = [
    "t.a.b", "t.a.c", "t.x.b", "u.a.b", "u", "t", "tz", "tz.a.b", "tz.a.z", "tz.z.z", "t.z", "t.a", "t.a.z",
    "t.az", "t.z.b", "t.z.z", "t.a.b.z", "uz", "u.a.z", "u.z.b", "u.z.z", "z.a.b", "z.a.z", "z.z.b", "z.z.z",
    "wamp.a.b", "wamp.a.z", "wamp.z.b", "wamp.z.z",
];

/// Who may do everything, always.
const STEADY: &str = "steady";

/// Users, each with the roles that it may have.
const USERS: [(&str, [&str; 2]); 7] = [
    ("steady1", [STEADY, STEADY]),
    ("steady2", [STEADY, STEADY]),
    ("ann", ["member", "member"]),
    ("bob", ["member", "guest"]),
    ("eve", ["guest", "guest"]),
    ("jim", ["judged", "judged"]),
    ("joe", ["judged", "member"]),
];

const TICKET: &str = "a ticket";

/// What subscriptions and registrations are taken away for.
const REASONS: [Option<&str>; 3] = [None, Some("app.reason.one"), Some("app.reason.two")];

/// Trouble of all kinds, in realms whose rules and users change.
pub(crate) fn run(case: Case, slot: &mut Option<World>, trace: Trace) {
    let mut dice = Dice::new(case.seed);
    let plan = plan(&mut dice);
    chaos_of(slot.insert(World::new(case, plan, dice, trace)));
}

fn plan(dice: &mut Dice) -> Plan {
    let mut plan = Plan::chaos(dice);
    let mut limits = plan.config.limits.clone();
    // Who has tried in vain may try again.
    (limits.authid_failures_max, limits.address_failures_max) = (1 << 20, 1 << 20);
    limits.authorizer_ms_max = *dice.pick(&[3, 10_000, 10_000]);
    let strict = Vec::from_iter(plan.config.realms.iter().map(|realm| realm.strict_request_ids));
    let mut before = config(dice, None, limits, &strict);
    plan.config = Arc::new(before.clone());
    for _ in 0..dice.between(1, 6) {
        before = changed(dice, &before, &strict);
        plan.reloads.push(Arc::new(before.clone()));
    }
    plan.reloads.reverse();
    plan.weights.reload = *dice.pick(&[1, 2, 30]);
    plan.has_users = true;
    plan.elsewhere = 30;
    plan.acts.ask = plan.acts.ask.max(1);
    plan.acts.revoke = *dice.pick(&[0, 1, 3]);
    plan.acts.judge = 2;
    plan.retain = 0;
    plan.keys = *dice.pick(&[0, 0, 30]);
    plan
}

/// A configuration, made from the one before if there is one.
fn config(dice: &mut Dice, before: Option<&RouterConfig>, limits: Limits, strict: &[bool]) -> RouterConfig {
    let mut realms = Vec::new();
    for (name, strict_request_ids) in REALMS.into_iter().zip(strict.iter().copied()) {
        let known = before.and_then(|it| it.realms.iter().find(|realm| realm.name == name));
        // The second realm comes and goes.
        if before.is_some() && name == REALMS[1] && dice.percent(30) {
            continue;
        }
        if let Some(known) = known.filter(|_| dice.percent(20)) {
            realms.push(known.clone());
            continue;
        }
        let fresh = RealmConfig {
            strict_request_ids,
            auth: auth(dice),
            roles: roles(dice),
            ..RealmConfig::new(name)
        };
        realms.push(match (known, dice.below(3)) {
            (Some(known), 0) => RealmConfig { roles: fresh.roles, ..known.clone() },
            (Some(known), 1) => RealmConfig { auth: fresh.auth, ..known.clone() },
            _ => fresh,
        });
    }
    if before.is_some() && dice.percent(30) {
        realms.reverse();
    }
    RouterConfig { realms, limits, agent: "sim".to_owned(), ..RouterConfig::default() }
}

fn changed(dice: &mut Dice, before: &RouterConfig, strict: &[bool]) -> RouterConfig {
    let mut limits = before.limits.clone();
    if dice.percent(30) {
        limits.mesh_outbox_bytes_high = *dice.pick(&[1024, 4 << 20]);
        limits.outbound_bytes_high = *dice.pick(&[1024, 8 * 1024]);
        limits.pending_calls_max = *dice.pick(&[3, 65_536]);
    }
    config(dice, Some(before), limits, strict)
}

fn auth(dice: &mut Dice) -> RealmAuth {
    let mut methods = vec![Method::Ticket];
    methods.extend(dice.percent(85).then_some(Method::Anonymous));
    let mut users = Vec::new();
    for (name, roles) in USERS {
        if roles[0] == STEADY || dice.percent(80) {
            let mut user = User::new(name, *dice.pick(&roles));
            user.secrets.ticket = Some(TicketSecret::of(TICKET));
            users.push(user);
        }
    }
    let anonymous_role = if dice.percent(90) { "anonymous" } else { "guest" };
    RealmAuth { methods, users, anonymous_role: anonymous_role.to_owned(), ..RealmAuth::default() }
}

/// Now and then there are none, and everybody may do everything.
fn roles(dice: &mut Dice) -> Vec<Role> {
    if dice.percent(10) {
        return Vec::new();
    }
    let everything = rule("", Prefix, Actions::ALL, true);
    let mut roles = vec![Role { name: STEADY.to_owned(), rules: vec![everything], authorizer: None }];
    for name in ["member", "guest", "anonymous", "judged"] {
        let authorizer = (name == "judged" && dice.percent(80)).then(|| AUTHORIZER.1.to_owned());
        // Whose role is not among them may do nothing.
        if dice.percent(95) {
            roles.push(Role { name: name.to_owned(), rules: rules(dice), authorizer });
        }
    }
    roles
}

fn rules(dice: &mut Dice) -> Vec<Rule> {
    let mut rules = vec![rule("wamp.", Prefix, Actions::ALL, dice.percent(50))];
    let likely = *dice.pick(&[40, 70, 90]);
    let places = [("", Prefix, 100), ("t.", Prefix, 50), ("u", Prefix, 30)];
    for (uri, policy, chance) in places.into_iter().chain(NAMES.map(|name| (name, Exact, 15))) {
        if dice.percent(chance) {
            let allow = Action::ALL.into_iter().filter(|_| dice.percent(likely)).collect();
            rules.push(rule(uri, policy, allow, dice.percent(70)));
        }
    }
    rules
}

fn rule(uri: &str, match_policy: MatchPolicy, allow: Actions, cache: bool) -> Rule {
    Rule { uri: uri.to_owned(), match_policy, allow, disclose: false, cache }
}

impl World {
    /// The router is told to go over to the next configuration, whether or not it is done with the last one.
    pub(crate) fn reload(&mut self) {
        let Some(config) = self.plan.reloads.pop() else { return };
        self.trace.say(|| format!("         another configuration: {:?}", config.realms));
        self.model.reload(config.clone());
        let (gates, access) = (config.gates(), config.access());
        self.input(0, |shard, now| shard.reconfigure(now, config, gates, access));
    }

    /// HELLO of some user, or of nobody.
    pub(crate) fn send_hello_as_user(&mut self, ix: usize, realm: usize) {
        let user = self.dice.percent(75).then(|| self.dice.pick(&USERS).0);
        let is_told = self.dice.percent(85);
        let session = self.session(ix);
        let it = &mut self.model.sessions[session];
        it.user = user;
        if is_told {
            it.features = it.features.with(Features::SUBSCRIPTION_REVOCATION);
        }
        let mut hello = hello(REALMS[realm], it.features);
        if let (Message::Hello(hello), Some(user)) = (&mut hello, user) {
            hello.authmethods = Some(TextList::Slice(&["ticket"]));
            hello.authid = Some(Text::Borrowed(user));
        }
        self.clients[ix].send(&mut self.dice, &hello, Mark::Hello);
    }

    /// Whether a client that has said HELLO has to wait for a challenge.
    pub(crate) fn is_challenged(&self, ix: usize) -> bool {
        self.model.sessions[self.session(ix)].user.is_some()
    }

    /// Answers a challenge.
    pub(crate) fn authenticate(&mut self, ix: usize) {
        let client = &mut self.clients[ix];
        if !client.can_send() {
            return;
        }
        let serializer = client.transport.serializer;
        let bytes: &[u8] = match serializer {
            Serializer::Json => b"{}",
            Serializer::MsgPack => &[0x80],
            Serializer::Cbor => &[0xA0],
        };
        let extra = RawValue { serializer, bytes };
        let message = Message::Authenticate { signature: Text::Borrowed(TICKET), extra };
        client.send(&mut self.dice, &message, Mark::Nothing);
    }

    /// Who may do everything offers to decide about others.
    pub(crate) fn judge(&mut self, ix: usize) {
        let session = self.session(ix);
        let is_own = |reg: &crate::model::Reg| reg.session == session && reg.pattern == AUTHORIZER;
        let has_it = self.model.regs.iter().any(|reg| is_own(reg) && !reg.is_left && !reg.is_refused);
        if has_it || self.model.sessions[session].role.as_deref() != Some(STEADY) {
            return;
        }
        let invoke = *self.dice.pick(&[RoundRobin, RoundRobin, RoundRobin, RoundRobin, First, Random]);
        let concurrency = self.dice.percent(self.plan.limited).then_some(1);
        self.register_with(ix, AUTHORIZER, RegisterOptions { invoke, concurrency, ..Default::default() });
    }

    /// Decides about what somebody wants.
    pub(crate) fn answer_question(&mut self, ix: usize, which: usize) {
        let session = self.session(ix);
        let (request, question) = self.model.sessions[session].asked.swap_remove(which);
        let (allow, cache) = (self.dice.percent(70), self.dice.percent(50));
        let flags = [("allow".to_owned(), Value::Bool(allow)), ("cache".to_owned(), Value::Bool(cache))];
        let (ruling, answer) = match self.dice.below(10) {
            0 => (Ruling::Bad, Some(Value::Text("perhaps".to_owned()))),
            1 => (Ruling::Bad, None),
            2..5 => (Ruling::Decided { allow, cache: false }, Some(Value::Bool(allow))),
            _ => (Ruling::Decided { allow, cache }, Some(Value::Dict(flags.into()))),
        };
        self.model.questions[question].ruling = Some(ruling);
        let serializer = self.clients[ix].transport.serializer;
        let is_error = answer.is_none();
        let args = Args(vec![Value::List(answer.into_iter().collect())]);
        let bytes = args.write(serializer);
        let payload = Payload { serializer, items: args.items(), bytes: &bytes };
        let request = RequestId(request);
        let passthru = args.passthru().into();
        let message = match is_error {
            false => Message::Yield(Yield { request, progress: None, passthru, payload }),
            true => Message::Error(connectanum::wamp::message::Error {
                request_type: 68,
                request,
                passthru,
                error: Text::Borrowed("app.error.one"),
                payload,
            }),
        };
        self.clients[ix].send(&mut self.dice, &message, Mark::Ruling(question));
    }

    /// Has the router take a subscription or registration from whoever has it: perhaps of another realm, perhaps one's own.
    pub(crate) fn revoke_something(&mut self, ix: usize) {
        let targets = self.model.targets();
        let latest = targets.len().saturating_sub(20);
        let Some(some) = targets.get(latest..).filter(|some| !some.is_empty()) else { return };
        let (target, id) = *self.dice.pick(some);
        let reason = *self.dice.pick(&REASONS);
        let revoke = Revoke::new(self.session(ix), target, id, reason);
        let (procedure, at) = (revoke.procedure(), self.model.revokes.len());
        self.model.revokes.push(revoke);
        let args = self.model.revoke_args(at);
        self.call_router(ix, Request::Revoke(at), procedure, &args);
    }
}
