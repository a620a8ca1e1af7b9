//! Another configuration while sessions go on.
//!
//! Shard 0 leads. It compares what comes with what is there and makes of it a [`Plan`] or two, which it hands to all shards in rounds. If
//! there are new realms, the first plan is what all go by already, with the new realms behind the others and closed: so no word about a
//! realm reaches a shard that does not know it. The second is the new configuration. A realm keeps its index as long as the router runs;
//! one that the configuration has no more is closed, and opened again under its old index if it comes back.
//!
//! Whoever adopts a plan looks at its sessions: those of closed realms end, and those whose realm would not let them in any more. What
//! had been granted by a handshake that began before is looked at again at its end.

use std::collections::VecDeque;
use std::sync::Arc;

use super::conn::Stall;
use super::mesh::{RealmId, ShardId, Word};
use super::realm::Realm;
use super::rounds::RoundAnswer;
use super::session::State;
use super::shard::{ConnId, Output, Shard};
use super::time::Time;
use crate::access::Access;
use crate::auth::{Admitted, Gate, Method, Principal};
use crate::config::{RealmAuth, RealmConfig, RouterConfig, Template};
use crate::wamp::error_uri;

/// Most realms that a router has had in its life, closed ones included.
const SLOTS_MAX: usize = u16::MAX as usize;

/// What all shards are to go by: realms in the order of their indices.
#[derive(Debug)]
pub(super) struct Plan {
    config: Arc<RouterConfig>,
    gates: Arc<[Gate]>,
    access: Arc<[Access]>,
    open: Arc<[bool]>,
    /// Something may have been taken from sessions.
    rechecks: bool,
}

/// What is to be gone over to.
#[derive(Debug)]
enum Change {
    /// Another configuration, realms in any order.
    Config { config: Arc<RouterConfig>, gates: Arc<[Gate]>, access: Arc<[Access]> },
    /// The same with one more realm, which a client of this shard wants to join.
    Realm { name: Arc<str>, from: ShardId },
}

/// How far this shard is with other configurations.
#[derive(Debug, Default)]
pub(super) struct Reload {
    /// How many plans it has adopted.
    pub(super) generation: u64,
    /// Clients that wait for realms to be made.
    wanting: Vec<(ConnId, Arc<str>)>,
    /// At shard 0: what is being gone over to.
    under_way: Option<UnderWay>,
    /// At shard 0: what came meanwhile.
    waiting: VecDeque<Change>,
    /// At shard 0: indices of the realms that were made on demand.
    made: Vec<usize>,
}

#[derive(Debug)]
struct UnderWay {
    /// The plan behind the one that is being adopted.
    next: Option<Arc<Plan>>,
    /// The host wants to know when it is done.
    is_told: bool,
}

impl Reload {
    /// Whether the client waits for a realm to be made.
    pub(super) fn is_wanting(&self, id: ConnId) -> bool {
        self.wanting.iter().any(|(conn, _)| *conn == id)
    }
}

/// Realms by index, while a plan is being made.
struct Slots {
    realms: Vec<RealmConfig>,
    gates: Vec<Gate>,
    access: Vec<Access>,
    open: Vec<bool>,
}

impl Slots {
    /// Puts a realm into its slot, or into a new one; returns its index.
    fn put(&mut self, realm: RealmConfig, gate: Gate, access: Access, is_open: bool) -> usize {
        let Some(index) = self.realms.iter().position(|known| is_same_slot(known, &realm)) else {
            self.realms.push(realm);
            self.gates.push(gate);
            self.access.push(access);
            self.open.push(is_open);
            return self.realms.len() - 1;
        };
        self.realms[index] = realm;
        (self.gates[index], self.access[index], self.open[index]) = (gate, access, is_open);
        index
    }

    fn plan(self, config: &RouterConfig, rechecks: bool) -> Arc<Plan> {
        let Slots { realms, gates, access, open } = self;
        let config = RouterConfig { realms, ..config.clone() };
        let (gates, access, open) = (gates.into(), access.into(), open.into());
        Arc::new(Plan { config: config.into(), gates, access, open, rechecks })
    }
}

impl Shard {
    /// Has all shards go over to another configuration. `gates` and `access` have an entry for each of its realms. To be called on
    /// shard 0; [`Output::Reconfigured`] tells when all shards have done so. Sessions go on, except those whose rights were withdrawn.
    ///
    /// # Panics
    /// On another shard than 0, and if there are more or fewer of the others than realms: mistakes of the host, not of any peer.
    pub fn reconfigure(
        &mut self,
        now: Time,
        config: Arc<RouterConfig>,
        gates: Arc<[Gate]>,
        access: Arc<[Access]>,
    ) {
        let realms = config.realms.len();
        assert_eq!(
            (self.id.0, gates.len(), access.len()),
            (0, realms, realms),
            "the shard; gates and access"
        );
        self.reload.waiting.push_back(Change::Config { config, gates, access });
        self.reconfigure_next(now);
        self.settle(now);
    }

    fn reconfigure_next(&mut self, now: Time) {
        while self.reload.under_way.is_none()
            && let Some(change) = self.reload.waiting.pop_front()
        {
            let (plans, is_told) = match &change {
                Change::Config { config, gates, access } => (self.plan(config, gates, access), true),
                // It was made for another client meanwhile.
                Change::Realm { name, .. } if self.open_realm(name).is_some() => continue,
                Change::Realm { name, .. } => (self.plan_realm(name), false),
            };
            match (plans, change) {
                (Some((first, last)), _) => {
                    let (plan, next) = match first {
                        Some(first) => (first, Some(last)),
                        None => (last, None),
                    };
                    self.reload.under_way = Some(UnderWay { next, is_told });
                    self.hand_out(now, plan);
                }
                (None, Change::Config { .. }) => self.wire.outputs.push_back(Output::Reconfigured(false)),
                (None, Change::Realm { name, from }) => self.tell(now, from, Word::NoRealm { name }),
            }
        }
    }

    fn slots(&self) -> Slots {
        Slots {
            realms: self.config.realms.clone(),
            gates: self.gates.to_vec(),
            access: self.access.to_vec(),
            open: self.open.to_vec(),
        }
    }

    /// How to get there: if there are new realms in two steps. `None`: there is no room for them.
    fn plan(
        &mut self,
        config: &RouterConfig,
        gates: &[Gate],
        access: &[Access],
    ) -> Option<(Option<Arc<Plan>>, Arc<Plan>)> {
        let (mut first, mut last) = (self.slots(), self.slots());
        last.open.fill(false);
        let mut put = |realm: &RealmConfig, i: usize| {
            let (source, access) = (&config.realms[i], access[i].clone());
            // What a gate remembers of those who come counts on if nothing has changed for them.
            let same = self.open_realm(&realm.name).map(|id| usize::from(id.0)).filter(|known| {
                let before = match source.template {
                    None => self.config.realms.get(*known),
                    // The users of those that are made stand in the template.
                    Some(_) => self.config.realms.iter().find(|it| is_same_slot(it, source)),
                };
                before.is_some_and(|before| before.auth == source.auth)
                    && self.config.auth_seed == config.auth_seed
            });
            let gate = same.map_or(&gates[i], |known| &self.gates[known]).clone();
            let index = last.put(realm.clone(), gate, access, realm.template.is_none());
            if self.open.get(index) != Some(&true) {
                // Nobody asks the gates of new realms yet.
                first.put(realm.clone(), Gate::new(), Access::open(), false);
            }
            index
        };
        let named: Vec<usize> = config.realms.iter().enumerate().map(|(i, realm)| put(realm, i)).collect();
        // What was made on demand stays if it would be made now.
        let mut made = self.reload.made.clone();
        made.retain(|index| {
            let name = &self.config.realms[*index].name;
            let template = config.realms.iter().position(|realm| realm.makes(name));
            let template = template.filter(|_| !named.contains(index));
            if let Some(template) = template {
                put(&made_after(&config.realms[template], name), template);
            }
            template.is_some()
        });
        if last.realms.len() > SLOTS_MAX {
            return None;
        }
        self.reload.made = made;
        for (i, realm) in last.realms.iter_mut().enumerate() {
            if !last.open[i] && !named.contains(&i) {
                realm.auth = without_users(&realm.auth);
                realm.template = realm.template.map(|template| Template { max: 0, ..template });
                last.gates[i] = Gate::new();
            }
        }
        let is_prepared = first.realms == self.config.realms;
        let first = (!is_prepared).then(|| first.plan(&self.config, false));
        Some((first, last.plan(config, true)))
    }

    /// How to get one more realm. `None`: none is made.
    fn plan_realm(&mut self, name: &str) -> Option<(Option<Arc<Plan>>, Arc<Plan>)> {
        let template = self.config.realms.iter().position(|realm| realm.makes(name))?;
        let max = self.config.realms[template].template?.max;
        let is_of_it = |index: &&usize| self.config.realms[template].makes(&self.config.realms[**index].name);
        if self.reload.made.iter().filter(is_of_it).count() >= max {
            self.limited.on_demand += 1;
            tracing::debug!(name, max, "a realm is not made: there are as many as may be");
            return None;
        }
        let realm = made_after(&self.config.realms[template], name);
        let (gate, access) = (self.gates[template].clone(), self.access[template].clone());
        let (mut first, mut last) = (self.slots(), self.slots());
        first.put(realm.clone(), gate.clone(), access.clone(), false);
        let index = last.put(realm, gate, access, true);
        if index >= SLOTS_MAX {
            return None;
        }
        tracing::info!(name, "a realm is made");
        self.reload.made.push(index);
        Some((Some(first.plan(&self.config, false)), last.plan(&self.config, false)))
    }

    fn hand_out(&mut self, now: Time, plan: Arc<Plan>) {
        self.adopt(now, &plan);
        self.round(now, self.id, RoundAnswer::Adopted, |round| Word::Adopt { plan: plan.clone(), round });
    }

    /// Shard 0: all have adopted the plan.
    pub(super) fn adopted(&mut self, now: Time) {
        match self.reload.under_way.take() {
            Some(UnderWay { next: Some(last), is_told }) => {
                self.reload.under_way = Some(UnderWay { next: None, is_told });
                self.hand_out(now, last);
            }
            Some(UnderWay { next: None, is_told }) => {
                if is_told {
                    self.wire.outputs.push_back(Output::Reconfigured(true));
                }
                self.reconfigure_next(now);
            }
            None => {}
        }
    }

    /// The realm of this name that clients can join.
    pub(super) fn open_realm(&self, name: &str) -> Option<RealmId> {
        let mut realms = self.config.realms.iter().zip(&*self.open);
        let index = realms.position(|(realm, open)| *open && realm.name == name)?;
        // There are no more than `SLOTS_MAX`.
        Some(RealmId(index as u16))
    }

    /// A client wants to join a realm that there is not, but that may be made. Its HELLO waits.
    #[cold]
    pub(super) fn want_realm(&mut self, now: Time, id: ConnId, name: &str) {
        let name: Arc<str> = name.into();
        self.reload.wanting.push((id, name.clone()));
        self.tell(now, ShardId(0), Word::WantRealm { name });
    }

    /// Shard 0: a client of a shard wants to join this realm.
    pub(super) fn own_want(&mut self, now: Time, from: ShardId, name: Arc<str>) {
        self.reload.waiting.push_back(Change::Realm { name, from });
        self.reconfigure_next(now);
    }

    /// The realm is not made.
    pub(super) fn no_realm(&mut self, name: &str) {
        for (id, _) in self.reload.wanting.extract_if(.., |(_, wanted)| **wanted == *name).collect::<Vec<_>>()
        {
            self.abort_handshake(
                id,
                error_uri::NO_SUCH_REALM,
                "there are as many realms as there may be (on_demand)",
            );
        }
    }

    /// Clients whose realm is there now go on with their HELLO.
    fn serve_wanting(&mut self) {
        let wanting = std::mem::take(&mut self.reload.wanting);
        for (id, name) in wanting {
            match self.open_realm(&name) {
                Some(_) => self.wire.unstall(id, Stall::HELD),
                None => self.reload.wanting.push((id, name)),
            }
        }
    }

    /// Goes by this plan from now on.
    pub(super) fn adopt(&mut self, now: Time, plan: &Plan) {
        let before = std::mem::replace(&mut self.config, plan.config.clone());
        let was_open = std::mem::replace(&mut self.open, plan.open.clone());
        self.gates = plan.gates.clone();
        self.visitors.set_gates(&self.gates);
        self.access = plan.access.clone();
        self.reload.generation += 1;
        for (i, after) in plan.config.realms.iter().enumerate() {
            match (self.realms.get_mut(i), before.realms.get(i)) {
                (Some(realm), Some(before)) => realm.reconfigure(before, after),
                _ => self.realms.push(Realm::new(after, &self.hasher)),
            }
            if was_open.get(i) == Some(&true) && !plan.open[i] {
                self.realms[i].forget(after, &self.hasher);
            }
        }
        if before.limits != plan.config.limits {
            self.wire.set_limits(&plan.config.limits);
            self.failures.set_limits(&plan.config.limits);
        }
        self.serve_wanting();
        if plan.rechecks {
            self.recheck_all(now, &before);
        }
    }

    /// Ends what the configuration allows no more.
    fn recheck_all(&mut self, now: Time, before: &RouterConfig) {
        let all: Vec<ConnId> = self.wire.conns.keys().collect();
        let is_same = |(i, realm)| before.realms.get(i) == Some(realm);
        let unchanged = Vec::from_iter(self.config.realms.iter().enumerate().map(is_same));
        let mut ended = Vec::new();
        for id in all {
            if let Some(realm) = self.wire.handshake_mut(id).map(|handshake| handshake.realm) {
                if !self.is_open(realm) {
                    self.abort_handshake(id, error_uri::NO_SUCH_REALM, "the realm was closed");
                }
            } else if !self.recheck_session(now, id) {
                ended.push(id);
            } else {
                self.renew_rates(id);
                let realm = self.session(id).map(|session| session.realm);
                if realm.is_some_and(|realm| !unchanged[usize::from(realm.0)]) {
                    self.recheck_access(now, id);
                }
            }
        }
        // Only now, for what the end of one brings to others, those of them that end, too, need not see.
        for id in ended {
            match self.session(id).is_some_and(|session| self.is_open(session.realm)) {
                true => self.leave(now, id),
                // All of them go, so nobody is left who could be told.
                false => self.vanish(now, id),
            }
            self.arm(id, now.plus_ms(self.limits().closing_ms_max));
        }
    }

    /// Whether the session may go on; if not, it is told so.
    fn recheck_session(&mut self, now: Time, id: ConnId) -> bool {
        let Some(session) = self.session(id) else { return true };
        // One that leaves has no other GOODBYE to expect than the answer to its own.
        if session.state != State::Established {
            return true;
        }
        let (realm, identity) = (session.realm, session.identity.clone());
        if !self.is_open(realm) {
            self.dismiss(id, error_uri::CLOSE_REALM, Some("the realm was closed"));
            return false;
        }
        let admitted = Admitted {
            authid: &identity.authid,
            authrole: &identity.authrole,
            authmethod: &identity.authmethod,
            authprovider: &identity.authprovider,
            date_ms: self.date(now).0,
        };
        let gate = &self.gates[usize::from(realm.0)];
        let checked =
            gate.recheck(&admitted).and_then(|()| match &*identity.authmethod == Method::Cookie.name() {
                true => self.recheck_holder(now, id, realm),
                false => Ok(()),
            });
        let Err(why) = checked else { return true };
        tracing::info!(session = %identity.session, why, "a session has lost its rights");
        self.dismiss(id, error_uri::KILLED, Some(&why));
        false
    }

    /// Whether somebody may come in now who was let in by an earlier configuration.
    pub(super) fn recheck_principal(
        &self,
        now: Time,
        realm: RealmId,
        principal: &Principal,
    ) -> Result<(), String> {
        let Principal { authid, authrole, authmethod, authprovider, .. } = principal;
        let date_ms = self.date(now).0;
        let admitted = Admitted { authid, authrole, authmethod, authprovider, date_ms };
        self.gates[usize::from(realm.0)].recheck(&admitted)
    }

    fn is_open(&self, realm: RealmId) -> bool {
        self.open.get(usize::from(realm.0)) == Some(&true)
    }
}

/// Whether both configurations are about the same realm, or the same template.
fn is_same_slot(one: &RealmConfig, other: &RealmConfig) -> bool {
    one.name == other.name && one.template.is_some() == other.template.is_some()
}

/// A realm after a template. It has the template's gate, so no copy of its users.
fn made_after(template: &RealmConfig, name: &str) -> RealmConfig {
    let auth = without_users(&template.auth);
    RealmConfig { name: name.to_owned(), template: None, auth, ..template.clone() }
}

fn without_users(auth: &RealmAuth) -> RealmAuth {
    RealmAuth { users: Vec::new(), issuers: Vec::new(), ..auth.clone() }
}

#[cfg(test)]
mod tests {
    use super::super::shard::Peer;
    use super::super::time::Date;
    use super::*;
    use crate::auth::User;
    use crate::wamp::message::MatchPolicy;

    #[test]
    fn realms_on_demand_have_no_copy_of_the_users() {
        let mut realm = RealmConfig::new("com.tenant.");
        realm.template = Some(Template { match_policy: MatchPolicy::Prefix, max: 10 });
        realm.auth.users = (0..100).map(|i| User::new(i.to_string(), "user")).collect();
        let config = Arc::new(RouterConfig { realms: vec![realm], ..RouterConfig::default() });
        let mut shard = Shard::new(config, ShardId(0), 1, [1; 32], Date(0));
        for name in ["com.tenant.a", "com.tenant.b"] {
            let hello = format!(r#"[1,"{name}",{{"roles":{{"caller":{{}}}}}}]"#);
            let conn = shard.accept(Time(0), Peer::Unix);
            let bytes = [&[0x7F, 0xF1, 0, 0, 0, 0, 0, hello.len() as u8], hello.as_bytes()].concat();
            shard.received(Time(0), conn, &mut bytes.clone());
        }
        assert_eq!(shard.census().sessions, 2);
        let users = shard.config.realms.iter().map(|realm| realm.auth.users.len());
        assert_eq!(Vec::from_iter(users), [100, 0, 0]);
    }
}
