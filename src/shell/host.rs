//! One shard with its clock, its links, writing, accepting, shutting down.
//!
//! The reactor does turns around it:
//!
//! 1. [`Host::begin`]: the clock is read, once;
//! 2. [`Host::receive_mesh`], [`Host::receive_arrivals`], and whatever its sockets have (`accept`, `received`,
//!    `eof`, `lost`);
//! 3. [`Host::finish`]: timers, then all outputs of the turn: gathered writes, mesh messages, rings;
//! 4. [`Host::rest`]: whether and how long to sleep.

mod secure;

use std::io::{self, ErrorKind, IoSlice};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use socket2::Socket;

use super::link::{Doorbell, Links};
use super::listen::{Listener, Refusal};
use super::reload::{Listening, Order};
use super::shared::{Arrival, Counters, Newcomer, PER_ADDRESS, Phase, Shared};
use super::sockets::Sockets;
use super::status::ShardStatus;
use super::verify::{Task, Verdict, Verifying};
use crate::access::Access;
use crate::auth::{CookieStore, Gate};
use crate::config::RouterConfig;
use crate::limits::READ_BUFFER_BYTES;
use crate::router::{ConnId, MeshMessage, Output, Peer, Shard, ShardId, Time};

/// Mesh messages that a shard takes from one link before it serves its sockets.
const MESH_BATCH: usize = 256;

/// Connections that a shard accepts from one socket before it serves the others.
const ACCEPT_BATCH: usize = 64;

/// Most slices of one gathered write.
const WRITE_SLICES: usize = 64;

/// Slices that are looked for first: most queues have one, and filling room for 64 would cost more than they do.
const FEW_SLICES: usize = 4;

/// How long accepting waits when the system is out of descriptors or memory.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long it may take, while a shard is awake, until it sees that the machine's clock was put forward.
const CLOCK_PAUSE: Duration = Duration::from_secs(1);

/// The least time between two log lines about connections that could not be accepted.
const COMPLAINT_PAUSE: Duration = Duration::from_secs(1);

/// All that a shard's thread starts with.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) id: ShardId,
    pub(super) cpu: Option<usize>,
    /// How long to look for events before sleeping.
    pub(super) spin: Duration,
    pub(super) config: Arc<RouterConfig>,
    pub(super) seed: [u8; 32],
    pub(super) links: Links<MeshMessage>,
    pub(super) listeners: Vec<Listener>,
    /// Connections that other shards have accepted for this one, and orders.
    pub(super) arrivals: Receiver<Arrival>,
    /// What realms ask of those who want in.
    pub(super) gates: Arc<[Gate]>,
    pub(super) access: Arc<[Access]>,
    /// Whose which cookie is.
    pub(super) cookies: Arc<dyn CookieStore>,
    pub(super) verifying: Verifying,
    pub(super) shared: Arc<Shared>,
}

/// How accepting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepting {
    /// Nobody waits any more.
    Done,
    /// More may wait; the others' turn.
    More,
    /// The system is out of something: accept again after [`ACCEPT_PAUSE`].
    Pause,
}

/// What a shell does after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Begin the next turn at once.
    Busy,
    /// Sleep until a socket or the bell wakes, or so much time has passed.
    Sleep(Option<Duration>),
    /// The router is shut down.
    End,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) counters: Counters,
    id: ShardId,
    shard: Shard,
    now: Time,
    /// When the machine's clock is looked at again.
    clock_at: Time,
    links: Links<MeshMessage>,
    /// A link had more than this turn's share.
    mesh_more: bool,
    /// Shards whose links were full.
    stalled: Vec<ShardId>,
    stage: Stage,
    complaints: Throttle,
    bell: Arc<Doorbell>,
    arrivals: Receiver<Arrival>,
    verifying: Verifying,
    /// What has been decrypted; empty before the first connection with TLS.
    plain: Box<[u8]>,
    shared: Arc<Shared>,
}

/// How far this shard is with shutting down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Running,
    /// Sessions are ending; whatever is left at that time is cut off.
    Draining(Time),
    /// Only the mesh is served, for the shards that are not so far.
    Drained,
}

impl Host {
    /// The host, and the sockets to accept from. To be called on the shard's own thread, which then owns the memory.
    pub(super) fn new(seat: Seat) -> (Host, Vec<Listener>) {
        let shards = seat.shared.bells.len() as u16;
        let host = Host {
            counters: Counters::default(),
            id: seat.id,
            shard: Shard::with_gates(
                seat.config,
                seat.gates,
                seat.id,
                shards,
                seat.seed,
                seat.shared.started(),
            )
            .with_access(seat.access)
            .with_cookies(seat.cookies),
            now: seat.shared.now(),
            clock_at: Time(0),
            links: seat.links,
            mesh_more: false,
            stalled: Vec::new(),
            stage: Stage::Running,
            complaints: Throttle::default(),
            bell: seat.shared.bells[usize::from(seat.id.0)].clone(),
            arrivals: seat.arrivals,
            verifying: seat.verifying,
            plain: Box::default(),
            shared: seat.shared,
        };
        (host, seat.listeners)
    }

    /// The shard has all that it needs to run.
    pub(super) fn ready(&self) {
        self.shared.shard_ready();
    }

    /// What others wake this shard with.
    pub(super) fn bell(&self) -> &Doorbell {
        &self.bell
    }

    /// The time now, as the turns see it.
    pub(super) fn clock(&self) -> Time {
        self.shared.now()
    }

    /// The time of this turn.
    pub(super) fn now(&self) -> Time {
        self.now
    }

    /// Whether new connections are welcome.
    pub(super) fn is_running(&self) -> bool {
        self.stage == Stage::Running
    }

    /// Begins a turn.
    pub(super) fn begin(&mut self) {
        self.bell.awake();
        self.now = self.shared.now();
        self.counters.turns += 1;
        if self.clock_at <= self.now {
            self.clock_at = self.now + CLOCK_PAUSE;
            self.shard.set_started(self.shared.look_at_clock());
        }
        if self.stage == Stage::Running && self.shared.phase() == Phase::Draining {
            self.shard.shutdown(self.now);
            self.stage = Stage::Draining(self.now.plus_ms(self.shared.drain_ms_max()));
        }
    }

    /// Takes what other shards have sent, and what was verified.
    pub(super) fn receive_mesh(&mut self) {
        let mut received = 0;
        self.mesh_more = self.links.receive(MESH_BATCH, |from, message| {
            received += 1;
            self.shard.mesh_received(self.now, from, message);
        });
        self.counters.mesh_received += received;
        if self.verifying.is_busy
            && let Some(Verdict { conn, step }) = self.verifying.end()
        {
            self.shard.verified(self.now, conn, step);
        }
    }

    /// Whether other threads have sent something.
    pub(super) fn has_mail(&self) -> bool {
        !self.links.is_idle() || !self.arrivals.is_empty() || self.verifying.is_done()
    }

    /// Takes in the connections that other shards have accepted for this one. Those that come when it shuts down already are
    /// closed at once, as the system does with those that nobody has accepted. Returns what is to change about the addresses.
    #[inline]
    pub(super) fn receive_arrivals(&mut self, sockets: &mut Sockets) -> Option<Listening> {
        if self.arrivals.is_empty() {
            return None;
        }
        while let Ok(arrival) = self.arrivals.try_recv() {
            // As in `accept`; an order may close connections, too.
            self.drain(sockets);
            match arrival {
                Arrival::Newcomer(newcomer) if self.is_running() => self.welcome(newcomer, sockets),
                Arrival::Newcomer(_) => {}
                Arrival::Order(order) => match *order {
                    Order::Reconfigure { config, gates, access } => {
                        self.shard.reconfigure(self.now, config, gates, access)
                    }
                    Order::Status(answer) => self.tell_status(&answer),
                    Order::Listen(listening) => return Some(listening),
                },
            }
        }
        None
    }

    #[cold]
    fn tell_status(&self, answer: &Sender<(ShardId, ShardStatus)>) {
        let counters = self.counters;
        let mut limited = self.shard.limited();
        limited.connections_per_address_max = counters.refused_by_address;
        limited.connections_max = counters.refused - counters.refused_by_address;
        let (census, realms) = (self.shard.census(), self.shard.open_realms());
        // Who asked may have lost patience.
        let _ = answer.send((self.id, ShardStatus { census, counters, limited, realms }));
    }

    /// Accepts who waits.
    pub(super) fn accept(&mut self, listener: &Listener, sockets: &mut Sockets) -> Accepting {
        // A connection that the shard has closed must be gone before its place, and id but for the generation, goes
        // to another.
        self.drain(sockets);
        for _ in 0..ACCEPT_BATCH {
            match listener.accept() {
                Ok((socket, peer)) => self.admit(socket, peer, listener.is_secure, sockets),
                Err(Refusal::Empty) => return Accepting::Done,
                Err(Refusal::Gone) => {}
                Err(Refusal::Exhausted(error)) => {
                    self.complain(format_args!("cannot accept connections: {error}; trying again"));
                    return Accepting::Pause;
                }
            }
        }
        Accepting::More
    }

    fn admit(&mut self, socket: Socket, peer: Peer, is_secure: bool, sockets: &mut Sockets) {
        let permit = match self.shared.admit(self.id, peer) {
            Ok(permit) => permit,
            Err(limit) => {
                self.counters.refused += 1;
                self.counters.refused_by_address += u64::from(limit == PER_ADDRESS);
                return self.complain(format_args!("a connection was closed at once: `{limit}` are open"));
            }
        };
        self.counters.accepted += 1;
        let home = permit.shard();
        let newcomer = Newcomer { socket, peer, is_secure, permit };
        if home == self.id {
            self.welcome(newcomer, sockets);
        } else {
            self.counters.handed_over += 1;
            self.shared.hand_over(home, newcomer);
        }
    }

    /// From now on the connection is one of this shard.
    fn welcome(&mut self, newcomer: Newcomer, sockets: &mut Sockets) {
        let Newcomer { socket, peer, is_secure, permit } = newcomer;
        if is_secure && self.plain.is_empty() {
            // The first of an address that is new; perhaps another shard has heard of it before this one.
            self.plain = vec![0; READ_BUFFER_BYTES].into();
        }
        let conn = self.shard.accept(self.now, peer);
        if let Err(error) = sockets.add(conn, socket, is_secure.then(Box::default), permit) {
            self.complain(format_args!("a connection was closed at once: {error}"));
            self.lost(conn, sockets);
        }
    }

    /// Bytes have come.
    pub(super) fn received(&mut self, conn: ConnId, bytes: &mut [u8]) {
        self.counters.reads += 1;
        self.shard.received(self.now, conn, bytes);
    }

    /// The peer has closed its sending side.
    pub(super) fn eof(&mut self, conn: ConnId) {
        self.shard.eof(self.now, conn);
    }

    /// The connection broke.
    pub(super) fn lost(&mut self, conn: ConnId, sockets: &mut Sockets) {
        self.shard.lost(self.now, conn);
        sockets.close(conn);
    }

    /// A write took `n` of the bytes that wait for the connection. Returns whether more wait.
    fn sent(&mut self, conn: ConnId, n: usize) -> bool {
        self.counters.writes += 1;
        self.shard.sent(self.now, conn, n)
    }

    /// Writes what waits for the connection, as far as its socket takes it.
    pub(super) fn write(&mut self, conn: ConnId, sockets: &mut Sockets) {
        loop {
            let Some(connection) = sockets.get_mut(conn) else { return };
            if connection.tls.is_some() {
                return self.encrypt(conn, sockets);
            }
            let socket = &connection.socket;
            let (offered, sent) = with_outgoing(&self.shard, conn, |slices| {
                let offered: usize = slices.iter().map(|slice| slice.len()).sum();
                (offered, if offered == 0 { Ok(0) } else { send(socket, slices) })
            });
            if offered == 0 {
                return;
            }
            match sent {
                Ok(n) => {
                    let more = self.sent(conn, n);
                    if more && n < offered {
                        return sockets.await_writable(conn);
                    } else if !more {
                        return;
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return sockets.await_writable(conn),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.lost(conn, sockets),
            }
        }
    }

    /// Ends a turn: timers, then everything that the turn has caused.
    pub(super) fn finish(&mut self, sockets: &mut Sockets) {
        if self.shard.next_deadline().is_some_and(|deadline| deadline <= self.now) {
            self.shard.expire(self.now);
        }
        for to in std::mem::take(&mut self.stalled) {
            self.send_mesh(to);
        }
        self.drain(sockets);
        self.counters.wakes += self.links.ring();
        if let Stage::Draining(until) = self.stage
            && (self.shard.is_drained() || until <= self.now)
        {
            self.stage = Stage::Drained;
            self.shared.shard_drained();
        }
        self.counters.events_received = self.shard.events_received();
        self.shared.publish(self.id, &self.counters);
    }

    /// Does what the shard wants done.
    fn drain(&mut self, sockets: &mut Sockets) {
        while let Some(output) = self.shard.poll_output() {
            match output {
                Output::Flush(conn) => self.write(conn, sockets),
                Output::Mesh(to) => self.send_mesh(to),
                Output::Pause(conn) => sockets.pause(conn, true),
                Output::Resume(conn) => sockets.pause(conn, false),
                Output::Shutdown(conn) => match sockets.get_mut(conn) {
                    Some(connection) if connection.tls.is_some() => self.end_records(conn, sockets),
                    // It fails only on a connection that is broken, which reading will show.
                    Some(connection) => drop(connection.socket.shutdown(Shutdown::Write)),
                    None => {}
                },
                Output::Close(conn) => {
                    if sockets.get_mut(conn).is_some_and(|connection| connection.tls.is_some()) {
                        self.end_records(conn, sockets);
                    }
                    sockets.close(conn);
                }
                Output::Reconfigured(done) => self.shared.reconfigured(done),
                Output::Verify(conn) => {
                    let job = self.shard.take_job(conn);
                    self.verifying.begin(Task { shard: self.id, conn, job });
                }
            }
        }
    }

    /// What to do now. `busy`: a socket is known to have more; `wake_at`: when the shell itself wants to be awake.
    /// After `Sleep` the bell rings for whatever is not found here.
    pub(super) fn rest(&mut self, busy: bool, wake_at: Option<Time>) -> Rest {
        self.bell.doze();
        let rest = match self.shared.phase() {
            Phase::Halted => Rest::End,
            Phase::Draining if self.stage == Stage::Running => Rest::Busy,
            _ if self.stage == Stage::Drained && self.shared.all_drained() => Rest::End,
            _ if busy || self.mesh_more || self.has_mail() => Rest::Busy,
            _ => Rest::Sleep(self.deadline(wake_at).map(|deadline| self.now.until(deadline))),
        };
        if !matches!(rest, Rest::Sleep(_)) {
            self.bell.awake();
        }
        rest
    }

    fn deadline(&self, wake_at: Option<Time>) -> Option<Time> {
        let drain = match self.stage {
            Stage::Draining(until) => Some(until),
            Stage::Running | Stage::Drained => None,
        };
        [self.shard.next_deadline(), drain, wake_at].into_iter().flatten().min()
    }

    fn send_mesh(&mut self, to: ShardId) {
        if !self.shard.flush_mesh(self.now, to, |message| self.links.send(to, message)) {
            self.stalled.push(to);
        }
    }

    fn complain(&mut self, what: std::fmt::Arguments<'_>) {
        if let Some(untold) = self.complaints.allow(self.now) {
            tracing::warn!(shard = self.id.0, untold, "{what}");
        }
    }
}

/// Hands `write` what waits for a connection, as much as one system call takes.
#[inline]
fn with_outgoing<R>(shard: &Shard, conn: ConnId, write: impl FnOnce(&[IoSlice<'_>]) -> R) -> R {
    let mut few = [IoSlice::new(&[]); FEW_SLICES];
    let filled = shard.outgoing(conn, &mut few);
    if filled < FEW_SLICES {
        return write(&few[..filled]);
    }
    let mut many = [IoSlice::new(&[]); WRITE_SLICES];
    let filled = shard.outgoing(conn, &mut many);
    write(&many[..filled])
}

/// One system call: a plain send for one slice, which is cheaper, else a gathered one.
fn send(socket: &Socket, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    match slices {
        [slice] => socket.send_with_flags(slice, libc::MSG_NOSIGNAL),
        _ => socket.send_vectored_with_flags(slices, libc::MSG_NOSIGNAL),
    }
}

/// Lets one event through per [`COMPLAINT_PAUSE`] and counts the others.
#[derive(Debug, Default)]
struct Throttle {
    until: Time,
    untold: u64,
}

impl Throttle {
    /// Whether this event may pass, and then how many did not since the last that did.
    fn allow(&mut self, now: Time) -> Option<u64> {
        if now < self.until {
            self.untold += 1;
            return None;
        }
        self.until = now + COMPLAINT_PAUSE;
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use mio::Token;
    use socket2::{Domain, Type};

    use super::*;
    use crate::limits::Limits;
    use crate::shell::link;
    use crate::shell::shared::Handle;
    use crate::shell::tls::TlsContext;
    use crate::shell::verify::Verifier;

    /// Shard 0 of two, without sockets.
    fn first_of_two() -> (Host, Sockets, Arc<Shared>) {
        first_of_two_with(None)
    }

    /// The same, which may speak TLS.
    pub(super) fn first_of_two_with(tls: Option<TlsContext>) -> (Host, Sockets, Arc<Shared>) {
        let (shared, arrivals) = Shared::new(2, &Limits::default(), tls);
        let shared = Arc::new(shared);
        let seat = Seat {
            id: ShardId(0),
            cpu: None,
            spin: Duration::ZERO,
            config: Arc::default(),
            seed: [0; 32],
            links: link::mesh(&shared.bells, 1).remove(0),
            listeners: Vec::new(),
            arrivals: arrivals[0].clone(),
            gates: RouterConfig::default().gates(),
            access: RouterConfig::default().access(),
            cookies: Arc::new(crate::auth::CookieJar::default()),
            verifying: Verifier::new(1).1.remove(0),
            shared: shared.clone(),
        };
        let registry = mio::Poll::new().and_then(|poll| poll.registry().try_clone()).expect("an epoll");
        (Host::new(seat).0, Sockets::new(registry), shared)
    }

    fn turn(host: &mut Host, sockets: &mut Sockets) -> Rest {
        host.begin();
        host.receive_mesh();
        host.receive_arrivals(sockets);
        host.finish(sockets);
        host.rest(false, None)
    }

    /// What the peer has of a connection that shard 1 hands over.
    fn hand_over(shared: &Arc<Shared>) -> Socket {
        let (socket, peer) = Socket::pair(Domain::UNIX, Type::STREAM, None).expect("two sockets");
        let permit = shared.admit(ShardId(1), Peer::Unix).expect("few are open");
        shared.hand_over(ShardId(0), Newcomer { socket, peer: Peer::Unix, is_secure: false, permit });
        peer
    }

    #[test]
    fn who_comes_late_is_closed_and_keeps_nobody_awake() {
        let (mut host, mut sockets, shared) = first_of_two();
        let mut early = hand_over(&shared);
        early.set_nonblocking(true).expect("a socket");
        assert!(
            matches!(turn(&mut host, &mut sockets), Rest::Sleep(Some(_))),
            "until it has to have a session"
        );
        assert_eq!(early.read(&mut [0]).expect_err("it is open").kind(), ErrorKind::WouldBlock);
        assert_eq!(Handle(shared.clone()).connections(), 1);

        let (mut host, mut sockets, shared) = first_of_two();
        shared.advance(Phase::Draining);
        for when in ["when it begins to shut down", "when it has, and waits for the other shard"] {
            let mut late = hand_over(&shared);
            assert_eq!(turn(&mut host, &mut sockets), Rest::Sleep(None), "{when}");
            assert_eq!(late.read(&mut [0]).expect("an end"), 0, "{when}");
            assert_eq!(Handle(shared.clone()).connections(), 0, "{when}");
        }
    }

    #[test]
    fn who_comes_behind_a_configuration_gets_no_place_that_is_taken() {
        let (mut host, mut sockets, shared) = first_of_two();
        let _early = hand_over(&shared);
        turn(&mut host, &mut sockets);
        let hello = br#"[1,"realm1",{"roles":{"caller":{}}}]"#;
        let mut bytes = [&[0x7F, 0xF1, 0, 0, 0, 0, 0, hello.len() as u8], &hello[..]].concat();
        host.received(sockets.first(), &mut bytes);
        turn(&mut host, &mut sockets);
        assert_eq!(host.shard.census().sessions, 1);
        // The session ends, and there is not even room to say so.
        let limits = Limits { outbound_bytes_max: 1, outbound_bytes_high: 1, ..Limits::default() };
        let config = RouterConfig { realms: Vec::new(), limits, ..RouterConfig::default() };
        let (gates, access) = (config.gates(), config.access());
        shared.order(ShardId(0), Order::Reconfigure { config: Arc::new(config), gates, access });
        let _late = hand_over(&shared);
        turn(&mut host, &mut sockets);
        assert_eq!(host.shard.census().connections, 1);
        assert!(sockets.owns(Token(0)) && !sockets.owns(Token(1)), "the place is given back and taken again");
    }

    #[test]
    fn complaints_are_rare_and_count_the_others() {
        let mut throttle = Throttle::default();
        let at = |ms| Time(0).plus_ms(ms);
        assert_eq!(throttle.allow(at(0)), Some(0));
        assert_eq!([1, 500, 999].map(|ms| throttle.allow(at(ms))), [None; 3]);
        assert_eq!(throttle.allow(at(1000)), Some(3));
        assert_eq!(throttle.allow(at(5000)), Some(0));
    }
}
