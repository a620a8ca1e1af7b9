//! Who a session is, as far as others may be told.

use crate::wamp::SessionId;

/// A session's id and principal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) session: SessionId,
    pub(super) authid: Box<str>,
    pub(super) authrole: Box<str>,
}
