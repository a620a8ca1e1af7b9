//! The links between shards, and the doorbell that wakes a shard that sleeps.
//!
//! One bounded FIFO link per ordered pair of shards; [`Links`] is one shard's ends of all of them. Nobody ever
//! waits for another: a send either fits or gives the message back, and the sender is rung when there is room.
//! What a turn sends to a shard travels together, so that a message costs a move and not an operation of the channel; the
//! memory of such a batch goes back to its sender.
//!
//! Two wakes must never be lost, and both follow the same rule (Dekker's): *each side writes its own word, then
//! passes a sequentially consistent fence, then reads the other's.*
//!
//! * Full link: the sender sets `blocked`, then tries once more; the receiver takes messages, then reads `blocked`.
//! * Sleep: the sleeper sets `sleeping`, then looks at all that others change (its queues and the `blocked` of
//!   links that were full); the others change it, then read `sleeping`. So [`Doorbell::doze`] goes before
//!   [`Links::is_idle`], and that before sleep.

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use crossbeam_channel::{Receiver, Sender, TrySendError};

use crate::router::ShardId;

/// Messages that travel together at most.
const BATCH_MESSAGES_MAX: usize = 64;

/// Makes the links among as many shards as there are bells; each link holds up to `capacity` messages, two at least.
pub(super) fn mesh<M>(bells: &[Arc<Doorbell>], capacity: usize) -> Vec<Links<M>> {
    let mut shards: Vec<Links<M>> = bells.iter().map(|_| Links { peers: Vec::new() }).collect();
    for a in 0..bells.len() {
        for b in 0..=a {
            if a == b {
                shards[a].peers.push(None);
                continue;
            }
            let (a_to_b, b_from_a) = link(capacity);
            let (b_to_a, a_from_b) = link(capacity);
            shards[a].peers.push(Some(Peer {
                out: a_to_b,
                inbound: a_from_b,
                bell: bells[b].clone(),
                ring: false,
            }));
            shards[b].peers.push(Some(Peer {
                out: b_to_a,
                inbound: b_from_a,
                bell: bells[a].clone(),
                ring: false,
            }));
        }
    }
    shards
}

/// One shard's ends of its links.
#[derive(Debug)]
pub(super) struct Links<M> {
    /// By [`ShardId`]; `None` for the shard itself.
    peers: Vec<Option<Peer<M>>>,
}

#[derive(Debug)]
struct Peer<M> {
    out: Outbound<M>,
    inbound: Inbound<M>,
    bell: Arc<Doorbell>,
    /// The peer is to be rung at the end of this turn.
    ring: bool,
}

impl<M> Links<M> {
    /// Queues `message` for shard `to`, or gives it back if the link is full; `to` then rings this shard once it
    /// has made room. It leaves with the next [`Links::ring`] at the latest. What is sent to a shard that has ended is
    /// dropped.
    pub(super) fn send(&mut self, to: ShardId, message: M) -> Result<(), M> {
        let Some(Some(peer)) = self.peers.get_mut(usize::from(to.0)) else { return Ok(()) };
        if peer.out.staged.len() >= peer.out.batch_max {
            peer.depart();
        }
        peer.out.stage(message)
    }

    /// Hands what has come to `deliver`, link by link: of each until there are `enough`, and the rest of the batch.
    /// Returns whether a link may have more.
    pub(super) fn receive(&mut self, enough: usize, mut deliver: impl FnMut(ShardId, M)) -> bool {
        let mut more = false;
        for (id, peer) in (0..).map(ShardId).zip(&mut self.peers) {
            let Some(peer) = peer else { continue };
            let mut taken = 0;
            while taken < enough
                && let Ok(mut batch) = peer.inbound.batches.try_recv()
            {
                taken += batch.len();
                batch.drain(..).for_each(|message| deliver(id, message));
                // If its sender has enough of them, or has ended, it is dropped.
                let _ = peer.inbound.spent.try_send(batch);
            }
            more |= taken >= enough;
            peer.ring |= taken > 0 && peer.inbound.unblock();
        }
        more
    }

    /// Whether there is nothing to receive, and no new room in a link that was full.
    pub(super) fn is_idle(&self) -> bool {
        self.peers.iter().flatten().all(|peer| peer.inbound.batches.is_empty() && !peer.out.has_new_room())
    }

    /// Lets everything leave that was sent, and wakes the shards that this one has sent to or made room for since the
    /// last call, each once, and only those that sleep. Returns how many that were.
    pub(super) fn ring(&mut self) -> u64 {
        let rung = self.peers.iter_mut().flatten().filter_map(|peer| {
            peer.depart();
            let due = std::mem::take(&mut peer.ring);
            (due && peer.bell.ring()).then_some(())
        });
        rung.count() as u64
    }
}

impl<M> Peer<M> {
    /// Lets what is staged leave, if the link has room.
    fn depart(&mut self) {
        self.ring |= self.out.depart();
    }
}

/// The sending end of one link.
#[derive(Debug)]
struct Outbound<M> {
    batches: Sender<Vec<M>>,
    /// Batches that come back empty.
    spent: Receiver<Vec<M>>,
    /// What leaves next.
    staged: Vec<M>,
    /// Messages of a batch.
    batch_max: usize,
    blocked: Arc<AtomicBool>,
    /// The last batch did not fit.
    full: bool,
}

/// The receiving end of one link.
#[derive(Debug)]
struct Inbound<M> {
    batches: Receiver<Vec<M>>,
    spent: Sender<Vec<M>>,
    /// The sender met a full link and waits to be rung.
    blocked: Arc<AtomicBool>,
}

fn link<M>(capacity: usize) -> (Outbound<M>, Inbound<M>) {
    // One batch is staged, the others are on their way.
    let batch_max = (capacity / 2).clamp(1, BATCH_MESSAGES_MAX);
    let batches = (capacity / batch_max).saturating_sub(1).max(1);
    let (sender, receiver) = crossbeam_channel::bounded(batches);
    let (give_back, spent) = crossbeam_channel::bounded(batches + 1);
    let blocked = Arc::new(AtomicBool::new(false));
    let out = Outbound {
        batches: sender,
        spent,
        staged: Vec::new(),
        batch_max,
        blocked: blocked.clone(),
        full: false,
    };
    (out, Inbound { batches: receiver, spent: give_back, blocked })
}

impl<M> Outbound<M> {
    /// Queues a message, unless a whole batch waits already.
    fn stage(&mut self, message: M) -> Result<(), M> {
        if self.staged.len() >= self.batch_max {
            return Err(message);
        }
        self.staged.push(message);
        Ok(())
    }

    /// Lets what is staged leave, if the link has room. Whether something has left.
    fn depart(&mut self) -> bool {
        if self.staged.is_empty() {
            return false;
        }
        let batch = std::mem::take(&mut self.staged);
        let sent = self.try_send(batch).or_else(|batch| {
            self.blocked.store(true, Ordering::Relaxed);
            // The channel has such a fence where it finds itself full, too, but promises none.
            fence(Ordering::SeqCst);
            self.try_send(batch)
        });
        self.full = sent.is_err();
        match sent {
            Ok(()) => self.staged = self.spent.try_recv().unwrap_or_default(),
            Err(batch) => self.staged = batch,
        }
        !self.full
    }

    fn try_send(&self, batch: Vec<M>) -> Result<(), Vec<M>> {
        match self.batches.try_send(batch) {
            Err(TrySendError::Full(batch)) => Err(batch),
            Ok(()) | Err(TrySendError::Disconnected(_)) => Ok(()),
        }
    }

    fn has_new_room(&self) -> bool {
        self.full && !self.blocked.load(Ordering::Relaxed)
    }
}

impl<M> Inbound<M> {
    /// After messages were taken: whether the sender waits for the room.
    fn unblock(&self) -> bool {
        fence(Ordering::SeqCst);
        self.blocked.load(Ordering::Relaxed) && self.blocked.swap(false, Ordering::Relaxed)
    }
}

/// Wakes one shard, if it sleeps. It is written in each turn, so it is alone on its cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Doorbell {
    sleeping: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Doorbell {
    /// Says how to wake the shard; `None` when nobody is left to be woken.
    pub(super) fn set_waker(&self, waker: Option<Waker>) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = waker;
    }

    /// The shard is about to sleep: from now on it is rung. It must look at everything that others change once
    /// more after this call, and only then sleep.
    pub(super) fn doze(&self) {
        self.sleeping.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The shard is awake, and will look at everything before it sleeps again.
    pub(super) fn awake(&self) {
        self.sleeping.store(false, Ordering::Relaxed);
    }

    /// Something has changed for the shard: wakes it if it sleeps. Returns whether that was needed.
    pub(super) fn ring(&self) -> bool {
        fence(Ordering::SeqCst);
        let wakes = self.sleeping.load(Ordering::Relaxed) && self.sleeping.swap(false, Ordering::Relaxed);
        if wakes && let Some(waker) = &*self.waker.lock().unwrap_or_else(PoisonError::into_inner) {
            waker.wake_by_ref();
        }
        wakes
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;
    use std::thread::{self, Thread};
    use std::time::{Duration, Instant};

    use super::*;

    const A: ShardId = ShardId(0);
    const B: ShardId = ShardId(1);

    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    fn bells(n: usize) -> Vec<Arc<Doorbell>> {
        (0..n).map(|_| Arc::default()).collect()
    }

    /// Sleeps until rung, as a shell does.
    fn sleep(bell: &Doorbell) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while bell.sleeping.load(Ordering::SeqCst) {
            assert!(Instant::now() < deadline, "a wake was lost");
            thread::park_timeout(Duration::from_secs(1));
        }
    }

    /// Sends `0..n` to the other shard and expects the same from it.
    fn exchange(mut links: Links<u64>, bell: Arc<Doorbell>, other: ShardId, n: u64) -> u64 {
        bell.set_waker(Some(Arc::new(Unpark(thread::current())).into()));
        let (mut sent, mut received, mut rings) = (0, 0, 0);
        let all_gone =
            |links: &Links<u64>| links.peers.iter().flatten().all(|peer| peer.out.staged.is_empty());
        while sent < n || received < n || !all_gone(&links) {
            let more = links.receive(3, |from, message| {
                assert_eq!((from, message), (other, received), "out of order");
                received += 1;
            });
            while sent < n && links.send(other, sent).is_ok() {
                sent += 1;
            }
            rings += links.ring();
            if !more && (sent < n || received < n || !all_gone(&links)) {
                bell.doze();
                if links.is_idle() {
                    sleep(&bell);
                }
                bell.awake();
            }
        }
        rings
    }

    #[test]
    fn two_threads_over_tiny_links_lose_no_message_and_no_wake() {
        for capacity in [1, 2, 7] {
            let bells = bells(2);
            let mut ends = mesh(&bells, capacity).into_iter();
            let (a, b) = (ends.next().unwrap(), ends.next().unwrap());
            let n = if cfg!(miri) { 40 } else { 20_000 };
            let rings = thread::scope(|scope| {
                let there = scope.spawn(|| exchange(b, bells[1].clone(), A, n));
                exchange(a, bells[0].clone(), B, n) + there.join().unwrap()
            });
            assert!(rings > 0 || cfg!(miri), "both threads never slept: the test shows nothing");
        }
    }

    /// How often two threads meet: Miri lets one see what is old whenever a processor might.
    const ENCOUNTERS: usize = if cfg!(miri) { 20 } else { 500 };

    #[test]
    fn whoever_goes_to_sleep_sees_what_is_new_or_is_rung() {
        for _ in 0..ENCOUNTERS {
            let (bell, news) = (Doorbell::default(), AtomicBool::new(false));
            let sees = thread::scope(|scope| {
                scope.spawn(|| {
                    news.store(true, Ordering::Relaxed);
                    bell.ring();
                });
                bell.doze();
                news.load(Ordering::Relaxed)
            });
            let is_rung = !bell.sleeping.load(Ordering::Relaxed);
            assert!(sees || is_rung, "a wake was lost");
        }
    }

    #[test]
    fn whoever_meets_a_full_link_finds_room_or_is_told() {
        for _ in 0..ENCOUNTERS {
            let (mut out, inbound) = link(1);
            out.stage(1).unwrap();
            assert!(out.depart(), "the first fits");
            out.stage(2).unwrap();
            let is_told = thread::scope(|scope| {
                let receiver = scope.spawn(|| {
                    inbound.batches.try_recv().unwrap();
                    inbound.unblock()
                });
                out.depart();
                receiver.join().unwrap()
            });
            assert!(is_told || !out.full, "the room was missed");
        }
    }

    #[test]
    fn every_pair_has_its_own_fifo() {
        let mut ends = mesh::<(u16, u32)>(&bells(4), 8);
        for (me, links) in (0..).zip(&mut ends) {
            for to in (0..4).map(ShardId) {
                (0..3).for_each(|i| links.send(to, (me, i)).unwrap());
            }
            links.ring();
        }
        for (me, links) in (0..).map(ShardId).zip(&mut ends) {
            let mut got = Vec::new();
            assert!(!links.receive(8, |from, (sender, i)| got.push((from, ShardId(sender), i))));
            let others = (0..4).map(ShardId).filter(|&id| id != me);
            let expected: Vec<_> = others.flat_map(|id| (0..3).map(move |i| (id, id, i))).collect();
            assert_eq!(got, expected);
        }
    }

    #[test]
    fn a_full_link_gives_back_and_says_when_there_is_room() {
        let bells = bells(2);
        let mut ends = mesh(&bells, 4).into_iter();
        let (mut a, mut b) = (ends.next().unwrap(), ends.next().unwrap());
        let sent = [1, 2, 3, 4, 5].map(|m| a.send(B, m));
        assert_eq!(sent, [Ok(()), Ok(()), Ok(()), Ok(()), Err(5)], "two are on their way, two are staged");
        a.ring();
        assert!(a.is_idle(), "there is no room");
        bells[0].doze();
        let mut got = Vec::new();
        assert!(b.receive(1, |_, m| got.push(m)), "more may wait");
        assert_eq!(got, [1, 2], "what came together");
        assert_eq!(b.ring(), 1, "the sender waits for room");
        assert_eq!(b.ring(), 0, "and is rung once");
        assert!(!a.is_idle(), "there is room");
        assert_eq!(a.send(B, 5), Ok(()));
        a.ring();
        while b.receive(8, |_, m| got.push(m)) {}
        b.ring();
        a.ring();
        while b.receive(8, |_, m| got.push(m)) {}
        assert_eq!(got, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn memory_comes_back() {
        let mut ends = mesh(&bells(2), 1024).into_iter();
        let (mut a, mut b) = (ends.next().unwrap(), ends.next().unwrap());
        let mut places = std::collections::BTreeSet::new();
        for n in 0..100 {
            a.send(B, n).unwrap();
            places.insert(a.peers[1].as_ref().unwrap().out.staged.as_ptr());
            a.ring();
            b.receive(8, |_, m| assert_eq!(m, n));
        }
        assert!(places.len() <= 3, "{} batches", places.len());
    }

    #[test]
    fn rings_are_one_per_turn_and_only_for_sleepers() {
        let bells = bells(3);
        let mut ends = mesh(&bells, 8);
        bells[1].doze();
        (0..5).for_each(|m| ends[0].send(B, m).unwrap());
        ends[0].send(ShardId(2), 9).unwrap();
        assert_eq!(ends[0].ring(), 1, "shard 2 is awake");
        bells[1].doze();
        assert_eq!(ends[0].ring(), 0, "nothing new");
    }

    #[test]
    fn a_shard_that_has_ended_takes_no_message() {
        let mut ends = mesh(&bells(2), 1);
        ends.pop();
        assert_eq!([1, 2, 3].map(|m| ends[0].send(B, m)), [Ok(()); 3]);
    }
}
