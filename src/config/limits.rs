//! The limits as an operator sees them: names, units, allowed values, and how they depend on each other.

use std::ops::RangeInclusive;

use crate::limits::{Limited, Limits, NESTING_DEPTH_MAX, URI_BYTES_MAX};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;
const HOUR_MS: u64 = 60 * 60 * 1000;

/// One field of [`Limits`].
pub struct LimitKey {
    /// The field's name; its unit is in it.
    pub name: &'static str,
    /// The values that make sense.
    pub range: RangeInclusive<u64>,
    get: fn(&Limits) -> u64,
    set: fn(&mut Limits, u64),
}

/// Makes [`LIMITS`] and shows the compiler that no field is missing from it, and that each is counted.
macro_rules! limit_keys {
    ($($field:ident: $range:expr,)*) => {
        /// All of them, in the order of [`Limits`].
        pub const LIMITS: &[LimitKey] = &[$(LimitKey {
            name: stringify!($field),
            range: $range,
            get: |limits| limits.$field as u64,
            set: |limits, n| limits.$field = n as _,
        },)*];

        /// Their names.
        pub(super) const LIMIT_NAMES: &[&str] = &[$(stringify!($field)),*];

        const _: fn(Limits) = |Limits { $($field: _),* }| {};
        const _: fn(Limited) = |Limited { $($field: _,)* .. }| {};
    };
}

limit_keys! {
    message_bytes_max: KIB..=512 * MIB,
    http_head_bytes_max: KIB..=MIB,
    uri_bytes_max: 16..=URI_BYTES_MAX as u64,
    nesting_depth_max: 8..=NESTING_DEPTH_MAX as u64,
    outbound_bytes_max: KIB..=GIB,
    outbound_bytes_high: KIB..=GIB,
    mesh_outbox_bytes_high: KIB..=GIB,
    connections_max: 1..=10_000_000,
    connections_per_address_max: 0..=10_000_000,
    sessions_per_authid_max: 0..=10_000_000,
    subscriptions_max: 1..=10_000_000,
    registrations_max: 1..=10_000_000,
    publish_rate_max: 0..=1_000_000,
    call_rate_max: 0..=1_000_000,
    pending_calls_max: 1..=10_000_000,
    pending_invocations_max: 1..=100_000_000,
    held_invocations_max: 1..=10_000_000,
    retained_events_max: 0..=10_000_000,
    retained_bytes_max: 0..=GIB,
    testaments_max: 0..=10_000_000,
    testaments_bytes_max: 0..=GIB,
    history_bytes_max: 0..=GIB,
    handshake_ms_max: 1..=HOUR_MS,
    handshakes_max: 1..=10_000_000,
    authid_failures_max: 0..=1_000_000,
    address_failures_max: 0..=1_000_000,
    failure_wait_ms: 1..=HOUR_MS,
    failure_lock_ms: 1..=24 * HOUR_MS,
    failures_kept_max: 2..=10_000_000,
    cookies_kept_max: 1..=10_000_000,
    authorizer_ms_max: 1..=HOUR_MS,
    closing_ms_max: 1..=HOUR_MS,
    drain_ms_max: 1..=HOUR_MS,
}

/// Pairs of limits where the first must not exceed the second, and why.
pub(super) const ORDERED: &[(&str, &str, &str)] = &[
    (
        "outbound_bytes_high",
        "outbound_bytes_max",
        "a connection would be closed as too slow before the router stops reading from it",
    ),
    (
        "message_bytes_max",
        "outbound_bytes_max",
        "the largest message would close the connection that receives it",
    ),
];

impl LimitKey {
    /// The field's value in `limits`.
    pub fn get(&self, limits: &Limits) -> u64 {
        (self.get)(limits)
    }

    /// Sets the field, or says what is wrong with the value.
    pub(super) fn set(&self, limits: &mut Limits, n: u64) -> Result<(), String> {
        self.check(n)?;
        // Every range ends below 2^32: the value fits into `usize` wherever the router builds.
        (self.set)(limits, n);
        Ok(())
    }

    pub(super) fn check(&self, n: u64) -> Result<(), String> {
        match self.range.contains(&n) {
            true => Ok(()),
            false => Err(format!("`{}` must be {}, not {n}", self.name, self.expected())),
        }
    }

    /// What may be written, for messages.
    pub(super) fn expected(&self) -> String {
        format!("a whole number from {} to {}", self.range.start(), self.range.end())
    }
}

/// The key of that name. All callers name a field.
pub(super) fn limit(name: &str) -> Option<&'static LimitKey> {
    LIMITS.iter().find(|key| key.name == name)
}

#[cfg(test)]
mod tests {
    use super::super::ServeConfig;
    use super::*;

    #[test]
    fn defaults_are_in_range_and_in_order() {
        let limits = Limits::default();
        for key in LIMITS {
            assert_eq!(key.check(key.get(&limits)), Ok(()));
            assert!(*key.range.end() <= u64::from(u32::MAX), "{} must fit a 32-bit usize", key.name);
        }
        for (low, high, _) in ORDERED {
            assert!(limit(low).unwrap().get(&limits) <= limit(high).unwrap().get(&limits), "{low} > {high}");
        }
    }

    #[test]
    fn those_of_a_small_machine_too() {
        for mib in [1, 128, 256, 512, 1024, 2048] {
            let mut config = ServeConfig::default();
            config.router.limits = Limits::for_memory(mib << 20);
            assert_eq!(config.check(), Ok(()), "{mib} MiB");
        }
    }

    #[test]
    fn set_and_get_are_the_same_field() {
        for key in LIMITS {
            let mut limits = Limits::default();
            key.set(&mut limits, *key.range.start()).unwrap();
            assert_eq!(key.get(&limits), *key.range.start());
            key.set(&mut limits, key.get(&Limits::default())).unwrap();
            assert_eq!(limits, Limits::default(), "{} set another field", key.name);
        }
    }

    #[test]
    fn out_of_range_is_refused() {
        let mut limits = Limits::default();
        let error = limit("connections_max").unwrap().set(&mut limits, 0).unwrap_err();
        assert_eq!(error, "`connections_max` must be a whole number from 1 to 10000000, not 0");
        assert_eq!(limits, Limits::default());
    }
}
