//! Events of the past: who asks gets what was published, in its order, and nothing that others are not to see.

use std::collections::BTreeSet;

use connectanum::config::TopicPolicy;
use connectanum::wamp::message::MatchPolicy;

use super::{Filter, Model, Publication};
use crate::uris;
use crate::value::{Args, Value};

impl Model {
    /// Whether anything is recorded in a session's realm.
    pub(super) fn has_history(&self, session: usize) -> bool {
        !self.realms[self.sessions[session].realm].topics.is_empty()
    }

    /// The answer to a question for the history of a subscription, which was asked at `since`.
    pub(super) fn history_told(&self, session: usize, at: usize, since: u64, args: &Args) {
        let [Value::List(results)] = &args.0[..] else { panic!("a history: {args:?}") };
        let [Value::List(events)] = &results[..] else { panic!("a history: {args:?}") };
        let mut told = Vec::new();
        for event in events {
            let Value::Dict(event) = event else { panic!("an event: {event:?}") };
            let payload =
                Args(["args", "kwargs"].iter().filter_map(|key| event.get(*key)).cloned().collect());
            match payload.origin() {
                Some(("publication", ix)) => told.push(ix),
                Some(("testament", _)) => continue,
                origin => panic!("an event of {origin:?}"),
            }
            let publication = &self.publications[told[told.len() - 1]];
            assert_eq!(payload, publication.args);
            assert!(publication.handed.is_some(), "a publication before its PUBLISH: {publication:?}");
            assert!(self.may_see(session, at, publication), "{publication:?} is not for session {session}");
            let Some(Value::Int(id)) = event.get("publication") else { panic!("{event:?}") };
            assert!(publication.id.is_none_or(|known| known == *id as u64), "another id: {publication:?}");
            assert_eq!(event.get("subscription"), self.subs[at].id.map(|id| Value::Int(id as i64)).as_ref());
            self.are_its_details(at, publication, event.get("details"));
        }
        let all: BTreeSet<usize> = told.iter().copied().collect();
        assert_eq!(all.len(), told.len(), "some came twice: {told:?}");
        // Each entry of the configuration has its order.
        for (n, a) in told.iter().enumerate() {
            let earlier = |b: &&usize| self.is_before(**b, *a) && self.recorder(**b) == self.recorder(*a);
            let late = told[n + 1..].iter().find(earlier);
            assert_eq!(late, None, "events came behind publication {a}, which is newer");
        }
        let owed = |ix: &usize| {
            let publication = &self.publications[*ix];
            publication.acknowledged.is_some_and(|tick| tick < since)
                && self.may_see(session, at, publication)
                && !self.may_be_pushed_out(*ix)
        };
        let lost = (0..self.publications.len()).filter(owed).find(|ix| !all.contains(ix));
        assert_eq!(lost, None, "lost: {:?}", lost.map(|ix| &self.publications[ix]));
    }

    /// What an EVENT of it would have had; its own payload's attributes, too.
    fn are_its_details(&self, at: usize, publication: &Publication, details: Option<&Value>) {
        let Some(Value::Dict(details)) = details else { panic!("{details:?}") };
        let text = |key: &str| match details.get(key) {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        let passthru = publication.args.passthru();
        assert_eq!(text("ppt_scheme"), passthru.ppt_scheme.as_deref());
        assert_eq!(text("ppt_serializer"), passthru.ppt_serializer.as_deref());
        assert_eq!(text("ppt_cipher"), passthru.ppt_cipher.as_deref());
        assert_eq!(text("ppt_keyid"), passthru.ppt_keyid.as_deref());
        let is_pattern = self.subs[at].pattern.0 != MatchPolicy::Exact;
        assert_eq!(text("topic"), is_pattern.then_some(publication.topic));
        let trustlevel = self.trustlevel(publication.session, publication.topic);
        assert_eq!(details.get("trustlevel"), trustlevel.map(|level| Value::Int(level as i64)).as_ref());
        assert_eq!(details.contains_key("publisher"), publication.disclose);
    }

    /// Whether an event may be in the history of a subscription, for this session.
    fn may_see(&self, session: usize, at: usize, publication: &Publication) -> bool {
        let who = &self.sessions[session];
        let Filter { exclude, exclude_authid, eligible, eligible_authrole, .. } = &publication.filter;
        self.sessions[publication.session].realm == who.realm
            && uris::matches(self.subs[at].pattern, publication.topic)
            && self.entry(publication).is_some()
            && exclude.is_empty()
            && eligible.is_none()
            && !exclude_authid.contains(&who.authid)
            && eligible_authrole.is_none_or(|role| role == "anonymous")
    }

    /// Whether so many events of its entry may be newer that it is not kept any more.
    fn may_be_pushed_out(&self, ix: usize) -> bool {
        let kept = self.entry(&self.publications[ix]).map_or(0, |entry| entry.history);
        let may_be_newer = |other: &usize| {
            let is_sent = self.publications[*other].handed.is_some();
            is_sent
                && *other != ix
                && self.recorder(*other) == self.recorder(ix)
                && !self.is_before(*other, ix)
        };
        // Testaments may push it out as well.
        let newer = (0..self.publications.len()).filter(may_be_newer).count() + self.testaments.len();
        newer >= kept
    }

    /// What keeps a publication: its realm, and which entry of its configuration.
    fn recorder(&self, ix: usize) -> (usize, Option<&str>) {
        let publication = &self.publications[ix];
        let entry = self.entry(publication).map(|entry| &*entry.uri);
        (self.sessions[publication.session].realm, entry)
    }

    /// The entry that says how many events of a topic are kept: the first that matches.
    fn entry(&self, publication: &Publication) -> Option<&TopicPolicy> {
        let all = &self.realms[self.sessions[publication.session].realm].topics;
        all.iter().find(|entry| uris::matches((entry.match_policy, &entry.uri), publication.topic))
    }
}
