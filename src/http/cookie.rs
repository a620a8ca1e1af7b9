//! The cookie by which a client is known again (RFC 6265): what its request says of it, and how it is set.
//!
//! Browsers send cookies along with every request, whoever's page makes it. So a request that comes from a page of another host has
//! none, and gets none. Clients that are no browsers say no `Origin`, and have the cookies that they want to have.

use std::fmt::Write as _;
use std::str::FromStr;

use http::Uri;

use super::head::Request;

/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// A cookie's name: letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieName(String);

/// A text that is no name of a cookie.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a cookie's name has letters, digits, `-` and `_`, at most {NAME_BYTES_MAX}")]
pub struct CookieNameError;

impl FromStr for CookieName {
    type Err = CookieNameError;

    fn from_str(text: &str) -> Result<CookieName, CookieNameError> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        match is_plain && (1..=NAME_BYTES_MAX).contains(&text.len()) {
            true => Ok(CookieName(text.to_owned())),
            false => Err(CookieNameError),
        }
    }
}

impl Default for CookieName {
    fn default() -> CookieName {
        CookieName("connectanum".to_owned())
    }
}

/// How clients are known again, on one connection.
#[derive(Clone, Copy, Debug)]
pub struct Tracking<'a> {
    /// The cookie's name.
    pub name: &'a CookieName,
    /// The connection speaks TLS.
    pub is_tls: bool,
}

/// A client that may have a cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// The value that it has sent.
    pub cookie: Option<String>,
    /// Its cookie is for encrypted connections alone.
    pub is_secure: bool,
}

impl Visitor {
    /// Who makes this request; `None`: it is to be taken as if there were no cookies.
    pub(super) fn of(request: &Request<'_>, tracking: Tracking<'_>) -> Option<Visitor> {
        let mut is_secure = tracking.is_tls;
        if let Some(origin) = request.field("Origin").next() {
            let is_encrypted = is_of_own_host(request, origin)?;
            // Whoever can change a page in the clear could use what is for encrypted ones.
            if tracking.is_tls && !is_encrypted {
                return None;
            }
            // There is a proxy that speaks TLS.
            is_secure |= is_encrypted;
        }
        Some(Visitor { cookie: value(request, tracking.name).map(str::to_owned), is_secure })
    }
}

/// Whether the page is of the host that the request is for: `Some`, with whether it came encrypted.
fn is_of_own_host(request: &Request<'_>, origin: &[u8]) -> Option<bool> {
    let origin = std::str::from_utf8(origin).ok()?.to_ascii_lowercase().parse::<Uri>().ok()?;
    let host = std::str::from_utf8(request.field("Host").next()?).ok()?.to_ascii_lowercase();
    let target = format!("http://{host}").parse::<Uri>().ok()?;
    let is_encrypted = match origin.scheme_str()? {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    (origin.host()? == target.host()?).then_some(is_encrypted)
}

/// The value of the cookie. If there are two, somebody may have planted one of them: then there is none.
fn value<'b>(request: &Request<'b>, name: &CookieName) -> Option<&'b str> {
    let pairs = request.field("Cookie").flat_map(|field| field.split(|&byte| byte == b';'));
    let mut values = pairs.filter_map(|pair| {
        let pair = pair.trim_ascii();
        pair.strip_prefix(name.0.as_bytes())?.strip_prefix(b"=")
    });
    match (values.next(), values.next()) {
        (Some(value), None) => std::str::from_utf8(value).ok(),
        _ => None,
    }
}

/// Puts a cookie into a response without a body. `value` is a token, as random bytes in base64url are.
pub fn set_cookie(
    response: &mut Vec<u8>,
    name: &CookieName,
    value: impl std::fmt::Display,
    max_age_s: u64,
    is_secure: bool,
) {
    let secure = if is_secure { "; Secure" } else { "" };
    let mut line = String::new();
    // A String takes everything.
    let _ = write!(
        line,
        "Set-Cookie: {}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}\r\n\r\n",
        name.0
    );
    // It takes the place of the empty line.
    response.truncate(response.len().saturating_sub(2));
    response.extend_from_slice(line.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::Head;
    use super::*;

    fn visitor(fields: &str, is_tls: bool) -> Option<Visitor> {
        let head = format!("GET /ws HTTP/1.1\r\nHost: router.example.com:8080\r\n{fields}\r\n");
        let Head::Complete { request, .. } = Head::parse(head.as_bytes(), 4096) else { panic!("{head}") };
        Visitor::of(&request, Tracking { name: &CookieName::default(), is_tls })
    }

    #[test]
    fn names() {
        for name in ["cbtid", "a", "__Host-x_1", &"n".repeat(64)] {
            assert!(name.parse::<CookieName>().is_ok(), "{name}");
        }
        for name in ["", "a b", "a=b", "a;b", "a\r\nX: y", "ä", "a,b", "\"a\"", &"n".repeat(65)] {
            assert_eq!(name.parse::<CookieName>(), Err(CookieNameError), "{name}");
        }
    }

    #[test]
    fn values() {
        for (fields, value) in [
            ("", None),
            ("Cookie: connectanum=abc\r\n", Some("abc")),
            ("cookie: a=b;connectanum=abc ; c=d\r\n", Some("abc")),
            ("Cookie: a=b\r\nCookie: connectanum=a=b\r\n", Some("a=b")),
            ("Cookie: connectanum=\r\n", Some("")),
            // As it is: no value of ours.
            ("Cookie: connectanum=\"abc\"\r\n", Some("\"abc\"")),
            ("Cookie: Connectanum=abc\r\n", None),
            ("Cookie: xconnectanum=abc; connectanumx=abc; connectanum\r\n", None),
            ("Cookie: connectanum =abc\r\n", None),
            ("Cookie: x=\"; connectanum=abc; \"\r\n", Some("abc")),
            ("Cookie: connectanum=abc; connectanum=abd\r\n", None),
            ("Cookie: connectanum=abc\r\nCookie: connectanum=abc\r\n", None),
            ("Cookie: ;;; =;\r\n", None),
            ("Cookie: connectanum=\u{e4}\r\n", Some("\u{e4}")),
        ] {
            let cookie = visitor(fields, false).expect("no page").cookie;
            assert_eq!(cookie.as_deref(), value, "{fields}");
        }
    }

    #[test]
    fn pages_of_other_hosts_have_no_cookies() {
        let of = |origin: &str, is_tls| {
            let visitor = visitor(&format!("Origin: {origin}\r\nCookie: connectanum=abc\r\n"), is_tls)?;
            assert_eq!(visitor.cookie.as_deref(), Some("abc"));
            Some(visitor.is_secure)
        };
        for (origin, clear, tls) in [
            ("https://router.example.com", Some(true), Some(true)),
            ("https://ROUTER.example.com:444", Some(true), Some(true)),
            ("http://router.example.com:8080", Some(false), None),
            ("https://app.example.com", None, None),
            ("https://router.example.com.evil", None, None),
            ("https://evil/router.example.com", None, None),
            ("https://router.example.com@evil", None, None),
            ("http://localhost:8080", None, None),
            ("ftp://router.example.com", None, None),
            ("router.example.com", None, None),
            ("null", None, None),
            ("", None, None),
        ] {
            assert_eq!((of(origin, false), of(origin, true)), (clear, tls), "{origin}");
        }
        let other = |is_tls| visitor("", is_tls).map(|visitor| visitor.is_secure);
        assert_eq!((other(false), other(true)), (Some(false), Some(true)), "no page at all");
    }

    #[test]
    fn setting() {
        let mut response = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n".to_vec();
        set_cookie(&mut response, &CookieName::default(), "abc", 60, true);
        assert_eq!(
            String::from_utf8(response).unwrap(),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSet-Cookie: connectanum=abc; Path=/; \
             Max-Age=60; HttpOnly; SameSite=Strict; Secure\r\n\r\n"
        );
        let mut response = b"\r\n\r\n".to_vec();
        set_cookie(&mut response, &CookieName::default(), "abc", 60, false);
        assert!(!String::from_utf8(response).unwrap().contains("Secure"));
    }
}
