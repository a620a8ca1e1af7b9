//! The responses, as bytes.

use std::fmt::Write;

use http::{Method, StatusCode};

use super::{Request, StaticFile};

/// What a page of ours may do: its own scripts and style, WebSocket connections, nothing else.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'unsafe-inline'; \
     img-src data:; connect-src ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A response that says no, with a text that says why and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    status: StatusCode,
    text: String,
    fields: Vec<(&'static str, &'static str)>,
}

impl Refusal {
    /// A refusal in plain text.
    pub fn new(status: StatusCode, text: impl Into<String>) -> Refusal {
        Refusal { status, text: text.into(), fields: Vec::new() }
    }

    pub(super) fn with_header(mut self, name: &'static str, value: &'static str) -> Refusal {
        self.fields.push((name, value));
        self
    }

    /// The bytes to write; then the connection ends.
    pub fn response(&self) -> Vec<u8> {
        self.write(true)
    }

    /// The same to this request: to HEAD there is no body.
    pub(super) fn response_to(&self, request: &Request<'_>) -> Vec<u8> {
        self.write(request.method() != Method::HEAD)
    }

    fn write(&self, with_body: bool) -> Vec<u8> {
        let body = format!("{}\n", self.text);
        whole(self.status, "text/plain; charset=utf-8", &self.fields, body.as_bytes(), with_body)
    }
}

/// The response to GET (`with_body`) and HEAD of a file.
pub(super) fn file(file: &StaticFile, with_body: bool) -> Vec<u8> {
    let policy = [("Content-Security-Policy", PAGE_POLICY)];
    let fields = if file.content_type.starts_with("text/html") { &policy[..] } else { &[] };
    whole(StatusCode::OK, file.content_type, fields, file.body, with_body)
}

/// The response to GET (`with_body`) and HEAD of a text.
pub(super) fn text(content_type: &str, text: &str, with_body: bool) -> Vec<u8> {
    whole(StatusCode::OK, content_type, &[], text.as_bytes(), with_body)
}

/// The response that ends HTTP on its connection and begins WebSocket.
pub(super) fn switching(accept_key: &str, subprotocol: Option<&str>) -> Vec<u8> {
    let mut fields =
        vec![("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept_key)];
    fields.extend(subprotocol.map(|name| ("Sec-WebSocket-Protocol", name)));
    head(StatusCode::SWITCHING_PROTOCOLS, &fields).into_bytes()
}

fn whole(
    status: StatusCode,
    content_type: &str,
    more: &[(&str, &str)],
    body: &[u8],
    with_body: bool,
) -> Vec<u8> {
    let length = body.len().to_string();
    let connection = if more.iter().any(|(name, _)| *name == "Upgrade") { "close, Upgrade" } else { "close" };
    let mut fields = vec![
        ("Content-Type", content_type),
        ("Content-Length", &length),
        ("Connection", connection),
        ("Cache-Control", "no-cache"),
        ("X-Content-Type-Options", "nosniff"),
    ];
    fields.extend_from_slice(more);
    let mut response = head(status, &fields).into_bytes();
    if with_body {
        response.extend_from_slice(body);
    }
    response
}

fn head(status: StatusCode, fields: &[(&str, &str)]) -> String {
    let reason = status.canonical_reason().unwrap_or_default();
    let mut out = format!("HTTP/1.1 {} {reason}\r\n", status.as_str());
    for (name, value) in fields {
        let _ = write!(out, "{name}: {value}\r\n"); // a String takes everything
    }
    out.push_str("\r\n");
    out
}
