//! The page that compares loads.

use super::super::charts::{percentiles, rate_over_time};
use super::super::compare::{Comparison, Figure, subject};
use super::super::plot::escape;
use super::super::{Distribution, Report, significant};
use super::{Breadth, card, figure, page, words};

/// Ratios closer to 1 than this are not called better or worse.
const NOISE: f64 = 0.05;

/// The whole page.
pub(crate) fn compare(comparison: &Comparison) -> String {
    let names: Vec<_> = comparison.parts().iter().map(|(name, _)| name.as_str()).collect();
    let title = names.join(" and ");
    page(
        &title,
        Breadth::Column,
        &[header(comparison, &title), charts(comparison), figures(comparison), runs(comparison)].concat(),
    )
}

fn header(comparison: &Comparison, title: &str) -> String {
    let load = comparison.parts().first().map_or_else(String::new, |(_, report)| {
        format!("{} {}, {}", report.scenario.kind, report.scenario, report.pace())
    });
    format!("<header>\n<h1>{}</h1>\n<p class=\"soft\">{}</p>\n</header>\n", escape(title), escape(&load))
}

fn charts(comparison: &Comparison) -> String {
    let parts = comparison.parts();
    let mut out = String::new();
    let latencies: Vec<(String, &Distribution)> =
        parts.iter().map(|(name, report)| (name.clone(), &report.latencies)).collect();
    if latencies.iter().any(|(_, latencies)| !latencies.is_empty()) {
        out += &card("Latency by percentile", &figure(&percentiles("latency by percentile", &latencies)));
    }
    let rates: Vec<(String, &Report)> = parts.iter().map(|(name, report)| (name.clone(), report)).collect();
    if let Some(chart) = rate_over_time(&rates) {
        out += &card("Throughput over time", &figure(&chart));
    }
    out
}

fn figures(comparison: &Comparison) -> String {
    let names = comparison
        .parts()
        .iter()
        .map(|(name, _)| format!("<th scope=\"col\" class=\"number\">{}</th>", escape(name)));
    let head = format!("<tr><th></th>{}</tr>\n", names.collect::<String>());
    let rows: String = comparison.figures().iter().map(row).collect();
    let first = comparison.parts().first().map_or("", |(name, _)| name);
    let note = format!("<p class=\"soft\">Ratios are to {}.</p>\n", escape(first));
    card("Figures", &format!("{note}<div class=\"scroll\"><table>\n{head}{rows}</table></div>\n"))
}

fn row(figure: &Figure) -> String {
    let cell = |(i, value): (usize, &Option<f64>)| {
        let value = value.map_or_else(String::new, figure.show);
        let ratio = figure.ratio(i).filter(|_| i > 0).map_or_else(String::new, |ratio| {
            let class = match ratio - 1.0 {
                difference if difference.abs() < NOISE => "soft",
                difference if (difference > 0.0) == figure.more_is_better => "good",
                _ => "bad",
            };
            format!(" <small class=\"{class}\">× {}</small>", significant(ratio))
        });
        format!("<td class=\"number\">{}{ratio}</td>", escape(&value))
    };
    let cells: String = figure.values.iter().enumerate().map(cell).collect();
    format!("<tr><th scope=\"row\">{}</th>{cells}</tr>\n", escape(&figure.name))
}

fn runs(comparison: &Comparison) -> String {
    let run = |(name, report): &(String, Report)| {
        (name.clone(), Some(format!("{}; {}", subject(report), report.machine)))
    };
    card("What was run", &words(comparison.parts().iter().map(run)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn better_and_worse() {
        let report = |rate, p50| {
            let mut report = Report { rate, latencies: Distribution::example([p50]), ..Report::example() };
            report.latency_ns.p50 = p50;
            report
        };
        let parts = [("<a>", 500.0, 20_000), ("b", 600.0, 30_000), ("c", 501.0, 20_001)];
        let parts = parts.map(|(name, rate, p50)| (name.to_owned(), report(rate, p50)));
        let page = compare(&Comparison::new(parts.into()).unwrap());
        assert!(page.contains("600 <small class=\"good\">× 1.20</small>"), "{page}");
        assert!(page.contains("30.0 µs <small class=\"bad\">× 1.50</small>"), "{page}");
        assert!(page.contains("501 <small class=\"soft\">× 1.00</small>"), "{page}");
        assert!(page.contains("data-name=\"&lt;a&gt;\"") && !page.contains("<a>"), "{page}");
    }
}
