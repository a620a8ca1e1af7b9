//! A link between two shards: first in, first out, of bounded capacity.

use std::collections::VecDeque;

use connectanum::router::MeshMessage;

/// See the module.
#[derive(Debug)]
pub(crate) struct Link {
    queue: VecDeque<MeshMessage>,
    capacity: usize,
    /// The sender has more.
    pub(crate) is_flushing: bool,
    /// Nothing is taken out until this step.
    pub(crate) stalled_until: u64,
}

impl Link {
    pub(crate) fn new(capacity: usize) -> Link {
        Link { queue: VecDeque::new(), capacity, is_flushing: false, stalled_until: 0 }
    }

    pub(crate) fn push(&mut self, message: MeshMessage) -> Result<(), MeshMessage> {
        if self.has_room() {
            self.queue.push_back(message);
            Ok(())
        } else {
            Err(message)
        }
    }

    pub(crate) fn pop(&mut self) -> Option<MeshMessage> {
        self.queue.pop_front()
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.queue.len() < self.capacity
    }
}
