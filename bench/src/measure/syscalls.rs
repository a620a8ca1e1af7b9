//! Counts the system calls of another process, with `perf stat` on the kernel's tracepoints. That needs root, or
//! `kernel.perf_event_paranoid` at -1 and a readable `/sys/kernel/tracing`. strace would change what it measures: a
//! server that it slows down finds more to do each time it looks.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use tempfile::TempDir;

/// The tracepoint of all system calls.
const ALL: &str = "raw_syscalls:sys_enter";

/// Those that are also counted by themselves: what a server spends its time with.
const SINGLE: [&str; 13] = [
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "futex",
    "io_uring_enter",
    "read",
    "readv",
    "recvfrom",
    "recvmsg",
    "sendmsg",
    "sendto",
    "write",
    "writev",
];

/// How long perf may take to do what it is told.
const PATIENCE: Duration = Duration::from_secs(10);

/// Number of calls by name.
pub(super) type Calls = BTreeMap<String, u64>;

/// A running `perf stat`.
#[derive(Debug)]
pub(super) struct Syscalls {
    perf: Reaped,
    control: File,
    acknowledged: File,
    folder: TempDir,
}

/// A child that does not outlive its owner.
#[derive(Debug)]
struct Reaped(Child);

/// They cannot be counted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SyscallError {
    /// It does not start.
    #[error("cannot count system calls: perf does not start ({0}); install it (Debian: linux-perf)")]
    Start(io::Error),
    /// It does not do what it should.
    #[error("cannot count system calls: perf says: {0}")]
    Perf(String),
    /// Talking to it failed.
    #[error("cannot count system calls: {0}")]
    Io(#[from] io::Error),
}

impl Syscalls {
    /// Starts perf on a process; it does not count yet.
    pub(super) fn attach(pid: Pid) -> Result<Syscalls, SyscallError> {
        let folder = tempfile::tempdir()?;
        let [control, acknowledged] = ["control", "acknowledged"].map(|name| folder.path().join(name));
        for path in [&control, &acknowledged] {
            mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR).map_err(io::Error::from)?;
        }
        let perf = Command::new("perf")
            .args(["stat", "--delay=-1", "--field-separator=,", "--event", &events()])
            .arg(format!("--control=fifo:{},{}", control.display(), acknowledged.display()))
            .arg(format!("--pid={pid}"))
            .arg("--output")
            .arg(report(folder.path()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(messages(folder.path()))?)
            .spawn()
            .map_err(SyscallError::Start)?;
        let (perf, control, acknowledged) = (Reaped(perf), open(&control)?, open(&acknowledged)?);
        Ok(Syscalls { perf, control, acknowledged, folder })
    }

    pub(super) fn begin(&mut self) -> Result<(), SyscallError> {
        self.tell("enable")
    }

    pub(super) fn end(mut self) -> Result<Calls, SyscallError> {
        self.tell("disable")?;
        kill(Pid::from_raw(self.perf.0.id() as i32), Signal::SIGINT).map_err(io::Error::from)?;
        self.perf.0.wait()?;
        Ok(counts(&std::fs::read_to_string(report(self.folder.path()))?))
    }

    /// Sends a word, and waits until it has been heard.
    fn tell(&mut self, word: &str) -> Result<(), SyscallError> {
        writeln!(self.control, "{word}")?;
        let (begun, mut buffer) = (Instant::now(), [0; 16]);
        loop {
            match self.acknowledged.read(&mut buffer) {
                Ok(_) => return Ok(()),
                Err(e) if e.kind() != ErrorKind::WouldBlock => return Err(e.into()),
                Err(_) => {}
            }
            if self.perf.0.try_wait()?.is_some() || begun.elapsed() > PATIENCE {
                let said = std::fs::read_to_string(messages(self.folder.path())).unwrap_or_default();
                return Err(SyscallError::Perf(said.trim().replace('\n', " ")));
            }
            sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Reaped {
    fn drop(&mut self) {
        // Both fail only if it has been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn report(folder: &Path) -> PathBuf {
    folder.join("report")
}

fn messages(folder: &Path) -> PathBuf {
    folder.join("messages")
}

/// Opens a FIFO for both directions, so that neither side waits for the other.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits()).open(path)
}

/// The tracepoints that this kernel has.
fn events() -> String {
    let known = |name: &str| {
        let folders = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"].map(Path::new);
        folders.iter().any(|folder| folder.join(format!("events/syscalls/sys_enter_{name}")).exists())
    };
    let single = SINGLE.into_iter().filter(|name| known(name));
    let single = single.map(|name| format!(",syscalls:sys_enter_{name}"));
    [ALL.to_owned()].into_iter().chain(single).collect()
}

/// Reads what `perf stat -x,` writes: the count, its unit, the name, and more. What was not called is left out.
fn counts(report: &str) -> Calls {
    let count = |line: &str| {
        let mut fields = line.split(',');
        let (count, event) = (fields.next()?.parse().ok()?, fields.nth(1)?);
        let name = if event == ALL { "all" } else { event.strip_prefix("syscalls:sys_enter_")? };
        Some((name.to_owned(), count))
    };
    report.lines().filter_map(count).filter(|(_, count)| *count > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_perf() {
        let report = "# started on Sun\n\n\
            12345,,raw_syscalls:sys_enter,998,100.00,,\n\
            <not counted>,,syscalls:sys_enter_read,0,100.00,,\n\
            0,,syscalls:sys_enter_futex,0,100.00,,\n\
            600,,syscalls:sys_enter_sendto,998,100.00,,\n";
        let expected = [("all".to_owned(), 12345), ("sendto".to_owned(), 600)];
        assert_eq!(counts(report), expected.into_iter().collect());
    }

    #[test]
    fn a_process_that_is_gone_is_reported() {
        let mut child = Command::new("true").spawn().unwrap();
        let pid = Pid::from_raw(child.id() as i32);
        child.wait().unwrap();
        let attached = Syscalls::attach(pid).and_then(|mut syscalls| syscalls.begin());
        assert!(matches!(attached, Err(SyscallError::Perf(_) | SyscallError::Start(_))), "{attached:?}");
    }
}
