//! What is counted: the works, each in the ways that clients speak.

use std::error::Error;

use connectanum::wamp::Serializer;

use crate::circuit::{Plan, Speech};

/// Turns that are prepared in every run, so that preparing costs the same in all.
const TURNS_MAX: usize = 60;
/// Turns of the two runs.
pub(crate) const TURNS: [usize; 2] = [20, TURNS_MAX];

/// One work in one way to speak.
pub(crate) struct Work {
    pub(crate) name: String,
    is_call: bool,
    plan: Plan,
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
            let plan = Plan { from: speech, to: speech, receivers, across, args, batch, turns: TURNS_MAX };
            works.push(Work { name: format!("{name} {way}"), is_call, plan });
        };
        add("event", false, 1, false, text(64), 64);
        add("event-lone", false, 1, false, text(64), 1);
        add("event-across", false, 1, true, text(64), 64);
        add("event-100", false, 100, false, text(64), 1);
        add("event-text-16k", false, 1, false, text(16 * 1024), 4);
        add("event-numbers-16k", false, 1, false, numbers(16 * 1024), 4);
        add("call", true, 1, false, text(64), 64);
        add("call-across", true, 1, true, text(64), 64);
    }
    works
}

pub(crate) fn by_name(name: &str) -> Result<Work, Box<dyn Error>> {
    let work = all().into_iter().find(|work| work.name == name);
    work.ok_or_else(|| format!("there is no work '{name}'").into())
}

impl Work {
    /// Does so many turns.
    pub(crate) fn run(&self, turns: usize) -> Result<(), Box<dyn Error>> {
        let mut circuit = if self.is_call { self.plan.call() } else { self.plan.publish() };
        for _ in 0..turns {
            circuit.turn().ok_or("more turns than were prepared")?;
        }
        Ok(())
    }

    /// Events or results that so many turns bring.
    pub(crate) fn deliveries(&self, turns: usize) -> usize {
        turns * self.plan.batch * self.plan.receivers
    }
}

/// A list of about so many bytes of numbers, one in three with a fraction.
fn numbers(bytes: usize) -> String {
    let mut list = String::from("[[");
    for i in 0_u64.. {
        let number = i * 7919 % 100_000;
        list += &if i % 3 == 0 { format!("{number}.25,") } else { format!("{number},") };
        if list.len() > bytes {
            break;
        }
    }
    list + "0]]"
}
