//! WAMP v2 syntax: messages, ids, URIs and the three serializers. Pure: no state, no I/O.

pub mod cut;
pub mod encode;
pub mod error_uri;
pub mod id;
pub mod list;
pub mod message;
pub mod passthru;
pub mod scan;
pub mod serializer;
pub mod transcode;
pub mod uri;

mod bigint;
mod cbor;
mod cursor;
mod fixed;
mod json;
mod msgpack;
mod reader;
mod shape;
pub(crate) mod utf8;
pub(crate) mod widest;
mod writer;

pub use encode::{encode, encode_head, text_args};
pub use id::{PublicationId, RegistrationId, RequestId, SessionId, SubscriptionId};
pub use message::{Message, Payload};
pub use scan::{ScanError, scan};
pub use serializer::Serializer;
pub use transcode::{transcode, transcode_value};
