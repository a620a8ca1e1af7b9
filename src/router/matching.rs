//! URIs to values, by exact, prefix and wildcard matching (spec: "Pattern-based Subscriptions", "… Registrations").

use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::Hasher;
use crate::wamp::message::MatchPolicy;

/// A table from (policy, pattern) to `V`, asked by concrete URIs.
#[derive(Debug)]
pub(super) struct UriTable<V> {
    exact: HashMap<Arc<str>, V, Hasher>,
    prefix: HashMap<Arc<str>, V, Hasher>,
    /// The lengths that prefixes have, longest first, with how many have it: a look-up tries each length once.
    prefix_lens: Vec<(usize, usize)>,
    wildcard: Node<V>,
    wildcards: usize,
    hasher: Hasher,
}

/// One component deep in the wildcard patterns.
#[derive(Debug)]
struct Node<V> {
    literal: HashMap<Box<str>, Node<V>, Hasher>,
    any: Option<Box<Node<V>>>,
    value: Option<V>,
}

type Components<'a> = SmallVec<[&'a str; 16]>;

impl<V: Copy> UriTable<V> {
    /// An empty table.
    pub(super) fn new(hasher: Hasher) -> Self {
        UriTable {
            exact: HashMap::with_hasher(hasher.clone()),
            prefix: HashMap::with_hasher(hasher.clone()),
            prefix_lens: Vec::new(),
            wildcard: Node::new(&hasher),
            wildcards: 0,
            hasher,
        }
    }

    /// The value of exactly this pattern.
    pub(super) fn get(&self, policy: MatchPolicy, pattern: &str) -> Option<V> {
        match policy {
            MatchPolicy::Exact => self.exact.get(pattern).copied(),
            MatchPolicy::Prefix => self.prefix.get(pattern).copied(),
            MatchPolicy::Wildcard => {
                let mut node = &self.wildcard;
                for component in pattern.split('.') {
                    node = match component {
                        "" => node.any.as_deref()?,
                        _ => node.literal.get(component)?,
                    };
                }
                node.value
            }
        }
    }

    /// Sets the value of a pattern that has none.
    pub(super) fn insert(&mut self, policy: MatchPolicy, pattern: &Arc<str>, value: V) {
        match policy {
            MatchPolicy::Exact => {
                self.exact.insert(pattern.clone(), value);
            }
            MatchPolicy::Prefix => {
                if self.prefix.insert(pattern.clone(), value).is_none() {
                    let len = pattern.len();
                    match self.prefix_lens.binary_search_by(|(l, _)| len.cmp(l)) {
                        Ok(i) => self.prefix_lens[i].1 += 1,
                        Err(i) => self.prefix_lens.insert(i, (len, 1)),
                    }
                }
            }
            MatchPolicy::Wildcard => {
                let mut node = &mut self.wildcard;
                for component in pattern.split('.') {
                    let hasher = &self.hasher;
                    node = match component {
                        "" => node.any.get_or_insert_with(|| Box::new(Node::new(hasher))),
                        _ => node.literal.entry(component.into()).or_insert_with(|| Node::new(hasher)),
                    };
                }
                self.wildcards += usize::from(node.value.replace(value).is_none());
            }
        }
    }

    /// Forgets a pattern.
    pub(super) fn remove(&mut self, policy: MatchPolicy, pattern: &str) {
        match policy {
            MatchPolicy::Exact => {
                self.exact.remove(pattern);
            }
            MatchPolicy::Prefix => {
                if self.prefix.remove(pattern).is_some()
                    && let Ok(i) = self.prefix_lens.binary_search_by(|(l, _)| pattern.len().cmp(l))
                {
                    self.prefix_lens[i].1 -= 1;
                    if self.prefix_lens[i].1 == 0 {
                        self.prefix_lens.remove(i);
                    }
                }
            }
            MatchPolicy::Wildcard => {
                let components: Components<'_> = pattern.split('.').collect();
                self.wildcards -= usize::from(self.wildcard.remove(&components));
            }
        }
    }

    /// Calls `found` for every pattern but an exact one that matches `uri`: prefixes, longest first, then wildcards.
    #[inline]
    pub(super) fn each_pattern_match(&self, uri: &str, found: impl FnMut(V)) {
        if self.has_patterns() {
            self.each_pattern_match_of_some(uri, found);
        }
    }

    fn has_patterns(&self) -> bool {
        self.wildcards > 0 || !self.prefix_lens.is_empty()
    }

    fn each_pattern_match_of_some(&self, uri: &str, mut found: impl FnMut(V)) {
        self.each_prefix(uri, |value| {
            found(value);
            true
        });
        if self.wildcards > 0 {
            let components: Components<'_> = uri.split('.').collect();
            self.wildcard.each_match(&components, &mut found);
        }
    }

    /// The pattern that a call to `uri` goes to: exact, else the longest prefix, else the wildcard that has, from the left, the
    /// longest run of literal components where it first differs from the others (spec: "Pattern-based Registrations").
    /// What `admit` does not admit is passed over.
    pub(super) fn best_match(&self, uri: &str, admit: impl Fn(V) -> bool) -> Option<V> {
        if let Some(value) = self.exact.get(uri)
            && admit(*value)
        {
            return Some(*value);
        }
        let mut best = None;
        self.each_prefix(uri, |value| {
            best = Some(value).filter(|value| admit(*value));
            best.is_none()
        });
        if best.is_none() && self.wildcards > 0 {
            let components: Components<'_> = uri.split('.').collect();
            best = self.wildcard.best_match(&components, &admit);
        }
        best
    }

    /// Patterns in the table.
    pub(super) fn len(&self) -> usize {
        self.exact.len() + self.prefix.len() + self.wildcards
    }

    fn each_prefix(&self, uri: &str, mut go_on: impl FnMut(V) -> bool) {
        for &(len, _) in &self.prefix_lens {
            if let Some(value) = uri.get(..len).and_then(|prefix| self.prefix.get(prefix))
                && !go_on(*value)
            {
                return;
            }
        }
    }
}

impl<V: Copy> Node<V> {
    fn new(hasher: &Hasher) -> Self {
        Node { literal: HashMap::with_hasher(hasher.clone()), any: None, value: None }
    }

    fn is_empty(&self) -> bool {
        self.value.is_none() && self.any.is_none() && self.literal.is_empty()
    }

    /// Returns whether the pattern was there; prunes what has become empty.
    fn remove(&mut self, components: &[&str]) -> bool {
        let Some((first, rest)) = components.split_first() else { return self.value.take().is_some() };
        let removed;
        if first.is_empty() {
            let Some(node) = &mut self.any else { return false };
            removed = node.remove(rest);
            if node.is_empty() {
                self.any = None;
            }
        } else {
            let Some(node) = self.literal.get_mut(*first) else { return false };
            removed = node.remove(rest);
            if node.is_empty() {
                self.literal.remove(*first);
            }
        }
        removed
    }

    fn each_match(&self, components: &[&str], found: &mut impl FnMut(V)) {
        let Some((first, rest)) = components.split_first() else {
            if let Some(value) = self.value {
                found(value);
            }
            return;
        };
        if let Some(node) = self.literal.get(*first) {
            node.each_match(rest, found);
        }
        if let Some(node) = &self.any {
            node.each_match(rest, found);
        }
    }

    fn best_match(&self, components: &[&str], admit: &impl Fn(V) -> bool) -> Option<V> {
        let Some((first, rest)) = components.split_first() else {
            return self.value.filter(|value| admit(*value));
        };
        self.literal
            .get(*first)
            .and_then(|node| node.best_match(rest, admit))
            .or_else(|| self.any.as_ref().and_then(|node| node.best_match(rest, admit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(patterns: &[(MatchPolicy, &str)]) -> UriTable<usize> {
        let mut table = UriTable::new(Hasher::default());
        for (i, (policy, pattern)) in patterns.iter().enumerate() {
            table.insert(*policy, &Arc::from(*pattern), i + 1);
        }
        table
    }

    use MatchPolicy::{Exact, Prefix, Wildcard};

    /// The specification's example, but for a dot: it has the prefix `a1.b2.c3` not match `a1.b2.c33.d4.e5`, against its own rule
    /// that a prefix may end within a component.
    #[test]
    fn precedence_of_registrations() {
        let table = table(&[
            (Exact, "a1.b2.c3.d4.e55"),
            (Prefix, "a1.b2.c3."),
            (Prefix, "a1.b2.c3.d4"),
            (Wildcard, "a1.b2..d4.e5"),
            (Wildcard, "a1.b2.c33..e5"),
            (Wildcard, "a1.b2..d4.e5..g7"),
            (Wildcard, "a1.b2..d4..f6.g7"),
        ]);
        for (uri, best) in [
            ("a1.b2.c3.d4.e55", Some(1)),
            ("a1.b2.c3.d98.e74", Some(2)),
            ("a1.b2.c3.d4.e325", Some(3)),
            ("a1.b2.c55.d4.e5", Some(4)),
            ("a1.b2.c33.d4.e5", Some(5)),
            ("a1.b2.c88.d4.e5.f6.g7", Some(6)),
            ("a2.b2.c2.d2.e2", None),
        ] {
            assert_eq!(table.best_match(uri, |_| true), best, "{uri}");
        }
    }

    #[test]
    fn a_prefix_may_end_within_a_component() {
        let table = table(&[(Prefix, "com.exam"), (Prefix, "")]);
        assert_eq!(table.best_match("com.example.x", |_| true), Some(1));
        assert_eq!(table.best_match("com.exam", |_| true), Some(1));
        assert_eq!(table.best_match("com.exa", |_| true), Some(2));
    }

    #[test]
    fn removal_leaves_nothing() {
        let patterns =
            [(Exact, "a.b"), (Prefix, "a."), (Wildcard, "a..c"), (Wildcard, "a..c.d"), (Wildcard, "")];
        let mut table = table(&patterns);
        assert_eq!(table.len(), 5);
        for (policy, pattern) in patterns {
            assert!(table.get(policy, pattern).is_some());
            table.remove(policy, pattern);
            table.remove(policy, pattern);
            assert!(table.get(policy, pattern).is_none());
        }
        assert_eq!(table.len(), 0);
        assert!(table.wildcard.is_empty() && table.prefix_lens.is_empty());
    }

    /// The table beside a linear scan over all patterns.
    #[test]
    fn matches_what_a_linear_scan_matches() {
        use crate::wamp::uri::matches;
        let words = ["a", "b", "ab", "c"];
        let mut state = 1_u32;
        let mut random = move |n: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as usize % n
        };
        let mut patterns: Vec<(MatchPolicy, String)> = Vec::new();
        for _ in 0..300 {
            let policy = [Exact, Prefix, Wildcard][random(3)];
            let parts: Vec<&str> = (0..=random(4))
                .map(|_| if policy == Wildcard && random(3) == 0 { "" } else { words[random(4)] })
                .collect();
            let pattern = parts.join(".");
            if !patterns.contains(&(policy, pattern.clone())) {
                patterns.push((policy, pattern));
            }
        }
        let refs: Vec<(MatchPolicy, &str)> = patterns.iter().map(|(p, s)| (*p, s.as_str())).collect();
        let table = table(&refs);
        for _ in 0..500 {
            let uri = (0..=random(4)).map(|_| words[random(4)]).collect::<Vec<_>>().join(".");
            let mut found = Vec::new();
            found.extend(table.get(Exact, &uri));
            table.each_pattern_match(&uri, |v| found.push(v));
            found.sort_unstable();
            let expected: Vec<usize> =
                (0..refs.len()).filter(|i| matches(refs[*i].1, refs[*i].0, &uri)).map(|i| i + 1).collect();
            assert_eq!(found, expected, "{uri}");
        }
    }
}
