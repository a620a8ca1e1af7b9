//! Retained events: what a subscriber that asks must get, and what it must not.

use connectanum::wamp::message::{Event, MatchPolicy};

use super::events::{Publication, Sub, is_disclosed, same_payload};
use super::{Filter, Model};
use crate::value::Args;

impl Model {
    /// A SUBSCRIBE was handed over; it may ask for what is retained.
    pub(super) fn ask_handed(&mut self, sub: usize) {
        let tick = self.tick;
        let sub = &mut self.subs[sub];
        if sub.asking.pop_front().expect("a SUBSCRIBE was sent") {
            sub.asked.push(tick);
        }
    }

    /// An EVENT with `retained: true` has come for a subscription, and it is for it.
    pub(super) fn retained_event(&mut self, at: usize, ix: usize, event: &Event<'_>, args: &Args) {
        let (publication, sub) = (&self.publications[ix], &self.subs[at]);
        let publisher = &self.sessions[publication.session];
        assert!(publication.retain, "retained, though nobody asked for that: {publication:?}");
        assert!(publication.handed.is_some(), "EVENT before PUBLISH");
        same_payload(&publication.args, &publication.bytes, publisher.serializer, args, &event.payload);
        let is_pattern = sub.pattern.0 != MatchPolicy::Exact;
        assert_eq!(event.details.topic.as_deref(), is_pattern.then_some(publication.topic));
        is_disclosed(event.details.publisher, publication.disclose, publisher);
        let first = sub.asked.first().expect("only who asks gets retained events");
        let times = sub.recalled.iter().filter(|it| **it == ix).count();
        assert!(times < sub.asked.len(), "retained publication {ix} came too often");

        for (other, newer) in self.publications.iter().enumerate() {
            if !newer.retain || newer.topic != publication.topic || !self.is_before(ix, other) {
                continue;
            }
            let came = sub.got.contains(&other) || sub.recalled.contains(&other);
            assert!(!came, "retained publication {ix} came behind the newer {other}");
            let replaced = newer.acknowledged.is_some_and(|tick| tick < *first);
            assert!(
                !(replaced && newer.is_for_all() && self.is_same_realm(ix, other)),
                "retained publication {ix} had been replaced by {other}"
            );
        }
        self.subs[at].recalled.push(ix);
    }

    /// Whoever has asked has each retained event, or one that is not older: what was published before is retained, what was published
    /// later was sent.
    pub(super) fn check_retained_at_rest(&self) {
        let there =
            |(_, sub): &(usize, &Sub)| !sub.ending && !sub.asked.is_empty() && self.is_alive(sub.session);
        for (at, sub) in self.subs.iter().enumerate().filter(there) {
            for (ix, publication) in self.publications.iter().enumerate() {
                // With an id it was seen by somebody, so it was not lost on its way to the router.
                let is_owed = publication.retain && publication.id.is_some() && publication.is_for_all();
                // What was published later with a key may have gone to another node.
                if is_owed && self.is_owed(ix, at) {
                    assert!(
                        self.is_recalled(sub, at, ix),
                        "{sub:?} has nothing as new as retained {publication:?}"
                    );
                }
            }
        }
    }

    /// Whether a subscription has this retained publication or a newer one, or some took its place that are not for it.
    fn is_recalled(&self, sub: &Sub, at: usize, ix: usize) -> bool {
        let topic = self.publications[ix].topic;
        self.publications.iter().enumerate().any(|(other, it)| {
            let is_as_new = it.topic == topic && !(other != ix && self.is_before(other, ix));
            let came = sub.got.contains(&other) || sub.recalled.contains(&other);
            // The newest that its lists allow is sent, also if it turns out to be too large.
            let is_chosen = it.is_for_all() || it.is_large;
            let hides = it.retain && is_chosen && self.is_same_realm(ix, other) && !self.is_for(other, at);
            is_as_new && (came || hides)
        })
    }

    fn is_same_realm(&self, a: usize, b: usize) -> bool {
        let realm = |ix: usize| self.sessions[self.publications[ix].session].realm;
        realm(a) == realm(b)
    }

    /// Whether everybody can know that `a` was published before `b`.
    pub(super) fn is_before(&self, a: usize, b: usize) -> bool {
        let (a, b) = (&self.publications[a], &self.publications[b]);
        let same_publisher = a.session == b.session && a.request < b.request;
        let acknowledged = a.acknowledged.zip(b.handed).is_some_and(|(a, b)| a < b);
        same_publisher || acknowledged
    }
}

impl Publication {
    /// Whether it takes the place of those retained before.
    fn is_for_all(&self) -> bool {
        let Filter { to_me: _, exclude, exclude_authid, eligible, eligible_authrole, rkey: _ } = &self.filter;
        exclude.is_empty() && exclude_authid.is_empty() && eligible.is_none() && eligible_authrole.is_none()
    }
}
