//! The host's part: it feeds a shard, does what the shard wants, and holds it to its contract.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IoSlice;
use std::sync::Arc;

use connectanum::config::RouterConfig;
use connectanum::router::{ConnId, Date, Output, Peer, Shard, ShardId, Time};

use crate::client::{Client, Eof, Phase};
use crate::transport::Transport;
use crate::world::World;

/// A shard and what its host knows of it.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) shard: Shard,
    /// Connections that exist, and whose they are.
    conns: BTreeMap<ConnId, usize>,
    /// Connections that the host gave up; words about them may still be on their way.
    lost: BTreeSet<ConnId>,
    /// Outputs may wait.
    pub(crate) is_dirty: bool,
}

impl Host {
    pub(crate) fn new(config: Arc<RouterConfig>, id: u16, shards: u16, seed: [u8; 32]) -> Host {
        Host {
            shard: Shard::new(config, ShardId(id), shards, seed, Date(0)),
            conns: BTreeMap::new(),
            lost: BTreeSet::new(),
            is_dirty: false,
        }
    }

    /// What a host can write next, in at most so many slices.
    pub(crate) fn outgoing(&self, conn: ConnId, slices_max: usize) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 4];
        let filled = self.shard.outgoing(conn, &mut slices[..slices_max]);
        slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect()
    }
}

impl World {
    /// Calls a method of a shard.
    pub(crate) fn input<R>(&mut self, shard: usize, input: impl FnOnce(&mut Shard, Time) -> R) -> R {
        let result = input(&mut self.hosts[shard].shard, self.now);
        self.after_input(shard);
        result
    }

    pub(crate) fn after_input(&mut self, shard: usize) {
        self.hosts[shard].is_dirty = true;
        if self.dice.percent(self.plan.prompt) {
            self.drain(shard);
        }
    }

    /// A new connection, on which nothing has been sent yet.
    pub(crate) fn accept(&mut self, shard: usize, transport: Transport) -> usize {
        let peer = match self.dice.below(2) {
            0 => Peer::Unix,
            _ => Peer::Tcp(([127, 0, 0, 1], 40_000).into()),
        };
        let ix = self.clients.len();
        let conn = self.hosts[shard].shard.accept(self.now, peer);
        assert_eq!(self.hosts[shard].conns.insert(conn, ix), None, "two connections with one id");
        self.clients.push(Client::new(shard as u16, conn, transport, self.now));
        self.after_input(shard);
        ix
    }

    /// Hands over some of what a client has sent.
    pub(crate) fn deliver(&mut self, ix: usize) {
        let client = &mut self.clients[ix];
        assert!(!client.is_paused && !client.is_closed);
        let all = client.out.len();
        let n = match self.dice.below(10) {
            0..2 => 1,
            2..4 => self.dice.between(1, all),
            4..7 => client.next_end(),
            _ => all,
        };
        let (mut bytes, complete) = client.hand_over(n);
        let (shard, conn) = (usize::from(client.shard), client.conn);
        for (session, mark) in complete {
            self.trace.say(|| format!("         client {ix} session {session}: {mark:?} handed over"));
            self.model.handed(session, mark);
        }
        self.input(shard, |shard, now| shard.received(now, conn, &mut bytes));
    }

    pub(crate) fn deliver_eof(&mut self, ix: usize) {
        let client = &mut self.clients[ix];
        client.eof = Eof::Given;
        let (shard, conn) = (usize::from(client.shard), client.conn);
        if let Some(session) = client.session {
            self.model.ends(session);
        }
        self.input(shard, |shard, now| shard.eof(now, conn));
    }

    /// The connection breaks.
    pub(crate) fn lose(&mut self, ix: usize) {
        self.trace.say(|| format!("         client {ix} is lost"));
        let client = &mut self.clients[ix];
        let (shard, conn) = (usize::from(client.shard), client.conn);
        client.is_closed = true;
        if let Some(session) = client.session {
            self.model.is_cut(session);
            self.model.is_gone(session);
        }
        let host = &mut self.hosts[shard];
        host.conns.remove(&conn);
        host.lost.insert(conn);
        self.input(shard, |shard, now| shard.lost(now, conn));
    }

    /// Writes some of what waits for a client.
    pub(crate) fn write(&mut self, ix: usize) {
        let client = &mut self.clients[ix];
        let (shard, conn) = (usize::from(client.shard), client.conn);
        let mut bytes = self.hosts[shard].outgoing(conn, self.dice.between(1, 4));
        if bytes.is_empty() {
            // Its `Close` has not been drained yet.
            client.is_flushing = false;
            return;
        }
        let n = match self.dice.below(10) {
            0 => 1,
            1..4 => self.dice.between(1, bytes.len()),
            _ => bytes.len(),
        };
        bytes.truncate(n);
        assert!(!client.is_finished, "bytes after the shutdown of a connection");
        client.is_flushing = self.hosts[shard].shard.sent(self.now, conn, n);
        self.trace.bytes(ix, &bytes);
        self.take(ix, &bytes);
        self.after_input(shard);
    }

    /// Does what a shard wants.
    pub(crate) fn drain(&mut self, shard: usize) {
        self.hosts[shard].is_dirty = false;
        while let Some(output) = self.hosts[shard].shard.poll_output() {
            self.trace.say(|| format!("         shard {shard}: {output:?}"));
            let conn = match output {
                Output::Mesh(to) => {
                    let link = self.link(shard, usize::from(to.0));
                    assert!(!link.is_flushing, "Mesh({to}) twice");
                    link.is_flushing = true;
                    continue;
                }
                Output::Verify(conn) => panic!("{conn:?} has nothing to be verified"),
                Output::Reconfigured(is_done) => {
                    assert!(is_done && shard == 0, "a configuration is not adopted");
                    self.model.reloaded();
                    continue;
                }
                Output::Flush(conn)
                | Output::Pause(conn)
                | Output::Resume(conn)
                | Output::Shutdown(conn)
                | Output::Close(conn) => conn,
            };
            match self.hosts[shard].conns.get(&conn) {
                Some(&ix) => self.obey(shard, ix, output),
                None => {
                    assert!(self.hosts[shard].lost.contains(&conn), "{output:?} of an unknown connection")
                }
            }
        }
    }

    fn obey(&mut self, shard: usize, ix: usize, output: Output) {
        let client = &mut self.clients[ix];
        match output {
            Output::Flush(_) => {
                assert!(!client.is_flushing, "Flush twice");
                client.is_flushing = true;
            }
            Output::Pause(_) => assert!(!std::mem::replace(&mut client.is_paused, true), "Pause twice"),
            Output::Resume(_) => {
                assert!(std::mem::replace(&mut client.is_paused, false), "Resume without Pause");
            }
            Output::Shutdown(conn) => {
                assert!(!std::mem::replace(&mut client.is_finished, true), "Shutdown twice");
                assert!(!client.is_flushing, "Shutdown before all is written");
                assert!(self.hosts[shard].outgoing(conn, 1).is_empty(), "Shutdown before all is written");
                self.hung_up(ix);
            }
            Output::Close(conn) => {
                client.is_closed = true;
                self.hosts[shard].conns.remove(&conn);
                self.closed(ix);
            }
            Output::Mesh(_) | Output::Verify(_) | Output::Reconfigured(_) => {
                unreachable!("the caller has seen to it")
            }
        }
    }

    /// The router has sent its last byte to a client.
    fn hung_up(&mut self, ix: usize) {
        let client = &self.clients[ix];
        assert!(self.may_hang_up(client), "the router hung up on client {ix}: {client:?}");
        let client = &mut self.clients[ix];
        let phase = std::mem::replace(&mut client.phase, Phase::Over);
        if let Some(session) = client.session {
            if phase != Phase::Over {
                self.model.is_cut(session);
            }
            self.model.is_gone(session);
        }
    }

    /// Whether the router has a reason to end a connection.
    pub(crate) fn may_hang_up(&self, client: &Client) -> bool {
        let handshake_ms = self.plan.config.limits.handshake_ms_max;
        match client.phase {
            Phase::Over | Phase::Dismissed | Phase::Doomed(None) => true,
            Phase::Joining if client.session.is_some_and(|it| self.model.may_be_turned_away(it)) => true,
            // Without a session in time.
            Phase::Idle | Phase::Joining | Phase::Doomed(Some(_)) => {
                self.is_shut_down || self.now >= client.accepted.plus_ms(handshake_ms)
            }
            // It may not have read yet that it was killed.
            Phase::Joined | Phase::Leaving => {
                let is_hunted = client.session.is_some_and(|it| self.model.sessions[it].is_hunted);
                self.is_shut_down || is_hunted
            }
        }
    }

    /// The router has closed a connection.
    fn closed(&mut self, ix: usize) {
        let client = &self.clients[ix];
        // A client that does not read may not know yet that its GOODBYE or its violation was answered.
        let may_be_over = matches!(client.phase, Phase::Leaving | Phase::Doomed(_));
        let expected =
            client.eof == Eof::Given || self.plan.closes_slow || may_be_over || self.may_hang_up(client);
        assert!(expected, "the router closed client {ix}: {client:?}");
        if let Some(session) = client.session {
            let in_order = client.eof == Eof::Given && !self.plan.closes_slow;
            if !in_order || self.model.sessions[session].id.is_none() {
                self.model.is_cut(session);
            }
            self.model.is_gone(session);
        }
    }
}
