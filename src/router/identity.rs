//! Who a session is, as far as others may be told.

use std::sync::Arc;

use crate::wamp::SessionId;

/// A session's id and principal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) session: SessionId,
    pub(super) authid: Box<str>,
    /// Shared with the other sessions of the role.
    pub(super) authrole: Arc<str>,
    /// How the session was authenticated.
    pub(super) authmethod: Arc<str>,
    /// Who has vouched for it.
    pub(super) authprovider: Arc<str>,
}

#[cfg(test)]
impl Identity {
    /// Somebody who has come in without authentication.
    pub(super) fn of(session: u64, authid: &str, authrole: &str) -> Identity {
        Identity {
            session: SessionId(session),
            authid: authid.into(),
            authrole: authrole.into(),
            authmethod: "anonymous".into(),
            authprovider: "static".into(),
        }
    }
}
