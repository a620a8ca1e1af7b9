//! Reports of the same load beside each other.

use std::path::PathBuf;

use super::json::{self, ReadError};
use super::{Align, Grid, Report, bytes, nanoseconds, si, significant};

/// Reports of one load, each with a name. The others are compared with the first.
#[derive(Clone, Debug)]
pub(crate) struct Comparison {
    parts: Vec<(String, Report)>,
}

/// Reports that cannot be compared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompareError {
    /// A file is no report.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Not the same was measured.
    #[error("{first} and {other} measure different things: {} and {}; compare runs of the same load", loads.0, loads.1)]
    Different {
        /// Name of the first.
        first: String,
        /// Name of the other.
        other: String,
        /// What they measure.
        loads: Box<(String, String)>,
    },
}

/// A figure of a report.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// What it is.
    pub(crate) name: String,
    /// Whether more of it is better.
    pub(crate) more_is_better: bool,
    /// By report.
    pub(crate) values: Vec<Option<f64>>,
    /// How it is written.
    pub(crate) show: fn(f64) -> String,
}

impl Comparison {
    /// Reads files, and names the reports after them.
    ///
    /// # Errors
    /// One is no report, or of another load.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Comparison, CompareError> {
        let stem = |path: &PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let unique = |path: &PathBuf| paths.iter().filter(|other| stem(other) == stem(path)).count() == 1;
        let name = |path: &PathBuf| if unique(path) { stem(path) } else { path.display().to_string() };
        let parts = paths.iter().map(|path| Ok((name(path), json::read(path)?)));
        Comparison::new(parts.collect::<Result<_, ReadError>>()?)
    }

    /// Of reports with their names.
    ///
    /// # Errors
    /// One is of another load.
    pub(crate) fn new(parts: Vec<(String, Report)>) -> Result<Comparison, CompareError> {
        let load =
            |report: &Report| format!("{} ({}, {})", report.scenario.kind, report.scenario, report.pace());
        if let Some((first, report)) = parts.first() {
            let same =
                |other: &Report| other.scenario == report.scenario && other.closed_loop == report.closed_loop;
            if let Some((other, found)) = parts.iter().find(|(_, other)| !same(other)) {
                let loads = Box::new((load(report), load(found)));
                return Err(CompareError::Different { first: first.clone(), other: other.clone(), loads });
            }
        }
        Ok(Comparison { parts })
    }

    /// The reports with their names.
    pub(crate) fn parts(&self) -> &[(String, Report)] {
        &self.parts
    }

    /// What is compared; figures that no report has are left out.
    pub(crate) fn figures(&self) -> Vec<Figure> {
        let unit = self.parts.first().map_or("event", |(_, report)| report.unit());
        let of = |name: &str, show: fn(f64) -> String, value: &dyn Fn(&Report) -> Option<f64>| Figure {
            name: name.to_owned(),
            more_is_better: false,
            values: self.parts.iter().map(|(_, report)| value(report)).collect(),
            show,
        };
        let mut figures = vec![Figure {
            more_is_better: true,
            ..of(&format!("{unit}s per second"), si, &|report| Some(report.rate))
        }];
        let names = Report::default().latency_ns.named().map(|(name, _)| name);
        figures.extend(
            names.into_iter().enumerate().map(|(i, name)| {
                of(name, nanoseconds, &|report| Some(report.latency_ns.named()[i].1 as f64))
            }),
        );
        let server = |value: fn(&Report, &crate::measure::ServerCost) -> Option<f64>| {
            move |report: &Report| value(report, report.server.as_ref()?)
        };
        figures.extend([
            of(&format!("CPU per {unit}"), nanoseconds, &Report::cpu_per_message),
            of(&format!("system calls per {unit}"), significant, &Report::syscalls_per_message),
            of(
                &format!("context switches per {unit}"),
                significant,
                &server(|report, server| Some(report.per_message(server.switches))),
            ),
            of("RSS", |it| bytes(it as u64), &server(|_, server| Some(server.rss_bytes as f64))),
        ]);
        figures.retain(|figure| figure.values.iter().any(Option::is_some));
        figures
    }

    /// For a terminal.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        if let Some((_, report)) = self.parts.first() {
            out += &format!("{} {}, {}\n", report.scenario.kind, report.scenario, report.pace());
        }
        for (name, report) in &self.parts {
            out += &format!("  {name}: {}\n", subject(report));
        }
        out + "\n" + &self.grid().text()
    }

    fn grid(&self) -> Grid {
        let first = self.parts.first().map_or("", |(name, _)| name);
        let ratio = format!("÷ {first}");
        let others = self.parts.iter().skip(1);
        let columns = others.flat_map(|(name, _)| [(name.as_str(), Align::Right), (&ratio, Align::Right)]);
        let columns: Vec<_> = [("", Align::Left), (first, Align::Right)].into_iter().chain(columns).collect();
        let mut grid = Grid::new(&columns);
        for figure in self.figures() {
            let shown = |value: &Option<f64>| value.map_or_else(String::new, figure.show);
            let others = figure.values.iter().enumerate().skip(1);
            let others = others
                .flat_map(|(i, value)| [shown(value), figure.ratio(i).map_or_else(String::new, significant)]);
            let first = figure.values.iter().take(1).map(shown);
            grid.row([figure.name.clone()].into_iter().chain(first).chain(others));
        }
        grid
    }
}

impl Figure {
    /// Its value in the report with this number, divided by that in the first.
    pub(crate) fn ratio(&self, index: usize) -> Option<f64> {
        let first = (*self.values.first()?)?;
        let value = (*self.values.get(index)?)?;
        (first > 0.0).then(|| value / first)
    }
}

/// Who was measured, and when.
pub(crate) fn subject(report: &Report) -> String {
    let serializer = report.serializer.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
    let limited = if report.generator_limits() { "; the generator may be what limits the rate" } else { "" };
    let cut = if report.interrupted { ", interrupted" } else { "" };
    format!("{}{serializer}, {:.1} s until {}{cut}{limited}", report.target, report.seconds, report.ended_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    fn pair() -> Vec<(String, Report)> {
        let slow = Report { rate: 250.0, server: None, ..Report::example() };
        vec![("a".to_owned(), Report::example()), ("b".to_owned(), slow)]
    }

    #[test]
    fn ratios_to_the_first() {
        let text = Comparison::new(pair()).unwrap().text();
        let row = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{text}"));
            line[name.len()..].split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(row("events per second"), ["500", "250", "0.50"]);
        assert_eq!(row("p50"), ["26.7", "µs", "26.7", "µs", "1.00"]);
        // Nothing is known of the other server.
        assert_eq!(row("CPU per event"), ["1.00", "ms"]);
        assert!(
            text.starts_with("pubsub 50 pairs, window 8, payload 64 bytes, closed loop\n  a: ws://"),
            "{text}"
        );
        assert!(!text.contains("system calls"), "{text}");
    }

    #[test]
    fn other_loads_are_refused() {
        let mut parts = pair();
        parts[1].1.scenario = Scenario { window: 1, ..parts[0].1.scenario.clone() };
        let error = Comparison::new(parts).unwrap_err().to_string();
        assert!(
            error.starts_with("a and b measure different things: pubsub (50 pairs, window 8, "),
            "{error}"
        );
        let mut parts = pair();
        parts[1].1.closed_loop = false;
        assert!(Comparison::new(parts).unwrap_err().to_string().contains("open loop"));
    }

    #[test]
    fn files_lend_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("new")).unwrap();
        let paths = [path("one.json"), path("two.json"), path("new/two.json")];
        for path in &paths {
            std::fs::write(path, json::json(&Report::example()).unwrap()).unwrap();
        }
        let names = |paths: &[PathBuf]| {
            let comparison = Comparison::read(paths).unwrap();
            comparison.parts.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(&paths[..2]), ["one", "two"]);
        assert_eq!(
            names(&paths[1..]),
            paths[1..].iter().map(|path| path.display().to_string()).collect::<Vec<_>>()
        );
        std::fs::write(&paths[1], "{}").unwrap();
        let error = Comparison::read(&paths).unwrap_err().to_string();
        assert!(error.contains("two.json is no report of connectanum-bench (missing field"), "{error}");
    }
}
