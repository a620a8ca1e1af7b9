//! Servers that the program starts itself: pinned to a CPU, and ended by their process id whatever happens.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use core_affinity::CoreId;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use socket2::{Socket, Type};
use tempfile::TempDir;

use crate::interrupt;
use crate::target::Target;

/// How long a server may take to listen, and how long to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lines of a server's log that are shown when it fails.
const LOG_LINES: usize = 10;

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    /// How to reach it.
    pub(crate) target: Target,
    /// From the start of the process until it accepted a connection.
    pub(crate) started_in: Duration,
    child: Child,
    ended: bool,
    log: Log,
}

/// What the server says, in a folder of its own.
#[derive(Debug)]
struct Log(TempDir);

/// A server does not do what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    /// The program is not there, or something else is in the way.
    #[error("cannot start {0}: {1}")]
    Start(String, io::Error),
    /// It ended although nobody asked it to.
    #[error("{0} ended with {1} before it listened{2}")]
    Ended(String, ExitStatus, String),
    /// It does not listen.
    #[error("{0} does not listen after {PATIENCE:?}{1}")]
    Silent(String, String),
    /// It did not end well.
    #[error("{0} was told to end and did so with {1}{2}")]
    Exit(String, ExitStatus, String),
    /// It did not end.
    #[error("{0} was told to end and had not after {PATIENCE:?}{1}")]
    Stays(String, String),
    /// Somebody pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl Server {
    /// Starts `program`, which is to listen on `target`, and waits until it does. It may use the CPU `cpu` alone.
    ///
    /// # Errors
    /// It does not.
    pub(crate) fn start(
        program: &Path,
        args: &[String],
        target: Target,
        cpu: Option<usize>,
    ) -> Result<Server, ServerError> {
        let fault = |e| ServerError::Start(program.display().to_string(), e);
        let log = Log(tempfile::tempdir().map_err(fault)?);
        let output = log.create().map_err(fault)?;
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(output.try_clone().map_err(fault)?).stderr(output);
        let begun = Instant::now();
        let child = spawn(&mut command, cpu).map_err(fault)?;
        let mut server = Server { target, started_in: Duration::ZERO, child, ended: false, log };
        server.wait_until_it_listens()?;
        server.started_in = begun.elapsed();
        Ok(server)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    /// Ends it by SIGINT, which all servers take for a polite request; NATS counts SIGTERM as a failure.
    ///
    /// # Errors
    /// It does not end, or says that something went wrong.
    pub(crate) fn end(mut self) -> Result<(), ServerError> {
        match self.terminate() {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(ServerError::Exit(self.name(), status, self.log.end())),
            None => Err(ServerError::Stays(self.name(), self.log.end())),
        }
    }

    fn wait_until_it_listens(&mut self) -> Result<(), ServerError> {
        let begun = Instant::now();
        loop {
            if self.accepts() {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                self.ended = true;
                return Err(ServerError::Ended(self.name(), status, self.log.end()));
            }
            if interrupt::is_asked() {
                return Err(ServerError::Interrupted);
            }
            if begun.elapsed() > PATIENCE {
                return Err(ServerError::Silent(self.name(), self.log.end()));
            }
            sleep(Duration::from_millis(1));
        }
    }

    /// Whether it accepts connections; two or none, because the relay pairs them.
    fn accepts(&self) -> bool {
        let connect = || {
            let socket = Socket::new(self.target.endpoint.domain(), Type::STREAM, None)?;
            socket.connect_timeout(&self.target.endpoint.address()?, PATIENCE)?;
            Ok::<_, io::Error>(socket)
        };
        let pair = connect().and_then(|first| Ok((first, connect()?)));
        pair.is_ok()
    }

    /// Asks it to end and waits; kills it if that does not help, and returns `None`.
    fn terminate(&mut self) -> Option<ExitStatus> {
        // It fails only if the process has ended.
        let _ = kill(self.pid(), Signal::SIGINT);
        let begun = Instant::now();
        self.ended = true;
        while begun.elapsed() < PATIENCE {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            sleep(Duration::from_millis(2));
        }
        // Nothing more can be done.
        let _ = self.child.kill();
        let _ = self.child.wait();
        None
    }

    fn name(&self) -> String {
        format!("the server at {} (process {})", self.target, self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.ended {
            self.terminate();
        }
    }
}

impl Log {
    fn create(&self) -> io::Result<File> {
        File::create(self.path())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("log")
    }

    /// The last lines, each on a line of its own.
    fn end(&self) -> String {
        let text = std::fs::read_to_string(self.path()).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
        last.iter().map(|line| format!("\n  | {line}")).collect()
    }
}

/// An address of this machine where nobody listens.
///
/// # Errors
/// The system has none.
pub(crate) fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Starts a process that may use one CPU. A child inherits the affinity of the thread that starts it, so it has it
/// before its first instruction: a router looks at it to decide how many shards it runs. It has a process group of its
/// own, so that Ctrl-C ends this program first, and then this program the server.
fn spawn(command: &mut Command, cpu: Option<usize>) -> io::Result<Child> {
    thread::scope(|scope| {
        let spawned = scope.spawn(|| {
            if let Some(id) = cpu
                && !core_affinity::set_for_current(CoreId { id })
            {
                return Err(io::Error::other(format!("it cannot be pinned to CPU {id}")));
            }
            command.process_group(0).spawn()
        });
        spawned.join().unwrap_or_else(|_| Err(io::Error::other("the thread that starts it has failed")))
    })
}
