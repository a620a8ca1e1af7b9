//! Looks at each message that arrives under load: is it of the expected type, is its payload what was sent, and which
//! stamp does it carry?

use connectanum::wamp::Serializer;
use memchr::memmem;

use super::stamp::{STAMP_BYTES, Stamp};
use super::{describe, peek};

/// What to expect of the messages on one connection.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    /// The serializer and the code of the type; `None` where payloads come alone.
    wamp: Option<(Serializer, u64)>,
    /// What follows the stamp.
    filler: Vec<u8>,
    /// Bytes that usually follow the text.
    tail_bytes: usize,
}

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// The id that follows the type: a request's for INVOCATION.
    pub(crate) id: u64,
    /// Which message it is.
    pub(crate) stamp: Stamp,
}

/// Not the expected message.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadError {
    /// Another type of message.
    #[error("received {0}")]
    Type(String),
    /// The payload is not what was sent.
    #[error("the payload has changed on its way: {0}")]
    Payload(String),
}

impl Reader {
    /// `EVENT`, `INVOCATION` or `RESULT`, by its code, with a text as its argument.
    pub(crate) fn wamp(serializer: Serializer, code: u64, text: &str) -> Reader {
        // The end of the text, of the arguments, of the message.
        let tail_bytes = if serializer == Serializer::Json { "\"]]".len() } else { 0 };
        Reader { wamp: Some((serializer, code)), filler: filler(text), tail_bytes }
    }

    /// What [`super::Template::raw`] writes.
    pub(crate) fn raw(text: &str) -> Reader {
        Reader { wamp: None, filler: filler(text), tail_bytes: "\"]]".len() }
    }

    /// The text alone.
    pub(crate) fn bare(text: &str) -> Reader {
        Reader { wamp: None, filler: filler(text), tail_bytes: 0 }
    }

    /// Reads a message.
    ///
    /// # Errors
    /// It is not the expected one.
    #[inline]
    pub(crate) fn read(&self, message: &[u8]) -> Result<Received, ReadError> {
        let id = match self.wamp {
            None => 0,
            Some((serializer, expected)) => match peek::code_and_id(serializer, message) {
                Some((code, id)) if code == expected => id,
                _ => return Err(ReadError::Type(describe(serializer, message))),
            },
        };
        let stamp = self.stamp(message).ok_or_else(|| self.payload_error(message))?;
        Ok(Received { id, stamp })
    }

    fn stamp(&self, message: &[u8]) -> Option<Stamp> {
        let text_end = message.len().checked_sub(self.tail_bytes)?;
        let (before, filler) =
            message[..text_end].split_at_checked(text_end.checked_sub(self.filler.len())?)?;
        if filler == self.filler {
            return Stamp::from_text(before.last_chunk()?);
        }
        // Some routers add empty keyword arguments.
        let at = memmem::rfind(message, &self.filler).filter(|_| !self.filler.is_empty())?;
        let after = &message[at + self.filler.len()..];
        let text_ends = match self.wamp? {
            (Serializer::Json, _) => after.starts_with(b"\""),
            (Serializer::MsgPack, _) => after == b"\x80",
            (Serializer::Cbor, _) => after == b"\xA0",
        };
        Stamp::from_text(message[..at].last_chunk()?).filter(|_| text_ends)
    }

    fn payload_error(&self, message: &[u8]) -> ReadError {
        let end = message.len().min(200);
        ReadError::Payload(format!("{:?}, {} bytes", String::from_utf8_lossy(&message[..end]), message.len()))
    }
}

fn filler(text: &str) -> Vec<u8> {
    text.as_bytes()[STAMP_BYTES..].to_vec()
}

#[cfg(test)]
mod tests {
    use connectanum::wamp::message::{Event, EventDetails};
    use connectanum::wamp::{Message, Payload, PublicationId, SubscriptionId, encode, text_args};

    use super::super::stamp::text;
    use super::*;

    const STAMP: Stamp = Stamp { lane: 2, number: 9 };

    fn event(serializer: Serializer, text: &str) -> Vec<u8> {
        let (mut args, mut bytes) = (Vec::new(), Vec::new());
        text_args(serializer, text, &mut args);
        let event = Message::Event(Event {
            subscription: SubscriptionId(1234),
            publication: PublicationId(1 << 52),
            details: EventDetails::default(),
            payload: Payload { serializer, items: 1, bytes: &args },
        });
        encode(&event, serializer, &mut bytes);
        bytes
    }

    fn stamped(bytes: usize) -> String {
        text(bytes).replacen("----------------", "0000020000000009", 1)
    }

    #[test]
    fn events() {
        for (serializer, bytes) in
            Serializer::ALL.into_iter().flat_map(|s| [16, 17, 64, 70_000].map(|n| (s, n)))
        {
            let reader = Reader::wamp(serializer, 36, &text(bytes));
            let received = reader.read(&event(serializer, &stamped(bytes)));
            assert_eq!(received, Ok(Received { id: 1234, stamp: STAMP }), "{serializer:?} {bytes}");
        }
    }

    #[test]
    fn empty_keyword_arguments_do_no_harm() {
        let reader = Reader::wamp(Serializer::Json, 36, &text(20));
        let message = format!("[36, 7, 8, {{}}, [\"{}\"], {{}}]", stamped(20));
        assert_eq!(reader.read(message.as_bytes()), Ok(Received { id: 7, stamp: STAMP }));
        let reader = Reader::wamp(Serializer::MsgPack, 36, &text(20));
        let message = [&b"\x96\x24\x07\x08\x80\x91\xB4"[..], stamped(20).as_bytes(), b"\x80"].concat();
        assert_eq!(reader.read(&message), Ok(Received { id: 7, stamp: STAMP }));
    }

    #[test]
    fn anything_else_is_an_error() {
        let reader = Reader::wamp(Serializer::Json, 36, &text(20));
        let error = |message: &str| reader.read(message.as_bytes()).unwrap_err().to_string();
        assert_eq!(error(r#"[3,{},"wamp.error.no_such_realm"]"#), "received ABORT wamp.error.no_such_realm ");
        assert!(error(r#"[8,48,1,{},"a.b"]"#).contains("ERROR a.b for a request of type 48"));
        assert!(error("{}").contains("a message that is none"));
        for payload in
            [stamped(19), stamped(21), stamped(20).replace('9', "-"), stamped(20).replace('b', "c")]
        {
            let message = format!("[36,7,8,{{}},[\"{payload}\"]]");
            assert!(error(&message).contains("has changed"), "{message}");
        }
    }

    #[test]
    fn payloads_alone() {
        let received = Ok(Received { id: 0, stamp: STAMP });
        assert_eq!(Reader::bare(&text(30)).read(stamped(30).as_bytes()), received);
        assert_eq!(Reader::raw(&text(30)).read(format!("[16,\"{}\"]]", stamped(30)).as_bytes()), received);
        assert!(Reader::bare(&text(30)).read(b"").is_err());
    }
}
