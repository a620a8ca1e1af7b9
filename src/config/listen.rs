//! Where the router listens: `ws://HOST:PORT`, `tcp://HOST:PORT`, the same with TLS (`wss`, `tcps`), `unix:/PATH`, as a
//! parsed type.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;

use crate::http::METRICS_PATH;

/// Bytes of the longest path of a Unix socket (`sun_path` of `sockaddr_un`, less its NUL).
pub(super) const UNIX_PATH_BYTES_MAX: usize = 107;

/// An address to listen on.
///
/// Written and read as a URL. Names are not resolved here: parsing touches no network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Listen {
    /// A TCP port. It takes WebSocket, HTTP and RawSocket alike, told apart by the first bytes.
    Tcp {
        /// An IP address (IPv6 without its brackets) or a host name.
        host: String,
        /// The port; 0 lets the operating system choose one.
        port: u16,
        /// The transport that the URL names: whether there is TLS; the rest is for display only.
        declared: Scheme,
    },
    /// A Unix socket, for RawSocket.
    Unix {
        /// Absolute path of the socket's file.
        path: PathBuf,
    },
}

/// The transport that a TCP address was declared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `ws://`: WebSocket.
    Ws,
    /// `tcp://`: RawSocket.
    Tcp,
    /// `wss://`: WebSocket over TLS.
    Wss,
    /// `tcps://`: RawSocket over TLS.
    Tcps,
    /// `http://`: the metrics, see [`Listen::metrics`].
    Http,
}

/// Why a text is no [`Listen`] address, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    /// No `ws:`, `tcp:` or `unix:` in front.
    #[error(
        "`{0}` has no scheme; write `ws://HOST:PORT`, `tcp://HOST:PORT` or `unix:/PATH`, with TLS `wss://` or `tcps://`"
    )]
    SchemeMissing(String),
    /// Another scheme.
    #[error(
        "`{0}:` is no scheme to listen with; write `ws://HOST:PORT`, `tcp://HOST:PORT` or `unix:/PATH`, with TLS \
         `wss://` or `tcps://`"
    )]
    SchemeUnknown(String),
    /// No scheme that metrics can be had by.
    #[error(
        "metrics cannot be had from `{0}`; write `http://HOST:PORT`, as `http://127.0.0.1:9464`, or `unix:/PATH`"
    )]
    NoMetrics(String),
    /// Nothing before the port.
    #[error("the host is missing; write for example `{0}://127.0.0.1:8080`")]
    HostMissing(Scheme),
    /// Neither an IP address nor a host name.
    #[error("`{0}` is neither an IP address nor a host name; all interfaces are `0.0.0.0` or `[::]`")]
    Host(String),
    /// IPv6 without brackets.
    #[error("`{0}` is IPv6, which stands in brackets: `ws://[::1]:8080`")]
    Brackets(String),
    /// No port.
    #[error("the port is missing; write for example `{0}:8080`")]
    PortMissing(String),
    /// Not a port number.
    #[error("`{0}` is no port; a port is a number from 0 (any free one) to 65535")]
    Port(String),
    /// A path, query or user in a TCP URL.
    #[error("`{0}` does not belong in an address to listen on; every TCP port serves `/` and `/ws`")]
    Excess(String),
    /// The path of a Unix socket is relative or missing.
    #[error("`{0}` is no absolute path; write for example `unix:/run/connectanum.sock`")]
    UnixPath(String),
    /// The path of a Unix socket does not fit into its address.
    #[error(
        "the path has {0} bytes, but a Unix socket's path has at most {UNIX_PATH_BYTES_MAX}; choose a shorter one"
    )]
    UnixPathLong(usize),
}

impl Listen {
    /// An address to give metrics from: `http://HOST:PORT`, with or without `/metrics` behind it, or `unix:/PATH`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn metrics(url: &str) -> Result<Listen, ListenError> {
        let no_metrics = || ListenError::NoMetrics(url.to_owned());
        let (scheme, rest) = url.split_once(':').ok_or_else(no_metrics)?;
        match scheme.to_ascii_lowercase().as_str() {
            "http" => match tcp(rest.strip_suffix(METRICS_PATH).unwrap_or(rest), Scheme::Http) {
                Err(ListenError::Excess(_)) => Err(no_metrics()),
                parsed => parsed,
            },
            "unix" => unix(rest),
            _ => Err(no_metrics()),
        }
    }

    /// Whether TLS is spoken there, and nothing else.
    pub fn is_secure(&self) -> bool {
        matches!(self, Listen::Tcp { declared, .. } if declared.is_secure())
    }

    /// Whether only programs of this machine can connect. A host name counts only if it is `localhost`: what
    /// another name resolves to may change.
    pub fn is_local(&self) -> bool {
        match self {
            Listen::Unix { .. } => true,
            Listen::Tcp { host, .. } => match host.parse::<IpAddr>() {
                Ok(ip) => ip.to_canonical().is_loopback(),
                Err(_) => host.eq_ignore_ascii_case("localhost"),
            },
        }
    }
}

impl Scheme {
    /// Whether TLS is spoken, and nothing else.
    pub fn is_secure(self) -> bool {
        matches!(self, Scheme::Wss | Scheme::Tcps)
    }
}

impl Default for Listen {
    /// `ws://127.0.0.1:8080`.
    fn default() -> Self {
        Listen::Tcp { host: "127.0.0.1".to_owned(), port: 8080, declared: Scheme::Ws }
    }
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(url: &str) -> Result<Self, ListenError> {
        let known = |scheme: &str| {
            matches!(scheme, "ws" | "tcp" | "unix" | "wss" | "tcps" | "tls" | "http" | "https")
        };
        let (scheme, rest) = match url.split_once(':') {
            Some((scheme, rest)) if rest.starts_with("//") || known(&scheme.to_ascii_lowercase()) => {
                (scheme.to_ascii_lowercase(), rest)
            }
            // `localhost:8080` and `[::1]:8080` have a colon too.
            _ => return Err(ListenError::SchemeMissing(url.to_owned())),
        };
        match scheme.as_str() {
            "ws" => tcp(rest, Scheme::Ws),
            "tcp" => tcp(rest, Scheme::Tcp),
            "wss" => tcp(rest, Scheme::Wss),
            "tcps" | "tls" => tcp(rest, Scheme::Tcps),
            "unix" => unix(rest),
            _ => Err(ListenError::SchemeUnknown(scheme)),
        }
    }
}

fn tcp(rest: &str, declared: Scheme) -> Result<Listen, ListenError> {
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if let Some(at) = authority.find(['/', '?', '#', '@']) {
        // A user stands before its `@`, the others begin what is too much.
        let excess = if authority[at..].starts_with('@') { &authority[..=at] } else { &authority[at..] };
        return Err(ListenError::Excess(excess.to_owned()));
    }
    let (host, port) = if let Some(bracketed) = authority.strip_prefix('[') {
        let (ip, port) = bracketed.split_once(']').ok_or_else(|| ListenError::Host(authority.to_owned()))?;
        let ip: Ipv6Addr = ip.parse().map_err(|_| ListenError::Host(ip.to_owned()))?;
        let port = port.strip_prefix(':').ok_or_else(|| ListenError::PortMissing(format!("[{ip}]")))?;
        (ip.to_string(), port)
    } else if authority.parse::<Ipv6Addr>().is_ok() {
        return Err(ListenError::Brackets(authority.to_owned()));
    } else {
        let (host, port) = match authority.rsplit_once(':') {
            Some(split) => split,
            None if authority.is_empty() => return Err(ListenError::HostMissing(declared)),
            None => return Err(ListenError::PortMissing(authority.to_owned())),
        };
        match host {
            "" => return Err(ListenError::HostMissing(declared)),
            _ if is_host(host) => (host.to_owned(), port),
            _ if host.parse::<Ipv6Addr>().is_ok() => return Err(ListenError::Brackets(host.to_owned())),
            _ => return Err(ListenError::Host(host.to_owned())),
        }
    };
    // `u16::from_str` would take a sign.
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let port = port.parse().ok().filter(|_| digits).ok_or_else(|| ListenError::Port(port.to_owned()))?;
    Ok(Listen::Tcp { host, port, declared })
}

/// An IPv4 address or a host name. A name that ends in a number is a mistyped address.
fn is_host(host: &str) -> bool {
    let label = |l: &str| {
        !l.is_empty() && l.len() <= 63 && l.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or(name);
    let number = last.bytes().all(|b| b.is_ascii_digit());
    host.parse::<Ipv4Addr>().is_ok() || (name.split('.').all(label) && host.len() <= 253 && !number)
}

fn unix(rest: &str) -> Result<Listen, ListenError> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
        return Err(ListenError::UnixPath(path.to_owned()));
    }
    if path.len() > UNIX_PATH_BYTES_MAX {
        return Err(ListenError::UnixPathLong(path.len()));
    }
    Ok(Listen::Unix { path: PathBuf::from(path) })
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp { host, port, declared } if host.contains(':') => {
                write!(f, "{declared}://[{host}]:{port}")
            }
            Listen::Tcp { host, port, declared } => write!(f, "{declared}://{host}:{port}"),
            Listen::Unix { path } => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scheme::Ws => "ws",
            Scheme::Tcp => "tcp",
            Scheme::Wss => "wss",
            Scheme::Tcps => "tcps",
            Scheme::Http => "http",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(url: &str, canonical: &str) -> Listen {
        let listen: Listen = url.parse().unwrap_or_else(|e| panic!("{url}: {e}"));
        assert_eq!(listen.to_string(), canonical);
        assert_eq!(canonical.parse(), Ok(listen.clone()), "{canonical} does not read back");
        listen
    }

    #[test]
    fn addresses_of_metrics() {
        for (url, canonical) in [
            ("http://127.0.0.1:9464", "http://127.0.0.1:9464"),
            ("HTTP://[::1]:0/metrics", "http://[::1]:0"),
            ("http:localhost:9464/", "http://localhost:9464"),
            ("unix:/run/m.sock", "unix:/run/m.sock"),
        ] {
            assert_eq!(Listen::metrics(url).expect(url).to_string(), canonical);
        }
        for (url, says) in [
            ("127.0.0.1:9464", "metrics cannot be had from `127.0.0.1:9464`; write `http://HOST:PORT`"),
            ("ws://127.0.0.1:9464", "metrics cannot be had from"),
            ("https://127.0.0.1:9464", "metrics cannot be had from"),
            ("http://127.0.0.1:9464/numbers", "metrics cannot be had from"),
            ("http://127.0.0.1", "the port is missing; write for example `127.0.0.1:8080`"),
            ("unix:m.sock", "`m.sock` is no absolute path"),
        ] {
            let error = Listen::metrics(url).expect_err(url).to_string();
            assert!(error.starts_with(says), "{error}");
        }
        assert!("http://127.0.0.1:9464".parse::<Listen>().is_err(), "WAMP is not spoken by that name");
    }

    #[track_caller]
    fn refused(url: &str, says: &str) {
        match url.parse::<Listen>() {
            Ok(listen) => panic!("{url} was read as {listen:?}"),
            Err(error) => assert!(error.to_string().contains(says), "{url}: {error}"),
        }
    }

    #[test]
    fn good_addresses() {
        assert_eq!(reads("ws://127.0.0.1:8080", "ws://127.0.0.1:8080"), Listen::default());
        reads("WS://127.0.0.1:8080/", "ws://127.0.0.1:8080");
        reads("tcp://localhost:0", "tcp://localhost:0");
        reads("tcp://broker-1.example.org.:65535", "tcp://broker-1.example.org.:65535");
        assert!(reads("wss://127.0.0.1:8443", "wss://127.0.0.1:8443").is_secure());
        assert!(reads("tcps://[::1]:1", "tcps://[::1]:1").is_secure());
        reads("tls://localhost:1", "tcps://localhost:1");
        assert!(!Listen::default().is_secure());
        let v6 = reads("ws://[0:0::1]:80", "ws://[::1]:80");
        assert_eq!(v6, Listen::Tcp { host: "::1".to_owned(), port: 80, declared: Scheme::Ws });
        let unix = Listen::Unix { path: "/run/connectanum.sock".into() };
        assert_eq!(reads("unix:/run/connectanum.sock", "unix:/run/connectanum.sock"), unix);
        assert_eq!(reads("unix:///run/connectanum.sock", "unix:/run/connectanum.sock"), unix);
        reads(&format!("unix:/{}", "x".repeat(106)), &format!("unix:/{}", "x".repeat(106)));
    }

    #[test]
    fn every_error_names_fault_and_remedy() {
        refused("", "has no scheme; write");
        refused("127.0.0.1:8080", "`127.0.0.1:8080` has no scheme; write");
        refused("localhost:8080", "has no scheme");
        refused("[::1]:8080", "has no scheme");
        refused("http://127.0.0.1:8080", "`http:` is no scheme to listen with; write `ws://HOST:PORT`");
        refused("https://127.0.0.1:8080", "`https:` is no scheme to listen with; write `ws://HOST:PORT`");
        refused("wss://localhost", "the port is missing; write for example `localhost:8080`");
        refused("wss://:8080", "the host is missing; write for example `wss://127.0.0.1:8080`");
        refused("ws://:8080", "the host is missing; write for example `ws://127.0.0.1:8080`");
        refused("ws://", "the host is missing");
        refused("ws://*:8080", "`*` is neither an IP address nor a host name; all interfaces are");
        refused("ws://300.0.0.1:8080", "`300.0.0.1` is neither");
        refused("ws://a..b:8080", "`a..b` is neither");
        refused("ws://[::1:8080", "`[::1:8080` is neither");
        refused("ws://[localhost]:8080", "`localhost` is neither");
        refused("ws://::1:8080", "`::1:8080` is IPv6, which stands in brackets: `ws://[::1]:8080`");
        refused("ws://fe80:1:2:3:4:5:6:7:8080", "`fe80:1:2:3:4:5:6:7` is IPv6");
        refused("ws://localhost", "the port is missing; write for example `localhost:8080`");
        refused("ws://[::1]", "the port is missing; write for example `[::1]:8080`");
        refused("ws://localhost:", "`` is no port");
        refused("ws://localhost:+80", "`+80` is no port");
        refused("ws://localhost:65536", "`65536` is no port; a port is a number from 0");
        refused("ws://localhost:8080/ws", "`/ws` does not belong in an address to listen on");
        refused("ws://me@localhost:8080", "`me@` does not belong");
        refused("ws://localhost:8080?x", "`?x` does not belong");
        refused("unix:connectanum.sock", "`connectanum.sock` is no absolute path; write for example");
        refused("unix:", "is no absolute path");
        refused("unix:/run/", "is no absolute path");
        refused(&format!("unix:/{}", "x".repeat(107)), "the path has 108 bytes, but");
    }

    #[test]
    fn local_is_loopback_and_unix() {
        for local in ["ws://127.0.0.1:1", "ws://127.9.9.9:1", "tcp://[::1]:1", "ws://LocalHost:1", "unix:/x"]
        {
            assert!(local.parse::<Listen>().unwrap().is_local(), "{local}");
        }
        assert!("ws://[::ffff:127.0.0.1]:1".parse::<Listen>().unwrap().is_local());
        for remote in ["ws://0.0.0.0:1", "tcp://[::]:1", "ws://192.168.1.2:1", "ws://example.org:1"] {
            assert!(!remote.parse::<Listen>().unwrap().is_local(), "{remote}");
        }
    }
}
