//! Load generator and baselines for WAMP routers: `connectanum-bench --help`.

mod baselines;
mod children;
mod cli;
mod engine;
mod interrupt;
mod measure;
mod output;
mod placement;
mod report;
mod scenario;
mod showing;
mod suite;
mod target;
mod wamp;
mod wire;

use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // What the command line's parser says begins so already.
            let text = error.to_string();
            progress(&format!("error: {}", text.strip_prefix("error: ").unwrap_or(&text)));
            ExitCode::FAILURE
        }
    }
}

/// Writes a line about how it goes to standard error.
fn progress(line: &str) {
    // Nobody to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "{line}");
}
