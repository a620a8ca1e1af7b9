//! The sockets of a shard's connections, as epoll sees them.
//!
//! A socket that has something to read goes to the end of `ready`, and each turn reads once from every socket that
//! was there when the turn began: nobody reads twice before all have read once.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use slotmap::SecondaryMap;
use socket2::Socket;

use super::shared::Permit;
use super::tls::Tls;
use crate::router::ConnId;

/// See the module.
pub(super) struct Sockets {
    map: SecondaryMap<ConnId, Connection>,
    /// Connections that can be read from, longest first.
    ready: VecDeque<ConnId>,
    /// By token. Connections are added only after all events of a turn: one that is late finds nobody, never another.
    by_token: Vec<ConnId>,
    free_tokens: Vec<u32>,
    registry: Registry,
}

/// A connection's socket, and what is known of it.
pub(super) struct Connection {
    pub(super) socket: Socket,
    /// Where its address asks for TLS.
    pub(super) tls: Option<Box<Tls>>,
    token: u32,
    state: State,
    _permit: Permit,
}

/// What is known of a socket.
#[derive(Default)]
struct State {
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
}

/// What a read from a socket brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Bytes; whether they have filled the buffer.
    Bytes { filled: bool },
    /// Nothing is there.
    Nothing,
    /// The peer has closed its side.
    End,
}

/// What an event asks for besides reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Nothing,
    /// There is room again for what waits to be written.
    Write(ConnId),
    /// The connection is broken, and nobody reads from it any more.
    Lost(ConnId),
}

impl Sockets {
    pub(super) fn new(registry: Registry) -> Self {
        Sockets {
            map: SecondaryMap::new(),
            ready: VecDeque::new(),
            by_token: Vec::new(),
            free_tokens: Vec::new(),
            registry,
        }
    }

    /// Takes in a connection.
    ///
    /// # Errors
    /// epoll does not take its socket. The connection is there all the same, to be closed.
    pub(super) fn add(
        &mut self,
        conn: ConnId,
        socket: Socket,
        tls: Option<Box<Tls>>,
        permit: Permit,
    ) -> io::Result<()> {
        // A shard has fewer connections than there are descriptors, which are ints.
        let token = self.free_tokens.pop().unwrap_or(self.by_token.len() as u32);
        match self.by_token.get_mut(token as usize) {
            Some(slot) => *slot = conn,
            None => self.by_token.push(conn),
        }
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered =
            self.registry.register(&mut SourceFd(&socket.as_raw_fd()), Token(token as usize), interest);
        self.map.insert(conn, Connection { socket, tls, token, state: State::default(), _permit: permit });
        registered
    }

    /// The connection, if it is there.
    pub(super) fn get_mut(&mut self, conn: ConnId) -> Option<&mut Connection> {
        self.map.get_mut(conn)
    }

    /// The socket takes no more: an event will tell when it does.
    pub(super) fn await_writable(&mut self, conn: ConnId) {
        if let Some(connection) = self.map.get_mut(conn) {
            connection.state.full = true;
        }
    }

    /// Do not read from the connection, or read again.
    pub(super) fn pause(&mut self, conn: ConnId, paused: bool) {
        if let Some(connection) = self.map.get_mut(conn) {
            connection.state.paused = paused;
            self.make_ready(conn);
        }
    }

    /// Closes the connection.
    pub(super) fn close(&mut self, conn: ConnId) {
        // Closing the only descriptor of a socket takes it out of epoll.
        if let Some(connection) = self.map.remove(conn) {
            self.by_token[connection.token as usize] = ConnId::default();
            self.free_tokens.push(connection.token);
        }
    }

    /// A connection, if there is one.
    #[cfg(test)]
    pub(super) fn first(&self) -> ConnId {
        self.map.keys().next().unwrap_or_default()
    }

    /// Whether `token` is, or was, that of a connection.
    pub(super) fn owns(&self, token: Token) -> bool {
        token.0 < self.by_token.len()
    }

    /// Notes what an event says of one of the connections.
    pub(super) fn on_event(&mut self, event: &Event) -> Ask {
        let Some(&conn) = self.by_token.get(event.token().0) else { return Ask::Nothing };
        let Some(connection) = self.map.get_mut(conn) else { return Ask::Nothing };
        let state = &mut connection.state;
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            state.readable = true;
            state.closed |= event.is_read_closed() || event.is_error();
        }
        // What a broken connection still had to say is read first, unless nobody reads any more.
        if event.is_error() && (state.paused || state.eof) {
            return Ask::Lost(conn);
        }
        let write = event.is_writable() && std::mem::take(&mut state.full);
        self.make_ready(conn);
        if write { Ask::Write(conn) } else { Ask::Nothing }
    }

    /// Connections that can be read from.
    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// The connection that has waited longest to be read from, if it still may.
    pub(super) fn next_ready(&mut self) -> Option<(ConnId, &Connection)> {
        let conn = self.ready.pop_front()?;
        let connection = self.map.get_mut(conn)?;
        connection.state.queued = false;
        (!connection.state.paused && !connection.state.eof).then_some((conn, connection))
    }

    /// Notes what a read has brought, before the shard is told of it.
    pub(super) fn note(&mut self, conn: ConnId, outcome: Outcome) {
        let Some(connection) = self.map.get_mut(conn) else { return };
        let state = &mut connection.state;
        match outcome {
            // A short read has emptied the socket, and epoll tells when there is more. Not so if it has told already
            // that the peer has closed: it does not say that twice.
            Outcome::Bytes { filled } => state.readable = filled || state.closed,
            Outcome::Nothing => {
                state.readable = false;
                state.closed = false;
            }
            Outcome::End => state.eof = true,
        }
    }

    /// Queues the connection to be read from, if there is reason to.
    pub(super) fn make_ready(&mut self, conn: ConnId) {
        if let Some(Connection { state, .. }) = self.map.get_mut(conn)
            && state.readable
            && !(state.queued || state.paused || state.eof)
        {
            state.queued = true;
            self.ready.push_back(conn);
        }
    }
}
