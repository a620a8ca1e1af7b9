//! The arena: where a shard puts bytes that travel to another shard.
//!
//! Small pieces are cut from shared chunks, so that a message costs a copy and a reference count, not an allocation. A chunk
//! is used again once all its pieces are gone; receivers copy small pieces out at once and so never pin a chunk for long.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::limits::{ARENA_CHUNK_BYTES, ARENA_CHUNKS_MAX, SHARE_PAYLOAD_BYTES_MIN};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Arena {
    chunk: BytesMut,
    /// Used up, waiting for their pieces to be dropped; the oldest first.
    retired: VecDeque<BytesMut>,
}

impl Arena {
    /// The concatenation of `parts`, immutable and reference-counted.
    pub(super) fn store(&mut self, parts: &[&[u8]]) -> Bytes {
        let len = parts.iter().map(|p| p.len()).sum();
        if len == 0 {
            return Bytes::new();
        }
        // What receivers may keep by reference gets memory of its own, else it would pin a whole chunk.
        if len >= SHARE_PAYLOAD_BYTES_MIN {
            let mut own = BytesMut::with_capacity(len);
            for part in parts {
                own.extend_from_slice(part);
            }
            return own.freeze();
        }
        if self.chunk.capacity() - self.chunk.len() < len {
            self.next_chunk();
        }
        for part in parts {
            self.chunk.extend_from_slice(part);
        }
        self.chunk.split().freeze()
    }

    fn next_chunk(&mut self) {
        let fresh = match self.retired.iter_mut().position(|c| c.try_reclaim(ARENA_CHUNK_BYTES)) {
            Some(i) => self.retired.remove(i).unwrap_or_default(),
            None => BytesMut::with_capacity(ARENA_CHUNK_BYTES),
        };
        let used = std::mem::replace(&mut self.chunk, fresh);
        if used.capacity() > 0 || !self.retired.is_empty() {
            self.retired.push_back(used);
        }
        if self.retired.len() > ARENA_CHUNKS_MAX {
            self.retired.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_what_was_stored_and_outlive_their_chunk() {
        let mut arena = Arena::default();
        let pieces: Vec<Bytes> =
            (0..10_000_u32).map(|i| arena.store(&[b"piece ", &i.to_be_bytes(), &[7; 40]])).collect();
        for (i, piece) in pieces.iter().enumerate() {
            assert_eq!(&piece[..6], b"piece ");
            assert_eq!(piece[6..10], u32::try_from(i).unwrap().to_be_bytes());
            assert_eq!(piece.len(), 50);
        }
    }

    #[test]
    fn chunks_are_used_again() {
        let mut arena = Arena::default();
        let mut addresses = std::collections::HashSet::new();
        for _ in 0..100 * ARENA_CHUNK_BYTES / 1000 {
            addresses.insert(arena.store(&[&[1; 1000]]).as_ptr() as usize);
        }
        assert!(addresses.len() <= 2 * ARENA_CHUNK_BYTES / 1000, "{} places", addresses.len());
    }
}
