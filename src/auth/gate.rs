//! What a realm asks of those who want in: its methods, and the choice among them.

use std::sync::Arc;

use super::cookie::Cookie;
use super::cra::Cra;
use super::cryptosign::Cryptosign;
use super::dynamic::{AuthProcedure, Dynamic};
use super::scram::Scram;
use super::ticket::Ticket;
use super::transport::{Anonymous, Certificate};
use super::{Admitted, Authenticator, Denial, Directory, Hello, Issuer, Method, Step};
use crate::wamp::error_uri;

/// The methods of a realm.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    methods: Vec<(String, Arc<dyn Authenticator>)>,
}

impl Gate {
    /// A gate that is closed to everybody.
    pub fn new() -> Gate {
        Gate::default()
    }

    /// Opens it to whoever comes, who gets this role.
    pub fn with_anonymous(self, authrole: impl Into<String>) -> Gate {
        self.with(Method::Anonymous.name(), Arc::new(Anonymous { authrole: authrole.into() }))
    }

    /// Opens it to users by one of the methods that are built in, and for tickets to those whom others vouch for.
    pub fn with_users(self, method: Method, users: &Arc<Directory>, issuers: &[Issuer]) -> Gate {
        let users = users.clone();
        let authenticator: Arc<dyn Authenticator> = match method {
            Method::Ticket => Arc::new(Ticket { users, issuers: issuers.into() }),
            Method::Wampcra => Arc::new(Cra(users)),
            Method::Scram | Method::ScramDraft => Arc::new(Scram { users, method }),
            Method::Cryptosign => Arc::new(Cryptosign(users)),
            Method::Tls => Arc::new(Certificate(users)),
            Method::Cookie => Arc::new(Cookie),
            // It knows no users.
            Method::Anonymous => return self,
        };
        self.with(method.name(), authenticator)
    }

    /// Opens it to users whom a procedure knows. Those whom it does not know are played from `seed`, as in a [`Directory`].
    pub fn with_procedure(self, procedure: AuthProcedure, seed: &[u8]) -> Gate {
        let name = procedure.method.name();
        self.with(name, Arc::new(Dynamic::new(procedure, seed)))
    }

    /// Adds a method, or replaces it.
    pub fn with(mut self, name: impl Into<String>, authenticator: Arc<dyn Authenticator>) -> Gate {
        let name = name.into();
        self.methods.retain(|(other, _)| *other != name);
        self.methods.push((name, authenticator));
        self
    }

    /// Whether it has this method.
    pub fn offers(&self, name: &str) -> bool {
        self.methods.iter().any(|(known, _)| known == name)
    }

    /// Whether a cookie may let somebody in again whom this gate has let in.
    pub fn is_lasting(&self, admitted: &Admitted<'_>) -> bool {
        let method = self.methods.iter().find(|(name, _)| name == admitted.authmethod);
        method.is_some_and(|(_, method)| method.is_lasting(admitted))
    }

    /// May somebody stay who was let in before the configuration has changed?
    ///
    /// # Errors
    /// Why not.
    pub fn recheck(&self, admitted: &Admitted<'_>) -> Result<(), String> {
        match self.methods.iter().find(|(name, _)| name == admitted.authmethod) {
            Some((_, method)) => method.recheck(admitted),
            None => Err(format!("this realm does not offer `{}` any more", admitted.authmethod)),
        }
    }

    /// A client wants in. The first method that it offers and that is for it counts.
    pub fn start(&self, hello: &Hello<'_>) -> Step {
        // Who offers nothing wants to be nobody.
        let offered = match hello.authmethods {
            [] => &["anonymous"],
            methods => methods,
        };
        let found = offered.iter().filter_map(|name| self.methods.iter().find(|(known, _)| known == name));
        if let Some(step) = found.map(|(_, method)| method.start(hello)).find_map(|step| step) {
            return step;
        }
        let known: Vec<&str> = self.methods.iter().map(|(name, _)| name.as_str()).collect();
        let known = match known.as_slice() {
            [] => "none".to_owned(),
            known => known.join(", "),
        };
        let error = match hello.authmethods {
            [] => error_uri::AUTHENTICATION_REQUIRED,
            _ => error_uri::NO_MATCHING_AUTH_METHOD,
        };
        Step::Deny(Denial::new(error, format!("this realm's authentication methods are: {known}")))
    }
}

#[cfg(test)]
mod tests {
    use simd_json::json;

    use super::super::directory::tests::{directory, hello};
    use super::super::{CraSecret, TicketSecret, User};
    use super::*;

    fn gate() -> Gate {
        let (mut joe, mut ann) = (User::new("joe", "user"), User::new("ann", "user"));
        joe.secrets.ticket = Some(TicketSecret::of("t"));
        ann.secrets.wampcra = Some(CraSecret::plain("s"));
        ann.secrets.ticket = Some(TicketSecret::of("t"));
        let users = directory(vec![joe, ann]);
        Gate::new().with_users(Method::Ticket, &users, &[]).with_users(Method::Wampcra, &users, &[])
    }

    fn start(gate: &Gate, offered: &[&str], authid: Option<&str>) -> Step {
        gate.start(&hello(offered, authid, &json!(null)))
    }

    #[test]
    fn the_first_that_the_client_offers_and_that_is_for_it() {
        let method = |offered: &[&str], authid| match start(&gate(), offered, Some(authid)) {
            Step::Challenge(challenge) => challenge.method,
            other => panic!("{other:?}"),
        };
        assert_eq!(method(&["ticket", "wampcra"], "ann"), "ticket");
        assert_eq!(method(&["wampcra", "ticket"], "ann"), "wampcra");
        assert_eq!(method(&["tls", "nonsense", "wampcra", "ticket"], "ann"), "wampcra");
        // Whether or not somebody of that name uses it: that would tell who there is.
        assert_eq!(method(&["wampcra", "ticket"], "joe"), "wampcra");
        assert_eq!(method(&["wampcra", "ticket"], "nobody"), "wampcra");
    }

    #[test]
    fn nothing_fits() {
        let denied = |gate: &Gate, offered: &[&str]| match start(gate, offered, Some("joe")) {
            Step::Deny(denial) => {
                assert!(!denial.is_failed_try());
                (denial.error, denial.text)
            }
            other => panic!("{other:?}"),
        };
        let (error, text) = denied(&gate(), &["cryptosign", "tls"]);
        assert_eq!(error, "wamp.error.no_matching_auth_method");
        assert!(text.ends_with("are: ticket, wampcra"), "{text}");
        assert_eq!(denied(&gate(), &["anonymous"]).0, "wamp.error.no_matching_auth_method");
        assert_eq!(denied(&gate(), &[]).0, "wamp.error.authentication_required");
        assert!(denied(&Gate::new(), &[]).1.ends_with("are: none"));
    }

    #[test]
    fn anonymous_where_it_is_allowed() {
        let open = gate().with_anonymous("guest");
        for offered in [&[][..], &["anonymous"], &["nonsense", "anonymous"]] {
            match start(&open, offered, None) {
                Step::Welcome(principal) => {
                    assert_eq!((&*principal.authmethod, &*principal.authrole), ("anonymous", "guest"));
                    assert_eq!(principal.authid.len(), 13);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_method_of_an_embedder() {
        #[derive(Debug)]
        struct Nobody;
        impl Authenticator for Nobody {
            fn start(&self, _: &Hello<'_>) -> Option<Step> {
                Some(Step::Deny(Denial::wrong()))
            }
        }
        let gate = gate().with("ticket", Arc::new(Nobody)).with("magic", Arc::new(Nobody));
        assert_eq!(gate.methods.len(), 3);
        for offered in [["ticket"], ["magic"]] {
            assert!(
                matches!(start(&gate, &offered, Some("joe")), Step::Deny(denial) if denial.is_failed_try())
            );
        }
    }
}
