//! Ends that others bring about, and what ended sessions leave behind: who is killed is gone, and testaments come exactly once.

use std::collections::BTreeSet;

use connectanum::wamp::message::{Error, Event, MatchPolicy};

use super::events::same_payload;
use super::{Model, Request};
use crate::uris;
use crate::value::{Args, Value};

/// A testament.
#[derive(Debug)]
pub(crate) struct Testament {
    pub(crate) session: usize,
    pub(crate) topic: &'static str,
    pub(crate) is_detached: bool,
    pub(crate) args: Args,
    /// As the session wrote them.
    pub(crate) bytes: Vec<u8>,
    /// Its session has been told that it is kept.
    pub(super) is_kept: bool,
    /// Subscriptions that must get it, and those that have got it.
    owed: BTreeSet<usize>,
    got: BTreeSet<usize>,
}

impl Model {
    /// A session adds a testament.
    pub(crate) fn add_testament(
        &mut self,
        session: usize,
        topic: &'static str,
        is_detached: bool,
        args: Args,
        bytes: Vec<u8>,
    ) -> usize {
        let (owed, got) = (BTreeSet::new(), BTreeSet::new());
        self.testaments.push(Testament {
            session,
            topic,
            is_detached,
            args,
            bytes,
            is_kept: false,
            owed,
            got,
        });
        self.testaments.len() - 1
    }

    /// A session begins to end: whoever subscribes must get its testaments.
    pub(super) fn owe_testaments(&mut self, session: usize) {
        let subscribed: BTreeSet<usize> = (0..self.subs.len())
            .filter(|at| {
                let sub = &self.subs[*at];
                sub.id.is_some() && !sub.ending && self.is_alive(sub.session) && sub.session != session
            })
            .collect();
        for ix in 0..self.testaments.len() {
            if self.testaments[ix].session == session && self.testaments[ix].is_kept {
                let owed = subscribed.iter().copied().filter(|at| self.is_heir(ix, *at)).collect();
                self.testaments[ix].owed = owed;
            }
        }
    }

    /// Whether a testament is for a subscription.
    fn is_heir(&self, ix: usize, at: usize) -> bool {
        let (testament, sub) = (&self.testaments[ix], &self.subs[at]);
        let (from, to) = (&self.sessions[testament.session], &self.sessions[sub.session]);
        from.realm == to.realm
            && uris::matches(sub.pattern, testament.topic)
            && testament.session != sub.session
    }

    /// An EVENT that is a testament.
    pub(super) fn testament_event(&mut self, at: usize, ix: usize, event: &Event<'_>, args: &Args) {
        assert!(self.is_heir(ix, at), "{:?} is not for {:?}", self.testaments[ix], self.subs[at]);
        let (testament, sub) = (&self.testaments[ix], &self.subs[at]);
        let (from, to) = (testament.session, sub.session);
        assert!(self.may_bequeath(from, testament.topic).0, "not allowed: {testament:?}");
        let publisher = &self.sessions[from];
        assert_eq!(event.details.trustlevel, self.trustlevel(from, testament.topic));
        assert!(publisher.ending.is_some(), "a testament of the living: {testament:?}");
        same_payload(&testament.args, &testament.bytes, publisher.serializer, args, &event.payload);
        let is_pattern = sub.pattern.0 != MatchPolicy::Exact;
        assert_eq!(event.details.topic.as_deref(), is_pattern.then_some(testament.topic));
        // Each scope in its order, all behind what the session has published itself.
        let rank = (!testament.is_detached, ix);
        let is_cut = publisher.is_cut;
        assert!(self.testaments[ix].got.insert(at), "testament {ix} came twice");
        let last = self.sessions[to].inherited.insert(from, rank);
        assert!(last.is_none_or(|last| last <= rank), "{last:?} came before {rank:?}");
        self.sessions[to].heard.insert(from, u64::MAX);
        if !is_cut {
            self.nothing_missed(to, from, u64::MAX);
        }
    }

    /// Whether the session `target` is one that `killer` may end.
    pub(super) fn is_prey(&self, killer: usize, target: usize) -> bool {
        killer != target && self.sessions[killer].realm == self.sessions[target].realm
    }

    /// A call to kill was handed over.
    pub(super) fn kill_handed(&mut self, killer: usize, target: usize) {
        if self.is_prey(killer, target) {
            self.sessions[target].is_hunted = true;
            self.is_cut(target);
        }
    }

    /// RESULT of a call to the router itself.
    pub(super) fn meta_result(&mut self, session: usize, request: Request, args: &Args) {
        self.was_allowed(session, request);
        if let Request::Fact(fact) = request {
            return self.fact_told(session, fact, args);
        }
        assert_eq!(args.0, [Value::List(vec![Value::Null])]);
        match request {
            Request::Kill(target) => {
                assert!(self.is_prey(session, target), "killed, but not by session {session}");
                self.sessions[target].must_be_gone = true;
            }
            Request::Testament(ix) => self.testaments[ix].is_kept = true,
            Request::Revoke(ix) => self.revoke_done(ix),
            other => panic!("RESULT for {other:?}"),
        }
    }

    /// ERROR for a call to the router itself.
    pub(super) fn meta_failed(&mut self, session: usize, request: Request, error: &Error<'_>) {
        self.was_allowed(session, request);
        match (request, &*error.error) {
            (request, "wamp.error.unavailable") => {
                let kept = self.testaments.iter().filter(|it| it.session == session && it.is_kept).count();
                let is_full = matches!(request, Request::Testament(_)) && kept >= self.limits.testaments_max;
                assert!(is_full || self.has_too_many_calls(session), "unavailable");
            }
            // It has gone, or is about to.
            (Request::Kill(target), "wamp.error.no_such_session") => {
                if self.is_prey(session, target) {
                    self.sessions[target].must_be_gone = true;
                }
            }
            (Request::Fact(fact), _) => self.fact_unknown(session, fact, error),
            (Request::Revoke(ix), error) => self.revoke_failed(ix, error),
            (request, error) => panic!("ERROR {error} for {request:?}"),
        }
    }

    pub(super) fn has_too_many_calls(&self, session: usize) -> bool {
        let calls = self.sessions[session].requests.values().filter(|it| it.is_call());
        calls.count() >= self.limits.pending_calls_max
    }

    pub(super) fn check_endings_at_rest(&self) {
        for (ix, session) in self.sessions.iter().enumerate().filter(|(_, it)| it.must_be_gone) {
            assert!(
                session.gone.is_some() || session.ends_itself,
                "session {ix} was killed and is there: {session:?}"
            );
        }
        // When a connection is closed as too slow, its session was over before the host knew.
        if self.limits.outbound_bytes_max < 1 << 20 {
            return;
        }
        for testament in self.testaments.iter().filter(|it| self.sessions[it.session].gone.is_some()) {
            for at in &testament.owed {
                let sub = &self.subs[*at];
                let must = !sub.ending
                    && self.is_alive(sub.session)
                    && self.may_bequeath(testament.session, testament.topic).1;
                assert!(!must || testament.got.contains(at), "{testament:?} is lost for {sub:?}");
            }
        }
    }
}
