//! Subscriptions and registrations that clients have the router take from others (spec: "Subscription Revocation").

use connectanum::access::Action;
use connectanum::wamp::message::Features;

use super::meta::Heard;
use super::{Model, Sub};
use crate::uris::Pattern;
use crate::value::{Args, Value};

/// A call that takes something away from a session.
#[derive(Debug)]
pub(crate) struct Revoke {
    pub(crate) by: usize,
    pub(crate) target: Target,
    /// The id, as the caller knows it.
    pub(crate) id: u64,
    pub(crate) reason: Option<&'static str>,
    /// When it was handed over.
    handed: Option<u64>,
    /// It was uncertain before whether the session has it.
    was_ending: bool,
    is_done: bool,
}

/// What is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Subscription(usize),
    Registration(usize),
}

impl Revoke {
    pub(crate) fn new(by: usize, target: Target, id: u64, reason: Option<&'static str>) -> Revoke {
        Revoke { by, target, id, reason, handed: None, was_ending: false, is_done: false }
    }

    pub(crate) fn procedure(&self) -> &'static str {
        match self.target {
            Target::Subscription(_) => "wamp.subscription.remove_subscriber",
            Target::Registration(_) => "wamp.registration.remove_callee",
        }
    }
}

impl Model {
    /// Subscriptions and registrations of sessions whose ids are known, each with its own.
    pub(crate) fn targets(&self) -> Vec<(Target, u64)> {
        let subs = self.subs.iter().enumerate().map(|(at, it)| (Target::Subscription(at), it.session, it.id));
        let regs = self.regs.iter().enumerate().map(|(at, it)| (Target::Registration(at), it.session, it.id));
        let known = subs.chain(regs).filter(|(_, session, _)| self.sessions[*session].id.is_some());
        known.filter_map(|(target, _, id)| Some((target, id?))).collect()
    }

    /// The arguments of the call.
    pub(crate) fn revoke_args(&self, ix: usize) -> Args {
        let it = &self.revokes[ix];
        let session = self.sessions[self.target_of(ix).0].id.expect("it is known");
        let mut list = vec![Value::Int(it.id as i64), Value::Int(session as i64)];
        list.extend(it.reason.map(|reason| Value::Text(reason.to_owned())));
        Args(vec![Value::List(list)])
    }

    /// Whose it is, and what.
    fn target_of(&self, ix: usize) -> (usize, Action, Pattern) {
        match self.revokes[ix].target {
            Target::Subscription(at) => (self.subs[at].session, Action::Subscribe, self.subs[at].pattern),
            Target::Registration(at) => (self.regs[at].session, Action::Register, self.regs[at].pattern),
        }
    }

    /// Whether the caller is in the realm of what it wants to take away.
    fn is_at_hand(&self, ix: usize) -> bool {
        self.sessions[self.revokes[ix].by].realm == self.sessions[self.target_of(ix).0].realm
    }

    /// From now on the session may lose it, whatever it has of that pattern.
    pub(super) fn revoke_handed(&mut self, ix: usize) {
        let tick = self.tick;
        self.revokes[ix].handed = Some(tick);
        if !self.is_at_hand(ix) {
            return;
        }
        let (session, action, pattern) = self.target_of(ix);
        self.revokes[ix].was_ending = match self.revokes[ix].target {
            Target::Subscription(at) => self.subs[at].ending || self.subs[at].is_left,
            Target::Registration(at) => self.regs[at].ending.is_some() || self.regs[at].is_left,
        };
        if action == Action::Subscribe {
            for sub in self.subs.iter_mut().filter(|it| it.session == session && it.pattern == pattern) {
                sub.ending = true;
            }
        } else {
            for reg in self.regs.iter_mut().filter(|it| it.session == session && it.pattern == pattern) {
                reg.ending.get_or_insert(tick);
            }
        }
    }

    /// Whether a call is under way that may take from a session what it asks for now.
    pub(super) fn is_being_revoked(&self, session: usize, pattern: Pattern) -> bool {
        let is_it = |ix: usize| {
            let (owner, _, its) = self.target_of(ix);
            (owner, its) == (session, pattern)
        };
        let open = |ix: &usize| self.revokes[*ix].handed.is_some() && !self.revokes[*ix].is_done;
        (0..self.revokes.len()).filter(open).any(is_it)
    }

    /// Whether somebody has asked that this be taken from the session, for this reason.
    pub(super) fn has_asked_for(
        &self,
        session: usize,
        action: Action,
        pattern: Pattern,
        reason: Option<&str>,
    ) -> bool {
        (0..self.revokes.len()).any(|ix| {
            let it = &self.revokes[ix];
            it.handed.is_some() && it.reason == reason && self.target_of(ix) == (session, action, pattern)
        })
    }

    /// Whether a subscription may have been taken away at some time.
    pub(super) fn may_have_been_out(&self, at: usize) -> bool {
        let Sub { session, pattern, handed, .. } = self.subs[at];
        let is_it = |ix: usize| self.target_of(ix) == (session, Action::Subscribe, pattern);
        self.may_lose(session, Action::Subscribe, pattern, handed)
            || (0..self.revokes.len()).any(|ix| self.revokes[ix].handed.is_some() && is_it(ix))
    }

    /// It was taken away.
    pub(super) fn revoke_done(&mut self, ix: usize) {
        assert!(self.is_at_hand(ix), "taken from a session of another realm");
        let tick = self.tick;
        let Revoke { target, id, handed, .. } = self.revokes[ix];
        self.revokes[ix].is_done = true;
        if let Target::Subscription(at) = target {
            let sub = &mut self.subs[at];
            sub.must_go |= sub.id == Some(id);
            if sub.id == Some(id) && sub.last < handed {
                sub.withdrawn = Some(tick);
            }
        }
    }

    /// There was nothing to take away.
    pub(super) fn revoke_failed(&mut self, ix: usize, error: &str) {
        self.revokes[ix].is_done = true;
        let it = &self.revokes[ix];
        let (session, action, _) = self.target_of(ix);
        let expected: &[&str] = match action {
            Action::Subscribe => &["wamp.error.no_such_session", "wamp.error.no_such_subscription"],
            _ => &["wamp.error.no_such_registration", "wamp.error.no_such_callee"],
        };
        assert!(expected.contains(&error), "{error} for {it:?}");
        let is_left = match it.target {
            Target::Subscription(at) => self.subs[at].is_left,
            Target::Registration(at) => self.regs[at].is_left,
        };
        let same = |other: usize| self.target_of(other) == self.target_of(ix);
        let rivals = (0..self.revokes.len()).filter(|other| same(*other)).count();
        let excused = is_left || it.was_ending || rivals > 1 || !self.is_alive(session);
        assert!(excused || !self.is_at_hand(ix), "{error}, but it is there: {it:?}");
    }

    /// UNSUBSCRIBED that nobody has asked for.
    pub(super) fn subscription_revoked(&mut self, session: usize, id: u64, reason: Option<&str>) {
        let Some(ix) = self.sessions[session].subs.remove(&id) else {
            panic!("subscription {id} is revoked, which is not there");
        };
        assert!(self.sessions[session].features.contains(Features::SUBSCRIPTION_REVOCATION));
        let sub = &self.subs[ix];
        assert!(sub.ending, "nobody has taken {sub:?} away");
        self.is_revoked_for(session, Action::Subscribe, sub.pattern, sub.handed, reason);
        let sub = &mut self.subs[ix];
        sub.is_left = true;
        // Another SUBSCRIBE may be under way. What comes between, it does not hear.
        (sub.since, sub.meta) = (None, Heard::default());
    }

    /// UNSUBSCRIBE was in vain: the subscription was taken away before.
    pub(super) fn unsubscribe_refused(&mut self, ix: usize, error: &str) {
        assert_eq!(error, "wamp.error.no_such_subscription");
        let sub = &self.subs[ix];
        let is_told = self.sessions[sub.session].features.contains(Features::SUBSCRIPTION_REVOCATION);
        let (session, left) = (sub.session, sub.left.expect("it was left"));
        if is_told {
            // Subscribed again meanwhile, it may have got another id.
            assert_ne!(self.sessions[session].subs.get(&left), Some(&ix), "UNSUBSCRIBE of {sub:?}");
        } else {
            assert!(self.may_have_been_out(ix), "UNSUBSCRIBE of {sub:?}");
            let subs = &mut self.sessions[session].subs;
            if subs.get(&left) == Some(&ix) {
                subs.remove(&left);
            }
        }
    }
}
