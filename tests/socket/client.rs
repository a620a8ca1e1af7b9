//! A client over a real socket: RawSocket with JSON, blocking calls that fail the test after [`PATIENCE`].

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::{Value, json};

use crate::common::PATIENCE;

/// The handshakes of RawSocket: JSON, frames of up to 2^24 bytes.
const HANDSHAKE: [u8; 4] = [0x7F, 0xF1, 0, 0];

pub struct Client<S> {
    pub stream: S,
    /// Subscribed by nobody else.
    pub topic: String,
    requests: u64,
}

/// A stream on which signals go unnoticed. One that has a time limit ends a read for a signal, also where handlers restart system calls;
/// and the ring by which a router has looked whether there is io_uring goes away with one.
pub struct Steady<S>(pub S);

impl<S: Read> Read for Steady<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        again(|| self.0.read(buffer))
    }
}

impl<S: Write> Write for Steady<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        again(|| self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        again(|| self.0.flush())
    }
}

/// Does it until no signal comes in between.
pub fn again<T>(mut act: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match act() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// What TCP and Unix streams have in common.
pub trait Stream: Read + Write + Sized {
    fn end_sending(&self);
    fn copy(&self) -> Self;
}

impl Stream for TcpStream {
    fn end_sending(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }

    fn copy(&self) -> Self {
        self.try_clone().unwrap()
    }
}

impl Stream for UnixStream {
    fn end_sending(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }

    fn copy(&self) -> Self {
        self.try_clone().unwrap()
    }
}

impl Client<TcpStream> {
    /// Connects, and says nothing yet.
    pub fn tcp(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&addr, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream, topic: String::new(), requests: 0 }
    }
}

impl Client<UnixStream> {
    /// Connects, and says nothing yet.
    pub fn unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Client { stream, topic: String::new(), requests: 0 }
    }
}

impl<S: Read + Write> Client<S> {
    /// Speaks over a stream on which nothing has been said.
    pub fn over(stream: S) -> Self {
        Client { stream, topic: String::new(), requests: 0 }
    }

    /// Says what opens a session.
    pub fn hello(&mut self) {
        self.stream.write_all(&HANDSHAKE).unwrap();
        let roles = json!({"publisher": {}, "subscriber": {}, "caller": {}, "callee": {}});
        self.send(&json!([1, "realm1", {"roles": roles}]));
    }

    /// The transport's handshake alone.
    #[track_caller]
    pub fn shake_hands(&mut self) {
        self.stream.write_all(&HANDSHAKE).unwrap();
        let mut handshake = [0; 4];
        self.stream.read_exact(&mut handshake).unwrap();
        assert_eq!(handshake[..2], HANDSHAKE[..2]);
    }

    /// Sends a message and returns the one that comes.
    #[track_caller]
    pub fn ask(&mut self, message: &Value) -> Value {
        self.send(message);
        self.next()
    }

    /// Waits for the answer to [`Client::hello`], and subscribes to its topic.
    #[track_caller]
    pub fn welcome(&mut self) {
        let mut handshake = [0; 4];
        self.stream.read_exact(&mut handshake).unwrap();
        assert_eq!(handshake[..2], HANDSHAKE[..2]);
        let welcome = self.next();
        assert_eq!(welcome[0], 2, "{welcome}");
        self.topic = format!("test.own.{}", welcome[1]);
        self.subscribe(&self.topic.clone());
    }

    /// With a session.
    #[track_caller]
    pub fn joined(mut self) -> Self {
        self.hello();
        self.welcome();
        self
    }

    #[track_caller]
    pub fn subscribe(&mut self, topic: &str) {
        self.requests += 1;
        self.send(&json!([32, self.requests, {}, topic]));
        let subscribed = self.next();
        assert_eq!(subscribed[0], 33, "{subscribed}");
    }

    /// Publishes, to itself too.
    pub fn publish(&mut self, topic: &str, payload: &str) {
        self.requests += 1;
        self.send(&json!([16, self.requests, {"exclude_me": false}, topic, [payload]]));
    }

    /// Expects an EVENT with this payload.
    #[track_caller]
    pub fn expect(&mut self, payload: &str) {
        // The payload is passed on as it was written; to parse it all would take most of the time of some tests.
        let event = self.next_bytes();
        let payload = format!(",[{}]]", json!(payload));
        assert!(
            event.starts_with(b"[36,") && event.ends_with(payload.as_bytes()),
            "another message came back"
        );
    }

    /// Sends `payload` to its own topic and expects it back.
    #[track_caller]
    pub fn echo(&mut self, payload: &str) {
        self.publish(&self.topic.clone(), payload);
        self.expect(payload);
    }

    pub fn send(&mut self, message: &Value) {
        self.stream.write_all(&frame(message)).unwrap();
    }

    /// The next message.
    #[track_caller]
    pub fn next(&mut self) -> Value {
        serde_json::from_slice(&self.next_bytes()).unwrap()
    }

    #[track_caller]
    fn next_bytes(&mut self) -> Vec<u8> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head).unwrap();
        assert_eq!(head[0], 0, "not a message");
        let mut message = vec![0; u32::from_be_bytes(head) as usize];
        self.stream.read_exact(&mut message).unwrap();
        message
    }

    /// The router says GOODBYE, the client answers, the router closes, and so does the client.
    #[track_caller]
    pub fn goodbye(mut self) {
        self.expect_goodbye();
        self.send(&json!([6, {}, "wamp.close.goodbye_and_out"]));
        self.await_closed();
    }

    #[track_caller]
    pub fn expect_goodbye(&mut self) {
        let goodbye = self.next();
        assert!(goodbye[0] == 6 && goodbye[2] == "wamp.close.system_shutdown", "{goodbye}");
    }

    /// Waits until the router has closed, by whatever means.
    #[track_caller]
    pub fn await_closed(&mut self) {
        match self.stream.read(&mut [0]) {
            Ok(0) => {}
            Err(e) if matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {}
            // io_uring interrupts calls of other threads now and then.
            Err(e) if e.kind() == ErrorKind::Interrupted => self.await_closed(),
            other => panic!("{other:?} instead of the end"),
        }
    }
}

/// A message with its header.
pub fn frame(message: &Value) -> Vec<u8> {
    let message = message.to_string();
    let mut frame = (message.len() as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(message.as_bytes());
    frame
}
