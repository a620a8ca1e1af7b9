//! What the shards' threads and the program around them share: the phase of the router's life, the count of
//! connections, the counters, the bells. [`Handle`] is the program's view of it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, Sender};
use socket2::Socket;

use super::code;
use super::link::Doorbell;
use super::reload::{Order, Standing};
use super::tls::{TlsContext, TlsErrors};
use crate::limits::Limits;
use crate::router::{Date, Peer, ShardId, Time};

/// A running router from outside: cheap to clone, usable from any thread.
#[derive(Clone, Debug)]
pub struct Handle(pub(super) Arc<Shared>);

impl Handle {
    /// Shuts the router down: listeners close, sessions get GOODBYE, and [`super::Router::run`] returns when all
    /// is written or [`crate::limits::Limits::drain_ms_max`] has passed. Calling it again changes nothing.
    pub fn shutdown(&self) {
        self.0.advance(Phase::Draining);
    }

    /// Reads the certificates again, whose files may have changed: connections from now on get what is in them, others live
    /// on. Without TLS nothing is read.
    ///
    /// # Errors
    /// All that is wrong with the files; nothing has changed.
    pub fn reload_certificates(&self) -> Result<(), TlsErrors> {
        self.tls().map_or(Ok(()), TlsContext::reload)
    }

    /// The certificates, if any address asks for TLS.
    pub fn tls(&self) -> Option<&TlsContext> {
        self.0.tls.get()
    }

    /// What the shards have done so far, by shard. Each shard publishes once per turn of its loop.
    pub fn counters(&self) -> Vec<Counters> {
        self.0.counters.iter().map(SharedCounters::load).collect()
    }

    /// Connections that are open now.
    pub fn connections(&self) -> usize {
        self.0.connections.load(Ordering::Relaxed)
    }

    /// Connections that are open now, by shard.
    pub fn connections_by_shard(&self) -> Vec<usize> {
        self.0.doors.iter().map(Door::load).collect()
    }
}

/// Where the router is in its life; it only ever advances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Phase {
    Running,
    /// Shut down in an orderly way.
    Draining,
    /// End at once: a shard has failed.
    Halted,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Shared {
    start: Instant,
    /// In milliseconds, as a [`Date`].
    started: AtomicU64,
    phase: AtomicU8,
    ready: AtomicUsize,
    drained: AtomicUsize,
    connections: AtomicUsize,
    connections_max: AtomicUsize,
    per_address_max: AtomicUsize,
    /// Connections by address; locked when one comes or goes.
    by_address: Mutex<HashMap<AddressKey, usize>>,
    drain_ms_max: AtomicU64,
    pub(super) bells: Vec<Arc<Doorbell>>,
    doors: Vec<Door>,
    counters: Vec<SharedCounters>,
    /// Where an address asks for TLS, or did.
    pub(super) tls: OnceLock<TlsContext>,
    /// What the router was told last.
    pub(super) standing: Mutex<Standing>,
    /// Whether all shards have gone over to a configuration, or it was refused.
    pub(super) reconfigured: (Sender<bool>, Receiver<bool>),
    /// Configurations that were refused, and those that were not.
    reloads: [AtomicU64; 2],
}

/// A connection that was accepted and has no shard yet.
#[derive(Debug)]
pub(super) struct Newcomer {
    pub(super) socket: Socket,
    pub(super) peer: Peer,
    /// TLS is spoken, and nothing else.
    pub(super) is_secure: bool,
    /// To be kept as long as the socket.
    pub(super) permit: Permit,
}

/// What comes to a shard otherwise than over the mesh.
#[derive(Debug)]
pub(super) enum Arrival {
    Newcomer(Newcomer),
    Order(Box<Order>),
}

/// Where connections enter a shard, alone on its cache lines.
#[derive(Debug)]
#[repr(align(128))]
struct Door {
    connections: AtomicUsize,
    /// There are never more newcomers in it than connections may be open.
    arrivals: Sender<Arrival>,
}

impl Door {
    fn load(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// Also the ends, by shard, where connections come out that another shard has accepted.
    pub(super) fn new(
        shards: usize,
        limits: &Limits,
        tls: Option<TlsContext>,
    ) -> (Shared, Vec<Receiver<Arrival>>) {
        let (doors, arrivals) = (0..shards)
            .map(|_| {
                let (sender, receiver) = crossbeam_channel::unbounded();
                (Door { connections: AtomicUsize::new(0), arrivals: sender }, receiver)
            })
            .unzip();
        let shared = Shared {
            start: Instant::now(),
            started: clock().0.into(),
            phase: AtomicU8::new(Phase::Running as u8),
            ready: AtomicUsize::new(0),
            drained: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            connections_max: limits.connections_max.into(),
            per_address_max: limits.connections_per_address_max.into(),
            by_address: Mutex::default(),
            drain_ms_max: limits.drain_ms_max.into(),
            bells: (0..shards).map(|_| Arc::default()).collect(),
            doors,
            counters: (0..shards).map(|_| SharedCounters::default()).collect(),
            tls: tls.map(OnceLock::from).unwrap_or_default(),
            standing: Mutex::default(),
            reconfigured: crossbeam_channel::unbounded(),
            reloads: Default::default(),
        };
        (shared, arrivals)
    }

    /// The date at time zero.
    pub(super) fn started(&self) -> Date {
        Date(self.started.load(Ordering::Relaxed))
    }

    /// The same, after a look at the machine's clock, which may have been put forward: one that is without power in between starts in the
    /// past, until others tell it the time.
    pub(super) fn look_at_clock(&self) -> Date {
        self.put_right(clock(), self.now())
    }

    /// The machine's clock says `date` at `now`.
    fn put_right(&self, date: Date, now: Time) -> Date {
        let started = date.0.saturating_sub(now.0 / 1000);
        let known = self.started();
        if started < known.0.saturating_add(CLOCK_STEP_MS) {
            return known;
        }
        Date(self.started.fetch_max(started, Ordering::Relaxed).max(started))
    }

    /// How long ago that is.
    pub(super) fn uptime(&self) -> Duration {
        self.start.elapsed()
    }

    /// A configuration was adopted, or refused.
    pub(super) fn note_reload(&self, adopted: bool) {
        self.reloads[usize::from(adopted)].fetch_add(1, Ordering::Relaxed);
    }

    /// How many configurations were adopted, and how many refused.
    pub(super) fn reloads(&self) -> (u64, u64) {
        let [refused, adopted] = self.reloads.each_ref().map(|n| n.load(Ordering::Relaxed));
        (adopted, refused)
    }

    /// The time of all shards.
    pub(super) fn now(&self) -> Time {
        Time(self.start.elapsed().as_micros() as u64)
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Running,
            1 => Phase::Draining,
            _ => Phase::Halted,
        }
    }

    /// Enters `phase`, unless that is past already, and wakes all shards.
    pub(super) fn advance(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
        self.ring_all();
    }

    /// One more shard has what it needs. With the last one, the start is over.
    pub(super) fn shard_ready(&self) {
        if self.ready.fetch_add(1, Ordering::AcqRel) + 1 == self.bells.len() {
            code::release();
        }
    }

    /// One more shard has nothing left to do.
    pub(super) fn shard_drained(&self) {
        self.drained.fetch_add(1, Ordering::AcqRel);
        self.ring_all();
    }

    /// Whether no shard has anything left to do: none will send to another.
    pub(super) fn all_drained(&self) -> bool {
        self.drained.load(Ordering::Acquire) == self.bells.len()
    }

    /// The right to one more connection, which names the shard that is to have it: `me`, which has accepted it, unless another has
    /// clearly fewer.
    ///
    /// # Errors
    /// The name of the limit that is reached.
    pub(super) fn admit(self: &Arc<Self>, me: ShardId, peer: Peer) -> Result<Permit, &'static str> {
        let before = self.connections.fetch_add(1, Ordering::Relaxed);
        let home = self.home_of_next(me);
        self.doors[usize::from(home.0)].connections.fetch_add(1, Ordering::Relaxed);
        let mut permit = Permit { shared: self.clone(), shard: home, address: None };
        if before >= self.connections_max.load(Ordering::Relaxed) {
            return Err("connections_max");
        }
        if let Some(address) = address_key(peer) {
            let mut by_address = self.by_address();
            let count = by_address.entry(address).or_default();
            *count += 1;
            permit.address = Some(address);
            let max = self.per_address_max.load(Ordering::Relaxed);
            if max > 0 && *count > max {
                drop(by_address);
                return Err(PER_ADDRESS);
            }
        }
        Ok(permit)
    }

    fn by_address(&self) -> MutexGuard<'_, HashMap<AddressKey, usize>> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The kernel spreads connections by a hash of their addresses. With few of them some shards would get none and
    /// others too many; with many it is fair enough, and a connection is best left where it is.
    fn home_of_next(&self, me: ShardId) -> ShardId {
        let mine = self.doors[usize::from(me.0)].load();
        let loads = (0..).map(ShardId).zip(self.doors.iter().map(Door::load));
        match loads.min_by_key(|(_, load)| *load) {
            Some((emptiest, load)) if mine > load + mine / 8 => emptiest,
            _ => me,
        }
    }

    /// Gives a connection to another shard. If that has ended, the connection is closed.
    pub(super) fn hand_over(&self, to: ShardId, newcomer: Newcomer) {
        self.send(to, Arrival::Newcomer(newcomer));
    }

    /// Tells a shard to do something.
    pub(super) fn order(&self, to: ShardId, order: Order) {
        self.send(to, Arrival::Order(Box::new(order)));
    }

    fn send(&self, to: ShardId, arrival: Arrival) {
        let _ = self.doors[usize::from(to.0)].arrivals.send(arrival);
        self.bells[usize::from(to.0)].ring();
    }

    /// The limits that concern all shards together have changed.
    pub(super) fn set_limits(&self, limits: &Limits) {
        self.connections_max.store(limits.connections_max, Ordering::Relaxed);
        self.per_address_max.store(limits.connections_per_address_max, Ordering::Relaxed);
        self.drain_ms_max.store(limits.drain_ms_max, Ordering::Relaxed);
    }

    /// See [`Limits::drain_ms_max`].
    pub(super) fn drain_ms_max(&self) -> u64 {
        self.drain_ms_max.load(Ordering::Relaxed)
    }

    /// Shard 0: a new configuration is in force everywhere, or was refused.
    pub(super) fn reconfigured(&self, done: bool) {
        // This holds the other end, too.
        let _ = self.reconfigured.0.send(done);
    }

    /// Makes a shard's counters visible.
    pub(super) fn publish(&self, shard: ShardId, counters: &Counters) {
        self.counters[usize::from(shard.0)].store(counters);
    }

    fn ring_all(&self) {
        for bell in &self.bells {
            bell.ring();
        }
    }
}

/// By so much the machine's clock must have been put forward to be believed: less may be an error of rounding.
const CLOCK_STEP_MS: u64 = 1000;

/// What the machine's clock says.
fn clock() -> Date {
    Date(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64))
}

/// The limit that one address has reached.
pub(super) const PER_ADDRESS: &str = "connections_per_address_max";

/// What connections from one place have in common.
type AddressKey = [u8; 8];

/// IPv4 addresses one by one, of IPv6 addresses the network, whose 2^64 addresses a site has for itself; nothing for who comes by a
/// Unix socket, who is of the house.
fn address_key(peer: Peer) -> Option<AddressKey> {
    let Peer::Tcp(address) = peer else { return None };
    let mut key = [0; 8];
    match address.ip().to_canonical() {
        // No network begins so.
        IpAddr::V4(ip) => key[4..].copy_from_slice(&ip.octets()),
        IpAddr::V6(ip) => key.copy_from_slice(&ip.octets()[..8]),
    }
    Some(key)
}

/// Counts one connection for as long as it lives.
#[derive(Debug)]
pub(super) struct Permit {
    shared: Arc<Shared>,
    shard: ShardId,
    address: Option<AddressKey>,
}

impl Permit {
    /// The shard that the connection belongs to.
    pub(super) fn shard(&self) -> ShardId {
        self.shard
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared.connections.fetch_sub(1, Ordering::Relaxed);
        if let Some(address) = self.address {
            let mut by_address = self.shared.by_address();
            if let Some(count) = by_address.get_mut(&address) {
                *count -= 1;
                if *count == 0 {
                    by_address.remove(&address);
                }
            }
        }
        self.shared.doors[usize::from(self.shard.0)].connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Makes [`Counters`] and the form of it that threads share.
macro_rules! counters {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// What one shard has done since the start.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[$doc])+ pub $name: u64,)+
        }

        /// [`Counters`], alone on their cache lines.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        struct SharedCounters {
            $($name: AtomicU64,)+
        }

        impl SharedCounters {
            fn load(&self) -> Counters {
                Counters { $($name: self.$name.load(Ordering::Relaxed),)+ }
            }

            fn store(&self, counters: &Counters) {
                $(self.$name.store(counters.$name, Ordering::Relaxed);)+
            }
        }
    };
}

counters! {
    /// Turns of the loop.
    turns,
    /// Reads that brought bytes.
    reads,
    /// Writes that took bytes: one system call each.
    writes,
    /// Sleeping shards that were woken: one system call each.
    wakes,
    /// Mesh messages received.
    mesh_received,
    /// Connections accepted.
    accepted,
    /// Those of them that another shard got, because it had clearly fewer.
    handed_over,
    /// Connections closed at once, because of the limit.
    refused,
    /// Those of them that were too many of one address.
    refused_by_address,
    /// EVENT_RECEIVED messages of clients.
    events_received,
    /// TLS handshakes that were completed.
    tls_handshakes,
    /// Those of them that resumed an earlier session.
    tls_resumed,
    /// TLS handshakes that have failed, and connections to TLS addresses that spoke something else.
    tls_failed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_never_goes_back() {
        let (shared, _) = Shared::new(1, &Limits::default(), None);
        assert_eq!(shared.phase(), Phase::Running);
        for (to, is) in [
            (Phase::Draining, Phase::Draining),
            (Phase::Halted, Phase::Halted),
            (Phase::Draining, Phase::Halted),
        ] {
            shared.advance(to);
            assert_eq!(shared.phase(), is);
        }
    }

    #[test]
    fn dates_follow_a_clock_that_is_put_forward() {
        let (shared, _) = Shared::new(1, &Limits::default(), None);
        let started = shared.started().0;
        let look = |date, ms| shared.put_right(Date(date), Time(0).plus_ms(ms)).0 - started;
        assert_eq!(look(started + 5000, 5000), 0);
        assert_eq!(look(started + 5999, 5000), 0, "hardly a second");
        assert_eq!(look(started + 1_005_000, 5000), 1_000_000);
        assert_eq!(look(started, 6000), 1_000_000, "it never goes back");
        assert_eq!(shared.look_at_clock().0 - started, 1_000_000);
    }

    #[test]
    fn a_new_phase_wakes_who_sleeps() {
        let (shared, _) = Shared::new(2, &Limits::default(), None);
        shared.bells[1].doze();
        shared.advance(Phase::Draining);
        assert!(!shared.bells[1].ring(), "it was rung already");
    }

    #[test]
    fn permits_count_connections() {
        let (shared, _) = Shared::new(1, &Limits { connections_max: 2, ..Limits::default() }, None);
        let shared = Arc::new(shared);
        let (a, b) = (shared.admit(ShardId(0), Peer::Unix), shared.admit(ShardId(0), Peer::Unix));
        assert!(a.is_ok() && b.is_ok());
        assert!(shared.admit(ShardId(0), Peer::Unix).is_err());
        let handle = Handle(shared.clone());
        assert_eq!(
            (handle.connections(), handle.connections_by_shard()),
            (2, vec![2]),
            "a refused one does not count"
        );
        drop(a);
        assert!(shared.admit(ShardId(0), Peer::Unix).is_ok());
    }

    #[test]
    fn few_connections_are_spread_and_many_stay_where_they_are() {
        let (shared, _) = Shared::new(3, &Limits::default(), None);
        let shared = Arc::new(shared);
        let handle = Handle(shared.clone());
        let few: Vec<_> = (0..7).map(|_| shared.admit(ShardId(1), Peer::Unix).unwrap()).collect();
        assert_eq!(handle.connections_by_shard(), [2, 3, 2], "all had come to shard 1");
        drop(few);
        let many: Vec<_> = (0..240).map(|i| shared.admit(ShardId(i % 3), Peer::Unix).unwrap()).collect();
        let more: Vec<_> = (0..5).map(|_| shared.admit(ShardId(2), Peer::Unix).unwrap()).collect();
        assert_eq!(handle.connections_by_shard(), [80, 80, 85]);
        drop((many, more));
        assert_eq!(handle.connections_by_shard(), [0, 0, 0]);
    }

    #[test]
    fn no_address_takes_all() {
        let limits = Limits { connections_per_address_max: 2, ..Limits::default() };
        let (shared, _) = Shared::new(1, &limits, None);
        let shared = Arc::new(shared);
        let from = |address: &str| {
            let ip: IpAddr = address.parse().expect("an address");
            shared.admit(ShardId(0), Peer::Tcp((ip, 1).into()))
        };
        let kept =
            [from("10.0.0.1"), from("::ffff:10.0.0.1"), from("10.0.0.2"), from("fd00::1"), from("fd00::2")];
        assert!(kept.iter().all(Result::is_ok));
        assert_eq!(from("10.0.0.1").unwrap_err(), PER_ADDRESS);
        assert_eq!(from("fd00::ffff:1:2").unwrap_err(), PER_ADDRESS, "the network counts");
        assert!(from("fd00:0:0:1::1").is_ok() && from("10.0.0.2").is_ok());
        assert!(shared.admit(ShardId(0), Peer::Unix).is_ok());
        drop(kept);
        assert!(from("10.0.0.1").is_ok());
        assert!(shared.by_address().is_empty() && Handle(shared.clone()).connections() == 0);
    }
}
