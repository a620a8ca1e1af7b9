//! Connections with TLS: what is read goes through it to the shard, what the shard has to say goes through it to the socket.

use std::io::{ErrorKind, IoSlice};

use super::{FEW_SLICES, Host, WRITE_SLICES};
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
            let Some(context) = &self.shared.tls else { return };
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
            let (mut few, mut many);
            few = [IoSlice::new(&[]); FEW_SLICES];
            let filled = self.shard.outgoing(conn, &mut few);
            let mut slices = &few[..filled];
            if filled == FEW_SLICES {
                many = [IoSlice::new(&[]); WRITE_SLICES];
                let filled = self.shard.outgoing(conn, &mut many);
                slices = &many[..filled];
            }
            if slices.is_empty() || !tls.encrypt(slices) {
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

    use rustls::version;
    use socket2::{Domain, Socket, Type};

    use crate::router::{Peer, ShardId};
    use crate::shell::host::tests::first_of_two_with;
    use crate::shell::shared::Newcomer;
    use crate::shell::tls::tests::context_and_client;

    /// The shard knows who it is before it gets the first byte: the RawSocket handshake, which comes with the last record of
    /// the TLS handshake, is answered in the same turn.
    #[test]
    fn the_shard_knows_the_peer_before_its_first_byte() {
        let (context, mut client) = context_and_client(&version::TLS13, "host");
        let (mut host, mut sockets, shared) = first_of_two_with(Some(context));
        let (socket, mut far) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        far.set_nonblocking(true).unwrap();
        let permit = shared.admit(ShardId(0)).unwrap();
        host.welcome(Newcomer { socket, peer: Peer::Unix, is_secure: true, permit }, &mut sockets);
        let conn = sockets.first();
        client.writer().write_all(&[0x7F, 0xF1, 0, 0]).unwrap();
        let mut answer = [0; 4];
        for _ in 0..10 {
            while client.wants_write() {
                client.write_tls(&mut far).unwrap();
            }
            let mut records = vec![0; 100_000];
            let n = sockets.get_mut(conn).unwrap().socket.read(&mut records).unwrap_or(0);
            host.decrypt(conn, &records[..n], &mut sockets);
            host.finish(&mut sockets);
            while client.read_tls(&mut far).is_ok() {
                client.process_new_packets().unwrap();
            }
            if client.reader().read(&mut answer).is_ok() {
                break;
            }
        }
        assert_eq!(answer[..2], [0x7F, 0xF1]);
        let peer = host.shard.tls_peer(conn).expect("it was told");
        assert_eq!(peer.certificate.as_ref().unwrap().subject, "CN=host");
        assert!(peer.binding.is_some());
        host.lost(conn, &mut sockets);
        assert!(host.shard.tls_peer(conn).is_none());
    }
}
