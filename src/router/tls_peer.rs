//! What TLS has shown of a peer: material for authentication.

/// A peer as its TLS connection shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsPeer {
    /// The value for the channel binding `tls-exporter` (RFC 9266). TLS 1.3 alone has one that binds in any case.
    pub binding: Option<[u8; 32]>,
    /// The certificate that the peer has proved to own, if it was asked for one.
    pub certificate: Option<PeerCertificate>,
}

/// A certificate that an authority has signed that the router trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerCertificate {
    /// The whole of it (DER).
    pub der: Box<[u8]>,
    /// Whom it is for, as RFC 4514 writes it: `CN=joe,O=Example`. Empty if it cannot be read.
    pub subject: String,
    /// Its fingerprint by SHA-1.
    pub sha1: [u8; 20],
    /// Its fingerprint by SHA-256.
    pub sha256: [u8; 32],
}
