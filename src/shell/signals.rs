//! Signals of the operating system. Only a program that has none of its own to handle wants these.

use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::shared::Handle;

/// From now on SIGINT and SIGTERM shut the router down; a second one ends the process at once, with the exit code
/// 128 + signal. SIGHUP has it read its certificates again.
///
/// # Errors
/// The system refuses a handler or a thread.
pub fn install_signals(handle: Handle) -> io::Result<()> {
    let reloading = handle.clone();
    install_signals_with(handle, move || reload(&reloading))
}

/// The same, but SIGHUP does `hang_up`.
///
/// # Errors
/// As [`install_signals`].
pub fn install_signals_with(handle: Handle, mut hang_up: impl FnMut() + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    // A thread for each: the end must not wait until the router has gone over to another configuration.
    let (sender, hang_ups) = crossbeam_channel::bounded(1);
    thread::Builder::new()
        .name("reload".to_owned())
        .spawn(move || hang_ups.iter().for_each(|()| hang_up()))?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut is_ending = false;
        for signal in signals.forever() {
            match signal {
                // If one waits already, what it will read is new enough.
                SIGHUP => drop(sender.try_send(())),
                _ if is_ending => std::process::exit(128 + signal),
                _ => {
                    is_ending = true;
                    tracing::info!("shutting down; a second signal ends at once");
                    handle.shutdown();
                }
            }
        }
    })?;
    Ok(())
}

fn reload(handle: &Handle) {
    let Some(tls) = handle.tls() else {
        return tracing::info!("SIGHUP: no address asks for TLS, so there is nothing to read again");
    };
    match tls.reload() {
        Ok(()) => tls.log(),
        Err(faults) => {
            for fault in &faults.0 {
                tracing::error!("{fault}");
            }
            tracing::error!("SIGHUP: the certificates stay as they were");
        }
    }
}
