//! Answers that are not the usual ones: payloads that nobody looks into, and results that come in parts (spec: "Progressive Call
//! Results"; decisions D9, D10). Parts travel as answers do, and so stay in order
//! before the final one.
//!
//! A caller that does not read them is a slow consumer like any other: past `outbound_bytes_max` it is closed, and thereby its callee
//! interrupted. A callee that fills the mesh is not read until it has drained.

use super::super::conn::{Pieces, TooLarge};
use super::super::dealer::{CALL, TOO_LARGE};
use super::super::delivery::Body;
use super::super::invocations::Marks;
use super::super::mesh::{CallKey, Outcome, Stop};
use super::super::session::Violation;
use super::super::shard::{ConnId, Shard};
use super::super::time::Time;
use crate::wamp::message::{self, CallResult, Features, Passthru, Payload, Rare, Text, Yield};
use crate::wamp::{Message, encode, error_uri};

impl Shard {
    /// Callee: YIELD that is not the usual one.
    #[inline(never)]
    pub(in super::super) fn yielded_specially(
        &mut self,
        now: Time,
        id: ConnId,
        message: &Yield<'_>,
    ) -> Result<(), Violation> {
        let Yield { request, payload, .. } = *message;
        let passthru = self.admit_answer(id, "YIELD", &message.passthru, payload)?;
        let is_part = message.progress == Some(true);
        let Some(mirror) = self.take_invocation(now, id, request, "YIELD", !is_part)? else { return Ok(()) };
        if !is_part {
            self.answer_with(now, mirror, Outcome::Result, "", passthru, payload);
        } else if mirror.marks.has(Marks::PROGRESS) {
            if mirror.marks.has(Marks::KEPT) {
                self.forget_kept(id, request);
            }
            self.answer_with(now, mirror, Outcome::Progress, "", passthru, payload);
        }
        // Else nobody has asked for it (decision D10).
        Ok(())
    }

    /// Caller's shard: an answer that is not the usual one. Of a call that is over it comes too late.
    #[inline(never)]
    pub(in super::super) fn respond_with_details(
        &mut self,
        now: Time,
        key: CallKey,
        outcome: Outcome,
        uri: &str,
        passthru: &Rare<Passthru<'static>>,
        body: &mut Body<'_>,
    ) {
        let Some(record) = self.calls.get_mut(key) else { return };
        let (id, request) = (record.caller, record.request);
        if let Some(watch) = &mut record.watch {
            watch.extend(now);
        }
        let is_part = outcome == Outcome::Progress;
        let announced = self.session(id).map(|session| session.features.caller).unwrap_or_default();
        if passthru.get().is_some() && !announced.contains(Features::PAYLOAD_PASSTHRU_MODE) {
            let text = "the callee answers in payload passthru mode, which the caller has not announced";
            return self.give_up(now, key, Stop::Skip, error_uri::FEATURE_NOT_SUPPORTED, text);
        }
        if !is_part {
            self.forget_call(key);
            if self.caller_mut(id, |caller| caller.calls.remove(&request)).is_none() {
                return;
            }
        }
        let Some(serializer) = self.wire.serializer(id) else { return };
        let items = body.items();
        let (bytes, shared) = body.form(serializer, &mut self.arena);
        let payload = Payload { serializer, items, bytes };
        let passthru = passthru.clone();
        let message = match outcome {
            Outcome::Error => {
                let error = Text::Borrowed(uri);
                Message::Error(message::Error { request_type: CALL, request, passthru, error, payload })
            }
            Outcome::Result | Outcome::Progress => {
                let progress = is_part.then_some(true);
                Message::Result(CallResult { request, progress, passthru, payload })
            }
        };
        let head = &mut self.scratch.heads;
        head.clear();
        encode::encode_head(&message, serializer, head);
        if self.wire.send(id, Pieces { head, payload: bytes, shared }) == Err(TooLarge) {
            let (error, text) = (error_uri::PAYLOAD_SIZE_EXCEEDED, TOO_LARGE);
            match is_part {
                true => self.give_up(now, key, Stop::KillNoWait, error, text),
                false => self.refuse(id, CALL, request, error, text),
            }
        }
    }
}
