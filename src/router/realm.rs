//! What a shard knows of a realm: its copy of the routing tables and its own subscribers.

use std::hash::BuildHasher;
use std::sync::Arc;

use indexmap::IndexSet;
use slotmap::SlotMap;

use super::matching::UriTable;
use super::mesh::{Offer, RealmId, ShardId, ShardSet};
use super::retained::Retained;
use super::shard::{ConnId, Shard};
use super::{Hasher, Map};
use crate::config::{RealmConfig, Retain};
use crate::wamp::message::MatchPolicy;
use crate::wamp::{RegistrationId, RequestId, SessionId, SubscriptionId};

slotmap::new_key_type! {
    /// A topic, at this shard.
    pub(super) struct TopicKey;
}

/// See the module.
#[derive(Debug)]
pub(super) struct Realm {
    pub(super) topics: UriTable<TopicKey>,
    pub(super) topic: SlotMap<TopicKey, Topic>,
    pub(super) procedures: UriTable<RegistrationId>,
    pub(super) registration: Map<RegistrationId, Registration>,
    /// Events of topics that this shard owns.
    pub(super) retained: Retained,
    /// The configuration has something to say about publications.
    pub(super) has_topic_rules: bool,
}

/// A topic or pattern that somebody subscribes to.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) policy: MatchPolicy,
    pub(super) uri: Arc<str>,
    /// Given by the owner; `None` until it has said so.
    pub(super) subscription: Option<SubscriptionId>,
    /// Shards with subscribers. The owner's set is the truth, the others' its copy.
    pub(super) shards: ShardSet,
    /// Subscribers of this shard that have their SUBSCRIBED.
    pub(super) local: IndexSet<ConnId, Hasher>,
    /// Where this shard itself stands.
    pub(super) membership: Membership,
}

/// Whether a shard is among those that receive a topic's events.
#[derive(Debug)]
pub(super) enum Membership {
    /// No.
    Out,
    /// The owner has been asked; these wait for SUBSCRIBED.
    Joining(Vec<Joiner>),
    /// Every shard knows.
    In,
}

/// A session that waits for SUBSCRIBED.
#[derive(Debug)]
pub(super) struct Joiner {
    pub(super) session: SessionId,
    pub(super) request: RequestId,
    /// It wants the retained events.
    pub(super) get_retained: bool,
}

/// A registration.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) offer: Arc<Offer>,
    /// In the order of their registration. The owner's list is the truth, the others' its copy.
    pub(super) callees: Vec<SessionId>,
    /// At the owner: index of the callee whose turn is next.
    pub(super) turn: usize,
}

impl Realm {
    pub(super) fn new(config: &RealmConfig, hasher: &Hasher) -> Realm {
        Realm {
            topics: UriTable::new(hasher.clone()),
            topic: SlotMap::with_key(),
            procedures: UriTable::new(hasher.clone()),
            registration: Map::with_hasher(hasher.clone()),
            retained: Retained::new(hasher),
            has_topic_rules: !config.trustlevels.is_empty()
                || config.topics.iter().any(|topic| topic.retain == Retain::Always),
        }
    }

    pub(super) fn topics(&self) -> usize {
        debug_assert_eq!(self.topics.len(), self.topic.len());
        self.topic.len()
    }

    pub(super) fn registrations(&self) -> usize {
        debug_assert_eq!(self.procedures.len(), self.registration.len());
        self.registration.len()
    }

    /// The topic of this pattern, made if it is new.
    pub(super) fn topic_entry(&mut self, policy: MatchPolicy, uri: &Arc<str>, hasher: &Hasher) -> TopicKey {
        if let Some(key) = self.topics.get(policy, uri) {
            return key;
        }
        let key = self.topic.insert(Topic {
            policy,
            uri: uri.clone(),
            subscription: None,
            shards: ShardSet::default(),
            local: IndexSet::with_hasher(hasher.clone()),
            membership: Membership::Out,
        });
        self.topics.insert(policy, uri, key);
        key
    }

    /// Forgets the topic if nobody needs it any more.
    pub(super) fn prune_topic(&mut self, key: TopicKey) {
        let Some(topic) = self.topic.get(key) else { return };
        if topic.shards.is_empty() && matches!(topic.membership, Membership::Out) {
            debug_assert!(topic.local.is_empty());
            self.topics.remove(topic.policy, &topic.uri);
            self.topic.remove(key);
        }
    }

    /// A callee has come.
    pub(super) fn add_callee(&mut self, offer: &Arc<Offer>, callee: SessionId) {
        let registration = self.registration.entry(offer.registration).or_insert_with(|| {
            self.procedures.insert(offer.policy, &offer.procedure, offer.registration);
            Registration { offer: offer.clone(), callees: Vec::new(), turn: 0 }
        });
        registration.callees.push(callee);
    }

    /// A callee has left; returns whether it was there. The turn stays with its neighbour (decision D13).
    pub(super) fn remove_callee(&mut self, id: RegistrationId, callee: SessionId) -> bool {
        let Some(registration) = self.registration.get_mut(&id) else { return false };
        let Some(index) = registration.callees.iter().position(|c| *c == callee) else { return false };
        registration.callees.remove(index);
        if index < registration.turn {
            registration.turn -= 1;
        }
        if registration.turn >= registration.callees.len() {
            registration.turn = 0;
        }
        if registration.callees.is_empty() {
            self.procedures.remove(registration.offer.policy, &registration.offer.procedure);
            self.registration.remove(&id);
        }
        true
    }
}

impl Shard {
    /// The shard that decides about this pattern.
    pub(super) fn owner(&self, realm: RealmId, policy: MatchPolicy, uri: &str) -> ShardId {
        ShardId((self.hasher.hash_one((realm.0, policy, uri)) % u64::from(self.shards)) as u16)
    }

    pub(super) fn realm(&mut self, realm: RealmId) -> &mut Realm {
        &mut self.realms[usize::from(realm.0)]
    }
}
