//! The opening handshake of WebSocket, from the client's side (RFC 6455, section 4).

use connectanum::wamp::Serializer;
use httparse::{EMPTY_HEADER, Response, Status};
use tungstenite::handshake::client::generate_key;
use tungstenite::handshake::derive_accept_key;

/// Headers of a response that are looked at.
const HEADERS_MAX: usize = 64;

/// Characters that are shown of the text by which a server refuses.
const TEXT_CHARS_MAX: usize = 300;

/// An upgrade that has been asked for.
#[derive(Debug)]
pub(crate) struct Upgrade {
    key: String,
    serializer: Serializer,
}

/// What a server's answer lacks.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpgradeError {
    #[error("the answer is no HTTP response: {0}")]
    Form(#[from] httparse::Error),
    #[error("the server answered {0} {1}")]
    Status(u16, String),
    #[error("`Sec-WebSocket-Accept` is not what the key demands")]
    Accept,
    #[error("the subprotocol {0} was not agreed to")]
    Subprotocol(&'static str),
}

impl Upgrade {
    /// Appends the request to `out`.
    pub(crate) fn request(host: &str, path: &str, serializer: Serializer, out: &mut Vec<u8>) -> Upgrade {
        let (key, subprotocol) = (generate_key(), serializer.subprotocol());
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\
             Sec-WebSocket-Protocol: {subprotocol}\r\n\r\n"
        );
        out.extend_from_slice(request.as_bytes());
        Upgrade { key, serializer }
    }

    /// Reads the response at the front of `input`; how many bytes it has, or `None` if it is not all there yet.
    ///
    /// # Errors
    /// The server did not agree.
    pub(crate) fn response(&self, input: &[u8]) -> Result<Option<usize>, UpgradeError> {
        let mut headers = [EMPTY_HEADER; HEADERS_MAX];
        let mut response = Response::new(&mut headers);
        let Status::Complete(consumed) = response.parse(input)? else { return Ok(None) };
        let header = |name: &str| {
            let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            found.map(|header| header.value)
        };
        let subprotocol = self.serializer.subprotocol();
        match response.code {
            Some(101) => {}
            code => {
                let mut answer = response.reason.unwrap_or_default().to_owned();
                // Servers that say why do so in a line or two, which come with the head.
                if header("Content-Type").is_some_and(|value| value.starts_with(b"text/plain")) {
                    let text = String::from_utf8_lossy(input.get(consumed..).unwrap_or_default());
                    let shown: String = text.trim().chars().take(TEXT_CHARS_MAX).collect();
                    answer = format!("{answer}: {}", shown.replace(char::is_control, " "));
                }
                return Err(UpgradeError::Status(code.unwrap_or_default(), answer));
            }
        }
        if header("Sec-WebSocket-Accept") != Some(derive_accept_key(self.key.as_bytes()).as_bytes()) {
            return Err(UpgradeError::Accept);
        }
        if header("Sec-WebSocket-Protocol") != Some(subprotocol.as_bytes()) {
            return Err(UpgradeError::Subprotocol(subprotocol));
        }
        Ok(Some(consumed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upgrade() -> Upgrade {
        // The example of RFC 6455.
        Upgrade { key: "dGhlIHNhbXBsZSBub25jZQ==".to_owned(), serializer: Serializer::MsgPack }
    }

    const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: wamp.2.msgpack\r\n\r\n";

    #[test]
    fn agreed_when_all_is_there() {
        for end in 0..AGREED.len() {
            assert_eq!(upgrade().response(&AGREED.as_bytes()[..end]).unwrap(), None);
        }
        let more = format!("{AGREED}\u{1}");
        assert_eq!(upgrade().response(more.as_bytes()).unwrap(), Some(AGREED.len()));
    }

    #[test]
    fn refusals_say_why() {
        let refused = |from: &str, to: &str| {
            upgrade().response(AGREED.replace(from, to).as_bytes()).unwrap_err().to_string()
        };
        assert_eq!(refused("101 Switching Protocols", "404 Not Found"), "the server answered 404 Not Found");
        let refusal =
            "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nNothing is here.\n";
        let said = upgrade().response(refusal.as_bytes()).unwrap_err().to_string();
        assert_eq!(said, "the server answered 404 Not Found: Nothing is here.");
        let page = refusal.replace("plain", "html");
        assert_eq!(
            upgrade().response(page.as_bytes()).unwrap_err().to_string(),
            "the server answered 404 Not Found"
        );
        assert!(refused("s3pP", "S3pP").contains("Accept"));
        assert!(refused("msgpack", "json").contains("wamp.2.msgpack was not agreed to"));
        assert!(refused("HTTP/1.1", "\x7F").contains("no HTTP response"));
    }

    #[test]
    fn a_request_names_its_subprotocol() {
        let mut out = Vec::new();
        let upgrade = Upgrade::request("h:1", "/ws", Serializer::Json, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("GET /ws HTTP/1.1\r\nHost: h:1\r\n") && text.ends_with("\r\n\r\n"));
        assert!(text.contains(&format!("Sec-WebSocket-Key: {}\r\n", upgrade.key)));
        assert!(text.contains("Sec-WebSocket-Protocol: wamp.2.json\r\n"));
    }
}
