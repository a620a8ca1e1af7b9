//! What waits to be written to a connection.
//!
//! Small pieces are gathered in one buffer; large payloads are kept by reference between such buffers, for a vectored write.
//! Buffers come from the shard's pool and go back when they have been written, so an idle connection holds none.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::mem;

use bytes::Bytes;

use crate::limits::{Limits, POOLED_BUFFERS_MAX};

/// Bytes that may wait for a reader that is not slow. A slow one keeps no large buffer for the few bytes between two payloads.
const PROMPT_BYTES_MAX: usize = 1024 * 1024;

/// Buffers for reuse.
#[derive(Debug)]
pub(super) struct Pool {
    buffers: Vec<Vec<u8>>,
    /// Bytes of the largest.
    buffer_bytes_max: usize,
    /// Boxed, because that is how a connection holds its queue.
    #[allow(clippy::vec_box)]
    queues: Vec<Box<Chunks>>,
}

impl Pool {
    pub(super) fn new(limits: &Limits) -> Pool {
        Pool { buffers: Vec::new(), buffer_bytes_max: limits.pooled_buffer_bytes_max(), queues: Vec::new() }
    }

    /// An empty buffer, perhaps with capacity.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.buffers.pop().unwrap_or_default()
    }

    /// Takes a buffer back.
    pub(super) fn give(&mut self, mut buffer: Vec<u8>) {
        if (1..=self.buffer_bytes_max).contains(&buffer.capacity()) && self.buffers.len() < POOLED_BUFFERS_MAX
        {
            buffer.clear();
            self.buffers.push(buffer);
        }
    }
}

#[derive(Debug)]
enum Chunk {
    Gathered(Vec<u8>),
    Shared(Bytes),
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match self {
            Chunk::Gathered(v) => v,
            Chunk::Shared(b) => b,
        }
    }
}

#[derive(Debug, Default)]
struct Chunks {
    queue: VecDeque<Chunk>,
    /// Bytes of the first chunk that are written already.
    written: usize,
    /// Bytes that wait, all chunks together.
    len: usize,
}

/// The queue of one connection. Empty, it is a null pointer.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    chunks: Option<Box<Chunks>>,
}

impl Outbound {
    /// Bytes that wait.
    pub(super) fn len(&self) -> usize {
        self.chunks.as_ref().map_or(0, |c| c.len)
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_none()
    }

    /// Appends what `write` writes.
    pub(super) fn gather(&mut self, pool: &mut Pool, write: impl FnOnce(&mut Vec<u8>)) {
        let chunks = self.chunks.get_or_insert_with(|| pool.queues.pop().unwrap_or_default());
        if let Some(Chunk::Gathered(buffer)) = chunks.queue.back_mut() {
            let before = buffer.len();
            write(buffer);
            chunks.len += buffer.len() - before;
            return;
        }
        let mut buffer = pool.take();
        write(&mut buffer);
        chunks.len += buffer.len();
        chunks.queue.push_back(Chunk::Gathered(buffer));
    }

    /// Appends `bytes` by reference.
    pub(super) fn share(&mut self, pool: &mut Pool, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        let chunks = self.chunks.get_or_insert_with(|| pool.queues.pop().unwrap_or_default());
        if chunks.len > PROMPT_BYTES_MAX
            && let Some(Chunk::Gathered(buffer)) = chunks.queue.back_mut()
            && buffer.len() < buffer.capacity() / 2
        {
            let tight = buffer.as_slice().to_vec();
            pool.give(mem::replace(buffer, tight));
        }
        chunks.len += bytes.len();
        chunks.queue.push_back(Chunk::Shared(bytes));
    }

    /// The waiting bytes as slices, as many as fit; returns how many slices were filled.
    pub(super) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let Some(chunks) = &self.chunks else { return 0 };
        let mut skip = chunks.written;
        let mut filled = 0;
        for (slot, chunk) in slices.iter_mut().zip(&chunks.queue) {
            *slot = IoSlice::new(&chunk.bytes()[skip..]);
            skip = 0;
            filled += 1;
        }
        filled
    }

    /// Forgets the first `n` bytes: they are written.
    pub(super) fn advance(&mut self, pool: &mut Pool, n: usize) {
        let Some(chunks) = &mut self.chunks else { return };
        if n >= chunks.len {
            return self.clear(pool);
        }
        chunks.len -= n;
        chunks.written += n;
        while let Some(first) = chunks.queue.front() {
            let len = first.bytes().len();
            if chunks.written < len {
                break;
            }
            chunks.written -= len;
            if let Some(Chunk::Gathered(buffer)) = chunks.queue.pop_front() {
                pool.give(buffer);
            }
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self, pool: &mut Pool) {
        let Some(mut chunks) = self.chunks.take() else { return };
        while let Some(chunk) = chunks.queue.pop_front() {
            if let Chunk::Gathered(buffer) = chunk {
                pool.give(buffer);
            }
        }
        chunks.written = 0;
        chunks.len = 0;
        if pool.queues.len() < POOLED_BUFFERS_MAX {
            pool.queues.push(chunks);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::POOLED_BUFFER_BYTES_MAX;

    fn pool() -> Pool {
        Pool::new(&Limits::default())
    }

    fn drain(out: &mut Outbound, pool: &mut Pool, step: usize) -> Vec<u8> {
        let mut got = Vec::new();
        while !out.is_empty() {
            let mut slices = [IoSlice::new(&[]); 3];
            let n = out.slices(&mut slices);
            let all: Vec<u8> = slices[..n].iter().flat_map(|s| s.iter().copied()).collect();
            let take = step.min(all.len());
            got.extend_from_slice(&all[..take]);
            let before = out.len();
            out.advance(pool, take);
            assert_eq!(out.len(), before - take);
        }
        got
    }

    #[test]
    fn bytes_come_out_in_order_however_they_are_written() {
        for step in 1..20 {
            let mut pool = pool();
            let mut out = Outbound::default();
            out.gather(&mut pool, |b| b.extend_from_slice(b"one "));
            out.gather(&mut pool, |b| b.extend_from_slice(b"two "));
            out.share(&mut pool, Bytes::from_static(b"three "));
            out.share(&mut pool, Bytes::new());
            out.share(&mut pool, Bytes::from_static(b"four "));
            out.gather(&mut pool, |b| b.extend_from_slice(b"five"));
            assert_eq!(drain(&mut out, &mut pool, step), b"one two three four five");
            assert_eq!(out.len(), 0);
        }
    }

    #[test]
    fn a_slow_reader_pins_no_large_buffers() {
        let mut pool = pool();
        let mut out = Outbound::default();
        let payload = Bytes::from(vec![b'x'; 4096]);
        let mut expected = Vec::new();
        while out.len() < 4 * PROMPT_BYTES_MAX {
            pool.give(Vec::with_capacity(POOLED_BUFFER_BYTES_MAX));
            out.gather(&mut pool, |b| b.extend_from_slice(b"head"));
            out.share(&mut pool, payload.clone());
            expected.extend_from_slice(&[b"head", &payload[..]].concat());
        }
        let chunks = &out.chunks.as_ref().expect("much waits").queue;
        let large = chunks.iter().filter(|c| matches!(c, Chunk::Gathered(b) if b.capacity() > 1000)).count();
        assert!(large <= PROMPT_BYTES_MAX / payload.len(), "{large} of {} chunks", chunks.len());
        assert_eq!(drain(&mut out, &mut pool, 10_000), expected);
    }

    #[test]
    fn an_empty_queue_holds_nothing_and_buffers_are_used_again() {
        let mut pool = pool();
        let mut out = Outbound::default();
        out.gather(&mut pool, |b| b.extend_from_slice(&[0; 100]));
        out.advance(&mut pool, 100);
        assert!(out.is_empty());
        assert_eq!((pool.buffers.len(), pool.queues.len()), (1, 1));
        out.gather(&mut pool, |b| b.push(1));
        assert_eq!((pool.buffers.len(), pool.queues.len()), (0, 0));
    }
}
