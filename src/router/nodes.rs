//! Sharded subscriptions (spec: "Sharded Subscription", a sketch): a subscriber with an `nkey` is a node, and of the nodes of a pattern only
//! one gets an event with an `rkey`.
//!
//! The subscribers of a node have a subscription of their own, with an owner and rounds like any other; its name is the pattern, `#`,
//! which no URI contains, and the node key. The pattern's topic knows its nodes. The publisher's shard chooses from its copy,
//! by rendezvous hashing: the highest rank takes the event, so that only the keys of a node that comes or goes move. The choice travels
//! with the publication.

use std::hash::BuildHasher;
use std::sync::Arc;

use super::extras::Extras;
use super::mesh::{Published, RealmId, ShardSet, Word};
use super::realm::{Realm, Topic, TopicKey};
use super::shard::Shard;
use super::time::Time;
use crate::wamp::SubscriptionId;
use crate::wamp::message::MatchPolicy;

/// The name of a node's subscription.
pub(super) fn node_uri(pattern: &str, nkey: &str) -> Arc<str> {
    format!("{pattern}#{nkey}").into()
}

/// The pattern and the node key in the name of a subscription.
pub(super) fn parts(uri: &str) -> (&str, Option<&str>) {
    match uri.split_once('#') {
        Some((pattern, nkey)) => (pattern, Some(nkey)),
        None => (uri, None),
    }
}

impl Realm {
    /// Adds the nodes of a topic that get an event: all, or those that were `chosen`.
    #[cold]
    #[inline(never)]
    pub(super) fn add_nodes(
        &self,
        topic: &Topic,
        chosen: Option<&[SubscriptionId]>,
        shards: &mut ShardSet,
        matches: &mut Vec<TopicKey>,
    ) {
        for key in &topic.nodes {
            let node = &self.topic[*key];
            let is_chosen = |id: SubscriptionId| chosen.is_none_or(|chosen| chosen.contains(&id));
            if node.subscription.is_some_and(is_chosen) {
                *shards = shards.union(node.shards);
                matches.push(*key);
            }
        }
    }
}

impl Shard {
    /// An event has come for a node that has left, which its publisher's shard did not know: its keys are other nodes' now,
    /// and they get the event.
    #[cold]
    pub(super) fn hand_on(&mut self, now: Time, published: &Published, extras: &Extras) {
        let (Some(chosen), Some(rkey)) = (&extras.nodes, &extras.rkey) else { return };
        let (realm, topic) = (published.realm, published.parcel.uri());
        let there = self.nodes_of(realm, topic);
        if chosen.iter().all(|node| there.contains(node)) {
            return;
        }
        let next = self.choose_nodes(realm, topic, rkey).into_iter().filter(|node| !chosen.contains(node));
        let next: Box<[SubscriptionId]> = next.collect();
        if next.is_empty() {
            return;
        }
        let extras = Some(Arc::new(extras.handed_on(next)));
        let published = Published { extras, round: None, ..published.clone() };
        if let Some(extras) = &published.extras {
            for shard in self.interested_nodes(realm, topic, extras) {
                self.tell(now, shard, Word::Publish(published.clone()));
            }
        }
        self.deliver_published(now, &published);
    }

    /// As [`Shard::interested`], for an event that is for nodes only.
    #[cold]
    pub(super) fn interested_nodes(&mut self, realm: RealmId, topic: &str, extras: &Extras) -> ShardSet {
        let tables = &self.realms[usize::from(realm.0)];
        let matches = &mut self.scratch.matches;
        matches.clear();
        let mut shards = ShardSet::default();
        let mut ring = |key: TopicKey| {
            tables.add_nodes(&tables.topic[key], extras.nodes.as_deref(), &mut shards, matches);
        };
        if let Some(key) = tables.topics.get(MatchPolicy::Exact, topic) {
            ring(key);
        }
        tables.topics.each_pattern_match(topic, ring);
        shards.remove(self.id);
        shards
    }

    /// The nodes that get events of a topic.
    fn nodes_of(&self, realm: RealmId, topic: &str) -> Vec<SubscriptionId> {
        let tables = &self.realms[usize::from(realm.0)];
        let mut there = Vec::new();
        let mut ring = |key: TopicKey| {
            let nodes = tables.topic[key].nodes.iter().map(|key| &tables.topic[*key]);
            there.extend(nodes.filter(|node| !node.shards.is_empty()).filter_map(|node| node.subscription));
        };
        if let Some(key) = tables.topics.get(MatchPolicy::Exact, topic) {
            ring(key);
        }
        tables.topics.each_pattern_match(topic, ring);
        there
    }

    /// The node of each ring that an event with this key goes to.
    pub(super) fn choose_nodes(&self, realm: RealmId, topic: &str, rkey: &str) -> Box<[SubscriptionId]> {
        let tables = &self.realms[usize::from(realm.0)];
        let mut chosen = Vec::new();
        let mut ring = |key: TopicKey| {
            let nodes = tables.topic[key].nodes.iter().map(|key| &tables.topic[*key]);
            // One without shards is about to begin, or to end.
            let nodes = nodes.filter(|node| !node.shards.is_empty());
            let best = nodes.max_by_key(|node| {
                let (_, nkey) = parts(&node.uri);
                (self.hasher.hash_one((rkey, nkey)), nkey)
            });
            chosen.extend(best.and_then(|node| node.subscription));
        };
        if let Some(key) = tables.topics.get(MatchPolicy::Exact, topic) {
            ring(key);
        }
        tables.topics.each_pattern_match(topic, ring);
        chosen.into()
    }
}
