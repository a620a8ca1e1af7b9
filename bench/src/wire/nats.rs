//! The client's side of the NATS text protocol, as much as publishing and subscribing needs.

use memchr::memchr;

use super::{Frame, MESSAGE_BYTES_MAX};

/// Asks whether the other side is there.
pub(crate) const PING: &[u8] = b"PING\r\n";

/// The answer to it.
pub(crate) const PONG: &[u8] = b"PONG\r\n";

/// Longest line that is taken; the server's INFO is the longest.
const LINE_BYTES_MAX: usize = 1 << 16;

/// The server breaks the rules.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NatsError {
    /// A line that cannot be read.
    #[error("cannot read the line {0:?}")]
    Line(String),
}

/// Appends what opens a connection, and subscribes if there is something to subscribe to. The server's PONG says that
/// all has been done.
pub(crate) fn open(subscribe: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":false}\r\n");
    if let Some(subject) = subscribe {
        out.extend_from_slice(format!("SUB {subject} 1\r\n").as_bytes());
    }
    out.extend_from_slice(PING);
}

/// A whole PUB with its payload.
pub(crate) fn publish(subject: &str, payload: &[u8]) -> Vec<u8> {
    let mut line = format!("PUB {subject} {}\r\n", payload.len()).into_bytes();
    line.extend_from_slice(payload);
    line.extend_from_slice(b"\r\n");
    line
}

/// Takes one line, and the payload that belongs to it, from the front of `input`.
///
/// # Errors
/// The line says nothing known.
pub(super) fn cut(input: &[u8]) -> Result<Option<(usize, Frame<'_>)>, NatsError> {
    let fault = |line: &[u8]| NatsError::Line(String::from_utf8_lossy(&line[..line.len().min(200)]).into());
    let Some(end) = memchr(b'\n', input) else {
        return if input.len() > LINE_BYTES_MAX { Err(fault(input)) } else { Ok(None) };
    };
    let line = input[..end].trim_ascii_end();
    let after = end + 1;
    let (operation, rest) = line.split_at(memchr(b' ', line).unwrap_or(line.len()));
    let frame = match operation {
        b"MSG" => {
            let len = message_bytes(rest).ok_or_else(|| fault(line))?;
            let Some(payload) = input.get(after..after + len + 2) else { return Ok(None) };
            return Ok(Some((after + len + 2, Frame::Message(&payload[..len]))));
        }
        b"PING" => Frame::Ping(b""),
        b"PONG" => Frame::Pong,
        b"INFO" | b"+OK" => Frame::Other,
        b"-ERR" => Frame::Close(String::from_utf8_lossy(line).into_owned()),
        _ => return Err(fault(line)),
    };
    Ok(Some((after, frame)))
}

/// The length at the end of ` SUBJECT SID [REPLY] LENGTH`.
fn message_bytes(line: &[u8]) -> Option<usize> {
    let digits = line.rsplit(|byte| *byte == b' ').next()?;
    let len = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (len <= MESSAGE_BYTES_MAX).then_some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_payloads() {
        let input =
            b"INFO {\"a\":1}\r\n+OK\r\nPING\r\nMSG s 1 2\r\n\r\n\r\nMSG s 1 r 0\r\n\r\nPONG\r\n-ERR 'x'\r\n";
        let (mut rest, mut found) = (&input[..], Vec::new());
        while let Some((used, frame)) = cut(rest).unwrap() {
            rest = &rest[used..];
            found.push(frame);
        }
        assert!(rest.is_empty());
        let expected = [
            Frame::Other,
            Frame::Other,
            Frame::Ping(b""),
            Frame::Message(b"\r\n"),
            Frame::Message(b""),
            Frame::Pong,
            Frame::Close("-ERR 'x'".to_owned()),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn incomplete_or_wrong() {
        for part in ["", "MSG s 1 2", "MSG s 1 2\r", "MSG s 1 2\r\n", "MSG s 1 2\r\nab\r"] {
            assert!(cut(part.as_bytes()).unwrap().is_none(), "{part:?}");
        }
        for wrong in ["HTTP/1.1 400\r\n", "MSG s 1 -2\r\n", "MSG s 1 99999999999999\r\n", "\r\n"] {
            assert!(cut(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
        assert!(cut(&[b'x'; LINE_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn a_publication() {
        assert_eq!(publish("a.b", b"xyz"), b"PUB a.b 3\r\nxyz\r\n");
    }
}
