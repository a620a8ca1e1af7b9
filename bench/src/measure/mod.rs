//! What a run shows: latencies; and what it costs: the server's CPU, context switches, memory and system calls, and how
//! busy the generator was.

mod live;
mod machine;
mod process;
mod recorder;
mod syscalls;

use std::time::Instant;

use nix::time::ClockId;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

pub(crate) use live::{Glance, Live, Tap};
pub(crate) use machine::Machine;
pub(crate) use process::ProcessError;
pub(crate) use recorder::{Recorder, Sample, histogram};
pub(crate) use syscalls::SyscallError;

use process::{Process, Resident};
use syscalls::{Calls, Syscalls};

/// Measures between [`Meter::begin`] and [`Meter::end`].
#[derive(Debug)]
pub(crate) struct Meter {
    server: Option<Process>,
    syscalls: Option<Syscalls>,
    begun: Option<Begun>,
    before: Resident,
    rss_peak_bytes: u64,
}

#[derive(Debug)]
struct Begun {
    at: Instant,
    server: Option<process::Sample>,
}

/// What was measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cost {
    /// The time between begin and end, in nanoseconds.
    pub(crate) elapsed_ns: u64,
    /// What the server used.
    pub(crate) server: Option<ServerCost>,
}

/// What became of a subscriber that stopped to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stalled {
    /// Events that were for it.
    pub(crate) sent: u64,
    /// Those that it got, read at the end.
    pub(crate) received: u64,
    /// When it was noticed that the server had ended the connection, in nanoseconds after the last read; `None` if the
    /// server has not.
    pub(crate) disconnected_after_ns: Option<u64>,
}

/// The server's memory at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// Nanoseconds since measuring began.
    pub(crate) at_ns: u64,
    /// Resident memory in bytes.
    pub(crate) rss_bytes: u64,
}

/// What the server used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ServerCost {
    /// CPU time of all its threads, user and system, in nanoseconds.
    pub(crate) cpu_ns: u64,
    /// That of its busiest thread, if the system tells.
    pub(crate) busiest_ns: Option<u64>,
    /// The part of it that was spent outside of the kernel, 0 to 1. It comes from the clock's ticks and is coarse.
    pub(crate) user_share: Option<f64>,
    /// Context switches of all its threads.
    pub(crate) switches: u64,
    /// Resident memory at the end, in bytes.
    pub(crate) rss_bytes: u64,
    /// The same before anybody connected.
    pub(crate) rss_before_bytes: u64,
    /// Of the memory at the end what is not of a file, as the server's code is.
    #[serde(default)]
    pub(crate) own_bytes: u64,
    /// The same before anybody connected.
    #[serde(default)]
    pub(crate) own_before_bytes: u64,
    /// The most that was seen while it was measured.
    pub(crate) rss_peak_bytes: u64,
    /// System calls by name, with the sum under `all`, if they were counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) syscalls: Option<Calls>,
}

/// What cannot be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MeterError {
    /// Not even the process.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Not the system calls.
    #[error(transparent)]
    Syscalls(#[from] SyscallError),
}

impl Meter {
    /// A meter that knows nothing of the server.
    pub(crate) fn new() -> Meter {
        Meter { server: None, syscalls: None, begun: None, before: Resident::default(), rss_peak_bytes: 0 }
    }

    /// A meter that looks at the process `pid`, and counts its system calls if asked to. Counting slows the server.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub(crate) fn of(pid: Pid, syscalls: bool) -> Result<Meter, MeterError> {
        let server = Process::new(pid)?;
        let before = server.memory()?;
        let syscalls = if syscalls { Some(Syscalls::attach(pid)?) } else { None };
        Ok(Meter { server: Some(server), syscalls, before, ..Meter::new() })
    }

    /// The measured time begins.
    ///
    /// # Errors
    /// The server is gone.
    pub(crate) fn begin(&mut self) -> Result<(), MeterError> {
        if let Some(syscalls) = &mut self.syscalls {
            syscalls.begin()?;
        }
        let server = self.server.as_ref().map(Process::sample).transpose()?;
        self.begun = Some(Begun { at: Instant::now(), server });
        Ok(())
    }

    /// Looks at the server's memory while it is measured; bytes, or `None` if there is no server to look at.
    ///
    /// # Errors
    /// The server is gone.
    pub(crate) fn look(&mut self) -> Result<Option<u64>, MeterError> {
        let Some(server) = &self.server else { return Ok(None) };
        let rss_bytes = server.memory()?.all;
        self.rss_peak_bytes = self.rss_peak_bytes.max(rss_bytes);
        Ok(Some(rss_bytes))
    }

    /// The measured time ends. Without a beginning, nothing was measured.
    ///
    /// # Errors
    /// The server is gone.
    pub(crate) fn end(&mut self) -> Result<Cost, MeterError> {
        let Some(begun) = self.begun.take() else { return Ok(Cost::default()) };
        let elapsed_ns = begun.at.elapsed().as_nanos() as u64;
        let mut cost = Cost { elapsed_ns, server: None };
        if let (Some(server), Some(before)) = (&self.server, begun.server) {
            let mut used = server.sample()?.since(&before);
            used.rss_before_bytes = self.before.all;
            used.own_before_bytes = self.before.own;
            used.rss_peak_bytes = self.rss_peak_bytes.max(used.rss_bytes);
            if let Some(syscalls) = self.syscalls.take() {
                used.syscalls = Some(syscalls.end()?);
            }
            cost.server = Some(used);
        }
        Ok(cost)
    }
}

/// Resident memory of a process, in bytes.
///
/// # Errors
/// It cannot be looked at.
pub(crate) fn resident_bytes(pid: Pid) -> Result<u64, MeterError> {
    Ok(Process::new(pid)?.memory()?.all)
}

/// CPU time of the calling thread, in nanoseconds.
pub(crate) fn thread_ns() -> u64 {
    // A thread always has its own clock.
    ClockId::CLOCK_THREAD_CPUTIME_ID.now().map_or(0, process::nanoseconds)
}
