//! Registrations: who offers which procedure (spec: "Registering and Unregistering", "Shared Registration").
//!
//! The owner of a procedure decides who may offer it and in which order; every shard has a copy. REGISTERED is sent when all shards
//! know, so no later call misses the callee.

use std::sync::Arc;

use super::audience::home;
use super::mesh::{Joined, Offer, RealmId, Register, RegisterRefused, ShardId, Word};
use super::pool::Pool;
use super::realm::{Evicted, Left, Registration};
use super::rounds::RoundAnswer;
use super::session::quote;
use super::shard::{ConnId, Shard};
use super::time::Time;
use crate::limits::WAITING_CALLS;
use crate::wamp::message::{InvokePolicy, MatchPolicy, RegisterOptions};
use crate::wamp::{Message, RegistrationId, RequestId, SessionId, error_uri};

/// Code of REGISTER in ERROR.
pub(super) const REGISTER: u8 = 64;
/// Code of UNREGISTER in ERROR.
const UNREGISTER: u8 = 66;

/// What a session offers under a registration.
#[derive(Debug)]
pub(super) struct Offering {
    /// Its invocations name the procedure.
    pub(super) is_pattern: bool,
    pub(super) disclose_caller: bool,
    /// The callee looks after timeouts itself.
    pub(super) forward_timeout: bool,
    /// REGISTERED has been sent. Invocations that come earlier wait.
    pub(super) is_announced: bool,
    /// The registration was revoked, for this reason, before REGISTERED was sent. It goes right behind it.
    pub(super) revoked: Option<Box<str>>,
}

impl Shard {
    pub(super) fn register(
        &mut self,
        now: Time,
        id: ConnId,
        request: RequestId,
        options: &RegisterOptions,
        procedure: &str,
    ) {
        let policy = options.match_policy;
        if let Err(text) = self.check_application_uri(id, procedure, policy) {
            self.is_uri_too_long(procedure);
            return self.refuse(id, REGISTER, request, error_uri::INVALID_URI, &text);
        }
        if options.concurrency == Some(0) {
            let text = "REGISTER.Options.concurrency must be 1 or more";
            return self.refuse(id, REGISTER, request, error_uri::INVALID_ARGUMENT, text);
        }
        let Some(session) = self.session(id) else { return };
        let (realm, callee) = (session.realm, session.identity.clone());
        let max = self.limits().registrations_max;
        if session.registrations.len() >= max {
            self.limited.registrations_max += 1;
            let text =
                format!("this session has {max} registrations: no more are allowed (registrations_max)");
            return self.refuse(id, REGISTER, request, error_uri::UNAVAILABLE, &text);
        }
        let force = options.force_reregister == Some(true);
        if force && !self.config.realms[usize::from(realm.0)].force_reregister {
            let text = "this realm does not allow REGISTER.Options.force_reregister";
            return self.refuse(id, REGISTER, request, error_uri::OPTION_NOT_ALLOWED, text);
        }
        let register = Register {
            realm,
            policy,
            procedure: procedure.into(),
            invoke: options.invoke,
            disclose_caller: options.disclose_caller == Some(true),
            forward_timeout: options.forward_timeout == Some(true),
            concurrency: options.concurrency.map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
            force,
            callee,
            request,
        };
        let owner = self.owner(register.realm, policy, procedure);
        self.unsettle(id);
        self.tell(now, owner, Word::Register(Box::new(register)));
    }

    pub(super) fn unregister(
        &mut self,
        now: Time,
        id: ConnId,
        request: RequestId,
        registration: RegistrationId,
    ) {
        let Some(session) = self.session_mut(id) else { return };
        let (realm, me) = (session.realm, session.id());
        if session.registrations.remove(&registration).is_none() {
            let text = format!("this session has no registration {registration}");
            return self.refuse(id, UNREGISTER, request, error_uri::NO_SUCH_REGISTRATION, &text);
        }
        self.unsettle(id);
        self.resign(now, realm, registration, me, Some(request));
    }

    /// Owner: a session offers a procedure.
    pub(super) fn own_register(&mut self, now: Time, from: ShardId, register: Register) {
        let Register { realm, policy, procedure, disclose_caller, forward_timeout, .. } = register;
        let Register { force, callee, request, .. } = register;
        let session = callee.session;
        let config = self.config.clone();
        let rules = &config.realms[usize::from(realm.0)];
        let decided = rules.procedure_policy(&procedure, policy);
        let invoke = decided.and_then(|it| it.invoke).unwrap_or(register.invoke);
        let concurrency = decided.and_then(|it| it.concurrency).or(register.concurrency);
        let fresh = RegistrationId(self.router_id());
        let created = self.date(now);
        let tables = self.realm(realm);
        let existing = tables.procedures.get(policy, &procedure).and_then(|id| tables.registration.get(&id));
        let evicts = existing.and_then(|existing| existing.eviction(invoke, force, &callee));
        let stays = existing.filter(|_| evicts.is_none());
        let refusal = stays.and_then(|existing| refusal(existing, invoke, session));
        let offer = match stays {
            Some(existing) => existing.offer.clone(),
            // Also for who takes a procedure over: clients do not expect an id that they have lost to come back.
            None => Arc::new(Offer { registration: fresh, policy, procedure, invoke, created }),
        };
        if let Some(text) = refusal {
            let error = error_uri::PROCEDURE_ALREADY_EXISTS;
            let outcome = Err(Box::new(RegisterRefused { error, text }));
            self.tell(now, from, Word::Registered { session, request, outcome });
            return;
        }
        let registration = offer.registration;
        let is_counted = invoke == InvokePolicy::Load || concurrency.is_some();
        let joined = Joined {
            realm,
            offer: offer.clone(),
            callee: session,
            disclose_caller,
            forward_timeout,
            is_counted,
            evicts,
        };
        let evicted = self.add_callee(now, &joined);
        if rules.takeover && invoke == InvokePolicy::Single {
            self.set_holder(realm, registration, callee);
        }
        if is_counted {
            let waiting_max = decided.and_then(|it| it.queue).unwrap_or(WAITING_CALLS);
            self.count(realm, registration, session, waiting_max);
        }
        let max = concurrency.unwrap_or(u32::MAX);
        let answer = RoundAnswer::Registered { realm, session, request, registration, max };
        self.round(now, from, answer, |round| Word::AddCallee { joined: joined.clone(), round });
        if let Some(evicted) = evicted {
            self.tell_evicted(now, realm, evicted);
        }
        self.tell_register(now, realm, &offer, session, registration == fresh);
    }

    /// Owner: the invocations of a registration are counted from now on, since this callee has come.
    fn count(&mut self, realm: RealmId, registration: RegistrationId, since: SessionId, waiting_max: u32) {
        let hasher = self.hasher.clone();
        let Some(it) = self.realm(realm).registration.get_mut(&registration) else { return };
        if it.pool.is_none() {
            let mut pool = Pool::new(waiting_max as usize, &hasher);
            let earlier = it.callees.iter().filter(|callee| **callee != since);
            earlier.for_each(|callee| pool.admit(*callee, u32::MAX));
            it.pool = Some(Box::new(pool));
        }
    }

    /// Copy: a callee has come. If it lives here, invocations may come before its REGISTERED.
    pub(super) fn add_callee(&mut self, now: Time, joined: &Joined) -> Option<Evicted> {
        let Joined { realm, ref offer, callee, disclose_caller, forward_timeout, .. } = *joined;
        let evicted = joined.evicts.and_then(|reason| self.evict(now, joined, reason));
        self.realm(realm).add_callee(joined);
        if home(callee, self.shards) != self.id {
            return evicted;
        }
        let hasher = self.hasher.clone();
        match self.conn_of(callee).and_then(|id| self.session_mut(id)) {
            Some(session) => {
                session.registrations.insert(
                    &hasher,
                    offer.registration,
                    Offering {
                        is_pattern: offer.policy != MatchPolicy::Exact,
                        disclose_caller,
                        forward_timeout,
                        is_announced: false,
                        revoked: None,
                    },
                );
            }
            // It has left while its REGISTER was under way.
            None => self.resign(now, realm, offer.registration, callee, None),
        }
        evicted
    }

    /// Home: every shard knows, or the owner has refused.
    pub(super) fn registered(
        &mut self,
        now: Time,
        session: SessionId,
        request: RequestId,
        outcome: Result<RegistrationId, Box<RegisterRefused>>,
    ) {
        let Some(id) = self.conn_of(session) else { return };
        match outcome {
            Err(refused) => self.refuse(id, REGISTER, request, refused.error, &refused.text),
            Ok(registration) => {
                self.wire.send_message(id, &Message::Registered { request, registration });
                let offering = self.session_mut(id).and_then(|s| s.registrations.get_mut(&registration));
                if let Some(offering) = offering {
                    offering.is_announced = true;
                    if let Some(reason) = offering.revoked.take() {
                        self.revoked(now, session, registration, &reason);
                    }
                }
                self.release_held(now, id);
            }
        }
        self.settled(now, id);
    }

    /// Owner: a session no longer offers a procedure.
    pub(super) fn own_unregister(
        &mut self,
        now: Time,
        from: ShardId,
        realm: RealmId,
        registration: RegistrationId,
        session: SessionId,
        request: Option<RequestId>,
    ) {
        self.drop_callee(now, realm, registration, session);
        if let Some(request) = request {
            self.tell(now, from, Word::Unregistered { session, request });
        }
    }

    /// Owner: a callee leaves a registration; returns whether it was there.
    pub(super) fn drop_callee(
        &mut self,
        now: Time,
        realm: RealmId,
        registration: RegistrationId,
        callee: SessionId,
    ) -> bool {
        let left = self.realm(realm).remove_callee(registration, callee);
        if let Left::Before = left {
            return false;
        }
        for shard in self.others() {
            self.tell(now, shard, Word::RemoveCallee { realm, registration, callee });
        }
        self.tell_unregister(now, realm, registration, callee, matches!(left, Left::Nobody(_)));
        // Calls that wait are told after all shards: who is told tries another registration, by its copy.
        match left {
            Left::Nobody(Some(gone)) => self.disperse(now, gone.pool),
            _ => self.serve(now, realm, registration),
        }
        true
    }

    /// Home: the owner has let go of a registration.
    pub(super) fn unregistered(&mut self, now: Time, session: SessionId, request: RequestId) {
        let Some(id) = self.conn_of(session) else { return };
        if request.0 != 0 {
            self.wire.send_message(id, &Message::Unregistered { request, revocation: None });
        }
        self.settled(now, id);
    }

    /// Copy: a callee has left.
    pub(super) fn remove_callee(&mut self, realm: RealmId, registration: RegistrationId, callee: SessionId) {
        self.realm(realm).remove_callee(registration, callee);
    }

    /// A callee of this shard leaves a registration: the owner is told. The own copy forgets it at once, so that a callee of this
    /// shard that is in the copy is there.
    pub(super) fn resign(
        &mut self,
        now: Time,
        realm: RealmId,
        registration: RegistrationId,
        session: SessionId,
        request: Option<RequestId>,
    ) {
        let owner = self.registration_owner(registration);
        if owner != self.id {
            self.remove_callee(realm, registration, session);
        }
        self.tell(now, owner, Word::Unregister { realm, registration, session, request });
    }

    /// The shard that gave the registration its id owns it.
    pub(super) fn registration_owner(&self, registration: RegistrationId) -> ShardId {
        owner_of(registration, self.shards)
    }
}

/// The shard that has given the registration its id, of so many.
pub(super) fn owner_of(registration: RegistrationId, shards: u16) -> ShardId {
    ShardId(((registration.0 - 1) % u64::from(shards)) as u16)
}

/// Why a session may not join a registration.
fn refusal(existing: &Registration, invoke: InvokePolicy, session: SessionId) -> Option<String> {
    let has = &existing.offer.invoke;
    let procedure = quote(&existing.offer.procedure);
    if *has != invoke {
        Some(format!(
            "'{procedure}' is registered with invoke policy '{}', not '{}'",
            has.name(),
            invoke.name()
        ))
    } else if invoke == InvokePolicy::Single {
        Some(format!("'{procedure}' is registered already, with invoke policy 'single'"))
    } else if existing.callees.contains(&session) {
        Some(format!("'{procedure}' is registered by this same session already"))
    } else {
        None
    }
}
