//! Event history: the last events of topics for which the configuration says so (spec: "Event History").
//!
//! Each entry `[[realm.topic]]` with a history has an owner, the shard that `hash(realm, match, uri)` names. It records what is published to
//! the entry's topics in the order in which it comes, whether or not somebody subscribes. The history of a subscription are the recorded
//! events that its pattern matches. Who asks for it gets them from the owners and picks from them.

use std::collections::VecDeque;
use std::sync::Arc;

use super::kept::Kept;
use super::mesh::{CallKey, RealmId, ShardId, ShardSet, Word};
use super::shard::{ConnId, Shard};
use super::time::{Date, Time};
use crate::config::TopicPolicy;
use crate::wamp::message::MatchPolicy;
use crate::wamp::{PublicationId, SubscriptionId, uri};

slotmap::new_key_type! {
    /// Somebody who waits for events of the past, at his home.
    pub(super) struct ReplayKey;
}

/// The recorded events of a realm that this shard owns.
#[derive(Debug)]
pub(super) struct History {
    /// By entry of the configuration, the oldest event first.
    events: Vec<VecDeque<Arc<Kept>>>,
    bytes: usize,
}

impl History {
    pub(super) fn new(policies: usize) -> History {
        History { events: (0..policies).map(|_| VecDeque::new()).collect(), bytes: 0 }
    }

    /// The entries have changed: those that are still there keep their events, as many as they keep now.
    pub(super) fn rearrange(&mut self, before: &[TopicPolicy], after: &[TopicPolicy]) {
        let mut events = std::mem::take(&mut self.events);
        let mut taken = |entry: &TopicPolicy| {
            let same = |old: &&TopicPolicy| old.uri == entry.uri && old.match_policy == entry.match_policy;
            let index = before.iter().enumerate().find(|(_, old)| same(old)).map(|(index, _)| index)?;
            let mut events = events.get_mut(index).map(std::mem::take)?;
            events.drain(..events.len().saturating_sub(entry.history));
            Some(events)
        };
        self.events = after.iter().map(|entry| taken(entry).unwrap_or_default()).collect();
        self.bytes = self.events.iter().flatten().map(|kept| kept.weight()).sum();
    }

    /// Appends an event under an entry, which keeps `most` of them. The oldest ones of the entry make room.
    /// Returns how many went before there were so many.
    pub(super) fn record(&mut self, policy: usize, kept: Arc<Kept>, most: usize, bytes_max: usize) -> u64 {
        let Some(events) = self.events.get_mut(policy) else { return 0 };
        let mut early = 0;
        self.bytes += kept.weight();
        events.push_back(kept);
        while (events.len() > most || self.bytes > bytes_max)
            && let Some(oldest) = events.pop_front()
        {
            self.bytes -= oldest.weight();
            early += u64::from(events.len() < most);
        }
        early
    }

    /// The events that this pattern matches.
    fn replay(&self, policy: MatchPolicy, pattern: &str) -> Vec<Arc<Kept>> {
        let all = self.events.iter().flatten();
        all.filter(|kept| uri::matches(pattern, policy, kept.parcel.uri())).cloned().collect()
    }
}

/// A question for the recorded events that a pattern matches.
#[derive(Debug)]
pub(super) struct Replay {
    pub(super) key: ReplayKey,
    pub(super) home: ShardId,
    pub(super) realm: RealmId,
    pub(super) policy: MatchPolicy,
    pub(super) pattern: Arc<str>,
}

/// The same at home.
#[derive(Debug)]
pub(super) struct Replaying {
    pub(super) call: CallKey,
    /// Who asks.
    conn: ConnId,
    pub(super) subscription: SubscriptionId,
    pub(super) policy: MatchPolicy,
    pub(super) filter: Filter,
    missing: u16,
    pub(super) events: Vec<Arc<Kept>>,
}

/// Which events are wanted.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    pub(super) reverse: bool,
    pub(super) limit: usize,
    pub(super) from_time: Option<Date>,
    pub(super) after_time: Option<Date>,
    pub(super) before_time: Option<Date>,
    pub(super) until_time: Option<Date>,
    pub(super) topic: Option<Box<str>>,
    pub(super) from_publication: Option<PublicationId>,
    pub(super) after_publication: Option<PublicationId>,
    pub(super) before_publication: Option<PublicationId>,
    pub(super) until_publication: Option<PublicationId>,
}

impl Filter {
    /// Takes what is wanted from the events, which are in their order. If an event that is named is not there, nothing is known to be
    /// before or behind it.
    pub(super) fn pick<'a>(
        &self,
        events: &'a [Arc<Kept>],
        admits: impl Fn(&Kept) -> bool,
    ) -> impl Iterator<Item = &'a Kept> {
        let at = |publication: Option<PublicationId>| {
            publication.map(|id| events.iter().position(|kept| kept.publication == id))
        };
        let bound = |position: Option<Option<usize>>, unbounded, behind| match position {
            None => unbounded,
            Some(None) => None,
            Some(Some(at)) => Some(at + behind),
        };
        // The first event that is wanted, and the one behind the last.
        let firsts =
            [bound(at(self.from_publication), Some(0), 0), bound(at(self.after_publication), Some(0), 1)];
        let ends = [
            bound(at(self.before_publication), Some(events.len()), 0),
            bound(at(self.until_publication), Some(events.len()), 1),
        ];
        let range = match (firsts, ends) {
            ([Some(a), Some(b)], [Some(c), Some(d)]) => a.max(b)..c.min(d),
            _ => 0..0,
        };
        let is_wanted = |kept: &&'a Kept| {
            let date = kept.date;
            self.from_time.is_none_or(|it| date >= it)
                && self.after_time.is_none_or(|it| date > it)
                && self.before_time.is_none_or(|it| date < it)
                && self.until_time.is_none_or(|it| date <= it)
                && self.topic.as_deref().is_none_or(|topic| topic == kept.parcel.uri())
                && admits(kept)
        };
        let mut wanted: Vec<&'a Kept> =
            events.get(range).unwrap_or_default().iter().map(|kept| &**kept).filter(is_wanted).collect();
        if self.reverse {
            wanted.reverse();
        }
        wanted.truncate(self.limit);
        wanted.into_iter()
    }
}

impl Shard {
    /// Asks for the history of a subscription; the call is answered when it is there.
    pub(super) fn replay(
        &mut self,
        now: Time,
        call: CallKey,
        realm: RealmId,
        subscription: SubscriptionId,
        (match_policy, pattern): (MatchPolicy, Arc<str>),
        filter: Filter,
    ) {
        let Some(conn) = self.calls.get(call).map(|record| record.caller) else { return };
        self.wire.asks(conn);
        let owners = self.recorders(realm, match_policy, &pattern);
        let key = self.replays.insert(Replaying {
            call,
            conn,
            subscription,
            policy: match_policy,
            filter,
            missing: owners.len(),
            events: Vec::new(),
        });
        if owners.is_empty() {
            return self.replay_complete(key);
        }
        let replay = Arc::new(Replay { key, home: self.id, realm, policy: match_policy, pattern });
        owners.for_each(|shard| self.tell(now, shard, Word::Replay(replay.clone())));
    }

    /// The owners of entries that may have recorded events for this pattern.
    fn recorders(&self, realm: RealmId, match_policy: MatchPolicy, pattern: &str) -> ShardSet {
        let config = &self.config.realms[usize::from(realm.0)];
        let mut owners = ShardSet::default();
        let all = match match_policy {
            MatchPolicy::Exact => &[],
            _ => &*config.topics,
        };
        let one = config.topic_policy(pattern).filter(|_| match_policy == MatchPolicy::Exact);
        for entry in all.iter().chain(one).filter(|entry| entry.history > 0) {
            owners.insert(self.owner(realm, entry.match_policy, &entry.uri));
        }
        owners
    }

    /// Owner: somebody asks.
    pub(super) fn own_replay(&mut self, now: Time, replay: &Replay) {
        let Replay { key, home, realm, policy, pattern } = replay;
        let events = self.realms[usize::from(realm.0)].history.replay(*policy, pattern).into();
        self.tell(now, *home, Word::Replayed { key: *key, events });
    }

    /// Home: an owner has answered.
    pub(super) fn replayed(&mut self, key: ReplayKey, events: &[Arc<Kept>]) {
        let Some(replaying) = self.replays.get_mut(key) else { return };
        replaying.events.extend_from_slice(events);
        replaying.missing -= 1;
        if replaying.missing == 0 {
            self.replay_complete(key);
        }
    }

    fn replay_complete(&mut self, key: ReplayKey) {
        let Some(mut replaying) = self.replays.remove(key) else { return };
        self.wire.is_told(replaying.conn);
        // Stable: what an owner has got at the same time stays in its order.
        replaying.events.sort_by_key(|kept| kept.date);
        self.answer_replay(&replaying);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::extras::Extras;
    use super::super::mesh::Parcel;
    use super::*;
    use crate::wamp::Serializer;

    fn kept(n: u64) -> Arc<Kept> {
        let parcel =
            Parcel { serializer: Serializer::Json, items: 0, uri_len: 1, bytes: Bytes::from_static(b"x") };
        let extras = Arc::new(Extras::default());
        // Publication ids are in no order.
        Arc::new(Kept { date: Date(n), publication: PublicationId(100 - n), publisher: None, extras, parcel })
    }

    #[test]
    fn the_oldest_make_room() {
        let mut history = History::new(2);
        for n in 0..10 {
            history.record(1, kept(n), 3, usize::MAX);
        }
        let dates = |history: &History| Vec::from_iter(history.events[1].iter().map(|kept| kept.date.0));
        assert_eq!(dates(&history), [7, 8, 9]);
        assert_eq!(history.bytes, 3 * kept(0).weight());
        history.record(1, kept(10), 3, 2 * kept(0).weight());
        assert_eq!(dates(&history), [9, 10]);
        history.record(1, kept(11), 3, 1);
        assert_eq!((dates(&history), history.bytes), (vec![], 0));
    }

    #[test]
    fn filters() {
        let events = Vec::from_iter((0..10).map(kept));
        let pick = |filter: Filter| {
            let filter = Filter { limit: if filter.limit == 0 { 99 } else { filter.limit }, ..filter };
            Vec::from_iter(filter.pick(&events, |kept| kept.date.0 != 5).map(|kept| kept.date.0))
        };
        let (date, publication) = (|n| Some(Date(n)), |n: u64| Some(PublicationId(100 - n)));
        let default = Filter::default;
        assert_eq!(pick(default()), [0, 1, 2, 3, 4, 6, 7, 8, 9]);
        assert_eq!(pick(Filter { from_time: date(8), ..default() }), [8, 9]);
        assert_eq!(pick(Filter { after_time: date(8), ..default() }), [9]);
        assert_eq!(pick(Filter { before_time: date(2), ..default() }), [0, 1]);
        assert_eq!(pick(Filter { until_time: date(2), ..default() }), [0, 1, 2]);
        assert_eq!(pick(Filter { from_publication: publication(8), ..default() }), [8, 9]);
        assert_eq!(pick(Filter { after_publication: publication(8), ..default() }), [9]);
        assert_eq!(pick(Filter { before_publication: publication(2), ..default() }), [0, 1]);
        assert_eq!(pick(Filter { until_publication: publication(2), ..default() }), [0, 1, 2]);
        // The one that is named may be one that is not given out.
        assert_eq!(pick(Filter { after_publication: publication(5), limit: 2, ..default() }), [6, 7]);
        assert_eq!(pick(Filter { reverse: true, limit: 3, ..default() }), [9, 8, 7]);
        let both =
            Filter { after_publication: publication(3), before_time: date(7), reverse: true, ..default() };
        assert_eq!(pick(both), [6, 4]);
        for unknown in [
            Filter { from_publication: publication(50), ..default() },
            Filter { until_publication: publication(50), ..default() },
            Filter { after_publication: publication(8), before_publication: publication(2), ..default() },
            Filter { topic: Some("y".into()), ..default() },
        ] {
            assert_eq!(pick(unknown), [0; 0]);
        }
    }
}
