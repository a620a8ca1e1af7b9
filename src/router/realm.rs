//! What a shard knows of a realm: its copy of the routing tables and its own subscribers.

use std::hash::BuildHasher;
use std::sync::Arc;

use indexmap::IndexSet;
use slotmap::SlotMap;

use super::history::History;
use super::identity::Identity;
use super::matching::UriTable;
use super::mesh::{Joined, Offer, RealmId, ShardId, ShardSet};
use super::nodes;
use super::pick::Rule;
use super::pool::Pool;
use super::retained::Retained;
use super::shard::{ConnId, Shard};
use super::time::Date;
use super::{Hasher, Map};
use crate::config::{RealmConfig, Retain};
use crate::wamp::message::MatchPolicy;
use crate::wamp::{RegistrationId, RequestId, SessionId, SubscriptionId, uri};

slotmap::new_key_type! {
    /// A topic, at this shard.
    pub(super) struct TopicKey;
}

/// See the module.
#[derive(Debug)]
pub(super) struct Realm {
    pub(super) topics: UriTable<TopicKey>,
    /// Those of nodes, by match policy and name; see `nodes`.
    nodes: [Map<Arc<str>, TopicKey>; 3],
    pub(super) topic: SlotMap<TopicKey, Topic>,
    /// Those whose owner this shard is.
    pub(super) owned: Map<SubscriptionId, Owned>,
    /// How many topics reach below `wamp.`. As long as there are none, nobody hears meta events.
    meta_topics: usize,
    pub(super) procedures: UriTable<RegistrationId>,
    pub(super) registration: Map<RegistrationId, Registration>,
    /// The configuration has something to say about calls.
    pub(super) has_call_rules: bool,
    /// Events of topics that this shard owns.
    pub(super) retained: Retained,
    /// Events of topics whose configuration this shard owns.
    pub(super) history: History,
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
    /// This shard has reported a subscriber to the owner since it is in: it must report it, too, when that leaves.
    pub(super) tells_members: bool,
    /// The topics of its nodes.
    pub(super) nodes: Vec<TopicKey>,
}

/// What only the owner of a subscription knows.
#[derive(Debug)]
pub(super) struct Owned {
    pub(super) topic: TopicKey,
    pub(super) created: Date,
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
    /// How this shard finds the callee of a call.
    pub(super) rule: Rule,
    /// At the owner: index of the callee whose turn is next.
    pub(super) turn: usize,
    /// At the owner, if invocations are counted.
    pub(super) pool: Option<Box<Pool>>,
    /// At the owner: the one callee, if one of its principal may take over.
    pub(super) holder: Option<Arc<Identity>>,
}

/// Whom a callee leaves behind that leaves a registration.
#[derive(Debug)]
pub(super) enum Left {
    /// It had left before.
    Before,
    /// Other callees.
    Others,
    /// It was the last; this was the registration.
    Nobody(Option<Registration>),
}

impl Realm {
    pub(super) fn new(config: &RealmConfig, hasher: &Hasher) -> Realm {
        Realm {
            topics: UriTable::new(hasher.clone()),
            nodes: std::array::from_fn(|_| Map::with_hasher(hasher.clone())),
            topic: SlotMap::with_key(),
            owned: Map::with_hasher(hasher.clone()),
            meta_topics: 0,
            procedures: UriTable::new(hasher.clone()),
            registration: Map::with_hasher(hasher.clone()),
            has_call_rules: has_call_rules(config),
            retained: Retained::new(hasher),
            history: History::new(config.topics.len()),
            has_topic_rules: has_topic_rules(config),
        }
    }

    /// Its configuration has changed. Registrations keep the policies that they were made with.
    pub(super) fn reconfigure(&mut self, before: &RealmConfig, after: &RealmConfig) {
        self.has_call_rules = has_call_rules(after);
        self.has_topic_rules = has_topic_rules(after);
        if before.topics != after.topics {
            self.history.rearrange(&before.topics, &after.topics);
        }
    }

    /// It is closed: nothing of it is kept for later.
    pub(super) fn forget(&mut self, config: &RealmConfig, hasher: &Hasher) {
        self.retained = Retained::new(hasher);
        self.history = History::new(config.topics.len());
    }

    pub(super) fn topics(&self) -> usize {
        let nodes: usize = self.nodes.iter().map(Map::len).sum();
        debug_assert_eq!(self.topics.len() + nodes, self.topic.len());
        self.topic.len()
    }

    pub(super) fn registrations(&self) -> usize {
        debug_assert_eq!(self.procedures.len(), self.registration.len());
        self.registration.len()
    }

    /// Whether somebody may hear meta events: they need not be made otherwise.
    pub(super) fn hears_meta(&self) -> bool {
        self.meta_topics > 0
    }

    /// The topic of this pattern, or of a node of it.
    pub(super) fn topic_key(&self, policy: MatchPolicy, name: &str) -> Option<TopicKey> {
        match nodes::parts(name) {
            (_, None) => self.topics.get(policy, name),
            _ => self.nodes[policy as usize].get(name).copied(),
        }
    }

    /// The same, made if it is new.
    pub(super) fn topic_entry(
        &mut self,
        policy: MatchPolicy,
        pattern: &Arc<str>,
        hasher: &Hasher,
    ) -> TopicKey {
        if let Some(key) = self.topic_key(policy, pattern) {
            return key;
        }
        let key = self.topic.insert(Topic {
            policy,
            uri: pattern.clone(),
            subscription: None,
            shards: ShardSet::default(),
            local: IndexSet::with_hasher(hasher.clone()),
            membership: Membership::Out,
            tells_members: false,
            nodes: Vec::new(),
        });
        if let (whole, Some(_)) = nodes::parts(pattern) {
            let whole = self.topic_entry(policy, &whole.into(), hasher);
            self.topic[whole].nodes.push(key);
            self.nodes[policy as usize].insert(pattern.clone(), key);
            return key;
        }
        self.topics.insert(policy, pattern, key);
        self.meta_topics += usize::from(uri::reaches_reserved(pattern, policy));
        key
    }

    /// Forgets the topic if nobody needs it any more.
    pub(super) fn prune_topic(&mut self, key: TopicKey) {
        let Some(topic) = self.topic.get(key) else { return };
        if !topic.shards.is_empty() || !matches!(topic.membership, Membership::Out) {
            return;
        }
        debug_assert!(topic.local.is_empty());
        if let Some(id) = topic.subscription {
            self.owned.remove(&id);
        }
        if !topic.nodes.is_empty() {
            // It stays for them; when somebody subscribes to it again, that is a new subscription.
            self.topic[key].subscription = None;
            return;
        }
        let Some(Topic { policy, uri, .. }) = self.topic.remove(key) else { return };
        let (whole, None) = nodes::parts(&uri) else {
            self.nodes[policy as usize].remove(&uri);
            if let Some(whole) = self.topics.get(policy, nodes::parts(&uri).0) {
                self.topic[whole].nodes.retain(|node| *node != key);
                self.prune_topic(whole);
            }
            return;
        };
        self.topics.remove(policy, whole);
        self.meta_topics -= usize::from(uri::reaches_reserved(whole, policy));
    }

    /// Calls `found` for the topic of this very URI and for each pattern that matches it.
    pub(super) fn each_topic(&self, uri: &str, mut found: impl FnMut(TopicKey)) {
        if let Some(key) = self.topics.get(MatchPolicy::Exact, uri) {
            found(key);
        }
        self.topics.each_pattern_match(uri, found);
    }

    /// A callee has come.
    pub(super) fn add_callee(&mut self, joined: &Joined) -> &mut Registration {
        let Joined { offer, callee, is_counted, .. } = joined;
        let registration = self.registration.entry(offer.registration).or_insert_with(|| {
            self.procedures.insert(offer.policy, &offer.procedure, offer.registration);
            let rule = Rule::from(offer.invoke);
            Registration {
                offer: offer.clone(),
                callees: Vec::new(),
                rule,
                turn: 0,
                pool: None,
                holder: None,
            }
        });
        registration.callees.push(*callee);
        if *is_counted {
            registration.rule = Rule::Owner;
        }
        registration
    }

    /// A callee has left. The turn stays with its neighbour (decision D13).
    pub(super) fn remove_callee(&mut self, id: RegistrationId, callee: SessionId) -> Left {
        let Some(registration) = self.registration.get_mut(&id) else { return Left::Before };
        let Some(index) = registration.callees.iter().position(|c| *c == callee) else { return Left::Before };
        registration.callees.remove(index);
        if let Some(pool) = &mut registration.pool {
            pool.dismiss(callee);
        }
        if index < registration.turn {
            registration.turn -= 1;
        }
        if registration.turn >= registration.callees.len() {
            registration.turn = 0;
        }
        if !registration.callees.is_empty() {
            return Left::Others;
        }
        self.procedures.remove(registration.offer.policy, &registration.offer.procedure);
        Left::Nobody(self.registration.remove(&id))
    }
}

fn has_call_rules(config: &RealmConfig) -> bool {
    !config.trustlevels.is_empty()
        || config.procedures.iter().any(|it| it.timeout_ms.is_some() || it.reroute_lost)
}

fn has_topic_rules(config: &RealmConfig) -> bool {
    !config.trustlevels.is_empty()
        || config.topics.iter().any(|topic| topic.retain == Retain::Always || topic.history > 0)
}

/// A registration that had to make place for another callee's.
#[derive(Debug)]
pub(super) struct Evicted {
    pub(super) registration: RegistrationId,
    pub(super) gone: Registration,
}

impl Realm {
    /// The registration of this procedure goes, unless it is that of `offer` already.
    pub(super) fn evict(&mut self, offer: &Offer) -> Option<Evicted> {
        let registration = self.procedures.get(offer.policy, &offer.procedure)?;
        if registration == offer.registration {
            return None;
        }
        self.procedures.remove(offer.policy, &offer.procedure);
        Some(Evicted { registration, gone: self.registration.remove(&registration)? })
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
