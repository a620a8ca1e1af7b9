//! Everything once and briefly, as a test: every server has to deliver everything, unchanged and in order, and to end
//! well when told to; and whatever is written has to be readable.

use std::path::Path;
use std::time::Duration;

use super::contender::{Contender, Via, find_nats};
use super::folder::write_all;
use super::host::Cpus;
use super::rounds::Rounds;
use super::table::Table;
use super::work::all;
use super::{SuiteError, fanouts};
use crate::output::{OutputArgs, write};
use crate::progress;
use crate::report::{self, Comparison, Point, Report, Sweep, html};
use crate::scenario::{Kind, Scenario};

/// Tests the baselines, and the router with each of the shells `ios`, over every transport and in every serializer;
/// every work; and every form of what is written. Each load is measured for `duration`.
///
/// # Errors
/// Something is lost or wrong.
pub(crate) fn smoke(router: &Path, ios: &[String], duration: Duration) -> Result<(), SuiteError> {
    let router = |io: &String, via| Contender::Router { program: router.to_owned(), io: io.clone(), via };
    let routers = ios.iter().flat_map(|io| Via::all().map(move |via| router(io, via)));
    let mut report = None;
    for contender in [Contender::Relay].into_iter().chain(nats()).chain(routers) {
        report = one(&contender, duration)?;
    }
    let table = works(ios.iter().zip(Via::all()).map(|(io, via)| router(io, via)), duration)?;
    files(&table, &report.ok_or(SuiteError::Nowhere)?)
}

fn nats() -> Option<Contender> {
    find_nats().map(|program| Contender::Nats { program })
}

/// Small loads of every kind. Returns the report of the last.
fn one(contender: &Contender, duration: Duration) -> Result<Option<Report>, SuiteError> {
    let running = contender.start(None, 1)?;
    let (mut messages, mut last) = (0, None);
    for scenario in scenarios().iter().filter(|scenario| contender.can(scenario.kind)) {
        let report = running.run(scenario, None, duration / 4, duration, false)?;
        messages += report.total;
        last = Some(report);
    }
    running.end()?;
    progress(&format!("ok  {contender}: {messages} messages"));
    Ok(last)
}

/// Small, but with frames of every size of header, and more in flight than a socket holds.
fn scenarios() -> [Scenario; 5] {
    let scenario = |kind, lanes, window, payload_bytes| Scenario {
        kind,
        lanes,
        window,
        payload_bytes,
        ..Scenario::default()
    };
    [
        scenario(Kind::PubSub { fanout: 1 }, 3, 4, 64),
        scenario(Kind::PubSub { fanout: 20 }, 2, 2, 200),
        scenario(Kind::PubSub { fanout: 1 }, 1, 8, 300_000),
        scenario(Kind::Rpc, 3, 4, 64),
        scenario(Kind::Rpc, 1, 2, 70_000),
    ]
}

/// Every work of the table, on the baselines and on `routers`.
fn works(routers: impl Iterator<Item = Contender>, duration: Duration) -> Result<Table, SuiteError> {
    let works = all();
    let baselines = [Contender::Relay].into_iter().chain(fanouts(&works)).chain(nats());
    let rounds = Rounds {
        contenders: baselines.chain(routers).collect(),
        works,
        rounds: 1,
        warmup: duration / 4,
        duration,
        cpus: Cpus { server: None, generator: None },
        syscalls: false,
    };
    Ok(Table::new(&rounds, &rounds.run()?))
}

/// Writes everything that can be written, and reads what can be read again.
fn files(table: &Table, report: &Report) -> Result<(), SuiteError> {
    let folder = tempfile::tempdir().map_err(SuiteError::Folder)?;
    let file = |name: &str| folder.path().join(name);
    write_all(table, folder.path())?;
    let output =
        OutputArgs { json: Some(file("a.json")), hgrm: Some(file("a.hgrm")), html: Some(file("a.html")) };
    output.write_files(report)?;
    let points = vec![Point { x: 1.0, report: report.clone() }];
    write(&file("a.svg"), &Sweep { over: "pairs".to_owned(), points }.svg())?;
    let comparison = Comparison::read(&[file("a.json"), file("a.json")])?;
    let texts = [comparison.text(), html::compare(&comparison), report::text(report), table.text()];
    let files = folder.path().read_dir().map_err(SuiteError::Folder)?.count();
    let bytes = texts.iter().map(String::len).sum::<usize>();
    progress(&format!("ok  reports: {files} files, and {bytes} bytes of text"));
    Ok(())
}
