//! One source's messages: what is in flight, what may be sent next, and whether everything arrives once and in order.

use crate::scenario::{Kind, Run};
use crate::wamp::Template;

/// Room for messages in flight that an open loop begins with; it grows as they pile up.
const OPEN_SLOTS: u32 = 16;

/// A source with its messages in flight.
#[derive(Debug)]
pub(super) struct Lane {
    /// Index of the source's connection.
    pub(super) source: usize,
    /// What the source publishes or calls.
    request: Template,
    /// What it calls, where it also publishes.
    call: Option<Template>,
    mix: Mix,
    /// The number of the next message.
    next: u64,
    /// By number modulo their count.
    slots: Vec<Slot>,
    /// The most slots there may be.
    slots_max: usize,
    /// By subscriber: the number that has to come next. Empty for calls, whose results may overtake each other.
    expected: Vec<u64>,
}

/// Which messages are calls, and who receives the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mix {
    /// How many of a hundred are calls, where there are others.
    calls: u64,
    /// How many receive one that is not.
    receivers: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    number: u64,
    sent_at: u64,
    /// Receivers that do not have it yet.
    missing: u32,
}

/// Something arrived that should not have.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Misdelivery {
    /// Lost, doubled or overtaken.
    #[error("message {found} of its lane instead of {expected}: lost, doubled or out of order")]
    Order {
        /// What arrived.
        found: u64,
        /// What was to come.
        expected: u64,
    },
    /// It has been received by all, or was never sent.
    #[error("message {0} of its lane, which is not in flight")]
    NotInFlight(u64),
    /// It is for others.
    #[error("a message of lane {found} in lane {expected}")]
    Lane {
        /// Where it belongs.
        found: u32,
        /// Where it arrived.
        expected: u32,
    },
}

impl Lane {
    pub(super) fn new(run: &Run, index: u32, source: usize) -> Lane {
        let (kind, window) = (run.scenario.kind, run.scenario.window);
        let ordered = match kind {
            Kind::Rpc | Kind::Shared { .. } => 0,
            _ => kind.receivers(),
        };
        let calls = match kind {
            Kind::Mixed { calls, .. } => u64::from(calls),
            _ => 0,
        };
        let (slots, slots_max) = match run.scenario.rate {
            None => (window, window),
            Some(_) => (OPEN_SLOTS.min(run.backlog), run.backlog),
        };
        Lane {
            source,
            request: run.request(index),
            call: (calls > 0).then(|| run.call(index)),
            mix: Mix { calls, receivers: kind.receivers() },
            next: 0,
            slots: vec![Slot::default(); slots as usize],
            slots_max: slots_max as usize,
            expected: vec![0; ordered as usize],
        }
    }

    /// The number of the message to send now, if one may be sent.
    #[inline]
    pub(super) fn send(&mut self, now: u64) -> Option<u64> {
        let number = self.next;
        let missing = self.mix.receivers_of(number);
        let slot = self.slot(number);
        if slot.missing > 0 {
            return None;
        }
        *slot = Slot { number, sent_at: now, missing };
        self.next += 1;
        Some(number)
    }

    /// The number of the message that is due since `due`; `None` if there are too many in flight.
    #[inline]
    pub(super) fn send_due(&mut self, due: u64) -> Option<u64> {
        let number = self.next;
        if self.slot(number).missing > 0 && !self.grow() {
            return None;
        }
        self.send(due)
    }

    /// A message has arrived, at the given one of the subscribers. Returns how long it took, in nanoseconds.
    ///
    /// # Errors
    /// It should not have.
    #[inline]
    pub(super) fn arrived(&mut self, subscriber: u32, number: u64, now: u64) -> Result<u64, Misdelivery> {
        if let Some(expected) = self.expected.get_mut(subscriber as usize)
            && !self.mix.is_call(number)
        {
            while self.mix.is_call(*expected) {
                *expected += 1;
            }
            if *expected != number {
                return Err(Misdelivery::Order { found: number, expected: *expected });
            }
            *expected += 1;
        }
        let slot = self.slot(number);
        if slot.number != number || slot.missing == 0 {
            return Err(Misdelivery::NotInFlight(number));
        }
        slot.missing -= 1;
        Ok(now.saturating_sub(slot.sent_at))
    }

    /// How many messages have been sent.
    pub(super) fn sent(&self) -> u64 {
        self.next
    }

    /// What a message is made of.
    #[inline]
    pub(super) fn template(&self, number: u64) -> &Template {
        match &self.call {
            Some(call) if self.mix.is_call(number) => call,
            _ => &self.request,
        }
    }

    /// How many are to receive a message.
    #[inline]
    pub(super) fn receivers_of(&self, number: u64) -> u32 {
        self.mix.receivers_of(number)
    }

    fn slot(&mut self, number: u64) -> &mut Slot {
        let index = number % self.slots.len() as u64;
        &mut self.slots[index as usize]
    }

    /// Makes room for more in flight. Returns whether there may be more.
    #[cold]
    fn grow(&mut self) -> bool {
        let count = (2 * self.slots.len()).min(self.slots_max);
        if count == self.slots.len() {
            return false;
        }
        // What is in flight has numbers that lie closer together than the old slots were many: no two meet.
        let old = std::mem::replace(&mut self.slots, vec![Slot::default(); count]);
        for slot in old.into_iter().filter(|slot| slot.missing > 0) {
            *self.slot(slot.number) = slot;
        }
        true
    }
}

impl Mix {
    /// Whether a message is a call. They are spread evenly among the others.
    #[inline]
    fn is_call(self, number: u64) -> bool {
        self.calls > 0 && (number + 1) * self.calls / 100 > number * self.calls / 100
    }

    #[inline]
    fn receivers_of(self, number: u64) -> u32 {
        if self.is_call(number) { 1 } else { self.receivers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    fn lane(scenario: Scenario) -> Lane {
        let run = Run { backlog: 40, ..Run::new("tcp://127.0.0.1:1".parse().unwrap(), scenario) };
        Lane::new(&run, 0, 0)
    }

    fn closed(kind: Kind, window: u32) -> Lane {
        lane(Scenario { kind, window, ..Scenario::default() })
    }

    #[test]
    fn the_next_goes_when_all_have_the_last() {
        let mut lane = closed(Kind::PubSub { fanout: 2 }, 2);
        assert_eq!([lane.send(10), lane.send(11), lane.send(12)], [Some(0), Some(1), None]);
        assert_eq!(lane.arrived(0, 0, 15), Ok(5));
        assert_eq!(lane.arrived(0, 1, 16), Ok(5));
        assert_eq!(lane.send(17), None);
        assert_eq!(lane.arrived(1, 0, 20), Ok(10));
        assert_eq!([lane.send(21), lane.send(22)], [Some(2), None]);
    }

    #[test]
    fn lost_doubled_and_foreign_messages_are_found() {
        let mut lane = closed(Kind::PubSub { fanout: 1 }, 3);
        assert_eq!([lane.send(0), lane.send(0)], [Some(0), Some(1)]);
        assert_eq!(lane.arrived(0, 1, 1), Err(Misdelivery::Order { found: 1, expected: 0 }));
        lane.arrived(0, 0, 1).unwrap();
        assert_eq!(lane.arrived(0, 0, 1), Err(Misdelivery::Order { found: 0, expected: 1 }));
        lane.arrived(0, 1, 1).unwrap();
        assert_eq!(lane.arrived(0, 2, 1), Err(Misdelivery::NotInFlight(2)));
    }

    #[test]
    fn results_may_overtake_but_come_once() {
        let mut lane = closed(Kind::Rpc, 2);
        assert_eq!([lane.send(0), lane.send(0)], [Some(0), Some(1)]);
        assert_eq!(lane.arrived(0, 1, 4), Ok(4));
        assert_eq!(lane.arrived(0, 1, 4), Err(Misdelivery::NotInFlight(1)));
        assert_eq!(lane.send(5), None, "its slot is taken by the oldest");
        assert_eq!(lane.arrived(0, 0, 6), Ok(6));
        assert_eq!([lane.send(7), lane.send(7), lane.send(7)], [Some(2), Some(3), None]);
    }

    #[test]
    fn an_open_loop_goes_on_up_to_the_backlog() {
        let mut lane = lane(Scenario { rate: Some(1), ..Scenario::default() });
        for number in 0..10 {
            assert_eq!(lane.send_due(number), Some(number));
        }
        for number in 0..5 {
            assert_eq!(lane.arrived(0, number, 100), Ok(100 - number), "since it was due");
        }
        for number in 10..45 {
            assert_eq!(lane.send_due(number), Some(number), "40 in flight at most");
        }
        assert_eq!(lane.send_due(45), None);
        for number in 5..45 {
            assert_eq!(lane.arrived(0, number, 100), Ok(100 - number), "it has kept its time");
        }
        assert_eq!(lane.send_due(46), Some(45));
    }

    #[test]
    fn calls_among_publications() {
        let mut lane = closed(Kind::Mixed { fanout: 2, calls: 30 }, 10);
        let numbers: Vec<_> = (0..10).map(|now| lane.send(now).unwrap()).collect();
        let (calls, publications): (Vec<_>, Vec<_>) =
            numbers.into_iter().partition(|&number| lane.receivers_of(number) == 1);
        assert_eq!(calls, [3, 6, 9], "three of ten, evenly");
        assert_ne!(lane.template(3), lane.template(4));
        for subscriber in 0..2 {
            for &number in &publications {
                lane.arrived(subscriber, number, 20).unwrap();
            }
        }
        for number in [9, 3, 6] {
            lane.arrived(0, number, 20).unwrap();
        }
        assert_eq!(lane.arrived(0, 3, 20), Err(Misdelivery::NotInFlight(3)));
        assert_eq!(lane.arrived(0, 2, 20), Err(Misdelivery::Order { found: 2, expected: 10 }));
    }
}
