//! Where the log goes: standard error, one line per event, colours for people only.

use std::env;
use std::io::{self, IsTerminal};

use connectanum::config::LogFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

/// Begins to log. Once in the life of the process; a second time changes nothing.
pub(super) fn begin(filter: &LogFilter) {
    let targets = Targets::new().with_default(filter.level).with_targets(filter.targets.iter().cloned());
    // https://no-color.org
    let colours = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = fmt::layer().compact().with_writer(io::stderr).with_ansi(colours);
    let _ = tracing_subscriber::registry().with(lines.with_filter(targets)).try_init();
}
