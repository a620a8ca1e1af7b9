//! The load generator before routers that do not let everybody in: behind TLS, and behind a gatekeeper that asks for a
//! proof. Both are scripted here and pass on to a router in this process.

mod support;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;

use support::{Served, failure, report};

/// A terminator of TLS before a router, and its certificate in a file.
struct Curtain {
    address: SocketAddr,
    certificate: PathBuf,
    _folder: TempDir,
}

impl Curtain {
    fn before(router: &Served) -> Curtain {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let certificate = folder.path().join("ca.pem");
        std::fs::write(&certificate, cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let (listener, upstream, config) =
            (TcpListener::bind("127.0.0.1:0").unwrap(), router.address, Arc::new(config));
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, config) = (client.unwrap(), config.clone());
                // Its end is an error, one way or the other.
                thread::spawn(move || terminate(client, config, upstream).unwrap_err());
            }
        });
        Curtain { address, certificate, _folder: folder }
    }
}

/// Passes on in both directions.
fn terminate(mut client: TcpStream, config: Arc<ServerConfig>, upstream: SocketAddr) -> io::Result<()> {
    let mut tls = ServerConnection::new(config).unwrap();
    let mut server = TcpStream::connect(upstream)?;
    for socket in [&client, &server] {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
    }
    let (mut buffer, mut out) = (vec![0; 1 << 16], Vec::new());
    loop {
        let mut idle = true;
        let mut progress = |result: io::Result<usize>| match result {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                idle = false;
                Ok(n)
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(e) => Err(e),
        };
        progress(tls.read_tls(&mut client))?;
        tls.process_new_packets().map_err(io::Error::other)?;
        let n = progress(tls.reader().read(&mut buffer))?;
        out.extend_from_slice(&buffer[..n]);
        if !out.is_empty() {
            let n = progress(server.write(&out))?;
            out.drain(..n);
        }
        // It is read only when the client has taken what there was: nothing piles up.
        if !tls.wants_write() {
            let n = progress(server.read(&mut buffer))?;
            tls.writer().write_all(&buffer[..n])?;
        }
        while tls.wants_write() {
            if progress(tls.write_tls(&mut client))? == 0 {
                break;
            }
        }
        if idle {
            thread::sleep(Duration::from_micros(200));
        }
    }
}

#[test]
fn over_tls() {
    let router = Served::start(1);
    let curtain = Curtain::before(&router);
    let certificate = curtain.certificate.display();
    let loads = [
        format!("pubsub wss://localhost:{}/ws --pairs 2 --fanout 2 --window 3", curtain.address.port()),
        format!("connect wss://{}/ws", curtain.address),
        format!("rpc wss://{}/ws --payload 100000", curtain.address),
        format!("rpc tcps://{} --serializer cbor --rate 500", curtain.address),
    ];
    for load in loads {
        for trust in [format!("--ca {certificate}"), "--insecure".to_owned()] {
            let report = report(&format!("{load} {trust}"));
            assert!(report["total"].as_u64().unwrap() > 0, "{report:#}");
        }
        // Whatever this system trusts, it is not this.
        let refused = failure(&load);
        assert!(refused.contains("certificate"), "{refused}");
    }
}

/// One who lets a client through to the router when it has answered.
fn gate(router: &Served, method: &'static str, extra: Value, signature: String) -> SocketAddr {
    let (listener, upstream) = (TcpListener::bind("127.0.0.1:0").unwrap(), router.address);
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (extra, signature) = (extra.clone(), signature.clone());
            let (client, server) = (client.unwrap(), TcpStream::connect(upstream).unwrap());
            thread::spawn(move || let_in(client, server, method, &extra, &signature).unwrap_err());
        }
    });
    address
}

/// JSON over RawSocket.
fn let_in(
    mut client: TcpStream,
    mut server: TcpStream,
    method: &str,
    extra: &Value,
    signature: &str,
) -> io::Result<()> {
    let mut hands = [0; 4];
    client.read_exact(&mut hands)?;
    server.write_all(&hands)?;
    server.read_exact(&mut hands)?;
    client.write_all(&hands)?;
    let mut hello = receive(&mut client)?;
    let details = hello[2].as_object_mut().unwrap();
    let methods = details.remove("authmethods").unwrap_or_default();
    let known = details.remove("authid") == Some(json!("joe"));
    if methods.as_array().is_some_and(|methods| methods.contains(&json!(method))) {
        send(&mut client, &json!([4, method, extra]))?;
        let answer = receive(&mut client)?;
        if !known || answer != json!([5, signature, {}]) {
            send(&mut client, &json!([3, {}, "wamp.error.authentication_failed"]))?;
            return Err(ErrorKind::PermissionDenied.into());
        }
    }
    send(&mut server, &hello)?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || io::copy(&mut from, &mut to));
    io::copy(&mut server, &mut client)?;
    Err(ErrorKind::UnexpectedEof.into())
}

fn receive(socket: &mut TcpStream) -> io::Result<Value> {
    let mut head = [0; 4];
    socket.read_exact(&mut head)?;
    let mut body = vec![0; u32::from_be_bytes(head) as usize];
    socket.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}

fn send(socket: &mut TcpStream, message: &Value) -> io::Result<()> {
    let body = message.to_string();
    socket.write_all(&(body.len() as u32).to_be_bytes())?;
    socket.write_all(body.as_bytes())
}

#[test]
fn by_a_ticket() {
    let router = Served::start(1);
    let gate = gate(&router, "ticket", json!({}), "open sesame".to_owned());
    report(&format!("rpc tcp://joe:open%20sesame@{gate}"));
    report(&format!("pubsub tcp://joe:open%20sesame@{gate} --pairs 2"));
    let wrong = failure(&format!("rpc tcp://{gate} --authid joe --ticket sesame"));
    assert!(wrong.contains("received ABORT wamp.error.authentication_failed"), "{wrong}");
    let stranger = failure(&format!("rpc tcp://ann:open%20sesame@{gate}"));
    assert!(stranger.contains("received ABORT wamp.error.authentication_failed"), "{stranger}");
}

#[test]
fn by_a_secret() {
    let sign = |key: &str, challenge: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
        mac.update(challenge.as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    };
    let router = Served::start(1);
    let plain = gate(&router, "wampcra", json!({"challenge": "{\"nonce\":1}"}), sign("key", "{\"nonce\":1}"));
    report(&format!("rpc tcp://{plain} --authid joe --wampcra key"));
    report(&format!("rpc tcp://joe:key@{plain}"));
    let wrong = failure(&format!("rpc tcp://{plain} --authid joe --wampcra kee"));
    assert!(wrong.contains("received ABORT wamp.error.authentication_failed"), "{wrong}");
    let derived = STANDARD.encode(pbkdf2::pbkdf2_hmac_array::<Sha256, 20>(b"key", b"nacl", 100));
    let extra = json!({"challenge": "c", "salt": "nacl", "iterations": 100, "keylen": 20});
    let salted = gate(&router, "wampcra", extra, sign(&derived, "c"));
    report(&format!("pubsub tcp://{salted} --authid joe --wampcra key"));
}
