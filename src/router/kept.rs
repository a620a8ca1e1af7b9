//! Events that outlive their delivery: the retained ones and those of the event history. Whoever owns a topic, or a policy about topics,
//! gets its publications from their publishers' shards, whether or not somebody there subscribes.

use std::sync::Arc;

use super::extras::{self, Extras};
use super::identity::Identity;
use super::mesh::{Parcel, RealmId};
use super::publish::Publication;
use super::shard::Shard;
use super::time::{Date, Time};
use crate::wamp::PublicationId;
use crate::wamp::message::{EventDetails, MatchPolicy, Payload, Text};

/// An event that is kept, in memory of its own.
#[derive(Debug)]
pub(super) struct Kept {
    /// When it came to its keeper.
    pub(super) date: Date,
    pub(super) publication: PublicationId,
    pub(super) publisher: Option<Arc<Identity>>,
    pub(super) extras: Arc<Extras>,
    /// The URI is the topic.
    pub(super) parcel: Parcel,
}

impl Kept {
    /// Bytes of memory, roughly.
    pub(super) fn weight(&self) -> usize {
        size_of::<Kept>() + self.parcel.bytes.len() + self.extras.weight()
    }

    /// What a subscriber with this policy was told of it.
    pub(super) fn details(&self, policy: MatchPolicy) -> EventDetails<'_> {
        let mut details = extras::details_of(self.publisher.as_deref());
        details.topic = (policy != MatchPolicy::Exact).then_some(Text::Borrowed(self.parcel.uri()));
        self.extras.tell(&mut details);
        details
    }
}

impl Shard {
    /// Keeps a publication that was just delivered, if this is where that is done.
    #[cold]
    #[inline(never)]
    pub(super) fn keep_event(
        &mut self,
        now: Time,
        realm: RealmId,
        event: &Publication<'_>,
        publisher: Option<&Arc<Identity>>,
        extras: &Arc<Extras>,
        payload: Payload<'_>,
    ) {
        if extras.retained_by.is_some() {
            self.overtake(realm, event);
        }
        let retains = extras.retained_by == Some(self.id);
        let records = extras.recorded_by == Some(self.id);
        if !(retains || records) || !self.open[usize::from(realm.0)] {
            return;
        }
        // A copy: what is kept for long must not pin the arena's memory.
        let parcel = Parcel {
            serializer: payload.serializer,
            items: payload.items,
            uri_len: event.topic.len() as u16,
            bytes: [event.topic.as_bytes(), payload.bytes].concat().into(),
        };
        let (date, publisher, extras) = (self.date(now), publisher.cloned(), extras.clone());
        let kept = Arc::new(Kept { date, publication: event.id, publisher, extras, parcel });
        let tables = &mut self.realms[usize::from(realm.0)];
        if retains {
            tables.retained.keep(kept.clone(), &self.config.limits, &mut self.limited);
        }
        // The publisher's shard may go by another configuration, so the entry is looked for here.
        let entries = &self.config.realms[usize::from(realm.0)].topics;
        if records && let Some(entry) = entries.iter().position(|entry| entry.matches(event.topic)) {
            let most = entries[entry].history;
            let bytes_max = self.config.limits.history_bytes_max;
            self.limited.history_bytes_max += tables.history.record(entry, kept, most, bytes_max);
        }
    }
}
