//! Pools: registrations whose owner counts what each callee has to answer (beyond the specification: the policy `load`, and
//! `concurrency`, a limit for each callee).
//!
//! The owner gives a call a slot: the right to one more invocation at one callee. Whoever ends the invocation, in whatever way, gives
//! the slot back, once; if the call is gone when its slot comes, its caller's shard does. So the count is exact over all shards. A
//! call for which no callee is free waits at the owner, the first come first.

use std::collections::BTreeMap;

use super::mesh::{CallKey, RealmId, ShardId, Slot, Turn, Wish, Word};
use super::realm::Registration;
use super::shard::Shard;
use super::time::Time;
use super::{Hasher, Map};
use crate::wamp::message::InvokePolicy;
use crate::wamp::{RegistrationId, SessionId};

/// What the owner of a registration counts.
#[derive(Debug)]
pub(super) struct Pool {
    seats: Map<SessionId, Seat>,
    /// By place: calls that had to try another callee before are at the front, then those that wait for their first.
    waiting: BTreeMap<i64, Waiting>,
    /// The places of calls.
    places: Map<(ShardId, CallKey), i64>,
    waiting_max: usize,
    /// Calls that waited are being sent; what comes back of them meanwhile is seen to afterwards.
    is_serving: bool,
}

/// A callee, or one that has left and has something to answer still.
#[derive(Debug)]
struct Seat {
    open: u32,
    /// 0 until all shards know the callee, and when it has left.
    max: u32,
}

/// A call for which no callee is free.
#[derive(Debug)]
struct Waiting {
    from: ShardId,
    call: CallKey,
    wish: Wish,
}

/// All callees that could take a call have as much to do as they may.
pub(super) struct AllBusy;

impl Pool {
    pub(super) fn new(waiting_max: usize, hasher: &Hasher) -> Pool {
        Pool {
            seats: Map::with_hasher(hasher.clone()),
            waiting: BTreeMap::new(),
            places: Map::with_hasher(hasher.clone()),
            waiting_max,
            is_serving: false,
        }
    }

    /// A callee may have so many open invocations from now on.
    pub(super) fn admit(&mut self, callee: SessionId, max: u32) {
        self.seats.entry(callee).or_insert(Seat { open: 0, max }).max = max;
    }

    /// A callee has left.
    pub(super) fn dismiss(&mut self, callee: SessionId) {
        self.admit(callee, 0);
        self.tidy(callee);
    }

    fn tidy(&mut self, callee: SessionId) {
        if self.seats.get(&callee).is_some_and(|seat| seat.open == 0 && seat.max == 0) {
            self.seats.remove(&callee);
        }
    }

    fn is_free(&self, callee: SessionId) -> bool {
        self.seats.get(&callee).is_some_and(|seat| seat.open < seat.max)
    }

    fn open(&self, callee: SessionId) -> u32 {
        self.seats.get(&callee).map_or(0, |seat| seat.open)
    }

    fn give_back(&mut self, callee: SessionId) {
        if let Some(seat) = self.seats.get_mut(&callee) {
            seat.open = seat.open.saturating_sub(1);
        }
        self.tidy(callee);
    }

    /// A call waits at one of the ends of the queue.
    fn queue(&mut self, waiting: Waiting, at_front: bool) {
        let place = match at_front {
            true => self.waiting.first_key_value().map_or(0, |(first, _)| first - 1),
            false => self.waiting.last_key_value().map_or(0, |(last, _)| last + 1),
        };
        self.places.insert((waiting.from, waiting.call), place);
        self.waiting.insert(place, waiting);
    }

    fn unqueue(&mut self, place: i64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&place)?;
        self.places.remove(&(waiting.from, waiting.call));
        Some(waiting)
    }

    /// Calls that wait, and slots that are not back.
    fn open_things(&self) -> (usize, usize) {
        (self.waiting.len(), self.seats.values().map(|seat| seat.open as usize).sum())
    }
}

impl Registration {
    /// Owner: takes a slot for a call, by the registration's policy; `None` if no callee is left that it could go to.
    pub(super) fn take_seat(&mut self, wish: &Wish, chance: u64) -> Option<Result<SessionId, AllBusy>> {
        let Registration { offer, callees, turn, pool: Some(pool), .. } = self else { return None };
        let is_left = |callee: &SessionId| !wish.tried.contains(callee);
        if !callees.iter().any(is_left) {
            return None;
        }
        let of_partition =
            wish.partition.map(|it| it.callee(callees.iter().filter(|callee| is_left(callee))));
        let is_free = |callee: &SessionId| is_left(callee) && pool.is_free(*callee);
        let n = callees.len();
        let mut ring = (0..n).map(|i| (*turn + i) % n).filter(|i| is_free(&callees[*i]));
        let index = match offer.invoke {
            _ if of_partition.is_some() => {
                callees.iter().position(|callee| Some(Some(*callee)) == of_partition && is_free(callee))
            }
            InvokePolicy::Single | InvokePolicy::First => callees.iter().position(is_free),
            InvokePolicy::Last => callees.iter().rposition(is_free),
            InvokePolicy::Random => {
                let free = ring.clone().count() as u64;
                ring.nth((chance % free.max(1)) as usize)
            }
            InvokePolicy::RoundRobin => ring.next(),
            // Of several the first.
            InvokePolicy::Load => ring.min_by_key(|i| pool.open(callees[*i])),
        };
        let Some(index) = index else { return Some(Err(AllBusy)) };
        let callee = callees[index];
        if let Some(seat) = pool.seats.get_mut(&callee) {
            seat.open += 1;
        }
        if of_partition.is_none() {
            *turn = (index + 1) % n;
        }
        Some(Ok(callee))
    }

    /// Owner: a call waits until a callee is free, if there is room.
    pub(super) fn wait(&mut self, from: ShardId, call: CallKey, wish: Wish) -> Turn {
        let Some(pool) = &mut self.pool else { return Turn::Nobody };
        // If it has had its turn already, it has had a place.
        let again = wish.is_again;
        if !again && pool.waiting.len() >= pool.waiting_max {
            return Turn::Full;
        }
        pool.queue(Waiting { from, call, wish }, again);
        Turn::Wait
    }

    /// Owner: the first of the calls that wait whose fate is clear, and what it is.
    fn next_served(&mut self, realm: RealmId, chance: u64) -> Option<(Waiting, Turn)> {
        let is_any_free =
            self.callees.iter().any(|callee| self.pool.as_ref().is_some_and(|p| p.is_free(*callee)));
        let mut from = i64::MIN;
        loop {
            let (place, waiting) = self.pool.as_mut()?.waiting.range_mut(from..).next()?;
            let place = *place;
            if !is_any_free && waiting.wish.tried.is_empty() {
                return None;
            }
            let wish = std::mem::take(&mut waiting.wish);
            let registration = self.offer.registration;
            let turn = match self.take_seat(&wish, chance) {
                Some(Ok(callee)) => Turn::Slot(Slot { realm, registration, callee }),
                None => Turn::Nobody,
                Some(Err(AllBusy)) => {
                    self.pool.as_mut()?.waiting.get_mut(&place)?.wish = wish;
                    from = place + 1;
                    continue;
                }
            };
            return Some((self.pool.as_mut()?.unqueue(place)?, turn));
        }
    }
}

impl Shard {
    /// Owner: who takes a call, where that is counted; or the call waits.
    #[cold]
    pub(super) fn own_counted_pick(
        &mut self,
        from: ShardId,
        realm: RealmId,
        registration: RegistrationId,
        call: CallKey,
        wish: Wish,
    ) -> Turn {
        let chance = self.chance();
        let Some(it) = self.realm(realm).registration.get_mut(&registration) else { return Turn::Nobody };
        match it.take_seat(&wish, chance) {
            Some(Ok(callee)) => Turn::Slot(Slot { realm, registration, callee }),
            Some(Err(AllBusy)) => it.wait(from, call, wish),
            None => Turn::Nobody,
        }
    }

    /// Owner: all shards know a callee of a registration that is counted; it takes calls from now on.
    pub(super) fn callee_ready(
        &mut self,
        now: Time,
        realm: RealmId,
        registration: RegistrationId,
        callee: SessionId,
        max: u32,
    ) {
        let Some(it) = self.realm(realm).registration.get_mut(&registration) else { return };
        // It may have left meanwhile.
        if let Some(pool) = &mut it.pool
            && it.callees.contains(&callee)
        {
            pool.admit(callee, max);
            self.serve(now, realm, registration);
        }
    }

    /// Owner: a counted invocation is over, or was never made.
    #[cold]
    pub(super) fn own_done(&mut self, now: Time, slot: Slot) {
        let Slot { realm, registration, callee } = slot;
        let it = self.realm(realm).registration.get_mut(&registration);
        if let Some(pool) = it.and_then(|it| it.pool.as_mut()) {
            pool.give_back(callee);
            self.serve(now, realm, registration);
        }
    }

    /// Owner: a call that waits for a callee is over.
    #[cold]
    pub(super) fn own_withdraw(
        &mut self,
        from: ShardId,
        realm: RealmId,
        registration: RegistrationId,
        call: CallKey,
    ) {
        let it = self.realm(realm).registration.get_mut(&registration);
        let Some(pool) = it.and_then(|it| it.pool.as_mut()) else { return };
        // If it is not there, it has been told already, and its shard gives the slot back.
        if let Some(place) = pool.places.get(&(from, call)) {
            pool.unqueue(*place);
        }
    }

    /// Owner: tells calls that wait what has become possible. Some may end at once and come back here: the first one goes on.
    pub(super) fn serve(&mut self, now: Time, realm: RealmId, id: RegistrationId) {
        if self.pool(realm, id).is_none_or(|pool| std::mem::replace(&mut pool.is_serving, true)) {
            return;
        }
        let next = |shard: &mut Shard| {
            let chance = shard.chance();
            shard.realm(realm).registration.get_mut(&id)?.next_served(realm, chance)
        };
        while let Some((Waiting { from, call, .. }, turn)) = next(self) {
            self.tell(now, from, Word::Picked { call, turn });
        }
        if let Some(pool) = self.pool(realm, id) {
            pool.is_serving = false;
        }
    }

    /// Owner: a registration is no more; the calls that waited there are decided anew.
    pub(super) fn disperse(&mut self, now: Time, pool: Option<Box<Pool>>) {
        for Waiting { from, call, .. } in pool.into_iter().flat_map(|pool| pool.waiting.into_values()) {
            self.tell(now, from, Word::Picked { call, turn: Turn::Nobody });
        }
    }

    /// A number that nobody can foresee.
    fn chance(&mut self) -> u64 {
        self.random_below(usize::MAX) as u64
    }

    fn pool(&mut self, realm: RealmId, id: RegistrationId) -> Option<&mut Pool> {
        self.realm(realm).registration.get_mut(&id)?.pool.as_deref_mut()
    }

    /// Caller's or callee's shard: a counted invocation is over, or will not be made.
    #[cold]
    pub(super) fn give_back(&mut self, now: Time, slot: Slot) {
        let owner = self.registration_owner(slot.registration);
        self.tell(now, owner, Word::Done(slot));
    }

    /// Calls that wait at this shard for a callee to be free, and slots that it has given and not got back.
    pub(super) fn pooled(&self) -> (usize, usize) {
        let registrations = self.realms.iter().flat_map(|realm| realm.registration.values());
        let pools = registrations.filter_map(|it| it.pool.as_ref()).map(|pool| pool.open_things());
        pools.fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1))
    }
}
