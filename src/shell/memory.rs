//! How much memory the router may use.

use std::fs;
use std::path::Path;

use super::cgroup::{self, Readers};

/// Bytes of memory that the machine has, or the cgroup of this process if that allows less; `None` where it cannot be read. `root`
/// is where `proc` and `sys` are: `/`, except in tests.
pub(super) fn bytes(root: &Path) -> Option<u64> {
    let total = fs::read_to_string(root.join("proc/meminfo")).ok().as_deref().and_then(total);
    let limit = cgroup::tightest(root, "memory", &Readers { v2: limit_v2, v1: limit_v1 });
    total.into_iter().chain(limit).min()
}

/// The line `MemTotal`, which is in KiB.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1024)
}

/// `memory.max`, or the word `max`.
fn limit_v2(group: &Path) -> Option<u64> {
    number(&group.join("memory.max"))
}

/// `memory.limit_in_bytes`, which is more than any machine has if there is no limit.
fn limit_v1(group: &Path) -> Option<u64> {
    number(&group.join("memory.limit_in_bytes"))
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok().filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::super::cgroup::tests::Root;
    use super::*;

    const MEMINFO: (&str, &str) =
        ("proc/meminfo", "MemTotal:         474132 kB\nMemFree:          301000 kB\n");

    #[test]
    fn of_the_machine() {
        let root = Root::new("memory", &[MEMINFO]);
        assert_eq!(bytes(&root.0), Some(474_132 * 1024));
        assert_eq!(bytes(&root.0.join("absent")), None);
        for strange in ["", "MemTotal:", "MemTotal: x kB", "MemTotal: 99999999999999999999 kB"] {
            assert_eq!(total(strange), None, "{strange:?}");
        }
        assert!(bytes(Path::new("/")).is_some_and(|bytes| bytes > 1 << 20));
    }

    #[test]
    fn of_the_tightest_group() {
        let root = Root::new(
            "memory-v2",
            &[
                MEMINFO,
                ("proc/self/cgroup", "0::/a/b\n"),
                ("sys/fs/cgroup/a/b/memory.max", "max\n"),
                ("sys/fs/cgroup/a/memory.max", "134217728\n"),
            ],
        );
        assert_eq!(bytes(&root.0), Some(128 << 20));
        fs::write(root.0.join("sys/fs/cgroup/a/memory.max"), "4294967296\n").unwrap();
        assert_eq!(bytes(&root.0), Some(474_132 * 1024), "it has no more than the machine");
    }

    #[test]
    fn of_version_1() {
        let root = Root::new(
            "memory-v1",
            &[
                MEMINFO,
                ("proc/self/cgroup", "5:cpu:/x\n4:memory:/x\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "67108864\n"),
            ],
        );
        assert_eq!(bytes(&root.0), Some(64 << 20));
    }
}
