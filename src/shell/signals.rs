//! Signals of the operating system. Only a program that has none of its own to handle wants these.

use std::io;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::shared::Handle;

/// From now on SIGINT and SIGTERM shut the router down; a second one ends the process at once, with the exit code
/// 128 + signal.
///
/// # Errors
/// The system refuses a handler or a thread.
pub fn install_signals(handle: Handle) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut signals = signals.forever();
        if signals.next().is_some() {
            tracing::info!("shutting down; a second signal ends at once");
            handle.shutdown();
        }
        if let Some(signal) = signals.next() {
            std::process::exit(128 + signal);
        }
    })?;
    Ok(())
}
