//! Imports go one way only: syntax ← authentication ← config ← router ← shell ← binary. Below the shell there is no clock, socket,
//! file, thread, randomness or output, so that the same shard runs in both shells and in the simulator.

use crate::files::{self, File};
use crate::source::{self, Path};

/// The layers from the lowest to the highest, with their modules. A module may use its own layer and those below.
const LAYERS: [(&str, &[&str]); 7] = [
    ("syntax", &["limits", "wamp", "ws", "http", "rawsocket"]),
    ("authentication", &["auth", "access"]),
    ("demo page", &["demo"]),
    ("config", &["config"]),
    ("router", &["router"]),
    (SHELL, &["shell"]),
    ("binary", &["main", "cli", "lib"]),
];

const SHELL: &str = "shell";

/// What no layer below the shell may name, itself or anything in it.
const FORBIDDEN: [&str; 40] = [
    "async_channel",
    "async_std",
    "core_affinity",
    "crossbeam",
    "crossbeam_channel",
    "dbg!",
    "eprint!",
    "eprintln!",
    "futures",
    "getrandom",
    "glommio",
    "libc",
    "mio",
    "print!",
    "println!",
    "rand",
    "signal_hook",
    "smol",
    "socket2",
    "std::collections::HashMap",
    "std::collections::HashSet",
    "std::collections::hash_map",
    "std::env",
    "std::fs",
    "std::hash::RandomState",
    "std::io::stderr",
    "std::io::stdin",
    "std::io::stdout",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::os",
    "std::process",
    "std::sync::mpsc",
    "std::thread",
    "std::thread_local!",
    "std::time::Instant",
    "std::time::SystemTime",
    "tokio",
];

/// Maps whose hasher is random unless one is named, with the number of their other type parameters.
const HASHED: [(&str, usize); 4] = [("HashMap", 2), ("HashSet", 1), ("IndexMap", 2), ("IndexSet", 1)];

#[test]
fn imports_go_down() {
    let faults = files::rust("src").iter().flat_map(check).collect::<Vec<_>>();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The faults of one file below `src`.
fn check(file: &File) -> Vec<String> {
    let module = file.module();
    let top = module.first().copied().unwrap_or("lib");
    let Some(height) = height(top) else {
        return vec![format!("{}: `{top}` is in no layer; place it in {}", file.path, file!())];
    };
    let code = source::code(&file.text);
    let mut faults = Vec::new();
    for Path { line, path } in source::paths(&code, &module) {
        if let Some(fault) = import_fault(&path, height).or_else(|| forbidden(&path, height)) {
            faults.push(format!("{}:{line}: {fault}", file.path));
        }
    }
    if below_shell(height) {
        let hashed = random_hashers(&code).into_iter();
        faults.extend(hashed.map(|(line, name)| {
            format!(
                "{}:{line}: {name} has a random hasher; name one, as `foldhash::fast::FixedState`",
                file.path
            )
        }));
    }
    faults
}

fn import_fault(path: &str, height: usize) -> Option<String> {
    let mut parts = path.split("::");
    let root = parts.next()?;
    // The binary knows the library by its name.
    let target = parts.next().filter(|_| matches!(root, "crate" | "connectanum"))?;
    match self::height(target) {
        None if !below_shell(height) => None,
        None => Some(format!("{path}: name the layer that it comes from")),
        Some(other) if other > height => {
            Some(format!("{path}: {} must not use {}", LAYERS[height].0, LAYERS[other].0))
        }
        Some(_) => None,
    }
}

fn forbidden(path: &str, height: usize) -> Option<String> {
    let within =
        |item: &str| path.strip_prefix(item).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    let named = FORBIDDEN.into_iter().find(|item| within(item));
    // `use std::*` would hide what is used.
    let glob = (path.starts_with("std::") && path.ends_with("::*")).then_some("a glob of std");
    let what = named.or(glob).filter(|_| below_shell(height))?;
    Some(format!("{path}: {what} is for the shell alone"))
}

/// Hash maps and sets that name no hasher, with their lines: `HashMap<K, V>` and `HashMap::new`.
fn random_hashers(code: &str) -> Vec<(usize, &str)> {
    let tokens = source::tokens(code);
    let mut found = Vec::new();
    for (i, &(line, name)) in tokens.iter().enumerate() {
        let Some((_, parameters)) = HASHED.iter().find(|(hashed, _)| *hashed == name) else { continue };
        let next = |n: usize| tokens.get(i + n).map_or("", |(_, token)| *token);
        let random = match (next(1), next(2)) {
            ("<", _) => type_arguments(&tokens[i + 2..]) <= *parameters,
            ("::", "<") => type_arguments(&tokens[i + 3..]) <= *parameters,
            ("::", method) => matches!(method, "new" | "with_capacity" | "from"),
            _ => false,
        };
        if random {
            found.push((line, name));
        }
    }
    found
}

/// How many arguments there are up to the `>` that closes the list.
fn type_arguments(tokens: &[(usize, &str)]) -> usize {
    let mut depth = 0_usize;
    let mut arguments = 1;
    for (i, (_, token)) in tokens.iter().enumerate() {
        match *token {
            // The arrow of a function type closes nothing.
            ">" if i > 0 && tokens[i - 1].1 == "-" => {}
            "<" | "(" | "[" => depth += 1,
            ">" if depth == 0 => break,
            ">" | ")" | "]" => depth = depth.saturating_sub(1),
            "," if depth == 0 => arguments += 1,
            _ => {}
        }
    }
    arguments
}

fn below_shell(height: usize) -> bool {
    self::height(SHELL).is_some_and(|shell| height < shell)
}

fn height(module: &str) -> Option<usize> {
    LAYERS.iter().position(|(_, modules)| modules.contains(&module))
}

#[test]
fn the_check_finds_what_it_looks_for() {
    let faults = |path: &str, text: &str| check(&File { path: path.to_owned(), text: text.to_owned() });
    for (path, text) in [
        ("src/wamp/id.rs", "use crate::router::Shard;"),
        ("src/ws/mod.rs", "use super::config;"),
        ("src/router/shard.rs", "fn f() { super::super::shell::run() }"),
        ("src/router/shard.rs", "use std::time::{Duration, Instant};"),
        ("src/router/shard.rs", "use std::time; fn f() { time::Instant::now(); }"),
        ("src/router/shard.rs", "fn f() { std::thread::sleep(d) }"),
        ("src/router/shard.rs", "fn f() { println!() }"),
        ("src/router/shard.rs", "use std::net::*;"),
        ("src/router/shard.rs", "struct S { map: HashMap<u64, Vec<(u8, u8)>> }"),
        ("src/router/shard.rs", "fn f() { let m = IndexMap::<u8, u8>::default(); }"),
        ("src/router/shard.rs", "fn f() { let m = hashbrown::HashSet::new(); }"),
        ("src/config/file.rs", "use std::fs;"),
        ("src/config/file.rs", "use crate::Router;"),
        ("src/new/mod.rs", ""),
    ] {
        assert_eq!(faults(path, text).len(), 1, "{path}: {text}: {:?}", faults(path, text));
    }
    for (path, text) in [
        ("src/router/shard.rs", "use crate::{config::RouterConfig, wamp, limits}; use std::time::Duration;"),
        ("src/router/shard.rs", "use std::net::SocketAddr; use tracing::debug; // std::fs"),
        ("src/router/shard.rs", "type M<V> = HashMap<u64, fn(u8) -> V, FixedState>;"),
        ("src/router/shard.rs", "#[cfg(test)] mod tests { use std::collections::HashMap; }"),
        (
            "src/shell/epoll.rs",
            "use std::{fs, thread, time::Instant}; use crate::router::Shard; type M = HashMap<u8, u8>;",
        ),
        ("src/cli.rs", "use connectanum::shell::Router; use connectanum::ServeConfig;"),
    ] {
        assert_eq!(faults(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}
