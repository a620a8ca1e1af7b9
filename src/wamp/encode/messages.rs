//! The messages one by one: their elements and their options.

use super::super::message::{
    CallOptions, ClientRoles, EventDetails, Features, Hello, InvocationDetails, Message, Passthru,
    PublishOptions, Rare, RegisterOptions, Revocation, SubscribeOptions, Welcome,
};
use super::super::writer::Writer;
use super::cursor::{Dict, Elements, Encode};

/// Appends the message without its payload and its tail.
pub(super) fn head<W: Writer>(message: &Message<'_>, out: &mut Vec<u8>) {
    let items = message.payload().map_or(0, |payload| {
        debug_assert_eq!(payload.serializer, W::SERIALIZER, "transcode the payload first");
        usize::from(payload.items)
    });
    elements::<W>(message, items, out);
    if items > 0 {
        W::comma(out);
    }
}

/// Appends the elements before the payload, which has `items` more.
fn elements<W: Writer>(message: &Message<'_>, items: usize, out: &mut Vec<u8>) {
    let begin = |fixed, out| Elements::<W>::begin(message.code(), fixed + items, out);
    let _ = match message {
        Message::Hello(hello) => begin(3, out).put(&hello.realm).dict(|dict| hello_details(hello, dict)),
        Message::Welcome(welcome) => {
            begin(3, out).put(&welcome.session).dict(|dict| welcome_details(welcome, dict))
        }
        Message::Abort(abort) => begin(3, out)
            .dict(|dict| _ = dict.put("message", &abort.message).put("scram", &abort.scram))
            .put(&abort.reason),
        Message::Challenge { method, extra } => begin(3, out).put(method).put(extra),
        Message::Authenticate { signature, extra } => begin(3, out).put(signature).put(extra),
        Message::Goodbye { message, reason } => {
            begin(3, out).dict(|dict| _ = dict.put("message", message)).put(reason)
        }
        Message::Error(error) => begin(5, out)
            .put(&u64::from(error.request_type))
            .put(&error.request)
            .dict(|dict| passthru(&error.passthru, dict))
            .put(&error.error),
        Message::Publish(publish) => begin(4, out)
            .put(&publish.request)
            .dict(|dict| publish_options(&publish.options, dict))
            .put(&publish.topic),
        Message::Published { request, publication } => begin(3, out).put(request).put(publication),
        Message::Subscribe { request, options, topic } => {
            begin(4, out).put(request).dict(|dict| subscribe_options(options, dict)).put(topic)
        }
        Message::Subscribed { request, subscription } => begin(3, out).put(request).put(subscription),
        Message::Unsubscribe { request, subscription } => begin(3, out).put(request).put(subscription),
        Message::Unsubscribed { request, revocation: None } => begin(2, out).put(request),
        Message::Unsubscribed { request, revocation: Some(it) } => {
            begin(3, out).put(request).dict(|dict| revoked("subscription", it, dict))
        }
        Message::Event(event) => begin(4, out)
            .put(&event.subscription)
            .put(&event.publication)
            .dict(|dict| event_details(&event.details, dict)),
        Message::EventReceived { publication } => begin(2, out).put(publication),
        Message::Call(call) => begin(4, out)
            .put(&call.request)
            .dict(|dict| call_options(&call.options, dict))
            .put(&call.procedure),
        Message::Cancel { request, mode } => {
            begin(3, out).put(request).dict(|dict| _ = dict.put("mode", mode))
        }
        Message::Result(result) => begin(3, out)
            .put(&result.request)
            .dict(|dict| passthru(&result.passthru, dict.put("progress", &result.progress))),
        Message::Register { request, options, procedure } => {
            begin(4, out).put(request).dict(|dict| register_options(options, dict)).put(procedure)
        }
        Message::Registered { request, registration } => begin(3, out).put(request).put(registration),
        Message::Unregister { request, registration } => begin(3, out).put(request).put(registration),
        Message::Unregistered { request, revocation: None } => begin(2, out).put(request),
        Message::Unregistered { request, revocation: Some(it) } => {
            begin(3, out).put(request).dict(|dict| revoked("registration", it, dict))
        }
        Message::Invocation(invocation) => begin(4, out)
            .put(&invocation.request)
            .put(&invocation.registration)
            .dict(|dict| invocation_details(&invocation.details, dict)),
        Message::Interrupt { request, options } => begin(3, out)
            .put(request)
            .dict(|dict| _ = dict.put("mode", &options.mode).put("reason", &options.reason)),
        Message::Yield(it) => begin(3, out)
            .put(&it.request)
            .dict(|dict| passthru(&it.passthru, dict.put("progress", &it.progress))),
    };
}

fn hello_details<W: Writer>(hello: &Hello<'_>, dict: &mut Dict<'_, W>) {
    let ClientRoles { publisher, subscriber, caller, callee } = &hello.roles;
    dict.dict("roles", |roles| {
        role("subscriber", subscriber, roles);
        role("publisher", publisher, roles);
        role("caller", caller, roles);
        role("callee", callee, roles);
    })
    .put("agent", &hello.agent)
    .put("authmethods", &hello.authmethods)
    .put("authid", &hello.authid)
    .put("authrole", &hello.authrole)
    .put("authextra", &hello.authextra);
}

fn welcome_details<W: Writer>(welcome: &Welcome<'_>, dict: &mut Dict<'_, W>) {
    if welcome.broker.is_some() || welcome.dealer.is_some() {
        dict.dict("roles", |roles| {
            role("broker", &welcome.broker, roles);
            role("dealer", &welcome.dealer, roles);
        });
    }
    dict.put("realm", &welcome.realm)
        .put("agent", &welcome.agent)
        .put("authid", &welcome.authid)
        .put("authrole", &welcome.authrole)
        .put("authmethod", &welcome.authmethod)
        .put("authprovider", &welcome.authprovider)
        .put("authextra", &welcome.authextra);
}

fn role<W: Writer>(name: &str, features: &Option<Features>, roles: &mut Dict<'_, W>) {
    let Some(features) = features else { return };
    roles.dict(name, |role| {
        if *features == Features::default() {
            return;
        }
        role.dict("features", |dict| {
            for (feature, key) in Features::KEYS {
                dict.put(key, &features.contains(*feature).then_some(true));
            }
        });
    });
}

fn publish_options<W: Writer>(options: &PublishOptions<'_>, dict: &mut Dict<'_, W>) {
    dict.put("acknowledge", &options.acknowledge)
        .put("exclude_me", &options.exclude_me)
        .put("disclose_me", &options.disclose_me)
        .put("retain", &options.retain)
        .put("rkey", &options.rkey);
    if let Some(audience) = options.audience.get() {
        dict.put("exclude", &audience.exclude)
            .put("exclude_authid", &audience.exclude_authid)
            .put("exclude_authrole", &audience.exclude_authrole)
            .put("eligible", &audience.eligible)
            .put("eligible_authid", &audience.eligible_authid)
            .put("eligible_authrole", &audience.eligible_authrole);
    }
    passthru(&options.passthru, dict);
}

fn passthru<W: Writer>(passthru: &Rare<Passthru<'_>>, dict: &mut Dict<'_, W>) {
    let Some(passthru) = passthru.get() else { return };
    dict.put("ppt_scheme", &passthru.ppt_scheme)
        .put("ppt_serializer", &passthru.ppt_serializer)
        .put("ppt_cipher", &passthru.ppt_cipher)
        .put("ppt_keyid", &passthru.ppt_keyid)
        .put("enc_algo", &passthru.enc_algo)
        .put("enc_key", &passthru.enc_key)
        .put("enc_serializer", &passthru.enc_serializer);
}

fn subscribe_options<W: Writer>(options: &SubscribeOptions<'_>, dict: &mut Dict<'_, W>) {
    dict.put("match", &unless_default(options.match_policy))
        .put("get_retained", &options.get_retained)
        .put("nkey", &options.nkey);
}

fn register_options<W: Writer>(options: &RegisterOptions, dict: &mut Dict<'_, W>) {
    dict.put("match", &unless_default(options.match_policy))
        .put("invoke", &unless_default(options.invoke))
        .put("disclose_caller", &options.disclose_caller)
        .put("forward_timeout", &options.forward_timeout)
        .put("concurrency", &options.concurrency)
        .put("force_reregister", &options.force_reregister);
}

/// `policy`, unless it is what its absence means.
fn unless_default<T: Default + PartialEq>(policy: T) -> Option<T> {
    (policy != T::default()).then_some(policy)
}

fn revoked<W: Writer, Id: Encode + Copy>(key: &str, revocation: &Revocation<'_, Id>, dict: &mut Dict<'_, W>) {
    dict.put(key, &Some(revocation.id)).put("reason", &revocation.reason);
}

pub(super) fn event_details<W: Writer>(details: &EventDetails<'_>, dict: &mut Dict<'_, W>) {
    dict.put("topic", &details.topic)
        .put("publisher", &details.publisher)
        .put("publisher_authid", &details.publisher_authid)
        .put("publisher_authrole", &details.publisher_authrole)
        .put("trustlevel", &details.trustlevel)
        .put("retained", &details.retained);
    passthru(&details.passthru, dict);
}

fn call_options<W: Writer>(options: &CallOptions<'_>, dict: &mut Dict<'_, W>) {
    dict.put("timeout", &options.timeout_ms)
        .put("receive_progress", &options.receive_progress)
        .put("progress", &options.progress)
        .put("disclose_me", &options.disclose_me)
        .put("rkey", &options.rkey)
        .put("runmode", &options.runmode);
    passthru(&options.passthru, dict);
}

fn invocation_details<W: Writer>(details: &InvocationDetails<'_>, dict: &mut Dict<'_, W>) {
    dict.put("procedure", &details.procedure)
        .put("caller", &details.caller)
        .put("caller_authid", &details.caller_authid)
        .put("caller_authrole", &details.caller_authrole)
        .put("trustlevel", &details.trustlevel)
        .put("receive_progress", &details.receive_progress)
        .put("progress", &details.progress)
        .put("timeout", &details.timeout_ms);
    passthru(&details.passthru, dict);
}
