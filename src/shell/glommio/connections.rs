//! The connections of a shard, as its tasks and its turns share them.

use std::io;
use std::task::Waker;

use slotmap::SecondaryMap;
use socket2::SockRef;

use super::stream::Stream;
use crate::router::ConnId;
use crate::shell::host::{Accepted, Sockets};
use crate::shell::shared::Permit;

/// The sockets of the shard's connections.
#[derive(Default)]
pub(super) struct Connections {
    pub(super) map: SecondaryMap<ConnId, Connection>,
    /// Those that have no task yet.
    pub(super) added: Vec<ConnId>,
}

/// One of them.
pub(super) struct Connection {
    pub(super) stream: Stream,
    /// Wakes the connection's task.
    pub(super) task: Option<Waker>,
    /// The shard knows of the end of file.
    pub(super) eof: bool,
    pub(super) paused: bool,
    /// Bytes wait until the socket is writable.
    pub(super) full: bool,
    _permit: Permit,
}

impl Connections {
    /// Schedules the connection's task.
    pub(super) fn wake(&self, conn: ConnId) {
        if let Some(task) = self.map.get(conn).and_then(|connection| connection.task.as_ref()) {
            task.wake_by_ref();
        }
    }
}

impl Sockets for Connections {
    fn add(&mut self, accepted: Accepted) -> io::Result<()> {
        let Accepted { conn, socket, permit } = accepted;
        let stream = Stream::new(socket);
        let connection =
            Connection { stream, task: None, eof: false, paused: false, full: false, _permit: permit };
        self.map.insert(conn, connection);
        self.added.push(conn);
        Ok(())
    }

    fn socket(&self, conn: ConnId) -> Option<SockRef<'_>> {
        self.map.get(conn).map(|connection| SockRef::from(&connection.stream))
    }

    fn await_writable(&mut self, conn: ConnId) {
        if let Some(connection) = self.map.get_mut(conn) {
            connection.full = true;
            self.wake(conn);
        }
    }

    fn pause(&mut self, conn: ConnId, paused: bool) {
        if let Some(connection) = self.map.get_mut(conn) {
            connection.paused = paused;
            self.wake(conn);
        }
    }

    fn close(&mut self, conn: ConnId) {
        // Its task finds it gone, and ends.
        self.wake(conn);
        self.map.remove(conn);
    }
}
