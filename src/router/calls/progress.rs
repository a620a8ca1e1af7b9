//! Results that come in parts (spec: "Progressive Call Results"; decisions D9, D10). They travel as answers do, and so stay in order
//! before the final one.
//!
//! A caller that does not read them is a slow consumer like any other: past `outbound_bytes_max` it is closed, and thereby its callee
//! interrupted. A callee that fills the mesh is not read until it has drained.

use super::super::conn::{Pieces, TooLarge};
use super::super::delivery::Body;
use super::super::mesh::{CallKey, Stop};
use super::super::shard::Shard;
use super::super::time::Time;
use crate::wamp::message::{CallResult, Payload, Rare};
use crate::wamp::{Message, encode, error_uri};

impl Shard {
    /// Caller's shard: a part of the result. Of a call that is over it comes too late.
    #[inline(never)]
    pub(in super::super) fn pass_progress(&mut self, now: Time, key: CallKey, body: &mut Body<'_>) {
        let Some(record) = self.calls.get_mut(key) else { return };
        if let Some(watch) = &mut record.watch {
            watch.extend(now);
        }
        let (id, request) = (record.caller, record.request);
        let Some(serializer) = self.wire.serializer(id) else { return };
        let items = body.items();
        let (bytes, shared) = body.form(serializer, &mut self.arena);
        let head = &mut self.scratch.heads;
        head.clear();
        let message = Message::Result(CallResult {
            request,
            progress: Some(true),
            passthru: Rare::default(),
            payload: Payload { serializer, items, bytes },
        });
        encode::encode_head(&message, serializer, head);
        if self.wire.send(id, Pieces { head, payload: bytes, shared }) == Err(TooLarge) {
            let text = "a progressive result is larger than what the caller's transport accepts";
            self.give_up(now, key, Stop::KillNoWait, error_uri::PAYLOAD_SIZE_EXCEEDED, text);
        }
    }
}
