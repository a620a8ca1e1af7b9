//! What the encoder and the transcoder ask of a serializer when they write.

use super::reader::BigInt;
use super::serializer::Serializer;

/// A list or a dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    List,
    Dict,
}

/// A list or dictionary that began before its size was known.
#[derive(Debug)]
#[must_use]
pub(super) struct Begun {
    container: Container,
    /// Offset of its header, which is one byte until it ends.
    at: usize,
}

/// The longest header of a list or dictionary: CBOR's, with a count of eight bytes.
const HEADER_BYTES_MAX: usize = 9;

/// A serializer, for writing: values are appended to `out` one after the other.
pub(super) trait Writer {
    /// The serializer.
    const SERIALIZER: Serializer;

    /// Whether keys of dictionaries have to be text.
    const TEXT_KEYS: bool = false;

    fn null(out: &mut Vec<u8>);
    fn boolean(value: bool, out: &mut Vec<u8>);
    fn unsigned(value: u64, out: &mut Vec<u8>);
    /// Writes the integer `-1 - n`.
    fn negative(n: u64, out: &mut Vec<u8>);
    /// Writes an integer beyond 64 bits, or the closest value there is.
    fn big(value: &BigInt<'_>, out: &mut Vec<u8>);
    fn float32(value: f32, out: &mut Vec<u8>);
    fn float(value: f64, out: &mut Vec<u8>);
    fn text(text: &str, out: &mut Vec<u8>);
    fn binary(bytes: &[u8], out: &mut Vec<u8>);
    fn timestamp(seconds: i64, nanoseconds: u32, out: &mut Vec<u8>);

    /// Writes the beginning of a list of `count` elements or a dictionary of `count` entries. Its elements follow, and
    /// between them [`Writer::comma`].
    fn header(container: Container, count: usize, out: &mut Vec<u8>);

    /// As [`Writer::header`], but the count comes with [`Writer::end`].
    fn begin(container: Container, out: &mut Vec<u8>) -> Begun {
        let at = out.len();
        Self::header(container, 0, out);
        Begun { container, at }
    }

    /// Ends what [`Writer::begin`] began. The elements move if the header turns out longer than a byte.
    fn end(begun: Begun, count: usize, out: &mut Vec<u8>) {
        let end = out.len();
        Self::header(begun.container, count, out);
        if out.len() == end + 1 {
            out.swap_remove(begun.at);
        } else {
            // The header now stands behind the elements: they make room, and it goes before them.
            let mut header = [0; HEADER_BYTES_MAX];
            let header_bytes = out.len() - end;
            header[..header_bytes].copy_from_slice(&out[end..]);
            out.truncate(out.len() - 1);
            out.copy_within(begun.at + 1..end, begun.at + header_bytes);
            out[begun.at..][..header_bytes].copy_from_slice(&header[..header_bytes]);
        }
        Self::close(begun.container, out);
    }

    /// Writes what ends a list or dictionary that [`Writer::header`] began.
    fn close(container: Container, out: &mut Vec<u8>);

    /// Writes what stands between two elements or entries.
    fn comma(out: &mut Vec<u8>);

    /// Writes what stands between a key and its value.
    fn colon(out: &mut Vec<u8>);
}
