//! Static authorization: the rules of each role, and which of them counts.

use std::sync::Arc;

use super::pattern::{covers, overlap};
use super::{Action, Actions, Authorizer, Decision, Grant, Request};
use crate::wamp::message::MatchPolicy;
use crate::wamp::uri::matches;

/// What a role may do with some URIs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The URI or pattern.
    pub uri: String,
    /// How URIs match it.
    pub match_policy: MatchPolicy,
    /// What is allowed; what is not is forbidden.
    pub allow: Actions,
    /// Callees learn who calls, subscribers who publishes, whether or not the client asks for it.
    pub disclose: bool,
    /// Sessions remember the decision.
    pub cache: bool,
}

/// What the sessions of a role may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// The role, as sessions have it.
    pub name: String,
    /// Its rules. What none of them is about is forbidden.
    pub rules: Vec<Rule>,
    /// The procedure that decides instead of rules.
    pub authorizer: Option<String>,
}

/// The roles of a realm. Whose role is not among them may do nothing.
#[derive(Debug)]
pub struct Roles(Vec<Compiled>);

#[derive(Debug)]
struct Compiled {
    name: String,
    /// By URI.
    exact: Vec<Rule>,
    /// The most specific first: prefixes, longest first, then wildcards.
    patterns: Vec<Rule>,
    authorizer: Option<Arc<str>>,
}

impl Roles {
    /// Of several rules for the same URIs, or roles of the same name, the first counts.
    pub fn new(roles: &[Role]) -> Roles {
        Roles(roles.iter().map(Compiled::new).collect())
    }
}

impl Authorizer for Roles {
    fn decide(&self, request: &Request<'_>) -> Decision {
        match self.0.iter().find(|role| role.name == request.authrole) {
            Some(role) => role.decide(request),
            None => Decision::Deny { cache: true },
        }
    }

    fn knows(&self, authrole: &str) -> bool {
        self.0.iter().any(|role| role.name == authrole)
    }
}

impl Compiled {
    fn new(role: &Role) -> Compiled {
        let rules = role.rules.iter().cloned();
        let (mut exact, mut patterns): (Vec<Rule>, Vec<Rule>) =
            rules.partition(|rule| rule.match_policy == MatchPolicy::Exact);
        exact.sort_by(|a, b| a.uri.cmp(&b.uri));
        exact.dedup_by(|later, first| later.uri == first.uri);
        patterns.sort_by_cached_key(precedence);
        let authorizer = role.authorizer.as_deref().map(Arc::from);
        Compiled { name: role.name.clone(), exact, patterns, authorizer }
    }

    fn decide(&self, request: &Request<'_>) -> Decision {
        if let Some(authorizer) = &self.authorizer {
            return Decision::Ask(authorizer.clone());
        }
        let rule = match request.match_policy {
            MatchPolicy::Exact => self.rule_for(request.uri),
            policy => self.rule_for_pattern(request.action, (policy, request.uri)),
        };
        match rule {
            Some(Rule { allow, disclose, cache, .. }) if allow.contains(request.action) => {
                Decision::Allow(Grant { disclose: *disclose, cache: *cache })
            }
            Some(rule) => Decision::Deny { cache: rule.cache },
            None => Decision::Deny { cache: true },
        }
    }

    /// The most specific rule about a URI.
    fn rule_for(&self, uri: &str) -> Option<&Rule> {
        match self.exact.binary_search_by(|rule| rule.uri.as_str().cmp(uri)) {
            Ok(at) => self.exact.get(at),
            Err(_) => self.patterns.iter().find(|rule| matches(&rule.uri, rule.match_policy, uri)),
        }
    }

    /// The rule that decides about all URIs of a pattern. Such a rule must cover them all; each more specific one takes some of them away,
    /// unless it allows the same.
    fn rule_for_pattern(&self, action: Action, pattern: (MatchPolicy, &str)) -> Option<&Rule> {
        for rule in self.exact.iter().chain(&self.patterns) {
            let about = (rule.match_policy, rule.uri.as_str());
            if covers(about, pattern) || overlap(about, pattern) && !rule.allow.contains(action) {
                return Some(rule);
            }
        }
        None
    }
}

/// The smaller, the more specific: the longer prefix; then the wildcard pattern with a component where the other has a gap, at the first
/// place from the left where they differ in that.
fn precedence(rule: &Rule) -> (bool, usize, Vec<bool>) {
    match rule.match_policy {
        MatchPolicy::Wildcard => (true, 0, rule.uri.split('.').map(str::is_empty).collect()),
        MatchPolicy::Exact | MatchPolicy::Prefix => (false, usize::MAX - rule.uri.len(), Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::MatchPolicy::{Exact, Prefix, Wildcard};
    use super::*;

    fn rule(match_policy: MatchPolicy, uri: &str, allow: &[Action]) -> Rule {
        let allow = allow.iter().copied().collect();
        Rule { uri: uri.into(), match_policy, allow, disclose: false, cache: true }
    }

    fn roles(rules: Vec<Rule>) -> Roles {
        Roles::new(&[Role { name: "user".into(), rules, authorizer: None }])
    }

    fn may(roles: &Roles, action: Action, (match_policy, uri): (MatchPolicy, &str)) -> bool {
        let request = Request { session: 1, authid: "joe", authrole: "user", action, uri, match_policy };
        match roles.decide(&request) {
            Decision::Allow(_) => true,
            Decision::Deny { .. } => false,
            Decision::Ask(_) => panic!("nobody is there to be asked"),
        }
    }

    #[test]
    fn the_most_specific_rule_counts_alone() {
        use Action::{Call, Publish, Register, Subscribe};
        let roles = roles(vec![
            rule(Wildcard, "a..c", &[Subscribe]),
            rule(Wildcard, "a.b.", &[Register]),
            rule(Wildcard, "..c", &[Publish]),
            rule(Prefix, "x.", &[Call]),
            rule(Prefix, "x.y", &[]),
            rule(Exact, "x.y.z", &[Call]),
            rule(Wildcard, "x.w.v", &[Publish]),
        ]);
        for (uri, allowed) in [
            ("a.q.c", Some(Subscribe)),
            ("a.b.c", Some(Register)),
            ("q.b.c", Some(Publish)),
            ("x.a", Some(Call)),
            ("x.w.v", Some(Call)),
            ("x.yy", None),
            ("x.y.z", Some(Call)),
            ("x", None),
            ("a.b", None),
        ] {
            for action in Action::ALL {
                assert_eq!(may(&roles, action, (Exact, uri)), allowed == Some(action), "{action:?} {uri}");
            }
        }
    }

    #[test]
    fn patterns_need_all_of_what_they_stand_for() {
        let all = [Action::Subscribe];
        let roles = roles(vec![
            rule(Prefix, "com.", &all),
            rule(Prefix, "com.secret.", &[]),
            rule(Exact, "com.door", &[Action::Call]),
            rule(Prefix, "com.open.", &all),
            rule(Wildcard, "org..news", &all),
        ]);
        for (pattern, allowed) in [
            ((Prefix, "com."), false),
            ((Prefix, "com"), false),
            ((Prefix, ""), false),
            ((Prefix, "com.s"), false),
            ((Prefix, "com.secret.x"), false),
            ((Prefix, "com.do"), false),
            ((Prefix, "com.doors"), true),
            ((Prefix, "com.o"), true),
            ((Prefix, "com.open.x"), true),
            ((Wildcard, "com."), false),
            ((Wildcard, "com.."), false),
            ((Wildcard, "com.open."), true),
            ((Wildcard, "com..x"), false),
            ((Wildcard, "com.a.."), true),
            ((Wildcard, "org..news"), true),
            ((Wildcard, "org.x.news"), true),
            ((Wildcard, "org.."), false),
            ((Prefix, "org.x.news"), false),
            ((Wildcard, ""), false),
        ] {
            assert_eq!(may(&roles, Action::Subscribe, pattern), allowed, "{pattern:?}");
            assert!(!may(&roles, Action::Register, pattern), "{pattern:?}");
        }
    }

    /// Beside the definition: whoever may subscribe to a pattern may subscribe to each URI under it.
    #[test]
    fn no_pattern_gives_more_than_its_parts() {
        let words = ["a", "b", "ab"];
        let mut state = 1_u32;
        let mut random = move |n: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as usize % n
        };
        let mut uris: Vec<String> = words.map(str::to_owned).to_vec();
        for _ in 0..2 {
            uris.extend(uris.clone().iter().flat_map(|uri| words.map(|word| format!("{uri}.{word}"))));
        }
        let mut granted = 0;
        for _ in 0..2_000 {
            let mut pattern = || {
                let policy = [Exact, Prefix, Wildcard][random(3)];
                let gaps = policy == Wildcard;
                let parts: Vec<&str> = (0..=random(2))
                    .map(|_| if gaps && random(2) == 0 { "" } else { words[random(3)] })
                    .collect();
                (policy, parts.join("."), random(3) > 0)
            };
            let rules = (0..5).map(|_| {
                let (policy, uri, allowed) = pattern();
                rule(policy, &uri, if allowed { &[Action::Subscribe] } else { &[] })
            });
            let roles = roles(rules.collect());
            let (policy, wanted, _) = pattern();
            if may(&roles, Action::Subscribe, (policy, &wanted)) {
                granted += 1;
                for uri in uris.iter().filter(|uri| matches(&wanted, policy, uri)) {
                    assert!(may(&roles, Action::Subscribe, (Exact, uri)), "{wanted} {uri} {roles:?}");
                }
            }
        }
        assert!(granted > 300, "{granted}");
    }

    #[test]
    fn unknown_roles_and_those_of_a_procedure() {
        let rules = vec![rule(Prefix, "", &Action::ALL)];
        let roles = Roles::new(&[
            Role { name: "user".into(), rules, authorizer: None },
            Role { name: "asked".into(), rules: Vec::new(), authorizer: Some("com.authorize".into()) },
        ]);
        let decide = |authrole| {
            let (action, match_policy) = (Action::Call, Exact);
            roles.decide(&Request { session: 1, authid: "joe", authrole, action, uri: "a", match_policy })
        };
        assert_eq!(decide("user"), Decision::Allow(Grant { disclose: false, cache: true }));
        assert_eq!(decide("asked"), Decision::Ask("com.authorize".into()));
        assert_eq!(decide("nobody"), Decision::Deny { cache: true });
    }
}
