//! Procedures and events about subscriptions (spec: "Subscription Meta API").
//!
//! The owner of a topic knows when its subscription begins and ends; who is in it, only the home shards know. They report it to the
//! owner, which tells of all, so that events about a subscription come in order. The last subscriber of a shard needs no
//! report, since the shard's own leaving says it. Nothing is told about subscriptions below `wamp.` (decision D19).

use simd_json::prelude::*;
use simd_json::{OwnedValue, json};

use super::super::mesh::{CallKey, RealmId, ShardId, Word};
use super::super::nodes;
use super::super::realm::{Owned, Topic, TopicKey};
use super::super::shard::Shard;
use super::super::time::{Date, Time};
use super::{Arguments, MetaError, MetaResult, Question, Then, by_policy};
use crate::wamp::message::MatchPolicy;
use crate::wamp::{SessionId, SubscriptionId, error_uri, uri};

impl Shard {
    pub(super) fn subscription_list(&mut self, now: Time, key: CallKey) -> MetaResult {
        let Some(realm) = self.realm_of(key) else { return Ok(None) };
        self.ask_all(now, key, Question::SubscriptionList { realm });
        Ok(None)
    }

    pub(super) fn subscription_lookup(
        &mut self,
        now: Time,
        key: CallKey,
        arguments: &Arguments,
    ) -> MetaResult {
        let Some(topic) = self.uri(arguments, "topic")? else { return Ok(Some(OwnedValue::default())) };
        let policy = arguments.match_policy(1)?;
        let Some(realm) = self.realm_of(key) else { return Ok(None) };
        let owner = self.owner(realm, policy, &topic);
        self.ask_one(now, key, owner, Question::SubscriptionLookup { realm, policy, topic });
        Ok(None)
    }

    pub(super) fn subscription_match(
        &mut self,
        now: Time,
        key: CallKey,
        arguments: &Arguments,
    ) -> MetaResult {
        let Some(topic) = self.uri(arguments, "topic")? else { return Ok(Some(OwnedValue::default())) };
        let Some(realm) = self.realm_of(key) else { return Ok(None) };
        self.ask_all(now, key, Question::SubscriptionMatch { realm, topic });
        Ok(None)
    }

    pub(super) fn subscription_get(&mut self, now: Time, key: CallKey, arguments: &Arguments) -> MetaResult {
        let subscription = SubscriptionId(arguments.id(0, "subscription")?);
        let Some(realm) = self.realm_of(key) else { return Ok(None) };
        let owner = self.subscription_owner(subscription);
        self.ask_one(now, key, owner, Question::SubscriptionGet { realm, subscription });
        Ok(None)
    }

    /// Who subscribes, or how many. The owner is asked for the pattern, then all shards for their subscribers.
    pub(super) fn subscribers(
        &mut self,
        now: Time,
        key: CallKey,
        arguments: &Arguments,
        then: Then,
    ) -> MetaResult {
        let subscription = SubscriptionId(arguments.id(0, "subscription")?);
        let Some(realm) = self.realm_of(key) else { return Ok(None) };
        let owner = self.subscription_owner(subscription);
        self.ask_one(now, key, owner, Question::SubscriptionPattern { realm, subscription, then });
        Ok(None)
    }

    /// The subscriptions that this shard owns, by policy.
    pub(super) fn own_subscriptions(&self, realm: RealmId) -> OwnedValue {
        let tables = &self.realms[usize::from(realm.0)];
        by_policy(tables.owned.iter().map(|(id, owned)| (tables.topic[owned.topic].policy, id.0)))
    }

    /// The subscription to a pattern that this shard owns; null if there is none.
    pub(super) fn own_subscription_to(&self, realm: RealmId, policy: MatchPolicy, topic: &str) -> OwnedValue {
        let tables = &self.realms[usize::from(realm.0)];
        let topic = tables.topics.get(policy, topic).and_then(|key| tables.topic.get(key));
        topic.and_then(|topic| topic.subscription).map(|id| id.0).into()
    }

    /// The subscriptions of this shard's that a topic matches; null if there are none.
    pub(super) fn own_matches(&self, realm: RealmId, topic: &str) -> OwnedValue {
        let tables = &self.realms[usize::from(realm.0)];
        let mut ids: Vec<u64> = Vec::new();
        tables.each_topic(topic, |key| {
            let id = tables.topic[key].subscription;
            ids.extend(id.filter(|id| tables.owned.contains_key(id)).map(|id| id.0));
        });
        if ids.is_empty() { OwnedValue::default() } else { ids.into() }
    }

    /// What `tell` says about a subscription that this shard owns; null if it is not there.
    pub(super) fn own_subscription(
        &self,
        realm: RealmId,
        id: SubscriptionId,
        tell: impl FnOnce(SubscriptionId, &Topic, Date) -> OwnedValue,
    ) -> OwnedValue {
        let tables = &self.realms[usize::from(realm.0)];
        let owned = tables.owned.get(&id);
        let found = owned.and_then(|owned| Some((tables.topic.get(owned.topic)?, owned.created)));
        found.map(|(topic, created)| tell(id, topic, created)).unwrap_or_default()
    }

    /// The subscribers that live on this shard, or their number.
    pub(super) fn own_subscribers(
        &self,
        realm: RealmId,
        policy: MatchPolicy,
        topic: &str,
        subscription: SubscriptionId,
        count: bool,
    ) -> OwnedValue {
        let tables = &self.realms[usize::from(realm.0)];
        let topic = tables.topic_key(policy, topic).and_then(|key| tables.topic.get(key));
        // It may have begun anew since the owner was asked.
        let topic = topic.filter(|topic| topic.subscription == Some(subscription));
        let subscribers = topic.into_iter().flat_map(|topic| &topic.local);
        if count {
            return subscribers.count().into();
        }
        subscribers.filter_map(|id| self.session(*id)).map(|session| session.id().0).collect()
    }

    /// The shard that gave the subscription its id owns it.
    pub(in super::super) fn subscription_owner(&self, subscription: SubscriptionId) -> ShardId {
        ShardId(((subscription.0 - 1) % u64::from(self.shards)) as u16)
    }

    /// Home: a session has subscribed, or one that is not the last has left. Only said if anybody hears of it, or has been told
    /// of its coming.
    pub(in super::super) fn report_member(
        &mut self,
        now: Time,
        realm: RealmId,
        key: TopicKey,
        session: SessionId,
        is_in: bool,
    ) {
        let tables = self.realm(realm);
        let is_heard = tables.hears_meta();
        let Some(topic) = tables.topic.get_mut(key) else { return };
        if !is_heard && (is_in || !topic.tells_members) || uri::is_reserved(&topic.uri) {
            return;
        }
        let Some(subscription) = topic.subscription else { return };
        topic.tells_members |= is_in;
        let owner = self.subscription_owner(subscription);
        self.tell(now, owner, Word::Member { realm, subscription, session, is_in });
    }

    /// Owner: a home shard has reported a subscriber.
    pub(in super::super) fn tell_member(
        &mut self,
        now: Time,
        realm: RealmId,
        subscription: SubscriptionId,
        session: SessionId,
        is_in: bool,
    ) {
        let event = match is_in {
            true => "wamp.subscription.on_subscribe",
            false => "wamp.subscription.on_unsubscribe",
        };
        self.publish_meta(now, realm, event, || json!([session.0, subscription.0]));
    }

    /// Owner: a subscription has begun.
    pub(in super::super) fn tell_subscription(
        &mut self,
        now: Time,
        realm: RealmId,
        subscription: SubscriptionId,
        session: SessionId,
    ) {
        let tables = self.realm(realm);
        if !tables.hears_meta() {
            return;
        }
        let Some(Owned { topic, created }) = tables.owned.get(&subscription) else { return };
        let topic = &tables.topic[*topic];
        if !uri::is_reserved(&topic.uri) {
            let details = details(subscription, topic, *created);
            let event = "wamp.subscription.on_create";
            self.publish_meta(now, realm, event, || json!([session.0, details]));
        }
    }

    /// Owner: the last subscriber of a shard has left, who may be the last of all.
    pub(in super::super) fn tell_unsubscription(
        &mut self,
        now: Time,
        realm: RealmId,
        topic: &str,
        subscription: SubscriptionId,
        session: SessionId,
    ) {
        if uri::is_reserved(topic) {
            return;
        }
        self.tell_member(now, realm, subscription, session, false);
        if !self.realm(realm).owned.contains_key(&subscription) {
            let event = "wamp.subscription.on_delete";
            self.publish_meta(now, realm, event, || json!([session.0, subscription.0]));
        }
    }
}

pub(super) fn details(id: SubscriptionId, topic: &Topic, created: Date) -> OwnedValue {
    let (uri, nkey) = nodes::parts(&topic.uri);
    let mut details =
        json!({"id": id.0, "created": created.to_string(), "uri": uri, "match": topic.policy.name()});
    if let (Some(nkey), Some(details)) = (nkey, details.as_object_mut()) {
        details.insert("nkey".into(), nkey.into());
    }
    details
}

pub(super) fn pattern(_: SubscriptionId, topic: &Topic, _: Date) -> OwnedValue {
    json!([topic.policy.name(), *topic.uri])
}

/// What [`pattern`] says.
pub(super) fn read_pattern(pattern: &OwnedValue) -> Option<(MatchPolicy, &str)> {
    let [policy, topic] = [0, 1].map(|index| pattern.get_idx(index).and_then(|text| text.as_str()));
    Some((MatchPolicy::from_name(policy?)?, topic?))
}

pub(super) fn no_such_subscription(subscription: SubscriptionId) -> MetaError {
    let text = format!("this realm has no subscription {subscription}");
    MetaError { uri: error_uri::NO_SUCH_SUBSCRIPTION, text }
}
