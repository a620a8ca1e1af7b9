//! The portable shell: one thread per shard around an edge-triggered epoll.
//!
//! A socket that has something to read goes to the end of `ready`, and each turn reads once from every socket that
//! was there when the turn began: nobody reads twice before all have read once. All sockets of a shard share one
//! read buffer, so a connection that is idle holds none.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::task::Wake;
use std::time::Duration;

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};
use slotmap::SecondaryMap;
use socket2::{SockRef, Socket};

use super::host::{ACCEPT_PAUSE, Accepted, Accepting, Host, Rest, Seat, Sockets};
use super::listen::Listener;
use super::shared::Permit;
use crate::limits::READ_BUFFER_BYTES;
use crate::router::{ConnId, Time};

/// Events that one call of epoll reports.
const EVENTS: usize = 1024;

/// The token of the bell. Listeners count down from the next, connections up from zero.
const BELL: Token = Token(usize::MAX);

/// Runs a shard until the router has shut down.
pub(super) fn run(seat: Seat) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let (host, listeners) = Host::new(seat);
    let bell = mio::Waker::new(poll.registry(), BELL)?;
    host.bell().set_waker(Some(Arc::new(Bell(bell)).into()));
    for (i, listener) in listeners.iter().enumerate() {
        register(poll.registry(), &listener.socket, listener_token(i), Interest::READABLE)?;
    }
    let mut shell = Epoll {
        listeners,
        accepting: Vec::new(),
        accept_at: None,
        connections: Connections::new(poll.registry().try_clone()?),
        buffer: vec![0; READ_BUFFER_BYTES].into(),
        host,
    };
    let mut events = Events::with_capacity(EVENTS);
    let mut timeout = Some(Duration::ZERO);
    loop {
        match poll.poll(&mut events, timeout) {
            Err(e) if e.kind() != ErrorKind::Interrupted => return Err(e),
            _ => {}
        }
        match shell.turn(&events) {
            Rest::Busy => timeout = Some(Duration::ZERO),
            Rest::Sleep(until) => timeout = until,
            Rest::End => return Ok(()),
        }
    }
}

struct Epoll {
    host: Host,
    listeners: Vec<Listener>,
    /// Indices of the listeners where somebody waits.
    accepting: Vec<usize>,
    /// When accepting goes on after the system was out of something.
    accept_at: Option<Time>,
    connections: Connections,
    buffer: Box<[u8]>,
}

impl Epoll {
    fn turn(&mut self, events: &Events) -> Rest {
        self.host.begin();
        self.host.receive_mesh();
        for event in events {
            self.on_event(event);
        }
        if self.host.is_running() {
            self.accept();
        } else {
            self.stop_listening();
        }
        self.read();
        self.host.finish(&mut self.connections);
        let busy =
            !self.connections.ready.is_empty() || (!self.accepting.is_empty() && self.accept_at.is_none());
        self.host.rest(busy, self.accept_at)
    }

    fn on_event(&mut self, event: &Event) {
        let Token(token) = event.token();
        if let Some(&conn) = self.connections.by_token.get(token) {
            self.on_connection_event(conn, event);
        } else if event.token() != BELL {
            let i = listener_index(event.token());
            if !self.accepting.contains(&i) {
                self.accepting.push(i);
            }
        }
    }

    fn on_connection_event(&mut self, conn: ConnId, event: &Event) {
        let Some(connection) = self.connections.map.get_mut(conn) else { return };
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            connection.readable = true;
            connection.closed |= event.is_read_closed() || event.is_error();
        }
        // What a broken connection still had to say is read first, unless nobody reads any more.
        if event.is_error() && (connection.paused || connection.eof) {
            return self.host.lost(conn, &mut self.connections);
        }
        let write = event.is_writable() && std::mem::take(&mut connection.full);
        self.connections.make_ready(conn);
        if write {
            self.host.write(conn, &mut self.connections);
        }
    }

    fn stop_listening(&mut self) {
        for listener in self.listeners.drain(..) {
            // The other shards' descriptors of a Unix socket keep it alive, and so the registration. It cannot fail.
            let _ = self.connections.registry.deregister(&mut SourceFd(&listener.socket.as_raw_fd()));
        }
        self.accepting.clear();
        self.accept_at = None;
    }

    fn accept(&mut self) {
        if self.accept_at.is_some_and(|at| self.host.now() < at) {
            return;
        }
        self.accept_at = None;
        for i in std::mem::take(&mut self.accepting) {
            let Some(listener) = self.listeners.get(i) else { continue };
            match self.host.accept(listener, &mut self.connections) {
                Accepting::Done => continue,
                Accepting::More => {}
                Accepting::Pause => self.accept_at = Some(self.host.now() + ACCEPT_PAUSE),
            }
            self.accepting.push(i);
        }
    }

    /// Reads once from each connection that is ready now.
    fn read(&mut self) {
        for _ in 0..self.connections.ready.len() {
            let Some(conn) = self.connections.ready.pop_front() else { return };
            let Some(connection) = self.connections.map.get_mut(conn) else { continue };
            connection.queued = false;
            if connection.paused || connection.eof {
                continue;
            }
            match connection.socket.read(&mut self.buffer) {
                Ok(0) => {
                    connection.eof = true;
                    self.host.eof(conn);
                }
                Ok(n) => {
                    // A short read has emptied the socket, and epoll tells when there is more. Not so if it has told
                    // already that the peer has closed: it does not say that twice.
                    connection.readable = n == self.buffer.len() || connection.closed;
                    self.host.received(conn, &mut self.buffer[..n]);
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    connection.readable = false;
                    connection.closed = false;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.host.lost(conn, &mut self.connections),
            }
            self.connections.make_ready(conn);
        }
    }
}

/// The sockets of the shard's connections.
struct Connections {
    map: SecondaryMap<ConnId, Connection>,
    /// Connections that can be read from, longest first.
    ready: VecDeque<ConnId>,
    /// By token. Connections are added only after all events of a turn: one that is late finds nobody, never another.
    by_token: Vec<ConnId>,
    free_tokens: Vec<usize>,
    registry: Registry,
}

struct Connection {
    socket: Socket,
    token: usize,
    /// Reading may bring something.
    readable: bool,
    /// No more to be read after what has come.
    closed: bool,
    /// The shard knows of the end of file.
    eof: bool,
    paused: bool,
    /// Bytes wait until the socket is writable.
    full: bool,
    /// In `ready`.
    queued: bool,
    _permit: Permit,
}

impl Connections {
    fn new(registry: Registry) -> Self {
        Connections {
            map: SecondaryMap::new(),
            ready: VecDeque::new(),
            by_token: Vec::new(),
            free_tokens: Vec::new(),
            registry,
        }
    }

    /// Queues the connection to be read from, if there is reason to.
    fn make_ready(&mut self, conn: ConnId) {
        if let Some(connection) = self.map.get_mut(conn)
            && connection.readable
            && !(connection.queued || connection.paused || connection.eof)
        {
            connection.queued = true;
            self.ready.push_back(conn);
        }
    }
}

impl Sockets for Connections {
    fn add(&mut self, accepted: Accepted) -> io::Result<()> {
        let Accepted { conn, socket, permit } = accepted;
        let token = self.free_tokens.pop().unwrap_or(self.by_token.len());
        match self.by_token.get_mut(token) {
            Some(slot) => *slot = conn,
            None => self.by_token.push(conn),
        }
        let registered =
            register(&self.registry, &socket, Token(token), Interest::READABLE | Interest::WRITABLE);
        let connection = Connection {
            socket,
            token,
            readable: false,
            closed: false,
            eof: false,
            paused: false,
            full: false,
            queued: false,
            _permit: permit,
        };
        self.map.insert(conn, connection);
        registered
    }

    fn socket(&self, conn: ConnId) -> Option<SockRef<'_>> {
        self.map.get(conn).map(|connection| SockRef::from(&connection.socket))
    }

    fn await_writable(&mut self, conn: ConnId) {
        if let Some(connection) = self.map.get_mut(conn) {
            connection.full = true;
        }
    }

    fn pause(&mut self, conn: ConnId, paused: bool) {
        if let Some(connection) = self.map.get_mut(conn) {
            connection.paused = paused;
            self.make_ready(conn);
        }
    }

    fn close(&mut self, conn: ConnId) {
        // Closing the only descriptor of a socket takes it out of epoll.
        if let Some(connection) = self.map.remove(conn) {
            self.by_token[connection.token] = ConnId::default();
            self.free_tokens.push(connection.token);
        }
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

fn register(registry: &Registry, socket: &Socket, token: Token, interest: Interest) -> io::Result<()> {
    registry.register(&mut SourceFd(&socket.as_raw_fd()), token, interest)
}

fn listener_token(i: usize) -> Token {
    Token(BELL.0 - 1 - i)
}

fn listener_index(token: Token) -> usize {
    BELL.0 - 1 - token.0
}
