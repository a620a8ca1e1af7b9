//! Certificates made for a test, and clients that trust them.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use connectanum::config::{CertificateFiles, TlsConfig};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion, version};

use crate::client::again;
use crate::common::{Client, Dir};

/// An authority that signs certificates of routers and clients.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pub dir: Dir,
}

/// A client's end of a connection.
pub type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// A certificate with its key.
pub type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Both versions.
pub const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

impl Authority {
    pub fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let dir = Dir::new();
        // No two have the same name: else a signature by the other would be one that is wrong.
        params.distinguished_name.push(DnType::CommonName, dir.0.display().to_string());
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Authority { issuer, dir }
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The file of the authority itself.
    pub fn file(&self) -> PathBuf {
        self.write("ca.pem", &self.pem())
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Puts a certificate for `names` into the files that begin with `file`.
    pub fn issue(&self, file: &str, names: &[&str]) -> CertificateFiles {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        self.issue_with(file, CertificateParams::new(names).unwrap(), &KeyPair::generate().unwrap())
    }

    pub fn issue_with(&self, file: &str, params: CertificateParams, key: &KeyPair) -> CertificateFiles {
        let certificate = params.signed_by(key, &*self.issuer).unwrap();
        CertificateFiles {
            chain: self.write(&format!("{file}.pem"), &(certificate.pem() + &self.pem())),
            key: self.write(&format!("{file}.key"), &key.serialize_pem()),
        }
    }

    /// A certificate for a client.
    pub fn identity(&self, name: &str) -> Identity {
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &*self.issuer).unwrap();
        (vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }

    /// For a router with a certificate for `localhost` and 127.0.0.1.
    pub fn config(&self) -> TlsConfig {
        let certificates = vec![self.issue("localhost", &["localhost", "127.0.0.1"])];
        TlsConfig { certificates, ..TlsConfig::default() }
    }

    /// For clients that trust this authority alone.
    pub fn client(
        &self,
        version: &'static SupportedProtocolVersion,
        identity: Option<Identity>,
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_protocol_versions(&[version]).unwrap().with_root_certificates(roots);
        match identity {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
            None => builder.with_no_client_auth(),
        }
    }
}

/// Connects to `addr` as the host `name`, through the handshake as the client sees it.
pub fn connect(addr: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> io::Result<TlsStream> {
    finish(begin(addr, config, name))
}

/// Connects, and says the first word of the handshake.
pub fn begin(addr: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> TlsStream {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut session = ClientConnection::new(config.clone(), name).unwrap();
    let mut stream = Client::tcp(addr).stream;
    session.write_tls(&mut stream).unwrap();
    StreamOwned::new(session, stream)
}

/// Goes through the handshake as the client sees it.
pub fn finish(mut stream: TlsStream) -> io::Result<TlsStream> {
    while stream.conn.is_handshaking() {
        again(|| stream.conn.complete_io(&mut stream.sock))?;
    }
    Ok(stream)
}
