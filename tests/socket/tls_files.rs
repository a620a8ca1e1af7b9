//! What can be wrong with the files of TLS, and what is said about it.

use connectanum::config::{CertificateFiles, ClientCertificates, TlsConfig};
use connectanum::shell::TlsContext;
use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

use crate::authority::Authority;

fn load(tls: &TlsConfig) -> Result<TlsContext, String> {
    TlsContext::load(tls).map_err(|faults| faults.to_string())
}

/// The faults, one a line, contain these.
#[track_caller]
fn refused(tls: &TlsConfig, says: &[&str]) {
    let faults = load(tls).expect_err("it is refused");
    let found = faults.lines().zip(says).all(|(fault, says)| fault.contains(says));
    assert!(found && faults.lines().count() == says.len(), "{faults}");
}

#[test]
fn faults_name_the_file_and_the_remedy() {
    let authority = Authority::new();
    let good = authority.issue("good", &["a.test"]);
    let other = authority.issue("other", &["a.test"]);
    let (chain, key) = (good.chain.clone(), good.key.clone());
    let text = std::fs::read_to_string(&key).unwrap();
    let write = |name: &str, text: &str| authority.write(name, text);
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let with = |chain, key| TlsConfig {
        certificates: vec![CertificateFiles { chain, key }],
        ..TlsConfig::default()
    };
    refused(&with("/nowhere.pem".into(), key.clone()), &["cannot read `/nowhere.pem`: No such file"]);
    refused(&with(chain.clone(), "/nowhere.key".into()), &["cannot read `/nowhere.key`: No such file"]);
    refused(&with("/dev/zero".into(), key.clone()), &["`/dev/zero` is larger than"]);
    refused(
        &with(key.clone(), key.clone()),
        &["good.key` has no certificate; it has to be PEM, with `-----BEGIN"],
    );
    refused(&with(chain.clone(), chain.clone()), &["good.pem` has no private key; it has to be PEM"]);
    refused(&with(write("empty", ""), key.clone()), &["empty` has no certificate"]);
    refused(&with(write("broken", broken), key.clone()), &["certificate 1 in", "broken` is broken"][..1]);
    refused(&with(write("half", &text[..50]), key.clone()), &["half` is no PEM file: "]);
    refused(&with(chain.clone(), write("half", &text[..50])), &["half` is no PEM file: "]);
    refused(
        &with(chain.clone(), write("enc", encrypted)),
        &["is encrypted; decrypt it with `openssl pkey -in "],
    );
    let junk = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    refused(&with(chain.clone(), write("junk", junk)), &["junk` cannot be used ("]);
    refused(
        &with(chain.clone(), other.key.clone()),
        &["other.key` is not the one of the first certificate in `"],
    );
    refused(&TlsConfig::default(), &["there is no certificate; name one: [[tls.certificate]]"]);

    let clients = |client_ca| TlsConfig {
        client_certificates: ClientCertificates::Required,
        client_ca,
        ..with(chain.clone(), key.clone())
    };
    refused(&clients(None), &["nobody is trusted to sign them"]);
    refused(&clients(Some("/nowhere.pem".into())), &["cannot read `/nowhere.pem`"]);
    refused(&clients(Some(write("broken", broken))), &["certificate 1 in `"]);
    load(&clients(Some(authority.file()))).expect("all is well");

    // All at once.
    let all = TlsConfig {
        certificates: vec![
            CertificateFiles { chain: "/1".into(), key: key.clone() },
            good.clone(),
            CertificateFiles { chain: chain.clone(), key: "/2".into() },
        ],
        ..clients(Some("/3".into()))
    };
    refused(&all, &["cannot read `/1`", "cannot read `/2`", "cannot read `/3`"]);
}

#[test]
fn facts_are_in_the_certificates() {
    let authority = Authority::new();
    let mut params =
        CertificateParams::new(["A.test", "*.b.test", "127.0.0.1", "::1"].map(str::to_owned)).unwrap();
    params.distinguished_name.push(DnType::CommonName, "A");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2021, 2, 3);
    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let certificates = vec![authority.issue_with("old", params, &key), authority.issue("good", &["x.test"])];
    let context = load(&TlsConfig { certificates, ..TlsConfig::default() }).expect("a warning is no fault");
    let facts = context.certificates();
    let now = std::time::SystemTime::now();
    assert_eq!(facts[0].to_string(), "a.test, *.b.test, 127.0.0.1, ::1, until 2021-02-03");
    assert!(facts[0].fault(now).unwrap().starts_with("it has expired on 2021-02-03"));
    assert_eq!((facts[1].names.as_slice(), facts[1].fault(now)), (&["x.test".to_owned()][..], None));
}
