//! Connections with TLS: what is read goes through it to the shard, what the shard has to say goes through it to the socket.

use std::io::ErrorKind;

use super::{Host, with_outgoing};
use crate::router::ConnId;
use crate::shell::sockets::{Connection, Outcome, Sockets};
use crate::shell::tls::Event;

impl Host {
    /// Records have come.
    #[inline(never)]
    pub(in crate::shell) fn decrypt(&mut self, conn: ConnId, mut records: &[u8], sockets: &mut Sockets) {
        self.counters.reads += 1;
        loop {
            let first = records.first().copied().unwrap_or_default();
            let Some(context) = self.shared.tls.get() else { return };
            let Some(Connection { socket, tls: Some(tls), .. }) = sockets.get_mut(conn) else { return };
            match tls.receive(&mut records, &mut self.plain, context) {
                Event::Nothing => break,
                Event::Established(peer) => {
                    self.counters.tls_handshakes += 1;
                    self.counters.tls_resumed += u64::from(tls.is_resumed());
                    self.shard.secured(conn, peer);
                }
                Event::Bytes(n) => self.shard.received(self.now, conn, &mut self.plain[..n]),
                Event::End => {
                    sockets.note(conn, Outcome::End);
                    self.shard.eof(self.now, conn);
                }
                Event::Failed(error) => {
                    tracing::debug!(shard = self.id.0, ?conn, %error, "TLS failed");
                    let established = tls.is_established();
                    tls.give_up(socket);
                    if established {
                        return self.lost(conn, sockets);
                    }
                    // It is read to its end, or to its deadline: to close now might take back what was said.
                    self.counters.tls_failed += 1;
                    return;
                }
                Event::Stranger => {
                    tracing::debug!(
                        shard = self.id.0,
                        ?conn,
                        first,
                        "a client without TLS on an address with it"
                    );
                    self.counters.tls_failed += 1;
                    return tls.refuse(socket, first);
                }
            }
        }
        self.encrypt(conn, sockets);
    }

    /// The socket has come to its end. A peer that has not said so before is gone, or somebody has cut it off.
    pub(in crate::shell) fn end_of_records(&mut self, conn: ConnId, sockets: &mut Sockets) {
        let Some(Connection { tls: Some(tls), .. }) = sockets.get_mut(conn) else { return };
        if !tls.has_ended() {
            if tls.is_established() {
                tracing::debug!(shard = self.id.0, ?conn, "cut off: no end was announced");
            } else if tls.is_speaking() {
                // A client that does not trust the certificate may go without a word.
                self.counters.tls_failed += 1;
            }
            self.lost(conn, sockets);
        }
    }

    /// Writes what waits for the connection, as far as its socket takes it.
    #[inline(never)]
    pub(super) fn encrypt(&mut self, conn: ConnId, sockets: &mut Sockets) {
        loop {
            let Some(Connection { socket, tls: Some(tls), .. }) = sockets.get_mut(conn) else { return };
            match tls.flush(socket, &mut self.counters.writes) {
                Ok(()) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return sockets.await_writable(conn),
                Err(_) => return self.lost(conn, sockets),
            }
            let sent = tls.take_sent();
            if sent > 0 && !self.shard.sent(self.now, conn, sent) {
                return;
            }
            if !with_outgoing(&self.shard, conn, |slices| !slices.is_empty() && tls.encrypt(slices)) {
                return;
            }
        }
    }

    /// Nothing more will be sent: the peer is told so.
    pub(super) fn end_records(&mut self, conn: ConnId, sockets: &mut Sockets) {
        let Some(Connection { tls: Some(tls), .. }) = sockets.get_mut(conn) else { return };
        tls.close();
        self.encrypt(conn, sockets);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use rustls::{ClientConnection, version};
    use socket2::{Domain, Socket, Type};

    use super::*;
    use crate::router::{Peer, ShardId};
    use crate::shell::host::tests::first_of_two_with;
    use crate::shell::shared::Newcomer;
    use crate::shell::tls::tests::context_and_client;

    /// A host with one connection, which is asked for TLS, and the client at its other end.
    struct Net {
        host: Host,
        sockets: Sockets,
        conn: ConnId,
        client: ClientConnection,
        far: Socket,
    }

    impl Net {
        fn new(name: &str) -> Net {
            Net::begun(name, true)
        }

        /// `has_tls`: an address asked for TLS when the host began.
        fn begun(name: &str, has_tls: bool) -> Net {
            let (context, client) = context_and_client(&version::TLS13, name);
            let (at_start, later) = if has_tls { (Some(context), None) } else { (None, Some(context)) };
            let (mut host, mut sockets, shared) = first_of_two_with(at_start);
            if let Some(context) = later {
                shared.tls.set(context).unwrap();
            }
            let (socket, far) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket.set_send_buffer_size(5000).unwrap();
            far.set_nonblocking(true).unwrap();
            let permit = shared.admit(ShardId(0), Peer::Unix).unwrap();
            host.welcome(Newcomer { socket, peer: Peer::Unix, is_secure: true, permit }, &mut sockets);
            let conn = sockets.first();
            Net { host, sockets, conn, client, far }
        }

        /// What goes across without a pause; returns what the client has got.
        fn turn(&mut self) -> Vec<u8> {
            while self.client.wants_write() && self.client.write_tls(&mut self.far).is_ok() {}
            let mut records = vec![0; 100_000];
            let socket = self.sockets.get_mut(self.conn).map(|connection| &connection.socket);
            let n = socket.map_or(0, |mut socket| socket.read(&mut records).unwrap_or(0));
            self.host.decrypt(self.conn, &records[..n], &mut self.sockets);
            self.host.finish(&mut self.sockets);
            let mut got = Vec::new();
            while self.client.read_tls(&mut self.far).is_ok_and(|n| n > 0) {
                self.client.process_new_packets().unwrap();
                let _ = self.client.reader().read_to_end(&mut got);
            }
            // The socket has room again.
            self.host.write(self.conn, &mut self.sockets);
            self.host.finish(&mut self.sockets);
            got
        }
    }

    #[test]
    fn the_shard_knows_the_peer() {
        let mut net = Net::new("host");
        net.client.writer().write_all(&[0x7F, 0xF1, 0, 0]).unwrap();
        while net.turn().is_empty() {}
        let peer = net.host.shard.tls_peer(net.conn).expect("it was told");
        assert_eq!(peer.certificate.as_ref().unwrap().subject, "CN=host");
        assert!(peer.binding.is_some());
        net.host.lost(net.conn, &mut net.sockets);
        assert!(net.host.shard.tls_peer(net.conn).is_none());
    }

    /// Another shard accepts at an address that is new, and hands over, before this one has heard of the address.
    #[test]
    fn a_shard_that_has_not_heard_of_tls_yet_speaks_it() {
        let mut net = Net::begun("news", false);
        net.client.writer().write_all(&[0x7F, 0xF1, 0, 0]).unwrap();
        let mut got = Vec::new();
        for _ in 0..1000 {
            got.extend(net.turn());
        }
        assert_eq!(got, [0x7F, 0xF1, 0, 0]);
    }

    #[test]
    fn a_handshake_that_is_cut_off_has_failed() {
        let mut net = Net::new("cut");
        net.host.end_of_records(net.conn, &mut net.sockets);
        assert_eq!(
            net.host.counters.tls_failed, 0,
            "nothing was said, as when somebody looks whether the port is open"
        );
        let mut net = Net::new("cut");
        net.turn();
        net.host.end_of_records(net.conn, &mut net.sockets);
        assert_eq!(net.host.counters.tls_failed, 1);
    }

    /// The shard closes when all is sent, and then it must be.
    #[test]
    fn all_is_written_before_a_connection_is_closed() {
        let mut net = Net::new("last");
        net.client.writer().write_all(&[0x7F, 0xF1, 0, 0]).unwrap();
        while net.turn().is_empty() {}
        // Pings, each of which comes back, more of them than fit into the socket.
        let ping = [&[1, 0, 0x40, 0][..], &[7; 0x4000]].concat();
        let mut got = Vec::new();
        for _ in 0..40 {
            net.client.writer().write_all(&ping).unwrap();
            got.extend(net.turn());
        }
        net.client.send_close_notify();
        for _ in 0..10_000 {
            got.extend(net.turn());
            if net.sockets.get_mut(net.conn).is_none() {
                break;
            }
        }
        got.extend(net.turn());
        assert!(net.sockets.get_mut(net.conn).is_none(), "it was not closed");
        assert_eq!(got.len(), 40 * ping.len());
        assert_eq!(net.client.reader().read(&mut [0]).expect("the word of end"), 0);
    }
}
