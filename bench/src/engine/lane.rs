//! One closed loop: what is in flight, what may be sent next, and whether everything arrives once and in order.

use crate::scenario::{Kind, Run};
use crate::wamp::Template;

/// A source with its messages in flight.
#[derive(Debug)]
pub(super) struct Lane {
    /// Index of the source's connection.
    pub(super) source: usize,
    /// What the source sends.
    pub(super) request: Template,
    /// What a callee answers.
    pub(super) answer: Template,
    receivers: u32,
    /// The number of the next message.
    next: u64,
    /// By number modulo the window.
    slots: Vec<Slot>,
    /// By subscriber: the number that has to come next. Empty for calls, whose results may overtake each other.
    expected: Vec<u64>,
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
        let kind = run.scenario.kind;
        let ordered = if kind == Kind::Rpc { 0 } else { kind.receivers() };
        Lane {
            source,
            request: run.request(index),
            answer: run.answer(index),
            receivers: kind.receivers(),
            next: 0,
            slots: vec![Slot::default(); run.scenario.window as usize],
            expected: vec![0; ordered as usize],
        }
    }

    /// The number of the message to send now, if one may be sent.
    #[inline]
    pub(super) fn send(&mut self, now: u64) -> Option<u64> {
        let number = self.next;
        let receivers = self.receivers;
        let slot = self.slot(number);
        if slot.missing > 0 {
            return None;
        }
        *slot = Slot { number, sent_at: now, missing: receivers };
        self.next += 1;
        Some(number)
    }

    /// A message has arrived, at the given one of the subscribers. Returns how long it took, in nanoseconds.
    ///
    /// # Errors
    /// It should not have.
    #[inline]
    pub(super) fn arrived(&mut self, subscriber: u32, number: u64, now: u64) -> Result<u64, Misdelivery> {
        if let Some(expected) = self.expected.get_mut(subscriber as usize) {
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

    /// How many deliveries are still to come.
    pub(super) fn missing(&self) -> u64 {
        self.slots.iter().map(|slot| u64::from(slot.missing)).sum()
    }

    fn slot(&mut self, number: u64) -> &mut Slot {
        let index = number % self.slots.len() as u64;
        &mut self.slots[index as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use connectanum::wamp::Serializer;

    use super::*;
    use crate::scenario::Scenario;

    fn lane(kind: Kind, window: u32) -> Lane {
        let run = Run {
            target: "tcp://127.0.0.1:1".parse().unwrap(),
            serializer: Serializer::Json,
            realm: "realm1".to_owned(),
            prefix: "bench".to_owned(),
            scenario: Scenario { kind, lanes: 1, window, payload_bytes: 64 },
            warmup: Duration::ZERO,
            duration: Duration::ZERO,
        };
        Lane::new(&run, 0, 0)
    }

    #[test]
    fn the_next_goes_when_all_have_the_last() {
        let mut lane = lane(Kind::PubSub { fanout: 2 }, 2);
        assert_eq!([lane.send(10), lane.send(11), lane.send(12)], [Some(0), Some(1), None]);
        assert_eq!(lane.arrived(0, 0, 15), Ok(5));
        assert_eq!(lane.arrived(0, 1, 16), Ok(5));
        assert_eq!(lane.send(17), None);
        assert_eq!(lane.missing(), 2);
        assert_eq!(lane.arrived(1, 0, 20), Ok(10));
        assert_eq!([lane.send(21), lane.send(22)], [Some(2), None]);
        assert_eq!(lane.missing(), 3);
    }

    #[test]
    fn lost_doubled_and_foreign_messages_are_found() {
        let mut lane = lane(Kind::PubSub { fanout: 1 }, 3);
        assert_eq!([lane.send(0), lane.send(0)], [Some(0), Some(1)]);
        assert_eq!(lane.arrived(0, 1, 1), Err(Misdelivery::Order { found: 1, expected: 0 }));
        lane.arrived(0, 0, 1).unwrap();
        assert_eq!(lane.arrived(0, 0, 1), Err(Misdelivery::Order { found: 0, expected: 1 }));
        lane.arrived(0, 1, 1).unwrap();
        assert_eq!(lane.arrived(0, 2, 1), Err(Misdelivery::NotInFlight(2)));
    }

    #[test]
    fn results_may_overtake_but_come_once() {
        let mut lane = lane(Kind::Rpc, 2);
        assert_eq!([lane.send(0), lane.send(0)], [Some(0), Some(1)]);
        assert_eq!(lane.arrived(0, 1, 4), Ok(4));
        assert_eq!(lane.arrived(0, 1, 4), Err(Misdelivery::NotInFlight(1)));
        assert_eq!(lane.send(5), None, "its slot is taken by the oldest");
        assert_eq!(lane.arrived(0, 0, 6), Ok(6));
        assert_eq!([lane.send(7), lane.send(7), lane.send(7)], [Some(2), Some(3), None]);
    }
}
