//! `[tls]` and `[[tls.certificate]]`: what the router shows of itself to its peers, and what it demands of them. Files
//! are only named here; the shell reads them.

use std::path::{Path, PathBuf};

use super::file::{Key, Place, SECTIONS};
use super::realm::one_of;
use super::table::{Faults, Section, Table, Value};

pub(super) const TLS: Section = Section {
    header: "[tls]",
    keys: &["certificate", "min_version", "client_certificates", "client_ca", "resumption"],
};
pub(super) const CERTIFICATE: Section = Section { header: "[[tls.certificate]]", keys: &["chain", "key"] };

/// How TLS is spoken on the addresses that ask for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// The first is for clients that name no server, or one that no certificate is for.
    pub certificates: Vec<CertificateFiles>,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
    /// Whether clients have to show a certificate.
    pub client_certificates: ClientCertificates,
    /// The authorities that sign the certificates of clients (PEM).
    pub client_ca: Option<PathBuf>,
    /// Let clients resume their sessions, which saves most of the work of a handshake.
    pub resumption: bool,
}

/// The files of a certificate. The names that it is for are in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, then those that lead to the authority (PEM).
    pub chain: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    V12,
    /// TLS 1.3.
    V13,
}

/// Whether clients have to show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are not asked for one.
    #[default]
    Off,
    /// They are asked, and may have none.
    Optional,
    /// Without one there is no connection.
    Required,
}

impl Default for TlsConfig {
    fn default() -> Self {
        TlsConfig {
            certificates: Vec::new(),
            min_version: TlsVersion::default(),
            client_certificates: ClientCertificates::default(),
            client_ca: None,
            resumption: true,
        }
    }
}

impl TlsVersion {
    /// As the configuration writes it.
    pub(super) const NAMES: [(&str, TlsVersion); 2] = [("1.2", TlsVersion::V12), ("1.3", TlsVersion::V13)];

    /// As the configuration writes it.
    pub fn name(self) -> &'static str {
        match self {
            TlsVersion::V12 => "1.2",
            TlsVersion::V13 => "1.3",
        }
    }
}

impl ClientCertificates {
    pub(super) const NAMES: [(&str, ClientCertificates); 3] = [
        ("off", ClientCertificates::Off),
        ("optional", ClientCertificates::Optional),
        ("required", ClientCertificates::Required),
    ];

    /// As the configuration writes it.
    pub fn name(self) -> &'static str {
        match self {
            ClientCertificates::Off => "off",
            ClientCertificates::Optional => "optional",
            ClientCertificates::Required => "required",
        }
    }
}

impl TlsConfig {
    /// Relative paths begin at `folder`.
    pub(super) fn resolve(&mut self, folder: &Path) {
        let files = self.certificates.iter_mut().flat_map(|files| [&mut files.chain, &mut files.key]);
        for path in files.chain(&mut self.client_ca) {
            *path = folder.join(&path);
        }
    }

    /// Reads the table, and where its values stand.
    pub(super) fn read(table: &Table<'_>, faults: &mut Faults) -> (TlsConfig, Vec<(Key, Place)>) {
        table.unknown_keys(&TLS, &SECTIONS, faults);
        let mut config = TlsConfig::default();
        let mut places = Vec::new();
        let mut place = |value: Value<'_>, read: bool| {
            let place = if read { Place::Line(value.line()) } else { Place::Broken };
            places.push((Key::Tls(value.key()), place));
        };
        if let Some(value) = table.value("certificate") {
            let expected = "a list of tables, each begun by `[[tls.certificate]]`";
            let before = faults.len();
            let list = value.list(expected, faults).unwrap_or_default();
            let tables = list.into_iter().filter_map(|value| value.table(expected, faults));
            config.certificates = Vec::from_iter(tables).iter().map(|it| certificate(it, faults)).collect();
            place(value, faults.len() == before);
        }
        if let Some(value) = table.value("min_version")
            && let Some(version) = one_of(value, &TlsVersion::NAMES, faults)
        {
            config.min_version = version;
        }
        if let Some(value) = table.value("client_certificates") {
            let read = one_of(value, &ClientCertificates::NAMES, faults);
            config.client_certificates = read.unwrap_or_default();
            place(value, read.is_some());
        }
        if let Some(value) = table.value("client_ca") {
            config.client_ca = path(value, faults);
            place(value, config.client_ca.is_some());
        }
        if let Some(resumption) = table.value("resumption").and_then(|v| v.boolean(faults)) {
            config.resumption = resumption;
        }
        (config, places)
    }
}

fn certificate(table: &Table<'_>, faults: &mut Faults) -> CertificateFiles {
    table.unknown_keys(&CERTIFICATE, &SECTIONS, faults);
    let mut file = |key| {
        let Some(value) = table.value(key) else {
            let fault = format!("the certificate has no `{key}`; write `{key} = \"FILE.pem\"`");
            faults.push((Some(table.line()), fault));
            return PathBuf::new();
        };
        path(value, faults).unwrap_or_default()
    };
    CertificateFiles { chain: file("chain"), key: file("key") }
}

fn path(value: Value<'_>, faults: &mut Faults) -> Option<PathBuf> {
    let path = value.string("the name of a file", faults)?;
    if path.is_empty() || path.contains('\0') {
        value.fault(format!("`{}` names no file", value.key()), faults);
        return None;
    }
    Some(PathBuf::from(path))
}
