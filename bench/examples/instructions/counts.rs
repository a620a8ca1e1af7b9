//! Counting, and comparing with what was counted before.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs};

use serde::{Deserialize, Serialize};

use crate::work::{self, TURNS, Work};

/// A rise beyond this fails the check.
const RISE_PERCENT_MAX: f64 = 3.0;

/// Counts, and what they are true for.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Baseline {
    arch: String,
    /// The compiler, the C library and what else the counts depend on.
    made_with: String,
    /// Instructions per event or result.
    instructions: BTreeMap<String, f64>,
}

/// What a comparison says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fine,
    Risen,
}

impl Baseline {
    pub(crate) fn read(path: &Path) -> Result<Baseline, Box<dyn Error>> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()).into())
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        fs::write(path, serde_json::to_string_pretty(self)? + "\n")?;
        Ok(())
    }

    /// Counts the works whose name contains `only`.
    pub(crate) fn count(made_with: &str, only: &str) -> Result<Baseline, Box<dyn Error>> {
        let mut instructions = BTreeMap::new();
        for work in work::all().into_iter().filter(|work| work.name.contains(only)) {
            let [short, long] = TURNS;
            let turns = callgrind(&work, long)?.saturating_sub(callgrind(&work, short)?);
            let each = turns as f64 / work.deliveries(long - short) as f64;
            instructions.insert(work.name, (each * 10.0).round() / 10.0);
        }
        Ok(Baseline { arch: env::consts::ARCH.into(), made_with: made_with.into(), instructions })
    }

    /// Prints the counts beside those of `before`.
    pub(crate) fn compare(&self, before: Option<&Baseline>, out: &mut impl Write) -> io::Result<Verdict> {
        let comparable = before.filter(|before| before.arch == self.arch);
        let judges = comparable.is_some_and(|before| before.made_with == self.made_with);
        let mut verdict = Verdict::Fine;
        writeln!(out, "{:<32} {:>12} {:>12} {:>8}", "instructions per delivery", "before", "now", "change")?;
        for (name, now) in &self.instructions {
            let Some(before) = comparable.and_then(|before| before.instructions.get(name)) else {
                writeln!(out, "{name:<32} {:>12} {now:>12.1}", "-")?;
                continue;
            };
            let percent = (now / before - 1.0) * 100.0;
            let has_risen = percent > RISE_PERCENT_MAX;
            let mark = if has_risen { "  risen" } else { "" };
            writeln!(out, "{name:<32} {before:>12.1} {now:>12.1} {percent:>+7.1}%{mark}")?;
            if has_risen && judges {
                verdict = Verdict::Risen;
            }
        }
        if let Some(before) = before {
            if comparable.is_none() {
                writeln!(out, "not compared: this is {}, the counts are of {}", self.arch, before.arch)?;
            } else if !judges {
                writeln!(
                    out,
                    "not judged: made with {}, the counts are of {}",
                    self.made_with, before.made_with
                )?;
            }
        }
        if verdict == Verdict::Risen {
            writeln!(
                out,
                "A count has risen by more than {RISE_PERCENT_MAX} %. If that is wanted, say why in the commit and run \
                 scripts/instructions --update."
            )?;
        }
        Ok(verdict)
    }
}

/// Instructions of one run of this program.
fn callgrind(work: &Work, turns: usize) -> Result<u64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args(["run", &work.name, &turns.to_string()])
        // What else stands in the environment moves the stack and, by a little, the counts.
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("valgrind: {error}; scripts/setup test installs it"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let counted = text.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    match counted {
        Some(counted) if output.status.success() => Ok(counted),
        _ => Err(format!("valgrind could not count '{}':\n{text}", work.name).into()),
    }
}
