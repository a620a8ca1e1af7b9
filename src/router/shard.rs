//! The shard: sessions, connections and this core's part of broker and dealer.
//!
//! # Contract
//!
//! The host feeds inputs (the methods that take `now`) in any number, then drains [`Shard::poll_output`] until it
//! returns `None`, then sleeps until [`Shard::next_deadline`] at the latest. Nothing is lost by draining late;
//! draining once per turn of the host's loop is what gathers writes.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use slotmap::SlotMap;

use super::arena::Arena;
use super::broker::Newcomer;
use super::conn::{Ending, Phase, Stall, Wire};
use super::dealer::CallRecord;
use super::delivery::Scratch;
use super::handshake::Failures;
use super::history::{ReplayKey, Replaying};
use super::mesh::{CallKey, MeshMessage, Outbox, RoundKey, ShardId, Word};
use super::meta::{Gather, GatherKey};
use super::realm::Realm;
use super::reload::Reload;
use super::retained::Recalls;
use super::rounds::Round;
use super::time::{Date, Time};
use super::timers::{Due, Timers};
use super::tls_peer::TlsPeer;
use super::visitors::Visitors;
use super::{Hasher, Map};
use crate::access::Access;
use crate::auth::Gate;
use crate::config::RouterConfig;
use crate::limits::{ID_MAX, Limited, Limits, SHARDS_MAX, URI_BYTES_MAX};
use crate::wamp::SessionId;

slotmap::new_key_type! {
    /// A connection of this shard: a generational key, so that a late word about a closed connection finds nothing.
    pub struct ConnId;
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// TCP, with the remote address.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix,
}

/// What the shard wants of its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Bytes wait for this connection: write [`Shard::outgoing`], then report [`Shard::sent`]. Said once until the
    /// queue has been emptied; a host whose socket is full waits for writability by itself.
    Flush(ConnId),
    /// Messages wait for this shard: see [`Shard::flush_mesh`]. Said once until the outbox has been emptied.
    Mesh(ShardId),
    /// Stop reading from the connection, until `Resume`.
    Pause(ConnId),
    /// Read from the connection again.
    Resume(ConnId),
    /// All is written: shut down the sending side, keep reading (and reporting what comes) until end of file.
    Shutdown(ConnId),
    /// A client's proof takes long to verify: do [`Shard::take_job`] where nothing waits for it, then report
    /// [`Shard::verified`]. There is one at a time.
    Verify(ConnId),
    /// What [`Shard::reconfigure`] has begun is done on all shards; `false`: it was refused, and nothing has changed.
    Reconfigured(bool),
    /// Close the descriptor; the shard has forgotten the connection already.
    Close(ConnId),
}

/// How many things a shard holds; at rest without connections all are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub struct Census {
    pub connections: usize,
    pub sessions: usize,
    pub topics: usize,
    pub registrations: usize,
    pub calls: usize,
    pub invocations: usize,
    pub waiting_calls: usize,
    pub open_slots: usize,
    pub rounds: usize,
    pub gathers: usize,
    pub handshakes: usize,
    pub recalls: usize,
    pub replays: usize,
    pub cookies: usize,
    pub mesh_waiting_bytes: usize,
}

/// One core's part of the router.
#[derive(Debug)]
pub struct Shard {
    pub(super) id: ShardId,
    pub(super) shards: u16,
    pub(super) config: Arc<RouterConfig>,
    pub(super) hasher: Hasher,
    /// What each realm asks of those who want in.
    pub(super) gates: Arc<[Gate]>,
    /// Who decides in each realm what sessions may do.
    pub(super) access: Arc<[Access]>,
    /// By realm: whether anybody may come in. Those that the configuration has no more keep their index, and are closed.
    pub(super) open: Arc<[bool]>,
    pub(super) reload: Reload,
    pub(super) failures: Failures,
    pub(super) visitors: Visitors,
    /// Clients whose proof takes long to verify, and waits for it.
    pub(super) unverified: VecDeque<ConnId>,
    /// The host verifies one.
    pub(super) verifying: bool,
    /// Names that many sessions share.
    pub(super) names: Vec<Arc<str>>,
    pub(super) wire: Wire,
    pub(super) sessions: Map<SessionId, ConnId>,
    pub(super) realms: Vec<Realm>,
    pub(super) calls: SlotMap<CallKey, CallRecord>,
    pub(super) rounds: SlotMap<RoundKey, Round>,
    pub(super) gathers: SlotMap<GatherKey, Gather>,
    pub(super) recalls: Recalls,
    pub(super) replays: SlotMap<ReplayKey, Replaying>,
    pub(super) timers: Timers,
    /// Connections at the front of whose queue of calls may be what belongs to a call that is over.
    pub(super) unblocked: Vec<ConnId>,
    pub(super) arena: Arena,
    pub(super) scratch: Scratch,
    /// Last subscription or registration id that this shard gave out, divided by the number of shards.
    pub(super) router_ids: u64,
    /// EVENT_RECEIVED messages that have come (decision D23).
    pub(super) events_received: u64,
    /// Sessions by authid, if they are counted.
    pub(super) presence: Map<u64, u32>,
    /// How often limits were met.
    pub(super) limited: Limited,
    /// The date at time zero.
    started: Date,
    random: ChaCha8Rng,
    outboxes: Vec<Outbox>,
    /// Some outbox has passed its limit and not all have drained since.
    congested: bool,
    /// Connections that are not read until the mesh has drained.
    choked: VecDeque<ConnId>,
    pub(super) shutting_down: bool,
}

impl Shard {
    /// Shard `id` of `shards`. `seed` is the source of all its ids and choices; all shards of a router share it. `started`
    /// is the date at [`Time`] zero.
    ///
    /// # Panics
    /// If `shards` is not in 1..=[`SHARDS_MAX`] or `id` is not below it: a mistake of the host, not of any peer.
    pub fn new(config: Arc<RouterConfig>, id: ShardId, shards: u16, seed: [u8; 32], started: Date) -> Shard {
        let gates = config.gates();
        Shard::with_gates(config, gates, id, shards, seed, started)
    }

    /// As [`Shard::new`], with a gate for each realm instead of those that the configuration makes. Shards share them.
    ///
    /// # Panics
    /// As [`Shard::new`], and if there are more or fewer gates than realms.
    pub fn with_gates(
        config: Arc<RouterConfig>,
        gates: Arc<[Gate]>,
        id: ShardId,
        shards: u16,
        seed: [u8; 32],
        started: Date,
    ) -> Shard {
        assert_eq!(gates.len(), config.realms.len(), "gates and realms");
        assert!((1..=SHARDS_MAX).contains(&shards) && id.0 < shards, "shard {id} of {shards}");
        let hasher = Hasher::with_seed(u64::from_le_bytes(*seed.first_chunk().expect("32 bytes hold 8")));
        let mut random = ChaCha8Rng::from_seed(seed);
        random.set_stream(u64::from(id.0));
        Shard {
            id,
            shards,
            visitors: Visitors::new(&gates),
            gates,
            access: config.access(),
            open: config.realms.iter().map(|_| true).collect(),
            reload: Reload::default(),
            failures: Failures::new(&config.limits),
            unverified: VecDeque::new(),
            verifying: false,
            names: Vec::new(),
            wire: Wire::new(&config.limits),
            sessions: Map::with_hasher(hasher.clone()),
            realms: config.realms.iter().map(|realm| Realm::new(realm, &hasher)).collect(),
            calls: SlotMap::with_key(),
            rounds: SlotMap::with_key(),
            gathers: SlotMap::with_key(),
            recalls: Recalls::default(),
            replays: SlotMap::with_key(),
            timers: Timers::default(),
            unblocked: Vec::new(),
            arena: Arena::default(),
            scratch: Scratch::default(),
            router_ids: 0,
            events_received: 0,
            presence: Map::with_hasher(hasher.clone()),
            limited: Limited::default(),
            started,
            random,
            outboxes: (0..shards).map(|_| Outbox::default()).collect(),
            congested: false,
            choked: VecDeque::new(),
            shutting_down: false,
            hasher,
            config,
        }
    }

    /// This shard, with these to decide, by realm, what sessions may do, instead of the configuration's roles. Shards share them.
    ///
    /// # Panics
    /// If there are more or fewer than realms.
    #[must_use]
    pub fn with_access(self, access: Arc<[Access]>) -> Shard {
        assert_eq!(access.len(), self.config.realms.len(), "access and realms");
        Shard { access, ..self }
    }

    /// The machine's clock has been put right: this is the date at time zero. An earlier one than before changes nothing, for dates never go
    /// back.
    pub fn set_started(&mut self, started: Date) {
        self.started = self.started.max(started);
    }

    /// Its index.
    pub fn id(&self) -> ShardId {
        self.id
    }

    /// A connection was accepted. Its first bytes will tell which transport it speaks.
    pub fn accept(&mut self, now: Time, peer: Peer) -> ConnId {
        let id = self.wire.accept(peer);
        self.arm(id, now.plus_ms(self.limits().handshake_ms_max));
        if self.shutting_down {
            self.wire.begin_close(id);
            self.settle(now);
        }
        id
    }

    /// The connection speaks TLS, and the handshake is done. To be called before its first bytes are [`Shard::received`].
    pub fn secured(&mut self, conn: ConnId, peer: TlsPeer) {
        if let Some(conn) = self.wire.conns.get_mut(conn) {
            conn.tls = Some(Box::new(peer));
        }
    }

    /// What TLS has shown of the peer; `None` without TLS.
    pub fn tls_peer(&self, conn: ConnId) -> Option<&TlsPeer> {
        self.wire.conns.get(conn)?.tls.as_deref()
    }

    /// Bytes have come. They are unmasked in place, hence `mut`.
    pub fn received(&mut self, now: Time, conn: ConnId, bytes: &mut [u8]) {
        self.read(now, conn, bytes);
        self.settle(now);
    }

    /// The peer has closed its sending side (end of file). What waits is still written, then the shard closes.
    pub fn eof(&mut self, now: Time, conn: ConnId) {
        self.end_of_input(now, conn);
        self.settle(now);
    }

    /// The connection broke (reset, write error). The host closes the descriptor; no `Close` follows.
    pub fn lost(&mut self, now: Time, conn: ConnId) {
        self.leave(now, conn);
        self.wire.forget(conn);
        self.settle(now);
    }

    /// A message came from shard `from`; messages of one link come in the order they were sent.
    pub fn mesh_received(&mut self, now: Time, from: ShardId, message: MeshMessage) {
        self.hear(now, from, message.0);
        self.settle(now);
    }

    /// The deadline has passed (calling it early does nothing).
    pub fn expire(&mut self, now: Time) {
        while let Some(due) = self.timers.pop_due(now) {
            match due {
                Due::Conn(id) => {
                    let Some(conn) = self.wire.conns.get_mut(id) else { continue };
                    match conn.deadline.take_if(|at| *at <= now) {
                        Some(_) => self.overdue(now, id),
                        None => self.timers.ignored(),
                    }
                }
                Due::Call(key) => self.call_overdue(now, key),
                Due::Turn(id) => self.turn_has_come(id),
            }
        }
        self.settle(now);
    }

    /// Say GOODBYE to all sessions, refuse new ones, close within [`Limits::drain_ms_max`] and, for those that do not answer,
    /// [`Limits::closing_ms_max`] more.
    pub fn shutdown(&mut self, now: Time) {
        self.shutting_down = true;
        let deadline = now.plus_ms(self.limits().drain_ms_max);
        let all: Vec<ConnId> = self.wire.conns.keys().collect();
        for id in all {
            self.send_off(now, id);
            self.arm(id, deadline);
        }
        self.settle(now);
    }

    /// After [`Shard::shutdown`]: no connection is left.
    pub fn is_drained(&self) -> bool {
        self.wire.conns.is_empty()
    }

    /// What to do next, `None` when nothing.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.wire.outputs.pop_front()
    }

    /// When to call [`Shard::expire`] at the latest.
    pub fn next_deadline(&self) -> Option<Time> {
        self.timers.next()
    }

    /// The bytes that wait for `conn`, filled into `slices` in order; returns how many slices were filled.
    pub fn outgoing<'a>(&'a self, conn: ConnId, slices: &mut [IoSlice<'a>]) -> usize {
        self.wire.conns.get(conn).map_or(0, |c| c.out.slices(slices))
    }

    /// `n` bytes of [`Shard::outgoing`] were written. Returns whether more wait.
    pub fn sent(&mut self, now: Time, conn: ConnId, n: usize) -> bool {
        let more = self.wire.sent(conn, n);
        if !self.wire.runnable.is_empty() {
            self.settle(now);
        }
        more
    }

    /// Hands the messages that wait for shard `to` to `send`, in order, until it gives one back (its link is full).
    /// Returns whether all are gone; if not, call again when the link has room.
    pub fn flush_mesh(
        &mut self,
        now: Time,
        to: ShardId,
        send: impl FnMut(MeshMessage) -> Result<(), MeshMessage>,
    ) -> bool {
        let outbox = &mut self.outboxes[usize::from(to.0)];
        let empty = outbox.flush(send);
        if empty {
            outbox.announced = false;
        }
        if self.congested {
            self.relieve(now);
        }
        empty
    }

    /// How many EVENT_RECEIVED (337) have come: clients may send them, and nothing follows.
    pub fn events_received(&self) -> u64 {
        self.events_received
    }

    /// How often clients have met a limit.
    pub fn limited(&self) -> Limited {
        Limited {
            outbound_bytes_high: self.wire.pauses,
            failures_kept_max: self.failures.forgotten(),
            ..self.limited
        }
    }

    /// How many realms clients can join.
    pub fn open_realms(&self) -> usize {
        let realms = self.config.realms.iter().zip(&*self.open);
        realms.filter(|(realm, open)| **open && realm.template.is_none()).count()
    }

    /// What the shard holds now.
    pub fn census(&self) -> Census {
        let (waiting_calls, open_slots) = self.pooled();
        Census {
            connections: self.wire.conns.len(),
            sessions: self.sessions.len(),
            topics: self.realms.iter().map(Realm::topics).sum(),
            registrations: self.realms.iter().map(Realm::registrations).sum(),
            calls: self.calls.len(),
            invocations: self.open_invocations(),
            waiting_calls,
            open_slots,
            rounds: self.rounds.len(),
            gathers: self.gathers.len(),
            handshakes: self.wire.handshakes(),
            recalls: self.recalls.len(),
            replays: self.replays.len(),
            cookies: self.visitors.len(),
            mesh_waiting_bytes: self.outboxes.iter().map(Outbox::bytes).sum(),
        }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.config.limits
    }

    /// The longest URI. An embedder's configuration has not passed the checks of a file.
    pub(super) fn uri_bytes_max(&self) -> usize {
        self.limits().uri_bytes_max.min(URI_BYTES_MAX)
    }

    /// The date now.
    pub(super) fn date(&self, now: Time) -> Date {
        self.started.at(now)
    }

    pub(super) fn is_shutting_down(&self) -> bool {
        self.shutting_down
    }

    /// A random id of global scope.
    pub(super) fn random_id(&mut self) -> u64 {
        (self.random.next_u64() & (ID_MAX - 1)) + 1
    }

    /// Random bytes that nobody can foresee.
    pub(super) fn random_bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.random.fill_bytes(&mut bytes);
        bytes
    }

    /// A random number below `n`.
    pub(super) fn random_below(&mut self, n: usize) -> usize {
        // Multiply-shift: the bias for any real number of callees is below 2^-40.
        ((u128::from(self.random.next_u64()) * n as u128) >> 64) as usize
    }

    /// A fresh id of router scope: no other shard gives out the same.
    pub(super) fn router_id(&mut self) -> u64 {
        self.router_ids += 1;
        (self.router_ids - 1) * u64::from(self.shards) + u64::from(self.id.0) + 1
    }

    /// Sets a connection's one deadline.
    pub(super) fn arm(&mut self, id: ConnId, at: Time) {
        self.disarm(id);
        if let Some(conn) = self.wire.conns.get_mut(id) {
            conn.deadline = Some(at);
            self.timers.add(at, Due::Conn(id));
        }
    }

    /// Takes a connection's deadline away.
    pub(super) fn disarm(&mut self, id: ConnId) {
        if self.wire.conns.get_mut(id).and_then(|conn| conn.deadline.take()).is_some() {
            self.stop_timer();
        }
    }

    /// Something no longer has the deadline that it had.
    pub(super) fn stop_timer(&mut self) {
        if self.timers.leave_stale() {
            let (calls, conns) = (&self.calls, &self.wire.conns);
            self.timers.sweep(|at, due| match due {
                Due::Call(key) => calls
                    .get(key)
                    .and_then(|record| record.watch.as_ref())
                    .is_some_and(|watch| watch.has_deadline()),
                Due::Turn(id) => conns.contains_key(id),
                Due::Conn(id) => conns.get(id).is_some_and(|conn| conn.deadline == Some(at)),
            });
        }
    }

    /// Says `word` to shard `to`, which may be this one.
    pub(super) fn tell(&mut self, now: Time, to: ShardId, word: Word) {
        if to == self.id {
            self.hear(now, to, word);
            return;
        }
        let outbox = &mut self.outboxes[usize::from(to.0)];
        outbox.push(word);
        self.congested |= outbox.bytes() > self.config.limits.mesh_outbox_bytes_high;
        if !outbox.announced {
            outbox.announced = true;
            self.wire.outputs.push_back(Output::Mesh(to));
        }
    }

    /// All shards but this one.
    pub(super) fn others(&self) -> impl Iterator<Item = ShardId> + use<> {
        let me = self.id;
        (0..self.shards).map(ShardId).filter(move |shard| *shard != me)
    }

    /// Whether sessions that feed the mesh must wait; if so, `conn` is remembered and not read until it has drained.
    pub(super) fn choke(&mut self, conn: ConnId) -> bool {
        if !self.congested {
            return false;
        }
        if self.wire.stall(conn, Stall::MESH) {
            self.limited.mesh_outbox_bytes_high += 1;
            self.choked.push_back(conn);
        }
        true
    }

    /// If the mesh has drained, reads on from those that wait for it, one after the other until it is full again: whoever fills
    /// it waits behind the others.
    fn relieve(&mut self, now: Time) {
        let low = self.limits().mesh_outbox_bytes_high / 2;
        self.congested = self.outboxes.iter().any(|o| o.bytes() > low);
        while !self.congested
            && let Some(conn) = self.choked.pop_front()
        {
            self.wire.unstall(conn, Stall::MESH);
            self.release(now, conn);
            self.settle(now);
        }
    }

    fn hear(&mut self, now: Time, from: ShardId, word: Word) {
        match word {
            Word::Tried { culprits, failed } => self.hear_try(now, culprits, failed),
            Word::Present { who, is_in } => self.hear_presence(who, is_in),
            Word::LoggedOut { cookie } => self.logged_out(now, *cookie),
            Word::Subscribe { realm, policy, topic, session, round } => {
                self.own_subscribe(now, realm, policy, topic, Newcomer { shard: from, session, round });
            }
            Word::Unsubscribe { realm, policy, topic, session } => {
                self.own_unsubscribe(now, from, realm, policy, topic, session);
            }
            Word::Member { realm, subscription, session, is_in } => {
                self.tell_member(now, realm, subscription, session, is_in);
            }
            Word::Interest { realm, policy, topic, subscription, shard, round } => {
                self.interest(realm, policy, &topic, subscription, shard);
                self.tell(now, shard, Word::Ack { round });
            }
            Word::Disinterest { realm, policy, topic, shard } => {
                self.disinterest(realm, policy, &topic, shard);
            }
            Word::Register(register) => self.own_register(now, from, *register),
            Word::Registered { session, request, outcome } => self.registered(now, session, request, outcome),
            Word::Unregister { realm, registration, session, request } => {
                self.own_unregister(now, from, realm, registration, session, request);
            }
            Word::Unregistered { session, request } => self.unregistered(now, session, request),
            Word::AddCallee { joined, round } => {
                self.add_callee(now, &joined);
                self.tell(now, from, Word::Ack { round });
            }
            Word::Revoked { session, registration, reason } => {
                self.revoked(now, session, registration, &reason);
            }
            Word::RemoveCallee { realm, registration, callee } => {
                self.remove_callee(realm, registration, callee);
            }
            Word::Adopt { plan, round } => {
                self.adopt(now, &plan);
                self.tell(now, from, Word::Ack { round });
            }
            Word::WantRealm { name } => self.own_want(now, from, name),
            Word::NoRealm { name } => self.no_realm(&name),
            Word::Ack { round } => self.acknowledged(now, round),
            Word::Publish(published) => {
                self.deliver_published(now, &published);
                if let Some(round) = published.round {
                    self.tell(now, from, Word::Ack { round });
                }
            }
            Word::Recall(recall) => self.pass_recall(now, recall),
            Word::RecallPassed(recall) => self.recall_passed(now, &recall),
            Word::Recalled { key, events } => self.recalled(key, events),
            Word::Replay(replay) => self.own_replay(now, &replay),
            Word::Replayed { key, events } => self.replayed(key, &events),
            Word::Pick { realm, registration, call, wish } => {
                self.own_pick(now, from, realm, registration, call, wish);
            }
            Word::Picked { call, turn } => self.picked(now, call, turn),
            Word::Withdraw { realm, registration, call } => {
                self.own_withdraw(from, realm, registration, call);
            }
            Word::Done(slot) => self.own_done(now, slot),
            Word::Invoke(invoke) => self.invoke(now, from, invoke),
            Word::Refused(invoke) => self.refused(now, invoke),
            Word::Continue(more) => self.continued(now, from, &more),
            Word::Invoked { call, keeps_time } => self.invoked(now, call, keeps_time),
            Word::Answer(answer) => self.answered(now, &answer),
            Word::Stop { callee, call, how } => self.stop(now, from, callee, call, how),

            Word::Ask { gather, question } => {
                let reply = Box::new(self.reply(now, &question));
                self.tell(now, from, Word::Told { gather, reply });
            }
            Word::Told { gather, reply } => self.told(now, gather, *reply),
        }
    }

    /// A connection that has begun to close has so long for it.
    fn await_close(&mut self, now: Time, id: ConnId) {
        let phase = self.wire.conns.get(id).map(|conn| conn.phase);
        if matches!(phase, Some(Phase::Draining | Phase::Lingering)) {
            self.arm(id, now.plus_ms(self.limits().closing_ms_max));
        }
    }

    /// After every input: what could not be done in the middle of it.
    pub(super) fn settle(&mut self, now: Time) {
        loop {
            if let Some(id) = self.wire.doomed.pop() {
                if !self.wire.conns.contains_key(id) {
                    continue;
                }
                self.limited.outbound_bytes_max += 1;
                tracing::warn!(
                    shard = self.id.0,
                    conn = ?id,
                    "slow consumer: outbound_bytes_max is reached, connection closed"
                );
                self.leave(now, id);
                self.wire.close(id);
            } else if let Some(id) = self.unblocked.pop() {
                self.release(now, id);
            } else if let Some(id) = self.wire.runnable.pop() {
                self.resume(now, id);
            } else if let Some(ending) = self.wire.endings.pop() {
                match ending {
                    Ending::Conn(id) => self.await_close(now, id),
                    Ending::Errand(call) => self.drop_errand(now, call),
                }
            } else {
                break;
            }
        }
    }
}
