//! Which web pages may connect (RFC 6455, section 10.2): browsers say in `Origin` where the page came from that opens a WebSocket.
//! Programs that are not browsers need not say anything, and could say anything.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::{StatusCode, Uri};

use super::Refusal;
use super::head::Request;
use crate::limits::QUOTE_BYTES_MAX;

/// The pages that may connect besides those that always may: pages of this machine, and of the router itself.
///
/// Pages of this machine come from `localhost` or a loopback address. A page is the router's own if its host is the one that the request is for.
/// A name that anybody can have in the DNS proves that only over https: else whoever owns the name could let it point here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Vec<Pattern>);

/// An origin, `https://app.example.com`, in which `*` stands for anything; or `null`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern(String);

/// A text that is no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no origin: write it as browsers do, \"https://app.example.com\", with the port if it is not the usual one and without a path; \
         `*` stands for anything, \"null\" for pages without an origin"
)]
pub struct OriginError(String);

impl FromStr for Pattern {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Pattern, OriginError> {
        let host = text.split_once("://").map(|(_, host)| host);
        let is_origin = host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@']));
        let is_printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        match is_printable && (is_origin || matches!(text, "*" | "null")) {
            true => Ok(Pattern(text.to_ascii_lowercase())),
            false => Err(OriginError(text.to_owned())),
        }
    }
}

impl Origins {
    /// Those that the patterns name.
    ///
    /// # Errors
    /// The first that is no origin.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Origins, OriginError> {
        patterns.into_iter().map(str::parse).collect::<Result<_, _>>().map(Origins)
    }

    /// Lets the request pass if it does not come from a page, or from one that may connect.
    pub(super) fn check(&self, request: &Request<'_>) -> Result<(), Refusal> {
        let mut origins = request.field("Origin");
        let Some(origin) = origins.next() else { return Ok(()) };
        let host = request.field("Host").next().unwrap_or_default();
        if origins.next().is_none()
            && let Ok(origin) = std::str::from_utf8(origin)
            && self.admits(origin, std::str::from_utf8(host).unwrap_or_default())
        {
            return Ok(());
        }
        let origin = Printable(origin);
        Err(Refusal::new(
            StatusCode::FORBIDDEN,
            format!(
                "Pages of {origin} may not connect to this router. Its operator can allow them in the configuration: \
                 [router] origins = [\"{origin}\"]."
            ),
        ))
    }

    /// Whether a page of `origin` may connect with a request for `host`.
    fn admits(&self, origin: &str, host: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        if self.0.iter().any(|pattern| matches(pattern.0.as_bytes(), origin.as_bytes())) {
            return true;
        }
        let Ok(page) = origin.parse::<Uri>() else { return false };
        let (Some(scheme @ ("http" | "https")), Some(name)) = (page.scheme_str(), page.host()) else {
            return false;
        };
        if is_of_this_machine(name) {
            return true;
        }
        let usual = if scheme == "https" { 443 } else { 80 };
        let Ok(target) = format!("{scheme}://{}", host.to_ascii_lowercase()).parse::<Uri>() else {
            return false;
        };
        let is_own = target.host() == Some(name)
            && target.port_u16().unwrap_or(usual) == page.port_u16().unwrap_or(usual);
        is_own
            && (scheme == "https"
                || address(name).is_some()
                || !name.contains('.')
                || name.ends_with(".local"))
    }
}

impl FromIterator<Origins> for Origins {
    /// All of them together.
    fn from_iter<I: IntoIterator<Item = Origins>>(origins: I) -> Origins {
        Origins(origins.into_iter().flat_map(|origins| origins.0).collect())
    }
}

fn address(name: &str) -> Option<IpAddr> {
    name.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn is_of_this_machine(name: &str) -> bool {
    name == "localhost"
        || name.ends_with(".localhost")
        || address(name).is_some_and(|address| address.is_loopback())
}

/// Whether the text is what the pattern says, in which `*` stands for any bytes.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on if what follows the last star does not fit.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
            }
            Some(byte) if *byte == text[t] => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((after, from)) => {
                    star = Some((after, from + 1));
                    (p, t) = (after, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// What a client has sent, for people to read.
struct Printable<'a>(&'a [u8]);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().take(QUOTE_BYTES_MAX);
        shown
            .map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '?' })
            .try_for_each(|c| write!(f, "{c}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_this_machine_and_of_the_router_may_connect() {
        let none = Origins::default();
        for (origin, host) in [
            ("http://localhost", "localhost:8080"),
            ("http://localhost:3000", "127.0.0.1:8080"),
            ("https://app.localhost", "router.example.com"),
            ("http://127.0.0.7:9", "127.0.0.1:8080"),
            ("http://[::1]:8080", "[::1]:8080"),
            ("http://192.168.1.5:8080", "192.168.1.5:8080"),
            ("http://[fe80::1]:8080", "[FE80::1]:8080"),
            ("http://192.168.1.5", "192.168.1.5:80"),
            ("http://raspberrypi:8080", "RaspberryPi:8080"),
            ("http://raspberrypi.local:8080", "raspberrypi.local:8080"),
            ("https://router.example.com", "router.example.com"),
            ("https://router.example.com", "router.example.com:443"),
            ("HTTPS://Router.example.com:8443", "router.example.com:8443"),
        ] {
            assert!(none.admits(origin, host), "{origin} {host}");
        }
        for (origin, host) in [
            ("null", "localhost:8080"),
            ("", "localhost:8080"),
            ("https://app.example.com", "router.example.com"),
            // Somebody's name that points here.
            ("http://evil.example.com:8080", "evil.example.com:8080"),
            ("http://localhost.example.com", "127.0.0.1:8080"),
            ("http://127.0.0.1.example.com", "127.0.0.1:8080"),
            ("http://192.168.1.5:8081", "192.168.1.5:8080"),
            ("https://192.168.1.5:8080", "192.168.1.6:8080"),
            ("file://", "localhost"),
            ("chrome-extension://abc", "abc"),
            ("http://user@localhost.evil", "localhost"),
            ("https://", ""),
        ] {
            assert!(!none.admits(origin, host), "{origin} {host}");
        }
    }

    #[test]
    fn others_are_named_by_the_operator() {
        let origins = Origins::new(["https://app.example.com", "http://*.example.org:*", "null"]).unwrap();
        for origin in
            ["https://app.example.com", "https://APP.example.com", "http://a.b.example.org:81", "null"]
        {
            assert!(origins.admits(origin, "r"), "{origin}");
        }
        for origin in [
            "https://app.example.com.evil",
            "https://app.example.com:444",
            "http://app.example.com",
            "http://example.org:1",
            "https://a.example.org:1",
        ] {
            assert!(!origins.admits(origin, "r"), "{origin}");
        }
        assert!(Origins::new(["*"]).unwrap().admits("https://anything", "r"));
        for wrong in ["", "app.example.com", "https://", "https://a/b", "https://a b", "https://ä", "Null "]
        {
            let error = Origins::new([wrong]).unwrap_err();
            assert!(error.to_string().contains("no origin"), "{wrong}");
        }
    }

    #[test]
    fn stars() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("a*", "a", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b", "ab-", false),
            ("**", "x", true),
            ("*ab", "aab", true),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), fits, "{pattern} {text}");
        }
    }
}
