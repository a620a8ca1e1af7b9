//! What both shells run: a shard with its sockets around one edge-triggered epoll, in turns.
//!
//! A turn takes what other shards have sent, the events of the sockets, newcomers; reads once from each socket that
//! has something; then writes all that it has caused. The shells differ only in how they wait between turns. All
//! sockets of a shard share one read buffer, so a connection that is idle holds none.

use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::task::Wake;
use std::time::Duration;

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};

use super::host::{ACCEPT_PAUSE, Accepting, Host, Rest, Seat};
use super::listen::Listener;
use super::reload::Listening;
use super::sockets::{Ask, Outcome, Sockets};
use crate::limits::READ_BUFFER_BYTES;
use crate::router::Time;

/// Events that one call of epoll reports.
const EVENTS: usize = 1024;

/// TLS handshakes that go on in one turn. Each costs as much as hundreds of messages, so that many at once would hold up those
/// who are connected.
const HANDSHAKES: usize = 8;

/// The token of the bell. Listeners count down from the next, connections up from zero.
const BELL: Token = Token(usize::MAX);

/// See the module.
pub(super) struct Reactor {
    host: Host,
    poll: Poll,
    /// Those that no turn has dealt with.
    events: Events,
    /// By token; those that were closed leave a gap.
    listeners: Vec<Option<Listener>>,
    /// Indices of the listeners where somebody waits.
    accepting: Vec<usize>,
    /// When accepting goes on after the system was out of something.
    accept_at: Option<Time>,
    sockets: Sockets,
    buffer: Box<[u8]>,
    /// How long to look for events before sleeping.
    spin: Duration,
    /// The last turn found no events.
    idle: bool,
}

impl Reactor {
    /// To be called on the shard's own thread, which then owns the memory.
    ///
    /// # Errors
    /// The system gives no epoll, or does not take the listeners.
    pub(super) fn new(seat: Seat) -> io::Result<Reactor> {
        let poll = Poll::new()?;
        let spin = seat.spin;
        let (host, listeners) = Host::new(seat);
        let bell = mio::Waker::new(poll.registry(), BELL)?;
        host.bell().set_waker(Some(Arc::new(Bell(bell)).into()));
        for (i, listener) in listeners.iter().enumerate() {
            register(poll.registry(), i, listener)?;
        }
        host.ready();
        Ok(Reactor {
            listeners: listeners.into_iter().map(Some).collect(),
            accepting: Vec::new(),
            accept_at: None,
            sockets: Sockets::new(poll.registry().try_clone()?),
            buffer: vec![0; READ_BUFFER_BYTES].into(),
            events: Events::with_capacity(EVENTS),
            poll,
            host,
            spin,
            idle: true,
        })
    }

    /// Waits for events for `timeout` at most (`None`: for ever), then does a turn. Says what to do next.
    ///
    /// # Errors
    /// epoll fails.
    pub(super) fn turn(&mut self, timeout: Option<Duration>) -> io::Result<Rest> {
        if self.events.is_empty() {
            self.look(timeout)?;
        }
        self.host.begin();
        self.host.receive_mesh();
        self.take_events();
        if let Some(listening) = self.host.receive_arrivals(&mut self.sockets) {
            self.change_listeners(listening);
        }
        if self.host.is_running() {
            self.accept();
        } else {
            self.stop_listening();
        }
        self.read();
        self.host.finish(&mut self.sockets);
        self.rest()
    }

    /// Whether the last turn found no events: there is no traffic now.
    #[cfg(all(feature = "glommio", target_os = "linux", target_pointer_width = "64"))]
    pub(super) fn is_idle(&self) -> bool {
        self.idle
    }

    fn look(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(e) if e.kind() == ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            result => result,
        }
    }

    /// What to do after a turn.
    fn rest(&mut self) -> io::Result<Rest> {
        let busy = self.sockets.ready() > 0 || (!self.accepting.is_empty() && self.accept_at.is_none());
        // As long as the bell is not told that this shard sleeps, nobody rings it: that is what spinning saves, besides
        // the way to sleep and back.
        if !busy && !self.spin.is_zero() && self.host.is_running() {
            let until = self.host.clock() + self.spin;
            while !self.host.has_mail() {
                self.look(Some(Duration::ZERO))?;
                if !self.events.is_empty() {
                    return Ok(Rest::Busy);
                }
                if self.host.clock() >= until {
                    break;
                }
                std::hint::spin_loop();
            }
        }
        Ok(self.host.rest(busy, self.accept_at))
    }

    fn take_events(&mut self) {
        self.idle = self.events.is_empty();
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            self.on_event(event);
        }
        self.events = events;
        self.events.clear();
    }

    fn on_event(&mut self, event: &Event) {
        if self.sockets.owns(event.token()) {
            match self.sockets.on_event(event) {
                Ask::Nothing => {}
                Ask::Write(conn) => self.host.write(conn, &mut self.sockets),
                Ask::Lost(conn) => self.host.lost(conn, &mut self.sockets),
            }
        } else if event.token() != BELL {
            let i = listener_index(event.token());
            if !self.accepting.contains(&i) {
                self.accepting.push(i);
            }
        }
    }

    fn stop_listening(&mut self) {
        for listener in self.listeners.drain(..).flatten() {
            // The other shards' descriptors of a Unix socket keep it alive, and so the registration. It cannot fail.
            let _ = self.poll.registry().deregister(&mut SourceFd(&listener.socket.as_raw_fd()));
        }
        self.accepting.clear();
        self.accept_at = None;
    }

    /// Listens on other addresses from now on. Connections live on, and who has been let in by the system already is accepted.
    #[cold]
    fn change_listeners(&mut self, listening: Listening) {
        let Listening { add, remove, secure, done } = listening;
        for gap in &mut self.listeners {
            let Some(listener) = gap else { continue };
            if let Some((_, is_secure)) = secure.iter().find(|(id, _)| *id == listener.id) {
                listener.is_secure = *is_secure;
            }
            if remove.contains(&listener.id) {
                while self.host.is_running()
                    && self.host.accept(listener, &mut self.sockets) == Accepting::More
                {}
                // As in `stop_listening`.
                let _ = self.poll.registry().deregister(&mut SourceFd(&listener.socket.as_raw_fd()));
                *gap = None;
            }
        }
        for listener in add.into_iter().filter(|_| self.host.is_running()) {
            let i = self.listeners.iter().position(Option::is_none).unwrap_or(self.listeners.len());
            if let Err(error) = register(self.poll.registry(), i, &listener) {
                tracing::error!(%error, "a shard cannot listen on a new address");
                continue;
            }
            match self.listeners.get_mut(i) {
                Some(gap) => *gap = Some(listener),
                None => self.listeners.push(Some(listener)),
            }
        }
        // Nobody may wait for it any more.
        let _ = done.send(());
    }

    fn accept(&mut self) {
        if self.accept_at.is_some_and(|at| self.host.now() < at) {
            return;
        }
        self.accept_at = None;
        for i in std::mem::take(&mut self.accepting) {
            let Some(Some(listener)) = self.listeners.get(i) else { continue };
            match self.host.accept(listener, &mut self.sockets) {
                Accepting::Done => continue,
                Accepting::More => {}
                Accepting::Pause => self.accept_at = Some(self.host.now() + ACCEPT_PAUSE),
            }
            self.accepting.push(i);
        }
    }

    /// Reads once from each connection that is ready now.
    fn read(&mut self) {
        let mut handshakes = 0;
        for _ in 0..self.sockets.ready() {
            let Some((conn, connection)) = self.sockets.next_ready() else { continue };
            let mut socket = &connection.socket;
            let is_secure = connection.tls.is_some();
            if connection.tls.as_ref().is_some_and(|tls| tls.is_handshaking()) {
                handshakes += 1;
                if handshakes > HANDSHAKES {
                    self.sockets.make_ready(conn);
                    continue;
                }
            }
            match socket.read(&mut self.buffer) {
                Ok(0) => {
                    self.sockets.note(conn, Outcome::End);
                    match is_secure {
                        true => self.host.end_of_records(conn, &mut self.sockets),
                        false => self.host.eof(conn),
                    }
                }
                Ok(n) => {
                    self.sockets.note(conn, Outcome::Bytes { filled: n == self.buffer.len() });
                    match is_secure {
                        true => self.host.decrypt(conn, &self.buffer[..n], &mut self.sockets),
                        false => self.host.received(conn, &mut self.buffer[..n]),
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => self.sockets.note(conn, Outcome::Nothing),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.host.lost(conn, &mut self.sockets),
            }
            self.sockets.make_ready(conn);
        }
    }
}

/// The epoll's descriptor: it can be waited for like a socket.
impl AsRawFd for Reactor {
    fn as_raw_fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }
}

struct Bell(mio::Waker);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // It cannot fail while the shard's epoll lives, and after that nobody is left to wake.
        let _ = self.0.wake();
    }
}

fn register(registry: &Registry, i: usize, listener: &Listener) -> io::Result<()> {
    let fd = listener.socket.as_raw_fd();
    registry.register(&mut SourceFd(&fd), listener_token(i), Interest::READABLE)
}

fn listener_token(i: usize) -> Token {
    Token(BELL.0 - 1 - i)
}

fn listener_index(token: Token) -> usize {
    BELL.0 - 1 - token.0
}
