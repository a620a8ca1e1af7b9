//! Binding the addresses, before any thread starts, and accepting from them.
//!
//! A TCP port has one socket per shard (`SO_REUSEPORT`): the kernel spreads connections over the shards, and no two
//! of them contend for one queue. A Unix socket has one queue, which all shards accept from.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};

use crate::config::{Listen, Scheme};
use crate::router::Peer;

/// Connections that wait to be accepted, per socket; the kernel may hold fewer (`net.core.somaxconn`).
const BACKLOG: i32 = 1024;

/// A peer that is gone without a word is noticed after 60 s + 6 × 10 s.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(60))
    .with_interval(Duration::from_secs(10))
    .with_retries(6);

/// An address that the router listens on. Displays as the URL that clients use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP port.
    Tcp {
        /// The transport that it was declared with; it takes all, with TLS or without.
        declared: Scheme,
        /// What was bound, the port that the system chose included.
        addr: SocketAddr,
    },
    /// A Unix socket.
    Unix {
        /// Path of its file.
        path: PathBuf,
    },
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Address::Tcp { declared, addr } => write!(f, "{declared}://{addr}"),
            Address::Unix { path } => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Why an address cannot be listened on, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Something else listens there.
    #[error(
        "`{0}` is in use: another program, or this router a second time, listens there; stop it or choose {1}"
    )]
    InUse(Listen, &'static str),
    /// The system does not allow it.
    #[error("`{0}` is not permitted to this user; {1}")]
    Permission(Listen, &'static str),
    /// The host name is not known.
    #[error("the host of `{0}` cannot be resolved ({1}); write an IP address or correct the name")]
    Host(Listen, io::Error),
    /// The address belongs to another machine.
    #[error(
        "`{0}` is no address of this machine; write `0.0.0.0` or `[::]` for all that it has, `127.0.0.1` for itself alone"
    )]
    NotHere(Listen),
    /// The file is there and is no socket.
    #[error("the file of `{0}` exists and is no socket; remove it or choose another path")]
    NotASocket(Listen),
    /// The directory of a Unix socket is missing.
    #[error("the directory of `{0}` does not exist; create it or choose another path")]
    NoDirectory(Listen),
    /// Something else.
    #[error("cannot listen on `{0}`: {1}")]
    Other(Listen, io::Error),
}

/// Everything that was bound.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) addresses: Vec<Address>,
    /// By shard: its sockets.
    pub(super) listeners: Vec<Vec<Listener>>,
    /// The files of the Unix sockets; they go when this is dropped.
    pub(super) files: Vec<SocketFile>,
}

/// Binds all of `listens` for so many shards.
pub(super) fn bind(listens: &[Listen], shards: usize) -> Result<Bound, BindError> {
    let listeners = (0..shards).map(|_| Vec::new()).collect();
    let mut bound = Bound { addresses: Vec::new(), listeners, files: Vec::new() };
    for listen in listens {
        match listen {
            Listen::Tcp { host, port, declared } => bound.tcp(listen, (host, *port), *declared)?,
            Listen::Unix { path } => bound.unix(listen, path)?,
        }
    }
    Ok(bound)
}

impl Bound {
    /// Gives its sockets this id.
    pub(super) fn with_id(mut self, id: usize) -> Bound {
        self.listeners.iter_mut().flatten().for_each(|listener| listener.id = id);
        self
    }

    fn tcp(&mut self, listen: &Listen, host: (&str, u16), declared: Scheme) -> Result<(), BindError> {
        let addrs = host.to_socket_addrs().map_err(|e| BindError::Host(listen.clone(), e))?;
        self.tcp_at(listen, addrs, declared)
    }

    /// Binds every address that the host has; `localhost` is often two, and a resolver may name one twice. One that this
    /// machine lacks (IPv6 is off, or not even in the kernel) is passed over if another can be bound.
    fn tcp_at(
        &mut self,
        listen: &Listen,
        addrs: impl IntoIterator<Item = SocketAddr>,
        declared: Scheme,
    ) -> Result<(), BindError> {
        let mut result = Err(BindError::NotHere(listen.clone()));
        let mut seen = Vec::new();
        for addr in addrs {
            if seen.contains(&addr) {
                continue;
            }
            seen.push(addr);
            match bind_tcp(addr, self.listeners.len()) {
                Ok((bound, sockets)) => {
                    self.add(Address::Tcp { declared, addr: bound }, sockets, Kind::Tcp);
                    result = Ok(());
                    if addr.port() == 0 {
                        break; // Each address would get another port.
                    }
                }
                Err(e) if e.kind() == ErrorKind::AddrNotAvailable => {}
                Err(e) if e.raw_os_error() == Some(libc::EAFNOSUPPORT) => {}
                Err(e) => return Err(BindError::tcp(listen, e)),
            }
        }
        result
    }

    fn unix(&mut self, listen: &Listen, path: &Path) -> Result<(), BindError> {
        remove_stale(listen, path)?;
        let fault = |e| BindError::unix(listen, e);
        let (socket, file) = bind_unix(path).map_err(fault)?;
        self.files.push(file);
        let sockets: io::Result<_> = (0..self.listeners.len()).map(|_| socket.try_clone()).collect();
        self.add(Address::Unix { path: path.to_owned() }, sockets.map_err(fault)?, Kind::Unix);
        Ok(())
    }

    fn add(&mut self, address: Address, sockets: Vec<Socket>, kind: Kind) {
        let is_secure = matches!(address, Address::Tcp { declared, .. } if declared.is_secure());
        self.addresses.push(address);
        for (shard, socket) in self.listeners.iter_mut().zip(sockets) {
            shard.push(Listener { socket, is_secure, id: 0, kind });
        }
    }
}

/// One socket per shard, and the address with its port.
fn bind_tcp(addr: SocketAddr, shards: usize) -> io::Result<(SocketAddr, Vec<Socket>)> {
    let socket = |addr: SocketAddr, share: bool| {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        // Else a restart would have to wait until the connections of the last run are out of TIME_WAIT.
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(share)?;
        // Accepted sockets inherit these.
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_keepalive(&KEEPALIVE)?;
        socket.bind(&addr.into())?;
        Ok::<_, io::Error>(socket)
    };
    // Sockets that share a port share it with any other program of this user that asks. So the first listens alone,
    // which fails if there is one (binding alone does not, as long as neither listens), and shares only then.
    let first = socket(addr, false)?;
    first.listen(BACKLOG)?;
    let addr = first.local_addr()?.as_socket().unwrap_or(addr);
    first.set_reuse_port(shards > 1)?;
    let mut sockets = vec![first];
    for _ in 1..shards {
        let other = socket(addr, true)?;
        other.listen(BACKLOG)?;
        sockets.push(other);
    }
    Ok((addr, sockets))
}

fn bind_unix(path: &Path) -> io::Result<(Socket, SocketFile)> {
    let (socket, file) = unix_socket(path)?;
    socket.set_nonblocking(true)?;
    socket.listen(BACKLOG)?;
    Ok((socket, file))
}

/// Bound, so that its file is there, but nobody can connect yet.
fn unix_socket(path: &Path) -> io::Result<(Socket, SocketFile)> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    Ok((socket, SocketFile { path: path.to_owned(), inode: inode(path)? }))
}

/// A Unix socket for the user of this process alone.
pub(super) fn bind_private(path: &Path) -> Result<(Socket, SocketFile), BindError> {
    let listen = Listen::Unix { path: path.to_owned() };
    remove_stale(&listen, path)?;
    let bind = || {
        let (socket, file) = unix_socket(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        socket.listen(BACKLOG)?;
        Ok((socket, file))
    };
    bind().map_err(|error| BindError::unix(&listen, error))
}

/// Removes the file that a router left behind that was killed: a socket where nobody listens.
fn remove_stale(listen: &Listen, path: &Path) -> Result<(), BindError> {
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(BindError::unix(listen, e)),
        Ok(file) if !file.file_type().is_socket() => return Err(BindError::NotASocket(listen.clone())),
        Ok(_) => {}
    }
    let connect = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)
    };
    match connect() {
        Err(e) if e.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|e| BindError::unix(listen, e))
        }
        // Full is not dead.
        Ok(()) => Err(BindError::unix(listen, ErrorKind::AddrInUse.into())),
        Err(e) if e.kind() == ErrorKind::WouldBlock => {
            Err(BindError::unix(listen, ErrorKind::AddrInUse.into()))
        }
        Err(e) => Err(BindError::unix(listen, e)),
    }
}

impl BindError {
    fn tcp(listen: &Listen, error: io::Error) -> BindError {
        match error.kind() {
            ErrorKind::AddrInUse => BindError::InUse(listen.clone(), "another port (0 is any free one)"),
            ErrorKind::PermissionDenied => BindError::Permission(
                listen.clone(),
                "ports below 1024 need the capability CAP_NET_BIND_SERVICE, so choose a higher one",
            ),
            _ => BindError::Other(listen.clone(), error),
        }
    }

    fn unix(listen: &Listen, error: io::Error) -> BindError {
        match error.kind() {
            ErrorKind::AddrInUse => BindError::InUse(listen.clone(), "another path"),
            ErrorKind::PermissionDenied => {
                BindError::Permission(listen.clone(), "choose a directory that it may write to")
            }
            ErrorKind::NotFound => BindError::NoDirectory(listen.clone()),
            _ => BindError::Other(listen.clone(), error),
        }
    }
}

/// The file of a Unix socket. Dropping it removes the file, unless somebody else has put another one there.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if inode(&self.path).is_ok_and(|inode| inode == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

/// One shard's socket for one address.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) socket: Socket,
    /// TLS is spoken, and nothing else.
    pub(super) is_secure: bool,
    /// Which entry of the configuration it is for; the same at all shards.
    pub(super) id: usize,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Tcp,
    Unix,
}

/// Why nothing was accepted.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Nobody waits.
    Empty,
    /// One that waited is gone again. The next may do.
    Gone,
    /// The system is out of descriptors or memory; whoever waits goes on waiting.
    Exhausted(io::Error),
}

impl Listener {
    /// The next connection that waits, if any. Never blocks, and the connection never will.
    pub(super) fn accept(&self) -> Result<(Socket, Peer), Refusal> {
        let (socket, addr) = self.socket.accept4(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC).map_err(|e| {
            match e.raw_os_error() {
                _ if e.kind() == ErrorKind::WouldBlock => Refusal::Empty,
                Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => Refusal::Exhausted(e),
                _ => Refusal::Gone,
            }
        })?;
        match (self.kind, addr.as_socket()) {
            (Kind::Unix, _) => Ok((socket, Peer::Unix)),
            (Kind::Tcp, Some(addr)) => Ok((socket, Peer::Tcp(addr))),
            (Kind::Tcp, None) => Err(Refusal::Gone),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    fn bind_urls(urls: &[&str], shards: usize) -> Result<Bound, String> {
        let listens: Vec<Listen> = urls.iter().map(|url| url.parse().unwrap()).collect();
        bind(&listens, shards).map_err(|e| e.to_string())
    }

    fn tcp_addr(bound: &Bound) -> SocketAddr {
        match bound.addresses[0] {
            Address::Tcp { addr, .. } => addr,
            Address::Unix { .. } => unreachable!(),
        }
    }

    /// A path in a directory of its own, which goes with the test.
    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Dir {
            let dir = std::env::temp_dir().join(format!("connectanum-listen-{}-{name}", std::process::id()));
            fs::create_dir_all(&dir).unwrap();
            Dir(dir)
        }

        fn url(&self) -> String {
            format!("unix:{}", self.path().display())
        }

        fn path(&self) -> PathBuf {
            self.0.join("socket")
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn every_shard_has_a_socket_of_the_same_port() {
        for shards in [1, 3] {
            let bound = bind_urls(&["ws://127.0.0.1:0"], shards).unwrap();
            let addr = tcp_addr(&bound);
            assert_ne!(addr.port(), 0);
            assert_eq!(bound.addresses[0].to_string(), format!("ws://{addr}"));
            assert_eq!(bound.listeners.len(), shards);
            for shard in &bound.listeners {
                assert_eq!(shard[0].socket.local_addr().unwrap().as_socket(), Some(addr));
            }
        }
    }

    #[test]
    fn accepts_connections_with_the_options_of_the_listener() {
        let bound = bind_urls(&["tcp://127.0.0.1:0"], 1).unwrap();
        let listener = &bound.listeners[0][0];
        assert!(matches!(listener.accept(), Err(Refusal::Empty)));
        let client = TcpStream::connect(tcp_addr(&bound)).unwrap();
        let (socket, peer) = listener.accept().unwrap();
        assert_eq!(peer, Peer::Tcp(client.local_addr().unwrap()));
        assert!(
            socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap() && socket.nonblocking().unwrap()
        );
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(60));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(10));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 6);
    }

    #[test]
    fn a_port_in_use_is_an_error_even_where_both_would_share() {
        for (first, second) in [(1, 1), (1, 4), (4, 1), (4, 4)] {
            let bound = bind_urls(&["ws://127.0.0.1:0"], first).unwrap();
            let url = bound.addresses[0].to_string();
            let error = bind_urls(&[&url], second).unwrap_err();
            assert!(error.starts_with(&format!("`{url}` is in use: ")), "{error}");
            drop(bound);
            bind_urls(&[&url], second).expect("free again");
        }
    }

    #[test]
    fn of_those_that_bind_a_port_at_once_one_gets_it() {
        let url = bind_urls(&["ws://127.0.0.1:0"], 2).unwrap().addresses[0].to_string();
        let is_held = AtomicBool::new(false);
        let compete = || {
            for _ in 0..2000 {
                if let Ok(bound) = bind_urls(&[&url], 2) {
                    assert!(!is_held.swap(true, Ordering::SeqCst), "two have {url}");
                    (0..20).for_each(|_| thread::yield_now());
                    is_held.store(false, Ordering::SeqCst);
                    drop(bound);
                }
            }
        };
        thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(compete))));
    }

    #[test]
    fn a_port_can_be_bound_again_while_old_connections_linger() {
        let bound = bind_urls(&["ws://127.0.0.1:0"], 2).unwrap();
        let url = bound.addresses[0].to_string();
        let client = TcpStream::connect(tcp_addr(&bound)).unwrap();
        let accepted = bound.listeners.iter().find_map(|shard| shard[0].accept().ok()).unwrap();
        drop(accepted); // This side closes first and keeps TIME_WAIT.
        drop(client);
        drop(bound);
        bind_urls(&[&url], 2).unwrap();
    }

    #[test]
    fn tells_what_is_wrong_with_an_address() {
        let holder = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = format!("tcp://{}", holder.local_addr().unwrap());
        for (url, says) in [
            (taken.as_str(), "is in use"),
            ("ws://192.0.2.1:0", "is no address of this machine"),
            ("ws://no.such.host.invalid:0", "cannot be resolved"),
            (
                "unix:/no/such/directory/socket",
                "the directory of `unix:/no/such/directory/socket` does not exist",
            ),
        ] {
            let error = bind_urls(&[url], 2).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }

    /// What is bound for a host with these addresses.
    fn bind_host(addrs: &[SocketAddr]) -> Result<Vec<Address>, String> {
        let mut bound = Bound { addresses: Vec::new(), listeners: vec![Vec::new()], files: Vec::new() };
        let listen = "ws://localhost:1".parse().unwrap();
        bound.tcp_at(&listen, addrs.iter().copied(), Scheme::Ws).map_err(|error| error.to_string())?;
        Ok(bound.addresses)
    }

    fn free_port() -> u16 {
        TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).unwrap().port()
    }

    #[test]
    fn a_host_that_names_an_address_twice_has_it_once() {
        let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
        assert_eq!(bind_host(&[addr, addr]), Ok(vec![Address::Tcp { declared: Scheme::Ws, addr }]));
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn a_kernel_without_ipv6_does_with_the_other_address() {
        // To the thread that asks for it there is no IPv6 from now on.
        let filter = format!(
            r#"{{"main": {{"mismatch_action": "allow", "match_action": {{"errno": {}}}, "filter": [{{"syscall": "socket",
                "args": [{{"index": 0, "type": "dword", "op": "eq", "val": {}}}]}}]}}}}"#,
            libc::EAFNOSUPPORT,
            libc::AF_INET6
        );
        let without = move |addrs: Vec<SocketAddr>| {
            let programs = seccompiler::compile_from_json(filter.as_bytes(), "x86_64".try_into().unwrap());
            thread::spawn(move || {
                seccompiler::apply_filter(&programs.unwrap()["main"]).unwrap();
                bind_host(&addrs)
            })
            .join()
            .unwrap()
        };
        let port = free_port();
        let (v6, v4) = ((std::net::Ipv6Addr::LOCALHOST, port).into(), ([127, 0, 0, 1], port).into());
        assert_eq!(without(vec![v6, v4]), Ok(vec![Address::Tcp { declared: Scheme::Ws, addr: v4 }]));
        assert!(without(vec![v6]).unwrap_err().contains("is no address of this machine"));
    }

    #[test]
    fn a_unix_socket_is_one_queue_for_all_shards_and_its_file_goes() {
        let dir = Dir::new("one");
        let bound = bind_urls(&[&dir.url()], 2).unwrap();
        let _clients = [UnixStream::connect(dir.path()).unwrap(), UnixStream::connect(dir.path()).unwrap()];
        for shard in &bound.listeners {
            assert_eq!(shard[0].accept().unwrap().1, Peer::Unix);
        }
        assert!(bind_urls(&[&dir.url()], 1).unwrap_err().contains("is in use"));
        drop(bound);
        assert!(!dir.path().exists());
    }

    #[test]
    fn a_stale_socket_file_is_replaced_and_nothing_else() {
        let dir = Dir::new("stale");
        drop(UnixListener::bind(dir.path()).unwrap());
        assert!(dir.path().exists(), "std leaves the file");
        let bound = bind_urls(&[&dir.url()], 1).unwrap();
        fs::remove_file(dir.path()).unwrap();
        fs::write(dir.path(), "precious").unwrap();
        assert!(bind_urls(&[&dir.url()], 1).unwrap_err().contains("exists and is no socket"));
        drop(bound);
        assert_eq!(fs::read_to_string(dir.path()).unwrap(), "precious", "it was not ours to remove");
    }
}
