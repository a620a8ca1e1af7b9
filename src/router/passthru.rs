//! Payloads of events, calls and answers that the router does not look into (spec: "Payload Passthru Mode").

use super::session::Violation;
use crate::limits::PASSTHRU_BYTES_MAX;
use crate::wamp::message::{Features, Passthru, Payload, Rare};
use crate::wamp::passthru::is_one_binary;

/// What the receiver of a message is told of its payload; why its sender may not do so.
pub(super) fn admit(
    passthru: &Rare<Passthru<'_>>,
    payload: Payload<'_>,
    message: &str,
    announced: Features,
) -> Result<Rare<Passthru<'static>>, Violation> {
    let Some(passthru) = passthru.get() else { return Ok(Rare::default()) };
    if passthru.enc_algo.is_some() {
        return Err("enc_algo is used, but this router does not announce payload encryption".to_owned());
    }
    if !passthru.is_used() {
        return Ok(Rare::default());
    }
    if !announced.contains(Features::PAYLOAD_PASSTHRU_MODE) {
        return Err(format!(
            "{message} uses ppt_scheme, but its sender has not announced payload_passthru_mode"
        ));
    }
    if !passthru.is_within(PASSTHRU_BYTES_MAX) {
        return Err(format!("{message} has a ppt attribute of more than {PASSTHRU_BYTES_MAX} bytes"));
    }
    if !is_one_binary(payload) {
        return Err(format!("{message} with ppt_scheme has other arguments than one binary item"));
    }
    Ok(passthru.to_owned().into())
}
