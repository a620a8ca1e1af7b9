//! How a load behaves as one of its options grows.

use serde::Serialize;

use super::{Align, Grid, Report, bytes, nanoseconds, si, significant};

/// Reports over an option.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Curve {
    /// The option.
    pub(crate) over: String,
    /// By its values.
    pub(crate) points: Vec<Point>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Point {
    /// The option's value.
    pub(crate) x: f64,
    /// What it has brought.
    pub(crate) report: Report,
}

impl Curve {
    /// A line for each value.
    pub(crate) fn text(&self) -> String {
        use Align::{Left, Right};
        let unit = self.points.first().map_or("message", |point| point.report.unit());
        let (rate, cpu) = (format!("{unit}s/s"), format!("CPU/{unit}"));
        let mut grid = Grid::new(&[
            (&self.over, Right),
            (&rate, Right),
            ("p50", Right),
            ("p99", Right),
            ("max", Right),
            (&cpu, Right),
            ("RSS", Right),
            ("per session", Right),
            ("calls", Right),
            ("", Left),
        ]);
        for Point { x, report } in &self.points {
            let server = report.server.as_ref();
            grid.row([
                x.to_string(),
                si(report.rate),
                nanoseconds(report.latency_ns.p50 as f64),
                nanoseconds(report.latency_ns.p99 as f64),
                nanoseconds(report.latency_ns.max as f64),
                report.cpu_per_message().map(nanoseconds).unwrap_or_default(),
                server.map(|server| bytes(server.rss_bytes)).unwrap_or_default(),
                report.rss_per_session().map(|each| bytes(each as u64)).unwrap_or_default(),
                report.syscalls_per_message().map(significant).unwrap_or_default(),
                if report.generator_limits() { "the generator may be the limit" } else { "" }.to_owned(),
            ]);
        }
        grid.text()
    }
}

impl Point {
    /// In a few words.
    pub(crate) fn line(&self) -> String {
        let Point { x, report } = self;
        let [p50, p99] = [report.latency_ns.p50, report.latency_ns.p99].map(|ns| nanoseconds(ns as f64));
        format!("{x}: {} {}s/s, p50 {p50}, p99 {p99}", si(report.rate), report.unit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::ServerCost;
    use crate::report::Latency;

    #[test]
    fn a_line_for_each() {
        let point = |x, rate, cpu_ns| Point {
            x,
            report: Report {
                rate,
                delivered: 10,
                latency_ns: Latency { p50: 1500, p99: 2000, max: 3000, ..Latency::default() },
                server: Some(ServerCost { cpu_ns, rss_bytes: 5_000_000, ..ServerCost::default() }),
                ..Report::default()
            },
        };
        let curve =
            Curve { over: "pairs".to_owned(), points: vec![point(1.0, 900.0, 10), point(20.0, 7e4, 20)] };
        assert_eq!(curve.points[0].line(), "1: 900 events/s, p50 1.50 µs, p99 2.00 µs");
        let text = curve.text();
        let rows: Vec<Vec<_>> =
            text.lines().map(|line| line.split("  ").filter(|cell| !cell.is_empty()).collect()).collect();
        assert_eq!(rows[0][..2], ["pairs", "events/s"]);
        assert_eq!(
            rows[3].iter().map(|cell| cell.trim()).collect::<Vec<_>>(),
            ["20", "70.0 k", "1.50 µs", "2.00 µs", "3.00 µs", "2.00 ns", "5.00 MB"]
        );
    }
}
