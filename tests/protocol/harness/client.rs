//! A client: JSON literals out, JSON values in, and what a test may demand of them.

use std::cell::{Cell, RefCell};

use connectanum::wamp::Serializer;
use serde_json::{Value, json};

use super::net::Socket;
use super::oracle;
use super::transport::{Frame, Transport, upgrade};

/// A client, with or without a session.
pub(crate) struct Client {
    pub(crate) socket: Socket,
    pub(crate) transport: Transport,
    /// Bytes that are not looked at yet.
    input: RefCell<Vec<u8>>,
    session: Cell<u64>,
    last_request: Cell<u64>,
}

impl Client {
    #[track_caller]
    pub(super) fn connect(socket: Socket, transport: Transport) -> Client {
        socket.write(&transport.hello());
        let mut input = socket.read();
        transport.accepted(&mut input);
        assert!(input.is_empty(), "more than the transport's handshake: {input:?}");
        let (session, last_request) = (Cell::new(0), Cell::new(0));
        Client { socket, transport, input: RefCell::new(input), session, last_request }
    }

    /// The same with a WebSocket, in whose request are these fields, too; also the fields of the response.
    #[track_caller]
    pub(super) fn browse(socket: Socket, serializer: Serializer, fields: &str) -> (Client, String) {
        let request = upgrade("/ws", serializer.subprotocol());
        socket.write(request.replace("\r\n\r\n", &format!("\r\n{fields}\r\n")).as_bytes());
        let mut input = socket.read();
        let head = String::from_utf8_lossy(&input).into_owned();
        let transport = Transport::WebSocket(serializer);
        transport.accepted(&mut input);
        assert!(input.is_empty(), "more than the transport's handshake: {input:?}");
        let (session, last_request) = (Cell::new(0), Cell::new(0));
        (Client { socket, transport, input: RefCell::new(input), session, last_request }, head)
    }

    /// Establishes a session.
    #[track_caller]
    pub(crate) fn welcomed(self, realm: &str) -> Client {
        self.welcomed_announcing(realm, &[])
    }

    /// Establishes a session, announcing these features in every role.
    #[track_caller]
    pub(crate) fn welcomed_announcing(self, realm: &str, features: &[&str]) -> Client {
        let mut hello = hello(realm);
        for role in ["publisher", "subscriber", "caller", "callee"] {
            let features: Value = features.iter().map(|key| ((*key).to_owned(), json!(true))).collect();
            hello[2]["roles"][role] = json!({"features": features});
        }
        self.welcomed_as(realm, &hello[2]["roles"])
    }

    /// Establishes a session with these roles.
    #[track_caller]
    pub(crate) fn welcomed_as(self, realm: &str, roles: &Value) -> Client {
        let welcome = self.ask(json!([1, realm, {"roles": roles}]));
        self.in_session(&welcome)
    }

    /// The same, with this WELCOME.
    #[track_caller]
    pub(crate) fn in_session(self, welcome: &Value) -> Client {
        assert_eq!(welcome[0], 2, "{welcome}");
        self.session.set(id(&welcome[1]));
        self.last_request.set(0);
        self
    }

    /// The id of its session.
    pub(crate) fn session(&self) -> u64 {
        self.session.get()
    }

    /// Sends a message.
    pub(crate) fn send(&self, message: Value) {
        self.send_all([message]);
    }

    /// Sends messages, all in one piece.
    pub(crate) fn send_all(&self, messages: impl IntoIterator<Item = Value>) {
        self.socket.write(&self.frames(messages));
    }

    /// Sends messages and closes the sending side behind them.
    pub(crate) fn send_last(&self, messages: impl IntoIterator<Item = Value>) {
        self.socket.finish(&self.frames(messages));
    }

    fn frames(&self, messages: impl IntoIterator<Item = Value>) -> Vec<u8> {
        let serializer = self.transport.serializer();
        let frame = |message: Value| self.transport.frame(&oracle::from_json(serializer, &message));
        messages.into_iter().flat_map(frame).collect()
    }

    /// Sends a message that is written already.
    pub(crate) fn send_bytes(&self, message: &[u8]) {
        self.socket.write(&self.transport.frame(message));
    }

    /// The next message, which must have come.
    #[track_caller]
    pub(crate) fn next(&self) -> Value {
        oracle::to_json(self.transport.serializer(), &self.next_bytes())
    }

    /// The next message as it was written.
    #[track_caller]
    pub(crate) fn next_bytes(&self) -> Vec<u8> {
        match self.next_frame() {
            Some(Frame::Message(bytes)) => bytes,
            None if self.socket.is_ended() => panic!("a message was expected, but the connection has ended"),
            other => panic!("a message was expected, not {other:?}"),
        }
    }

    /// The next frame, if one has come.
    #[track_caller]
    pub(crate) fn next_frame(&self) -> Option<Frame> {
        let mut input = self.input.borrow_mut();
        input.append(&mut self.socket.read());
        self.transport.parse(&mut input)
    }

    /// Whether something has come that was not looked at.
    pub(crate) fn has_more(&self) -> bool {
        let mut input = self.input.borrow_mut();
        input.append(&mut self.socket.read());
        !input.is_empty()
    }

    /// All messages that have come, up to a close frame.
    #[track_caller]
    pub(crate) fn all(&self) -> Vec<Value> {
        let frames = std::iter::from_fn(|| self.next_frame());
        let message = |frame| match frame {
            Frame::Message(bytes) => Some(oracle::to_json(self.transport.serializer(), &bytes)),
            Frame::Close(..) => None,
            Frame::Pong(_) => panic!("a message was expected, not {frame:?}"),
        };
        frames.map_while(message).collect()
    }

    /// Sends a message and returns the one that comes.
    #[track_caller]
    pub(crate) fn ask(&self, message: Value) -> Value {
        self.send(message);
        self.next()
    }

    /// Nothing has come, and the connection is open.
    #[track_caller]
    pub(crate) fn expect_nothing(&self) {
        if let Some(frame) = self.next_frame() {
            match frame {
                Frame::Message(bytes) => {
                    panic!("not expected: {}", oracle::to_json(self.transport.serializer(), &bytes))
                }
                other => panic!("not expected: {other:?}"),
            }
        }
        assert!(!self.socket.is_ended(), "the connection has ended");
    }

    /// The next message is this ERROR, with a text for people that contains `text`.
    #[track_caller]
    pub(crate) fn expect_error(&self, request_type: u64, request: u64, error: &str, text: &str) {
        let message = self.next();
        let [args] = &message.as_array().expect("a list")[5..] else {
            panic!("not the router's own ERROR: {message}")
        };
        assert_eq!(message, json!([8, request_type, request, {}, error, args]));
        let said = args[0].as_str().expect("a text");
        assert!(said.contains(text), "{said:?} does not contain {text:?}");
    }

    /// The next message is ABORT with this reason and a text that contains `text`; then the connection ends.
    #[track_caller]
    pub(crate) fn expect_abort(&self, reason: &str, text: &str) {
        let message = self.next();
        assert_eq!(message, json!([3, message[1], reason]));
        let said = message[1]["message"].as_str().expect("a text");
        assert!(said.contains(text), "{said:?} does not contain {text:?}");
        self.expect_closed(match reason {
            "wamp.error.protocol_violation" => 1002,
            "wamp.close.system_shutdown" => 1001,
            _ => 1000,
        });
    }

    /// The next message is ABORT for a violation of the protocol; then the connection ends.
    #[track_caller]
    pub(crate) fn expect_violation(&self, text: &str) {
        self.expect_abort("wamp.error.protocol_violation", text);
    }

    /// The router has closed, a WebSocket with this code. The client closes, too.
    #[track_caller]
    pub(crate) fn expect_closed(&self, code: u16) {
        if self.transport.is_websocket() {
            match self.next_frame() {
                Some(Frame::Close(is, _)) => assert_eq!(is, code, "close code"),
                other => panic!("a close frame was expected, not {other:?}"),
            }
        }
        assert_eq!(self.next_frame(), None);
        self.socket.expect_end();
    }

    /// A request id that it has not used.
    pub(crate) fn fresh(&self) -> u64 {
        self.last_request.set(self.last_request.get() + 1);
        self.last_request.get()
    }

    /// Subscribes to a topic; returns the subscription.
    #[track_caller]
    pub(crate) fn subscribe(&self, topic: &str) -> u64 {
        self.subscribe_with(json!({}), topic)
    }

    /// Subscribes with these options; returns the subscription.
    #[track_caller]
    pub(crate) fn subscribe_with(&self, options: Value, topic: &str) -> u64 {
        let request = self.fresh();
        let answer = self.ask(json!([32, request, options, topic]));
        assert_eq!(answer, json!([33, request, answer[2]]));
        id(&answer[2])
    }

    /// Registers a procedure; returns the registration.
    #[track_caller]
    pub(crate) fn register(&self, procedure: &str) -> u64 {
        self.register_with(json!({}), procedure)
    }

    /// Registers with these options; returns the registration.
    #[track_caller]
    pub(crate) fn register_with(&self, options: Value, procedure: &str) -> u64 {
        let request = self.fresh();
        let answer = self.ask(json!([64, request, options, procedure]));
        assert_eq!(answer, json!([65, request, answer[2]]));
        id(&answer[2])
    }

    /// The next message is an EVENT of this subscription, with these details and arguments: `[details, …]`. Returns
    /// the publication.
    #[track_caller]
    pub(crate) fn expect_event(&self, subscription: u64, rest: Value) -> u64 {
        let message = self.next();
        let publication = id(&message[2]);
        assert_eq!(message, joined(json!([36, subscription, publication]), rest));
        publication
    }

    /// The next message is an INVOCATION of this registration, with these details and arguments: `[details, …]`.
    /// Returns its request id.
    #[track_caller]
    pub(crate) fn expect_invocation(&self, registration: u64, rest: Value) -> u64 {
        let message = self.next();
        let request = id(&message[1]);
        assert_eq!(message, joined(json!([68, request, registration]), rest));
        request
    }
}

/// A HELLO with all roles and without features.
pub(crate) fn hello(realm: &str) -> Value {
    json!([1, realm, {"roles": {"publisher": {}, "subscriber": {}, "caller": {}, "callee": {}}}])
}

/// The number of an id.
#[track_caller]
pub(crate) fn id(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no id"))
}

fn joined(mut list: Value, rest: Value) -> Value {
    let (Some(list), Value::Array(rest)) = (list.as_array_mut(), rest) else { panic!("lists") };
    list.extend(rest);
    list.drain(..).collect()
}
