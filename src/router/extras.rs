//! What few publications have: receivers that were chosen, attributes of the payload, a level of trust. It is behind one pointer, so
//! ordinary events pay nothing for it.

use std::borrow::Cow;
use std::sync::Arc;

use super::audience::Audience;
use super::identity::Identity;
use super::mesh::{ShardId, ShardSet};
use super::nodes::{Chosen, Wanderings};
use super::passthru;
use super::session::Violation;
use super::shard::{ConnId, Shard};
use crate::config::Retain;
use crate::wamp::SessionId;
use crate::wamp::message::{EventDetails, MatchPolicy, Passthru, Publish, PublishOptions, Rare};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Extras {
    /// Who may receive the event, if not everybody.
    pub(super) audience: Option<Audience>,
    /// Of nodes only these get the event.
    pub(super) nodes: Option<Box<[Chosen]>>,
    /// The key by which they were chosen.
    pub(super) rkey: Option<Box<str>>,
    /// All others have had the event: it is for nodes that come in the place of some that have gone.
    pub(super) wanderings: Option<Box<Wanderings>>,
    passthru: Rare<Passthru<'static>>,
    /// How far the configuration trusts the publisher with this topic.
    trustlevel: Option<u64>,
    /// The owner of the topic, if it shall retain the event.
    pub(super) retained_by: Option<ShardId>,
    /// The owner of the topic's policy, if it shall record the event, and which policy that is.
    pub(super) recorded_by: Option<ShardId>,
    /// The publisher, if it may not get an event of its own that is retained or handed on.
    pub(super) except: Option<SessionId>,
}

impl Extras {
    /// Whether a subscriber may receive the event.
    pub(super) fn admits(&self, who: &Identity) -> bool {
        self.except != Some(who.session) && self.audience.as_ref().is_none_or(|it| it.admits(who))
    }

    /// The same for these nodes only, and nobody keeps it once more.
    pub(super) fn handed_on(&self, nodes: Box<[Chosen]>, wanderings: Wanderings) -> Extras {
        Extras {
            nodes: Some(nodes),
            wanderings: Some(Box::new(wanderings)),
            retained_by: None,
            recorded_by: None,
            ..self.clone()
        }
    }

    /// Bytes of memory, roughly.
    pub(super) fn weight(&self) -> usize {
        let rkey = self.rkey.as_ref().map_or(0, |rkey| rkey.len());
        let audience = self.audience.as_ref().map_or(0, Audience::weight);
        size_of::<Extras>() + rkey + audience + self.passthru.get().map_or(0, Passthru::bytes)
    }

    /// The shards that keep the event.
    pub(super) fn keepers(&self) -> ShardSet {
        let mut shards = ShardSet::default();
        self.retained_by.into_iter().chain(self.recorded_by).for_each(|shard| shards.insert(shard));
        shards
    }

    /// Adds what subscribers are told.
    pub(super) fn tell(&self, details: &mut EventDetails<'_>) {
        details.trustlevel = self.trustlevel;
        details.passthru = self.passthru.clone();
    }
}

/// Whether none of the options leads to [`Extras`].
#[inline]
pub(super) fn has_none(options: &PublishOptions<'_>) -> bool {
    options.audience.get().is_none()
        && options.passthru.get().is_none()
        && options.retain != Some(true)
        && options.rkey.is_none()
}

/// Details of an EVENT that discloses its publisher, if there is one.
pub(super) fn details_of(publisher: Option<&Identity>) -> EventDetails<'_> {
    EventDetails {
        publisher: publisher.map(|p| p.session),
        publisher_authid: publisher.map(|p| Cow::Borrowed(&*p.authid)),
        publisher_authrole: publisher.map(|p| Cow::Borrowed(&*p.authrole)),
        ..EventDetails::default()
    }
}

impl Shard {
    /// The extras of a PUBLISH of this session.
    #[cold]
    #[inline(never)]
    pub(super) fn extras(&self, id: ConnId, publish: &Publish<'_>) -> Result<Option<Arc<Extras>>, Violation> {
        let Publish { options, topic, payload, .. } = publish;
        let Some(session) = self.session(id) else { return Ok(None) };
        let config = &self.config.realms[usize::from(session.realm.0)];
        let Identity { authid, authrole, .. } = &*session.identity;
        let policy = config.topic_policy(topic);
        let audience = options.audience.get().and_then(Audience::new);
        // Sessions come and go: what only some of them may see is not recorded.
        let records =
            policy.filter(|it| it.history > 0 && !audience.as_ref().is_some_and(Audience::names_sessions));
        let retains = match policy.map_or(Retain::Asked, |policy| policy.retain) {
            Retain::Asked => options.retain == Some(true),
            Retain::Always => true,
            Retain::Never => false,
        };
        let extras = Extras {
            audience,
            nodes: options.rkey.as_ref().map(|rkey| self.choose_nodes(session.realm, topic, rkey, &[])),
            rkey: options.rkey.as_deref().map(Into::into),
            wanderings: None,
            passthru: passthru::admit(&options.passthru, *payload, "PUBLISH", session.features.publisher)?,
            trustlevel: config.trustlevel(topic, authid, authrole),
            retained_by: retains.then(|| self.owner(session.realm, MatchPolicy::Exact, topic)),
            recorded_by: records.map(|it| self.owner(session.realm, it.match_policy, &it.uri)),
            except: ((retains || options.rkey.is_some()) && options.exclude_me != Some(false))
                .then(|| session.id()),
        };
        Ok((extras != Extras::default()).then(|| Arc::new(extras)))
    }
}
