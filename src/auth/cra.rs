//! WAMP-CRA: the client signs a challenge with a secret that both know, or with a key derived from it
//! (spec: "Challenge Response Authentication").

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ring::{hmac, pbkdf2};
use simd_json::{OwnedValue, json};

use super::{Admitted, Authenticator, Challenge, Denial, Directory, Hello, Method, Pending, Step, User};

/// What the server has of a user's secret.
#[derive(Clone, PartialEq, Eq)]
pub struct CraSecret {
    /// What signs: the secret itself, or the base64 text of the key derived from it, as all implementations have it.
    pub key: Vec<u8>,
    /// How the key is derived.
    pub salting: Option<Salting>,
}

/// Parameters of PBKDF2-HMAC-SHA256.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names of the specification
pub struct Salting {
    /// A text, which is hashed as it stands.
    pub salt: String,
    pub iterations: NonZeroU32,
    pub keylen: usize,
}

impl CraSecret {
    /// The secret as it is.
    pub fn plain(secret: &str) -> CraSecret {
        CraSecret { key: secret.into(), salting: None }
    }

    /// A key derived from the secret.
    pub fn salted(secret: &str, salting: Salting) -> CraSecret {
        let mut derived = vec![0; salting.keylen];
        let salt = salting.salt.as_bytes();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, salting.iterations, salt, secret.as_bytes(), &mut derived);
        CraSecret { key: BASE64_STANDARD.encode(derived).into(), salting: Some(salting) }
    }
}

impl fmt::Debug for CraSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CraSecret({:?})", self.salting)
    }
}

/// The method in a realm.
#[derive(Debug)]
pub(super) struct Cra(pub(super) Arc<Directory>);

impl Authenticator for Cra {
    fn recheck(&self, admitted: &Admitted<'_>) -> Result<(), String> {
        self.0.recheck(Method::Wampcra, admitted)
    }

    fn start(&self, hello: &Hello<'_>) -> Option<Step> {
        let Some(authid) = hello.authid else {
            return Some(Step::Deny(Denial::lacks(Method::Wampcra, "an authid")));
        };
        let (user, known) = self.0.find(authid, Method::Wampcra)?;
        let secret = user.secrets.wampcra.as_ref()?;
        let challenge = challenge(hello, authid, user);
        let mut extra = json!({ "challenge": challenge.as_str() });
        if let Some(Salting { salt, iterations, keylen }) = &secret.salting {
            let salt = match known {
                true => salt.clone(),
                false => self.0.pretend_text("wampcra salt", authid, salt.len()),
            };
            extra = json!({
                "challenge": challenge.as_str(), "salt": salt, "keylen": *keylen, "iterations": iterations.get()
            });
        }
        let pending = Signature {
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret.key),
            challenge,
            user: user.clone(),
            known,
        };
        let method = Method::Wampcra.name().to_owned();
        Some(Step::Challenge(Challenge { method, extra, pending: Box::new(pending) }))
    }
}

/// The text to be signed.
fn challenge(hello: &Hello<'_>, authid: &str, user: &User) -> String {
    use simd_json::prelude::*;
    let ms = i64::try_from(hello.date_ms).unwrap_or(i64::MAX);
    let timestamp = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
    json!({
        "authid": authid,
        "authrole": user.authrole.as_str(),
        "authmethod": Method::Wampcra.name(),
        "authprovider": user.authprovider.as_str(),
        "nonce": BASE64_STANDARD.encode(hello.random),
        "timestamp": format!("{timestamp:.3}"),
        "session": hello.session,
    })
    .encode()
}

/// A signature that is awaited.
struct Signature {
    key: hmac::Key,
    challenge: String,
    user: Arc<User>,
    known: bool,
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", self.challenge)
    }
}

impl Pending for Signature {
    fn finish(self: Box<Self>, signature: &str, _: &OwnedValue, date_ms: u64) -> Step {
        let signature = BASE64_STANDARD.decode(signature.trim_end()).unwrap_or_default();
        let right = hmac::verify(&self.key, self.challenge.as_bytes(), &signature).is_ok();
        self.user.welcome_if(right && self.known, Method::Wampcra, None, date_ms)
    }
}

#[cfg(test)]
mod tests {
    use simd_json::prelude::*;

    use super::super::directory::tests::{directory, hello};
    use super::super::hex;
    use super::*;

    fn sign(key: &[u8], challenge: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        BASE64_STANDARD.encode(hmac::sign(&key, challenge.as_bytes()))
    }

    fn salting(salt: &str, iterations: u32, keylen: usize) -> Salting {
        Salting { salt: salt.to_owned(), iterations: iterations.try_into().unwrap(), keylen }
    }

    #[test]
    fn known_values() {
        // The values of Autobahn's own tests.
        let secret = CraSecret::salted("L3L1YUE8Txlw", salting("salt123", 1000, 32));
        assert_eq!(secret.key, b"qzcdsr9uu/L5hnss3kjNTRe490ETgA70ZBaB5rvnJ5Y=");
        assert_eq!(sign(b"L3L1YUE8Txlw", "[1, 2, 3]"), "1njQtmmeYO41N5EWEzD2kAjjEKRZ5kPZt/TzpYXOzR0=");
        // RFC 7914, section 11: PBKDF2-HMAC-SHA256.
        let secret = CraSecret::salted("passwd", salting("salt", 1, 64));
        let derived = "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc\
                       49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783";
        assert_eq!(hex::encode(&BASE64_STANDARD.decode(secret.key).unwrap()), derived);
    }

    fn start(authid: &str) -> (OwnedValue, Box<dyn Pending>) {
        let plain = Secrets(CraSecret::plain("secret2"));
        let salted = Secrets(CraSecret::salted("secret2", salting("salt123", 100, 32)));
        let directory = directory(vec![plain.user("peter"), salted.user("joe")]);
        let step = Cra(directory).start(&hello(&["wampcra"], Some(authid), &json!(null)));
        match step {
            Some(Step::Challenge(Challenge { method, extra, pending })) => {
                assert_eq!(method, "wampcra");
                (extra, pending)
            }
            other => panic!("{other:?}"),
        }
    }

    struct Secrets(CraSecret);

    impl Secrets {
        fn user(&self, authid: &str) -> User {
            let mut user = User::new(authid, "user");
            user.secrets.wampcra = Some(self.0.clone());
            user
        }
    }

    #[test]
    fn right_and_wrong() {
        let null = json!(null);
        for (authid, secret) in [("peter", "secret2"), ("joe", "secret2")] {
            let sign = |extra: &OwnedValue, secret: &str| {
                let key = match extra.get_str("salt") {
                    Some(salt) => {
                        let keylen = extra.get_usize("keylen").unwrap();
                        let iterations = extra.get_u32("iterations").unwrap();
                        CraSecret::salted(secret, salting(salt, iterations, keylen)).key
                    }
                    None => secret.into(),
                };
                sign(&key, extra.get_str("challenge").unwrap())
            };
            let (extra, pending) = start(authid);
            let signature = sign(&extra, secret);
            match pending.finish(&signature, &null, 0) {
                Step::Welcome(principal) => {
                    assert_eq!((&*principal.authid, &*principal.authrole), (authid, "user"));
                    assert_eq!((&*principal.authmethod, &*principal.authprovider), ("wampcra", "static"));
                }
                other => panic!("{other:?}"),
            }
            for wrong in
                [sign(&extra, "secret3"), "".to_owned(), "????".to_owned(), signature[..20].to_owned()]
            {
                let (_, pending) = start(authid);
                assert!(
                    matches!(pending.finish(&wrong, &null, 0), Step::Deny(d) if d == Denial::wrong()),
                    "{wrong}"
                );
            }
        }
    }

    #[test]
    fn the_challenge_says_what_it_is_for() {
        let (extra, _) = start("peter");
        let mut text = extra.get_str("challenge").unwrap().to_owned().into_bytes();
        let challenge = simd_json::to_owned_value(&mut text).unwrap();
        let keys = ["authid", "authrole", "authmethod", "authprovider"].map(|key| challenge.get_str(key));
        assert_eq!(keys, [Some("peter"), Some("user"), Some("wampcra"), Some("static")]);
        assert_eq!(challenge.get_u64("session"), Some(77));
        assert_eq!(challenge.get_str("timestamp"), Some("2023-11-14T22:13:20.123Z"));
        assert_eq!(challenge.get_str("nonce").unwrap().len(), 44);
    }

    #[test]
    fn strangers_get_a_challenge_that_never_changes_its_salt() {
        let mut salted = 0;
        for i in 0..50 {
            let name = format!("stranger{i}");
            let ((a, pending), (b, _)) = (start(&name), start(&name));
            assert_eq!(a.get("salt"), b.get("salt"));
            if let Some(salt) = a.get_str("salt") {
                salted += 1;
                assert_eq!((salt.len(), a.get_u32("iterations")), (7, Some(100)));
                assert_ne!(salt, "salt123");
            }
            // Not even with the secret of the user that it is modelled on.
            let signature = sign(b"secret2", a.get_str("challenge").unwrap());
            assert!(
                matches!(pending.finish(&signature, &json!(null), 0), Step::Deny(d) if d == Denial::wrong())
            );
        }
        assert!((10..40).contains(&salted), "both kinds of users are played: {salted}");
    }
}
