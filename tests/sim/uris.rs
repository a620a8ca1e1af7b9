//! The few URIs that clients use, so that they meet; and what matches what, done naively.

use connectanum::wamp::message::MatchPolicy::{self, Exact, Prefix, Wildcard};

/// Topics, and procedures.
pub(crate) const NAMES: [&str; 5] = ["t.a.b", "t.a.c", "t.x.b", "u.a.b", "u"];

/// What is subscribed and registered.
pub(crate) const PATTERNS: [(MatchPolicy, &str); 14] = [
    (Exact, "t.a.b"),
    (Exact, "t.a.c"),
    (Exact, "t.x.b"),
    (Exact, "u.a.b"),
    (Exact, "u"),
    (Prefix, "t"),
    (Prefix, "t.a"),
    (Prefix, "t.a."),
    (Prefix, "u"),
    (Wildcard, "t..b"),
    (Wildcard, "t.a."),
    (Wildcard, ".a."),
    (Wildcard, "..b"),
    (Wildcard, ".."),
];

/// What is subscribed of the router's own topics.
pub(crate) const META_PATTERNS: [(MatchPolicy, &str); 4] =
    [(Prefix, "wamp."), (Wildcard, "wamp.."), (Prefix, "wamp.session."), (Exact, "wamp.session.on_leave")];

/// A pattern with its policy.
pub(crate) type Pattern = (MatchPolicy, &'static str);

pub(crate) fn matches((policy, pattern): (MatchPolicy, &str), name: &str) -> bool {
    match policy {
        Exact => pattern == name,
        Prefix => name.starts_with(pattern),
        Wildcard => {
            let (pattern, name): (Vec<_>, Vec<_>) = (pattern.split('.').collect(), name.split('.').collect());
            pattern.len() == name.len() && pattern.iter().zip(&name).all(|(p, n)| p.is_empty() || p == n)
        }
    }
}

/// Whether a call that both match goes to `a`: exact before prefix before wildcard, longer prefixes first, wildcards that
/// are literal further from the left first.
pub(crate) fn is_better(a: Pattern, b: Pattern) -> bool {
    let rank = |(policy, pattern): Pattern| {
        let wild = pattern.split('.').map(str::is_empty).collect::<Vec<_>>();
        match policy {
            Exact => (0, 0, Vec::new()),
            Prefix => (1, usize::MAX - pattern.len(), Vec::new()),
            Wildcard => (2, 0, wild),
        }
    };
    rank(a) < rank(b)
}
