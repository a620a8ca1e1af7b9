//! A router in this process.

use std::fmt::Debug;
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use connectanum::config::{Io, RouterConfig, Shards};
use connectanum::limits::Limits;
use connectanum::shell::{
    Address, Builder, Counters, Handle, IoKind, Router, RunError, StartError, raise_open_files,
};

pub use crate::client::Client;

/// Long enough for a slow machine, short enough for a person.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Where a test runs.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub io: Io,
    pub shards: u16,
}

/// Makes a test of each function, for every setup.
macro_rules! on_every_shell {
    ($($(#[$attribute:meta])* $test:ident,)+) => { $(
        mod $test {
            use connectanum::config::Io;
            use $crate::common::Setup;

            #[test]
            $(#[$attribute])*
            fn epoll_1() {
                super::$test(Setup { io: Io::Epoll, shards: 1 });
            }

            #[test]
            $(#[$attribute])*
            fn epoll_4() {
                super::$test(Setup { io: Io::Epoll, shards: 4 });
            }

            #[test]
            $(#[$attribute])*
            fn glommio_1() {
                super::$test(Setup { io: Io::Glommio, shards: 1 });
            }

            #[test]
            $(#[$attribute])*
            fn glommio_4() {
                super::$test(Setup { io: Io::Glommio, shards: 4 });
            }
        }
    )+ };
}
pub(crate) use on_every_shell;

impl Setup {
    /// A router for this setup that listens on any port.
    pub fn builder(self, limits: Limits) -> Builder {
        Router::builder()
            .io(self.io)
            .shards(Shards::Count(NonZeroU16::new(self.shards).unwrap()))
            .config(RouterConfig { limits, ..RouterConfig::default() })
            .listen("tcp://127.0.0.1:0".parse().unwrap())
    }

    /// Runs one; `None`, with a word about it, where its shell cannot run.
    pub fn start(self) -> Option<Running> {
        self.start_with(Limits::default())
    }

    pub fn start_with(self, limits: Limits) -> Option<Running> {
        Running::start(self.builder(limits))
    }
}

/// Room for the shards of a router. glommio's lock memory, of which a user usually has 8 MiB: enough for 32 of them, where
/// there may be as many tests as CPUs. Those that find no room wait. (The kernel gives it back a little late.)
pub struct Room(usize);

/// glommio shards that run in tests of this process.
static TAKEN: Mutex<usize> = Mutex::new(0);
static FREED: Condvar = Condvar::new();
const SHARDS_AT_ONCE: usize = 16;

impl Room {
    pub fn take(io: IoKind, shards: usize) -> Room {
        let shards = if io == IoKind::Glommio { shards } else { 0 };
        let mut taken = TAKEN.lock().unwrap();
        while *taken + shards > SHARDS_AT_ONCE {
            taken = FREED.wait(taken).unwrap();
        }
        *taken += shards;
        Room(shards)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap() -= self.0;
        FREED.notify_all();
    }
}

/// A router that runs on a thread of this process.
pub struct Running {
    pub addresses: Vec<Address>,
    pub handle: Handle,
    thread: Option<JoinHandle<Result<(), RunError>>>,
    // Given up last, when the threads have ended.
    _room: Room,
}

impl Running {
    pub fn start(builder: Builder) -> Option<Running> {
        allow_many_connections();
        let router = built(builder)?;
        let (addresses, handle) = (router.addresses().to_vec(), router.handle());
        let room = Room::take(router.summary().io, router.summary().shards.len());
        Some(Running { addresses, handle, thread: Some(thread::spawn(|| router.run())), _room: room })
    }

    pub fn tcp(&self) -> SocketAddr {
        match self.addresses[0] {
            Address::Tcp { addr, .. } => addr,
            Address::Unix { .. } => panic!("the first address is TCP"),
        }
    }

    pub fn client(&self) -> Client<TcpStream> {
        Client::tcp(self.tcp()).joined()
    }

    /// The counters of all shards together.
    pub fn counted(&self, counter: impl Fn(&Counters) -> u64) -> u64 {
        self.handle.counters().iter().map(counter).sum()
    }

    /// Waits until the router has so many connections.
    #[track_caller]
    pub fn await_connections(&self, n: usize) {
        eventually(|| self.handle.connections(), |&is| is == n);
    }

    /// Waits for the end of the router, which somebody must have asked for.
    #[track_caller]
    pub fn ended(mut self) -> Result<(), RunError> {
        let thread = self.thread.take().unwrap();
        eventually(|| thread.is_finished(), |&finished| finished);
        thread.join().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.shutdown();
        if let Some(thread) = self.thread.take()
            && !thread::panicking()
        {
            thread.join().unwrap().unwrap();
        }
    }
}

/// Builds a router; `None`, with a word about it, where its shell cannot run.
pub fn built(builder: Builder) -> Option<Router> {
    match builder.build() {
        Ok(router) => Some(router),
        Err(StartError::Glommio(why)) => {
            println!("skipped: {why}");
            None
        }
        Err(e) => panic!("{e}"),
    }
}

/// Clients, too, are in this process, and many tests run at once.
pub fn allow_many_connections() {
    raise_open_files().unwrap();
}

/// Waits until `is` holds for what `look` sees.
#[track_caller]
pub fn eventually<T: Debug>(mut look: impl FnMut() -> T, is: impl Fn(&T) -> bool) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = look();
        if is(&seen) {
            return seen;
        }
        assert!(Instant::now() < deadline, "still {seen:?} after {PATIENCE:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A directory of its own, which goes with it.
pub struct Dir(pub PathBuf);

impl Dir {
    pub fn new() -> Dir {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("connectanum-socket-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Dir(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
