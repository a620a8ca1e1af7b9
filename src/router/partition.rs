//! Sharded registrations (spec: "Sharded Registration", a sketch): of the callees that share a registration, each has its part of the
//! keys. A CALL with `runmode: "partition"` goes to the callee whose part its `rkey` is in.
//!
//! Rendezvous hashing: each callee has a rank for each key, and the highest takes the call. So every shard finds the same callee from
//! its copy alone, whatever the order of the callees in it; when a callee leaves, only its own keys move, and when one comes, only to
//! it. The hash depends on the seed that all shards of the process share: else a caller could find keys that all go to one callee. To
//! be the same after a restart would be of no use, since session ids are random and new then.

use std::hash::BuildHasher;
use std::num::NonZeroU64;

use super::shard::Shard;
use crate::wamp::SessionId;
use crate::wamp::message::CallOptions;

/// The hash of an `rkey`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Partition(NonZeroU64);

impl Partition {
    fn new(hash: u64) -> Partition {
        Partition(NonZeroU64::MIN | hash)
    }

    /// The callee that has this key in its part.
    pub(super) fn callee<'a>(self, callees: impl Iterator<Item = &'a SessionId>) -> Option<SessionId> {
        callees.copied().max_by_key(|callee| (mix(self.0.get() ^ mix(callee.0)), callee.0))
    }
}

/// Spreads every bit over all (the finalizer of SplitMix64): ranks of neighbouring ids have nothing to do with each other.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

impl Shard {
    /// What a CALL with a `runmode` asks for, or why that cannot be.
    #[cold]
    pub(super) fn partition(&self, options: &CallOptions<'_>) -> Result<Partition, &'static str> {
        match (options.runmode.as_deref(), options.rkey.as_deref()) {
            (Some("partition"), Some(rkey)) => Ok(Partition::new(self.hasher.hash_one(rkey))),
            (Some("partition"), None) => Err("CALL.Options.runmode is 'partition', but there is no rkey"),
            _ => Err("CALL.Options.runmode is not 'partition', the only one there is"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn callees(n: u64) -> Vec<SessionId> {
        (1..=n).map(SessionId).collect()
    }

    fn of(callees: &[SessionId]) -> Vec<SessionId> {
        (0..10_000).map(|key| Partition::new(mix(key)).callee(callees.iter()).unwrap()).collect()
    }

    #[test]
    fn each_callee_has_its_part() {
        let all = callees(8);
        let owners = of(&all);
        for callee in &all {
            let part = owners.iter().filter(|it| *it == callee).count();
            assert!((1000..1500).contains(&part), "{part} of 10000 keys");
        }
        let reversed: Vec<SessionId> = all.into_iter().rev().collect();
        assert_eq!(of(&reversed), owners);
        assert_eq!(Partition::new(7).callee([].iter()), None);
    }

    #[test]
    fn only_what_must_moves() {
        let all = callees(8);
        let (before, after) = (of(&all[..7]), of(&all));
        for (before, after) in before.into_iter().zip(after) {
            assert!(before == after || after == SessionId(8));
        }
    }
}
