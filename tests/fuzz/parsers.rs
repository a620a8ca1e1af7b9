//! Every parser with bytes that are nearly what it wants.

use std::fs;
use std::path::Path;

use crate::mutate::{Random, mutated};
use crate::targets::{self, TARGETS, Target};
use crate::{Round, seeds};

/// Rounds of each parser, unless the environment says otherwise: a second or two without optimization.
const ROUNDS: u64 = 10_000;

fn fuzz(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let Target { name, run, seeds: samples } = target;
    let samples = samples();
    samples.iter().for_each(|sample| targets::run(name, sample));
    for seed in seeds(ROUNDS) {
        let _round = Round(name, seed);
        run(&mutated(&mut Random::new(seed), &samples));
    }
}

macro_rules! fuzz {
    ($($name:ident),+) => { $(
        #[test]
        fn $name() {
            fuzz(stringify!($name));
        }
    )+ };
}

fuzz!(json, msgpack, cbor, values, ws, ws_client, rawsocket, http, ticket, auth, authenticator, config);

/// Each target has its file for libFuzzer.
#[test]
fn all_run_in_both_ways() {
    for target in &TARGETS {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz/targets/{}.rs", target.name));
        assert!(fs::exists(&file).is_ok_and(|exists| exists), "no {}", file.display());
    }
}

#[test]
#[ignore = "writes the bytes to begin with into fuzz/corpus, for libFuzzer"]
fn corpus() {
    for target in &TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target.name);
        fs::create_dir_all(&folder).unwrap();
        for (n, seed) in (target.seeds)().iter().enumerate() {
            fs::write(folder.join(format!("seed-{n}")), seed).unwrap();
        }
    }
}
