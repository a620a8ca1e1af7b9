//! The router as a state machine: one [`Shard`] per core, no clock, no socket, no thread.
//!
//! * [`shard`]: the contract with the host; inputs in, outputs out; [`time`], `timers`: deadlines;
//! * `conn` (with `reading`), `outbound`: bytes to messages and back, for every transport; `tls_peer`: what TLS has shown of the peer;
//! * `session`: HELLO to GOODBYE, protocol violations; `identity`: who it is; `handshake`: what is between HELLO and WELCOME;
//!   `visitors`: who is known again by a cookie; `presence`: how many sessions an authid has;
//! * `access`: what sessions may do; `rates`: how often;
//! * `realm`: a shard's tables; `matching`: URIs to what is in them;
//! * `broker`, `publish`: this shard's part of publish/subscribe; `audience`: who may receive; `nodes`: sharded subscriptions;
//!   `extras`: what few publications have; `kept`, `retained`, `history`: events for later;
//! * `dealer`, `invocations`, `registrations`, `revocation`, `pick`, `pool`, `partition`: its part of procedure calls; `calls`: what
//!   can happen to a call on its way;
//! * `delivery`: payloads in the writings of their receivers; `passthru`: those that nobody looks into; `arena`: where they lie;
//! * `meta`: what the router itself offers as procedures and publishes as events;
//! * `reload`: another configuration while sessions go on;
//! * `mesh`: what shards say to each other; `rounds`: waiting until all know.

mod access;
mod arena;
mod audience;
mod broker;
mod calls;
mod conn;
mod dealer;
mod delivery;
mod extras;
mod handshake;
mod history;
mod identity;
mod invocations;
mod kept;
mod lazy_map;
mod matching;
pub mod mesh;
mod meta;
mod nodes;
mod outbound;
mod partition;
mod passthru;
mod pick;
mod pool;
mod presence;
mod publish;
mod rates;
mod realm;
mod registrations;
mod reload;
mod retained;
mod revocation;
mod rounds;
mod session;
pub mod shard;
pub mod time;
mod timers;
mod tls_peer;
mod visitors;

pub use mesh::{MeshMessage, ShardId};
pub use shard::{Census, ConnId, Output, Peer, Shard};
pub use time::{Date, Time};
pub use tls_peer::{PeerCertificate, TlsPeer};

/// The hasher of all maps of the core: seeded, hence neither predictable from outside nor different between two runs of the
/// simulator.
type Hasher = foldhash::fast::FixedState;

/// A map of the core.
type Map<K, V> = hashbrown::HashMap<K, V, Hasher>;
