//! Authentication over TLS: every method, binding to the channel, and certificates of clients.

use std::net::SocketAddr;
use std::sync::Arc;

use connectanum::auth::{Method, User};
use connectanum::config::{ClientCertificates, RealmConfig, RouterConfig, TlsConfig};
use connectanum::limits::Limits;
use connectanum::shell::Address;
use ring::digest;
use rustls::{ClientConfig, version};
use serde_json::{Value, json};

use crate::authority::{Authority, TlsStream, VERSIONS, connect};
use crate::common::{Client, Running, Setup, on_every_shell};

#[path = "../protocol/auth/answers.rs"]
pub(crate) mod answers;

use answers::{PROOFS, Proof, answer, answer_bound, authextra, realm};

on_every_shell! {
    every_method,
    bound_to_the_channel,
    without_a_channel_to_bind_to,
    certificates_of_clients,
}

const DENIED: &str = "wamp.error.authentication_denied";

/// A router that speaks TLS, with this realm.
fn start(setup: Setup, tls: TlsConfig, realm: RealmConfig) -> Option<(Running, SocketAddr)> {
    let limits = Limits { authid_failures_max: 1000, address_failures_max: 1000, ..Limits::default() };
    let config = RouterConfig { limits, realms: vec![realm], ..RouterConfig::default() };
    let builder =
        setup.builder(Limits::default()).config(config).listen("tcps://127.0.0.1:0".parse().unwrap());
    let router = Running::start(builder.tls(tls))?;
    match router.addresses[1] {
        Address::Tcp { addr, .. } => Some((router, addr)),
        ref other => panic!("{other}"),
    }
}

/// The transport is up.
fn client(addr: SocketAddr, config: &Arc<ClientConfig>) -> Client<TlsStream> {
    let mut client = Client::over(connect(addr, config, "localhost").unwrap());
    client.shake_hands();
    client
}

fn hello(proof: Proof, authid: &str, secret: &str) -> Value {
    let authextra = authextra(proof, authid, secret);
    json!([1, "realm1", {"roles": {"caller": {}}, "authmethods": [proof.method], "authid": authid, "authextra": authextra}])
}

/// What the client's end of TLS exports for `tls-exporter` (RFC 9266).
fn exported(client: &Client<TlsStream>) -> [u8; 32] {
    let label = b"EXPORTER-Channel-Binding";
    client.stream.conn.export_keying_material([0; 32], label, Some(&[])).unwrap()
}

fn every_method(setup: Setup) {
    let authority = Authority::new();
    let Some((_router, addr)) = start(setup, authority.config(), realm()) else { return };
    let config = Arc::new(authority.client(&version::TLS13, None));
    for proof in PROOFS {
        let (user, old) = (proof.user, format!("old-{}", proof.user));
        let mut seen = Value::Null;
        for (authid, secret, right) in [
            (user, "secret", true),
            (user, "wrong", false),
            ("nobody", "secret", false),
            (&old, "secret", false),
        ] {
            let mut client = client(addr, &config);
            let challenge = client.ask(&hello(proof, authid, secret));
            let authenticate = answer(proof, authid, secret, &challenge);
            let outcome = client.ask(&authenticate);
            match right {
                true => {
                    assert_eq!((&outcome[0], &outcome[2]["authid"]), (&json!(2), &json!(user)), "{proof:?}")
                }
                false => {
                    assert_eq!((&outcome[0], &outcome[2]), (&json!(3), &json!(DENIED)), "{proof:?} {authid}")
                }
            }
            if right {
                seen = authenticate;
            }
        }
        if proof.method != "ticket" {
            let mut thief = client(addr, &config);
            thief.ask(&hello(proof, user, "secret"));
            assert_eq!(thief.ask(&seen)[2], DENIED, "{proof:?}");
        }
    }
}

fn bound_to_the_channel(setup: Setup) {
    let authority = Authority::new();
    let Some((_router, addr)) = start(setup, authority.config(), realm()) else { return };
    let config = Arc::new(authority.client(&version::TLS13, None));
    for proof in &PROOFS[5..] {
        let come_in = |channel: fn([u8; 32]) -> Option<[u8; 32]>| {
            let mut client = client(addr, &config);
            let mut hello = hello(*proof, proof.user, "secret");
            hello[2]["authextra"]["channel_binding"] = json!("tls-exporter");
            let mut challenge = client.ask(&hello);
            let channel = channel(exported(&client));
            if channel.is_none() {
                challenge[2]["channel_binding"] = json!(null);
            }
            client.ask(&answer_bound(*proof, proof.user, "secret", &challenge, channel))
        };
        let welcome = come_in(Some);
        assert_eq!(
            (&welcome[0], &welcome[2]["authid"]),
            (&json!(2), &json!(proof.user)),
            "{proof:?} {welcome}"
        );
        // Somebody in the middle has another channel to the router, or strips the binding.
        for abort in [come_in(|id| Some(id.map(|byte| !byte))), come_in(|_| None)] {
            assert_eq!(abort[0], 3, "{proof:?} {abort}");
        }
    }
}

fn without_a_channel_to_bind_to(setup: Setup) {
    let authority = Authority::new();
    let Some((_router, addr)) = start(setup, authority.config(), realm()) else { return };
    let config = Arc::new(authority.client(&version::TLS12, None));
    let ask = |proof: Proof| {
        let mut hello = hello(proof, proof.user, "secret");
        hello[2]["authextra"]["channel_binding"] = json!("tls-exporter");
        client(addr, &config).ask(&hello)
    };
    assert_eq!(ask(PROOFS[5])[1]["scram"], "unsupported-channel-binding-type");
    let challenge = ask(PROOFS[7]);
    assert_eq!(
        (&challenge[0], &challenge[2]["channel_binding"]),
        (&json!(4), &json!(null)),
        "the client decides"
    );
}

fn certificates_of_clients(setup: Setup) {
    let authority = Authority::new();
    let (device, stranger) = (authority.identity("device"), authority.identity("stranger"));
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest::digest(&digest::SHA256, &device.0[0]).as_ref());
    let mut user = User::new("device-7", "device");
    user.secrets.tls = vec![fingerprint];
    let mut realm = realm();
    realm.auth.users.push(user);
    realm.auth.methods.push(Method::Tls);
    let tls = TlsConfig {
        client_certificates: ClientCertificates::Optional,
        client_ca: Some(authority.file()),
        ..authority.config()
    };
    let Some((_router, addr)) = start(setup, tls, realm) else { return };
    let hello = |methods: Value| json!([1, "realm1", {"roles": {"caller": {}}, "authmethods": methods, "authid": "device-7"}]);
    for version in VERSIONS {
        let with = |identity| Arc::new(authority.client(version, identity));
        let copy = |(chain, key): &crate::authority::Identity| (chain.clone(), key.clone_key());
        let welcome = client(addr, &with(Some(copy(&device)))).ask(&hello(json!(["tls"])));
        let details = &welcome[2];
        assert_eq!(
            (&details["authid"], &details["authrole"], &details["authmethod"]),
            (&json!("device-7"), &json!("device"), &json!("tls")),
            "{welcome}"
        );
        let abort = client(addr, &with(Some(copy(&stranger)))).ask(&hello(json!(["tls"])));
        assert_eq!(abort[2], DENIED);
        let abort = client(addr, &with(None)).ask(&hello(json!(["tls"])));
        assert_eq!(abort[2], "wamp.error.no_matching_auth_method");
        assert_eq!(client(addr, &with(None)).ask(&hello(json!(["tls", "ticket"])))[1], "ticket");
    }
}
