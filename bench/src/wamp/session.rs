//! From a connected socket to a connection that takes part: the transport's handshake, joining the realm, and the one
//! subscription or registration.

use std::sync::Arc;

use connectanum::rawsocket;
use connectanum::wamp::list::TextList;
use connectanum::wamp::message::{
    ClientRoles, Features, Hello, InvokePolicy, MatchPolicy, RawValue, RegisterOptions, SubscribeOptions,
};
use connectanum::wamp::{Message, RequestId, Serializer, encode, scan};

use super::{AuthError, Credentials, describe};
use crate::target::Protocol;
use crate::wire::{Frame, Upgrade, WireError, nats};

/// What a connection is for, once it has joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    /// To send.
    Send,
    /// To receive what is published to this topic.
    Subscribe(String),
    /// To be there, and to have that many subscriptions below a prefix.
    SubscribeAll {
        /// What their topics begin with.
        prefix: String,
        /// How many.
        count: u32,
        /// What they match.
        policy: MatchPolicy,
    },
    /// To serve this procedure, perhaps with others.
    Register(String, InvokePolicy),
}

/// The steps that a connection takes before it takes part.
#[derive(Debug)]
pub(crate) struct Session {
    step: Step,
    /// As the router has called it.
    id: Option<u64>,
    /// Requests that have been answered.
    answered: u32,
    serializer: Serializer,
    realm: String,
    credentials: Arc<Credentials>,
    intent: Intent,
}

#[derive(Debug)]
enum Step {
    Upgrading(Upgrade),
    ShakingHands,
    /// HELLO is sent.
    Joining,
    /// SUBSCRIBE or REGISTER is sent; or NATS's PING.
    Arming,
    Ready,
    /// GOODBYE is sent.
    Leaving,
    /// It is answered.
    Left,
}

/// The server says no, or something unexpected.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SessionError {
    /// Another message.
    #[error("received {received} instead of {expected}")]
    Message {
        /// What came.
        received: String,
        /// What was to come.
        expected: &'static str,
    },
    /// A challenge without an answer.
    #[error("received {0}")]
    Auth(#[from] AuthError),
}

impl Session {
    /// Begins: appends what is to be sent first.
    pub(crate) fn begin(
        protocol: &Protocol,
        serializer: Serializer,
        realm: &str,
        credentials: Arc<Credentials>,
        intent: Intent,
        out: &mut Vec<u8>,
    ) -> Session {
        let step = match protocol {
            Protocol::WebSocket { host, path } => {
                Step::Upgrading(Upgrade::request(host, path, serializer, out))
            }
            Protocol::RawSocket => {
                out.extend_from_slice(&rawsocket::client_hello(serializer, rawsocket::FRAME_BYTES_MAX));
                Step::ShakingHands
            }
            Protocol::Raw => Step::Ready,
            Protocol::Nats => {
                nats::open(intent.subject(), out);
                Step::Arming
            }
        };
        Session { step, id: None, answered: 0, serializer, realm: realm.to_owned(), credentials, intent }
    }

    /// Whether the connection takes part.
    #[inline]
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.step, Step::Ready)
    }

    /// The session's id, once it has joined.
    #[inline]
    pub(crate) fn id(&self) -> Option<u64> {
        self.id
    }

    /// Says good-bye: the message to send.
    pub(crate) fn leave(&mut self) -> Vec<u8> {
        self.step = Step::Leaving;
        self.encoded(&Message::Goodbye { message: None, reason: "wamp.close.close_realm".into() })
    }

    /// Whether the server has said good-bye, too.
    pub(crate) fn has_left(&self) -> bool {
        matches!(self.step, Step::Left)
    }

    /// Whether what comes in is for [`Session::handshake`]; else it comes in frames.
    #[inline]
    pub(crate) fn is_shaking_hands(&self) -> bool {
        matches!(self.step, Step::Upgrading(_) | Step::ShakingHands)
    }

    /// Takes the server's part of the transport's handshake from the front of `input`. Returns how many bytes that
    /// was, and the message to send then; `None` if more must come.
    ///
    /// # Errors
    /// The server does not agree.
    pub(crate) fn handshake(&mut self, input: &[u8]) -> Result<Option<(usize, Vec<u8>)>, WireError> {
        let consumed = match &self.step {
            Step::Upgrading(upgrade) => upgrade.response(input)?,
            _ => match input.first_chunk() {
                None => None,
                Some(octets) => {
                    let agreed = rawsocket::parse_reply(*octets)?.serializer;
                    if agreed != self.serializer {
                        return Err(WireError::OtherSerializer(self.serializer, agreed));
                    }
                    Some(octets.len())
                }
            },
        };
        let Some(consumed) = consumed else { return Ok(None) };
        self.step = Step::Joining;
        Ok(Some((consumed, self.hello())))
    }

    /// Takes a frame that comes before the connection is ready, or after it has begun to leave. Returns the message to send then, if there is one.
    ///
    /// # Errors
    /// The server refuses.
    pub(crate) fn frame(&mut self, frame: &Frame<'_>) -> Result<Option<Vec<u8>>, SessionError> {
        let body = match (frame, &self.step) {
            (Frame::Message(body), _) => body,
            (Frame::Pong, Step::Arming) => {
                self.step = Step::Ready;
                return Ok(None);
            }
            _ => return Ok(None),
        };
        let refused =
            |expected| Err(SessionError::Message { received: describe(self.serializer, body), expected });
        match (&self.step, scan(self.serializer, body)) {
            (Step::Joining, Ok(Message::Welcome(welcome))) => {
                self.id = Some(welcome.session.0);
                let request = self.request();
                self.step = if request.is_some() { Step::Arming } else { Step::Ready };
                Ok(request)
            }
            (Step::Joining, Ok(Message::Challenge { method, extra })) => {
                let signature = self.credentials.answer(&method, extra)?.into();
                Ok(Some(self.encoded(&Message::Authenticate { signature, extra: self.nothing() })))
            }
            (Step::Arming, Ok(Message::Subscribed { .. } | Message::Registered { .. })) => {
                self.answered += 1;
                let request = self.request();
                if request.is_none() {
                    self.step = Step::Ready;
                }
                Ok(request)
            }
            (Step::Leaving, Ok(Message::Goodbye { .. })) => {
                self.step = Step::Left;
                Ok(None)
            }
            (Step::Joining, _) => refused("WELCOME"),
            (Step::Leaving, _) => refused("GOODBYE"),
            _ => refused("SUBSCRIBED or REGISTERED"),
        }
    }

    fn hello(&self) -> Vec<u8> {
        let role = Some(Features::default());
        let methods = self.credentials.methods();
        self.encoded(&Message::Hello(Hello {
            realm: self.realm.as_str().into(),
            roles: ClientRoles { publisher: role, subscriber: role, caller: role, callee: role },
            agent: Some(concat!("connectanum-bench-", env!("CARGO_PKG_VERSION")).into()),
            authmethods: (!methods.is_empty()).then_some(TextList::Slice(&methods)),
            authid: self.credentials.authid.as_deref().map(Into::into),
            authrole: None,
            authextra: None,
        }))
    }

    /// The next request, if there is another.
    fn request(&self) -> Option<Vec<u8>> {
        let request = RequestId(u64::from(self.answered) + 1);
        let subscribe = |topic: String, match_policy| Message::Subscribe {
            request,
            options: SubscribeOptions { match_policy, ..SubscribeOptions::default() },
            topic: topic.into(),
        };
        let message = match &self.intent {
            Intent::SubscribeAll { prefix, count, policy } if self.answered < *count => {
                subscribe(format!("{prefix}.{}", self.answered), *policy)
            }
            Intent::Subscribe(topic) if self.answered == 0 => subscribe(topic.clone(), MatchPolicy::Exact),
            Intent::Register(procedure, invoke) if self.answered == 0 => Message::Register {
                request,
                options: RegisterOptions { invoke: *invoke, ..RegisterOptions::default() },
                procedure: procedure.as_str().into(),
            },
            _ => return None,
        };
        Some(self.encoded(&message))
    }

    /// An empty dictionary.
    fn nothing(&self) -> RawValue<'static> {
        let bytes: &[u8] = match self.serializer {
            Serializer::Json => b"{}",
            Serializer::MsgPack => b"\x80",
            Serializer::Cbor => b"\xA0",
        };
        RawValue { serializer: self.serializer, bytes }
    }

    fn encoded(&self, message: &Message<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(message, self.serializer, &mut bytes);
        bytes
    }
}

impl Intent {
    fn subject(&self) -> Option<&str> {
        match self {
            Intent::Subscribe(topic) => Some(topic),
            Intent::Send | Intent::SubscribeAll { .. } | Intent::Register(..) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERIALIZER: Serializer = Serializer::Json;

    fn begin(protocol: Protocol, intent: Intent) -> (Session, String) {
        let mut out = Vec::new();
        let session = Session::begin(&protocol, SERIALIZER, "realm1", Arc::default(), intent, &mut out);
        (session, String::from_utf8_lossy(&out).into_owned())
    }

    fn joining(intent: Intent) -> Session {
        let (mut session, _) = begin(Protocol::RawSocket, intent);
        assert!(session.is_shaking_hands());
        assert!(session.handshake(&[0x7F, 0xF1]).unwrap().is_none());
        let (used, hello) = session.handshake(&[0x7F, 0xF1, 0, 0, 9]).unwrap().unwrap();
        assert_eq!(used, 4);
        assert!(matches!(scan(SERIALIZER, &hello), Ok(Message::Hello(hello)) if hello.realm == "realm1"));
        assert!(!session.is_shaking_hands() && !session.is_ready());
        session
    }

    const WELCOME: Frame<'_> = Frame::Message(br#"[2,1,{"roles":{"broker":{},"dealer":{}}}]"#);

    #[test]
    fn a_subscriber_subscribes_and_is_ready() {
        let mut session = joining(Intent::Subscribe("a.b".to_owned()));
        assert_eq!(session.frame(&Frame::Ping(b"")).unwrap(), None);
        let request = session.frame(&WELCOME).unwrap().unwrap();
        assert_eq!(request, br#"[32,1,{},"a.b"]"#);
        assert_eq!(session.id(), Some(1));
        assert!(!session.is_ready());
        assert_eq!(session.frame(&Frame::Message(b"[33,1,5]")).unwrap(), None);
        assert!(session.is_ready());
    }

    #[test]
    fn many_subscriptions_come_one_by_one() {
        let (prefix, policy) = ("p".to_owned(), MatchPolicy::Prefix);
        let mut session = joining(Intent::SubscribeAll { prefix, count: 2, policy });
        let requests = [WELCOME, Frame::Message(b"[33,1,5]"), Frame::Message(b"[33,2,6]")]
            .map(|frame| session.frame(&frame));
        let [first, second, third] = requests.map(Result::unwrap);
        assert_eq!(first.unwrap(), br#"[32,1,{"match":"prefix"},"p.0"]"#);
        assert_eq!(second.unwrap(), br#"[32,2,{"match":"prefix"},"p.1"]"#);
        assert!(third.is_none() && session.is_ready());
    }

    #[test]
    fn a_sender_is_ready_when_welcome() {
        let mut session = joining(Intent::Send);
        assert_eq!(session.frame(&WELCOME).unwrap(), None);
        assert!(session.is_ready());
    }

    #[test]
    fn good_bye() {
        let mut session = joining(Intent::Send);
        session.frame(&WELCOME).unwrap();
        assert_eq!(session.leave(), br#"[6,{},"wamp.close.close_realm"]"#);
        assert!(!session.has_left() && !session.is_ready());
        let error = session.frame(&WELCOME).unwrap_err().to_string();
        assert!(error.contains("instead of GOODBYE"), "{error}");
        session.frame(&Frame::Message(br#"[6,{},"wamp.close.goodbye_and_out"]"#)).unwrap();
        assert!(session.has_left());
    }

    #[test]
    fn refusals() {
        let refused = |session: &mut Session, message: &[u8]| {
            session.frame(&Frame::Message(message)).unwrap_err().to_string()
        };
        let mut session = joining(Intent::Register("p".to_owned(), InvokePolicy::Single));
        let abort = refused(&mut session, br#"[3,{"message":"no"},"wamp.error.no_such_realm"]"#);
        assert_eq!(abort, "received ABORT wamp.error.no_such_realm no instead of WELCOME");
        session.frame(&WELCOME).unwrap();
        let error = refused(&mut session, br#"[8,64,1,{},"wamp.error.procedure_already_exists"]"#);
        assert!(error.starts_with("received ERROR wamp.error.procedure_already_exists"), "{error}");

        let (mut session, _) = begin(Protocol::RawSocket, Intent::Send);
        assert!(
            session.handshake(&[0x7F, 0xF2, 0, 0]).unwrap_err().to_string().contains("agreed to MsgPack")
        );
    }

    #[test]
    fn a_challenge_is_answered() {
        let (mut session, _) = begin(Protocol::RawSocket, Intent::Send);
        session.credentials = Arc::new(Credentials {
            authid: Some("joe".to_owned()),
            ticket: Some("t".to_owned()),
            secret: Some("s".to_owned()),
        });
        let (_, hello) = session.handshake(&[0x7F, 0xF1, 0, 0]).unwrap().unwrap();
        let hello = String::from_utf8(hello).unwrap();
        assert!(hello.contains(r#""authmethods":["ticket","wampcra"]"#), "{hello}");
        assert!(hello.contains(r#""authid":"joe""#), "{hello}");
        let answer = session.frame(&Frame::Message(br#"[4,"ticket",{}]"#)).unwrap().unwrap();
        assert_eq!(answer, br#"[5,"t",{}]"#);
        assert_eq!(session.frame(&WELCOME).unwrap(), None);
        assert!(session.is_ready());
    }

    #[test]
    fn others_than_wamp() {
        let (session, sent) = begin(Protocol::Raw, Intent::Subscribe("s".to_owned()));
        assert!(session.is_ready() && sent.is_empty());
        let (mut session, sent) = begin(Protocol::Nats, Intent::Subscribe("s".to_owned()));
        assert!(sent.ends_with("\r\nSUB s 1\r\nPING\r\n"), "{sent}");
        assert_eq!(session.frame(&Frame::Other).unwrap(), None);
        assert!(!session.is_ready());
        assert_eq!(session.frame(&Frame::Pong).unwrap(), None);
        assert!(session.is_ready());
    }
}
