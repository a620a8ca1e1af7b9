//! What a router is compared with: programs that do nothing but what sockets need. Each is one thread around an
//! edge-triggered epoll.

pub(crate) mod fanout;
pub(crate) mod relay;

use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

use crate::interrupt;

/// Bytes that are read at a time.
const BUFFER_BYTES: usize = 64 * 1024;

const BACKLOG: i32 = 1024;

/// A signal that comes just before the system waits is noticed this much later.
const NAP: Duration = Duration::from_millis(500);

const LISTENER: Token = Token(usize::MAX);

/// A socket that listens, and epoll around it.
#[derive(Debug)]
struct Host {
    poll: Poll,
    listener: Socket,
}

/// What is done with connections. They are numbered as they come.
trait Baseline {
    /// A connection has come.
    fn connected(&mut self, socket: Socket);

    /// Something has happened on a connection.
    fn on_event(&mut self, index: usize, event: &Event);
}

impl Host {
    fn bind(address: SocketAddr) -> io::Result<Host> {
        let listener = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        listener.set_reuse_address(true)?;
        listener.set_nonblocking(true)?;
        listener.bind(&address.into())?;
        listener.listen(BACKLOG)?;
        let host = Host { poll: Poll::new()?, listener };
        host.register(&host.listener, LISTENER, Interest::READABLE)?;
        Ok(host)
    }

    fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()?.as_socket().ok_or_else(|| ErrorKind::AddrNotAvailable.into())
    }

    /// Serves until the program is asked to end.
    fn run(mut self, baseline: &mut impl Baseline) -> io::Result<()> {
        // Without it, a few hundred connections still work.
        let _ = connectanum::shell::raise_open_files();
        let mut events = Events::with_capacity(1024);
        let mut count = 0;
        while !interrupt::is_asked() {
            match self.poll.poll(&mut events, Some(NAP)) {
                Err(e) if e.kind() != ErrorKind::Interrupted => return Err(e),
                _ => {}
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(baseline, &mut count)?,
                    Token(index) => baseline.on_event(index, event),
                }
            }
        }
        Ok(())
    }

    fn accept(&self, baseline: &mut impl Baseline, count: &mut usize) -> io::Result<()> {
        loop {
            let socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => continue,
            };
            socket.set_nonblocking(true)?;
            socket.set_tcp_nodelay(true)?;
            self.register(&socket, Token(*count), Interest::READABLE | Interest::WRITABLE)?;
            *count += 1;
            baseline.connected(socket);
        }
    }

    fn register(&self, socket: &Socket, token: Token, interest: Interest) -> io::Result<()> {
        self.poll.registry().register(&mut SourceFd(&socket.as_raw_fd()), token, interest)
    }
}

/// Writes what the socket takes.
fn write(socket: &mut Socket, bytes: &[u8]) -> io::Result<usize> {
    match socket.write(bytes) {
        Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(0),
        written => written,
    }
}
