//! The arena: where a shard puts bytes that outlive the read buffer: those that travel to another shard, and those that
//! several queues share.
//!
//! Small pieces are cut from shared chunks, so that a message costs a copy and a reference count, not an allocation. A chunk
//! is used again once all its pieces are gone; receivers copy small pieces out at once and so never pin a chunk for long.
//! Large pieces, which receivers do keep, have a block each, which is used again, too.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::limits::{
    ARENA_BLOCK_BYTES_MAX, ARENA_BLOCKS_BYTES_MAX, ARENA_CHUNK_BYTES, ARENA_CHUNKS_MAX,
    POOLED_BUFFER_BYTES_MAX, SHARE_PAYLOAD_BYTES_MIN,
};

/// How many blocks are looked at for one that is free. They are freed about in the order in which they were taken.
const BLOCKS_TRIED_MAX: usize = 4;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Arena {
    chunk: BytesMut,
    /// Used up, waiting for their pieces to be dropped; the oldest first.
    retired: VecDeque<BytesMut>,
    blocks: Blocks,
    /// For what is written before its length is known.
    draft: Vec<u8>,
}

/// Blocks for large pieces, the one that was used longest ago first. Each is here while its piece is in use, too.
#[derive(Debug, Default)]
struct Blocks {
    queue: VecDeque<Block>,
    /// Capacity of all of them.
    bytes: usize,
}

#[derive(Debug)]
struct Block {
    /// Nothing but the right to use the memory again when the piece that was cut from it is gone.
    memory: BytesMut,
    capacity: usize,
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
            return self.blocks.store(parts, len);
        }
        if self.chunk.capacity() - self.chunk.len() < len {
            self.next_chunk();
        }
        for part in parts {
            self.chunk.extend_from_slice(part);
        }
        self.chunk.split().freeze()
    }

    /// What `write` appends to the empty buffer that it is given.
    pub(super) fn store_written(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
        let mut draft = std::mem::take(&mut self.draft);
        write(&mut draft);
        let bytes = self.store(&[&draft]);
        if draft.capacity() <= POOLED_BUFFER_BYTES_MAX {
            draft.clear();
            self.draft = draft;
        }
        bytes
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

impl Blocks {
    fn store(&mut self, parts: &[&[u8]], len: usize) -> Bytes {
        let mut block = self.take(len);
        for part in parts {
            block.memory.extend_from_slice(part);
        }
        let piece = block.memory.split().freeze();
        self.keep(block);
        piece
    }

    /// A block for one piece of `len` bytes, less than twice as large: a receiver that is slow pins it.
    fn take(&mut self, len: usize) -> Block {
        // Rounded up, so that pieces of about the same size can follow each other.
        let capacity = if len > ARENA_BLOCK_BYTES_MAX { len } else { len.next_power_of_two() };
        let mut tried = self.queue.iter_mut().take(BLOCKS_TRIED_MAX);
        let free = tried.position(|b| b.capacity == capacity && b.memory.try_reclaim(len));
        if let Some(block) = free.and_then(|i| self.queue.remove(i)) {
            self.bytes -= block.capacity;
            return block;
        }
        Block { memory: BytesMut::with_capacity(capacity), capacity }
    }

    fn keep(&mut self, block: Block) {
        if block.capacity > ARENA_BLOCK_BYTES_MAX {
            return;
        }
        self.bytes += block.capacity;
        self.queue.push_back(block);
        while self.bytes > ARENA_BLOCKS_BYTES_MAX {
            let Some(oldest) = self.queue.pop_front() else { return };
            self.bytes -= oldest.capacity;
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

    #[test]
    fn large_pieces_are_what_was_stored_and_their_blocks_are_used_again() {
        let mut arena = Arena::default();
        let mut held = VecDeque::new();
        let mut addresses = std::collections::HashSet::new();
        for i in 0..1000_usize {
            let large = vec![i as u8; SHARE_PAYLOAD_BYTES_MIN + i];
            let piece = arena.store(&[b"large", &large]);
            assert_eq!((&piece[..5], &piece[5..]), (&b"large"[..], &large[..]));
            addresses.insert(piece.as_ptr() as usize);
            held.push_back((piece, large));
            if held.len() > 3 {
                let (piece, large) = held.pop_front().expect("just pushed");
                assert_eq!(piece[5..], large);
            }
        }
        assert!(addresses.len() < 20, "{} places", addresses.len());
    }

    /// Else one small piece that a slow reader keeps would pin all of it, and whatever else was cut from it.
    #[test]
    fn a_small_piece_takes_no_block_of_a_large_one() {
        let mut arena = Arena::default();
        let (large, small) = (vec![1; ARENA_BLOCK_BYTES_MAX], vec![2; SHARE_PAYLOAD_BYTES_MIN]);
        for _ in 0..10 {
            let block = arena.store(&[&large]).as_ptr_range();
            let pieces: Vec<Bytes> = (0..3).map(|_| arena.store(&[&small])).collect();
            assert!(
                pieces.iter().all(|piece| !block.contains(&piece.as_ptr())),
                "a block of {} bytes",
                large.len()
            );
        }
    }

    #[test]
    fn blocks_are_bounded() {
        let mut arena = Arena::default();
        let len = ARENA_BLOCK_BYTES_MAX;
        let held: Vec<Bytes> = (0..100).map(|i| arena.store(&[&vec![i; len - 1]])).collect();
        assert!(held.iter().zip(0..).all(|(piece, i)| piece.iter().all(|byte| *byte == i)));
        assert!(arena.blocks.bytes <= ARENA_BLOCKS_BYTES_MAX);
        let huge = arena.store(&[&vec![1; 4 * len]]);
        assert_eq!(huge.len(), 4 * len);
        let capacities: usize = arena.blocks.queue.iter().map(|block| block.capacity).sum();
        assert_eq!(arena.blocks.bytes, capacities);
        assert!(arena.blocks.queue.iter().all(|block| block.capacity <= len));
    }
}
