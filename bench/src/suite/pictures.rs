//! The table as pictures: how far everybody is from the baseline, and the curves of each work.

use super::spread::Spread;
use super::table::{Entry, Section, Table};
use super::work::Figure;
use crate::report::plot::{Bar, Bars, Chart, Group};
use crate::report::{percentiles, significant};

impl Table {
    /// For each work the figure that counts there, as a multiple of the baseline's.
    pub(crate) fn ratios(&self) -> Bars {
        let spread = match self.rounds {
            1 => String::new(),
            rounds => format!("; thin: the least and the most of {rounds} rounds"),
        };
        Bars {
            title: "Cost ÷ baseline: less is better".to_owned(),
            subtitle: format!("dashed: the goal, and what has to be met{spread}"),
            groups: self.works.iter().filter_map(|section| section.group(&self.names())).collect(),
        }
    }

    /// The latencies of each work by percentile, with its name.
    pub(crate) fn curves(&self) -> Vec<(&str, Chart)> {
        let chart = |section: &Section| {
            let name = section.work.name;
            let parts: Vec<_> =
                section.servers.iter().map(|entry| (entry.name.clone(), &entry.latencies)).collect();
            let mut chart = percentiles(&format!("{name}: latency by percentile"), &parts);
            for series in &mut chart.series {
                series.colour = colour(&self.names(), &series.name);
            }
            chart
        };
        self.works.iter().map(|section| (section.work.name, chart(section))).collect()
    }

    /// All servers. Their places are the numbers of their colours: each has its own in every picture.
    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for entry in self.works.iter().flat_map(|section| &section.servers) {
            if !names.contains(&entry.name.as_str()) {
                names.push(&entry.name);
            }
        }
        names
    }
}

fn colour(names: &[&str], name: &str) -> usize {
    names.iter().position(|other| *other == name).unwrap_or(names.len())
}

impl Section {
    /// `None` if there is nothing to compare with.
    fn group(&self, names: &[&str]) -> Option<Group> {
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
                let colour = colour(names, &entry.name);
                Some(Bar { name: entry.name.clone(), value: median, spread: (min, max), label, colour })
            })
            .collect();
        let marks = by_bar.map_or_else(|| vec![1.0], |bar| vec![bar.limit, bar.goal]);
        let name = format!("{}: {} ÷ {baseline}", self.work.name, figure.name());
        (!bars.is_empty()).then_some(Group { name, bars, marks })
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::table;

    #[test]
    fn bars_are_what_the_bar_is_about() {
        let table = table();
        let bars = table.ratios();
        let [pair] = &bars.groups[..] else { panic!("the fan-out has nothing to compare with: {bars:?}") };
        assert_eq!((pair.name.as_str(), &pair.marks[..]), ("pair-w1: p50 ÷ raw relay", &[1.25, 1.1][..]));
        let bars: Vec<_> = pair.bars.iter().map(|bar| (bar.name.as_str(), bar.value, bar.spread)).collect();
        let expected =
            [("router epoll ws+json", 1.05, (1.05, 1.2)), ("router epoll tcp+cbor", 1.5, (1.5, 1.5))];
        assert_eq!(bars, expected);
        // The relay has the first colour, though it has no bar.
        assert_eq!(pair.bars[0].colour, 1);
        for (_, chart) in table.curves() {
            let series = chart.series.iter().find(|series| series.name == "router epoll ws+json").unwrap();
            assert_eq!(series.colour, 1);
        }
    }
}
