//! Procedures that take registrations and subscriptions away (spec: "Registration Revocation", which names no procedure, and "Subscription
//! Revocation").

use simd_json::OwnedValue;
use simd_json::prelude::*;

use super::super::audience::home;
use super::super::mesh::{CallKey, RealmId};
use super::super::shard::Shard;
use super::super::time::Time;
use super::{Arguments, MetaError, MetaResult, Question};
use crate::wamp::{RegistrationId, SessionId, SubscriptionId, error_uri};

impl Shard {
    /// `wamp.registration.remove_callee(registration, callee, reason)`.
    pub(super) fn remove_callee_from(
        &mut self,
        now: Time,
        key: CallKey,
        arguments: &Arguments,
    ) -> MetaResult {
        let registration = RegistrationId(arguments.id(0, "registration")?);
        let callee = SessionId(arguments.id(1, "callee")?);
        let reason = self.reason(key, arguments)?.unwrap_or_default();
        let Some(realm) = self.realm_of(key) else { return Ok(None) };
        let owner = self.registration_owner(registration);
        self.ask_one(now, key, owner, Question::RemoveCallee { realm, registration, callee, reason });
        Ok(None)
    }

    /// `wamp.subscription.remove_subscriber(subscription, subscriber, reason)`.
    pub(super) fn remove_subscriber_from(
        &mut self,
        now: Time,
        key: CallKey,
        arguments: &Arguments,
    ) -> MetaResult {
        let subscription = SubscriptionId(arguments.id(0, "subscription")?);
        let subscriber = SessionId(arguments.id(1, "subscriber")?);
        let reason = self.reason(key, arguments)?.map(Into::into);
        let Some(realm) = self.realm_of(key) else { return Ok(None) };
        let question = Question::RemoveSubscriber { realm, subscription, subscriber, reason };
        self.ask_one(now, key, home(subscriber, self.shards), question);
        Ok(None)
    }

    /// Home of the subscriber: takes the subscription away. The answer is what is wrong, or null.
    pub(super) fn revoke_subscription(
        &mut self,
        now: Time,
        realm: RealmId,
        subscription: SubscriptionId,
        subscriber: SessionId,
        reason: Option<&str>,
    ) -> OwnedValue {
        let id = self.conn_of(subscriber).filter(|id| self.session(*id).is_some_and(|s| s.realm == realm));
        let Some(id) = id else { return error_uri::NO_SUCH_SESSION.into() };
        match self.revoke(now, id, subscription, reason) {
            true => OwnedValue::default(),
            false => error_uri::NO_SUCH_SUBSCRIPTION.into(),
        }
    }
}

/// The result of `remove_callee`. The owner has answered null if the registration is not there, else whether the callee was.
pub(super) fn callee_removed(
    registration: RegistrationId,
    callee: SessionId,
    answer: &OwnedValue,
) -> Result<OwnedValue, MetaError> {
    match answer.as_bool() {
        Some(true) => Ok(OwnedValue::default()),
        Some(false) => {
            let text = format!("session {callee} is no callee of registration {registration}");
            Err(MetaError { uri: error_uri::NO_SUCH_CALLEE, text })
        }
        None => Err(super::registrations::no_such_registration(registration)),
    }
}

/// The result of `remove_subscriber`, of which the home has said what is `wrong`.
pub(super) fn subscriber_removed(
    subscription: SubscriptionId,
    subscriber: SessionId,
    wrong: Option<&str>,
) -> Result<OwnedValue, MetaError> {
    match wrong {
        None => Ok(OwnedValue::default()),
        Some(error_uri::NO_SUCH_SESSION) => {
            let text = format!("there is no session {subscriber} in this realm");
            Err(MetaError { uri: error_uri::NO_SUCH_SESSION, text })
        }
        Some(_) => {
            let text = format!("session {subscriber} has no subscription {subscription}");
            Err(MetaError { uri: error_uri::NO_SUCH_SUBSCRIPTION, text })
        }
    }
}
