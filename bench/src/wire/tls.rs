//! TLS, from the client's side: a layer between a connection and its socket, which never blocks.

use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Whose certificates are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Those that this system trusts.
    #[default]
    System,
    /// Those of this file alone.
    File(PathBuf),
    /// Any: nothing is checked.
    Anybody,
}

/// Nobody can be trusted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    /// The file is not what it should be.
    #[error("cannot read certificates from {0}: {1}")]
    File(PathBuf, String),
    /// The system has none.
    #[error(
        "this system has no certificates to check the server's with ({0}); install them, or give --ca or --insecure"
    )]
    System(String),
    /// The library refuses.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// One connection's layer.
#[derive(Debug)]
pub(crate) struct Tls(ClientConnection);

impl Trust {
    /// What connections are made with.
    ///
    /// # Errors
    /// There are no certificates.
    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, TrustError> {
        let provider = Arc::new(ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let config = match self {
            Trust::System => builder.with_root_certificates(system()?).with_no_client_auth(),
            Trust::File(path) => builder.with_root_certificates(file(path)?).with_no_client_auth(),
            Trust::Anybody => {
                let verifier = Arc::new(NoCheck(provider));
                builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
            }
        };
        Ok(Arc::new(config))
    }
}

fn system() -> Result<RootCertStore, TrustError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map_or_else(|| "none was found".to_owned(), ToString::to_string);
        return Err(TrustError::System(why));
    }
    Ok(roots)
}

fn file(path: &Path) -> Result<RootCertStore, TrustError> {
    let fault = |why: String| TrustError::File(path.to_owned(), why);
    let certificates = CertificateDer::pem_file_iter(path).map_err(|e| fault(e.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate.map_err(|e| fault(e.to_string()))?;
        roots.add(certificate).map_err(|e| fault(e.to_string()))?;
    }
    if roots.is_empty() { Err(fault("there is none in it".to_owned())) } else { Ok(roots) }
}

impl Tls {
    /// Begins: the handshake goes with the first reads and writes.
    ///
    /// # Errors
    /// The library refuses.
    pub(crate) fn new(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Tls, rustls::Error> {
        let mut connection = ClientConnection::new(config, name)?;
        // What waits is bounded by what is in flight.
        connection.set_buffer_limit(None);
        Ok(Tls(connection))
    }

    /// Reads what the server has sent, decrypted.
    ///
    /// # Errors
    /// There is nothing (`WouldBlock`), or the connection is broken.
    pub(crate) fn read(&mut self, socket: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.reader().read(buffer) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                result => return result,
            }
            // At the end of the socket, the reader says whether the server has said good-bye.
            self.0.read_tls(socket)?;
            self.0.process_new_packets().map_err(|e| io::Error::new(ErrorKind::InvalidData, e))?;
        }
    }

    /// Encrypts all of `bytes`, to be written by [`Tls::flush`].
    ///
    /// # Errors
    /// The connection is broken.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.writer().write_all(bytes)
    }

    /// Writes what the socket takes.
    ///
    /// # Errors
    /// It takes no more now (`WouldBlock`), or the connection is broken.
    pub(crate) fn flush(&mut self, socket: &mut impl Write) -> io::Result<()> {
        while self.0.wants_write() {
            self.0.write_tls(socket)?;
        }
        Ok(())
    }
}

/// Takes any certificate; the signatures must be right, or nothing would work.
#[derive(Debug)]
struct NoCheck(Arc<CryptoProvider>);

impl ServerCertVerifier for NoCheck {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_of_no_use() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let error = |path: &Path| Trust::File(path.to_owned()).config().unwrap_err().to_string();
        assert!(error(&path).contains("cannot read certificates from"));
        std::fs::write(&path, "no certificate").unwrap();
        assert!(error(&path).contains("there is none in it"));
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(error(&path).contains("cannot read certificates from"));
    }
}
