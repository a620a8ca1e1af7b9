//! How a run went over time.

use serde::{Deserialize, Serialize};

/// What happened in one interval of the measured time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// End of the interval, in nanoseconds since measuring began.
    pub(crate) at_ns: u64,
    /// Messages that were received in it.
    pub(crate) delivered: u64,
    /// The median of their latencies, in nanoseconds.
    pub(crate) p50_ns: u64,
    /// What one in a hundred exceeds.
    pub(crate) p99_ns: u64,
    /// The longest.
    pub(crate) max_ns: u64,
}
