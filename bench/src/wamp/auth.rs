//! Who the generator says it is, and how it answers a router that wants proof: by a ticket, or by WAMP-CRA.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use connectanum::wamp::message::RawValue;
use connectanum::wamp::{Serializer, transcode_value};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;

/// Bytes of a derived key, unless the challenge says otherwise.
const KEY_BYTES: usize = 32;

/// The most that a challenge may ask for: the rounds take time, and a router could ask for years.
const ITERATIONS_MAX: u32 = 10_000_000;
const KEY_BYTES_MAX: usize = 1024;

/// What the generator can prove.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// Who it is.
    pub(crate) authid: Option<String>,
    /// What a router takes as it is.
    pub(crate) ticket: Option<String>,
    /// What WAMP-CRA signs with.
    pub(crate) secret: Option<String>,
}

/// A challenge that cannot be answered.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AuthError {
    /// Nothing to answer with.
    #[error("a challenge by `{0}`, and there is nothing to answer it with: give --ticket or --wampcra")]
    Method(String),
    /// It says too little, or asks for too much.
    #[error("a challenge that cannot be read ({0})")]
    Challenge(String),
}

/// `CHALLENGE.Extra` of WAMP-CRA.
#[derive(Debug, Deserialize)]
struct Challenge {
    challenge: String,
    salt: Option<String>,
    iterations: Option<u32>,
    keylen: Option<usize>,
}

impl Credentials {
    /// The methods that it can prove itself with; none if it is anonymous.
    pub(crate) fn methods(&self) -> Vec<&'static str> {
        let ticket = self.ticket.as_ref().map(|_| "ticket");
        let secret = self.secret.as_ref().map(|_| "wampcra");
        ticket.into_iter().chain(secret).collect()
    }

    /// The signature that a challenge asks for.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn answer(&self, method: &str, extra: RawValue<'_>) -> Result<String, AuthError> {
        match (method, &self.ticket, &self.secret) {
            ("ticket", Some(ticket), _) => Ok(ticket.clone()),
            ("wampcra", _, Some(secret)) => sign(secret, &Challenge::read(extra)?),
            _ => Err(AuthError::Method(method.to_owned())),
        }
    }
}

/// Secrets are not for logs.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("authid", &self.authid).finish_non_exhaustive()
    }
}

impl Challenge {
    fn read(extra: RawValue<'_>) -> Result<Challenge, AuthError> {
        let fault = |why: &str| AuthError::Challenge(why.to_owned());
        let mut json = Vec::new();
        transcode_value(extra, Serializer::Json, &mut json).map_err(|e| fault(&e.to_string()))?;
        let challenge: Challenge = serde_json::from_slice(&json).map_err(|e| fault(&e.to_string()))?;
        if challenge.iterations.is_some_and(|count| !(1..=ITERATIONS_MAX).contains(&count)) {
            return Err(fault("its `iterations` are out of bounds"));
        }
        if challenge.keylen.is_some_and(|len| !(1..=KEY_BYTES_MAX).contains(&len)) {
            return Err(fault("its `keylen` is out of bounds"));
        }
        Ok(challenge)
    }
}

/// Signs a challenge; with a salt, the key is derived from the secret first.
fn sign(secret: &str, challenge: &Challenge) -> Result<String, AuthError> {
    let key = match &challenge.salt {
        None => secret.to_owned(),
        Some(salt) => {
            let mut key = vec![0; challenge.keylen.unwrap_or(KEY_BYTES)];
            let iterations = challenge.iterations.unwrap_or(1000);
            pbkdf2::pbkdf2_hmac::<Sha256>(secret.as_bytes(), salt.as_bytes(), iterations, &mut key);
            STANDARD.encode(key)
        }
    };
    let fault = |_| AuthError::Challenge("its key has no valid length".to_owned());
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).map_err(fault)?;
    mac.update(challenge.challenge.as_bytes());
    Ok(STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> RawValue<'_> {
        RawValue { serializer: Serializer::Json, bytes: json.as_bytes() }
    }

    fn secret(secret: &str) -> Credentials {
        Credentials { secret: Some(secret.to_owned()), ..Credentials::default() }
    }

    #[test]
    fn signatures_of_wampcra() {
        // RFC 4231, test case 2, in base64.
        let challenge = r#"{"challenge":"what do ya want for nothing?"}"#;
        let expected = "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=";
        assert_eq!(secret("Jefe").answer("wampcra", raw(challenge)).unwrap(), expected);
    }

    #[test]
    fn a_salted_secret_is_derived_first() {
        // As Python's hashlib and hmac have it.
        let salted = r#"{"challenge":"c","salt":"salt","iterations":2,"keylen":32}"#;
        let expected = "xeFzPsQrHh7Ch9uVRsh4OvnBUQOaOrQOr5GCyONOC/g=";
        assert_eq!(secret("password").answer("wampcra", raw(salted)).unwrap(), expected);
    }

    #[test]
    fn tickets_and_methods() {
        let both = Credentials { ticket: Some("t".to_owned()), ..secret("s") };
        assert_eq!(both.methods(), ["ticket", "wampcra"]);
        assert_eq!(both.answer("ticket", raw("{}")).unwrap(), "t");
        assert!(Credentials::default().methods().is_empty());
        assert!(!format!("{both:?}").contains("\"t\""), "secrets are not shown");
    }

    #[test]
    fn challenges_without_an_answer() {
        let error = |method, extra| secret("s").answer(method, raw(extra)).unwrap_err().to_string();
        assert!(error("cryptosign", "{}").contains("`cryptosign`"));
        assert!(error("wampcra", "{}").contains("missing field `challenge`"));
        let greedy = r#"{"challenge":"c","salt":"s","iterations":4000000000}"#;
        assert!(error("wampcra", greedy).contains("`iterations`"));
        assert!(error("wampcra", r#"{"challenge":"c","salt":"s","keylen":0}"#).contains("`keylen`"));
    }
}
