//! The broker: subscriptions (spec: "Publish and Subscribe").
//!
//! Every shard has a copy of who is interested in what, by shard; a publication goes once to each such shard, which has its own list
//! of subscribers. A topic's owner decides who is in; SUBSCRIBED is sent when all shards know, so no later PUBLISH is missed.

use std::mem;
use std::sync::Arc;

use super::conn::TooLarge;
use super::mesh::{RealmId, RoundKey, ShardId, Word};
use super::nodes::node_uri;
use super::realm::{Joiner, Membership, Owned, TopicKey};
use super::rounds::RoundAnswer;
use super::shard::{ConnId, Shard};
use super::time::Time;
use crate::wamp::message::{Features, MatchPolicy, Revocation, SubscribeOptions, Text};
use crate::wamp::{Message, RequestId, SessionId, SubscriptionId, error_uri, uri};

/// What WELCOME announces.
pub(super) const FEATURES: Features = Features::PUBLISHER_EXCLUSION
    .with(Features::SUBSCRIBER_BLACKWHITE_LISTING)
    .with(Features::PUBLISHER_IDENTIFICATION)
    .with(Features::PATTERN_BASED_SUBSCRIPTION)
    .with(Features::SESSION_META_API)
    .with(Features::SUBSCRIPTION_META_API)
    .with(Features::PAYLOAD_PASSTHRU_MODE)
    .with(Features::PUBLICATION_TRUSTLEVELS)
    .with(Features::EVENT_RETENTION)
    .with(Features::EVENT_HISTORY)
    .with(Features::SUBSCRIPTION_REVOCATION)
    .with(Features::SHARDED_SUBSCRIPTION);

/// Code of SUBSCRIBE in ERROR.
pub(super) const SUBSCRIBE: u8 = 32;
/// Code of UNSUBSCRIBE in ERROR.
const UNSUBSCRIBE: u8 = 34;

/// A shard that has its first subscriber of a topic.
pub(super) struct Newcomer {
    pub(super) shard: ShardId,
    pub(super) session: SessionId,
    /// Where it waits for all to know.
    pub(super) round: RoundKey,
}

impl Shard {
    pub(super) fn subscribe(
        &mut self,
        now: Time,
        id: ConnId,
        request: RequestId,
        options: &SubscribeOptions<'_>,
        topic: &str,
    ) {
        let policy = options.match_policy;
        if let Err(text) = self.check_uri(id, topic, policy) {
            self.is_uri_too_long(topic);
            return self.refuse(id, SUBSCRIBE, request, error_uri::INVALID_URI, &text);
        }
        let mut node = None;
        if let Some(nkey) = &options.nkey {
            if topic.len() + nkey.len() >= self.uri_bytes_max() {
                self.limited.uri_bytes_max += 1;
                let max = self.uri_bytes_max();
                let text = format!("nkey and topic together are longer than {max} (uri_bytes_max)");
                return self.refuse(id, SUBSCRIBE, request, error_uri::INVALID_ARGUMENT, &text);
            }
            node = Some(node_uri(topic, nkey));
        }
        let topic = node.as_deref().unwrap_or(topic);
        let Some(session) = self.session(id) else { return };
        let (realm, me) = (session.realm, session.id());
        let joiner = Joiner { session: me, request, get_retained: options.get_retained == Some(true) };
        let max = self.limits().subscriptions_max;
        if session.subscriptions.len() >= max && !self.is_subscribed(realm, policy, topic, id) {
            self.limited.subscriptions_max += 1;
            let text =
                format!("this session has {max} subscriptions: no more are allowed (subscriptions_max)");
            return self.refuse(id, SUBSCRIBE, request, error_uri::UNAVAILABLE, &text);
        }
        let owner = self.owner(realm, policy, topic);
        let hasher = self.hasher.clone();
        let tables = self.realm(realm);
        let key = match tables.topic_key(policy, topic) {
            Some(key) => key,
            None => tables.topic_entry(policy, &Arc::from(topic), &hasher),
        };
        let entry = &mut tables.topic[key];
        match &mut entry.membership {
            Membership::In => {
                self.add_subscriber(now, realm, key, id, request);
                if joiner.get_retained {
                    self.recall(now, realm, key, id);
                }
                return;
            }
            Membership::Joining(waiting) => waiting.push(joiner),
            Membership::Out => {
                entry.membership = Membership::Joining(vec![joiner]);
                let topic = entry.uri.clone();
                self.unsettle(id);
                let answer = RoundAnswer::Subscribed { realm, policy, topic: topic.clone() };
                // That the owner knows is told by its word to this shard.
                let round = self.begin_round((self.shards - 1).max(1), self.id, answer);
                self.tell(now, owner, Word::Subscribe { realm, policy, topic, session: me, round });
                return;
            }
        }
        self.unsettle(id);
    }

    fn is_subscribed(&self, realm: RealmId, policy: MatchPolicy, topic: &str, id: ConnId) -> bool {
        let tables = &self.realms[usize::from(realm.0)];
        tables.topic_key(policy, topic).is_some_and(|key| tables.topic[key].local.contains(&id))
    }

    pub(super) fn unsubscribe(
        &mut self,
        now: Time,
        id: ConnId,
        request: RequestId,
        subscription: SubscriptionId,
    ) {
        let Some(session) = self.session_mut(id) else { return };
        let (realm, me) = (session.realm, session.id());
        let Some(key) = session.subscriptions.remove(&subscription) else {
            let text = format!("this session has no subscription {subscription}");
            return self.refuse(id, UNSUBSCRIBE, request, error_uri::NO_SUCH_SUBSCRIPTION, &text);
        };
        self.remove_subscriber(now, realm, key, id, me);
        self.wire.send_message(id, &Message::Unsubscribed { request, revocation: None });
    }

    /// Takes a subscription away from a session of this shard, which is told if it understands; returns whether it had it.
    pub(super) fn revoke(
        &mut self,
        now: Time,
        id: ConnId,
        subscription: SubscriptionId,
        reason: Option<&str>,
    ) -> bool {
        let Some(session) = self.session_mut(id) else { return false };
        let (realm, me, features) = (session.realm, session.id(), session.features.subscriber);
        let Some(key) = session.subscriptions.remove(&subscription) else { return false };
        self.remove_subscriber(now, realm, key, id, me);
        if features.contains(Features::SUBSCRIPTION_REVOCATION) {
            let revocation = Revocation { id: subscription, reason: reason.map(Text::Borrowed) };
            let unsubscribed =
                Message::Unsubscribed { request: RequestId(0), revocation: Some(revocation.clone()) };
            if self.wire.try_send_message(id, &unsubscribed) == Err(TooLarge) {
                let revocation = Some(Revocation { reason: None, ..revocation });
                self.wire.send_message(id, &Message::Unsubscribed { request: RequestId(0), revocation });
            }
        }
        true
    }

    /// Owner: a shard has its first subscriber.
    pub(super) fn own_subscribe(
        &mut self,
        now: Time,
        realm: RealmId,
        policy: MatchPolicy,
        topic: Arc<str>,
        newcomer: Newcomer,
    ) {
        let Newcomer { shard: home, session, round } = newcomer;
        let hasher = self.hasher.clone();
        let fresh = SubscriptionId(self.router_id());
        let created = self.date(now);
        let tables = self.realm(realm);
        let key = tables.topic_entry(policy, &topic, &hasher);
        let entry = &mut tables.topic[key];
        let subscription = *entry.subscription.get_or_insert(fresh);
        entry.shards.insert(home);
        if subscription == fresh {
            tables.owned.insert(fresh, Owned { topic: key, created });
            self.tell_subscription(now, realm, subscription, session);
        }
        if self.shards == 1 {
            return self.acknowledged(now, round);
        }
        for shard in self.others() {
            let topic = topic.clone();
            self.tell(now, shard, Word::Interest { realm, policy, topic, subscription, shard: home, round });
        }
    }

    /// Home: every shard knows that this one is in; those that waited are subscribed now.
    pub(super) fn subscribed(&mut self, now: Time, realm: RealmId, policy: MatchPolicy, topic: &str) {
        let tables = self.realm(realm);
        let Some(key) = tables.topic_key(policy, topic) else { return };
        let entry = &mut tables.topic[key];
        let Membership::Joining(waiting) = mem::replace(&mut entry.membership, Membership::In) else {
            return;
        };
        let mut gone = None;
        for Joiner { session, request, get_retained } in &waiting {
            if let Some(id) = self.conn_of(*session) {
                self.add_subscriber(now, realm, key, id, *request);
                if *get_retained {
                    self.recall(now, realm, key, id);
                }
            } else {
                gone = Some(*session);
            }
        }
        // Nobody has waited: for others, the last was in for a moment.
        if let Some(session) = gone
            && self.realm(realm).topic.get(key).is_some_and(|topic| topic.local.is_empty())
        {
            self.report_member(now, realm, key, session, true);
            self.leave_topic_if_unused(now, realm, key, session);
        }
        // Only now, for who may not have it any more leaves the topic at once, perhaps as the last one.
        for Joiner { session, .. } in waiting {
            if let Some(id) = self.conn_of(session) {
                self.settled(now, id);
            }
        }
    }

    /// Owner: a shard has lost its last subscriber.
    pub(super) fn own_unsubscribe(
        &mut self,
        now: Time,
        from: ShardId,
        realm: RealmId,
        policy: MatchPolicy,
        topic: Arc<str>,
        session: SessionId,
    ) {
        let key = self.realm(realm).topic_key(policy, &topic);
        let subscription = key.and_then(|key| self.realm(realm).topic[key].subscription);
        self.disinterest(realm, policy, &topic, from);
        for shard in self.others().filter(|shard| *shard != from) {
            self.tell(now, shard, Word::Disinterest { realm, policy, topic: topic.clone(), shard: from });
        }
        if let Some(subscription) = subscription {
            self.tell_unsubscription(now, realm, &topic, subscription, session);
        }
    }

    /// Copy: `shard` is in.
    pub(super) fn interest(
        &mut self,
        realm: RealmId,
        policy: MatchPolicy,
        topic: &Arc<str>,
        subscription: SubscriptionId,
        shard: ShardId,
    ) {
        let hasher = self.hasher.clone();
        let tables = self.realm(realm);
        let key = tables.topic_entry(policy, topic, &hasher);
        let entry = &mut tables.topic[key];
        entry.subscription = Some(subscription);
        entry.shards.insert(shard);
    }

    /// Copy: `shard` is out.
    pub(super) fn disinterest(&mut self, realm: RealmId, policy: MatchPolicy, topic: &str, shard: ShardId) {
        let tables = self.realm(realm);
        if let Some(key) = tables.topic_key(policy, topic) {
            tables.topic[key].shards.remove(shard);
            tables.prune_topic(key);
        }
    }

    /// A session gets no more events of a topic; [`Shard::remove_subscriber`] follows.
    pub(super) fn mute(&mut self, realm: RealmId, key: TopicKey, id: ConnId) {
        if let Some(topic) = self.realm(realm).topic.get_mut(key) {
            topic.local.swap_remove(&id);
        }
    }

    /// A session of this shard no longer subscribes to a topic.
    pub(super) fn remove_subscriber(
        &mut self,
        now: Time,
        realm: RealmId,
        key: TopicKey,
        id: ConnId,
        session: SessionId,
    ) {
        self.forget_recalls(id, key);
        if let Some(topic) = self.realm(realm).topic.get_mut(key) {
            topic.local.swap_remove(&id);
            if !topic.local.is_empty() {
                return self.report_member(now, realm, key, session, false);
            }
            self.leave_topic_if_unused(now, realm, key, session);
        }
    }

    fn leave_topic_if_unused(&mut self, now: Time, realm: RealmId, key: TopicKey, session: SessionId) {
        let me = self.id;
        let tables = self.realm(realm);
        let Some(entry) = tables.topic.get_mut(key) else { return };
        if !entry.local.is_empty() || !matches!(entry.membership, Membership::In) {
            return;
        }
        entry.membership = Membership::Out;
        entry.tells_members = false;
        // At the owner this is the truth, and it is changed by the word below, which comes back at once.
        let (policy, topic) = (entry.policy, entry.uri.clone());
        let owner = self.owner(realm, policy, &topic);
        if owner != me {
            self.disinterest(realm, policy, &topic, me);
        }
        self.tell(now, owner, Word::Unsubscribe { realm, policy, topic, session });
    }

    /// Puts a session among a topic's subscribers and tells it; from here on it receives events.
    fn add_subscriber(&mut self, now: Time, realm: RealmId, key: TopicKey, id: ConnId, request: RequestId) {
        let topic = &mut self.realms[usize::from(realm.0)].topic[key];
        let Some(subscription) = topic.subscription else { return };
        let is_new = topic.local.insert(id);
        let hasher = self.hasher.clone();
        let Some(session) = self.session_mut(id) else { return };
        session.subscriptions.insert(&hasher, subscription, key);
        let me = session.id();
        self.wire.send_message(id, &Message::Subscribed { request, subscription });
        if is_new {
            self.report_member(now, realm, key, me, true);
        }
    }

    /// Whether an application may publish to or register this URI; if not, why.
    pub(super) fn check_application_uri(
        &self,
        id: ConnId,
        text: &str,
        policy: MatchPolicy,
    ) -> Result<(), String> {
        self.check_uri(id, text, policy)?;
        if uri::is_reserved(text) {
            return Err("URIs that begin with 'wamp.' are restricted to the router itself".to_owned());
        }
        Ok(())
    }
}
