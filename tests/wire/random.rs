//! Seeded randomness, and random values and messages made from it.

use std::borrow::Cow;

use connectanum::wamp::list::{IdList, TextList};
use connectanum::wamp::message::{
    Abort, Audience, Call, CallOptions, CallResult, ClientRoles, Error, Event, EventDetails, Features, Hello,
    InterruptOptions, Invocation, InvocationDetails, InvokePolicy, MatchPolicy, Passthru, Publish,
    PublishOptions, RawValue, RegisterOptions, Revocation, SubscribeOptions, Text, Welcome, Yield,
};
use connectanum::wamp::{
    Message, Payload, PublicationId, RegistrationId, RequestId, Serializer, SessionId, SubscriptionId,
};

use crate::tree::Tree;

pub(crate) use crate::chance::Random;

impl Random {
    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    pub(crate) fn string(&mut self) -> String {
        let len = if self.chance(10) { self.below(300) } else { self.below(12) };
        (0..len).map(|_| self.character()).collect()
    }

    fn character(&mut self) -> char {
        match self.below(12) {
            0 => self.pick(&['"', '\\', '/', '\n', '\t', '\u{8}', '\u{1f}', '\u{7f}']),
            1 => self.pick(&['é', 'ß', '\u{2028}', '日', '\u{fffd}', '\u{ffff}', '😀', '\u{10ffff}']),
            2 => char::from_u32(self.below(0x11_0000) as u32).unwrap_or('x'),
            _ => char::from(b' ' + self.below(95) as u8),
        }
    }

    /// A value, nested no deeper than `depth`.
    pub(crate) fn tree(&mut self, depth: usize) -> Tree {
        match self.below(if depth == 0 { 8 } else { 11 }) {
            0 => Tree::Null,
            1 => Tree::Bool(self.chance(2)),
            2 => Tree::Int(i128::from(self.next() as i8)),
            3 => Tree::Int(self.integer()),
            4 => Tree::Float(self.float()),
            5 | 6 => Tree::Text(self.string()),
            7 => {
                let len = self.below(40);
                Tree::Binary(self.bytes(len))
            }
            8 | 9 => self.list(depth - 1),
            _ => self.dict(depth - 1),
        }
    }

    /// A list, now and then longer than the short headers count.
    pub(crate) fn list(&mut self, depth: usize) -> Tree {
        let len = self.len();
        Tree::List((0..len).map(|_| self.tree(depth)).collect())
    }

    /// A dictionary with text for keys, all different.
    pub(crate) fn dict(&mut self, depth: usize) -> Tree {
        let len = self.len();
        Tree::Dict(
            (0..len).map(|at| (Tree::Text(format!("{at} {}", self.string())), self.tree(depth))).collect(),
        )
    }

    fn len(&mut self) -> usize {
        if self.chance(20) { self.below(70) } else { self.below(5) }
    }

    fn integer(&mut self) -> i128 {
        const EDGES: [i128; 12] = [
            0,
            23,
            24,
            255,
            256,
            65_535,
            65_536,
            u32::MAX as i128,
            1 << 53,
            i64::MAX as i128,
            u64::MAX as i128,
            u64::MAX as i128 >> 1,
        ];
        match self.below(4) {
            0 => self.pick(&EDGES) + (self.next() % 3) as i128 - 1,
            1 => -self.pick(&EDGES) - (self.next() % 3) as i128 + 1,
            2 => i128::from(self.next() >> self.below(64)),
            _ => i128::from(self.next() as i64 >> self.below(64)),
        }
        .clamp(i64::MIN.into(), u64::MAX.into())
    }

    fn float(&mut self) -> f64 {
        let float = f64::from_bits(self.next());
        match self.below(4) {
            0 => self.pick(&[0.0, -0.0, 1.0, 0.1, 1e16, 1e-7, f64::MAX, f64::MIN_POSITIVE, 5e-324, 65504.0]),
            1 => (self.next() as i32).into(),
            _ if float.is_finite() => float,
            _ => 0.5,
        }
    }

    fn option<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.chance(3).then(|| make(self))
    }

    fn text(&mut self) -> Text<'static> {
        Cow::Owned(self.string())
    }

    fn bool(&mut self) -> bool {
        self.chance(2)
    }

    fn id(&mut self) -> u64 {
        let any = (self.next() >> 11) + 1;
        self.pick(&[1, 23, 24, 127, 128, 255, 256, 65_536, 1 << 32, 1 << 53, any])
    }

    fn ids(&mut self) -> IdList<'static> {
        let len = self.len();
        IdList::Slice((0..len).map(|_| self.id()).collect::<Vec<_>>().leak())
    }

    fn texts(&mut self) -> TextList<'static> {
        let len = self.len();
        TextList::Slice((0..len).map(|_| &*self.string().leak()).collect::<Vec<_>>().leak())
    }

    fn raw(&mut self, serializer: Serializer) -> RawValue<'static> {
        RawValue { serializer, bytes: self.dict(2).write(serializer).leak() }
    }

    fn passthru(&mut self) -> Passthru<'static> {
        if self.chance(2) {
            return Passthru::default();
        }
        Passthru {
            ppt_scheme: self.option(Self::text),
            ppt_serializer: self.option(Self::text),
            ppt_cipher: self.option(Self::text),
            ppt_keyid: self.option(Self::text),
            enc_algo: self.option(|random| random.pick(&["cryptobox", "mqtt", "xbr", "x_own"]).into()),
            enc_key: self.option(Self::text),
            enc_serializer: self.option(Self::text),
        }
    }

    fn payload(&mut self, serializer: Serializer, passthru: &Passthru<'_>) -> Payload<'static> {
        let mut items = Vec::new();
        if passthru.enc_algo.is_some() && self.chance(2) {
            items.push(Tree::Binary(self.bytes(20)));
        } else if self.chance(3) {
            items = vec![self.list(3), self.dict(3)];
        } else if self.chance(2) {
            items.push(self.list(3));
        }
        Tree::payload(&items, serializer)
    }

    fn features(&mut self) -> Features {
        let known = Features::KEYS.iter().fold(0, |all, (feature, _)| all | feature.0);
        Features(self.next() as u32 & known)
    }

    /// A message of any type, its payload and raw values written in `serializer` by the oracle.
    pub(crate) fn message(&mut self, serializer: Serializer) -> Message<'static> {
        let request = RequestId(self.id());
        let registration = RegistrationId(self.id());
        let subscription = SubscriptionId(self.id());
        let publication = PublicationId(self.id());
        let passthru = self.passthru();
        let payload = self.payload(serializer, &passthru);
        match self.below(27) {
            0 => Message::Hello(Hello {
                realm: self.text(),
                roles: ClientRoles {
                    publisher: self.option(Self::features),
                    subscriber: self.option(Self::features),
                    caller: self.option(Self::features),
                    callee: Some(self.features()),
                },
                agent: self.option(Self::text),
                authmethods: self.option(Self::texts),
                authid: self.option(Self::text),
                authrole: self.option(Self::text),
                authextra: self.option(|random| random.raw(serializer)),
            }),
            1 => Message::Welcome(Welcome {
                session: SessionId(self.id()),
                broker: self.option(Self::features),
                dealer: self.option(Self::features),
                realm: self.option(Self::text),
                agent: self.option(Self::text),
                authid: self.option(Self::text),
                authrole: self.option(Self::text),
                authmethod: self.option(Self::text),
                authprovider: self.option(Self::text),
                authextra: self.option(|random| random.raw(serializer)),
            }),
            2 => Message::Abort(Abort {
                message: self.option(Self::text),
                scram: self.option(Self::text),
                reason: self.text(),
                payload: self.payload(serializer, &Passthru::default()),
            }),
            3 => Message::Challenge { method: self.text(), extra: self.raw(serializer) },
            4 => Message::Authenticate { signature: self.text(), extra: self.raw(serializer) },
            5 => Message::Goodbye { message: self.option(Self::text), reason: self.text() },
            6 => Message::Error(Error {
                request_type: self.pick(&[16, 32, 34, 48, 49, 64, 66, 68]),
                request,
                passthru: passthru.into(),
                error: self.text(),
                payload,
            }),
            7 | 8 => Message::Publish(Publish {
                request,
                options: PublishOptions {
                    acknowledge: self.option(Self::bool),
                    exclude_me: self.option(Self::bool),
                    disclose_me: self.option(Self::bool),
                    retain: self.option(Self::bool),
                    audience: Audience {
                        exclude: self.option(Self::ids),
                        exclude_authid: self.option(Self::texts),
                        exclude_authrole: self.option(Self::texts),
                        eligible: self.option(Self::ids),
                        eligible_authid: self.option(Self::texts),
                        eligible_authrole: self.option(Self::texts),
                    }
                    .into(),
                    rkey: self.option(Self::text),
                    passthru: passthru.into(),
                },
                topic: self.text(),
                payload,
            }),
            9 => Message::Published { request, publication },
            10 => Message::Subscribe {
                request,
                options: SubscribeOptions {
                    match_policy: self.pick(&[
                        MatchPolicy::Exact,
                        MatchPolicy::Prefix,
                        MatchPolicy::Wildcard,
                    ]),
                    get_retained: self.option(Self::bool),
                    nkey: self.option(Self::text),
                },
                topic: self.text(),
            },
            11 => Message::Subscribed { request, subscription },
            12 => Message::Unsubscribe { request, subscription },
            13 => Message::Unsubscribed { request, revocation: None },
            14 => Message::Unsubscribed {
                request: RequestId(0),
                revocation: Some(Revocation { id: subscription, reason: self.option(Self::text) }),
            },
            15 => Message::Event(Event {
                subscription,
                publication,
                details: EventDetails {
                    topic: self.option(Self::text),
                    publisher: self.option(|random| SessionId(random.id())),
                    publisher_authid: self.option(Self::text),
                    publisher_authrole: self.option(Self::text),
                    trustlevel: self.option(Self::next),
                    retained: self.option(Self::bool),
                    passthru: passthru.into(),
                },
                payload,
            }),
            16 => Message::EventReceived { publication },
            17 | 18 => Message::Call(Call {
                request,
                options: CallOptions {
                    timeout_ms: self.option(Self::next),
                    receive_progress: self.option(Self::bool),
                    progress: self.option(Self::bool),
                    disclose_me: self.option(Self::bool),
                    rkey: self.option(Self::text),
                    runmode: self.option(Self::text),
                    passthru: passthru.into(),
                },
                procedure: self.text(),
                payload,
            }),
            19 => Message::Cancel { request, mode: self.option(Self::text) },
            20 => Message::Result(CallResult {
                request,
                progress: self.option(Self::bool),
                passthru: passthru.into(),
                payload,
            }),
            21 => Message::Register {
                request,
                options: RegisterOptions {
                    match_policy: self.pick(&[
                        MatchPolicy::Exact,
                        MatchPolicy::Prefix,
                        MatchPolicy::Wildcard,
                    ]),
                    invoke: self.pick(&[InvokePolicy::Single, InvokePolicy::Last, InvokePolicy::RoundRobin]),
                    disclose_caller: self.option(Self::bool),
                    forward_timeout: self.option(Self::bool),
                    concurrency: self.option(Self::next),
                    force_reregister: self.option(Self::bool),
                },
                procedure: self.text(),
            },
            22 => Message::Registered { request, registration },
            23 => Message::Unregister { request, registration },
            24 => Message::Unregistered {
                request: RequestId(0),
                revocation: Some(Revocation { id: registration, reason: self.option(Self::text) }),
            },
            25 => Message::Invocation(Invocation {
                request,
                registration,
                details: InvocationDetails {
                    procedure: self.option(Self::text),
                    caller: self.option(|random| SessionId(random.id())),
                    caller_authid: self.option(Self::text),
                    caller_authrole: self.option(Self::text),
                    trustlevel: self.option(Self::next),
                    receive_progress: self.option(Self::bool),
                    progress: self.option(Self::bool),
                    timeout_ms: self.option(Self::next),
                    passthru: passthru.into(),
                },
                payload,
            }),
            _ if self.chance(2) => Message::Interrupt {
                request,
                options: InterruptOptions { mode: self.option(Self::text), reason: self.option(Self::text) },
            },
            _ => Message::Yield(Yield {
                request,
                progress: self.option(Self::bool),
                passthru: passthru.into(),
                payload,
            }),
        }
    }
}
