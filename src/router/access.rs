//! What sessions may do (spec: "Authorization"): asked before a request takes effect, at the session's own shard.
//!
//! A session of a realm that is not open to everybody has [`Checks`]: the decisions that it has met, so that its next message with the
//! same URI costs one look-up. What is decided elsewhere is a question: the message waits, unread messages behind it, until
//! [`Shard::answer_access`] brings the answer; then it is looked at again and finds that.

use std::sync::Arc;

use simd_json::prelude::*;
use simd_json::{OwnedValue, json};

use super::broker::SUBSCRIBE;
use super::calls::Errand;
use super::conn::Stall;
use super::mesh::{CallKey, RealmId};
use super::meta::{ADD_TESTAMENT, Arguments};
use super::nodes;
use super::publish::PUBLISH;
use super::registrations::REGISTER;
use super::session::{Session, Violation, quote};
use super::shard::{ConnId, Shard};
use super::time::Time;
use super::{Hasher, Map};
use crate::access::{Access, Action, Decision, Grant, Request};
use crate::limits::{ACCESS_CACHE_BYTES, ACCESS_ENTRY_BYTES, META_ARGUMENTS_BYTES_MAX};
use crate::wamp::message::{Call, MatchPolicy, Publish};
use crate::wamp::{Message, RegistrationId, SubscriptionId, error_uri, uri};

/// What a session remembers of what it may do.
#[derive(Debug)]
pub(super) struct Checks {
    /// By URI, then by action. Requests with patterns are not remembered.
    cache: Map<Box<str>, [Option<Verdict>; 4]>,
    /// Roughly.
    cache_bytes: usize,
    /// The message that is looked at now discloses who has sent it.
    pub(super) discloses: bool,
    /// What the message that waits has been asked about.
    questions: Vec<Question>,
    /// The rules have changed while requests were under way.
    is_stale: bool,
}

/// A question that was put to a procedure.
#[derive(Debug)]
struct Question {
    call: CallKey,
    action: Action,
    uri: Box<str>,
    policy: MatchPolicy,
    answer: Option<Verdict>,
}

/// What is known about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Allow {
        disclose: bool,
    },
    Deny,
    /// Whoever is to decide has failed.
    Failed,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admission {
    Admitted,
    /// It has been answered.
    Refused,
    /// It waits for an answer.
    Wait,
}

impl Checks {
    fn new(hasher: &Hasher) -> Checks {
        Checks {
            cache: Map::with_hasher(hasher.clone()),
            cache_bytes: 0,
            discloses: false,
            questions: Vec::new(),
            is_stale: false,
        }
    }

    fn cached(&self, action: Action, uri: &str) -> Option<Verdict> {
        self.cache.get(uri)?[action as usize]
    }

    fn remember(&mut self, action: Action, uri: &str, policy: MatchPolicy, verdict: Verdict) {
        let bytes = uri.len() + ACCESS_ENTRY_BYTES;
        if policy != MatchPolicy::Exact || bytes > ACCESS_CACHE_BYTES {
            return;
        }
        if let Some(verdicts) = self.cache.get_mut(uri) {
            verdicts[action as usize] = Some(verdict);
            return;
        }
        // Whoever uses so many URIs finds few of them again.
        if self.cache_bytes + bytes > ACCESS_CACHE_BYTES {
            self.forget();
        }
        self.cache_bytes += bytes;
        let mut verdicts = [None; 4];
        verdicts[action as usize] = Some(verdict);
        self.cache.insert(uri.into(), verdicts);
    }

    /// The calls that are to answer its questions.
    pub(super) fn calls(&self) -> impl Iterator<Item = CallKey> {
        self.questions.iter().filter(|it| it.answer.is_none()).map(|it| it.call)
    }

    fn forget(&mut self) {
        self.cache.clear();
        self.cache_bytes = 0;
    }
}

/// What an authorizer's answer means: true or false, or a dictionary with `allow` and, if it likes, `disclose` and `cache`.
pub(super) fn decision(answer: &OwnedValue) -> Option<Decision> {
    let (mut disclose, mut cache) = (false, false);
    let allow = match answer.as_object() {
        None => answer.as_bool()?,
        Some(answer) => {
            let flag =
                |name| answer.get(name).filter(|it| !it.is_null()).map_or(Some(false), |it| it.as_bool());
            (disclose, cache) = (flag("disclose")?, flag("cache")?);
            answer.get("allow")?.as_bool()?
        }
    };
    Some(if allow { Decision::Allow(Grant { disclose, cache }) } else { Decision::Deny { cache } })
}

impl Session {
    /// Whether callees and subscribers learn of it from the message that is looked at now, as the operator wants it.
    pub(super) fn discloses(&self) -> bool {
        self.access.as_ref().is_some_and(|checks| checks.discloses)
    }
}

impl Shard {
    /// Replaces who decides, by realm, what sessions may do. Sessions lose the subscriptions and registrations that they may not have
    /// any more.
    ///
    /// # Panics
    /// If there are more or fewer than realms.
    pub fn set_access(&mut self, now: Time, access: Arc<[Access]>) {
        assert_eq!(access.len(), self.config.realms.len(), "access and realms");
        self.access = access;
        let all: Vec<ConnId> = self.wire.conns.keys().collect();
        for id in all {
            self.recheck_access(now, id);
        }
        self.settle(now);
    }

    /// What a session of this realm needs, if not everybody may do everything there.
    pub(super) fn checks(&self, realm: RealmId) -> Option<Box<Checks>> {
        let is_open = self.access[usize::from(realm.0)].is_open();
        (!is_open).then(|| Box::new(Checks::new(&self.hasher)))
    }

    /// Whether a session, which has [`Checks`], may do what the message asks for. If not, it has been answered, or it waits until that is
    /// decided.
    pub(super) fn admit(&mut self, now: Time, id: ConnId, message: &Message<'_>, bytes: &[u8]) -> bool {
        let (action, uri, policy) = match message {
            Message::Publish(publish) => (Action::Publish, &publish.topic, MatchPolicy::Exact),
            Message::Call(call) => (Action::Call, &call.procedure, MatchPolicy::Exact),
            Message::Subscribe { options, topic, .. } => (Action::Subscribe, topic, options.match_policy),
            Message::Register { options, procedure, .. } => {
                (Action::Register, procedure, options.match_policy)
            }
            _ => return true,
        };
        if policy == MatchPolicy::Exact
            && let Some(checks) = self.session_mut(id).and_then(|session| session.access.as_deref_mut())
            && let Some(Verdict::Allow { disclose }) = checks.cached(action, uri)
        {
            checks.discloses = disclose;
            return true;
        }
        match self.examine(now, id, message, (action, uri, policy)) {
            Ok(Admission::Admitted) => return true,
            Ok(Admission::Refused) => {}
            Ok(Admission::Wait) => self.wire.hold(id, bytes),
            Err(violation) => self.violation(now, id, &violation),
        }
        false
    }

    /// The same, for what is not known to be allowed.
    #[cold]
    fn examine(
        &mut self,
        now: Time,
        id: ConnId,
        message: &Message<'_>,
        (action, uri, policy): (Action, &str, MatchPolicy),
    ) -> Result<Admission, Violation> {
        // The first CALL has been decided, and this is more of it.
        if let Message::Call(call) = message
            && self.session(id).and_then(|s| s.caller.as_deref()).is_some_and(|c| c.knows(call.request))
        {
            return Ok(Admission::Admitted);
        }
        // What nobody may do is refused in the usual way.
        let is_for_applications = matches!(action, Action::Register | Action::Publish);
        if self.check_uri(id, uri, policy).is_err() || is_for_applications && uri::is_reserved(uri) {
            return Ok(Admission::Admitted);
        }
        let mut about = (action, uri.to_owned());
        let mut verdict = self.verdict(now, id, action, uri, policy);
        // It is a PUBLISH, too.
        if let (Some(Verdict::Allow { .. }), Message::Call(call)) = (verdict, message)
            && uri == ADD_TESTAMENT
            && let Some(topic) = self.testament_topic(id, call)
        {
            verdict = self.verdict(now, id, Action::Publish, &topic, MatchPolicy::Exact);
            about = (Action::Publish, topic);
        }
        let Some(verdict) = verdict else { return Ok(Admission::Wait) };
        let Some(session) = self.session_mut(id) else { return Ok(Admission::Refused) };
        let role = quote(&session.identity.authrole);
        let Some(checks) = session.access.as_deref_mut() else { return Ok(Admission::Admitted) };
        checks.questions.clear();
        let (action, uri) = (about.0.name(), quote(&about.1));
        let (error, text) = match verdict {
            Verdict::Allow { disclose } => {
                checks.discloses = disclose;
                return Ok(Admission::Admitted);
            }
            Verdict::Deny => {
                (error_uri::NOT_AUTHORIZED, format!("role '{role}' is not authorized to {action} '{uri}'"))
            }
            Verdict::Failed => {
                let text = format!("whether role '{role}' may {action} '{uri}' could not be decided");
                (error_uri::AUTHORIZATION_FAILED, text)
            }
        };
        self.refuse_access(now, id, message, error, &text)?;
        Ok(Admission::Refused)
    }

    /// Where a testament is to be published, if that is a topic of applications.
    fn testament_topic(&self, id: ConnId, call: &Call<'_>) -> Option<String> {
        if call.payload.bytes.len() > META_ARGUMENTS_BYTES_MAX {
            return None;
        }
        let arguments = Arguments::of(call.payload);
        let topic = arguments.text(0, "topic").ok()?;
        self.check_application_uri(id, topic, MatchPolicy::Exact).ok()?;
        Some(topic.to_owned())
    }

    /// What is decided about a request; `None`: it was asked.
    fn verdict(
        &mut self,
        now: Time,
        id: ConnId,
        action: Action,
        uri: &str,
        policy: MatchPolicy,
    ) -> Option<Verdict> {
        let access = self.access.clone();
        let Some(session) = self.session_mut(id) else { return Some(Verdict::Deny) };
        let (realm, identity) = (session.realm, session.identity.clone());
        let Some(checks) = session.access.as_deref_mut() else {
            return Some(Verdict::Allow { disclose: false });
        };
        if policy == MatchPolicy::Exact
            && let Some(verdict) = checks.cached(action, uri)
        {
            return Some(verdict);
        }
        let is_same = |it: &Question| it.action == action && it.policy == policy && *it.uri == *uri;
        if let Some(question) = checks.questions.iter().find(|it| is_same(it)) {
            return question.answer;
        }
        let request = Request {
            session: identity.session.0,
            authid: &identity.authid,
            authrole: &identity.authrole,
            action,
            uri,
            match_policy: policy,
        };
        let (verdict, cache) = match access[usize::from(realm.0)].decide(&request) {
            Decision::Allow(Grant { disclose, cache }) => (Verdict::Allow { disclose }, cache),
            Decision::Deny { cache } => (Verdict::Deny, cache),
            Decision::Ask(procedure) => {
                let call = self.record_errand(realm, Errand::Access(id));
                let checks = self.session_mut(id)?.access.as_deref_mut()?;
                checks.questions.push(Question { call, action, uri: uri.into(), policy, answer: None });
                self.ask_authorizer(now, id, call, &procedure, &request);
                let checks = self.session(id)?.access.as_deref()?;
                return checks.questions.iter().find(|it| it.call == call)?.answer;
            }
        };
        if cache && uri != ADD_TESTAMENT {
            checks.remember(action, uri, policy, verdict);
        }
        Some(verdict)
    }

    /// Has a procedure decide.
    fn ask_authorizer(
        &mut self,
        now: Time,
        id: ConnId,
        call: CallKey,
        procedure: &str,
        request: &Request<'_>,
    ) {
        let Some(session) = self.session(id) else { return };
        let (realm, identity) = (session.realm, session.identity.clone());
        let details = json!({
            "session": request.session,
            "realm": self.config.realms[usize::from(realm.0)].name.as_str(),
            "authid": request.authid,
            "authrole": request.authrole,
            "authmethod": &*identity.authmethod,
            "authprovider": &*identity.authprovider,
        });
        let options = match request.match_policy {
            MatchPolicy::Exact => json!({}),
            policy => json!({"match": policy.name()}),
        };
        let args = [details, request.uri.into(), request.action.name().into(), options];
        self.run_errand(now, call, &identity, procedure, &args);
    }

    /// A question is answered; `None`: whoever was asked has failed. The message that waits for it is looked at again.
    pub(super) fn answer_access(&mut self, id: ConnId, call: CallKey, answer: Option<Decision>) {
        let checks = self.session_mut(id).and_then(|session| session.access.as_deref_mut());
        let Some(checks) = checks else { return };
        let Some(at) = checks.questions.iter().position(|it| it.call == call) else { return };
        let (verdict, cache) = match answer {
            Some(Decision::Allow(Grant { disclose, cache })) => (Verdict::Allow { disclose }, cache),
            Some(Decision::Deny { cache }) => (Verdict::Deny, cache),
            Some(Decision::Ask(_)) | None => (Verdict::Failed, false),
        };
        checks.questions[at].answer = Some(verdict);
        let Question { action, policy, .. } = checks.questions[at];
        if cache && *checks.questions[at].uri != *ADD_TESTAMENT {
            let uri = checks.questions[at].uri.clone();
            checks.remember(action, &uri, policy, verdict);
        }
        self.wire.unstall(id, Stall::HELD);
    }

    /// Answers what is not allowed.
    fn refuse_access(
        &mut self,
        now: Time,
        id: ConnId,
        message: &Message<'_>,
        error: &str,
        text: &str,
    ) -> Result<(), Violation> {
        tracing::debug!(conn = ?id, error, text);
        match message {
            Message::Publish(Publish { request, options, .. }) => {
                self.request(id, *request)?;
                if options.acknowledge == Some(true) {
                    self.refuse(id, PUBLISH, *request, error, text);
                }
            }
            Message::Call(call) => {
                if let Err(violation) = self.request(id, call.request) {
                    return self.continue_strictly(now, id, call, violation);
                }
                self.refuse_call(id, call, error, text);
            }
            Message::Subscribe { request, .. } => {
                self.request(id, *request)?;
                self.refuse(id, SUBSCRIBE, *request, error, text);
            }
            Message::Register { request, .. } => {
                self.request(id, *request)?;
                self.refuse(id, REGISTER, *request, error, text);
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether a session that leaves may still publish to a topic for which it has a testament. Nobody is asked any more.
    pub(super) fn admits_testament(&mut self, id: ConnId, topic: &str) -> bool {
        let decision = self.decide_now(id, Action::Publish, topic, MatchPolicy::Exact);
        let checks = self.session_mut(id).and_then(|session| session.access.as_deref_mut());
        let Some(checks) = checks else { return true };
        checks.discloses = match checks.cached(Action::Publish, topic) {
            Some(Verdict::Allow { disclose }) => disclose,
            _ => matches!(decision, Decision::Allow(Grant { disclose: true, .. })),
        };
        !matches!(decision, Decision::Deny { .. })
    }

    /// What the rules say by themselves.
    fn decide_now(&self, id: ConnId, action: Action, uri: &str, match_policy: MatchPolicy) -> Decision {
        let Some(session) = self.session(id) else { return Decision::Deny { cache: false } };
        let identity = &session.identity;
        let (session, authid, authrole) = (identity.session.0, &*identity.authid, &*identity.authrole);
        let request = Request { session, authid, authrole, action, uri, match_policy };
        self.access_of(id).map_or(Decision::Deny { cache: false }, |access| access.decide(&request))
    }

    fn access_of(&self, id: ConnId) -> Option<&Access> {
        self.access.get(usize::from(self.session(id)?.realm.0))
    }

    /// The rules have changed: a session forgets what it knew of them, and loses the subscriptions and registrations that they do not allow.
    /// What a procedure had allowed stays.
    pub(super) fn recheck_access(&mut self, now: Time, id: ConnId) {
        let Some(session) = self.session(id) else { return };
        let fresh = self.checks(session.realm);
        let Some(session) = self.session_mut(id) else { return };
        match (&mut session.access, fresh) {
            (Some(checks), Some(_)) => {
                checks.forget();
                checks.questions.clear();
            }
            (access, fresh) => *access = fresh,
        }
        if let Some(checks) = &mut session.access {
            // Those that are under way must be answered first; they are about what was so.
            checks.is_stale = session.unsettled > 0;
            self.revoke_forbidden(now, id);
        }
        // A message may wait for an answer that nobody needs any more.
        self.wire.unstall(id, Stall::HELD);
    }

    /// Requests that were under way when the rules changed have been answered.
    pub(super) fn recheck_settled(&mut self, now: Time, id: ConnId) {
        let checks = self.session_mut(id).and_then(|session| session.access.as_deref_mut());
        if checks.is_some_and(|checks| std::mem::take(&mut checks.is_stale)) {
            self.revoke_forbidden(now, id);
        }
    }

    #[cold]
    fn revoke_forbidden(&mut self, now: Time, id: ConnId) {
        let Some(session) = self.session(id) else { return };
        let (realm, me) = (session.realm, session.id());
        let tables = &self.realms[usize::from(realm.0)];
        let is_forbidden = |action, uri: &str, policy| {
            matches!(self.decide_now(id, action, uri, policy), Decision::Deny { .. })
        };
        let topics: Vec<SubscriptionId> = session
            .subscriptions
            .iter()
            .filter_map(|(subscription, key)| {
                let topic = tables.topic.get(*key)?;
                let (uri, _) = nodes::parts(&topic.uri);
                is_forbidden(Action::Subscribe, uri, topic.policy).then_some(*subscription)
            })
            .collect();
        let procedures: Vec<RegistrationId> = session
            .registrations
            .iter()
            .filter_map(|(registration, _)| {
                let offer = &tables.registration.get(registration)?.offer;
                is_forbidden(Action::Register, &offer.procedure, offer.policy).then_some(*registration)
            })
            .collect();
        for subscription in topics {
            self.revoke(now, id, subscription, Some(error_uri::NOT_AUTHORIZED));
        }
        for registration in procedures {
            self.resign(now, realm, registration, me, None);
            self.revoked(now, me, registration, error_uri::NOT_AUTHORIZED);
        }
    }
}
