//! TLS on one connection: records in, bytes out, and back.
//!
//! The library keeps what it has encrypted until the socket has taken it. It gets no more of the shard's queue before that, and the
//! shard is told that bytes are sent when the socket has them: so the limits of the queue hold, and what TLS adds for a reader that
//! is slow is [`RECORDS_BYTES_MAX`].

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;

use http::StatusCode;
use rustls::{HandshakeKind, ProtocolVersion, ServerConnection};
use socket2::Socket;

use super::{TlsContext, certificate};
use crate::http::Refusal;
use crate::router::TlsPeer;

/// Bytes of the shard's queue that are encrypted at a time.
pub(super) const RECORDS_BYTES_MAX: usize = 64 * 1024;

/// The first byte of a TLS handshake.
const HANDSHAKE: u8 = 22;

/// Label of the channel binding `tls-exporter` (RFC 9266).
pub(super) const BINDING: &[u8] = b"EXPORTER-Channel-Binding";

/// What those get who speak HTTP.
const HTTP_REFUSED: &str =
    "This port speaks TLS. Write https:// instead of http://, and wss:// instead of ws://.";

/// See the module.
#[derive(Debug, Default)]
pub(in crate::shell) struct Tls {
    state: State,
    /// Bytes of the shard's queue that are in records which the socket has not taken yet.
    pub(super) encrypted: usize,
    /// The handshake is done.
    established: bool,
    /// The peer has said that it sends no more.
    ended: bool,
    /// Nothing will be written after what waits now.
    closing: bool,
    error: Option<rustls::Error>,
}

#[derive(Debug, Default)]
enum State {
    /// The first byte will tell whether the peer speaks TLS.
    #[default]
    Expecting,
    /// It does.
    Speaking(Box<ServerConnection>),
    /// All is said. Whatever still comes is dropped.
    Over,
}

/// What has come of records.
#[derive(Debug)]
pub(in crate::shell) enum Event {
    /// All were used.
    Nothing,
    /// The handshake is done.
    Established(TlsPeer),
    /// So many bytes for the shard.
    Bytes(usize),
    /// The peer sends no more.
    End,
    /// The peer has broken the rules, or has been refused.
    Failed(rustls::Error),
    /// The peer does not speak TLS.
    Stranger,
}

impl Tls {
    /// Whether there is a session, or was.
    pub(in crate::shell) fn is_established(&self) -> bool {
        self.established
    }

    /// Whether a handshake has begun, and nothing has ended it or the session.
    pub(in crate::shell) fn is_speaking(&self) -> bool {
        matches!(self.state, State::Speaking(_))
    }

    /// Whether what comes may be costly.
    pub(in crate::shell) fn is_handshaking(&self) -> bool {
        !self.established && !matches!(self.state, State::Over)
    }

    /// Whether the peer has said that it sends no more.
    pub(in crate::shell) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether the session was resumed.
    pub(in crate::shell) fn is_resumed(&self) -> bool {
        let State::Speaking(session) = &self.state else { return false };
        session.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Uses `records` from the front, up to the next event; bytes for the shard go into `plain`.
    pub(in crate::shell) fn receive(
        &mut self,
        records: &mut &[u8],
        plain: &mut [u8],
        context: &TlsContext,
    ) -> Event {
        loop {
            let session = match (&mut self.state, records.first()) {
                (State::Speaking(session), _) => session,
                (State::Over, _) | (State::Expecting, None) => {
                    *records = &[];
                    return Event::Nothing;
                }
                (State::Expecting, Some(&HANDSHAKE)) => match ServerConnection::new(context.server()) {
                    Ok(mut session) => {
                        session.set_buffer_limit(Some(RECORDS_BYTES_MAX));
                        self.state = State::Speaking(Box::new(session));
                        continue;
                    }
                    Err(error) => return Event::Failed(error),
                },
                (State::Expecting, Some(_)) => return Event::Stranger,
            };
            if !self.established && !session.is_handshaking() {
                self.established = true;
                return Event::Established(peer(session));
            }
            match session.reader().read(plain) {
                Ok(0) => {
                    *records = &[];
                    return if std::mem::replace(&mut self.ended, true) {
                        Event::Nothing
                    } else {
                        Event::End
                    };
                }
                Ok(n) => return Event::Bytes(n),
                Err(_) => {} // There is nothing, or there will never be.
            }
            if let Some(error) = self.error.take() {
                *records = &[];
                return Event::Failed(error);
            }
            if records.is_empty() {
                return Event::Nothing;
            }
            // What came before a fault counts, so a fault is told of later.
            self.error = match session.read_tls(records) {
                Ok(0) => Some(rustls::Error::General("a record that does not fit".to_owned())),
                Ok(_) => session.process_new_packets().err(),
                Err(error) => Some(rustls::Error::General(error.to_string())),
            };
        }
    }

    /// Writes what waits; counts the system calls that took bytes.
    ///
    /// # Errors
    /// The socket takes no more now (`WouldBlock`), or is broken.
    pub(in crate::shell) fn flush(&mut self, socket: &Socket, writes: &mut u64) -> io::Result<()> {
        if let State::Speaking(session) = &mut self.state {
            while session.wants_write() {
                match session.write_tls(&mut Quiet(socket)) {
                    Ok(_) => *writes += 1,
                    Err(e) if e.kind() == ErrorKind::Interrupted => {}
                    Err(e) => return Err(e),
                }
            }
        }
        if self.closing {
            // It fails only on a connection that is broken, which reading will show.
            let _ = socket.shutdown(Shutdown::Write);
        }
        Ok(())
    }

    /// After a flush: how many bytes of the shard's queue the socket has taken with it.
    pub(in crate::shell) fn take_sent(&mut self) -> usize {
        std::mem::take(&mut self.encrypted)
    }

    /// Encrypts what waits for the connection, as much as may be in flight; returns whether there is something to flush.
    pub(in crate::shell) fn encrypt(&mut self, slices: &[IoSlice<'_>]) -> bool {
        let State::Speaking(session) = &mut self.state else { return false };
        if !self.established {
            return false;
        }
        // It fails only after a fault, which has been told of.
        self.encrypted += session.writer().write_vectored(slices).unwrap_or_default();
        self.encrypted > 0
    }

    /// Says that nothing more will be sent. What waits, and that, is to be flushed; then the socket's sending side is shut down.
    pub(in crate::shell) fn close(&mut self) {
        self.closing = true;
        if let State::Speaking(session) = &mut self.state {
            session.send_close_notify();
        }
    }

    /// Ends a connection that has not become one: writes what the library has to say to the peer, as far as the socket takes it.
    pub(in crate::shell) fn give_up(&mut self, socket: &Socket) {
        self.closing = true;
        let _ = self.flush(socket, &mut 0);
        let _ = socket.shutdown(Shutdown::Write);
        self.state = State::Over;
    }

    /// Answers who does not speak TLS, if it is HTTP that is spoken.
    pub(in crate::shell) fn refuse(&mut self, socket: &Socket, first: u8) {
        if first.is_ascii_uppercase() {
            let response = Refusal::new(StatusCode::BAD_REQUEST, HTTP_REFUSED).response();
            // It is the first that is written: the socket has room.
            let _ = Quiet(socket).write(&response);
        }
        self.give_up(socket);
    }
}

/// What TLS has shown of the peer.
fn peer(session: &ServerConnection) -> TlsPeer {
    // With TLS 1.2 the value binds only where both sides had the extended master secret, which the library does not tell.
    let exported = match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => session.export_keying_material([0; 32], BINDING, Some(b"")).ok(),
        _ => None,
    };
    let certificate = session.peer_certificates().and_then(|chain| chain.first());
    TlsPeer { binding: exported, certificate: certificate.map(certificate::peer) }
}

/// A socket whose end raises no signal.
struct Quiet<'a>(&'a Socket);

impl Write for Quiet<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send_with_flags(bytes, libc::MSG_NOSIGNAL)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            [slice] => self.0.send_with_flags(slice, libc::MSG_NOSIGNAL),
            _ => self.0.send_vectored_with_flags(slices, libc::MSG_NOSIGNAL),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
