//! Many runs together: the table that compares servers, its pictures, and the smoke test.

mod contender;
mod folder;
mod host;
mod pictures;
mod rounds;
mod smoke;
mod spread;
mod start;
mod table;
mod work;

use std::io;

use crate::children::ServerError;
use crate::engine::Failure;
use crate::measure::MeterError;
use crate::output::OutputError;
use crate::report::CompareError;

pub(crate) use contender::{Contender, Peer, Via, fanouts, find_nats};
pub(crate) use folder::write_all;
pub(crate) use host::Cpus;
pub(crate) use rounds::Rounds;
pub(crate) use smoke::smoke;
pub(crate) use table::Table;
pub(crate) use work::{Work, choose};

/// The suite cannot be run, or has shown a fault.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SuiteError {
    /// A server fails.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A run fails.
    #[error("{0}: {1}: {2}")]
    Run(String, String, Failure),
    /// A server cannot be looked at.
    #[error(transparent)]
    Meter(#[from] MeterError),
    /// A run that says nothing.
    #[error("{0}: {1}: nothing was delivered")]
    Nothing(String, String),
    /// No such work.
    #[error("no work is called `{0}`; there are {1}")]
    Work(String, String),
    /// The system does not pin the generator.
    #[error("the generator cannot be pinned to CPU {0}")]
    Pin(usize),
    /// A result cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// What was written cannot be read.
    #[error(transparent)]
    Compare(#[from] CompareError),
    /// There is no place for files.
    #[error("cannot use a folder for temporary files: {0}")]
    Folder(io::Error),
    /// Nothing to test.
    #[error("there is no router to test: name a shell with --io")]
    Nowhere,
    /// Somebody pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl SuiteError {
    /// Whether nothing is wrong: somebody has had enough.
    fn is_interrupt(&self) -> bool {
        matches!(self, SuiteError::Interrupted | SuiteError::Server(ServerError::Interrupted))
    }
}
