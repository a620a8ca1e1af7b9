//! Heads of the messages that a router sends most, in their most common form: ids and an empty dictionary.

use super::super::cbor::Cbor;
use super::super::msgpack::MsgPack;
use super::super::serializer::Serializer;
use super::super::writer::{Container, Writer};

/// Appends the head of a message `[code, ids…, {}, …payload]` whose payload has `items` elements: the same that
/// [`super::encode_head`] writes for EVENT, INVOCATION or RESULT without details, at a fraction of the price. The code has two
/// digits.
#[inline]
pub fn plain_head<const IDS: usize>(
    code: u8,
    ids: [u64; IDS],
    items: u8,
    serializer: Serializer,
    out: &mut Vec<u8>,
) {
    debug_assert!((10..100).contains(&code), "{code}");
    match serializer {
        Serializer::Json => json(code, ids, items, out),
        Serializer::MsgPack => binary::<MsgPack, IDS>(code, ids, items, out),
        Serializer::Cbor => binary::<Cbor, IDS>(code, ids, items, out),
    }
}

fn binary<W: Writer, const IDS: usize>(code: u8, ids: [u64; IDS], items: u8, out: &mut Vec<u8>) {
    W::header(Container::List, 2 + IDS + usize::from(items), out);
    W::unsigned(u64::from(code), out);
    for id in ids {
        W::unsigned(id, out);
    }
    W::header(Container::Dict, 0, out);
}

fn json<const IDS: usize>(code: u8, ids: [u64; IDS], items: u8, out: &mut Vec<u8>) {
    // All at once at the end: to append is to look whether there is room.
    const { assert!(1 + 3 + IDS * (1 + DIGITS_MAX) + 4 + WORD <= ROOM) };
    let mut text = Text { bytes: [0; ROOM], len: 0 };
    text.put(&[b'[', b'0' + code / 10 % 10, b'0' + code % 10]);
    for id in ids {
        text.put(b",");
        text.number(id);
    }
    text.put(b",{},");
    let len = if items > 0 { text.len } else { text.len - 1 };
    out.extend_from_slice(&text.bytes[..len]);
}

/// Digits of the greatest number.
const DIGITS_MAX: usize = 20;
/// Digits that are made together.
const WORD: usize = 8;
const ROOM: usize = 64;

struct Text {
    bytes: [u8; ROOM],
    len: usize,
}

impl Text {
    #[inline]
    fn put<const N: usize>(&mut self, bytes: &[u8; N]) {
        if let Some(place) = self.bytes.get_mut(self.len..).and_then(|rest| rest.first_chunk_mut()) {
            *place = *bytes;
            self.len += N;
        }
    }

    #[inline]
    fn number(&mut self, value: u64) {
        const WORD_MAX: u64 = 10_u64.pow(WORD as u32) - 1;

        if value < 100 {
            let (tens, ones) = (value as u8 / 10, value as u8 % 10);
            if tens > 0 {
                self.put(&[b'0' + tens]);
            }
            return self.put(&[b'0' + ones]);
        }
        if value <= WORD_MAX {
            return self.leading_digits(value);
        }
        let (rest, last) = (value / (WORD_MAX + 1), value % (WORD_MAX + 1));
        if rest <= WORD_MAX {
            self.leading_digits(rest);
        } else {
            // More than any id.
            self.leading_digits(rest / (WORD_MAX + 1));
            self.put(&(digits(rest % (WORD_MAX + 1)) | ZEROS).to_le_bytes());
        }
        self.put(&(digits(last) | ZEROS).to_le_bytes());
    }

    /// Puts a number of at most eight digits, without zeros before it.
    #[inline]
    fn leading_digits(&mut self, value: u64) {
        let digits = digits(value);
        // The last digit stands there, whatever it is.
        let zeros = (digits.trailing_zeros() / 8).min(WORD as u32 - 1);
        self.put(&((digits | ZEROS) >> (zeros * 8)).to_le_bytes());
        self.len -= zeros as usize;
    }
}

const ZEROS: u64 = u64::from_ne_bytes([b'0'; WORD]);

/// The eight decimal digits of a number below 10^8, the first in the lowest byte. Halves, quarters and eighths of the word
/// are divided at the same time; a division is a multiplication that is exact for numbers so small.
#[inline]
fn digits(value: u64) -> u64 {
    let halves = (value / 10_000) | ((value % 10_000) << 32);
    let hundreds = ((halves * 10_486) >> 20) & 0x7f_0000_007f;
    let quarters = hundreds | ((halves - 100 * hundreds) << 16);
    let tens = ((quarters * 103) >> 10) & 0x0f_000f_000f_000f;
    tens | ((quarters - 10 * tens) << 8)
}

#[cfg(test)]
mod tests {
    use super::super::encode_head;
    use super::*;
    use crate::wamp::message::{CallResult, Event, EventDetails, Invocation, InvocationDetails, Rare};
    use crate::wamp::{Message, Payload, PublicationId, RegistrationId, RequestId, SubscriptionId};

    #[test]
    fn digits_of_all_halves_and_of_many_wholes() {
        for value in (0..10_000).chain((0..100_000_000).step_by(9_973)).chain((1..10_000).map(|n| n * 10_000))
        {
            let text = (digits(value) | ZEROS).to_le_bytes();
            assert_eq!(str::from_utf8(&text), Ok(&*format!("{value:08}")));
        }
    }

    #[test]
    fn equals_the_general_encoder() {
        let powers = (0..20).map(|n| 10_u64.pow(n)).chain((0..64).map(|n| 1 << n));
        let numbers: Vec<u64> = powers
            .flat_map(|n| [n - 1, n, n + 1, n + n / 3])
            .chain([0, u64::MAX, 9_007_199_254_740_992])
            .collect();
        for serializer in Serializer::ALL {
            for (i, &id) in numbers.iter().enumerate() {
                let other = numbers[(i * 31 + 7) % numbers.len()];
                for items in 0..=2 {
                    let payload = Payload { serializer, items, bytes: &[] };
                    let event = Message::Event(Event {
                        subscription: SubscriptionId(id),
                        publication: PublicationId(other),
                        details: EventDetails::default(),
                        payload,
                    });
                    let invocation = Message::Invocation(Invocation {
                        request: RequestId(id),
                        registration: RegistrationId(other),
                        details: InvocationDetails::default(),
                        payload,
                    });
                    let result = Message::Result(CallResult {
                        request: RequestId(id),
                        progress: None,
                        passthru: Rare::default(),
                        payload,
                    });
                    let plain = |message: &Message<'_>, write: &dyn Fn(&mut Vec<u8>)| {
                        let (mut expected, mut out) = (b"before".to_vec(), b"before".to_vec());
                        encode_head(message, serializer, &mut expected);
                        write(&mut out);
                        assert_eq!(out, expected, "{message:?}");
                    };
                    plain(&event, &|out| plain_head(36, [id, other], items, serializer, out));
                    plain(&invocation, &|out| plain_head(68, [id, other], items, serializer, out));
                    plain(&result, &|out| plain_head(50, [id], items, serializer, out));
                }
            }
        }
    }
}
