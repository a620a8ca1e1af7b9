//! Registrations that the router takes away (spec: "Registration Revocation"): on behalf of an operator, or because another session takes
//! the procedure over. Invocations that are open go on.
//!
//! The owner decides. Who takes over is in, and all others are out, in one step on each shard, so that no call finds nobody.

use std::sync::Arc;

use super::audience::home;
use super::identity::Identity;
use super::mesh::{Joined, RealmId, Word};
use super::realm::{Evicted, Registration};
use super::shard::Shard;
use super::time::Time;
use crate::wamp::message::{Features, InvokePolicy, Revocation, Text};
use crate::wamp::{Message, RegistrationId, RequestId, SessionId, error_uri};

impl Registration {
    /// Owner: why the callees of a registration must make place for this one, if they must.
    pub(super) fn eviction(
        &self,
        invoke: InvokePolicy,
        force: bool,
        callee: &Identity,
    ) -> Option<&'static str> {
        // Its connection may be dead; a session that registers twice has made a mistake.
        let is_same = |it: &Arc<Identity>| it.authid == callee.authid && it.session != callee.session;
        if force {
            Some(error_uri::REREGISTERED)
        } else if invoke == InvokePolicy::Single && self.holder.as_ref().is_some_and(is_same) {
            Some(error_uri::TAKEN_OVER)
        } else {
            None
        }
    }
}

impl Shard {
    /// Owner: takes a registration from a callee; returns whether it had it. An empty reason is none.
    pub(super) fn revoke_callee(
        &mut self,
        now: Time,
        realm: RealmId,
        registration: RegistrationId,
        callee: SessionId,
        reason: &str,
    ) -> bool {
        if !self.drop_callee(now, realm, registration, callee) {
            return false;
        }
        let reason = reason.into();
        let home = home(callee, self.shards);
        self.tell(now, home, Word::Revoked { session: callee, registration, reason });
        true
    }

    /// Home: a session has lost a registration.
    pub(super) fn revoked(
        &mut self,
        now: Time,
        session: SessionId,
        registration: RegistrationId,
        reason: &str,
    ) {
        let Some(id) = self.conn_of(session) else { return };
        let Some(session) = self.session_mut(id) else { return };
        match session.registrations.get_mut(&registration) {
            // It has unregistered meanwhile.
            None => return,
            // It does not know the registration yet.
            Some(offering) if !offering.is_announced => {
                offering.revoked = Some(reason.into());
                return;
            }
            Some(_) => session.registrations.remove(&registration),
        };
        if session.features.callee.contains(Features::REGISTRATION_REVOCATION) {
            let reason = (!reason.is_empty()).then_some(Text::Borrowed(reason));
            let revocation = Some(Revocation { id: registration, reason });
            self.wire.send_message(id, &Message::Unregistered { request: RequestId(0), revocation });
        }
        // What waits behind it has nobody to wait for.
        self.release_held(now, id);
    }

    /// Copy: the callees of a registration make place for another one.
    pub(super) fn evict(&mut self, now: Time, joined: &Joined, reason: &str) -> Option<Evicted> {
        let evicted = self.realm(joined.realm).evict(&joined.offer)?;
        for callee in &evicted.gone.callees {
            if home(*callee, self.shards) == self.id {
                self.revoked(now, *callee, evicted.registration, reason);
            }
        }
        Some(evicted)
    }

    /// Owner: all shards have been told of those who had to go.
    pub(super) fn tell_evicted(&mut self, now: Time, realm: RealmId, evicted: Evicted) {
        let Evicted { registration, gone } = evicted;
        let last = gone.callees.len().saturating_sub(1);
        for (i, callee) in gone.callees.into_iter().enumerate() {
            self.tell_unregister(now, realm, registration, callee, i == last);
        }
        self.disperse(now, gone.pool);
    }

    /// Owner: who may be replaced by another session of the same principal.
    pub(super) fn set_holder(&mut self, realm: RealmId, registration: RegistrationId, callee: Arc<Identity>) {
        if let Some(it) = self.realm(realm).registration.get_mut(&registration) {
            it.holder = Some(callee);
        }
    }
}
