//! The elements of a message as the specification lists them: a second, slow writer that shares nothing with the first.

use connectanum::wamp::list::{IdList, TextList};
use connectanum::wamp::message::{Features, InvokePolicy, MatchPolicy, Passthru, Rare, RawValue, Text};
use connectanum::wamp::{Message, SessionId};

use crate::tree::Tree;

/// All elements, payload included. Options that are absent are not there; the order of keys is not the encoder's.
pub(crate) fn elements(message: &Message<'_>) -> Vec<Tree> {
    let mut elements = vec![int(message.code().into())];
    elements.extend(match message {
        Message::Hello(it) => {
            let roles = dict([
                ("publisher", it.roles.publisher.map(role)),
                ("subscriber", it.roles.subscriber.map(role)),
                ("caller", it.roles.caller.map(role)),
                ("callee", it.roles.callee.map(role)),
            ]);
            let details = dict([
                ("authextra", it.authextra.as_ref().map(raw)),
                ("authrole", text(&it.authrole)),
                ("authid", text(&it.authid)),
                ("authmethods", it.authmethods.as_ref().map(texts)),
                ("agent", text(&it.agent)),
                ("roles", Some(roles)),
            ]);
            vec![string(&it.realm), details]
        }
        Message::Welcome(it) => {
            let roles = [("broker", it.broker.map(role)), ("dealer", it.dealer.map(role))];
            let some = roles.iter().any(|(_, role)| role.is_some());
            let details = dict([
                ("roles", some.then(|| dict(roles))),
                ("authextra", it.authextra.as_ref().map(raw)),
                ("authprovider", text(&it.authprovider)),
                ("authmethod", text(&it.authmethod)),
                ("authrole", text(&it.authrole)),
                ("authid", text(&it.authid)),
                ("agent", text(&it.agent)),
                ("realm", text(&it.realm)),
            ]);
            vec![int(it.session.0), details]
        }
        Message::Abort(it) => {
            vec![dict([("scram", text(&it.scram)), ("message", text(&it.message))]), string(&it.reason)]
        }
        Message::Challenge { method: first, extra } | Message::Authenticate { signature: first, extra } => {
            vec![string(first), raw(extra)]
        }
        Message::Goodbye { message, reason } => vec![dict([("message", text(message))]), string(reason)],
        Message::Error(it) => vec![
            int(it.request_type.into()),
            int(it.request.0),
            dict(passthru(&it.passthru)),
            string(&it.error),
        ],
        Message::Publish(it) => {
            let audience = it.options.audience.get().cloned().unwrap_or_default();
            let options = [
                ("rkey", text(&it.options.rkey)),
                ("retain", bool(it.options.retain)),
                ("disclose_me", bool(it.options.disclose_me)),
                ("exclude_me", bool(it.options.exclude_me)),
                ("acknowledge", bool(it.options.acknowledge)),
                ("eligible_authrole", audience.eligible_authrole.as_ref().map(texts)),
                ("eligible_authid", audience.eligible_authid.as_ref().map(texts)),
                ("eligible", audience.eligible.as_ref().map(ids)),
                ("exclude_authrole", audience.exclude_authrole.as_ref().map(texts)),
                ("exclude_authid", audience.exclude_authid.as_ref().map(texts)),
                ("exclude", audience.exclude.as_ref().map(ids)),
            ];
            let options = dict(options.into_iter().chain(passthru(&it.options.passthru)));
            vec![int(it.request.0), options, string(&it.topic)]
        }
        Message::Published { request, publication } => vec![int(request.0), int(publication.0)],
        Message::Subscribe { request, options, topic } => {
            let options = dict([
                ("nkey", text(&options.nkey)),
                ("get_retained", bool(options.get_retained)),
                ("match", match_policy(options.match_policy)),
            ]);
            vec![int(request.0), options, string(topic)]
        }
        Message::Subscribed { request, subscription } | Message::Unsubscribe { request, subscription } => {
            vec![int(request.0), int(subscription.0)]
        }
        Message::Unsubscribed { request, revocation: None } => vec![int(request.0)],
        Message::Unsubscribed { request, revocation: Some(it) } => {
            let details = dict([("reason", text(&it.reason)), ("subscription", Some(int(it.id.0)))]);
            vec![int(request.0), details]
        }
        Message::Event(it) => {
            let details = [
                ("retained", bool(it.details.retained)),
                ("trustlevel", it.details.trustlevel.map(int)),
                ("publisher_authrole", text(&it.details.publisher_authrole)),
                ("publisher_authid", text(&it.details.publisher_authid)),
                ("publisher", it.details.publisher.map(|SessionId(id)| int(id))),
                ("topic", text(&it.details.topic)),
            ];
            let details = dict(details.into_iter().chain(passthru(&it.details.passthru)));
            vec![int(it.subscription.0), int(it.publication.0), details]
        }
        Message::EventReceived { publication } => vec![int(publication.0)],
        Message::Call(it) => {
            let options = [
                ("runmode", text(&it.options.runmode)),
                ("rkey", text(&it.options.rkey)),
                ("disclose_me", bool(it.options.disclose_me)),
                ("progress", bool(it.options.progress)),
                ("receive_progress", bool(it.options.receive_progress)),
                ("timeout", it.options.timeout_ms.map(int)),
            ];
            let options = dict(options.into_iter().chain(passthru(&it.options.passthru)));
            vec![int(it.request.0), options, string(&it.procedure)]
        }
        Message::Cancel { request, mode } => vec![int(request.0), dict([("mode", text(mode))])],
        Message::Result(it) => {
            vec![int(it.request.0), dict(passthru(&it.passthru).chain([("progress", bool(it.progress))]))]
        }
        Message::Register { request, options, procedure } => {
            let options = dict([
                ("force_reregister", bool(options.force_reregister)),
                ("concurrency", options.concurrency.map(int)),
                ("forward_timeout", bool(options.forward_timeout)),
                ("disclose_caller", bool(options.disclose_caller)),
                ("invoke", invoke_policy(options.invoke)),
                ("match", match_policy(options.match_policy)),
            ]);
            vec![int(request.0), options, string(procedure)]
        }
        Message::Registered { request, registration } | Message::Unregister { request, registration } => {
            vec![int(request.0), int(registration.0)]
        }
        Message::Unregistered { request, revocation: None } => vec![int(request.0)],
        Message::Unregistered { request, revocation: Some(it) } => {
            let details = dict([("reason", text(&it.reason)), ("registration", Some(int(it.id.0)))]);
            vec![int(request.0), details]
        }
        Message::Invocation(it) => {
            let details = [
                ("timeout", it.details.timeout_ms.map(int)),
                ("progress", bool(it.details.progress)),
                ("receive_progress", bool(it.details.receive_progress)),
                ("trustlevel", it.details.trustlevel.map(int)),
                ("caller_authrole", text(&it.details.caller_authrole)),
                ("caller_authid", text(&it.details.caller_authid)),
                ("caller", it.details.caller.map(|SessionId(id)| int(id))),
                ("procedure", text(&it.details.procedure)),
            ];
            let details = dict(details.into_iter().chain(passthru(&it.details.passthru)));
            vec![int(it.request.0), int(it.registration.0), details]
        }
        Message::Interrupt { request, options } => {
            vec![int(request.0), dict([("reason", text(&options.reason)), ("mode", text(&options.mode))])]
        }
        Message::Yield(it) => {
            vec![int(it.request.0), dict(passthru(&it.passthru).chain([("progress", bool(it.progress))]))]
        }
    });
    elements.extend(message.payload().into_iter().flat_map(Tree::items));
    elements
}

fn int(value: u64) -> Tree {
    Tree::Int(value.into())
}

fn string(value: &Text<'_>) -> Tree {
    Tree::text(value)
}

fn text(value: &Option<Text<'_>>) -> Option<Tree> {
    value.as_ref().map(string)
}

fn bool(value: Option<bool>) -> Option<Tree> {
    value.map(Tree::Bool)
}

fn raw(value: &RawValue<'_>) -> Tree {
    Tree::read(value.serializer, value.bytes).expect("a raw value")
}

fn ids(list: &IdList<'_>) -> Tree {
    Tree::List(list.iter().map(int).collect())
}

fn texts(list: &TextList<'_>) -> Tree {
    Tree::List(list.iter().map(|it| string(&it)).collect())
}

fn match_policy(policy: MatchPolicy) -> Option<Tree> {
    match policy {
        MatchPolicy::Exact => None,
        MatchPolicy::Prefix => Some(Tree::text("prefix")),
        MatchPolicy::Wildcard => Some(Tree::text("wildcard")),
    }
}

fn invoke_policy(policy: InvokePolicy) -> Option<Tree> {
    match policy {
        InvokePolicy::Single => None,
        InvokePolicy::First => Some(Tree::text("first")),
        InvokePolicy::Last => Some(Tree::text("last")),
        InvokePolicy::Random => Some(Tree::text("random")),
        InvokePolicy::RoundRobin => Some(Tree::text("roundrobin")),
        InvokePolicy::Load => Some(Tree::text("load")),
    }
}

fn role(features: Features) -> Tree {
    let announced = Features::KEYS.iter().filter(|(feature, _)| features.contains(*feature));
    let announced: Vec<_> = announced.map(|(_, key)| (*key, Some(Tree::Bool(true)))).collect();
    dict([("features", (!announced.is_empty()).then(|| dict(announced)))])
}

fn passthru(passthru: &Rare<Passthru<'_>>) -> impl Iterator<Item = (&'static str, Option<Tree>)> {
    let passthru = passthru.get().cloned().unwrap_or_default();
    let options = [
        ("enc_serializer", text(&passthru.enc_serializer)),
        ("enc_key", text(&passthru.enc_key)),
        ("enc_algo", text(&passthru.enc_algo)),
        ("ppt_keyid", text(&passthru.ppt_keyid)),
        ("ppt_cipher", text(&passthru.ppt_cipher)),
        ("ppt_serializer", text(&passthru.ppt_serializer)),
        ("ppt_scheme", text(&passthru.ppt_scheme)),
    ];
    options.into_iter()
}

fn dict(options: impl IntoIterator<Item = (&'static str, Option<Tree>)>) -> Tree {
    let present = options.into_iter().filter_map(|(key, value)| Some((Tree::text(key), value?)));
    Tree::Dict(present.collect())
}
