//! The procedure that takes subscriptions away (spec: "Subscription Revocation").

use simd_json::OwnedValue;

use super::super::audience::home;
use super::super::mesh::{CallKey, RealmId};
use super::super::shard::Shard;
use super::super::time::Time;
use super::{Arguments, MetaError, MetaResult, Question};
use crate::wamp::{SessionId, SubscriptionId, error_uri};

impl Shard {
    pub(super) fn remove_subscription(
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

    /// Home of the subscriber: takes the subscription away. What is wrong is the answer, and nothing if all is well.
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

/// What the caller is told of the answer.
pub(super) fn removed(
    subscription: SubscriptionId,
    subscriber: SessionId,
    wrong: &str,
) -> Result<OwnedValue, MetaError> {
    match wrong {
        "" => Ok(OwnedValue::default()),
        error_uri::NO_SUCH_SESSION => {
            let text = format!("there is no session {subscriber} in this realm");
            Err(MetaError { uri: error_uri::NO_SUCH_SESSION, text })
        }
        _ => {
            let text = format!("session {subscriber} has no subscription {subscription}");
            Err(MetaError { uri: error_uri::NO_SUCH_SUBSCRIPTION, text })
        }
    }
}
