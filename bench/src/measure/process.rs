//! What the system knows about another process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

use super::ServerCost;

/// A process that is looked at.
#[derive(Debug)]
pub(super) struct Process {
    folder: PathBuf,
    /// The CPU time of all its threads, those that have ended included; exact to the nanosecond, unlike
    /// `/proc/PID/stat`, and one system call, unlike `schedstat` of every thread.
    clock: ClockId,
}

/// What it has used so far.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    cpu_ns: u64,
    user_ticks: u64,
    system_ticks: u64,
    threads: BTreeMap<OsString, Thread>,
    pub(super) memory: Resident,
}

/// What is in memory of it, in bytes; nothing once it has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Resident {
    pub(super) all: u64,
    /// Of that what is not of a file, as its code is.
    pub(super) own: u64,
}

/// What one of its threads has used so far.
#[derive(Clone, Copy, Debug, Default)]
struct Thread {
    /// `None` if the system does not tell.
    cpu_ns: Option<u64>,
    switches: u64,
}

/// It cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[error("cannot look at the server, process {pid}: {error}")]
pub(crate) struct ProcessError {
    pid: String,
    error: io::Error,
}

impl Process {
    pub(super) fn new(pid: Pid) -> Result<Process, ProcessError> {
        let folder = Path::new("/proc").join(pid.to_string());
        match clock_getcpuclockid(pid) {
            Ok(clock) => Ok(Process { folder, clock }),
            Err(error) => Err(ProcessError { pid: pid.to_string(), error: error.into() }),
        }
    }

    pub(super) fn sample(&self) -> Result<Sample, ProcessError> {
        self.try_sample().map_err(|error| self.error(error))
    }

    /// Its memory now.
    pub(super) fn memory(&self) -> Result<Resident, ProcessError> {
        let status = fs::read_to_string(self.folder.join("status")).map_err(|error| self.error(error))?;
        Ok(Resident::read(&status))
    }

    fn error(&self, error: io::Error) -> ProcessError {
        let pid = self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        ProcessError { pid, error }
    }

    fn try_sample(&self) -> io::Result<Sample> {
        let cpu_ns = nanoseconds(self.clock.now()?);
        let stat = fs::read_to_string(self.folder.join("stat"))?;
        let (user_ticks, system_ticks) = ticks(&stat).ok_or(io::ErrorKind::InvalidData)?;
        let status = fs::read_to_string(self.folder.join("status"))?;
        let memory = Resident::read(&status);
        let mut threads = BTreeMap::new();
        for thread in self.folder.join("task").read_dir()? {
            let thread = thread?;
            // A thread may end just now.
            let read = |name| fs::read_to_string(thread.path().join(name)).unwrap_or_default();
            let (status, schedstat) = (read("status"), read("schedstat"));
            let keys = ["voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"];
            let used = Thread {
                cpu_ns: schedstat.split(' ').next().and_then(|ns| ns.parse().ok()),
                switches: keys.iter().filter_map(|key| field(&status, key)).sum(),
            };
            threads.insert(thread.file_name(), used);
        }
        Ok(Sample { cpu_ns, user_ticks, system_ticks, threads, memory })
    }
}

impl Sample {
    /// What was used since `before`.
    pub(super) fn since(&self, before: &Sample) -> ServerCost {
        let user = self.user_ticks.saturating_sub(before.user_ticks);
        let earlier = |name: &OsString| before.threads.get(name).copied().unwrap_or_default();
        let busy = |(name, thread): (&OsString, &Thread)| {
            Some(thread.cpu_ns?.saturating_sub(earlier(name).cpu_ns.unwrap_or(0)))
        };
        // Those of a thread that has ended are not known.
        let switches =
            |(name, thread): (&OsString, &Thread)| thread.switches.saturating_sub(earlier(name).switches);
        let ticks = user + self.system_ticks.saturating_sub(before.system_ticks);
        ServerCost {
            cpu_ns: self.cpu_ns.saturating_sub(before.cpu_ns),
            busiest_ns: self.threads.iter().filter_map(busy).max(),
            user_share: (ticks > 0).then(|| user as f64 / ticks as f64),
            switches: self.threads.iter().map(switches).sum(),
            rss_bytes: self.memory.all,
            own_bytes: self.memory.own,
            ..ServerCost::default()
        }
    }
}

pub(super) fn nanoseconds(time: TimeSpec) -> u64 {
    time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
}

/// User and system time of `/proc/PID/stat`, in ticks. The name of the program, in parentheses, may contain anything.
fn ticks(stat: &str) -> Option<(u64, u64)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11).map(|field| field.parse().ok());
    Some((fields.next()??, fields.next()??))
}

impl Resident {
    /// As `/proc/PID/status` has it.
    fn read(status: &str) -> Resident {
        let bytes = |key| field(status, key).unwrap_or(0) * 1024; // it says kB and means KiB
        Resident { all: bytes("VmRSS:"), own: bytes("RssAnon:") + bytes("RssShmem:") }
    }
}

/// A number of `/proc/PID/status`.
fn field(status: &str, key: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(key))?;
    value.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn fields_of_proc() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 90 0 0 0 17 5 0 0 20 0 1 0 100 1 1";
        assert_eq!(ticks(stat), Some((17, 5)));
        assert_eq!(ticks(""), None);
        let status = "VmRSS:\t    5432 kB\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t3\n";
        assert_eq!(field(status, "VmRSS:"), Some(5432));
        assert_eq!(field(status, "voluntary_ctxt_switches:"), Some(7));
        assert_eq!(field(status, "VmSwap:"), None);
        let status =
            "VmRSS:\t    5000 kB\nRssAnon:\t     900 kB\nRssFile:\t    4000 kB\nRssShmem:\t     100 kB\n";
        assert_eq!(Resident::read(status), Resident { all: 5000 * 1024, own: 1000 * 1024 });
        assert_eq!(Resident::read(""), Resident::default());
    }

    #[test]
    fn sees_what_this_process_uses() {
        let process = Process::new(Pid::this()).unwrap();
        let before = process.sample().unwrap();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(30) {}
        std::thread::sleep(Duration::from_millis(1));
        let used = process.sample().unwrap().since(&before);
        assert!(used.cpu_ns > 1_000_000, "{used:?}");
        assert!(used.busiest_ns.is_none_or(|busiest| busiest <= 2 * used.cpu_ns), "{used:?}");
        assert!(used.switches >= 1 && used.rss_bytes > 100_000, "{used:?}");
    }

    #[test]
    fn a_process_that_is_gone() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let process = Process::new(Pid::from_raw(child.id() as i32)).unwrap();
        child.wait().unwrap();
        assert!(process.sample().unwrap_err().to_string().contains(&child.id().to_string()));
    }
}
