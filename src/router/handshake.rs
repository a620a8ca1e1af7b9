//! The handshake of a client that has to show who it is: HELLO, CHALLENGE, AUTHENTICATE, WELCOME or ABORT (spec:
//! "Authentication Methods"), and what is remembered of tries that have failed.
//!
//! What a method asks and takes for proof, `auth` knows; here is what comes of it. A shard has one password checked at a time, by its host,
//! which may take long: the connection is not read meanwhile. Failed tries are told to all shards, so that a culprit gains nothing by
//! coming to another one.

use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::sync::Arc;

use simd_json::OwnedValue;
use simd_json::prelude::*;

use super::calls::Errand;
use super::conn::{Stall, TooLarge};
use super::identity::Identity;
use super::mesh::{CallKey, RealmId, Word};
use super::session::{Announced, quote};
use super::shard::{ConnId, Output, Peer, Shard};
use super::time::Time;
use crate::auth::{
    self, Answer, Ask, Channel, Denial, Job, Pending, Principal, Step, Throttle, ThrottleRules,
};
use crate::limits::{AUTHEXTRA_BYTES_MAX, AUTHID_BYTES_MAX, AUTHMETHODS_MAX, Limits};
use crate::wamp::message::{Hello, Message, RawValue, Text};
use crate::wamp::transcode::{transcode_value, value};
use crate::wamp::{Serializer, SessionId, error_uri};

/// A client that has said HELLO and has not been let in yet.
#[derive(Debug)]
pub(super) struct Handshake {
    pub(super) realm: RealmId,
    /// The id that the session will have.
    pub(super) session: SessionId,
    pub(super) features: Announced,
    culprits: Culprits,
    /// That of the shard's configuration when it began.
    generation: u64,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// HELLO has been read.
    Begun,
    /// AUTHENTICATE is awaited.
    Challenged(Box<dyn Pending>),
    /// It has come; the host is to do this.
    Unverified(Job),
    /// The host does it.
    Verifying,
    /// A procedure is being called.
    Asking(CallKey, Ask),
    /// This has come of it.
    Answered(Ask, Answer),
}

/// Who is to blame if a try fails: where the client is, and who it says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Culprits {
    pub(super) address: Option<u64>,
    pub(super) authid: Option<u64>,
}

/// What is remembered of failed tries.
#[derive(Debug)]
pub(super) struct Failures {
    addresses: Throttle,
    authids: Throttle,
}

impl Failures {
    pub(super) fn new(limits: &Limits) -> Failures {
        Failures {
            addresses: Throttle::new(rules(limits, limits.address_failures_max)),
            authids: Throttle::new(rules(limits, limits.authid_failures_max)),
        }
    }

    /// The limits have changed.
    pub(super) fn set_limits(&mut self, limits: &Limits) {
        self.addresses.set_rules(rules(limits, limits.address_failures_max));
        self.authids.set_rules(rules(limits, limits.authid_failures_max));
    }

    /// How long an authid and an address have to wait.
    fn waits_ms(&self, culprits: Culprits, now: Time) -> (u64, u64) {
        let wait = |throttle: &Throttle, culprit: Option<u64>| {
            culprit.map_or(0, |culprit| throttle.wait_ms(culprit, now.0 / 1000))
        };
        (wait(&self.authids, culprits.authid), wait(&self.addresses, culprits.address))
    }

    fn note(&mut self, culprits: Culprits, failed: bool, now: Time) {
        match (culprits.authid, failed) {
            (Some(authid), true) => self.authids.failed(authid, now.0 / 1000),
            (Some(authid), false) => self.authids.succeeded(authid),
            (None, _) => {}
        }
        // Whoever has one good secret may still be guessing others.
        if let (Some(address), true) = (culprits.address, failed) {
            self.addresses.failed(address, now.0 / 1000);
        }
    }

    /// How many times some were forgotten to make room.
    pub(super) fn forgotten(&self) -> u64 {
        self.addresses.forgotten() + self.authids.forgotten()
    }
}

fn rules(limits: &Limits, free: usize) -> ThrottleRules {
    ThrottleRules {
        free: u32::try_from(free).unwrap_or(u32::MAX),
        wait_ms: limits.failure_wait_ms,
        lock_ms: limits.failure_lock_ms,
        capacity: limits.failures_kept_max,
    }
}

impl Handshake {
    /// The call of a procedure for it that is under way.
    pub(super) fn call(&self) -> Option<CallKey> {
        match self.stage {
            Stage::Asking(call, _) => Some(call),
            _ => None,
        }
    }
}

impl Shard {
    /// A client wants to join this realm.
    pub(super) fn begin_handshake(&mut self, now: Time, id: ConnId, realm: RealmId, hello: &Hello<'_>) {
        if hello.authid.as_ref().is_some_and(|authid| authid.len() > AUTHID_BYTES_MAX) {
            return self.deny(id, &Denial::wrong());
        }
        if hello.authextra.is_some_and(|extra| extra.bytes.len() > AUTHEXTRA_BYTES_MAX) {
            return self.refuse_size(id, "authextra of HELLO");
        }
        let authmethods: Vec<Text<'_>> =
            hello.authmethods.iter().flat_map(|list| list.iter()).take(AUTHMETHODS_MAX).collect();
        let authmethods: Vec<&str> = authmethods.iter().map(|name| &**name).collect();
        let extra = hello.authextra.map(value).unwrap_or_default();
        let session = self.session_id();
        let config = self.config.clone();
        let facts = auth::Hello {
            realm: &config.realms[usize::from(realm.0)].name,
            session: session.0,
            authmethods: &authmethods,
            authid: hello.authid.as_deref(),
            extra: &extra,
            channel: &self.channel(now, id, realm),
            random: self.random_bytes(),
            date_ms: self.date(now).0,
        };
        let step = self.gates[usize::from(realm.0)].start(&facts);
        let handshake = Box::new(Handshake {
            realm,
            session,
            features: Announced::from(&hello.roles),
            culprits: self.culprits(id, realm, hello.authid.as_deref()),
            generation: self.reload.generation,
            stage: Stage::Begun,
        });
        self.proceed(now, id, handshake, step);
    }

    /// A client answers its CHALLENGE. While the answer is verified, nothing is read from it.
    pub(super) fn authenticate(&mut self, now: Time, id: ConnId, signature: &str, extra: RawValue<'_>) {
        if signature.len().max(extra.bytes.len()) > AUTHEXTRA_BYTES_MAX {
            return self.refuse_size(id, "signature or extra of AUTHENTICATE");
        }
        let Some(mut handshake) = self.wire.take_handshake(id) else { return };
        let Stage::Challenged(pending) = std::mem::replace(&mut handshake.stage, Stage::Begun) else {
            return;
        };
        // Others may have failed since the CHALLENGE.
        if let Some(denial) = self.too_often(handshake.culprits, now) {
            return self.deny(id, &denial);
        }
        let step = pending.finish(signature, &value(extra), self.date(now).0);
        self.proceed(now, id, handshake, step);
    }

    /// The host has done the job of an [`Output::Verify`]; `step` is what has come of it.
    pub fn verified(&mut self, now: Time, conn: ConnId, step: Step) {
        self.verifying = false;
        // The connection may have ended meanwhile.
        if let Some(handshake) = self.wire.take_handshake(conn) {
            self.wire.unstall(conn, Stall::HELD);
            self.proceed(now, conn, handshake, step);
        }
        self.verify_next(now);
        self.settle(now);
    }

    /// Hands out the job of an [`Output::Verify`]. When it is done the host calls [`Shard::verified`], whatever has become of the connection.
    pub fn take_job(&mut self, conn: ConnId) -> Job {
        let stage = self.wire.handshake_mut(conn).map(|handshake| &mut handshake.stage);
        match stage.map(|stage| std::mem::replace(stage, Stage::Verifying)) {
            Some(Stage::Unverified(job)) => job,
            // It has ended between the output and now.
            _ => Job::new(|| Step::Deny(Denial::wrong())),
        }
    }

    fn proceed(&mut self, now: Time, id: ConnId, mut handshake: Box<Handshake>, step: Step) {
        match step {
            Step::Challenge(challenge) => {
                if !self.may_go_on(now, id, &handshake) {
                    return;
                }
                handshake.stage = Stage::Challenged(challenge.pending);
                if self.challenge(id, &challenge.method, &challenge.extra) == Err(TooLarge) {
                    let text = "CHALLENGE is larger than the messages that this client accepts";
                    return self.abort_handshake(id, error_uri::PAYLOAD_SIZE_EXCEEDED, text);
                }
                self.wire.set_handshake(id, handshake);
            }
            Step::Verify(job) => {
                handshake.stage = Stage::Unverified(job);
                self.wire.set_handshake(id, handshake);
                self.wire.stall(id, Stall::HELD);
                self.unverified.push_back(id);
                self.verify_next(now);
            }
            Step::Ask(ask) => {
                if self.may_go_on(now, id, &handshake) {
                    self.ask_authenticator(now, id, handshake, ask);
                }
            }
            Step::Welcome(principal) => {
                if handshake.generation != self.reload.generation
                    && let Err(text) = self.recheck_principal(now, handshake.realm, &principal)
                {
                    return self.abort_handshake(id, error_uri::AUTHENTICATION_DENIED, &text);
                }
                let access = &self.access[usize::from(handshake.realm.0)];
                if principal.authprovider == auth::DYNAMIC && !access.knows(&principal.authrole) {
                    let text = format!("the realm has no role '{}'", quote(&principal.authrole));
                    tracing::warn!(text, "an authenticator's answer is not used");
                    return self.abort_handshake(id, error_uri::NO_SUCH_ROLE, &text);
                }
                // Whoever comes in without a name, or with another, has not shown that it was the one who failed.
                if handshake.culprits.authid == Some(self.culprit(handshake.realm, &principal.authid)) {
                    self.note_try(now, handshake.culprits, false);
                }
                self.welcome(now, id, &handshake, &principal);
            }
            Step::Deny(denial) => {
                if denial.is_failed_try() {
                    tracing::info!(conn = ?id, peer = ?self.peer(id), denial.text, "authentication denied");
                    self.note_try(now, handshake.culprits, true);
                }
                self.deny(id, &denial);
            }
        }
    }

    /// Whether a handshake may go on to where others are waited for. If not, it has ended.
    fn may_go_on(&mut self, now: Time, id: ConnId, handshake: &Handshake) -> bool {
        if let Some(denial) = self.too_often(handshake.culprits, now) {
            self.deny(id, &denial);
            return false;
        }
        if self.wire.handshakes() >= self.limits().handshakes_max {
            self.limited.handshakes_max += 1;
            let text = "too many clients are authenticating at the moment (handshakes_max); try again later";
            self.abort_handshake(id, error_uri::UNAVAILABLE, text);
            return false;
        }
        true
    }

    /// Has a procedure say who the client is. Nothing is read from it until then.
    fn ask_authenticator(&mut self, now: Time, id: ConnId, mut handshake: Box<Handshake>, mut ask: Ask) {
        let realm = match &ask.realm {
            Some(name) => self.open_realm(name),
            None => Some(handshake.realm),
        };
        // Whoever is called does not learn it from this; there is no session yet.
        let nobody = Arc::new(Identity {
            session: handshake.session,
            authid: Box::default(),
            authrole: Arc::default(),
            authmethod: Arc::default(),
            authprovider: Arc::default(),
        });
        let (procedure, args) = (ask.procedure.clone(), std::mem::take(&mut ask.args));
        let call = self.record_errand(realm.unwrap_or(handshake.realm), Errand::Handshake(id));
        handshake.stage = Stage::Asking(call, ask);
        self.wire.set_handshake(id, handshake);
        self.wire.stall(id, Stall::HELD);
        if realm.is_none() {
            tracing::warn!(procedure = &*procedure, "the realm of an authenticator is closed");
            return self.drop_errand(now, call);
        }
        self.run_errand(now, call, &nobody, &procedure, &args);
    }

    /// A procedure has said what it knows of the client, or cannot.
    pub(super) fn answer_handshake(&mut self, id: ConnId, call: CallKey, answer: Answer) {
        // The connection may have ended meanwhile, and another handshake may have begun.
        let Some(handshake) = self.wire.handshake_mut(id) else { return };
        if handshake.call() != Some(call) {
            return;
        }
        if let Stage::Asking(_, ask) = std::mem::replace(&mut handshake.stage, Stage::Begun) {
            handshake.stage = Stage::Answered(ask, answer);
            self.wire.unstall(id, Stall::HELD);
        }
    }

    /// Goes on with a handshake that has its answer.
    pub(super) fn resume_handshake(&mut self, now: Time, id: ConnId) {
        let stage = self.wire.handshake_mut(id).map(|handshake| &handshake.stage);
        if !matches!(stage, Some(Stage::Answered(..))) {
            return;
        }
        let Some(mut handshake) = self.wire.take_handshake(id) else { return };
        if let Stage::Answered(ask, answer) = std::mem::replace(&mut handshake.stage, Stage::Begun) {
            let step = ask.go_on(answer, self.date(now).0);
            self.proceed(now, id, handshake, step);
        }
    }

    /// Has the host verify the next one, unless it is busy with another.
    fn verify_next(&mut self, now: Time) {
        while !self.verifying
            && let Some(id) = self.unverified.pop_front()
        {
            let Some(culprits) = self.wire.handshake_mut(id).map(|handshake| handshake.culprits) else {
                continue;
            };
            match self.too_often(culprits, now) {
                Some(denial) => {
                    self.wire.take_handshake(id);
                    self.deny(id, &denial);
                }
                None => {
                    self.verifying = true;
                    self.wire.outputs.push_back(Output::Verify(id));
                }
            }
        }
    }

    fn challenge(&mut self, id: ConnId, method: &str, extra: &OwnedValue) -> Result<(), TooLarge> {
        let Some(serializer) = self.wire.serializer(id) else { return Ok(()) };
        let bytes = encoded(extra, serializer);
        let extra = RawValue { serializer, bytes: &bytes };
        self.wire.try_send_message(id, &Message::Challenge { method: Text::Borrowed(method), extra })
    }

    /// If one of the culprits has failed too often.
    fn too_often(&mut self, culprits: Culprits, now: Time) -> Option<Denial> {
        let (authid_ms, address_ms) = self.failures.waits_ms(culprits, now);
        self.limited.authid_failures_max += u64::from(authid_ms > 0);
        self.limited.address_failures_max += u64::from(address_ms > 0);
        let wait_ms = authid_ms.max(address_ms);
        (wait_ms > 0).then(|| Denial {
            error: error_uri::AUTHENTICATION_DENIED,
            text: format!(
                "too many tries have failed (authid_failures_max or address_failures_max); try again in {} s",
                wait_ms.div_ceil(1000)
            ),
            scram: None,
        })
    }

    /// A try has failed or succeeded: all shards remember.
    fn note_try(&mut self, now: Time, culprits: Culprits, failed: bool) {
        // Nothing to forgive.
        let unknown = !failed && culprits.authid.is_none_or(|authid| !self.failures.authids.knows(authid));
        if unknown {
            return;
        }
        self.hear_try(now, culprits, failed);
        if failed {
            let (authid_ms, address_ms) = self.failures.waits_ms(culprits, now);
            let (wait_ms, lock_ms) = (authid_ms.max(address_ms), self.limits().failure_lock_ms);
            self.limited.failure_wait_ms += u64::from(wait_ms > 0);
            self.limited.failure_lock_ms += u64::from(wait_ms >= lock_ms);
        }
        for shard in self.others() {
            self.tell(now, shard, Word::Tried { culprits, failed });
        }
    }

    /// A try has failed or succeeded, on some shard.
    pub(super) fn hear_try(&mut self, now: Time, culprits: Culprits, failed: bool) {
        self.failures.note(culprits, failed, now);
    }

    fn culprits(&self, id: ConnId, realm: RealmId, authid: Option<&str>) -> Culprits {
        let address = match self.peer(id) {
            Some(Peer::Tcp(address)) => match address.ip().to_canonical() {
                IpAddr::V4(ip) => Some(self.hasher.hash_one(ip.octets())),
                // A site has 2^64 addresses at least.
                IpAddr::V6(ip) => Some(self.hasher.hash_one(&ip.segments()[..4])),
            },
            // Who can open it, is of the house.
            Some(Peer::Unix) | None => None,
        };
        Culprits { address, authid: authid.map(|authid| self.culprit(realm, authid)) }
    }

    /// However it is written.
    pub(super) fn culprit(&self, realm: RealmId, authid: &str) -> u64 {
        self.hasher.hash_one((realm.0, auth::canonical(authid)))
    }

    /// What the transport knows of the peer.
    fn channel(&mut self, now: Time, id: ConnId, realm: RealmId) -> Channel {
        let cookie = self.vouched(now, id, realm);
        let tls = self.wire.conns.get(id).and_then(|conn| conn.tls.as_deref());
        let peer = self.peer(id).and_then(|peer| match peer {
            Peer::Tcp(address) => Some(address.to_string()),
            Peer::Unix => None,
        });
        Channel {
            peer,
            exporter: tls.and_then(|tls| tls.binding),
            certificate: tls.and_then(|tls| tls.certificate.as_ref()).map(|certificate| certificate.sha256),
            cookie,
        }
    }

    fn peer(&self, id: ConnId) -> Option<Peer> {
        self.wire.conns.get(id).map(|conn| conn.peer)
    }

    fn refuse_size(&mut self, id: ConnId, what: &str) {
        let text = format!("{what} is larger than {AUTHEXTRA_BYTES_MAX} bytes");
        self.abort_handshake(id, error_uri::INVALID_ARGUMENT, &text);
    }

    fn deny(&mut self, id: ConnId, denial: &Denial) {
        self.abort_with(id, denial.error, &denial.text, denial.scram);
    }

    /// `authextra` of WELCOME in the connection's serializer.
    pub(super) fn authextra(&self, id: ConnId, principal: &Principal) -> Option<(Serializer, Vec<u8>)> {
        let serializer = self.wire.serializer(id)?;
        Some((serializer, encoded(principal.authextra.as_ref()?, serializer)))
    }

    /// A name that many sessions have: one text for all of them.
    pub(super) fn shared_name(&mut self, name: &str) -> Arc<str> {
        /// Roles, methods and providers are few; past this, names are not looked for any more.
        const NAMES_MAX: usize = 64;
        if let Some(known) = self.names.iter().find(|known| &***known == name) {
            return known.clone();
        }
        let new: Arc<str> = name.into();
        if self.names.len() < NAMES_MAX {
            self.names.push(new.clone());
        }
        new
    }
}

/// A dictionary of an authenticator's.
fn encoded(value: &OwnedValue, serializer: Serializer) -> Vec<u8> {
    let json = value.encode();
    let json = RawValue { serializer: Serializer::Json, bytes: json.as_bytes() };
    let mut bytes = Vec::new();
    if let Err(error) = transcode_value(json, serializer, &mut bytes) {
        // An embedder's may be nested too deeply. A client must not get a torn message for it.
        tracing::error!(%error, "what an authenticator says to a client could not be converted");
        bytes = serializer.empty_dict().to_vec();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use simd_json::json;

    use super::*;

    #[test]
    fn what_nobody_can_read_is_left_out() {
        let nested = |depth| (0..depth).fold(json!({}), |inner, _| json!({ "a": inner }));
        for serializer in Serializer::ALL {
            assert!(encoded(&nested(50), serializer).len() > 50);
            let deep = encoded(&nested(100), serializer);
            let deep = RawValue { serializer, bytes: &deep };
            assert!(serializer == Serializer::Json || value(deep) == json!({}), "{deep:?}");
        }
    }
}
