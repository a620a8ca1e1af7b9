//! Instructions per routed message of the router's core, counted by callgrind: the check behind `scripts/instructions`.
//!
//! Without arguments it counts every work and prints a table; `--baseline FILE` compares with the counts in the file, and
//! `--update` rewrites them. To count, the program runs itself under valgrind with `run WORK TURNS`, twice with different
//! numbers of turns: the difference is what the turns cost, without start and setup. Counting needs no quiet machine.

mod check;
#[path = "../../../tests/alloc/circuit.rs"]
mod circuit;
mod counts;
mod work;

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use counts::{Baseline, Verdict};

/// Counts the instructions that the router's core takes per message.
#[derive(Parser)]
struct Args {
    /// The committed counts to compare with
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write what was counted into the baseline instead of comparing
    #[arg(long, requires = "baseline")]
    update: bool,
    /// The compiler, the C library and what else the counts depend on; counts with others are shown, not judged
    #[arg(long, value_name = "TEXT", default_value = "")]
    made_with: String,
    /// Count only the works whose name contains this
    #[arg(long, value_name = "TEXT", conflicts_with = "update")]
    only: Option<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Do one work, without counting: what runs under valgrind
    Run { work: String, turns: usize },
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            // Nobody to tell when standard error is closed.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    if let Some(Command::Run { work, turns }) = &args.command {
        work::by_name(work)?.run(*turns)?;
        return Ok(ExitCode::SUCCESS);
    }
    let before = match &args.baseline {
        Some(path) if !args.update => Some(Baseline::read(path)?),
        _ => None,
    };
    let now = Baseline::count(&args.made_with, args.only.as_deref().unwrap_or_default())?;
    let mut out = io::stdout().lock();
    let verdict = now.compare(before.as_ref(), &mut out)?;
    if let (Some(path), true) = (&args.baseline, args.update) {
        now.write(path)?;
        writeln!(out, "written to {}", path.display())?;
    }
    Ok(if verdict == Verdict::Risen { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
