//! How secrets are written in the configuration: one line each, made by `connectanum hash-secret`.
//!
//! Derived ones look as the Password Hashing Competition has it, `$name$parameters$salt$hash` (salt and hash in base64 without `=`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::num::NonZeroU32;

use argon2::Params;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, Engine as _};

use super::{CraSecret, Kdf, PublicKey, Salting, ScramSecret, TicketSecret, hex};
use crate::limits::{ARGON2_KIB_MAX, ARGON2_LANES_MAX, KDF_ITERATIONS_MAX, SALT_BYTES_MAX};

/// Why a line is no secret of the kind that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// Neither plain nor derived.
    #[error("this is none of {0}; `connectanum hash-secret` makes one")]
    Kind(&'static str),
    /// A part is missing or unreadable.
    #[error("the {0} cannot be read; let `connectanum hash-secret` make a new one")]
    Part(&'static str),
    /// What is in hex is not.
    #[error("this is not {0}")]
    Hex(&'static str),
    /// Costs too much, or too little.
    #[error("`{0}` must be from {1} to {2}")]
    Range(&'static str, u32, u32),
    /// A secret as it is.
    #[error(
        "the secret is there as it is; derive it with `connectanum hash-secret`, keep it in a file or variable, \
         or, if you want that, say so with `allow_plain_secrets = true` in [router]"
    )]
    Plain,
    /// Not for this method.
    #[error("the secret must be derived: the router would have to hash it at every start")]
    Derive,
}

/// What stands before a secret that is there as it is.
const PLAIN: &str = "plain:";
const SHA256: &str = "sha256:";
const ARGON2ID: &str = "argon2id";
const PBKDF2: &str = "pbkdf2-sha256";
const SCRAM_PBKDF2: &str = "scram-pbkdf2";
const SCRAM_ARGON2ID: &str = "scram-argon2id13";
const SCRAM_DRAFT: &str = "scram-argon2id-13";

/// A method's secret as a line.
pub trait Form: Sized {
    /// Reads a line. `plain` says whether a secret may be there as it is.
    ///
    /// # Errors
    /// What is wrong with it.
    fn read(line: &str, plain: bool) -> Result<Self, FormError>;

    /// The line.
    fn write(&self) -> String;
}

fn plain(line: &str, allowed: bool) -> Option<Result<&str, FormError>> {
    let secret = line.strip_prefix(PLAIN)?;
    Some(if allowed { Ok(secret) } else { Err(FormError::Plain) })
}

impl Form for TicketSecret {
    fn read(line: &str, allowed: bool) -> Result<Self, FormError> {
        if let Some(secret) = plain(line, allowed) {
            return secret.map(TicketSecret::of);
        }
        if let Some(hash) = line.strip_prefix(SHA256) {
            return hex::decode(hash).map(TicketSecret::Sha256).ok_or(FormError::Part("SHA-256 in hex"));
        }
        let phc = Phc::read(line).filter(|phc| phc.name == ARGON2ID);
        let phc = phc.ok_or(FormError::Kind("`sha256:…`, `$argon2id$…`"))?;
        if phc.version != Some("19") {
            return Err(FormError::Part("version (`v=19`)"));
        }
        let (memory, iterations, lanes) = (
            phc.number("m", 8, ARGON2_KIB_MAX)?,
            phc.number("t", 1, KDF_ITERATIONS_MAX)?,
            phc.number("p", 1, ARGON2_LANES_MAX)?,
        );
        let params = Params::new(memory, iterations, lanes, Some(phc.hash.len()))
            .map_err(|_| FormError::Part("parameters"))?;
        if phc.salt.len() < argon2::MIN_SALT_LEN {
            return Err(FormError::Part("salt"));
        }
        Ok(TicketSecret::Argon2id { params, salt: phc.salt, hash: phc.hash })
    }

    fn write(&self) -> String {
        match self {
            TicketSecret::Sha256(hash) => format!("{SHA256}{}", hex::encode(hash)),
            TicketSecret::Argon2id { params, salt, hash } => {
                let parameters =
                    format!("v=19$m={},t={},p={}", params.m_cost(), params.t_cost(), params.p_cost());
                phc(ARGON2ID, &parameters, salt, hash)
            }
        }
    }
}

impl Form for CraSecret {
    fn read(line: &str, allowed: bool) -> Result<Self, FormError> {
        if let Some(secret) = plain(line, allowed) {
            return secret.map(CraSecret::plain);
        }
        let phc = Phc::read(line).filter(|phc| phc.name == PBKDF2);
        let phc = phc.ok_or(FormError::Kind("`$pbkdf2-sha256$…`, `plain:…`"))?;
        let iterations = phc.iterations()?;
        let salt = String::from_utf8(phc.salt).map_err(|_| FormError::Part("salt (it must be a text)"))?;
        let salting = Salting { salt, iterations, keylen: phc.hash.len() };
        Ok(CraSecret { key: BASE64_STANDARD.encode(phc.hash).into(), salting: Some(salting) })
    }

    fn write(&self) -> String {
        match &self.salting {
            None => format!("{PLAIN}{}", String::from_utf8_lossy(&self.key)),
            Some(Salting { salt, iterations, .. }) => {
                let key = BASE64_STANDARD.decode(&self.key).unwrap_or_default();
                phc(PBKDF2, &format!("i={iterations}"), salt.as_bytes(), &key)
            }
        }
    }
}

impl Form for ScramSecret {
    fn read(line: &str, allowed: bool) -> Result<Self, FormError> {
        if let Some(secret) = plain(line, allowed) {
            return secret.and(Err(FormError::Derive));
        }
        let kind = FormError::Kind("`$scram-pbkdf2$…`, `$scram-argon2id13$…`, `$scram-argon2id-13$…`");
        let phc = Phc::read(line).ok_or(kind.clone())?;
        let kdf = match phc.name {
            SCRAM_PBKDF2 => Kdf::Pbkdf2 { iterations: phc.iterations()? },
            SCRAM_ARGON2ID => Kdf::Argon2id13 {
                iterations: phc.iterations()?.get(),
                memory: phc.number("m", 8, ARGON2_KIB_MAX)?,
            },
            SCRAM_DRAFT => Kdf::DraftArgon2id13 {
                iterations: phc.iterations()?.get(),
                memory: phc.number("m", 8, ARGON2_KIB_MAX)?,
            },
            _ => return Err(kind),
        };
        let keys = phc.hash.split_first_chunk::<32>();
        let keys = keys.and_then(|(stored, server)| Some((*stored, server.try_into().ok()?)));
        let (stored_key, server_key) = keys.ok_or(FormError::Part("StoredKey and ServerKey"))?;
        Ok(ScramSecret { salt: phc.salt, kdf, stored_key, server_key })
    }

    fn write(&self) -> String {
        let keys = [self.stored_key, self.server_key].concat();
        match self.kdf {
            Kdf::Pbkdf2 { iterations } => phc(SCRAM_PBKDF2, &format!("i={iterations}"), &self.salt, &keys),
            Kdf::Argon2id13 { iterations, memory } => {
                phc(SCRAM_ARGON2ID, &format!("i={iterations},m={memory}"), &self.salt, &keys)
            }
            Kdf::DraftArgon2id13 { iterations, memory } => {
                phc(SCRAM_DRAFT, &format!("i={iterations},m={memory}"), &self.salt, &keys)
            }
        }
    }
}

impl Form for PublicKey {
    fn read(line: &str, _: bool) -> Result<Self, FormError> {
        hex::decode(line).map(PublicKey).ok_or(FormError::Hex(
            "an Ed25519 public key, 64 digits in hex; `connectanum keygen` makes a pair of keys",
        ))
    }

    fn write(&self) -> String {
        hex::encode(&self.0)
    }
}

/// The SHA-256 of a certificate, in hex, with or without colons between the bytes.
///
/// # Errors
/// If it is none.
pub fn fingerprint(line: &str) -> Result<[u8; 32], FormError> {
    let line = line.strip_prefix(SHA256).unwrap_or(line).replace(':', "");
    hex::decode(&line).ok_or(FormError::Hex("the SHA-256 of a certificate, 64 digits in hex; `openssl x509 -noout -fingerprint -sha256 -in FILE` prints it"))
}

/// `$name$v=version$parameters$salt$hash`, the version left out where there is none.
struct Phc<'a> {
    name: &'a str,
    version: Option<&'a str>,
    parameters: BTreeMap<&'a str, &'a str>,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl<'a> Phc<'a> {
    fn read(line: &'a str) -> Option<Phc<'a>> {
        let mut parts = line.strip_prefix('$')?.split('$').peekable();
        let name = parts.next()?;
        let version = parts.next_if(|part| part.starts_with("v=")).map(|part| &part[2..]);
        let parameters = parts.next()?.split(',').map(|pair| pair.split_once('=')).collect::<Option<_>>()?;
        let mut bytes = || BASE64_STANDARD_NO_PAD.decode(parts.next()?).ok();
        let (salt, hash) = (bytes()?, bytes()?);
        let fits = (1..=SALT_BYTES_MAX).contains(&salt.len()) && (16..=64).contains(&hash.len());
        (fits && parts.next().is_none()).then_some(Phc { name, version, parameters, salt, hash })
    }

    fn number(&self, key: &'static str, min: u32, max: u32) -> Result<u32, FormError> {
        let number = self.parameters.get(key).and_then(|text| text.parse().ok());
        number.filter(|n| (min..=max).contains(n)).ok_or(FormError::Range(key, min, max))
    }

    fn iterations(&self) -> Result<NonZeroU32, FormError> {
        let iterations = self.number("i", 1, KDF_ITERATIONS_MAX)?;
        NonZeroU32::new(iterations).ok_or(FormError::Range("i", 1, KDF_ITERATIONS_MAX))
    }
}

fn phc(name: &str, parameters: &str, salt: &[u8], hash: &[u8]) -> String {
    let mut line = format!("${name}${parameters}");
    for bytes in [salt, hash] {
        // Writing to a string cannot fail.
        let _ = write!(line, "${}", BASE64_STANDARD_NO_PAD.encode(bytes));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn same<F: Form + PartialEq + std::fmt::Debug>(secret: F, plain: bool) -> String {
        let line = secret.write();
        assert_eq!(F::read(&line, plain), Ok(secret), "{line}");
        line
    }

    #[test]
    fn there_and_back() {
        let salt = b"0123456789abcdef".to_vec();
        assert!(same(TicketSecret::of("t"), false).starts_with("sha256:e3b98a4d"));
        let params = Params::new(64, 1, 2, Some(32)).unwrap();
        let ticket = TicketSecret::of_password("p", salt.clone(), params).unwrap();
        assert!(same(ticket, false).starts_with("$argon2id$v=19$m=64,t=1,p=2$MDEyMzQ1Njc4OWFiY2RlZg$"));
        let iterations = NonZeroU32::new(10).unwrap();
        let salting = Salting { salt: "salt123".to_owned(), iterations, keylen: 32 };
        assert!(same(CraSecret::salted("s", salting), false).starts_with("$pbkdf2-sha256$i=10$c2FsdDEyMw$"));
        assert_eq!(same(CraSecret::plain("a:b c"), true), "plain:a:b c");
        let scram = |kdf| ScramSecret::of("p", salt.clone(), kdf).unwrap();
        assert!(same(scram(Kdf::Pbkdf2 { iterations }), false).starts_with("$scram-pbkdf2$i=10$"));
        let argon2 = Kdf::Argon2id13 { iterations: 1, memory: 32 };
        assert!(same(scram(argon2), false).starts_with("$scram-argon2id13$i=1,m=32$"));
        let draft = Kdf::DraftArgon2id13 { iterations: 1, memory: 32 };
        assert!(same(scram(draft), false).starts_with("$scram-argon2id-13$i=1,m=32$"));
        same(PublicKey([7; 32]), false);
    }

    #[test]
    fn a_hash_of_the_reference_implementation() {
        // `echo -n p4ssw0rd | argon2 1234567890abcdef -id -t 32 -m 9 -p 1 -l 32`
        let line = "$argon2id$v=19$m=512,t=32,p=1$MTIzNDU2Nzg5MGFiY2RlZg$7kqKz51ZWDVPt5qVriBpLQXkJZG6SfroXrZwDosO0pM";
        let params = Params::new(512, 32, 1, Some(32)).unwrap();
        let same = TicketSecret::of_password("p4ssw0rd", b"1234567890abcdef".to_vec(), params).unwrap();
        assert_eq!(TicketSecret::read(line, false), Ok(same));
    }

    #[test]
    fn plain_only_where_it_is_allowed() {
        assert_eq!(TicketSecret::read("plain:t", true), Ok(TicketSecret::of("t")));
        assert_eq!(TicketSecret::read("plain:t", false), Err(FormError::Plain));
        assert_eq!(CraSecret::read("plain:t", false), Err(FormError::Plain));
        assert_eq!(ScramSecret::read("plain:t", false), Err(FormError::Plain));
        assert_eq!(ScramSecret::read("plain:t", true), Err(FormError::Derive));
    }

    #[test]
    fn what_is_none() {
        let hash = "A".repeat(43);
        for line in [
            "",
            "secret",
            "$",
            "$argon2id",
            "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$",
            "$pbkdf2-sha256$i=1$c2FsdA$MTIz",
        ] {
            assert!(matches!(TicketSecret::read(line, true), Err(FormError::Kind(_))), "{line}");
        }
        let refused = |line: &str, expected: &str| {
            let error = TicketSecret::read(line, true).unwrap_err().to_string();
            assert!(error.contains(expected), "{line}: {error}");
        };
        refused("sha256:00", "the SHA-256 in hex cannot be read");
        refused(&format!("$argon2id$m=8,t=1,p=1$c2FsdHNhbHQ${hash}"), "version");
        refused(&format!("$argon2id$v=19$m=1,t=1,p=1$c2FsdHNhbHQ${hash}"), "`m` must be from 8 to");
        refused(&format!("$argon2id$v=19$m=99999999,t=1,p=1$c2FsdHNhbHQ${hash}"), "`m` must be");
        refused(&format!("$argon2id$v=19$m=8,t=1$c2FsdHNhbHQ${hash}"), "`p` must be");
        refused(&format!("$argon2id$v=19$m=8,t=1,p=1$c2FsdA${hash}"), "the salt cannot");
        refused(&format!("$argon2id$v=19$m=8,t=1,p=4$c2FsdHNhbHQ${hash}"), "parameters cannot");
        assert!(CraSecret::read(&format!("$pbkdf2-sha256$i=0$c2FsdA${hash}"), true).is_err());
        assert!(CraSecret::read(&format!("$pbkdf2-sha256$i=1$/w${hash}"), true).is_err());
        assert!(ScramSecret::read(&format!("$scram-pbkdf2$i=1$c2FsdA${hash}"), true).is_err());
        assert!(PublicKey::read("00", true).is_err());
    }

    #[test]
    fn fingerprints() {
        let plain = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        assert_eq!(fingerprint(&plain), Ok([0xAB; 32]));
        assert_eq!(fingerprint(&format!("sha256:{colons}")), Ok([0xAB; 32]));
        assert!(fingerprint("ab").is_err());
    }
}
