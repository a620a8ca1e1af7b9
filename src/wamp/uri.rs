//! URIs: their syntax, the reserved part of their space, how patterns match (spec: "URIs", "Pattern-based …").

use super::message::MatchPolicy;

/// How strict a realm is about the components of URIs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UriRule {
    /// Anything but white space, `.` and `#`.
    #[default]
    Loose,
    /// Only `a`–`z`, `0`–`9` and `_`.
    Strict,
}

/// Whether `uri` is the URI of one topic, procedure, error or realm: components that follow `rule`, none empty.
pub fn is_valid(uri: &str, rule: UriRule) -> bool {
    has_components(uri, rule, false)
}

/// Whether `uri` may be subscribed to or registered with `policy`: patterns may have empty components.
pub fn is_valid_pattern(uri: &str, policy: MatchPolicy, rule: UriRule) -> bool {
    has_components(uri, rule, policy != MatchPolicy::Exact)
}

/// Whether the first component is `wamp`, which belongs to the protocol.
pub fn is_reserved(uri: &str) -> bool {
    matches!(uri.strip_prefix("wamp"), Some(rest) if rest.is_empty() || rest.starts_with('.'))
}

/// Whether some reserved URI falls under `pattern`.
pub fn reaches_reserved(pattern: &str, policy: MatchPolicy) -> bool {
    match policy {
        MatchPolicy::Exact => is_reserved(pattern),
        MatchPolicy::Prefix => is_reserved(pattern) || "wamp.".starts_with(pattern),
        MatchPolicy::Wildcard => matches!(pattern.split('.').next(), Some("" | "wamp")),
    }
}

/// Whether the URI `uri` falls under `pattern`.
pub fn matches(pattern: &str, policy: MatchPolicy, uri: &str) -> bool {
    match policy {
        MatchPolicy::Exact => pattern == uri,
        MatchPolicy::Prefix => uri.starts_with(pattern),
        MatchPolicy::Wildcard => {
            let mut components = uri.split('.');
            let same = |wanted: &str| components.next().is_some_and(|it| wanted.is_empty() || wanted == it);
            pattern.split('.').all(same) && components.next().is_none()
        }
    }
}

/// What a byte is in a URI.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// Under any rule.
    Strict,
    /// Not under the strict rule.
    Loose,
    /// Between components.
    Dot,
    Never,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Loose; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'.' => Class::Dot,
            b'a'..=b'z' | b'0'..=b'9' | b'_' => Class::Strict,
            b'#' | b' ' | b'\t'..=b'\r' => Class::Never,
            _ => Class::Loose,
        };
        byte += 1;
    }
    classes
};

fn has_components(uri: &str, rule: UriRule, empty_allowed: bool) -> bool {
    if rule == UriRule::Loose && has_plain_components(uri.as_bytes()) {
        return true;
    }
    let worst = if rule == UriRule::Strict { Class::Strict } else { Class::Loose };
    let mut at_start = true;
    for byte in uri.bytes() {
        let class = CLASSES[usize::from(byte)];
        if class == Class::Dot {
            if at_start && !empty_allowed {
                return false;
            }
        } else if class > worst {
            return false;
        }
        at_start = class == Class::Dot;
    }
    (!at_start || empty_allowed) && (uri.is_ascii() || !uri.contains(char::is_whitespace))
}

/// Whether all bytes are printable ASCII but `#`, with no dot at either end and no two together: such a URI is valid under
/// the loose rule whatever it is for. Most are; of the others this says nothing. It looks at eight bytes at a time.
fn has_plain_components(uri: &[u8]) -> bool {
    const LOWS: u64 = u64::from_ne_bytes([0x7f; 8]);
    const fn all(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }
    // The highest bit of each byte that is zero; nothing carries from byte to byte.
    let zeros = |word: u64| !(((word & LOWS) + LOWS) | word) & !LOWS;

    // Whether the byte before the word is a dot, in its lowest bit; before the first component as behind a dot.
    let mut dot_before = 1;
    let mut is_plain = |word: u64| {
        let printable = ((word & LOWS) + all(0x80 - 0x21)) & !word & !LOWS;
        let dots = zeros(word ^ all(b'.')) >> 7;
        let dots_together = dots & (dots << 8 | dot_before);
        dot_before = dots >> 56;
        printable == !LOWS && zeros(word ^ all(b'#')) == 0 && dots_together == 0
    };
    let (words, rest) = uri.as_chunks::<8>();
    // Filled up with what is no dot, in front of which a dot at the end would not be seen.
    let mut last = [b'a'; 8];
    last[..rest.len()].copy_from_slice(rest);
    words.iter().chain([&last]).all(|word| is_plain(u64::from_le_bytes(*word)))
        && uri.last().is_some_and(|byte| *byte != b'.')
}

#[cfg(test)]
mod tests {
    use super::MatchPolicy::{Exact, Prefix, Wildcard};
    use super::UriRule::{Loose, Strict};
    use super::*;

    /// By the definition, character by character.
    #[test]
    fn words_decide_as_characters_do() {
        let pieces = [
            "a", "Z", "~", "!", ".", "..", "#", " ", "\u{1}", "\u{7f}", "\u{e4}", "\u{3000}", "abcdefg",
            "12345678",
        ];
        let mut state = 1_u32;
        let mut valid = 0;
        for _ in 0..50_000 {
            let mut uri = String::new();
            let mut random = |n: usize| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 16) as usize % n
            };
            for _ in 0..random(8) {
                // Mostly what is allowed.
                uri += pieces
                    [if random(4) > 0 { [0, 1, 2, 3, 4, 12, 13][random(7)] } else { random(pieces.len()) }];
            }
            let sound = |c: char| !c.is_whitespace() && c != '#';
            let expected = uri.split('.').all(|part| !part.is_empty() && part.chars().all(sound));
            assert_eq!(is_valid(&uri, Loose), expected, "{uri:?}");
            valid += usize::from(expected);
        }
        assert!((5_000..45_000).contains(&valid), "{valid} are valid");
        for len in 1..30 {
            for at in 0..len {
                for byte in 0..0x80 {
                    let mut uri = vec![b'a'; len];
                    uri[at] = byte;
                    let uri = String::from_utf8(uri).expect("ASCII");
                    let c = char::from(byte);
                    let expected = match c {
                        '.' => at > 0 && at + 1 < len,
                        _ => !c.is_whitespace() && c != '#',
                    };
                    assert_eq!(is_valid(&uri, Loose), expected, "{uri:?}");
                }
            }
        }
    }

    #[test]
    fn rules() {
        for (uri, loose, strict) in [
            ("com.example.topic_1", true, true),
            ("a", true, true),
            ("Com.Example", true, false),
            ("com.exämple.日本", true, false),
            ("com.my-app", true, false),
            ("", false, false),
            (".", false, false),
            ("com.", false, false),
            (".com", false, false),
            ("com..x", false, false),
            ("com.a b", false, false),
            ("com.a\tb", false, false),
            ("com.a\u{b}b", false, false),
            ("com.a#b", false, false),
            ("com.a\u{a0}b", false, false),
            ("com.\u{2003}", false, false),
        ] {
            assert_eq!(is_valid(uri, Loose), loose, "{uri:?} loose");
            assert_eq!(is_valid(uri, Strict), strict, "{uri:?} strict");
        }
    }

    #[test]
    fn patterns_may_have_empty_components() {
        for uri in ["", ".", "com.", "com..x", ".x", "com.x"] {
            for policy in [Prefix, Wildcard] {
                assert!(is_valid_pattern(uri, policy, Strict), "{uri:?}");
            }
            assert_eq!(is_valid_pattern(uri, Exact, Loose), uri == "com.x", "{uri:?}");
        }
        assert!(!is_valid_pattern("com. .x", Wildcard, Loose));
        assert!(!is_valid_pattern("com.#", Prefix, Loose));
    }

    #[test]
    fn only_the_component_wamp_is_reserved() {
        for (uri, reserved) in [
            ("wamp", true),
            ("wamp.", true),
            ("wamp.error.x", true),
            ("wampx.y", false),
            ("com.wamp", false),
            ("", false),
        ] {
            assert_eq!(is_reserved(uri), reserved, "{uri:?}");
        }
    }

    #[test]
    fn matching() {
        for (pattern, policy, uri, expected) in [
            ("com.a", Exact, "com.a", true),
            ("com.a", Exact, "com.a.b", false),
            ("com.a", Prefix, "com.a", true),
            ("com.a", Prefix, "com.abc.d", true),
            ("com.a", Prefix, "com", false),
            ("", Prefix, "com", true),
            ("com..x", Wildcard, "com.a.x", true),
            ("com..x", Wildcard, "com.a.b.x", false),
            ("com..x", Wildcard, "com.a", false),
            ("..", Wildcard, "a.b.c", true),
            ("..", Wildcard, "a.b", false),
            ("", Wildcard, "a", true),
            ("a.b", Wildcard, "a.b", true),
            ("a.b", Wildcard, "a.b.c", false),
        ] {
            assert_eq!(matches(pattern, policy, uri), expected, "{pattern:?} {policy:?} {uri:?}");
        }
    }
}
