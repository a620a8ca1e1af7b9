//! Certificates and keys from their files, and what can be wrong with them.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};

use super::CertificateFacts;
use crate::config::{CertificateFiles, FILE_BYTES_MAX};

/// What is wrong with the files that TLS needs, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Nothing to show to clients.
    #[error("there is no certificate; name one: [[tls.certificate]] with `chain` and `key`")]
    NoCertificate,
    /// Nobody to vouch for clients.
    #[error(
        "clients are asked for certificates, but nobody is trusted to sign them; name a file as `client_ca`"
    )]
    NoAuthorities,
    /// A file that cannot be read.
    #[error("cannot read `{0}`: {1}")]
    Unreadable(PathBuf, io::Error),
    /// A file that is far too large.
    #[error("`{0}` is larger than {FILE_BYTES_MAX} bytes: neither certificates nor a key")]
    TooLarge(PathBuf),
    /// A file that is broken.
    #[error("`{0}` is no PEM file: {1}")]
    NotPem(PathBuf, String),
    /// A file without certificates.
    #[error("`{0}` has no certificate; it has to be PEM, with `-----BEGIN CERTIFICATE-----`")]
    NoCertificates(PathBuf),
    /// A certificate that is broken.
    #[error("certificate {1} in `{0}` is broken: {2}")]
    BadCertificate(PathBuf, usize, String),
    /// A file without a key.
    #[error("`{0}` has no private key; it has to be PEM, with `-----BEGIN PRIVATE KEY-----`")]
    NoKey(PathBuf),
    /// A key that nobody can use without its password.
    #[error(
        "the key in `{0}` is encrypted; decrypt it with `openssl pkey -in {0} -out FILE`, readable to the router alone"
    )]
    EncryptedKey(PathBuf),
    /// A key of an unknown kind, or broken.
    #[error("the key in `{0}` cannot be used ({1}); RSA, ECDSA (P-256, P-384) and Ed25519 can")]
    BadKey(PathBuf, String),
    /// Files that do not belong together.
    #[error(
        "the key in `{key}` is not the one of the first certificate in `{chain}`; name the files that belong together"
    )]
    Mismatch {
        /// The file with the certificate.
        chain: PathBuf,
        /// The file with the key.
        key: PathBuf,
    },
    /// The library has another reason.
    #[error("TLS cannot be set up: {0}")]
    Refused(rustls::Error),
}

/// All that is wrong. Displays one fault per line.
#[derive(Debug)]
pub struct TlsErrors(pub Vec<TlsError>);

impl fmt::Display for TlsErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for error in &self.0 {
            write!(f, "{separator}{error}")?;
            separator = "\n";
        }
        Ok(())
    }
}

impl std::error::Error for TlsErrors {}

/// A certificate of the router with its key.
pub(super) fn certificate(
    files: &CertificateFiles,
    provider: &CryptoProvider,
) -> Result<(Arc<CertifiedKey>, CertificateFacts), TlsError> {
    let CertificateFiles { chain, key } = files;
    let certificates = certificates(chain)?;
    let bad = |why: String| TlsError::BadCertificate(chain.clone(), 1, why);
    let facts = match certificates.first() {
        Some(first) => CertificateFacts::read(first).map_err(bad)?,
        None => return Err(TlsError::NoCertificates(chain.clone())),
    };
    let unusable = |error: rustls::Error| TlsError::BadKey(key.clone(), error.to_string());
    let private = provider.key_provider.load_private_key(private_key(key)?).map_err(unusable)?;
    let certified = CertifiedKey::new(certificates, private);
    match certified.keys_match() {
        Ok(()) => Ok((Arc::new(certified), facts)),
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok((Arc::new(certified), facts)),
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(TlsError::Mismatch { chain: chain.clone(), key: key.clone() })
        }
        Err(error) => Err(bad(error.to_string())),
    }
}

/// All certificates of a file; there is one at least.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let all = all.map_err(|error| not_pem(path, &error))?;
    if all.is_empty() {
        return Err(TlsError::NoCertificates(path.to_owned()));
    }
    Ok(all)
}

/// The authorities as the library wants them. They come from `path`.
pub(super) fn roots(
    authorities: &[CertificateDer<'static>],
    path: Option<&Path>,
) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for (i, authority) in authorities.iter().enumerate() {
        roots.add(authority.clone()).map_err(|error| {
            TlsError::BadCertificate(path.unwrap_or(Path::new("")).to_owned(), i + 1, error.to_string())
        })?;
    }
    Ok(roots)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(path)?;
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) if is_encrypted(&text) => Err(TlsError::EncryptedKey(path.to_owned())),
        Err(pem::Error::NoItemsFound) => Err(TlsError::NoKey(path.to_owned())),
        Err(_) if is_encrypted(&text) => Err(TlsError::EncryptedKey(path.to_owned())),
        Err(error) => Err(not_pem(path, &error)),
    }
}

/// Whether the key is encrypted: by PKCS #8, or as PEM had it once.
fn is_encrypted(text: &[u8]) -> bool {
    let has = |mark: &[u8]| text.windows(mark.len()).any(|part| part == mark);
    has(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || has(b"Proc-Type: 4,ENCRYPTED")
}

fn not_pem(path: &Path, error: &pem::Error) -> TlsError {
    TlsError::NotPem(path.to_owned(), error.to_string())
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    let limit = FILE_BYTES_MAX as u64 + 1;
    match File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)) {
        Err(error) => Err(TlsError::Unreadable(path.to_owned(), error)),
        Ok(n) if n > FILE_BYTES_MAX => Err(TlsError::TooLarge(path.to_owned())),
        Ok(_) => Ok(bytes),
    }
}
