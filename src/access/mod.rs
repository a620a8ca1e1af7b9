//! Authorization: what a session may do (spec: "Authorization").
//!
//! Pure: it knows no session, clock or connection. The router asks the realm's [`Access`] before a CALL, REGISTER, PUBLISH or SUBSCRIBE has
//! any effect and before it looks whether there is such a URI, so a denial tells nothing. Who decides is an [`Authorizer`]: the
//! [`Roles`] of the configuration, or one of an embedder. It may also name a procedure that is to decide ([`Decision::Ask`]).

mod pattern;
mod roles;

use std::fmt;
use std::sync::Arc;

pub use roles::{Role, Roles, Rule};

use crate::wamp::message::MatchPolicy;

/// What a session may want to do with a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// CALL it.
    Call,
    /// REGISTER it.
    Register,
    /// PUBLISH to it.
    Publish,
    /// SUBSCRIBE to it.
    Subscribe,
}

impl Action {
    /// All there are.
    pub const ALL: [Action; 4] = [Action::Call, Action::Register, Action::Publish, Action::Subscribe];

    /// The word for it in configurations and for authorizers.
    pub const fn name(self) -> &'static str {
        match self {
            Action::Call => "call",
            Action::Register => "register",
            Action::Publish => "publish",
            Action::Subscribe => "subscribe",
        }
    }
}

/// A set of actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Actions(u8);

impl Actions {
    /// All of them.
    pub const ALL: Actions = Actions(0b1111);

    /// Whether this is one of them.
    pub const fn contains(self, action: Action) -> bool {
        self.0 & (1 << action as u8) != 0
    }
}

impl FromIterator<Action> for Actions {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Actions {
        Actions(actions.into_iter().fold(0, |all, action| all | 1 << action as u8))
    }
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The session's id.
    pub session: u64,
    /// Who it is.
    pub authid: &'a str,
    /// Its role.
    pub authrole: &'a str,
    /// What it wants to do.
    pub action: Action,
    /// With which URI or pattern.
    pub uri: &'a str,
    /// How others match it. A CALL and a PUBLISH are always exact.
    pub match_policy: MatchPolicy,
}

/// What becomes of a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is allowed.
    Allow(Grant),
    /// It is not allowed.
    Deny {
        /// The session need not ask again.
        cache: bool,
    },
    /// This procedure decides.
    Ask(Arc<str>),
}

/// How something is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Callees learn who calls, subscribers who publishes, whether or not the client asks for it.
    pub disclose: bool,
    /// The session need not ask again.
    pub cache: bool,
}

/// Decides what sessions of a realm may do. Implement it to plug another in; it is asked on the threads of the shards and must not
/// wait.
pub trait Authorizer: fmt::Debug + Send + Sync {
    /// Whether this may be done.
    fn decide(&self, request: &Request<'_>) -> Decision;

    /// Whether there is such a role. Whom an authenticator gives another one is not let in.
    fn knows(&self, _authrole: &str) -> bool {
        true
    }
}

/// Who decides in a realm.
#[derive(Clone, Debug, Default)]
pub struct Access(Option<Arc<dyn Authorizer>>);

impl Access {
    /// Everybody may do everything.
    pub fn open() -> Access {
        Access(None)
    }

    /// This authorizer decides.
    pub fn by(authorizer: Arc<dyn Authorizer>) -> Access {
        Access(Some(authorizer))
    }

    /// These roles decide; without any, everybody may do everything.
    pub fn of(roles: &[Role]) -> Access {
        match roles {
            [] => Access::open(),
            roles => Access::by(Arc::new(Roles::new(roles))),
        }
    }

    /// Whether everybody may do everything.
    pub fn is_open(&self) -> bool {
        self.0.is_none()
    }

    /// Whether there is such a role.
    pub fn knows(&self, authrole: &str) -> bool {
        self.0.as_ref().is_none_or(|authorizer| authorizer.knows(authrole))
    }

    /// Whether this may be done.
    pub fn decide(&self, request: &Request<'_>) -> Decision {
        match &self.0 {
            None => Decision::Allow(Grant { disclose: false, cache: true }),
            Some(authorizer) => authorizer.decide(request),
        }
    }
}
