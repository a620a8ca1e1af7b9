//! Rounds: some shards are told of something, and whoever asked for it is answered only when all of them have applied it.
//!
//! A shard collects the acknowledgements for its own subscribers itself: what the others had sent it before they knew is there before
//! them, and nothing of that comes after SUBSCRIBED.

use std::sync::Arc;

use super::mesh::{RealmId, RoundKey, ShardId, Word};
use super::shard::Shard;
use super::time::Time;
use crate::wamp::message::MatchPolicy;
use crate::wamp::{PublicationId, RegistrationId, RequestId, SessionId};

/// Who waits for all shards to know.
#[derive(Debug)]
pub(super) struct Round {
    missing: u16,
    home: ShardId,
    answer: RoundAnswer,
}

/// What to tell whoever asked for the change.
#[derive(Debug)]
pub(super) enum RoundAnswer {
    /// To sessions of this shard.
    Subscribed { realm: RealmId, policy: MatchPolicy, topic: Arc<str> },
    Registered {
        realm: RealmId,
        session: SessionId,
        request: RequestId,
        registration: RegistrationId,
        /// Most invocations at a time, where they are counted.
        max: u32,
    },
    /// To this shard, which changes the configuration.
    Adopted,
    /// To a session of this shard.
    Published { session: SessionId, request: RequestId, publication: PublicationId },
}

impl Shard {
    /// Tells all other shards `word(round)`, and `answer` to `home` once they all know.
    pub(super) fn round(
        &mut self,
        now: Time,
        home: ShardId,
        answer: RoundAnswer,
        word: impl Fn(RoundKey) -> Word,
    ) {
        let others = self.shards - 1;
        if others == 0 {
            self.conclude(now, home, answer);
            return;
        }
        let round = self.begin_round(others, home, answer);
        for shard in self.others() {
            self.tell(now, shard, word(round));
        }
    }

    /// A round that waits for `missing` shards, one at least; the caller tells them.
    pub(super) fn begin_round(&mut self, missing: u16, home: ShardId, answer: RoundAnswer) -> RoundKey {
        self.rounds.insert(Round { missing, home, answer })
    }

    /// One more shard knows.
    pub(super) fn acknowledged(&mut self, now: Time, key: RoundKey) {
        let Some(round) = self.rounds.get_mut(key) else { return };
        round.missing -= 1;
        if round.missing == 0
            && let Some(Round { home, answer, .. }) = self.rounds.remove(key)
        {
            self.conclude(now, home, answer);
        }
    }

    /// Everybody knows.
    pub(super) fn conclude(&mut self, now: Time, home: ShardId, answer: RoundAnswer) {
        match answer {
            RoundAnswer::Subscribed { realm, policy, topic } => self.subscribed(now, realm, policy, &topic),
            RoundAnswer::Registered { realm, session, request, registration, max } => {
                self.tell(now, home, Word::Registered { session, request, outcome: Ok(registration) });
                self.callee_ready(now, realm, registration, session, max);
            }
            RoundAnswer::Adopted => self.adopted(now),
            RoundAnswer::Published { session, request, publication } => {
                self.published(session, request, publication);
            }
        }
    }
}
