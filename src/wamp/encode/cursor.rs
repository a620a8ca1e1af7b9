//! Writing the elements of a message in order, and dictionaries whose size shows at their end.

use std::marker::PhantomData;

use super::super::id::{PublicationId, RegistrationId, RequestId, SessionId, SubscriptionId};
use super::super::list::{IdList, TextList};
use super::super::message::{InvokePolicy, MatchPolicy, RawValue, Text};
use super::super::transcode::transcode_value;
use super::super::writer::{Container, Writer};

/// The elements of a message.
pub(super) struct Elements<'o, W> {
    out: &'o mut Vec<u8>,
    writer: PhantomData<W>,
}

impl<'o, W: Writer> Elements<'o, W> {
    /// Begins a message of `count` elements, the code included.
    #[inline]
    pub(super) fn begin(code: u16, count: usize, out: &'o mut Vec<u8>) -> Self {
        W::header(Container::List, count, out);
        W::unsigned(u64::from(code), out);
        Elements { out, writer: PhantomData }
    }

    /// Writes an element.
    #[inline]
    pub(super) fn put(self, value: &impl Encode) -> Self {
        W::comma(self.out);
        value.encode::<W>(self.out);
        self
    }

    /// Writes an element that is a dictionary, which `fill` fills.
    #[inline]
    pub(super) fn dict(self, fill: impl FnOnce(&mut Dict<'_, W>)) -> Self {
        W::comma(self.out);
        Dict::write(self.out, fill);
        self
    }
}

/// A dictionary that is being written.
pub(super) struct Dict<'o, W> {
    out: &'o mut Vec<u8>,
    count: usize,
    writer: PhantomData<W>,
}

impl<'o, W: Writer> Dict<'o, W> {
    #[inline]
    pub(super) fn write(out: &'o mut Vec<u8>, fill: impl FnOnce(&mut Self)) {
        let begun = W::begin(Container::Dict, out);
        let mut dict = Dict { out, count: 0, writer: PhantomData };
        fill(&mut dict);
        let Dict { out, count, .. } = dict;
        W::end(begun, count, out);
    }

    /// Writes an entry, if there is a value. `key` must not need escapes.
    #[inline]
    pub(super) fn put(&mut self, key: &str, value: &Option<impl Encode>) -> &mut Self {
        if let Some(value) = value {
            self.key(key);
            value.encode::<W>(self.out);
        }
        self
    }

    /// Writes an entry that is a dictionary, which `fill` fills.
    pub(super) fn dict(&mut self, key: &str, fill: impl FnOnce(&mut Dict<'_, W>)) -> &mut Self {
        self.key(key);
        Dict::write(self.out, fill);
        self
    }

    /// Writes an entry whose value may stand in another serializer.
    pub(super) fn transcoded(&mut self, key: &str, value: RawValue<'_>) {
        self.key(key);
        if transcode_value(value, W::SERIALIZER, self.out).is_err() {
            W::null(self.out);
        }
    }

    fn key(&mut self, key: &str) {
        if self.count > 0 {
            W::comma(self.out);
        }
        self.count += 1;
        W::text(key, self.out);
        W::colon(self.out);
    }
}

/// What can be an element or an option.
pub(super) trait Encode {
    fn encode<W: Writer>(&self, out: &mut Vec<u8>);
}

impl Encode for bool {
    fn encode<W: Writer>(&self, out: &mut Vec<u8>) {
        W::boolean(*self, out);
    }
}

impl Encode for u64 {
    fn encode<W: Writer>(&self, out: &mut Vec<u8>) {
        W::unsigned(*self, out);
    }
}

impl Encode for Text<'_> {
    fn encode<W: Writer>(&self, out: &mut Vec<u8>) {
        W::text(self, out);
    }
}

macro_rules! ids {
    ($($id:ident)*) => {$(
        impl Encode for $id {
            fn encode<W: Writer>(&self, out: &mut Vec<u8>) {
                W::unsigned(self.0, out);
            }
        }
    )*};
}

ids! { SessionId PublicationId SubscriptionId RegistrationId RequestId }

impl Encode for MatchPolicy {
    fn encode<W: Writer>(&self, out: &mut Vec<u8>) {
        W::text(self.name(), out);
    }
}

impl Encode for InvokePolicy {
    fn encode<W: Writer>(&self, out: &mut Vec<u8>) {
        W::text(self.name(), out);
    }
}

impl Encode for RawValue<'_> {
    fn encode<W: Writer>(&self, out: &mut Vec<u8>) {
        debug_assert_eq!(self.serializer, W::SERIALIZER, "transcode the value first");
        out.extend_from_slice(self.bytes);
    }
}

impl Encode for IdList<'_> {
    fn encode<W: Writer>(&self, out: &mut Vec<u8>) {
        list::<W, _>(self.iter(), out);
    }
}

impl Encode for TextList<'_> {
    fn encode<W: Writer>(&self, out: &mut Vec<u8>) {
        list::<W, _>(self.iter(), out);
    }
}

fn list<W: Writer, T: Encode>(elements: impl Iterator<Item = T>, out: &mut Vec<u8>) {
    let begun = W::begin(Container::List, out);
    let mut count = 0;
    for element in elements {
        if count > 0 {
            W::comma(out);
        }
        element.encode::<W>(out);
        count += 1;
    }
    W::end(begun, count, out);
}
