//! A realm with users, and the client's side of each method, by the specification.

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use connectanum::auth::{
    CraSecret, Issuer, Kdf, Keys, Method, PublicKey, Salting, ScramSecret, TicketSecret, User,
};
use connectanum::config::{RealmAuth, RealmConfig};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use ring::{digest, hmac, pbkdf2};
use serde_json::{Value, json};

/// A method, and the user whose kind of secret is meant; `jwt` has a token instead of a ticket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proof {
    pub(crate) method: &'static str,
    pub(crate) user: &'static str,
}

const NONCE: &str = "Y2xpZW50IG5vbmNl";

/// When the users `old-…` have expired: before the router started.
const EXPIRED_MS: u64 = 1_600_000_000_000;

/// The tables of the matrix: which method, whose kind of secret.
pub(crate) const PROOFS: [Proof; 8] = [
    Proof { method: "ticket", user: "joe" },
    Proof { method: "ticket", user: "ann" },
    Proof { method: "ticket", user: "jwt" },
    Proof { method: "wampcra", user: "joe" },
    Proof { method: "wampcra", user: "ann" },
    Proof { method: "wamp-scram", user: "joe" },
    Proof { method: "wamp-scram", user: "ann" },
    Proof { method: "cryptosign", user: "joe" },
];

/// `joe` and `ann`, whose secrets have different forms, and `old-joe` and `old-ann`, who have expired.
pub(crate) fn realm() -> RealmConfig {
    let mut users = Vec::new();
    for (name, expires_ms) in
        [("joe", None), ("ann", None), ("old-joe", Some(EXPIRED_MS)), ("old-ann", Some(EXPIRED_MS))]
    {
        let salt = b"0123456789abcdef".to_vec();
        let iterations = 10.try_into().expect("not zero");
        let mut user = User { expires_ms, ..User::new(name, format!("role of {name}")) };
        let secrets = &mut user.secrets;
        if name.ends_with("joe") {
            secrets.ticket = Some(TicketSecret::of("secret"));
            let salting = Salting { salt: "salt123".to_owned(), iterations, keylen: 32 };
            secrets.wampcra = Some(CraSecret::salted("secret", salting));
            secrets.scram =
                ScramSecret::of("secret", salt, Kdf::Argon2id13 { iterations: 1, memory: 16 }).ok();
        } else {
            let params = argon2::Params::new(16, 1, 1, Some(32)).expect("good parameters");
            secrets.ticket = TicketSecret::of_password("secret", salt.clone(), params).ok();
            secrets.wampcra = Some(CraSecret::plain("secret"));
            secrets.scram = ScramSecret::of("secret", salt, Kdf::Pbkdf2 { iterations }).ok();
        }
        secrets.cryptosign = vec![PublicKey(public_key(&format!("secret of {name}")))];
        users.push(user);
    }
    let issuer = Issuer::new(Keys::secret(&issuer_key("secret")).expect("long enough"), "role of jwt");
    let methods = vec![Method::Ticket, Method::Wampcra, Method::Scram, Method::Cryptosign];
    let auth = RealmAuth { methods, users, issuers: vec![issuer], ..RealmAuth::default() };
    RealmConfig { auth, ..RealmConfig::new("realm1") }
}

/// `authextra` of HELLO.
pub(crate) fn authextra(proof: Proof, authid: &str, secret: &str) -> Value {
    match proof.method {
        "wamp-scram" => json!({"nonce": NONCE, "channel_binding": null}),
        "cryptosign" => json!({"pubkey": hex(&public_key(&key_text(authid, secret)))}),
        _ => json!({}),
    }
}

/// AUTHENTICATE for this CHALLENGE.
#[track_caller]
pub(crate) fn answer(proof: Proof, authid: &str, secret: &str, challenge: &Value) -> Value {
    answer_bound(proof, authid, secret, challenge, None)
}

/// The same, bound to a channel with this id.
#[track_caller]
pub(crate) fn answer_bound(
    proof: Proof,
    authid: &str,
    secret: &str,
    challenge: &Value,
    channel: Option<[u8; 32]>,
) -> Value {
    assert_eq!((&challenge[0], &challenge[1]), (&json!(4), &json!(proof.method)), "{challenge}");
    let extra = &challenge[2];
    match proof.method {
        "ticket" if proof.user == "jwt" => json!([5, token(authid, secret), {}]),
        "ticket" => json!([5, secret, {}]),
        "wampcra" => json!([5, cra(secret, extra), {}]),
        "wamp-scram" => scram(authid, secret, extra, channel),
        "cryptosign" => {
            let mut message = unhex(text(&extra["challenge"]));
            assert_eq!(extra["channel_binding"], json!(channel.map(|_| "tls-exporter")));
            message.iter_mut().zip(channel.unwrap_or_default()).for_each(|(byte, with)| *byte ^= with);
            let signature = pair(&key_text(authid, secret)).sign(&message);
            json!([5, format!("{}{}", hex(signature.as_ref()), hex(&message)), {}])
        }
        other => panic!("{other}"),
    }
}

fn cra(secret: &str, extra: &Value) -> String {
    let key = match extra["salt"].as_str() {
        None => secret.to_owned(),
        Some(salt) => {
            let mut key = vec![0; number(&extra["keylen"]) as usize];
            derive(secret, salt.as_bytes(), number(&extra["iterations"]), &mut key);
            BASE64_STANDARD.encode(key)
        }
    };
    BASE64_STANDARD.encode(sign(key.as_bytes(), text(&extra["challenge"])))
}

fn scram(authid: &str, password: &str, extra: &Value, channel: Option<[u8; 32]>) -> Value {
    let (salt, iterations) = (text(&extra["salt"]), number(&extra["iterations"]));
    let nonce = text(&extra["nonce"]);
    assert!(nonce.len() > NONCE.len() && nonce.starts_with(NONCE), "{nonce}");
    let salt_bytes = BASE64_STANDARD.decode(salt).expect("base64");
    let mut salted = [0; 32];
    match text(&extra["kdf"]) {
        "pbkdf2" => derive(password, &salt_bytes, iterations, &mut salted),
        "argon2id13" => {
            let params =
                argon2::Params::new(number(&extra["memory"]), iterations, 1, Some(32)).expect("parameters");
            argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
                .hash_password_into(password.as_bytes(), &salt_bytes, &mut salted)
                .expect("a hash");
        }
        other => panic!("{other}"),
    }
    let input = match channel {
        None => b"n,,".to_vec(),
        Some(id) => [&b"p=tls-exporter,,"[..], &id].concat(),
    };
    let input = BASE64_STANDARD.encode(input);
    let message = format!("n={authid},r={NONCE},r={nonce},s={salt},i={iterations},c={input},r={nonce}");
    let client_key = sign(&salted, "Client Key");
    let stored_key = digest::digest(&digest::SHA256, &client_key);
    let signature = sign(stored_key.as_ref(), &message);
    let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
    let data = channel.map(|id| BASE64_STANDARD.encode(id));
    let binding = channel.map(|_| "tls-exporter");
    json!([5, BASE64_STANDARD.encode(proof), {"nonce": nonce, "channel_binding": binding, "cbind_data": data}])
}

/// The key of whoever signs tokens.
pub(crate) fn issuer_key(secret: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, secret.as_bytes()).as_ref().to_vec()
}

/// A token for a name; for the names of those who have expired it has, too.
fn token(authid: &str, secret: &str) -> String {
    let expires = if authid.starts_with("old-") { 1_600_000_000_u64 } else { 4_000_000_000 };
    // A token for somebody else than HELLO says is as wrong as can be.
    let subject = if authid == "nobody" { "somebody" } else { authid };
    let encode = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let message =
        format!("{}.{}", encode(json!({"alg": "HS256"})), encode(json!({"sub": subject, "exp": expires})));
    let tag = sign(&issuer_key(secret), &message);
    format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag))
}

/// Every user has its own key.
fn key_text(authid: &str, secret: &str) -> String {
    format!("{secret} of {authid}")
}

fn pair(text: &str) -> Ed25519KeyPair {
    let seed = digest::digest(&digest::SHA256, text.as_bytes());
    Ed25519KeyPair::from_seed_unchecked(seed.as_ref()).expect("a seed")
}

pub(crate) fn public_key(text: &str) -> [u8; 32] {
    pair(text).public_key().as_ref().try_into().expect("32 bytes")
}

fn derive(secret: &str, salt: &[u8], iterations: u32, key: &mut [u8]) {
    let iterations = iterations.try_into().expect("not zero");
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, secret.as_bytes(), key);
}

fn sign(key: &[u8], message: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    connectanum::auth::hex::encode(bytes)
}

fn unhex(text: &str) -> [u8; 32] {
    connectanum::auth::hex::decode(text).expect("32 bytes in hex")
}

#[track_caller]
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

#[track_caller]
fn number(value: &Value) -> u32 {
    value.as_u64().and_then(|n| n.try_into().ok()).unwrap_or_else(|| panic!("{value} is no number"))
}
