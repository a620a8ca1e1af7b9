//! Cryptosign: the client signs a challenge with its Ed25519 key (spec: "Cryptosign-based Authentication").

use std::sync::Arc;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use simd_json::{OwnedValue, json};
use subtle::ConstantTimeEq;

use super::{
    Admitted, Authenticator, Challenge, Denial, Directory, Hello, Method, Pending, Step, User, hex, text,
};

/// An Ed25519 public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// That of a private key.
    pub fn of(private: &[u8; 32]) -> PublicKey {
        let mut key = PublicKey([0; 32]);
        // A seed of this length is always taken.
        if let Ok(pair) = Ed25519KeyPair::from_seed_unchecked(private) {
            key.0.copy_from_slice(pair.public_key().as_ref());
        }
        key
    }
}

/// The method in a realm.
#[derive(Debug)]
pub(super) struct Cryptosign(pub(super) Arc<Directory>);

impl Authenticator for Cryptosign {
    fn recheck(&self, admitted: &Admitted<'_>) -> Result<(), String> {
        self.0.recheck(Method::Cryptosign, admitted)
    }

    fn start(&self, hello: &Hello<'_>) -> Option<Step> {
        let Some(key) = text(hello.extra, "pubkey").and_then(hex::decode) else {
            let what = "the public key, 32 bytes in hex, as authextra.pubkey";
            return Some(Step::Deny(Denial::lacks(Method::Cryptosign, what)));
        };
        let owner = self.0.by_key(&key);
        let user = owner.filter(|user| hello.authid.is_none_or(|authid| authid == user.authid));
        // Without this binding the specification lets a router go on; the client sees it and decides.
        let binding = text(hello.extra, "channel_binding");
        let bound = binding.and_then(|name| Some((name, hello.channel.binding(name)?)));
        let mut message = hello.random;
        if let Some((_, channel)) = bound {
            message.iter_mut().zip(channel).for_each(|(byte, with)| *byte ^= with);
        }
        let extra = json!({
            "challenge": hex::encode(&hello.random),
            "channel_binding": bound.map(|(name, _)| name),
        });
        let pending = Signature { key, message, user: user.cloned() };
        let method = Method::Cryptosign.name().to_owned();
        Some(Step::Challenge(Challenge { method, extra, pending: Box::new(pending) }))
    }
}

/// A signature that is awaited.
#[derive(Debug)]
struct Signature {
    /// What the client says its key is.
    key: [u8; 32],
    message: [u8; 32],
    /// Whose key that is.
    user: Option<Arc<User>>,
}

impl Pending for Signature {
    fn finish(self: Box<Self>, signature: &str, _: &OwnedValue, date_ms: u64) -> Step {
        // The signature and what was signed.
        let right = hex::decode::<96>(signature).is_some_and(|signed| {
            let (signature, message) = signed.split_at(64);
            let same: bool = message.ct_eq(&self.message).into();
            same && UnparsedPublicKey::new(&ED25519, &self.key).verify(&self.message, signature).is_ok()
        });
        match self.user {
            Some(user) => user.welcome_if(right, Method::Cryptosign, None, date_ms),
            None => Step::Deny(Denial::wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use simd_json::prelude::*;

    use super::super::Channel;
    use super::super::directory::tests::{directory, hello};
    use super::*;

    const CHANNEL: &str = "62e935ae755f3d48f80d4d59f6121358c435722a67e859cc0caa8b539027f2ff";

    /// The specification's vectors: whether the channel counts, private key, challenge, signature (without the signed message).
    const VECTORS: [(bool, &str, &str, &str); 6] = [
        (
            false,
            "4d57d97a68f555696620a6d849c0ce582568518d729eb753dc7c732de2804510",
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "b32675b221f08593213737bef8240e7c15228b07028e19595294678c90d11c0cae80a357331bfc5cc9fb71081464e6e75013517c2cf067ad566a6b7b728e5d03",
        ),
        (
            false,
            "d511fe78e23934b3dadb52fcd022974b80bd92bccc7c5cf404e46cc0a8a2f5cd",
            "b26c1f87c13fc1da14997f1b5a71995dff8fbe0a62fae8473c7bdbd05bfb607d",
            "d4209ad10d5aff6bfbc009d7e924795de138a63515efc7afc6b01b7fe5201372190374886a70207b042294af5bd64ce725cd8dceb344e6d11c09d1aaaf4d660f",
        ),
        (
            false,
            "6e1fde9cf9e2359a87420b65a87dc0c66136e66945196ba2475990d8a0c3a25b",
            "b05e6b8ad4d69abf74aa3be3c0ee40ae07d66e1895b9ab09285a2f1192d562d2",
            "7beb282184baadd08f166f16dd683b39cab53816ed81e6955def951cb2ddad1ec184e206746fd82bda075af03711d3d5658fc84a76196b0fa8d1ebc92ef9f30b",
        ),
        (
            true,
            "4d57d97a68f555696620a6d849c0ce582568518d729eb753dc7c732de2804510",
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "9b6f41540c9b95b4b7b281c3042fa9c54cef43c842d62ea3fd6030fcb66e70b3e80d49d44c29d1635da9348d02ec93f3ed1ef227dfb59a07b580095c2b82f80f",
        ),
        (
            true,
            "d511fe78e23934b3dadb52fcd022974b80bd92bccc7c5cf404e46cc0a8a2f5cd",
            "b26c1f87c13fc1da14997f1b5a71995dff8fbe0a62fae8473c7bdbd05bfb607d",
            "305aaa3ac25e98f651427688b3fc43fe7d8a68a7ec1d7d61c61517c519bd4a427c3015599d83ca28b4c652333920223844ef0725eb5dc2febfd6af7677b73f01",
        ),
        (
            true,
            "6e1fde9cf9e2359a87420b65a87dc0c66136e66945196ba2475990d8a0c3a25b",
            "b05e6b8ad4d69abf74aa3be3c0ee40ae07d66e1895b9ab09285a2f1192d562d2",
            "ee3c7644fd8070532bc1fde3d70d742267da545d8c8f03e63bda63f1ad4214f4d2c4bfdb4eb9526def42deeb7e31602a6ff99eba893e0a4ad4d45892ca75e608",
        ),
    ];

    fn pair(key: &str) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&hex::decode::<32>(key).unwrap()).unwrap()
    }

    fn public(pair: &Ed25519KeyPair) -> [u8; 32] {
        pair.public_key().as_ref().try_into().unwrap()
    }

    fn method(key: [u8; 32]) -> Cryptosign {
        let mut user = User::new("joe", "user");
        user.secrets.cryptosign = vec![PublicKey([9; 32]), PublicKey(key)];
        Cryptosign(directory(vec![user, User::new("no keys", "user")]))
    }

    fn challenge(step: Option<Step>) -> (OwnedValue, Box<dyn Pending>) {
        match step {
            Some(Step::Challenge(Challenge { extra, pending, .. })) => (extra, pending),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn vectors_of_the_specification() {
        for (with_channel, private, random, signature) in VECTORS {
            let pair = pair(private);
            let random = hex::decode::<32>(random).unwrap();
            let extra = json!({ "pubkey": hex::encode(&public(&pair)), "channel_binding": "tls-exporter" });
            let exporter = with_channel.then(|| hex::decode(CHANNEL).unwrap());
            let channel = Channel { exporter, ..Channel::default() };
            let facts = Hello { random, channel: &channel, ..hello(&[], None, &extra) };
            let (asked, pending) = challenge(method(public(&pair)).start(&facts));
            assert_eq!(asked.get_str("challenge"), Some(&*hex::encode(&random)));
            assert_eq!(asked.get_str("channel_binding"), with_channel.then_some("tls-exporter"));
            let mut message = random;
            if let Some(channel) = exporter {
                message.iter_mut().zip(channel).for_each(|(byte, with)| *byte ^= with);
            }
            assert_eq!(hex::encode(pair.sign(&message).as_ref()), signature);
            let Step::Welcome(principal) =
                pending.finish(&format!("{signature}{}", hex::encode(&message)), &json!(null), 0)
            else {
                panic!("{private}")
            };
            assert_eq!((&*principal.authid, &*principal.authmethod), ("joe", "cryptosign"));
        }
    }

    #[test]
    fn wrong_answers_and_strangers() {
        let (pair, other) = (pair(VECTORS[0].1), pair(VECTORS[1].1));
        let extra = |pair: &Ed25519KeyPair| json!({ "pubkey": hex::encode(&public(pair)) });
        let answer = |pair: &Ed25519KeyPair, message: &[u8; 32]| {
            format!("{}{}", hex::encode(pair.sign(message).as_ref()), hex::encode(message))
        };
        let denied = |authid: Option<&str>, extra: &OwnedValue, answer: &str| {
            let (_, pending) = challenge(method(public(&pair)).start(&hello(&[], authid, extra)));
            matches!(pending.finish(answer, &json!(null), 0), Step::Deny(denial) if denial == Denial::wrong())
        };
        let right = answer(&pair, &[7; 32]);
        assert!(!denied(Some("joe"), &extra(&pair), &right));
        // Another key, another message, half a signature, the message left out.
        assert!(denied(None, &extra(&pair), &answer(&other, &[7; 32])));
        assert!(denied(None, &extra(&pair), &answer(&pair, &[8; 32])));
        assert!(denied(None, &extra(&pair), &right[..128]));
        assert!(denied(None, &extra(&pair), ""));
        // A key that nobody has, somebody else's name.
        assert!(denied(None, &extra(&other), &answer(&other, &[7; 32])));
        assert!(denied(Some("joe"), &extra(&other), &answer(&other, &[7; 32])));
        assert!(denied(Some("no keys"), &extra(&pair), &right));
    }

    #[test]
    fn a_key_must_be_there() {
        for extra in [json!(null), json!({}), json!({"pubkey": 7}), json!({"pubkey": "00"})] {
            let step = method([1; 32]).start(&hello(&[], None, &extra));
            assert!(matches!(step, Some(Step::Deny(denial)) if !denial.is_failed_try()));
        }
    }

    #[test]
    fn a_binding_that_is_not_there_is_not_used() {
        let key = public(&pair(VECTORS[0].1));
        let extra = json!({ "pubkey": hex::encode(&key), "channel_binding": "tls-unique" });
        let channel = Channel { exporter: Some([1; 32]), ..Channel::default() };
        let facts = Hello { channel: &channel, ..hello(&[], None, &extra) };
        assert!(challenge(method(key).start(&facts)).0.get("channel_binding").unwrap().is_null());
    }
}
