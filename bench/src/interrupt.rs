//! Ctrl-C, and SIGTERM: noted, so that whatever runs can end its children and say what it has found.

use std::io;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

static ASKED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on the signals are noted instead of ending the program.
///
/// # Errors
/// The system refuses.
pub(crate) fn install() -> io::Result<()> {
    let asked = ASKED.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM] {
        flag::register(signal, asked.clone())?;
    }
    Ok(())
}

/// Whether the program has been asked to end.
#[inline]
pub(crate) fn is_asked() -> bool {
    ASKED.get().is_some_and(|asked| asked.load(Ordering::Relaxed))
}
