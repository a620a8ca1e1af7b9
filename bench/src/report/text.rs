//! A report for people.

use std::fmt::Write;

use super::{Latency, Report, bytes, nanoseconds, ratio, si, significant};
use crate::scenario::Kind;

/// A few lines.
pub(crate) fn text(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut out, report);
    out
}

fn write(out: &mut String, report: &Report) -> std::fmt::Result {
    let unit = report.unit();
    let kind = report.scenario.kind;
    let serializer = report.serializer.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
    let placement = report.placement.map(|placement| format!(", {placement}")).unwrap_or_default();
    writeln!(out, "{kind} {}{serializer}: {}{placement}", report.target, report.scenario)?;
    let cut = if report.interrupted { ", interrupted" } else { "" };
    if kind == Kind::Idle {
        return write_idle(out, report, cut);
    }
    let rate = si(report.rate);
    writeln!(out, "  rate       {rate} {unit}s/s over {:.2} s, {}{cut}", report.seconds, report.pace())?;
    writeln!(out, "  latency    {}", percentiles(&report.latency_ns))?;
    if let Some(calls) = &report.calls_ns {
        writeln!(out, "  calls      {}", percentiles(calls))?;
    }
    if let Some(late) = &report.late_ns {
        let [p50, p99, max] = [late.p50, late.p99, late.max].map(|ns| nanoseconds(ns as f64));
        writeln!(
            out,
            "  schedule   sent late by p50 {p50}  p99 {p99}  max {max}, which the latency contains"
        )?;
    }
    if let Some(stalled) = &report.stalled {
        writeln!(out, "  slow       {stalled}")?;
    }
    if let Some(server) = &report.server {
        let cpu = nanoseconds(report.per_message(server.cpu_ns));
        let busy = 100.0 * report.server_busy().unwrap_or(0.0);
        let busiest = server.busiest_ns.map(|ns| 100.0 * ratio(ns as f64 / 1e9, report.seconds));
        let busiest = busiest.filter(|&busiest| busiest < 0.9 * busy);
        let busiest = busiest.map(|busiest| format!(" ({busiest:.0} % of one by its busiest thread)"));
        let user = server.user_share.map(|share| format!(", {:.0} % of it in user mode", 100.0 * share));
        writeln!(
            out,
            "  server     {cpu} CPU per {unit}, {busy:.0} % of a CPU{}{}",
            busiest.unwrap_or_default(),
            user.unwrap_or_default()
        )?;
        let switches = significant(report.per_message(server.switches));
        writeln!(
            out,
            "             {switches} context switches per {unit}, RSS {}{}",
            bytes(server.rss_bytes),
            // Memory that has been given back is worth a word.
            if server.rss_peak_bytes > server.rss_bytes + server.rss_bytes / 10 {
                format!(" (up to {})", bytes(server.rss_peak_bytes))
            } else {
                String::new()
            }
        )?;
        if let Some(calls) = &server.syscalls {
            let mut calls: Vec<_> = calls.iter().collect();
            calls.sort_by_key(|(name, count)| (*name != "all", std::cmp::Reverse(**count)));
            let each = |(name, count): (&String, &u64)| format!("{name} {:.3}", report.per_message(*count));
            let calls: Vec<_> = calls.into_iter().map(each).collect();
            writeln!(out, "             system calls per {unit}: {}", calls.join(", "))?;
        }
    }
    let limit = if report.generator_limits() { "; it may be what limits the rate" } else { "" };
    let busy = match report.threads_busy.len() {
        0 | 1 => format!("{:.0} % of a CPU", 100.0 * report.generator_busy),
        _ => {
            let each = report.threads_busy.iter().map(|busy| format!("{:.0}", 100.0 * busy));
            format!("{} % of a CPU each", each.collect::<Vec<_>>().join(", "))
        }
    };
    writeln!(out, "  generator  busy {busy}{limit}")
}

fn write_idle(out: &mut String, report: &Report, cut: &str) -> std::fmt::Result {
    let sessions = f64::from(report.scenario.idle.sessions);
    let rate = si(ratio(sessions, report.setup_seconds));
    writeln!(out, "  set up in  {:.2} s, {rate} sessions/s{cut}", report.setup_seconds)?;
    if let (Some(server), Some(each)) = (&report.server, report.memory_per_session()) {
        let [before, after] = [server.own_before_bytes, server.own_bytes].map(bytes);
        writeln!(
            out,
            "  server     {} of memory per session ({before} before, {after} now; without its files)",
            bytes(each as u64)
        )?;
        let busy = 100.0 * ratio(server.cpu_ns as f64 / 1e9, report.seconds);
        writeln!(out, "             {busy:.1} % of a CPU to keep them")?;
    }
    Ok(())
}

fn percentiles(l: &Latency) -> String {
    let named = [
        ("p50", l.p50),
        ("p90", l.p90),
        ("p99", l.p99),
        ("p99.9", l.p99_9),
        ("p99.99", l.p99_99),
        ("max", l.max),
    ];
    named.map(|(name, ns)| format!("{name} {}", nanoseconds(ns as f64))).join("  ")
}

#[cfg(test)]
mod tests {
    use crate::measure::ServerCost;
    use crate::measure::Stalled;
    use crate::scenario::{Idle, Scenario};

    use super::*;

    #[test]
    fn lines() {
        let calls = [("all", 3000), ("sendto", 1000), ("epoll_wait", 1500)];
        let mut report = Report { generator_busy: 0.99, ..Report::example() };
        let calls = calls.map(|(name, count)| (name.to_owned(), count)).into_iter().collect();
        report.server.as_mut().unwrap().busiest_ns = Some(600_000_000);
        report.server.as_mut().unwrap().rss_peak_bytes = 7_000_000;
        report.server.as_mut().unwrap().syscalls = Some(calls);
        let expected = "\
pubsub ws://127.0.0.1:8080 json: 50 pairs, window 8, payload 64 bytes
  rate       500 events/s over 2.00 s, closed loop
  latency    p50 26.7 µs  p90 0.00 ns  p99 0.00 ns  p99.9 0.00 ns  p99.99 0.00 ns  max 2.00 ms
  server     1.00 ms CPU per event, 50 % of a CPU (30 % of one by its busiest thread), 25 % of it in user mode
             0.50 context switches per event, RSS 5.40 MB (up to 7.00 MB)
             system calls per event: all 3.000, epoll_wait 1.500, sendto 1.000
  generator  busy 99 % of a CPU; it may be what limits the rate
";
        assert_eq!(text(&report), expected);
    }

    #[test]
    fn sessions_that_do_nothing() {
        let idle = Idle { sessions: 1000, ..Idle::default() };
        let report = Report {
            target: "ws://127.0.0.1:8080".to_owned(),
            scenario: Scenario { kind: Kind::Idle, idle, ..Scenario::default() },
            setup_seconds: 0.5,
            seconds: 2.0,
            server: Some(ServerCost {
                cpu_ns: 20_000_000,
                own_bytes: 5_900_000,
                own_before_bytes: 5_000_000,
                ..ServerCost::default()
            }),
            ..Report::default()
        };
        let expected = "\
idle ws://127.0.0.1:8080: 1000 idle sessions
  set up in  0.50 s, 2.00 k sessions/s
  server     900 B of memory per session (5.00 MB before, 5.90 MB now; without its files)
             1.0 % of a CPU to keep them
";
        assert_eq!(text(&report), expected);
    }

    #[test]
    fn one_that_does_not_read() {
        let stalled = |disconnected_after_ns| {
            let stalled = Some(Stalled { sent: 90, received: 50, disconnected_after_ns });
            text(&Report { stalled, ..Report::default() })
        };
        assert!(stalled(None).contains("  slow       got 50 of 90 events, still connected\n"));
        assert!(stalled(Some(1_500_000_000)).contains("got 50 of 90 events, disconnected after 1.50 s\n"));
    }
}
