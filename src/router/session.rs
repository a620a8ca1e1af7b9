//! Sessions: from HELLO to GOODBYE, and what happens to those that break the protocol (spec: "Sessions", "Protocol Violations").

use std::sync::Arc;

use super::access::Checks;
use super::broker;
use super::conn::{Phase, Stall, TooLarge};
use super::dealer::{self, Caller};
use super::handshake::Handshake;
use super::identity::Identity;
use super::invocations::Callee;
use super::lazy_map::LazyMap;
use super::mesh::RealmId;
use super::meta::Testaments;
use super::rates::Rates;
use super::realm::TopicKey;
use super::registrations::Offering;
use super::shard::{ConnId, Shard};
use super::time::Time;
use crate::auth::{Method, Principal};
use crate::limits::{FAULT_BYTES_MAX, ID_MAX, QUOTE_BYTES_MAX, RECALLS_MAX, UNACKNOWLEDGED_MAX};
use crate::wamp::message::{
    self, ClientRoles, Features, Hello, MatchPolicy, Payload, RawValue, Text, Welcome,
};
use crate::wamp::scan::ScanError;
use crate::wamp::uri::UriRule;
use crate::wamp::{
    Message, RegistrationId, RequestId, SessionId, SubscriptionId, encode, error_uri, scan, uri,
};
use crate::ws::CloseCode;

/// What clients are told when the router ends.
const SHUTTING_DOWN: &str = "the router is shutting down";

/// A session of this shard.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) realm: RealmId,
    pub(super) identity: Arc<Identity>,
    pub(super) state: State,
    pub(super) features: Announced,
    /// Its request ids must be 1, 2, 3, …, as its realm wanted when it joined.
    is_strict: bool,
    /// The highest request id that the client has used.
    pub(super) last_request: u64,
    /// Requests that have not taken effect on all shards; while there are any, what could overtake them waits.
    pub(super) unsettled: u32,
    /// Publications that wait for other shards before PUBLISHED is sent.
    pub(super) unacknowledged: u32,
    /// Subscriptions that wait for retained events.
    pub(super) recalls: u32,
    pub(super) subscriptions: LazyMap<SubscriptionId, TopicKey>,
    pub(super) registrations: LazyMap<RegistrationId, Offering>,
    pub(super) caller: Option<Box<Caller>>,
    pub(super) callee: Option<Box<Callee>>,
    pub(super) testaments: Option<Box<Testaments>>,
    /// If it may not publish and call as often as it likes.
    pub(super) rates: Option<Box<Rates>>,
    /// Among those of its authid.
    pub(super) is_counted: bool,
    /// What it may do; `None`: everything.
    pub(super) access: Option<Box<Checks>>,
}

/// The features that a client announced, by role.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Announced {
    pub(super) publisher: Features,
    pub(super) subscriber: Features,
    pub(super) caller: Features,
    pub(super) callee: Features,
}

impl From<&ClientRoles> for Announced {
    fn from(roles: &ClientRoles) -> Announced {
        Announced {
            publisher: roles.publisher.unwrap_or_default(),
            subscriber: roles.subscriber.unwrap_or_default(),
            caller: roles.caller.unwrap_or_default(),
            callee: roles.callee.unwrap_or_default(),
        }
    }
}

/// Where an existing session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Established,
    /// The client has said GOODBYE: it is answered when the owners have let go of its registrations.
    Leaving,
}

impl Session {
    fn new(realm: RealmId, identity: Identity, features: Announced, is_strict: bool) -> Session {
        Session {
            realm,
            identity: Arc::new(identity),
            state: State::Established,
            features,
            is_strict,
            last_request: 0,
            unsettled: 0,
            unacknowledged: 0,
            recalls: 0,
            subscriptions: LazyMap::default(),
            registrations: LazyMap::default(),
            caller: None,
            callee: None,
            testaments: None,
            rates: None,
            is_counted: false,
            access: None,
        }
    }

    pub(super) fn id(&self) -> SessionId {
        self.identity.session
    }

    /// Whether there is something to ask before a message takes effect.
    #[inline]
    fn is_guarded(&self) -> bool {
        self.access.is_some() | self.rates.is_some()
    }

    /// Whether a message would overtake what has not taken effect on all shards, or be one too many of that.
    fn must_wait(&self, message: &Message<'_>) -> bool {
        match message {
            Message::Subscribe { options, .. } => {
                options.get_retained == Some(true) && self.recalls >= RECALLS_MAX
            }
            Message::Register { .. } => false,
            Message::Publish(_) => self.unsettled > 0 || self.unacknowledged >= UNACKNOWLEDGED_MAX,
            // The answer to it is the last.
            Message::Goodbye { .. } => self.unsettled > 0 || self.unacknowledged > 0,
            _ => self.unsettled > 0,
        }
    }
}

/// Why a client's message ends its session.
pub(super) type Violation = String;

impl Shard {
    /// A whole message has come.
    pub(super) fn message(&mut self, now: Time, id: ConnId, bytes: &[u8]) {
        if let Some(serializer) = self.wire.serializer(id) {
            self.scanned(
                now,
                id,
                scan::scan_within(serializer, bytes, self.limits().nesting_depth_max),
                bytes,
            );
        }
    }

    /// A whole message has come, in JSON that is known to be UTF-8.
    pub(super) fn text_message(&mut self, now: Time, id: ConnId, text: &str) {
        self.scanned(now, id, scan::scan_json(text, self.limits().nesting_depth_max), text.as_bytes());
    }

    fn scanned(&mut self, now: Time, id: ConnId, scanned: Result<Message<'_>, ScanError>, bytes: &[u8]) {
        let message = match &scanned {
            Ok(message) => message,
            Err(error) => return self.unreadable(now, id, error),
        };
        let Some(conn) = self.wire.conns.get(id) else { return };
        let outcome = match &conn.session {
            _ if conn.phase == Phase::Dismissed => {
                if matches!(message, Message::Goodbye { .. } | Message::Abort(_)) {
                    self.wire.hang_up(id, CloseCode::Normal, "");
                }
                Ok(())
            }
            None => {
                let outcome = self.before_session(now, id, message);
                if self.reload.is_wanting(id) {
                    return self.wire.hold(id, bytes);
                }
                outcome
            }
            Some(session) => match session.state {
                State::Established => {
                    if session.must_wait(message) {
                        return self.wire.hold(id, bytes);
                    }
                    if session.is_guarded() && !self.pass(now, id, message, bytes) {
                        return;
                    }
                    self.in_session(now, id, message, bytes)
                }
                // It may be the HELLO of the next session.
                State::Leaving => return self.wire.hold(id, bytes),
            },
        };
        if let Err(violation) = outcome {
            self.violation(now, id, &violation);
        }
    }

    /// What has come is no message.
    #[cold]
    fn unreadable(&mut self, now: Time, id: ConnId, error: &ScanError) {
        let mut text = error.to_string();
        if *error == ScanError::TooDeep {
            self.limited.nesting_depth_max += 1;
            let max = self.limits().nesting_depth_max;
            text += &format!(
                ": deeper than {max} (nesting_depth_max); flatten them, or send them encoded, as a string"
            );
        }
        self.violation(now, id, &text);
    }

    /// Whether a session that is guarded may do now what the message asks for; if not, it waits or has been answered.
    #[inline(never)]
    fn pass(&mut self, now: Time, id: ConnId, message: &Message<'_>, bytes: &[u8]) -> bool {
        if !self.afford(now, id, message, bytes) {
            return false;
        }
        let is_ruled = self.session(id).is_some_and(|session| session.access.is_some());
        let is_admitted = !is_ruled || self.admit(now, id, message, bytes);
        if !is_admitted {
            // A message that waits to be decided about is paid for already.
            let holds = self.wire.holds(id);
            if let Some(rates) = self.session_mut(id).and_then(|session| session.rates.as_deref_mut()) {
                rates.is_paid = holds;
            }
        }
        is_admitted
    }

    fn before_session(&mut self, now: Time, id: ConnId, message: &Message<'_>) -> Result<(), Violation> {
        let is_asked = self.wire.handshake_mut(id).is_some();
        match message {
            // The peer has given up; an ABORT is never answered.
            Message::Abort(_) => self.wire.hang_up(id, CloseCode::Normal, ""),
            Message::Authenticate { signature, extra } if is_asked => {
                self.authenticate(now, id, signature, *extra);
            }
            other if is_asked => return Err(format!("{} instead of AUTHENTICATE", other.name())),
            Message::Hello(hello) => self.hello(now, id, hello),
            other => {
                let name = other.name();
                return Err(format!("{name} before a session is established: the first message is HELLO"));
            }
        }
        Ok(())
    }

    #[inline(always)] // the one caller matches the message just before
    fn in_session(
        &mut self,
        now: Time,
        id: ConnId,
        message: &Message<'_>,
        bytes: &[u8],
    ) -> Result<(), Violation> {
        match message {
            Message::Publish(publish) => {
                self.request(id, publish.request)?;
                self.publish(now, id, publish)
            }
            Message::Call(call) => {
                if let Err(violation) = self.request(id, call.request) {
                    return self.continue_strictly(now, id, call, violation);
                }
                self.call(now, id, call)
            }
            Message::Yield(message) => self.yielded(now, id, message),
            Message::Error(error) => self.invocation_error(now, id, error),
            Message::Subscribe { request, options, topic } => {
                if self.may_be_full(id) {
                    self.wire.hold(id, bytes);
                    return Ok(());
                }
                self.request(id, *request)?;
                self.subscribe(now, id, *request, options, topic);
                Ok(())
            }
            Message::Unsubscribe { request, subscription } => {
                self.request(id, *request)?;
                self.unsubscribe(now, id, *request, *subscription);
                Ok(())
            }
            Message::Register { request, options, procedure } => {
                if self.may_be_full(id) {
                    self.wire.hold(id, bytes);
                    return Ok(());
                }
                self.request(id, *request)?;
                self.register(now, id, *request, options, procedure);
                Ok(())
            }
            Message::Unregister { request, registration } => {
                self.request(id, *request)?;
                self.unregister(now, id, *request, *registration);
                Ok(())
            }
            Message::Cancel { request, mode } => self.cancel(now, id, *request, mode.as_deref()),
            Message::Goodbye { reason, .. } => {
                if **reason == *error_uri::CLOSE_LOGOUT {
                    self.log_out(now, id);
                }
                self.goodbye(now, id);
                Ok(())
            }
            Message::Abort(_) => {
                self.leave(now, id);
                self.wire.hang_up(id, CloseCode::Normal, "");
                Ok(())
            }
            Message::EventReceived { .. } => {
                self.events_received += 1;
                Ok(())
            }
            Message::Hello(_) => Err("HELLO in a session that is established already".to_owned()),
            Message::Authenticate { .. } => Err("AUTHENTICATE without a CHALLENGE".to_owned()),
            other => Err(format!("{} is sent by a router, never to it", other.name())),
        }
    }

    /// Whether what is not settled, which may be anything, may reach a limit. Then it is awaited, so that only what is there counts.
    #[cold]
    #[inline(never)]
    fn may_be_full(&self, id: ConnId) -> bool {
        let Some(session) = self.session(id) else { return false };
        let (limits, unsettled) = (self.limits(), session.unsettled as usize);
        let is_near = |has: usize, max: usize| has + unsettled >= max;
        unsettled > 0
            && (is_near(session.subscriptions.len(), limits.subscriptions_max)
                || is_near(session.registrations.len(), limits.registrations_max))
    }

    fn hello(&mut self, now: Time, id: ConnId, hello: &Hello<'_>) {
        let is_short = !self.is_uri_too_long(&hello.realm);
        if !is_short || !uri::is_valid(&hello.realm, UriRule::Loose) {
            let mut text = format!("'{}' is not a valid realm URI", quote(&hello.realm));
            if !is_short {
                text += ": it is longer than uri_bytes_max";
            }
            return self.abort(id, error_uri::INVALID_URI, &text, CloseCode::Normal);
        }
        let realm = self.open_realm(&hello.realm);
        if realm.is_none() && self.config.realms.iter().any(|realm| realm.makes(&hello.realm)) {
            self.want_realm(now, id, &hello.realm);
            // If this is the only shard, it was decided at once.
            if let Some(realm) = self.open_realm(&hello.realm) {
                self.begin_handshake(now, id, realm, hello);
            }
            return;
        }
        let Some(realm) = realm else {
            let text = format!("there is no realm '{}' on this router", quote(&hello.realm));
            return self.abort(id, error_uri::NO_SUCH_REALM, &text, CloseCode::Normal);
        };
        self.begin_handshake(now, id, realm, hello);
    }

    /// The client is who it says.
    pub(super) fn welcome(&mut self, now: Time, id: ConnId, handshake: &Handshake, principal: &Principal) {
        let Handshake { realm, session, features, .. } = *handshake;
        let max = self.limits().sessions_per_authid_max;
        let is_counted = max > 0 && principal.authmethod != Method::Anonymous.name();
        if is_counted && self.present(realm, &principal.authid) >= max {
            self.limited.sessions_per_authid_max += 1;
            let authid = quote(&principal.authid);
            let text =
                format!("`{authid}` has {max} sessions: no more are allowed (sessions_per_authid_max)");
            return self.abort(id, error_uri::UNAVAILABLE, &text, CloseCode::Normal);
        }
        let identity = Identity {
            session,
            authid: principal.authid.as_str().into(),
            authrole: self.shared_name(&principal.authrole),
            authmethod: self.shared_name(&principal.authmethod),
            authprovider: self.shared_name(&principal.authprovider),
        };
        let config = self.config.clone();
        let realm_config = &config.realms[usize::from(realm.0)];
        let (realm_name, is_strict) = (realm_config.name.as_str(), realm_config.strict_request_ids);
        let authextra = self.authextra(id, principal);
        let authextra =
            authextra.as_ref().map(|(serializer, bytes)| RawValue { serializer: *serializer, bytes });
        let mut welcome = Welcome {
            session,
            broker: Some(broker::FEATURES),
            dealer: Some(dealer::FEATURES),
            realm: Some(Text::Borrowed(realm_name)),
            agent: Some(Text::Borrowed(&config.agent)),
            authid: Some(Text::Borrowed(&identity.authid)),
            authrole: Some(Text::Borrowed(&identity.authrole)),
            authmethod: Some(Text::Borrowed(&identity.authmethod)),
            authprovider: Some(Text::Borrowed(&identity.authprovider)),
            authextra,
        };
        let mut sent = self.wire.try_send_message(id, &Message::Welcome(welcome.clone()));
        if sent == Err(TooLarge) {
            // All the features take more room than some clients have, who hardly look for them.
            (welcome.broker, welcome.dealer) = (Some(Features::default()), Some(Features::default()));
            sent = self.wire.try_send_message(id, &Message::Welcome(welcome));
        }
        if sent == Err(TooLarge) {
            let text = "WELCOME is larger than the messages that this client accepts";
            return self.abort(id, error_uri::PAYLOAD_SIZE_EXCEEDED, text, CloseCode::Normal);
        }
        self.disarm(id);
        self.sessions.insert(session, id);
        let mut session = Session::new(realm, identity, features, is_strict);
        session.access = self.checks(realm);
        session.rates = self.rates(usize::from(realm.0), &principal.authrole);
        session.is_counted = is_counted;
        if is_counted {
            self.note_presence(now, realm, &principal.authid, true);
        }
        if let Some(conn) = self.wire.conns.get_mut(id) {
            tracing::debug!(session = %session.id(), peer = ?conn.peer, realm = realm_name, at = now.0, "joined");
            conn.session = Some(Box::new(session));
            self.came_in(now, id, realm, principal);
            self.tell_join(now, id);
        }
    }

    /// The client leaves in order: its registrations go first, so that whoever sees the answer can register the same.
    fn goodbye(&mut self, now: Time, id: ConnId) {
        let Some(session) = self.session_mut(id) else { return };
        session.state = State::Leaving;
        let (realm, me) = (session.realm, session.id());
        let registrations: Vec<RegistrationId> = session.registrations.take().map(|(r, _)| r).collect();
        if registrations.is_empty() {
            return self.farewell(now, id);
        }
        // All are counted before the first is answered, which happens at once if this shard is its owner.
        session.unsettled += registrations.len() as u32;
        for registration in registrations {
            self.resign(now, realm, registration, me, Some(RequestId(0)));
        }
    }

    /// A request of the session waits for other shards.
    pub(super) fn unsettle(&mut self, id: ConnId) {
        if let Some(session) = self.session_mut(id) {
            session.unsettled += 1;
        }
    }

    /// A request of the session has taken effect on all shards.
    pub(super) fn settled(&mut self, now: Time, id: ConnId) {
        let Some(session) = self.session_mut(id) else { return };
        session.unsettled = session.unsettled.saturating_sub(1);
        if session.unsettled > 0 {
            return;
        }
        let state = session.state;
        self.recheck_settled(now, id);
        // Invocations may have waited for what has not come.
        self.release_held(now, id);
        match state {
            State::Leaving => self.farewell(now, id),
            State::Established => self.wire.unstall(id, Stall::HELD),
        }
    }

    /// The client's GOODBYE is answered; it may say HELLO again.
    fn farewell(&mut self, now: Time, id: ConnId) {
        let reason = Text::Borrowed(error_uri::GOODBYE_AND_OUT);
        self.wire.send_message(id, &Message::Goodbye { message: None, reason });
        self.leave(now, id);
        if self.is_shutting_down() {
            self.wire.hang_up(id, CloseCode::Away, SHUTTING_DOWN);
        } else {
            self.wire.unstall(id, Stall::HELD);
            self.arm(id, now.plus_ms(self.limits().handshake_ms_max));
        }
    }

    /// The router shuts down: it ends the session, if there is one, or the connection.
    pub(super) fn send_off(&mut self, now: Time, id: ConnId) {
        match self.session(id).map(|session| session.state) {
            Some(State::Established) => {
                self.dismiss(id, error_uri::SYSTEM_SHUTDOWN, Some(SHUTTING_DOWN));
                self.leave(now, id);
            }
            // Its GOODBYE is about to be answered.
            Some(State::Leaving) => {}
            None => self.wire.hang_up(id, CloseCode::Away, SHUTTING_DOWN),
        }
    }

    /// Says GOODBYE for the router, as the last message of the session, which ends now.
    pub(super) fn dismiss(&mut self, id: ConnId, reason: &str, message: Option<&str>) {
        let goodbye =
            Message::Goodbye { message: message.map(Text::Borrowed), reason: Text::Borrowed(reason) };
        if self.wire.try_send_message(id, &goodbye) == Err(TooLarge) {
            let reason = Text::Borrowed(error_uri::KILLED);
            self.wire.send_message(id, &Message::Goodbye { message: None, reason });
        }
        self.wire.dismiss(id);
    }

    /// The session is over, for whatever reason: nothing of it stays, on any shard, and others are told.
    pub(super) fn leave(&mut self, now: Time, id: ConnId) {
        let Some(session) = self.session(id) else { return };
        let (realm, identity) = (session.realm, session.identity.clone());
        // It does not hear its own testaments.
        self.leave_topics(now, id);
        self.publish_testaments(now, id);
        self.vanish(now, id);
        self.tell_leave(now, realm, &identity);
    }

    /// The session subscribes to nothing any more.
    fn leave_topics(&mut self, now: Time, id: ConnId) {
        let Some(session) = self.session_mut(id) else { return };
        let (realm, me) = (session.realm, session.id());
        let topics = session.subscriptions.take();
        if self.realm(realm).hears_meta() {
            // It does not hear itself go.
            let topics: Vec<TopicKey> = topics.map(|(_, key)| key).collect();
            topics.iter().for_each(|key| self.mute(realm, *key, id));
            topics.into_iter().for_each(|key| self.remove_subscriber(now, realm, key, id, me));
            return;
        }
        topics.for_each(|(_, key)| self.remove_subscriber(now, realm, key, id, me));
    }

    /// The session is over, and nobody is told.
    pub(super) fn vanish(&mut self, now: Time, id: ConnId) {
        self.leave_topics(now, id);
        let Some(session) = self.wire.conns.get_mut(id).and_then(|c| c.session.take()) else { return };
        let mut session = *session;
        self.sessions.remove(&session.id());
        self.went(id);
        if session.is_counted {
            self.note_presence(now, session.realm, &session.identity.authid, false);
        }
        // First, so that none of its calls is decided anew when its registrations go.
        if let Some(caller) = session.caller {
            self.caller_left(now, &caller);
        }
        session.access.iter().flat_map(|checks| checks.calls()).for_each(|call| self.drop_errand(now, call));
        for (registration, _) in session.registrations.take() {
            self.resign(now, session.realm, registration, session.identity.session, None);
        }
        if let Some(callee) = session.callee {
            self.callee_left(now, *callee);
        }
        tracing::debug!(session = %session.identity.session, "left");
    }

    /// The client has broken the protocol: ABORT names the fault, then the connection ends. Its peers see nothing of it.
    pub(super) fn violation(&mut self, now: Time, id: ConnId, text: &str) {
        // Faults name keys, which are as long as the client likes.
        let text = &*printable(text, FAULT_BYTES_MAX);
        tracing::debug!(conn = ?id, text, "protocol violation");
        self.leave(now, id);
        self.abort(id, error_uri::PROTOCOL_VIOLATION, text, CloseCode::Protocol);
    }

    /// A handshake ends without a session.
    pub(super) fn abort_handshake(&mut self, id: ConnId, reason: &str, text: &str) {
        self.abort(id, reason, text, CloseCode::Normal);
    }

    /// The same, with the error of SCRAM.
    pub(super) fn abort_with(&mut self, id: ConnId, reason: &str, text: &str, scram: Option<&str>) {
        self.abort_scram(id, reason, text, scram, CloseCode::Normal);
    }

    fn abort(&mut self, id: ConnId, reason: &str, text: &str, code: CloseCode) {
        self.abort_scram(id, reason, text, None, code);
    }

    fn abort_scram(&mut self, id: ConnId, reason: &str, text: &str, scram: Option<&str>, code: CloseCode) {
        let Some(serializer) = self.wire.serializer(id) else { return self.wire.begin_close(id) };
        let abort = Message::Abort(message::Abort {
            message: Some(Text::Borrowed(text)),
            scram: scram.map(Text::Borrowed),
            reason: Text::Borrowed(reason),
            payload: Payload::empty(serializer),
        });
        self.wire.send_message(id, &abort);
        self.wire.hang_up(id, code, reason);
    }

    /// A connection's deadline has passed.
    pub(super) fn overdue(&mut self, now: Time, id: ConnId) {
        let Some(conn) = self.wire.conns.get(id) else { return };
        match conn.phase {
            Phase::Draining | Phase::Lingering => {
                self.limited.closing_ms_max += 1;
                self.leave(now, id);
                self.wire.close(id);
            }
            Phase::Open | Phase::Dismissed => {
                let (code, text) = match conn.phase {
                    _ if self.shutting_down => {
                        self.limited.drain_ms_max += 1;
                        (CloseCode::Away, SHUTTING_DOWN)
                    }
                    Phase::Dismissed => {
                        self.limited.closing_ms_max += 1;
                        (CloseCode::Normal, "GOODBYE was not answered in time (closing_ms_max)")
                    }
                    _ => {
                        self.limited.handshake_ms_max += 1;
                        let text = match conn.is_being_decided() {
                            true => {
                                "the procedure that knows this realm's users has not answered in time (handshake_ms_max)"
                            }
                            false => "no session was established in time (handshake_ms_max)",
                        };
                        (CloseCode::Policy, text)
                    }
                };
                tracing::debug!(conn = ?id, peer = ?conn.peer, text, "closed");
                self.leave(now, id);
                self.wire.hang_up(id, code, text);
            }
        }
    }

    /// Checks a client's request id (decision D2).
    #[inline]
    pub(super) fn request(&mut self, id: ConnId, request: RequestId) -> Result<(), Violation> {
        let Some(session) = self.wire.conns.get_mut(id).and_then(|c| c.session.as_deref_mut()) else {
            return Ok(());
        };
        if session.is_strict {
            let expected = if session.last_request == ID_MAX { 1 } else { session.last_request + 1 };
            if request.0 != expected {
                return Err(format!("request id {request} is out of sequence, {expected} was expected"));
            }
            session.last_request = request.0;
        } else {
            session.last_request = session.last_request.max(request.0);
        }
        Ok(())
    }

    /// Answers a request with ERROR.
    pub(super) fn refuse(
        &mut self,
        id: ConnId,
        request_type: u8,
        request: RequestId,
        error: &str,
        text: &str,
    ) {
        let Some(serializer) = self.wire.serializer(id) else { return };
        let mut args = std::mem::take(&mut self.scratch.text);
        args.clear();
        encode::text_args(serializer, text, &mut args);
        self.wire.send_message(
            id,
            &Message::Error(message::Error {
                request_type,
                request,
                passthru: message::Rare::default(),
                error: Text::Borrowed(error),
                payload: Payload { serializer, items: 1, bytes: &args },
            }),
        );
        self.scratch.text = args;
    }

    /// Whether a URI that is refused is too long, which is counted.
    #[cold]
    pub(super) fn is_uri_too_long(&mut self, uri: &str) -> bool {
        let is_too_long = uri.len() > self.uri_bytes_max();
        self.limited.uri_bytes_max += u64::from(is_too_long);
        is_too_long
    }

    /// Whether a client may use this pattern; if not, why.
    pub(super) fn check_uri(&self, id: ConnId, text: &str, policy: MatchPolicy) -> Result<(), String> {
        let max = self.uri_bytes_max();
        if text.len() > max {
            return Err(format!("URI of {} bytes is longer than {max} (uri_bytes_max)", text.len()));
        }
        let strict = self.session(id).is_some_and(|s| self.config.realms[usize::from(s.realm.0)].strict_uris);
        let rule = if strict { UriRule::Strict } else { UriRule::Loose };
        if uri::is_valid_pattern(text, policy, rule) {
            Ok(())
        } else {
            Err(format!(
                "'{}' is not a valid URI under the {} rule",
                quote(text),
                if strict { "strict" } else { "loose" }
            ))
        }
    }

    pub(super) fn session(&self, id: ConnId) -> Option<&Session> {
        self.wire.conns.get(id)?.session.as_deref()
    }

    pub(super) fn session_mut(&mut self, id: ConnId) -> Option<&mut Session> {
        self.wire.conns.get_mut(id)?.session.as_deref_mut()
    }

    /// The connection of a session that lives here.
    pub(super) fn conn_of(&self, session: SessionId) -> Option<ConnId> {
        self.sessions.get(&session).copied()
    }

    /// A random session id that names this shard.
    pub(super) fn session_id(&mut self) -> SessionId {
        let shards = u64::from(self.shards);
        loop {
            let id = SessionId(self.random_id() % (ID_MAX / shards) * shards + u64::from(self.id.0));
            if id.0 != 0 && !self.sessions.contains_key(&id) {
                return id;
            }
        }
    }
}

/// As much of a client's string as an error text shows.
pub(super) fn quote(text: &str) -> String {
    printable(text, QUOTE_BYTES_MAX)
}

/// The front of a text, without characters that only make a mess of logs and take six bytes in JSON.
fn printable(text: &str, bytes_max: usize) -> String {
    let mut out = String::new();
    for c in text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }) {
        if out.len() + c.len_utf8() > bytes_max {
            break;
        }
        out.push(c);
    }
    out
}
