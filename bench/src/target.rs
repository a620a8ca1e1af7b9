//! What to measure, as a URL: where the server is and what it speaks.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;
use percent_encoding::percent_decode_str;
use rustls::pki_types::ServerName;
use socket2::{Domain, SockAddr};

/// The scheme of the bare fan-out, which has the frames of the relay.
const FANOUT: &str = "fanout";

/// A server to be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Where it listens.
    pub(crate) endpoint: Endpoint,
    /// What it speaks there.
    pub(crate) protocol: Protocol,
    /// The name that its certificate has to have; `None` without TLS.
    pub(crate) tls: Option<ServerName<'static>>,
    /// Who to be there, as the URL says.
    pub(crate) user: Option<String>,
    /// With what proof.
    pub(crate) password: Option<String>,
    /// Without user and password: it is shown.
    url: String,
}

/// An address that is ready to be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// What a server speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// WAMP over WebSocket.
    WebSocket {
        /// The `Host` of the upgrade request.
        host: String,
        /// Its path and query.
        path: String,
    },
    /// WAMP over RawSocket.
    RawSocket,
    /// Nothing: what one connection sends another receives. For the relay.
    Raw,
    /// The text protocol of NATS.
    Nats,
}

/// Why a text is no [`Target`], and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetError {
    /// Not a URL of a known scheme.
    #[error(
        "`{0}` is no URL that can be measured; write ws://HOST:PORT/PATH or wss://HOST:PORT/PATH, tcp://HOST:PORT or \
         tcps://HOST:PORT, unix:/PATH, raw://HOST:PORT (the relay), fanout://HOST:PORT (the bare fan-out) or \
         nats://HOST:PORT"
    )]
    Form(String),
    /// A host name that nobody knows.
    #[error("the host of `{0}` cannot be resolved: {1}")]
    Host(String, String),
}

impl Endpoint {
    /// The kind of socket that connects to it.
    pub(crate) fn domain(&self) -> Domain {
        match self {
            Endpoint::Tcp(addr) => Domain::for_address(*addr),
            Endpoint::Unix(_) => Domain::UNIX,
        }
    }

    /// As the operating system takes it.
    pub(crate) fn address(&self) -> std::io::Result<SockAddr> {
        match self {
            Endpoint::Tcp(addr) => Ok(SockAddr::from(*addr)),
            Endpoint::Unix(path) => SockAddr::unix(path),
        }
    }
}

impl Target {
    /// Whether what one connection sends goes to several.
    pub(crate) fn fans_out(&self) -> bool {
        self.url.split_once(':').is_some_and(|(scheme, _)| scheme == FANOUT)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(url: &str) -> Result<Self, TargetError> {
        let form = || TargetError::Form(url.to_owned());
        if let Some(path) = url.strip_prefix("unix:") {
            let path = PathBuf::from(path.strip_prefix("//").unwrap_or(path));
            let (endpoint, url) = (Endpoint::Unix(path), url.to_owned());
            let protocol = Protocol::RawSocket;
            return Ok(Target { endpoint, protocol, tls: None, user: None, password: None, url });
        }
        let uri: Uri = url.parse().map_err(|_| form())?;
        let authority = uri.authority().ok_or_else(form)?.as_str();
        let (user_info, authority) = match authority.rsplit_once('@') {
            Some((user_info, authority)) => (Some(user_info), authority.to_owned()),
            None => (None, authority.to_owned()),
        };
        let shown = user_info.map_or_else(|| url.to_owned(), |info| url.replacen(&format!("{info}@"), "", 1));
        let (user, password) = match user_info.map(|info| info.split_once(':').unwrap_or((info, ""))) {
            Some((user, password)) => (decoded(user), decoded(password)),
            None => (None, None),
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let protocol = match uri.scheme_str() {
            Some("ws" | "wss") => Protocol::WebSocket { host: authority.clone(), path },
            Some("tcp" | "tcps") => Protocol::RawSocket,
            Some("raw" | FANOUT) => Protocol::Raw,
            Some("nats") => Protocol::Nats,
            _ => return Err(form()),
        };
        let secure = matches!(uri.scheme_str(), Some("wss" | "tcps"));
        let authority = match (&protocol, uri.port()) {
            (_, Some(_)) => authority,
            (Protocol::WebSocket { .. }, None) if secure => format!("{authority}:443"),
            (Protocol::WebSocket { .. }, None) => format!("{authority}:80"),
            _ => return Err(form()),
        };
        let tls = if secure {
            let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
            Some(ServerName::try_from(host).map_err(|_| form())?)
        } else {
            None
        };
        let host = |fault: &str| TargetError::Host(url.to_owned(), fault.to_owned());
        let mut addresses = authority.to_socket_addrs().map_err(|e| host(&e.to_string()))?;
        let address = addresses.next().ok_or_else(|| host("it has no address"))?;
        Ok(Target { endpoint: Endpoint::Tcp(address), protocol, tls, user, password, url: shown })
    }
}

/// A part of a URL as it is meant; `None` if it is empty.
fn decoded(text: &str) -> Option<String> {
    let text = percent_decode_str(text).decode_utf8_lossy().into_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        url.parse().unwrap()
    }

    #[test]
    fn schemes() {
        let local = Endpoint::Tcp("127.0.0.1:9000".parse().unwrap());
        let ws = target("ws://127.0.0.1:9000/ws?x=1");
        let protocol = Protocol::WebSocket { host: "127.0.0.1:9000".to_owned(), path: "/ws?x=1".to_owned() };
        assert_eq!((ws.endpoint, ws.protocol), (local.clone(), protocol));
        for (url, protocol) in [
            ("tcp://127.0.0.1:9000", Protocol::RawSocket),
            ("raw://127.0.0.1:9000", Protocol::Raw),
            ("fanout://127.0.0.1:9000", Protocol::Raw),
            ("nats://127.0.0.1:9000", Protocol::Nats),
        ] {
            assert_eq!((target(url).endpoint, target(url).protocol), (local.clone(), protocol), "{url}");
            assert_eq!(target(url).to_string(), url);
        }
        for url in ["unix:/run/a.sock", "unix:///run/a.sock"] {
            assert_eq!(target(url).endpoint, Endpoint::Unix("/run/a.sock".into()));
        }
    }

    #[test]
    fn an_upgrade_has_a_path_and_a_port() {
        let bare = target("ws://127.0.0.1");
        assert_eq!(bare.endpoint, Endpoint::Tcp("127.0.0.1:80".parse().unwrap()));
        let Protocol::WebSocket { path, .. } = bare.protocol else { panic!("{:?}", bare.protocol) };
        assert_eq!(path, "/");
        assert_eq!(target("tcp://[::1]:7").endpoint, Endpoint::Tcp("[::1]:7".parse().unwrap()));
    }

    #[test]
    fn over_tls() {
        let secure = target("wss://localhost/ws");
        assert_eq!(secure.tls, Some(ServerName::try_from("localhost").unwrap()));
        let Endpoint::Tcp(address) = secure.endpoint else { panic!("{:?}", secure.endpoint) };
        assert_eq!(address.port(), 443);
        let six = target("tcps://[::1]:7");
        assert_eq!(
            (six.tls, six.protocol),
            (Some(ServerName::try_from("::1").unwrap()), Protocol::RawSocket)
        );
        assert_eq!(target("ws://127.0.0.1").tls, None);
    }

    #[test]
    fn a_user_is_not_shown() {
        let named = target("ws://joe%40x:a%3Ab@127.0.0.1:9/ws");
        assert_eq!(named.user.as_deref(), Some("joe@x"));
        assert_eq!(named.password.as_deref(), Some("a:b"));
        assert_eq!(named.to_string(), "ws://127.0.0.1:9/ws");
        let Protocol::WebSocket { host, .. } = named.protocol else { panic!("{:?}", named.protocol) };
        assert_eq!(host, "127.0.0.1:9");
        assert_eq!(target("ws://joe@127.0.0.1:9").password, None);
    }

    #[test]
    fn refused() {
        for url in ["", "127.0.0.1:80", "http://127.0.0.1:80", "tcp://127.0.0.1", "wss://"] {
            let error = url.parse::<Target>().unwrap_err();
            assert!(matches!(error, TargetError::Form(_)), "{url}: {error}");
        }
    }
}
