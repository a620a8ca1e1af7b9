//! TLS, as clients meet it.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use connectanum::config::{CertificateFiles, ClientCertificates, TlsConfig, TlsVersion};
use connectanum::limits::{Limits, READ_BUFFER_BYTES};
use connectanum::shell::Address;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, ClientConfig, ClientConnection, Error, HandshakeKind, version};
use serde_json::{Value, json};
use socket2::SockRef;
use tungstenite::Message;
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;

use crate::authority::*;
use crate::child::*;
use crate::common::*;

on_every_shell! {
    websocket_rawsocket_and_http_on_one_port,
    clients_get_the_certificate_of_their_host,
    a_client_that_trusts_somebody_else_goes,
    client_certificates,
    the_oldest_version,
    protocols_by_alpn,
    without_tls_one_is_told,
    a_port_without_tls_says_so,
    bytes_of_a_handshake_may_come_one_by_one,
    resets_in_a_handshake_harm_nobody,
    many_handshakes_at_once,
    a_handshake_has_its_time,
    new_certificates_without_a_restart,
    sessions_are_resumed,
    large_messages_go_both_ways,
    what_waits_is_written_after_the_word_of_end,
    what_is_cut_off_is_lost,
    garbage_ends_its_connection,
    goodbye_ends_with_the_word_of_end,
    a_slow_reader_is_bounded,
    idle_connections_are_small,
}

impl Setup {
    /// A router that speaks TLS on its only address.
    fn start_secure(self, tls: TlsConfig, limits: Limits) -> Option<Running> {
        let (io, shards) = (self.io, self.shards);
        let builder = Setup { io, shards }.builder(limits).listen("wss://127.0.0.1:0".parse().unwrap());
        Running::start(builder.tls(tls))
    }
}

/// The address with TLS; the one before it is without.
fn secure(router: &Running) -> SocketAddr {
    match router.addresses[1] {
        Address::Tcp { addr, declared } if declared.is_secure() => addr,
        ref other => panic!("{other}"),
    }
}

/// With a session, over RawSocket.
#[track_caller]
fn join(addr: SocketAddr, config: &Arc<ClientConfig>) -> Client<TlsStream> {
    Client::over(connect(addr, config, "localhost").unwrap()).joined()
}

/// What the library says is wrong.
#[track_caller]
fn fault<T>(result: io::Result<T>) -> Error {
    let error = result.err().expect("it works");
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).cloned();
    inner.unwrap_or_else(|| panic!("{error:?} is not of TLS"))
}

fn websocket_rawsocket_and_http_on_one_port(setup: Setup) {
    let authority = Authority::new();
    let Some(router) = setup.start_secure(authority.config(), Limits::default()) else { return };
    for version in VERSIONS {
        let config = Arc::new(authority.client(version, None));
        let mut raw = join(secure(&router), &config);
        assert_eq!(raw.stream.conn.protocol_version(), Some(version.version));
        raw.echo("over RawSocket");
        raw.subscribe("test.from_websocket");

        let stream = connect(secure(&router), &config, "localhost").unwrap();
        let mut request = "wss://localhost/ws".into_client_request().unwrap();
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("wamp.2.json"));
        let (mut socket, _) = tungstenite::client(request, stream).unwrap();
        let mut say = |message: Value| -> Value {
            socket.send(Message::text(message.to_string())).unwrap();
            serde_json::from_str(socket.read().unwrap().to_text().unwrap()).unwrap()
        };
        assert_eq!(say(json!([1, "realm1", {"roles": {"publisher": {}}}]))[0], 2);
        let publish = json!([16, 1, {"acknowledge": true}, "test.from_websocket", ["over WebSocket"]]);
        assert_eq!(say(publish)[0], 17);
        raw.expect("over WebSocket");

        let mut page = connect(secure(&router), &config, "localhost").unwrap();
        page.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut text = String::new();
        page.read_to_string(&mut text).expect("it ends as it should");
        assert!(text.starts_with("HTTP/1.1 200 ") && text.ends_with("</html>\n"), "{text}");
    }
    router.await_connections(0);
    assert_eq!(router.counted(|c| c.tls_handshakes), 6);
    assert_eq!(router.counted(|c| c.tls_failed), 0);
}

fn clients_get_the_certificate_of_their_host(setup: Setup) {
    let authority = Authority::new();
    let mut tls = authority.config();
    tls.certificates.push(authority.issue("a", &["a.test"]));
    tls.certificates.push(authority.issue("b", &["*.b.test", "b.test", "A.test"]));
    let Some(router) = setup.start_secure(tls.clone(), Limits::default()) else { return };
    let chain = |file: usize| {
        let text = fs::read(&tls.certificates[file].chain).unwrap();
        rustls::pki_types::pem::PemObject::from_pem_slice(&text).unwrap()
    };
    let certificates: [CertificateDer<'static>; 3] = [chain(0), chain(1), chain(2)];
    for version in VERSIONS {
        let config = Arc::new(authority.client(version, None));
        for (host, file) in
            [("localhost", 0), ("a.test", 1), ("b.test", 2), ("X.b.test", 2), ("127.0.0.1", 0)]
        {
            let stream = connect(secure(&router), &config, host).unwrap();
            assert_eq!(stream.conn.peer_certificates().unwrap()[0], certificates[file], "{host}");
        }
        // The first certificate, which is not for it.
        let error = fault(connect(secure(&router), &config, "c.test"));
        assert!(matches!(error, Error::InvalidCertificate(_)), "{error}");
    }
}

fn a_client_that_trusts_somebody_else_goes(setup: Setup) {
    let authority = Authority::new();
    let Some(router) = setup.start_secure(authority.config(), Limits::default()) else { return };
    for version in VERSIONS {
        let elsewhere = Arc::new(Authority::new().client(version, None));
        let error = fault(connect(secure(&router), &elsewhere, "localhost"));
        assert!(matches!(error, Error::InvalidCertificate(_)), "{error}");
        router.await_connections(0);
    }
    eventually(|| router.counted(|c| c.tls_failed), |&n| n == 2);
    join(secure(&router), &Arc::new(authority.client(&version::TLS13, None))).echo("it does not mind");
}

fn client_certificates(setup: Setup) {
    let authority = Authority::new();
    let foreign = Authority::new();
    for demand in [ClientCertificates::Required, ClientCertificates::Optional] {
        let client_ca = Some(authority.file());
        let tls = TlsConfig { client_certificates: demand, client_ca, ..authority.config() };
        let Some(router) = setup.start_secure(tls, Limits::default()) else { return };
        for version in VERSIONS {
            // With TLS 1.3 a client learns of it when it reads.
            let refused = |identity| {
                let config = Arc::new(authority.client(version, identity));
                let read = |mut stream: TlsStream| stream.read(&mut [0]);
                fault(connect(secure(&router), &config, "localhost").and_then(read))
            };
            let known = Arc::new(authority.client(version, Some(authority.identity("joe"))));
            join(secure(&router), &known).echo("known");
            let again = join(secure(&router), &known);
            assert_eq!(again.stream.conn.handshake_kind(), Some(HandshakeKind::Resumed));
            drop(again);
            let error = refused(Some(foreign.identity("joe")));
            assert!(matches!(error, Error::AlertReceived(AlertDescription::UnknownCA)), "{error}");
            if demand == ClientCertificates::Required {
                let error = refused(None);
                assert!(
                    matches!(error, Error::AlertReceived(AlertDescription::CertificateRequired)),
                    "{error}"
                );
            } else {
                join(secure(&router), &Arc::new(authority.client(version, None))).echo("unknown");
            }
        }
        router.await_connections(0);
    }
}

fn the_oldest_version(setup: Setup) {
    let authority = Authority::new();
    let tls = TlsConfig { min_version: TlsVersion::V13, ..authority.config() };
    let Some(router) = setup.start_secure(tls, Limits::default()) else { return };
    join(secure(&router), &Arc::new(authority.client(&version::TLS13, None))).echo("new enough");
    let old = Arc::new(authority.client(&version::TLS12, None));
    let error = fault(connect(secure(&router), &old, "localhost"));
    assert!(matches!(error, Error::AlertReceived(AlertDescription::ProtocolVersion)), "{error}");
}

fn protocols_by_alpn(setup: Setup) {
    let authority = Authority::new();
    let Some(router) = setup.start_secure(authority.config(), Limits::default()) else { return };
    let offer = |protocols: &[&str]| {
        let mut config = authority.client(&version::TLS13, None);
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        connect(secure(&router), &Arc::new(config), "localhost")
    };
    let agreed = |protocols: &[&str]| offer(protocols).unwrap().conn.alpn_protocol().map(<[u8]>::to_vec);
    assert_eq!(agreed(&[]), None);
    assert_eq!(agreed(&["h2", "http/1.1"]), Some(b"http/1.1".to_vec()));
    let error = fault(offer(&["h2"]));
    assert!(matches!(error, Error::AlertReceived(AlertDescription::NoApplicationProtocol)), "{error}");
}

fn without_tls_one_is_told(setup: Setup) {
    let authority = Authority::new();
    let Some(router) = setup.start_secure(authority.config(), Limits::default()) else { return };
    let say = |bytes: &[u8]| {
        let mut stream = Client::tcp(secure(&router)).stream;
        stream.write_all(bytes).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("no reset");
        answer
    };
    for request in ["GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n", "G", "POST / HTTP/1.1\r\n"] {
        let answer = say(request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
        assert!(answer.contains("This port speaks TLS."), "{answer}");
    }
    for other in [&[0x7F, 0xF1, 0, 0][..], b"\0", b"\xFF\xFF"] {
        assert_eq!(say(other), "");
    }
    router.await_connections(0);
    assert_eq!(router.counted(|c| c.tls_failed), 6);
}

fn a_port_without_tls_says_so(setup: Setup) {
    let authority = Authority::new();
    let Some(router) = setup.start() else { return };
    for version in VERSIONS {
        let error = fault(connect(router.tcp(), &Arc::new(authority.client(version, None)), "localhost"));
        assert!(matches!(error, Error::AlertReceived(AlertDescription::HandshakeFailure)), "{error}");
    }
    router.await_connections(0);
}

fn bytes_of_a_handshake_may_come_one_by_one(setup: Setup) {
    let authority = Authority::new();
    let Some(router) = setup.start_secure(authority.config(), Limits::default()) else { return };
    for version in VERSIONS {
        let config = Arc::new(authority.client(version, None));
        let name = ServerName::try_from("localhost").unwrap();
        let mut session = ClientConnection::new(config, name).unwrap();
        let mut stream = Client::tcp(secure(&router)).stream;
        while session.is_handshaking() || session.wants_write() {
            let mut records = Vec::new();
            while session.wants_write() {
                session.write_tls(&mut records).unwrap();
            }
            for byte in records {
                stream.write_all(&[byte]).unwrap();
            }
            if session.is_handshaking() {
                // io_uring interrupts calls of other threads now and then.
                while session.read_tls(&mut stream).is_err_and(|e| e.kind() == ErrorKind::Interrupted) {}
                session.process_new_packets().unwrap();
            }
        }
        Client::over(rustls::StreamOwned::new(session, stream)).joined().echo("all there");
    }
}

/// A record that a client would begin with.
fn hello(authority: &Authority) -> Vec<u8> {
    let config = Arc::new(authority.client(&version::TLS13, None));
    let mut session = ClientConnection::new(config, ServerName::try_from("localhost").unwrap()).unwrap();
    let mut records = Vec::new();
    session.write_tls(&mut records).unwrap();
    records
}

fn resets_in_a_handshake_harm_nobody(setup: Setup) {
    let authority = Authority::new();
    let Some(router) = setup.start_secure(authority.config(), Limits::default()) else { return };
    let mut witness = join(secure(&router), &Arc::new(authority.client(&version::TLS13, None)));
    let hello = hello(&authority);
    for sent in [0, 1, 5, 6, 100, hello.len()] {
        for _ in 0..10 {
            let mut stream = Client::tcp(secure(&router)).stream;
            stream.write_all(&hello[..sent]).unwrap();
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
        witness.echo("still there");
    }
    router.await_connections(1);
}

fn many_handshakes_at_once(setup: Setup) {
    let authority = Authority::new();
    let Some(router) = setup.start_secure(authority.config(), Limits::default()) else { return };
    let config = Arc::new(authority.client(&version::TLS13, None));
    let mut witness = join(secure(&router), &config);
    let begun: Vec<_> = (0..100).map(|_| begin(secure(&router), &config, "localhost")).collect();
    witness.echo("quick");
    let mut clients: Vec<_> = begun.into_iter().map(|stream| Client::over(finish(stream).unwrap())).collect();
    clients.iter_mut().for_each(Client::hello);
    clients.iter_mut().for_each(Client::welcome);
    witness.echo("still there");
}

fn a_handshake_has_its_time(setup: Setup) {
    let authority = Authority::new();
    let limits = Limits { handshake_ms_max: 200, closing_ms_max: 200, ..Limits::default() };
    let Some(router) = setup.start_secure(authority.config(), limits) else { return };
    let hello = hello(&authority);
    let begin = |bytes: &[u8]| {
        let mut client = Client::tcp(secure(&router));
        client.stream.write_all(bytes).unwrap();
        client
    };
    // Nothing, a part, all but the last word, something else, and what is no handshake although it begins as one.
    for bytes in [&[][..], &hello[..1], &hello[..50], &hello, b"GET", &[22, 3, 1, 0, 4, 0, 0, 0, 0]] {
        let start = Instant::now();
        let mut client = begin(bytes);
        let mut rest = Vec::new();
        let _ = client.stream.read_to_end(&mut rest);
        assert!(start.elapsed() < PATIENCE / 2, "{bytes:?}");
        // It goes even if the client does not.
        router.await_connections(0);
    }
}

fn new_certificates_without_a_restart(setup: Setup) {
    let authority = Authority::new();
    let tls = authority.config();
    let Some(router) = setup.start_secure(tls.clone(), Limits::default()) else { return };
    let version = VERSIONS[usize::from(setup.shards) % 2];
    let certificate = || {
        let fresh = Arc::new(authority.client(version, None));
        let stream = connect(secure(&router), &fresh, "localhost").unwrap();
        stream.conn.peer_certificates().unwrap()[0].clone()
    };
    let config = Arc::new(authority.client(version, None));
    let mut early = join(secure(&router), &config);
    let first = certificate();

    let (chain, key) = (&tls.certificates[0].chain, &tls.certificates[0].key);
    let old = (fs::read_to_string(chain).unwrap(), fs::read_to_string(key).unwrap());
    authority.issue("localhost", &["localhost"]);
    assert_eq!(certificate(), first, "nobody has asked for it");
    router.handle.reload_certificates().unwrap();
    let second = certificate();
    assert_ne!(second, first);
    early.echo("lives on");
    let resumed = join(secure(&router), &config);
    assert_eq!(resumed.stream.conn.handshake_kind(), Some(HandshakeKind::Resumed), "tickets stay good");

    let refused = |says: &str| {
        let faults = router.handle.reload_certificates().unwrap_err().to_string();
        assert!(faults.contains(says), "{faults}");
        assert_eq!(certificate(), second, "nothing has changed");
    };
    fs::write(chain, &old.0).unwrap();
    refused("is not the one of the first certificate");
    fs::write(key, &old.1[..old.1.len() / 2]).unwrap();
    refused("is no PEM file");
    fs::remove_file(chain).unwrap();
    refused("cannot read");
    fs::write(chain, &old.0).unwrap();
    fs::write(key, &old.1).unwrap();
    router.handle.reload_certificates().unwrap();
    assert_eq!(certificate(), first);
    early.echo("lives on");
}

fn sessions_are_resumed(setup: Setup) {
    let authority = Authority::new();
    for resumption in [true, false] {
        let tls = TlsConfig { resumption, ..authority.config() };
        let Some(router) = setup.start_secure(tls, Limits::default()) else { return };
        for version in VERSIONS {
            let config = Arc::new(authority.client(version, None));
            let mut first = join(secure(&router), &config);
            assert_ne!(first.stream.conn.handshake_kind(), Some(HandshakeKind::Resumed));
            first.echo("first");
            let expected = if resumption { HandshakeKind::Resumed } else { HandshakeKind::Full };
            // On whichever shard.
            for _ in 0..2 * setup.shards {
                let mut next = join(secure(&router), &config);
                assert_eq!(next.stream.conn.handshake_kind(), Some(expected));
                next.echo("next");
            }
        }
        let resumed = if resumption { 4 * u64::from(setup.shards) } else { 0 };
        eventually(|| router.counted(|c| c.tls_resumed), |&n| n == resumed);
    }
}

fn large_messages_go_both_ways(setup: Setup) {
    let authority = Authority::new();
    let Some(router) = setup.start_secure(authority.config(), Limits::default()) else { return };
    for version in VERSIONS {
        let mut client = join(secure(&router), &Arc::new(authority.client(version, None)));
        for bytes in [10, 4096, 16 << 10, READ_BUFFER_BYTES, 1 << 20, 5_000_000] {
            client.echo(&"x".repeat(bytes));
        }
    }
}

/// Publishes to itself, more than the system holds, then says that this was all.
fn what_waits_is_written_after_the_word_of_end(setup: Setup) {
    let authority = Authority::new();
    let Some(router) = setup.start_secure(authority.config(), Limits::default()) else { return };
    for version in VERSIONS {
        let mut client = join(secure(&router), &Arc::new(authority.client(version, None)));
        let n = 30;
        for i in 0..n {
            client.publish(&client.topic.clone(), &format!("{i:>20000}"));
        }
        client.stream.conn.send_close_notify();
        client.stream.flush().unwrap();
        (0..n).for_each(|i| client.expect(&format!("{i:>20000}")));
        let rest = client.stream.read(&mut [0]);
        assert_eq!(rest.expect("the word of end came back"), 0);
        router.await_connections(0);
    }
}

fn what_is_cut_off_is_lost(setup: Setup) {
    let authority = Authority::new();
    let Some(router) = setup.start_secure(authority.config(), Limits::default()) else { return };
    let config = Arc::new(authority.client(&version::TLS13, None));
    let mut witness = join(secure(&router), &config);
    let mut client = join(secure(&router), &config);
    client.publish(&witness.topic, "the last word");
    client.stream.sock.shutdown(Shutdown::Write).unwrap();
    witness.expect("the last word");
    router.await_connections(1);
    let error = client.stream.read(&mut [0]).map_err(|e| e.kind());
    assert!(matches!(error, Err(ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset)), "{error:?}");
}

fn garbage_ends_its_connection(setup: Setup) {
    let authority = Authority::new();
    let Some(router) = setup.start_secure(authority.config(), Limits::default()) else { return };
    let config = Arc::new(authority.client(&version::TLS13, None));
    let mut witness = join(secure(&router), &config);
    let heads: [&[u8]; 5] =
        [&[23, 3, 3, 0, 32], &[22, 3, 3, 0, 32], &[23, 3, 3, 0xFF, 0xFF], &[99; 5], &[0; 5]];
    for head in heads {
        for joined in [true, false] {
            let mut stream: TcpStream = match joined {
                true => join(secure(&router), &config).stream.sock,
                false => {
                    let mut stream = Client::tcp(secure(&router)).stream;
                    stream.write_all(&hello(&authority)).unwrap();
                    stream
                }
            };
            stream.write_all(&[head, &[7; 32]].concat()).unwrap();
            // What was said, an alert among it, then the end.
            let read = stream.read_to_end(&mut Vec::new());
            assert!(read.is_ok() || read.is_err_and(|e| e.kind() == ErrorKind::ConnectionReset));
            drop(stream);
            router.await_connections(1);
        }
        witness.echo("still there");
    }
    assert!(router.counted(|c| c.tls_failed) >= 5);
}

fn goodbye_ends_with_the_word_of_end(setup: Setup) {
    let authority = Authority::new();
    let Some(router) = setup.start_secure(authority.config(), Limits::default()) else { return };
    let config = Arc::new(authority.client(&version::TLS13, None));
    let mut clients: Vec<_> = (0..4).map(|_| join(secure(&router), &config)).collect();
    let handshaking = Client::tcp(secure(&router));
    router.await_connections(5);
    router.handle.shutdown();
    for client in &mut clients {
        client.expect_goodbye();
        client.send(&json!([6, {}, "wamp.close.goodbye_and_out"]));
        assert_eq!(client.stream.read(&mut [0]).expect("the word of end"), 0);
    }
    drop((clients, handshaking));
    router.ended().unwrap();
}

/// Tells the child where its certificate is.
const CERTIFICATES: &str = "CONNECTANUM_TEST_CERTIFICATES";

/// A child with TLS, whose certificate the authority has signed.
fn start_child(setup: Setup, authority: &Authority, first: &str, test: &str) -> Option<Child> {
    authority.config();
    let dir = authority.dir.0.display();
    Child::start(setup, &format!("{first} && export {CERTIFICATES}={dir}"), test)
}

/// The child's side of it.
fn start_secure_child(limits: Limits) -> Option<Running> {
    let dir = std::path::PathBuf::from(std::env::var(CERTIFICATES).ok()?);
    let files = CertificateFiles { chain: dir.join("localhost.pem"), key: dir.join("localhost.key") };
    let router = child_setup()?
        .start_secure(TlsConfig { certificates: vec![files], ..TlsConfig::default() }, limits)?;
    router.client().echo("warm");
    println!("listening {}", secure(&router));
    Some(router)
}

/// The limit of what waits for a connection holds for TLS, too, and nothing piles up beside it.
fn a_slow_reader_is_bounded(setup: Setup) {
    let authority = Authority::new();
    let Some(child) = start_child(setup, &authority, "true", "tls::slow_reader") else { return };
    let config = Arc::new(authority.client(&version::TLS13, None));
    let mut slow = join(child.addr, &config);
    slow.subscribe("test.all");
    let mut publisher = join(child.addr, &config);
    let payload = "x".repeat(1 << 20);
    for id in 100..130 {
        publisher.send(&json!([16, id, {"acknowledge": true}, "test.all", [payload]]));
        assert_eq!(publisher.next()[0], 17);
    }
    let mut got = Vec::new();
    let _ = slow.stream.read_to_end(&mut got);
    assert!(got.len() < 25 << 20, "{} bytes came, it was not closed", got.len());
    publisher.echo("still there");
    let grown: u64 = child.result().parse().unwrap();
    assert!(grown < 20 << 20, "grown by {grown} bytes");
}

#[test]
#[ignore = "run by a_slow_reader_is_bounded"]
fn slow_reader() {
    let limits = Limits { outbound_bytes_max: 4 << 20, drain_ms_max: 100, ..Limits::default() };
    let Some(router) = start_secure_child(limits) else { return };
    let before = resident_bytes("self");
    await_stdin_closed();
    println!("result {}", resident_bytes("self").saturating_sub(before));
    drop(router);
}

fn idle_connections_are_small(setup: Setup) {
    const CONNECTIONS: u64 = 200;
    let authority = Authority::new();
    let Some(child) = start_child(setup, &authority, "ulimit -n 4096", "tls::idle_connections") else {
        return;
    };
    let config = Arc::new(authority.client(VERSIONS[usize::from(setup.shards) % 2], None));
    let mut clients: Vec<_> = (0..CONNECTIONS).map(|_| join(child.addr, &config)).collect();
    clients.iter_mut().for_each(|client| client.echo(&"x".repeat(1000)));
    let each = child.result().parse::<u64>().unwrap() / CONNECTIONS;
    drop(clients);
    assert!(each < 16_000, "{each} bytes for an idle connection");
}

#[test]
#[ignore = "run by idle_connections_are_small"]
fn idle_connections() {
    let Some(router) = start_secure_child(Limits { drain_ms_max: 100, ..Limits::default() }) else { return };
    let before = resident_bytes("self");
    await_stdin_closed();
    assert!(router.handle.connections() > 0, "measured too late");
    println!("result {}", resident_bytes("self").saturating_sub(before));
}
