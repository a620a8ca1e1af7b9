//! The head of a request: parsed by httparse, asked by field name.

use http::{StatusCode, Uri};

use super::Refusal;

/// Browsers send about 20 header fields; proxies add a few.
const HEADERS_MAX: usize = 96;

/// What the front of a connection's bytes turns out to be.
#[derive(Debug)]
pub enum Head<'b> {
    /// The beginning of a head; ask again with more.
    Incomplete,
    /// No head that can be answered otherwise.
    Bad(Refusal),
    /// A head.
    Complete {
        /// Its bytes, the empty line included.
        consumed: usize,
        /// What it says.
        request: Request<'b>,
    },
}

/// A request, without its body.
#[derive(Debug)]
pub struct Request<'b> {
    method: &'b str,
    target: Uri,
    minor_version: u8,
    fields: Vec<httparse::Header<'b>>,
}

impl<'b> Head<'b> {
    /// Parses the head at the front of `input`, which may have up to `bytes_max` bytes.
    pub fn parse(input: &'b [u8], bytes_max: usize) -> Head<'b> {
        let mut fields = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut parsed = httparse::Request::new(&mut fields);
        match parsed.parse(input) {
            Ok(httparse::Status::Complete(consumed)) if consumed <= bytes_max => {
                match Request::from_parsed(&parsed) {
                    Ok(request) => Head::Complete { consumed, request },
                    Err(refusal) => Head::Bad(refusal),
                }
            }
            Ok(httparse::Status::Partial) if input.len() < bytes_max => Head::Incomplete,
            Ok(_) => Head::Bad(too_large(format!(
                "The request head exceeds {bytes_max} bytes (http_head_bytes_max)."
            ))),
            Err(httparse::Error::TooManyHeaders) => {
                Head::Bad(too_large(format!("The request has more than {HEADERS_MAX} header fields.")))
            }
            Err(error) => Head::Bad(bad(format!("This is not an HTTP/1.1 request: {error}."))),
        }
    }
}

impl<'b> Request<'b> {
    fn from_parsed(parsed: &httparse::Request<'_, 'b>) -> Result<Request<'b>, Refusal> {
        let (Some(method), Some(target), Some(minor_version)) = (parsed.method, parsed.path, parsed.version)
        else {
            return Err(bad("The request line is not complete."));
        };
        let target =
            target.parse().map_err(|error| bad(format!("The request target is malformed: {error}.")))?;
        let request = Request { method, target, minor_version, fields: parsed.headers.to_vec() };
        match request.field("Host").count() {
            0 if minor_version >= 1 => Err(bad("The Host header field is missing; HTTP/1.1 requires it.")),
            0 | 1 => Ok(request),
            _ => Err(bad("There is more than one Host header field.")),
        }
    }

    /// The method; methods are case-sensitive.
    pub fn method(&self) -> &'b str {
        self.method
    }

    /// The path, without query.
    pub fn path(&self) -> &str {
        self.target.path()
    }

    /// The second number of the version: 0 or 1.
    pub(super) fn minor_version(&self) -> u8 {
        self.minor_version
    }

    /// The values of all fields of this name, in order.
    pub(super) fn field(&self, name: &str) -> impl Iterator<Item = &'b [u8]> {
        self.fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    /// The elements of all fields of this name, each a comma-separated list: together they are one list (RFC 9110,
    /// section 5.3).
    pub(super) fn list(&self, name: &str) -> impl Iterator<Item = &'b [u8]> {
        self.field(name).flat_map(|value| value.split(|&byte| byte == b',')).map(<[u8]>::trim_ascii)
    }

    /// Whether the list `name` has the element `token`, in any case.
    pub(super) fn lists(&self, name: &str, token: &str) -> bool {
        self.list(name).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// The WebSocket subprotocols that the client offers, best first.
    pub fn subprotocols(&self) -> impl Iterator<Item = &'b str> {
        self.list("Sec-WebSocket-Protocol")
            .filter(|name| !name.is_empty())
            .filter_map(|name| std::str::from_utf8(name).ok())
    }
}

pub(super) fn bad(text: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, text)
}

fn too_large(text: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, text)
}
