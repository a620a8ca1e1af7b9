//! What wakes the main task: a ring of another thread, or a time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake};
use std::time::Duration;

use glommio::timer::Timer;
use socket2::Socket;

use crate::router::Time;

/// The longest sleep.
pub(super) const SLEEP_MAX: Duration = Duration::from_millis(100);

/// The end of a socket pair that wakes the shard.
pub(super) struct Bell(pub(super) Socket);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // It fails if it has been rung often already, or nobody is left to be woken.
        let _ = self.0.send_with_flags(&[0], libc::MSG_NOSIGNAL);
    }
}

/// Wakes the main task at a time.
pub(super) struct Alarm {
    timer: Timer,
    at: Time,
}

impl Alarm {
    pub(super) fn new() -> Alarm {
        Alarm { timer: Timer::new(Duration::ZERO), at: Time(0) }
    }

    /// Wakes the task `after` from `now` at the latest (at most [`SLEEP_MAX`]), and not before glommio has looked for
    /// events. An alarm that is set for earlier stays: being woken for nothing now and then costs less than setting
    /// it every turn.
    pub(super) fn set(&mut self, now: Time, after: Duration, cx: &mut Context<'_>) {
        if self.at <= now || now + after < self.at {
            self.at = now + after;
            // A timer whose time has come does not register the task, it is ready instead. So it is set twice.
            self.timer.reset(SLEEP_MAX);
            let _ = Pin::new(&mut self.timer).poll(cx);
            self.timer.reset(after);
        }
    }
}
