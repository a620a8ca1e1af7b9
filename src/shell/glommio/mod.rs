//! The shell over io_uring: one glommio executor per shard.
//!
//! Each connection has a task that waits for its socket, each listener one that accepts, and the main task does a
//! turn. Whichever of the others first has something for the shard in a turn schedules the main task, which thus
//! runs after all that were ready together with it, and gathers what they have caused.
//!
//! glommio looks for new events only when no task is scheduled. So a task that has more to do must not schedule
//! itself: it is noted in `later`, and the main task sets an alarm for at once.
//!
//! glommio 0.9 goes to sleep with tasks scheduled if it is told to look for urgent events just before it would run
//! them. Wakers that are used from other threads do that, and a preemption timer that expires then, as the default of
//! 100 ms does on a busy machine; so the bell is a socket like others, and the timer is long ([`PREEMPT`]). If the alarm
//! was what scheduled the main task, nothing would end that sleep; else [`SLEEP_MAX`] bounds it.
//!
//! A task borrows the state of the shell only while it is polled. So one read buffer serves all connections, and
//! one that is idle holds none.

mod connections;
mod stream;
mod wake;

use std::any::Any;
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use glommio::timer::sleep;
use glommio::{LocalExecutorBuilder, Placement, Task, executor, spawn_local};
use socket2::{Domain, Socket, Type};

use self::connections::Connections;
use self::stream::Stream;
use self::wake::{Alarm, Bell, SLEEP_MAX};
use super::host::{ACCEPT_PAUSE, Accepting, Host, Rest, Seat, Sockets};
use super::listen::Listener;
use super::probe::RING_ENTRIES;
use crate::limits::READ_BUFFER_BYTES;
use crate::router::ConnId;

/// Memory that glommio registers for file I/O, which the shell does not do: the least that it accepts.
const IO_MEMORY_BYTES: usize = 64 * 1024;

/// When glommio interrupts its tasks to look for events. Longer than any thread waits for its CPU: see the module. No
/// task goes on that long.
const PREEMPT: Duration = Duration::from_secs(10);

/// A sleep that ends when glommio has looked for events, as a yield does not.
const EVENTS_FIRST: Duration = Duration::from_micros(10);

type Panic = Box<dyn Any + Send>;

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
    executor.run(serve(seat))?.unwrap_or_else(|panic| resume_unwind(panic));
    Ok(())
}

async fn serve(seat: Seat) -> io::Result<Result<(), Panic>> {
    let (host, listeners) = Host::new(seat);
    let (ring, bell) = Socket::pair(Domain::UNIX, Type::STREAM, None)?;
    ring.set_nonblocking(true)?;
    host.bell().set_waker(Some(Arc::new(Bell(ring)).into()));
    let shell = Rc::new(RefCell::new(Shell::new(host)));
    let mut accepting: Vec<_> =
        listeners.into_iter().map(|listener| spawn(&shell, accept(shell.clone(), listener))).collect();
    let mut alarm = Alarm::new();
    let mut bell = Stream::new(bell);
    let turns = poll_fn(|cx| {
        let turn = shell.borrow_mut().turn(&mut bell, &mut alarm, cx);
        if !shell.borrow().host.is_running() {
            accepting.clear(); // Dropping a task ends it, and with it its listener.
        }
        turn
    });
    let result = unwinding_caught(turns).await.and_then(|ended| ended);

    // Tasks that outlive the executor would never be dropped, nor what they hold.
    drop(accepting);
    shell.borrow_mut().end();
    while Rc::strong_count(&shell) > 1 {
        executor().yield_now().await;
    }
    Ok(result)
}

/// The state of the shard's thread.
struct Shell {
    host: Host,
    connections: Connections,
    buffer: Box<[u8]>,
    /// Between the first event after a rest and the end of the turn.
    in_turn: bool,
    /// Schedules the main task.
    main: Option<Waker>,
    /// Connections that have more to be read, when the others have been served.
    later: Vec<ConnId>,
    /// What a task has ended with that must not end.
    panic: Option<Panic>,
}

impl Shell {
    fn new(host: Host) -> Shell {
        Shell {
            host,
            connections: Connections::default(),
            buffer: vec![0; READ_BUFFER_BYTES].into(),
            in_turn: false,
            main: None,
            later: Vec::new(),
            panic: None,
        }
    }

    /// Something has happened: a turn begins, unless one is under way. The main task will end it.
    fn begin(&mut self) {
        if !self.in_turn {
            self.in_turn = true;
            self.host.begin();
            if let Some(main) = &self.main {
                main.wake_by_ref();
            }
        }
    }

    /// The end of a turn, in the main task.
    fn turn(
        &mut self,
        bell: &mut Stream,
        alarm: &mut Alarm,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Panic>> {
        self.main.get_or_insert_with(|| cx.waker().clone());
        if let Some(panic) = self.panic.take() {
            return Poll::Ready(Err(panic));
        }
        while matches!(bell.poll_read(cx, &mut [0; 16]), Poll::Ready(Ok(1..))) {}
        if !self.in_turn {
            self.host.begin();
            if !self.later.is_empty() {
                // Their tasks come first, and then this one again, for what they cause.
                self.in_turn = true;
                self.later.drain(..).for_each(|conn| self.connections.wake(conn));
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        self.host.receive_mesh();
        self.host.finish(&mut self.connections);
        self.in_turn = false;
        let sleep = match self.host.rest(!self.later.is_empty(), None) {
            Rest::Busy => Duration::ZERO,
            Rest::Sleep(limit) => limit.map_or(SLEEP_MAX, |limit| limit.min(SLEEP_MAX)),
            Rest::End => return Poll::Ready(Ok(())),
        };
        alarm.set(self.host.now(), sleep, cx);
        Poll::Pending
    }

    /// Drops what belongs to this executor.
    fn end(&mut self) {
        self.host.bell().set_waker(None);
        self.main = None;
        for conn in self.connections.map.keys().collect::<Vec<_>>() {
            self.connections.close(conn);
        }
    }

    /// What a connection's task does when it is woken: writes if it waits for that, reads if it may.
    fn poll_connection(&mut self, conn: ConnId, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(connection) = self.connections.map.get_mut(conn) {
            connection.task.get_or_insert_with(|| cx.waker().clone());
        }
        self.poll_write(conn, cx);
        self.poll_read(conn, cx);
        if self.connections.map.contains_key(conn) { Poll::Pending } else { Poll::Ready(()) }
    }

    /// glommio waits for room only on the way to writing. So the first slice is written here, and the others, as
    /// always, together.
    fn poll_write(&mut self, conn: ConnId, cx: &mut Context<'_>) {
        let Some(connection) = self.connections.map.get_mut(conn).filter(|connection| connection.full) else {
            return;
        };
        let Poll::Ready(written) =
            self.host.write_first(conn, |bytes| connection.stream.poll_write(cx, bytes))
        else {
            return;
        };
        connection.full = false;
        self.begin();
        match written {
            Ok(n) if self.host.sent(conn, n) => self.host.write(conn, &mut self.connections),
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::Interrupted => self.host.write(conn, &mut self.connections),
            Err(_) => self.host.lost(conn, &mut self.connections),
        }
    }

    fn poll_read(&mut self, conn: ConnId, cx: &mut Context<'_>) {
        loop {
            let Some(connection) = self.connections.map.get_mut(conn) else { return };
            if connection.paused || connection.eof {
                return;
            }
            let Poll::Ready(read) = connection.stream.poll_read(cx, &mut self.buffer) else { return };
            connection.eof = matches!(read, Ok(0));
            self.begin();
            match read {
                Ok(0) => self.host.eof(conn),
                Ok(n) => {
                    self.host.received(conn, &mut self.buffer[..n]);
                    if n == self.buffer.len() {
                        return self.later.push(conn);
                    }
                    // The socket is empty, glommio knows it, and the next call only waits.
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.host.lost(conn, &mut self.connections),
            }
        }
    }
}

/// Accepts, until it is dropped.
async fn accept(shell: Rc<RefCell<Shell>>, listener: Listener) {
    loop {
        match accept_some(&shell, &listener) {
            Accepting::More => sleep(EVENTS_FIRST).await,
            Accepting::Done if readable(&listener).await.is_ok() => {}
            Accepting::Done | Accepting::Pause => sleep(ACCEPT_PAUSE).await,
        }
    }
}

fn accept_some(shell: &Rc<RefCell<Shell>>, listener: &Listener) -> Accepting {
    let (accepting, added) = {
        let shell = &mut *shell.borrow_mut();
        shell.begin();
        let accepting = shell.host.accept(listener, &mut shell.connections);
        (accepting, std::mem::take(&mut shell.connections.added))
    };
    for conn in added {
        let state = shell.clone();
        spawn(shell, poll_fn(move |cx| state.borrow_mut().poll_connection(conn, cx))).detach();
    }
    accepting
}

/// Waits until somebody may wait to be accepted. Fails when there is no descriptor for that.
///
/// glommio accepts without this, but at the price of three more system calls for each connection, of connections
/// that are lost when a task is dropped while it accepts, and of a wait that blocks the thread when several shards
/// accept from one socket. So it waits for a copy of the listener, as if that were a stream: reading from that can
/// only fail, but it does so when there is something.
async fn readable(listener: &Listener) -> io::Result<()> {
    let mut stream = Stream::new(listener.socket.try_clone()?);
    let _ = poll_fn(|cx| stream.poll_read(cx, &mut [0])).await;
    Ok(())
}

/// Runs a task whose panic ends the shard: on its own it would end the executor, midway through whatever it does.
fn spawn(shell: &Rc<RefCell<Shell>>, task: impl Future<Output = ()> + 'static) -> Task<()> {
    let shell = shell.clone();
    spawn_local(async move {
        if let Err(panic) = unwinding_caught(task).await {
            let shell = &mut *shell.borrow_mut();
            shell.panic = Some(panic);
            shell.begin();
        }
    })
}

async fn unwinding_caught<T>(task: impl Future<Output = T>) -> Result<T, Panic> {
    let mut task = pin!(task);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Io;
    use crate::shell::{Router, StartError};

    /// A task that panics ends the shard with its panic, and nothing is left of the shell.
    #[test]
    fn a_task_that_panics_ends_the_shard() {
        let builder = Router::builder().io(Io::Glommio).listen("tcp://127.0.0.1:0".parse().unwrap());
        let mut router = match builder.build() {
            Err(StartError::Glommio(why)) => return println!("skipped: {why}"),
            router => router.unwrap(),
        };
        let (host, _) = Host::new(router.take_seat());
        let executor = LocalExecutorBuilder::new(Placement::Unbound).make().unwrap();
        let panic = executor.run(async {
            let shell = Rc::new(RefCell::new(Shell::new(host)));
            let (_ring, bell) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
            let (mut bell, mut alarm) = (Stream::new(bell), Alarm::new());
            spawn(&shell, async { panic!("in a task") }).detach();
            let turn = poll_fn(|cx| shell.borrow_mut().turn(&mut bell, &mut alarm, cx));
            let panic = turn.await.unwrap_err();
            assert_eq!(Rc::strong_count(&shell), 1, "the task is gone");
            panic
        });
        assert_eq!(panic.downcast_ref(), Some(&"in a task"));
    }
}
