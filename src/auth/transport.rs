//! Methods by which the transport has done the work: anonymous, TLS certificates, cookies (spec: "Transport-level
//! Authentication").

use std::fmt;
use std::sync::Arc;

use super::{Admitted, Authenticator, Denial, Directory, Hello, Method, Principal, Step};

/// Whoever comes is let in, under a random name.
#[derive(Debug)]
pub(super) struct Anonymous {
    pub(super) authrole: String,
}

impl Authenticator for Anonymous {
    fn recheck(&self, admitted: &Admitted<'_>) -> Result<(), String> {
        match admitted.authrole == self.authrole {
            true => Ok(()),
            false => Err("the role of those without a name has changed; join again".to_owned()),
        }
    }

    fn start(&self, hello: &Hello<'_>) -> Option<Step> {
        let [a, b, c, d, e, f, g, ..] = hello.random;
        let number = u64::from_le_bytes([a, b, c, d, e, f, g, 0]) >> 4;
        Some(Step::Welcome(Principal {
            authid: format!("{number:013X}"),
            authrole: self.authrole.clone(),
            authmethod: Method::Anonymous.name().to_owned(),
            authprovider: "static".to_owned(),
            authextra: None,
        }))
    }
}

/// The peer has shown a certificate, and TLS has seen that it has the key.
#[derive(Debug)]
pub(super) struct Certificate(pub(super) Arc<Directory>);

impl Authenticator for Certificate {
    fn recheck(&self, admitted: &Admitted<'_>) -> Result<(), String> {
        self.0.recheck(Method::Tls, admitted)
    }

    fn start(&self, hello: &Hello<'_>) -> Option<Step> {
        let fingerprint = hello.channel.certificate.as_ref()?;
        let user = self.0.by_certificate(fingerprint);
        let user = user.filter(|user| hello.authid.is_none_or(|authid| authid == user.authid));
        Some(match user {
            Some(user) => user.welcome_if(true, Method::Tls, None, hello.date_ms),
            None => Step::Deny(Denial::wrong()),
        })
    }
}

/// Where principals are remembered by a cookie.
pub trait CookieStore: fmt::Debug + Send + Sync {
    /// Who has been given this cookie, unless that is too long ago.
    fn principal(&self, cookie: &str, date_ms: u64) -> Option<Principal>;
}

/// The WebSocket's request had a cookie that a client was given when it authenticated by another method.
#[derive(Debug)]
pub struct Cookie(pub Arc<dyn CookieStore>);

impl Authenticator for Cookie {
    fn start(&self, hello: &Hello<'_>) -> Option<Step> {
        let principal = self.0.principal(hello.channel.cookie.as_deref()?, hello.date_ms)?;
        let same = hello.authid.is_none_or(|authid| authid == principal.authid);
        let authmethod = Method::Cookie.name().to_owned();
        same.then_some(Step::Welcome(Principal { authmethod, ..principal }))
    }
}

#[cfg(test)]
mod tests {
    use simd_json::json;

    use super::super::directory::tests::{directory, hello};
    use super::super::{Channel, User};
    use super::*;

    #[test]
    fn certificates() {
        let mut user = User::new("device-7", "device");
        user.secrets.tls = vec![[1; 32], [2; 32]];
        let method = Certificate(directory(vec![user]));
        let start = |certificate, authid| {
            let channel = Channel { certificate, ..Channel::default() };
            method.start(&Hello { channel: &channel, ..hello(&[], authid, &json!(null)) })
        };
        for authid in [None, Some("device-7")] {
            let Some(Step::Welcome(principal)) = start(Some([2; 32]), authid) else { panic!("{authid:?}") };
            assert_eq!((&*principal.authid, &*principal.authmethod), ("device-7", "tls"));
        }
        assert!(matches!(start(Some([3; 32]), None), Some(Step::Deny(_))));
        assert!(matches!(start(Some([1; 32]), Some("device-8")), Some(Step::Deny(_))));
        assert!(start(None, None).is_none(), "another method may do");
    }

    #[test]
    fn cookies() {
        #[derive(Debug)]
        struct Store;
        impl CookieStore for Store {
            fn principal(&self, cookie: &str, date_ms: u64) -> Option<Principal> {
                (cookie == "c" && date_ms < 10).then(|| Principal {
                    authid: "joe".to_owned(),
                    authrole: "user".to_owned(),
                    authmethod: "ticket".to_owned(),
                    authprovider: "static".to_owned(),
                    authextra: None,
                })
            }
        }
        let start = |cookie: Option<&str>, date_ms, authid| {
            let channel = Channel { cookie: cookie.map(str::to_owned), ..Channel::default() };
            Cookie(Arc::new(Store)).start(&Hello {
                channel: &channel,
                date_ms,
                ..hello(&[], authid, &json!(null))
            })
        };
        let Some(Step::Welcome(principal)) = start(Some("c"), 9, None) else { panic!() };
        assert_eq!((&*principal.authid, &*principal.authmethod), ("joe", "cookie"));
        for (cookie, date, authid) in
            [(Some("d"), 9, None), (None, 9, None), (Some("c"), 10, None), (Some("c"), 9, Some("ann"))]
        {
            assert!(start(cookie, date, authid).is_none());
        }
    }
}
