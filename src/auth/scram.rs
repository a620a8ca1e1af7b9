//! WAMP-SCRAM: both sides prove that they know a password, of which the server has only keys derived from it
//! (spec: "Salted Challenge Response Authentication"; RFC 5802, RFC 7677).
//!
//! Autobahn|Python and Crossbar have it as it was in a draft ([`Method::ScramDraft`]): with another name, another salted password
//! (Argon2's hash as a text in base64), nothing of the channel in the message that is signed, and another name for the verifier.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, Engine as _};
use ring::{digest, hmac, pbkdf2};
use simd_json::{OwnedValue, json};
use stringprep::saslprep;
use subtle::ConstantTimeEq;

use super::{
    Admitted, Authenticator, Challenge, Denial, Directory, Hello, Method, Pending, Step, User, text,
};
use crate::limits::NONCE_BYTES_MAX;
use crate::wamp::error_uri;

/// How a password becomes a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names of the specification
pub enum Kdf {
    Pbkdf2 {
        iterations: NonZeroU32,
    },
    Argon2id13 {
        iterations: u32,
        /// KiB.
        memory: u32,
    },
    /// As the draft has it.
    DraftArgon2id13 {
        iterations: u32,
        /// KiB.
        memory: u32,
    },
}

impl Kdf {
    /// Its name in CHALLENGE.
    pub const fn name(self) -> &'static str {
        match self {
            Kdf::Pbkdf2 { .. } => "pbkdf2",
            Kdf::Argon2id13 { .. } => "argon2id13",
            Kdf::DraftArgon2id13 { .. } => "argon2id-13",
        }
    }

    /// The method that it belongs to.
    pub const fn method(self) -> Method {
        match self {
            Kdf::Pbkdf2 { .. } | Kdf::Argon2id13 { .. } => Method::Scram,
            Kdf::DraftArgon2id13 { .. } => Method::ScramDraft,
        }
    }

    const fn iterations(self) -> u32 {
        match self {
            Kdf::Pbkdf2 { iterations } => iterations.get(),
            Kdf::Argon2id13 { iterations, .. } | Kdf::DraftArgon2id13 { iterations, .. } => iterations,
        }
    }

    const fn memory(self) -> Option<u32> {
        match self {
            Kdf::Pbkdf2 { .. } => None,
            Kdf::Argon2id13 { memory, .. } | Kdf::DraftArgon2id13 { memory, .. } => Some(memory),
        }
    }

    /// `SaltedPassword`.
    fn derive(self, password: &str, salt: &[u8]) -> Result<Vec<u8>, DeriveError> {
        let prepared = saslprep(password).map_err(|_| DeriveError::Password);
        match self {
            Kdf::Pbkdf2 { iterations } => {
                let mut key = vec![0; 32];
                pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, prepared?.as_bytes(), &mut key);
                Ok(key)
            }
            Kdf::Argon2id13 { iterations, memory } => argon2id(&prepared?, salt, iterations, memory),
            Kdf::DraftArgon2id13 { iterations, memory } => {
                let hash = argon2id(password, salt, iterations, memory)?;
                Ok(BASE64_STANDARD_NO_PAD.encode(hash).into_bytes())
            }
        }
    }
}

fn argon2id(password: &str, salt: &[u8], iterations: u32, memory: u32) -> Result<Vec<u8>, DeriveError> {
    let mut key = vec![0; 32];
    let params = Params::new(memory, iterations, 1, Some(key.len())).map_err(DeriveError::Argon2)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(password.as_bytes(), salt, &mut key).map_err(DeriveError::Argon2)?;
    Ok(key)
}

/// Why no key can be made of a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeriveError {
    /// SASLprep refuses it.
    #[error("the password has characters that SASLprep (RFC 4013) prohibits")]
    Password,
    /// Argon2 has no use for salt or parameters.
    #[error("Argon2: {0}")]
    Argon2(argon2::Error),
}

/// What the server has of a user's password.
#[derive(Clone, PartialEq, Eq)]
#[allow(missing_docs)] // the names of the specification
pub struct ScramSecret {
    pub salt: Vec<u8>,
    pub kdf: Kdf,
    pub stored_key: [u8; 32],
    pub server_key: [u8; 32],
}

impl ScramSecret {
    /// The keys of a password.
    ///
    /// # Errors
    /// Unusable passwords, salts and parameters.
    pub fn of(password: &str, salt: Vec<u8>, kdf: Kdf) -> Result<ScramSecret, DeriveError> {
        let salted = kdf.derive(password, &salt)?;
        let stored_key = sha256(&sign(&salted, b"Client Key"));
        let server_key = sign(&salted, b"Server Key");
        Ok(ScramSecret { salt, kdf, stored_key, server_key })
    }
}

impl fmt::Debug for ScramSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScramSecret({:?})", self.kdf)
    }
}

fn sign(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut tag = [0; 32];
    tag.copy_from_slice(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref());
    tag
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

/// The method in a realm, as it is now or as it was in the draft.
#[derive(Debug)]
pub(super) struct Scram {
    pub(super) users: Arc<Directory>,
    pub(super) method: Method,
}

impl Authenticator for Scram {
    fn recheck(&self, admitted: &Admitted<'_>) -> Result<(), String> {
        self.users.recheck(self.method, admitted)
    }

    fn start(&self, hello: &Hello<'_>) -> Option<Step> {
        let lacks = |what| Some(Step::Deny(Denial::lacks(self.method, what)));
        let Some(authid) = hello.authid else { return lacks("an authid") };
        let nonce = text(hello.extra, "nonce").filter(|nonce| is_nonce(nonce));
        let Some(nonce) = nonce else { return lacks("a nonce, random bytes in base64, as authextra.nonce") };
        let binding = text(hello.extra, "channel_binding");
        let is_draft = self.method == Method::ScramDraft;
        let id = |name| hello.channel.binding(name).filter(|_| !is_draft);
        let binding = match binding.map(|name| id(name).map(|id| (name.to_owned(), id))) {
            Some(None) => {
                return Some(failed(
                    "unsupported-channel-binding-type",
                    "the channel binding that is asked for is not available",
                ));
            }
            Some(bound) => bound,
            None => None,
        };
        let Ok(name) = saslprep(authid) else {
            return Some(failed("invalid-username-encoding", "SASLprep prohibits this authid"));
        };
        let (user, known) = self.users.find(&name, self.method)?;
        let secret = user.secrets.scram.as_ref()?;
        let salt = match known {
            true => secret.salt.clone(),
            false => self.users.pretend_bytes("scram salt", &name, secret.salt.len()),
        };
        let nonces = format!("{nonce}{}", BASE64_STANDARD.encode(&hello.random[..18]));
        let salt = BASE64_STANDARD.encode(salt);
        let iterations = secret.kdf.iterations();
        let extra = json!({
            "nonce": nonces.as_str(),
            "salt": salt.as_str(),
            "kdf": secret.kdf.name(),
            "iterations": iterations,
            "memory": secret.kdf.memory(),
        });
        let written = match is_draft {
            true => name.into_owned(),
            false => authid.replace('=', "=3D").replace(',', "=2C"),
        };
        let pending = Proof {
            method: self.method,
            first: format!("n={written},r={nonce},r={nonces},s={salt},i={iterations}"),
            nonces,
            binding,
            user: user.clone(),
            known,
        };
        let method = self.method.name().to_owned();
        Some(Step::Challenge(Challenge { method, extra, pending: Box::new(pending) }))
    }
}

/// Base64, of which the syntax of RFC 5802 needs only that there is no comma.
fn is_nonce(text: &str) -> bool {
    (1..=NONCE_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
}

/// What the client says makes no sense, whoever it is.
fn failed(scram: &'static str, text: &str) -> Step {
    Step::Deny(Denial { scram: Some(scram), ..Denial::new(error_uri::AUTHENTICATION_FAILED, text) })
}

/// A proof that is awaited.
#[derive(Debug)]
struct Proof {
    method: Method,
    /// The first two messages, as RFC 5802 writes them: `client-first-message-bare,server-first-message`.
    first: String,
    /// The client's and ours.
    nonces: String,
    binding: Option<(String, [u8; 32])>,
    user: Arc<User>,
    known: bool,
}

impl Proof {
    /// `AuthMessage`.
    fn auth_message(&self) -> String {
        let input = match &self.binding {
            None if self.method == Method::ScramDraft => Vec::new(),
            None => b"n,,".to_vec(),
            Some((name, id)) => [format!("p={name},,").as_bytes(), id].concat(),
        };
        format!("{},c={},r={}", self.first, BASE64_STANDARD.encode(input), self.nonces)
    }
}

impl Pending for Proof {
    fn finish(self: Box<Self>, signature: &str, extra: &OwnedValue, date_ms: u64) -> Step {
        let binding = self.binding.as_ref();
        if text(extra, "channel_binding") != binding.map(|(name, _)| name.as_str())
            || text(extra, "cbind_data") != binding.map(|(_, id)| BASE64_STANDARD.encode(id)).as_deref()
        {
            return failed("channel-bindings-dont-match", "the channel is not the one that the client sees");
        }
        let Some(secret) = &self.user.secrets.scram else { return Step::Deny(Denial::wrong()) };
        let message = self.auth_message();
        let mut client_key = sign(&secret.stored_key, message.as_bytes());
        let proof = BASE64_STANDARD.decode(signature).unwrap_or_default();
        client_key.iter_mut().zip(&proof).for_each(|(byte, with)| *byte ^= with);
        let right = bool::from(sha256(&client_key).ct_eq(&secret.stored_key))
            && proof.len() == client_key.len()
            // Clients of the draft say it in what they sign only.
            && (self.method == Method::ScramDraft || text(extra, "nonce") == Some(&self.nonces));
        let verifier = BASE64_STANDARD.encode(sign(&secret.server_key, message.as_bytes()));
        let authextra = match self.method {
            Method::ScramDraft => json!({ "scram_server_signature": verifier }),
            _ => json!({ "verifier": verifier }),
        };
        match self.user.welcome_if(right && self.known, self.method, Some(authextra), date_ms) {
            Step::Deny(denial) => Step::Deny(Denial { scram: Some("invalid-proof"), ..denial }),
            step => step,
        }
    }
}

#[cfg(test)]
mod tests {
    use simd_json::prelude::*;

    use super::super::Channel;
    use super::super::directory::tests::{directory, hello};
    use super::super::hex;
    use super::*;

    const PBKDF2: Kdf = Kdf::Pbkdf2 { iterations: NonZeroU32::new(64).unwrap() };
    const ARGON2: Kdf = Kdf::Argon2id13 { iterations: 2, memory: 64 };

    #[test]
    fn rfc_7677() {
        let kdf = Kdf::Pbkdf2 { iterations: 4096.try_into().unwrap() };
        let salt = BASE64_STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let mut user = User::new("user", "user");
        user.secrets.scram = Some(ScramSecret::of("pencil", salt, kdf).unwrap());
        let nonces = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let proof = Proof {
            method: Method::Scram,
            first: format!("n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonces},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
            nonces: nonces.to_owned(),
            binding: None,
            user: Arc::new(user),
            known: true,
        };
        let extra = json!({ "nonce": nonces });
        let step = Box::new(proof).finish("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", &extra, 0);
        let Step::Welcome(principal) = step else { panic!("{step:?}") };
        let verifier = json!({ "verifier": "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" });
        assert_eq!(principal.authextra, Some(verifier));
    }

    #[test]
    fn as_autobahn_has_it() {
        // The values of its own test of a whole login, whose salt is a text in hex, taken for base64.
        let text = "31323334353637383930616263646566";
        let kdf = Kdf::DraftArgon2id13 { iterations: 32, memory: 512 };
        let mut user = User::new("username", "user");
        user.secrets.scram =
            Some(ScramSecret::of("p4ssw0rd", BASE64_STANDARD.decode(text).unwrap(), kdf).unwrap());
        let nonces = "1234567890abcdeffedcba0987654321";
        let proof = Proof {
            method: Method::ScramDraft,
            first: format!("n=username,r={text},r={nonces},s={text},i=32"),
            nonces: nonces.to_owned(),
            binding: None,
            user: Arc::new(user),
            known: true,
        };
        let signature = "f5r3loERzGVSuimE+lvO0bWna2zyswBo0HrZkaaEy38=";
        let step = Box::new(proof).finish(signature, &json!({}), 0);
        let Step::Welcome(principal) = step else { panic!("{step:?}") };
        assert_eq!(principal.authmethod, "scram");
        assert!(principal.authextra.unwrap().get_str("scram_server_signature").is_some());
    }

    #[test]
    fn each_method_has_its_own_users() {
        let user = |authid: &str, kdf| {
            let mut user = User::new(authid, "user");
            user.secrets.scram =
                Some(ScramSecret::of("password", b"0123456789abcdef".to_vec(), kdf).unwrap());
            user
        };
        let draft = Kdf::DraftArgon2id13 { iterations: 1, memory: 16 };
        let users = directory(vec![user("new", PBKDF2), user("old", draft)]);
        let extra = json!({ "nonce": "Y2xpZW50" });
        for (method, kdf) in [(Method::Scram, "pbkdf2"), (Method::ScramDraft, "argon2id-13")] {
            for authid in ["new", "old", "stranger"] {
                let scram = Scram { users: users.clone(), method };
                let step = scram.start(&hello(&[], Some(authid), &extra));
                let Some(Step::Challenge(challenge)) = step else { panic!("{step:?}") };
                assert_eq!(challenge.method, method.name());
                assert_eq!(challenge.extra.get_str("kdf"), Some(kdf));
            }
        }
        // The draft says nothing of the channel, so nobody who asks for it may believe that it does.
        let channel = Channel { exporter: Some([5; 32]), ..Channel::default() };
        let extra = json!({ "nonce": "Y2xpZW50", "channel_binding": "tls-exporter" });
        let scram = Scram { users, method: Method::ScramDraft };
        let step = scram.start(&Hello { channel: &channel, ..hello(&[], Some("old"), &extra) });
        assert!(matches!(step, Some(Step::Deny(denial)) if !denial.is_failed_try()));
    }

    #[test]
    fn known_keys() {
        // The values of Autobahn's own tests, the first made with the reference implementation of Argon2.
        let kdf = Kdf::Argon2id13 { iterations: 32, memory: 512 };
        let key = kdf.derive("p4ssw0rd", b"1234567890abcdef").unwrap();
        assert_eq!(hex::encode(&key), "ee4a8acf9d5958354fb79a95ae20692d05e42591ba49fae85eb6700e8b0ed293");
        let kdf = Kdf::Pbkdf2 { iterations: 8.try_into().unwrap() };
        let key = kdf.derive("p4ssw0rd", b"1234567890abcdef").unwrap();
        assert_eq!(hex::encode(&key), "f6991a28c75f43751e0d75499fd7b8649f659118ddc1d61cee5883af547d15f5");
        // SASLprep: a soft hyphen is nothing, a full-width letter (NFKC) is a letter, a control character is refused.
        assert_eq!(PBKDF2.derive("I\u{AD}X", b"salt"), PBKDF2.derive("\u{FF29}X", b"salt"));
        assert_eq!(PBKDF2.derive("\u{7}", b"salt"), Err(DeriveError::Password));
        assert!(matches!(ARGON2.derive("a", b"short"), Err(DeriveError::Argon2(_))));
    }

    fn method() -> Scram {
        let user = |authid: &str, kdf| {
            let mut user = User::new(authid, "user");
            user.secrets.scram =
                Some(ScramSecret::of("password", b"0123456789abcdef".to_vec(), kdf).unwrap());
            user
        };
        let users = directory(vec![user("a,b=c", PBKDF2), user("joe", ARGON2)]);
        Scram { users, method: Method::Scram }
    }

    fn start(authid: &str, hello_extra: OwnedValue, channel: &Channel) -> (OwnedValue, Box<dyn Pending>) {
        match method().start(&Hello { channel, ..hello(&[], Some(authid), &hello_extra) }) {
            Some(Step::Challenge(Challenge { method, extra, pending })) => {
                assert_eq!(method, "wamp-scram");
                (extra, pending)
            }
            other => panic!("{other:?}"),
        }
    }

    /// A client, by the text of the specification: its signature, and the verifier that it expects.
    fn client(authid: &str, password: &str, asked: &OwnedValue, answer: &OwnedValue) -> (String, String) {
        let get = |key| asked.get_str(key).unwrap();
        let iterations = asked.get_u32("iterations").unwrap();
        let kdf = match get("kdf") {
            "pbkdf2" => {
                assert!(asked.get("memory").unwrap().is_null());
                Kdf::Pbkdf2 { iterations: iterations.try_into().unwrap() }
            }
            "argon2id13" => Kdf::Argon2id13 { iterations, memory: asked.get_u32("memory").unwrap() },
            other => panic!("{other}"),
        };
        let salted = kdf.derive(password, &BASE64_STANDARD.decode(get("salt")).unwrap()).unwrap();
        let client_first = format!("n={},r=Y2xpZW50", authid.replace('=', "=3D").replace(',', "=2C"));
        let server_first = format!("r={},s={},i={iterations}", get("nonce"), get("salt"));
        let flag = answer.get_str("channel_binding").map_or("n".to_owned(), |name| format!("p={name}"));
        let data = answer.get_str("cbind_data").map(|data| BASE64_STANDARD.decode(data).unwrap());
        let input = [format!("{flag},,").into_bytes(), data.unwrap_or_default()].concat();
        let last = format!("c={},r={}", BASE64_STANDARD.encode(input), get("nonce"));
        let message = format!("{client_first},{server_first},{last}");
        let client_key = sign(&salted, b"Client Key");
        let mut proof = sign(&sha256(&client_key), message.as_bytes());
        proof.iter_mut().zip(client_key).for_each(|(byte, with)| *byte ^= with);
        let verifier = sign(&sign(&salted, b"Server Key"), message.as_bytes());
        (BASE64_STANDARD.encode(proof), BASE64_STANDARD.encode(verifier))
    }

    fn nonce_only(asked: &OwnedValue) -> OwnedValue {
        json!({ "nonce": asked.get_str("nonce").unwrap(), "channel_binding": null, "cbind_data": null })
    }

    #[test]
    fn right_and_wrong() {
        let hello = || json!({ "nonce": "Y2xpZW50", "channel_binding": null });
        let channel = Channel::default();
        for authid in ["a,b=c", "joe"] {
            let (asked, pending) = start(authid, hello(), &channel);
            assert!(
                asked.get_str("nonce").unwrap().starts_with("Y2xpZW50")
                    && asked.get_str("nonce").unwrap().len() > 30
            );
            let answer = nonce_only(&asked);
            let (signature, verifier) = client(authid, "password", &asked, &answer);
            match pending.finish(&signature, &answer, 0) {
                Step::Welcome(principal) => {
                    assert_eq!((&*principal.authid, &*principal.authmethod), (authid, "wamp-scram"));
                    assert_eq!(principal.authextra, Some(json!({ "verifier": verifier })));
                }
                other => panic!("{other:?}"),
            }
            let wrong = client(authid, "Password", &asked, &answer).0;
            let longer =
                BASE64_STANDARD.encode([BASE64_STANDARD.decode(&signature).unwrap(), vec![0]].concat());
            for (signature, answer) in [
                (&wrong, &answer),
                (&longer, &answer),
                (&String::new(), &answer),
                (&"?".to_owned(), &answer),
                (&signature, &json!({ "nonce": "Y2xpZW50" })),
                (&signature, &json!({})),
            ] {
                let (_, pending) = start(authid, hello(), &channel);
                let step = pending.finish(signature, answer, 0);
                assert!(
                    matches!(step, Step::Deny(denial) if denial.is_failed_try() && denial.scram.is_some())
                );
            }
        }
    }

    #[test]
    fn channel_binding() {
        let hello = |name: &str| json!({ "nonce": "Y2xpZW50", "channel_binding": name });
        let channel = Channel { exporter: Some([5; 32]), ..Channel::default() };
        let (asked, pending) = start("joe", hello("tls-exporter"), &channel);
        let bound = |id: [u8; 32]| {
            json!({
                "nonce": asked.get_str("nonce").unwrap(),
                "channel_binding": "tls-exporter",
                "cbind_data": BASE64_STANDARD.encode(id),
            })
        };
        let (signature, _) = client("joe", "password", &asked, &bound([5; 32]));
        assert!(matches!(pending.finish(&signature, &bound([5; 32]), 0), Step::Welcome(_)));
        // Somebody in the middle: the client sees another channel, or is made to leave the binding out.
        for answer in [bound([6; 32]), nonce_only(&asked)] {
            let (_, pending) = start("joe", hello("tls-exporter"), &channel);
            let (signature, _) = client("joe", "password", &asked, &answer);
            let step = pending.finish(&signature, &answer, 0);
            let scram = Some("channel-bindings-dont-match");
            assert!(matches!(step, Step::Deny(denial) if denial.scram == scram));
        }
        for (name, channel) in [("tls-unique", &channel), ("tls-exporter", &Channel::default())] {
            let extra = hello(name);
            let step = method()
                .start(&Hello { channel, ..super::super::directory::tests::hello(&[], Some("joe"), &extra) });
            let scram = Some("unsupported-channel-binding-type");
            assert!(matches!(step, Some(Step::Deny(denial)) if denial.scram == scram));
        }
    }

    #[test]
    fn strangers_get_a_salt_of_their_own() {
        let (channel, mut kdfs) = (Channel::default(), std::collections::BTreeSet::new());
        for i in 0..20 {
            let name = format!("stranger{i}");
            let (asked, pending) = start(&name, json!({ "nonce": "Y2xpZW50" }), &channel);
            let (again, _) = start(&name, json!({ "nonce": "Y2xpZW50" }), &channel);
            assert_eq!(asked.get_str("salt"), again.get_str("salt"));
            assert_eq!(BASE64_STANDARD.decode(asked.get_str("salt").unwrap()).unwrap().len(), 16);
            kdfs.insert(asked.get_str("kdf").unwrap().to_owned());
            let answer = nonce_only(&asked);
            let (signature, _) = client(&name, "password", &asked, &answer);
            assert!(
                matches!(pending.finish(&signature, &answer, 0), Step::Deny(denial) if denial.is_failed_try())
            );
        }
        assert_eq!(kdfs.len(), 2, "both kinds of users are played");
    }

    #[test]
    fn what_must_be_there() {
        let channel = Channel::default();
        for extra in [
            json!(null),
            json!({}),
            json!({"nonce": ""}),
            json!({"nonce": "a,b"}),
            json!({"nonce": "x".repeat(300)}),
        ] {
            let facts = Hello { channel: &channel, ..hello(&[], Some("joe"), &extra) };
            assert!(matches!(method().start(&facts), Some(Step::Deny(denial)) if !denial.is_failed_try()));
        }
        let extra = json!({ "nonce": "Y2xpZW50" });
        assert!(matches!(method().start(&hello(&[], None, &extra)), Some(Step::Deny(_))));
        assert!(matches!(method().start(&hello(&[], Some("a\u{7}"), &extra)), Some(Step::Deny(_))));
    }
}
