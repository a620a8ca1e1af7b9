//! The commands that show what was measured before.

use std::path::PathBuf;

use clap::Args;

use crate::output::{self, OutputArgs, print};
use crate::report::{self, Comparison};

/// Why a command fails.
type Failure = Box<dyn std::error::Error>;

#[derive(Clone, Debug, Args)]
pub(crate) struct ShowArgs {
    /// A report that was written with `--json FILE`
    #[arg(value_name = "REPORT")]
    report: PathBuf,

    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct CompareArgs {
    /// Reports that were written with `--json FILE`; the others are compared with the first
    #[arg(value_name = "REPORT", num_args = 2.., required = true)]
    reports: Vec<PathBuf>,

    /// Write a page with the curves as well
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl ShowArgs {
    /// Shows.
    ///
    /// # Errors
    /// The file is no report.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        self.output.check()?;
        Ok(self.output.write(&report::read(&self.report)?)?)
    }
}

impl CompareArgs {
    /// Compares.
    ///
    /// # Errors
    /// A file is no report, or of another load.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let comparison = Comparison::read(&self.reports)?;
        print(&comparison.text())?;
        if let Some(path) = &self.html {
            output::check(path)?;
            output::write(path, &report::html::compare(&comparison))?;
        }
        Ok(())
    }
}
