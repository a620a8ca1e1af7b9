//! The shell: what the operating system gives (sockets, clock, threads, signals), and the router as a whole.
//!
//! * [`Router`] binds (`listen`) and probes (`probe`, `cpus`, `cgroup`, `memory`) at the start, then runs one thread per shard, each with
//!   one of two shells: `epoll`, which runs everywhere, and `glommio`, over io_uring. They are how a thread waits; all else is `reactor`
//!   (turns), `sockets` and `host` (a shard with its clock and links).
//! * [`TlsContext`] is what the addresses that ask for it speak TLS with; `verify` is the thread that hashes passwords.
//! * `link` is how shards reach each other, `shared` how the program reaches them: `reload`, `status`.
//! * `control` and `metrics` are how other programs reach it, in conversations that are `patient`, `signals` how the system does.
//! * `code` lets go of what only the start needs; `syscall` is what no crate offers.

mod cgroup;
mod code;
mod control;
mod cpus;
mod epoll;
#[cfg(all(feature = "glommio", target_os = "linux", target_pointer_width = "64"))]
mod glommio;
mod host;
mod link;
mod listen;
mod memory;
mod metrics;
mod patient;
mod probe;
mod reactor;
mod reload;
mod router;
mod shared;
mod signals;
mod sockets;
mod status;
mod syscall;
mod tls;
mod verify;

pub use control::{Control, ask_control};
pub use listen::{Address, BindError};
pub use metrics::Metrics;
pub use probe::{GlommioUnusable, IoKind, UringFacts};
pub use reload::{ReloadError, Reloaded};
pub use router::{Builder, Router, RunError, StartError, Summary};
pub use shared::{Counters, Handle};
pub use signals::{install_signals, install_signals_with};
pub use status::{ShardStatus, Status};
pub use tls::{CertificateFacts, TlsContext, TlsError, TlsErrors};

/// Whether the glommio shell is in this binary.
const GLOMMIO_BUILT: bool = cfg!(all(feature = "glommio", target_os = "linux", target_pointer_width = "64"));

/// Bytes of memory that the machine has, or the control group of this process if that allows less; `None` where it cannot be read.
pub fn memory_bytes() -> Option<u64> {
    memory::bytes(std::path::Path::new("/"))
}

/// Raises this process's limit of open files as far as the system allows, and returns it. Every connection needs
/// one, and the usual limit of 1024 is kept only for programs that predate it.
///
/// # Errors
/// The system refuses; the limit is as before.
pub fn raise_open_files() -> std::io::Result<u64> {
    syscall::raise_open_files()
}
