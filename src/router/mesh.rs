//! What shards say to each other, and what waits to be said.
//!
//! One FIFO link leads from each shard to each other one. A message that does not fit into its link stays in the sender's outbox;
//! nobody ever waits for room. Messages are small; payload bytes are shared by reference.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use simd_json::OwnedValue;

use super::extras::Extras;
use super::identity::Identity;
use super::meta::{GatherKey, Question};
use super::retained::{Kept, Recall, RecallKey};
use super::shard::ConnId;
use crate::wamp::message::{InvokePolicy, MatchPolicy, Payload};
use crate::wamp::utf8::utf8;
use crate::wamp::{PublicationId, RegistrationId, RequestId, Serializer, SessionId, SubscriptionId};

/// Index of a shard, 0 up to the number of shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardId(pub u16);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Index of a realm in the configuration; the same on every shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RealmId(pub(super) u16);

slotmap::new_key_type! {
    /// A call, at its caller's shard.
    pub(super) struct CallKey;
    /// A round of acknowledgements, at the shard that waits for it.
    pub(super) struct RoundKey;
}

/// A message from one shard to another.
#[derive(Debug)]
pub struct MeshMessage(pub(super) Word);

/// The words of the mesh. "Owner" is the shard that `hash(realm, match, uri)` names, "home" the shard of a session.
#[derive(Debug)]
pub(super) enum Word {
    /// Home to owner: I have a first subscriber of this.
    Subscribe { realm: RealmId, policy: MatchPolicy, topic: Arc<str> },
    /// Owner to home: every shard knows; subscribers may be told.
    Subscribed { realm: RealmId, policy: MatchPolicy, topic: Arc<str>, subscription: SubscriptionId },
    /// Home to owner: my last subscriber has left.
    Unsubscribe { realm: RealmId, policy: MatchPolicy, topic: Arc<str> },
    /// Owner to all: `shard` wants events of this.
    Interest {
        realm: RealmId,
        policy: MatchPolicy,
        topic: Arc<str>,
        subscription: SubscriptionId,
        shard: ShardId,
        round: RoundKey,
    },
    /// Owner to all: `shard` no longer wants them.
    Disinterest { realm: RealmId, policy: MatchPolicy, topic: Arc<str>, shard: ShardId },

    /// Home to owner: this session offers this procedure.
    Register(Box<Register>),
    /// Owner to home: every shard knows, or why not.
    Registered {
        session: SessionId,
        request: RequestId,
        outcome: Result<RegistrationId, Box<RegisterRefused>>,
    },
    /// Home to owner: this session no longer offers it. `request` is there if somebody waits for the answer.
    Unregister {
        realm: RealmId,
        registration: RegistrationId,
        session: SessionId,
        request: Option<RequestId>,
    },
    /// Owner to home: done.
    Unregistered { session: SessionId, request: RequestId },
    /// Owner to all: a callee has come.
    AddCallee { realm: RealmId, offer: Arc<Offer>, callee: SessionId, disclose_caller: bool, round: RoundKey },
    /// Owner to all: a callee has left.
    RemoveCallee { realm: RealmId, registration: RegistrationId, callee: SessionId },

    /// To the shard that waits for the round: I know.
    Ack { round: RoundKey },

    /// Publisher's shard to a shard with subscribers.
    Publish(Published),

    /// Home to all: a subscriber asks for retained events; see `retained`.
    Recall(Arc<Recall>),
    /// Each of them to the topic's owner, for a pattern to all: the question again.
    RecallPassed(Arc<Recall>),
    /// Owner to home: these.
    Recalled { key: RecallKey, events: Box<[Arc<Kept>]> },

    /// Caller's shard to owner: who shall take this call? Not one of `tried`.
    Pick { realm: RealmId, registration: RegistrationId, call: CallKey, tried: Box<[SessionId]> },
    /// Owner to caller's shard: this one, or nobody.
    Picked { call: CallKey, callee: Option<SessionId> },
    /// Caller's shard to callee's.
    Invoke(Invoke),
    /// Callee's shard to caller's: that session is not here or does not offer that; the invocation comes back.
    Refused(Invoke),
    /// Callee's shard to caller's: the end of the call.
    Answer(Answer),

    /// A meta procedure asks a shard; see `meta`.
    Ask { gather: GatherKey, question: Arc<Question> },
    /// What that shard says.
    Told { gather: GatherKey, reply: Box<OwnedValue> },
}

/// A REGISTER on its way to the owner.
#[derive(Debug)]
pub(super) struct Register {
    pub(super) realm: RealmId,
    pub(super) policy: MatchPolicy,
    pub(super) procedure: Arc<str>,
    pub(super) invoke: InvokePolicy,
    pub(super) disclose_caller: bool,
    pub(super) session: SessionId,
    pub(super) request: RequestId,
}

/// Why the owner refuses a REGISTER.
#[derive(Debug)]
pub(super) struct RegisterRefused {
    pub(super) error: &'static str,
    pub(super) text: String,
}

/// What all shards know of a registration.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) registration: RegistrationId,
    pub(super) policy: MatchPolicy,
    pub(super) procedure: Arc<str>,
    pub(super) invoke: InvokePolicy,
}

/// A URI and a payload that travel in one piece of memory.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    pub(super) serializer: Serializer,
    pub(super) items: u8,
    pub(super) uri_len: u16,
    /// The URI, then the payload.
    pub(super) bytes: Bytes,
}

impl Parcel {
    /// The URI; empty if none was needed.
    pub(super) fn uri(&self) -> &str {
        // It was cut from a `&str`; an empty one would only match nothing.
        utf8(&self.bytes[..usize::from(self.uri_len)]).unwrap_or_default()
    }

    /// The payload, borrowed.
    pub(super) fn payload(&self) -> Payload<'_> {
        let bytes = &self.bytes[usize::from(self.uri_len)..];
        Payload { serializer: self.serializer, items: self.items, bytes }
    }

    /// The payload's bytes, shared.
    pub(super) fn shared(&self) -> Bytes {
        self.bytes.slice(usize::from(self.uri_len)..)
    }
}

/// A publication on its way.
#[derive(Clone, Debug)]
pub(super) struct Published {
    pub(super) realm: RealmId,
    pub(super) publication: PublicationId,
    pub(super) extras: Option<Arc<Extras>>,
    pub(super) publisher: Option<Arc<Identity>>,
    pub(super) parcel: Parcel,
    /// The publisher wants to know when the event has reached its receivers' queues.
    pub(super) round: Option<RoundKey>,
}

/// A call on its way.
#[derive(Debug)]
pub(super) struct Invoke {
    pub(super) call: CallKey,
    pub(super) callee: SessionId,
    pub(super) registration: RegistrationId,
    pub(super) caller: Arc<Identity>,
    /// The caller wants to be known.
    pub(super) disclose: bool,
    /// The URI is the procedure.
    pub(super) parcel: Parcel,
}

/// The answer to a call on its way.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) call: CallKey,
    pub(super) outcome: Outcome,
    /// The URI is the error's.
    pub(super) parcel: Parcel,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Result,
    Error,
}

impl Word {
    /// Bytes that this message keeps in memory while it waits, roughly.
    fn weight(&self) -> usize {
        size_of::<Word>()
            + match self {
                Word::Publish(p) => p.parcel.bytes.len(),
                Word::Invoke(i) | Word::Refused(i) => i.parcel.bytes.len(),
                Word::Answer(a) => a.parcel.bytes.len(),
                Word::Recalled { events, .. } => events.iter().map(|kept| kept.weight()).sum(),
                _ => 64,
            }
    }
}

/// What waits for one link.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: VecDeque<Word>,
    bytes: usize,
    /// The host has been told and has not emptied it since.
    pub(super) announced: bool,
}

impl Outbox {
    pub(super) fn push(&mut self, word: Word) {
        self.bytes += word.weight();
        self.queue.push_back(word);
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Hands messages to `send` until it gives one back; returns whether all are gone.
    pub(super) fn flush(&mut self, mut send: impl FnMut(MeshMessage) -> Result<(), MeshMessage>) -> bool {
        while let Some(word) = self.queue.pop_front() {
            let weight = word.weight();
            if let Err(MeshMessage(word)) = send(MeshMessage(word)) {
                self.queue.push_front(word);
                return false;
            }
            self.bytes -= weight;
        }
        true
    }
}

/// A set of shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ShardSet(u128);

impl ShardSet {
    pub(super) fn insert(&mut self, shard: ShardId) {
        self.0 |= 1 << shard.0;
    }

    pub(super) fn remove(&mut self, shard: ShardId) {
        self.0 &= !(1 << shard.0);
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn contains(self, shard: ShardId) -> bool {
        self.0 & 1 << shard.0 != 0
    }

    /// How many are in.
    pub(super) fn len(self) -> u16 {
        self.0.count_ones() as u16
    }

    pub(super) fn union(self, other: ShardSet) -> ShardSet {
        ShardSet(self.0 | other.0)
    }

    pub(super) fn intersection(self, other: ShardSet) -> ShardSet {
        ShardSet(self.0 & other.0)
    }
}

impl Iterator for ShardSet {
    type Item = ShardId;

    fn next(&mut self) -> Option<ShardId> {
        (self.0 != 0).then(|| {
            let lowest = self.0.trailing_zeros();
            self.0 &= self.0 - 1;
            ShardId(lowest as u16)
        })
    }
}

const _: () = assert!(size_of::<ConnId>() == 8);
