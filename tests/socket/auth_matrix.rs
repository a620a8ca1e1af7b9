//! Every method × {right, wrong, unknown user, expired, replayed} × {WebSocket, RawSocket} × {in the clear, TLS}.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use connectanum::auth::{Issuer, Keys, Method, User};
use connectanum::config::{ClientCertificates, RealmConfig, RouterConfig, TlsConfig};
use connectanum::limits::Limits;
use connectanum::shell::Address;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256};
use ring::{digest, hmac, rsa};
use rustls::{ClientConfig, version};
use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;
use tungstenite::{Message, WebSocket};

use crate::auth::answers::{Proof, answer, authextra, realm};
use crate::authority::{Authority, Identity, connect};
use crate::client::Steady;
use crate::common::{Client, Running, Setup, on_every_shell};

on_every_shell! {
    every_cell,
}

/// A row of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    Anonymous,
    TicketSha256,
    TicketArgon2id,
    TokenHs256,
    TokenRs256,
    TokenEdDsa,
    CraPlain,
    CraSalted,
    ScramPbkdf2,
    ScramArgon2id,
    Cryptosign,
    Certificate,
}
use Row::*;

const ROWS: [Row; 12] = [
    Anonymous,
    TicketSha256,
    TicketArgon2id,
    TokenHs256,
    TokenRs256,
    TokenEdDsa,
    CraPlain,
    CraSalted,
    ScramPbkdf2,
    ScramArgon2id,
    Cryptosign,
    Certificate,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Right,
    Wrong,
    UnknownUser,
    Expired,
    /// The answer that let somebody in is sent in another handshake.
    Replayed,
}
use Case::*;

const CASES: [Case; 5] = [Right, Wrong, UnknownUser, Expired, Replayed];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Web,
    Raw,
    WebTls,
    RawTls,
}
use Over::*;

const OVER: [Over; 4] = [Web, Raw, WebTls, RawTls];
const TLS: &[Over] = &[WebTls, RawTls];

/// Cells, and why they make no sense.
type Senseless = (&'static [Row], &'static [Case], &'static [Over], &'static str);

const SENSELESS: [Senseless; 4] = [
    (&[Anonymous], &[Wrong, UnknownUser, Expired, Replayed], &OVER, "there are no secrets, and no users"),
    (
        &[TicketSha256, TicketArgon2id, TokenHs256, TokenRs256, TokenEdDsa],
        &[Replayed],
        &OVER,
        "a ticket is the same each time; a second AUTHENTICATE is a violation (tests/protocol/auth/handshake.rs)",
    ),
    (&[Certificate], &CASES, &[Web, Raw], "certificates are shown in the handshake of TLS"),
    (&[Certificate], &[Replayed], TLS, "the proof is a signature in TLS itself; there is no AUTHENTICATE"),
];

const RUN: usize = 192;
const SKIPPED: usize = 48;

const DENIED: &str = "wamp.error.authentication_denied";

/// An RSA key that was made for this test and protects nothing, PKCS #8.
const RSA_KEY: &str = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC1XTb4/EythFaW6G7hfo65USz7Iy2Z4MdW7iqHwd2YI2F9HnxMeAoj\
    HxNPTvR0xJVcl8CvSOP1RYKUSabEbFFDHKibpZLCN+571QXVQVSpljq7KRjByEhvh7CLJISqD9rJ5mS47fdMWV3wqeM9ez5D23CQ9AeS\
    vpGROH6AIsA+D95tgdhPmaEt6BUIkuIDcAYaqkm2zJKVw5nF0MHiNJKkZ0IQcl5eFynXdN0ZkLhjs/x85xgwWLkGfg1yw5ml/pGtFVa4\
    iVWMm+3J8qHnYgpVm4v3y7xwRx0JEKSZbgeg1BGBp9ICmIZVKa2IqM7TS9ndYxZPtnwmGmgitI5z3WrlAgMBAAECggEAEbf7ZqxphltD\
    RWeMa6ncYkUIvrljW2D/QKIwlAZP8qzkOZ/Yl3Tz0pYW4hzt25mYGQ13ZPibUstZdEjUyuRlNQgP/fLZaXGi8kSv1vOUxKO5da8QbOA3\
    GXRZfmKRNncpkieY6AtRqYsilyBV49wOS31dHEBHHCJToOsyyqx6eSWUFi0y1+jAtvAvOlPHoT6e7hk00FKQIBRQCIjArLBC2rvmX3L3\
    u/GwQtkeskq1QDoU8Y5mW5v3cfWG8z9WchdrMYhr9zyHQzq32AQknB/L7AGWuyKhRP0KbkRpsiA8Pia7W2obEZzAm4czbz8YKw0Giw62\
    2ZUOYgRlKKzgT8+VMQKBgQDi1aQKnyppwnEeH1wBsS2OWJpGgeSSghmBIJgjanqxW3/IIZR+G45n8BhbWP9UjM79lT8uUXsx8+qlhf5w\
    XuUO29wwA9p8/ttwnGrHqIaknLvIWpT5Hw99+oyX0X4lZ3tRs+ga9UlxmkQ6ALvR7PVtDqHuTDfPreQIIs/U7Dh3UQKBgQDMruUmRt2v\
    HubR3c8XslF+jm3lTGGPZkgLPL6fgnQ8/E6T5eB/YAO/EtFDz/cTGMNNqmDlwxB2rC5QIlXr22Gg7SBr/+u/8ajlbHbTJdyLhhhwtfV2\
    /sze07UUkOxmgv78yqllMszJxWOy02wRE0VCNm3+6NHt6JU/R+QgINe9VQKBgQC0XkziZU3Eauinmyf98HTZC3shNYgbN3gwRUq0XqbR\
    AIDLEmiRHjhOTYwQluPwx0aQPWzP19quDdY3aCS6Fbrt5cVgKLBDVCQJl1cRC+CEZFytI9nxfdFDy0agMeSsuWxFu1iElyafPpuhw5OV\
    iWZeIZSBd/mpGgyIq6W3GV6NAQKBgBNt4qigf3iZGVYAlSDtt1ipEnt6paQkFGCksn+XtYr4dEkLwCS3K4PeuGiUfCKe7iMYMjx9KLnr\
    HDZVHAzYdUr+V16JG4rL2Ll2c00Vwfqojvdb/mH+S9o3BHBgVWBhvOyoHC5UBSZ+Czm1YgO47ZEcc5KH7S2FL22jWF9IXtJFAoGAJWkx\
    wccb3BWjxGkpA9GVfK9Z7sePRvlOS8NBwFgM6pjWi317yt0ByKZ39DubVrn2STpuJEIIq63cPUoNekB+z2nKln9AviV97nYnYFACl5bU\
    pxhu3fsGvx3wHu6uqBhHEsZMoI1tzf4+jHb0qMQvOMyu5CEqjg0l0vmuXFxM9kc=";

impl Row {
    /// The users of `answers` have the secrets in the two forms.
    fn proof(self) -> Option<Proof> {
        let (method, user) = match self {
            TicketSha256 => ("ticket", "joe"),
            TicketArgon2id => ("ticket", "ann"),
            CraPlain => ("wampcra", "ann"),
            CraSalted => ("wampcra", "joe"),
            ScramPbkdf2 => ("wamp-scram", "ann"),
            ScramArgon2id => ("wamp-scram", "joe"),
            Cryptosign => ("cryptosign", "joe"),
            Anonymous | TokenHs256 | TokenRs256 | TokenEdDsa | Certificate => return None,
        };
        Some(Proof { method, user })
    }

    fn method(self) -> &'static str {
        match self {
            Anonymous => "anonymous",
            TokenHs256 | TokenRs256 | TokenEdDsa => "ticket",
            Certificate => "tls",
            other => other.proof().unwrap().method,
        }
    }

    /// Whom HELLO names.
    fn authid(self, case: Case) -> String {
        let user = self.proof().map_or("device", |proof| proof.user);
        match case {
            UnknownUser => "nobody".to_owned(),
            // A token, not its user, expires.
            Expired if !matches!(self, TokenHs256 | TokenRs256 | TokenEdDsa) => format!("old-{user}"),
            _ => user.to_owned(),
        }
    }

    /// AUTHENTICATE for this CHALLENGE.
    #[track_caller]
    fn answer(self, case: Case, challenge: &Value) -> Value {
        let secret = if case == Wrong { "wrong" } else { "secret" };
        match self.proof() {
            Some(proof) => answer(proof, &self.authid(case), secret, challenge),
            None => {
                assert_eq!(challenge[1], "ticket", "{challenge}");
                json!([5, self.token(case), {}])
            }
        }
    }

    /// A JSON Web Token. Nobody keeps a list of those who may have one: unknown is who comes with that of another.
    fn token(self, case: Case) -> String {
        let algorithm = match self {
            TokenHs256 => "HS256",
            TokenRs256 => "RS256",
            TokenEdDsa => "EdDSA",
            other => panic!("{other:?}"),
        };
        let expires = if case == Expired { 1_600_000_000_u64 } else { 4_000_000_000 };
        let encode = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let message = |user: &str| {
            let claims = json!({"sub": user, "exp": expires});
            format!("{}.{}", encode(json!({"alg": algorithm})), encode(claims))
        };
        // The wrong signature is one of these keys, too, but below another text.
        let signed = message(if case == Wrong { "ann" } else { "device" });
        let tag = match self {
            TokenHs256 => {
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]), signed.as_bytes()).as_ref().to_vec()
            }
            TokenRs256 => {
                let pair = rsa_pair();
                let mut tag = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut tag).unwrap();
                tag
            }
            _ => ed25519_pair().sign(signed.as_bytes()).as_ref().to_vec(),
        };
        format!("{}.{}", message("device"), BASE64_URL_SAFE_NO_PAD.encode(tag))
    }
}

fn rsa_pair() -> rsa::KeyPair {
    rsa::KeyPair::from_pkcs8(&BASE64_STANDARD.decode(RSA_KEY).unwrap()).unwrap()
}

fn ed25519_pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

/// The keys of the issuer of tokens, one for each algorithm.
fn keys() -> Keys {
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let public = rsa::PublicKeyComponents::<Vec<u8>>::from(rsa_pair().public());
    let set = json!({"keys": [
        {"kty": "oct", "k": encode(&[7; 32])},
        {"kty": "RSA", "n": encode(&public.n), "e": encode(&public.e)},
        {"kty": "OKP", "crv": "Ed25519", "x": encode(ed25519_pair().public_key().as_ref())},
    ]});
    Keys::jwks(&set.to_string()).unwrap()
}

/// A session's transport, whichever.
enum Conn {
    Web(Box<WebSocket<Box<dyn Both>>>),
    Raw(Client<Box<dyn Both>>),
}

trait Both: Read + Write {}
impl<S: Read + Write> Both for S {}

impl Conn {
    #[track_caller]
    fn ask(&mut self, message: &Value) -> Value {
        match self {
            Conn::Web(socket) => {
                socket.send(Message::text(message.to_string())).unwrap();
                serde_json::from_str(socket.read().unwrap().to_text().unwrap()).unwrap()
            }
            Conn::Raw(client) => client.ask(message),
        }
    }
}

/// A router with all methods, in the clear and with TLS, and what clients need for it.
struct Matrix {
    _router: Running,
    clear: SocketAddr,
    secure: SocketAddr,
    /// By whose certificate they show: that of `device`, `old-device`, a stranger.
    clients: [Arc<ClientConfig>; 3],
}

impl Matrix {
    fn start(setup: Setup) -> Option<Matrix> {
        let authority = Authority::new();
        let people = ["device", "old-device", "stranger"].map(|name| authority.identity(name));
        let tls = TlsConfig {
            client_certificates: ClientCertificates::Optional,
            client_ca: Some(authority.file()),
            ..authority.config()
        };
        let limits = Limits { authid_failures_max: 1000, address_failures_max: 1000, ..Limits::default() };
        let config = RouterConfig { limits, realms: vec![all_methods(&people)], ..RouterConfig::default() };
        let builder = setup.builder(Limits::default()).config(config);
        let router = Running::start(builder.listen("tcps://127.0.0.1:0".parse().unwrap()).tls(tls))?;
        let (clear, secure) = (
            router.tcp(),
            match router.addresses[1] {
                Address::Tcp { addr, .. } => addr,
                ref other => panic!("{other}"),
            },
        );
        let clients = people.map(|identity| Arc::new(authority.client(&version::TLS13, Some(identity))));
        Some(Matrix { _router: router, clear, secure, clients })
    }

    /// Connected, through the transport's handshake.
    #[track_caller]
    fn connect(&self, row: Row, case: Case, over: Over) -> Conn {
        let certificate = match case {
            Expired if row == Certificate => 1,
            Wrong if row == Certificate => 2,
            _ => 0,
        };
        let stream: Box<dyn Both> = match TLS.contains(&over) {
            true => Box::new(Steady(connect(self.secure, &self.clients[certificate], "localhost").unwrap())),
            false => Box::new(Steady(Client::tcp(self.clear).stream)),
        };
        if matches!(over, Raw | RawTls) {
            let mut client = Client::over(stream);
            client.shake_hands();
            return Conn::Raw(client);
        }
        let mut request = "ws://localhost/ws".into_client_request().unwrap();
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("wamp.2.json"));
        let (socket, _) = tungstenite::client(request, stream)
            .unwrap_or_else(|error| panic!("{row:?}, {case:?}, no WebSocket {over:?}: {error:?}"));
        Conn::Web(Box::new(socket))
    }

    /// Says HELLO; what comes back, and on which connection.
    #[track_caller]
    fn hello(&self, row: Row, case: Case, over: Over) -> (Conn, Value) {
        let mut conn = self.connect(row, case, over);
        let mut details = json!({"roles": {"caller": {}}, "authmethods": [row.method()]});
        if row != Anonymous {
            details["authid"] = json!(row.authid(case));
        }
        if let Some(proof) = row.proof() {
            let secret = if case == Wrong { "wrong" } else { "secret" };
            details["authextra"] = authextra(proof, &row.authid(case), secret);
        }
        let reply = conn.ask(&json!([1, "realm1", details]));
        (conn, reply)
    }

    #[track_caller]
    fn check(&self, row: Row, case: Case, over: Over) {
        let cell = format!("{row:?}, {case:?}, {over:?}");
        let (mut conn, mut outcome) = self.hello(row, case, over);
        if !matches!(row, Anonymous | Certificate) {
            let authenticate = row.answer(case, &outcome);
            outcome = conn.ask(&authenticate);
            if case == Replayed {
                assert_eq!(outcome[0], 2, "{cell}: {outcome}");
                let (mut thief, challenge) = self.hello(row, case, over);
                assert_eq!(challenge[0], 4, "{cell}: {challenge}");
                outcome = thief.ask(&authenticate);
            }
        }
        if case != Right {
            assert_eq!((&outcome[0], &outcome[2]), (&json!(3), &json!(DENIED)), "{cell}: {outcome}");
            return;
        }
        let details = &outcome[2];
        assert_eq!(
            (&outcome[0], &details["authmethod"]),
            (&json!(2), &json!(row.method())),
            "{cell}: {outcome}"
        );
        if row != Anonymous {
            assert_eq!(details["authid"], row.authid(case), "{cell}: {outcome}");
        }
    }
}

fn all_methods(people: &[Identity; 3]) -> RealmConfig {
    let mut realm = realm();
    for (name, expires_ms, (chain, _)) in
        [("device", None, &people[0]), ("old-device", Some(1_600_000_000_000), &people[1])]
    {
        let mut user = User { expires_ms, ..User::new(name, "device") };
        user.secrets.tls = vec![digest::digest(&digest::SHA256, &chain[0]).as_ref().try_into().unwrap()];
        realm.auth.users.push(user);
    }
    realm.auth.issuers = vec![Issuer::new(keys(), "role of tokens")];
    realm.auth.methods.extend([Method::Tls, Method::Anonymous]);
    realm
}

fn every_cell(setup: Setup) {
    let Some(matrix) = Matrix::start(setup) else { return };
    let (mut run, mut skipped) = (0, 0);
    for row in ROWS {
        for case in CASES {
            for over in OVER {
                let why = SENSELESS.iter().find(|(rows, cases, overs, _)| {
                    rows.contains(&row) && cases.contains(&case) && overs.contains(&over)
                });
                if let Some((.., why)) = why {
                    println!("skipped: {row:?}, {case:?}, {over:?}: {why}");
                    skipped += 1;
                    continue;
                }
                matrix.check(row, case, over);
                run += 1;
            }
        }
    }
    assert_eq!((run, skipped), (RUN, SKIPPED), "of {}", ROWS.len() * CASES.len() * OVER.len());
}
