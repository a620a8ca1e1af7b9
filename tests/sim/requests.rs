//! Requests of clients: each is written down in the model and sent.

use connectanum::router::Time;
use connectanum::wamp::list::{IdList, TextList};
use connectanum::wamp::message::{
    self, Audience, Call, CallOptions, ClientRoles, Features, Hello, InvokePolicy, Payload, Publish,
    PublishOptions, RegisterOptions, SubscribeOptions, Text, Yield,
};
use connectanum::wamp::{Message, RegistrationId, RequestId, SubscriptionId};

use crate::client::Phase;
use crate::model::{self, Filter, Mark, Publication, Request, UNAVAILABLE};
use crate::plan::REALMS;
use crate::uris::Pattern;
use crate::value::{Args, Value};
use crate::world::World;

/// Payloads from this size on are more than some clients accept.
const LARGE_BYTES: usize = 5000;

impl World {
    pub(crate) fn send_hello(&mut self, ix: usize, realm: usize) {
        let client = &mut self.clients[ix];
        let (serializer, limited) = (client.transport.serializer, client.is_limited());
        client.session = Some(self.model.join(client.shard, realm, serializer, limited));
        client.phase = Phase::Joining;
        let features = &mut self.model.sessions[client.session.expect("just begun")].features;
        *features = features.with(self.plan.announced);
        // Some do not leave calls to others.
        if self.plan.unavailable > 0 && self.dice.percent(80) {
            *features = features.with(Features::CALL_REROUTE);
        }
        if self.plan.has_users {
            return self.send_hello_as_user(ix, realm);
        }
        let hello = hello(REALMS[realm], *features);
        client.send(&mut self.dice, &hello, Mark::Hello);
    }

    /// HELLO to a realm that does not exist.
    pub(crate) fn send_lost_hello(&mut self, ix: usize) {
        let client = &mut self.clients[ix];
        client.phase = Phase::Doomed(Some("wamp.error.no_such_realm"));
        client
            .session
            .get_or_insert_with(|| self.model.join(client.shard, 0, client.transport.serializer, false));
        client.send(&mut self.dice, &hello("realm3", Features::default()), Mark::Violation);
    }

    pub(crate) fn send_goodbye(&mut self, ix: usize) {
        let client = &mut self.clients[ix];
        let (phase, mark) = match client.phase {
            Phase::Dismissed => (Phase::Over, Mark::Nothing),
            _ => (Phase::Leaving, Mark::Goodbye),
        };
        client.phase = phase;
        let goodbye = Message::Goodbye { message: None, reason: Text::Borrowed("wamp.close.normal") };
        client.send(&mut self.dice, &goodbye, mark);
    }

    pub(crate) fn subscribe(&mut self, ix: usize, pattern: Pattern) -> usize {
        self.subscribe_as(ix, pattern, None)
    }

    /// Subscribes, as this node.
    pub(crate) fn subscribe_as(&mut self, ix: usize, pattern: Pattern, nkey: Option<&'static str>) -> usize {
        let session = self.session(ix);
        let sub = self.model.subscribe(session, pattern, nkey);
        let get_retained = self.dice.percent(self.plan.retain);
        self.model.subs[sub].asking.push_back(get_retained);
        let options = SubscribeOptions {
            match_policy: pattern.0,
            get_retained: get_retained.then_some(true),
            nkey: nkey.map(Text::Borrowed),
        };
        let topic = Text::Borrowed(pattern.1);
        self.request(ix, Request::Subscribe(sub), |request| Message::Subscribe { request, options, topic });
        sub
    }

    pub(crate) fn unsubscribe(&mut self, ix: usize, sub: usize) {
        let id = self.model.subs[sub].id.expect("it was subscribed");
        (self.model.subs[sub].is_left, self.model.subs[sub].left) = (true, Some(id));
        let subscription = SubscriptionId(id);
        self.request(ix, Request::Unsubscribe(sub), |request| Message::Unsubscribe { request, subscription });
    }

    pub(crate) fn register(&mut self, ix: usize, pattern: Pattern, invoke: InvokePolicy) -> usize {
        self.register_with(ix, pattern, RegisterOptions { invoke, ..RegisterOptions::default() })
    }

    /// Registers for so many invocations at a time.
    pub(crate) fn register_limited(
        &mut self,
        ix: usize,
        pattern: Pattern,
        invoke: InvokePolicy,
        concurrency: Option<u64>,
    ) -> usize {
        self.register_with(ix, pattern, RegisterOptions { invoke, concurrency, ..RegisterOptions::default() })
    }

    /// Registers with these options.
    pub(crate) fn register_with(&mut self, ix: usize, pattern: Pattern, options: RegisterOptions) -> usize {
        let session = self.session(ix);
        let disclose = self.dice.percent(10);
        let reg = self.model.register(session, pattern, options.invoke, disclose);
        self.model.regs[reg].concurrency = options.concurrency;
        self.model.regs[reg].by_force = options.force_reregister == Some(true);
        let options =
            RegisterOptions { match_policy: pattern.0, disclose_caller: disclose.then_some(true), ..options };
        let procedure = Text::Borrowed(pattern.1);
        self.request(ix, Request::Register(reg), |request| Message::Register { request, options, procedure });
        reg
    }

    pub(crate) fn unregister(&mut self, ix: usize, reg: usize) {
        let id = self.model.regs[reg].id.expect("it was registered");
        self.model.regs[reg].is_left = true;
        let registration = RegistrationId(id);
        self.request(ix, Request::Unregister(reg), |request| Message::Unregister { request, registration });
    }

    pub(crate) fn publish(
        &mut self,
        ix: usize,
        topic: &'static str,
        acknowledge: bool,
        filter: Filter,
    ) -> usize {
        let session = self.session(ix);
        let serializer = self.clients[ix].transport.serializer;
        let (args, bytes, is_large) = self.args(ix, "publication", self.model.publications.len());
        let (disclose, retain) = (self.dice.percent(10), self.dice.percent(self.plan.retain));
        let publication = self.model.publications.len();
        let request = self.model.request(session, Request::Publish(publication), acknowledge);
        let same = self.model.publish(Publication {
            session,
            request,
            topic,
            args: args.clone(),
            bytes: bytes.clone(),
            is_large,
            disclose,
            retain,
            filter: filter.clone(),
            handed: None,
            acknowledged: None,
            is_refused: false,
            id: None,
        });
        assert_eq!(same, publication);
        let authids: Vec<&str> = filter.exclude_authid.iter().map(String::as_str).collect();
        let role: Vec<&str> = filter.eligible_authrole.into_iter().collect();
        let publish = Message::Publish(Publish {
            request: RequestId(request),
            options: PublishOptions {
                acknowledge: acknowledge.then_some(true),
                exclude_me: filter.to_me.then_some(false),
                disclose_me: disclose.then_some(true),
                retain: retain.then_some(true),
                rkey: filter.rkey.map(Text::Borrowed),
                audience: Audience {
                    exclude: (!filter.exclude.is_empty()).then_some(IdList::Slice(&filter.exclude)),
                    exclude_authid: (!authids.is_empty()).then_some(TextList::Slice(&authids)),
                    eligible: filter.eligible.as_deref().map(IdList::Slice),
                    eligible_authrole: filter.eligible_authrole.map(|_| TextList::Slice(&role)),
                    ..Audience::default()
                }
                .into(),
                passthru: args.passthru().into(),
            },
            topic: Text::Borrowed(topic),
            payload: Payload { serializer, items: args.items(), bytes: &bytes },
        });
        let mark = Mark::Request(Request::Publish(publication));
        self.clients[ix].send(&mut self.dice, &publish, mark);
        publication
    }

    pub(crate) fn call(&mut self, ix: usize, procedure: &'static str) -> usize {
        self.call_with(ix, procedure, false, None)
    }

    /// A call with more arguments to come.
    pub(crate) fn call_in_parts(&mut self, ix: usize, procedure: &'static str) -> usize {
        self.call_with(ix, procedure, true, None)
    }

    /// A call to the callee that has this key.
    pub(crate) fn call_by_key(&mut self, ix: usize, procedure: &'static str, key: &'static str) -> usize {
        self.call_with(ix, procedure, false, Some(key))
    }

    fn call_with(
        &mut self,
        ix: usize,
        procedure: &'static str,
        in_parts: bool,
        rkey: Option<&'static str>,
    ) -> usize {
        let session = self.session(ix);
        let serializer = self.clients[ix].transport.serializer;
        let call = self.model.calls.len();
        let (args, bytes, is_large) = self.args(ix, "call", call);
        let disclose = self.dice.percent(10);
        let receive_progress = self.dice.percent(30);
        let timeout_ms = self.dice.percent(self.plan.hurried).then(|| self.dice.between(0, 40) as u64);
        let request = self.model.request(session, Request::Call(call), true);
        let payload = Payload { serializer, items: args.items(), bytes: &bytes };
        let message = Message::Call(Call {
            request: RequestId(request),
            options: CallOptions {
                disclose_me: disclose.then_some(true),
                receive_progress: receive_progress.then_some(true),
                timeout_ms,
                progress: in_parts.then_some(true),
                rkey: rkey.map(Text::Borrowed),
                runmode: rkey.map(|_| Text::Borrowed("partition")),
                passthru: args.passthru().into(),
            },
            procedure: Text::Borrowed(procedure),
            payload,
        });
        self.clients[ix].send(&mut self.dice, &message, Mark::Request(Request::Call(call)));
        self.model.calls.push(model::Call {
            session,
            request,
            procedure,
            args,
            bytes,
            is_large,
            disclose,
            timeout_ms: timeout_ms.filter(|ms| *ms > 0),
            stream: in_parts.then(model::Stream::default),
            receive_progress,
            parts: Vec::new(),
            parts_received: 0,
            cancels: Vec::new(),
            handed: None,
            handed_at: Time(0),
            reg: None,
            answer: None,
            is_refused: false,
            tried: Vec::new(),
            rkey,
        });
        call
    }

    /// Sends more of some call that is not complete, whether or not it is over.
    pub(crate) fn continue_something(&mut self, ix: usize) {
        let session = self.session(ix);
        let is_open = |call: &model::Call| {
            call.session == session && call.stream.as_ref().is_some_and(|stream| !stream.is_complete)
        };
        let open: Vec<usize> =
            (0..self.model.calls.len()).filter(|at| is_open(&self.model.calls[*at])).collect();
        if open.is_empty() {
            return;
        }
        let (call, is_last) = (*self.dice.pick(&open), self.dice.percent(20));
        let serializer = self.clients[ix].transport.serializer;
        let first = &self.model.calls[call].args;
        let args = first.more(&mut self.dice, "more", self.model.more.len());
        let bytes = args.write(serializer);
        let it = &mut self.model.calls[call];
        let stream = it.stream.as_mut().expect("one in parts");
        stream.more.push(self.model.more.len());
        stream.is_complete = is_last;
        let message = Message::Call(Call {
            request: RequestId(it.request),
            options: CallOptions {
                progress: (!is_last).then_some(true),
                passthru: args.passthru().into(),
                ..CallOptions::default()
            },
            procedure: Text::Borrowed(it.procedure),
            payload: Payload { serializer, items: args.items(), bytes: &bytes },
        });
        self.clients[ix].send(&mut self.dice, &message, Mark::Nothing);
        self.model.more.push(model::More { call, args, bytes });
    }

    /// Adds a testament, in some scope.
    pub(crate) fn add_testament(&mut self, ix: usize, topic: &'static str) {
        let session = self.session(ix);
        let serializer = self.clients[ix].transport.serializer;
        let args = Args::new(&mut self.dice, "testament", self.model.testaments.len(), 0);
        let is_detached = self.dice.percent(50);
        let bytes = args.write(serializer);
        let mut list = vec![Value::Text(topic.to_owned())];
        list.extend(args.0.iter().cloned());
        let mut payload = vec![Value::List(list)];
        if is_detached {
            payload.push(Value::Dict([("scope".to_owned(), Value::Text("detached".to_owned()))].into()));
        }
        let testament = self.model.add_testament(session, topic, is_detached, args, bytes);
        self.call_router(ix, Request::Testament(testament), "wamp.session.add_testament", &Args(payload));
    }

    /// Calls a procedure of the router itself.
    pub(crate) fn call_router(&mut self, ix: usize, request: Request, procedure: &str, args: &Args) {
        let serializer = self.clients[ix].transport.serializer;
        let bytes = args.write(serializer);
        let payload = Payload { serializer, items: args.items(), bytes: &bytes };
        self.request(ix, request, |request| {
            let (options, procedure) = (CallOptions::default(), Text::Borrowed(procedure));
            Message::Call(Call { request, options, procedure, payload })
        });
    }

    /// Asks the router for something that the client knows.
    pub(crate) fn ask_router(&mut self, ix: usize) {
        let facts = self.model.facts(self.session(ix));
        let fact = *self.dice.pick(&facts);
        let (procedure, args) = self.model.question(fact);
        self.call_router(ix, Request::Fact(fact), procedure, &args);
    }

    /// Kills some session that has been there: perhaps of another realm, perhaps itself.
    pub(crate) fn kill_somebody(&mut self, ix: usize) {
        let known = self.model.sessions.iter().enumerate().filter_map(|(at, it)| Some((at, it.id?)));
        // Rather a late one, which is more likely to live.
        let known: Vec<(usize, u64)> = known.collect();
        let latest = known.len().saturating_sub(10);
        if let Some(known) = known.get(latest..).filter(|known| !known.is_empty()) {
            let (target, id) = *self.dice.pick(known);
            let args = Args(vec![Value::List(vec![Value::Int(id as i64)])]);
            self.call_router(ix, Request::Kill(target), "wamp.session.kill", &args);
        }
    }

    pub(crate) fn cancel(&mut self, ix: usize, call: usize) {
        let mode = *self.dice.pick(&[None, Some("skip"), Some("kill"), Some("killnowait")]);
        self.cancel_by(ix, call, mode);
    }

    pub(crate) fn cancel_by(&mut self, ix: usize, call: usize, mode: Option<&'static str>) {
        self.model.calls[call].cancels.push(mode.unwrap_or("killnowait"));
        let request = RequestId(self.model.calls[call].request);
        let mode = mode.map(Text::Borrowed);
        self.clients[ix].send(&mut self.dice, &Message::Cancel { request, mode }, Mark::Cancel(call));
    }

    /// Answers one of the invocations that a client has.
    pub(crate) fn answer_invocation(&mut self, ix: usize, which: usize) {
        let session = self.session(ix);
        let (request, call) = self.model.sessions[session].open[which];
        // Some send parts that nobody wants.
        let parts = if self.model.calls[call].receive_progress { 40 } else { 5 };
        if self.dice.percent(parts) {
            return self.send_part(ix, request, call);
        }
        self.model.sessions[session].open.swap_remove(which);
        let (args, bytes, is_large) = self.args(ix, "answer", call);
        let mut error = *self.dice.pick(&[None, None, Some("app.error.one"), Some("app.error.two")]);
        if self.plan.unavailable > 0 && self.dice.percent(self.plan.unavailable) {
            error = Some(UNAVAILABLE);
        }
        self.send_answer(ix, request, error, &args, &bytes);
        self.model.calls[call].answer = Some(self.model.answers.len());
        self.model.answers.push(model::Answer { error, args, bytes, is_large });
    }

    /// Sends a part of the answer.
    fn send_part(&mut self, ix: usize, request: u64, call: usize) {
        let serializer = self.clients[ix].transport.serializer;
        let args = self.small_args("part", self.model.answers.len());
        let bytes = args.write(serializer);
        let payload = Payload { serializer, items: args.items(), bytes: &bytes };
        let (request, passthru) = (RequestId(request), args.passthru().into());
        let message = Message::Yield(Yield { request, progress: Some(true), passthru, payload });
        self.clients[ix].send(&mut self.dice, &message, Mark::Nothing);
        let session = &self.model.sessions[self.session(ix)];
        if self.model.calls[call].receive_progress
            && session.features.contains(Features::PROGRESSIVE_CALL_RESULTS)
        {
            self.model.calls[call].parts.push(self.model.answers.len());
        }
        self.model.answers.push(model::Answer { error: None, args, bytes, is_large: false });
    }

    /// Answers an invocation that was answered before.
    pub(crate) fn answer_late(&mut self, ix: usize, request: u64) {
        let (args, bytes, _) = self.args(ix, "late", 0);
        let error = *self.dice.pick(&[None, Some("app.error.late")]);
        self.send_answer(ix, request, error, &args, &bytes);
    }

    fn send_answer(&mut self, ix: usize, request: u64, error: Option<&str>, args: &Args, bytes: &[u8]) {
        let serializer = self.clients[ix].transport.serializer;
        let (request, passthru) = (RequestId(request), args.passthru().into());
        let payload = Payload { serializer, items: args.items(), bytes };
        let message = match error {
            None => Message::Yield(Yield { request, progress: None, passthru, payload }),
            Some(uri) => Message::Error(message::Error {
                request_type: 68,
                request,
                passthru,
                error: Text::Borrowed(uri),
                payload,
            }),
        };
        self.clients[ix].send(&mut self.dice, &message, Mark::Nothing);
    }

    /// A request without a payload.
    pub(crate) fn request<'a>(
        &mut self,
        ix: usize,
        request: Request,
        message: impl FnOnce(RequestId) -> Message<'a>,
    ) {
        let session = self.session(ix);
        let id = self.model.request(session, request, true);
        self.clients[ix].send(&mut self.dice, &message(RequestId(id)), Mark::Request(request));
    }

    pub(crate) fn session(&self, ix: usize) -> usize {
        self.clients[ix].session.expect("the client has a session")
    }

    /// Arguments, as `ix` writes them, and whether they are large.
    fn args(&mut self, ix: usize, kind: &str, index: usize) -> (Args, Vec<u8>, bool) {
        let bytes = match self.dice.below(20) {
            0 => LARGE_BYTES,
            1 => 300,
            _ => 0,
        };
        let args = if bytes == 0 {
            self.small_args(kind, index)
        } else {
            Args::new(&mut self.dice, kind, index, bytes)
        };
        let written = args.write(self.clients[ix].transport.serializer);
        (args, written, bytes == LARGE_BYTES)
    }

    /// Arguments of a few bytes, sealed or not.
    fn small_args(&mut self, kind: &str, index: usize) -> Args {
        if self.plan.sealed > 0 && self.dice.percent(self.plan.sealed) {
            Args::sealed(&mut self.dice, kind, index)
        } else {
            Args::new(&mut self.dice, kind, index, 0)
        }
    }
}

pub(crate) fn hello(realm: &'static str, features: Features) -> Message<'static> {
    let features = Some(features);
    Message::Hello(Hello {
        realm: Text::Borrowed(realm),
        roles: ClientRoles {
            publisher: features,
            subscriber: features,
            caller: features,
            callee: features.map(|features| features.with(Features::REGISTRATION_REVOCATION)),
        },
        agent: None,
        authmethods: None,
        authid: None,
        authrole: None,
        authextra: None,
    })
}
