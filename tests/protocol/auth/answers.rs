//! The client's side of each method, by the specification.

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use ring::{digest, hmac, pbkdf2};
use serde_json::{Value, json};

/// A method, and the user whose kind of secret is meant; `jwt` has a token instead of a ticket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proof {
    pub(super) method: &'static str,
    pub(super) user: &'static str,
}

const NONCE: &str = "Y2xpZW50IG5vbmNl";

/// `authextra` of HELLO.
pub(super) fn authextra(proof: Proof, authid: &str, secret: &str) -> Value {
    match proof.method {
        "wamp-scram" => json!({"nonce": NONCE, "channel_binding": null}),
        "cryptosign" => json!({"pubkey": hex(&public_key(&key_text(authid, secret)))}),
        _ => json!({}),
    }
}

/// AUTHENTICATE for this CHALLENGE.
#[track_caller]
pub(super) fn answer(proof: Proof, authid: &str, secret: &str, challenge: &Value) -> Value {
    assert_eq!((&challenge[0], &challenge[1]), (&json!(4), &json!(proof.method)), "{challenge}");
    let extra = &challenge[2];
    match proof.method {
        "ticket" if proof.user == "jwt" => json!([5, token(authid, secret), {}]),
        "ticket" => json!([5, secret, {}]),
        "wampcra" => json!([5, cra(secret, extra), {}]),
        "wamp-scram" => scram(authid, secret, extra),
        "cryptosign" => {
            let message = unhex(text(&extra["challenge"]));
            assert_eq!(extra["channel_binding"], json!(null));
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

fn scram(authid: &str, password: &str, extra: &Value) -> Value {
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
    let message = format!("n={authid},r={NONCE},r={nonce},s={salt},i={iterations},c=biws,r={nonce}");
    let client_key = sign(&salted, "Client Key");
    let stored_key = digest::digest(&digest::SHA256, &client_key);
    let signature = sign(stored_key.as_ref(), &message);
    let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
    json!([5, BASE64_STANDARD.encode(proof), {"nonce": nonce, "channel_binding": null, "cbind_data": null}])
}

/// The key of whoever signs tokens.
pub(super) fn issuer_key(secret: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, secret.as_bytes()).as_ref().to_vec()
}

/// A token for a name; for the names of those who have expired it has, too.
fn token(authid: &str, secret: &str) -> String {
    let expires = if authid.starts_with("old-") { 1_600_000_000 } else { 1_800_000_000 };
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

pub(super) fn public_key(text: &str) -> [u8; 32] {
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
