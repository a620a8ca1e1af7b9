//! Figures of several rounds: the median of each, and ratios of what was measured in the same round, because the
//! machine drifts from one to the next.

use std::fmt;

use serde::Serialize;

use crate::report::significant;

/// A figure over all rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// Half of the rounds are above, half below.
    pub(crate) median: f64,
    /// The least.
    pub(crate) min: f64,
    /// The most.
    pub(crate) max: f64,
}

impl fmt::Display for Spread {
    /// The median, and how far the rounds are apart if there are several.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&significant(self.median))?;
        if self.min < self.max {
            write!(f, " ({}–{})", significant(self.min), significant(self.max))?;
        }
        Ok(())
    }
}

impl Spread {
    /// Of some figures; `None` of none.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let (min, max) = (*figures.first()?, *figures.last()?);
        let middle = figures.len() / 2;
        let median = match figures.len() % 2 {
            0 => (figures[middle - 1] + figures[middle]) / 2.0,
            _ => figures[middle],
        };
        Some(Spread { median, min, max })
    }

    /// The ratios of two figures, round by round.
    pub(crate) fn of_ratios(
        figures: impl IntoIterator<Item = Option<f64>>,
        baseline: impl IntoIterator<Item = Option<f64>>,
    ) -> Option<Spread> {
        let pairs = figures.into_iter().zip(baseline);
        Spread::of(pairs.filter_map(|(figure, base)| Some(figure? / base.filter(|base| *base > 0.0)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(Spread::of([4.0, 1.0]), Some(Spread { median: 2.5, min: 1.0, max: 4.0 }));
    }

    #[test]
    fn in_words() {
        let words = |figures: &[f64]| Spread::of(figures.iter().copied()).unwrap().to_string();
        assert_eq!([words(&[3.0, 1.0, 2.0]), words(&[2.5])], ["2.00 (1.00–3.00)", "2.50"]);
    }

    #[test]
    fn ratios_pair_the_rounds() {
        let ratios = Spread::of_ratios([Some(2.0), Some(30.0), None], [Some(1.0), Some(10.0), Some(5.0)]);
        assert_eq!(ratios, Some(Spread { median: 2.5, min: 2.0, max: 3.0 }));
        assert_eq!(Spread::of_ratios([Some(1.0)], [Some(0.0)]), None);
    }
}
