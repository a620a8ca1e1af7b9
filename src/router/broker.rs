//! The broker: subscriptions and publications (spec: "Publish and Subscribe").
//!
//! Every shard has a copy of who is interested in what, by shard; a publication goes once to each such shard, which has its own list
//! of subscribers. A topic's owner decides who is in; SUBSCRIBED is sent when all shards know, so no later PUBLISH is missed.

use std::borrow::Cow;
use std::mem;
use std::sync::Arc;

use simd_json::OwnedValue;
use simd_json::prelude::*;

use super::arena::Arena;
use super::audience::Audience;
use super::conn::{Pieces, Stall, TooLarge, Wire};
use super::delivery::{Body, Scratch};
use super::identity::Identity;
use super::mesh::{Parcel, Published, RealmId, ShardId, ShardSet, Word};
use super::realm::{Membership, Owned, Topic, TopicKey};
use super::rounds::RoundAnswer;
use super::session::Violation;
use super::shard::{ConnId, Shard};
use super::time::Time;
use crate::wamp::message::{
    Event, EventDetails, Features, MatchPolicy, Passthru, Payload, Publish, Rare, SubscribeOptions, Text,
};
use crate::wamp::{
    Message, PublicationId, RequestId, Serializer, SessionId, SubscriptionId, encode, error_uri, uri,
};

/// What WELCOME announces.
pub(super) const FEATURES: Features = Features::PUBLISHER_EXCLUSION
    .with(Features::SUBSCRIBER_BLACKWHITE_LISTING)
    .with(Features::PUBLISHER_IDENTIFICATION)
    .with(Features::PATTERN_BASED_SUBSCRIPTION)
    .with(Features::SESSION_META_API)
    .with(Features::SUBSCRIPTION_META_API);

/// Code of EVENT.
const EVENT: u8 = 36;
/// Code of PUBLISH in ERROR.
const PUBLISH: u8 = 16;
/// Code of SUBSCRIBE in ERROR.
const SUBSCRIBE: u8 = 32;
/// Code of UNSUBSCRIBE in ERROR.
const UNSUBSCRIBE: u8 = 34;

/// What all events of a publication have in common.
struct Publication<'a> {
    id: PublicationId,
    topic: &'a str,
    publisher: Option<&'a Identity>,
    audience: Option<&'a Audience>,
    /// The publisher, if it is of this shard and does not want its own event.
    skip: Option<ConnId>,
}

impl Publication<'_> {
    /// Appends the head of EVENT.
    fn write_head(
        &self,
        subscription: SubscriptionId,
        policy: MatchPolicy,
        payload: Payload<'_>,
        out: &mut Vec<u8>,
    ) {
        let Payload { serializer, items, .. } = payload;
        if policy == MatchPolicy::Exact && self.publisher.is_none() {
            return encode::plain_head(EVENT, [subscription.0, self.id.0], items, serializer, out);
        }
        let message = Message::Event(Event {
            subscription,
            publication: self.id,
            details: EventDetails {
                topic: (policy != MatchPolicy::Exact).then_some(Text::Borrowed(self.topic)),
                publisher: self.publisher.map(|p| p.session),
                publisher_authid: self.publisher.map(|p| Cow::Borrowed(&*p.authid)),
                publisher_authrole: self.publisher.map(|p| Cow::Borrowed(&*p.authrole)),
                ..EventDetails::default()
            },
            payload,
        });
        encode::encode_head(&message, serializer, out);
    }
}

impl Shard {
    pub(super) fn publish(&mut self, now: Time, id: ConnId, publish: &Publish<'_>) -> Result<(), Violation> {
        let Publish { request, options, topic, payload } = publish;
        refuse_passthru(&options.passthru)?;
        let acknowledge = options.acknowledge == Some(true);
        let Some(session) = self.session(id) else { return Ok(()) };
        let (realm, me) = (session.realm, session.id());
        let publisher = (options.disclose_me == Some(true)).then(|| session.identity.clone());
        let exact = self.realms[usize::from(realm.0)].topics.get(MatchPolicy::Exact, topic);
        // What somebody subscribes to has been checked, but for being reserved.
        if (exact.is_none() || uri::is_reserved(topic))
            && let Err(text) = self.check_application_uri(id, topic, MatchPolicy::Exact)
        {
            if acknowledge {
                self.refuse(id, PUBLISH, *request, error_uri::INVALID_URI, &text);
            }
            return Ok(());
        }
        let audience = options.audience.get().and_then(Audience::new).map(Arc::new);
        let publication = PublicationId(self.random_id());

        let shards = self.interested(realm, exact, topic, audience.as_deref());
        let parcel = (!shards.is_empty()).then(|| self.parcel(topic, *payload));
        let mut body = Body::new(parcel.as_ref().map_or(*payload, Parcel::payload));
        if let Some(parcel) = &parcel {
            body.share(parcel);
        }
        let event = Publication {
            id: publication,
            topic,
            publisher: publisher.as_deref(),
            audience: audience.as_deref(),
            skip: (options.exclude_me != Some(false)).then_some(id),
        };
        self.deliver(realm, &event, &mut body);
        let Some(parcel) = parcel else {
            if acknowledge {
                self.wire.send_message(id, &Message::Published { request: *request, publication });
            }
            return Ok(());
        };
        let round = acknowledge.then(|| {
            if let Some(session) = self.session_mut(id) {
                session.unacknowledged += 1;
            }
            let answer = RoundAnswer::Published { session: me, request: *request, publication };
            self.begin_round(shards.len(), self.id, answer)
        });
        let published = Published { realm, publication, audience, publisher, parcel, round };
        let mut shards = shards;
        while let Some(shard) = shards.next() {
            // The last takes it, which counts no references.
            if shards.is_empty() {
                self.tell(now, shard, Word::Publish(published));
                break;
            }
            self.tell(now, shard, Word::Publish(published.clone()));
        }
        Ok(())
    }

    /// Publishes an event of the router itself, if anybody subscribes to it. `args` makes the list of its arguments.
    pub(super) fn publish_meta(
        &mut self,
        now: Time,
        realm: RealmId,
        topic: &str,
        args: impl FnOnce() -> OwnedValue,
    ) {
        let tables = &self.realms[usize::from(realm.0)];
        if !tables.hears_meta() {
            return;
        }
        let exact = tables.topics.get(MatchPolicy::Exact, topic);
        let shards = self.interested(realm, exact, topic, None);
        if shards.is_empty() && self.scratch.matches.is_empty() {
            return;
        }
        let json = args().encode();
        let payload = Payload { serializer: Serializer::Json, items: 1, bytes: json.as_bytes() };
        let publication = PublicationId(self.random_id());
        let event = Publication { id: publication, topic, publisher: None, audience: None, skip: None };
        self.deliver(realm, &event, &mut Body::new(payload));
        if shards.is_empty() {
            return;
        }
        let parcel = self.parcel(topic, payload);
        let published =
            Published { realm, publication, audience: None, publisher: None, parcel, round: None };
        shards.for_each(|shard| self.tell(now, shard, Word::Publish(published.clone())));
    }

    /// Every shard has put the publication into the queues of its receivers: who subscribes after this does not get it.
    pub(super) fn published(&mut self, session: SessionId, request: RequestId, publication: PublicationId) {
        let Some(id) = self.conn_of(session) else { return };
        self.wire.send_message(id, &Message::Published { request, publication });
        let Some(session) = self.session_mut(id) else { return };
        session.unacknowledged -= 1;
        if session.unsettled == 0 {
            self.wire.unstall(id, Stall::HELD);
        }
    }

    /// A publication from a session of another shard.
    pub(super) fn deliver_published(&mut self, published: &Published) {
        let Published { realm, publication, audience, publisher, parcel, round: _ } = published;
        let topic = parcel.uri();
        let exact = self.realms[usize::from(realm.0)].topics.get(MatchPolicy::Exact, topic);
        self.interested(*realm, exact, topic, None);
        let event = Publication {
            id: *publication,
            topic,
            publisher: publisher.as_deref(),
            audience: audience.as_deref(),
            skip: None,
        };
        let mut body = Body::of_parcel(parcel);
        self.deliver(*realm, &event, &mut body);
    }

    /// Fills [`Scratch::matches`](super::delivery::Scratch::matches) with the topics that match, of which `exact` is the one of
    /// that very URI, and returns the other shards that want the event.
    fn interested(
        &mut self,
        realm: RealmId,
        exact: Option<TopicKey>,
        topic: &str,
        audience: Option<&Audience>,
    ) -> ShardSet {
        let realm = &self.realms[usize::from(realm.0)];
        let matches = &mut self.scratch.matches;
        matches.clear();
        let mut shards = ShardSet::default();
        let mut found = |key| {
            shards = shards.union(realm.topic[key].shards);
            matches.push(key);
        };
        if let Some(key) = exact {
            found(key);
        }
        realm.topics.each_pattern_match(topic, found);
        shards.remove(self.id);
        match audience.and_then(|a| a.shards(self.shards)) {
            Some(eligible) => shards.intersection(eligible),
            None => shards,
        }
    }

    /// Sends the event to the subscribers of the topics that [`Shard::interested`] has found.
    fn deliver(&mut self, realm: RealmId, event: &Publication<'_>, body: &mut Body<'_>) {
        let realm = &self.realms[usize::from(realm.0)];
        let Scratch { heads, matches, .. } = &mut self.scratch;
        for key in matches {
            deliver_topic(&mut self.wire, &mut self.arena, heads, &realm.topic[*key], event, body);
        }
    }

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
            return self.refuse(id, SUBSCRIBE, request, error_uri::INVALID_URI, &text);
        }
        let Some(session) = self.session(id) else { return };
        let (realm, me) = (session.realm, session.id());
        let owner = self.owner(realm, policy, topic);
        let hasher = self.hasher.clone();
        let tables = self.realm(realm);
        let key = match tables.topics.get(policy, topic) {
            Some(key) => key,
            None => tables.topic_entry(policy, &Arc::from(topic), &hasher),
        };
        let entry = &mut tables.topic[key];
        match &mut entry.membership {
            Membership::In => {
                self.add_subscriber(now, realm, key, id, request);
                return;
            }
            Membership::Joining(waiting) => waiting.push((me, request)),
            Membership::Out => {
                entry.membership = Membership::Joining(vec![(me, request)]);
                let topic = entry.uri.clone();
                self.unsettle(id);
                self.tell(now, owner, Word::Subscribe { realm, policy, topic, session: me });
                return;
            }
        }
        self.unsettle(id);
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

    /// Owner: a shard has its first subscriber.
    pub(super) fn own_subscribe(
        &mut self,
        now: Time,
        from: ShardId,
        realm: RealmId,
        policy: MatchPolicy,
        topic: Arc<str>,
        session: SessionId,
    ) {
        let hasher = self.hasher.clone();
        let fresh = SubscriptionId(self.router_id());
        let created = self.date(now);
        let tables = self.realm(realm);
        let key = tables.topic_entry(policy, &topic, &hasher);
        let entry = &mut tables.topic[key];
        let subscription = *entry.subscription.get_or_insert(fresh);
        entry.shards.insert(from);
        if subscription == fresh {
            tables.owned.insert(fresh, Owned { topic: key, created });
            self.tell_subscription(now, realm, subscription, session);
        }
        let answer = RoundAnswer::Subscribed { realm, policy, topic: topic.clone(), subscription };
        self.round(now, from, answer, |round| Word::Interest {
            realm,
            policy,
            topic: topic.clone(),
            subscription,
            shard: from,
            round,
        });
    }

    /// Home: every shard knows that this one is in; those that waited are subscribed now.
    pub(super) fn subscribed(
        &mut self,
        now: Time,
        realm: RealmId,
        policy: MatchPolicy,
        topic: &str,
        subscription: SubscriptionId,
    ) {
        let tables = self.realm(realm);
        let Some(key) = tables.topics.get(policy, topic) else { return };
        let entry = &mut tables.topic[key];
        entry.subscription = Some(subscription);
        let Membership::Joining(waiting) = mem::replace(&mut entry.membership, Membership::In) else {
            return;
        };
        let mut gone = None;
        for (session, request) in waiting {
            if let Some(id) = self.conn_of(session) {
                self.add_subscriber(now, realm, key, id, request);
                self.settled(now, id);
            } else {
                gone = Some(session);
            }
        }
        // Nobody has waited: for others, the last was in for a moment.
        if let Some(session) = gone
            && self.realm(realm).topic.get(key).is_some_and(|topic| topic.local.is_empty())
        {
            self.report_member(now, realm, key, session, true);
            self.leave_topic_if_unused(now, realm, key, session);
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
        let key = self.realm(realm).topics.get(policy, &topic);
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
        if let Some(key) = tables.topics.get(policy, topic) {
            tables.topic[key].shards.remove(shard);
            tables.prune_topic(key);
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

    /// A URI and a payload in memory that can cross to other shards.
    pub(super) fn parcel(&mut self, uri: &str, payload: Payload<'_>) -> Parcel {
        // `check_uri` and the configuration keep URIs below 64 KiB.
        debug_assert!(u16::try_from(uri.len()).is_ok());
        Parcel {
            serializer: payload.serializer,
            items: payload.items,
            uri_len: uri.len() as u16,
            bytes: self.arena.store(&[uri.as_bytes(), payload.bytes]),
        }
    }
}

/// Sends the event to the topic's subscribers of this shard. Its head is encoded once per serializer.
fn deliver_topic(
    wire: &mut Wire,
    arena: &mut Arena,
    heads: &mut Vec<u8>,
    topic: &Topic,
    event: &Publication<'_>,
    body: &mut Body<'_>,
) {
    let Some(subscription) = topic.subscription else { return };
    heads.clear();
    let mut head_of = [const { None }; 3];
    for &id in &topic.local {
        if event.skip == Some(id) {
            continue;
        }
        let sent = wire.send_with(id, |conn, serializer| {
            if let Some(audience) = event.audience {
                let session = conn.session.as_ref()?;
                if !audience.admits(&session.identity) {
                    return None;
                }
            }
            let items = body.items();
            let (payload, shared) = body.form(serializer, arena);
            let head = head_of[serializer as usize].get_or_insert_with(|| {
                let start = heads.len();
                let payload = Payload { serializer, items, bytes: payload };
                event.write_head(subscription, topic.policy, payload, heads);
                start..heads.len()
            });
            Some(Pieces { head: &heads[head.clone()], payload, shared })
        });
        if sent == Err(TooLarge) {
            tracing::debug!(conn = ?id, "event is larger than the subscriber accepts, dropped");
        }
    }
}

/// Payload passthru is not announced, so its use is a violation (spec: "Payload Passthru Mode").
pub(super) fn refuse_passthru(passthru: &Rare<Passthru<'_>>) -> Result<(), Violation> {
    let Some(passthru) = passthru.get() else { return Ok(()) };
    if passthru.ppt_scheme.is_some() {
        return Err("ppt_scheme is used, but this router does not announce payload_passthru_mode".to_owned());
    }
    if passthru.enc_algo.is_some() {
        return Err("enc_algo is used, but this router does not announce payload encryption".to_owned());
    }
    Ok(())
}
