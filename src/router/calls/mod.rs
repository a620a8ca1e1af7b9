//! What can happen to a call on its way, beyond being answered. `dealer` has its record, at its caller's shard, and
//! `invocations` the mirror of that, at its callee's.

mod cancel;
mod details;
mod errand;
mod progress;
mod reroute;
mod stream;
mod timeout;

pub(super) use details::{CallDetails, Watch};
pub(super) use errand::Errand;
pub(super) use stream::{Frozen, Next, Stream};

/// Why a call that its caller cancelled has no result.
pub(super) const CANCELED_BY_CALLER: &str = "the call was cancelled by its caller";
/// Why a call has no result whose callee has gone.
pub(super) const CALLEE_LEFT: &str = "the callee left before it answered";
