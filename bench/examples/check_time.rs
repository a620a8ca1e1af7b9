//! How long the check of a payload takes beside passes over the same memory: nanoseconds per byte, the best of many runs.
//!
//! `cargo run --release --package connectanum-bench --example check_time`, on a quiet machine. PERFORMANCE.md has what it said.

use std::hint::black_box;
use std::time::Instant;

use connectanum::wamp::{Serializer, scan};

const HEAD: &str = r#"[16,1,{},"com.example.topic",["#;

fn main() {
    println!("{:>8}  {:>6}  {:>6}  {:>6}  {:>6}  {:>6}", "bytes", "text", "lists", "or", "memchr", "copy");
    for kib in [1, 16, 256, 4096] {
        let bytes = kib * 1024;
        let words = "The quick brown fox jumps over the lazy dog. ";
        let text: String = words.chars().cycle().take(bytes).collect();
        let text = format!("{HEAD}\"{text}\"]]").into_bytes();
        let mut list = format!("{HEAD}[");
        for i in (0_u64..).take_while(|i| i * 6 < bytes as u64) {
            list += &format!("{},", i * 7919 % 100_000);
        }
        let list = (list + "0]]]").into_bytes();
        let mut copy = vec![0; text.len()];
        println!(
            "{bytes:>8}  {:>6.4}  {:>6.4}  {:>6.4}  {:>6.4}  {:>6.4}",
            time(&text, check),
            time(&list, check),
            time(&text, |bytes| {
                black_box(bytes.iter().fold(0, |all, byte| all | byte));
            }),
            time(&text, |bytes| {
                black_box(memchr::memchr(0, bytes));
            }),
            time(&text, |bytes| {
                copy.copy_from_slice(bytes);
                black_box(&copy);
            }),
        );
    }
}

fn check(bytes: &[u8]) {
    assert!(black_box(scan(Serializer::Json, bytes)).is_ok());
}

/// Nanoseconds per byte.
fn time(bytes: &[u8], mut work: impl FnMut(&[u8])) -> f64 {
    let runs = (400_000_000 / bytes.len()).clamp(200, 100_000);
    let run = |_| {
        let start = Instant::now();
        work(black_box(bytes));
        start.elapsed().as_nanos()
    };
    (0..runs).map(run).min().unwrap_or_default() as f64 / bytes.len() as f64
}
