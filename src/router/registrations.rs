//! Registrations: who offers which procedure (spec: "Registering and Unregistering", "Shared Registration").
//!
//! The owner of a procedure decides who may offer it and in which order; every shard has a copy. REGISTERED is sent when all shards
//! know, so no later call misses the callee.

use std::sync::Arc;

use super::audience::home;
use super::mesh::{Offer, RealmId, Register, RegisterRefused, ShardId, Word};
use super::realm::Registration;
use super::rounds::RoundAnswer;
use super::session::quote;
use super::shard::{ConnId, Shard};
use super::time::Time;
use crate::wamp::message::{InvokePolicy, MatchPolicy, RegisterOptions};
use crate::wamp::{Message, RegistrationId, RequestId, SessionId, error_uri};

/// Code of REGISTER in ERROR.
const REGISTER: u8 = 64;
/// Code of UNREGISTER in ERROR.
const UNREGISTER: u8 = 66;

/// What a session offers under a registration.
#[derive(Debug)]
pub(super) struct Offering {
    /// Its invocations name the procedure.
    pub(super) is_pattern: bool,
    pub(super) disclose_caller: bool,
    /// REGISTERED has been sent. Invocations that come earlier wait.
    pub(super) is_announced: bool,
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
            return self.refuse(id, REGISTER, request, error_uri::INVALID_URI, &text);
        }
        let Some(session) = self.session(id) else { return };
        let register = Register {
            realm: session.realm,
            policy,
            procedure: procedure.into(),
            invoke: options.invoke,
            disclose_caller: options.disclose_caller == Some(true),
            session: session.id(),
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
        let Register { realm, policy, procedure, invoke, disclose_caller, session, request } = register;
        let fresh = RegistrationId(self.router_id());
        let created = self.date(now);
        let tables = self.realm(realm);
        let existing = tables.procedures.get(policy, &procedure).and_then(|id| tables.registration.get(&id));
        let refusal = existing.and_then(|existing| refusal(existing, invoke, session));
        let offer = match existing {
            Some(existing) => existing.offer.clone(),
            None => Arc::new(Offer { registration: fresh, policy, procedure, invoke, created }),
        };
        if let Some(text) = refusal {
            let error = error_uri::PROCEDURE_ALREADY_EXISTS;
            let outcome = Err(Box::new(RegisterRefused { error, text }));
            self.tell(now, from, Word::Registered { session, request, outcome });
            return;
        }
        self.add_callee(now, realm, &offer, session, disclose_caller);
        let answer = RoundAnswer::Registered { session, request, registration: offer.registration };
        self.round(now, from, answer, |round| Word::AddCallee {
            realm,
            offer: offer.clone(),
            callee: session,
            disclose_caller,
            round,
        });
        self.tell_register(now, realm, &offer, session, offer.registration == fresh);
    }

    /// Copy: a callee has come. If it lives here, invocations may come before its REGISTERED.
    pub(super) fn add_callee(
        &mut self,
        now: Time,
        realm: RealmId,
        offer: &Arc<Offer>,
        callee: SessionId,
        disclose_caller: bool,
    ) {
        self.realm(realm).add_callee(offer, callee);
        if home(callee, self.shards) != self.id {
            return;
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
                        is_announced: false,
                    },
                );
            }
            // It has left while its REGISTER was under way.
            None => self.resign(now, realm, offer.registration, callee, None),
        }
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
        if self.realm(realm).remove_callee(registration, session) {
            for shard in self.others() {
                self.tell(now, shard, Word::RemoveCallee { realm, registration, callee: session });
            }
            self.tell_unregister(now, realm, registration, session);
        }
        if let Some(request) = request {
            self.tell(now, from, Word::Unregistered { session, request });
        }
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
        ShardId(((registration.0 - 1) % u64::from(self.shards)) as u16)
    }
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
