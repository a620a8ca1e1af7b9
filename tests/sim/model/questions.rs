//! What the router asks procedures: whether a session may do what it wants. Each question has a reason, what was answered counts, and what
//! is to be remembered is not asked again.

use connectanum::access::Action;
use connectanum::wamp::message::MatchPolicy;

use super::rights::{ADD_TESTAMENT, Verdict};
use super::{Invoked, Model, Reg};
use crate::plan::REALMS;
use crate::rules::AUTHORIZER;
use crate::uris::Pattern;
use crate::value::{Args, Value};

/// A question that has come to a callee.
#[derive(Debug)]
pub(crate) struct Question {
    /// The id of the session that it is about.
    asker: u64,
    judge: usize,
    /// Of the INVOCATION.
    request: u64,
    action: Action,
    policy: MatchPolicy,
    uri: String,
    invoked: u64,
    /// What the callee has answered, and when that was handed over.
    pub(crate) ruling: Option<Ruling>,
    pub(super) given: Option<u64>,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ruling {
    Decided {
        allow: bool,
        /// The router is to remember it.
        cache: bool,
    },
    /// An error, or nonsense.
    Bad,
}

impl Question {
    fn is_about(&self, action: Action, (policy, uri): Pattern) -> bool {
        (self.action, self.policy, &*self.uri) == (action, policy, uri)
    }
}

impl Model {
    /// A callee is asked.
    pub(super) fn questioned(&mut self, judge: usize, request: u64, args: &Args) {
        let [Value::List(list)] = &args.0[..] else { panic!("asked with {args:?}") };
        let [Value::Dict(details), Value::Text(uri), Value::Text(action), Value::Dict(options)] = &list[..]
        else {
            panic!("asked with {list:?}")
        };
        let Value::Int(asker) = details["session"] else { panic!("asked about {details:?}") };
        let policy = match options.get("match") {
            None => MatchPolicy::Exact,
            Some(Value::Text(name)) => MatchPolicy::from_name(name).expect("a policy"),
            Some(other) => panic!("asked about a pattern that is {other:?}"),
        };
        let action = Action::ALL.into_iter().find(|it| it.name() == action).expect("an action");
        let asker = asker as u64;
        let question = Question {
            asker,
            judge,
            request,
            action,
            policy,
            uri: uri.clone(),
            invoked: self.tick,
            ruling: None,
            given: None,
        };
        let realm = Value::Text(REALMS[self.sessions[judge].realm].to_owned());
        assert_eq!(details["realm"], realm, "asked about a session of another realm");
        assert_ne!(self.sessions[judge].id, Some(asker), "asked about itself");
        // It may not have read its WELCOME yet.
        if let Some(session) = self.sessions.iter().position(|it| it.id == Some(asker)) {
            assert_eq!(details["authid"], Value::Text(self.sessions[session].authid.clone()));
            assert!(self.wanted_since(session, &question).is_some(), "nobody wants to know: {question:?}");
            assert!(self.is_judged(session), "there are rules for {question:?}");
            let again = self.questions.iter().find(|it| self.is_settled(session, it, &question));
            assert!(again.is_none(), "{again:?} was to be remembered, but {question:?}");
        }
        let it = &mut self.sessions[judge];
        it.asked.push((request, self.questions.len()));
        it.invoked.push(Invoked { call: None, is_interrupted: false, is_over: false });
        self.questions.push(question);
    }

    /// Since when a session may have needed to be decided about; `None`: it has sent no such request.
    fn wanted_since(&self, session: usize, question: &Question) -> Option<u64> {
        let is_it = |of: usize, pattern| of == session && question.is_about(question.action, pattern);
        let exact = |uri| (MatchPolicy::Exact, uri);
        match question.action {
            Action::Call if question.uri.starts_with("wamp.") => self.sessions[session].begun,
            Action::Publish if self.has_bequeathed(session, question) => self.sessions[session].begun,
            Action::Call => {
                let calls = self.calls.iter().filter(|it| is_it(it.session, exact(it.procedure)));
                calls.filter_map(|it| it.handed).min()
            }
            Action::Publish => {
                let all = self.publications.iter().filter(|it| is_it(it.session, exact(it.topic)));
                all.filter_map(|it| it.handed).min()
            }
            Action::Subscribe => {
                let subs = self.subs.iter().filter(|it| is_it(it.session, it.pattern));
                subs.filter_map(|it| it.handed).min()
            }
            Action::Register => {
                let regs = self.regs.iter().filter(|it| is_it(it.session, it.pattern));
                regs.filter_map(|it| it.handed).min()
            }
        }
    }

    fn has_bequeathed(&self, session: usize, question: &Question) -> bool {
        self.testaments.iter().any(|it| it.session == session && question.uri == it.topic)
    }

    /// Whether an earlier question has decided for good what is asked now.
    fn is_settled(&self, session: usize, earlier: &Question, now: &Question) -> bool {
        let is_same = earlier.asker == now.asker
            && (earlier.action, earlier.policy, &earlier.uri) == (now.action, now.policy, &now.uri);
        // It may have been long on its way to who decides.
        let asked = self.wanted_since(session, earlier).unwrap_or(0);
        is_same
            && now.policy == MatchPolicy::Exact
            && now.uri != ADD_TESTAMENT
            && matches!(earlier.ruling, Some(Ruling::Decided { cache: true, .. }))
            && earlier.given.is_some()
            && self.is_alive(earlier.judge)
            && self.is_alive(session)
            && !self.may_be_late()
            && !self.may_have_changed(self.sessions[session].realm, asked)
    }

    /// Whether nobody wants the answer of this INVOCATION any more.
    pub(super) fn is_idle(&self, judge: usize, request: u64) -> bool {
        let question = self.questions.iter().find(|it| (it.judge, it.request) == (judge, request));
        let asker = question.map(|it| it.asker);
        let stays = (0..self.sessions.len()).any(|it| self.sessions[it].id == asker && self.is_alive(it));
        self.may_be_late() || !stays
    }

    /// Whether time may have run out for a question.
    pub(super) fn may_be_late(&self) -> bool {
        self.now.0 >= self.limits.authorizer_ms_max * 1000
    }

    /// Whether such a ruling about a request that was handed over at `from` may have come: to a question that it has led to, or to an
    /// earlier one, if it is remembered since the rules have changed, at `since`, at last.
    pub(super) fn was_ruled(
        &self,
        session: usize,
        (action, pattern): (Action, Pattern),
        from: u64,
        since: u64,
        wanted: Verdict,
    ) -> bool {
        let id = self.sessions[session].id;
        self.questions.iter().any(|it| {
            let Some(Ruling::Decided { allow, cache }) = it.ruling else { return false };
            let is_kept = cache && it.policy == MatchPolicy::Exact && it.invoked >= since;
            it.given.is_some()
                && Some(it.asker) == id
                && it.is_about(action, pattern)
                && allow == (wanted == Verdict::Allow)
                && (it.invoked >= from || is_kept)
        })
    }

    /// Whether it may be that nobody could decide.
    pub(super) fn may_have_failed(
        &self,
        session: usize,
        (action, pattern): (Action, Pattern),
        from: u64,
    ) -> bool {
        let it = &self.sessions[session];
        let (realm, id) = (it.realm, it.id);
        let is_bad = |it: &Question| match it.ruling {
            Some(Ruling::Bad) => true,
            ruling => ruling.is_none() || it.given.is_none() || !self.is_alive(it.judge),
        };
        let mut questions = self
            .questions
            .iter()
            .filter(|it| Some(it.asker) == id && it.is_about(action, pattern) && it.invoked >= from);
        let is_other = |reg: &&Reg| reg.session != session;
        let is_judge = |reg: &Reg| reg.pattern == AUTHORIZER && self.realm(reg) == realm;
        let comes_or_goes = self.regs.iter().any(|reg| is_judge(reg) && self.may_fail(reg, from));
        let is_there = self.callees_since(from, realm, AUTHORIZER.1).any(|reg| is_other(&reg));
        self.is_judged(session)
            && (questions.any(is_bad)
                || !is_there
                || comes_or_goes
                || self.may_be_late()
                || self.limits.held_invocations_max == 1)
    }
}
