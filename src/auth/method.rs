//! The methods that are built in, by their names in `authmethods`.

/// A method of authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names say it
pub enum Method {
    Anonymous,
    Ticket,
    Wampcra,
    Scram,
    Cryptosign,
    Tls,
    Cookie,
    /// WAMP-SCRAM as Autobahn|Python and Crossbar have it, from a draft of the specification.
    ScramDraft,
}

impl Method {
    /// All there are.
    pub const ALL: [Method; 8] = [
        Method::Anonymous,
        Method::Ticket,
        Method::Wampcra,
        Method::Scram,
        Method::Cryptosign,
        Method::Tls,
        Method::Cookie,
        Method::ScramDraft,
    ];

    /// Its name in `authmethods` and in WELCOME.
    pub const fn name(self) -> &'static str {
        match self {
            Method::Anonymous => "anonymous",
            Method::Ticket => "ticket",
            Method::Wampcra => "wampcra",
            Method::Scram => "wamp-scram",
            Method::Cryptosign => "cryptosign",
            Method::Tls => "tls",
            Method::Cookie => "cookie",
            Method::ScramDraft => "scram",
        }
    }
}
