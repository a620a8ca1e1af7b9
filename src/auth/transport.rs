//! Methods by which the transport has done the work: anonymous, TLS certificates (spec: "Transport-level Authentication").

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

    fn is_lasting(&self, _: &Admitted<'_>) -> bool {
        false
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

    /// The certificate is there each time.
    fn is_lasting(&self, _: &Admitted<'_>) -> bool {
        false
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
}
