//! Procedures and events about sessions (spec: "Session Meta API").

use simd_json::{OwnedValue, json};

use super::super::audience::home;
use super::super::conn::{Conn, Framing};
use super::super::identity::Identity;
use super::super::mesh::{CallKey, RealmId};
use super::super::session::Session;
use super::super::shard::{ConnId, Peer, Shard};
use super::super::time::Time;
use super::{Arguments, MetaResult, Question};
use crate::wamp::{Serializer, SessionId};

impl Shard {
    pub(super) fn session_count(&mut self, now: Time, key: CallKey, arguments: &Arguments) -> MetaResult {
        let authroles = arguments.texts(0, "filter_authroles")?;
        let Some(realm) = self.realm_of(key) else { return Ok(None) };
        self.ask_all(now, key, Question::SessionCount { realm, authroles });
        Ok(None)
    }

    pub(super) fn session_list(&mut self, now: Time, key: CallKey, arguments: &Arguments) -> MetaResult {
        let authroles = arguments.texts(0, "filter_authroles")?;
        let Some(realm) = self.realm_of(key) else { return Ok(None) };
        self.ask_all(now, key, Question::SessionList { realm, authroles });
        Ok(None)
    }

    pub(super) fn session_get(&mut self, now: Time, key: CallKey, arguments: &Arguments) -> MetaResult {
        let session = SessionId(arguments.id(0, "session")?);
        let Some(realm) = self.realm_of(key) else { return Ok(None) };
        self.ask_one(now, key, home(session, self.shards), Question::SessionGet { realm, session });
        Ok(None)
    }

    /// The sessions of this shard in a realm, of these roles.
    pub(super) fn sessions_of<'a>(
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

    /// What others may know of a session of this shard; null if it is not there.
    pub(super) fn session_details(&self, realm: RealmId, session: SessionId) -> OwnedValue {
        let conn = self.conn_of(session).and_then(|id| self.wire.conns.get(id));
        let found = conn.and_then(|conn| Some((conn, conn.session.as_deref()?)));
        match found {
            Some((conn, session)) if session.realm == realm => details(conn, &session.identity),
            _ => OwnedValue::default(),
        }
    }

    /// A session has joined.
    pub(in super::super) fn tell_join(&mut self, now: Time, id: ConnId) {
        let Some(session) = self.session(id) else { return };
        let realm = session.realm;
        if !self.realm(realm).hears_meta() {
            return;
        }
        let Some(conn) = self.wire.conns.get(id) else { return };
        let Some(session) = conn.session.as_deref() else { return };
        let details = details(conn, &session.identity);
        self.publish_meta(now, realm, "wamp.session.on_join", || json!([details]));
    }

    /// A session has left.
    pub(in super::super) fn tell_leave(&mut self, now: Time, realm: RealmId, identity: &Identity) {
        self.publish_meta(now, realm, "wamp.session.on_leave", || {
            json!([identity.session.0, *identity.authid, *identity.authrole])
        });
    }
}

fn details(conn: &Conn, identity: &Identity) -> OwnedValue {
    json!({
        "session": identity.session.0,
        "authid": *identity.authid,
        "authrole": *identity.authrole,
        "authmethod": *identity.authmethod,
        "authprovider": *identity.authprovider,
        "transport": transport(conn),
    })
}

/// The keys and values are those of Autobahn's `TransportDetails`.
fn transport(conn: &Conn) -> OwnedValue {
    let (channel, peer) = match conn.peer {
        Peer::Unix => ("unix", "unix".to_owned()),
        Peer::Tcp(address) if address.is_ipv4() => ("tcp", format!("tcp4:{address}")),
        Peer::Tcp(address) => ("tcp", format!("tcp6:{address}")),
    };
    let framing = match conn.framing {
        Framing::None => "none",
        Framing::WebSocket(_) => "websocket",
        Framing::RawSocket { .. } => "rawsocket",
    };
    let serializer = match conn.framing.serializer() {
        None => "none",
        Some(Serializer::Json) => "json",
        Some(Serializer::MsgPack) => "msgpack",
        Some(Serializer::Cbor) => "cbor",
    };
    json!({
        "channel_type": channel,
        "channel_framing": framing,
        "channel_serializer": serializer,
        "peer": peer,
    })
}
