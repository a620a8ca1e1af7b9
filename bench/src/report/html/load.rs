//! The page of one load.

use super::super::charts::{latency_over_time, memory_over_time, percentiles, rate_over_time};
use super::super::plot::escape;
use super::super::{Latency, Report, bytes, nanoseconds, si, significant};
use super::{Breadth, card, figure, numbers, page, words};

/// The whole page.
pub(crate) fn load(report: &Report) -> String {
    let title = format!("{}: {}", report.scenario.kind, report.target);
    let parts = [header(report), notes(report), tiles(report), charts(report), tables(report)];
    page(&title, Breadth::Column, &parts.concat())
}

fn header(report: &Report) -> String {
    let kind = report.scenario.kind.to_string();
    let pills = [Some(report.target.clone()), report.serializer.clone(), Some(report.pace().to_owned())];
    let pills: String = pills
        .into_iter()
        .flatten()
        .map(|pill| format!("<span class=\"pill\">{}</span>", escape(&pill)))
        .collect();
    format!(
        "<header>\n<h1>{}: {}</h1>\n<p>{pills}</p>\n</header>\n",
        escape(&kind),
        escape(&report.scenario.to_string())
    )
}

/// What has to be known before the figures are believed.
fn notes(report: &Report) -> String {
    let mut notes = Vec::new();
    if report.interrupted {
        notes.push("It was interrupted: the figures are those of the time until then.");
    }
    if report.generator_limits() {
        notes.push(
            "The load generator had no time to spare: it may be what limits the rate, and what adds latency.",
        );
    }
    notes.iter().map(|note| format!("<p class=\"note\">{note}</p>\n")).collect()
}

fn tiles(report: &Report) -> String {
    let latency = |ns: u64| nanoseconds(ns as f64);
    // Who does nothing has no rate and takes no time.
    let l = Some(&report.latency_ns).filter(|l| l.max > 0);
    let unit = report.unit();
    let tiles = [
        (format!("{unit}s per second"), l.map(|_| si(report.rate))),
        ("median".to_owned(), l.map(|l| latency(l.p50))),
        ("p99".to_owned(), l.map(|l| latency(l.p99))),
        ("p99.9".to_owned(), l.map(|l| latency(l.p99_9))),
        ("longest".to_owned(), l.map(|l| latency(l.max))),
        (format!("CPU per {unit}"), l.and(report.cpu_per_message()).map(nanoseconds)),
        ("memory per session".to_owned(), report.memory_per_session().map(|each| bytes(each as u64))),
        ("memory".to_owned(), report.server.as_ref().map(|server| bytes(server.rss_bytes))),
    ];
    let tile = |(name, value): (String, Option<String>)| {
        let value = value?;
        let (number, unit) = value.split_once(' ').unwrap_or((&value, ""));
        Some(format!(
            "<div class=\"tile\"><b>{} <small>{}</small></b><span>{}</span></div>\n",
            escape(number),
            escape(unit),
            escape(&name)
        ))
    };
    let tiles: String = tiles.into_iter().filter_map(tile).collect();
    format!("<div class=\"tiles\">\n{tiles}</div>\n")
}

fn charts(report: &Report) -> String {
    let mut out = String::new();
    if !report.latencies.is_empty() {
        let chart = percentiles("latency by percentile", &[(String::new(), &report.latencies)]);
        out += &card("Latency by percentile", &figure(&chart));
    }
    if let Some(chart) = rate_over_time(&[(String::new(), report)]) {
        out += &card("Throughput over time", &figure(&chart));
    }
    if let Some(chart) = latency_over_time(report) {
        out += &card("Latency over time", &figure(&chart));
    }
    if let Some(chart) = memory_over_time(report) {
        out += &card("The server's memory over time", &figure(&chart));
    }
    out
}

fn tables(report: &Report) -> String {
    let l = &report.latency_ns;
    let mut cards = Vec::new();
    // Who does nothing takes no time.
    if l.max > 0 {
        cards.push(latency_card("Latency", l));
    }
    cards.extend(report.calls_ns.as_ref().map(|calls| latency_card("Calls alone", calls)));
    cards.extend(report.late_ns.as_ref().map(|late| latency_card("Sent late by", late)));
    cards.extend(server(report));
    let run = card("What was run", &words(run(report)));
    format!("<div class=\"columns\">\n{}</div>\n{run}", cards.concat())
}

fn latency_card(heading: &str, latency: &Latency) -> String {
    let named = latency.named().map(|(name, ns)| (name.to_owned(), Some(nanoseconds(ns as f64))));
    let mean = ("mean".to_owned(), Some(nanoseconds(latency.mean)));
    card(heading, &numbers(named.into_iter().chain([mean])))
}

fn server(report: &Report) -> Option<String> {
    let server = report.server.as_ref()?;
    let unit = report.unit();
    let busy = report.server_busy().map(|busy| format!("{:.0} % of a CPU", 100.0 * busy));
    let user = server.user_share.map(|share| format!("{:.0} %", 100.0 * share));
    let known = |count: u64| (count > 0).then(|| bytes(count));
    // Without messages nothing is spent on one.
    let each = |count: u64| (report.delivered > 0).then(|| report.per_message(count));
    let figures = [
        (format!("CPU per {unit}"), each(server.cpu_ns).map(nanoseconds)),
        ("busy".to_owned(), busy),
        ("of it in user mode".to_owned(), user),
        (format!("context switches per {unit}"), each(server.switches).map(significant)),
        ("memory (RSS)".to_owned(), Some(bytes(server.rss_bytes))),
        ("before anybody connected".to_owned(), known(server.rss_before_bytes)),
        ("at most".to_owned(), known(server.rss_peak_bytes)),
    ];
    let mut calls: Vec<_> = server.syscalls.iter().flatten().collect();
    calls.sort_by_key(|(name, count)| (*name != "all", std::cmp::Reverse(**count)));
    let calls = calls.into_iter().map(|(name, count)| {
        let name = if name == "all" { format!("system calls per {unit}") } else { format!("— {name}") };
        (name, Some(format!("{:.3}", report.per_message(*count))))
    });
    Some(card("Server", &numbers(figures.into_iter().chain(calls))))
}

fn run(report: &Report) -> Vec<(String, Option<String>)> {
    let row = |name: &str, value: String| (name.to_owned(), Some(value));
    vec![
        row("server", report.target.clone()),
        ("serializer".to_owned(), report.serializer.clone()),
        row("load", report.scenario.to_string()),
        ("between shards".to_owned(), report.placement.map(|placement| placement.to_string())),
        row("pace", report.pace().to_owned()),
        row("set up in", format!("{:.2} s", report.setup_seconds)),
        row("measured", format!("{:.2} s", report.seconds)),
        row("received", format!("{} {}s, {} in all", report.delivered, report.unit(), report.total)),
        ("who did not read".to_owned(), report.stalled.as_ref().map(|stalled| stalled.to_string())),
        row("generator", format!("busy {:.0} % of a CPU", 100.0 * report.generator_busy)),
        row("machine", report.machine.to_string()),
        row("at", report.ended_at.clone()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Sample;
    use crate::report::Distribution;

    #[test]
    fn everything_is_shown_and_nothing_gets_out() {
        let mut report =
            Report { target: "ws://h/?<script>&\"".to_owned(), generator_busy: 0.99, ..Report::example() };
        let bare = load(&report);
        assert!(!bare.contains("<script>&") && bare.contains("ws://h/?&lt;script&gt;&amp;&quot;"), "{bare}");
        assert!(bare.contains("may be what limits the rate") && !bare.contains("<svg"), "{bare}");
        let sample = |at_ns| Sample { at_ns, delivered: 100, p50_ns: 20_000, p99_ns: 60_000, max_ns: 90_000 };
        report.timeline = (1..=10).map(|i| sample(i * 100_000_000)).collect();
        report.latencies = Distribution::example((1..1000).map(|i| 20_000 + i * 10));
        report.interrupted = true;
        report.server.as_mut().unwrap().syscalls = Some([("all".to_owned(), 3000)].into());
        let page = load(&report);
        assert_eq!(page.matches("<svg").count(), 6, "three pictures, each for wide and for narrow screens");
        for shown in
            ["Throughput over time", "26.7", "system calls per event", "3.000", "interrupted", "5.40 MB"]
        {
            assert!(page.contains(shown), "{shown}");
        }
    }
}
