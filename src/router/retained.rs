//! Retained events: the last one of a topic, for those who subscribe later (spec: "Event Retention").
//!
//! A topic's owner keeps its event: the publisher's shard sends it each that is to be retained, whether or not somebody there
//! subscribes. A subscriber that asks is answered behind its SUBSCRIBED. By then each shard knows of the subscription, and sends what is
//! published from then on; what was published before is on its way to the owner, if it is not there. So the question goes
//! through all shards: each passes it on behind its publications, and the owner answers when it has heard it from all. The answer
//! and what is published meanwhile may cross; a retained event that is older than one that was delivered is dropped.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use super::conn::{Pieces, Stall, TooLarge};
use super::delivery::Body;
use super::identity::Identity;
use super::kept::Kept;
use super::mesh::{RealmId, ShardId, Word};
use super::nodes;
use super::publish::Publication;
use super::realm::TopicKey;
use super::shard::{ConnId, Shard};
use super::time::Time;
use super::{Hasher, Map};
use crate::limits::{Limited, Limits, RETAINED_RESTRICTED_MAX};
use crate::wamp::message::{MatchPolicy, Payload};
use crate::wamp::{SubscriptionId, uri};

slotmap::new_key_type! {
    /// A subscriber that waits for retained events, at its home.
    pub(super) struct RecallKey;
}

/// The retained events of a realm whose topics this shard owns.
#[derive(Debug)]
pub(super) struct Retained {
    /// Of each topic one for everybody, and behind it newer ones for chosen subscribers; seldom more than one in all.
    topics: Map<Box<str>, Vec<Arc<Kept>>>,
    events: usize,
    bytes: usize,
    /// An event was refused, and that was said.
    was_full: bool,
}

impl Retained {
    pub(super) fn new(hasher: &Hasher) -> Retained {
        Retained { topics: Map::with_hasher(hasher.clone()), events: 0, bytes: 0, was_full: false }
    }

    /// Takes an event in place of those before it. If there is no room the topic has none: an old one would be wrong.
    pub(super) fn keep(&mut self, kept: Arc<Kept>, limits: &Limits, limited: &mut Limited) {
        let topic = kept.parcel.uri();
        let mut events = self.topics.remove(topic).unwrap_or_default();
        self.events -= events.len();
        self.bytes -= weight(&events);
        if kept.extras.audience.is_none() {
            events.clear();
        } else if events.len() > RETAINED_RESTRICTED_MAX {
            // The first may be the one for everybody.
            events.remove(usize::from(events[0].extras.audience.is_none()));
        }
        let topic: Box<str> = topic.into();
        events.push(kept);
        let (count, bytes) = (self.events + events.len(), self.bytes + weight(&events));
        if count > limits.retained_events_max || bytes > limits.retained_bytes_max {
            limited.retained_events_max += u64::from(count > limits.retained_events_max);
            limited.retained_bytes_max += u64::from(bytes > limits.retained_bytes_max);
            if !mem::replace(&mut self.was_full, true) {
                tracing::warn!(
                    topic = &*topic,
                    "an event was not retained: retained_events_max or retained_bytes_max is reached"
                );
            }
            return;
        }
        (self.events, self.bytes) = (count, bytes);
        self.topics.insert(topic, events);
    }

    /// What a subscriber to this pattern gets: of each topic the newest event that is for it.
    fn recall(&self, policy: MatchPolicy, pattern: &str, who: &Identity) -> Vec<Arc<Kept>> {
        let newest = |events: &Vec<Arc<Kept>>| events.iter().rfind(|kept| kept.extras.admits(who)).cloned();
        match policy {
            MatchPolicy::Exact => self.topics.get(pattern).and_then(newest).into_iter().collect(),
            _ => {
                let topics = self.topics.iter().filter(|(topic, _)| uri::matches(pattern, policy, topic));
                topics.filter_map(|(_, events)| newest(events)).collect()
            }
        }
    }
}

fn weight(events: &[Arc<Kept>]) -> usize {
    events.iter().map(|kept| kept.weight()).sum()
}

/// The question of a subscriber for retained events, on its way through all shards.
#[derive(Debug)]
pub(super) struct Recall {
    key: RecallKey,
    home: ShardId,
    realm: RealmId,
    policy: MatchPolicy,
    pattern: Arc<str>,
    who: Arc<Identity>,
}

/// The same at home.
#[derive(Debug)]
pub(super) struct Recalling {
    conn: ConnId,
    realm: RealmId,
    topic: TopicKey,
    subscription: SubscriptionId,
    policy: MatchPolicy,
    /// Owners that have not answered.
    missing: u16,
    /// What they have said and the subscriber has not been sent, since it is slower.
    waiting: VecDeque<Arc<Kept>>,
    /// Topics of which the subscriber has got an event since that is retained, too.
    overtaken: Map<Box<str>, ()>,
}

/// The recalls of a shard.
#[derive(Debug, Default)]
pub(super) struct Recalls {
    /// Of its own sessions.
    asked: slotmap::SlotMap<RecallKey, Recalling>,
    /// As an owner: those that have not come from all shards yet, with how many they have come from.
    passed: Vec<(ShardId, RecallKey, u16)>,
}

impl Recalls {
    pub(super) fn len(&self) -> usize {
        self.asked.len() + self.passed.len()
    }

    /// Of the recalls of this connection those that `is_meant`.
    fn of(&self, conn: ConnId, is_meant: impl Fn(&Recalling) -> bool) -> Vec<RecallKey> {
        let meant = self.asked.iter().filter(|(_, it)| it.conn == conn && is_meant(it));
        meant.map(|(key, _)| key).collect()
    }
}

impl Shard {
    /// Home: a session that has just been told SUBSCRIBED asks for retained events.
    pub(super) fn recall(&mut self, now: Time, realm: RealmId, key: TopicKey, id: ConnId) {
        let Some(who) = self.session(id).map(|session| session.identity.clone()) else { return };
        let Some(topic) = self.realms[usize::from(realm.0)].topic.get(key) else { return };
        let Some(subscription) = topic.subscription else { return };
        let (policy, pattern) = (topic.policy, nodes::parts(&topic.uri).0.into());
        let missing = if policy == MatchPolicy::Exact { 1 } else { self.shards };
        let key = self.recalls.asked.insert(Recalling {
            conn: id,
            realm,
            topic: key,
            subscription,
            policy,
            missing,
            waiting: VecDeque::new(),
            overtaken: Map::with_hasher(self.hasher.clone()),
        });
        if let Some(session) = self.session_mut(id) {
            session.recalls += 1;
        }
        let recall = Arc::new(Recall { key, home: self.id, realm, policy, pattern, who });
        for shard in (0..self.shards).map(ShardId) {
            self.tell(now, shard, Word::Recall(recall.clone()));
        }
    }

    /// The question goes on to the owners, behind what this shard has told them.
    pub(super) fn pass_recall(&mut self, now: Time, recall: Arc<Recall>) {
        let Recall { realm, policy, ref pattern, .. } = *recall;
        if policy == MatchPolicy::Exact {
            let owner = self.owner(realm, policy, pattern);
            return self.tell(now, owner, Word::RecallPassed(recall));
        }
        for shard in (0..self.shards).map(ShardId) {
            self.tell(now, shard, Word::RecallPassed(recall.clone()));
        }
    }

    /// Owner: one more shard has said all that it had to say before.
    pub(super) fn recall_passed(&mut self, now: Time, recall: &Recall) {
        let Recall { key, home, realm, policy, pattern, who } = recall;
        let passed = &mut self.recalls.passed;
        let same = |(shard, it, _): &(ShardId, RecallKey, u16)| shard == home && it == key;
        let at = passed.iter().position(same).unwrap_or_else(|| {
            passed.push((*home, *key, 0));
            passed.len() - 1
        });
        passed[at].2 += 1;
        if passed[at].2 < self.shards {
            return;
        }
        passed.swap_remove(at);
        let events = self.realms[usize::from(realm.0)].retained.recall(*policy, pattern, who).into();
        self.tell(now, *home, Word::Recalled { key: *key, events });
    }

    /// Home: an owner has answered.
    pub(super) fn recalled(&mut self, key: RecallKey, events: Box<[Arc<Kept>]>) {
        let Some(recalling) = self.recalls.asked.get_mut(key) else { return };
        recalling.missing -= 1;
        recalling.waiting.extend(events);
        self.go_on_recalling(key);
    }

    /// Home: sends what is retained, until that is all or the subscriber has enough to read.
    fn go_on_recalling(&mut self, key: RecallKey) {
        let high = self.limits().outbound_bytes_high;
        loop {
            let Some(recalling) = self.recalls.asked.get_mut(key) else { return };
            let Recalling { conn, subscription, policy, missing, .. } = *recalling;
            if self.wire.conns.get(conn).is_some_and(|conn| conn.out.len() > high) {
                return;
            }
            match recalling.waiting.pop_front() {
                Some(kept) if recalling.overtaken.contains_key(kept.parcel.uri()) => {}
                Some(kept) => self.deliver_kept(conn, subscription, policy, &kept),
                None if missing > 0 => return,
                None => return self.end_recall(key),
            }
        }
    }

    fn end_recall(&mut self, key: RecallKey) {
        let Some(Recalling { conn, .. }) = self.recalls.asked.remove(key) else { return };
        let Some(session) = self.session_mut(conn) else { return };
        session.recalls -= 1;
        if session.unsettled == 0 {
            self.wire.unstall(conn, Stall::HELD);
        }
    }

    /// A client has read what waited for it: more may come.
    pub(super) fn resume_recalls(&mut self, id: ConnId) {
        if self.session(id).is_some_and(|session| session.recalls > 0) {
            self.recalls.of(id, |_| true).into_iter().for_each(|key| self.go_on_recalling(key));
        }
    }

    /// A session no longer subscribes to a topic.
    pub(super) fn forget_recalls(&mut self, id: ConnId, topic: TopicKey) {
        if self.session(id).is_some_and(|session| session.recalls > 0) {
            self.recalls.of(id, |it| it.topic == topic).into_iter().for_each(|key| self.end_recall(key));
        }
    }

    /// Home: an event that is retained is about to be delivered, to those that [`Scratch::matches`](super::delivery::Scratch) names.
    /// Whoever of them waits for the retained one of this topic needs it no more.
    #[cold]
    pub(super) fn overtake(&mut self, realm: RealmId, event: &Publication<'_>) {
        for it in self.recalls.asked.values_mut() {
            if it.realm != realm || !self.scratch.matches.contains(&it.topic) || event.skip == Some(it.conn) {
                continue;
            }
            let session = self.wire.conns.get(it.conn).and_then(|conn| conn.session.as_deref());
            let admits = |who: &Identity| event.extras.is_none_or(|extras| extras.admits(who));
            if session.is_some_and(|session| admits(&session.identity)) {
                it.overtaken.insert(event.topic.into(), ());
            }
        }
    }

    fn deliver_kept(&mut self, id: ConnId, subscription: SubscriptionId, policy: MatchPolicy, kept: &Kept) {
        let event = Publication {
            id: kept.publication,
            topic: kept.parcel.uri(),
            publisher: kept.publisher.as_deref(),
            extras: Some(&kept.extras),
            skip: None,
            retained: true,
        };
        let mut body = Body::of_parcel(&kept.parcel);
        let (arena, heads) = (&mut self.arena, &mut self.scratch.heads);
        heads.clear();
        let sent = self.wire.send_with(id, |_, serializer| {
            let items = body.items();
            let (payload, shared) = body.form(serializer, arena);
            event.write_head(subscription, policy, Payload { serializer, items, bytes: payload }, heads);
            Some(Pieces { head: heads, payload, shared })
        });
        if sent == Err(TooLarge) {
            tracing::debug!(conn = ?id, "retained event is larger than the subscriber accepts, dropped");
        }
    }
}
