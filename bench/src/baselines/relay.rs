//! The raw relay: pairs connections in the order of their arrival and copies what one sends to the other. It knows no
//! protocol at all, so no router on sockets can do with less: one thread, and `epoll_wait`, `recv` and `send` for
//! what has arrived on one connection.

use std::io::{self, ErrorKind, Read};
use std::net::SocketAddr;

use mio::event::Event;
use socket2::Socket;

use super::{BUFFER_BYTES, Baseline, Host, write};

/// A relay that listens.
#[derive(Debug)]
pub(crate) struct Relay {
    host: Host,
    pairs: Pairs,
}

#[derive(Debug)]
struct Pairs {
    /// By number; `None` for those that have gone. Two that were paired are neighbours.
    sides: Vec<Option<Side>>,
    buffer: Vec<u8>,
}

/// One end of a pair.
#[derive(Debug)]
struct Side {
    socket: Socket,
    /// Read from here, but the other has not taken it yet.
    pending: Vec<u8>,
}

impl Relay {
    /// Listens.
    ///
    /// # Errors
    /// The address is not to be had.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Relay> {
        let pairs = Pairs { sides: Vec::new(), buffer: vec![0; BUFFER_BYTES] };
        Ok(Relay { host: Host::bind(address)?, pairs })
    }

    /// The address, with the port that the system chose.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.host.address()
    }

    /// Copies until the program is asked to end.
    ///
    /// # Errors
    /// The system fails; what goes wrong with a connection ends only its pair.
    pub(crate) fn run(mut self) -> io::Result<()> {
        self.host.run(&mut self.pairs)
    }
}

impl Baseline for Pairs {
    fn connected(&mut self, socket: Socket) {
        let index = self.sides.len();
        self.sides.push(Some(Side { socket, pending: Vec::new() }));
        if index % 2 == 1 {
            // What the first has sent in the meantime.
            self.copied(index - 1, false);
        }
    }

    fn on_event(&mut self, index: usize, event: &Event) {
        let other = other(index);
        let waits = |side: &Option<Side>| side.as_ref().is_some_and(|side| !side.pending.is_empty());
        if event.is_writable() && self.sides.get(other).is_some_and(waits) {
            self.copied(other, false);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.copied(index, event.is_read_closed());
        }
    }
}

impl Pairs {
    /// Copies from a side to the other, and ends both if one has.
    fn copied(&mut self, from: usize, closed: bool) {
        let first = from.min(other(from));
        let Some(pair) = self.sides.get_mut(first..first + 2) else { return };
        let [Some(a), Some(b)] = pair else { return };
        let (from, to) = if from == first { (a, b) } else { (b, a) };
        if !copy(from, &mut to.socket, &mut self.buffer, closed).unwrap_or(false) {
            pair.fill_with(|| None);
        }
    }
}

/// The other side of a pair.
fn other(index: usize) -> usize {
    index ^ 1
}

/// Copies what there is. Returns whether the connection goes on.
fn copy(from: &mut Side, to: &mut Socket, buffer: &mut [u8], closed: bool) -> io::Result<bool> {
    loop {
        if !from.pending.is_empty() {
            let n = write(to, &from.pending)?;
            from.pending.drain(..n);
            if !from.pending.is_empty() {
                return Ok(true);
            }
        }
        let n = match from.socket.read(buffer) {
            Ok(0) => return Ok(false),
            Ok(n) => n,
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(e) => return Err(e),
        };
        let written = write(to, &buffer[..n])?;
        from.pending.extend_from_slice(&buffer[written..n]);
        // A short read has emptied the socket.
        if n < buffer.len() && from.pending.is_empty() && !closed {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpStream;
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn connected() -> (TcpStream, TcpStream) {
        let relay = Relay::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = relay.address().unwrap();
        thread::spawn(|| relay.run());
        let connect = || {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            stream
        };
        (connect(), connect())
    }

    #[test]
    fn copies_both_ways_and_ends_both() {
        let (mut a, mut b) = connected();
        let mut buffer = [0; 5];
        a.write_all(b"hello").unwrap();
        b.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"hello");
        b.write_all(b"world").unwrap();
        a.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"world");
        drop(a);
        assert_eq!(b.read(&mut buffer).unwrap(), 0);
    }

    #[test]
    fn a_slow_reader_gets_everything() {
        let (mut a, mut b) = connected();
        let sent: Vec<u8> = (0..20_000_000_u32).map(|i| (i % 251) as u8).collect();
        let expected = sent.clone();
        let writer = thread::spawn(move || {
            a.write_all(&sent).unwrap();
            a
        });
        thread::sleep(Duration::from_millis(100));
        let mut received = vec![0; expected.len()];
        b.read_exact(&mut received).unwrap();
        assert!(received == expected);
        drop(writer.join().unwrap());
        assert_eq!(b.read(&mut [0]).unwrap(), 0);
    }
}
