//! Time as an argument: the host says what it is, the core never asks.

use std::fmt;
use std::ops::Add;
use std::str::FromStr;
use std::time::Duration;

/// Microseconds since the router started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// How long from `self` until `later`; zero if that is past.
    pub fn until(self, later: Time) -> Duration {
        Duration::from_micros(later.0.saturating_sub(self.0))
    }

    /// `self` plus `ms` milliseconds.
    pub const fn plus_ms(self, ms: u64) -> Time {
        Time(self.0.saturating_add(ms.saturating_mul(1000)))
    }
}

/// A date of the wall clock: milliseconds since 1970 (UTC).
///
/// The host says which date [`Time`] zero was, and says so again when the machine's clock was put forward. Dates never go back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(pub u64);

impl Date {
    /// The date at `now`, if `self` was the date at zero.
    pub const fn at(self, now: Time) -> Date {
        Date(self.0.saturating_add(now.0 / 1000))
    }
}

impl fmt::Display for Date {
    /// As in RFC 3339, in UTC, with milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = i64::try_from(self.0).unwrap_or(i64::MAX);
        let date = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
        write!(f, "{date:.3}")
    }
}

impl FromStr for Date {
    type Err = jiff::Error;

    /// Reads RFC 3339; what is before 1970 counts as 1970.
    fn from_str(text: &str) -> Result<Date, jiff::Error> {
        let date: jiff::Timestamp = text.parse()?;
        Ok(Date(u64::try_from(date.as_millisecond()).unwrap_or(0)))
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    fn add(self, d: Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(d.as_micros()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_and_read() {
        let date = Date(1_700_000_000_123).at(Time(2_000_999));
        assert_eq!(date.to_string(), "2023-11-14T22:13:22.123Z");
        assert_eq!(date.to_string().parse::<Date>().unwrap(), date);
        assert_eq!("2023-11-15T00:13:22.123+02:00".parse::<Date>().unwrap(), date);
        assert_eq!("1960-01-01T00:00:00Z".parse::<Date>().unwrap(), Date(0));
        assert!("yesterday".parse::<Date>().is_err());
        assert!(!Date(u64::MAX).to_string().is_empty());
    }
}
