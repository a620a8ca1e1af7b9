//! The types that elements and options of messages have.

use super::super::id::{self, PublicationId, RegistrationId, RequestId, SessionId, SubscriptionId};
use super::super::list::{IdList, TextList};
use super::super::message::{InvokePolicy, MatchPolicy, RawValue, Text};
use super::super::reader::{Fault, Kind, Read, Reader};

/// A type that can be read from a message.
pub(super) trait Field<'a>: Sized {
    /// What an error says it must be.
    const EXPECTED: &'static str;

    fn read<R: Reader<'a>>(reader: &mut R) -> Read<Self>;
}

impl<'a> Field<'a> for bool {
    const EXPECTED: &'static str = "a bool";

    fn read<R: Reader<'a>>(reader: &mut R) -> Read<Self> {
        reader.boolean()
    }
}

impl<'a> Field<'a> for u64 {
    const EXPECTED: &'static str = "an integer that is not negative";

    fn read<R: Reader<'a>>(reader: &mut R) -> Read<Self> {
        reader.unsigned()
    }
}

impl<'a> Field<'a> for Text<'a> {
    const EXPECTED: &'static str = "a string";

    fn read<R: Reader<'a>>(reader: &mut R) -> Read<Self> {
        reader.text()
    }
}

macro_rules! ids {
    ($($id:ident)*) => {$(
        impl<'a> Field<'a> for $id {
            const EXPECTED: &'static str = "an id, which is an integer";

            fn read<R: Reader<'a>>(reader: &mut R) -> Read<Self> {
                checked_id(reader).map($id)
            }
        }
    )*};
}

ids! { SessionId PublicationId SubscriptionId RegistrationId RequestId }

fn checked_id<'a, R: Reader<'a>>(reader: &mut R) -> Read<u64> {
    let id = reader.unsigned()?;
    if id::is_valid(id) { Ok(id) } else { reader.fail(Fault::NoId(id)) }
}

impl<'a> Field<'a> for MatchPolicy {
    const EXPECTED: &'static str = "one of exact, prefix, wildcard";

    fn read<R: Reader<'a>>(reader: &mut R) -> Read<Self> {
        match MatchPolicy::from_name(&reader.text()?) {
            Some(policy) => Ok(policy),
            None => reader.fail(Fault::WrongType),
        }
    }
}

impl<'a> Field<'a> for InvokePolicy {
    const EXPECTED: &'static str = "one of single, first, last, random, roundrobin, load";

    fn read<R: Reader<'a>>(reader: &mut R) -> Read<Self> {
        match InvokePolicy::from_name(&reader.text()?) {
            Some(policy) => Ok(policy),
            None => reader.fail(Fault::WrongType),
        }
    }
}

/// The name of a payload encryption that existing clients know.
#[derive(Clone, Debug)]
pub(super) struct EncAlgo<'a>(pub(super) Text<'a>);

impl<'a> Field<'a> for EncAlgo<'a> {
    const EXPECTED: &'static str = "one of cryptobox, mqtt, xbr, x_…";

    fn read<R: Reader<'a>>(reader: &mut R) -> Read<Self> {
        let name = reader.text()?;
        let known = matches!(&*name, "cryptobox" | "mqtt" | "xbr") || name.starts_with("x_");
        if known { Ok(EncAlgo(name)) } else { reader.fail(Fault::WrongType) }
    }
}

impl<'a> Field<'a> for RawValue<'a> {
    const EXPECTED: &'static str = "a dict";

    fn read<R: Reader<'a>>(reader: &mut R) -> Read<Self> {
        if reader.kind() != Kind::Dict {
            return wrong_type(reader);
        }
        let start = reader.position();
        reader.skip()?;
        Ok(RawValue { serializer: R::SERIALIZER, bytes: reader.since(start) })
    }
}

impl<'a> Field<'a> for IdList<'a> {
    const EXPECTED: &'static str = "a list of ids";

    fn read<R: Reader<'a>>(reader: &mut R) -> Read<Self> {
        let bytes = list(reader, |reader| checked_id(reader).map(drop))?;
        Ok(IdList::Raw { serializer: R::SERIALIZER, bytes })
    }
}

impl<'a> Field<'a> for TextList<'a> {
    const EXPECTED: &'static str = "a list of strings";

    fn read<R: Reader<'a>>(reader: &mut R) -> Read<Self> {
        let bytes = list(reader, |reader| reader.text().map(drop))?;
        Ok(TextList::Raw { serializer: R::SERIALIZER, bytes })
    }
}

/// `forward_for`: the routers that a message has passed. Checked, not used.
#[derive(Debug)]
pub(super) struct ForwardFor;

impl<'a> Field<'a> for ForwardFor {
    const EXPECTED: &'static str = "a list of {session, authid, authrole}";

    fn read<R: Reader<'a>>(reader: &mut R) -> Read<Self> {
        list(reader, forwarder)?;
        Ok(ForwardFor)
    }
}

fn forwarder<'a, R: Reader<'a>>(reader: &mut R) -> Read<()> {
    let mut open = reader.open_dict()?;
    let (mut session, mut authid, mut authrole) = (false, false, false);
    while let Some(key) = reader.next_key(&mut open)? {
        match &*key {
            "session" => session = checked_id(reader).map(|_| true)?,
            "authid" => authid = reader.text().map(|_| true)?,
            "authrole" => authrole = reader.text().map(|_| true)?,
            _ => reader.skip()?,
        }
    }
    if session && authid && authrole { Ok(()) } else { reader.fail(Fault::WrongType) }
}

/// Reads a list whose elements all pass `check`; gives its bytes.
fn list<'a, R: Reader<'a>>(reader: &mut R, check: impl Fn(&mut R) -> Read<()>) -> Read<&'a [u8]> {
    let start = reader.position();
    let mut open = reader.open_list()?;
    while reader.next(&mut open)? {
        check(reader)?;
    }
    Ok(reader.since(start))
}

/// Fails because of a value that has the wrong type, if it is a value at all.
#[cold]
pub(super) fn wrong_type<'a, R: Reader<'a>, T>(reader: &mut R) -> Read<T> {
    reader.skip()?;
    reader.fail(Fault::WrongType)
}
