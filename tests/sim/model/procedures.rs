//! Registrations: when a procedure may be refused, and who may be called.

use connectanum::access::Action;
use connectanum::wamp::message::InvokePolicy;

use super::{Model, NOT_AUTHORIZED, Request};
use crate::uris::{self, Pattern};

/// A registration of one session, from its REGISTER on.
#[derive(Debug)]
pub(crate) struct Reg {
    pub(crate) session: usize,
    pub(crate) pattern: Pattern,
    pub(crate) invoke: InvokePolicy,
    pub(crate) disclose_caller: bool,
    /// Most invocations at a time.
    pub(crate) concurrency: Option<u64>,
    /// It takes the place of others.
    pub(crate) by_force: bool,
    pub(crate) id: Option<u64>,
    /// When REGISTER was handed over, REGISTERED received, UNREGISTER handed over.
    pub(crate) handed: Option<u64>,
    pub(crate) registered: Option<u64>,
    pub(crate) ending: Option<u64>,
    /// UNREGISTER was sent, or the router has taken it away.
    pub(crate) is_left: bool,
    /// It has to be taken away.
    pub(super) must_go: bool,
    pub(crate) is_refused: bool,
    /// When UNREGISTERED or the answer to GOODBYE was received: from then on all is as if it had never been.
    pub(crate) released: Option<u64>,
    /// When the rules have taken it away, which the owner may hear later than the callee.
    pub(super) forbidden: Option<u64>,
}

impl Model {
    pub(crate) fn register(
        &mut self,
        session: usize,
        pattern: Pattern,
        invoke: InvokePolicy,
        disclose_caller: bool,
    ) -> usize {
        let ending = self.is_being_revoked(session, pattern).then_some(self.tick);
        self.regs.push(Reg {
            session,
            pattern,
            invoke,
            disclose_caller,
            concurrency: None,
            by_force: false,
            id: None,
            handed: None,
            registered: None,
            ending,
            is_left: false,
            must_go: false,
            is_refused: false,
            released: None,
            forbidden: None,
        });
        self.regs.len() - 1
    }

    pub(super) fn registered(&mut self, ix: usize, id: u64) {
        let Reg { session, pattern, handed, .. } = self.regs[ix];
        self.was_allowed(session, Request::Register(ix));
        if self.may_lose(session, Action::Register, pattern, handed) {
            self.regs[ix].ending.get_or_insert(self.tick);
        }
        let reg = &self.regs[ix];
        // If it, or its session, has ended meanwhile, others may have registered since.
        let may_be_over = reg.ending.is_some() || !self.is_alive(reg.session);
        for other in self.regs.iter().filter(|other| !may_be_over && self.is_registered(other)) {
            let same = other.pattern == reg.pattern && self.realm(other) == self.realm(reg);
            assert_eq!(other.id == Some(id), same, "registration {id} of {reg:?} and {other:?}");
            if same {
                assert_eq!(other.invoke, reg.invoke, "registration {id} has two policies");
                assert_ne!(reg.invoke, InvokePolicy::Single, "registration {id} is single, with two callees");
                assert_ne!(other.session, reg.session, "a session is callee twice");
            }
        }
        let session = reg.session;
        self.regs[ix].registered = Some(self.tick);
        self.regs[ix].id = Some(id);
        self.sessions[session].regs.insert(id, ix);
    }

    pub(super) fn unregistered(&mut self, ix: usize) {
        let Reg { session, id, .. } = self.regs[ix];
        let id = id.expect("only what was registered is unregistered");
        assert_eq!(self.sessions[session].regs.remove(&id), Some(ix));
        self.regs[ix].released = Some(self.tick);
    }

    /// REGISTER was handed over. Where one is under way by force, others may have to go.
    pub(super) fn register_handed(&mut self, ix: usize) {
        self.regs[ix].handed = Some(self.tick);
        let (pattern, realm) = (self.regs[ix].pattern, self.realm(&self.regs[ix]));
        let same = |reg: &Reg| reg.pattern == pattern && self.realm(reg) == realm && reg.handed.is_some();
        let same: Vec<usize> = (0..self.regs.len()).filter(|at| same(&self.regs[*at])).collect();
        let forces = |at: &usize| self.regs[*at].by_force && self.regs[*at].registered.is_none();
        let forced: Vec<usize> = same.iter().copied().filter(forces).collect();
        for at in same {
            if forced.iter().any(|by| *by != at) {
                self.regs[at].ending.get_or_insert(self.tick);
            }
        }
    }

    /// The router has taken a registration away.
    pub(super) fn revoked(&mut self, session: usize, id: u64, reason: Option<&str>) {
        let Some(ix) = self.sessions[session].regs.remove(&id) else {
            panic!("registration {id} is revoked, which is not there");
        };
        self.is_revoked_for(session, Action::Register, self.regs[ix].pattern, self.regs[ix].handed, reason);
        let reg = &mut self.regs[ix];
        assert!(reg.ending.is_some(), "nobody has forced {reg:?} away");
        match reason {
            Some(NOT_AUTHORIZED) => reg.forbidden = Some(self.tick),
            _ => reg.released = Some(self.tick),
        }
        reg.is_left = true;
    }

    /// UNREGISTER was in vain: the registration was revoked before.
    pub(super) fn unregister_refused(&mut self, ix: usize, error: &str) {
        assert_eq!(error, "wamp.error.no_such_registration");
        let reg = &self.regs[ix];
        assert!(reg.released.or(reg.forbidden).is_some(), "UNREGISTER of {reg:?}");
    }

    /// Somebody must have been in the way.
    pub(super) fn register_refused(&mut self, ix: usize, error: &str) {
        assert_eq!(error, "wamp.error.procedure_already_exists");
        let reg = &self.regs[ix];
        assert!(!reg.by_force, "force is stronger");
        let handed = reg.handed.expect("an answer comes after its request");
        let in_the_way = self.regs.iter().enumerate().any(|(at, other)| {
            at != ix
                && other.pattern == reg.pattern
                && self.realm(other) == self.realm(reg)
                && other.handed.is_some()
                && !other.is_refused
                && !self.is_over(other, handed)
                && (other.invoke != reg.invoke
                    || other.invoke == InvokePolicy::Single
                    || other.session == reg.session)
        });
        assert!(in_the_way, "nobody was in the way of {reg:?}");
        self.regs[ix].is_refused = true;
    }

    /// Whether it was over, also for the owner, before `tick`.
    pub(super) fn is_over(&self, reg: &Reg, tick: u64) -> bool {
        reg.released.is_some_and(|released| released < tick)
            || self.is_known(reg.forbidden.or(self.sessions[reg.session].gone), tick)
    }

    /// Whether a call that was handed over at `tick` may have tried the callee in vain: some shards knew of it, others not.
    pub(super) fn may_fail(&self, reg: &Reg, tick: u64) -> bool {
        let comes = reg.registered.is_none_or(|registered| registered >= tick);
        let goes = (reg.ending.is_some() || !self.is_alive(reg.session))
            && !self.is_known(reg.released.or(reg.forbidden).or(self.sessions[reg.session].gone), tick);
        reg.handed.is_some() && !reg.is_refused && (comes || goes)
    }

    /// Whether the invocations of its registration are counted, so that calls may wait.
    pub(super) fn is_counted(&self, reg: &Reg) -> bool {
        let same = |other: &&Reg| other.pattern == reg.pattern && self.realm(other) == self.realm(reg);
        let counted = |other: &Reg| other.concurrency.is_some() || other.invoke == InvokePolicy::Load;
        self.regs.iter().filter(same).any(counted)
    }

    /// Whether the callee is there: REGISTERED was received, and nothing has happened to end it.
    pub(super) fn is_registered(&self, reg: &Reg) -> bool {
        reg.registered.is_some() && reg.ending.is_none() && self.is_alive(reg.session)
    }

    /// Callees that were there all the time since `tick` and could take a call to `procedure`.
    pub(super) fn callees_since<'a>(
        &'a self,
        tick: u64,
        realm: usize,
        procedure: &'a str,
    ) -> impl Iterator<Item = &'a Reg> {
        self.regs.iter().filter(move |reg| {
            reg.registered.is_some_and(|at| at < tick)
                && self.is_registered(reg)
                && self.realm(reg) == realm
                && uris::matches(reg.pattern, procedure)
        })
    }

    pub(super) fn realm(&self, reg: &Reg) -> usize {
        self.sessions[reg.session].realm
    }
}
