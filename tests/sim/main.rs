//! The router, simulated: several real shards, links, connections and clients in one thread, under a virtual clock, with a
//! scheduler that permutes whatever may be reordered in production. One seed decides everything.
//!
//! A run that fails prints its last steps and the command that runs it again. From the environment: `SIM_SEEDS` is the number of fresh
//! seeds (200), `SIM_BASE` the first of them (else it is random), `SIM_LINES` the number of steps told of a failure.

mod client;
mod dice;
mod host;
mod link;
mod model;
mod plan;
mod receive;
mod requests;
mod rules;
mod run;
mod scenarios;
mod script;
mod trace;
mod transport;
mod uris;
mod value;
mod world;

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use plan::Case;
use run::{Course, Failure};
use scenarios::{canceling, deadlines, handover, keys, limits, pressure, sharing, streams};

const SHARDS: [u16; 4] = [1, 2, 3, 5];
const CAPACITIES: [usize; 3] = [1, 2, 1024];

/// What can happen in a run.
const CHAOS: Course = Course { name: "chaos", run: run::chaos };
const EXTRAS: Course = Course { name: "extras", run: run::extras };
const RULES: Course = Course { name: "rules", run: rules::run };
const SHARING: Course = Course { name: "sharing", run: sharing::run };
const HANDOVER: Course = Course { name: "handover", run: handover::run };
const MESH: Course = Course { name: "mesh", run: pressure::mesh };
const PICKS: Course = Course { name: "picks", run: pressure::picks };
const FAIRNESS: Course = Course { name: "fairness", run: pressure::fairness };
const SLOW_READER: Course = Course { name: "slow_reader", run: pressure::slow_reader };
const CANCELING: Course = Course { name: "canceling", run: canceling::run };
const LIMITS: Course = Course { name: "limits", run: limits::run };
const STREAMS: Course = Course { name: "streams", run: streams::run };
const CALLEE_KEYS: Course = Course { name: "callee_keys", run: keys::callees };
const NODE_KEYS: Course = Course { name: "node_keys", run: keys::nodes };
const DEADLINES: Course = Course { name: "deadlines", run: deadlines::run };
const COURSES: [Course; 15] = [
    CHAOS,
    EXTRAS,
    RULES,
    SHARING,
    HANDOVER,
    CANCELING,
    MESH,
    PICKS,
    FAIRNESS,
    SLOW_READER,
    LIMITS,
    STREAMS,
    CALLEE_KEYS,
    NODE_KEYS,
    DEADLINES,
];

/// Fresh seeds, in all sizes of routers and links.
#[test]
fn fresh_seeds() {
    all_well(CHAOS, &fresh_cases(variable("SIM_SEEDS").unwrap_or(200)));
}

/// The same with what few ask for: levels of trust, sealed payloads, events of the past, callees that are not available.
#[test]
fn fresh_seeds_with_extras() {
    all_well(EXTRAS, &fresh_cases(variable("SIM_SEEDS").unwrap_or(200)));
}

/// The same where users have roles, and rights and realms come and go.
#[test]
fn fresh_seeds_with_rules() {
    all_well(RULES, &fresh_cases(variable("SIM_SEEDS").unwrap_or(200)));
}

/// Runs that have found something.
#[test]
fn regression_seeds() {
    for line in include_str!("seeds.txt").lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [course, seed, shards, capacity, "#", _, ..] = words[..] else { panic!("malformed: {line}") };
        let (seed, shards, capacity) = (number(seed), number(shards), number(capacity));
        all_well(course_named(course), &[Case { seed, shards, capacity }]);
    }
}

/// The run that the environment names.
#[test]
fn replay() {
    let Some(seed) = variable("SIM_SEED") else { return };
    let course = std::env::var("SIM_COURSE").map_or(CHAOS, |name| course_named(&name));
    let shards = variable("SIM_SHARDS").unwrap_or(3);
    let capacity = variable("SIM_CAPACITY").unwrap_or(1024);
    let hashes = all_well(course, &[Case { seed, shards, capacity }]);
    println!("all is well; hash {:016x}", hashes[0]);
}

#[test]
fn a_seed_decides_everything() {
    let cases = fresh_cases(12);
    let hashes = all_well(CHAOS, &cases);
    assert_eq!(hashes, all_well(CHAOS, &cases));
    let different: BTreeSet<u64> = hashes.iter().copied().collect();
    assert_eq!(different.len(), cases.len(), "different seeds take different courses");
}

#[test]
fn shared_registrations_are_exact() {
    all_well(SHARING, &fresh_cases(36));
}

#[test]
fn no_callee_gets_more_than_it_takes() {
    all_well(LIMITS, &fresh_cases(60));
}

#[test]
fn what_is_free_can_be_had() {
    all_well(HANDOVER, &fresh_cases(36));
}

#[test]
fn whoever_is_not_waited_for_is_told() {
    all_well(CANCELING, &fresh_cases(60));
}

#[test]
fn parts_come_in_order_and_are_all_there() {
    all_well(STREAMS, &fresh_cases(60));
}

#[test]
fn a_key_has_one_callee() {
    all_well(CALLEE_KEYS, &fresh_cases(36));
}

#[test]
fn a_key_has_one_node() {
    all_well(NODE_KEYS, &fresh_cases(36));
}

#[test]
fn unanswered_calls_end_on_time() {
    all_well(DEADLINES, &fresh_cases(60));
}

#[test]
fn pressure_on_the_mesh_blocks_nobody() {
    all_well(MESH, &fresh_cases(12));
}

#[test]
fn calls_that_wait_for_a_pick_are_all_answered() {
    all_well(PICKS, &fresh_cases(12));
}

#[test]
fn publishers_share_a_slow_link() {
    let cases = fresh_cases(12).into_iter().map(|case| Case { shards: 2, ..case });
    all_well(FAIRNESS, &Vec::from_iter(cases));
}

#[test]
fn only_the_slow_reader_is_closed() {
    all_well(SLOW_READER, &fresh_cases(12));
}

/// Cases from a seed that is new, unless `SIM_BASE` names it.
fn fresh_cases(n: usize) -> Vec<Case> {
    let base: u64 = variable("SIM_BASE").unwrap_or_else(|| {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).expect("the system has randomness");
        u64::from_le_bytes(bytes) >> 16
    });
    println!("SIM_BASE={base} runs the same {n} cases again");
    let case = |i| Case { seed: base + i as u64, shards: SHARDS[i % 4], capacity: CAPACITIES[i / 4 % 3] };
    (0..n).map(case).collect()
}

/// Runs a course of events in all cases, on all CPUs; returns their hashes.
#[track_caller]
fn all_well(course: Course, cases: &[Case]) -> Vec<u64> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut results = Vec::new();
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = cases.get(i) else { return results };
            results.push((i, run::attempt(*case, course)));
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(cases.len());
    let mut results: Vec<(usize, Result<u64, Failure>)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker")).collect()
    });
    results.sort_by_key(|(i, _)| *i);
    run::all_well(results.into_iter().map(|(_, result)| result).collect())
}

fn course_named(name: &str) -> Course {
    COURSES.into_iter().find(|course| course.name == name).unwrap_or_else(|| panic!("no course is '{name}'"))
}

fn variable<T: FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok().map(|text| number(&text))
}

fn number<T: FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text} is no number, or too large"))
}
