//! Failed tries: who has failed too often has to wait, longer each time, and in the end is locked out for a while.

use std::mem;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// How failed tries are punished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrottleRules {
    /// Tries that may fail without a wait.
    pub free: u32,
    /// Milliseconds to wait after the first that is not free; each further one doubles it.
    pub wait_ms: u64,
    /// The longest wait, and how long a failed try is remembered after that.
    pub lock_ms: u64,
    /// How many culprits are remembered.
    pub capacity: usize,
}

/// Remembers who has failed how often. A culprit is a number: the hash of an address, or of an authid in a realm.
///
/// There are two generations: when the young one is full, it becomes the old one, whose rest is forgotten. So memory is bounded, what is
/// forgotten first is what has not failed for longest, and no step costs more than another.
#[derive(Debug)]
pub struct Throttle {
    rules: ThrottleRules,
    young: Map,
    old: Map,
    forgotten: u64,
}

type Map = HashMap<u64, Failures, FixedState>;

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last_ms: u64,
}

impl Throttle {
    /// Remembers nobody yet.
    pub fn new(rules: ThrottleRules) -> Throttle {
        Throttle { rules, young: Map::default(), old: Map::default(), forgotten: 0 }
    }

    /// Punishes by other rules from now on.
    pub fn set_rules(&mut self, rules: ThrottleRules) {
        self.rules = rules;
    }

    /// How many milliseconds a culprit has to wait before the next try; 0: none. `now_ms` is any clock that does not go back.
    pub fn wait_ms(&self, culprit: u64, now_ms: u64) -> u64 {
        let Some(failures) = self.failures(culprit, now_ms) else { return 0 };
        failures.last_ms.saturating_add(self.penalty_ms(failures.count)).saturating_sub(now_ms)
    }

    /// A try has failed.
    pub fn failed(&mut self, culprit: u64, now_ms: u64) {
        let count = self.failures(culprit, now_ms).map_or(0, |failures| failures.count).saturating_add(1);
        if !self.young.contains_key(&culprit) && self.young.len() >= self.rules.capacity / 2 {
            self.forgotten += u64::from(!self.old.is_empty());
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(culprit, Failures { count, last_ms: now_ms });
    }

    /// A try has succeeded: what an authid has failed before is forgiven.
    pub fn succeeded(&mut self, culprit: u64) {
        self.young.remove(&culprit);
        self.old.remove(&culprit);
    }

    /// Whether something is remembered of a culprit.
    pub fn knows(&self, culprit: u64) -> bool {
        self.young.contains_key(&culprit) || self.old.contains_key(&culprit)
    }

    /// How many times the half that had not failed for longest was forgotten to make room.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// How many culprits are remembered.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether nobody is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn failures(&self, culprit: u64, now_ms: u64) -> Option<Failures> {
        let failures = *self.young.get(&culprit).or_else(|| self.old.get(&culprit))?;
        let penalty_ms = self.penalty_ms(failures.count);
        let end = failures.last_ms.saturating_add(penalty_ms).saturating_add(self.rules.lock_ms);
        (now_ms < end).then_some(failures)
    }

    fn penalty_ms(&self, count: u32) -> u64 {
        match count.saturating_sub(self.rules.free) {
            0 => 0,
            punished => {
                let factor = 1_u64.checked_shl(punished - 1).unwrap_or(u64::MAX);
                self.rules.wait_ms.saturating_mul(factor).min(self.rules.lock_ms)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: ThrottleRules = ThrottleRules { free: 2, wait_ms: 100, lock_ms: 1000, capacity: 8 };

    #[test]
    fn waits_double_up_to_the_lock() {
        let mut throttle = Throttle::new(RULES);
        let waits: Vec<u64> = (0..8)
            .map(|_| {
                throttle.failed(1, 5);
                throttle.wait_ms(1, 5)
            })
            .collect();
        assert_eq!(waits, [0, 0, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!([5, 504, 1004, 1005].map(|now| throttle.wait_ms(1, now)), [1000, 501, 1, 0]);
        assert_eq!(throttle.wait_ms(2, 5), 0, "another one");
        for _ in 0..100 {
            throttle.failed(1, 5);
        }
        assert_eq!(throttle.wait_ms(1, 5), 1000);
    }

    /// An embedder may set any.
    #[test]
    fn rules_without_end() {
        let mut never = Throttle::new(ThrottleRules { free: u32::MAX, ..RULES });
        let mut ever = Throttle::new(ThrottleRules { wait_ms: u64::MAX, lock_ms: u64::MAX, ..RULES });
        for _ in 0..4 {
            never.failed(1, 5);
            ever.failed(1, 5);
        }
        assert_eq!(never.wait_ms(1, 5), 0);
        assert_eq!(ever.wait_ms(1, 5), u64::MAX - 5);
    }

    #[test]
    fn it_forgets_and_forgives() {
        let mut throttle = Throttle::new(RULES);
        (0..4).for_each(|_| throttle.failed(1, 0));
        throttle.failed(1, 1199);
        assert_eq!(throttle.wait_ms(1, 1199), 400, "remembered until 200 + 1000 ms");
        throttle.failed(1, 1199 + 1400);
        assert_eq!(throttle.wait_ms(1, 1199 + 1400), 0, "forgotten: the first again");
        (0..4).for_each(|_| throttle.failed(1, 5000));
        assert!(throttle.knows(1) && !throttle.knows(2));
        throttle.succeeded(1);
        assert!(throttle.is_empty());
        assert_eq!(throttle.wait_ms(1, 5000), 0);
    }

    #[test]
    fn memory_is_bounded_and_the_latest_are_kept() {
        let mut throttle = Throttle::new(RULES);
        for culprit in 0..1000 {
            (0..3).for_each(|_| throttle.failed(culprit, 0));
            assert!(throttle.len() <= RULES.capacity, "{}", throttle.len());
            // Who goes on failing is not forgotten for it.
            throttle.failed(5000, 0);
        }
        assert_eq!(throttle.wait_ms(5000, 0), 1000);
        assert_eq!(throttle.wait_ms(999, 0), 100);
        assert_eq!(throttle.wait_ms(0, 0), 0);
        // Each time that four have come to the one that goes on.
        assert!((250..=350).contains(&throttle.forgotten()), "{}", throttle.forgotten());
    }
}
