//! The messages one by one: their elements and their options.

use super::super::id::{self, RequestId};
use super::super::message::{
    Abort, Audience, Call, CallOptions, CallResult, ClientRoles, Error, Event, EventDetails, Features, Hello,
    InterruptOptions, Invocation, InvocationDetails, Message, Passthru, Payload, Publish, PublishOptions,
    Rare, RegisterOptions, Revocation, SubscribeOptions, Text, Welcome, Yield,
};
use super::super::reader::{Fault, Plain, Read, Reader};
use super::super::serializer::Serializer;
use super::cursor::{Dict, Elements};
use super::error::ScanError;
use super::field::{EncAlgo, Field};

type Scanned<'a> = Result<Message<'a>, ScanError>;

/// The message that was read at one go: the same as [`message`] brings, more slowly.
#[inline]
pub(super) fn plain(plain: Plain<'_>, serializer: Serializer) -> Message<'_> {
    let Plain { code, id, uri, items, payload } = plain;
    let (request, payload) = (RequestId(id), Payload { serializer, items, bytes: payload });
    match code {
        16 => Message::Publish(Publish {
            request,
            options: PublishOptions::default(),
            topic: Text::Borrowed(uri),
            payload,
        }),
        48 => Message::Call(Call {
            request,
            options: CallOptions::default(),
            procedure: Text::Borrowed(uri),
            payload,
        }),
        _ => Message::Yield(Yield { request, progress: None, passthru: Rare::default(), payload }),
    }
}

/// Reads the elements after the code.
pub(super) fn message<'a, R: Reader<'a>>(m: &mut Elements<'a, R>, code: u64) -> Scanned<'a> {
    match code {
        1 => hello(m),
        2 => welcome(m),
        3 => abort(m),
        4 => Ok(Message::Challenge { method: m.take("AuthMethod")?, extra: m.take_last("Extra")? }),
        5 => Ok(Message::Authenticate { signature: m.take("Signature")?, extra: m.take_last("Extra")? }),
        6 => goodbye(m),
        8 => error(m),
        16 => publish(m),
        17 => {
            Ok(Message::Published { request: m.take("Request")?, publication: m.take_last("Publication")? })
        }
        32 => subscribe(m),
        33 => Ok(Message::Subscribed {
            request: m.take("Request")?,
            subscription: m.take_last("Subscription")?,
        }),
        34 => Ok(Message::Unsubscribe {
            request: m.take("Request")?,
            subscription: m.take_last("Subscription")?,
        }),
        35 => {
            let (request, revocation) = revocation(m, "subscription")?;
            m.finish()?;
            Ok(Message::Unsubscribed { request, revocation })
        }
        36 => event(m),
        48 => call(m),
        49 => cancel(m),
        50 => result(m),
        64 => register(m),
        65 => Ok(Message::Registered {
            request: m.take("Request")?,
            registration: m.take_last("Registration")?,
        }),
        66 => Ok(Message::Unregister {
            request: m.take("Request")?,
            registration: m.take_last("Registration")?,
        }),
        67 => {
            let (request, revocation) = revocation(m, "registration")?;
            m.finish()?;
            Ok(Message::Unregistered { request, revocation })
        }
        68 => invocation(m),
        69 => interrupt(m),
        70 => yield_(m),
        337 => Ok(Message::EventReceived { publication: m.take_last("Publication")? }),
        _ => Err(ScanError::UnknownType(code)),
    }
}

fn hello<'a, R: Reader<'a>>(m: &mut Elements<'a, R>) -> Scanned<'a> {
    const ROLES: &str = "a dict with at least one of publisher, subscriber, caller, callee";

    let mut hello = Hello {
        realm: m.take("Realm")?,
        roles: ClientRoles::default(),
        agent: None,
        authmethods: None,
        authid: None,
        authrole: None,
        authextra: None,
    };
    m.take_dict("Details", |dict| match dict.key() {
        "roles" => dict.take_dict(|dict| match dict.key() {
            "publisher" => role(dict, &mut hello.roles.publisher),
            "subscriber" => role(dict, &mut hello.roles.subscriber),
            "caller" => role(dict, &mut hello.roles.caller),
            "callee" => role(dict, &mut hello.roles.callee),
            _ => Ok(false),
        }),
        "agent" => dict.take(&mut hello.agent),
        "authmethods" => dict.take(&mut hello.authmethods),
        "authid" => dict.take(&mut hello.authid),
        "authrole" => dict.take(&mut hello.authrole),
        "authextra" => dict.take(&mut hello.authextra),
        _ => Ok(false),
    })?;
    if hello.roles == ClientRoles::default() {
        return Err(m.refuse("Details.roles", Fault::WrongType, ROLES));
    }
    m.finish()?;
    Ok(Message::Hello(hello))
}

fn welcome<'a, R: Reader<'a>>(m: &mut Elements<'a, R>) -> Scanned<'a> {
    let mut welcome = Welcome {
        session: m.take("Session")?,
        broker: None,
        dealer: None,
        realm: None,
        agent: None,
        authid: None,
        authrole: None,
        authmethod: None,
        authprovider: None,
        authextra: None,
    };
    m.take_dict("Details", |dict| match dict.key() {
        "roles" => dict.take_dict(|dict| match dict.key() {
            "broker" => role(dict, &mut welcome.broker),
            "dealer" => role(dict, &mut welcome.dealer),
            _ => Ok(false),
        }),
        "realm" => dict.take(&mut welcome.realm),
        "agent" => dict.take(&mut welcome.agent),
        "authid" => dict.take(&mut welcome.authid),
        "authrole" => dict.take(&mut welcome.authrole),
        "authmethod" => dict.take(&mut welcome.authmethod),
        "authprovider" => dict.take(&mut welcome.authprovider),
        "authextra" => dict.take(&mut welcome.authextra),
        _ => Ok(false),
    })?;
    m.finish()?;
    Ok(Message::Welcome(welcome))
}

/// Reads the dictionary of a role: `{"features": {name: bool, …}}`.
fn role<'a, R: Reader<'a>>(
    dict: &mut Dict<'_, 'a, R>,
    slot: &mut Option<Features>,
) -> Result<bool, ScanError> {
    let mut features = Features::default();
    dict.take_dict(|dict| match dict.key() {
        "features" => dict.take_dict(|dict| feature_key(dict, &mut features)),
        _ => Ok(false),
    })?;
    *slot = Some(features);
    Ok(true)
}

fn feature_key<'a, R: Reader<'a>>(
    dict: &mut Dict<'_, 'a, R>,
    features: &mut Features,
) -> Result<bool, ScanError> {
    let Some(feature) = Features::from_key(dict.key()) else { return Ok(false) };
    // By key, not by feature: a peer may announce both spellings of one.
    dict.only_once()?;
    let mut announced = None;
    dict.take(&mut announced)?;
    if announced == Some(true) {
        *features = features.with(feature);
    }
    Ok(true)
}

fn abort<'a, R: Reader<'a>>(m: &mut Elements<'a, R>) -> Scanned<'a> {
    let (mut message, mut scram) = (None, None);
    m.take_dict("Details", |dict| match dict.key() {
        "message" => dict.take(&mut message),
        "scram" => dict.take(&mut scram),
        _ => Ok(false),
    })?;
    let reason = m.take("Reason")?;
    let payload = m.take_payload(false)?;
    Ok(Message::Abort(Abort { message, scram, reason, payload }))
}

fn goodbye<'a, R: Reader<'a>>(m: &mut Elements<'a, R>) -> Scanned<'a> {
    let mut message = None;
    m.take_dict("Details", |dict| match dict.key() {
        "message" => dict.take(&mut message),
        _ => Ok(false),
    })?;
    let reason = m.take_last("Reason")?;
    Ok(Message::Goodbye { message, reason })
}

fn error<'a, R: Reader<'a>>(m: &mut Elements<'a, R>) -> Scanned<'a> {
    let RequestType(request_type) = m.take("Request.Type")?;
    let request = m.take("Request")?;
    let mut passthru = Rare::default();
    m.take_dict("Details", |dict| passthru_key(dict, &mut passthru))?;
    let error = m.take("Error")?;
    let payload = m.take_payload(passthru.is_transparent())?;
    Ok(Message::Error(Error { request_type, request, passthru, error, payload }))
}

/// The code of a message that can be answered by ERROR.
struct RequestType(u8);

impl<'a> Field<'a> for RequestType {
    const EXPECTED: &'static str = "the type of a request: 16, 32, 34, 48, 49, 64, 66 or 68";

    fn read<R: Reader<'a>>(reader: &mut R) -> Read<Self> {
        match reader.unsigned()? {
            code @ (16 | 32 | 34 | 48 | 49 | 64 | 66 | 68) => Ok(RequestType(code as u8)),
            _ => reader.fail(Fault::WrongType),
        }
    }
}

#[inline]
fn publish<'a, R: Reader<'a>>(m: &mut Elements<'a, R>) -> Scanned<'a> {
    let request = m.take("Request")?;
    let mut options = PublishOptions::default();
    m.take_dict("Options", |dict| match dict.key() {
        "acknowledge" => dict.take(&mut options.acknowledge),
        "exclude_me" => dict.take(&mut options.exclude_me),
        "disclose_me" => dict.take(&mut options.disclose_me),
        "retain" => dict.take(&mut options.retain),
        "rkey" => dict.take(&mut options.rkey),
        _ => Ok(audience_key(dict, &mut options.audience)? || passthru_key(dict, &mut options.passthru)?),
    })?;
    let topic = m.take("Topic")?;
    let payload = m.take_payload(options.passthru.is_transparent())?;
    Ok(Message::Publish(Publish { request, options, topic, payload }))
}

fn audience_key<'a, R: Reader<'a>>(
    dict: &mut Dict<'_, 'a, R>,
    audience: &mut Rare<Audience<'a>>,
) -> Result<bool, ScanError> {
    match dict.key() {
        "exclude" => dict.take(&mut audience.get_mut().exclude),
        "exclude_authid" => dict.take(&mut audience.get_mut().exclude_authid),
        "exclude_authrole" => dict.take(&mut audience.get_mut().exclude_authrole),
        "eligible" => dict.take(&mut audience.get_mut().eligible),
        "eligible_authid" => dict.take(&mut audience.get_mut().eligible_authid),
        "eligible_authrole" => dict.take(&mut audience.get_mut().eligible_authrole),
        _ => Ok(false),
    }
}

fn passthru_key<'a, R: Reader<'a>>(
    dict: &mut Dict<'_, 'a, R>,
    passthru: &mut Rare<Passthru<'a>>,
) -> Result<bool, ScanError> {
    match dict.key() {
        "ppt_scheme" => dict.take(&mut passthru.get_mut().ppt_scheme),
        "ppt_serializer" => dict.take(&mut passthru.get_mut().ppt_serializer),
        "ppt_cipher" => dict.take(&mut passthru.get_mut().ppt_cipher),
        "ppt_keyid" => dict.take(&mut passthru.get_mut().ppt_keyid),
        "enc_algo" => {
            let passthru = passthru.get_mut();
            let mut algo = passthru.enc_algo.take().map(EncAlgo);
            dict.take(&mut algo)?;
            passthru.enc_algo = algo.map(|EncAlgo(name)| name);
            Ok(true)
        }
        "enc_key" => dict.take(&mut passthru.get_mut().enc_key),
        "enc_serializer" => dict.take(&mut passthru.get_mut().enc_serializer),
        _ => Ok(false),
    }
}

fn subscribe<'a, R: Reader<'a>>(m: &mut Elements<'a, R>) -> Scanned<'a> {
    let request = m.take("Request")?;
    let mut match_policy = None;
    let mut options = SubscribeOptions::default();
    m.take_dict("Options", |dict| match dict.key() {
        "match" => dict.take(&mut match_policy),
        "get_retained" => dict.take(&mut options.get_retained),
        "nkey" => dict.take(&mut options.nkey),
        _ => Ok(false),
    })?;
    options.match_policy = match_policy.unwrap_or_default();
    let topic = m.take_last("Topic")?;
    Ok(Message::Subscribe { request, options, topic })
}

/// The elements of UNSUBSCRIBED and UNREGISTERED: the request, or 0 and a dictionary that says what is revoked.
#[allow(clippy::type_complexity)] // the two of a message, taken apart at once
fn revocation<'a, R: Reader<'a>, Id: Field<'a>>(
    m: &mut Elements<'a, R>,
    id_key: &'static str,
) -> Result<(RequestId, Option<Revocation<'a, Id>>), ScanError> {
    let request = m.take::<u64>("Request")?;
    let (mut revoked_id, mut reason) = (None, None);
    let revoked = m.take_dict_if_any("Details", |dict| match dict.key() {
        "reason" => dict.take(&mut reason),
        key if key == id_key => dict.take(&mut revoked_id),
        _ => Ok(false),
    })?;
    match (request, revoked, revoked_id) {
        (0, true, Some(id)) => Ok((RequestId(0), Some(Revocation { id, reason }))),
        (0, true, None) => Err(m.missing("Details", id_key)),
        (_, true, _) => Err(m.refuse("Request", Fault::WrongType, "0 where there are Details")),
        (_, false, _) if id::is_valid(request) => Ok((RequestId(request), None)),
        (_, false, _) => Err(m.refuse("Request", Fault::NoId(request), "")),
    }
}

fn event<'a, R: Reader<'a>>(m: &mut Elements<'a, R>) -> Scanned<'a> {
    let subscription = m.take("Subscription")?;
    let publication = m.take("Publication")?;
    let mut details = EventDetails::default();
    m.take_dict("Details", |dict| match dict.key() {
        "topic" => dict.take(&mut details.topic),
        "publisher" => dict.take(&mut details.publisher),
        "publisher_authid" => dict.take(&mut details.publisher_authid),
        "publisher_authrole" => dict.take(&mut details.publisher_authrole),
        "trustlevel" => dict.take(&mut details.trustlevel),
        "retained" => dict.take(&mut details.retained),
        _ => passthru_key(dict, &mut details.passthru),
    })?;
    let payload = m.take_payload(details.passthru.is_transparent())?;
    Ok(Message::Event(Event { subscription, publication, details, payload }))
}

#[inline]
fn call<'a, R: Reader<'a>>(m: &mut Elements<'a, R>) -> Scanned<'a> {
    let request = m.take("Request")?;
    let mut options = CallOptions::default();
    m.take_dict("Options", |dict| match dict.key() {
        "timeout" => dict.take(&mut options.timeout_ms),
        "receive_progress" => dict.take(&mut options.receive_progress),
        "progress" => dict.take(&mut options.progress),
        "disclose_me" => dict.take(&mut options.disclose_me),
        "rkey" => dict.take(&mut options.rkey),
        "runmode" => dict.take(&mut options.runmode),
        _ => passthru_key(dict, &mut options.passthru),
    })?;
    let procedure = m.take("Procedure")?;
    let payload = m.take_payload(options.passthru.is_transparent())?;
    Ok(Message::Call(Call { request, options, procedure, payload }))
}

fn cancel<'a, R: Reader<'a>>(m: &mut Elements<'a, R>) -> Scanned<'a> {
    let request = m.take("Request")?;
    let mut mode = None;
    m.take_dict("Options", |dict| match dict.key() {
        "mode" => dict.take(&mut mode),
        _ => Ok(false),
    })?;
    m.finish()?;
    Ok(Message::Cancel { request, mode })
}

fn result<'a, R: Reader<'a>>(m: &mut Elements<'a, R>) -> Scanned<'a> {
    let request = m.take("Request")?;
    let (mut progress, mut passthru) = (None, Rare::default());
    m.take_dict("Details", |dict| match dict.key() {
        "progress" => dict.take(&mut progress),
        _ => passthru_key(dict, &mut passthru),
    })?;
    let payload = m.take_payload(passthru.is_transparent())?;
    Ok(Message::Result(CallResult { request, progress, passthru, payload }))
}

fn register<'a, R: Reader<'a>>(m: &mut Elements<'a, R>) -> Scanned<'a> {
    let request = m.take("Request")?;
    let (mut match_policy, mut invoke) = (None, None);
    let mut options = RegisterOptions::default();
    m.take_dict("Options", |dict| match dict.key() {
        "match" => dict.take(&mut match_policy),
        "invoke" => dict.take(&mut invoke),
        "disclose_caller" => dict.take(&mut options.disclose_caller),
        "forward_timeout" => dict.take(&mut options.forward_timeout),
        "concurrency" => dict.take(&mut options.concurrency),
        "force_reregister" => dict.take(&mut options.force_reregister),
        _ => Ok(false),
    })?;
    options.match_policy = match_policy.unwrap_or_default();
    options.invoke = invoke.unwrap_or_default();
    let procedure = m.take_last("Procedure")?;
    Ok(Message::Register { request, options, procedure })
}

fn invocation<'a, R: Reader<'a>>(m: &mut Elements<'a, R>) -> Scanned<'a> {
    let request = m.take("Request")?;
    let registration = m.take("Registration")?;
    let mut details = InvocationDetails::default();
    m.take_dict("Details", |dict| match dict.key() {
        "procedure" => dict.take(&mut details.procedure),
        "caller" => dict.take(&mut details.caller),
        "caller_authid" => dict.take(&mut details.caller_authid),
        "caller_authrole" => dict.take(&mut details.caller_authrole),
        "trustlevel" => dict.take(&mut details.trustlevel),
        "receive_progress" => dict.take(&mut details.receive_progress),
        "progress" => dict.take(&mut details.progress),
        "timeout" => dict.take(&mut details.timeout_ms),
        _ => passthru_key(dict, &mut details.passthru),
    })?;
    let payload = m.take_payload(details.passthru.is_transparent())?;
    Ok(Message::Invocation(Invocation { request, registration, details, payload }))
}

fn interrupt<'a, R: Reader<'a>>(m: &mut Elements<'a, R>) -> Scanned<'a> {
    let request = m.take("Request")?;
    let mut options = InterruptOptions::default();
    m.take_dict("Options", |dict| match dict.key() {
        "mode" => dict.take(&mut options.mode),
        "reason" => dict.take(&mut options.reason),
        _ => Ok(false),
    })?;
    m.finish()?;
    Ok(Message::Interrupt { request, options })
}

#[inline]
fn yield_<'a, R: Reader<'a>>(m: &mut Elements<'a, R>) -> Scanned<'a> {
    let request = m.take("Request")?;
    let (mut progress, mut passthru) = (None, Rare::default());
    m.take_dict("Options", |dict| match dict.key() {
        "progress" => dict.take(&mut progress),
        _ => passthru_key(dict, &mut passthru),
    })?;
    let payload = m.take_payload(passthru.is_transparent())?;
    Ok(Message::Yield(Yield { request, progress, passthru, payload }))
}
