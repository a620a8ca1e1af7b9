//! What of reports is drawn, and over which axes.

use super::plot::{Axis, Chart, Scale, Series, Style};
use super::{Distribution, Report, bytes, nanoseconds, si};
use crate::measure::Sample;

/// Latencies by percentile, a line for each name.
pub(crate) fn percentiles(title: &str, parts: &[(String, &Distribution)]) -> Chart {
    let curve = |(colour, (name, latencies)): (usize, &(String, &Distribution))| Series {
        name: name.clone(),
        points: latencies.curve(),
        style: if parts.len() == 1 { Style::Area } else { Style::Line },
        colour,
    };
    let series: Vec<_> =
        parts.iter().enumerate().map(curve).filter(|series| !series.points.is_empty()).collect();
    let all = || series.iter().flat_map(|series| &series.points);
    // The curve ends where one value in `count` is.
    let count = 1.0 / (1.0 - all().map(|(quantile, _)| *quantile).fold(0.0, f64::max));
    Chart {
        title: title.to_owned(),
        x: Axis {
            label: "percentile".to_owned(),
            scale: Scale::percentile(count),
            format: |quantile| percent(quantile),
        },
        y: Axis {
            label: "latency".to_owned(),
            scale: Scale::log(all().map(|(_, ns)| *ns)),
            format: |ns| tidy(&nanoseconds(ns)),
        },
        series,
    }
}

/// Messages per second over time; `None` if the report does not know, or if there were none.
pub(crate) fn rate_over_time(parts: &[(String, &Report)]) -> Option<Chart> {
    if parts.iter().all(|(_, report)| report.delivered == 0) {
        return None;
    }
    let line = |(colour, (name, report)): (usize, &(String, &Report))| {
        let mut before = 0;
        let rate = report.timeline.iter().map(|sample| {
            let seconds = sample.at_ns.saturating_sub(before) as f64 / 1e9;
            before = sample.at_ns;
            (sample.at_ns as f64 / 1e9, sample.delivered as f64 / seconds.max(1e-9))
        });
        let mut points: Vec<_> = rate.collect();
        if let Some(&(_, first)) = points.first() {
            points.insert(0, (0.0, first));
        }
        let style = if parts.len() == 1 { Style::Area } else { Style::Line };
        Series { name: name.clone(), points, style, colour }
    };
    let unit = parts.first().map_or("event", |(_, report)| report.unit());
    let series = parts.iter().enumerate().map(line).collect();
    over_time(format!("{unit}s per second"), Scale::linear, |rate| tidy(&si(rate)), series)
}

/// Median and tail over time; `None` if the report does not know.
pub(crate) fn latency_over_time(report: &Report) -> Option<Chart> {
    let line = |colour, name: &str, of: fn(&Sample) -> u64| {
        // In an interval without messages nothing took any time.
        let samples = report.timeline.iter().filter(|sample| sample.delivered > 0);
        let points = samples.map(|sample| (sample.at_ns as f64 / 1e9, of(sample) as f64)).collect();
        Series { name: name.to_owned(), points, style: Style::Line, colour }
    };
    let series = vec![
        line(0, "p50", |sample| sample.p50_ns),
        line(1, "p99", |sample| sample.p99_ns),
        line(2, "max", |sample| sample.max_ns),
    ];
    over_time("latency".to_owned(), Scale::log, |ns| tidy(&nanoseconds(ns)), series)
}

/// The server's memory over time; `None` if the report does not know.
pub(crate) fn memory_over_time(report: &Report) -> Option<Chart> {
    let points = report.memory.iter().map(|it| (it.at_ns as f64 / 1e9, it.rss_bytes as f64)).collect();
    let series = vec![Series { name: String::new(), points, style: Style::Area, colour: 0 }];
    over_time("memory (RSS)".to_owned(), Scale::linear, |it| tidy(&bytes(it as u64)), series)
}

fn over_time(
    label: String,
    scale: fn(Vec<f64>) -> Scale,
    format: fn(f64) -> String,
    series: Vec<Series>,
) -> Option<Chart> {
    let all = || series.iter().flat_map(|series| &series.points);
    // One point is no line.
    if series.iter().all(|series| series.points.len() < 2) {
        return None;
    }
    Some(Chart {
        title: format!("{label} over time"),
        x: Axis {
            label: "time".to_owned(),
            scale: Scale::span(all().map(|(at, _)| *at)),
            format: |seconds| format!("{} s", tidy(&format!("{seconds:.2}"))),
        },
        y: Axis { label, scale: scale(all().map(|(_, value)| *value).collect()), format },
        series,
    })
}

/// A quantile in percent, with all its nines and nothing more.
pub(crate) fn percent(quantile: f64) -> String {
    let digits = match 1.0 - quantile {
        rest if rest >= 0.09 => 0,
        rest => (-(rest * 0.999).log10()).ceil().clamp(1.0, 12.0) as usize - 1,
    };
    format!("{} %", tidy(&format!("{:.digits$}", 100.0 * quantile)))
}

/// A number without zeros that say nothing, whatever is after it: `10.0 µs` as `10 µs`.
pub(crate) fn tidy(number: &str) -> String {
    let (digits, unit) = number.split_once(' ').unwrap_or((number, ""));
    let digits = match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.'),
        false => digits,
    };
    // Nothing is nothing in any unit.
    if digits == "0" || unit.is_empty() { digits.to_owned() } else { format!("{digits} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels() {
        assert_eq!(
            ["10.0 µs", "0.00 ns", "100", "2.50 k", "0.50"].map(tidy),
            ["10 µs", "0", "100", "2.5 k", "0.5"]
        );
        let shown = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.9876].map(percent);
        assert_eq!(shown, ["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %", "98.8 %"]);
    }

    #[test]
    fn rates_belong_to_their_intervals() {
        let sample = |at_ns, delivered| Sample { at_ns, delivered, ..Sample::default() };
        let timeline = vec![sample(100_000_000, 50), sample(200_000_000, 100), sample(220_000_000, 10)];
        let report = Report { timeline, ..Report::example() };
        let chart = rate_over_time(&[(String::new(), &report)]).unwrap();
        let rates: Vec<_> = chart.series[0].points.iter().map(|(_, rate)| rate.round()).collect();
        assert_eq!(rates, [500.0, 500.0, 1000.0, 500.0]);
        assert_eq!(latency_over_time(&report).unwrap().series.len(), 3);
        let idle = Report { delivered: 0, ..report };
        assert!(rate_over_time(&[(String::new(), &idle)]).is_none());
        assert!(latency_over_time(&Report::example()).is_none());
    }

    #[test]
    fn a_report_without_latencies_has_no_curve() {
        let (some, none) = (Distribution::example([10, 20, 3000]), Distribution::default());
        let chart = percentiles("t", &[("some".to_owned(), &some), ("none".to_owned(), &none)]);
        assert_eq!(chart.series.iter().map(|series| series.name.as_str()).collect::<Vec<_>>(), ["some"]);
        assert!(percentiles("t", &[]).svg(super::super::plot::WIDE).contains("</svg>"));
    }
}
