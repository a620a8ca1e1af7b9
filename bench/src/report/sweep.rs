//! The same load again and again with one thing varied, and how the figures change with it.

use serde::{Deserialize, Serialize};

use super::charts::tidy;
use super::json::Stored;
use super::plot::{Axis, Chart, Scale, Series, Size, Style, WIDE, stack};
use super::{Align, Grid, Report, bytes, nanoseconds, si, significant};

/// From this factor between the least and the greatest on, what is varied has a logarithmic axis.
const WIDE_RANGE: f64 = 8.0;

/// Reports by what was varied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sweep {
    /// What was varied, as `pairs`.
    pub(crate) over: String,
    /// The runs, in any order.
    pub(crate) points: Vec<Point>,
}

/// One of its runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    /// How much of it.
    pub(crate) x: f64,
    /// What that gave.
    pub(crate) report: Report,
}

impl Point {
    /// In a few words.
    pub(crate) fn line(&self) -> String {
        let Point { x, report } = self;
        let [p50, p99] = [report.latency_ns.p50, report.latency_ns.p99].map(|ns| nanoseconds(ns as f64));
        format!("{x}: {} {}s/s, p50 {p50}, p99 {p99}", si(report.rate), report.unit())
    }
}

impl Stored for Sweep {
    const NAME: &'static str = "sweep of connectanum-bench";
    const REMEDY: &'static str = "`scale` writes one with `--json FILE`";
}

impl Sweep {
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
                report.memory_per_session().map(|each| bytes(each as u64)).unwrap_or_default(),
                report.syscalls_per_message().map(significant).unwrap_or_default(),
                if report.generator_limits() { "the generator may be the limit" } else { "" }.to_owned(),
            ]);
        }
        grid.text()
    }

    /// Everything that is known, as pictures below each other.
    pub(crate) fn svg(&self) -> String {
        let load = self.points.first().map_or_else(String::new, |point| {
            format!(": {} {}", point.report.scenario.kind, point.report.target)
        });
        let size = Size { height: 260.0, ..WIDE };
        stack(&format!("By {}{load}", self.over), &self.charts(), size)
    }

    fn charts(&self) -> Vec<Chart> {
        let unit = self.points.first().map_or("event", |point| point.report.unit());
        let latency = |colour, name: &str, of: fn(&Report) -> u64| {
            self.series(colour, name, |report| Some(of(report) as f64))
        };
        let latencies = vec![
            latency(0, "p50", |report| report.latency_ns.p50),
            latency(1, "p99", |report| report.latency_ns.p99),
            latency(2, "p99.9", |report| report.latency_ns.p99_9),
        ];
        let one = |of: &dyn Fn(&Report) -> Option<f64>| vec![self.series(0, "", of)];
        let memory = |report: &Report| Some(report.server.as_ref()?.rss_bytes as f64);
        let charts = [
            self.chart(
                format!("{unit}s per second"),
                Scale::linear,
                |it| tidy(&si(it)),
                one(&|report| Some(report.rate)),
            ),
            self.chart("latency".to_owned(), Scale::log, |it| tidy(&nanoseconds(it)), latencies),
            self.chart(
                format!("CPU per {unit}"),
                Scale::linear,
                |it| tidy(&nanoseconds(it)),
                one(&Report::cpu_per_message),
            ),
            self.chart("memory (RSS)".to_owned(), Scale::linear, |it| tidy(&bytes(it as u64)), one(&memory)),
        ];
        charts.into_iter().flatten().collect()
    }

    fn series(&self, colour: usize, name: &str, of: impl Fn(&Report) -> Option<f64>) -> Series {
        let points = self.points.iter().filter_map(|point| Some((point.x, of(&point.report)?)));
        let mut points: Vec<_> = points.collect();
        points.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        Series { name: name.to_owned(), points, style: Style::Dots, colour }
    }

    /// `None` if nothing is known of it.
    fn chart(
        &self,
        label: String,
        scale: fn(Vec<f64>) -> Scale,
        format: fn(f64) -> String,
        series: Vec<Series>,
    ) -> Option<Chart> {
        let values: Vec<f64> =
            series.iter().flat_map(|series| &series.points).map(|(_, value)| *value).collect();
        if values.is_empty() {
            return None;
        }
        let x = || self.points.iter().map(|point| point.x);
        let (least, most) = (x().fold(f64::MAX, f64::min), x().fold(0.0, f64::max));
        let x = if least > 0.0 && most / least >= WIDE_RANGE { Scale::log(x()) } else { Scale::span(x()) };
        Some(Chart {
            title: label.clone(),
            x: Axis { label: self.over.clone(), scale: x, format: |x| tidy(&si(x)) },
            y: Axis { label, scale: scale(values), format },
            series,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::json;
    use super::*;

    fn sweep(points: &[(f64, f64)]) -> Sweep {
        let point = |&(x, rate)| Point { x, report: Report { rate, ..Report::example() } };
        Sweep { over: "pairs".to_owned(), points: points.iter().map(point).collect() }
    }

    #[test]
    fn every_figure_has_its_picture() {
        let sweep = sweep(&[(1000.0, 90.0), (1.0, 30.0), (10.0, 60.0)]);
        let charts = sweep.charts();
        let labels: Vec<_> = charts.iter().map(|chart| chart.y.label.as_str()).collect();
        assert_eq!(labels, ["events per second", "latency", "CPU per event", "memory (RSS)"]);
        assert_eq!(charts[0].series[0].points, [(1.0, 30.0), (10.0, 60.0), (1000.0, 90.0)]);
        assert_eq!(charts[0].x.scale, Scale::Log { min: 1.0, max: 1000.0 });
        let svg = sweep.svg();
        assert!(
            svg.contains("By pairs: pubsub ws://127.0.0.1:8080") && svg.matches("<circle").count() == 18,
            "{svg}"
        );
    }

    #[test]
    fn a_line_for_each() {
        let sweep = sweep(&[(1.0, 900.0), (20.0, 7e4)]);
        assert_eq!(sweep.points[0].line(), "1: 900 events/s, p50 26.7 µs, p99 0.00 ns");
        let text = sweep.text();
        let rows: Vec<Vec<_>> = text
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
            .collect();
        assert_eq!(rows[0][..2], ["pairs", "events/s"]);
        assert_eq!(rows[3], ["20", "70.0 k", "26.7 µs", "0.00 ns", "2.00 ms", "1.00 ms", "5.40 MB"]);
    }

    #[test]
    fn what_is_not_known_is_not_drawn() {
        let mut sweep = sweep(&[(0.0, 30.0), (4.0, 60.0)]);
        sweep.points.iter_mut().for_each(|point| point.report.server = None);
        let charts = sweep.charts();
        assert_eq!((charts.len(), charts[0].x.scale), (2, Scale::Linear { max: 4.0 }));
        assert!(Sweep { over: "x".to_owned(), points: Vec::new() }.svg().contains("By x"));
    }

    #[test]
    fn the_form_that_scale_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sweep.json");
        let report = json::json(&Report::example()).unwrap();
        std::fs::write(&path, format!(r#"{{"over":"pairs","points":[{{"x":1,"report":{report}}}]}}"#))
            .unwrap();
        assert_eq!(json::read::<Sweep>(&path).unwrap(), sweep(&[(1.0, 500.0)]));
        std::fs::write(&path, report).unwrap();
        let error = json::read::<Sweep>(&path).unwrap_err().to_string();
        assert!(error.contains("is no sweep of connectanum-bench (missing field `over`"), "{error}");
    }
}
