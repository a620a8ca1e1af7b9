//! Who of a registration takes a call (spec: "Shared Registration").
//!
//! The caller's shard decides from its copy of the registration, except where all shards must take turns, or what callees have to do
//! is counted (see `pool`): then the owner picks.

use super::mesh::{CallKey, RealmId, ShardId, Turn, Wish, Word};
use super::partition::Partition;
use super::realm::Registration;
use super::registrations::owner_of;
use super::shard::Shard;
use super::time::Time;
use crate::wamp::message::InvokePolicy;
use crate::wamp::{RegistrationId, SessionId};

/// Who takes a call.
pub(super) enum Choice {
    Callee(SessionId),
    /// The owner must say.
    Owner,
}

/// How a shard finds the callee of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    First,
    Last,
    Random,
    Turn,
    /// The owner counts what each callee has to do, so it alone can say.
    Owner,
}

impl From<InvokePolicy> for Rule {
    fn from(policy: InvokePolicy) -> Rule {
        match policy {
            InvokePolicy::Single | InvokePolicy::First => Rule::First,
            InvokePolicy::Last => Rule::Last,
            InvokePolicy::Random => Rule::Random,
            InvokePolicy::RoundRobin => Rule::Turn,
            InvokePolicy::Load => Rule::Owner,
        }
    }
}

impl Shard {
    /// Owner: whose turn it is.
    pub(super) fn own_pick(
        &mut self,
        now: Time,
        from: ShardId,
        realm: RealmId,
        registration: RegistrationId,
        call: CallKey,
        wish: Wish,
    ) {
        let turn = match self.realm(realm).registration.get_mut(&registration) {
            None => Turn::Nobody,
            Some(it) if it.pool.is_none() => it.take_turn(&wish.tried).map_or(Turn::Nobody, Turn::Callee),
            Some(_) => self.own_counted_pick(from, realm, registration, call, wish),
        };
        self.tell(now, from, Word::Picked { call, turn });
    }

    /// Who of a registration takes a call, but those that were tried; `None` if nobody is left.
    pub(super) fn choose(
        &mut self,
        realm: RealmId,
        id: RegistrationId,
        tried: &[SessionId],
        partition: Option<Partition>,
    ) -> Option<Choice> {
        let (shards, me) = (self.shards, self.id);
        let registration = self.realm(realm).registration.get_mut(&id)?;
        let callees = &registration.callees;
        let mut left = callees.iter().filter(|callee| !tried.contains(callee));
        let callee = match registration.rule {
            Rule::Owner => return left.next().map(|_| Choice::Owner),
            _ if partition.is_some() => partition.and_then(|partition| partition.callee(left)),
            Rule::First => left.next().copied(),
            Rule::Last => left.next_back().copied(),
            Rule::Random => {
                let n = left.clone().count();
                let chosen = self.random_below(n);
                let callees = &self.realms[usize::from(realm.0)].registration[&id].callees;
                callees.iter().filter(|callee| !tried.contains(callee)).nth(chosen).copied()
            }
            // Alone, it is always its turn.
            Rule::Turn if callees.len() == 1 => left.next().copied(),
            Rule::Turn if owner_of(id, shards) == me => registration.take_turn(tried),
            Rule::Turn => return Some(Choice::Owner),
        };
        callee.map(Choice::Callee)
    }
}

impl Registration {
    /// The callee whose turn it is, skipping `tried`.
    fn take_turn(&mut self, tried: &[SessionId]) -> Option<SessionId> {
        let n = self.callees.len();
        let index = (0..n).map(|i| (self.turn + i) % n).find(|i| !tried.contains(&self.callees[*i]))?;
        self.turn = (index + 1) % n;
        Some(self.callees[index])
    }
}
