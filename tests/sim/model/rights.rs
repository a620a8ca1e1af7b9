//! Rights: what the rules say, at which time, done naively; and what must have become of sessions, subscriptions and registrations that
//! the router's present configuration does not allow.
//!
//! Shards go over to another configuration one after the other. From the moment in which the router is told until it says that all have
//! done so, some may go by the old and some by the new one. A message may be decided about as long as it is not answered.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use connectanum::access::{Action, Rule};
use connectanum::auth::Method;
use connectanum::config::{RealmConfig, RouterConfig};
use connectanum::wamp::message::{Features, MatchPolicy};

use super::{Model, Request, Sub};
use crate::plan::REALMS;
use crate::rules::SAMPLES;
use crate::uris::{self, Pattern};

/// The URIs of the two errors.
pub(super) const NOT_AUTHORIZED: &str = "wamp.error.not_authorized";
pub(super) const AUTHORIZATION_FAILED: &str = "wamp.error.authorization_failed";
/// A call that needs the right to publish, too.
pub(super) const ADD_TESTAMENT: &str = "wamp.session.add_testament";

/// A configuration.
#[derive(Debug)]
pub(super) struct Epoch {
    config: Arc<RouterConfig>,
    /// Since when some shards may go by it, and since when all do.
    since: u64,
    done: Option<u64>,
    /// What is known about patterns, by realm, role, action and pattern.
    known: RefCell<BTreeMap<Known, Verdict>>,
}

type Known = (usize, String, u8, u8, &'static str);

/// What the rules say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Allow,
    Deny,
    /// A procedure decides.
    Ask,
    /// The role is not known yet.
    Unknown,
}

impl Epoch {
    pub(super) fn first(config: &RouterConfig) -> Epoch {
        let (config, known) = (Arc::new(config.clone()), RefCell::default());
        Epoch { config, since: 0, done: Some(0), known }
    }

    fn realm(&self, realm: usize) -> Option<&RealmConfig> {
        self.config.realms.iter().find(|it| it.name == REALMS[realm])
    }

    /// Whether the realm lets somebody in: a user, or who has no name. The role, if it is known, must be the right one.
    fn admits(&self, realm: usize, user: Option<&str>, role: Option<&str>) -> bool {
        let Some(auth) = self.realm(realm).map(|realm| &realm.auth) else { return false };
        let is_role = |has: &str| role.is_none_or(|role| role == has);
        match user {
            Some(name) => auth.users.iter().any(|user| user.authid == name && is_role(&user.authrole)),
            None => auth.methods.contains(&Method::Anonymous) && is_role(&auth.anonymous_role),
        }
    }

    fn decide(&self, realm: usize, role: Option<&str>, action: Action, pattern: Pattern) -> Verdict {
        let Some(config) = self.realm(realm) else { return Verdict::Deny };
        if config.roles.is_empty() {
            return Verdict::Allow;
        }
        let Some(name) = role else { return Verdict::Unknown };
        let Some(role) = config.roles.iter().find(|role| role.name == name) else { return Verdict::Deny };
        if role.authorizer.is_some() {
            return Verdict::Ask;
        }
        let (policy, uri) = pattern;
        if policy == MatchPolicy::Exact {
            return verdict(allows(&role.rules, action, uri));
        }
        let key = (realm, name.to_owned(), action as u8, policy as u8, uri);
        *self.known.borrow_mut().entry(key).or_insert_with(|| {
            let mut members = SAMPLES.iter().filter(|sample| uris::matches(pattern, sample));
            verdict(members.all(|sample| allows(&role.rules, action, sample)))
        })
    }
}

fn verdict(is_allowed: bool) -> Verdict {
    if is_allowed { Verdict::Allow } else { Verdict::Deny }
}

/// Whether the most specific rule about a URI allows this.
fn allows(rules: &[Rule], action: Action, uri: &str) -> bool {
    let about = rules.iter().filter(|rule| uris::matches((rule.match_policy, &rule.uri), uri));
    let most = about.max_by_key(|rule| (rule.match_policy == MatchPolicy::Exact, rule.uri.len()));
    most.is_some_and(|rule| rule.allow.contains(action))
}

impl Model {
    /// The router is told to go over to another configuration.
    pub(crate) fn reload(&mut self, config: Arc<RouterConfig>) {
        self.limits.pending_calls_max = self.limits.pending_calls_max.min(config.limits.pending_calls_max);
        self.limits.held_invocations_max =
            self.limits.held_invocations_max.min(config.limits.held_invocations_max);
        self.epochs.push(Epoch { config, since: self.tick, done: None, known: RefCell::default() });
        for ix in 0..self.sessions.len() {
            let it = &self.sessions[ix];
            let may_be_there = it.begun.is_some() && it.gone.is_none();
            if may_be_there && !self.last().admits(it.realm, it.user, it.role.as_deref()) {
                // Who has not been welcomed yet may be refused.
                self.sessions[ix].must_be_gone |= it.id.is_some() && it.ending.is_none();
                self.sessions[ix].is_hunted = true;
                self.is_cut(ix);
            }
        }
        for at in 0..self.subs.len() {
            let Sub { session, pattern, id, ending, is_left, .. } = self.subs[at];
            if self.is_denied_by_last(session, Action::Subscribe, pattern) {
                self.subs[at].must_go |= id.is_some() && !ending && !is_left;
                self.subs[at].ending = true;
            }
        }
        for at in 0..self.regs.len() {
            let reg = &self.regs[at];
            if self.is_denied_by_last(reg.session, Action::Register, reg.pattern) {
                let is_firm = self.is_registered(reg) && !reg.is_left;
                self.regs[at].must_go |= is_firm;
                self.regs[at].ending.get_or_insert(self.tick);
            }
        }
    }

    /// All shards have gone over to another configuration.
    pub(crate) fn reloaded(&mut self) {
        let tick = self.tick;
        let next = self.epochs.iter_mut().find(|it| it.done.is_none());
        next.expect("nobody has asked for it").done = Some(tick);
    }

    fn last(&self) -> &Epoch {
        self.epochs.last().expect("there is one at least")
    }

    fn is_denied_by_last(&self, session: usize, action: Action, pattern: Pattern) -> bool {
        let it = &self.sessions[session];
        self.last().decide(it.realm, it.role.as_deref(), action, pattern) == Verdict::Deny
    }

    /// Configurations that some shard may have gone by since `from`.
    fn epochs_since(&self, from: u64) -> impl Iterator<Item = usize> {
        let is_over = move |at: usize| {
            let next = self.epochs.get(at + 1);
            next.and_then(|next| next.done).is_some_and(|done| done < from)
        };
        (0..self.epochs.len()).filter(move |at| !is_over(*at))
    }

    fn decide(&self, epoch: usize, session: usize, action: Action, pattern: Pattern) -> Verdict {
        let it = &self.sessions[session];
        self.epochs[epoch].decide(it.realm, it.role.as_deref(), action, pattern)
    }

    /// Since when the realm is what it is in this epoch.
    fn version_since(&self, epoch: usize, realm: usize) -> u64 {
        let it = self.epochs[epoch].realm(realm);
        let same = (0..=epoch).rev().take_while(|at| self.epochs[*at].realm(realm) == it);
        self.epochs[same.last().unwrap_or(epoch)].since
    }

    /// Whether the rules of a realm may have changed since.
    pub(super) fn may_have_changed(&self, realm: usize, since: u64) -> bool {
        let mut possible = self.epochs_since(since).map(|epoch| self.version_since(epoch, realm));
        let first = possible.next();
        possible.any(|version| Some(version) != first)
    }

    /// Whether a procedure may decide about a session.
    pub(super) fn is_judged(&self, session: usize) -> bool {
        let it = &self.sessions[session];
        let any = (MatchPolicy::Exact, "u");
        let decide =
            |epoch: usize| self.epochs[epoch].decide(it.realm, it.role.as_deref(), Action::Call, any);
        let possible = self.epochs_since(it.begun.unwrap_or(0));
        possible.map(decide).any(|verdict| matches!(verdict, Verdict::Ask | Verdict::Unknown))
    }

    /// Whether a session that has asked for this at `from` may have been told so.
    fn may_be(
        &self,
        session: usize,
        (action, pattern): (Action, Pattern),
        from: u64,
        wanted: Verdict,
    ) -> bool {
        self.epochs_since(from).any(|epoch| match self.decide(epoch, session, action, pattern) {
            Verdict::Ask => {
                let since = self.version_since(epoch, self.sessions[session].realm);
                self.was_ruled(session, (action, pattern), from, since, wanted)
            }
            Verdict::Unknown => true,
            verdict => verdict == wanted,
        })
    }

    /// A request has had an effect, or was answered in another way than by a refusal.
    pub(super) fn was_allowed(&self, session: usize, request: Request) {
        let from = self.handed_of(request).unwrap_or(0);
        for wish in self.wishes(request) {
            let is_legal = self.may_be(session, wish, from, Verdict::Allow);
            assert!(is_legal, "session {session} was not allowed to {wish:?}");
        }
    }

    /// The router says that a request is not allowed, or that it could not find out.
    pub(super) fn access_refused(&mut self, session: usize, request: Request, error: &str) {
        let wishes = self.wishes(request);
        let from = self.handed_of(request).unwrap_or(0);
        let is_legal = wishes.iter().any(|wish| match error {
            NOT_AUTHORIZED => self.may_be(session, *wish, from, Verdict::Deny),
            _ => self.may_have_failed(session, *wish, from),
        });
        assert!(is_legal, "{error} for session {session}, which wanted {wishes:?}");
        match request {
            // If it was subscribed before, that may be taken away, but not by this.
            Request::Subscribe(ix) if self.subs[ix].id.is_none() => {
                (self.subs[ix].is_left, self.subs[ix].ending) = (true, true);
            }
            Request::Publish(ix) => self.publications[ix].is_refused = true,
            Request::Register(ix) => self.regs[ix].is_refused = true,
            Request::Call(ix) => {
                assert_eq!(self.calls[ix].reg, None, "a call was refused after its invocation");
                self.calls[ix].is_refused = true;
            }
            _ => {}
        }
    }

    /// What a request needs to be allowed.
    fn wishes(&self, request: Request) -> Vec<(Action, Pattern)> {
        let exact = |action, uri| (action, (MatchPolicy::Exact, uri));
        let wish = match request {
            Request::Subscribe(ix) => (Action::Subscribe, self.subs[ix].pattern),
            Request::Register(ix) => (Action::Register, self.regs[ix].pattern),
            Request::Publish(ix) => exact(Action::Publish, self.publications[ix].topic),
            Request::Call(ix) => exact(Action::Call, self.calls[ix].procedure),
            Request::Kill(_) => exact(Action::Call, "wamp.session.kill"),
            Request::Testament(_) => exact(Action::Call, ADD_TESTAMENT),
            Request::Fact(fact) => exact(Action::Call, self.question(fact).0),
            Request::Revoke(ix) => exact(Action::Call, self.revokes[ix].procedure()),
            Request::Unsubscribe(_) | Request::Unregister(_) | Request::Refused(..) => return Vec::new(),
        };
        match request {
            Request::Testament(ix) => vec![wish, exact(Action::Publish, self.testaments[ix].topic)],
            _ => vec![wish],
        }
    }

    /// Whether a session that has left may have been allowed to publish its testament, and whether it must have been.
    pub(super) fn may_bequeath(&self, session: usize, topic: &'static str) -> (bool, bool) {
        let pattern = (MatchPolicy::Exact, topic);
        let decide = |epoch| self.decide(epoch, session, Action::Publish, pattern);
        let from = self.sessions[session].ending.unwrap_or(0);
        let may = self.epochs_since(from).any(|epoch| decide(epoch) != Verdict::Deny);
        // Who asks a procedure otherwise does not now.
        let must =
            self.epochs_since(from).all(|epoch| matches!(decide(epoch), Verdict::Allow | Verdict::Ask));
        (may, must)
    }

    fn handed_of(&self, request: Request) -> Option<u64> {
        match request {
            Request::Subscribe(ix) => self.subs[ix].handed,
            Request::Register(ix) => self.regs[ix].handed,
            Request::Publish(ix) => self.publications[ix].handed,
            Request::Call(ix) => self.calls[ix].handed,
            _ => None,
        }
    }

    /// Whether a publication must have been allowed.
    pub(super) fn is_admitted(&self, ix: usize) -> bool {
        let it = &self.publications[ix];
        let Some(handed) = it.handed.filter(|_| !it.is_refused) else { return false };
        let pattern = (MatchPolicy::Exact, it.topic);
        let is_allowed = |epoch| self.decide(epoch, it.session, Action::Publish, pattern) == Verdict::Allow;
        it.acknowledged.is_some() || self.epochs_since(handed).all(is_allowed)
    }

    /// Whether what was asked for at `handed` may be taken away at once, or may have been.
    pub(super) fn may_lose(
        &self,
        session: usize,
        action: Action,
        pattern: Pattern,
        handed: Option<u64>,
    ) -> bool {
        let denies = |epoch| self.decide(epoch, session, action, pattern) == Verdict::Deny;
        self.epochs_since(handed.unwrap_or(0)).any(denies)
    }

    /// An EVENT for what was published at `handed` comes by a right that is there, or may have been.
    pub(super) fn still_subscribed(&self, at: usize, handed: u64) {
        let sub = &self.subs[at];
        let is_gone = sub.withdrawn.is_some_and(|tick| tick < handed && sub.last < Some(tick));
        assert!(!is_gone, "EVENT for what was taken away: {sub:?}");
        self.has_right(sub.session, (Action::Subscribe, sub.pattern), handed, sub.last);
    }

    /// The same for an INVOCATION.
    pub(super) fn still_registered(&self, at: usize, handed: u64) {
        let reg = &self.regs[at];
        self.has_right(reg.session, (Action::Register, reg.pattern), handed, reg.registered);
    }

    /// A right counts until all shards have gone over to rules that withdraw it. What was asked for before, and not answered yet,
    /// counts until its answer.
    fn has_right(&self, session: usize, (action, pattern): (Action, Pattern), from: u64, since: Option<u64>) {
        let denies = |epoch: &usize| self.decide(*epoch, session, action, pattern) == Verdict::Deny;
        let possible: Vec<usize> = self.epochs_since(from).collect();
        if !possible.iter().all(denies) {
            return;
        }
        let begin = (0..=possible[0]).rev().take_while(denies).last().unwrap_or(0);
        let Epoch { since: told, done, .. } = self.epochs[begin];
        let was_there = since.is_some_and(|since| since < told);
        let is_late = !was_there && !self.is_known(done, from);
        assert!(is_late, "session {session} has lost {action:?} {pattern:?}");
    }

    /// WELCOME: the session is let in, perhaps to be sent away at once.
    pub(super) fn is_let_in(&mut self, session: usize) {
        let it = &self.sessions[session];
        let admits = |epoch: usize| self.epochs[epoch].admits(it.realm, it.user, it.role.as_deref());
        let possible: Vec<usize> = self.epochs_since(it.begun.unwrap_or(0)).collect();
        assert!(possible.iter().any(|epoch| admits(*epoch)), "WELCOME for {it:?}");
        assert!(it.user.is_none_or(|user| user == it.authid), "{it:?}");
        if !possible.iter().all(|epoch| admits(*epoch)) {
            // It may have been over long before the client could read that it had begun.
            let begun = it.begun;
            self.sessions[session].is_hunted = true;
            self.sessions[session].ending = self.sessions[session].ending.or(begun);
            self.is_cut(session);
        }
    }

    /// Whether a client that has said HELLO may be told this.
    pub(crate) fn is_turned_away(&self, session: usize, reason: &str) -> bool {
        let it = &self.sessions[session];
        let possible = || self.epochs_since(it.begun.unwrap_or(0)).map(|epoch| &self.epochs[epoch]);
        let lacks_realm = possible().any(|epoch| epoch.realm(it.realm).is_none());
        let lacks_user = possible().any(|epoch| !epoch.admits(it.realm, it.user, None));
        // It may have got a role that is not its own any more.
        let role = |epoch: &Epoch| {
            let auth = &epoch.realm(it.realm)?.auth;
            let user = auth.users.iter().find(|user| Some(&*user.authid) == it.user);
            Some(user.map_or(auth.anonymous_role.clone(), |user| user.authrole.clone()))
        };
        let changes = possible().any(|epoch| possible().any(|other| role(epoch) != role(other)));
        match reason {
            "wamp.error.no_such_realm" => lacks_realm,
            "wamp.error.authentication_denied" => lacks_user || changes,
            "wamp.error.authentication_required" | "wamp.error.no_matching_auth_method" => lacks_user,
            _ => false,
        }
    }

    /// The same for whatever reason.
    pub(crate) fn may_be_turned_away(&self, session: usize) -> bool {
        ["no_such_realm", "authentication_denied", "no_matching_auth_method"]
            .iter()
            .any(|reason| self.is_turned_away(session, &format!("wamp.error.{reason}")))
    }

    /// Whether the session's realm may have been closed.
    pub(crate) fn was_closed(&self, session: usize) -> bool {
        let it = &self.sessions[session];
        self.epochs_since(it.begun.unwrap_or(0)).any(|epoch| self.epochs[epoch].realm(it.realm).is_none())
    }

    /// The reason for which the router has taken something away.
    pub(super) fn is_revoked_for(
        &self,
        session: usize,
        action: Action,
        pattern: Pattern,
        handed: Option<u64>,
        reason: Option<&str>,
    ) {
        let is_legal = match reason {
            Some(NOT_AUTHORIZED) => self.may_lose(session, action, pattern, handed),
            Some("connectanum.registration.reregistered") => {
                let is_same = |by: &super::Reg| by.by_force && by.pattern == pattern && by.handed.is_some();
                self.regs.iter().any(is_same)
            }
            reason => self.has_asked_for(session, action, pattern, reason),
        };
        assert!(is_legal, "{pattern:?} was taken from session {session}: {reason:?}");
    }

    /// Nobody has what the rules do not allow, and who had it was told.
    pub(super) fn check_rights_at_rest(&self) {
        assert!(self.last().done.is_some(), "another configuration is still under way");
        for (ix, it) in self.sessions.iter().enumerate().filter(|(_, it)| it.ending.is_none()) {
            let role = it.role.as_deref();
            assert!(self.last().admits(it.realm, it.user, role), "session {ix} is there: {it:?}");
            if it.features.contains(Features::SUBSCRIPTION_REVOCATION) {
                for at in it.subs.values() {
                    let is_forbidden = self.is_denied_by_last(ix, Action::Subscribe, self.subs[*at].pattern);
                    assert!(!is_forbidden, "not revoked: {:?}", self.subs[*at]);
                }
                let left = self.subs.iter().find(|sub| sub.session == ix && sub.must_go && !sub.is_left);
                assert!(left.is_none(), "nobody told that it goes: {left:?}");
            }
            for at in it.regs.values() {
                let is_forbidden = self.is_denied_by_last(ix, Action::Register, self.regs[*at].pattern);
                assert!(!is_forbidden, "not revoked: {:?}", self.regs[*at]);
            }
            let left = self.regs.iter().find(|reg| reg.session == ix && reg.must_go && !reg.is_left);
            assert!(left.is_none(), "nobody told that it goes: {left:?}");
        }
    }
}
