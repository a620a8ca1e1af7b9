//! The shell over io_uring: one glommio executor per shard, whose main task does the turns.
//!
//! glommio 0.9 costs nine `io_uring_enter` each time it sleeps: it flushes three rings, cancels one timer and arms
//! another on the way there and on the way back. So while there is traffic, the task waits for the next event in
//! epoll, one system call each; when there was none for [`LINGER`], it waits in io_uring until epoll has something.
//! (Waiting for each socket by io_uring was tried: 12 system calls for a lone message instead of 3.)
//!
//! glommio sleeps although tasks are scheduled if a completion comes on its latency ring between its last look and
//! its first task. Its own wakes from other threads come on that ring, so they are not used, and the preemption timer's
//! events, so that is long ([`PREEMPT`]): with the default of 100 ms a thread that waited that long for its CPU, at the wrong
//! place, slept until the next event. No sleep is longer than [`SLEEP_MAX`].

mod readiness;

use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use glommio::timer::Timer;
use glommio::{LocalExecutorBuilder, Placement};

use self::readiness::Readiness;
use super::host::{Rest, Seat};
use super::probe::RING_ENTRIES;
use super::reactor::Reactor;

/// Memory that glommio registers for file I/O, which the shell does not do: the least that it accepts.
const IO_MEMORY_BYTES: usize = 64 * 1024;

/// When glommio interrupts its tasks to look for events. Longer than any thread waits for its CPU: see the module.
const PREEMPT: Duration = Duration::from_secs(10);

/// How long the task waits in epoll after the last event.
const LINGER: Duration = Duration::from_millis(10);

/// The longest sleep in io_uring.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// Runs a shard until the router has shut down.
pub(super) fn run(seat: Seat) -> io::Result<()> {
    // The thread is pinned already, by what the process may use; glommio would look at what the machine has.
    let executor = LocalExecutorBuilder::new(Placement::Unbound)
        .name("shard")
        .io_memory(IO_MEMORY_BYTES)
        .ring_depth(RING_ENTRIES as usize)
        .preempt_timer(PREEMPT)
        .make()
        .map_err(|e| {
            io::Error::other(format!("glommio does not start: {e}; `--io epoll` needs no io_uring"))
        })?;
    executor.run(unwinding_caught(serve(seat))).unwrap_or_else(|panic| resume_unwind(panic))
}

async fn serve(seat: Seat) -> io::Result<()> {
    let mut reactor = Reactor::new(seat)?;
    let mut timeout = Duration::ZERO;
    loop {
        timeout = match reactor.turn(Some(timeout))? {
            Rest::Busy => Duration::ZERO,
            Rest::Sleep(limit) if !reactor.is_idle() => limit.map_or(LINGER, |limit| limit.min(LINGER)),
            Rest::Sleep(limit) => {
                let limit = limit.map_or(SLEEP_MAX, |limit| limit.min(SLEEP_MAX));
                match Readiness::of(&reactor) {
                    Ok(ready) => {
                        sleep(ready, limit).await;
                        Duration::ZERO
                    }
                    // Out of descriptors: epoll needs none.
                    Err(_) => limit,
                }
            }
            Rest::End => return Ok(()),
        };
    }
}

/// Sleeps in io_uring until something is ready or `limit` has passed.
async fn sleep(mut ready: Readiness, limit: Duration) {
    let mut timer = pin!(Timer::new(limit));
    poll_fn(|cx| {
        let over = ready.poll(cx).is_ready() || timer.as_mut().poll(cx).is_ready();
        if over { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// A panic would end glommio's executor in the middle of whatever it does, with a message of its own.
async fn unwinding_caught<T>(task: impl Future<Output = T>) -> std::thread::Result<T> {
    let mut task = pin!(task);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}
