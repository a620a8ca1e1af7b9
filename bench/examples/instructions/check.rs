//! The check of a payload by itself: what it costs by the byte, beside a bare pass over the same memory.

use std::hint::black_box;

use connectanum::wamp::message::{Publish, PublishOptions};
use connectanum::wamp::{Message, Payload, RequestId, Serializer, encode, scan, transcode};
use connectanum::ws::{self, Data, Decoder, OpCode, Role};

/// Bytes of the payloads.
pub(crate) const BYTES: usize = 16 * 1024;

/// What is done to the payload of one message.
pub(crate) enum Check {
    /// The message is scanned, UTF-8 included.
    Scan(Serializer, Vec<u8>),
    /// A frame of that kind is unmasked, and checked to be UTF-8 where it is text.
    Unmask(Data, String),
    /// Every byte is looked at, as the compiler does it without being told of the processor.
    Memory(Vec<u8>),
    /// A byte is searched for that is not there, with the widest vectors of the processor.
    Search(Vec<u8>),
}

impl Check {
    /// The scan of a PUBLISH with these arguments, which are JSON.
    pub(crate) fn scan(serializer: Serializer, args: &str) -> Check {
        let payload = Payload { serializer: Serializer::Json, items: 1, bytes: args.as_bytes() };
        let mut bytes = Vec::new();
        transcode(payload, serializer, &mut bytes).expect("arguments in JSON");
        let mut message = Vec::new();
        let publish = Publish {
            request: RequestId(1),
            options: PublishOptions::default(),
            topic: "com.example.topic".into(),
            payload: Payload { serializer, items: 1, bytes: &bytes },
        };
        encode(&Message::Publish(publish), serializer, &mut message);
        Check::Scan(serializer, message)
    }

    /// Does it so many times, of `turns_max` for which everything is prepared.
    pub(crate) fn run(&self, turns: usize, turns_max: usize) {
        match self {
            Check::Scan(serializer, message) => {
                for _ in 0..turns {
                    assert!(scan(*serializer, black_box(message)).is_ok());
                }
            }
            Check::Unmask(kind, text) => {
                let mut frame = Vec::new();
                ws::write_masked_frame(
                    &mut frame,
                    OpCode::Data(*kind),
                    [0x35, 0xa9, 0x01, 0xf7],
                    text.as_bytes(),
                );
                let mut frames = vec![frame; turns_max];
                let mut decoder = Decoder::new(Role::Server, usize::MAX);
                for frame in &mut frames[..turns] {
                    assert!(decoder.decode(black_box(frame)).is_ok());
                }
            }
            Check::Memory(bytes) => {
                for _ in 0..turns {
                    black_box(black_box(bytes).iter().fold(0, |bits, byte| bits | byte));
                }
            }
            Check::Search(bytes) => {
                for _ in 0..turns {
                    assert!(memchr::memchr(b'"', black_box(bytes)).is_none());
                }
            }
        }
    }
}
