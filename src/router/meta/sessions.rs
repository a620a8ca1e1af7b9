//! Procedures about sessions (spec: "Session Meta API").

use super::super::mesh::{CallKey, RealmId};
use super::super::session::Session;
use super::super::shard::Shard;
use super::super::time::Time;
use super::{Arguments, MetaResult, Question};

impl Shard {
    pub(super) fn session_count(&mut self, now: Time, key: CallKey, arguments: &Arguments) -> MetaResult {
        let authroles = arguments.texts(0, "filter_authroles")?;
        let Some(realm) = self.calls.get(key).map(|record| record.realm) else { return Ok(None) };
        self.ask_all(now, key, Question::SessionCount { realm, authroles });
        Ok(None)
    }

    pub(super) fn count_sessions(&self, realm: RealmId, authroles: Option<&[String]>) -> usize {
        self.sessions_of(realm, authroles).count()
    }

    /// The sessions of this shard in a realm, of these roles.
    fn sessions_of<'a>(
        &'a self,
        realm: RealmId,
        authroles: Option<&'a [String]>,
    ) -> impl Iterator<Item = &'a Session> {
        let sessions = self.wire.conns.values().filter_map(|conn| conn.session.as_deref());
        sessions.filter(move |session| {
            let role = &*session.identity.authrole;
            session.realm == realm && authroles.is_none_or(|roles| roles.iter().any(|r| r == role))
        })
    }
}
