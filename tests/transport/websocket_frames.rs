//! Frames in pieces, frames at random, and bytes that are none.

use connectanum::ws::{Control, Data, Decoded, Decoder, Error, OpCode, Role, write_masked_frame};
use proptest::prelude::*;

/// A limit that some of the messages below exceed.
const MESSAGE_BYTES_MAX: usize = 600;

/// What a decoder made of a stream: its events in words, and the fault that ended it.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    events: Vec<String>,
    fault: Option<Error>,
}

/// A connection as a shard keeps it: received bytes up to the last whole frame are decoded, the rest waits.
struct Connection {
    decoder: Decoder,
    waiting: Vec<u8>,
    /// What the decoder has said must come before it can say more.
    missing: usize,
    seen: Seen,
}

impl Connection {
    fn new(role: Role) -> Connection {
        let decoder = Decoder::new(role, MESSAGE_BYTES_MAX);
        Connection { decoder, waiting: Vec::new(), missing: 2, seen: Seen::default() }
    }

    fn receive(&mut self, bytes: &[u8]) {
        if self.seen.fault.is_some() {
            return;
        }
        self.waiting.extend_from_slice(bytes);
        let enough = bytes.len() >= self.missing;
        let mut at = 0;
        loop {
            match self.decoder.decode(&mut self.waiting[at..]) {
                Ok(Decoded::Frame { consumed, event }) => {
                    assert!(consumed >= 2);
                    at += consumed;
                    self.seen.events.extend(event.map(|event| format!("{event:?}")));
                }
                Ok(Decoded::Incomplete { missing }) => {
                    assert!(missing > 0);
                    self.missing = missing;
                    break;
                }
                Err(fault) => {
                    self.seen.fault = Some(fault);
                    break;
                }
            }
        }
        assert!(enough || at == 0 && self.seen.fault.is_none(), "fewer bytes than missing said more");
        self.waiting.drain(..at);
    }
}

fn whole(role: Role, stream: &[u8]) -> Seen {
    let mut connection = Connection::new(role);
    connection.receive(stream);
    connection.seen
}

/// One frame of a client: mostly sound, sometimes out of order, of a reserved kind, or too long.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let opcode = prop_oneof![
        8 => Just(OpCode::Data(Data::Continue)),
        4 => Just(OpCode::Data(Data::Text)),
        4 => Just(OpCode::Data(Data::Binary)),
        2 => Just(OpCode::Control(Control::Ping)),
        2 => Just(OpCode::Control(Control::Pong)),
        1 => Just(OpCode::Control(Control::Close)),
    ];
    let payload = prop_oneof![
        8 => "[a-z\u{e4}\u{20ac}]{0,20}".prop_map(String::into_bytes),
        2 => prop::collection::vec(any::<u8>(), 0..130),
        1 => (120_usize..700).prop_map(|len| vec![b'x'; len]),
        1 => (0_u16..5000).prop_map(|code| code.to_be_bytes().to_vec()),
    ];
    (opcode, payload, any::<[u8; 4]>(), prop::bool::weighted(0.6)).prop_map(|(opcode, payload, key, fin)| {
        let mut frame = Vec::new();
        write_masked_frame(&mut frame, opcode, key, &payload);
        if !fin && matches!(opcode, OpCode::Data(_)) {
            frame[0] &= 0x7F;
        }
        frame
    })
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(frame(), 1..8).prop_map(|frames| frames.concat())
}

proptest! {
    #[test]
    fn every_split_point_gives_what_the_whole_gives(stream in stream()) {
        let expected = whole(Role::Server, &stream);
        for at in 0..=stream.len() {
            let mut connection = Connection::new(Role::Server);
            connection.receive(&stream[..at]);
            connection.receive(&stream[at..]);
            prop_assert_eq!(&connection.seen, &expected, "split at {}", at);
        }
    }

    #[test]
    fn byte_by_byte_gives_what_the_whole_gives(stream in stream()) {
        let expected = whole(Role::Server, &stream);
        let mut connection = Connection::new(Role::Server);
        for byte in &stream {
            connection.receive(std::slice::from_ref(byte));
        }
        prop_assert_eq!(connection.seen, expected);
    }

    #[test]
    fn exactly_the_missing_bytes_complete_a_frame(frame in frame(), start in 2_usize..12) {
        let start = start.min(frame.len() - 1);
        let mut decoder = Decoder::new(Role::Server, MESSAGE_BYTES_MAX);
        if let Ok(Decoded::Incomplete { missing }) = decoder.decode(&mut frame[..start].to_vec()) {
            prop_assert!(start + missing <= frame.len());
            let length_is_known = start >= match frame[1] & 0x7F { 126 => 4, 127 => 10, _ => 2 };
            prop_assert_eq!(length_is_known, start + missing == frame.len());
        }
    }

    #[test]
    fn random_bytes_do_no_harm(stream in prop::collection::vec(any::<u8>(), 0..400), pieces in 1_usize..50) {
        for role in [Role::Server, Role::Client] {
            let mut connection = Connection::new(role);
            for piece in stream.chunks(pieces) {
                connection.receive(piece);
            }
            prop_assert_eq!(connection.seen, whole(role, &stream));
        }
    }

    #[test]
    fn one_wrong_bit_does_no_harm(stream in stream(), bit: prop::sample::Index) {
        let mut stream = stream;
        let bit = bit.index(stream.len() * 8);
        stream[bit / 8] ^= 1 << (bit % 8);
        let mut connection = Connection::new(Role::Server);
        for byte in &stream {
            connection.receive(std::slice::from_ref(byte));
        }
        prop_assert_eq!(connection.seen, whole(Role::Server, &stream));
    }
}
