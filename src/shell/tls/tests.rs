//! A router's side of TLS against the library's client, over a pair of sockets.

use std::io::{IoSlice, Read, Write};
use std::sync::Arc;

use rcgen::{CertificateParams, CertifiedIssuer, DnType, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, SupportedProtocolVersion, version,
};
use socket2::{Domain, Socket, Type};

use super::session::{BINDING, RECORDS_BYTES_MAX};
use super::{Event, Tls, TlsContext};
use crate::config::{CertificateFiles, ClientCertificates, TlsConfig};

/// What a router's side has, and a client with a certificate that the router takes.
pub(in crate::shell) fn context_and_client(
    version: &'static SupportedProtocolVersion,
    name: &str,
) -> (TlsContext, ClientConnection) {
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let file = |end: &str, text: String| {
        let path = std::env::temp_dir().join(format!("connectanum-tls-{}-{name}.{end}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path
    };
    let chain = file("pem", issuer.pem());
    let key = file("key", issuer.key().serialize_pem());
    let context = TlsContext::load(&TlsConfig {
        client_certificates: ClientCertificates::Optional,
        client_ca: Some(chain.clone()),
        certificates: vec![CertificateFiles { chain: chain.clone(), key: key.clone() }],
        ..TlsConfig::default()
    });
    let _ = [chain, key].map(std::fs::remove_file);

    let mut roots = RootCertStore::empty();
    roots.add(issuer.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(
            vec![issuer.der().clone()],
            PrivateKeyDer::try_from(issuer.key().serialize_der()).unwrap(),
        )
        .unwrap();
    let client = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    (context.unwrap(), client)
}

/// A router's side and a client's, and the sockets between them.
struct Pair {
    context: TlsContext,
    tls: Tls,
    socket: Socket,
    client: ClientConnection,
    far: Socket,
    plain: Vec<u8>,
}

fn pair(version: &'static SupportedProtocolVersion, name: &str) -> Pair {
    let (context, client) = context_and_client(version, name);
    let (socket, far) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    far.set_nonblocking(true).unwrap();
    Pair { context, tls: Tls::default(), socket, client, far, plain: vec![0; 100_000] }
}

impl Pair {
    /// Everything goes across that can; returns what the router's side says of it.
    fn exchange(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        let mut buffer = vec![0; 100_000];
        loop {
            while self.client.wants_write() {
                self.client.write_tls(&mut self.far).unwrap();
            }
            let read = self.socket.read(&mut buffer).unwrap_or(0);
            let mut records = &buffer[..read];
            loop {
                match self.tls.receive(&mut records, &mut self.plain, &self.context) {
                    Event::Nothing => break,
                    event => events.push(event),
                }
            }
            let _ = self.tls.flush(&self.socket, &mut 0);
            match self.client.read_tls(&mut self.far) {
                Ok(1..) => drop(self.client.process_new_packets()),
                _ if read == 0 => return events,
                _ => {}
            }
        }
    }
}

#[test]
fn what_the_shard_learns_of_a_peer() {
    for (version, name) in [(&version::TLS12, "joe12"), (&version::TLS13, "joe13")] {
        let mut pair = pair(version, name);
        pair.client.writer().write_all(b"hello").unwrap();
        let events = pair.exchange();
        let [Event::Established(peer), Event::Bytes(5)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(&pair.plain[..5], b"hello");
        let certificate = peer.certificate.as_ref().unwrap();
        assert_eq!(certificate.subject, format!("CN={name}"));
        assert_eq!(certificate.der[..2], [0x30, 0x82]);
        assert_eq!((certificate.sha1.len(), certificate.sha256.len()), (20, 32));
        let exported = pair.client.export_keying_material([0; 32], BINDING, Some(b"")).unwrap();
        let binds = version.version == ProtocolVersion::TLSv1_3;
        assert_eq!(peer.binding, binds.then_some(exported));
    }
}

#[test]
fn little_is_encrypted_before_the_socket_has_it() {
    let mut pair = pair(&version::TLS13, "slow");
    pair.exchange();
    pair.socket.set_send_buffer_size(5000).unwrap();
    let queue = vec![7; 10 * RECORDS_BYTES_MAX];
    let slices = [IoSlice::new(&queue[..10]), IoSlice::new(&queue[10..])];
    assert!(pair.tls.encrypt(&slices));
    assert_eq!(pair.tls.encrypted, RECORDS_BYTES_MAX);
    let (mut got, mut buffer) = (0, vec![0; 100_000]);
    while pair.tls.flush(&pair.socket, &mut 0).is_err() {
        assert_eq!(pair.tls.encrypted, RECORDS_BYTES_MAX, "nothing is sent before all is");
        pair.client.read_tls(&mut pair.far).unwrap();
        pair.client.process_new_packets().unwrap();
        got += pair.client.reader().read(&mut buffer).unwrap_or(0);
    }
    assert!(got > 0, "it did not fit at once");
    assert_eq!((pair.tls.take_sent(), pair.tls.take_sent()), (RECORDS_BYTES_MAX, 0));
}

#[test]
fn both_ends_say_that_they_end() {
    for version in [&version::TLS12, &version::TLS13] {
        let mut pair = pair(version, "end");
        pair.exchange();
        pair.client.send_close_notify();
        assert!(matches!(pair.exchange()[..], [Event::End]));
        assert!(pair.tls.has_ended());
        let slices = [IoSlice::new(b"the last word")];
        assert!(pair.tls.encrypt(&slices));
        pair.tls.close();
        pair.exchange();
        let mut text = String::new();
        pair.client.reader().read_to_string(&mut text).expect("it ends as it should");
        assert_eq!(text, "the last word");
    }
}
