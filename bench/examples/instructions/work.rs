//! What is counted: the works, each in the ways that clients speak.

use std::error::Error;

use connectanum::wamp::Serializer;
use connectanum::ws::Data;

use crate::check::{self, Check};
use crate::circuit::{Plan, Speech};

/// Turns that are prepared in every run, so that preparing costs the same in all.
const TURNS_MAX: usize = 60;
/// Turns of the two runs.
pub(crate) const TURNS: [usize; 2] = [20, TURNS_MAX];

/// One work in one way to speak.
pub(crate) struct Work {
    pub(crate) name: String,
    job: Job,
}

enum Job {
    Publish(Plan),
    Call(Plan),
    Check(Check),
}

/// All works.
pub(crate) fn all() -> Vec<Work> {
    let speeches = [
        ("ws+json", Speech { is_websocket: true, serializer: Serializer::Json }),
        ("ws+cbor", Speech { is_websocket: true, serializer: Serializer::Cbor }),
        ("tcp+msgpack", Speech { is_websocket: false, serializer: Serializer::MsgPack }),
    ];
    let text = |bytes| format!("[\"{}\"]", "x".repeat(bytes));
    let mut works = Vec::new();
    for (way, speech) in speeches {
        let mut add = |name: &str, is_call, receivers, across, args, batch| {
            let plan = Plan {
                from: speech,
                to: speech,
                receivers,
                across,
                args,
                batch,
                turns: TURNS_MAX,
                roles: name.ends_with("-roles"),
            };
            let job = if is_call { Job::Call(plan) } else { Job::Publish(plan) };
            works.push(Work { name: format!("{name} {way}"), job });
        };
        add("event", false, 1, false, text(64), 64);
        add("event-lone", false, 1, false, text(64), 1);
        add("event-across", false, 1, true, text(64), 64);
        add("event-100", false, 100, false, text(64), 1);
        add("event-text-16k", false, 1, false, text(16 * 1024), 4);
        add("event-numbers-16k", false, 1, false, numbers(16 * 1024), 4);
        add("call", true, 1, false, text(64), 64);
        add("call-across", true, 1, true, text(64), 64);
        add("event-roles", false, 1, false, text(64), 64);
        add("call-roles", true, 1, false, text(64), 64);
    }
    works.extend(checks());
    works
}

/// The checks of a payload of each kind.
fn checks() -> Vec<Work> {
    let kinds = [
        ("text", format!("[\"{}\"]", "x".repeat(check::BYTES))),
        ("words", format!("[\"{}\"]", "\u{43c}\u{438}\u{440} ".repeat(check::BYTES / 7))),
        ("numbers", numbers(check::BYTES)),
        ("small", list(check::BYTES, |i| (i * 37 % 128).to_string())),
        ("floats", list(check::BYTES, |i| format!("{}.{}", i * 7919 % 1000, i % 100 * 100 + 1))),
        (
            "records",
            list(check::BYTES, |i| {
                format!("{{\"id\":{i},\"name\":\"sensor {i}\",\"on\":true,\"at\":[1.5,{i}]}}")
            }),
        ),
    ];
    let mut checks = vec![
        ("memory".to_owned(), Check::Memory(vec![b'x'; check::BYTES])),
        ("memory search".to_owned(), Check::Search(vec![b'x'; check::BYTES])),
    ];
    for (name, kind) in [("text", Data::Text), ("binary", Data::Binary)] {
        checks.push((format!("unmask {name}"), Check::Unmask(kind, "x".repeat(check::BYTES))));
    }
    for (kind, args) in kinds {
        for (name, serializer) in
            [("json", Serializer::Json), ("cbor", Serializer::Cbor), ("msgpack", Serializer::MsgPack)]
        {
            checks.push((format!("{kind} {name}"), Check::scan(serializer, &args)));
        }
    }
    let work = |(name, check)| Work { name: format!("check-16k-{name}"), job: Job::Check(check) };
    checks.into_iter().map(work).collect()
}

pub(crate) fn by_name(name: &str) -> Result<Work, Box<dyn Error>> {
    let work = all().into_iter().find(|work| work.name == name);
    work.ok_or_else(|| format!("there is no work '{name}'").into())
}

impl Work {
    /// Does so many turns.
    pub(crate) fn run(&self, turns: usize) -> Result<(), Box<dyn Error>> {
        let mut circuit = match &self.job {
            Job::Publish(plan) => plan.publish(),
            Job::Call(plan) => plan.call(),
            Job::Check(check) => {
                check.run(turns, TURNS_MAX);
                return Ok(());
            }
        };
        for _ in 0..turns {
            circuit.turn().ok_or("more turns than were prepared")?;
        }
        Ok(())
    }

    /// Events or results that so many turns bring, or payloads that they check.
    pub(crate) fn deliveries(&self, turns: usize) -> usize {
        match &self.job {
            Job::Publish(plan) | Job::Call(plan) => turns * plan.batch * plan.receivers,
            Job::Check(_) => turns,
        }
    }
}

/// A list of about so many bytes of numbers, one in three with a fraction.
fn numbers(bytes: usize) -> String {
    list(bytes, |i| {
        let number = i * 7919 % 100_000;
        if i % 3 == 0 { format!("{number}.25") } else { number.to_string() }
    })
}

/// A list of about so many bytes as the one argument.
fn list(bytes: usize, element: impl Fn(u64) -> String) -> String {
    let mut list = String::from("[[");
    for i in 0.. {
        list += &element(i);
        list.push(',');
        if list.len() > bytes {
            break;
        }
    }
    list + "0]]"
}
