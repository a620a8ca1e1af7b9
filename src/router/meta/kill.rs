//! Procedures that end other sessions (spec: "Session Meta API").

use simd_json::OwnedValue;
use simd_json::prelude::*;

use super::super::audience::home;
use super::super::mesh::{CallKey, RealmId};
use super::super::session::{Session, State};
use super::super::shard::{ConnId, Shard};
use super::super::time::Time;
use super::{Arguments, MetaError, MetaResult, Question, invalid, no_such_session};
use crate::limits::KILL_MESSAGE_BYTES_MAX;
use crate::wamp::message::MatchPolicy;
use crate::wamp::{SessionId, error_uri};

/// Sessions that shall end.
#[derive(Debug)]
pub(in super::super) struct Kill {
    realm: RealmId,
    /// Who wants it, and so is spared.
    killer: SessionId,
    whom: Whom,
    reason: String,
    message: Option<String>,
}

#[derive(Debug)]
enum Whom {
    Session(SessionId),
    Authid(String),
    Authrole(String),
    All,
}

impl Kill {
    fn hits(&self, session: &Session) -> bool {
        session.realm == self.realm
            && session.id() != self.killer
            // One that leaves has no other GOODBYE to expect than the answer to its own.
            && session.state == State::Established
            && match &self.whom {
                Whom::Session(id) => session.id() == *id,
                Whom::Authid(authid) => **authid == *session.identity.authid,
                Whom::Authrole(authrole) => **authrole == *session.identity.authrole,
                Whom::All => true,
            }
    }

    /// The result of the call, from the ids of all that have been ended.
    pub(super) fn outcome(&self, killed: OwnedValue) -> Result<OwnedValue, MetaError> {
        let count = killed.as_array().map_or(0, Vec::len);
        match &self.whom {
            Whom::Session(id) if count == 0 => Err(no_such_session(*id)),
            Whom::Session(_) => Ok(OwnedValue::default()),
            Whom::Authid(_) => Ok(killed),
            Whom::Authrole(_) | Whom::All => Ok(count.into()),
        }
    }
}

impl Shard {
    pub(super) fn kill(&mut self, now: Time, key: CallKey, arguments: &Arguments) -> MetaResult {
        let session = SessionId(arguments.id(0, "session")?);
        self.kill_whom(now, key, arguments, Whom::Session(session))
    }

    pub(super) fn kill_by_authid(&mut self, now: Time, key: CallKey, arguments: &Arguments) -> MetaResult {
        let authid = arguments.text(0, "authid")?.to_owned();
        self.kill_whom(now, key, arguments, Whom::Authid(authid))
    }

    pub(super) fn kill_by_authrole(&mut self, now: Time, key: CallKey, arguments: &Arguments) -> MetaResult {
        let authrole = arguments.text(0, "authrole")?.to_owned();
        self.kill_whom(now, key, arguments, Whom::Authrole(authrole))
    }

    pub(super) fn kill_all(&mut self, now: Time, key: CallKey, arguments: &Arguments) -> MetaResult {
        self.kill_whom(now, key, arguments, Whom::All)
    }

    fn kill_whom(&mut self, now: Time, key: CallKey, arguments: &Arguments, whom: Whom) -> MetaResult {
        let Some((id, killer)) = self.caller_of(key) else { return Ok(None) };
        let reason = arguments.keyword_text("reason")?.unwrap_or(error_uri::KILLED).to_owned();
        let message = arguments.keyword_text("message")?;
        // Each victim gets a copy of it.
        if message.is_some_and(|message| message.len() > KILL_MESSAGE_BYTES_MAX) {
            return Err(invalid(format!("argument message has more than {KILL_MESSAGE_BYTES_MAX} bytes")));
        }
        let message = message.map(str::to_owned);
        if let Err(text) = self.check_uri(id, &reason, MatchPolicy::Exact) {
            self.is_uri_too_long(&reason);
            return Err(MetaError { uri: error_uri::INVALID_URI, text });
        }
        let Some(realm) = self.realm_of(key) else { return Ok(None) };
        let one = if let Whom::Session(session) = whom { Some(home(session, self.shards)) } else { None };
        let question = Question::Kill(Kill { realm, killer, whom, reason, message });
        match one {
            Some(shard) => self.ask_one(now, key, shard, question),
            None => self.ask_all(now, key, question),
        }
        Ok(None)
    }

    /// Ends the sessions of this shard that are meant; returns their ids.
    pub(super) fn execute_kill(&mut self, now: Time, kill: &Kill) -> OwnedValue {
        let one = if let Whom::Session(session) = kill.whom { Some(self.conn_of(session)) } else { None };
        let hit = |id: ConnId| self.session(id).is_some_and(|session| kill.hits(session));
        let victims: Vec<ConnId> = match one {
            Some(conn) => conn.into_iter().filter(|id| hit(*id)).collect(),
            None => self.sessions.values().copied().filter(|id| hit(*id)).collect(),
        };
        let mut killed = Vec::with_capacity(victims.len());
        for id in victims {
            let Some(session) = self.session(id) else { continue };
            killed.push(session.id().0);
            self.dismiss(id, &kill.reason, kill.message.as_deref());
            // After all have been ended nobody is left who could be told (so the specification).
            if matches!(kill.whom, Whom::All) {
                self.vanish(now, id);
            } else {
                self.leave(now, id);
            }
            self.arm(id, now.plus_ms(self.limits().closing_ms_max));
        }
        killed.into_iter().collect()
    }
}
