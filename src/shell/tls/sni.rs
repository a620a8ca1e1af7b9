//! Which certificate a client gets: the one for the host that it names.

use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::CertificateFacts;

/// The router's certificates with their names, in the order of the configuration.
#[derive(Debug)]
pub(super) struct Certificates(Vec<(Arc<CertifiedKey>, Vec<String>)>);

/// How well a certificate fits a host, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Exact,
    Wildcard,
    Other,
}

impl Certificates {
    pub(super) fn new(keys: Vec<Arc<CertifiedKey>>, facts: &[CertificateFacts]) -> Certificates {
        Certificates(keys.into_iter().zip(facts.iter().map(|facts| facts.names.clone())).collect())
    }
}

impl ResolvesServerCert for Certificates {
    /// Of those that fit the host best, the first whose signatures the client can check; else one that it cannot.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let host = hello.server_name().map(str::to_ascii_lowercase);
        let rank = |names: &[String], key: &CertifiedKey| {
            let fit = host.as_deref().map_or(Fit::Other, |host| fit(names, host));
            (fit, key.key.choose_scheme(hello.signature_schemes()).is_none())
        };
        let best = self.0.iter().min_by_key(|(key, names)| rank(names, key));
        best.map(|(key, _)| key.clone())
    }
}

fn fit(names: &[String], host: &str) -> Fit {
    let host = host.strip_suffix('.').unwrap_or(host);
    let wild = |name: &String| match (name.strip_prefix("*."), host.split_once('.')) {
        (Some(domain), Some((label, rest))) => !label.is_empty() && domain == rest,
        _ => false,
    };
    if names.iter().any(|name| name == host) {
        Fit::Exact
    } else if names.iter().any(wild) {
        Fit::Wildcard
    } else {
        Fit::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_label() {
        let names = ["a.example", "*.b.example", "*.example"].map(str::to_owned);
        for (host, expected) in [
            ("a.example", Fit::Exact),
            ("a.example.", Fit::Exact),
            ("b.example", Fit::Wildcard),
            ("x.b.example", Fit::Wildcard),
            ("y.x.b.example", Fit::Other),
            (".b.example", Fit::Other),
            ("example", Fit::Other),
            ("*.b.example", Fit::Exact),
            ("", Fit::Other),
        ] {
            assert_eq!(fit(&names, host), expected, "{host}");
        }
    }
}
