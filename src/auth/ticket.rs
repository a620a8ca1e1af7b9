//! Tickets: the client sends a secret, or a token that somebody else has signed (spec: "Ticket-based Authentication").

use std::fmt;
use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use ring::digest;
use simd_json::{OwnedValue, json};
use subtle::ConstantTimeEq;

use super::{
    Admitted, Authenticator, Challenge, Denial, Directory, Hello, Issuer, Job, Method, Pending, Step, User,
    jwt,
};
use crate::wamp::error_uri;

/// What the server has of a user's ticket.
#[derive(Clone, PartialEq, Eq)]
pub enum TicketSecret {
    /// SHA-256, for a ticket that nobody can guess: a random one.
    Sha256([u8; 32]),
    /// Argon2id, for a password.
    Argon2id {
        /// Cost, and the length of the hash.
        params: Params,
        /// Salt.
        salt: Vec<u8>,
        /// Hash.
        hash: Vec<u8>,
    },
}

impl TicketSecret {
    /// The hash of a random ticket.
    pub fn of(ticket: &str) -> TicketSecret {
        TicketSecret::Sha256(sha256(ticket.as_bytes()))
    }

    /// The hash of a password.
    ///
    /// # Errors
    /// If Argon2 has no use for salt or parameters.
    pub fn of_password(password: &str, salt: Vec<u8>, params: Params) -> Result<TicketSecret, argon2::Error> {
        let hash = argon2id(password, &salt, &params)?;
        Ok(TicketSecret::Argon2id { params, salt, hash })
    }

    /// Whether the ticket is right. `None`: it could not be found out.
    fn check(&self, ticket: &str) -> Option<bool> {
        let (given, wanted) = match self {
            TicketSecret::Sha256(hash) => (sha256(ticket.as_bytes()).to_vec(), &hash[..]),
            TicketSecret::Argon2id { params, salt, hash } => {
                (argon2id(ticket, salt, params).ok()?, hash.as_slice())
            }
        };
        Some(given.ct_eq(wanted).into())
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

fn argon2id(password: &str, salt: &[u8], params: &Params) -> Result<Vec<u8>, argon2::Error> {
    let mut hash = vec![0; params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN)];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    argon2.hash_password_into(password.as_bytes(), salt, &mut hash)?;
    Ok(hash)
}

impl fmt::Debug for TicketSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TicketSecret::Sha256(_) => "TicketSecret(SHA-256)",
            TicketSecret::Argon2id { .. } => "TicketSecret(Argon2id)",
        })
    }
}

/// The method in a realm.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) users: Arc<Directory>,
    /// Whose tokens count as tickets.
    pub(super) issuers: Arc<[Issuer]>,
}

impl Authenticator for Ticket {
    fn recheck(&self, admitted: &Admitted<'_>) -> Result<(), String> {
        match self.issuers.iter().any(|issuer| issuer.authprovider() == admitted.authprovider) {
            true => Ok(()),
            false => self.users.recheck(Method::Ticket, admitted),
        }
    }

    /// Tokens have a time of their own.
    fn is_lasting(&self, admitted: &Admitted<'_>) -> bool {
        !self.issuers.iter().any(|issuer| issuer.authprovider() == admitted.authprovider)
    }

    fn start(&self, hello: &Hello<'_>) -> Option<Step> {
        let user = hello.authid.and_then(|authid| self.users.find(authid, Method::Ticket));
        if user.is_none() && self.issuers.is_empty() {
            return match hello.authid {
                None => Some(Step::Deny(Denial::lacks(Method::Ticket, "an authid"))),
                Some(_) => None,
            };
        }
        let pending = Awaited {
            authid: hello.authid.map(str::to_owned),
            user: user.map(|(user, known)| (user.clone(), known)),
            issuers: self.issuers.clone(),
        };
        let method = Method::Ticket.name().to_owned();
        Some(Step::Challenge(Challenge { method, extra: json!({}), pending: Box::new(pending) }))
    }
}

/// A ticket that is awaited.
#[derive(Debug)]
struct Awaited {
    authid: Option<String>,
    /// Whose; not known: a stranger, played by this one.
    user: Option<(Arc<User>, bool)>,
    issuers: Arc<[Issuer]>,
}

impl Pending for Awaited {
    fn finish(self: Box<Self>, ticket: &str, _: &OwnedValue, date_ms: u64) -> Step {
        if !self.issuers.is_empty() && jwt::is_token(ticket) {
            let principal = self.issuers.iter().find_map(|issuer| issuer.principal(ticket, date_ms));
            return match principal.filter(|it| self.authid.as_ref().is_none_or(|authid| *authid == it.authid))
            {
                Some(principal) => Step::Welcome(principal),
                None => Step::Deny(Denial::wrong()),
            };
        }
        let Some((user, known)) = self.user else { return Step::Deny(Denial::wrong()) };
        let expensive = matches!(user.secrets.ticket, Some(TicketSecret::Argon2id { .. }));
        let ticket = ticket.to_owned();
        let check = move || {
            let Some(secret) = &user.secrets.ticket else { return Step::Deny(Denial::wrong()) };
            match secret.check(&ticket) {
                Some(right) => user.welcome_if(right && known, Method::Ticket, None, date_ms),
                None => Step::Deny(Denial::new(
                    error_uri::AUTHENTICATION_FAILED,
                    "the ticket could not be checked",
                )),
            }
        };
        match expensive {
            true => Step::Verify(Job::new(check)),
            false => check(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::directory::tests::{directory, hello};
    use super::*;

    fn method() -> Ticket {
        let (mut joe, mut ann) = (User::new("joe", "user"), User::new("ann", "admin"));
        joe.secrets.ticket = Some(TicketSecret::of("a random ticket"));
        let params = Params::new(8, 1, 1, Some(32)).unwrap();
        ann.secrets.ticket =
            Some(TicketSecret::of_password("password", b"saltsalt".to_vec(), params).unwrap());
        Ticket { users: directory(vec![joe, ann]), issuers: [].into() }
    }

    fn answer(authid: &str, ticket: &str) -> (bool, Step) {
        match method().start(&hello(&["ticket"], Some(authid), &json!(null))) {
            Some(Step::Challenge(Challenge { method, extra, pending })) => {
                assert_eq!((method.as_str(), extra), ("ticket", json!({})));
                match pending.finish(ticket, &json!({}), 0) {
                    Step::Verify(job) => (true, job.run()),
                    step => (false, step),
                }
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn right_and_wrong() {
        for (authid, ticket, role, expensive) in
            [("joe", "a random ticket", "user", false), ("ann", "password", "admin", true)]
        {
            match answer(authid, ticket) {
                (job, Step::Welcome(principal)) => {
                    assert_eq!(job, expensive);
                    assert_eq!((&*principal.authid, &*principal.authrole), (authid, role));
                    assert_eq!(principal.authmethod, "ticket");
                }
                other => panic!("{other:?}"),
            }
            for wrong in ["", "Password", &ticket[1..]] {
                let (job, step) = answer(authid, wrong);
                assert_eq!(job, expensive);
                assert!(matches!(step, Step::Deny(denial) if denial == Denial::wrong()));
            }
        }
    }

    #[test]
    fn strangers_cost_as_much_as_somebody() {
        let mut jobs = 0;
        for i in 0..40 {
            for ticket in ["a random ticket", "password"] {
                let (job, step) = answer(&format!("stranger{i}"), ticket);
                jobs += usize::from(job);
                assert!(matches!(step, Step::Deny(denial) if denial == Denial::wrong()));
            }
        }
        assert!((20..60).contains(&jobs), "{jobs} of 80");
    }

    #[test]
    fn a_name_must_be_there() {
        let step = method().start(&hello(&["ticket"], None, &json!(null)));
        assert!(
            matches!(step, Some(Step::Deny(denial)) if denial.error == error_uri::AUTHENTICATION_REQUIRED)
        );
    }
}
