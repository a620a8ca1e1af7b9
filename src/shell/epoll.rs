//! The portable shell: between turns the shard's thread sleeps in epoll.

use std::io;
use std::time::Duration;

use super::host::{Rest, Seat};
use super::reactor::Reactor;

/// Runs a shard until the router has shut down.
pub(super) fn run(seat: Seat) -> io::Result<()> {
    let mut reactor = Reactor::new(seat)?;
    let mut timeout = Some(Duration::ZERO);
    loop {
        timeout = match reactor.turn(timeout)? {
            Rest::Busy => Some(Duration::ZERO),
            Rest::Sleep(limit) => limit,
            Rest::End => return Ok(()),
        };
    }
}
