//! What happened: always as a hash, and as text when a run is told again after it has failed.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};

/// See the module.
#[derive(Debug)]
pub(crate) struct Trace {
    hasher: DefaultHasher,
    lines: VecDeque<String>,
    /// How many lines are kept; without any, nothing is written down.
    lines_max: usize,
}

impl Trace {
    pub(crate) fn new(lines_max: usize) -> Trace {
        Trace { hasher: DefaultHasher::new(), lines: VecDeque::new(), lines_max }
    }

    /// Something that belongs to the schedule.
    pub(crate) fn step(&mut self, number: u64, step: &(impl Hash + Debug)) {
        step.hash(&mut self.hasher);
        self.say(|| format!("{number:>6} {step:?}"));
    }

    /// Bytes that a client got.
    pub(crate) fn bytes(&mut self, client: usize, bytes: &[u8]) {
        (client, bytes).hash(&mut self.hasher);
    }

    /// A line for the reader only.
    pub(crate) fn say(&mut self, line: impl FnOnce() -> String) {
        if self.lines_max > 0 {
            if self.lines.len() == self.lines_max {
                self.lines.pop_front();
            }
            self.lines.push_back(line());
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    /// The last lines.
    pub(crate) fn lines(&self) -> String {
        self.lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }
}
