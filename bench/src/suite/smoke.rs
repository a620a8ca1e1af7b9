//! Every scenario once and briefly, as a test: every server has to deliver everything, unchanged and in order, and to
//! end well when told to.

use std::path::Path;
use std::time::Duration;

use super::SuiteError;
use super::contender::{Contender, Via, find_nats};
use crate::progress;
use crate::scenario::{Kind, Scenario};

const WARMUP: Duration = Duration::from_millis(20);
const DURATION: Duration = Duration::from_millis(80);

/// Tests the baselines, and the router with each of the shells `ios`, over every transport and in every serializer.
///
/// # Errors
/// Something is lost or wrong.
pub(crate) fn smoke(router: &Path, ios: &[String]) -> Result<(), SuiteError> {
    let routers = ios.iter().flat_map(|io| {
        Via::all().map(|via| Contender::Router { program: router.to_owned(), io: io.clone(), via })
    });
    let nats = find_nats().map(|program| Contender::Nats { program });
    let mut contenders = [Contender::Relay].into_iter().chain(nats).chain(routers);
    contenders.try_for_each(|contender| one(&contender))
}

fn one(contender: &Contender) -> Result<(), SuiteError> {
    let running = contender.start(None)?;
    let mut messages = 0;
    for scenario in scenarios().iter().filter(|scenario| contender.can(scenario.kind)) {
        messages += running.run(scenario, WARMUP, DURATION, false)?.total;
    }
    running.server.end()?;
    progress(&format!("ok  {contender}: {messages} messages"));
    Ok(())
}

/// Small, but with frames of every size of header, and more in flight than a socket holds.
fn scenarios() -> [Scenario; 5] {
    let scenario = |kind, lanes, window, payload_bytes| Scenario {
        kind,
        lanes,
        window,
        payload_bytes,
        ..Scenario::default()
    };
    [
        scenario(Kind::PubSub { fanout: 1 }, 3, 4, 64),
        scenario(Kind::PubSub { fanout: 20 }, 2, 2, 200),
        scenario(Kind::PubSub { fanout: 1 }, 1, 8, 300_000),
        scenario(Kind::Rpc, 3, 4, 64),
        scenario(Kind::Rpc, 1, 2, 70_000),
    ]
}
