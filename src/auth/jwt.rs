//! JSON Web Tokens as tickets: somebody else vouches for who the client is (RFC 7515, RFC 7519; keys: RFC 7517).
//!
//! The key says by which algorithm it is used. What a token says of that must agree, and decides nothing.

use std::fmt;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use ring::{hmac, signature};
use simd_json::OwnedValue;
use simd_json::prelude::*;
use spki::der::Document;
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

use super::{Method, Principal};

/// Whose tokens are believed, and what is read from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// By which its tokens are signed.
    pub keys: Keys,
    /// What the claim `iss` has to be.
    pub issuer: Option<String>,
    /// What the claim `aud` has to be or to hold.
    pub audience: Option<String>,
    /// The claim that is the authid.
    pub authid_claim: String,
    /// The claim that is the role; a token without it gets [`Issuer::authrole`].
    pub authrole_claim: Option<String>,
    /// The role if no claim says one.
    pub authrole: Option<String>,
    /// The roles that it may give.
    pub authroles: Vec<String>,
    /// How many seconds clocks may differ.
    pub leeway_s: u64,
}

/// The keys of an issuer.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys(Vec<(Option<String>, Key)>);

#[derive(Clone, PartialEq, Eq)]
enum Key {
    Hs256(Vec<u8>),
    Rs256 { n: Vec<u8>, e: Vec<u8> },
    EdDsa([u8; 32]),
}

/// Why a text holds no keys for tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// Too short for HMAC-SHA256.
    #[error("a secret for HS256 has 32 bytes at least, this has {0}")]
    Short(usize),
    /// No PEM.
    #[error("this is no public key in PEM (`-----BEGIN PUBLIC KEY-----`)")]
    Pem,
    /// Neither of the two.
    #[error("the public key is neither RSA nor Ed25519")]
    Kind,
    /// No JWKS.
    #[error("this is no JWKS (`{{\"keys\": […]}}`)")]
    Jwks,
    /// Keys, but none to be used here.
    #[error("the JWKS has no key for HS256, RS256 or EdDSA (Ed25519)")]
    Empty,
}

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

impl Keys {
    /// A secret that both sides have, for HS256.
    ///
    /// # Errors
    /// If it is shorter than RFC 7518 allows.
    pub fn secret(secret: &[u8]) -> Result<Keys, KeysError> {
        match secret.len() {
            32.. => Ok(Keys(vec![(None, Key::Hs256(secret.to_vec()))])),
            short => Err(KeysError::Short(short)),
        }
    }

    /// A public key in PEM: RSA for RS256, or Ed25519 for EdDSA.
    ///
    /// # Errors
    /// If it is none.
    pub fn pem(text: &str) -> Result<Keys, KeysError> {
        let (_, document) = Document::from_pem(text.trim()).map_err(|_| KeysError::Pem)?;
        let spki = SubjectPublicKeyInfoRef::try_from(document.as_bytes()).map_err(|_| KeysError::Pem)?;
        let key = spki.subject_public_key.as_bytes().ok_or(KeysError::Pem)?;
        let key = match spki.algorithm.oid {
            RSA => rsa(key).ok_or(KeysError::Pem)?,
            ED25519 => Key::EdDsa(key.try_into().map_err(|_| KeysError::Pem)?),
            _ => return Err(KeysError::Kind),
        };
        Ok(Keys(vec![(None, key)]))
    }

    /// A set of keys (JWKS). Those for other purposes are left out.
    ///
    /// # Errors
    /// If there is none to be used.
    pub fn jwks(text: &str) -> Result<Keys, KeysError> {
        let set = json(text.as_bytes().to_vec()).ok_or(KeysError::Jwks)?;
        let list = set.get_array("keys").ok_or(KeysError::Jwks)?;
        let keys: Vec<_> = list.iter().filter_map(jwk).collect();
        if keys.is_empty() { Err(KeysError::Empty) } else { Ok(Keys(keys)) }
    }
}

/// What names a key without giving it away.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(id, key)| (id, key.algorithm()))).finish()
    }
}

/// `RSAPublicKey` of RFC 8017.
fn rsa(der: &[u8]) -> Option<Key> {
    use spki::der::asn1::UintRef;
    use spki::der::{Decode as _, Reader as _, SliceReader};
    let mut reader = SliceReader::new(der).ok()?;
    let (n, e) = reader
        .sequence(|seq| Ok::<_, spki::der::Error>((UintRef::decode(seq)?, UintRef::decode(seq)?)))
        .ok()?;
    Some(Key::Rs256 { n: n.as_bytes().to_vec(), e: e.as_bytes().to_vec() })
}

/// One key of a set.
fn jwk(jwk: &OwnedValue) -> Option<(Option<String>, Key)> {
    let text = |key| jwk.get_str(key);
    let bytes = |key| BASE64_URL_SAFE_NO_PAD.decode(text(key)?).ok();
    let key = match text("kty")? {
        "oct" => Key::Hs256(bytes("k").filter(|key| key.len() >= 32)?),
        "RSA" => Key::Rs256 { n: bytes("n")?, e: bytes("e")? },
        "OKP" if text("crv") == Some("Ed25519") => Key::EdDsa(bytes("x")?.try_into().ok()?),
        _ => return None,
    };
    let fits =
        text("alg").is_none_or(|alg| alg == key.algorithm()) && text("use").is_none_or(|it| it == "sig");
    fits.then(|| (text("kid").map(str::to_owned), key))
}

impl Key {
    fn algorithm(&self) -> &'static str {
        match self {
            Key::Hs256(_) => "HS256",
            Key::Rs256 { .. } => "RS256",
            Key::EdDsa(_) => "EdDSA",
        }
    }

    fn verify(&self, message: &[u8], tag: &[u8]) -> bool {
        match self {
            Key::Hs256(secret) => {
                hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret), message, tag).is_ok()
            }
            Key::Rs256 { n, e } => signature::RsaPublicKeyComponents { n, e }
                .verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, tag)
                .is_ok(),
            Key::EdDsa(key) => {
                signature::UnparsedPublicKey::new(&signature::ED25519, key).verify(message, tag).is_ok()
            }
        }
    }
}

/// Whether a ticket looks like a token.
pub(super) fn is_token(ticket: &str) -> bool {
    let parts = ticket.split('.');
    let base64 = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    parts.clone().count() == 3 && parts.clone().all(base64) && ticket.starts_with("ey")
}

impl Issuer {
    /// Believes all tokens of these keys that say an authid in `sub`, and gives this role.
    pub fn new(keys: Keys, authrole: impl Into<String>) -> Issuer {
        Issuer {
            keys,
            issuer: None,
            audience: None,
            authid_claim: "sub".to_owned(),
            authrole_claim: None,
            authrole: Some(authrole.into()),
            authroles: Vec::new(),
            leeway_s: 0,
        }
    }

    /// For whom the token stands, if it is good.
    pub(super) fn principal(&self, token: &str, date_ms: u64) -> Option<Principal> {
        let claims = self.claims(token)?;
        let date = date_ms as f64 / 1000.0;
        let leeway = self.leeway_s as f64;
        // A token that never expires can never be taken back.
        let expires = number(claims.get("exp")?)?;
        let begins = claims.get("nbf").map(|begins| number(begins).unwrap_or(f64::INFINITY));
        if expires + leeway <= date || begins.is_some_and(|begins| begins - leeway > date) {
            return None;
        }
        let text = |claim: &str| claims.get_str(claim).filter(|text| !text.is_empty());
        if self.issuer.as_deref().is_some_and(|issuer| text("iss") != Some(issuer)) {
            return None;
        }
        if let Some(audience) = &self.audience {
            let listed =
                claims.get_array("aud").is_some_and(|list| list.iter().any(|it| it == audience.as_str()));
            if text("aud") != Some(audience) && !listed {
                return None;
            }
        }
        let claimed = self.authrole_claim.as_deref().and_then(text);
        let authrole = claimed.or(self.authrole.as_deref())?;
        if claimed.is_some() && !self.authroles.iter().any(|role| role == authrole) {
            return None;
        }
        Some(Principal {
            authid: text(&self.authid_claim)?.to_owned(),
            authrole: authrole.to_owned(),
            authmethod: Method::Ticket.name().to_owned(),
            authprovider: self.authprovider().to_owned(),
            authextra: None,
        })
    }

    /// Who vouches for those whom its tokens let in.
    pub(super) fn authprovider(&self) -> &str {
        self.issuer.as_deref().unwrap_or("jwt")
    }

    /// What a token says, if one of the keys has signed it.
    fn claims(&self, token: &str) -> Option<OwnedValue> {
        let (message, tag) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let decode = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).ok();
        let tag = decode(tag)?;
        let header = json(decode(header)?)?;
        // Extensions that must be understood (RFC 7515, 4.1.11): there are none that we do.
        if header.contains_key("crit") {
            return None;
        }
        let (algorithm, id) = (header.get_str("alg")?, header.get_str("kid"));
        let fits = |key_id: &Option<String>| match (key_id, id) {
            (Some(key_id), Some(id)) => key_id == id,
            _ => true,
        };
        let mut keys =
            self.keys.0.iter().filter(|(key_id, key)| fits(key_id) && key.algorithm() == algorithm);
        let signed = keys.any(|(_, key)| key.verify(message.as_bytes(), &tag));
        signed.then(|| json(decode(claims)?))?
    }
}

fn json(mut bytes: Vec<u8>) -> Option<OwnedValue> {
    simd_json::to_owned_value(&mut bytes).ok().filter(|value| value.is_object())
}

/// A date of a claim: seconds, perhaps with a fraction.
fn number(value: &OwnedValue) -> Option<f64> {
    value.cast_f64()
}

#[cfg(test)]
mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair as _};
    use simd_json::json;

    use super::*;

    const SECRET: &[u8] = b"a secret of more than thirty-two bytes";
    const NOW_MS: u64 = 1_700_000_000_000;

    fn encode(bytes: impl AsRef<[u8]>) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    fn token(header: &OwnedValue, claims: &OwnedValue, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
        let message = format!("{}.{}", encode(header.encode()), encode(claims.encode()));
        let tag = sign(message.as_bytes());
        format!("{message}.{}", encode(tag))
    }

    fn hs256(header: &OwnedValue, claims: &OwnedValue) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
        token(header, claims, |message| hmac::sign(&key, message).as_ref().to_vec())
    }

    fn issuer() -> Issuer {
        Issuer::new(Keys::secret(SECRET).unwrap(), "user")
    }

    fn claims(more: OwnedValue) -> OwnedValue {
        let mut claims = json!({ "sub": "joe", "exp": 1_700_000_001 });
        for (key, value) in more.as_object().unwrap() {
            claims.insert(key.to_string(), value.clone()).unwrap();
        }
        claims
    }

    #[test]
    fn rfc_7515_appendix_a_1() {
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9\
                     .eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ\
                     .dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let jwks = r#"{"keys": [{"kty": "oct",
            "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}]}"#;
        let issuer =
            Issuer { authid_claim: "iss".to_owned(), ..Issuer::new(Keys::jwks(jwks).unwrap(), "user") };
        assert!(is_token(token));
        let good = 1_300_819_380_000 - 1;
        assert_eq!(issuer.principal(token, good).map(|principal| principal.authid).as_deref(), Some("joe"));
        assert!(issuer.principal(token, good + 1).is_none(), "it has expired");
        assert!(issuer.principal(&token.replace("dBjf", "dBjg"), good).is_none());
    }

    #[test]
    fn rfc_7515_appendix_a_2() {
        let token = "eyJhbGciOiJSUzI1NiJ9\
                     .eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ\
                     .cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5\
                     jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHl\
                     b1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9\
                     QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
        let n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR\
                 T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBd\
                 QOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGN\
                 j8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
        let jwks = json!({ "keys": [{ "kty": "RSA", "n": n, "e": "AQAB", "kid": "1" }] }).encode();
        let issuer =
            Issuer { authid_claim: "iss".to_owned(), ..Issuer::new(Keys::jwks(&jwks).unwrap(), "user") };
        let good = 1_300_819_380_000 - 1;
        assert_eq!(issuer.principal(token, good).map(|principal| principal.authid).as_deref(), Some("joe"));
        assert!(issuer.principal(&token.replace("cC4h", "cC4i"), good).is_none());
    }

    #[test]
    fn ed25519_from_pem_and_set() {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
        let public = pair.public_key().as_ref();
        let der = [&[0x30, 0x2A, 0x30, 5, 6, 3, 0x2B, 0x65, 0x70, 3, 0x21, 0][..], public].concat();
        let pem = base64::prelude::BASE64_STANDARD.encode(der);
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{pem}\n-----END PUBLIC KEY-----\n");
        let jwks = json!({ "keys": [
            { "kty": "EC", "crv": "P-256" },
            { "kty": "OKP", "crv": "Ed25519", "x": encode([9; 32]), "kid": "old" },
            { "kty": "OKP", "crv": "Ed25519", "x": encode(public), "kid": "new", "alg": "EdDSA", "use": "sig" },
        ] });
        let sign = |message: &[u8]| pair.sign(message).as_ref().to_vec();
        for keys in [Keys::pem(&pem).unwrap(), Keys::jwks(&jwks.encode()).unwrap()] {
            let issuer = Issuer::new(keys, "user");
            for header in [json!({"alg": "EdDSA"}), json!({"alg": "EdDSA", "kid": "new"})] {
                assert!(issuer.principal(&token(&header, &claims(json!({})), sign), NOW_MS).is_some());
            }
        }
        let old = token(&json!({"alg": "EdDSA", "kid": "old"}), &claims(json!({})), sign);
        assert!(Issuer::new(Keys::jwks(&jwks.encode()).unwrap(), "user").principal(&old, NOW_MS).is_none());
    }

    #[test]
    fn the_key_decides_on_the_algorithm() {
        let none = token(&json!({"alg": "none"}), &claims(json!({})), |_| Vec::new());
        assert!(is_token(&none));
        assert!(issuer().principal(&none, NOW_MS).is_none());
        for header in [
            json!({"alg": "RS256"}),
            json!({"alg": "hs256"}),
            json!({}),
            json!({"alg": "HS256", "crit": ["b64"]}),
        ] {
            assert!(issuer().principal(&hs256(&header, &claims(json!({}))), NOW_MS).is_none(), "{header}");
        }
        // A public key is no secret: a token that was signed with its bytes by HMAC is not taken.
        let public = *Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap().public_key();
        let key = hmac::Key::new(hmac::HMAC_SHA256, public.as_ref());
        let forged =
            token(&json!({"alg": "HS256"}), &claims(json!({})), |m| hmac::sign(&key, m).as_ref().to_vec());
        let jwks = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": encode(public) }] }).encode();
        assert!(Issuer::new(Keys::jwks(&jwks).unwrap(), "user").principal(&forged, NOW_MS).is_none());
    }

    #[test]
    fn claims_are_checked() {
        let header = json!({"alg": "HS256"});
        let strict = Issuer {
            issuer: Some("https://id".to_owned()),
            audience: Some("wamp".to_owned()),
            authrole_claim: Some("role".to_owned()),
            authroles: vec!["user".to_owned(), "admin".to_owned()],
            leeway_s: 5,
            ..issuer()
        };
        let role = |issuer: &Issuer, more: OwnedValue| {
            issuer.principal(&hs256(&header, &claims(more)), NOW_MS).map(|principal| principal.authrole)
        };
        let good = json!({"iss": "https://id", "aud": ["x", "wamp"]});
        let with = |more: OwnedValue| {
            let mut all = good.clone();
            for (key, value) in more.as_object().unwrap() {
                all.insert(key.to_string(), value.clone()).unwrap();
            }
            all
        };
        assert_eq!(role(&strict, good.clone()).as_deref(), Some("user"));
        assert_eq!(role(&strict, with(json!({"role": "admin", "aud": "wamp"}))).as_deref(), Some("admin"));
        assert_eq!(
            role(&strict, with(json!({"exp": 1_699_999_996, "nbf": 1_700_000_004.5}))).as_deref(),
            Some("user")
        );
        for bad in [
            json!({"role": "root"}),
            json!({"iss": "https://other"}),
            json!({"aud": ["x"]}),
            json!({"aud": "x"}),
            json!({"exp": 1_699_999_995}),
            json!({"exp": "never"}),
            json!({"nbf": 1_700_000_006}),
            json!({"nbf": "now"}),
            json!({"sub": 7}),
            json!({"sub": ""}),
        ] {
            assert_eq!(role(&strict, with(bad.clone())), None, "{bad}");
        }
        let endless = hs256(&header, &json!({"sub": "joe"}));
        assert!(issuer().principal(&endless, NOW_MS).is_none());
    }

    #[test]
    fn what_is_no_key() {
        assert_eq!(Keys::secret(b"short"), Err(KeysError::Short(5)));
        assert_eq!(Keys::pem("no key"), Err(KeysError::Pem));
        assert_eq!(Keys::jwks("[]"), Err(KeysError::Jwks));
        assert_eq!(
            Keys::jwks(r#"{"keys": [{"kty": "EC"}, {"kty": "oct", "k": "c2hvcnQ"}, 7]}"#),
            Err(KeysError::Empty)
        );
        for no_token in ["", "password", "a.b.c", "ey.b", "ey.b.c.d", "ey.b c.d"] {
            assert!(!is_token(no_token), "{no_token}");
        }
    }
}
