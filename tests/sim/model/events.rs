//! Publish and subscribe: who is owed which events, and in which order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use connectanum::access::Action;
use connectanum::wamp::message::{Event, MatchPolicy};
use connectanum::wamp::{Payload, Serializer, SessionId};

use super::meta::Heard;
use super::{Model, Request, Session};
use crate::uris::{self, Pattern};
use crate::value::Args;

/// A subscription of one session, from its SUBSCRIBE on.
#[derive(Debug)]
pub(crate) struct Sub {
    pub(crate) session: usize,
    pub(crate) pattern: Pattern,
    /// The node that it belongs to, if it shares the keys with others.
    pub(crate) nkey: Option<&'static str>,
    /// Known since SUBSCRIBED was received.
    pub(crate) id: Option<u64>,
    /// When SUBSCRIBE was handed over, the first if there were several.
    pub(super) handed: Option<u64>,
    /// When SUBSCRIBED was received, the first if there were several.
    pub(super) since: Option<u64>,
    /// The last.
    pub(super) last: Option<u64>,
    /// UNSUBSCRIBE was sent, or the router has taken it away.
    pub(crate) is_left: bool,
    /// The id that it named.
    pub(crate) left: Option<u64>,
    /// UNSUBSCRIBE was handed over, or it may be taken away.
    pub(crate) ending: bool,
    /// It has to be taken away.
    pub(super) must_go: bool,
    /// Since when it is, as somebody was told.
    pub(super) withdrawn: Option<u64>,
    /// Events that must come, by publisher, in their order.
    owed: BTreeMap<usize, VecDeque<usize>>,
    pub(super) got: BTreeSet<usize>,
    /// Publishers of whom an event has come.
    followed: BTreeSet<usize>,
    /// Of each SUBSCRIBE that is not handed over yet: whether it asks for what is retained.
    pub(crate) asking: VecDeque<bool>,
    /// When those that do were handed over.
    pub(super) asked: Vec<u64>,
    /// Retained publications that have come.
    pub(super) recalled: Vec<usize>,
    /// Of the router's own events.
    pub(super) meta: Heard,
}

/// A PUBLISH.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) session: usize,
    pub(crate) request: u64,
    pub(crate) topic: &'static str,
    pub(crate) args: Args,
    /// As the publisher wrote them.
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_large: bool,
    pub(crate) disclose: bool,
    pub(crate) retain: bool,
    pub(crate) filter: Filter,
    pub(crate) handed: Option<u64>,
    /// When PUBLISHED was received.
    pub(crate) acknowledged: Option<u64>,
    /// It was not allowed.
    pub(crate) is_refused: bool,
    pub(crate) id: Option<u64>,
}

/// Who shall receive an event.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) to_me: bool,
    pub(crate) exclude: Vec<u64>,
    pub(crate) exclude_authid: Vec<String>,
    pub(crate) eligible: Option<Vec<u64>>,
    pub(crate) eligible_authrole: Option<&'static str>,
    /// One node of each topic or pattern gets it.
    pub(crate) rkey: Option<&'static str>,
}

impl Model {
    /// A session subscribes; again to the same is the same subscription.
    pub(crate) fn subscribe(
        &mut self,
        session: usize,
        pattern: Pattern,
        nkey: Option<&'static str>,
    ) -> usize {
        let ending = self.is_being_revoked(session, pattern);
        let same =
            |sub: &Sub| sub.session == session && sub.pattern == pattern && sub.nkey == nkey && !sub.is_left;
        self.subs.iter().position(same).unwrap_or_else(|| {
            self.subs.push(Sub {
                session,
                pattern,
                nkey,
                id: None,
                handed: None,
                since: None,
                last: None,
                is_left: false,
                left: None,
                ending,
                must_go: false,
                withdrawn: None,
                owed: BTreeMap::new(),
                got: BTreeSet::new(),
                followed: BTreeSet::new(),
                asking: VecDeque::new(),
                asked: Vec::new(),
                recalled: Vec::new(),
                meta: Heard::default(),
            });
            self.subs.len() - 1
        })
    }

    /// A session publishes. Its own subscriptions, whatever is under way, must get the event if it wants that.
    pub(crate) fn publish(&mut self, publication: Publication) -> usize {
        let ix = self.publications.len();
        let session = publication.session;
        self.publications.push(publication);
        for sub in 0..self.subs.len() {
            if self.subs[sub].session == session && !self.subs[sub].is_left && self.is_owed(ix, sub) {
                self.subs[sub].owed.entry(session).or_default().push_back(ix);
            }
        }
        ix
    }

    /// Whoever has received SUBSCRIBED must get the event.
    pub(super) fn publish_handed(&mut self, ix: usize) {
        self.publications[ix].handed = Some(self.tick);
        let publisher = self.publications[ix].session;
        for at in 0..self.subs.len() {
            let sub = &self.subs[at];
            let subscribed = sub.id.is_some() && !sub.ending && self.is_alive(sub.session);
            if subscribed && sub.session != publisher && self.is_owed(ix, at) {
                self.subs[at].owed.entry(publisher).or_default().push_back(ix);
            }
        }
    }

    pub(super) fn subscribed(&mut self, ix: usize, id: u64) {
        let sub = &self.subs[ix];
        assert!(sub.ending || sub.id.is_none_or(|it| it == id), "subscription {:?} became {id}", sub.id);
        let realm = self.sessions[sub.session].realm;
        let is_there = |sub: &Sub| sub.id.is_some() && !sub.ending && self.is_alive(sub.session);
        // If its own session has ended meanwhile, the topic may have begun anew since.
        let others =
            self.subs.iter().filter(|other| !sub.ending && self.is_alive(sub.session) && is_there(other));
        for other in others {
            let same = (other.pattern, other.nkey) == (sub.pattern, sub.nkey)
                && self.sessions[other.session].realm == realm;
            assert_eq!(other.id == Some(id), same, "subscription {id} of {sub:?} and {other:?}");
        }
        let session = sub.session;
        self.was_allowed(session, Request::Subscribe(ix));
        self.subs[ix].ending |= self.may_lose(session, Action::Subscribe, self.subs[ix].pattern, sub.handed);
        self.subs[ix].id = Some(id);
        self.subs[ix].since.get_or_insert(self.tick);
        self.subs[ix].last = Some(self.tick);
        // What was taken away and subscribed again is the same as before, for others.
        if let Some(before) = self.sessions[session].subs.insert(id, ix) {
            self.subs[ix].handed = self.subs[before].handed.min(self.subs[ix].handed);
        }
    }

    pub(super) fn unsubscribed(&mut self, ix: usize) {
        let Sub { session, id, .. } = self.subs[ix];
        // What the session itself had published before is there already, unless it was out for a while without knowing.
        if let Some(owed) = self.subs[ix].owed.get(&session)
            && !self.may_have_been_out(ix)
        {
            let missing = owed.iter().find(|ix| self.is_admitted(**ix));
            assert_eq!(missing, None, "UNSUBSCRIBED before own events {owed:?}");
        }
        let id = id.expect("only what was subscribed is unsubscribed");
        assert_eq!(self.sessions[session].subs.remove(&id), Some(ix));
    }

    pub(super) fn subscribe_handed(&mut self, ix: usize) {
        self.subs[ix].handed.get_or_insert(self.tick);
        self.ask_handed(ix);
    }

    pub(super) fn published(&mut self, ix: usize, id: u64) {
        self.was_allowed(self.publications[ix].session, Request::Publish(ix));
        self.publications[ix].acknowledged = Some(self.tick);
        self.same_publication(ix, id);
    }

    pub(super) fn event(&mut self, session: usize, event: &Event<'_>) {
        let Some(&at) = self.sessions[session].subs.get(&event.subscription.0) else {
            panic!("EVENT for {}, which is not subscribed", event.subscription);
        };
        let args = Args::read(&event.payload);
        let topic = event.details.topic.as_deref().unwrap_or(self.subs[at].pattern.1);
        if topic.starts_with("wamp.") {
            return self.meta_event(at, topic, &args);
        }
        if let Some(("testament", ix)) = args.origin() {
            return self.testament_event(at, ix, event, &args);
        }
        let Some(("publication", ix)) = args.origin() else { panic!("EVENT with {args:?}") };
        assert!(self.is_for(ix, at), "{:?} is not for {:?}", self.publications[ix], self.subs[at]);
        self.same_publication(ix, event.publication.0);
        let Publication { session: publisher, topic, .. } = self.publications[ix];
        assert_eq!(event.details.trustlevel, self.trustlevel(publisher, topic));
        if event.details.retained == Some(true) {
            return self.retained_event(at, ix, event, &args);
        }

        let publication = &self.publications[ix];
        let handed = publication.handed.expect("EVENT before PUBLISH");
        assert!(!publication.is_refused, "it was refused: {publication:?}");
        self.was_allowed(publication.session, Request::Publish(ix));
        self.still_subscribed(at, handed);
        let is_over =
            publication.acknowledged.is_some_and(|tick| self.subs[at].handed.is_some_and(|at| tick < at));
        assert!(!is_over, "EVENT for a SUBSCRIBE that came after PUBLISHED");
        let publisher = &self.sessions[publication.session];
        same_payload(&publication.args, &publication.bytes, publisher.serializer, &args, &event.payload);
        let is_pattern = self.subs[at].pattern.0 != MatchPolicy::Exact;
        assert_eq!(event.details.topic.as_deref(), is_pattern.then_some(publication.topic));
        is_disclosed(event.details.publisher, publication.disclose, publisher);

        assert!(self.subs[at].got.insert(ix), "publication {ix} came twice");
        let (publisher, number) = (publication.session, publication.request);
        if !self.is_owed(ix, at) {
            return self.has_one_node(ix, at);
        }
        let heard = self.sessions[session].heard.entry(publisher).or_insert(0);
        assert!(*heard <= number, "request {number} of session {publisher} came after its request {heard}");
        *heard = number;
        self.nothing_missed(session, publisher, number);
        self.owe_what_follows(ix, at);
        let owed = self.subs[at].owed.entry(publisher).or_default();
        // What is before it and has not come was not allowed.
        while owed.front().is_some_and(|ix| self.publications[*ix].request <= number) {
            owed.pop_front();
        }
    }

    /// The first event of a publisher has come. It may have been on its way already; nothing that was published after it is left out.
    fn owe_what_follows(&mut self, ix: usize, at: usize) {
        let Publication { session: publisher, request, .. } = self.publications[ix];
        let is_first = self.subs[at].followed.insert(publisher);
        if !is_first || self.subs[at].ending || self.subs[at].session == publisher {
            return;
        }
        let follows =
            |it: &Publication| it.session == publisher && it.request > request && it.handed.is_some();
        let later = (ix + 1..self.publications.len()).filter(|ix| follows(&self.publications[*ix]));
        let later = later.filter(|ix| self.is_owed(*ix, at)).collect();
        self.subs[at].owed.insert(publisher, later);
    }

    /// Of what a publisher has published before `number`, nothing that must come is missing.
    pub(super) fn nothing_missed(&self, session: usize, publisher: usize, number: u64) {
        for sub in self.subs.iter().filter(|sub| sub.session == session && !sub.ending) {
            let earlier = sub.owed.get(&publisher).into_iter().flatten();
            let mut earlier = earlier.take_while(|ix| self.publications[**ix].request < number);
            let missed = earlier.find(|ix| self.is_admitted(**ix));
            assert_eq!(missed, None, "an event was lost or is late");
        }
    }

    /// How many events of a publisher have come for a subscription.
    pub(crate) fn received_of(&self, sub: usize, publisher: usize) -> usize {
        self.subs[sub].got.iter().filter(|ix| self.publications[**ix].session == publisher).count()
    }

    /// An event for one node only has come; no other has it. It may have come to a node that had left, and be late.
    fn has_one_node(&self, ix: usize, at: usize) {
        let sub = &self.subs[at];
        let others =
            |other: &&Sub| other.pattern == sub.pattern && other.nkey.is_some_and(|it| Some(it) != sub.nkey);
        let twice = self.subs.iter().filter(others).find(|other| other.got.contains(&ix));
        assert!(twice.is_none(), "publication {ix} came for {sub:?} and for {twice:?}");
    }

    /// The node of a pattern that has got an event, all of it, and alone.
    pub(crate) fn node_of(&self, ix: usize, pattern: Pattern) -> &'static str {
        let member = |sub: &&Sub| {
            sub.pattern == pattern && sub.nkey.is_some() && !sub.ending && self.is_alive(sub.session)
        };
        let members: Vec<&Sub> = self.subs.iter().filter(member).collect();
        let first = members.iter().find(|sub| sub.got.contains(&ix)).expect("some node gets each event");
        for sub in &members {
            assert_eq!(sub.got.contains(&ix), sub.nkey == first.nkey, "event {ix} for {sub:?}");
        }
        first.nkey.expect("a node")
    }

    pub(super) fn check_events_at_rest(&self) {
        for sub in self.subs.iter().filter(|sub| !sub.ending && self.is_alive(sub.session)) {
            for (publisher, owed) in &sub.owed {
                let must =
                    |ix: &&usize| !self.sessions[*publisher].is_cut || self.publications[**ix].id.is_some();
                let lost = owed.iter().find(|ix| must(ix) && self.is_admitted(**ix));
                assert_eq!(
                    lost,
                    None,
                    "event lost: {:?} for {sub:?}",
                    lost.map(|ix| &self.publications[*ix])
                );
            }
        }
    }

    fn same_publication(&mut self, ix: usize, id: u64) {
        let known = self.publications[ix].id.get_or_insert(id);
        assert_eq!(*known, id, "publication {ix} has two ids");
        assert_eq!(*self.publication_ids.entry(id).or_insert(ix), ix, "publication id {id} was used before");
    }

    /// Whether a subscription must get a publication, and not just one of several nodes.
    pub(super) fn is_owed(&self, ix: usize, sub: usize) -> bool {
        let is_shared = self.publications[ix].filter.rkey.is_some() && self.subs[sub].nkey.is_some();
        !is_shared && self.is_for(ix, sub)
    }

    /// Whether a publication is for a subscription, as far as realm, topic, lists and size decide.
    pub(super) fn is_for(&self, ix: usize, sub: usize) -> bool {
        let (publication, sub) = (&self.publications[ix], &self.subs[sub]);
        let (publisher, subscriber) = (&self.sessions[publication.session], &self.sessions[sub.session]);
        let Filter { to_me, exclude, exclude_authid, eligible, eligible_authrole, rkey: _ } =
            &publication.filter;
        let listed = |list: &Vec<u64>| subscriber.id.is_some_and(|id| list.contains(&id));
        publisher.realm == subscriber.realm
            && uris::matches(sub.pattern, publication.topic)
            && (*to_me || publication.session != sub.session)
            && !listed(exclude)
            && !exclude_authid.contains(&subscriber.authid)
            && eligible.as_ref().is_none_or(listed)
            && eligible_authrole.is_none_or(|role| subscriber.role.as_deref() == Some(role))
            && !(publication.is_large && subscriber.is_limited)
    }
}

/// Whether the other side is named if it shall be; its own WELCOME may come later.
#[track_caller]
pub(super) fn is_disclosed(named: Option<SessionId>, wanted: bool, who: &Session) {
    assert_eq!(named.is_some(), wanted, "disclosed: {named:?}");
    if let (Some(named), Some(id)) = (named, who.id) {
        assert_eq!(named.0, id, "somebody else is disclosed");
    }
}

/// What has come must be what was sent, byte for byte if both sides use one serializer.
pub(super) fn same_payload(
    sent: &Args,
    bytes: &[u8],
    serializer: Serializer,
    args: &Args,
    payload: &Payload<'_>,
) {
    assert_eq!(sent, args, "the payload has changed");
    if serializer == payload.serializer {
        assert_eq!(bytes, payload.bytes, "the payload was written anew");
    }
}
