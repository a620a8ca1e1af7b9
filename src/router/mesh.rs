//! What shards say to each other, and what waits to be said.
//!
//! One FIFO link leads from each shard to each other one. A message that does not fit into its link stays in the sender's outbox;
//! nobody ever waits for room. Messages are small; payload bytes are shared by reference.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use simd_json::OwnedValue;

use super::calls::CallDetails;
use super::extras::Extras;
use super::handshake::Culprits;
use super::history::{Replay, ReplayKey};
use super::identity::Identity;
use super::kept::Kept;
use super::meta::{self, GatherKey, Question};
use super::partition::Partition;
use super::reload::Plan;
use super::retained::{Recall, RecallKey};
use super::shard::ConnId;
use super::time::Date;
use crate::auth::CookieId;
use crate::limits::SHARE_PAYLOAD_BYTES_MIN;
use crate::wamp::message::{InvokePolicy, MatchPolicy, Passthru, Payload, Rare};
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
    /// To all: somebody has failed to authenticate, or has succeeded after having failed.
    Tried { culprits: Culprits, failed: bool },
    /// To all: a session of this authid has come or gone; see `presence`.
    Present { who: u64, is_in: bool },
    /// To all: a client with this cookie has logged out; see `visitors`.
    LoggedOut { cookie: Box<CookieId> },

    /// Home to owner: I have a first subscriber of this.
    Subscribe { realm: RealmId, policy: MatchPolicy, topic: Arc<str>, session: SessionId, round: RoundKey },
    /// Home to owner: my last subscriber has left.
    Unsubscribe { realm: RealmId, policy: MatchPolicy, topic: Arc<str>, session: SessionId },
    /// Home to owner, if anybody hears meta events: one more or one less, who is not the last.
    Member { realm: RealmId, subscription: SubscriptionId, session: SessionId, is_in: bool },
    /// Owner to all: `shard` wants events of this, and waits until they know.
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
    AddCallee { joined: Joined, round: RoundKey },
    /// Owner to home: the router takes the registration from this session. An empty reason is none.
    Revoked { session: SessionId, registration: RegistrationId, reason: Box<str> },
    /// Owner to all: a callee has left.
    RemoveCallee { realm: RealmId, registration: RegistrationId, callee: SessionId },

    /// Shard 0 to all: this is the configuration from now on; see `reload`.
    Adopt { plan: Arc<Plan>, round: RoundKey },

    /// To shard 0: a client wants to join a realm that there is not, but that may be made.
    WantRealm { name: Arc<str> },
    /// Shard 0 to who asked: it is not made. Else the plan with it comes.
    NoRealm { name: Arc<str> },

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

    /// Home of a caller to an owner: which events of the past does this pattern match?
    Replay(Arc<Replay>),
    /// Owner to home: these.
    Replayed { key: ReplayKey, events: Box<[Arc<Kept>]> },

    /// Caller's shard to owner: who shall take this call?
    Pick { realm: RealmId, registration: RegistrationId, call: CallKey, wish: Wish },
    /// Owner to caller's shard: this one, or not yet, or nobody.
    Picked { call: CallKey, turn: Turn },
    /// Caller's shard to owner: the call that waits there is over.
    Withdraw { realm: RealmId, registration: RegistrationId, call: CallKey },
    /// To the owner: the slot is free again.
    Done(Slot),
    /// Caller's shard to callee's.
    Invoke(Invoke),
    /// Caller's shard to callee's: more of a call that is there.
    Continue(Box<More>),
    /// Callee's shard to caller's: that session is not here, or does not take the call; the invocation comes back.
    Refused(Invoke),
    /// Callee's shard to caller's: the INVOCATION has been sent. Only where somebody waits to hear that; `keeps_time`: the callee
    /// looks after the call's timeout.
    Invoked { call: CallKey, keeps_time: bool },
    /// Callee's shard to caller's: the end of the call, or progress.
    Answer(Answer),
    /// Caller's shard to callee's: the call that was sent there is given up.
    Stop { callee: SessionId, call: CallKey, how: Stop },

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
    pub(super) forward_timeout: bool,
    /// Most invocations at a time.
    pub(super) concurrency: Option<u32>,
    /// Whoever has the procedure must make place.
    pub(super) force: bool,
    pub(super) callee: Arc<Identity>,
    pub(super) request: RequestId,
}

/// A callee that has come.
#[derive(Clone, Debug)]
pub(super) struct Joined {
    pub(super) realm: RealmId,
    pub(super) offer: Arc<Offer>,
    pub(super) callee: SessionId,
    pub(super) disclose_caller: bool,
    pub(super) forward_timeout: bool,
    /// From now on the owner counts the registration's invocations: see `pool`.
    pub(super) is_counted: bool,
    /// It takes the place of all that were there, and why they must go: see `revocation`.
    pub(super) evicts: Option<&'static str>,
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
    pub(super) created: Date,
}

/// Which callees a call may go to.
#[derive(Debug, Default)]
pub(super) struct Wish {
    /// None of these: they turned out to be gone, or must not be called.
    pub(super) tried: Box<[SessionId]>,
    /// The one that has this key.
    pub(super) partition: Option<Partition>,
    /// The call has had its turn before.
    pub(super) is_again: bool,
}

/// What the owner of a registration says to a call that asks for a callee.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turn {
    /// This one.
    Callee(SessionId),
    /// This one, and it is counted.
    Slot(Slot),
    /// All are busy: the call waits at the owner, which says more later.
    Wait,
    /// All are busy, and too many calls wait already.
    Full,
    /// Nobody is left.
    Nobody,
}

/// The right to one invocation, which the owner of the registration has counted. Whoever has it gives it back, once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) realm: RealmId,
    pub(super) registration: RegistrationId,
    pub(super) callee: SessionId,
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
    #[inline]
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

    /// Gets memory of its own if it is small, for a long wait: it would keep others' memory from being used again.
    pub(super) fn detach(&mut self) {
        if self.bytes.len() < SHARE_PAYLOAD_BYTES_MIN {
            self.bytes = Bytes::copy_from_slice(&self.bytes);
        }
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
    /// What few calls have.
    pub(super) details: Option<Box<CallDetails>>,
    /// Why it came back, if it did.
    pub(super) refusal: Refusal,
    /// The realm, if the owner of the registration has counted the invocation.
    pub(super) counted: Option<RealmId>,
    /// The URI is the procedure.
    pub(super) parcel: Parcel,
}

impl Invoke {
    /// What the owner has counted, to be given back.
    pub(super) fn take_slot(&mut self) -> Option<Slot> {
        let Invoke { registration, callee, .. } = *self;
        self.counted.take().map(|realm| Slot { realm, registration, callee })
    }
}

/// Why an invocation comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The callee has left, or does not offer the procedure any more.
    #[default]
    Gone,
    /// The callee cannot take it now, and says so.
    Unavailable,
    /// The callee had it, and has left without an answer.
    Lost,
}

/// A further CALL of a progressive invocation on its way.
#[derive(Debug)]
pub(super) struct More {
    pub(super) call: CallKey,
    pub(super) callee: SessionId,
    /// It is not the last one.
    pub(super) progress: bool,
    pub(super) parcel: Parcel,
}

/// The answer to a call on its way.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) call: CallKey,
    pub(super) outcome: Outcome,
    /// If the router does not look into the payload.
    pub(super) passthru: Rare<Passthru<'static>>,
    /// The URI is the error's.
    pub(super) parcel: Parcel,
}

/// What a callee's answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Result,
    Error,
    /// Not yet: more results follow.
    Progress,
}

/// How a call is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The callee is not told.
    Skip,
    /// The callee is told and answers.
    Kill,
    /// The callee is told; nobody waits for its answer.
    KillNoWait,
    /// The same, because its time is up.
    Timeout,
}

impl Word {
    /// Bytes that this message keeps in memory while it waits, roughly.
    #[inline]
    fn weight(&self) -> usize {
        size_of::<Word>()
            + match self {
                Word::Publish(p) => p.parcel.bytes.len(),
                Word::Invoke(i) | Word::Refused(i) => i.parcel.bytes.len(),
                Word::Answer(a) => a.parcel.bytes.len(),
                Word::Continue(m) => m.parcel.bytes.len(),
                Word::Recalled { events, .. } | Word::Replayed { events, .. } => {
                    events.iter().map(|kept| kept.weight()).sum()
                }
                Word::Told { reply, .. } => meta::reply_bytes(reply),
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
