//! What clients do with what they get.

use connectanum::wamp::{Message, scan};

use crate::client::Phase;
use crate::transport::Incoming;
use crate::world::World;

impl World {
    /// A client takes bytes from the router.
    pub(crate) fn take(&mut self, ix: usize, bytes: &[u8]) {
        for incoming in self.clients[ix].transport.feed(bytes) {
            match incoming {
                Incoming::Ready => {}
                Incoming::Message(bytes) => {
                    let serializer = self.clients[ix].transport.serializer;
                    let message = scan(serializer, &bytes).expect("a message of the router is well-formed");
                    self.trace.say(|| format!("         client {ix} gets {}", brief(&message)));
                    self.message(ix, &message);
                }
                Incoming::Pong(payload) => {
                    let expected = self.clients[ix].pings.pop_front();
                    assert_eq!(expected, Some(payload), "a pong is the answer to the oldest ping");
                }
                Incoming::Close => self.close_frame(ix),
            }
        }
    }

    fn message(&mut self, ix: usize, message: &Message<'_>) {
        let client = &mut self.clients[ix];
        let phase = client.phase;
        let ended = matches!(phase, Phase::Over | Phase::Dismissed);
        assert!(!ended, "{} after the end, for client {ix}", message.name());
        match message {
            Message::Welcome(welcome) => {
                assert_eq!(phase, Phase::Joining, "WELCOME for client {ix}");
                client.phase = Phase::Joined;
                let session = client.session.expect("HELLO was sent");
                let authid = welcome.authid.as_deref().expect("an authid").to_owned();
                let role = welcome.authrole.as_deref().expect("a role");
                self.model.welcomed(session, welcome.session.0, authid, role);
            }
            Message::Challenge { method, .. } => {
                assert_eq!((phase, &**method), (Phase::Joining, "ticket"));
                self.authenticate(ix);
            }
            Message::Abort(abort) => {
                let expected = match phase {
                    Phase::Doomed(Some(reason)) => abort.reason == reason,
                    Phase::Joining => {
                        client.session.is_some_and(|it| self.model.is_turned_away(it, &abort.reason))
                    }
                    _ => false,
                };
                let shutdown = self.is_shut_down && abort.reason == "wamp.close.system_shutdown";
                assert!(expected || shutdown, "ABORT {} {:?} for {client:?}", abort.reason, abort.message);
                client.phase = Phase::Over;
                if let Some(session) = client.session {
                    self.model.is_gone(session);
                }
            }
            Message::Goodbye { reason, .. } => self.goodbye(ix, reason),
            message => {
                let session = client.session.expect("messages of a session come in one");
                assert!(
                    !matches!(phase, Phase::Idle | Phase::Joining),
                    "{} without a session, for client {ix}",
                    message.name()
                );
                self.model.received(session, message);
            }
        }
    }

    fn goodbye(&mut self, ix: usize, reason: &str) {
        let client = &mut self.clients[ix];
        let session = client.session.expect("GOODBYE comes in a session");
        match reason {
            "wamp.close.goodbye_and_out" => {
                assert_eq!(client.phase, Phase::Leaving, "GOODBYE for client {ix}");
                client.phase = Phase::Idle;
                self.model.left(session);
            }
            "wamp.close.system_shutdown" => {
                assert!(self.is_shut_down);
                // If the client has said GOODBYE itself, that is its answer.
                client.phase = match client.phase {
                    Phase::Leaving | Phase::Doomed(_) => Phase::Doomed(None),
                    _ => Phase::Dismissed,
                };
                self.model.is_cut(session);
            }
            "wamp.close.killed" | "wamp.close.close_realm" => {
                assert!(self.model.sessions[session].is_hunted, "nobody has killed client {ix}");
                assert!(reason != "wamp.close.close_realm" || self.model.was_closed(session));
                client.phase = match client.phase {
                    Phase::Leaving | Phase::Doomed(_) => Phase::Doomed(None),
                    _ => Phase::Dismissed,
                };
                self.model.is_gone(session);
            }
            other => panic!("GOODBYE {other} for client {ix}"),
        }
    }

    fn close_frame(&mut self, ix: usize) {
        let client = &self.clients[ix];
        assert!(self.may_hang_up(client), "a close frame for client {ix}: {client:?}");
        self.clients[ix].phase = Phase::Over;
    }
}

/// A message in one line.
fn brief(message: &Message<'_>) -> String {
    let mut text = format!("{message:?}");
    if text.len() > 300 {
        let end = (0..=300).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}
