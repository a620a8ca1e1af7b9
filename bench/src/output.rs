//! Where results go: standard output, and the files that are asked for.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::report::{self, Report};

/// The name that stands for standard output.
pub(crate) const STDOUT: &str = "-";

/// What becomes of the report of a load.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Write the report as JSON, which `compare` reads; without FILE, to standard output instead of the text
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = STDOUT)]
    pub(crate) json: Option<PathBuf>,

    /// Write the latencies as HdrHistogram's percentile text, in microseconds
    #[arg(long, value_name = "FILE")]
    pub(crate) hgrm: Option<PathBuf>,

    /// Write a page with the curves, which needs nothing but a browser
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

/// A file that cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutputError {
    /// Not this one.
    #[error("cannot write {0}: {1}")]
    File(PathBuf, io::Error),
    /// There is nowhere to put it.
    #[error("cannot write {0}: there is no folder {1}")]
    Folder(PathBuf, PathBuf),
    /// Standard output is closed, as by `head`.
    #[error("cannot write to standard output: {0}")]
    Stdout(io::Error),
    /// It has no form in JSON.
    #[error("cannot write as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl OutputArgs {
    /// Looks whether there are folders for the files: better before the load than after.
    ///
    /// # Errors
    /// One is missing.
    pub(crate) fn check(&self) -> Result<(), OutputError> {
        self.files().try_for_each(check)
    }

    /// Writes everything. What goes to standard output comes first: it must not be lost with a file.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(crate) fn write(&self, report: &Report) -> Result<(), OutputError> {
        match &self.json {
            Some(path) if is_stdout(path) => print_json(report)?,
            _ => print(&report::text(report))?,
        }
        self.write_files(report)
    }

    /// Writes the files alone.
    ///
    /// # Errors
    /// One cannot be written.
    pub(crate) fn write_files(&self, report: &Report) -> Result<(), OutputError> {
        if let Some(path) = self.json.as_deref().filter(|path| !is_stdout(path)) {
            write(path, &report::json(report)?)?;
        }
        if let Some(path) = &self.hgrm {
            write(path, &report.latencies.hgrm())?;
        }
        if let Some(path) = &self.html {
            write(path, &report::html::load(report))?;
        }
        Ok(())
    }

    fn files(&self) -> impl Iterator<Item = &Path> {
        let files = [&self.json, &self.hgrm, &self.html].into_iter().flatten();
        files.map(PathBuf::as_path).filter(|path| !is_stdout(path))
    }
}

/// Whether a path stands for standard output.
pub(crate) fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == STDOUT
}

/// Looks whether there is a folder for the file `path`.
///
/// # Errors
/// There is none.
pub(crate) fn check(path: &Path) -> Result<(), OutputError> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(OutputError::Folder(path.to_owned(), folder.to_owned()))
        }
        _ => Ok(()),
    }
}

/// Makes a folder for files, if it is not there.
///
/// # Errors
/// Something is in the way.
pub(crate) fn make_folder(path: &Path) -> Result<(), OutputError> {
    fs::create_dir_all(path).map_err(|e| OutputError::File(path.to_owned(), e))
}

/// Writes a whole file.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), OutputError> {
    fs::write(path, text).map_err(|e| OutputError::File(path.to_owned(), e))
}

/// Writes a value to standard output, as JSON.
///
/// # Errors
/// It is closed.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<(), OutputError> {
    print(&report::json(value)?)
}

/// Writes to standard output.
///
/// # Errors
/// It is closed.
pub(crate) fn print(text: &str) -> Result<(), OutputError> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(OutputError::Stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_folder_is_found_before_the_load() {
        let args = |json: &str| OutputArgs { json: Some(json.into()), ..OutputArgs::default() };
        for json in ["-", "report.json", "/tmp/report.json"] {
            args(json).check().unwrap();
        }
        let error = args("/nonexistent/a/report.json").check().unwrap_err().to_string();
        assert_eq!(error, "cannot write /nonexistent/a/report.json: there is no folder /nonexistent/a");
    }
}
