//! How often sessions may publish and call. Who is faster is not refused: its next message waits until its time has come, and what
//! follows waits unread, so that nothing is lost and nobody else is held up.

use super::conn::Stall;
use super::shard::{ConnId, Shard};
use super::time::Time;
use super::timers::Due;
use crate::config::Rate;
use crate::wamp::Message;

/// What a session may spend.
#[derive(Debug)]
pub(super) struct Rates {
    publish: Option<Bucket>,
    call: Option<Bucket>,
    /// The message that waits has been paid for.
    pub(super) is_paid: bool,
    /// A message waits for its time.
    waits: bool,
}

/// A token bucket, kept as the time at which it will be full again (the generic cell rate algorithm). In nanoseconds.
#[derive(Debug)]
struct Bucket {
    rate: Rate,
    interval: u64,
    /// How far ahead of the rate a burst may be.
    ahead: u64,
    full_at: u64,
}

impl Bucket {
    fn new(rate: Rate) -> Bucket {
        let interval = 1_000_000_000 / u64::from(rate.per_s.get());
        Bucket { rate, interval, ahead: interval * u64::from(rate.burst.get() - 1), full_at: 0 }
    }

    /// Takes a token, or says when there will be one.
    fn take(&mut self, now: Time) -> Result<(), Time> {
        let now = now.0.saturating_mul(1000);
        if self.full_at > now + self.ahead {
            return Err(Time((self.full_at - self.ahead).div_ceil(1000)));
        }
        self.full_at = self.full_at.max(now) + self.interval;
        Ok(())
    }
}

impl Rates {
    /// `None` if nothing is limited.
    pub(super) fn new(publish: Option<Rate>, call: Option<Rate>) -> Option<Box<Rates>> {
        let (publish, call) = (publish.map(Bucket::new), call.map(Bucket::new));
        (publish.is_some() || call.is_some())
            .then(|| Box::new(Rates { publish, call, is_paid: false, waits: false }))
    }
}

impl Shard {
    /// Whether it is time for this message of a session that has [`Rates`]; if not, it waits.
    pub(super) fn afford(&mut self, now: Time, id: ConnId, message: &Message<'_>, bytes: &[u8]) -> bool {
        let Some(rates) = self.session_mut(id).and_then(|session| session.rates.as_deref_mut()) else {
            return true;
        };
        let bucket = match message {
            Message::Publish(_) => &mut rates.publish,
            Message::Call(_) => &mut rates.call,
            _ => return true,
        };
        let Some(bucket) = bucket else { return true };
        if std::mem::take(&mut rates.is_paid) {
            return true;
        }
        let Err(at) = bucket.take(now) else {
            rates.waits = false;
            return true;
        };
        // It may be looked at too early, for another reason.
        if !std::mem::replace(&mut rates.waits, true) {
            match message {
                Message::Call(_) => self.limited.call_rate_max += 1,
                _ => self.limited.publish_rate_max += 1,
            }
        }
        self.timers.add(at, Due::Turn(id));
        self.wire.hold(id, bytes);
        false
    }

    /// A message that had to wait may go.
    pub(super) fn turn_has_come(&mut self, id: ConnId) {
        self.wire.unstall(id, Stall::HELD);
    }

    /// The configuration may say something else now.
    pub(super) fn renew_rates(&mut self, id: ConnId) {
        let Some(session) = self.session(id) else { return };
        let now = self.config.rates(usize::from(session.realm.0), &session.identity.authrole);
        let rate = |bucket: &Option<Bucket>| bucket.as_ref().map(|bucket| bucket.rate);
        let before = session.rates.as_ref().map(|rates| (rate(&rates.publish), rate(&rates.call)));
        // A full bucket is for new rates only.
        if before.unwrap_or_default() != now
            && let Some(session) = self.session_mut(id)
        {
            session.rates = Rates::new(now.0, now.1);
        }
    }

    /// What a session of this realm and role may spend.
    pub(super) fn rates(&self, realm: usize, authrole: &str) -> Option<Box<Rates>> {
        let (publish, call) = self.config.rates(realm, authrole);
        Rates::new(publish, call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let mut bucket = Bucket::new(Rate::new(10, 3).expect("not zero"));
        let at = |ms| Time(0).plus_ms(ms);
        assert_eq!([(); 3].map(|()| bucket.take(at(5000))), [Ok(()); 3]);
        assert_eq!(bucket.take(at(5000)), Err(at(5100)));
        assert_eq!(bucket.take(at(5099)), Err(at(5100)));
        assert_eq!(bucket.take(at(5100)), Ok(()));
        assert_eq!(bucket.take(at(5100)), Err(at(5200)));
        assert_eq!([(); 3].map(|()| bucket.take(at(9000))), [Ok(()); 3], "it has filled up, and not more");
        assert_eq!(bucket.take(at(9000)), Err(at(9100)));
    }
}
