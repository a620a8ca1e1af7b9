//! A router of real shards without sockets, threads or clock, and clients that speak to it in JSON literals.
//!
//! After every step of a client the shards run until nothing moves any more. So a test reads like a trace of the
//! specification: what is sent, then what has come.

mod client;
mod net;
pub(crate) mod oracle;
mod transport;

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use connectanum::access::{Access, Authorizer, Role};
use connectanum::config::{RealmConfig, RouterConfig};
use connectanum::limits::{Limited, Limits};
use connectanum::router::Peer;
use connectanum::wamp::Serializer;
use serde_json::Value;

pub(crate) use client::{Client, hello, id};
pub(crate) use net::{Socket, Stage};
pub(crate) use transport::{Frame, Transport, raw_frame, upgrade, ws_close, ws_control, ws_frame};

use net::World;

/// The realm that clients join unless a test says otherwise.
pub(crate) const REALM: &str = "realm1";
/// A realm with the strict URI rule.
pub(crate) const STRICT_URIS: &str = "realm.strict_uris";
/// A realm that insists on sequential request ids.
pub(crate) const STRICT_IDS: &str = "realm.strict_ids";

/// A realm whose name leaves no room for WELCOME in 512 bytes.
pub(crate) fn long_realm() -> String {
    "realm".repeat(100)
}

/// Where a test runs: how many shards, where its clients are, what they speak.
#[derive(Clone, Copy, Debug)]
struct Setup {
    shards: u16,
    /// Clients are placed on one shard after the other, instead of all on the same.
    spread: bool,
    /// Which transport and which serializer the first client has; the next client has the next ones.
    rotation: usize,
    /// Bytes that a socket carries at a time.
    piece: usize,
    /// The host reads all there is before it looks whether the shard wants a pause.
    hasty: bool,
}

/// Every setup: one shard, four with all clients on one, four with clients apart; each with all ways to speak.
fn setups() -> impl Iterator<Item = Setup> {
    let nets = [(1, false), (4, false), (4, true)];
    nets.into_iter().flat_map(|(shards, spread)| {
        (0..Transport::ROTATION).map(move |rotation| Setup {
            shards,
            spread,
            rotation,
            piece: [usize::MAX, 19, 1000][rotation % 3],
            hasty: rotation >= 3,
        })
    })
}

/// Runs `test` in every setup, and sees that nothing is left of it when its clients are gone.
#[track_caller]
pub(crate) fn everywhere(test: impl Fn(&Net)) {
    everywhere_with(Limits::default(), test);
}

/// As [`everywhere`], with other limits.
#[track_caller]
pub(crate) fn everywhere_with(limits: Limits, test: impl Fn(&Net)) {
    everywhere_in(&RealmConfig::new(REALM), limits, test);
}

/// As [`everywhere`], with other limits and this configuration of the realm that clients join.
#[track_caller]
pub(crate) fn everywhere_in(realm: &RealmConfig, limits: Limits, test: impl Fn(&Net)) {
    for setup in setups() {
        println!("in {setup:?}");
        let net = Net::new(realm.clone(), limits.clone(), setup);
        test(&net);
        net.clear();
    }
}

/// As [`everywhere`], in a realm where this one decides what sessions may do.
#[track_caller]
pub(crate) fn everywhere_by(authorizer: &Arc<dyn Authorizer>, test: impl Fn(&Net)) {
    for setup in setups() {
        println!("in {setup:?}");
        let access = Some(Access::by(authorizer.clone()));
        let net = Net::with_access(RealmConfig::new(REALM), Limits::default(), access, setup);
        test(&net);
        net.clear();
    }
}

/// As [`everywhere`] in one setup only, for tests that move much.
#[track_caller]
pub(crate) fn once(test: impl Fn(&Net)) {
    let setup = Setup { shards: 4, spread: true, rotation: 0, piece: usize::MAX, hasty: false };
    let net = Net::new(RealmConfig::new(REALM), Limits::default(), setup);
    test(&net);
    net.clear();
}

/// A router. Clones are the same router.
#[derive(Clone)]
pub(crate) struct Net(Rc<RefCell<World>>);

impl Net {
    fn new(realm: RealmConfig, limits: Limits, setup: Setup) -> Net {
        Net::with_access(realm, limits, None, setup)
    }

    fn with_access(realm: RealmConfig, limits: Limits, access: Option<Access>, setup: Setup) -> Net {
        let strict_uris = RealmConfig { strict_uris: true, ..RealmConfig::new(STRICT_URIS) };
        let strict_ids = RealmConfig { strict_request_ids: true, ..RealmConfig::new(STRICT_IDS) };
        let realms = vec![realm, strict_uris, strict_ids, RealmConfig::new(long_realm())];
        let config = RouterConfig { realms, limits, agent: "the agent".into(), ..RouterConfig::default() };
        let mut accesses = config.access().to_vec();
        if let Some(access) = access {
            accesses[0] = access;
        }
        Net(Rc::new(RefCell::new(World::new(Arc::new(config), accesses.into(), setup))))
    }

    /// A client with a session, on the next shard, with the next transport and serializer.
    #[track_caller]
    pub(crate) fn join(&self) -> Client {
        self.client().welcomed(REALM)
    }

    /// As [`Net::join`], to another realm.
    #[track_caller]
    pub(crate) fn join_realm(&self, realm: &str) -> Client {
        self.client().welcomed(realm)
    }

    /// As [`Net::join`], announcing these features in every role.
    #[track_caller]
    pub(crate) fn join_announcing(&self, features: &[&str]) -> Client {
        self.client().welcomed_announcing(REALM, features)
    }

    /// So many of [`Net::join`].
    #[track_caller]
    pub(crate) fn join_all<const N: usize>(&self) -> [Client; N] {
        std::array::from_fn(|_| self.join())
    }

    /// As [`Net::join`], with these roles and their features.
    #[track_caller]
    pub(crate) fn join_as(&self, roles: &Value) -> Client {
        self.client().welcomed_as(REALM, roles)
    }

    /// A client whose transport is up, without a session.
    #[track_caller]
    pub(crate) fn client(&self) -> Client {
        let transport = Transport::rotated(self.0.borrow_mut().next_rotation());
        self.client_over(transport)
    }

    /// As [`Net::client`], over this transport.
    #[track_caller]
    pub(crate) fn client_over(&self, transport: Transport) -> Client {
        Client::connect(self.socket(), transport)
    }

    /// As [`Net::client`], with a WebSocket in whose request are these fields, too; also the head of the response.
    #[track_caller]
    pub(crate) fn browse(&self, fields: &str) -> (Client, String) {
        let serializer = Transport::rotated(self.0.borrow_mut().next_rotation()).serializer();
        Client::browse(self.socket(), serializer, fields)
    }

    /// A client with a session that speaks `serializer`, over whichever transport has its turn.
    #[track_caller]
    pub(crate) fn join_with(&self, serializer: Serializer) -> Client {
        let transport = Transport::rotated(self.0.borrow_mut().next_rotation());
        self.client_over(transport.with_serializer(serializer)).welcomed(REALM)
    }

    /// A connection on which nothing was said yet.
    pub(crate) fn socket(&self) -> Socket {
        self.socket_from(Peer::Unix)
    }

    /// As [`Net::socket`], from somewhere.
    pub(crate) fn socket_from(&self, peer: Peer) -> Socket {
        let index = self.0.borrow_mut().accept(peer);
        Socket { net: self.clone(), index }
    }

    /// As [`Net::client`], over TCP from this address.
    #[track_caller]
    pub(crate) fn client_from(&self, ip: IpAddr) -> Client {
        let transport = Transport::rotated(self.0.borrow_mut().next_rotation());
        Client::connect(self.socket_from(Peer::Tcp((ip, 1234).into())), transport)
    }

    /// Keeps what takes long undone (`false`), or does it (`true`). Returns how many jobs there were.
    pub(crate) fn do_jobs(&self, at_once: bool) -> usize {
        self.0.borrow_mut().do_jobs(at_once)
    }

    /// How many shards there are.
    pub(crate) fn shards(&self) -> u64 {
        self.0.borrow().shards() as u64
    }

    /// What all shards hold together, in the order connections, sessions, topics, registrations, calls. Topics and
    /// registrations count once for each shard that knows of them.
    pub(crate) fn census(&self) -> [usize; 5] {
        self.0.borrow().census()
    }

    /// Lets time pass.
    pub(crate) fn wait_ms(&self, ms: u64) {
        self.0.borrow_mut().wait_ms(ms);
    }

    /// The machine's clock is put forward by so much since the start.
    pub(crate) fn put_clock_forward(&self, ms: u64) {
        self.0.borrow_mut().put_clock_forward(ms);
    }

    /// The first realm has these roles from now on, the others none.
    pub(crate) fn set_roles(&self, roles: &[Role]) {
        let realms = self.0.borrow().realms();
        let access = (0..realms).map(|realm| Access::of(if realm == 0 { roles } else { &[] }));
        self.0.borrow_mut().set_access(&access.collect());
    }

    /// The cookie that is looked at next is forgotten right after that, as if somebody logged out on another shard.
    pub(crate) fn forget_cookie_looked_at(&self) {
        self.0.borrow().forget_cookie_looked_at();
    }

    /// Tells all shards to shut down.
    pub(crate) fn shutdown(&self) {
        self.0.borrow_mut().shutdown();
    }

    /// Whether all connections are gone.
    pub(crate) fn is_drained(&self) -> bool {
        self.0.borrow().is_drained()
    }

    /// What the router was told last.
    pub(crate) fn config(&self) -> RouterConfig {
        (*self.0.borrow().config).clone()
    }

    /// Has the router go over to a configuration, to which `change` makes the present one.
    pub(crate) fn reconfigure(&self, change: impl FnOnce(&mut RouterConfig)) {
        let mut config = self.config();
        change(&mut config);
        self.0.borrow_mut().reconfigure(&config);
    }

    /// How often clients have met limits.
    pub(crate) fn limited(&self) -> Limited {
        self.0.borrow().limited()
    }

    /// How many new configurations have been adopted everywhere.
    pub(crate) fn reconfigured(&self) -> usize {
        self.0.borrow().reconfigured
    }

    /// Holds up what goes over one of the links, or lets it go.
    pub(crate) fn hold_link(&self, link: Option<(usize, usize)>) {
        self.0.borrow_mut().hold_link(link);
    }

    /// Keeps what shards say to each other on its way (`false`), or lets it go (`true`).
    pub(crate) fn carry_mesh(&self, carry: bool) {
        self.0.borrow_mut().carry_mesh(carry);
    }

    /// All connections break; nothing may be left of them.
    fn clear(&self) {
        self.carry_mesh(true);
        self.0.borrow_mut().break_all();
        self.do_jobs(true);
        assert_eq!(self.census(), [0; 5], "something is left of clients that are gone");
        assert!(self.0.borrow().is_at_rest(), "a shard still waits for something");
    }
}
