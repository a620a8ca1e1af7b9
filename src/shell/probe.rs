//! Which shell can run here: looks at the system once, then decides.
//!
//! glommio itself must not be asked: where io_uring does not work it panics or ends the process.

use std::fs;
use std::io;
use std::path::Path;

use super::syscall;
use crate::config::Io;

/// Requests in flight of one glommio ring; also what the probe asks for.
pub(super) const RING_ENTRIES: u32 = 128;

/// Least limit of locked memory that glommio starts with, in bytes.
const MEMLOCK_BYTES_MIN: u64 = 512 * 1024;

/// What one glommio shard locks: three rings, and the buffers that it registers for two of them. Measured, and rounded up.
const MEMLOCK_BYTES_PER_SHARD: u64 = 256 * 1024;

/// Number of the capability to lock memory beyond the limit.
const CAP_IPC_LOCK: u32 = 14;

/// Oldest kernel that glommio works with.
const KERNEL_MIN: (u32, u32) = (5, 8);

/// The shell that runs the shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoKind {
    /// glommio, over io_uring.
    Glommio,
    /// epoll.
    Epoll,
}

impl std::fmt::Display for IoKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            IoKind::Glommio => "glommio",
            IoKind::Epoll => "epoll",
        })
    }
}

/// Why glommio cannot run, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GlommioUnusable {
    /// It is not in this binary.
    #[error("this build is without glommio; build with the feature `glommio` for a 64-bit target")]
    NotBuilt,
    /// The kernel is too old.
    #[error("Linux {0}.{1} is older than {min}.{min_minor}, the oldest that glommio works with; update the kernel",
        min = KERNEL_MIN.0, min_minor = KERNEL_MIN.1)]
    Kernel(u32, u32),
    /// Too little memory may be locked.
    #[error(
        "{} KiB of memory may be locked and glommio needs {} KiB for so many shards; raise the limit with `ulimit -l`, \
         `LimitMEMLOCK=` (systemd) or `--ulimit memlock=` (Docker)",
        bytes / 1024, needed / 1024
    )]
    Memlock {
        /// What may be locked.
        bytes: u64,
        /// What the shards need.
        needed: u64,
    },
    /// The administrator has turned io_uring off.
    #[error(
        "io_uring is turned off (kernel.io_uring_disabled = {0}); `sysctl kernel.io_uring_disabled=0` turns it on"
    )]
    Disabled(u32),
    /// A sandbox forbids io_uring.
    #[error(
        "the system forbids io_uring, most likely by the seccomp profile of a container; allow io_uring_setup, \
         io_uring_enter and io_uring_register in it (Docker: `--security-opt seccomp=PROFILE`)"
    )]
    Forbidden,
    /// The kernel does not have it.
    #[error("this kernel is built without io_uring; use one with CONFIG_IO_URING")]
    Absent,
    /// No memory for a ring.
    #[error(
        "there is no memory for an io_uring; free some, or raise the limit of locked memory (`ulimit -l`)"
    )]
    Memory,
    /// Something else.
    #[error("io_uring does not work: {0}")]
    Other(String),
}

/// What the system says about io_uring.
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct UringFacts {
    /// glommio is in this binary.
    pub built: bool,
    /// The kernel's version, where it can be read.
    pub kernel: Option<(u32, u32)>,
    /// `RLIMIT_MEMLOCK` in bytes, where it can be read; unlimited is `u64::MAX`.
    pub memlock_bytes: Option<u64>,
    /// Whether that limit does not hold for this process, by `CAP_IPC_LOCK`.
    pub memlock_exempt: bool,
    /// `kernel.io_uring_disabled`, where it exists.
    pub disabled: Option<u32>,
    /// The error number with which `io_uring_setup` failed.
    pub setup_error: Option<i32>,
}

impl UringFacts {
    /// Asks the system.
    pub(super) fn gather() -> UringFacts {
        let setup_error = match syscall::io_uring_setup(RING_ENTRIES) {
            Ok(_) => None,
            Err(e) => e.raw_os_error(),
        };
        UringFacts { setup_error, ..UringFacts::read(Path::new("/")) }
    }

    /// What files say. `root` is where `proc` is: `/`, except in tests.
    fn read(root: &Path) -> UringFacts {
        let read = |path: &str| fs::read_to_string(root.join(path)).ok();
        UringFacts {
            built: super::GLOMMIO_BUILT,
            kernel: read("proc/sys/kernel/osrelease").as_deref().and_then(version),
            memlock_bytes: read("proc/self/limits").as_deref().and_then(memlock),
            memlock_exempt: read("proc/self/status").as_deref().is_some_and(may_lock),
            disabled: read("proc/sys/kernel/io_uring_disabled").and_then(|text| text.trim().parse().ok()),
            setup_error: None,
        }
    }

    /// Why glommio cannot run with so many shards.
    fn fault(&self, shards: usize) -> Option<GlommioUnusable> {
        let old = self.kernel.filter(|&kernel| kernel < KERNEL_MIN);
        let rings = if self.memlock_exempt { 0 } else { shards as u64 * MEMLOCK_BYTES_PER_SHARD };
        let needed = rings.max(MEMLOCK_BYTES_MIN);
        let memlock = self.memlock_bytes.filter(|&bytes| bytes < needed);
        let disabled = self.disabled.filter(|&level| level > 0);
        match (self.setup_error, old, memlock) {
            _ if !self.built => Some(GlommioUnusable::NotBuilt),
            (_, Some((major, minor)), _) => Some(GlommioUnusable::Kernel(major, minor)),
            (Some(libc::EPERM | libc::EACCES), ..) => {
                Some(disabled.map_or(GlommioUnusable::Forbidden, GlommioUnusable::Disabled))
            }
            (Some(libc::ENOSYS), ..) => Some(GlommioUnusable::Absent),
            (_, _, Some(bytes)) => Some(GlommioUnusable::Memlock { bytes, needed }),
            (Some(libc::ENOMEM), ..) => Some(GlommioUnusable::Memory),
            (Some(code), ..) => Some(GlommioUnusable::Other(io::Error::from_raw_os_error(code).to_string())),
            (None, ..) => None,
        }
    }
}

/// The shell to take for so many shards, and why, in words that follow its name.
pub(super) fn choose(io: Io, facts: &UringFacts, shards: usize) -> Result<(IoKind, String), GlommioUnusable> {
    match (io, facts.fault(shards)) {
        (Io::Epoll, _) => Ok((IoKind::Epoll, "as asked for".to_owned())),
        (Io::Glommio, Some(fault)) => Err(fault),
        (Io::Glommio, None) => Ok((IoKind::Glommio, "as asked for".to_owned())),
        (Io::Auto, Some(fault)) => Ok((IoKind::Epoll, format!("glommio cannot run: {fault}"))),
        (Io::Auto, None) => Ok((IoKind::Glommio, "io_uring works here".to_owned())),
    }
}

/// `6.1.0-18-amd64` is (6, 1).
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// The soft limit in the line `Max locked memory`.
fn memlock(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max locked memory"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        bytes => bytes.parse().ok(),
    }
}

/// Whether the line `CapEff` has `CAP_IPC_LOCK`.
fn may_lock(status: &str) -> bool {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    effective.is_some_and(|capabilities| capabilities & (1 << CAP_IPC_LOCK) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fine() -> UringFacts {
        UringFacts {
            built: true,
            kernel: Some((6, 1)),
            memlock_bytes: Some(8 << 20),
            memlock_exempt: false,
            disabled: Some(0),
            setup_error: None,
        }
    }

    #[test]
    fn decisions() {
        let eperm = UringFacts { setup_error: Some(libc::EPERM), ..fine() };
        let low = UringFacts { memlock_bytes: Some(64 << 10), ..fine() };
        let low_fault = GlommioUnusable::Memlock { bytes: 64 << 10, needed: 512 << 10 };
        let table = [
            (
                UringFacts { built: false, setup_error: Some(libc::ENOSYS), ..fine() },
                GlommioUnusable::NotBuilt,
            ),
            (UringFacts { kernel: Some((5, 7)), ..fine() }, GlommioUnusable::Kernel(5, 7)),
            (UringFacts { kernel: Some((4, 19)), ..eperm.clone() }, GlommioUnusable::Kernel(4, 19)),
            (eperm.clone(), GlommioUnusable::Forbidden),
            (UringFacts { disabled: None, ..eperm.clone() }, GlommioUnusable::Forbidden),
            (UringFacts { disabled: Some(2), ..eperm.clone() }, GlommioUnusable::Disabled(2)),
            (UringFacts { setup_error: Some(libc::ENOSYS), ..fine() }, GlommioUnusable::Absent),
            (low.clone(), low_fault.clone()),
            (UringFacts { setup_error: Some(libc::ENOMEM), ..low }, low_fault),
            (UringFacts { setup_error: Some(libc::ENOMEM), ..fine() }, GlommioUnusable::Memory),
        ];
        for (facts, fault) in table {
            assert_eq!(choose(Io::Glommio, &facts, 1), Err(fault.clone()), "{facts:?}");
            let (kind, why) = choose(Io::Auto, &facts, 1).unwrap();
            assert_eq!(kind, IoKind::Epoll, "{facts:?}");
            assert_eq!(why, format!("glommio cannot run: {fault}"));
            assert_eq!(choose(Io::Epoll, &facts, 1).unwrap().0, IoKind::Epoll);
        }
        let unlimited = UringFacts { memlock_bytes: Some(u64::MAX), kernel: Some((5, 8)), ..fine() };
        let unknown = UringFacts { memlock_bytes: None, kernel: None, disabled: None, ..fine() };
        // Level 1 forbids it to others: that this process may is seen by the call itself.
        let group = UringFacts { disabled: Some(1), ..fine() };
        for facts in [fine(), unlimited, unknown, group] {
            assert_eq!(choose(Io::Auto, &facts, 1).unwrap().0, IoKind::Glommio, "{facts:?}");
            assert_eq!(choose(Io::Glommio, &facts, 1).unwrap().0, IoKind::Glommio, "{facts:?}");
        }
    }

    /// With the usual 8 MiB a user has 32 shards. Root is exempt.
    #[test]
    fn every_shard_locks_memory() {
        let with = |shards| choose(Io::Glommio, &fine(), shards).map(|(kind, _)| kind);
        assert_eq!(with(32), Ok(IoKind::Glommio));
        assert_eq!(with(33), Err(GlommioUnusable::Memlock { bytes: 8 << 20, needed: 33 << 18 }));
        assert_eq!(choose(Io::Auto, &fine(), 33).unwrap().0, IoKind::Epoll);
        let exempt = UringFacts { memlock_exempt: true, ..fine() };
        assert_eq!(choose(Io::Glommio, &exempt, 128).unwrap().0, IoKind::Glommio);
        let status = "Name:\tconnectanum\nCapEff:\t000001ffffffffff\nCapBnd:\t000001ffffffffff\n";
        assert!(may_lock(status) && may_lock("CapEff:\t0000000000004000"));
        for status in ["CapEff:\t0000000000000000", "CapEff:\t00000000a80425fb", "CapEff:\tx", ""] {
            assert!(!may_lock(status), "{status}");
        }
    }

    #[test]
    fn every_fault_says_what_to_do_in_one_line() {
        let unusable = UringFacts { setup_error: Some(libc::EINVAL), ..fine() }.fault(1).unwrap().to_string();
        assert!(unusable.starts_with("io_uring does not work: Invalid argument"), "{unusable}");
        let memlock = GlommioUnusable::Memlock { bytes: 64 << 10, needed: 512 << 10 }.to_string();
        assert!(
            memlock.starts_with(
                "64 KiB of memory may be locked and glommio needs 512 KiB for so many shards; raise"
            ),
            "{memlock}"
        );
        assert!(GlommioUnusable::Kernel(5, 4).to_string().starts_with("Linux 5.4 is older than 5.8, "));
    }

    #[test]
    fn reads_versions_and_limits() {
        assert_eq!(version("6.1.0-18-amd64\n"), Some((6, 1)));
        assert_eq!(version("5.15.153.1-microsoft-standard-WSL2"), Some((5, 15)));
        assert_eq!([version(""), version("6"), version("linux")], [None; 3]);
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            1024                 524288               files     \n\
                      Max locked memory         8388608              unlimited            bytes     \n";
        assert_eq!(memlock(limits), Some(8 << 20));
        assert_eq!(memlock("Max locked memory   unlimited   unlimited   bytes"), Some(u64::MAX));
        assert_eq!(memlock(""), None);
    }

    #[test]
    fn this_system_can_be_read() {
        let facts = UringFacts::gather();
        assert!(facts.kernel.is_some() && facts.memlock_bytes.is_some(), "{facts:?}");
    }
}
