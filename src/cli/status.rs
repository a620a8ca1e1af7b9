//! The numbers of the router that runs in this process, as the text that is told over the control socket and over HTTP.

use connectanum::shell::Handle;

use super::reload::Source;

/// The numbers; `None`: they cannot be had, see [`Handle::status`].
pub(super) fn numbers(handle: &Handle, source: &Source) -> Option<String> {
    let mut status = handle.status()?;
    status.reloads_refused += source.faulty();
    Some(status.to_string())
}
