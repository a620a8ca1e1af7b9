//! Calls whose arguments come in parts: all parts, in their order, to the callee of the first.

use connectanum::wamp::message::{Features, Invocation};

use super::Model;
use super::events::same_payload;
use crate::value::Args;

/// A CALL that continues another.
#[derive(Debug)]
pub(crate) struct More {
    pub(crate) call: usize,
    pub(crate) args: Args,
    pub(crate) bytes: Vec<u8>,
}

/// What belongs to a call in parts.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// All parts but the first.
    pub(crate) more: Vec<usize>,
    pub(crate) received: usize,
    /// The last one was sent.
    pub(crate) is_complete: bool,
}

/// What a callee must have announced.
pub(crate) const STREAM: Features = Features::PROGRESSIVE_CALL_INVOCATIONS.with(Features::CALL_CANCELING);

impl Model {
    /// A further INVOCATION of a call.
    pub(super) fn invoked_again(&mut self, session: usize, invocation: &Invocation<'_>, ix: usize) {
        let more = &self.more[ix];
        let it = &self.sessions[session];
        let at = it
            .invoked
            .iter()
            .position(|invoked| invoked.call == Some(more.call))
            .expect("the first was here");
        assert_eq!(invocation.request.0, at as u64 + 1, "the request id of the first INVOCATION");
        assert!(!it.invoked[at].is_over, "more of what nobody waits for");
        let call = &self.calls[more.call];
        assert_eq!(invocation.details.trustlevel, self.trustlevel(call.session, call.procedure));
        let call = &mut self.calls[more.call];
        let reg = &self.regs[call.reg.expect("it was invoked")];
        assert_eq!(Some(invocation.registration.0), reg.id);
        let stream = call.stream.as_mut().expect("it is one");
        assert_eq!(stream.more.get(stream.received), Some(&ix), "parts in their order, and all");
        stream.received += 1;
        let is_last = stream.is_complete && stream.received == stream.more.len();
        assert_eq!(invocation.details.progress, (!is_last).then_some(true));
        let takes_progress =
            call.receive_progress && it.features.contains(Features::PROGRESSIVE_CALL_RESULTS);
        assert_eq!(invocation.details.receive_progress, takes_progress.then_some(true));
        let caller = &self.sessions[call.session];
        let discloses = call.disclose || reg.disclose_caller;
        assert_eq!(invocation.details.caller.map(|id| id.0), caller.id.filter(|_| discloses));
        let args = Args::read(&invocation.payload);
        same_payload(&more.args, &more.bytes, caller.serializer, &args, &invocation.payload);
    }
}
