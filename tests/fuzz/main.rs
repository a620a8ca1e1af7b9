//! Seeded fuzzers: bytes and messages that are nearly sound, in bounded time. `FUZZ_ROUNDS` sets how many rounds, and `FUZZ_SEED`
//! with which one to begin; a failure says the seed of its round. `fuzz/` runs the same functions with libFuzzer.

mod mutate;
mod parsers;
mod sequences;
mod targets;

#[path = "../wire/chance.rs"]
mod chance;

#[allow(dead_code, unused_imports, reason = "these tests use a part of it")]
#[path = "../protocol/harness/mod.rs"]
mod harness;

/// The seeds to run: as many as `FUZZ_ROUNDS` says, from `FUZZ_SEED` on.
fn seeds(rounds: u64) -> std::ops::Range<u64> {
    let set = |name| std::env::var(name).ok().map(|value| value.parse().expect("a number"));
    let first: u64 = set("FUZZ_SEED").unwrap_or(0);
    first..first + set("FUZZ_ROUNDS").unwrap_or(rounds)
}

/// Says the seed if its round panics.
struct Round(&'static str, u64);

impl Drop for Round {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{} fails with FUZZ_SEED={} FUZZ_ROUNDS=1", self.0, self.1);
        }
    }
}
