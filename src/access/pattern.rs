//! How the sets of URIs that two patterns stand for lie to each other.

use crate::wamp::message::MatchPolicy;
use crate::wamp::message::MatchPolicy::{Exact, Prefix, Wildcard};
use crate::wamp::uri::matches;

/// A pattern, and how it matches.
type Pattern<'a> = (MatchPolicy, &'a str);

/// Whether every URI that falls under `inner` falls under `outer`.
pub(super) fn covers((policy, outer): Pattern<'_>, inner: Pattern<'_>) -> bool {
    match (policy, inner) {
        (_, (Exact, uri)) => matches(outer, policy, uri),
        (Prefix, (Prefix, prefix)) => prefix.starts_with(outer),
        (Prefix, (Wildcard, pattern)) => literal_head(pattern).starts_with(outer),
        // A prefix also stands for URIs of more components.
        (Exact | Wildcard, (Prefix, _)) => false,
        (Exact, (Wildcard, pattern)) => pattern == outer && !has_gap(pattern),
        (Wildcard, (Wildcard, pattern)) => {
            same_shape(outer, pattern, |outer, inner| outer.is_empty() || outer == inner)
        }
    }
}

/// Whether some URI may fall under both. Where that depends on what a URI may look like, it is said to.
pub(super) fn overlap(a: Pattern<'_>, b: Pattern<'_>) -> bool {
    match (a, b) {
        ((Exact, uri), (policy, pattern)) | ((policy, pattern), (Exact, uri)) => {
            matches(pattern, policy, uri)
        }
        ((Prefix, a), (Prefix, b)) => a.starts_with(b) || b.starts_with(a),
        ((Prefix, prefix), (Wildcard, pattern)) | ((Wildcard, pattern), (Prefix, prefix)) => {
            reaches(prefix, pattern)
        }
        ((Wildcard, a), (Wildcard, b)) => same_shape(a, b, |a, b| a.is_empty() || b.is_empty() || a == b),
    }
}

/// What all URIs under a wildcard pattern begin with.
fn literal_head(pattern: &str) -> &str {
    let mut end = 0;
    for component in pattern.split('.') {
        if component.is_empty() {
            return &pattern[..end];
        }
        // With the dot behind it.
        end += component.len() + 1;
    }
    pattern
}

fn has_gap(pattern: &str) -> bool {
    pattern.split('.').any(str::is_empty)
}

fn same_shape(a: &str, b: &str, fits: impl Fn(&str, &str) -> bool) -> bool {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if fits(a, b) => {}
            _ => return false,
        }
    }
}

/// Whether a URI of this wildcard pattern may begin with the prefix, whose last component may go on.
fn reaches(prefix: &str, pattern: &str) -> bool {
    let (mut begun, mut components) = (prefix.split('.').peekable(), pattern.split('.'));
    while let Some(part) = begun.next() {
        let fits = match components.next() {
            None => false,
            Some("") => true,
            Some(component) if begun.peek().is_none() => component.starts_with(part),
            Some(component) => component == part,
        };
        if !fits {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beside the sets themselves, which are small where URIs are.
    #[test]
    fn patterns_are_sets() {
        let words = ["a", "b", "aa", "ab", "ba", "bb", "aaa"];
        let mut uris: Vec<String> = words.map(str::to_owned).to_vec();
        for _ in 0..2 {
            let longer = uris.iter().flat_map(|uri| words.map(|word| format!("{uri}.{word}")));
            uris.extend(longer.collect::<Vec<_>>());
            uris.sort_unstable();
            uris.dedup();
        }
        let mut patterns: Vec<(MatchPolicy, String)> =
            vec![(Wildcard, String::new()), (Prefix, String::new())];
        for a in ["", "a", "b", "ab"] {
            patterns.extend([Exact, Prefix, Wildcard].map(|policy| (policy, a.to_owned())));
            for b in ["", "a", "aa"] {
                patterns.extend([Exact, Prefix, Wildcard].map(|policy| (policy, format!("{a}.{b}"))));
                patterns.extend(["", "a"].map(|c| (Wildcard, format!("{a}.{b}.{c}"))));
            }
        }
        // Neither an exact URI nor a prefix has empty components within.
        patterns.retain(|(policy, pattern)| match policy {
            Exact => !has_gap(pattern),
            Prefix => !pattern.starts_with('.'),
            Wildcard => true,
        });
        for (policy, outer) in &patterns {
            for (other, inner) in &patterns {
                let both = || uris.iter().filter(|uri| matches(inner, *other, uri));
                let mut members = both();
                // No wildcard covers what is of any length, but these URIs are short.
                let is_longer = *other == Prefix && *policy == Wildcard;
                let expected = members.all(|uri| matches(outer, *policy, uri)) && !is_longer;
                let (outer, inner) = ((*policy, outer.as_str()), (*other, inner.as_str()));
                assert_eq!(covers(outer, inner), expected, "{outer:?} covers {inner:?}");
                let expected = both().any(|uri| matches(outer.1, outer.0, uri));
                assert_eq!(overlap(outer, inner), expected, "{outer:?} and {inner:?}");
                assert_eq!(overlap(inner, outer), expected, "{inner:?} and {outer:?}");
            }
        }
    }
}
