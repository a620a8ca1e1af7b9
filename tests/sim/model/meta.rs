//! Meta events: what is told of sessions, subscriptions and registrations comes in order, and nothing is missing.

use std::collections::{BTreeMap, BTreeSet};

use connectanum::wamp::message::{Features, MatchPolicy};

use super::{Model, Session};
use crate::uris;
use crate::value::{Args, Value};

/// What a subscription has heard of.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    joined: BTreeSet<u64>,
    left: BTreeSet<u64>,
    /// By kind and id.
    lives: BTreeMap<(String, u64), Life>,
}

/// A subscription or registration, as it was told.
#[derive(Debug, Default)]
struct Life {
    members: BTreeSet<u64>,
    /// All that ever came or went.
    came: BTreeSet<u64>,
    went: BTreeSet<u64>,
    last_to_go: Option<u64>,
    is_deleted: bool,
}

impl Life {
    fn is_told(&mut self, event: &str, session: u64, is_new: bool) {
        assert!(!self.is_deleted, "{event} after on_delete: {self:?}");
        match event {
            "on_create" => assert!(is_new, "on_create comes too late: {self:?}"),
            "on_subscribe" | "on_register" => {
                assert!(self.members.insert(session), "{session} came twice: {self:?}");
                self.came.insert(session);
            }
            "on_unsubscribe" | "on_unregister" => {
                let was_in = self.members.remove(&session);
                assert!(was_in || !self.came.contains(&session), "{session} went twice: {self:?}");
                self.went.insert(session);
                self.last_to_go = Some(session);
            }
            "on_delete" => {
                // Who has just subscribed may have missed what came before.
                assert!(is_new || self.last_to_go == Some(session), "deleted by {session}: {self:?}");
                assert!(self.members.is_empty(), "deleted with members: {self:?}");
                self.is_deleted = true;
            }
            other => panic!("an event {other}"),
        }
    }
}

impl Model {
    /// A meta event for the subscription `at`.
    pub(super) fn meta_event(&mut self, at: usize, topic: &str, args: &Args) {
        let sub = &self.subs[at];
        assert!(uris::matches(sub.pattern, topic), "{topic} for {sub:?}");
        let subscriber = &self.sessions[sub.session];
        if sub.ending && !subscriber.features.contains(Features::SUBSCRIPTION_REVOCATION) {
            // It may have been out for a while without knowing.
            return;
        }
        let realm = subscriber.realm;
        let Some(Value::List(args)) = args.0.first() else { panic!("{topic} with {args:?}") };
        let session = number(&args[0], "session");
        let is_strange = |it: &Session| it.id == Some(session) && it.realm != realm;
        assert!(!self.sessions.iter().any(is_strange), "session {session} is of another realm");
        let is_whole = sub.pattern.0 != MatchPolicy::Exact;
        let heard = &mut self.subs[at].meta;
        let [_, kind, event] = topic.split('.').collect::<Vec<_>>()[..] else { panic!("topic {topic}") };
        match (kind, event) {
            ("session", "on_join") => {
                assert!(!heard.left.contains(&session), "session {session} came after it left");
                assert!(heard.joined.insert(session), "session {session} came twice");
            }
            ("session", "on_leave") => {
                assert!(heard.left.insert(session), "session {session} left twice");
            }
            _ => {
                let key = (kind.to_owned(), number(&args[1], "id"));
                let is_new = !heard.lives.contains_key(&key);
                let life = heard.lives.entry(key).or_default();
                if is_whole {
                    life.is_told(event, session, is_new);
                }
            }
        }
    }

    /// Whoever was there all the time has heard of all that has begun and ended since.
    pub(super) fn check_meta_at_rest(&self) {
        // When a connection is closed as too slow, its session was over before the host knew.
        let knows_ends = self.limits.outbound_bytes_max > 1 << 20;
        for sub in self.subs.iter().filter(|sub| !sub.ending && self.is_alive(sub.session)) {
            let Some(since) = sub.since else { continue };
            let hears = |topic: &str| uris::matches(sub.pattern, topic);
            let realm = self.sessions[sub.session].realm;
            let later = |tick: Option<u64>| tick.is_some_and(|tick| tick > since);
            let over = |it: &Session| knows_ends && it.gone.is_some() && later(it.ending);
            let neighbours = self.sessions.iter().filter(|it| it.realm == realm);
            for (session, id) in neighbours.filter_map(|it| Some((it, it.id?))) {
                if hears("wamp.session.on_join") && later(session.begun) {
                    assert!(sub.meta.joined.contains(&id), "on_join of {session:?} is missing in {sub:?}");
                }
                if hears("wamp.session.on_leave") && over(session) {
                    assert!(sub.meta.left.contains(&id), "on_leave of {session:?} is missing in {sub:?}");
                }
                if session.ending.is_none() {
                    assert!(!sub.meta.left.contains(&id), "{session:?} is there: {sub:?}");
                }
            }
            if sub.pattern.0 == MatchPolicy::Exact || !hears("wamp.subscription.on_create") {
                continue;
            }
            let check = |kind: &str, id: Option<u64>, owner: usize, came: bool, goes: bool| {
                let owner = &self.sessions[owner];
                let (Some(id), Some(session)) = (id, owner.id) else { return };
                if owner.realm != realm {
                    return;
                }
                let life = sub.meta.lives.get(&(kind.to_owned(), id));
                let has =
                    |set: fn(&Life) -> &BTreeSet<u64>| life.is_some_and(|it| set(it).contains(&session));
                assert!(!came || has(|it| &it.came), "nobody told that {session} is in {kind} {id}: {sub:?}");
                let gone = goes && over(owner);
                assert!(!gone || has(|it| &it.went), "nobody told that {session} left {kind} {id}: {sub:?}");
            };
            for it in self.subs.iter().filter(|it| !it.pattern.1.starts_with("wamp")) {
                check("subscription", it.id, it.session, later(it.handed), !it.ending);
            }
            for it in &self.regs {
                check("registration", it.id, it.session, later(it.handed), it.ending.is_none());
            }
        }
    }
}

fn number(value: &Value, key: &str) -> u64 {
    match value {
        Value::Int(id) => *id as u64,
        Value::Dict(dict) => number(&dict[key], key),
        other => panic!("{other:?} is no id"),
    }
}
