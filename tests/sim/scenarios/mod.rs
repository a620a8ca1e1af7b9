//! Courses of events that are too rare for chance alone. Who does what is fixed; when what arrives is not.

pub(crate) mod canceling;
pub(crate) mod deadlines;
pub(crate) mod handover;
pub(crate) mod keys;
pub(crate) mod limits;
pub(crate) mod pressure;
pub(crate) mod sharing;
pub(crate) mod streams;

use connectanum::limits::Limits;
use connectanum::wamp::Serializer;

use crate::client::Phase;
use crate::dice::Dice;
use crate::plan::{Case, Plan};
use crate::trace::Trace;
use crate::transport::Kind;
use crate::world::{Mode, World};

/// A world without clients, where links and clients stall now and then.
fn world(case: Case, trace: Trace, limits: Limits) -> World {
    let mut dice = Dice::new(case.seed);
    let stalls = *dice.pick(&[0, 10, 50]);
    let plan = Plan { stalls, stall_steps_max: 200, ..Plan::calm(limits) };
    let mut world = World::new(case, plan, dice, trace);
    world.mode = Mode::Calm;
    world
}

impl World {
    /// A client on some shard that has its session.
    fn joined(&mut self) -> usize {
        let shard = self.dice.below(self.hosts.len());
        self.joined_at(shard)
    }

    fn joined_at(&mut self, shard: usize) -> usize {
        let serializer = *self.dice.pick(&Serializer::ALL);
        let kind = *self.dice.pick(&[Kind::WebSocket, Kind::RawSocket(1 << 24)]);
        let ix = self.connect(shard, kind, serializer);
        self.rejoin(ix);
        ix
    }

    fn client_of_session(&self, session: usize) -> usize {
        let is_its = |client: &crate::client::Client| client.session == Some(session);
        self.clients.iter().position(is_its).expect("a client")
    }

    fn rejoin(&mut self, ix: usize) {
        self.send_hello(ix, 0);
        self.until(|world| world.clients[ix].phase == Phase::Joined);
    }
}
