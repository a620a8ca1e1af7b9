//! Sessions: their ids, when they end, and what must have happened until then.

use std::collections::BTreeMap;

use connectanum::config::TrustRule;
use connectanum::wamp::Serializer;
use connectanum::wamp::message::Features;

use super::{Invoked, Model, Request, STREAM};
use crate::uris;

/// A session from its HELLO on.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) shard: u16,
    pub(crate) realm: usize,
    pub(crate) serializer: Serializer,
    /// Its transport takes small messages only.
    pub(crate) is_limited: bool,
    /// Who it is, unless it comes without a name; and the role that WELCOME tells.
    pub(crate) user: Option<&'static str>,
    pub(crate) role: Option<String>,
    /// What it announces, in every role.
    pub(crate) features: Features,
    pub(crate) id: Option<u64>,
    pub(crate) authid: String,
    /// When HELLO was handed over.
    pub(crate) begun: Option<u64>,
    /// Since when it may be over for the router: the client, or the transport, has begun to end it.
    pub(crate) ending: Option<u64>,
    /// Since when it is over for its shard.
    pub(crate) gone: Option<u64>,
    /// It has said GOODBYE or broken the protocol. It may be deaf then, and nobody sees that it is over.
    pub(crate) ends_itself: bool,
    /// Somebody wants to end it.
    pub(crate) is_hunted: bool,
    /// Somebody was told that it is over.
    pub(crate) must_be_gone: bool,
    /// Not all that was handed over may have been looked at.
    pub(crate) is_cut: bool,
    /// Requests without an answer.
    pub(crate) requests: BTreeMap<u64, Request>,
    pub(crate) last_request: u64,
    pub(crate) last_invocation: u64,
    /// Subscriptions and registrations by id.
    pub(crate) subs: BTreeMap<u64, usize>,
    pub(crate) regs: BTreeMap<u64, usize>,
    /// Publisher to the number of the last event of it.
    pub(crate) heard: BTreeMap<usize, u64>,
    /// The same for testaments, by scope and number.
    pub(crate) inherited: BTreeMap<usize, (bool, usize)>,
    /// Caller to the last of its calls; the same by registration.
    pub(crate) called: BTreeMap<(usize, Option<u64>), u64>,
    /// Invocations to be answered: request id and call.
    pub(crate) open: Vec<(u64, usize)>,
    /// The same for what the router asks.
    pub(crate) asked: Vec<(u64, usize)>,
    /// All its invocations, in their order.
    pub(crate) invoked: Vec<Invoked>,
}

impl Model {
    /// A client says HELLO.
    pub(crate) fn join(
        &mut self,
        shard: u16,
        realm: usize,
        serializer: Serializer,
        is_limited: bool,
    ) -> usize {
        // By turns, so that all kinds meet.
        let progresses = Features::PROGRESSIVE_CALL_RESULTS;
        let (cancels, all) = (Features::CALL_CANCELING, STREAM.with(progresses));
        let announced = [all, cancels, all, STREAM, progresses, Features::default()];
        self.sessions.push(Session {
            features: announced[self.sessions.len() % announced.len()],
            shard,
            realm,
            serializer,
            is_limited,
            user: None,
            role: None,
            id: None,
            authid: String::new(),
            begun: None,
            ending: None,
            gone: None,
            ends_itself: false,
            is_hunted: false,
            must_be_gone: false,
            is_cut: false,
            requests: BTreeMap::new(),
            last_request: 0,
            last_invocation: 0,
            subs: BTreeMap::new(),
            regs: BTreeMap::new(),
            heard: BTreeMap::new(),
            inherited: BTreeMap::new(),
            called: BTreeMap::new(),
            open: Vec::new(),
            asked: Vec::new(),
            invoked: Vec::new(),
        });
        self.sessions.len() - 1
    }

    /// WELCOME.
    pub(crate) fn welcomed(&mut self, session: usize, id: u64, authid: String, role: &str) {
        let it = &mut self.sessions[session];
        assert_eq!(it.id, None, "a second WELCOME");
        assert!((1..=1 << 53).contains(&id));
        assert_eq!(id % self.shards, u64::from(it.shard), "session {id} does not name its shard");
        assert!(self.session_ids.insert(id), "session id {id} was there before");
        it.id = Some(id);
        it.authid = authid;
        it.role = Some(role.to_owned());
        self.is_let_in(session);
    }

    /// The next request of a session.
    pub(crate) fn request(&mut self, session: usize, request: Request, is_answered: bool) -> u64 {
        let it = &mut self.sessions[session];
        it.last_request += 1;
        if is_answered {
            it.requests.insert(it.last_request, request);
        }
        it.last_request
    }

    /// From now on the session may be over.
    pub(crate) fn ends(&mut self, session: usize) {
        if self.sessions[session].ending.is_none() {
            self.sessions[session].ending = Some(self.tick);
            self.owe_testaments(session);
        }
    }

    /// The session ended in the middle of something: what it had sent may be lost.
    pub(crate) fn is_cut(&mut self, session: usize) {
        self.ends(session);
        self.sessions[session].is_cut = true;
    }

    /// The session is over for its shard.
    pub(crate) fn is_gone(&mut self, session: usize) {
        self.ends(session);
        self.sessions[session].gone.get_or_insert(self.tick);
    }

    /// The answer to GOODBYE: all requests that change anything were answered before.
    pub(crate) fn left(&mut self, session: usize) {
        let open = self.sessions[session].requests.values().filter(|it| !it.is_call());
        let open: Vec<_> = open.collect();
        assert!(open.is_empty(), "GOODBYE before the answers to {open:?}");
        self.is_gone(session);
        for reg in self.regs.iter_mut().filter(|reg| reg.session == session) {
            reg.released.get_or_insert(self.tick);
        }
    }

    /// How far the configuration trusts a session with this URI.
    pub(super) fn trustlevel(&self, session: usize, uri: &str) -> Option<u64> {
        let is_role = |role: &Option<String>| role.as_ref().is_none_or(|role| role == "anonymous");
        let matches =
            |rule: &&TrustRule| uris::matches((rule.match_policy, &rule.uri), uri) && is_role(&rule.authrole);
        let rules = &self.realms[self.sessions[session].realm].trustlevels;
        rules.iter().find(matches).map(|rule| rule.level)
    }

    pub(super) fn is_alive(&self, session: usize) -> bool {
        self.sessions[session].ending.is_none()
    }
}
