//! The procedure that takes a registration from a callee (beyond the specification, which names the feature but no procedure).

use simd_json::OwnedValue;

use super::super::mesh::CallKey;
use super::super::shard::Shard;
use super::super::time::Time;
use super::{Arguments, MetaError, MetaResult, Question};
use crate::wamp::{RegistrationId, SessionId, error_uri};

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
}

/// The result of the call: null if the registration is not there, else whether the callee was.
pub(super) fn outcome(
    registration: RegistrationId,
    callee: SessionId,
    removed: &OwnedValue,
) -> Result<OwnedValue, MetaError> {
    match removed {
        OwnedValue::Static(simd_json::StaticNode::Bool(true)) => Ok(OwnedValue::default()),
        OwnedValue::Static(simd_json::StaticNode::Bool(false)) => {
            let text = format!("session {callee} is no callee of registration {registration}");
            Err(MetaError { uri: error_uri::NO_SUCH_CALLEE, text })
        }
        _ => Err(super::registrations::no_such_registration(registration)),
    }
}
