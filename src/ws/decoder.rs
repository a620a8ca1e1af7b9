//! From received bytes to messages: one [`Decoder`] per connection.

use super::header::{self, Header, Parsed};
use super::{Control, Data, Error, OpCode, Role, mask};
use crate::wamp::utf8::utf8;

/// The receiving side of a connection. An idle one holds three words and no heap memory; a buffer exists only while
/// a fragmented message is under way.
///
/// The caller keeps the received bytes and calls [`Decoder::decode`] on their front until it says
/// [`Decoded::Incomplete`]. After an error, or a close frame, nothing further that comes has a meaning.
#[derive(Debug)]
pub struct Decoder {
    role: Role,
    message_bytes_max: usize,
    assembly: Option<Box<Assembly>>,
}

/// What [`Decoder::decode`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded<'b> {
    /// No whole frame yet.
    Incomplete {
        /// How many bytes must still come before another call can say more: exact once the frame's length is
        /// known, a lower bound before.
        missing: usize,
    },
    /// One frame.
    Frame {
        /// Bytes of the input that it took.
        consumed: usize,
        /// What it brought; `None` for a fragment that does not end its message.
        event: Option<Event<'b>>,
    },
}

/// A whole message or a control frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'b> {
    /// A text message: UTF-8, checked.
    Text(&'b str),
    /// A binary message.
    Binary(&'b [u8]),
    /// A ping: answer with a pong of the same payload.
    Ping(&'b [u8]),
    /// A pong, asked for or not.
    Pong(&'b [u8]),
    /// The peer closes: answer with a close frame of the same code, then end the connection.
    Close {
        /// The status code, one that may be sent.
        code: Option<u16>,
        /// The reason, often empty.
        reason: &'b str,
    },
}

/// A fragmented message.
#[derive(Debug)]
struct Assembly {
    kind: Data,
    bytes: Vec<u8>,
    /// It has been handed out, and goes with the next call.
    delivered: bool,
}

impl Decoder {
    /// A decoder for the side `role` that accepts messages of up to `message_bytes_max` bytes, in one frame or in
    /// many.
    pub fn new(role: Role, message_bytes_max: usize) -> Decoder {
        Decoder { role, message_bytes_max, assembly: None }
    }

    /// Looks at the front of `input` and takes at most one frame. A frame that is not all there is left alone; one
    /// that is gets unmasked in place, so the bytes before `consumed` must not be shown again.
    ///
    /// # Errors
    /// As soon as the bytes show a fault, a length beyond the limit included: nothing is allocated for a length
    /// that is only announced.
    pub fn decode<'b>(&'b mut self, input: &'b mut [u8]) -> Result<Decoded<'b>, Error> {
        if self.assembly.as_ref().is_some_and(|assembly| assembly.delivered) {
            self.assembly = None;
        }
        if let (Role::Server, None, Some((kind, len))) =
            (self.role, &self.assembly, header::short_message(input))
            && len <= self.message_bytes_max
            && header::SHORT_BYTES + len <= input.len()
        {
            let (header, payload) = input[..header::SHORT_BYTES + len].split_at_mut(header::SHORT_BYTES);
            if let Some(&key) = header.last_chunk() {
                mask::apply(payload, key);
            }
            let event = Some(message_event(kind, payload)?);
            return Ok(Decoded::Frame { consumed: header::SHORT_BYTES + len, event });
        }
        self.decode_any(input)
    }

    /// As [`Decoder::decode`], for the frames that are not the most common.
    fn decode_any<'b>(&'b mut self, input: &'b mut [u8]) -> Result<Decoded<'b>, Error> {
        let header = match header::parse(input, self.role)? {
            Parsed::Header(header) => header,
            Parsed::Missing(missing) => return Ok(Decoded::Incomplete { missing }),
        };
        let payload_bytes = self.check_sequence_and_size(&header)?;
        let consumed = header.header_bytes.saturating_add(payload_bytes);
        if input.len() < consumed {
            return Ok(Decoded::Incomplete { missing: consumed - input.len() });
        }
        let (head, payload) = input[..consumed].split_at_mut(header.header_bytes);
        if let (Role::Server, Some(&key)) = (self.role, head.last_chunk()) {
            mask::apply(payload, key);
        }
        let event = match header.opcode {
            OpCode::Control(control) => Some(control_event(control, payload)?),
            OpCode::Data(Data::Continue) => self.go_on(payload, header.fin)?,
            OpCode::Data(kind) if header.fin => Some(message_event(kind, payload)?),
            OpCode::Data(kind) => {
                self.assembly = Some(Box::new(Assembly { kind, bytes: payload.to_vec(), delivered: false }));
                None
            }
        };
        Ok(Decoded::Frame { consumed, event })
    }

    /// Whether the frame may come now and is small enough. Returns the bytes of its payload.
    #[inline]
    fn check_sequence_and_size(&self, header: &Header) -> Result<usize, Error> {
        let before = match (header.opcode, &self.assembly) {
            (OpCode::Control(_), _) => return Ok(header.payload_bytes as usize), // 125 at most
            (OpCode::Data(Data::Continue), None) => return Err(Error::ContinuationUnexpected),
            (OpCode::Data(Data::Continue), Some(assembly)) => assembly.bytes.len(),
            (OpCode::Data(_), Some(_)) => return Err(Error::ContinuationExpected),
            (OpCode::Data(_), None) => 0,
        };
        let bytes = header.payload_bytes + before as u64; // below 2^64: the length has 63 bits
        if bytes > self.message_bytes_max as u64 {
            return Err(Error::TooBig { bytes, bytes_max: self.message_bytes_max });
        }
        Ok(header.payload_bytes as usize)
    }

    /// Adds a fragment to the message under way, and hands the message out if that was the last.
    fn go_on(&mut self, payload: &[u8], fin: bool) -> Result<Option<Event<'_>>, Error> {
        let Some(assembly) = &mut self.assembly else {
            return Err(Error::ContinuationUnexpected);
        };
        assembly.bytes.extend_from_slice(payload);
        if !fin {
            return Ok(None);
        }
        assembly.delivered = true;
        message_event(assembly.kind, &assembly.bytes).map(Some)
    }
}

#[inline]
fn message_event(kind: Data, bytes: &[u8]) -> Result<Event<'_>, Error> {
    if kind != Data::Text {
        return Ok(Event::Binary(bytes));
    }
    utf8(bytes).map(Event::Text).ok_or(Error::TextNotUtf8)
}

fn control_event(control: Control, payload: &[u8]) -> Result<Event<'_>, Error> {
    match control {
        Control::Ping => Ok(Event::Ping(payload)),
        Control::Pong => Ok(Event::Pong(payload)),
        Control::Close => close_event(payload),
        Control::Reserved(code) => Err(Error::ReservedOpcode(code)),
    }
}

/// The payload of a close frame (section 5.5.1).
fn close_event(payload: &[u8]) -> Result<Event<'_>, Error> {
    let Some((&code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() {
            Ok(Event::Close { code: None, reason: "" })
        } else {
            Err(Error::CloseTruncated)
        };
    };
    let code = u16::from_be_bytes(code);
    if !may_be_sent(code) {
        return Err(Error::CloseCode(code));
    }
    let reason = utf8(reason).ok_or(Error::CloseNotUtf8)?;
    Ok(Event::Close { code: Some(code), reason })
}

/// Whether a status code may stand in a close frame: those that the RFC or IANA's registry define for it, and the
/// ranges for libraries (3000) and applications (4000).
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::{write_close, write_frame_header, write_masked_frame, write_message_header};

    const KEY: [u8; 4] = [0xA5, 0x01, 0xFF, 0x3C];

    fn server() -> Decoder {
        Decoder::new(Role::Server, 1 << 20)
    }

    /// A masked frame whose first octet is `first`, whatever that is.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write_masked_frame(&mut out, OpCode::Data(Data::Binary), KEY, payload);
        out[0] = first;
        out
    }

    fn fault(bytes: &[u8]) -> Error {
        server().decode(&mut bytes.to_vec()).expect_err("a fault")
    }

    fn event(decoder: &mut Decoder, mut bytes: Vec<u8>) -> Option<String> {
        let len = bytes.len();
        match decoder.decode(&mut bytes) {
            Ok(Decoded::Frame { consumed, event }) => {
                assert_eq!(consumed, len);
                event.map(|event| format!("{event:?}"))
            }
            other => panic!("{other:?}"),
        }
    }

    fn shown(event: Event<'_>) -> Option<String> {
        Some(format!("{event:?}"))
    }

    #[test]
    fn a_decoder_is_small() {
        assert!(size_of::<Decoder>() <= 24, "{}", size_of::<Decoder>());
    }

    #[test]
    fn whole_messages() {
        let mut decoder = server();
        assert_eq!(event(&mut decoder, frame(0x81, b"hi")), shown(Event::Text("hi")));
        assert_eq!(event(&mut decoder, frame(0x82, &[0xFF])), shown(Event::Binary(&[0xFF])));
        assert_eq!(event(&mut decoder, frame(0x89, b"p")), shown(Event::Ping(b"p")));
        assert_eq!(event(&mut decoder, frame(0x8A, b"")), shown(Event::Pong(b"")));
        for len in [125, 126, 127, 0xFFFF, 0x1_0000] {
            let payload = vec![7; len];
            assert_eq!(event(&mut decoder, frame(0x82, &payload)), shown(Event::Binary(&payload)));
        }
    }

    #[test]
    fn headers_of_messages() {
        for (is_binary, kind) in [(false, Data::Text), (true, Data::Binary)] {
            for len in [0, 1, 125, 126, 127, 0xFFFF, 0x1_0000] {
                let (mut any, mut message) = (Vec::new(), Vec::new());
                write_frame_header(&mut any, OpCode::Data(kind), len);
                write_message_header(&mut message, is_binary, len);
                assert_eq!(message, any);
            }
        }
    }

    #[test]
    fn a_client_takes_what_a_server_writes() {
        let mut bytes = Vec::new();
        write_frame_header(&mut bytes, OpCode::Data(Data::Text), 2);
        bytes.extend_from_slice(b"hi");
        let mut client = Decoder::new(Role::Client, 100);
        assert_eq!(event(&mut client, bytes), shown(Event::Text("hi")));
        let mut bytes = Vec::new();
        write_close(&mut bytes, 1002, &"\u{e4}".repeat(100));
        let reason = "\u{e4}".repeat(61);
        assert_eq!(event(&mut client, bytes), shown(Event::Close { code: Some(1002), reason: &reason }));
        assert_eq!(client.decode(&mut frame(0x82, b"")), Err(Error::Masked));
    }

    #[test]
    fn fragments_make_a_message_and_control_frames_may_come_between() {
        let mut decoder = server();
        let text = "\u{20ac}";
        let euro = text.as_bytes();
        assert_eq!(event(&mut decoder, frame(0x01, &euro[..1])), None);
        assert_eq!(event(&mut decoder, frame(0x89, b"p")), shown(Event::Ping(b"p")));
        assert_eq!(event(&mut decoder, frame(0x00, b"")), None);
        assert_eq!(event(&mut decoder, frame(0x80, &euro[1..])), shown(Event::Text(text)));
        assert_eq!(event(&mut decoder, frame(0x82, b"x")), shown(Event::Binary(b"x")));
        assert_eq!(event(&mut decoder, frame(0x02, b"")), None);
        assert_eq!(event(&mut decoder, frame(0x80, b"")), shown(Event::Binary(b"")));
    }

    #[test]
    fn the_buffer_of_a_fragmented_message_goes_with_the_next_call() {
        let mut decoder = server();
        assert_eq!(event(&mut decoder, frame(0x02, b"a")), None);
        assert_eq!(event(&mut decoder, frame(0x80, b"b")), shown(Event::Binary(b"ab")));
        assert!(decoder.assembly.is_some());
        assert_eq!(decoder.decode(&mut []), Ok(Decoded::Incomplete { missing: 2 }));
        assert!(decoder.assembly.is_none());
    }

    #[test]
    fn faults_of_the_first_two_bytes_show_at_once() {
        assert_eq!(fault(&[0xC1, 0x80]), Error::ReservedBits(0b100));
        assert_eq!(fault(&[0x91, 0x80]), Error::ReservedBits(0b001));
        for code in (3..8).chain(11..16) {
            assert_eq!(fault(&[0x80 | code, 0x80]), Error::ReservedOpcode(code));
        }
        assert_eq!(fault(&[0x81, 0x00]), Error::Unmasked);
        for control in 8..11 {
            assert_eq!(fault(&[control, 0x80]), Error::ControlFragmented);
            assert_eq!(fault(&[0x80 | control, 0x80 | 126]), Error::ControlTooLong);
            assert_eq!(fault(&[0x80 | control, 0x80 | 127]), Error::ControlTooLong);
        }
        assert_eq!(fault(&[0x80, 0x80]), Error::ContinuationUnexpected);
    }

    #[test]
    fn a_new_message_must_wait_for_the_end_of_the_last() {
        let mut decoder = server();
        assert_eq!(event(&mut decoder, frame(0x01, b"a")), None);
        assert_eq!(decoder.decode(&mut frame(0x81, b"b")), Err(Error::ContinuationExpected));
        assert_eq!(Error::ContinuationExpected.close_code(), 1002);
    }

    #[test]
    fn lengths_take_their_shortest_form() {
        assert_eq!(fault(&[0x82, 0xFE, 0, 125]), Error::LengthNotMinimal);
        assert_eq!(fault(&[0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]), Error::LengthNotMinimal);
        assert_eq!(fault(&[0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0]), Error::LengthOutOfRange);
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_by_its_header_alone() {
        let mut decoder = Decoder::new(Role::Server, 1000);
        let too_big = |bytes| Err(Error::TooBig { bytes, bytes_max: 1000 });
        assert_eq!(decoder.decode(&mut [0x82, 0xFE, 0x03, 0xE9]), too_big(1001));
        assert_eq!(decoder.decode(&mut [0x82, 0xFE, 0x03, 0xE8]), Ok(Decoded::Incomplete { missing: 1004 }));
        let mut huge = [0x82, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
        assert_eq!(decoder.decode(&mut huge), too_big((1 << 63) - 1));
        assert_eq!(too_big(0).unwrap_err().close_code(), 1009);
        assert_eq!(event(&mut decoder, frame(0x02, &[0; 900])), None);
        assert_eq!(decoder.decode(&mut frame(0x80, &[0; 101])), too_big(1001), "fragments count together");
        huge[0] = 0x80;
        assert_eq!(decoder.decode(&mut huge), too_big((1 << 63) - 1 + 900));
        assert!(event(&mut decoder, frame(0x80, &[0; 100])).is_some());
    }

    #[test]
    fn text_must_be_utf8_when_it_is_whole() {
        assert_eq!(fault(&frame(0x81, &[0xED, 0xA0, 0x80])), Error::TextNotUtf8);
        assert_eq!(Error::TextNotUtf8.close_code(), 1007);
        let mut decoder = server();
        assert_eq!(event(&mut decoder, frame(0x01, &[0xE2])), None);
        assert_eq!(decoder.decode(&mut frame(0x80, b"x")), Err(Error::TextNotUtf8));
    }

    #[test]
    fn payloads_of_close_frames() {
        let none = Event::Close { code: None, reason: "" };
        assert_eq!(event(&mut server(), frame(0x88, b"")), shown(none));
        assert_eq!(fault(&frame(0x88, &[3])), Error::CloseTruncated);
        let bye = Event::Close { code: Some(1000), reason: "bye" };
        assert_eq!(event(&mut server(), frame(0x88, b"\x03\xE8bye")), shown(bye));
        assert_eq!(fault(&frame(0x88, &[3, 0xE8, 0xFF])), Error::CloseNotUtf8);
        assert_eq!(Error::CloseNotUtf8.close_code(), 1007);
        for code in 0..=u16::MAX {
            let result = close_event(&code.to_be_bytes()).map(|_| ());
            let valid = matches!(code, 1000..=1003 | 1007..=1014) || (3000..5000).contains(&code);
            assert_eq!(result, if valid { Ok(()) } else { Err(Error::CloseCode(code)) });
        }
    }

    #[test]
    fn the_text_of_a_fault_fits_a_close_frame() {
        let longest = Error::TooBig { bytes: u64::MAX, bytes_max: usize::MAX };
        assert!(longest.to_string().len() <= 123, "{longest}");
    }
}
