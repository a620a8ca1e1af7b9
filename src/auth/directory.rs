//! The users of a realm, and how strangers are played.

use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ring::hmac;
use simd_json::OwnedValue;

use super::{Admitted, CraSecret, Denial, Method, Principal, PublicKey, ScramSecret, Step, TicketSecret};

/// Somebody who may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub authid: String,
    /// The role.
    pub authrole: String,
    /// Who vouches: `static` for what the configuration says.
    pub authprovider: String,
    /// Milliseconds since 1970 from which on nothing of this counts any more.
    pub expires_ms: Option<u64>,
    /// What it can prove itself with.
    pub secrets: Secrets,
}

/// What the server has to check a user's proof with, by method.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the names of the methods
pub struct Secrets {
    pub ticket: Option<TicketSecret>,
    pub wampcra: Option<CraSecret>,
    pub scram: Option<ScramSecret>,
    pub cryptosign: Vec<PublicKey>,
    /// SHA-256 of client certificates.
    pub tls: Vec<[u8; 32]>,
}

impl Secrets {
    /// Whether there is something for this method.
    pub fn has(&self, method: Method) -> bool {
        match method {
            Method::Ticket => self.ticket.is_some(),
            Method::Wampcra => self.wampcra.is_some(),
            Method::Scram | Method::ScramDraft => {
                self.scram.as_ref().is_some_and(|secret| secret.kdf.method() == method)
            }
            Method::Cryptosign => !self.cryptosign.is_empty(),
            Method::Tls => !self.tls.is_empty(),
            Method::Anonymous | Method::Cookie => false,
        }
    }
}

impl User {
    /// Somebody without any secret yet.
    pub fn new(authid: impl Into<String>, authrole: impl Into<String>) -> User {
        User {
            authid: authid.into(),
            authrole: authrole.into(),
            authprovider: "static".to_owned(),
            expires_ms: None,
            secrets: Secrets::default(),
        }
    }

    /// The end of a handshake: lets the user in if the proof is right.
    pub(super) fn welcome_if(
        &self,
        right: bool,
        method: Method,
        authextra: Option<OwnedValue>,
        date_ms: u64,
    ) -> Step {
        if !right || self.expires_ms.is_some_and(|end| end <= date_ms) {
            return Step::Deny(Denial::wrong());
        }
        Step::Welcome(Principal {
            authid: self.authid.clone(),
            authrole: self.authrole.clone(),
            authmethod: method.name().to_owned(),
            authprovider: self.authprovider.clone(),
            authextra,
        })
    }
}

/// All users of a realm.
///
/// Who has no secret for a method, because nobody has that name or the user does not use the method, is played by somebody who has one:
/// always the same for the same name. What would tell them apart, as the salt, is made from the name and a secret of the router.
pub struct Directory {
    users: Vec<Arc<User>>,
    by_authid: Map<String>,
    by_key: Map<[u8; 32]>,
    by_certificate: Map<[u8; 32]>,
    /// Those who have a secret for it.
    by_method: HashMap<Method, Vec<usize>, FixedState>,
    pretence: hmac::Key,
}

type Map<K> = HashMap<K, usize, FixedState>;

impl Directory {
    /// The users, of whom no two have the same authid, key or certificate (else the first counts). `seed` is secret, and should stay
    /// the same when the router starts anew: strangers' salts come from it, and users' salts do not change either.
    pub fn new(users: Vec<User>, seed: &[u8]) -> Directory {
        let mut directory = Directory {
            users: Vec::with_capacity(users.len()),
            by_authid: Map::default(),
            by_key: Map::default(),
            by_certificate: Map::default(),
            by_method: HashMap::default(),
            pretence: hmac::Key::new(hmac::HMAC_SHA256, seed),
        };
        for (i, user) in users.into_iter().enumerate() {
            directory.by_authid.entry(user.authid.clone()).or_insert(i);
            for key in &user.secrets.cryptosign {
                directory.by_key.entry(key.0).or_insert(i);
            }
            for certificate in &user.secrets.tls {
                directory.by_certificate.entry(*certificate).or_insert(i);
            }
            for method in Method::ALL.into_iter().filter(|method| user.secrets.has(*method)) {
                directory.by_method.entry(method).or_default().push(i);
            }
            directory.users.push(Arc::new(user));
        }
        directory
    }

    /// The user of that name, with a secret for the method, or who plays it: `false` then. `None` if nobody uses the method.
    pub(super) fn find(&self, authid: &str, method: Method) -> Option<(&Arc<User>, bool)> {
        let user = self.by_authid.get(authid).map(|i| &self.users[*i]);
        if let Some(user) = user.filter(|user| user.secrets.has(method)) {
            return Some((user, true));
        }
        let players = self.by_method.get(&method)?;
        let number = u64::from_le_bytes(*self.pretend(method.name(), authid).first_chunk()?);
        let player = number.checked_rem(players.len() as u64)?;
        Some((&self.users[players[player as usize]], false))
    }

    /// Whether somebody who came in by this method is still one of the users, in the same role.
    pub(super) fn recheck(&self, method: Method, admitted: &Admitted<'_>) -> Result<(), String> {
        let Admitted { authid, authrole, date_ms, .. } = admitted;
        let Some(user) = self.by_authid.get(*authid).map(|i| &self.users[*i]) else {
            return Err(format!("there is no user `{authid}` any more"));
        };
        if user.authrole != *authrole {
            return Err(format!("the role of `{authid}` has changed; join again"));
        }
        if user.expires_ms.is_some_and(|end| end <= *date_ms) {
            return Err(format!("the user `{authid}` has expired"));
        }
        match user.secrets.has(method) {
            true => Ok(()),
            false => Err(format!("the user `{authid}` may not use `{}` any more", method.name())),
        }
    }

    /// Whose public key it is.
    pub(super) fn by_key(&self, key: &[u8; 32]) -> Option<&Arc<User>> {
        self.by_key.get(key).map(|i| &self.users[*i])
    }

    /// Whose certificate it is.
    pub(super) fn by_certificate(&self, fingerprint: &[u8; 32]) -> Option<&Arc<User>> {
        self.by_certificate.get(fingerprint).map(|i| &self.users[*i])
    }

    /// Bytes for a stranger, always the same.
    pub(super) fn pretend(&self, what: &str, authid: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.pretence);
        for part in [what, "\0", authid] {
            context.update(part.as_bytes());
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.sign().as_ref());
        bytes
    }

    /// As many bytes as are wanted for a stranger, always the same.
    pub(super) fn pretend_bytes(&self, what: &str, authid: &str, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 31);
        let mut block = 0;
        while bytes.len() < len {
            bytes.extend(self.pretend(&format!("{what} {block}"), authid));
            block += 1;
        }
        bytes.truncate(len);
        bytes
    }

    /// The same as a text, made as random text commonly is: 16 or 32 bytes in base64, with their `=`.
    pub(super) fn pretend_text(&self, what: &str, authid: &str, len: usize) -> String {
        let bytes = match len {
            24 => 16,
            44 => 32,
            // Base64 is longer than what it stands for.
            _ => len,
        };
        let mut text = BASE64_STANDARD.encode(self.pretend_bytes(what, authid, bytes));
        text.truncate(len);
        text
    }
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Directory({} users)", self.users.len())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use simd_json::json;

    use super::super::{Channel, Hello};
    use super::*;

    /// A HELLO of a plain connection.
    pub(in super::super) fn hello<'a>(
        authmethods: &'a [&'a str],
        authid: Option<&'a str>,
        extra: &'a OwnedValue,
    ) -> Hello<'a> {
        static CHANNEL: Channel = Channel { peer: None, exporter: None, certificate: None, cookie: None };
        let (random, date_ms) = ([7; 32], 1_700_000_000_123);
        Hello { realm: "realm1", session: 77, authmethods, authid, extra, channel: &CHANNEL, random, date_ms }
    }

    pub(in super::super) fn directory(users: Vec<User>) -> Arc<Directory> {
        Arc::new(Directory::new(users, b"a seed"))
    }

    #[test]
    fn strangers_are_played_by_somebody_always_the_same() {
        let user = |authid: &str, secrets| User { secrets, ..User::new(authid, "x") };
        let ticket = || Secrets { ticket: Some(TicketSecret::of("t")), ..Secrets::default() };
        let tls = Secrets { tls: vec![[1; 32]], ..Secrets::default() };
        let directory = directory(vec![user("a", ticket()), user("b", tls), user("c", ticket())]);
        let find = |authid: &str, method| {
            directory.find(authid, method).map(|(user, known)| (user.authid.clone(), known))
        };
        assert_eq!(find("a", Method::Ticket), Some(("a".to_owned(), true)));
        assert_eq!(find("a", Method::Tls), Some(("b".to_owned(), false)));
        assert_eq!(find("a", Method::Scram), None);
        let mut seen = std::collections::BTreeSet::new();
        for name in (0..60).map(|i| format!("stranger{i}")).chain(["b".to_owned()]) {
            let player = find(&name, Method::Ticket);
            assert_eq!(find(&name, Method::Ticket), player);
            seen.insert(player);
        }
        let player = |authid: &str| Some((authid.to_owned(), false));
        assert!(seen.into_iter().eq([player("a"), player("c")]));
    }

    #[test]
    fn pretended_values_depend_on_all() {
        let one = Directory::new(vec![], b"1");
        let values = [
            one.pretend("salt", "joe"),
            one.pretend("salt", "ann"),
            one.pretend("key", "joe"),
            Directory::new(vec![], b"2").pretend("salt", "joe"),
        ];
        for (i, a) in values.iter().enumerate() {
            assert!(values[..i].iter().all(|b| a != b));
        }
        assert_eq!(one.pretend_bytes("salt", "joe", 70).len(), 70);
        for len in [0, 1, 7, 8, 22, 24, 44, 100] {
            assert_eq!(one.pretend_text("salt", "joe", len).len(), len);
        }
        assert!(one.pretend_text("salt", "joe", 24).ends_with("=="));
    }

    #[test]
    fn what_has_expired_counts_no_more() {
        let user = User { expires_ms: Some(1000), ..User::new("a", "x") };
        let end = |right, date| user.welcome_if(right, Method::Ticket, Some(json!({})), date);
        assert!(matches!(end(true, 999), Step::Welcome(_)));
        assert!(matches!(end(true, 1000), Step::Deny(denial) if denial == Denial::wrong()));
        assert!(matches!(end(false, 999), Step::Deny(denial) if denial == Denial::wrong()));
    }
}
