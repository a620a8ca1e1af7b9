//! What a certificate says: whose it is, for which names, and how long.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use sha1::Sha1;
use sha2::{Digest, Sha256};
// Others issue certificates with less care than the standard asks for, which does no harm here.
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::router::PeerCertificate;

/// Who uses a certificate that ends sooner than this should be told.
const NOTICE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// What is in a certificate of the router. Displays in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The names of hosts that it is for, in lower case; `*.` stands for one label.
    pub names: Vec<String>,
    /// Whom it is for, as RFC 4514 writes it.
    pub subject: String,
    /// It is good from then on.
    pub not_before: SystemTime,
    /// It is good until then.
    pub not_after: SystemTime,
}

impl CertificateFacts {
    /// What a certificate says.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(der: &CertificateDer<'_>) -> Result<CertificateFacts, String> {
        let certificate = CertificateInner::<Raw>::from_der(der).map_err(|e| e.to_string())?;
        let body = certificate.tbs_certificate();
        let names = match body.get_extension::<SubjectAltName>() {
            Ok(Some((_, SubjectAltName(names)))) => names.iter().filter_map(name).collect(),
            _ => Vec::new(),
        };
        let validity = body.validity();
        Ok(CertificateFacts {
            names,
            subject: body.subject().to_string(),
            not_before: UNIX_EPOCH + validity.not_before.to_unix_duration(),
            not_after: UNIX_EPOCH + validity.not_after.to_unix_duration(),
        })
    }

    /// Why it will not do, now or soon.
    pub fn fault(&self, now: SystemTime) -> Option<String> {
        if now > self.not_after {
            Some(format!("it has expired on {}; clients will refuse it", date(self.not_after)))
        } else if now < self.not_before {
            Some(format!("it begins only on {}; clients will refuse it", date(self.not_before)))
        } else if now + NOTICE > self.not_after {
            Some(format!("it ends on {}; put a new one into its files and send SIGHUP", date(self.not_after)))
        } else {
            None
        }
    }
}

impl fmt::Display for CertificateFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.names.is_empty() {
            true => write!(f, "{} (without names of hosts)", self.subject)?,
            false => f.write_str(&self.names.join(", "))?,
        }
        write!(f, ", until {}", date(self.not_after))
    }
}

fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
        GeneralName::IpAddress(octets) => match *octets.as_bytes() {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(a, b, c, d).to_string()),
            ref octets => {
                <[u8; 16]>::try_from(octets).ok().map(|ip| std::net::Ipv6Addr::from(ip).to_string())
            }
        },
        _ => None,
    }
}

/// The day, in UTC.
fn date(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    match jiff::Timestamp::from_second(seconds as i64) {
        Ok(time) => time.strftime("%Y-%m-%d").to_string(),
        Err(_) => "a day out of range".to_owned(),
    }
}

/// The certificate of a client.
pub(super) fn peer(der: &CertificateDer<'_>) -> PeerCertificate {
    let parsed = CertificateInner::<Raw>::from_der(der);
    PeerCertificate {
        der: der.as_ref().into(),
        subject: parsed.map_or_else(|_| String::new(), |it| it.tbs_certificate().subject().to_string()),
        sha1: Sha1::digest(der).into(),
        sha256: Sha256::digest(der).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_that_will_not_do() {
        let day = |n: u64| UNIX_EPOCH + Duration::from_secs(n * 24 * 60 * 60);
        let facts = CertificateFacts {
            names: vec!["a.example".to_owned(), "*.b.example".to_owned()],
            subject: "CN=a.example".to_owned(),
            not_before: day(20_000),
            not_after: day(20_090),
        };
        assert_eq!(facts.to_string(), "a.example, *.b.example, until 2025-01-02");
        let fault = |n| facts.fault(day(n)).unwrap_or_default();
        assert_eq!(fault(19_999), "it begins only on 2024-10-04; clients will refuse it");
        assert_eq!(fault(20_000), "");
        assert_eq!(fault(20_076), "");
        assert!(fault(20_077).starts_with("it ends on 2025-01-02; put a new one"));
        assert!(fault(20_091).starts_with("it has expired on 2025-01-02"));
        let nameless = CertificateFacts { names: vec![], ..facts };
        assert_eq!(nameless.to_string(), "CN=a.example (without names of hosts), until 2025-01-02");
    }

    #[test]
    fn what_is_no_certificate() {
        for bytes in [&[][..], b"junk", &[0x30, 0x82, 0xFF, 0xFF]] {
            assert!(CertificateFacts::read(&CertificateDer::from_slice(bytes)).is_err());
            assert_eq!(peer(&CertificateDer::from_slice(bytes)).subject, "");
        }
    }
}
