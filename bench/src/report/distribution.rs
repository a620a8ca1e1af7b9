//! All latencies of a run, as counts: enough to draw any curve and to tell any percentile later.

use std::fmt::Write;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Significant digits of what is kept.
const DIGITS: u8 = 3;

/// Lines of the percentile text for each halving of what is left to 100 %.
const LINES_PER_HALVING: u32 = 5;

/// Pairs of a latency in nanoseconds and how often it occurred, from the least to the greatest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(u64, u64)>", into = "Vec<(u64, u64)>")]
pub(crate) struct Distribution(Vec<(u64, u64)>);

impl Distribution {
    /// What a histogram has recorded.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Distribution {
        let recorded = histogram.iter_recorded();
        Distribution(recorded.map(|it| (it.value_iterated_to(), it.count_since_last_iteration())).collect())
    }

    /// Whether nothing was recorded, or nothing kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Several runs together.
    pub(crate) fn sum<'d>(parts: impl IntoIterator<Item = &'d Distribution>) -> Distribution {
        let pairs = parts.into_iter().flat_map(|part| part.0.iter().copied());
        Distribution::of(&histogram(pairs))
    }

    /// The curve of the latency by quantile, with the same number of points in every decade of nines.
    pub(crate) fn curve(&self) -> Vec<(f64, f64)> {
        const POINTS_PER_DECADE: f64 = 50.0;
        if self.is_empty() {
            return Vec::new();
        }
        let histogram = histogram(self.0.iter().copied());
        let decades = (histogram.len() as f64).log10();
        let steps = (decades * POINTS_PER_DECADE).ceil() as u32;
        let quantiles = (0..=steps).map(|step| 1.0 - 10_f64.powf(-f64::from(step) / POINTS_PER_DECADE));
        let last = 1.0 - 1.0 / histogram.len() as f64;
        let quantiles = quantiles.filter(|quantile| *quantile < last).chain([last]);
        let points = quantiles.map(|quantile| {
            // The greatest is alone in the last step.
            let value = if quantile < last { histogram.value_at_quantile(quantile) } else { histogram.max() };
            (quantile, value as f64)
        });
        points.collect()
    }

    /// The text that HdrHistogram's tools plot, in microseconds.
    pub(crate) fn hgrm(&self) -> String {
        let histogram = histogram(self.0.iter().copied());
        let micros = |ns: f64| ns / 1000.0;
        let mut out = "       Value     Percentile TotalCount 1/(1-Percentile)\n\n".to_owned();
        let mut count = 0;
        for it in histogram.iter_quantiles(LINES_PER_HALVING) {
            count += it.count_since_last_iteration();
            let (value, quantile) = (micros(it.value_iterated_to() as f64), it.quantile_iterated_to());
            // Writing to a string cannot fail.
            let _ = match 1.0 - quantile {
                rest if rest > 0.0 => {
                    writeln!(out, "{value:12.3} {quantile:2.12} {count:10} {:14.2}", 1.0 / rest)
                }
                _ => writeln!(out, "{value:12.3} {quantile:2.12} {count:10}"),
            };
        }
        let (mean, deviation) = (micros(histogram.mean()), micros(histogram.stdev()));
        let (max, total) = (micros(histogram.max() as f64), histogram.len());
        let _ = writeln!(out, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]");
        let _ = writeln!(out, "#[Max     = {max:12.3}, Total count    = {total:12}]");
        let subs = 2 * 10_u64.pow(u32::from(DIGITS)).next_power_of_two();
        let _ = writeln!(out, "#[Buckets = {:12}, SubBuckets     = {subs:12}]", histogram.buckets());
        out
    }
}

fn histogram(pairs: impl IntoIterator<Item = (u64, u64)>) -> Histogram<u64> {
    let mut histogram = Histogram::new(DIGITS).expect("the digits are sound");
    for (value, count) in pairs {
        // It grows with the values; where an address is too short for one, the rest still counts.
        let _ = histogram.record_n(value, count);
    }
    histogram
}

impl TryFrom<Vec<(u64, u64)>> for Distribution {
    type Error = &'static str;

    fn try_from(pairs: Vec<(u64, u64)>) -> Result<Distribution, Self::Error> {
        if !pairs.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err("the latencies of the distribution are not in order");
        }
        if pairs.iter().any(|(_, count)| *count == 0) {
            return Err("a latency of the distribution has a count of 0");
        }
        if pairs.iter().try_fold(0_u64, |sum, (_, count)| sum.checked_add(*count)).is_none() {
            return Err("the counts of the distribution are too great");
        }
        Ok(Distribution(pairs))
    }
}

impl From<Distribution> for Vec<(u64, u64)> {
    fn from(distribution: Distribution) -> Self {
        distribution.0
    }
}

#[cfg(test)]
impl Distribution {
    /// Of some latencies.
    pub(crate) fn example(latencies: impl IntoIterator<Item = u64>) -> Distribution {
        Distribution::of(&histogram(latencies.into_iter().map(|ns| (ns, 1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_on_the_way_through_json() {
        let distribution = Distribution::example((1..=20_000).map(|i| i * 37));
        let json = serde_json::to_string(&distribution).unwrap();
        assert_eq!(serde_json::from_str::<Distribution>(&json).unwrap(), distribution);
        let histogram = histogram(distribution.0.iter().copied());
        assert_eq!(histogram.len(), 20_000);
        assert!(histogram.value_at_quantile(0.5).abs_diff(10_000 * 37) < 400);
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        let fault = |json| serde_json::from_str::<Distribution>(json).unwrap_err().to_string();
        assert!(fault("[[5,1],[4,1]]").contains("not in order"));
        assert!(fault("[[5,0]]").contains("a count of 0"));
        assert!(fault("[[5,18446744073709551615],[6,1]]").contains("too great"));
        assert!(fault("[5]").contains("expected a tuple"));
    }

    #[test]
    fn the_curve_rises_to_the_greatest() {
        let curve = Distribution::example((1..=1000).map(|i| i * 1000)).curve();
        assert!(curve.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{curve:?}");
        let near = |point: (f64, f64), q: f64, ns: f64| {
            (point.0 - q).abs() < 1e-9 && (point.1 / ns - 1.0).abs() < 0.002
        };
        assert!(near(curve[0], 0.0, 1000.0) && near(*curve.last().unwrap(), 0.999, 1e6), "{curve:?}");
        assert!(curve.iter().any(|&point| near(point, 0.9, 900_000.0)), "{curve:?}");
        assert_eq!(Distribution::default().curve(), []);
        assert_eq!(Distribution::example([7]).curve(), [(0.0, 7.0)]);
    }

    #[test]
    fn nothing_is_too_much() {
        let distribution = Distribution(vec![(0, 1), (u64::MAX - 1, u64::MAX / 2), (u64::MAX, u64::MAX / 2)]);
        let curve = distribution.curve();
        assert!(curve.len() < 2000 && curve.iter().all(|(quantile, _)| *quantile <= 1.0), "{curve:?}");
        assert!(distribution.hgrm().contains("Total count"));
    }

    #[test]
    fn sums() {
        let (a, b) = (Distribution::example([5, 6]), Distribution::example([6, 9]));
        assert_eq!(Distribution::sum([&a, &b]).0, [(5, 1), (6, 2), (9, 1)]);
        assert!(Distribution::sum([]).is_empty());
    }

    #[test]
    fn the_text_of_hdrhistogram() {
        let text = Distribution::example([1000, 2000, 3000, 4000]).hgrm();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "       Value     Percentile TotalCount 1/(1-Percentile)");
        assert_eq!(lines[2], "       1.000 0.000000000000          1           1.00");
        assert!(lines.contains(&"       4.001 1.000000000000          4"), "{text}");
        assert_eq!(lines[lines.len() - 2], "#[Max     =        4.001, Total count    =            4]");
        let counts = lines[2..lines.len() - 3].iter().map(|line| line.split_whitespace().nth(2).unwrap());
        assert!(counts.map(|count| count.parse::<u64>().unwrap()).is_sorted(), "{text}");
    }
}
