//! Messages that are encoded once and sent many times, each time with another request id and another stamp.

use connectanum::wamp::message::{Call, CallOptions, Publish, PublishOptions, Yield};
use connectanum::wamp::{Message, Payload, RequestId, Serializer, encode, text_args};
use memchr::memmem;

use super::stamp::{STAMP_BYTES, Stamp};
use crate::wire::nats;

/// A message with two holes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    before_id: Vec<u8>,
    /// How to write the id; `None` if there is none, and then nothing after it either.
    id: Option<Serializer>,
    after_id: Vec<u8>,
    /// Where the stamp is, from the end of the message.
    stamp_from_end: usize,
}

impl Template {
    /// PUBLISH.
    pub(crate) fn publish(serializer: Serializer, topic: &str, text: &str) -> Template {
        Template::wamp(serializer, text, |id, payload| {
            Message::Publish(Publish {
                request: id,
                options: PublishOptions::default(),
                topic: topic.to_owned().into(),
                payload,
            })
        })
    }

    /// CALL.
    pub(crate) fn call(serializer: Serializer, procedure: &str, text: &str) -> Template {
        Template::wamp(serializer, text, |id, payload| {
            Message::Call(Call {
                request: id,
                options: CallOptions::default(),
                procedure: procedure.to_owned().into(),
                payload,
            })
        })
    }

    /// YIELD.
    pub(crate) fn yielding(serializer: Serializer, text: &str) -> Template {
        Template::wamp(serializer, text, |id, payload| {
            Message::Yield(Yield { request: id, progress: None, passthru: Default::default(), payload })
        })
    }

    /// What the relay copies: the bytes of a PUBLISH in JSON, so that it has as much to do as a router.
    pub(crate) fn raw(topic: &str, text: &str) -> Template {
        let Template { before_id, after_id, stamp_from_end, .. } =
            Template::publish(Serializer::Json, topic, text);
        let whole = [&before_id[..], b"1", &after_id].concat();
        Template { before_id: whole, id: None, after_id: Vec::new(), stamp_from_end }
    }

    /// NATS's PUB.
    pub(crate) fn nats(subject: &str, text: &str) -> Template {
        let whole = nats::publish(subject, text.as_bytes());
        let stamp_from_end = whole.len() - position(&whole, text);
        Template { before_id: whole, id: None, after_id: Vec::new(), stamp_from_end }
    }

    fn wamp(
        serializer: Serializer,
        text: &str,
        message: impl for<'p> Fn(RequestId, Payload<'p>) -> Message<'p>,
    ) -> Template {
        let mut args = Vec::new();
        text_args(serializer, text, &mut args);
        let encoded = |id| {
            let mut bytes = Vec::new();
            encode(
                &message(RequestId(id), Payload { serializer, items: 1, bytes: &args }),
                serializer,
                &mut bytes,
            );
            bytes
        };
        // The id is one byte long in both, and the only difference.
        let (one, two) = (encoded(1), encoded(2));
        let id_at = one.iter().zip(&two).position(|(a, b)| a != b).expect("two ids differ");
        Template {
            before_id: one[..id_at].to_vec(),
            id: Some(serializer),
            after_id: one[id_at + 1..].to_vec(),
            stamp_from_end: one.len() - position(&one, text),
        }
    }

    /// Writes the message into `out`, in place of what is there. A template without an id ignores it.
    #[inline]
    pub(crate) fn write(&self, id: u64, stamp: Stamp, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&self.before_id);
        if let Some(serializer) = self.id {
            put_unsigned(serializer, id, out);
            out.extend_from_slice(&self.after_id);
        }
        let at = out.len() - self.stamp_from_end;
        out[at..at + STAMP_BYTES].copy_from_slice(&stamp.to_text());
    }
}

fn position(message: &[u8], text: &str) -> usize {
    memmem::find(message, text.as_bytes()).expect("the text stands in the message as it is")
}

/// Appends an unsigned integer in its shortest form.
fn put_unsigned(serializer: Serializer, value: u64, out: &mut Vec<u8>) {
    let bytes = value.to_be_bytes();
    // The first byte for one, two, four and eight more; and the largest value that needs none.
    let (kinds, small) = match serializer {
        Serializer::Json => return out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
        Serializer::MsgPack => ([0xCC, 0xCD, 0xCE, 0xCF], 0x7F),
        Serializer::Cbor => ([0x18, 0x19, 0x1A, 0x1B], 0x17),
    };
    let [one, two, four, eight] = kinds;
    match value {
        _ if value <= small => out.push(value as u8),
        0..=0xFF => out.extend_from_slice(&[one, bytes[7]]),
        0x100..=0xFFFF => out.extend_from_slice(&[two, bytes[6], bytes[7]]),
        0x1_0000..=0xFFFF_FFFF => {
            out.push(four);
            out.extend_from_slice(&bytes[4..]);
        }
        _ => {
            out.push(eight);
            out.extend_from_slice(&bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use connectanum::wamp::scan;

    use super::super::stamp::text;
    use super::*;

    const STAMP: Stamp = Stamp { lane: 3, number: 77 };

    #[test]
    fn what_is_written_is_what_the_encoder_writes() {
        let stamped = text(40).replacen("----------------", "000003000000004d", 1);
        for serializer in Serializer::ALL {
            let mut args = Vec::new();
            text_args(serializer, &stamped, &mut args);
            let payload = Payload { serializer, items: 1, bytes: &args };
            let template = Template::publish(serializer, "a.topic", &text(40));
            for id in (0..54).flat_map(|bit| [(1 << bit) - 1, 1 << bit]) {
                let (mut written, mut expected) = (b"old".to_vec(), Vec::new());
                template.write(id, STAMP, &mut written);
                let publish = Message::Publish(Publish {
                    request: RequestId(id),
                    options: PublishOptions::default(),
                    topic: "a.topic".into(),
                    payload,
                });
                encode(&publish, serializer, &mut expected);
                assert_eq!(written, expected, "{serializer:?} {id}");
            }
        }
    }

    #[test]
    fn calls_and_yields_are_well_formed() {
        for serializer in Serializer::ALL {
            let mut written = Vec::new();
            Template::call(serializer, "a.procedure", &text(300)).write(70_000, STAMP, &mut written);
            let call = scan(serializer, &written).unwrap();
            assert!(matches!(call, Message::Call(Call { request: RequestId(70_000), .. })), "{call:?}");
            Template::yielding(serializer, &text(16)).write(5, STAMP, &mut written);
            let yielded = scan(serializer, &written).unwrap();
            assert!(matches!(yielded, Message::Yield(Yield { request: RequestId(5), .. })), "{yielded:?}");
        }
    }

    #[test]
    fn without_an_id() {
        let mut written = Vec::new();
        Template::nats("s", &text(17)).write(9, STAMP, &mut written);
        assert_eq!(written, b"PUB s 17\r\n000003000000004da\r\n");
        Template::raw("t", &text(17)).write(9, STAMP, &mut written);
        assert_eq!(written, br#"[16,1,{},"t",["000003000000004da"]]"#);
    }
}
