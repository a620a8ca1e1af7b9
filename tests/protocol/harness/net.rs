//! The shards' host: sockets and links between shards are queues, the clock is a number.

use std::collections::{HashMap, VecDeque};
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use connectanum::access::Access;
use connectanum::auth::{CookieId, CookieJar, CookieStore, Holder, Job};
use connectanum::config::RouterConfig;
use connectanum::limits::Limited;
use connectanum::router::{Census, ConnId, Date, MeshMessage, Output, Peer, Shard, ShardId, Time};

use super::{Net, Setup};

/// A client's end of a connection.
#[derive(Clone)]
pub(crate) struct Socket {
    pub(super) net: Net,
    pub(super) index: usize,
}

/// How far the router has closed a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Open,
    /// The router sends nothing more.
    Shut,
    /// The router has forgotten it.
    Closed,
}

/// Whose a cookie is, until another shard forgets it in the worst moment.
#[derive(Debug, Default)]
pub(super) struct Cookies {
    jar: CookieJar,
    /// After the next look.
    forgets: AtomicBool,
}

impl CookieStore for Cookies {
    fn holder(&self, cookie: &CookieId, date_ms: u64) -> Option<Arc<Holder>> {
        let holder = self.jar.holder(cookie, date_ms);
        if self.forgets.swap(false, Ordering::Relaxed) {
            self.jar.forget(cookie);
        }
        holder
    }

    fn remember(&self, cookie: &CookieId, holder: Arc<Holder>, kept_max: usize, date_ms: u64) -> u64 {
        self.jar.remember(cookie, holder, kept_max, date_ms)
    }

    fn forget(&self, cookie: &CookieId) {
        self.jar.forget(cookie);
    }
}

/// The router and everything around it.
pub(super) struct World {
    realms: usize,
    shards: Vec<Shard>,
    cookies: Arc<Cookies>,
    /// From, to.
    links: Vec<Vec<VecDeque<MeshMessage>>>,
    carry_mesh: bool,
    /// A link, from and to, on which nothing gets through.
    held_link: Option<(usize, usize)>,
    pub(super) config: Arc<RouterConfig>,
    /// How many new configurations all shards have adopted.
    pub(super) reconfigured: usize,
    lines: Vec<Line>,
    by_conn: HashMap<(usize, ConnId), usize>,
    /// What takes long, by shard, unless it is done at once.
    jobs: Vec<(usize, ConnId, Job)>,
    keep_jobs: bool,
    now: Time,
    setup: Setup,
    rotation: usize,
}

/// A connection.
struct Line {
    shard: usize,
    conn: ConnId,
    stage: Stage,
    paused: bool,
    /// What the client has sent and the router does not read yet.
    to_router: VecDeque<u8>,
    /// After those bytes the client's end of file comes.
    ends: bool,
    /// What the router has sent and the client has not looked at.
    to_client: Vec<u8>,
    /// How many bytes the client will still take.
    room: usize,
}

impl Socket {
    /// Sends bytes.
    pub(crate) fn write(&self, bytes: &[u8]) {
        let mut world = self.net.0.borrow_mut();
        world.lines[self.index].to_router.extend(bytes);
        world.read(self.index);
        world.settle();
    }

    /// Everything that has come and was not read.
    pub(crate) fn read(&self) -> Vec<u8> {
        std::mem::take(&mut self.net.0.borrow_mut().lines[self.index].to_client)
    }

    /// Takes `n` more bytes of what the router wants to send and no others, until the next such call.
    pub(crate) fn take_only(&self, n: usize) {
        let mut world = self.net.0.borrow_mut();
        world.lines[self.index].room = n;
        world.flush(self.index);
        world.settle();
    }

    /// Closes the sending side.
    pub(crate) fn eof(&self) {
        self.finish(&[]);
    }

    /// Sends bytes and closes the sending side, all at once.
    pub(crate) fn finish(&self, bytes: &[u8]) {
        let mut world = self.net.0.borrow_mut();
        let line = &mut world.lines[self.index];
        line.to_router.extend(bytes);
        line.ends = true;
        world.read(self.index);
        world.settle();
    }

    /// The connection breaks.
    pub(crate) fn lose(&self) {
        let mut world = self.net.0.borrow_mut();
        world.lose(self.index);
        world.settle();
    }

    pub(crate) fn stage(&self) -> Stage {
        self.net.0.borrow().lines[self.index].stage
    }

    /// Whether the router does not read it at the moment.
    pub(crate) fn is_paused(&self) -> bool {
        self.net.0.borrow().lines[self.index].paused
    }

    /// Whether the router has closed, either half or whole.
    pub(crate) fn is_ended(&self) -> bool {
        self.stage() != Stage::Open
    }

    /// The router has closed its side; the client does the same, and that is the end.
    #[track_caller]
    pub(crate) fn expect_end(&self) {
        assert_eq!(self.stage(), Stage::Shut, "the router's side of the connection");
        self.eof();
        assert_eq!(self.stage(), Stage::Closed, "after the client's end of file");
    }
}

/// The date at time zero: 2023-11-14T22:13:20Z.
const STARTED: Date = Date(1_700_000_000_000);

impl World {
    pub(super) fn new(config: Arc<RouterConfig>, access: Arc<[Access]>, setup: Setup) -> World {
        // With another seed the owners of URIs are other shards.
        let seed = [setup.rotation as u8; 32];
        let n = setup.shards;
        let (gates, cookies) = (config.gates(), Arc::new(Cookies::default()));
        let shard = |id| {
            Shard::with_gates(config.clone(), gates.clone(), ShardId(id), n, seed, STARTED)
                .with_access(access.clone())
                .with_cookies(cookies.clone())
        };
        World {
            realms: access.len(),
            shards: (0..n).map(shard).collect(),
            cookies,
            links: (0..n).map(|_| (0..n).map(|_| VecDeque::new()).collect()).collect(),
            carry_mesh: true,
            held_link: None,
            reconfigured: 0,
            lines: Vec::new(),
            by_conn: HashMap::new(),
            jobs: Vec::new(),
            keep_jobs: false,
            now: Time(0),
            setup,
            config,
            rotation: setup.rotation,
        }
    }

    pub(super) fn next_rotation(&mut self) -> usize {
        self.rotation += 1;
        self.rotation - 1
    }

    pub(super) fn realms(&self) -> usize {
        self.realms
    }

    pub(super) fn shards(&self) -> usize {
        self.shards.len()
    }

    pub(super) fn accept(&mut self, peer: Peer) -> usize {
        let index = self.lines.len();
        let step = if self.setup.spread { index } else { 0 };
        let shard = (self.setup.rotation + step) % self.shards.len();
        let conn = self.shards[shard].accept(self.now, peer);
        self.by_conn.insert((shard, conn), index);
        self.lines.push(Line {
            shard,
            conn,
            stage: Stage::Open,
            paused: false,
            to_router: VecDeque::new(),
            ends: false,
            to_client: Vec::new(),
            room: usize::MAX,
        });
        self.settle();
        index
    }

    /// The machine's clock is put forward by so much.
    pub(super) fn put_clock_forward(&mut self, ms: u64) {
        self.shards.iter_mut().for_each(|shard| shard.set_started(Date(STARTED.0 + ms)));
    }

    pub(super) fn wait_ms(&mut self, ms: u64) {
        let end = self.now.plus_ms(ms);
        while let Some((at, shard)) =
            (0..self.shards.len()).filter_map(|i| Some((self.shards[i].next_deadline()?, i))).min()
            && at <= end
        {
            self.now = self.now.max(at);
            self.shards[shard].expire(self.now);
            self.settle();
        }
        self.now = end;
    }

    /// How often limits were met, on all shards together.
    pub(super) fn limited(&self) -> Limited {
        let mut sum = Limited::default();
        self.shards.iter().for_each(|shard| sum += shard.limited());
        sum
    }

    pub(super) fn forget_cookie_looked_at(&self) {
        self.cookies.forgets.store(true, Ordering::Relaxed);
    }

    pub(super) fn set_access(&mut self, access: &Arc<[Access]>) {
        let now = self.now;
        self.shards.iter_mut().for_each(|shard| shard.set_access(now, access.clone()));
        self.settle();
    }

    pub(super) fn reconfigure(&mut self, config: &RouterConfig) {
        let (config, gates, access) = (Arc::new(config.clone()), config.gates(), config.access());
        self.realms = access.len();
        self.config = config.clone();
        self.shards[0].reconfigure(self.now, config, gates, access);
        self.settle();
    }

    pub(super) fn hold_link(&mut self, link: Option<(usize, usize)>) {
        self.held_link = link;
        self.carry_mesh(self.carry_mesh);
    }

    pub(super) fn shutdown(&mut self) {
        for shard in &mut self.shards {
            shard.shutdown(self.now);
        }
        self.settle();
    }

    pub(super) fn is_drained(&self) -> bool {
        self.shards.iter().all(Shard::is_drained)
    }

    pub(super) fn carry_mesh(&mut self, carry: bool) {
        self.carry_mesh = carry;
        if carry {
            for from in 0..self.shards.len() {
                for to in 0..self.shards.len() {
                    self.send_mesh(from, to);
                }
            }
        }
        self.settle();
    }

    pub(super) fn do_jobs(&mut self, at_once: bool) -> usize {
        self.keep_jobs = !at_once;
        let jobs = std::mem::take(&mut self.jobs);
        let count = jobs.len();
        for (shard, conn, job) in jobs {
            self.shards[shard].verified(self.now, conn, job.run());
            self.settle();
        }
        count
    }

    pub(super) fn break_all(&mut self) {
        for index in 0..self.lines.len() {
            self.lose(index);
        }
        self.settle();
    }

    pub(super) fn census(&self) -> [usize; 5] {
        let all = self.shards.iter().map(Shard::census);
        all.fold([0; 5], |sum, c| {
            let more = [c.connections, c.sessions, c.topics, c.registrations, c.calls];
            std::array::from_fn(|i| sum[i] + more[i])
        })
    }

    /// Whether every shard is as it was when it was new.
    pub(super) fn is_at_rest(&self) -> bool {
        self.shards.iter().all(|shard| shard.census() == Census::default())
    }

    fn lose(&mut self, index: usize) {
        let line = &mut self.lines[index];
        if line.stage != Stage::Closed {
            line.stage = Stage::Closed;
            let (shard, conn) = (line.shard, line.conn);
            self.shards[shard].lost(self.now, conn);
        }
    }

    /// Does what the shards want done, until they want nothing.
    fn settle(&mut self) {
        loop {
            let mut moved = false;
            for shard in 0..self.shards.len() {
                while let Some(output) = self.shards[shard].poll_output() {
                    moved = true;
                    self.perform(shard, output);
                }
            }
            for from in 0..self.shards.len() {
                for to in 0..self.shards.len() {
                    while let Some(message) = self.links[from][to].pop_front() {
                        moved = true;
                        self.shards[to].mesh_received(self.now, ShardId(from as u16), message);
                    }
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn perform(&mut self, shard: usize, output: Output) {
        let conn = match output {
            Output::Mesh(to) => return self.send_mesh(shard, usize::from(to.0)),
            Output::Reconfigured(done) => {
                assert!(done, "refused");
                return self.reconfigured += 1;
            }
            Output::Verify(conn) => {
                let job = self.shards[shard].take_job(conn);
                return match self.keep_jobs {
                    true => self.jobs.push((shard, conn, job)),
                    false => self.shards[shard].verified(self.now, conn, job.run()),
                };
            }
            Output::Flush(conn)
            | Output::Pause(conn)
            | Output::Resume(conn)
            | Output::Shutdown(conn)
            | Output::Close(conn) => conn,
        };
        let index = self.by_conn[&(shard, conn)];
        let line = &mut self.lines[index];
        if line.stage == Stage::Closed {
            return;
        }
        match output {
            Output::Flush(_) => self.flush(index),
            Output::Pause(_) => {
                assert!(!line.paused, "paused twice");
                line.paused = true;
            }
            Output::Resume(_) => {
                assert!(line.paused, "resumed without being paused");
                line.paused = false;
                self.read(index);
            }
            Output::Shutdown(_) => {
                assert_eq!(line.stage, Stage::Open, "shut down twice");
                line.stage = Stage::Shut;
            }
            Output::Close(_) => line.stage = Stage::Closed,
            Output::Mesh(_) | Output::Verify(_) | Output::Reconfigured(_) => {}
        }
    }

    /// Gives the router what the client has sent, in pieces, while it wants it.
    fn read(&mut self, index: usize) {
        loop {
            let line = &mut self.lines[index];
            let (shard, conn) = (line.shard, line.conn);
            if line.paused || line.stage == Stage::Closed {
                return;
            }
            if line.to_router.is_empty() {
                if std::mem::take(&mut line.ends) {
                    self.shards[shard].eof(self.now, conn);
                }
                return;
            }
            // Large messages in small pieces would only take long.
            let piece = if line.to_router.len() > 4096 { 65_536 } else { self.setup.piece };
            let n = piece.min(line.to_router.len());
            let mut bytes: Vec<u8> = line.to_router.drain(..n).collect();
            self.shards[shard].received(self.now, conn, &mut bytes);
            if !self.setup.hasty {
                self.see_outputs(shard);
            }
        }
    }

    fn see_outputs(&mut self, shard: usize) {
        while let Some(output) = self.shards[shard].poll_output() {
            self.perform(shard, output);
        }
    }

    /// Writes what the router wants to send, as far as the client takes it.
    fn flush(&mut self, index: usize) {
        loop {
            let Line { shard, conn, room, stage, .. } = self.lines[index];
            let mut slices = [IoSlice::new(&[]); 3];
            let filled = self.shards[shard].outgoing(conn, &mut slices);
            // An odd number of bytes, to end within frames now and then.
            let most = room.min(100_003);
            let mut taken = Vec::new();
            for slice in &slices[..filled] {
                taken.extend_from_slice(&slice[..slice.len().min(most - taken.len())]);
            }
            let n = taken.len();
            if n == 0 {
                return;
            }
            assert_eq!(stage, Stage::Open, "bytes after the end");
            let line = &mut self.lines[index];
            line.to_client.append(&mut taken);
            if room != usize::MAX {
                line.room -= n;
            }
            if !self.shards[shard].sent(self.now, conn, n) {
                return;
            }
        }
    }

    fn send_mesh(&mut self, from: usize, to: usize) {
        let carry = self.carry_mesh && self.held_link != Some((from, to));
        let link = &mut self.links[from][to];
        self.shards[from].flush_mesh(self.now, ShardId(to as u16), |message| {
            if !carry {
                return Err(message);
            }
            link.push_back(message);
            Ok(())
        });
    }
}
