//! The opening handshake of WebSocket, the server's side (RFC 6455, section 4.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::StatusCode;
use tungstenite::handshake::derive_accept_key;

use super::head::{Request, bad};
use super::{Refusal, response};

impl Request<'_> {
    /// Whether the client wants a WebSocket, even if the rest of the handshake is wrong, or a proxy has dropped the
    /// fields that it may not pass on unasked.
    pub(super) fn means_websocket(&self) -> bool {
        self.lists("Upgrade", "websocket") || self.field("Sec-WebSocket-Key").next().is_some()
    }
}

/// Builds the response that accepts a handshake with `subprotocol`, which the client must have offered; `None`
/// accepts without any. The caller has checked method and path.
///
/// # Errors
/// The response that refuses it: no upgrade was asked for, or the handshake is malformed.
pub fn accept(request: &Request<'_>, subprotocol: Option<&str>) -> Result<Vec<u8>, Refusal> {
    if request.minor_version() < 1 {
        return Err(upgrade_required("the request is HTTP/1.0, which has no upgrade"));
    }
    if !request.lists("Upgrade", "websocket") {
        return Err(upgrade_required("the header field \"Upgrade: websocket\" is missing"));
    }
    if !request.lists("Connection", "Upgrade") {
        return Err(upgrade_required("the header field \"Connection: Upgrade\" is missing"));
    }
    if !request.field("Sec-WebSocket-Version").eq([b"13"]) {
        return Err(Refusal::new(
            StatusCode::UPGRADE_REQUIRED,
            "This server speaks version 13 of the WebSocket protocol (RFC 6455): send Sec-WebSocket-Version: 13.",
        )
        .with_header("Upgrade", "websocket")
        .with_header("Sec-WebSocket-Version", "13"));
    }
    let mut keys = request.field("Sec-WebSocket-Key");
    let key = match (keys.next(), keys.next()) {
        (Some(key), None) if is_valid_key(key) => key,
        _ => return Err(bad("Sec-WebSocket-Key must be there once: 16 bytes in Base64.")),
    };
    if has_body(request) {
        return Err(bad(
            "A WebSocket handshake has no body: leave out Content-Length and Transfer-Encoding.",
        ));
    }
    Ok(response::switching(&derive_accept_key(key), subprotocol))
}

fn upgrade_required(missing: &str) -> Refusal {
    Refusal::new(
        StatusCode::UPGRADE_REQUIRED,
        format!(
            "WAMP over WebSocket is spoken here, but {missing}. Connect with a WAMP client to the ws:// URL of \
             this page; a proxy in between must speak HTTP/1.1 and pass on Upgrade and Connection."
        ),
    )
    .with_header("Upgrade", "websocket")
}

fn is_valid_key(key: &[u8]) -> bool {
    BASE64.decode(key).is_ok_and(|bytes| bytes.len() == 16)
}

/// Bytes of a body would be taken for frames.
fn has_body(request: &Request<'_>) -> bool {
    request.field("Transfer-Encoding").next().is_some()
        || request.field("Content-Length").any(|length| length != b"0")
}
