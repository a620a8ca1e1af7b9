//! Calls that go to another callee although one has had them (spec: "Call Re-Routing"; beyond it the operator's `reroute_lost`).
//!
//! A callee that announced it may answer `wamp.error.unavailable`, and the call goes to another one of the shared registration. For
//! that the callee's shard keeps the invocation until it is answered. A call whose arguments or results come in parts is bound to its
//! callee as soon as a part has been passed on, or may be.

use super::super::invocations::{Invoking, Marks, Mirror};
use super::super::mesh::{Invoke, RealmId, Refusal, Word};
use super::super::shard::{ConnId, Shard};
use super::super::time::Time;
use super::CallDetails;
use crate::wamp::message::{Features, InvokePolicy, Payload};
use crate::wamp::{RegistrationId, RequestId};

impl Invoke {
    pub(in super::super) fn is_rerouted_when_lost(&self) -> bool {
        self.details.as_deref().is_some_and(CallDetails::reroutes_lost)
    }
}

impl Shard {
    /// Callee's shard: an INVOCATION was sent that is unusual.
    #[cold]
    #[inline(never)]
    pub(in super::super) fn invoked_specially(
        &mut self,
        now: Time,
        id: ConnId,
        request: u64,
        invoking: &Invoking<'_>,
        mirror: Mirror,
        payload: Payload<'_>,
    ) {
        self.keep_invocation(id, request, invoking, payload);
        if mirror.marks.has(Marks::KEEPS_TIME.with(Marks::STREAM)) {
            let keeps_time = mirror.marks.has(Marks::KEEPS_TIME);
            self.tell(now, mirror.home, Word::Invoked { call: mirror.call, keeps_time });
        }
    }

    /// Keeps an invocation that may have to go to another callee.
    fn keep_invocation(&mut self, id: ConnId, request: u64, invoking: &Invoking<'_>, payload: Payload<'_>) {
        let details = invoking.details;
        let Some(session) = self.session(id) else { return };
        let (realm, me) = (session.realm, session.id());
        let announced = session.features.callee.contains(Features::CALL_REROUTE);
        let is_shared = self.is_shared(realm, invoking.registration);
        if announced
            && !is_shared
            && let Some(callee) = self.session_mut(id).and_then(|s| s.callee.as_deref_mut())
            && let Some(mirror) = callee.pending.get_mut(&request)
        {
            mirror.marks.set(Marks::LONE, true);
        }
        let is_wanted = is_shared || details.is_some_and(CallDetails::reroutes_lost);
        if !is_wanted || details.is_some_and(|details| details.progress) {
            return;
        }
        let bytes = invoking.procedure.len() + payload.bytes.len();
        let callee = self.session(id).and_then(|session| session.callee.as_deref());
        if !callee.is_some_and(|callee| callee.may_keep(bytes, self.limits())) {
            return;
        }
        let mut parcel = self.parcel(invoking.procedure, payload);
        parcel.detach();
        let invoke = Invoke {
            call: invoking.call,
            callee: me,
            registration: invoking.registration,
            caller: invoking.caller.clone(),
            disclose: invoking.disclose,
            refusal: Refusal::default(),
            counted: None,
            details: details.cloned().map(Box::new),
            parcel,
        };
        let hasher = self.hasher.clone();
        if let Some(callee) = self.session_mut(id).and_then(|s| s.callee.as_deref_mut())
            && let Some(mirror) = callee.pending.get_mut(&request)
        {
            mirror.marks.set(Marks::KEPT, true);
            callee.keep(&hasher, request, Box::new(invoke));
        }
    }

    /// Whether several callees may offer a registration.
    fn is_shared(&self, realm: RealmId, registration: RegistrationId) -> bool {
        let registration = self.realms[usize::from(realm.0)].registration.get(&registration);
        registration.is_some_and(|it| it.offer.invoke != InvokePolicy::Single)
    }

    /// Callee's shard: a part of the result has been passed on, so nobody else can take the call.
    #[cold]
    pub(in super::super) fn forget_kept(&mut self, id: ConnId, request: RequestId) {
        let callee = self.session_mut(id).and_then(|s| s.callee.as_deref_mut());
        if let Some(callee) = callee
            && let Some(mirror) = callee.pending.get_mut(&request.0)
        {
            mirror.marks.clear(Marks::KEPT);
            callee.take_kept(request.0);
        }
    }

    /// Callee's shard: a callee cannot take a call now. Returns whether another may.
    #[cold]
    pub(in super::super) fn is_rerouted(&mut self, now: Time, id: ConnId, request: RequestId) -> bool {
        let Some(session) = self.session_mut(id) else { return false };
        let realm = session.realm;
        let announced = session.features.callee.contains(Features::CALL_REROUTE);
        let Some(callee) = session.callee.as_deref_mut().filter(|_| announced) else { return false };
        let Some(mirror) = callee.pending.get(&request.0).copied() else { return false };
        if mirror.marks.has(Marks::INTERRUPTED.with(Marks::ABANDONED)) {
            return false;
        }
        let Some(registration) = callee.kept(request.0).map(|invoke| invoke.registration) else {
            return false;
        };
        if !self.is_shared(realm, registration) {
            return false;
        }
        let callee = self.session_mut(id).and_then(|session| session.callee.as_deref_mut());
        let Some((callee, mut invoke)) =
            callee.and_then(|it| it.take_kept(request.0).map(|invoke| (it, invoke)))
        else {
            return false;
        };
        callee.remove(request.0);
        self.free_slot(now, id, request.0);
        invoke.refusal = Refusal::Unavailable;
        self.tell(now, mirror.home, Word::Refused(*invoke));
        true
    }

    /// Callee's shard: a callee has left without an answer, and another may take the call.
    #[cold]
    pub(in super::super) fn refuse_lost(&mut self, now: Time, mirror: Mirror, mut invoke: Invoke) {
        invoke.refusal = Refusal::Lost;
        self.tell(now, mirror.home, Word::Refused(invoke));
    }
}
