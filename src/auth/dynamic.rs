//! Dynamic authentication: a procedure of an application knows the users, as Crossbar.io's dynamic authenticators do.
//!
//! It is called with the realm, the authid and details of the client, and answers with a role or with a dictionary. What that tells of
//! the user's secret becomes a [`Directory`] of this one user, and the method that is built in goes on from there. So proofs are
//! checked and strangers played by the same code as with users of the configuration.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use simd_json::prelude::*;
use simd_json::{OwnedValue, json};

use super::cra::Cra;
use super::cryptosign::Cryptosign;
use super::scram::Scram;
use super::{
    Admitted, Answer, Ask, Authenticator, Challenge, Channel, CraSecret, Denial, Directory, Hello, Job, Kdf,
    Method, Pending, Principal, PublicKey, Salting, ScramSecret, Secrets, Step, User, hex,
};
use crate::limits::{
    ARGON2_KIB_MAX, AUTHID_BYTES_MAX, DERIVED_KEY_BYTES_MAX, KDF_ITERATIONS_MAX, SALT_BYTES_MAX,
};
use crate::wamp::error_uri;

/// `authprovider` of those whom a procedure lets in.
pub const DYNAMIC: &str = "dynamic";

/// The procedure that knows a realm's users, for one method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthProcedure {
    /// The method.
    pub method: Method,
    /// What is called.
    pub procedure: Arc<str>,
    /// Where it is registered; `None`: in the realm that the client wants to join.
    pub realm: Option<Arc<str>>,
    /// The role of those for whom its answer has none.
    pub authrole: Option<Arc<str>>,
}

/// The method in a realm.
#[derive(Debug)]
pub(super) struct Dynamic(Arc<Source>);

/// What makes users.
#[derive(Debug)]
struct Source {
    rule: AuthProcedure,
    /// What strangers are made of; if it is empty, something random.
    seed: Vec<u8>,
    random: OnceLock<[u8; 32]>,
    /// Whoever the procedure does not know is asked as if it was of this kind.
    seen: Mutex<Seen>,
}

/// The user that was told last.
#[derive(Clone, Debug)]
struct Seen {
    user: User,
    /// Its key had to be derived, which takes its time.
    is_derived: bool,
}

/// What a HELLO had said, for later.
#[derive(Debug)]
struct Client {
    realm: String,
    session: u64,
    authid: Option<String>,
    extra: OwnedValue,
    channel: Channel,
    random: [u8; 32],
}

/// What a procedure has told of a client.
#[derive(Clone, Debug)]
struct Told {
    authid: String,
    authrole: String,
    extra: Option<OwnedValue>,
}

impl Dynamic {
    pub(super) fn new(rule: AuthProcedure, seed: &[u8]) -> Dynamic {
        let (seed, random) = (seed.to_vec(), OnceLock::new());
        let seen = Mutex::new(Seen { user: User::new("", ""), is_derived: false });
        Dynamic(Arc::new(Source { rule, seed, random, seen }))
    }
}

impl Authenticator for Dynamic {
    fn recheck(&self, admitted: &Admitted<'_>) -> Result<(), String> {
        match admitted.authprovider == DYNAMIC {
            true => Ok(()),
            false => {
                Err(format!("users of `{}` come in by a procedure now; join again", admitted.authmethod))
            }
        }
    }

    fn is_lasting(&self, _: &Admitted<'_>) -> bool {
        !matches!(self.0.rule.method, Method::Anonymous | Method::Tls)
    }

    fn start(&self, hello: &Hello<'_>) -> Option<Step> {
        let source = &self.0;
        let client = Client::new(hello);
        match source.rule.method {
            Method::Ticket => {
                let pending = Box::new(AwaitedTicket { source: source.clone(), client });
                let method = Method::Ticket.name().to_owned();
                return Some(Step::Challenge(Challenge { method, extra: json!({}), pending }));
            }
            Method::Cookie => return None,
            Method::Tls if hello.channel.certificate.is_none() => return None,
            // What makes no sense, whoever it is.
            Method::Scram | Method::ScramDraft | Method::Cryptosign => {
                if let Some(Step::Deny(denial)) = source.go_on(Vec::new(), hello) {
                    return Some(Step::Deny(denial));
                }
            }
            Method::Anonymous | Method::Wampcra | Method::Tls => {}
        }
        Some(source.ask(client, None))
    }
}

impl Client {
    fn new(hello: &Hello<'_>) -> Client {
        Client {
            realm: hello.realm.to_owned(),
            session: hello.session,
            authid: hello.authid.map(str::to_owned),
            extra: hello.extra.clone(),
            channel: hello.channel.clone(),
            random: hello.random,
        }
    }

    /// Who it says it is.
    fn name(&self) -> &str {
        self.authid.as_deref().unwrap_or_default()
    }

    fn hello<'a>(&'a self, authid: Option<&'a str>, date_ms: u64) -> Hello<'a> {
        Hello {
            realm: &self.realm,
            session: self.session,
            authmethods: &[],
            authid,
            extra: &self.extra,
            channel: &self.channel,
            random: self.random,
            date_ms,
        }
    }
}

impl Source {
    /// Has the procedure called, in which comes what it has to answer.
    fn ask(self: &Arc<Source>, client: Client, ticket: Option<&str>) -> Step {
        let method = self.rule.method;
        let Client { realm, session, channel, extra, .. } = &client;
        let mut details = json!({
            "session": *session,
            "authmethod": method.name(),
            "authid": client.authid.as_deref(),
            "authextra": extra.clone(),
            "transport": {
                "peer": channel.peer.as_deref(),
                "client_cert": channel.certificate.map(|sha256| json!({ "sha256": hex::encode(&sha256) })),
            },
        });
        if let (Some(ticket), Some(details)) = (ticket, details.as_object_mut()) {
            details.insert("ticket".into(), ticket.into());
        }
        let args = vec![realm.as_str().into(), client.authid.as_deref().into(), details];
        let (procedure, realm) = (self.rule.procedure.clone(), self.rule.realm.clone());
        let source = self.clone();
        Step::Ask(Ask::new(procedure, realm, args, move |answer, date_ms| {
            source.answered(client, answer, date_ms)
        }))
    }

    fn answered(self: &Arc<Source>, client: Client, answer: Answer, date_ms: u64) -> Step {
        let method = self.rule.method;
        let is_final = matches!(method, Method::Ticket | Method::Anonymous | Method::Tls);
        let value = match answer {
            Answer::Value(value) => value,
            // It has had the client's proof, and is the only one who knows why that does not do.
            Answer::Refused(text) if is_final => {
                return Step::Deny(Denial { text: text.unwrap_or(Denial::wrong().text), ..Denial::wrong() });
            }
            Answer::Refused(_) => return self.play(client, date_ms),
            Answer::Failed => return failed("the procedure that knows this realm's users has not answered"),
        };
        let told = match self.told(&client, &value) {
            Ok(told) => told,
            Err(why) => return failed(&format!("the authenticator's answer makes no sense: {why}")),
        };
        if is_final {
            let (authmethod, authprovider) = (method.name().to_owned(), DYNAMIC.to_owned());
            let Told { authid, authrole, extra: authextra } = told;
            return Step::Welcome(Principal { authid, authrole, authmethod, authprovider, authextra });
        }
        let secrets = match secrets(method, &value) {
            Ok(secrets) => secrets,
            Err(why) => return failed(&format!("the authenticator's answer makes no sense: {why}")),
        };
        match secrets {
            Found::Secrets(secrets) => self.challenge(&client, told, *secrets, false, date_ms),
            // Many iterations take their time.
            Found::Password(secret, salting) => {
                let source = self.clone();
                Step::Verify(Job::new(move || {
                    let wampcra = Some(CraSecret::salted(&secret, salting));
                    source.challenge(&client, told, Secrets { wampcra, ..Secrets::default() }, true, date_ms)
                }))
            }
        }
    }

    /// The client, whom the procedure does not know, is asked for its proof as others are.
    fn play(self: &Arc<Source>, client: Client, date_ms: u64) -> Step {
        let Seen { user, is_derived } = self.player();
        let salting = user.secrets.wampcra.as_ref().and_then(|it| it.salting.clone());
        let source = self.clone();
        let ask = move || {
            let step = source.go_on(vec![user], &client.hello(Some(client.name()), date_ms));
            step.unwrap_or(Step::Deny(Denial::wrong()))
        };
        match salting.filter(|_| is_derived) {
            // It takes as long as with users.
            Some(salting) => Step::Verify(Job::new(move || {
                CraSecret::salted("", salting);
                ask()
            })),
            None => ask(),
        }
    }

    /// The client is asked for its proof.
    fn challenge(
        &self,
        client: &Client,
        told: Told,
        secrets: Secrets,
        is_derived: bool,
        date_ms: u64,
    ) -> Step {
        // Whoever it says it is: the client's side of the proof has that in it.
        let authid = client.authid.as_deref().unwrap_or(&told.authid).to_owned();
        let authid = match self.rule.method {
            Method::Scram | Method::ScramDraft => super::canonical(&authid).into_owned(),
            _ => authid,
        };
        let mut user = User::new(authid.as_str(), told.authrole.as_str());
        (user.authprovider, user.secrets) = (DYNAMIC.to_owned(), secrets);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen { user: user.clone(), is_derived };
        let said = client.authid.as_deref().unwrap_or(&authid);
        match self.go_on(vec![user], &client.hello(Some(said), date_ms)) {
            Some(step) => dress(step, told),
            None => failed("the authenticator's answer has no secret for this method"),
        }
    }

    /// What the method that is built in makes of these users.
    fn go_on(&self, users: Vec<User>, hello: &Hello<'_>) -> Option<Step> {
        let seed = match self.seed.as_slice() {
            [] => self.random.get_or_init(|| hello.random),
            seed => seed,
        };
        let users = Arc::new(Directory::new(users, seed));
        match self.rule.method {
            Method::Wampcra => Cra(users).start(hello),
            method @ (Method::Scram | Method::ScramDraft) => Scram { users, method }.start(hello),
            Method::Cryptosign => Cryptosign(users).start(hello),
            Method::Anonymous | Method::Ticket | Method::Tls | Method::Cookie => None,
        }
    }

    /// Somebody of the kind that the users are, whose name nobody can have.
    fn player(&self) -> Seen {
        let Seen { mut user, is_derived } = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        user.authid = "\u{0}".to_owned();
        user.authprovider = DYNAMIC.to_owned();
        let kdf = match self.rule.method {
            // What Autobahn makes.
            Method::ScramDraft => Kdf::DraftArgon2id13 { iterations: 4096, memory: 512 },
            _ => Kdf::Pbkdf2 { iterations: NonZeroU32::MIN.saturating_add(4095) },
        };
        user.secrets.wampcra.get_or_insert_with(|| CraSecret::plain(""));
        user.secrets.scram.get_or_insert_with(|| ScramSecret {
            salt: vec![0; 16],
            kdf,
            stored_key: [0; 32],
            server_key: [0; 32],
        });
        // Keys are the clients' own.
        user.secrets.cryptosign.clear();
        Seen { user, is_derived }
    }

    fn told(&self, client: &Client, value: &OwnedValue) -> Result<Told, String> {
        let text = |key: &str| match value.get(key) {
            None => Ok(None),
            Some(value) if value.is_null() => Ok(None),
            Some(value) => value.as_str().map(Some).ok_or(format!("`{key}` is no string")),
        };
        let role = match value.as_str() {
            Some(role) => Some(role),
            None if value.is_object() => text("role")?,
            None => return Err("it is neither a string nor a dictionary".to_owned()),
        };
        let role = role.or(self.rule.authrole.as_deref()).filter(|role| !role.is_empty());
        let authrole = role.ok_or("it has no `role`")?.to_owned();
        if let Some(other) = text("realm")?
            && other != client.realm
        {
            return Err(format!("`realm` is another than the client wants to join, `{}`", client.realm));
        }
        let random;
        let authid = match text("authid")?.or(client.authid.as_deref()) {
            Some(authid) => authid,
            // Nobody in particular.
            None if self.rule.method == Method::Anonymous => {
                random = hex::encode(&client.random[..7]);
                &random
            }
            None => return Err("the client has no authid, and it has none either".to_owned()),
        };
        if authid.is_empty() || authid.len() > AUTHID_BYTES_MAX {
            return Err(format!("`authid` must have 1 to {AUTHID_BYTES_MAX} bytes"));
        }
        let extra = value.get("extra").filter(|extra| !extra.is_null());
        if extra.is_some_and(|extra| !extra.is_object()) {
            return Err("`extra` is no dictionary".to_owned());
        }
        Ok(Told { authid: authid.to_owned(), authrole, extra: extra.cloned() })
    }
}

enum Found {
    Secrets(Box<Secrets>),
    /// Of WAMP-CRA, as it is, to be salted.
    Password(String, Salting),
}

/// What an answer tells of the user's secret.
fn secrets(method: Method, value: &OwnedValue) -> Result<Found, String> {
    let text = |key: &str| value.get_str(key).ok_or(format!("it has no `{key}`, or one that is no string"));
    let number = |key: &str, max: u32| {
        let number = value.get_u64(key).and_then(|number| u32::try_from(number).ok());
        let number = number.filter(|number| (1..=max).contains(number));
        number.ok_or(format!("`{key}` must be a whole number from 1 to {max}"))
    };
    let mut secrets = Secrets::default();
    match method {
        Method::Wampcra => {
            let secret = text("secret")?;
            if value.get("salt").is_none_or(|salt| salt.is_null()) {
                secrets.wampcra = Some(CraSecret::plain(secret));
                return Ok(Found::Secrets(Box::new(secrets)));
            }
            let salt = text("salt")?.to_owned();
            if salt.len() > SALT_BYTES_MAX {
                return Err(format!("`salt` has more than {SALT_BYTES_MAX} bytes"));
            }
            let iterations = number("iterations", KDF_ITERATIONS_MAX)?.try_into().unwrap_or(NonZeroU32::MIN);
            let keylen = number("keylen", DERIVED_KEY_BYTES_MAX)? as usize;
            let salting = Salting { salt, iterations, keylen };
            // Documents of Crossbar.io want the derived key here, its latest versions derive it themselves.
            if BASE64_STANDARD.decode(secret).is_ok_and(|key| key.len() == keylen) {
                secrets.wampcra = Some(CraSecret { key: secret.into(), salting: Some(salting) });
            } else {
                return Ok(Found::Password(secret.to_owned(), salting));
            }
        }
        Method::Scram | Method::ScramDraft => {
            let key = |name: &str| {
                hex::decode(text(name)?).ok_or(format!("`{name}` must have 64 hexadecimal digits"))
            };
            let (stored_key, server_key) = (key("stored-key")?, key("server-key")?);
            let salt = text("salt")?;
            let salt = hex::decode_all(salt).filter(|salt| (1..=SALT_BYTES_MAX).contains(&salt.len()));
            let salt = salt.ok_or(format!("`salt` must be 1 to {SALT_BYTES_MAX} bytes in hexadecimal"))?;
            let iterations = number("iterations", KDF_ITERATIONS_MAX)?;
            let memory = || number("memory", ARGON2_KIB_MAX);
            let kdf = match (method, text("kdf")?) {
                (Method::Scram, "pbkdf2") => {
                    Kdf::Pbkdf2 { iterations: iterations.try_into().unwrap_or(NonZeroU32::MIN) }
                }
                (Method::Scram, "argon2id13") => Kdf::Argon2id13 { iterations, memory: memory()? },
                (Method::ScramDraft, "argon2id-13") => Kdf::DraftArgon2id13 { iterations, memory: memory()? },
                (Method::Scram, _) => return Err("`kdf` is neither `pbkdf2` nor `argon2id13`".to_owned()),
                _ => return Err("`kdf` is not `argon2id-13`".to_owned()),
            };
            secrets.scram = Some(ScramSecret { salt, kdf, stored_key, server_key });
        }
        Method::Cryptosign => {
            let key = hex::decode(text("pubkey")?).ok_or("`pubkey` must have 64 hexadecimal digits")?;
            secrets.cryptosign = vec![PublicKey(key)];
        }
        Method::Anonymous | Method::Ticket | Method::Tls | Method::Cookie => {}
    }
    Ok(Found::Secrets(Box::new(secrets)))
}

/// Nobody's fault but the router's and its authenticator's.
fn failed(text: &str) -> Step {
    Step::Deny(Denial::new(error_uri::AUTHENTICATION_FAILED, text))
}

/// A ticket that is awaited.
#[derive(Debug)]
struct AwaitedTicket {
    source: Arc<Source>,
    client: Client,
}

impl Pending for AwaitedTicket {
    fn finish(self: Box<Self>, ticket: &str, _: &OwnedValue, _: u64) -> Step {
        self.source.ask(self.client, Some(ticket))
    }
}

/// Another's challenge, at whose end the client gets what it was told.
#[derive(Debug)]
struct Dressed {
    pending: Box<dyn Pending>,
    told: Told,
}

impl Pending for Dressed {
    fn finish(self: Box<Self>, signature: &str, extra: &OwnedValue, date_ms: u64) -> Step {
        dress(self.pending.finish(signature, extra, date_ms), self.told)
    }
}

fn dress(step: Step, told: Told) -> Step {
    match step {
        Step::Challenge(Challenge { method, extra, pending }) => {
            Step::Challenge(Challenge { method, extra, pending: Box::new(Dressed { pending, told }) })
        }
        Step::Welcome(principal) => {
            let mut authextra = told.extra;
            // The router's own part of the handshake counts more.
            if let Some(own) = principal.authextra {
                let all = authextra.get_or_insert_with(|| json!({}));
                if let (Some(all), OwnedValue::Object(own)) = (all.as_object_mut(), own) {
                    own.into_iter().for_each(|(key, value)| drop(all.insert(key, value)));
                }
            }
            Step::Welcome(Principal { authid: told.authid, authextra, ..principal })
        }
        Step::Verify(job) => Step::Verify(Job::new(move || dress(job.run(), told))),
        step => step,
    }
}
