//! The house rules as tests.

mod files;
mod layers;
mod source;

use std::collections::BTreeSet;

use files::File;

/// Lines of the longest file.
const FILE_LINES_MAX: usize = 800;

/// The files that may contain `unsafe`, each block with its reason.
const UNSAFE: &[&str] = &[
    "src/shell/code.rs",
    "src/shell/syscall.rs",
    "src/shell/glommio/readiness.rs",
    "src/wamp/json/list.rs",
    "src/wamp/json/plain.rs",
    "src/wamp/utf8.rs",
    "src/wamp/widest.rs",
    "tests/alloc/main.rs",
];

fn everywhere() -> Vec<File> {
    files::all("").into_iter().filter(|file| !file.path.ends_with(".lock")).collect()
}

fn rust() -> Vec<File> {
    everywhere().into_iter().filter(|file| file.path.ends_with(".rs")).collect()
}

#[track_caller]
fn none(faults: Vec<String>) {
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn files_are_short() {
    let long = rust().into_iter().map(|file| (file.text.lines().count(), file.path));
    let long = long.filter(|(lines, _)| *lines > FILE_LINES_MAX);
    none(long.map(|(lines, path)| format!("{path} has {lines} lines: one file, one subject")).collect());
}

#[test]
fn files_say_what_they_own() {
    let mute = rust().into_iter().filter(|file| !file.text.starts_with("//! "));
    none(mute.map(|file| format!("{} does not begin with `//! `", file.path)).collect());
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not find itself.
    let marks = [["TO", "DO"], ["FIX", "ME"]].map(|parts| parts.concat());
    none(lines_with(&everywhere(), |line| marks.iter().any(|mark| line.contains(mark.as_str()))));
}

#[test]
fn no_paths_of_one_machine() {
    let paths = [["/wo", "rk/"], ["/ho", "me/"], ["/ro", "ot/"]].map(|parts| parts.concat());
    none(lines_with(&everywhere(), |line| paths.iter().any(|path| line.contains(path.as_str()))));
}

#[test]
fn unsafe_is_fenced() {
    let mut faults = Vec::new();
    for file in rust() {
        let code = source::code(&file.text);
        let lines: Vec<_> = file.text.lines().collect();
        for (line, _) in source::tokens(&code).into_iter().filter(|(_, token)| *token == "unsafe") {
            let reason = lines[line.saturating_sub(8)..line].iter().any(|line| line.contains("SAFETY:"));
            if !UNSAFE.contains(&file.path.as_str()) {
                faults.push(format!("{}:{line}: unsafe outside the files listed in {}", file.path, file!()));
            } else if !reason {
                faults.push(format!("{}:{line}: unsafe without a `SAFETY:` reason above it", file.path));
            }
        }
    }
    none(faults);
}

#[test]
fn links_lead_somewhere() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut faults = Vec::new();
    for file in everywhere().iter().filter(|file| file.path.ends_with(".md")) {
        let folder = root.join(&file.path).parent().map(std::path::Path::to_owned).unwrap_or_default();
        for target in file.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let whole = if path.is_empty() { root.join(&file.path) } else { folder.join(path) };
            if target.contains("://") {
                continue;
            } else if !whole.exists() {
                faults.push(format!("{}: {target} does not exist", file.path));
            } else if !anchor.is_empty() && !headings(&whole).contains(anchor) {
                faults.push(format!("{}: {target} is no heading there", file.path));
            }
        }
    }
    none(faults);
}

/// The names by which the headings of a document can be linked to, as hosts of repositories make them: in small letters, blanks
/// as hyphens, without other signs; of several that are the same, the second ends in `-1`.
fn headings(path: &std::path::Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let (mut names, mut code) = (BTreeSet::new(), false);
    for line in text.lines() {
        code ^= line.starts_with("```");
        let title = line.trim_start_matches('#');
        if code || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let kept = title.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let name = kept.collect::<String>().to_lowercase().replace(' ', "-");
        let again = (1..).map(|n| format!("{name}-{n}"));
        let free = std::iter::once(name.clone()).chain(again).find(|name| !names.contains(name));
        names.extend(free);
    }
    names
}

/// A promise names the tests that would fail: `[`module::test`](file)`.
#[test]
fn promises_have_tests() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let text = std::fs::read_to_string(root.join("SECURITY.md")).unwrap_or_default();
    let links = text.split("[`").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once('`')?;
        Some((name, rest.strip_prefix("](../")?.split(')').next()?))
    });
    let (mut count, mut faults) = (0, Vec::new());
    for (name, path) in links.filter(|(_, path)| path.ends_with(".rs")) {
        let name = name.rsplit("::").next().unwrap_or_default();
        let file = std::fs::read_to_string(root.join("..").join(path)).unwrap_or_default();
        count += 1;
        if !file.contains(&format!("fn {name}(")) && !path.ends_with(&format!("/{name}.rs")) {
            faults.push(format!("docs/SECURITY.md: there is no {name} in {path}"));
        }
    }
    assert!(count > 20, "{count} tests are named");
    none(faults);
}

fn lines_with(files: &[File], matches: impl Fn(&str) -> bool) -> Vec<String> {
    let lines = |file: &File| {
        let hits = (1..).zip(file.text.lines()).filter(|(_, line)| matches(line));
        hits.map(|(n, line)| format!("{}:{n}: {line}", file.path)).collect::<Vec<_>>()
    };
    files.iter().flat_map(lines).collect()
}
