//! A socket with what waits to be read from it and written to it.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use nix::errno::Errno;
use socket2::{Socket, Type};

use crate::scenario::{Run, Seat};
use crate::target::{Endpoint, Protocol};
use crate::wamp::{Reader, Session};
use crate::wire::{Framing, Tls};

/// One connection to the server.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) seat: Seat,
    /// Its lane's place among those of its thread. Callees that serve all lanes have none, and do not look.
    pub(super) lane: usize,
    /// How often it has been opened.
    pub(super) tries: u32,
    pub(super) session: Session,
    pub(super) framing: Framing,
    pub(super) reader: Reader,
    /// The beginning of a frame that is not all there.
    pub(super) incoming: Vec<u8>,
    /// What is to be written.
    pub(super) outgoing: Vec<u8>,
    written: usize,
    socket: Socket,
    tls: Option<Box<Tls>>,
}

impl Connection {
    /// Connects, which blocks, and prepares what is to be said first.
    pub(super) fn open(run: &Run, seat: Seat) -> io::Result<Connection> {
        let endpoint = &run.target.endpoint;
        let socket = Socket::new(endpoint.domain(), Type::STREAM, None)?;
        socket.connect(&endpoint.address()?)?;
        socket.set_nonblocking(true)?;
        Connection::new(run, seat, socket)
    }

    /// The same without waiting until it is [`Connection::connected`].
    pub(super) fn dial(run: &Run, seat: Seat) -> io::Result<Connection> {
        let endpoint = &run.target.endpoint;
        if let Endpoint::Unix(_) = endpoint {
            // It does not wait for anybody, but for room in the queue of the server: and then it would have to be
            // tried again.
            return Connection::open(run, seat);
        }
        let socket = Socket::new(endpoint.domain(), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        match socket.connect(&endpoint.address()?) {
            Err(e) if e.raw_os_error() != Some(Errno::EINPROGRESS as i32) => Err(e),
            _ => Connection::new(run, seat, socket),
        }
    }

    fn new(run: &Run, seat: Seat, socket: Socket) -> io::Result<Connection> {
        if let Endpoint::Tcp(_) = run.target.endpoint {
            socket.set_tcp_nodelay(true)?;
        }
        let mut outgoing = Vec::new();
        let protocol = &run.target.protocol;
        let (credentials, intent) = (run.credentials.clone(), run.intent(seat));
        let session =
            Session::begin(protocol, run.serializer, &run.realm, credentials, intent, &mut outgoing);
        let tls = match (&run.tls, &run.target.tls) {
            (Some(config), Some(name)) => {
                let tls = Tls::new(config.clone(), name.clone()).map_err(io::Error::other)?;
                Some(Box::new(tls))
            }
            _ => None,
        };
        let framing = match protocol {
            Protocol::WebSocket { .. } => Framing::websocket(run.serializer),
            Protocol::RawSocket | Protocol::Raw => Framing::RawSocket,
            Protocol::Nats => Framing::Nats,
        };
        let (reader, incoming) = (run.reader(seat), Vec::new());
        Ok(Connection {
            seat,
            lane: 0,
            tries: 1,
            session,
            framing,
            reader,
            incoming,
            outgoing,
            written: 0,
            socket,
            tls,
        })
    }

    /// Whether it is connected by now.
    ///
    /// # Errors
    /// The server has refused.
    pub(super) fn connected(&self) -> io::Result<bool> {
        match self.socket.take_error()? {
            Some(error) => Err(error),
            None => Ok(self.socket.peer_addr().is_ok()),
        }
    }

    /// Closes it by a reset, after all has been said: the port can be used again at once, and would else be reserved for
    /// a minute.
    pub(super) fn reset(self) {
        // Without it, the ports last as long as they last.
        let _ = self.socket.set_linger(Some(Duration::ZERO));
    }

    pub(super) fn register(&self, registry: &Registry, token: usize) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut SourceFd(&self.socket.as_raw_fd()), Token(token), interest)
    }

    pub(super) fn deregister(&self, registry: &Registry) -> io::Result<()> {
        registry.deregister(&mut SourceFd(&self.socket.as_raw_fd()))
    }

    /// Reads once; `None` if there is nothing.
    ///
    /// # Errors
    /// The connection is broken, or the server has closed it.
    #[inline]
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            let result = match &mut self.tls {
                None => self.socket.read(buffer),
                Some(tls) => tls.read(&mut self.socket, buffer),
            };
            match result {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => return Ok(Some(n)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Writes what the socket takes; the rest when it is writable again.
    ///
    /// # Errors
    /// The connection is broken.
    #[inline]
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.tls.is_some() {
            return self.flush_tls();
        }
        while self.written < self.outgoing.len() {
            match self.socket.write(&self.outgoing[self.written..]) {
                Ok(n) => self.written += n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        self.outgoing.clear();
        self.written = 0;
        Ok(())
    }

    fn flush_tls(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        tls.put(&self.outgoing)?;
        self.outgoing.clear();
        match tls.flush(&mut self.socket) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(()),
            result => result,
        }
    }

    /// Whether a read that does not fill the buffer has emptied the socket. Under TLS it has emptied a record.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.tls.is_none()
    }
}
