//! What clients know of the router, and what must follow from it. Each message that a client receives is checked here.
//!
//! Times are ticks of the world's scheduler. A message is *handed over* when its last byte has reached its shard; an answer is
//! *received* when its last byte has reached the client. Whatever is handed over after an answer was received, anywhere,
//! comes after what that answer stands for.

mod calls;
mod endings;
mod events;
mod facts;
mod history;
mod meta;
mod procedures;
mod questions;
mod reroute;
mod retained;
mod revocation;
mod rights;
mod sessions;
mod streams;

use std::collections::{BTreeMap, BTreeSet};

use connectanum::config::{RealmConfig, RouterConfig};
use connectanum::limits::Limits;
use connectanum::router::Time;
use connectanum::wamp::message::{Error, Message, Rare};

pub(crate) use calls::{Answer, Call, Invoked};
pub(crate) use endings::Testament;
pub(crate) use events::{Filter, Publication, Sub};
pub(crate) use facts::Fact;
pub(crate) use procedures::Reg;
pub(crate) use questions::{Question, Ruling};
pub(crate) use reroute::UNAVAILABLE;
pub(crate) use revocation::Revoke;
use rights::{AUTHORIZATION_FAILED, Epoch, NOT_AUTHORIZED};
pub(crate) use sessions::Session;
pub(crate) use streams::{More, STREAM, Stream};

use crate::value::Args;

/// Something that a client asks for and that is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Subscribe(usize),
    Unsubscribe(usize),
    Publish(usize),
    Register(usize),
    Unregister(usize),
    Call(usize),
    /// A call that shall end this session.
    Kill(usize),
    /// A call that adds this testament.
    Testament(usize),
    /// A call that asks for this.
    Fact(Fact),
    /// A call that takes this away from somebody.
    Revoke(usize),
    /// Nonsense that is answered with ERROR for this type of request and with this URI.
    Refused(u8, &'static str),
}

impl Request {
    /// Whether it is a CALL.
    fn is_call(self) -> bool {
        use Request::{Call, Fact, Kill, Revoke, Testament};
        matches!(self, Call(_) | Kill(_) | Testament(_) | Fact(_) | Revoke(_))
    }
}

/// What is worth knowing when its last byte reaches the shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Request(Request),
    Cancel(usize),
    /// The answer to what the router has asked.
    Ruling(usize),
    Hello,
    Goodbye,
    Violation,
    Nothing,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) tick: u64,
    pub(crate) now: Time,
    pub(crate) shards: u64,
    limits: Limits,
    realms: Vec<RealmConfig>,
    pub(crate) sessions: Vec<Session>,
    pub(crate) subs: Vec<Sub>,
    pub(crate) publications: Vec<Publication>,
    pub(crate) regs: Vec<Reg>,
    pub(crate) calls: Vec<Call>,
    /// What continues calls.
    pub(crate) more: Vec<More>,
    pub(crate) answers: Vec<Answer>,
    pub(crate) testaments: Vec<Testament>,
    pub(crate) questions: Vec<Question>,
    pub(crate) revokes: Vec<Revoke>,
    epochs: Vec<Epoch>,
    /// Ids of sessions and publications that have been seen.
    session_ids: BTreeSet<u64>,
    publication_ids: BTreeMap<u64, usize>,
    /// When nothing at all was under way between shards.
    quiet: Vec<u64>,
}

impl Model {
    pub(crate) fn new(shards: u16, config: &RouterConfig) -> Model {
        let RouterConfig { limits, realms, .. } = config.clone();
        let epochs = vec![Epoch::first(config)];
        Model { shards: u64::from(shards), limits, realms, epochs, ..Model::default() }
    }

    /// Nothing is under way between shards.
    pub(crate) fn is_quiet(&mut self) {
        self.quiet.push(self.tick);
    }

    /// Whether everybody knew before `until` of what was over at `since`.
    fn is_known(&self, since: Option<u64>, until: u64) -> bool {
        since.is_some_and(|since| {
            let next = self.quiet.partition_point(|tick| *tick <= since);
            self.quiet.get(next).is_some_and(|tick| *tick < until)
        })
    }

    /// The last byte of a client's message has reached its shard.
    pub(crate) fn handed(&mut self, session: usize, mark: Mark) {
        let tick = self.tick;
        match mark {
            Mark::Request(Request::Publish(ix)) => self.publish_handed(ix),
            Mark::Request(Request::Subscribe(ix)) => self.subscribe_handed(ix),
            Mark::Request(Request::Unsubscribe(ix)) => self.subs[ix].ending = true,
            Mark::Request(Request::Register(ix)) => self.register_handed(ix),
            Mark::Request(Request::Unregister(ix)) => self.regs[ix].ending = Some(tick),
            Mark::Request(Request::Call(ix)) => {
                self.calls[ix].handed = Some(tick);
                self.calls[ix].handed_at = self.now;
            }
            Mark::Request(Request::Kill(target)) => self.kill_handed(session, target),
            Mark::Request(Request::Revoke(ix)) => self.revoke_handed(ix),
            Mark::Ruling(ix) => self.questions[ix].given = Some(tick),
            Mark::Hello => self.sessions[session].begun = Some(tick),
            Mark::Goodbye | Mark::Violation => {
                self.sessions[session].ends_itself = true;
                self.ends(session);
            }
            Mark::Request(_) | Mark::Cancel(_) | Mark::Nothing => {}
        }
    }

    /// A session has received a message (but WELCOME, GOODBYE and ABORT).
    pub(crate) fn received(&mut self, session: usize, message: &Message<'_>) {
        has_its_attributes(message);
        match message {
            Message::Subscribed { request, subscription } => match self.answered(session, request.0) {
                Request::Subscribe(ix) => self.subscribed(ix, subscription.0),
                other => panic!("SUBSCRIBED for {other:?}"),
            },
            Message::Unsubscribed { revocation: Some(it), .. } => {
                self.subscription_revoked(session, it.id.0, it.reason.as_deref());
            }
            Message::Unsubscribed { request, .. } => match self.answered(session, request.0) {
                Request::Unsubscribe(ix) => self.unsubscribed(ix),
                other => panic!("UNSUBSCRIBED for {other:?}"),
            },
            Message::Published { request, publication } => match self.answered(session, request.0) {
                Request::Publish(ix) => self.published(ix, publication.0),
                other => panic!("PUBLISHED for {other:?}"),
            },
            Message::Registered { request, registration } => match self.answered(session, request.0) {
                Request::Register(ix) => self.registered(ix, registration.0),
                other => panic!("REGISTERED for {other:?}"),
            },
            Message::Unregistered { revocation: Some(it), .. } => {
                self.revoked(session, it.id.0, it.reason.as_deref());
            }
            Message::Unregistered { request, .. } => match self.answered(session, request.0) {
                Request::Unregister(ix) => self.unregistered(ix),
                other => panic!("UNREGISTERED for {other:?}"),
            },
            Message::Event(event) => self.event(session, event),
            Message::Invocation(invocation) => self.invoked(session, invocation),
            Message::Interrupt { request, options } => {
                self.interrupted(session, request.0, options.mode.as_deref());
            }
            Message::Result(result) if result.progress == Some(true) => {
                match self.sessions[session].requests.get(&result.request.0) {
                    Some(Request::Call(ix)) => self.progressed(*ix, &result.payload),
                    other => panic!("a part of the result for {other:?}"),
                }
            }
            Message::Result(result) => match self.answered(session, result.request.0) {
                Request::Call(ix) => self.result(ix, &result.payload),
                request => self.meta_result(session, request, &Args::read(&result.payload)),
            },
            Message::Error(error) => self.error(session, error),
            other => panic!("{} came unexpectedly", other.name()),
        }
    }

    /// What must be true when nothing is left to do: sessions that are alive have all that they are owed.
    pub(crate) fn check_rest(&self) {
        for (ix, session) in self.sessions.iter().enumerate().filter(|(_, s)| s.ending.is_none()) {
            assert!(session.id.is_some(), "session {ix} was never welcomed");
            assert!(session.requests.is_empty(), "session {ix}: no answer to {:?}", session.requests);
        }
        self.check_events_at_rest();
        self.check_retained_at_rest();
        self.check_meta_at_rest();
        self.check_endings_at_rest();
        self.check_rights_at_rest();
    }

    fn error(&mut self, session: usize, error: &Error<'_>) {
        let request = self.answered(session, error.request.0);
        let kind = match request {
            Request::Subscribe(_) => 32,
            Request::Unsubscribe(_) => 34,
            Request::Publish(_) => 16,
            Request::Register(_) => 64,
            Request::Unregister(_) => 66,
            Request::Call(_)
            | Request::Kill(_)
            | Request::Testament(_)
            | Request::Fact(_)
            | Request::Revoke(_) => 48,
            Request::Refused(kind, uri) => {
                assert_eq!(error.error, uri, "ERROR for a request of type {kind}");
                kind
            }
        };
        assert_eq!(error.request_type, kind, "ERROR for {request:?}");
        if [NOT_AUTHORIZED, AUTHORIZATION_FAILED].contains(&&*error.error) {
            return self.access_refused(session, request, &error.error);
        }
        match request {
            Request::Refused(..) => {}
            Request::Register(ix) => self.register_refused(ix, &error.error),
            Request::Call(ix) => self.call_failed(ix, error),
            Request::Unregister(ix) => self.unregister_refused(ix, &error.error),
            Request::Unsubscribe(ix) => self.unsubscribe_refused(ix, &error.error),
            request if request.is_call() => {
                self.meta_failed(session, request, error);
            }
            other => panic!("ERROR {} for {other:?}", error.error),
        }
    }

    /// Takes the request that an answer is for.
    fn answered(&mut self, session: usize, request: u64) -> Request {
        let requests = &mut self.sessions[session].requests;
        requests.remove(&request).unwrap_or_else(|| panic!("an answer to request {request}, of {requests:?}"))
    }
}

/// A sealed payload comes with the attributes that it was sent with, and nothing else has any.
fn has_its_attributes(message: &Message<'_>) {
    let (passthru, payload) = match message {
        Message::Event(it) => (&it.details.passthru, &it.payload),
        Message::Invocation(it) => (&it.details.passthru, &it.payload),
        Message::Result(it) => (&it.passthru, &it.payload),
        Message::Error(it) => (&it.passthru, &it.payload),
        _ => return,
    };
    assert_eq!(passthru.get(), Rare::from(Args::read(payload).passthru()).get(), "{message:?}");
}
