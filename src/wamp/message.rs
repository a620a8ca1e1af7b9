//! The messages of WAMP, borrowed from the buffer they were read from (spec: "Messages").
//!
//! The same types serve both directions: [`super::scan()`] makes them from bytes, [`super::encode()`] writes them. Only what a
//! router needs of a message is decoded; its payload (`Arguments`, `ArgumentsKw`) stays as bytes.

use std::borrow::Cow;

use super::id::{PublicationId, RegistrationId, RequestId, SessionId, SubscriptionId};
use super::list::{IdList, TextList};
use super::serializer::Serializer;

/// A string of a message: borrowed, unless its JSON form had escapes.
pub type Text<'a> = Cow<'a, str>;

/// `Arguments` and `ArgumentsKw` as they stand in the message, well-formed but not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload<'a> {
    /// What the bytes are written in.
    pub serializer: Serializer,
    /// How many elements there are: 0, 1 (`Arguments`) or 2 (and `ArgumentsKw`).
    pub items: u8,
    /// The elements: for JSON with the comma between them, else one after the other. Empty when `items` is 0.
    pub bytes: &'a [u8],
}

impl Payload<'_> {
    /// No arguments at all.
    pub const fn empty(serializer: Serializer) -> Payload<'static> {
        Payload { serializer, items: 0, bytes: &[] }
    }
}

/// A dictionary or other value kept as bytes, for whoever wants to look into it (`authextra`, `ArgumentsKw` …).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawValue<'a> {
    /// What the bytes are written in.
    pub serializer: Serializer,
    /// Exactly one well-formed value.
    pub bytes: &'a [u8],
}

/// Any message.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // the variants are the messages of the specification
pub enum Message<'a> {
    Hello(Hello<'a>),
    Welcome(Welcome<'a>),
    Abort(Abort<'a>),
    Challenge { method: Text<'a>, extra: RawValue<'a> },
    Authenticate { signature: Text<'a>, extra: RawValue<'a> },
    Goodbye { message: Option<Text<'a>>, reason: Text<'a> },
    Error(Error<'a>),
    Publish(Publish<'a>),
    Published { request: RequestId, publication: PublicationId },
    Subscribe { request: RequestId, options: SubscribeOptions<'a>, topic: Text<'a> },
    Subscribed { request: RequestId, subscription: SubscriptionId },
    Unsubscribe { request: RequestId, subscription: SubscriptionId },
    Unsubscribed { request: RequestId, revocation: Option<Revocation<'a, SubscriptionId>> },
    Event(Event<'a>),
    EventReceived { publication: PublicationId },
    Call(Call<'a>),
    Cancel { request: RequestId, mode: Option<Text<'a>> },
    Result(CallResult<'a>),
    Register { request: RequestId, options: RegisterOptions, procedure: Text<'a> },
    Registered { request: RequestId, registration: RegistrationId },
    Unregister { request: RequestId, registration: RegistrationId },
    Unregistered { request: RequestId, revocation: Option<Revocation<'a, RegistrationId>> },
    Invocation(Invocation<'a>),
    Interrupt { request: RequestId, options: InterruptOptions<'a> },
    Yield(Yield<'a>),
}

impl<'a> Message<'a> {
    /// Its payload, if messages of its type may have one.
    pub fn payload(&self) -> Option<&Payload<'a>> {
        match self {
            Message::Abort(Abort { payload, .. })
            | Message::Error(Error { payload, .. })
            | Message::Publish(Publish { payload, .. })
            | Message::Event(Event { payload, .. })
            | Message::Call(Call { payload, .. })
            | Message::Result(CallResult { payload, .. })
            | Message::Invocation(Invocation { payload, .. })
            | Message::Yield(Yield { payload, .. }) => Some(payload),
            _ => None,
        }
    }

    /// The same, to put another in its place: a transcoded one.
    pub fn payload_mut(&mut self) -> Option<&mut Payload<'a>> {
        match self {
            Message::Abort(Abort { payload, .. })
            | Message::Error(Error { payload, .. })
            | Message::Publish(Publish { payload, .. })
            | Message::Event(Event { payload, .. })
            | Message::Call(Call { payload, .. })
            | Message::Result(CallResult { payload, .. })
            | Message::Invocation(Invocation { payload, .. })
            | Message::Yield(Yield { payload, .. }) => Some(payload),
            _ => None,
        }
    }
}

/// HELLO.
#[derive(Clone, Debug, PartialEq)]
pub struct Hello<'a> {
    /// The realm's URI (its syntax is not checked by the scan).
    pub realm: Text<'a>,
    /// `Details.roles`; at least one role is there.
    pub roles: ClientRoles,
    /// `Details.agent`.
    pub agent: Option<Text<'a>>,
    /// `Details.authmethods`, the client's order.
    pub authmethods: Option<TextList<'a>>,
    /// `Details.authid`.
    pub authid: Option<Text<'a>>,
    /// `Details.authrole`.
    pub authrole: Option<Text<'a>>,
    /// `Details.authextra`, a dictionary.
    pub authextra: Option<RawValue<'a>>,
}

/// WELCOME.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // the names of the specification
pub struct Welcome<'a> {
    pub session: SessionId,
    pub broker: Option<Features>,
    pub dealer: Option<Features>,
    pub realm: Option<Text<'a>>,
    pub agent: Option<Text<'a>>,
    pub authid: Option<Text<'a>>,
    pub authrole: Option<Text<'a>>,
    pub authmethod: Option<Text<'a>>,
    pub authprovider: Option<Text<'a>>,
    pub authextra: Option<RawValue<'a>>,
}

/// ABORT.
#[derive(Clone, Debug, PartialEq)]
pub struct Abort<'a> {
    /// `Details.message`.
    pub message: Option<Text<'a>>,
    /// `Details.scram`.
    pub scram: Option<Text<'a>>,
    /// The error URI.
    pub reason: Text<'a>,
    /// Arguments, which the specification allows.
    pub payload: Payload<'a>,
}

/// ERROR.
#[derive(Clone, Debug, PartialEq)]
pub struct Error<'a> {
    /// Code of the request's message (`REQUEST.Type`), one of 16, 32, 34, 48, 64, 66, 68.
    pub request_type: u8,
    /// Id of the request.
    pub request: RequestId,
    /// `ppt_*` of `Details`.
    pub passthru: Rare<Passthru<'a>>,
    /// The error URI (its syntax is not checked by the scan).
    pub error: Text<'a>,
    /// Arguments.
    pub payload: Payload<'a>,
}

/// PUBLISH.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish<'a> {
    /// Request id.
    pub request: RequestId,
    /// Options.
    pub options: PublishOptions<'a>,
    /// The topic (its syntax is not checked by the scan).
    pub topic: Text<'a>,
    /// Arguments.
    pub payload: Payload<'a>,
}

/// `PUBLISH.Options`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PublishOptions<'a> {
    /// Answer with PUBLISHED or ERROR; absent means no.
    pub acknowledge: Option<bool>,
    /// Do not send the event to the publisher; absent means yes, exclude.
    pub exclude_me: Option<bool>,
    /// Let subscribers know who published.
    pub disclose_me: Option<bool>,
    /// Keep the event for later subscribers.
    pub retain: Option<bool>,
    /// Who may and who may not receive the event.
    pub audience: Rare<Audience<'a>>,
    /// Routing key for sharded subscriptions.
    pub rkey: Option<Text<'a>>,
    /// Payload passthru.
    pub passthru: Rare<Passthru<'a>>,
}

/// What most messages do not have: absent, it takes one word and no memory, so messages stay small enough to be moved cheaply.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rare<T>(Option<Box<T>>);

impl<T: Default> Rare<T> {
    /// What is there.
    pub fn get(&self) -> Option<&T> {
        self.0.as_deref()
    }

    /// What is there; made if it is not.
    pub fn get_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

impl<T: Default + PartialEq> From<T> for Rare<T> {
    /// The default counts as absent.
    fn from(value: T) -> Rare<T> {
        Rare((value != T::default()).then(|| Box::new(value)))
    }
}

impl Rare<Passthru<'_>> {
    /// Whether the payload is one piece of bytes that only its receivers understand (`enc_algo`).
    pub(super) fn is_transparent(&self) -> bool {
        self.get().is_some_and(|passthru| passthru.enc_algo.is_some())
    }
}

/// The six lists that restrict the receivers of an event (spec: "Subscriber Black- and Whitelisting").
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)] // the names of the specification
pub struct Audience<'a> {
    pub exclude: Option<IdList<'a>>,
    pub exclude_authid: Option<TextList<'a>>,
    pub exclude_authrole: Option<TextList<'a>>,
    pub eligible: Option<IdList<'a>>,
    pub eligible_authid: Option<TextList<'a>>,
    pub eligible_authrole: Option<TextList<'a>>,
}

/// Payload passthru attributes: the router copies them and looks no further. `enc_*` are their older, de-facto names.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)] // the names of the specification
pub struct Passthru<'a> {
    pub ppt_scheme: Option<Text<'a>>,
    pub ppt_serializer: Option<Text<'a>>,
    pub ppt_cipher: Option<Text<'a>>,
    pub ppt_keyid: Option<Text<'a>>,
    pub enc_algo: Option<Text<'a>>,
    pub enc_key: Option<Text<'a>>,
    pub enc_serializer: Option<Text<'a>>,
}

/// How a subscription's or registration's URI matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MatchPolicy {
    /// Equal.
    #[default]
    Exact,
    /// The pattern is a prefix of the URI, as a string.
    Prefix,
    /// Empty components of the pattern match any one component.
    Wildcard,
}

/// How a call chooses among the callees of a shared registration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum InvokePolicy {
    /// One callee only.
    #[default]
    Single,
    /// The callee that registered first.
    First,
    /// The callee that registered last.
    Last,
    /// Any, uniformly.
    Random,
    /// In turn.
    RoundRobin,
    /// The one that has fewest invocations to answer (beyond the specification).
    Load,
}

macro_rules! names {
    ($type:ident: $($variant:ident $name:literal)*) => {
        impl $type {
            /// All there are.
            pub const ALL: [$type; [$($name),*].len()] = [$($type::$variant),*];

            /// Its name in options.
            pub const fn name(self) -> &'static str {
                match self {
                    $($type::$variant => $name,)*
                }
            }

            /// The policy that `name` names.
            pub fn from_name(name: &str) -> Option<$type> {
                match name {
                    $($name => Some($type::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

names! { MatchPolicy: Exact "exact" Prefix "prefix" Wildcard "wildcard" }
names! { InvokePolicy: Single "single" First "first" Last "last" Random "random" RoundRobin "roundrobin"
Load "load" }

/// `SUBSCRIBE.Options`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubscribeOptions<'a> {
    /// `match`; absent means exact.
    pub match_policy: MatchPolicy,
    /// Ask for the retained event.
    pub get_retained: Option<bool>,
    /// Node key for sharded subscriptions.
    pub nkey: Option<Text<'a>>,
}

/// The dictionary of a revocation: UNSUBSCRIBED or UNREGISTERED with request id 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Revocation<'a, Id> {
    /// What is taken away.
    pub id: Id,
    /// Why.
    pub reason: Option<Text<'a>>,
}

/// EVENT.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    /// The subscription it is for.
    pub subscription: SubscriptionId,
    /// The publication it comes from.
    pub publication: PublicationId,
    /// Details.
    pub details: EventDetails<'a>,
    /// Arguments.
    pub payload: Payload<'a>,
}

/// `EVENT.Details`.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)] // the names of the specification
pub struct EventDetails<'a> {
    pub topic: Option<Text<'a>>,
    pub publisher: Option<SessionId>,
    pub publisher_authid: Option<Text<'a>>,
    pub publisher_authrole: Option<Text<'a>>,
    pub trustlevel: Option<u64>,
    pub retained: Option<bool>,
    pub passthru: Rare<Passthru<'a>>,
}

/// CALL.
#[derive(Clone, Debug, PartialEq)]
pub struct Call<'a> {
    /// Request id.
    pub request: RequestId,
    /// Options.
    pub options: CallOptions<'a>,
    /// The procedure (its syntax is not checked by the scan).
    pub procedure: Text<'a>,
    /// Arguments.
    pub payload: Payload<'a>,
}

/// `CALL.Options`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallOptions<'a> {
    /// Milliseconds until the call fails; 0 and absent mean never.
    pub timeout_ms: Option<u64>,
    /// The caller takes progressive results.
    pub receive_progress: Option<bool>,
    /// More CALLs with this request id follow.
    pub progress: Option<bool>,
    /// Let the callee know who calls.
    pub disclose_me: Option<bool>,
    /// Routing key for sharded registrations.
    pub rkey: Option<Text<'a>>,
    /// `runmode` for sharded registrations.
    pub runmode: Option<Text<'a>>,
    /// Payload passthru.
    pub passthru: Rare<Passthru<'a>>,
}

impl CallOptions<'_> {
    /// Whether nothing is there but perhaps `disclose_me`, or what no router here looks at.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.timeout_ms.is_none()
            && self.receive_progress.is_none()
            && self.progress.is_none()
            && self.passthru.get().is_none()
    }
}

/// RESULT.
#[derive(Clone, Debug, PartialEq)]
pub struct CallResult<'a> {
    /// The CALL's request id.
    pub request: RequestId,
    /// `Details.progress`: more follow.
    pub progress: Option<bool>,
    /// Payload passthru.
    pub passthru: Rare<Passthru<'a>>,
    /// Arguments.
    pub payload: Payload<'a>,
}

/// `REGISTER.Options`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegisterOptions {
    /// `match`; absent means exact.
    pub match_policy: MatchPolicy,
    /// `invoke`; absent means single.
    pub invoke: InvokePolicy,
    /// Wants to know all callers.
    pub disclose_caller: Option<bool>,
    /// Wants to enforce timeouts itself.
    pub forward_timeout: Option<bool>,
    /// Most invocations at a time.
    pub concurrency: Option<u64>,
    /// Take the procedure over from whoever has it.
    pub force_reregister: Option<bool>,
}

/// INVOCATION.
#[derive(Clone, Debug, PartialEq)]
pub struct Invocation<'a> {
    /// Request id, of the router's own counter for this session.
    pub request: RequestId,
    /// The registration it is for.
    pub registration: RegistrationId,
    /// Details.
    pub details: InvocationDetails<'a>,
    /// Arguments.
    pub payload: Payload<'a>,
}

/// `INVOCATION.Details`.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)] // the names of the specification
pub struct InvocationDetails<'a> {
    pub procedure: Option<Text<'a>>,
    pub caller: Option<SessionId>,
    pub caller_authid: Option<Text<'a>>,
    pub caller_authrole: Option<Text<'a>>,
    pub trustlevel: Option<u64>,
    pub receive_progress: Option<bool>,
    pub progress: Option<bool>,
    /// Milliseconds.
    pub timeout_ms: Option<u64>,
    pub passthru: Rare<Passthru<'a>>,
}

/// `INTERRUPT.Options`.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)] // the names of the specification
pub struct InterruptOptions<'a> {
    pub mode: Option<Text<'a>>,
    pub reason: Option<Text<'a>>,
}

/// YIELD.
#[derive(Clone, Debug, PartialEq)]
pub struct Yield<'a> {
    /// The INVOCATION's request id.
    pub request: RequestId,
    /// `Options.progress`: more follow.
    pub progress: Option<bool>,
    /// Payload passthru.
    pub passthru: Rare<Passthru<'a>>,
    /// Arguments.
    pub payload: Payload<'a>,
}

/// The roles that a client announces, each with its features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the names of the specification
pub struct ClientRoles {
    pub publisher: Option<Features>,
    pub subscriber: Option<Features>,
    pub caller: Option<Features>,
    pub callee: Option<Features>,
}

/// A set of advanced features, announced under a role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features(pub u32);

macro_rules! features {
    ($($bit:literal $name:ident $key:literal $(| $alias:literal)*;)*) => {
        impl Features {
            $(
                #[doc = concat!("`", $key, "`")]
                pub const $name: Features = Features(1 << $bit);
            )*

            /// Every feature with the key under which the router announces it.
            pub const KEYS: &'static [(Features, &'static str)] = &[$((Features::$name, $key)),*];

            /// The feature that `key` (or a known other spelling of it) names.
            pub fn from_key(key: &str) -> Option<Features> {
                match key {
                    $($key $(| $alias)* => Some(Features::$name),)*
                    _ => None,
                }
            }
        }
    };
}

features! {
    0 PROGRESSIVE_CALL_RESULTS "progressive_call_results";
    1 PROGRESSIVE_CALL_INVOCATIONS "progressive_call_invocations";
    2 CALL_TIMEOUT "call_timeout";
    3 CALL_CANCELING "call_canceling" | "call_cancelling";
    4 CALLER_IDENTIFICATION "caller_identification";
    5 CALL_TRUSTLEVELS "call_trustlevels";
    6 REGISTRATION_META_API "registration_meta_api";
    7 PATTERN_BASED_REGISTRATION "pattern_based_registration";
    8 SHARED_REGISTRATION "shared_registration";
    9 SHARDED_REGISTRATION "sharded_registration";
    10 REGISTRATION_REVOCATION "registration_revocation";
    11 CALL_REROUTE "call_reroute";
    12 SUBSCRIBER_BLACKWHITE_LISTING "subscriber_blackwhite_listing";
    13 PUBLISHER_EXCLUSION "publisher_exclusion";
    14 PUBLISHER_IDENTIFICATION "publisher_identification";
    15 PUBLICATION_TRUSTLEVELS "publication_trustlevels";
    16 SUBSCRIPTION_META_API "subscription_meta_api";
    17 PATTERN_BASED_SUBSCRIPTION "pattern_based_subscription";
    18 SHARDED_SUBSCRIPTION "shareded_subscriptions" | "sharded_subscriptions" | "sharded_subscription";
    19 EVENT_HISTORY "event_history";
    20 EVENT_RETENTION "event_retention";
    21 SUBSCRIPTION_REVOCATION "subscription_revocation";
    22 SESSION_META_API "session_meta_api";
    23 TESTAMENT_META_API "testament_meta_api";
    24 PAYLOAD_PASSTHRU_MODE "payload_passthru_mode";
}

impl Features {
    /// Whether all of `other` are in `self`.
    pub const fn contains(self, other: Features) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    pub const fn with(self, other: Features) -> Features {
        Features(self.0 | other.0)
    }
}

// Messages are moved about on the way from the scan to their handlers: this keeps that cheap.
const _: () = assert!(size_of::<Message<'_>>() <= 320);
const _: () = assert!(size_of::<Publish<'_>>() <= 128);
const _: () = assert!(size_of::<Call<'_>>() <= 176);
