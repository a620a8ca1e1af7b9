//! Sessions that publish without a pause, to see what that does to others.

use super::{Failure, Worker};
use crate::engine::control::Stage;
use crate::scenario::Run;
use crate::wamp::Stamp;
use crate::wire::Framing;

/// Bytes that are given to a socket at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Flood {
    /// Indices of the connections.
    connections: Vec<usize>,
    /// Many messages, as they are written.
    piece: Vec<u8>,
}

impl Flood {
    /// One more connection.
    pub(super) fn add(&mut self, index: usize, run: &Run, framing: &mut Framing) {
        self.connections.push(index);
        let (template, mut message) = (run.flood(), Vec::new());
        let mut number = 0;
        while self.piece.len() < PIECE_BYTES {
            template.write(number + 1, Stamp { lane: 0, number }, &mut message);
            framing.put(&message, &mut self.piece);
            number += 1;
        }
    }
}

impl Worker<'_> {
    /// Gives each that floods a piece, if its socket has taken the last one. Whether one may have room for more.
    pub(super) fn pour(&mut self) -> Result<bool, Failure> {
        if !matches!(self.stage, Stage::Warmup | Stage::Measure) {
            return Ok(false);
        }
        let mut more = false;
        for at in 0..self.flood.connections.len() {
            let index = self.flood.connections[at];
            if self.connections[index].outgoing.is_empty() {
                self.connections[index].outgoing.extend_from_slice(&self.flood.piece);
                self.flush(index)?;
                more |= self.connections[index].outgoing.is_empty();
            }
        }
        Ok(more)
    }
}
