//! Secrets: making those that the configuration wants, and reading those that it keeps elsewhere.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use argon2::Params;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use clap::{Args as ClapArgs, ValueEnum};
use connectanum::auth::form::Form;
use connectanum::auth::{CraSecret, Kdf, PublicKey, Salting, ScramSecret, TicketSecret, hex};
use connectanum::config::Sources;
use connectanum::limits::{ARGON2_KIB_MAX, KDF_ITERATIONS_MAX};

/// Bytes of the largest secret.
const SECRET_BYTES_MAX: usize = 64 * 1024;

/// Iterations of PBKDF2. More is safer, but the slowest client has to do them whenever it comes.
const PBKDF2_ITERATIONS: u32 = 100_000;

/// What the router does for a password: iterations and KiB of Argon2.
const SERVER_ARGON2: (u32, u32) = (2, 19 * 1024);

/// What the client does for a password.
const CLIENT_ARGON2: (u32, u32) = (3, 64 * 1024);

/// Why no secret was made.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretError {
    #[error("cannot read the secret from `{0}`: {1}")]
    Unreadable(String, io::Error),
    #[error("there is no secret; give it on standard input or in a file")]
    Empty,
    #[error("the secret is larger than {SECRET_BYTES_MAX} bytes")]
    TooLarge,
    #[error("`{0}` cannot be hashed by `{1}`")]
    Kdf(&'static str, &'static str),
    #[error("the secret cannot be hashed: {0}")]
    Hash(String),
    #[error("the operating system gives no random bytes: {0}")]
    Random(getrandom::Error),
    #[error("cannot write `{0}`: {1}")]
    Write(String, io::Error),
}

/// A method with secrets to be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum MethodName {
    Ticket,
    Wampcra,
    WampScram,
    /// As Autobahn|Python and Crossbar have it
    Scram,
}

/// How a secret is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum KdfName {
    /// For random tickets, which nobody can guess
    Sha256,
    /// PBKDF2-HMAC-SHA256
    Pbkdf2,
    /// Argon2id, version 1.3
    Argon2id,
}

/// `hash-secret`.
#[derive(Debug, ClapArgs)]
pub(super) struct HashSecret {
    /// The authentication method that the secret is for
    #[arg(long, value_name = "NAME")]
    method: MethodName,

    /// How to hash it [default: argon2id; for wampcra pbkdf2]
    #[arg(long, value_name = "NAME")]
    kdf: Option<KdfName>,

    /// Iterations [default: 100000 of PBKDF2, 3 of Argon2 (2 for tickets)]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(KDF_ITERATIONS_MAX)))]
    iterations: Option<u32>,

    /// Memory that Argon2 takes [default: 65536 (19456 for tickets)]
    #[arg(long, value_name = "KIB", value_parser = clap::value_parser!(u32).range(8..=i64::from(ARGON2_KIB_MAX)))]
    memory: Option<u32>,

    /// File with the secret [default: standard input]
    file: Option<PathBuf>,
}

impl HashSecret {
    /// Reads the secret and makes the line for the configuration.
    pub(super) fn run(&self) -> Result<String, SecretError> {
        let secret = match &self.file {
            Some(path) => {
                let name = path.display().to_string();
                let mut file =
                    File::open(path).map_err(|error| SecretError::Unreadable(name.clone(), error))?;
                read_secret(&mut file, name)?
            }
            None => {
                let mut stdin = io::stdin();
                if stdin.is_terminal() {
                    let _ = writeln!(io::stderr(), "The secret (it will be seen), then Enter and Ctrl-D:");
                }
                read_secret(&mut stdin, "standard input".to_owned())?
            }
        };
        self.hash(&secret, random()?)
    }

    fn hash(&self, secret: &str, salt: [u8; 16]) -> Result<String, SecretError> {
        let argon2 = |(iterations, memory): (u32, u32)| {
            (self.iterations.unwrap_or(iterations), self.memory.unwrap_or(memory))
        };
        let iterations = std::num::NonZeroU32::new(self.iterations.unwrap_or(PBKDF2_ITERATIONS))
            .unwrap_or(std::num::NonZeroU32::MIN);
        let bad = |error: &dyn std::fmt::Display| SecretError::Hash(error.to_string());
        let (key, line) = match (self.method, self.kdf) {
            (MethodName::Ticket, Some(KdfName::Sha256)) => ("ticket", TicketSecret::of(secret).write()),
            (MethodName::Ticket, None | Some(KdfName::Argon2id)) => {
                let (iterations, memory) = argon2(SERVER_ARGON2);
                let params = Params::new(memory, iterations, 1, Some(32)).map_err(|error| bad(&error))?;
                let ticket = TicketSecret::of_password(secret, salt.to_vec(), params);
                ("ticket", ticket.map_err(|error| bad(&error))?.write())
            }
            (MethodName::Wampcra, None | Some(KdfName::Pbkdf2)) => {
                let salting = Salting { salt: BASE64_STANDARD.encode(salt), iterations, keylen: 32 };
                ("wampcra", CraSecret::salted(secret, salting).write())
            }
            (MethodName::WampScram, Some(KdfName::Pbkdf2)) => {
                let secret = ScramSecret::of(secret, salt.to_vec(), Kdf::Pbkdf2 { iterations });
                ("scram", secret.map_err(|error| bad(&error))?.write())
            }
            (MethodName::WampScram, None | Some(KdfName::Argon2id)) => {
                let (iterations, memory) = argon2(CLIENT_ARGON2);
                let secret = ScramSecret::of(secret, salt.to_vec(), Kdf::Argon2id13 { iterations, memory });
                ("scram", secret.map_err(|error| bad(&error))?.write())
            }
            (MethodName::Scram, None | Some(KdfName::Argon2id)) => {
                let (iterations, memory) = argon2(CLIENT_ARGON2);
                let kdf = Kdf::DraftArgon2id13 { iterations, memory };
                let secret = ScramSecret::of(secret, salt.to_vec(), kdf);
                ("scram", secret.map_err(|error| bad(&error))?.write())
            }
            (MethodName::Ticket, _) => return Err(SecretError::Kdf("ticket", "pbkdf2")),
            (MethodName::Wampcra, Some(KdfName::Sha256)) => {
                return Err(SecretError::Kdf("wampcra", "sha256"));
            }
            (MethodName::Wampcra, _) => return Err(SecretError::Kdf("wampcra", "argon2id")),
            (MethodName::WampScram, _) => return Err(SecretError::Kdf("wamp-scram", "sha256")),
            (MethodName::Scram, Some(KdfName::Sha256)) => return Err(SecretError::Kdf("scram", "sha256")),
            (MethodName::Scram, _) => return Err(SecretError::Kdf("scram", "pbkdf2")),
        };
        Ok(format!("{key} = \"{line}\"\n"))
    }
}

/// Makes a pair of keys for cryptosign: the private one goes into a new file that only its owner can read. Returns the line for the
/// configuration.
pub(super) fn keygen(file: &Path) -> Result<String, SecretError> {
    let seed = random::<32>()?;
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
        writeln!(file, "{}", hex::encode(&seed))?;
        file.sync_all()
    };
    write().map_err(|error| SecretError::Write(file.display().to_string(), error))?;
    Ok(format!("cryptosign = \"{}\"\n", PublicKey::of(&seed).write()))
}

fn read_secret(source: &mut impl Read, name: String) -> Result<String, SecretError> {
    let mut secret = String::new();
    let limit = SECRET_BYTES_MAX as u64 + 1;
    source.take(limit).read_to_string(&mut secret).map_err(|error| SecretError::Unreadable(name, error))?;
    if secret.len() > SECRET_BYTES_MAX {
        return Err(SecretError::TooLarge);
    }
    let secret = secret.strip_suffix('\n').unwrap_or(&secret);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.is_empty() { Err(SecretError::Empty) } else { Ok(secret.to_owned()) }
}

fn random<const N: usize>() -> Result<[u8; N], SecretError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(SecretError::Random)?;
    Ok(bytes)
}

/// What this machine has: the files and variables that a configuration file may name, and memory. Paths are relative to the file's folder.
pub(super) struct Machine<'a> {
    pub(super) folder: &'a Path,
}

impl Sources for Machine<'_> {
    fn file(&self, path: &str) -> Result<String, String> {
        let mut text = String::new();
        // A device or a pipe could go on for ever.
        let limit = SECRET_BYTES_MAX as u64 + 1;
        let file =
            File::open(self.folder.join(path)).and_then(|file| file.take(limit).read_to_string(&mut text));
        match file {
            Err(error) => Err(error.to_string()),
            Ok(bytes) if bytes > SECRET_BYTES_MAX => {
                Err(format!("it is larger than {SECRET_BYTES_MAX} bytes"))
            }
            Ok(_) => Ok(text),
        }
    }

    fn variable(&self, name: &str) -> Result<String, String> {
        std::env::var(name).map_err(|error| error.to_string())
    }

    fn memory_bytes(&self) -> Option<u64> {
        connectanum::shell::memory_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_can_be_read_by_the_configuration() {
        let line = |method, kdf| {
            let options = HashSecret { method, kdf, iterations: Some(2), memory: Some(64), file: None };
            let line = options.hash("secret", [1; 16])?;
            let (key, value) = line.trim_end().split_once(" = ").unwrap();
            Ok::<_, SecretError>((key.to_owned(), value.trim_matches('"').to_owned()))
        };
        for (kdf, begins) in [
            (None, "$argon2id$"),
            (Some(KdfName::Argon2id), "$argon2id$"),
            (Some(KdfName::Sha256), "sha256:"),
        ] {
            let (key, value) = line(MethodName::Ticket, kdf).unwrap();
            assert!(key == "ticket" && value.starts_with(begins), "{value}");
            TicketSecret::read(&value, false).unwrap();
        }
        let (key, value) = line(MethodName::Wampcra, None).unwrap();
        assert_eq!((key.as_str(), CraSecret::read(&value, false).unwrap().write()), ("wampcra", value));
        for (method, kdf, name) in [
            (MethodName::WampScram, None, "argon2id13"),
            (MethodName::WampScram, Some(KdfName::Pbkdf2), "pbkdf2"),
            (MethodName::Scram, None, "argon2id-13"),
        ] {
            let (key, value) = line(method, kdf).unwrap();
            assert_eq!((key.as_str(), ScramSecret::read(&value, false).unwrap().kdf.name()), ("scram", name));
        }
        for (method, kdf) in [
            (MethodName::Ticket, KdfName::Pbkdf2),
            (MethodName::Wampcra, KdfName::Sha256),
            (MethodName::Wampcra, KdfName::Argon2id),
            (MethodName::WampScram, KdfName::Sha256),
            (MethodName::Scram, KdfName::Sha256),
            (MethodName::Scram, KdfName::Pbkdf2),
        ] {
            assert!(matches!(line(method, Some(kdf)), Err(SecretError::Kdf(..))));
        }
    }

    #[test]
    fn a_line_feed_is_no_part_of_a_secret() {
        let read = |text: &str| read_secret(&mut text.as_bytes(), String::new());
        assert_eq!(read("a b\r\n").unwrap(), "a b");
        assert_eq!(read(" a\n\n").unwrap(), " a\n");
        assert!(matches!(read("\n"), Err(SecretError::Empty)));
        assert!(matches!(read(&"x".repeat(SECRET_BYTES_MAX + 1)), Err(SecretError::TooLarge)));
    }
}
