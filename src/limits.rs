//! Every limit of the router, in one place, with its unit in its name.

/// Largest WAMP id: 2^53 (spec: "IDs").
pub const ID_MAX: u64 = 1 << 53;

/// The highest that [`Limits::nesting_depth_max`] can be set to.
pub const NESTING_DEPTH_MAX: usize = 64;

/// Most keys of a dictionary that the router itself reads (options, details, roles, features).
pub const DICT_KEYS_MAX: usize = 128;

/// Longest integer, in bytes, that is converted exactly between serializers. A longer one is beyond every float and
/// becomes an infinity.
pub const BIG_INTEGER_BYTES_MAX: usize = 128;

/// Bytes of a client's string that a text for people quotes.
pub const QUOTE_BYTES_MAX: usize = 80;

/// Longest description of a protocol violation, in bytes: ABORT must fit into the 512 bytes that the most modest peer accepts, even
/// if every byte takes two in JSON.
pub const FAULT_BYTES_MAX: usize = 200;

/// The longest that a shard may be told to spin before it sleeps, in microseconds.
pub const SPIN_US_MAX: u32 = 10_000;

/// Bytes that a shard reads from one connection before it serves the others.
pub const READ_BUFFER_BYTES: usize = 64 * 1024;

/// Messages that wait in one mesh link before the sender keeps them in its outbox.
pub const MESH_LINK_MESSAGES: usize = 1024;

/// Messages that wait in all links to one shard together. Links are allocated in full, and with `n` shards there are
/// `n * (n - 1)` of them: past 17 shards each holds fewer than [`MESH_LINK_MESSAGES`].
pub const MESH_SHARD_MESSAGES: usize = 16 * MESH_LINK_MESSAGES;

/// Payloads from this size on are shared by reference among the receivers' queues; smaller ones are copied, which
/// is cheaper than counting references.
pub const SHARE_PAYLOAD_BYTES_MIN: usize = 4 * 1024;

/// Most shards; a set of shards is one `u128`.
pub const SHARDS_MAX: u16 = 128;

/// The highest that [`Limits::uri_bytes_max`] can be set to. Wildcard patterns are walked by recursion, a component a step, and
/// this many steps fit on any thread's stack; the length must also fit the mesh's 16 bits.
pub const URI_BYTES_MAX: usize = 4096;

/// Calls of one session that may wait for the owner of a registration to pick a callee; more wait unread.
pub const PICKS_MAX: usize = 256;

/// How many calls of one session are remembered that ended before the last part of their arguments had come.
pub const UNFINISHED_MAX: usize = 256;

/// Acknowledged publications of one session that may wait for other shards; more wait unread.
pub const UNACKNOWLEDGED_MAX: u32 = 256;

/// Calls that wait for a callee of a registration to be free, unless the operator says how many.
pub const WAITING_CALLS: u32 = 1000;

/// Bytes of one session's calls in its queue, from which on it is not read.
pub const QUEUED_BYTES_HIGH: usize = 1024 * 1024;

/// Bytes of one session's calls that wait for a callee to be free, or [`Limits::outbound_bytes_max`] if that is less; what does not fit
/// is refused.
pub const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of the invocations of one callee that are kept in case they have to go to another one, or [`Limits::outbound_bytes_max`] if
/// that is less; what does not fit is bound to its callee.
pub const KEPT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of each attribute of a payload that is passed through (`ppt_scheme` and the like).
pub const PASSTHRU_BYTES_MAX: usize = 1024;

/// Questions of one client to several shards, by meta procedures, that may be under way; more wait unread.
pub const QUESTIONS_MAX: u16 = 16;

/// Bytes of the arguments of a meta procedure.
pub const META_ARGUMENTS_BYTES_MAX: usize = 1024 * 1024;

/// Roles that a meta procedure takes as a filter.
pub const FILTER_ROLES_MAX: usize = 64;

/// Bytes of the message that killed sessions get.
pub const KILL_MESSAGE_BYTES_MAX: usize = 1024;

/// Subscriptions of one session that may wait for retained events; more wait unread.
pub const RECALLS_MAX: u32 = 64;

/// Retained events of a topic that are for chosen subscribers only.
pub const RETAINED_RESTRICTED_MAX: usize = 16;

/// Events of the past that one call gives; there may be more.
pub const HISTORY_EVENTS_MAX: usize = 1000;

/// Bytes of one chunk of the arena from which small payloads are cut that cross to another shard.
pub const ARENA_CHUNK_BYTES: usize = 64 * 1024;

/// Chunks that the arena keeps for reuse while receivers still hold pieces of them.
pub const ARENA_CHUNKS_MAX: usize = 16;

/// Largest block that the arena keeps for reuse; a larger piece is allocated each time.
pub const ARENA_BLOCK_BYTES_MAX: usize = 256 * 1024;

/// Bytes of all blocks that the arena keeps for reuse.
pub const ARENA_BLOCKS_BYTES_MAX: usize = 1024 * 1024;

/// Largest buffer that goes back to a shard's pool instead of to the allocator.
pub const POOLED_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Buffers that a shard's pool keeps.
pub const POOLED_BUFFERS_MAX: usize = 256;

/// Longest authid that a client may say, in bytes.
pub const AUTHID_BYTES_MAX: usize = 1024;

/// Most cookies by which one principal of a realm is known again.
pub const COOKIES_PER_PRINCIPAL_MAX: usize = 32;

/// Largest `authextra` of HELLO, and largest signature and `extra` of AUTHENTICATE, in bytes: who is not let in yet has them kept, and passed
/// on to authenticators.
pub const AUTHEXTRA_BYTES_MAX: usize = 64 * 1024;

/// Most authentication methods of a HELLO that are looked at.
pub const AUTHMETHODS_MAX: usize = 32;

/// Longest nonce that a client of WAMP-SCRAM may send, in bytes.
pub const NONCE_BYTES_MAX: usize = 128;

/// Longest salt of a secret, in bytes.
pub const SALT_BYTES_MAX: usize = 64;

/// Most iterations of a key derivation that a secret may ask for.
pub const KDF_ITERATIONS_MAX: u32 = 10_000_000;

/// Longest key, in bytes, that an authenticator may have WAMP-CRA clients derive.
pub const DERIVED_KEY_BYTES_MAX: u32 = 64;

/// Most memory that Argon2 may be asked to take, in KiB: 1 GiB.
pub const ARGON2_KIB_MAX: u32 = 1 << 20;

/// Most lanes of Argon2.
pub const ARGON2_LANES_MAX: u32 = 16;

/// Largest head, in bytes, of a request for metrics.
pub const METRICS_HEAD_BYTES_MAX: usize = 16 * 1024;

/// Bytes of the decisions that a session remembers about what it may do.
pub const ACCESS_CACHE_BYTES: usize = 32 * 1024;

/// Bytes of one of them, without its URI, roughly.
pub const ACCESS_ENTRY_BYTES: usize = 64;

const _: () = assert!(SHARE_PAYLOAD_BYTES_MIN <= ARENA_CHUNK_BYTES / 4);

/// Memory from which on the limits are what [`Limits::default`] says.
pub const MEMORY_BYTES: u64 = 2 << 30;

/// What they are divided by on the smallest machine.
pub const MEMORY_PARTS_MAX: u32 = 16;

/// Limits that an operator sets, with their defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest WAMP message that a client may send, in bytes, on any transport.
    pub message_bytes_max: usize,
    /// Largest HTTP request head, in bytes.
    pub http_head_bytes_max: usize,
    /// Longest URI, in bytes.
    pub uri_bytes_max: usize,
    /// Deepest nesting of lists and dictionaries in a client's message, the message itself counted. Deeper is a protocol violation.
    pub nesting_depth_max: usize,
    /// Bytes that wait for one connection; past it the connection is closed as a slow consumer.
    pub outbound_bytes_max: usize,
    /// Bytes that wait for one connection; past it the router stops reading from that same connection.
    pub outbound_bytes_high: usize,
    /// Bytes that wait for one mesh link; past it sessions that feed it are not read until it drains.
    pub mesh_outbox_bytes_high: usize,
    /// Connections on the whole router.
    pub connections_max: usize,
    /// Connections from one address (IPv6: from one network of 64 bits); 0: as many as there may be.
    pub connections_per_address_max: usize,
    /// Sessions of one authid in one realm, but for those that are anonymous; 0: as many as there may be.
    pub sessions_per_authid_max: usize,
    /// Subscriptions of one session, counting those that are being made.
    pub subscriptions_max: usize,
    /// Registrations of one session, counting those that are being made.
    pub registrations_max: usize,
    /// Publications of one session in a second, a second's worth of which may come at once; 0: as many as it likes.
    pub publish_rate_max: usize,
    /// Calls of one session in a second, a second's worth of which may come at once; 0: as many as it likes.
    pub call_rate_max: usize,
    /// Calls of one session that may wait for their answer.
    pub pending_calls_max: usize,
    /// Invocations that one callee may leave unanswered, those of callers that have gone included.
    pub pending_invocations_max: usize,
    /// Invocations that wait at the callee's shard for its REGISTERED to be queued.
    pub held_invocations_max: usize,
    /// Events of one realm that one shard retains for later subscribers.
    pub retained_events_max: usize,
    /// Bytes of those events.
    pub retained_bytes_max: usize,
    /// Testaments of one session.
    pub testaments_max: usize,
    /// Bytes of all testaments of one session.
    pub testaments_bytes_max: usize,
    /// Bytes of the event history of one realm at one shard.
    pub history_bytes_max: usize,
    /// Milliseconds from accepting a connection until its session is established.
    pub handshake_ms_max: u64,
    /// Clients of one shard that may be authenticating at a time.
    pub handshakes_max: usize,
    /// Authentications that may fail for one authid before it has to wait.
    pub authid_failures_max: usize,
    /// Authentications that may fail from one address before it has to wait.
    pub address_failures_max: usize,
    /// Milliseconds to wait after the first failure that is too much; each further one doubles it.
    pub failure_wait_ms: u64,
    /// The longest wait after failures, in milliseconds, and how long they are remembered after it.
    pub failure_lock_ms: u64,
    /// Authids, and addresses, whose failures each shard remembers.
    pub failures_kept_max: usize,
    /// Cookies by which clients are known again.
    pub cookies_kept_max: usize,
    /// Milliseconds that a procedure has to decide what a session may do.
    pub authorizer_ms_max: u64,
    /// Milliseconds that a peer has to close after GOODBYE, ABORT or a close frame.
    pub closing_ms_max: u64,
    /// Milliseconds that a shutdown waits for queues to drain.
    pub drain_ms_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            message_bytes_max: 16 * 1024 * 1024,
            http_head_bytes_max: 16 * 1024,
            uri_bytes_max: 1024,
            nesting_depth_max: NESTING_DEPTH_MAX,
            outbound_bytes_max: 64 * 1024 * 1024,
            outbound_bytes_high: 1024 * 1024,
            mesh_outbox_bytes_high: 4 * 1024 * 1024,
            connections_max: 100_000,
            connections_per_address_max: 20_000,
            sessions_per_authid_max: 0,
            subscriptions_max: 100_000,
            registrations_max: 100_000,
            publish_rate_max: 0,
            call_rate_max: 0,
            pending_calls_max: 65_536,
            pending_invocations_max: 262_144,
            held_invocations_max: 1024,
            retained_events_max: 100_000,
            retained_bytes_max: 16 * 1024 * 1024,
            testaments_max: 64,
            testaments_bytes_max: 256 * 1024,
            history_bytes_max: 64 * 1024 * 1024,
            handshake_ms_max: 10_000,
            handshakes_max: 10_000,
            authid_failures_max: 5,
            address_failures_max: 50,
            failure_wait_ms: 1_000,
            failure_lock_ms: 300_000,
            failures_kept_max: 65_536,
            cookies_kept_max: 65_536,
            authorizer_ms_max: 10_000,
            closing_ms_max: 2_000,
            drain_ms_max: 5_000,
        }
    }
}

/// Makes [`Limited`].
macro_rules! limited {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// How often each limit was met. Fields have the names of the keys in the configuration.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Limited {
            $($(#[$doc])+ pub $name: u64,)+
        }

        impl Limited {
            /// All of them, by name.
            pub fn each(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),+].into_iter()
            }
        }

        impl std::ops::AddAssign for Limited {
            fn add_assign(&mut self, other: Limited) {
                $(self.$name += other.$name;)+
            }
        }
    };
}

limited! {
    /// Messages that were too large.
    message_bytes_max,
    /// HTTP requests with too large a head.
    http_head_bytes_max,
    /// Messages with too long a URI.
    uri_bytes_max,
    /// Messages that were nested deeper.
    nesting_depth_max,
    /// Connections that were closed since they did not read.
    outbound_bytes_max,
    /// Times that a connection was not read since it did not read.
    outbound_bytes_high,
    /// Times that a connection was not read since a link between shards was full.
    mesh_outbox_bytes_high,
    /// Connections that were closed at once.
    connections_max,
    /// Connections that were closed at once.
    connections_per_address_max,
    /// Clients that were not let in.
    sessions_per_authid_max,
    /// SUBSCRIBEs that were refused.
    subscriptions_max,
    /// REGISTERs that were refused.
    registrations_max,
    /// Publications that had to wait, by a `[[realm.rate]]`, too.
    publish_rate_max,
    /// Calls that had to wait, by a `[[realm.rate]]`, too.
    call_rate_max,
    /// Calls that were refused.
    pending_calls_max,
    /// Calls that were refused.
    pending_invocations_max,
    /// Calls that were refused.
    held_invocations_max,
    /// Events that were not retained.
    retained_events_max,
    /// Events that were not retained.
    retained_bytes_max,
    /// Testaments that were refused.
    testaments_max,
    /// Testaments that were refused.
    testaments_bytes_max,
    /// Recorded events that were forgotten before there were as many as their topic keeps.
    history_bytes_max,
    /// Clients that had no session in time.
    handshake_ms_max,
    /// Clients that were sent away.
    handshakes_max,
    /// Authentications that were refused unseen, since too many of the authid have failed.
    authid_failures_max,
    /// Authentications that were refused unseen, since too many from the address have failed.
    address_failures_max,
    /// Failed authentications after which the next has to wait.
    failure_wait_ms,
    /// Those of them after which it has to wait for the longest time.
    failure_lock_ms,
    /// Times that the oldest half of what was remembered of failures was forgotten.
    failures_kept_max,
    /// Cookies that were forgotten since there were too many.
    cookies_kept_max,
    /// Questions that an authorizer has not answered in time.
    authorizer_ms_max,
    /// Connections that were cut off since the peer did not close in time.
    closing_ms_max,
    /// Connections that were cut off since the router ended.
    drain_ms_max,
    /// WebSockets of web pages that were refused: `origins` of `[router]`.
    origins,
    /// Calls that found no place to wait for a callee: `queue` of `[[realm.procedure]]`.
    queue,
    /// Realms that were not made: `on_demand` of `[[realm]]`.
    on_demand,
}

/// The least of what follows from [`Limits::outbound_bytes_max`]: as much as the default of that for the smallest machine.
const SHARE_BYTES_MIN: usize = 4 << 20;

/// What the limits that bound memory are divided by on a machine with so much of it: 2 with less than [`MEMORY_BYTES`], 4 with less
/// than half of that, and so on, up to [`MEMORY_PARTS_MAX`].
pub const fn memory_parts(bytes: u64) -> u32 {
    let mut parts = 1;
    while parts < MEMORY_PARTS_MAX && bytes < MEMORY_BYTES / parts as u64 {
        parts *= 2;
    }
    parts
}

impl Limits {
    /// The defaults for a machine with so much memory, see [`memory_parts`].
    pub fn for_memory(bytes: u64) -> Limits {
        let mut limits = Limits::default();
        let parts = memory_parts(bytes) as usize;
        for limit in [
            &mut limits.message_bytes_max,
            &mut limits.outbound_bytes_max,
            &mut limits.outbound_bytes_high,
            &mut limits.mesh_outbox_bytes_high,
            &mut limits.connections_max,
            &mut limits.connections_per_address_max,
            &mut limits.subscriptions_max,
            &mut limits.registrations_max,
            &mut limits.pending_calls_max,
            &mut limits.pending_invocations_max,
            &mut limits.retained_events_max,
            &mut limits.retained_bytes_max,
            &mut limits.history_bytes_max,
            &mut limits.handshakes_max,
            &mut limits.failures_kept_max,
            &mut limits.cookies_kept_max,
        ] {
            *limit /= parts;
        }
        limits
    }

    /// Largest buffer that goes back to a shard's pool: all that a pool keeps is a quarter of what may wait for one connection, or 1 MiB.
    pub(crate) fn pooled_buffer_bytes_max(&self) -> usize {
        (self.outbound_bytes_max / (4 * POOLED_BUFFERS_MAX)).clamp(4096, POOLED_BUFFER_BYTES_MAX)
    }

    /// Bytes of one session's calls that wait for a callee to be free; what does not fit is refused.
    pub(crate) fn waiting_bytes_max(&self) -> usize {
        self.outbound_bytes_max.clamp(SHARE_BYTES_MIN, WAITING_BYTES_MAX)
    }

    /// Bytes of the invocations of one callee that are kept in case they have to go to another one.
    pub(crate) fn kept_bytes_max(&self) -> usize {
        self.outbound_bytes_max.clamp(SHARE_BYTES_MIN, KEPT_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_small_machine_gets_a_part() {
        let parts =
            [0, 64, 255, 256, 511, 512, 1023, 1024, 2047, 2048, 1 << 20].map(|mib| memory_parts(mib * MIB));
        assert_eq!(parts, [16, 16, 16, 8, 8, 4, 4, 2, 2, 1, 1]);
        assert_eq!(Limits::for_memory(2048 * MIB), Limits::default());
        let pi = Limits::for_memory(463 * MIB);
        assert_eq!((pi.message_bytes_max, pi.outbound_bytes_max), (2 << 20, 8 << 20));
        assert_eq!((pi.connections_max, pi.failures_kept_max), (12_500, 8192));
        assert_eq!((pi.uri_bytes_max, pi.drain_ms_max), (1024, 5000), "these are about something else");
    }

    #[test]
    fn what_follows_from_the_limits() {
        let of = |limits: Limits| {
            (limits.pooled_buffer_bytes_max(), limits.waiting_bytes_max(), limits.kept_bytes_max())
        };
        assert_eq!(of(Limits::default()), (POOLED_BUFFER_BYTES_MAX, WAITING_BYTES_MAX, KEPT_BYTES_MAX));
        assert_eq!(of(Limits::for_memory(463 * MIB)), (8 << 10, 8 << 20, 8 << 20));
        let many = Limits { outbound_bytes_max: 1 << 30, ..Limits::default() };
        assert_eq!(of(many), of(Limits::default()));
        assert_eq!(of(Limits { outbound_bytes_max: 1024, ..Limits::default() }), (4096, 4 << 20, 4 << 20));
    }
}
