//! The bare fan-out: what a publisher sends goes to each of its subscribers with one `send`, and nothing else is done.
//! No router that writes to sockets one by one can do with less.
//!
//! Messages are RawSocket frames, of which only the length is looked at. Who sends is a publisher; its subscribers are
//! those that have come after it, as many as was said.

use std::io::{self, ErrorKind, Read};
use std::net::SocketAddr;

use connectanum::rawsocket;
use mio::event::Event;
use socket2::Socket;

use super::{BUFFER_BYTES, Baseline, Host, write};

/// A fan-out that listens.
#[derive(Debug)]
pub(crate) struct Fanout {
    host: Host,
    groups: Groups,
}

#[derive(Debug)]
struct Groups {
    /// Subscribers of each publisher.
    subscribers: usize,
    /// By number; `None` for those that have gone.
    members: Vec<Option<Member>>,
    buffer: Vec<u8>,
}

/// A connection.
#[derive(Debug)]
struct Member {
    socket: Socket,
    /// Numbers of its subscribers, once it has sent something.
    subscribers: Vec<usize>,
    /// The beginning of a frame.
    incoming: Vec<u8>,
    /// What it has not taken yet.
    pending: Vec<u8>,
}

impl Fanout {
    /// Listens.
    ///
    /// # Errors
    /// The address is not to be had.
    pub(crate) fn bind(address: SocketAddr, subscribers: usize) -> io::Result<Fanout> {
        let groups = Groups { subscribers, members: Vec::new(), buffer: vec![0; BUFFER_BYTES] };
        Ok(Fanout { host: Host::bind(address)?, groups })
    }

    /// The address, with the port that the system chose.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.host.address()
    }

    /// Sends until the program is asked to end.
    ///
    /// # Errors
    /// The system fails; what goes wrong with a connection ends only it and its subscribers.
    pub(crate) fn run(mut self) -> io::Result<()> {
        self.host.run(&mut self.groups)
    }
}

impl Baseline for Groups {
    fn connected(&mut self, socket: Socket) {
        let (subscribers, incoming, pending) = (Vec::new(), Vec::new(), Vec::new());
        self.members.push(Some(Member { socket, subscribers, incoming, pending }));
    }

    fn on_event(&mut self, index: usize, event: &Event) {
        if event.is_writable()
            && let Some(Some(member)) = self.members.get_mut(index)
            && member.flush().is_err()
        {
            self.end(index);
        }
        if (event.is_readable() || event.is_read_closed() || event.is_error())
            && !self.receive(index, event.is_read_closed()).unwrap_or(false)
        {
            self.end(index);
        }
    }
}

impl Groups {
    /// Reads what there is and sends it on. Returns whether the connection goes on.
    fn receive(&mut self, index: usize, closed: bool) -> io::Result<bool> {
        loop {
            let Some(Some(member)) = self.members.get_mut(index) else { return Ok(true) };
            let n = match member.socket.read(&mut self.buffer) {
                Ok(0) => return Ok(false),
                Ok(n) => n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(e) => return Err(e),
            };
            self.publish(index, n)?;
            // A short read has emptied the socket.
            if n < self.buffer.len() && !closed {
                return Ok(true);
            }
        }
    }

    /// Sends the whole frames of the `n` bytes that were read, one by one.
    fn publish(&mut self, index: usize, n: usize) -> io::Result<()> {
        self.adopt(index);
        let Some(Some(member)) = self.members.get_mut(index) else { return Ok(()) };
        let subscribers = std::mem::take(&mut member.subscribers);
        let mut incoming = std::mem::take(&mut member.incoming);
        let input = if incoming.is_empty() {
            &self.buffer[..n]
        } else {
            incoming.extend_from_slice(&self.buffer[..n]);
            &incoming[..]
        };
        let sent = send_all(input, &subscribers, &mut self.members);
        let rest = sent.as_ref().map_or(Vec::new(), |used| input[*used..].to_vec());
        if let Some(member) = &mut self.members[index] {
            member.incoming = rest;
            member.subscribers = subscribers;
        }
        sent.map(|_| ())
    }

    /// Makes a publisher of who has not sent before: its subscribers are the next that have come after it.
    fn adopt(&mut self, index: usize) {
        let (before, after) = self.members.split_at_mut(index + 1);
        if let Some(Some(publisher)) = before.last_mut()
            && publisher.subscribers.is_empty()
        {
            let here = (index + 1..).zip(after).filter(|(_, member)| member.is_some());
            publisher.subscribers = here.map(|(other, _)| other).take(self.subscribers).collect();
        }
    }

    /// A connection has gone, and its subscribers go with it.
    fn end(&mut self, index: usize) {
        let Some(Some(member)) = self.members.get_mut(index).map(Option::take) else { return };
        for subscriber in member.subscribers {
            self.members[subscriber] = None;
        }
    }
}

impl Member {
    fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        let written = if self.pending.is_empty() { write(&mut self.socket, frame)? } else { 0 };
        self.pending.extend_from_slice(&frame[written..]);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.pending.is_empty() {
            let n = write(&mut self.socket, &self.pending)?;
            if n == 0 {
                return Ok(());
            }
            self.pending.drain(..n);
        }
        Ok(())
    }
}

/// Sends the whole frames at the front of `input` to each of `subscribers`. Returns the number of their bytes.
fn send_all(input: &[u8], subscribers: &[usize], members: &mut [Option<Member>]) -> io::Result<usize> {
    let mut used = 0;
    while let Some(frame) = frame(&input[used..])? {
        used += frame.len();
        for &subscriber in subscribers {
            let member = &mut members[subscriber];
            if member.as_mut().is_some_and(|member| member.send(frame).is_err()) {
                *member = None;
            }
        }
    }
    Ok(used)
}

/// The frame at the front, if it is all there.
fn frame(input: &[u8]) -> io::Result<Option<&[u8]>> {
    let Some(head) = input.first_chunk() else { return Ok(None) };
    let header = rawsocket::parse_header(*head).map_err(io::Error::other)?;
    Ok(input.get(..head.len() + header.len))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpStream;
    use std::thread;
    use std::time::Duration;

    use connectanum::rawsocket::{FrameKind, header};

    use super::*;

    /// Streams to a fan-out to so many subscribers.
    fn connected(subscribers: usize, count: usize) -> Vec<TcpStream> {
        let fanout = Fanout::bind("127.0.0.1:0".parse().unwrap(), subscribers).unwrap();
        let address = fanout.address().unwrap();
        thread::spawn(|| fanout.run());
        // One that comes and goes, as whoever waits for a server does.
        drop(TcpStream::connect(address).unwrap());
        let connect = |_| {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            stream
        };
        (0..count).map(connect).collect()
    }

    fn message(text: &[u8]) -> Vec<u8> {
        [&header(FrameKind::Message, text.len()), text].concat()
    }

    #[track_caller]
    fn receives(stream: &mut TcpStream, message: &[u8]) {
        let mut received = vec![0; message.len()];
        stream.read_exact(&mut received).unwrap();
        assert!(received == message);
    }

    #[test]
    fn each_publisher_has_subscribers_of_its_own() {
        let mut streams = connected(2, 6);
        for publisher in [3, 0] {
            let (one, two) = (message(&[publisher as u8; 10]), message(b""));
            // In pieces, and more than one at once.
            let bytes = [&one[..], &two, &one].concat();
            for piece in bytes.chunks(9) {
                streams[publisher].write_all(piece).unwrap();
                thread::sleep(Duration::from_millis(1));
            }
            for subscriber in [publisher + 1, publisher + 2] {
                receives(&mut streams[subscriber], &bytes);
            }
        }
        drop(streams.remove(0));
        assert_eq!(streams[1].read(&mut [0]).unwrap(), 0, "a subscriber goes with its publisher");
        streams[2].write_all(&message(b"still there")).unwrap();
        receives(&mut streams[3], &message(b"still there"));
    }

    #[test]
    fn what_is_no_frame_ends_its_group() {
        let mut streams = connected(1, 4);
        streams[0].write_all(&[&message(b"well")[..], &[0xFF; 4]].concat()).unwrap();
        receives(&mut streams[1], &message(b"well"));
        assert_eq!(streams[1].read(&mut [0]).unwrap(), 0);
        streams[2].write_all(&message(b"others")).unwrap();
        receives(&mut streams[3], &message(b"others"));
    }

    #[test]
    fn a_slow_subscriber_gets_everything_and_holds_nobody_up() {
        let mut streams = connected(2, 3);
        let sent = message(&vec![7; 10_000_000]);
        let [publisher, slow, quick] = &mut streams[..] else { panic!() };
        publisher.write_all(&sent).unwrap();
        receives(quick, &sent);
        receives(slow, &sent);
    }
}
