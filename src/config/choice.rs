//! Choices that are written as one word: shards, shell, spinning, log filter.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;
use std::time::Duration;

use tracing::level_filters::LevelFilter;

use super::nearest;
use crate::limits::{SHARDS_MAX, SPIN_US_MAX};

/// How many shards run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shards {
    /// One per allowed CPU, and no more than the cgroup's quota keeps busy.
    #[default]
    Auto,
    /// This many, at most [`SHARDS_MAX`]. They are pinned unless there are more than allowed CPUs.
    Count(NonZeroU16),
}

/// Which shell runs the shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Io {
    /// glommio where io_uring works, else epoll.
    #[default]
    Auto,
    /// glommio, or an error that says why it cannot.
    Glommio,
    /// epoll.
    Epoll,
}

/// How long a shard looks for something to do before it sleeps, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spin(u32);

impl Spin {
    /// As a time.
    pub fn duration(self) -> Duration {
        Duration::from_micros(self.0.into())
    }
}

/// What is logged: one level for everything, and levels for single targets, as in `info,connectanum=debug`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter {
    /// The level of every target that [`LogFilter::targets`] does not name.
    pub level: LevelFilter,
    /// Targets (module paths and what is below them) with their levels, in the order they were written.
    pub targets: Vec<(String, LevelFilter)>,
}

/// A word that is none of the choices.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// Not a number of shards.
    #[error("`{0}` is no number of shards; write `auto` (one per CPU) or a number from 1 to {SHARDS_MAX}")]
    Shards(String),
    /// Not a shell.
    #[error("`{0}` is no shell; write `auto`, `glommio` or `epoll`")]
    Io(String),
    /// Not a time to spin.
    #[error(
        "`{0}` is no time to spin; write a number of microseconds from 0 (sleep at once) to {SPIN_US_MAX}"
    )]
    Spin(String),
    /// Not a log level.
    #[error(
        "`{word}` is no log level{}; write one of {} or, for single modules, `info,connectanum=debug`",
        .nearest.map(|n| format!(" (did you mean `{n}`?)")).unwrap_or_default(),
        LEVELS.map(|(name, _)| name).join(", "),
    )]
    Level {
        /// What was written.
        word: String,
        /// The level that looks most like it.
        nearest: Option<&'static str>,
    },
    /// A level is given, but not for what.
    #[error("`{0}` names no module; write for example `info,connectanum=debug`")]
    Target(String),
}

const LEVELS: [(&str, LevelFilter); 6] = [
    ("off", LevelFilter::OFF),
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
];

impl TryFrom<u64> for Shards {
    type Error = ChoiceError;

    fn try_from(n: u64) -> Result<Self, ChoiceError> {
        let count = u16::try_from(n).ok().filter(|&n| n <= SHARDS_MAX).and_then(NonZeroU16::new);
        count.map(Shards::Count).ok_or_else(|| ChoiceError::Shards(n.to_string()))
    }
}

impl FromStr for Shards {
    type Err = ChoiceError;

    fn from_str(word: &str) -> Result<Self, ChoiceError> {
        match word {
            "auto" => Ok(Shards::Auto),
            _ => word.parse::<u64>().map_err(|_| ChoiceError::Shards(word.to_owned()))?.try_into(),
        }
    }
}

impl fmt::Display for Shards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shards::Auto => f.write_str("auto"),
            Shards::Count(n) => n.fmt(f),
        }
    }
}

impl FromStr for Io {
    type Err = ChoiceError;

    fn from_str(word: &str) -> Result<Self, ChoiceError> {
        match word {
            "auto" => Ok(Io::Auto),
            "glommio" => Ok(Io::Glommio),
            "epoll" => Ok(Io::Epoll),
            _ => Err(ChoiceError::Io(word.to_owned())),
        }
    }
}

impl fmt::Display for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Io::Auto => "auto",
            Io::Glommio => "glommio",
            Io::Epoll => "epoll",
        })
    }
}

impl TryFrom<u64> for Spin {
    type Error = ChoiceError;

    fn try_from(us: u64) -> Result<Self, ChoiceError> {
        let fits = u32::try_from(us).ok().filter(|&us| us <= SPIN_US_MAX);
        fits.map(Spin).ok_or_else(|| ChoiceError::Spin(us.to_string()))
    }
}

impl FromStr for Spin {
    type Err = ChoiceError;

    fn from_str(word: &str) -> Result<Self, ChoiceError> {
        word.parse::<u64>().map_err(|_| ChoiceError::Spin(word.to_owned()))?.try_into()
    }
}

impl fmt::Display for Spin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        LogFilter { level: LevelFilter::INFO, targets: Vec::new() }
    }
}

impl FromStr for LogFilter {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        let mut filter = LogFilter::default();
        for part in text.split(',').map(str::trim) {
            match part.split_once('=') {
                None => filter.level = level(part)?,
                Some(("", _)) => return Err(ChoiceError::Target(part.to_owned())),
                Some((target, word)) => filter.targets.push((target.trim().to_owned(), level(word.trim())?)),
            }
        }
        Ok(filter)
    }
}

fn level(word: &str) -> Result<LevelFilter, ChoiceError> {
    let found = LEVELS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
    found.map(|&(_, level)| level).ok_or_else(|| ChoiceError::Level {
        word: word.to_owned(),
        nearest: nearest(word, LEVELS.map(|(name, _)| name)),
    })
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.level.fmt(f)?;
        self.targets.iter().try_for_each(|(target, level)| write!(f, ",{target}={level}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused<T: FromStr<Err = ChoiceError> + fmt::Debug>(word: &str, says: &str) {
        let error = word.parse::<T>().unwrap_err().to_string();
        assert!(error.contains(says), "{word}: {error}");
    }

    #[test]
    fn shards() {
        assert_eq!("auto".parse(), Ok(Shards::Auto));
        assert_eq!("8".parse::<Shards>().unwrap().to_string(), "8");
        assert_eq!(u64::from(SHARDS_MAX).try_into(), "128".parse::<Shards>());
        for word in ["0", "257", "65537", "-1", "many", ""] {
            refused::<Shards>(
                word,
                &format!("`{word}` is no number of shards; write `auto` (one per CPU) or"),
            );
        }
    }

    #[test]
    fn io() {
        for io in [Io::Auto, Io::Glommio, Io::Epoll] {
            assert_eq!(io.to_string().parse(), Ok(io));
        }
        refused::<Io>("uring", "`uring` is no shell; write `auto`, `glommio` or `epoll`");
    }

    #[test]
    fn spin() {
        assert_eq!("50".parse::<Spin>().unwrap().duration(), Duration::from_micros(50));
        assert_eq!(u64::from(SPIN_US_MAX).try_into(), SPIN_US_MAX.to_string().parse::<Spin>());
        for word in ["-1", "10001", "4294967296", "long", "", "1.5"] {
            refused::<Spin>(word, &format!("`{word}` is no time to spin; write a number of microseconds"));
        }
    }

    #[test]
    fn log_filter() {
        let filter: LogFilter = "warn, connectanum::shell=DEBUG,mio = off".parse().unwrap();
        assert_eq!(filter.level, LevelFilter::WARN);
        let expected = [("connectanum::shell", LevelFilter::DEBUG), ("mio", LevelFilter::OFF)];
        assert!(filter.targets.iter().map(|(t, l)| (t.as_str(), *l)).eq(expected));
        assert_eq!(filter.to_string().parse(), Ok(filter));
        assert_eq!("connectanum=trace".parse::<LogFilter>().unwrap().level, LevelFilter::INFO);
        refused::<LogFilter>(
            "ifno",
            "`ifno` is no log level (did you mean `info`?); write one of off, error,",
        );
        refused::<LogFilter>("", "`` is no log level; write");
        refused::<LogFilter>("=debug", "`=debug` names no module");
    }
}
