//! Authentication: who a client is, by which method, and what it has to prove (spec: "Authentication Methods").
//!
//! Pure: it knows no session, clock, socket or randomness. The router hands in the facts of a HELLO ([`Hello`]), random bytes and the
//! date, and gets a [`Step`]. A method is an [`Authenticator`]; a realm's methods together are its [`Gate`].
//!
//! Nobody learns here whether an authid exists. An unknown one is played by the [`Directory`]: it gets the challenge that a user
//! with that name could get, costs the same, and is denied with the same words as a wrong secret.

mod cookie;
mod cra;
mod cryptosign;
mod directory;
mod dynamic;
pub mod form;
mod gate;
pub mod hex;
mod jwt;
mod method;
mod scram;
mod throttle;
mod ticket;
mod transport;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use simd_json::OwnedValue;

pub use cookie::{CookieId, CookieIdError, CookieJar, CookieStore, Holder};
pub use cra::{CraSecret, Salting};
pub use cryptosign::PublicKey;
pub use directory::{Directory, Secrets, User};
pub use dynamic::{AuthProcedure, DYNAMIC};
pub use gate::Gate;
pub use jwt::{Issuer, Keys, KeysError};
pub use method::Method;
pub use scram::{DeriveError, Kdf, ScramSecret};
pub use throttle::{Throttle, ThrottleRules};
pub use ticket::TicketSecret;

use crate::wamp::error_uri;

/// What a client says in HELLO, and what is known of its connection.
#[derive(Debug)]
pub struct Hello<'a> {
    /// The realm that the client wants to join.
    pub realm: &'a str,
    /// The id that the session will have.
    pub session: u64,
    /// `Details.authmethods`, in the client's order.
    pub authmethods: &'a [&'a str],
    /// `Details.authid`.
    pub authid: Option<&'a str>,
    /// `Details.authextra`; null if there is none.
    pub extra: &'a OwnedValue,
    /// What the transport knows.
    pub channel: &'a Channel,
    /// Random bytes, for this handshake alone.
    pub random: [u8; 32],
    /// Milliseconds since 1970.
    pub date_ms: u64,
}

/// What the transport knows of the peer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Channel {
    /// Where the client is, as `127.0.0.1:45678`, if it has an address.
    pub peer: Option<String>,
    /// What TLS exports for channel binding `tls-exporter` (RFC 9266).
    pub exporter: Option<[u8; 32]>,
    /// SHA-256 of the certificate (DER) that the peer has shown and whose key it has.
    pub certificate: Option<[u8; 32]>,
    /// Whose cookie the WebSocket's request had, if that one may come into this realm now.
    pub cookie: Option<Principal>,
}

impl Channel {
    /// The channel's id under this name of a binding, if the transport has it.
    fn binding(&self, name: &str) -> Option<[u8; 32]> {
        self.exporter.filter(|_| name == "tls-exporter")
    }
}

/// A method of authentication, in one realm. Implement it to plug another in, see [`Gate::with`].
pub trait Authenticator: fmt::Debug + Send + Sync {
    /// A client offers this method. `None` if it is not for this client: the next that it offers is tried.
    fn start(&self, hello: &Hello<'_>) -> Option<Step>;

    /// The configuration has changed: may somebody stay whom this method has let in?
    ///
    /// # Errors
    /// Why not.
    fn recheck(&self, _admitted: &Admitted<'_>) -> Result<(), String> {
        Ok(())
    }

    /// Whether a cookie may let somebody in again whom this method has let in.
    fn is_lasting(&self, _admitted: &Admitted<'_>) -> bool {
        true
    }
}

/// Somebody who was let in before.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)] // the names of the specification
pub struct Admitted<'a> {
    pub authid: &'a str,
    pub authrole: &'a str,
    pub authmethod: &'a str,
    pub authprovider: &'a str,
    /// Milliseconds since 1970, now.
    pub date_ms: u64,
}

/// A challenge that waits for its AUTHENTICATE. It is used up by the answer: nothing can be answered twice.
pub trait Pending: fmt::Debug + Send {
    /// The client has answered. Another challenge may follow (two factors).
    fn finish(self: Box<Self>, signature: &str, extra: &OwnedValue, date_ms: u64) -> Step;
}

/// What comes next in a handshake.
#[derive(Debug)]
pub enum Step {
    /// Send CHALLENGE.
    Challenge(Challenge),
    /// Run the job, on a thread that may be busy for a while.
    Verify(Job),
    /// Call a procedure, and go on with its answer.
    Ask(Ask),
    /// The client is who it says: send WELCOME.
    Welcome(Principal),
    /// Send ABORT.
    Deny(Denial),
}

/// A CHALLENGE to send.
#[derive(Debug)]
pub struct Challenge {
    /// The method's name.
    pub method: String,
    /// `Extra`, a dictionary.
    pub extra: OwnedValue,
    /// What takes the answer.
    pub pending: Box<dyn Pending>,
}

/// Work that takes long on purpose, as hashing a password does.
pub struct Job(Box<dyn FnOnce() -> Step + Send>);

impl Job {
    /// A job that does this work.
    pub fn new(work: impl FnOnce() -> Step + Send + 'static) -> Job {
        Job(Box::new(work))
    }

    /// Does the work.
    pub fn run(self) -> Step {
        (self.0)()
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Job")
    }
}

/// A procedure to call, which knows more.
pub struct Ask {
    /// What to call.
    pub procedure: Arc<str>,
    /// In which realm; `None`: in that of the client.
    pub realm: Option<Arc<str>>,
    /// With these arguments.
    pub args: Vec<OwnedValue>,
    then: Box<Then>,
}

type Then = dyn FnOnce(Answer, u64) -> Step + Send;

impl Ask {
    /// The call, and what comes of its answer; the number is the date, in milliseconds since 1970.
    pub fn new(
        procedure: Arc<str>,
        realm: Option<Arc<str>>,
        args: Vec<OwnedValue>,
        then: impl FnOnce(Answer, u64) -> Step + Send + 'static,
    ) -> Ask {
        Ask { procedure, realm, args, then: Box::new(then) }
    }

    /// The answer has come.
    pub fn go_on(self, answer: Answer, date_ms: u64) -> Step {
        (self.then)(answer, date_ms)
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ask({:?})", self.procedure)
    }
}

/// What a procedure that was called has answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The first argument of its result.
    Value(OwnedValue),
    /// It has raised an error, with this text.
    Refused(Option<String>),
    /// There is no answer: nobody offers the procedure, or it is gone or too slow.
    Failed,
}

/// Who an authenticated client is.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // the names of the specification
pub struct Principal {
    pub authid: String,
    pub authrole: String,
    pub authmethod: String,
    pub authprovider: String,
    /// `WELCOME.Details.authextra`, a dictionary.
    pub authextra: Option<OwnedValue>,
}

/// Why a client is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The reason of ABORT.
    pub error: &'static str,
    /// In words.
    pub text: String,
    /// `ABORT.Details.scram`.
    pub scram: Option<&'static str>,
}

impl Denial {
    fn new(error: &'static str, text: impl Into<String>) -> Denial {
        Denial { error, text: text.into(), scram: None }
    }

    /// The secret is wrong, or nobody has that name: the client is not told which.
    pub fn wrong() -> Denial {
        Denial::new(error_uri::AUTHENTICATION_DENIED, "unknown principal or wrong secret")
    }

    /// Something that the method needs is missing in HELLO.
    fn lacks(method: Method, what: &str) -> Denial {
        Denial::new(error_uri::AUTHENTICATION_REQUIRED, format!("{} needs {what}", method.name()))
    }

    /// Whether it was a try to get in, to be counted by a [`Throttle`].
    pub fn is_failed_try(&self) -> bool {
        self.error == error_uri::AUTHENTICATION_DENIED
    }
}

/// An authid in its normal form (SASLprep): WAMP-SCRAM takes all that have the same one for one user.
pub fn canonical(authid: &str) -> Cow<'_, str> {
    stringprep::saslprep(authid).unwrap_or(Cow::Borrowed(authid))
}

/// The text under a key of a dictionary.
fn text<'a>(dict: &'a OwnedValue, key: &str) -> Option<&'a str> {
    use simd_json::prelude::*;
    dict.get_str(key)
}
