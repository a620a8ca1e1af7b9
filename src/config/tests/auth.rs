//! Users, tokens and methods in a file: what they mean, and what is said of faults.

use super::super::*;
use crate::auth::form::Form;
use crate::auth::{Kdf, Method, TicketSecret};

/// A file and a variable.
struct Elsewhere;

impl Sources for Elsewhere {
    fn file(&self, path: &str) -> Result<String, String> {
        match path {
            "ticket" => Ok("plain:from a file\n".to_owned()),
            "jwt" => Ok("a secret of more than thirty-two bytes\r\n".to_owned()),
            _ => Err("no such file".to_owned()),
        }
    }

    fn variable(&self, name: &str) -> Result<String, String> {
        if name == "SCRAM" { Ok(SCRAM.to_owned()) } else { Err("not set".to_owned()) }
    }
}

const SCRAM: &str = "$scram-argon2id13$i=3,m=64$MDEyMzQ1Njc4OWFiY2RlZg$\
                     AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const CRA: &str = "$pbkdf2-sha256$i=1000$c2FsdDEyMw$qzcdsr9uu/L5hnss3kjNTRe490ETgA70ZBaB5rvnJ5Y";

fn load(text: &str) -> Result<ServeConfig, ConfigErrors> {
    ServeConfig::load_with(Some(("c.toml", text)), &Elsewhere, Overrides::default())
}

/// The file, of a realm with what follows, gives exactly these errors, each `LINE: beginning of the text`. The realm has two lines.
#[track_caller]
fn refused(text: &str, expected: &[&str]) {
    let errors = load(&format!("[[realm]]\nname = 'a'\n{text}")).expect_err("is accepted").to_string();
    let matches = errors.lines().zip(expected).all(|(e, x)| e.starts_with(&format!("c.toml:{x}")));
    assert!(matches && errors.lines().count() == expected.len(), "expected {expected:#?}, found\n{errors}");
}

/// Who may come into the realm.
#[track_caller]
fn auth(text: &str) -> RealmAuth {
    let config = load(&format!("[[realm]]\nname = 'a'\n{text}")).unwrap_or_else(|errors| panic!("{errors}"));
    config.router.realms[0].auth.clone()
}

#[test]
fn every_key_is_read() {
    let (key, print) = ("ab".repeat(32), "cd".repeat(32));
    let realm = auth(&format!(
        "authmethods = ['ticket', 'wampcra', 'wamp-scram', 'cryptosign', 'tls', 'anonymous']
         anonymous_role = 'guest'
         [[realm.user]]
         authid = 'joe'
         authrole = 'user'
         expires = 2027-01-01T00:00:00Z
         ticket_file = 'ticket'
         wampcra = '{CRA}'
         scram_env = 'SCRAM'
         cryptosign = ['{key}', '{print}']
         tls = 'sha256:{print}'
         [[realm.user]]
         authid = 'ann'
         authrole = 'admin'
         expires = '2027-01-01T01:00:00+01:00'
         ticket = 'sha256:{key}'
         [[realm.jwt]]
         secret_file = 'jwt'
         issuer = 'https://id.example.com'
         audience = 'wamp'
         authid_claim = 'email'
         authrole_claim = 'role'
         authroles = ['user', 'admin']
         leeway_s = 5"
    ));
    assert_eq!(
        realm.methods,
        Method::ALL[1..6].iter().copied().chain([Method::Anonymous]).collect::<Vec<_>>()
    );
    assert_eq!(realm.anonymous_role, "guest");
    let [joe, ann] = &*realm.users else { panic!("{realm:?}") };
    assert_eq!((&*joe.authid, &*joe.authrole, joe.expires_ms), ("joe", "user", Some(1_798_761_600_000)));
    assert_eq!((&*ann.authid, &*ann.authrole, ann.expires_ms), ("ann", "admin", joe.expires_ms));
    assert_eq!(joe.secrets.ticket, Some(TicketSecret::of("from a file")));
    assert_eq!(ann.secrets.ticket, Some(TicketSecret::Sha256([0xAB; 32])));
    let cra = joe.secrets.wampcra.as_ref().unwrap();
    assert_eq!(cra.key, b"qzcdsr9uu/L5hnss3kjNTRe490ETgA70ZBaB5rvnJ5Y=");
    assert_eq!(cra.write(), CRA);
    assert_eq!(
        joe.secrets.scram.as_ref().map(|s| s.kdf),
        Some(Kdf::Argon2id13 { iterations: 3, memory: 64 })
    );
    assert_eq!(joe.secrets.cryptosign.len(), 2);
    assert_eq!(joe.secrets.tls, [[0xCD; 32]]);
    let [jwt] = &*realm.issuers else { panic!("{realm:?}") };
    assert_eq!(jwt.issuer.as_deref(), Some("https://id.example.com"));
    assert_eq!((jwt.audience.as_deref(), &*jwt.authid_claim), (Some("wamp"), "email"));
    assert_eq!(
        (jwt.authrole_claim.as_deref(), jwt.authrole.as_deref(), jwt.leeway_s),
        (Some("role"), None, 5)
    );
    assert_eq!(jwt.authroles, ["user", "admin"]);
    assert!(!format!("{realm:?}").contains("qzcdsr9"), "secrets stay out of logs");
}

#[test]
fn methods_that_are_not_listed() {
    let joe = format!("[[realm.user]]\nauthid = 'joe'\nauthrole = 'user'\nwampcra = '{CRA}'\n");
    assert_eq!(auth("").methods, [Method::Anonymous]);
    assert_eq!(auth(&joe).methods, [Method::Wampcra]);
    assert!(!auth(&joe).admits_anonymous());
    assert_eq!(auth(&format!("anonymous_role = 'x'\n{joe}")).methods, [Method::Anonymous, Method::Wampcra]);
    assert_eq!(auth("[[realm.jwt]]\nsecret_file = 'jwt'\nauthrole = 'user'").methods, [Method::Ticket]);
}

#[test]
fn addresses_that_others_reach_want_authentication() {
    let text =
        |realm: &str| format!("[router]\nlisten = ['ws://0.0.0.0:80']\n[[realm]]\nname = 'a'\n{realm}");
    let user = format!("[[realm.user]]\nauthid = 'joe'\nauthrole = 'user'\nwampcra = '{CRA}'\n");
    assert!(load(&text(&user)).is_ok());
    for open in [
        text(""),
        text(&format!("anonymous_role = 'x'\n{user}")),
        text(&format!("{user}[[realm]]\nname = 'b'")),
    ] {
        assert!(load(&open).unwrap_err().to_string().starts_with("c.toml:2: other machines can reach"));
    }
}

#[test]
fn faults_of_users() {
    let user = "[[realm.user]]\nauthid = 'joe'\nauthrole = 'user'\n";
    refused(
        "[[realm.user]]\nauthid = ''\ntiket = 'a'",
        &[
            "3: the user has no authrole; write `authrole = ",
            "4: `authid` is empty or has control characters",
            "5: unknown key `tiket` in [[realm.user]]; did you mean `ticket`?",
        ],
    );
    refused(user, &["3: user `joe` has no secret to come in with; `connectanum hash-secret` makes"]);
    refused(
        &format!("{user}ticket = 'secret'"),
        &["6: `ticket`: this is none of `sha256:…`, `$argon2id$…`; `connec"],
    );
    refused(
        &format!("{user}ticket = 'plain:secret'"),
        &["6: `ticket`: the secret is there as it is; derive it"],
    );
    refused(&format!("{user}scram = '{CRA}'"), &["6: `scram`: this is none of `$scram-pbkdf2$…`"]);
    refused(
        &format!("{user}cryptosign = ['00', 7]"),
        &[
            "6: `cryptosign`: this is not an Ed25519 public key, 64 digits in hex; `connectanum keygen`",
            "6: `cryptosign` must be",
        ],
    );
    refused(
        &format!("{user}tls = 'x'"),
        &["6: `tls`: this is not the SHA-256 of a certificate, 64 digits in hex; `openssl x509"],
    );
    refused(&format!("{user}expires = 2027-01-01"), &["6: `expires`: this is not a date with time and zone"]);
    refused(
        &format!("{user}ticket_file = 'nowhere'"),
        &["6: `ticket_file`: cannot read `nowhere`: no such file"],
    );
    refused(&format!("{user}ticket_env = 'X'"), &["6: `ticket_env`: $X: not set"]);
    refused(
        &format!("{user}ticket_file = 'ticket'\nticket_env = 'SCRAM'"),
        &["7: `ticket_file` and `ticket_env` exclude each other"],
    );
    let good = format!("{user}wampcra = '{CRA}'\n");
    refused(&format!("{good}{good}"), &["7: user `joe` is there twice; leave one out"]);
    let key = format!("cryptosign = '{}'\n", "ab".repeat(32));
    refused(
        &format!("{user}{key}{}{key}", user.replace("joe", "ann")),
        &["7: a public key of `ann` is there twice"],
    );
    refused(
        &format!("{}scram_env = 'SCRAM'", user.replace("joe", "\u{FF4A}oe")),
        &["4: `authid`: for WAMP-SCRAM"],
    );
    refused("user = 7", &["3: `user` must be a list of tables"]);
}

#[test]
fn faults_of_methods() {
    let joe = format!("[[realm.user]]\nauthid = 'joe'\nauthrole = 'user'\nwampcra = '{CRA}'\n");
    refused(
        &format!("authmethods = ['wampcr', 'ticket', 'wampcra']\n{joe}"),
        &[
            "3: `authmethods`: `wampcr` is none of anonymous, ticket, wampcra",
            "3: no user of the realm has a secret for `ticket`; give one to a user, name a [[realm.authenticator]]",
        ],
    );
    for alone in ["'cookie'", "'anonymous', 'cookie'"] {
        refused(
            &format!("authmethods = [{alone}]"),
            &["3: `cookie` lets in who came in before: add the method"],
        );
    }
    refused("authmethods = []", &["3: `authmethods` is empty: nobody could come in"]);
    refused(
        &format!("authmethods = ['anonymous']\n{joe}"),
        &["4: user `joe` has no secret for any of the realm's `authmethods`"],
    );
    refused(
        &format!("authmethods = ['wampcra']\nanonymous_role = 'x'\n{joe}"),
        &["4: `authmethods` does not offer `anonymous`"],
    );
    // A user that cannot be read is not missed besides.
    refused(
        "authmethods = ['ticket']\n[[realm.user]]\nauthid = 'joe'\nticket = ''\nauthrole = 'x'",
        &["6: `ticket`: this is none"],
    );
}

#[test]
fn faults_of_tokens() {
    refused("[[realm.jwt]]", &["3: there is no key; write", "3: there is no role; write"]);
    refused(
        "[[realm.jwt]]\nauthrole = 'a'\npublic_key = 'x'",
        &["5: `public_key`: this is no public key in PEM"],
    );
    refused("[[realm.jwt]]\nauthrole = 'a'\njwks_file = 'jwt'", &["5: `jwks_file`: this is no JWKS"]);
    refused(
        "[[realm.jwt]]\nauthrole_claim = 'role'\nsecret_file = 'jwt'",
        &["3: `authrole_claim` needs `authroles`: the roles that a token may give"],
    );
    refused(
        "[[realm.jwt]]\nsecret = 'x'\nauthrole = 'a'",
        &["3: there is no key", "4: unknown key `secret` in [[realm.jwt]]"],
    );
}

#[test]
fn plain_secrets_if_the_operator_insists() {
    let text = "[router]\nallow_plain_secrets = true\n[[realm]]\nname = 'a'\n\
                [[realm.user]]\nauthid = 'joe'\nauthrole = 'user'\nwampcra = 'plain:secret'\n";
    let config = load(text).unwrap();
    assert_eq!(config.router.realms[0].auth.users[0].secrets.wampcra.as_ref().unwrap().key, b"secret");
    assert!(load(&text.replace("true", "false")).is_err());
}

#[test]
fn authenticators() {
    let asked = "[[realm.authenticator]]\nmethod = 'wampcra'\nprocedure = 'com.auth'\n";
    let realm = auth(&format!(
        "[[realm.user]]\nauthid = 'joe'\nauthrole = 'r'\ntls = '{}'\n{asked}realm = 'a'\nauthrole = 'member'",
        "ab".repeat(32)
    ));
    assert_eq!(realm.methods, [Method::Wampcra, Method::Tls]);
    let [procedure] = &realm.procedures[..] else { panic!("{realm:?}") };
    assert_eq!((procedure.method, &*procedure.procedure), (Method::Wampcra, "com.auth"));
    assert_eq!((procedure.realm.as_deref(), procedure.authrole.as_deref()), (Some("a"), Some("member")));
    // Not even of those without a name anybody comes in unasked.
    let anonymous = "[[realm.authenticator]]\nmethod = 'anonymous'\nprocedure = 'com.auth'\nrealm = 'b'\n[[realm]]\nname = 'b'";
    let realm = auth(anonymous);
    assert_eq!((realm.methods.as_slice(), realm.admits_anonymous()), (&[Method::Anonymous][..], false));
    for (text, errors) in [
        (
            "[[realm.authenticator]]",
            &["3: the authenticator has no method", "3: the authenticator has no procedure"][..],
        ),
        (
            "[[realm.authenticator]]\nmethod = 'tickets'\nprocedure = ''\nprocedures = 1",
            &["4: `method`: `tickets` is none of", "5: `procedure` is empty", "6: unknown key `procedures`"],
        ),
        (
            &format!(
                "authmethods = ['cookie', 'wampcra']\n{}realm = 'a'\n{asked}",
                asked.replace("wampcra", "cookie")
            ),
            &[
                "4: `cookie` is no method for an authenticator",
                "4: nobody could come",
                "4: nobody could come",
            ],
        ),
        (asked, &["3: nobody could come into the realm and offer `com.auth`"]),
        (&format!("{asked}realm = 'a'"), &["3: nobody could come into the realm and offer `com.auth`"]),
        (
            &format!("{asked}realm = 'b'"),
            &["2: the authenticator `com.auth` is to be in realm `b`, which there is not"],
        ),
        (
            &format!("authmethods = ['anonymous']\n{asked}"),
            &["4: `authmethods` does not offer `wampcra`: nobody would ask `com.auth`"],
        ),
        (
            &format!("anonymous_role = 'x'\n{asked}{asked}"),
            &["4: there are two authenticators for `wampcra`"],
        ),
        (
            &format!("anonymous_role = 'x'\n{}", asked.replace("com.auth", "wamp.auth")),
            &["4: `wamp.auth` is no procedure that somebody could register"],
        ),
        (
            &format!("[[realm.user]]\nauthid = 'joe'\nauthrole = 'r'\nwampcra = '{CRA}'\n{asked}"),
            &[
                "7: `com.auth` alone knows who comes in by `wampcra`: the secret of user `joe` would not count",
                "7: nobody could come",
            ],
        ),
        (
            &format!("anonymous_role = 'x'\n{}", asked.replace("wampcra", "anonymous")),
            &["4: `com.auth` gives those without a name their role", "4: nobody could come"],
        ),
        (
            &format!(
                "{}[[realm.jwt]]\nsecret_file = 'jwt'\nauthrole = 'r'",
                asked.replace("wampcra", "ticket")
            ),
            &["3: `com.auth` alone knows who comes in by `ticket`", "3: nobody could come"],
        ),
    ] {
        refused(text, errors);
    }
}

#[test]
fn cookies() {
    let joe = format!("[[realm.user]]\nauthid = 'joe'\nauthrole = 'user'\nwampcra = '{CRA}'");
    assert_eq!(
        auth(&format!("authmethods = ['cookie', 'wampcra']\n{joe}")).methods,
        [Method::Cookie, Method::Wampcra]
    );
    assert_eq!(auth(&joe).methods, [Method::Wampcra], "who wants them says so");
    let router = load("[router]\ncookie_name = 'cbtid'\ncookie_max_age_s = 60").expect("a sound file").router;
    assert_eq!((router.cookie_name, router.cookie_max_age_s), ("cbtid".parse().expect("a name"), 60));
    for (line, fault) in [
        (
            "cookie_name = 'a b'",
            "2: `cookie_name`: a cookie's name has letters, digits, `-` and `_`, at most 64",
        ),
        ("cookie_name = 1", "2: `cookie_name` must be a string, not a number"),
        ("cookie_max_age_s = 0", "2: `cookie_max_age_s` must be a whole number from 1 to 34560000, not 0"),
    ] {
        let errors = load(&format!("[router]\n{line}")).expect_err("is accepted").to_string();
        assert_eq!(errors, format!("c.toml:{fault}"));
    }
}
