//! Publications: from PUBLISH to the EVENTs in the queues of subscribers (spec: "Publish and Subscribe").
//!
//! A publication is matched in this shard's copy of who wants what, delivered to its own subscribers, and goes once to each other
//! shard that has some.

use simd_json::OwnedValue;
use simd_json::prelude::*;

use super::arena::Arena;
use super::audience::Audience;
use super::conn::{Pieces, Stall, TooLarge, Wire};
use super::delivery::{Body, Scratch};
use super::extras::{self, Extras};
use super::identity::Identity;
use super::mesh::{Parcel, Published, RealmId, ShardSet, Word};
use super::realm::{Topic, TopicKey};
use super::rounds::RoundAnswer;
use super::session::Violation;
use super::shard::{ConnId, Shard};
use super::time::Time;
use crate::wamp::message::{Event, MatchPolicy, Payload, Publish, Text};
use crate::wamp::{
    Message, PublicationId, RequestId, Serializer, SessionId, SubscriptionId, encode, error_uri, uri,
};

/// Code of EVENT.
const EVENT: u8 = 36;
/// Code of PUBLISH in ERROR.
pub(super) const PUBLISH: u8 = 16;

/// What all events of a publication have in common.
pub(super) struct Publication<'a> {
    pub(super) id: PublicationId,
    pub(super) topic: &'a str,
    pub(super) publisher: Option<&'a Identity>,
    pub(super) extras: Option<&'a Extras>,
    /// The publisher, if it is of this shard and does not want its own event.
    pub(super) skip: Option<ConnId>,
    /// It is not new.
    pub(super) retained: bool,
}

impl Publication<'_> {
    /// Appends the head of EVENT.
    #[inline]
    pub(super) fn write_head(
        &self,
        subscription: SubscriptionId,
        policy: MatchPolicy,
        payload: Payload<'_>,
        out: &mut Vec<u8>,
    ) {
        let Payload { serializer, items, .. } = payload;
        if policy == MatchPolicy::Exact && self.publisher.is_none() && self.extras.is_none() {
            encode::plain_head(EVENT, [subscription.0, self.id.0], items, serializer, out);
        } else {
            self.write_details(subscription, policy, payload, out);
        }
    }

    #[inline(never)]
    fn write_details(
        &self,
        subscription: SubscriptionId,
        policy: MatchPolicy,
        payload: Payload<'_>,
        out: &mut Vec<u8>,
    ) {
        let mut details = extras::details_of(self.publisher);
        details.topic = (policy != MatchPolicy::Exact).then_some(Text::Borrowed(self.topic));
        details.retained = self.retained.then_some(true);
        if let Some(extras) = self.extras {
            extras.tell(&mut details);
        }
        let message = Message::Event(Event { subscription, publication: self.id, details, payload });
        encode::encode_head(&message, payload.serializer, out);
    }
}

impl Shard {
    pub(super) fn publish(&mut self, now: Time, id: ConnId, publish: &Publish<'_>) -> Result<(), Violation> {
        let Publish { request, options, topic, payload } = publish;
        let acknowledge = options.acknowledge == Some(true);
        if options.disclose_me == Some(true)
            && let Some(text) = self.forbids_disclosure(id)
        {
            if acknowledge {
                self.refuse(id, PUBLISH, *request, error_uri::OPTION_DISALLOWED_DISCLOSE_ME, text);
            }
            return Ok(());
        }
        let Some(session) = self.session(id) else { return Ok(()) };
        let (realm, me) = (session.realm, session.id());
        let discloses = options.disclose_me == Some(true) || session.discloses();
        let publisher = discloses.then(|| session.identity.clone());
        let tables = &self.realms[usize::from(realm.0)];
        let exact = tables.topics.get(MatchPolicy::Exact, topic);
        let is_ordinary = !tables.has_topic_rules && extras::has_none(options);
        let extras = if is_ordinary { None } else { self.extras(id, publish)? };
        // What somebody subscribes to has been checked, but for being reserved.
        if (exact.is_none() || uri::is_reserved(topic))
            && let Err(text) = self.check_application_uri(id, topic, MatchPolicy::Exact)
        {
            self.is_uri_too_long(topic);
            if acknowledge {
                self.refuse(id, PUBLISH, *request, error_uri::INVALID_URI, &text);
            }
            return Ok(());
        }
        let publication = PublicationId(self.random_id());

        let mut shards = self.interested(realm, exact, topic, extras.as_deref());
        if let Some(extras) = &extras {
            shards = shards.union(extras.keepers());
            shards.remove(self.id);
        }
        let parcel = (!shards.is_empty()).then(|| self.parcel(topic, *payload));
        let mut body = Body::new(parcel.as_ref().map_or(*payload, Parcel::payload));
        if let Some(parcel) = &parcel {
            body.share(parcel);
        }
        let event = Publication {
            id: publication,
            topic,
            publisher: publisher.as_deref(),
            extras: extras.as_deref(),
            skip: (options.exclude_me != Some(false)).then_some(id),
            retained: false,
        };
        self.deliver(realm, &event, &mut body);
        if let Some(extras) = &extras {
            self.keep_event(now, realm, &event, publisher.as_ref(), extras, *payload);
        }
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
        let published = Published { realm, publication, extras, publisher, parcel, round };
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

    /// Why a session may not make itself known, if it may not (decision D16).
    #[cold]
    #[inline(never)]
    pub(super) fn forbids_disclosure(&self, id: ConnId) -> Option<&'static str> {
        let realm = self.session(id)?.realm;
        let is_allowed = self.config.realms[usize::from(realm.0)].disclose_me;
        (!is_allowed).then_some("this realm does not allow the option disclose_me")
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
        let event = Publication {
            id: publication,
            topic,
            publisher: None,
            extras: None,
            skip: None,
            retained: false,
        };
        self.deliver(realm, &event, &mut Body::new(payload));
        if shards.is_empty() {
            return;
        }
        let parcel = self.parcel(topic, payload);
        let published = Published { realm, publication, extras: None, publisher: None, parcel, round: None };
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
    pub(super) fn deliver_published(&mut self, now: Time, published: &Published) {
        let Published { realm, publication, extras, publisher, parcel, round: _ } = published;
        let topic = parcel.uri();
        let exact = self.realms[usize::from(realm.0)].topics.get(MatchPolicy::Exact, topic);
        let mut skip = None;
        match extras {
            Some(extras) if extras.wanderings.is_some() => {
                // It may have come back to where its publisher is.
                skip = extras.except.and_then(|publisher| self.conn_of(publisher));
                self.interested_nodes(*realm, topic, extras);
            }
            _ => {
                self.interested(*realm, exact, topic, extras.as_deref());
            }
        }
        let event = Publication {
            id: *publication,
            topic,
            publisher: publisher.as_deref(),
            extras: extras.as_deref(),
            skip,
            retained: false,
        };
        let mut body = Body::of_parcel(parcel);
        self.deliver(*realm, &event, &mut body);
        if let Some(extras) = extras {
            self.keep_event(now, *realm, &event, publisher.as_ref(), extras, parcel.payload());
            if extras.nodes.is_some() {
                self.hand_on(now, published, extras);
            }
        }
    }

    /// Fills [`Scratch::matches`](super::delivery::Scratch::matches) with the topics that match, of which `exact` is the one of
    /// that very URI, and returns the other shards that want the event.
    fn interested(
        &mut self,
        realm: RealmId,
        exact: Option<TopicKey>,
        topic: &str,
        extras: Option<&Extras>,
    ) -> ShardSet {
        let realm = &self.realms[usize::from(realm.0)];
        let matches = &mut self.scratch.matches;
        matches.clear();
        let mut shards = ShardSet::default();
        let mut found = |key| {
            let topic = &realm.topic[key];
            shards = shards.union(topic.shards);
            matches.push(key);
            if !topic.nodes.is_empty() {
                let chosen = extras.and_then(|extras| extras.nodes.as_deref());
                realm.add_nodes(topic, chosen, &mut shards, matches);
            }
        };
        if let Some(key) = exact {
            found(key);
        }
        realm.topics.each_pattern_match(topic, found);
        shards.remove(self.id);
        match audience_of(extras).and_then(|a| a.shards(self.shards)) {
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
            if let Some(audience) = audience_of(event.extras) {
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

fn audience_of(extras: Option<&Extras>) -> Option<&Audience> {
    extras.and_then(|extras| extras.audience.as_ref())
}
