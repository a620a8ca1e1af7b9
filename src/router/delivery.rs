//! Payloads on their way to receivers: one form for each serializer that is asked for, made once.

use bytes::Bytes;

use super::arena::Arena;
use super::mesh::Parcel;
use super::realm::TopicKey;
use crate::limits::SHARE_PAYLOAD_BYTES_MIN;
use crate::wamp::message::Payload;
use crate::wamp::{Serializer, transcode};

/// Buffers that a shard uses over and over.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Heads of messages.
    pub(super) heads: Vec<u8>,
    /// Arguments of the router's own errors.
    pub(super) text: Vec<u8>,
    /// Topics that a publication matches.
    pub(super) matches: Vec<TopicKey>,
}

/// A payload, in the sender's writing and in those of its receivers.
#[derive(Debug)]
pub(super) struct Body<'a> {
    source: Payload<'a>,
    /// By serializer: the form to share, if it has been made. Most payloads have none, so that there is one thing to look at.
    shared: Option<[Option<Bytes>; 3]>,
}

impl<'a> Body<'a> {
    #[inline]
    pub(super) fn new(source: Payload<'a>) -> Body<'a> {
        Body { source, shared: None }
    }

    /// Of what has come from another shard or goes there, and so is held by reference already.
    #[inline]
    pub(super) fn of_parcel(parcel: &'a Parcel) -> Body<'a> {
        let mut body = Body::new(parcel.payload());
        body.share(parcel);
        body
    }

    /// The payload is that of `parcel`.
    #[inline]
    pub(super) fn share(&mut self, parcel: &Parcel) {
        // A small piece by reference would pin the chunk of memory that it was cut from.
        if self.source.bytes.len() >= SHARE_PAYLOAD_BYTES_MIN {
            let serializer = self.source.serializer;
            self.shared.get_or_insert_default()[serializer as usize] = Some(parcel.shared());
        }
    }

    /// The payload as it came.
    pub(super) fn source(&self) -> Payload<'a> {
        self.source
    }

    /// How many elements it has.
    pub(super) fn items(&self) -> u8 {
        self.source.items
    }

    /// The payload as `serializer` writes it, and by reference if that is worth it.
    #[inline]
    pub(super) fn form(&mut self, serializer: Serializer, arena: &mut Arena) -> (&[u8], Option<&Bytes>) {
        if serializer == self.source.serializer && self.source.bytes.len() < SHARE_PAYLOAD_BYTES_MIN {
            return (self.source.bytes, None);
        }
        self.shared_form(serializer, arena)
    }

    #[inline(never)]
    fn shared_form(&mut self, serializer: Serializer, arena: &mut Arena) -> (&[u8], Option<&Bytes>) {
        let source = self.source;
        let bytes = &*self.shared.get_or_insert_default()[serializer as usize].get_or_insert_with(|| {
            if serializer == source.serializer {
                return arena.store(&[source.bytes]);
            }
            arena.store_written(|out| {
                if let Err(error) = transcode::transcode(source, serializer, out) {
                    // The scan has accepted the payload, so this does not happen; a receiver gets an empty list, not a torn message.
                    tracing::error!(%error, "payload could not be converted");
                    *out = empty(serializer, source.items);
                }
            })
        });
        (bytes, (bytes.len() >= SHARE_PAYLOAD_BYTES_MIN).then_some(bytes))
    }
}

/// As many empty elements as the payload has.
fn empty(serializer: Serializer, items: u8) -> Vec<u8> {
    let both = [serializer.empty_list(), serializer.empty_dict()];
    let some = &both[..usize::from(items).min(2)];
    if serializer == Serializer::Json { some.join(&b","[..]) } else { some.concat() }
}
