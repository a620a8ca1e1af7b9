//! Who may come into a realm: `[[realm.user]]`, `[[realm.jwt]]`, and the methods that are offered.

use ring::digest;

use super::authenticator;
use super::file::SECTIONS;
use super::realm::{number, one_of};
use super::table::{Faults, Section, Table, Value};
use crate::auth::form::{self, Form};
use crate::auth::{AuthProcedure, Directory, Gate, Issuer, Keys, KeysError, Method, PublicKey, User};

pub(super) const USER: Section = Section {
    header: "[[realm.user]]",
    keys: &[
        "authid",
        "authrole",
        "expires",
        "ticket",
        "ticket_file",
        "ticket_env",
        "wampcra",
        "wampcra_file",
        "wampcra_env",
        "scram",
        "scram_file",
        "scram_env",
        "cryptosign",
        "tls",
    ],
};
pub(super) const JWT: Section = Section {
    header: "[[realm.jwt]]",
    keys: &[
        "secret_file",
        "secret_env",
        "public_key",
        "public_key_file",
        "jwks_file",
        "issuer",
        "audience",
        "authid_claim",
        "authrole_claim",
        "authrole",
        "authroles",
        "leeway_s",
    ],
};

/// The methods that a file can offer.
pub(super) const METHODS: [(&str, Method); 8] = [
    (Method::Anonymous.name(), Method::Anonymous),
    (Method::Ticket.name(), Method::Ticket),
    (Method::Wampcra.name(), Method::Wampcra),
    (Method::Scram.name(), Method::Scram),
    (Method::ScramDraft.name(), Method::ScramDraft),
    (Method::Cryptosign.name(), Method::Cryptosign),
    (Method::Tls.name(), Method::Tls),
    (Method::Cookie.name(), Method::Cookie),
];

/// Most seconds that clocks may differ.
const LEEWAY_S_MAX: u64 = 3600;

/// Who may come into a realm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealmAuth {
    /// The methods that are offered.
    pub methods: Vec<Method>,
    /// The role of those who come in without a name.
    pub anonymous_role: String,
    /// The users.
    pub users: Vec<User>,
    /// Whose tokens count as tickets.
    pub issuers: Vec<Issuer>,
    /// The methods for which a procedure knows the users.
    pub procedures: Vec<AuthProcedure>,
}

impl Default for RealmAuth {
    /// Everybody.
    fn default() -> Self {
        RealmAuth {
            methods: vec![Method::Anonymous],
            anonymous_role: "anonymous".to_owned(),
            users: Vec::new(),
            issuers: Vec::new(),
            procedures: Vec::new(),
        }
    }
}

impl RealmAuth {
    /// Whether somebody may come in without a name.
    pub fn admits_anonymous(&self) -> bool {
        self.methods.contains(&Method::Anonymous) && self.procedure(Method::Anonymous).is_none()
    }

    /// The roles that those who come in have, each with who that is.
    pub(super) fn roles(&self) -> Vec<(String, &str)> {
        let anonymous = self
            .admits_anonymous()
            .then(|| ("whoever comes without authentication".to_owned(), &*self.anonymous_role));
        let users = self.users.iter().map(|user| (format!("user `{}`", user.authid), &*user.authrole));
        let tokens = self.issuers.iter().flat_map(|issuer| issuer.authrole.iter().chain(&issuer.authroles));
        let tokens = tokens.map(|role| ("who has a token".to_owned(), role.as_str()));
        let asked = self.procedures.iter().filter_map(|it| {
            Some((format!("who comes by the authenticator `{}`", it.procedure), it.authrole.as_deref()?))
        });
        anonymous.into_iter().chain(users).chain(tokens).chain(asked).collect()
    }

    /// The procedure that knows those who come by this method.
    fn procedure(&self, method: Method) -> Option<&AuthProcedure> {
        self.procedures.iter().find(|it| it.method == method)
    }

    /// What asks those who come. Strangers are played from `seed`, or, if it is empty, from the users' own secrets.
    pub fn gate(&self, seed: &[u8]) -> Gate {
        let derived;
        let given = seed;
        let seed = match seed {
            [] => {
                derived = self.digest();
                derived.as_ref()
            }
            seed => seed,
        };
        let users = Directory::new(self.users.clone(), seed).into();
        self.methods.iter().fold(Gate::new(), |gate, method| match method {
            method if let Some(procedure) = self.procedure(*method) => {
                gate.with_procedure(procedure.clone(), given)
            }
            Method::Anonymous => gate.with_anonymous(&self.anonymous_role),
            method => gate.with_users(*method, &users, &self.issuers),
        })
    }

    /// Of all that is secret here.
    fn digest(&self) -> digest::Digest {
        let mut context = digest::Context::new(&digest::SHA256);
        for user in &self.users {
            let secrets = &user.secrets;
            let lines = [
                Some(user.authid.clone()),
                secrets.ticket.as_ref().map(Form::write),
                secrets.wampcra.as_ref().map(Form::write),
                secrets.scram.as_ref().map(Form::write),
            ];
            for line in lines.into_iter().flatten() {
                context.update(line.as_bytes());
                context.update(b"\n");
            }
        }
        context.finish()
    }
}

/// A secret of the router.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AuthSeed(pub String);

impl std::fmt::Debug for AuthSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuthSeed")
    }
}

/// What a configuration may read besides its file: where secrets are kept.
pub trait Sources {
    /// The content of a file.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn file(&self, path: &str) -> Result<String, String>;

    /// An environment variable.
    ///
    /// # Errors
    /// Why there is none.
    fn variable(&self, name: &str) -> Result<String, String>;

    /// Bytes of memory that there are, by which the limits are chosen that the file leaves open. `None`: there is enough.
    fn memory_bytes(&self) -> Option<u64> {
        None
    }
}

/// No files and no variables.
#[derive(Clone, Copy, Debug)]
pub struct NoSources;

impl Sources for NoSources {
    fn file(&self, _: &str) -> Result<String, String> {
        Err("no files can be read here".to_owned())
    }

    fn variable(&self, _: &str) -> Result<String, String> {
        Err("no variables can be read here".to_owned())
    }
}

/// How secrets are read.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) sources: &'a dyn Sources,
    /// Secrets may stand in the file as they are.
    pub(super) plain: bool,
}

impl Reading<'_> {
    /// The text that one of the keys gives: itself, or what its `_file` or `_env` names, which is the second of the result.
    pub(super) fn text<'t>(
        self,
        table: &Table<'t>,
        [here, file, variable]: [&'static str; 3],
        faults: &mut Faults,
    ) -> Option<(Value<'t>, String, bool)> {
        let found = [here, file, variable].map(|key| table.value(key));
        let mut given = found.iter().flatten();
        let value = *given.next()?;
        for other in given {
            other.fault(format!("`{}` and `{}` exclude each other", value.key(), other.key()), faults);
        }
        let text = value.string("a string", faults)?;
        let read = match value.key() {
            key if key == file => {
                self.sources.file(text).map_err(|why| format!("cannot read `{text}`: {why}"))
            }
            key if key == variable => self.sources.variable(text).map_err(|why| format!("${text}: {why}")),
            _ => return Some((value, text.to_owned(), false)),
        };
        let text = value.accept(read, faults)?;
        // Editors end files with a line feed.
        let text = text.strip_suffix('\n').unwrap_or(&text);
        Some((value, text.strip_suffix('\r').unwrap_or(text).to_owned(), true))
    }

    /// A secret in one of its forms.
    fn secret<F: Form>(self, table: &Table<'_>, keys: [&'static str; 3], faults: &mut Faults) -> Option<F> {
        let (value, line, elsewhere) = self.text(table, keys, faults)?;
        value.accept(F::read(&line, self.plain || elsewhere), faults)
    }
}

/// Reads what a realm's table says of those who may come in.
pub(super) fn read(realm: &Table<'_>, reading: Reading<'_>, faults: &mut Faults) -> RealmAuth {
    let before = faults.len();
    let mut users = Vec::new();
    for table in tables(realm, "user", "a list of tables, each begun by `[[realm.user]]`", faults) {
        let user = user(&table, reading, faults);
        users.extend(user.map(|user| (table, user)));
    }
    let issuers = tables(realm, "jwt", "a list of tables, each begun by `[[realm.jwt]]`", faults);
    let issuers: Vec<Issuer> = issuers.iter().filter_map(|table| issuer(table, reading, faults)).collect();
    let procedures = authenticator::read(realm, faults);
    let is_asked = |method: Method| procedures.iter().any(|it| it.method == method);
    // Else there may be users that could not be read.
    let complete = faults.len() == before;
    let anonymous_role = string(realm, "anonymous_role", faults);
    let methods = realm.value("authmethods").and_then(|value| {
        let list = value.list("a list of methods, as `[\"ticket\"]`", faults)?;
        if list.is_empty() {
            value.fault("`authmethods` is empty: nobody could come in".to_owned(), faults);
        }
        let mut methods = Vec::new();
        for value in list {
            let Some(method) = one_of(value, &METHODS, faults) else { continue };
            let somebody = matches!(method, Method::Anonymous | Method::Cookie)
                || is_asked(method)
                || method == Method::Ticket && !issuers.is_empty()
                || users.iter().any(|(_, user)| user.secrets.has(method));
            if !somebody && complete {
                let text = format!(
                    "no user of the realm has a secret for `{}`; give one to a user, name a [[realm.authenticator]], or \
                     leave the method out",
                    method.name()
                );
                value.fault(text, faults);
            }
            methods.push(method);
        }
        let lasts = |method: &Method| !matches!(method, Method::Anonymous | Method::Tls | Method::Cookie);
        if methods.contains(&Method::Cookie) && !methods.iter().any(lasts) {
            let text = "`cookie` lets in who came in before: add the method to `authmethods` by which users do that at first";
            value.fault(text.to_owned(), faults);
        }
        Some(methods)
    });
    let methods = methods.unwrap_or_else(|| {
        let nobody = users.is_empty() && issuers.is_empty() && procedures.is_empty();
        let used = |method: &Method| match method {
            method if is_asked(*method) => true,
            Method::Anonymous => anonymous_role.is_some() || nobody,
            Method::Ticket if !issuers.is_empty() => true,
            method => users.iter().any(|(_, user)| user.secrets.has(*method)),
        };
        METHODS.map(|(_, method)| method).into_iter().filter(used).collect()
    });
    if anonymous_role.is_some()
        && !methods.contains(&Method::Anonymous)
        && let Some(value) = realm.value("anonymous_role")
    {
        value
            .fault("`authmethods` does not offer `anonymous`: nobody would get this role".to_owned(), faults);
    }
    if complete {
        check_users(&users, &methods, faults);
        let secrets = users.iter().map(|(_, user)| user);
        authenticator::check(realm, &procedures, &methods, secrets, faults);
    }
    RealmAuth {
        methods,
        anonymous_role: anonymous_role.unwrap_or_else(|| RealmAuth::default().anonymous_role),
        users: users.into_iter().map(|(_, user)| user).collect(),
        issuers,
        procedures,
    }
}

/// Users that cannot come in, and those that cannot be told apart.
fn check_users(users: &[(Table<'_>, User)], methods: &[Method], faults: &mut Faults) {
    use std::collections::BTreeSet;
    let (mut names, mut keys, mut certificates) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (table, User { authid, secrets, .. }) in users {
        let mut fault = |text: String| faults.push((Some(table.line()), text));
        if !names.insert(authid) {
            fault(format!("user `{authid}` is there twice; leave one out"));
        }
        if !secrets.cryptosign.iter().all(|key| keys.insert(key.0)) {
            fault(format!("a public key of `{authid}` is there twice"));
        }
        if !secrets.tls.iter().all(|certificate| certificates.insert(certificate)) {
            fault(format!("a certificate of `{authid}` is there twice"));
        }
        if !Method::ALL.into_iter().any(|method| secrets.has(method)) {
            fault(format!(
                "user `{authid}` has no secret to come in with; `connectanum hash-secret` makes the line"
            ));
        } else if !methods.iter().any(|method| secrets.has(*method)) {
            fault(format!(
                "user `{authid}` has no secret for any of the realm's `authmethods`; add one, or its method there"
            ));
        }
    }
}

fn user(table: &Table<'_>, reading: Reading<'_>, faults: &mut Faults) -> Option<User> {
    table.unknown_keys(&USER, &SECTIONS, faults);
    let before = faults.len();
    let (authid, authrole) = (string(table, "authid", faults), string(table, "authrole", faults));
    for key in ["authid", "authrole"] {
        if table.value(key).is_none() {
            faults.push((Some(table.line()), format!("the user has no {key}; write `{key} = \"…\"`")));
        }
    }
    let mut user = User::new(authid.unwrap_or_default(), authrole.unwrap_or_default());
    let expires = table.value("expires");
    user.expires_ms = expires.and_then(|value| date_ms(value, faults));
    user.secrets.ticket = reading.secret(table, ["ticket", "ticket_file", "ticket_env"], faults);
    user.secrets.wampcra = reading.secret(table, ["wampcra", "wampcra_file", "wampcra_env"], faults);
    user.secrets.scram = reading.secret(table, ["scram", "scram_file", "scram_env"], faults);
    user.secrets.cryptosign = some(table, "cryptosign", |line| PublicKey::read(line, false), faults);
    user.secrets.tls = some(table, "tls", form::fingerprint, faults);
    if user.secrets.scram.is_some()
        && let Some(value) = table.value("authid")
        && stringprep::saslprep(&user.authid).map_or(true, |prepared| prepared != user.authid)
    {
        let text = "`authid`: for WAMP-SCRAM it must be as SASLprep (RFC 4013) leaves it".to_owned();
        value.fault(text, faults);
    }
    // What is wrong has been said; what follows from it need not be.
    (faults.len() == before).then_some(user)
}

fn issuer(table: &Table<'_>, reading: Reading<'_>, faults: &mut Faults) -> Option<Issuer> {
    table.unknown_keys(&JWT, &SECTIONS, faults);
    const NONE: &str = "";
    type Read = fn(&str) -> Result<Keys, KeysError>;
    let sources: [([&str; 3], Read); 3] = [
        ([NONE, "secret_file", "secret_env"], |text| Keys::secret(text.as_bytes())),
        (["public_key", "public_key_file", NONE], Keys::pem),
        ([NONE, "jwks_file", NONE], Keys::jwks),
    ];
    let before = faults.len();
    let mut found = Vec::new();
    for (names, keys) in sources {
        if let Some((value, text, _)) = reading.text(table, names, faults) {
            found.extend(value.accept(keys(&text), faults));
        }
    }
    let broken = faults.len() > before;
    let mut texts = |key| string(table, key, faults);
    let (name, audience) = (texts("issuer"), texts("audience"));
    let (authid_claim, authrole_claim) = (texts("authid_claim"), texts("authrole_claim"));
    let authrole = texts("authrole");
    let authroles = some(table, "authroles", |role| Ok::<_, KeysError>(role.to_owned()), faults);
    let leeway_s = number(table, "leeway_s", 0..=LEEWAY_S_MAX, faults).unwrap_or_default();
    let mut fault = |text: &str| faults.push((Some(table.line()), text.to_owned()));
    let keys = match found.len() {
        1 => found.pop(),
        // That has been said.
        0 if broken => None,
        0 => {
            fault("there is no key; write `secret_file`, `public_key_file` or `jwks_file`");
            None
        }
        _ => {
            fault("there are keys of several kinds; give each its own [[realm.jwt]]");
            None
        }
    };
    if authrole_claim.is_none() && authrole.is_none() {
        fault("there is no role; write `authrole = \"…\"`, or `authrole_claim` and `authroles`");
    }
    if authrole_claim.is_some() && authroles.is_empty() {
        fault("`authrole_claim` needs `authroles`: the roles that a token may give");
    }
    let keys = keys.filter(|_| faults.len() == before)?;
    Some(Issuer {
        keys,
        issuer: name,
        audience,
        authid_claim: authid_claim.unwrap_or_else(|| "sub".to_owned()),
        authrole_claim,
        authrole,
        authroles,
        leeway_s,
    })
}

pub(super) fn tables<'a>(
    table: &Table<'a>,
    key: &'static str,
    expected: &str,
    faults: &mut Faults,
) -> Vec<Table<'a>> {
    let list = table.value(key).and_then(|value| value.list(expected, faults)).unwrap_or_default();
    list.into_iter().filter_map(|value| value.table(expected, faults)).collect()
}

/// A text that says something.
pub(super) fn string(table: &Table<'_>, key: &'static str, faults: &mut Faults) -> Option<String> {
    let value = table.value(key)?;
    let text = value.string("a string", faults)?;
    if text.is_empty() || text.chars().any(char::is_control) {
        value.fault(format!("`{key}` is empty or has control characters"), faults);
        return None;
    }
    Some(text.to_owned())
}

/// A string or a list of strings, each read as a `T`.
fn some<T, E: std::fmt::Display>(
    table: &Table<'_>,
    key: &'static str,
    read: impl Fn(&str) -> Result<T, E>,
    faults: &mut Faults,
) -> Vec<T> {
    let Some(value) = table.value(key) else { return Vec::new() };
    let list = match value.is_string() {
        true => vec![value],
        false => value.list("a string or a list of strings", faults).unwrap_or_default(),
    };
    let one = |value: Value<'_>, faults: &mut Faults| {
        let text = value.string("a string or a list of strings", faults)?;
        value.accept(read(text), faults)
    };
    list.into_iter().filter_map(|value| one(value, faults)).collect()
}

/// A date, as a string or as TOML has it, in milliseconds since 1970.
fn date_ms(value: Value<'_>, faults: &mut Faults) -> Option<u64> {
    let expected = "a date with time and zone, as 2027-01-01T00:00:00Z";
    let date: Result<jiff::Timestamp, _> = value.date(expected, faults)?.parse();
    let error = format!("this is not {expected}");
    let date = value.accept(date.map_err(|_| error), faults)?;
    Some(u64::try_from(date.as_millisecond()).unwrap_or(0))
}
