//! Who of a registration takes a call (spec: "Shared Registration").
//!
//! The caller's shard decides from its copy of the registration, except where all shards must take turns: then the owner picks.

use super::mesh::{CallKey, RealmId, ShardId, Word};
use super::realm::Registration;
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

impl Shard {
    /// Owner: whose turn it is.
    pub(super) fn own_pick(
        &mut self,
        now: Time,
        from: ShardId,
        realm: RealmId,
        registration: RegistrationId,
        call: CallKey,
        tried: &[SessionId],
    ) {
        let callee = self.realm(realm).registration.get_mut(&registration).and_then(|r| r.take_turn(tried));
        self.tell(now, from, Word::Picked { call, callee });
    }

    /// Who of a registration takes a call, but those that were tried; `None` if nobody is left.
    pub(super) fn choose(
        &mut self,
        realm: RealmId,
        id: RegistrationId,
        tried: &[SessionId],
    ) -> Option<Choice> {
        let owner = self.registration_owner(id) == self.id;
        let registration = self.realm(realm).registration.get_mut(&id)?;
        let callees = &registration.callees;
        let mut left = callees.iter().filter(|callee| !tried.contains(callee));
        let callee = match registration.offer.invoke {
            InvokePolicy::Single | InvokePolicy::First => left.next().copied(),
            InvokePolicy::Last => left.next_back().copied(),
            InvokePolicy::Random => {
                let n = left.clone().count();
                let chosen = self.random_below(n);
                let callees = &self.realms[usize::from(realm.0)].registration[&id].callees;
                callees.iter().filter(|callee| !tried.contains(callee)).nth(chosen).copied()
            }
            InvokePolicy::RoundRobin if owner => registration.take_turn(tried),
            // Alone, it is always its turn.
            InvokePolicy::RoundRobin if callees.len() == 1 => left.next().copied(),
            InvokePolicy::RoundRobin => return Some(Choice::Owner),
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
