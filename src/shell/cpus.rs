//! Which CPUs the router may use, and which shard runs where.

use std::fs;
use std::path::Path;

use core_affinity::CoreId;

use super::cgroup::{self, Readers};
use crate::config::Shards;
use crate::limits::SHARDS_MAX;

/// The CPU of each shard, `None` for one that is not pinned. Its length is the number of shards.
pub(super) type Placement = Vec<Option<usize>>;

/// Where the shards run. `Shards::Auto` is one per allowed CPU, and no more than the cgroup's quota keeps busy.
/// They are pinned if each has a CPU to itself; more shards than CPUs are left to the scheduler.
pub(super) fn place(shards: Shards) -> Placement {
    let allowed = core_affinity::get_core_ids().unwrap_or_default();
    let allowed: Vec<usize> = allowed.into_iter().map(|core| core.id).collect();
    place_on(shards, &allowed, quota(Path::new("/")))
}

/// Pins the current thread. Returns whether the system agreed.
pub(super) fn pin(cpu: usize) -> bool {
    core_affinity::set_for_current(CoreId { id: cpu })
}

fn place_on(shards: Shards, allowed: &[usize], quota: Option<f64>) -> Placement {
    let count = match shards {
        Shards::Count(n) => usize::from(n.get()),
        Shards::Auto => {
            let quota = quota.map_or(usize::MAX, |cpus| cpus.ceil() as usize);
            allowed.len().min(quota).clamp(1, usize::from(SHARDS_MAX))
        }
    };
    match allowed.get(..count) {
        Some(cpus) => cpus.iter().copied().map(Some).collect(),
        None => vec![None; count],
    }
}

/// How many CPUs' worth of time the cgroup of this process may use; `None` if that is not limited.
fn quota(root: &Path) -> Option<f64> {
    cgroup::tightest(root, "cpu", &Readers { v2: quota_v2, v1: quota_v1 })
}

/// `cpu.max`: `MAX PERIOD` in microseconds, where `MAX` may be the word `max`.
fn quota_v2(group: &Path) -> Option<f64> {
    let text = fs::read_to_string(group.join("cpu.max")).ok()?;
    let mut words = text.split_whitespace();
    cpus(words.next()?, words.next()?)
}

/// `cpu.cfs_quota_us`, which is -1 for none, and `cpu.cfs_period_us`.
fn quota_v1(group: &Path) -> Option<f64> {
    let read = |file: &str| fs::read_to_string(group.join(file)).ok();
    cpus(read("cpu.cfs_quota_us")?.trim(), read("cpu.cfs_period_us")?.trim())
}

fn cpus(quota_us: &str, period_us: &str) -> Option<f64> {
    let (quota, period): (f64, f64) = (quota_us.parse().ok()?, period_us.parse().ok()?);
    (quota > 0.0 && period > 0.0).then_some(quota / period)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::super::cgroup::tests::Root;
    use super::*;

    fn count(n: u16) -> Shards {
        Shards::Count(NonZeroU16::new(n).unwrap())
    }

    #[test]
    fn auto_takes_every_allowed_cpu() {
        assert_eq!(place_on(Shards::Auto, &[2, 3, 7], None), [Some(2), Some(3), Some(7)]);
        assert_eq!(place_on(Shards::Auto, &[], None), [None], "the mask is not known");
        assert_eq!(place_on(Shards::Auto, &Vec::from_iter(0..1000), None).len(), usize::from(SHARDS_MAX));
    }

    #[test]
    fn auto_takes_no_more_than_the_quota() {
        for (quota, shards) in [(0.25, 1), (1.0, 1), (1.5, 2), (3.0, 3), (64.0, 4)] {
            assert_eq!(place_on(Shards::Auto, &[0, 1, 2, 3], Some(quota)).len(), shards, "quota {quota}");
        }
    }

    #[test]
    fn a_given_number_is_pinned_only_if_each_has_a_cpu() {
        assert_eq!(place_on(count(2), &[4, 5, 6], Some(1.0)), [Some(4), Some(5)]);
        assert_eq!(place_on(count(3), &[4, 5], None), [None; 3]);
    }

    #[test]
    fn quota_of_version_2_is_the_tightest_on_the_way_up() {
        let root = Root::new(
            "v2",
            &[
                ("proc/self/cgroup", "0::/a/b\n"),
                ("sys/fs/cgroup/a/b/cpu.max", "max 100000\n"),
                ("sys/fs/cgroup/a/cpu.max", "250000 100000\n"),
            ],
        );
        assert_eq!(quota(&root.0), Some(2.5));
        fs::write(root.0.join("sys/fs/cgroup/a/b/cpu.max"), "50000 100000\n").unwrap();
        assert_eq!(quota(&root.0), Some(0.5));
    }

    #[test]
    fn quota_in_a_container_is_at_the_root() {
        let root =
            Root::new("ns", &[("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/cpu.max", "200000 100000\n")]);
        assert_eq!(quota(&root.0), Some(2.0));
    }

    #[test]
    fn quota_of_version_1() {
        let root = Root::new(
            "v1",
            &[
                ("proc/self/cgroup", "4:memory:/x\n3:cpu,cpuacct:/x\n1:name=systemd:/x\n"),
                ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
                ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
                ("sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "150000\n"),
                ("sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "50000\n"),
            ],
        );
        assert_eq!(quota(&root.0), Some(3.0));
    }

    #[test]
    fn no_or_strange_files_limit_nothing() {
        let root = Root::new("none", &[("proc/self/cgroup", "0::/\nnonsense\n::\n")]);
        assert_eq!(quota(&root.0), None);
        fs::create_dir_all(root.0.join("sys/fs/cgroup")).unwrap();
        for strange in ["", "max", "0 100000", "100000 0", "a b", "-1 100000"] {
            fs::write(root.0.join("sys/fs/cgroup/cpu.max"), strange).unwrap();
            assert_eq!(quota(&root.0), None, "{strange:?}");
        }
        assert_eq!(quota(&root.0.join("absent")), None);
    }

    #[test]
    fn pins_the_current_thread() {
        let allowed = core_affinity::get_core_ids().unwrap();
        let last = allowed.last().unwrap().id;
        let mask = std::thread::spawn(move || {
            assert!(pin(last));
            core_affinity::get_core_ids().unwrap()
        });
        assert_eq!(mask.join().unwrap(), [CoreId { id: last }]);
    }
}
