//! Clients that are known again by a cookie (`auth::cookie`), as far as connections and sessions are concerned.
//!
//! With the upgrade to WebSocket a client gets a cookie, unless it has one that somebody holds who may still come in. The first who
//! comes in on that connection by a method that lasts is the holder from then on. Others who come in with the cookie are not: whoever
//! has planted it would be them. A GOODBYE with the reason `wamp.close.logout` ends the cookie, and with it the sessions of all who came in by
//! it, on all shards.
//!
//! The store is shared by all shards, and has its lock. It is asked when clients connect and come in, and for nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::mesh::{RealmId, Word};
use super::session::State;
use super::shard::{ConnId, Shard};
use super::time::Time;
use crate::auth::{Admitted, CookieId, CookieJar, CookieStore, Gate, Holder, Method, Principal};
use crate::http;
use crate::wamp::error_uri;

/// What a shard knows of cookies.
#[derive(Debug)]
pub(super) struct Visitors {
    store: Arc<dyn CookieStore>,
    /// Some realm offers to come in by cookie.
    is_on: bool,
    /// The sessions here that end with a cookie.
    members: BTreeMap<CookieId, Vec<ConnId>>,
}

/// A connection's cookie.
#[derive(Debug)]
pub(super) struct Visit {
    cookie: CookieId,
    /// It was given out with this connection, until this date, and is nobody's yet.
    fresh_until_ms: Option<u64>,
    /// Who came in at first, if the session ends with the cookie, or may come in by it.
    holder: Option<Arc<Holder>>,
}

impl Visitors {
    pub(super) fn new(gates: &[Gate]) -> Visitors {
        Visitors { store: Arc::new(CookieJar::default()), is_on: is_on(gates), members: BTreeMap::new() }
    }

    /// The gates are others now.
    pub(super) fn set_gates(&mut self, gates: &[Gate]) {
        self.is_on = is_on(gates);
    }

    /// How many sessions end with a cookie.
    pub(super) fn len(&self) -> usize {
        self.members.values().map(Vec::len).sum()
    }
}

fn is_on(gates: &[Gate]) -> bool {
    gates.iter().any(|gate| gate.offers(Method::Cookie.name()))
}

impl Shard {
    /// This shard, with a store for cookies that it shares with the others.
    #[must_use]
    pub fn with_cookies(mut self, store: Arc<dyn CookieStore>) -> Shard {
        self.visitors.store = store;
        self
    }

    /// What HTTP is to look for on this connection.
    pub(super) fn tracking(&self, id: ConnId) -> Option<http::Tracking<'_>> {
        self.visitors
            .is_on
            .then(|| http::Tracking { name: &self.config.cookie_name, is_tls: self.tls_peer(id).is_some() })
    }

    /// A WebSocket begins: the client's cookie counts, or it gets another.
    #[cold]
    pub(super) fn visit(&mut self, now: Time, id: ConnId, visitor: &http::Visitor, response: &mut Vec<u8>) {
        let date_ms = self.date(now).0;
        let sent = visitor.cookie.as_deref().and_then(|text| text.parse::<CookieId>().ok());
        let known = sent.filter(|cookie| {
            let holder = self.visitors.store.holder(cookie, date_ms);
            holder.is_some_and(|holder| self.may_enter(now, &holder))
        });
        let visit = match known {
            Some(cookie) => Visit { cookie, fresh_until_ms: None, holder: None },
            None => {
                let cookie = CookieId::new(self.random_bytes());
                let (name, max_age_s) = (&self.config.cookie_name, self.config.cookie_max_age_s);
                http::set_cookie(response, name, cookie, max_age_s, visitor.is_secure);
                let fresh_until_ms = Some(date_ms.saturating_add(max_age_s.saturating_mul(1000)));
                Visit { cookie, fresh_until_ms, holder: None }
            }
        };
        if let Some(conn) = self.wire.conns.get_mut(id) {
            conn.visit = Some(Box::new(visit));
        }
    }

    /// Whether a holder would be let into its realm now.
    fn may_enter(&self, now: Time, holder: &Holder) -> bool {
        let realm = self.open_realm(&holder.realm);
        realm.is_some_and(|realm| self.recheck_principal(now, realm, &holder.principal).is_ok())
    }

    /// Whose the connection's cookie is, if it is for this realm and its holder may come in now.
    pub(super) fn vouched(&mut self, now: Time, id: ConnId, realm: RealmId) -> Option<Principal> {
        let visit = self.wire.conns.get(id)?.visit.as_deref()?;
        let holder = self.visitors.store.holder(&visit.cookie, self.date(now).0)?;
        let is_for = holder.realm == self.config.realms[usize::from(realm.0)].name;
        if !is_for || !self.may_enter(now, &holder) {
            return None;
        }
        let principal = holder.principal.clone();
        self.wire.conns.get_mut(id)?.visit.as_deref_mut()?.holder = Some(holder);
        Some(principal)
    }

    /// Somebody has come in on a connection with a cookie.
    pub(super) fn came_in(&mut self, now: Time, id: ConnId, realm: RealmId, principal: &Principal) {
        let Some(visit) = self.wire.conns.get_mut(id).and_then(|conn| conn.visit.as_deref_mut()) else {
            return;
        };
        let (cookie, fresh_until_ms, vouched) = (visit.cookie, visit.fresh_until_ms, visit.holder.take());
        let date_ms = self.date(now).0;
        let gate = &self.gates[usize::from(realm.0)];
        let Principal { authid, authrole, authmethod, authprovider, .. } = principal;
        let is_lasting = gate.offers(Method::Cookie.name())
            && gate.is_lasting(&Admitted { authid, authrole, authmethod, authprovider, date_ms });
        let known = self.visitors.store.holder(&cookie, date_ms);
        let holder = match (known, fresh_until_ms) {
            // Even if it was forgotten since: then the word that ends the session is under way.
            _ if authmethod == Method::Cookie.name() => vouched,
            (Some(holder), _)
                if is_lasting && holder.realm == self.config.realms[usize::from(realm.0)].name =>
            {
                let is_same = holder.principal == Principal { authextra: None, ..principal.clone() };
                if !is_same {
                    // Who comes later is not to be taken for who was there before.
                    self.visitors.store.forget(&cookie);
                }
                is_same.then_some(holder)
            }
            (None, Some(expires_ms)) if is_lasting => {
                let holder = Arc::new(Holder {
                    realm: self.config.realms[usize::from(realm.0)].name.clone(),
                    principal: Principal { authextra: None, ..principal.clone() },
                    expires_ms,
                });
                let kept_max = self.limits().cookies_kept_max;
                let forgotten = self.visitors.store.remember(&cookie, holder.clone(), kept_max, date_ms);
                self.limited.cookies_kept_max += forgotten;
                Some(holder)
            }
            _ => None,
        };
        if let Some(visit) = self.wire.conns.get_mut(id).and_then(|conn| conn.visit.as_deref_mut())
            && holder.is_some()
        {
            visit.fresh_until_ms = None;
            visit.holder = holder;
            self.visitors.members.entry(cookie).or_default().push(id);
        }
    }

    /// The session on this connection is over.
    pub(super) fn went(&mut self, id: ConnId) {
        if let Some(visit) = self.wire.conns.get_mut(id).and_then(|conn| conn.visit.as_deref_mut())
            && visit.holder.take().is_some()
        {
            let members = self.visitors.members.get_mut(&visit.cookie);
            let is_last = members.is_some_and(|members| {
                members.retain(|other| *other != id);
                members.is_empty()
            });
            if is_last {
                self.visitors.members.remove(&visit.cookie);
            }
        }
    }

    /// Whether who has come in by cookie would be let in now by the method that let it in at first.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn recheck_holder(&self, now: Time, id: ConnId, realm: RealmId) -> Result<(), String> {
        let visit = self.wire.conns.get(id).and_then(|conn| conn.visit.as_deref());
        match visit.and_then(|visit| visit.holder.as_deref()) {
            Some(holder) => self.recheck_principal(now, realm, &holder.principal),
            None => Ok(()),
        }
    }

    /// A client logs out: its cookie is nobody's any more, and who else came in by it goes, too.
    #[cold]
    pub(super) fn log_out(&mut self, now: Time, id: ConnId) {
        self.went(id);
        let Some(visit) = self.wire.conns.get_mut(id).and_then(|conn| conn.visit.take()) else { return };
        self.visitors.store.forget(&visit.cookie);
        if visit.fresh_until_ms.is_none() {
            for shard in self.others() {
                self.tell(now, shard, Word::LoggedOut { cookie: Box::new(visit.cookie) });
            }
            self.logged_out(now, visit.cookie);
        }
    }

    /// Somebody with this cookie has logged out, after it was forgotten.
    pub(super) fn logged_out(&mut self, now: Time, cookie: CookieId) {
        for id in self.visitors.members.get(&cookie).cloned().unwrap_or_default() {
            // One that leaves has no other GOODBYE to expect than the answer to its own.
            if self.session(id).is_some_and(|session| session.state == State::Established) {
                self.dismiss(id, error_uri::CLOSE_LOGOUT, Some("logged out by another session"));
                self.leave(now, id);
                self.arm(id, now.plus_ms(self.limits().closing_ms_max));
            }
        }
    }
}
