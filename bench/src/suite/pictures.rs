//! The table as pictures: how far everybody is from the baseline, and the curves of each work.

use super::spread::Spread;
use super::table::{Entry, Section, Table};
use super::work::Figure;
use crate::report::plot::{Bar, Bars, Chart, Group};
use crate::report::{percentiles, significant};

impl Table {
    /// For each work the figure that counts there, as a multiple of the baseline's.
    pub(crate) fn ratios(&self) -> Bars {
        let rounds = match self.rounds {
            1 => "one round".to_owned(),
            n => format!("the least and the most of {n} rounds"),
        };
        Bars {
            title: "Cost in multiples of the baseline (less is better)".to_owned(),
            subtitle: format!("dashed: what has to be met, and the goal; thin: {rounds}"),
            groups: self.works.iter().filter_map(Section::group).collect(),
        }
    }

    /// The latencies of each work by percentile, with its name.
    pub(crate) fn curves(&self) -> Vec<(&str, Chart)> {
        let chart = |section: &Section| {
            let name = section.work.name;
            let parts: Vec<_> =
                section.servers.iter().map(|entry| (entry.name.clone(), &entry.latencies)).collect();
            percentiles(&format!("{name}: latency by percentile"), &parts)
        };
        self.works.iter().map(|section| (section.work.name, chart(section))).collect()
    }
}

impl Section {
    /// `None` if there is nothing to compare with.
    fn group(&self) -> Option<Group> {
        let bar = self.work.bar;
        let by_bar = bar.filter(|_| self.servers.iter().any(|entry| entry.bar_ratio.is_some()));
        let figure = bar.map_or(Figure::Cpu, |bar| bar.figure);
        let baseline = by_bar.map(|bar| bar.against).or(self.baseline)?;
        let ratio = |entry: &Entry| match (by_bar, figure) {
            (Some(_), _) => entry.bar_ratio,
            (None, Figure::P50) => entry.p50_ratio,
            (None, Figure::Cpu) => entry.cpu_ratio,
        };
        let others = self.servers.iter().filter(|entry| entry.name != baseline.to_string());
        let bars: Vec<_> = others
            .filter_map(|entry| {
                let Spread { median, min, max } = ratio(entry)?;
                let label = significant(median);
                Some(Bar { name: entry.name.clone(), value: median, spread: (min, max), label })
            })
            .collect();
        let marks = by_bar.map_or_else(|| vec![1.0], |bar| vec![bar.limit, bar.goal]);
        let name = format!("{}: {} ÷ {baseline}", self.work.name, figure.name());
        (!bars.is_empty()).then_some(Group { name, bars, marks })
    }
}
