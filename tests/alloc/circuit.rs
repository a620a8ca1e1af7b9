//! Shards joined by hand, and clients whose bytes are made beforehand: what is left to count is the router's own work.
//!
//! The instruction counts (`bench/examples/instructions`) drive the same circuits.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

use connectanum::access::{Actions, Role, Rule};
use connectanum::config::RouterConfig;
use connectanum::rawsocket::{self, FrameKind};
use connectanum::router::{ConnId, Date, MeshMessage, Output, Peer, Shard, ShardId, Time};
use connectanum::wamp::message::{
    Call, CallOptions, ClientRoles, Features, Hello, MatchPolicy, Publish, PublishOptions, Rare,
    RegisterOptions, SubscribeOptions, Yield,
};
use connectanum::wamp::{Message, Payload, RequestId, Serializer, encode, transcode};
use connectanum::ws::{self, Data, OpCode};

const NOW: Time = Time(0);
const URI: &str = "com.example.topic";
const KEY: [u8; 4] = [0x35, 0xa9, 0x01, 0xf7];

/// How a client speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Speech {
    pub(crate) is_websocket: bool,
    pub(crate) serializer: Serializer,
}

/// Who sends what to whom.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The publisher or caller.
    pub(crate) from: Speech,
    /// The subscribers or the callee.
    pub(crate) to: Speech,
    /// How many subscribers there are.
    pub(crate) receivers: usize,
    /// They are on another shard.
    pub(crate) across: bool,
    /// `Arguments` of each message, in JSON.
    pub(crate) args: String,
    /// How many messages come in one read.
    pub(crate) batch: usize,
    /// How many reads there are of each sender.
    pub(crate) turns: usize,
    /// The realm has roles, so each message has to be allowed.
    pub(crate) roles: bool,
}

/// A router with clients that have messages to send.
pub(crate) struct Circuit {
    shards: Vec<Shard>,
    links: VecDeque<(ShardId, ShardId, MeshMessage)>,
    /// What is still to be sent: for each turn, one read of each sender.
    turns: VecDeque<Vec<(Line, Vec<u8>)>>,
    /// Bytes that the clients have received.
    pub(crate) received: usize,
}

/// A client's connection.
#[derive(Clone, Copy)]
struct Line {
    shard: usize,
    conn: ConnId,
}

impl Plan {
    /// PUBLISH to EVENT.
    pub(crate) fn publish(&self) -> Circuit {
        let (mut circuit, from, to) = self.joined();
        for line in to {
            let options = SubscribeOptions::default();
            circuit.say(
                self.to,
                line,
                &Message::Subscribe { request: RequestId(1), options, topic: URI.into() },
            );
        }
        let args = args(&self.args, self.from.serializer);
        for turn in 0..self.turns {
            let read = self.read(turn, |request, out| {
                let message = Message::Publish(Publish {
                    request,
                    options: PublishOptions::default(),
                    topic: URI.into(),
                    payload: Payload { serializer: self.from.serializer, items: 1, bytes: &args },
                });
                self.from.write(&message, out);
            });
            circuit.turns.push_back(vec![(from, read)]);
        }
        circuit
    }

    /// CALL to INVOCATION, YIELD to RESULT.
    pub(crate) fn call(&self) -> Circuit {
        let (mut circuit, from, to) = self.joined();
        let options = RegisterOptions::default();
        circuit.say(
            self.to,
            to[0],
            &Message::Register { request: RequestId(1), options, procedure: URI.into() },
        );
        let (call_args, yield_args) =
            (args(&self.args, self.from.serializer), args(&self.args, self.to.serializer));
        for turn in 0..self.turns {
            let calls = self.read(turn, |request, out| {
                let message = Message::Call(Call {
                    request,
                    options: CallOptions::default(),
                    procedure: URI.into(),
                    payload: Payload { serializer: self.from.serializer, items: 1, bytes: &call_args },
                });
                self.from.write(&message, out);
            });
            // Invocations are counted from 1, as the requests of the calls are here.
            let yields = self.read(turn, |request, out| {
                let message = Message::Yield(Yield {
                    request,
                    progress: None,
                    passthru: Rare::default(),
                    payload: Payload { serializer: self.to.serializer, items: 1, bytes: &yield_args },
                });
                self.to.write(&message, out);
            });
            circuit.turns.push_back(vec![(from, calls), (to[0], yields)]);
        }
        circuit
    }

    /// A router whose sender and receivers have joined.
    fn joined(&self) -> (Circuit, Line, Vec<Line>) {
        let shards = 1 + u16::from(self.across);
        let mut config = RouterConfig::default();
        if self.roles {
            config.realms[0].roles = vec![role()];
        }
        let config = Arc::new(config);
        let mut circuit = Circuit {
            shards: (0..shards)
                .map(|id| Shard::new(config.clone(), ShardId(id), shards, [7; 32], Date(0)))
                .collect(),
            links: VecDeque::with_capacity(4096),
            turns: VecDeque::with_capacity(self.turns),
            received: 0,
        };
        let from = circuit.join(0, self.from);
        let to = (0..self.receivers).map(|_| circuit.join(usize::from(self.across), self.to)).collect();
        (circuit, from, to)
    }

    /// One read: a batch of messages with rising request ids.
    fn read(&self, turn: usize, write: impl Fn(RequestId, &mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        for i in 0..self.batch {
            write(RequestId((turn * self.batch + i + 1) as u64), &mut out);
        }
        out
    }
}

impl Circuit {
    /// The next read of each sender, and all that follows from it. `None` when all is sent.
    pub(crate) fn turn(&mut self) -> Option<()> {
        for (line, mut bytes) in self.turns.pop_front()? {
            self.feed(line, &mut bytes);
        }
        Some(())
    }

    fn join(&mut self, shard: usize, speech: Speech) -> Line {
        let conn = self.shards[shard].accept(NOW, Peer::Unix);
        let line = Line { shard, conn };
        if speech.is_websocket {
            let mut head = format!(
                "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                 Sec-WebSocket-Protocol: {}\r\n\r\n",
                speech.serializer.subprotocol()
            );
            self.feed(line, &mut std::mem::take(&mut head).into_bytes());
        } else {
            self.feed(line, &mut rawsocket::client_hello(speech.serializer, rawsocket::FRAME_BYTES_MAX));
        }
        let role = Some(Features::default());
        let hello = Hello {
            realm: "realm1".into(),
            roles: ClientRoles { publisher: role, subscriber: role, caller: role, callee: role },
            agent: None,
            authmethods: None,
            authid: None,
            authrole: None,
            authextra: None,
        };
        self.say(speech, line, &Message::Hello(hello));
        line
    }

    fn say(&mut self, speech: Speech, line: Line, message: &Message<'_>) {
        let mut bytes = Vec::new();
        speech.write(message, &mut bytes);
        let before = self.received;
        self.feed(line, &mut bytes);
        assert!(self.received > before, "no answer to {message:?}");
    }

    /// Gives a shard what a client has sent, then does what the shards want until nothing moves.
    fn feed(&mut self, line: Line, bytes: &mut [u8]) {
        self.shards[line.shard].received(NOW, line.conn, bytes);
        loop {
            for shard in 0..self.shards.len() {
                while let Some(output) = self.shards[shard].poll_output() {
                    self.perform(shard, output);
                }
            }
            if self.links.is_empty() {
                return;
            }
            while let Some((from, to, message)) = self.links.pop_front() {
                self.shards[usize::from(to.0)].mesh_received(NOW, from, message);
            }
        }
    }

    fn perform(&mut self, shard: usize, output: Output) {
        let (from, links) = (&mut self.shards[shard], &mut self.links);
        match output {
            Output::Flush(conn) => loop {
                let mut slices = [IoSlice::new(&[]); 16];
                let filled = from.outgoing(conn, &mut slices);
                let n = slices[..filled].iter().map(|slice| slice.len()).sum();
                self.received += n;
                if !from.sent(NOW, conn, n) {
                    return;
                }
            },
            Output::Mesh(to) => {
                let id = from.id();
                from.flush_mesh(NOW, to, |message| {
                    links.push_back((id, to, message));
                    Ok(())
                });
            }
            other => panic!("nothing here makes a shard want {other:?}"),
        }
    }
}

impl Speech {
    /// Appends a frame.
    fn write(self, message: &Message<'_>, out: &mut Vec<u8>) {
        let mut bytes = Vec::new();
        encode(message, self.serializer, &mut bytes);
        if self.is_websocket {
            let kind = if self.serializer.is_binary() { Data::Binary } else { Data::Text };
            ws::write_masked_frame(out, OpCode::Data(kind), KEY, &bytes);
        } else {
            out.extend_from_slice(&rawsocket::header(FrameKind::Message, bytes.len()));
            out.extend_from_slice(&bytes);
        }
    }
}

/// Everybody, who may do everything in one corner, and nothing in others.
fn role() -> Role {
    let rule = |uri: &str, match_policy, allow| Rule {
        uri: uri.to_owned(),
        match_policy,
        allow,
        disclose: false,
        cache: true,
    };
    let rules = vec![
        rule("com.example.", MatchPolicy::Prefix, Actions::ALL),
        rule("com.example.secret.", MatchPolicy::Prefix, Actions::default()),
        rule("com..topic", MatchPolicy::Wildcard, Actions::default()),
    ];
    Role { name: "anonymous".to_owned(), rules, authorizer: None }
}

/// The arguments in another serializer.
fn args(json: &str, serializer: Serializer) -> Vec<u8> {
    let payload = Payload { serializer: Serializer::Json, items: 1, bytes: json.as_bytes() };
    let mut out = Vec::new();
    transcode(payload, serializer, &mut out).expect("arguments in JSON");
    out
}
