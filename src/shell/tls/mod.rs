//! TLS, for the addresses that ask for it.
//!
//! * [`TlsContext`]: the certificates and all else that a handshake goes by; it can be replaced while the router runs;
//! * `files`: certificates and keys from their files; `certificate`: what is in one; `sni`: which one a client gets;
//! * `session`: the records of one connection.

mod certificate;
mod files;
mod session;
mod sni;
#[cfg(test)]
pub(super) mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};

pub use certificate::CertificateFacts;
pub use files::{TlsError, TlsErrors};
pub(super) use session::{Event, Tls};

use crate::config::{ClientCertificates, TlsConfig, TlsVersion};
use sni::Certificates;

/// What clients that use ALPN have to offer: a WebSocket begins as this. RawSocket has no name there.
const ALPN: &[u8] = b"http/1.1";

/// What TLS is spoken with. Handshakes that have begun, and connections, keep what they began with.
#[derive(Debug)]
pub struct TlsContext {
    current: Mutex<Arc<Current>>,
}

/// A configuration that could be gone over to.
pub(super) struct Prepared(Current);

#[derive(Debug)]
struct Current {
    config: TlsConfig,
    server: Arc<ServerConfig>,
    facts: Vec<CertificateFacts>,
    /// Who is trusted to sign clients' certificates.
    authorities: Vec<CertificateDer<'static>>,
}

impl TlsContext {
    /// Reads all files.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn load(config: &TlsConfig) -> Result<TlsContext, TlsErrors> {
        Current::load(config, None).map(|current| TlsContext { current: Mutex::new(Arc::new(current)) })
    }

    /// Reads the files again, which may have changed. Connections from now on get what is in them.
    ///
    /// # Errors
    /// All that is wrong with them; nothing has changed.
    pub fn reload(&self) -> Result<(), TlsErrors> {
        self.replace(&self.current().config)
    }

    /// Goes over to another configuration.
    ///
    /// # Errors
    /// All that is wrong with it; nothing has changed.
    pub fn replace(&self, config: &TlsConfig) -> Result<(), TlsErrors> {
        self.prepare(config).map(|prepared| self.go_over(prepared))
    }

    /// Reads the files of another configuration.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(super) fn prepare(&self, config: &TlsConfig) -> Result<Prepared, TlsErrors> {
        Current::load(config, Some(&self.current())).map(Prepared)
    }

    /// The next handshake goes by what was prepared.
    pub(super) fn go_over(&self, Prepared(current): Prepared) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(current);
    }

    /// What is in the certificates, in the order of the configuration.
    pub fn certificates(&self) -> Vec<CertificateFacts> {
        self.current().facts.clone()
    }

    /// Says in the log which certificates are in use, with a warning for those that will not do for long.
    pub fn log(&self) {
        let now = SystemTime::now();
        for facts in self.certificates() {
            match facts.fault(now) {
                Some(fault) => tracing::warn!("certificate for {facts}: {fault}"),
                None => tracing::info!("certificate for {facts}"),
            }
        }
    }

    /// What the next handshake goes by.
    pub(super) fn server(&self) -> Arc<ServerConfig> {
        self.current().server.clone()
    }

    fn current(&self) -> Arc<Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Current {
    /// Reads all files. Tickets that were given out `before` stay good if they prove as much as a handshake would.
    fn load(config: &TlsConfig, before: Option<&Current>) -> Result<Current, TlsErrors> {
        let provider = Arc::new(ring::default_provider());
        let mut faults = Vec::new();
        let mut read = Vec::new();
        for files in &config.certificates {
            match files::certificate(files, &provider) {
                Ok(certificate) => read.push(certificate),
                Err(fault) => faults.push(fault),
            }
        }
        let (keys, facts): (Vec<_>, Vec<_>) = read.into_iter().unzip();
        let authorities = match (config.client_certificates, &config.client_ca) {
            (ClientCertificates::Off, _) => Vec::new(),
            (_, None) => fail(&mut faults, TlsError::NoAuthorities),
            (_, Some(path)) => files::certificates(path).unwrap_or_else(|fault| fail(&mut faults, fault)),
        };
        let roots = files::roots(&authorities, config.client_ca.as_deref());
        let roots = roots.map_err(|fault| faults.push(fault)).unwrap_or(RootCertStore::empty());
        if keys.is_empty() && faults.is_empty() {
            faults.push(TlsError::NoCertificate);
        }
        if !faults.is_empty() {
            return Err(TlsErrors(faults));
        }
        let mut tickets = None;
        if let Some(before) = before
            && before.authorities == authorities
            && before.config.client_certificates == config.client_certificates
            && before.config.resumption
        {
            tickets = Some(before.server.ticketer.clone());
        }
        let names = Certificates::new(keys, &facts);
        let server = server(config, provider, names, roots, tickets)
            .map_err(|error| TlsErrors(vec![TlsError::Refused(error)]))?;
        Ok(Current { config: config.clone(), server: Arc::new(server), facts, authorities })
    }
}

fn fail<T: Default>(faults: &mut Vec<TlsError>, fault: TlsError) -> T {
    faults.push(fault);
    T::default()
}

fn server(
    config: &TlsConfig,
    provider: Arc<CryptoProvider>,
    certificates: Certificates,
    roots: RootCertStore,
    tickets: Option<Arc<dyn ProducesTickets>>,
) -> Result<ServerConfig, rustls::Error> {
    let versions: &[&SupportedProtocolVersion] = match config.min_version {
        TlsVersion::V12 => &[&version::TLS13, &version::TLS12],
        TlsVersion::V13 => &[&version::TLS13],
    };
    let verifier = match config.client_certificates {
        ClientCertificates::Off => WebPkiClientVerifier::no_client_auth(),
        demand => {
            let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
            let builder = match demand {
                ClientCertificates::Optional => builder.allow_unauthenticated(),
                _ => builder,
            };
            builder.build().map_err(|error| rustls::Error::General(error.to_string()))?
        }
    };
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(certificates));
    server.alpn_protocols = vec![ALPN.to_vec()];
    // Tickets are kept by the clients: nothing is stored here, and every shard can read them.
    server.session_storage = Arc::new(NoServerSessionStorage {});
    match config.resumption {
        true => server.ticketer = tickets.map_or_else(ring::Ticketer::new, Ok)?,
        false => server.send_tls13_tickets = 0,
    }
    Ok(server)
}
