//! A router in this process, and the load generator as a program.

// No test uses all of it.
#![allow(dead_code, unreachable_pub)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::thread::{self, JoinHandle};

use connectanum::config::{Io, RouterConfig, Shards};
use connectanum::shell::{Handle, Router};
use serde_json::Value;
use tempfile::TempDir;

/// Runs it with these words, briefly unless they say how long.
pub fn bench(words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_connectanum-bench"));
    command.args(words.split(' '));
    for (option, quick) in [("--duration", "0.1"), ("--warmup", "0.02")] {
        if !words.contains(option) {
            command.args([option, quick]);
        }
    }
    command.output().unwrap()
}

/// What it says when it fails, as it has to.
#[track_caller]
pub fn failure(words: &str) -> String {
    let output = bench(words);
    assert!(!output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

/// A router in this process.
pub struct Served {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
    pub address: SocketAddr,
    pub socket: PathBuf,
    _folder: TempDir,
}

impl Served {
    pub fn start(shards: u16) -> Served {
        Served::with(shards, RouterConfig::default())
    }

    pub fn with(shards: u16, config: RouterConfig) -> Served {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let router = Router::builder()
            .config(config)
            .listen("ws://127.0.0.1:0".parse().unwrap())
            .listen(format!("unix:{}", socket.display()).parse().unwrap())
            .shards(Shards::Count(shards.try_into().unwrap()))
            .io(Io::Epoll)
            .build()
            .unwrap();
        let url = router.addresses()[0].to_string();
        let address = url.strip_prefix("ws://").unwrap().parse().unwrap();
        let handle = router.handle();
        let thread = thread::spawn(|| router.run().unwrap());
        Served { handle, thread: Some(thread), address, socket, _folder: folder }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.handle.shutdown();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || matches!(ended, Some(Ok(()))));
    }
}

/// The report of a load that succeeds.
#[track_caller]
pub fn report(words: &str) -> Value {
    let output = bench(&format!("{words} --json"));
    assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
