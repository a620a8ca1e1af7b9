//! Rust source as the checks see it: code without comments, literals and tests, and the full paths in it.

use std::collections::BTreeMap;

/// `source` with comments, strings, characters and `#[cfg(test)]` items blanked out; lines stay where they are.
pub(crate) fn code(source: &str) -> String {
    without_tests(&without_literals(source))
}

/// A path in the code, as `crate::router::Shard` or `println!`, with the line it is on, from 1.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) line: usize,
    pub(crate) path: String,
}

/// Every path in `code`, the file of module `module`: groups in `use` are spelled out, `self`, `super` and names
/// that a `use` has brought in are replaced by what they stand for.
pub(crate) fn paths(code: &str, module: &[&str]) -> Vec<Path> {
    let tokens = tokens(code);
    let mut paths = Vec::new();
    let mut imports = BTreeMap::new();
    let mut i = 0;
    while i < tokens.len() {
        let (line, token) = tokens[i];
        if token == "use" {
            i = use_tree(&tokens, i + 1, "", module, &mut paths, &mut imports);
        } else if is_name(token) {
            let (end, path) = plain_path(&tokens, i);
            paths.push(Path { line, path: absolute(&path, module) });
            i = end;
        } else {
            i += 1;
        }
    }
    for found in &mut paths {
        let (first, rest) = found.path.split_once("::").unwrap_or((&found.path, ""));
        if let Some(full) = imports.get(first)
            && !rest.is_empty()
        {
            found.path = format!("{full}::{rest}");
        }
    }
    paths
}

/// Names, `::`, and single other characters, each with its line.
pub(crate) fn tokens(code: &str) -> Vec<(usize, &str)> {
    let mut tokens = Vec::new();
    for (line, text) in (1..).zip(code.lines()) {
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = match first {
                c if is_name_char(c) => rest.find(|c| !is_name_char(c)).unwrap_or(rest.len()),
                ':' if rest.starts_with("::") => 2,
                c => c.len_utf8(),
            };
            tokens.push((line, &rest[..length]));
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

fn without_literals(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let after_name = out.chars().next_back().is_some_and(is_name_char);
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = raw_string(rest).filter(|_| !after_name) {
            length
        } else if c == '"' {
            quoted(rest, '"')
        } else if c == '\'' && is_char_literal(rest) {
            quoted(rest, '\'')
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        out.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &rest[length..];
    }
    out
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a raw string, with or without `b`, that `text` begins with.
fn raw_string(text: &str) -> Option<usize> {
    let body = text.strip_prefix('b').unwrap_or(text).strip_prefix('r')?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    let inner = body[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inner.find(&end).map_or(inner.len(), |at| at + end.len());
    Some(text.len() - inner.len() + length)
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// `'x'` or `'\n'`, not the lifetime `'x`.
fn is_char_literal(text: &str) -> bool {
    let mut chars = text.chars().skip(1);
    matches!((chars.next(), chars.next()), (Some('\\'), _) | (Some(_), Some('\'')))
}

/// Blanks every item that `#[cfg(test)]` stands before: up to its `;` or through its closing brace.
fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(start) = out.find("#[cfg(test)]") {
        let mut depth = 0_usize;
        let end = out[start + 1..].char_indices().find_map(|(at, c)| {
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            let ends = depth == 0 && matches!(c, ';' | '}');
            ends.then_some(start + 1 + at + 1)
        });
        let end = end.unwrap_or(out.len());
        let blank: String = out[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(start..end, &blank);
    }
    out
}

/// Reads one tree of a `use` from token `i` on, below `prefix`. Returns the index of the token after it.
fn use_tree(
    tokens: &[(usize, &str)],
    mut i: usize,
    prefix: &str,
    module: &[&str],
    paths: &mut Vec<Path>,
    imports: &mut BTreeMap<String, String>,
) -> usize {
    let token = |i: usize| tokens.get(i).map_or("", |(_, token)| *token);
    let line = tokens.get(i).map_or(0, |(line, _)| *line);
    let mut path = prefix.to_owned();
    loop {
        match token(i) {
            "::" => i += 1,
            "{" => {
                i += 1;
                while !matches!(token(i), "}" | "") {
                    i = use_tree(tokens, i, &path, module, paths, imports);
                    i += usize::from(token(i) == ",");
                }
                return i + 1;
            }
            name if is_name(name) && name != "as" || name == "*" => {
                // `use a::{self}` is `a`.
                if name != "self" || path.is_empty() {
                    path = if path.is_empty() { name.to_owned() } else { format!("{path}::{name}") };
                }
                i += 1;
            }
            _ => break,
        }
    }
    let path = absolute(&path, module);
    let mut name = path.rsplit("::").next().unwrap_or_default();
    if token(i) == "as" {
        name = token(i + 1);
        i += 2;
    }
    imports.insert(name.to_owned(), path.clone());
    paths.push(Path { line, path });
    i.max(1)
}

/// Names joined by `::` from token `i` on, with the `!` of a macro; and the index of the token after them.
fn plain_path(tokens: &[(usize, &str)], mut i: usize) -> (usize, String) {
    let mut path = tokens[i].1.to_owned();
    i += 1;
    while let (Some((_, "::")), Some((_, name))) = (tokens.get(i), tokens.get(i + 1))
        && is_name(name)
    {
        path.push_str("::");
        path.push_str(name);
        i += 2;
    }
    // `a != b` is no macro.
    let is_macro = matches!(tokens.get(i), Some((_, "!"))) && !matches!(tokens.get(i + 1), Some((_, "=")));
    if is_macro {
        path.push('!');
    }
    (i, path)
}

/// `path` with a leading `self` or `super` replaced by the module it means.
fn absolute(path: &str, module: &[&str]) -> String {
    let mut parts: Vec<&str> = path.split("::").collect();
    let ups = parts.iter().take_while(|part| **part == "super").count();
    let local = parts.len() > 1 && parts[0] == "self";
    if ups == 0 && !local {
        return path.to_owned();
    }
    let rest = parts.split_off(ups.max(usize::from(local)));
    let base = &module[..module.len().saturating_sub(ups)];
    ["crate"].iter().chain(base).chain(&rest).copied().collect::<Vec<_>>().join("::")
}

fn is_name(token: &str) -> bool {
    token.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
}

fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

mod tests {
    use super::*;

    fn found(source: &str) -> Vec<String> {
        paths(&code(source), &["router", "shard"]).into_iter().map(|found| found.path).collect()
    }

    #[test]
    fn comments_literals_and_tests_are_no_code() {
        let source = r##"a // b
            /* c /* d */ e */ f "g \" h" 'i' '\'' r#"j " k"# b"l" br"m" &'n o
            #[cfg(test)] mod p { fn q() { r(); } } s
            #[cfg(test)]
            mod t;
            u"##;
        let code = code(source);
        let names: Vec<_> = tokens(&code).into_iter().filter(|(_, token)| is_name(token)).collect();
        assert_eq!(names, [(1, "a"), (2, "f"), (2, "b"), (2, "n"), (2, "o"), (3, "s"), (6, "u")]);
    }

    #[test]
    fn uses_are_spelled_out() {
        let source = "use std::{fs, time::{self, Instant as Now, Duration}}; use super::mesh::*; use a as b;";
        let expected = ["std::fs", "std::time", "std::time::Instant", "std::time::Duration"];
        assert_eq!(found(source)[..4], expected);
        assert_eq!(found(source)[4..], ["crate::router::mesh::*", "a"]);
    }

    #[test]
    fn names_in_use_stand_for_their_paths() {
        let source =
            "use std::time; use std::time::Instant as Now; fn f() { time::Instant::now(); Now::now() }";
        assert!(found(source).contains(&"std::time::Instant::now".to_owned()));
        assert_eq!(found(source).iter().filter(|p| *p == "std::time::Instant::now").count(), 2);
    }

    #[test]
    fn supers_selves_and_macros() {
        let source = "fn f() { super::super::shell::g(); self::h(); println!(); a != b; crate::x::y() }";
        let found = found(source);
        for path in ["crate::shell::g", "crate::router::shard::h", "println!", "a", "crate::x::y"] {
            assert!(found.contains(&path.to_owned()), "{path} in {found:?}");
        }
    }
}
