//! Procedures and events about registrations (spec: "Registration Meta API").
//!
//! The owner of a registration sees all its changes in order, so it is the one who tells of them and who is asked.

use simd_json::prelude::*;
use simd_json::{OwnedValue, json};

use super::super::Hasher;
use super::super::matching::UriTable;
use super::super::mesh::{CallKey, Offer, RealmId};
use super::super::realm::Registration;
use super::super::shard::Shard;
use super::super::time::Time;
use super::{Arguments, MetaError, MetaResult, Question, by_policy};
use crate::wamp::message::MatchPolicy;
use crate::wamp::{RegistrationId, SessionId, error_uri};

impl Shard {
    pub(super) fn registration_list(&mut self, now: Time, key: CallKey) -> MetaResult {
        let Some(realm) = self.realm_of(key) else { return Ok(None) };
        self.ask_all(now, key, Question::RegistrationList { realm });
        Ok(None)
    }

    pub(super) fn registration_lookup(
        &mut self,
        now: Time,
        key: CallKey,
        arguments: &Arguments,
    ) -> MetaResult {
        let Some(procedure) = self.uri(arguments, "procedure")? else {
            return Ok(Some(OwnedValue::default()));
        };
        let policy = arguments.match_policy(1)?;
        let Some(realm) = self.realm_of(key) else { return Ok(None) };
        let owner = self.owner(realm, policy, &procedure);
        self.ask_one(now, key, owner, Question::RegistrationLookup { realm, policy, procedure });
        Ok(None)
    }

    pub(super) fn registration_match(
        &mut self,
        now: Time,
        key: CallKey,
        arguments: &Arguments,
    ) -> MetaResult {
        let Some(procedure) = self.uri(arguments, "procedure")? else {
            return Ok(Some(OwnedValue::default()));
        };
        let Some(realm) = self.realm_of(key) else { return Ok(None) };
        self.ask_all(now, key, Question::RegistrationMatch { realm, procedure });
        Ok(None)
    }

    pub(super) fn registration_get(&mut self, now: Time, key: CallKey, arguments: &Arguments) -> MetaResult {
        self.ask_owner(now, key, arguments, |realm, registration| Question::RegistrationGet {
            realm,
            registration,
        })
    }

    pub(super) fn list_callees(&mut self, now: Time, key: CallKey, arguments: &Arguments) -> MetaResult {
        self.ask_owner(now, key, arguments, |realm, registration| Question::Callees { realm, registration })
    }

    pub(super) fn count_callees(&mut self, now: Time, key: CallKey, arguments: &Arguments) -> MetaResult {
        self.ask_owner(now, key, arguments, |realm, registration| Question::CalleeCount {
            realm,
            registration,
        })
    }

    /// Asks the owner of the registration that the first argument names.
    fn ask_owner(
        &mut self,
        now: Time,
        key: CallKey,
        arguments: &Arguments,
        question: impl FnOnce(RealmId, RegistrationId) -> Question,
    ) -> MetaResult {
        let registration = RegistrationId(arguments.id(0, "registration")?);
        let Some(realm) = self.realm_of(key) else { return Ok(None) };
        let owner = self.registration_owner(registration);
        self.ask_one(now, key, owner, question(realm, registration));
        Ok(None)
    }

    /// The registrations that this shard owns, by policy.
    pub(super) fn own_registrations(&self, realm: RealmId) -> OwnedValue {
        let all = self.realms[usize::from(realm.0)].registration.iter();
        let own = all.filter(|(id, _)| self.registration_owner(**id) == self.id);
        by_policy(own.map(|(id, registration)| (registration.offer.policy, id.0)))
    }

    /// The best that this shard can offer for a procedure, in a list: the id, and what decides between several.
    pub(super) fn own_best_match(&mut self, realm: RealmId, procedure: &str) -> OwnedValue {
        let tables = &self.realms[usize::from(realm.0)];
        let best = tables.procedures.best_match(procedure, |id| self.registration_owner(id) == self.id);
        match best.and_then(|id| tables.registration.get(&id)) {
            Some(Registration { offer, .. }) => {
                json!([[offer.registration.0, offer.policy.name(), *offer.procedure]])
            }
            None => OwnedValue::default(),
        }
    }

    /// What `tell` says about a registration that this shard owns; null if it is not there.
    pub(super) fn own_registration(
        &mut self,
        realm: RealmId,
        id: RegistrationId,
        tell: impl FnOnce(&Registration) -> OwnedValue,
    ) -> OwnedValue {
        self.realm(realm).registration.get(&id).map(tell).unwrap_or_default()
    }

    /// Owner: a session has registered, the first one of this registration if it `is_new`. All shards have been told, so whoever
    /// hears of it can call.
    pub(in super::super) fn tell_register(
        &mut self,
        now: Time,
        realm: RealmId,
        offer: &Offer,
        session: SessionId,
        is_new: bool,
    ) {
        if is_new {
            self.publish_meta(now, realm, "wamp.registration.on_create", || {
                json!([session.0, offer_details(offer)])
            });
        }
        self.publish_meta(now, realm, "wamp.registration.on_register", || {
            json!([session.0, offer.registration.0])
        });
    }

    /// Owner: a session has unregistered, and is in the registration no more.
    pub(in super::super) fn tell_unregister(
        &mut self,
        now: Time,
        realm: RealmId,
        registration: RegistrationId,
        session: SessionId,
        was_last: bool,
    ) {
        let args = || json!([session.0, registration.0]);
        self.publish_meta(now, realm, "wamp.registration.on_unregister", args);
        if was_last {
            self.publish_meta(now, realm, "wamp.registration.on_delete", args);
        }
    }
}

pub(super) fn details(registration: &Registration) -> OwnedValue {
    offer_details(&registration.offer)
}

pub(super) fn callees(registration: &Registration) -> OwnedValue {
    registration.callees.iter().map(|callee| callee.0).collect()
}

fn offer_details(offer: &Offer) -> OwnedValue {
    json!({
        "id": offer.registration.0,
        "created": offer.created.to_string(),
        "uri": *offer.procedure,
        "match": offer.policy.name(),
        "invoke": offer.invoke.name(),
    })
}

/// The best of what the owners offer, as a call would choose; null if they offer nothing.
pub(super) fn best(candidates: &OwnedValue, procedure: &str) -> OwnedValue {
    let mut table = UriTable::new(Hasher::default());
    for candidate in candidates.as_array().into_iter().flatten() {
        let [id, policy, pattern] = [0, 1, 2].map(|index| candidate.get_idx(index));
        if let Some(id) = id.and_then(|id| id.as_u64())
            && let Some(policy) = policy.and_then(|it| it.as_str()).and_then(MatchPolicy::from_name)
            && let Some(pattern) = pattern.and_then(|it| it.as_str())
        {
            table.insert(policy, &pattern.into(), id);
        }
    }
    table.best_match(procedure, |_| true).into()
}

pub(super) fn no_such_registration(registration: RegistrationId) -> MetaError {
    let text = format!("this realm has no registration {registration}");
    MetaError { uri: error_uri::NO_SUCH_REGISTRATION, text }
}
