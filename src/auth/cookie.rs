//! Cookies: who came in by another method comes in by the cookie of its WebSocket's request later, without being asked (as
//! Crossbar.io does it; spec: "Transport-level Authentication").
//!
//! A cookie is a random number that the router hands out with the upgrade. It is worth nothing before a client has come in on that very
//! connection, so a cookie that was planted on somebody stays worthless. It is remembered by its hash alone.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use ring::digest;

use super::{Authenticator, Hello, Method, Principal, Step};
use crate::limits::COOKIES_PER_PRINCIPAL_MAX;

/// The value of a cookie: 192 random bits, 32 characters as text. Whoever knows it is in, so it is not shown for debugging.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CookieId([u8; CookieId::BYTES]);

/// A text that is no value of a cookie of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no cookie of this router")]
pub struct CookieIdError;

impl CookieId {
    const BYTES: usize = 24;

    /// From random bytes that nobody can foresee.
    pub fn new(random: [u8; 32]) -> CookieId {
        let [bytes @ .., _, _, _, _, _, _, _, _] = random;
        CookieId(bytes)
    }

    fn hash(&self) -> Hash {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, &self.0).as_ref());
        hash
    }
}

impl FromStr for CookieId {
    type Err = CookieIdError;

    fn from_str(text: &str) -> Result<CookieId, CookieIdError> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| CookieIdError)?;
        bytes.try_into().map(CookieId).map_err(|_| CookieIdError)
    }
}

impl fmt::Display for CookieId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for CookieId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CookieId")
    }
}

/// Whose cookie it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Holder {
    /// The realm that the principal came into.
    pub realm: String,
    /// Who that is, by the method that let it in.
    pub principal: Principal,
    /// Milliseconds since 1970 from which on the cookie counts no more.
    pub expires_ms: u64,
}

/// Remembers who holds which cookie. All shards share one, and ask it when a client connects or comes in, so it must answer at once.
pub trait CookieStore: fmt::Debug + Send + Sync {
    /// Whose this cookie is, unless it has expired.
    fn holder(&self, cookie: &CookieId, date_ms: u64) -> Option<Arc<Holder>>;

    /// Remembers whose it is from now on. Of more than `kept_max` the oldest are forgotten: returns how many that were.
    fn remember(&self, cookie: &CookieId, holder: Arc<Holder>, kept_max: usize, date_ms: u64) -> u64;

    /// It is nobody's any more.
    fn forget(&self, cookie: &CookieId);
}

type Hash = [u8; 32];

/// A store in memory, that ends with the router.
#[derive(Debug, Default)]
pub struct CookieJar(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    cookies: BTreeMap<Hash, Entry>,
    /// By age.
    order: BTreeMap<u64, Hash>,
    /// By realm and authid, from the oldest on.
    principals: BTreeMap<(String, String), VecDeque<u64>>,
    /// How many there have been.
    count: u64,
}

#[derive(Debug)]
struct Entry {
    holder: Arc<Holder>,
    number: u64,
}

impl CookieJar {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CookieStore for CookieJar {
    fn holder(&self, cookie: &CookieId, date_ms: u64) -> Option<Arc<Holder>> {
        let hash = cookie.hash();
        let kept = self.kept();
        let entry = kept.cookies.get(&hash)?;
        (entry.holder.expires_ms > date_ms).then(|| entry.holder.clone())
    }

    fn remember(&self, cookie: &CookieId, holder: Arc<Holder>, kept_max: usize, date_ms: u64) -> u64 {
        let hash = cookie.hash();
        let mut kept = self.kept();
        kept.remove(&hash);
        let owner = owner(&holder);
        // Nobody drives out others' cookies by coming in over and over.
        let own = kept.principals.get(&owner).filter(|own| own.len() >= COOKIES_PER_PRINCIPAL_MAX);
        if let Some(oldest) = own.and_then(|own| own.front().copied()) {
            kept.remove_number(oldest);
        }
        let mut forgotten = 0;
        while let Some((number, is_over)) = kept.oldest(date_ms)
            && (is_over || kept.cookies.len() >= kept_max.max(1))
        {
            forgotten += u64::from(!is_over);
            kept.remove_number(number);
        }
        let number = kept.count;
        kept.count += 1;
        kept.order.insert(number, hash);
        kept.principals.entry(owner).or_default().push_back(number);
        kept.cookies.insert(hash, Entry { holder, number });
        forgotten
    }

    fn forget(&self, cookie: &CookieId) {
        self.kept().remove(&cookie.hash());
    }
}

impl Kept {
    /// The number of the oldest, and whether its time is over.
    fn oldest(&self, date_ms: u64) -> Option<(u64, bool)> {
        let (number, hash) = self.order.first_key_value()?;
        let is_over = self.cookies.get(hash).is_none_or(|entry| entry.holder.expires_ms <= date_ms);
        Some((*number, is_over))
    }

    fn remove_number(&mut self, number: u64) {
        if let Some(hash) = self.order.get(&number).copied() {
            self.remove(&hash);
        }
    }

    fn remove(&mut self, hash: &Hash) {
        let Some(Entry { holder, number }) = self.cookies.remove(hash) else { return };
        self.order.remove(&number);
        let owner = owner(&holder);
        if let Some(own) = self.principals.get_mut(&owner) {
            own.retain(|other| *other != number);
            if own.is_empty() {
                self.principals.remove(&owner);
            }
        }
    }
}

fn owner(holder: &Holder) -> (String, String) {
    (holder.realm.clone(), holder.principal.authid.clone())
}

/// The WebSocket's request had a cookie that a client was given when it came in by another method.
#[derive(Debug)]
pub(super) struct Cookie;

impl Authenticator for Cookie {
    fn start(&self, hello: &Hello<'_>) -> Option<Step> {
        let principal = hello.channel.cookie.as_ref()?;
        let is_same = hello.authid.is_none_or(|authid| authid == principal.authid);
        is_same.then(|| {
            Step::Welcome(Principal {
                authid: principal.authid.clone(),
                authrole: principal.authrole.clone(),
                authmethod: Method::Cookie.name().to_owned(),
                authprovider: "cookie".to_owned(),
                authextra: None,
            })
        })
    }

    fn is_lasting(&self, _: &super::Admitted<'_>) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use simd_json::json;

    use super::super::Channel;
    use super::super::directory::tests::hello;
    use super::*;

    fn id(n: u8) -> CookieId {
        CookieId::new([n; 32])
    }

    fn holder(authid: &str, expires_ms: u64) -> Arc<Holder> {
        let principal = Principal {
            authid: authid.to_owned(),
            authrole: "user".to_owned(),
            authmethod: "ticket".to_owned(),
            authprovider: "static".to_owned(),
            authextra: None,
        };
        Arc::new(Holder { realm: "realm1".to_owned(), principal, expires_ms })
    }

    /// Who holds the cookies 0, 1, 2, …
    fn holders(jar: &CookieJar, count: u8, date_ms: u64) -> Vec<Option<String>> {
        let name = |n| Some(jar.holder(&id(n), date_ms)?.principal.authid.clone());
        (0..count).map(name).collect()
    }

    fn is_consistent(jar: &CookieJar) -> bool {
        let kept = jar.kept();
        let of_principals: usize = kept.principals.values().map(VecDeque::len).sum();
        kept.order.len() == kept.cookies.len() && of_principals == kept.cookies.len()
    }

    #[test]
    fn values() {
        let id = CookieId::new([0xFB; 32]);
        let text = id.to_string();
        assert_eq!(text, "-_v7".repeat(8));
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(format!("{id:?}"), "CookieId", "it is a secret");
        let longer = format!("{text}-_v7");
        for wrong in ["", "-_v7", &longer, &text.replace('-', "+"), &format!("{}=", &text[1..])] {
            assert_eq!(wrong.parse::<CookieId>(), Err(CookieIdError), "{wrong}");
        }
    }

    #[test]
    fn a_holder_is_remembered_for_a_time() {
        let jar = CookieJar::default();
        assert_eq!(jar.holder(&id(0), 0), None);
        jar.remember(&id(0), holder("joe", 100), 10, 0);
        assert_eq!(jar.holder(&id(0), 99), Some(holder("joe", 100)));
        assert_eq!(jar.holder(&id(0), 100), None);
        assert_eq!(jar.holder(&id(1), 0), None);
        // Another one takes its place.
        jar.remember(&id(0), holder("ann", 200), 10, 50);
        assert_eq!(holders(&jar, 1, 150), [Some("ann".to_owned())]);
        jar.forget(&id(0));
        jar.forget(&id(1));
        assert_eq!(holders(&jar, 1, 150), [None]);
        assert!(is_consistent(&jar) && jar.kept().cookies.is_empty() && jar.kept().principals.is_empty());
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let jar = CookieJar::default();
        for (n, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
            assert_eq!(jar.remember(&id(n as u8), holder(name, 100), 3, 0), u64::from(n == 3));
        }
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(holders(&jar, 4, 0), [None, some("b"), some("c"), some("d")]);
        // What has expired makes room, though there is some.
        assert_eq!(jar.remember(&id(4), holder("e", 300), 100, 100), 0);
        assert_eq!(jar.kept().cookies.len(), 1);
        assert!(is_consistent(&jar));
    }

    #[test]
    fn nobody_drives_out_others() {
        let jar = CookieJar::default();
        jar.remember(&id(0), holder("ann", 100), 100, 0);
        for n in 1..=2 * COOKIES_PER_PRINCIPAL_MAX {
            jar.remember(&id(n as u8), holder("joe", 100), 100, 0);
        }
        assert_eq!(jar.kept().cookies.len(), 1 + COOKIES_PER_PRINCIPAL_MAX);
        assert!(jar.holder(&id(0), 0).is_some(), "ann's");
        assert!(jar.holder(&id(COOKIES_PER_PRINCIPAL_MAX as u8), 0).is_none(), "joe's oldest go");
        assert!(jar.holder(&id(COOKIES_PER_PRINCIPAL_MAX as u8 + 1), 0).is_some());
        assert!(is_consistent(&jar));
    }

    #[test]
    fn whose_cookie_it_is_comes_in() {
        let start = |cookie: Option<Principal>, authid| {
            let channel = Channel { cookie, ..Channel::default() };
            Cookie.start(&Hello { channel: &channel, ..hello(&[], authid, &json!(null)) })
        };
        let joe = || Some(holder("joe", 100).principal.clone());
        for authid in [None, Some("joe")] {
            let Some(Step::Welcome(principal)) = start(joe(), authid) else { panic!("{authid:?}") };
            assert_eq!((&*principal.authid, &*principal.authrole), ("joe", "user"));
            assert_eq!((&*principal.authmethod, &*principal.authprovider), ("cookie", "cookie"));
        }
        for (cookie, authid) in [(None, None), (None, Some("joe")), (joe(), Some("ann"))] {
            assert!(start(cookie, authid).is_none(), "another method may do");
        }
    }
}
