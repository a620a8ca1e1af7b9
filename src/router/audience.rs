//! Who may receive a publication (spec: "Subscriber Black- and Whitelisting", "Publisher Exclusion").

use super::identity::Identity;
use super::mesh::{ShardId, ShardSet};
use crate::wamp::SessionId;
use crate::wamp::list::{IdList, TextList};
use crate::wamp::message;

/// The lists of a PUBLISH, owned and sorted: it crosses to other shards and is asked once per subscriber.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Audience {
    exclude: Box<[u64]>,
    exclude_authid: Box<[Box<str>]>,
    exclude_authrole: Box<[Box<str>]>,
    eligible: Option<Box<[u64]>>,
    eligible_authid: Option<Box<[Box<str>]>>,
    eligible_authrole: Option<Box<[Box<str>]>>,
}

impl Audience {
    /// `None` if the lists restrict nothing.
    pub(super) fn new(lists: &message::Audience<'_>) -> Option<Audience> {
        let audience = Audience {
            exclude: lists.exclude.as_ref().map(ids).unwrap_or_default(),
            exclude_authid: lists.exclude_authid.as_ref().map(texts).unwrap_or_default(),
            exclude_authrole: lists.exclude_authrole.as_ref().map(texts).unwrap_or_default(),
            eligible: lists.eligible.as_ref().map(ids),
            eligible_authid: lists.eligible_authid.as_ref().map(texts),
            eligible_authrole: lists.eligible_authrole.as_ref().map(texts),
        };
        (!audience.is_everybody()).then_some(audience)
    }

    /// Whether a subscriber may receive the event: in every eligible list that is there, in no exclude list.
    pub(super) fn admits(&self, who: &Identity) -> bool {
        let id = &who.session.0;
        self.eligible.as_ref().is_none_or(|list| list.binary_search(id).is_ok())
            && self.eligible_authid.as_ref().is_none_or(|list| holds(list, &who.authid))
            && self.eligible_authrole.as_ref().is_none_or(|list| holds(list, &who.authrole))
            && self.exclude.binary_search(id).is_err()
            && !holds(&self.exclude_authid, &who.authid)
            && !holds(&self.exclude_authrole, &who.authrole)
    }

    /// Bytes of memory, roughly.
    pub(super) fn weight(&self) -> usize {
        let ids = |list: &[u64]| size_of_val(list);
        let texts = |list: &[Box<str>]| size_of_val(list) + list.iter().map(|text| text.len()).sum::<usize>();
        ids(&self.exclude)
            + texts(&self.exclude_authid)
            + texts(&self.exclude_authrole)
            + self.eligible.as_deref().map_or(0, ids)
            + self.eligible_authid.as_deref().map_or(0, texts)
            + self.eligible_authrole.as_deref().map_or(0, texts)
    }

    /// The shards where somebody eligible can live, if session ids say so.
    pub(super) fn shards(&self, shards: u16) -> Option<ShardSet> {
        self.eligible.as_ref().map(|list| {
            let mut set = ShardSet::default();
            for id in list {
                set.insert(home(SessionId(*id), shards));
            }
            set
        })
    }

    /// Whether it depends on the ids of sessions.
    pub(super) fn names_sessions(&self) -> bool {
        !self.exclude.is_empty() || self.eligible.is_some()
    }

    fn is_everybody(&self) -> bool {
        self.exclude.is_empty()
            && self.exclude_authid.is_empty()
            && self.exclude_authrole.is_empty()
            && self.eligible.is_none()
            && self.eligible_authid.is_none()
            && self.eligible_authrole.is_none()
    }
}

/// The shard that a session id names.
pub(super) fn home(session: SessionId, shards: u16) -> ShardId {
    ShardId((session.0 % u64::from(shards)) as u16)
}

fn ids(list: &IdList<'_>) -> Box<[u64]> {
    let mut ids: Vec<u64> = list.iter().collect();
    ids.sort_unstable();
    ids.into()
}

fn texts(list: &TextList<'_>) -> Box<[Box<str>]> {
    let mut texts: Vec<Box<str>> = list.iter().map(Into::into).collect();
    texts.sort_unstable();
    texts.into()
}

fn holds(list: &[Box<str>], text: &str) -> bool {
    list.binary_search_by(|t| (**t).cmp(text)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(session: u64, authid: &str, authrole: &str) -> Identity {
        Identity::of(session, authid, authrole)
    }

    fn lists<'a>() -> message::Audience<'a> {
        message::Audience::default()
    }

    #[test]
    fn no_list_or_an_empty_exclude_list_means_everybody() {
        assert_eq!(Audience::new(&lists()), None);
        let exclude_nobody = message::Audience { exclude: Some(IdList::Slice(&[])), ..lists() };
        assert_eq!(Audience::new(&exclude_nobody), None);
    }

    #[test]
    fn an_empty_eligible_list_means_nobody() {
        let nobody = message::Audience { eligible: Some(IdList::Slice(&[])), ..lists() };
        let audience = Audience::new(&nobody).unwrap();
        assert!(!audience.admits(&who(1, "a", "r")));
        assert_eq!(audience.shards(4), Some(ShardSet::default()));
    }

    #[test]
    fn every_eligible_and_no_exclude_list_must_agree() {
        let audience = Audience::new(&message::Audience {
            eligible: Some(IdList::Slice(&[9, 3, 5])),
            eligible_authid: Some(TextList::Slice(&["joe", "ann"])),
            eligible_authrole: Some(TextList::Slice(&["user"])),
            exclude: Some(IdList::Slice(&[5])),
            exclude_authid: Some(TextList::Slice(&["ann"])),
            exclude_authrole: Some(TextList::Slice(&["admin"])),
        })
        .unwrap();
        for (session, authid, authrole, admitted) in [
            (3, "joe", "user", true),
            (4, "joe", "user", false),
            (5, "joe", "user", false),
            (3, "ann", "user", false),
            (3, "eve", "user", false),
            (3, "joe", "admin", false),
            (9, "joe", "user", true),
        ] {
            assert_eq!(
                audience.admits(&who(session, authid, authrole)),
                admitted,
                "{session} {authid} {authrole}"
            );
        }
        let shards: Vec<ShardId> = audience.shards(4).unwrap().collect();
        assert_eq!(shards, [ShardId(1), ShardId(3)]);
    }
}
