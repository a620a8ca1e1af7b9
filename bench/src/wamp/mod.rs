//! The client's side of WAMP, no more of it than the load needs: joining a realm, and messages that are made once and
//! sent many times.

mod auth;
mod peek;
mod reader;
mod session;
mod stamp;
mod template;

pub(crate) use auth::{AuthError, Credentials};
pub(crate) use reader::{ReadError, Reader, Received};
pub(crate) use session::{Intent, Session, SessionError};
pub(crate) use stamp::{STAMP_BYTES, Stamp, text};
pub(crate) use template::Template;

use connectanum::wamp::message::Message;
use connectanum::wamp::{Serializer, scan};

/// A message in a few words, for people who have to find out what went wrong.
fn describe(serializer: Serializer, body: &[u8]) -> String {
    match scan(serializer, body) {
        Ok(Message::Abort(abort)) => {
            format!("ABORT {} {}", abort.reason, abort.message.as_deref().unwrap_or_default())
        }
        Ok(Message::Goodbye { reason, .. }) => format!("GOODBYE {reason}"),
        Ok(Message::Error(error)) => {
            format!("ERROR {} for a request of type {}", error.error, error.request_type)
        }
        Ok(Message::Challenge { method, .. }) => format!("CHALLENGE {method}"),
        Ok(message) => format!("{message:.120?}"),
        Err(error) => format!("a message that is none ({error}): {:.120?}", String::from_utf8_lossy(body)),
    }
}
