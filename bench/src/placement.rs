//! Which shard of the router a connection is to be on. A router whose session ids name the shard (`id mod shards`, as
//! Connectanum's do) lets a client see where it is, and connect again until it is where it wants to be.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::scenario::{Kind, Role, Seat};

/// Connections per shard that are tried for one place. Where each shard is as likely as the others, this many fail
/// once in 10^13.
const TRIES: u32 = 30;

/// Where receivers are to be, as seen from their source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Place {
    /// On its shard.
    Same,
    /// On the others.
    Cross,
}

/// The shards, and who is to be where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Placement {
    /// How many shards the router has.
    pub(crate) shards: u16,
    /// Where receivers are.
    pub(crate) place: Place,
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Same => write!(f, "within each of {} shards", self.shards),
            Place::Cross => write!(f, "across {} shards", self.shards),
        }
    }
}

impl Placement {
    /// Whether a session with this id is on the shard where the seat has to be. Sources are spread evenly, and so are
    /// the receivers of one source where they may be on several shards.
    pub(crate) fn fits(self, kind: Kind, seat: Seat, session: u64) -> bool {
        seat.role == Role::Idle || session % u64::from(self.shards) == self.shard(kind, seat)
    }

    /// How often to try.
    pub(crate) fn tries(self) -> u32 {
        TRIES * u32::from(self.shards)
    }

    fn shard(self, kind: Kind, seat: Seat) -> u64 {
        let shards = u64::from(self.shards);
        let shared = matches!(kind, Kind::Shared { .. });
        // All callers share the callees, so all are on one shard.
        let source = if shared { 0 } else { u64::from(seat.lane) };
        let receiver = match seat.role {
            _ if seat.role.is_source() => return source % shards,
            Role::Subscriber(n) => u64::from(n),
            Role::Callee if shared => u64::from(seat.lane),
            _ => 0,
        };
        match self.place {
            Place::Same => source % shards,
            Place::Cross => (source + 1 + receiver % (shards - 1).max(1)) % shards,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Invoke;

    fn shards(place: Place, kind: Kind, seats: &[(u32, Role)]) -> Vec<u64> {
        let placement = Placement { shards: 3, place };
        seats.iter().map(|&(lane, role)| placement.shard(kind, Seat { lane, role })).collect()
    }

    #[test]
    fn receivers_and_their_source() {
        let kind = Kind::PubSub { fanout: 3 };
        let seats = [Role::Publisher, Role::Subscriber(0), Role::Subscriber(1), Role::Subscriber(2)]
            .map(|role| (1, role));
        assert_eq!(shards(Place::Same, kind, &seats), [1, 1, 1, 1]);
        assert_eq!(shards(Place::Cross, kind, &seats), [1, 2, 0, 2]);
        let rpc = [(4, Role::Caller), (4, Role::Callee)];
        assert_eq!(shards(Place::Same, Kind::Rpc, &rpc), [1, 1]);
        assert_eq!(shards(Place::Cross, Kind::Rpc, &rpc), [1, 2]);
    }

    #[test]
    fn shared_callees() {
        let kind = Kind::Shared { callees: 2, invoke: Invoke::First };
        let seats = [(0, Role::Caller), (1, Role::Caller), (0, Role::Callee), (1, Role::Callee)];
        assert_eq!(shards(Place::Same, kind, &seats), [0, 0, 0, 0]);
        assert_eq!(shards(Place::Cross, kind, &seats), [0, 0, 1, 2]);
    }

    #[test]
    fn a_session_shows_where_it_is() {
        let placement = Placement { shards: 3, place: Place::Same };
        let seat = Seat { lane: 2, role: Role::Caller };
        assert!(placement.fits(Kind::Rpc, seat, 3 * 1_000_000_007 + 2));
        assert!(!placement.fits(Kind::Rpc, seat, 3));
        assert!(placement.fits(Kind::Rpc, Seat { role: Role::Idle, ..seat }, 3), "anywhere");
    }
}
