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

use super::mesh::{RealmId, Word};
use super::realm::Realm;
use super::rounds::RoundAnswer;
use super::session::State;
use super::shard::{ConnId, Output, Shard};
use super::time::Time;
use crate::access::Access;
use crate::auth::{Admitted, Gate, Principal};
use crate::config::{RealmAuth, RouterConfig};
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
}

/// A configuration that has come, with what each realm asks of those who want in, and who decides there what they may do.
#[derive(Debug)]
struct Coming {
    config: Arc<RouterConfig>,
    gates: Arc<[Gate]>,
    access: Arc<[Access]>,
}

/// How far this shard is with other configurations.
#[derive(Debug, Default)]
pub(super) struct Reload {
    /// How many plans it has adopted.
    pub(super) generation: u64,
    /// At shard 0: the plan behind the one that is being adopted; `Some(None)` if that is the last.
    under_way: Option<Option<Arc<Plan>>>,
    /// At shard 0: what came meanwhile.
    waiting: VecDeque<Coming>,
}

impl Shard {
    /// Has all shards go over to another configuration, with what each of its realms asks of those who want in, and who decides there what
    /// they may do. To be called on shard 0;
    /// [`Output::Reconfigured`] tells when all have done so. Sessions go on, but for those whose rights were withdrawn.
    ///
    /// # Panics
    /// On another shard than 0, and if there are not as many gates, or access, as realms: mistakes of the host, not of any peer.
    pub fn reconfigure(
        &mut self,
        now: Time,
        config: Arc<RouterConfig>,
        gates: Arc<[Gate]>,
        access: Arc<[Access]>,
    ) {
        assert_eq!((self.id.0, gates.len()), (0, config.realms.len()), "the shard, and gates and realms");
        assert_eq!(access.len(), config.realms.len(), "access and realms");
        self.reload.waiting.push_back(Coming { config, gates, access });
        self.reconfigure_next(now);
        self.settle(now);
    }

    fn reconfigure_next(&mut self, now: Time) {
        while self.reload.under_way.is_none()
            && let Some(coming) = self.reload.waiting.pop_front()
        {
            match self.plan(&coming) {
                Some((Some(first), last)) => {
                    self.reload.under_way = Some(Some(last));
                    self.hand_out(now, first);
                }
                Some((None, last)) => {
                    self.reload.under_way = Some(None);
                    self.hand_out(now, last);
                }
                None => self.wire.outputs.push_back(Output::Reconfigured(false)),
            }
        }
    }

    /// How to get there: if there are new realms in two steps. `None`: there is no room for them.
    fn plan(&self, coming: &Coming) -> Option<(Option<Arc<Plan>>, Arc<Plan>)> {
        let Coming { config, gates: new_gates, access: new_access } = coming;
        let mut realms = self.config.realms.clone();
        let (mut gates, mut access) = (self.gates.to_vec(), self.access.to_vec());
        let mut open = vec![false; realms.len()];
        let (mut first_realms, mut first_open) = (realms.clone(), self.open.to_vec());
        for ((realm, gate), rules) in config.realms.iter().zip(new_gates.iter()).zip(new_access.iter()) {
            match realms.iter().position(|known| known.name == realm.name) {
                Some(index) => {
                    if !self.open.get(index).copied().unwrap_or_default() {
                        first_realms[index] = realm.clone();
                    }
                    realms[index] = realm.clone();
                    gates[index] = gate.clone();
                    access[index] = rules.clone();
                    open[index] = true;
                }
                None => {
                    first_realms.push(realm.clone());
                    first_open.push(false);
                    realms.push(realm.clone());
                    gates.push(gate.clone());
                    access.push(rules.clone());
                    open.push(true);
                }
            }
        }
        for (i, _) in open.iter().enumerate().filter(|(_, open)| !**open) {
            realms[i].auth = RealmAuth { users: Vec::new(), issuers: Vec::new(), ..realms[i].auth.clone() };
            gates[i] = Gate::new();
        }
        if realms.len() > SLOTS_MAX {
            return None;
        }
        let is_prepared = first_realms == self.config.realms;
        let all_access: Arc<[Access]> = access.into();
        let first = (!is_prepared).then(|| {
            let config = RouterConfig { realms: first_realms, ..(*self.config).clone() };
            // Those of new realms are not asked yet.
            let mut gates = self.gates.to_vec();
            gates.resize(first_open.len(), Gate::new());
            let mut access = self.access.to_vec();
            access.extend_from_slice(&all_access[access.len()..]);
            let (gates, access, open) = (gates.into(), access.into(), first_open.into());
            Arc::new(Plan { config: config.into(), gates, access, open })
        });
        let config = RouterConfig { realms, ..(**config).clone() };
        let (gates, open) = (gates.into(), open.into());
        Some((first, Arc::new(Plan { config: config.into(), gates, access: all_access, open })))
    }

    fn hand_out(&mut self, now: Time, plan: Arc<Plan>) {
        self.adopt(now, &plan);
        self.round(now, self.id, RoundAnswer::Adopted, |round| Word::Adopt { plan: plan.clone(), round });
    }

    /// Shard 0: all have adopted the plan.
    pub(super) fn adopted(&mut self, now: Time) {
        match self.reload.under_way.take() {
            Some(Some(last)) => {
                self.reload.under_way = Some(None);
                self.hand_out(now, last);
            }
            Some(None) => {
                self.wire.outputs.push_back(Output::Reconfigured(true));
                self.reconfigure_next(now);
            }
            None => {}
        }
    }

    /// Goes by this plan from now on.
    pub(super) fn adopt(&mut self, now: Time, plan: &Plan) {
        let before = std::mem::replace(&mut self.config, plan.config.clone());
        let was_open = std::mem::replace(&mut self.open, plan.open.clone());
        self.gates = plan.gates.clone();
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
        self.recheck_all(now);
    }

    /// Ends what the configuration allows no more.
    fn recheck_all(&mut self, now: Time) {
        let all: Vec<ConnId> = self.wire.conns.keys().collect();
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
                self.recheck_access(now, id);
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
        let Err(why) = self.gates[usize::from(realm.0)].recheck(&admitted) else { return true };
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
