//! Runs every work on every server, round by round. A round visits all servers with the same work one after the other,
//! so that what is compared was measured at the same time; every other round goes the other way.

use std::time::Duration;

use nix::unistd::Pid;

use super::SuiteError;
use super::contender::Contender;
use super::host::Cpus;
use super::work::Work;
use crate::measure::Meter;
use crate::placement::Placement;
use crate::progress;
use crate::report::{Report, nanoseconds, si};

/// Shards of a router where it matters on which one somebody is.
const SHARDS: u16 = 2;

/// What to do, and how often.
#[derive(Clone, Debug)]
pub(crate) struct Rounds {
    /// The loads.
    pub(crate) works: Vec<Work>,
    /// The servers.
    pub(crate) contenders: Vec<Contender>,
    /// How often.
    pub(crate) rounds: u32,
    /// How long each run is before it counts.
    pub(crate) warmup: Duration,
    /// How long each run is measured.
    pub(crate) duration: Duration,
    /// Who runs where.
    pub(crate) cpus: Cpus,
    /// One more round, in which system calls are counted and nothing else.
    pub(crate) syscalls: bool,
}

/// What one server showed with one work.
#[derive(Clone, Debug, Default)]
pub(crate) struct Results {
    /// By round.
    pub(crate) runs: Vec<Run>,
    /// With system calls counted.
    pub(crate) counted: Option<Report>,
}

/// One run of a fresh server.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// What was measured.
    pub(crate) report: Report,
    /// From the start of the process until it listened.
    pub(crate) started_in: Option<Duration>,
    /// Its memory with nobody connected, in bytes.
    pub(crate) idle_rss_bytes: Option<u64>,
}

impl Rounds {
    /// Does it all. The results are by work and by contender, in their order. Ctrl-C ends it after the last whole
    /// round, if there is one.
    ///
    /// # Errors
    /// Anything goes wrong: a table with holes misleads.
    pub(crate) fn run(&self) -> Result<Vec<Vec<Results>>, SuiteError> {
        self.cpus.pin_generator()?;
        if self.syscalls {
            // Better now than after all rounds.
            Meter::of(Pid::this(), true)?.begin()?;
        }
        let mut results = vec![vec![Results::default(); self.contenders.len()]; self.works.len()];
        for round in 0..self.rounds {
            for (work, contender) in self.order(round) {
                let run = match self.once(work, contender, false) {
                    Err(error) if round > 0 && error.is_interrupt() => {
                        progress(&format!("interrupted: what follows is of the first {round} rounds"));
                        results.iter_mut().flatten().for_each(|it| it.runs.truncate(round as usize));
                        return Ok(results);
                    }
                    run => run?,
                };
                progress(&format!(
                    "round {} of {}: {}",
                    round + 1,
                    self.rounds,
                    self.line(work, contender, &run)
                ));
                results[work][contender].runs.push(run);
            }
        }
        if self.syscalls {
            let known = |&(_, contender): &(usize, usize)| self.contenders[contender].is_known();
            for (work, contender) in self.order(0).into_iter().filter(known) {
                let run = self.once(work, contender, true)?;
                progress(&format!("system calls: {}", self.line(work, contender, &run)));
                results[work][contender].counted = Some(run.report);
            }
        }
        Ok(results)
    }

    /// Which work meets which contender in a round, by their indices.
    fn order(&self, round: u32) -> Vec<(usize, usize)> {
        let contenders = |work: usize| {
            let mut order: Vec<_> = (0..self.contenders.len()).collect();
            if !round.is_multiple_of(2) {
                order.reverse();
            }
            let Work { scenario, place, .. } = &self.works[work];
            order.retain(|&contender| {
                let contender = &self.contenders[contender];
                contender.can(scenario.kind) && (place.is_none() || contender.is_judged())
            });
            order.into_iter().map(move |contender| (work, contender))
        };
        (0..self.works.len()).flat_map(contenders).collect()
    }

    fn once(&self, work: usize, contender: usize, syscalls: bool) -> Result<Run, SuiteError> {
        let placement = self.works[work].place.map(|place| Placement { shards: SHARDS, place });
        let shards = placement.map_or(1, |placement| placement.shards);
        let running = self.contenders[contender].start(self.cpus.server, shards)?;
        let (idle_rss_bytes, started_in) = (running.resident_bytes()?, running.started_in());
        let scenario = &self.works[work].scenario;
        let report = running.run(scenario, placement, self.warmup, self.duration, syscalls)?;
        running.end()?;
        if report.delivered == 0 {
            return Err(SuiteError::Nothing(self.contenders[contender].to_string(), scenario.to_string()));
        }
        Ok(Run { report, started_in, idle_rss_bytes })
    }

    fn line(&self, work: usize, contender: usize, run: &Run) -> String {
        let (work, contender) = (self.works[work].name, self.contenders[contender].to_string());
        let rate = si(run.report.rate);
        let p50 = nanoseconds(run.report.latency_ns.p50 as f64);
        let cpu = run.report.cpu_per_message().map_or_else(String::new, nanoseconds);
        format!("{work:<12} {contender:<24} {rate:>7}/s  p50 {p50:>7}  CPU {cpu:>7}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::work::all;
    use super::*;

    #[test]
    fn servers_take_turns_within_a_work() {
        let nats = Contender::Nats { program: "nats-server".into() };
        let works: Vec<_> =
            all().into_iter().filter(|w| ["pair-w1", "fanout-100"].contains(&w.name)).collect();
        let rounds = Rounds {
            works,
            contenders: vec![Contender::Relay, nats],
            rounds: 2,
            warmup: Duration::ZERO,
            duration: Duration::ZERO,
            cpus: Cpus { server: None, generator: None },
            syscalls: false,
        };
        assert_eq!(rounds.order(0), [(0, 0), (0, 1), (1, 1)]);
        assert_eq!(rounds.order(1), [(0, 1), (0, 0), (1, 1)]);
    }
}
