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
use super::mesh::{Published, RealmId, ShardId, ShardSet, Word};
use super::realm::{Realm, Topic, TopicKey};
use super::shard::Shard;
use super::time::Time;
use crate::wamp::SubscriptionId;

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
    /// The nodes of a topic. One without shards is about to begin, or to end.
    fn nodes_of(&self, key: TopicKey) -> impl Iterator<Item = &Topic> {
        let nodes = self.topic[key].nodes.iter().map(|key| &self.topic[*key]);
        nodes.filter(|node| !node.shards.is_empty())
    }

    /// Adds the nodes of a topic that get an event: all, or those that were `chosen`.
    #[cold]
    #[inline(never)]
    pub(super) fn add_nodes(
        &self,
        topic: &Topic,
        chosen: Option<&[Chosen]>,
        shards: &mut ShardSet,
        matches: &mut Vec<TopicKey>,
    ) {
        for key in &topic.nodes {
            let node = &self.topic[*key];
            let is_chosen = |id: SubscriptionId| chosen.is_none_or(|all| all.iter().any(|it| it.node == id));
            if node.subscription.is_some_and(is_chosen) {
                *shards = shards.union(node.shards);
                matches.push(*key);
            }
        }
    }
}

/// A node that shall get an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    node: SubscriptionId,
    /// Names the pattern whose nodes it is one of.
    ring: u64,
    /// The shard, one of those with the node's subscribers, that hands the event on if the node has left.
    keeper: ShardId,
}

/// What has become of an event for a node that had left, on its way to the one that has the key now.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Wanderings {
    /// Nodes that were not there when it came.
    gone: Vec<SubscriptionId>,
    /// Nodes that it was sent to before, those included.
    seen: Vec<SubscriptionId>,
}

impl Shard {
    /// An event has come for a node that has left, which its publisher's shard did not know: its keys are other nodes' now,
    /// and they get the event.
    #[cold]
    pub(super) fn hand_on(&mut self, now: Time, published: &Published, extras: &Extras) {
        let (Some(chosen), Some(rkey)) = (&extras.nodes, &extras.rkey) else { return };
        let (realm, topic) = (published.realm, published.parcel.uri());
        let tables = &self.realms[usize::from(realm.0)];
        let mut there = Vec::new();
        tables.each_topic(topic, |key| {
            there.extend(tables.nodes_of(key).filter_map(|node| node.subscription));
        });
        let is_gone = |it: &&Chosen| it.keeper == self.id && !there.contains(&it.node);
        let gone: Vec<&Chosen> = chosen.iter().filter(is_gone).collect();
        let mut wanderings = extras.wanderings.as_deref().cloned().unwrap_or_default();
        if gone.is_empty() {
            return;
        }
        wanderings.gone.extend(gone.iter().map(|it| it.node));
        wanderings.seen.extend(chosen.iter().map(|it| it.node));
        let next = self.choose_nodes(realm, topic, rkey, &wanderings.gone);
        // The nodes of other patterns have been chosen, perhaps by who knew others.
        let is_next =
            |it: &Chosen| gone.iter().any(|gone| gone.ring == it.ring) && !wanderings.seen.contains(&it.node);
        let next: Box<[Chosen]> = next.into_iter().filter(is_next).collect();
        if next.is_empty() {
            return;
        }
        let extras = Some(Arc::new(extras.handed_on(next, wanderings)));
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
        tables.each_topic(topic, |key| {
            tables.add_nodes(&tables.topic[key], extras.nodes.as_deref(), &mut shards, matches);
        });
        shards.remove(self.id);
        shards
    }

    /// The node of each ring that an event with this key goes to, as if those that are `gone` were no more.
    pub(super) fn choose_nodes(
        &self,
        realm: RealmId,
        topic: &str,
        rkey: &str,
        gone: &[SubscriptionId],
    ) -> Box<[Chosen]> {
        let tables = &self.realms[usize::from(realm.0)];
        let mut chosen = Vec::new();
        tables.each_topic(topic, |key| {
            let nodes = tables.nodes_of(key);
            let nodes = nodes.filter(|node| node.subscription.is_none_or(|id| !gone.contains(&id)));
            let best = nodes.max_by_key(|node| {
                let (_, nkey) = parts(&node.uri);
                (self.hasher.hash_one((rkey, nkey)), nkey)
            });
            let of = |topic: &Topic| {
                let mut shards = topic.shards;
                let ring = self.hasher.hash_one((topic.policy, parts(&topic.uri).0));
                Some(Chosen { node: topic.subscription?, ring, keeper: shards.next()? })
            };
            chosen.extend(best.and_then(of));
        });
        chosen.into()
    }
}
