//! A router in a process of its own, for what concerns the whole process: limits, signals, memory.
//!
//! The process is this test binary, which runs one of its tests that are ignored otherwise.

use std::io::{BufRead, BufReader, Lines, Read};
use std::net::SocketAddr;
use std::process::{ChildStdout, Command, ExitStatus, Stdio};

use connectanum::config::Io;
use connectanum::limits::Limits;
use connectanum::shell::IoKind;

use crate::common::{Room, Running, Setup, allow_many_connections};

/// Tells the child its setup, as `SHELL SHARDS`.
const SETUP: &str = "CONNECTANUM_TEST_SETUP";

/// The parent's view.
pub struct Child {
    pub addr: SocketAddr,
    process: std::process::Child,
    _room: Room,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Child {
    /// Runs `test` after the shell command `first`; `None` where its shell cannot run.
    #[track_caller]
    pub fn start(setup: Setup, first: &str, test: &str) -> Option<Child> {
        allow_many_connections();
        let kind = if setup.io == Io::Epoll { IoKind::Epoll } else { IoKind::Glommio };
        let room = Room::take(kind, usize::from(setup.shards));
        let run = format!("{first} && exec \"$0\" --exact {test} --ignored --nocapture --test-threads 1");
        let io = if setup.io == Io::Epoll { "epoll" } else { "glommio" };
        let mut process = Command::new("sh")
            .args(["-c", &run])
            .arg(std::env::current_exe().unwrap())
            .env(SETUP, format!("{io} {}", setup.shards))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let addr = said(&mut lines, "listening ");
        match addr {
            Some(addr) => Some(Child { addr: addr.parse().unwrap(), process, _room: room, lines }),
            None => {
                assert!(process.wait().unwrap().success(), "the child has failed");
                None
            }
        }
    }

    /// Sends the signal of this name.
    pub fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Its memory, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        resident_bytes(&self.process.id().to_string())
    }

    /// Closes the child's input and returns what it says then.
    #[track_caller]
    pub fn result(mut self) -> String {
        drop(self.process.stdin.take());
        let result = said(&mut self.lines, "result ").expect("a result");
        self.lines.by_ref().for_each(drop);
        assert!(self.process.wait().unwrap().success());
        result
    }

    /// Waits for its end.
    pub fn ended(mut self) -> ExitStatus {
        self.lines.by_ref().for_each(drop);
        self.process.wait().unwrap()
    }
}

fn said(lines: &mut Lines<BufReader<ChildStdout>>, what: &str) -> Option<String> {
    lines.map(Result::unwrap).find_map(|line| line.split_once(what).map(|(_, rest)| rest.to_owned()))
}

/// The child's setup; `None` if this process is none.
pub fn child_setup() -> Option<Setup> {
    let setup = std::env::var(SETUP).ok()?;
    let (io, shards) = setup.split_once(' ').unwrap();
    let io = if io == "epoll" { Io::Epoll } else { Io::Glommio };
    Some(Setup { io, shards: shards.parse().unwrap() })
}

/// Starts the child's router, which has served a client when this returns.
pub fn start_as_child(limits: Limits) -> Option<Running> {
    let router = child_setup()?.start_with(limits)?;
    router.client().echo("warm");
    router.await_connections(0);
    Some(router)
}

/// Tells the parent that the router can be used.
pub fn announce(router: &Running) {
    println!("listening {}", router.tcp());
}

/// Waits until the parent wants the result.
pub fn await_stdin_closed() {
    let _ = std::io::stdin().read(&mut [0]);
}

/// Memory of a process (`self` is this one), in bytes. Its code is not counted: more of it comes in with whatever runs first.
pub fn resident_bytes(pid: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
