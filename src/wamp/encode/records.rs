//! Events of the past, as arguments of the RESULT that lists them (spec: "Event History").

use super::super::cbor::Cbor;
use super::super::id::{PublicationId, SubscriptionId};
use super::super::json::Json;
use super::super::message::{EventDetails, Payload, Text};
use super::super::msgpack::MsgPack;
use super::super::serializer::Serializer;
use super::super::transcode::items;
use super::super::writer::{Container, Writer};
use super::cursor::Dict;
use super::messages::event_details;

/// An event of the past.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // the names of the specification
pub struct EventRecord<'a> {
    pub timestamp: String,
    pub subscription: SubscriptionId,
    pub publication: PublicationId,
    pub details: EventDetails<'a>,
    /// In whichever serializer.
    pub payload: Payload<'a>,
}

/// Appends the arguments list `[[record, …]]`, to be used as a payload of one item: the records that fit into `bytes_max`, but
/// one at least if there are any.
pub fn event_records<'a>(
    serializer: Serializer,
    records: impl Iterator<Item = EventRecord<'a>>,
    bytes_max: usize,
    out: &mut Vec<u8>,
) {
    match serializer {
        Serializer::Json => write::<Json>(records, bytes_max, out),
        Serializer::MsgPack => write::<MsgPack>(records, bytes_max, out),
        Serializer::Cbor => write::<Cbor>(records, bytes_max, out),
    }
}

fn write<'a, W: Writer>(records: impl Iterator<Item = EventRecord<'a>>, bytes_max: usize, out: &mut Vec<u8>) {
    let start = out.len();
    W::header(Container::List, 1, out);
    let begun = W::begin(Container::List, out);
    let mut count = 0;
    for record in records {
        let before = out.len();
        if count > 0 {
            W::comma(out);
        }
        Dict::<W>::write(out, |dict| fields(&record, dict));
        if count > 0 && out.len() - start > bytes_max {
            out.truncate(before);
            break;
        }
        count += 1;
    }
    W::end(begun, count, out);
    W::close(Container::List, out);
}

fn fields<W: Writer>(record: &EventRecord<'_>, dict: &mut Dict<'_, W>) {
    dict.put("timestamp", &Some(Text::Borrowed(&record.timestamp)))
        .put("subscription", &Some(record.subscription))
        .put("publication", &Some(record.publication))
        .dict("details", |dict| event_details(&record.details, dict));
    for (name, value) in ["args", "kwargs"].into_iter().zip(items(record.payload)) {
        if let Some(value) = value {
            dict.transcoded(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(payload: Payload<'_>) -> EventRecord<'_> {
        EventRecord {
            timestamp: "2026".to_owned(),
            subscription: SubscriptionId(1),
            publication: PublicationId(2),
            details: EventDetails { trustlevel: Some(3), ..EventDetails::default() },
            payload,
        }
    }

    fn payloads() -> [Payload<'static>; 4] {
        let payload = |serializer, items, bytes| Payload { serializer, items, bytes };
        [
            Payload::empty(Serializer::Json),
            payload(Serializer::Json, 1, b"[ 1 ] "),
            payload(Serializer::Cbor, 2, b"\x81\x41\x07\xa1\x61a\x01"),
            payload(Serializer::MsgPack, 2, b"\x91\xc4\x01\x07\x81\xa1a\x01"),
        ]
    }

    #[test]
    fn payloads_of_all_serializers_in_json() {
        let mut out = Vec::new();
        event_records(Serializer::Json, payloads().into_iter().map(record), usize::MAX, &mut out);
        let head = r#"{"timestamp":"2026","subscription":1,"publication":2,"details":{"trustlevel":3}"#;
        let both = r#","args":["\u0000Bw=="],"kwargs":{"a":1}}"#;
        let expected = format!(r#"[[{head}}},{head},"args":[ 1 ]}},{head}{both},{head}{both}]]"#);
        assert_eq!(String::from_utf8(out), Ok(expected));
    }

    #[test]
    fn as_many_as_fit() {
        for serializer in Serializer::ALL {
            let write = |count, bytes_max| {
                let mut out = Vec::new();
                let records = payloads().into_iter().map(record).take(count);
                event_records(serializer, records, bytes_max, &mut out);
                out
            };
            let [one, two] = [1, 2].map(|count| write(count, usize::MAX));
            assert_eq!(write(4, two.len()), two);
            assert_eq!(write(4, two.len() - 3), one);
            assert_eq!(write(4, 0), one);
            assert_eq!(write(0, 0).len(), if serializer == Serializer::Json { 4 } else { 2 });
        }
    }
}
