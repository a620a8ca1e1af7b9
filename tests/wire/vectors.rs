//! The official message vectors, read from the folder that `WAMP_VECTORS` names (default: `../shared/wamp-vectors`
//! beside the project). Where it is absent the tests say that they skip.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use connectanum::wamp::message::{ClientRoles, EventDetails, PublishOptions, RawValue};
use connectanum::wamp::{Message, Payload, Serializer, encode, scan};
use serde_json::{Value as Json, json};

use crate::tree::Tree;

fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/wamp-vectors");
    let folder = std::env::var_os("WAMP_VECTORS").map_or(beside, PathBuf::from).join("singlemessage");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no message vectors in {}", folder.display());
    None
}

/// Every sample with the name of its file.
fn samples(folder: &Path) -> Vec<(String, Json)> {
    let mut samples = Vec::new();
    for part in ["basic", "advanced"] {
        for entry in fs::read_dir(folder.join(part)).expect("a folder of vectors") {
            let path = entry.expect("an entry").path();
            let file: Json = serde_json::from_slice(&fs::read(&path).expect("a file")).expect("JSON");
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let all = file["samples"].as_array().expect("samples").iter().cloned();
            samples.extend(all.map(|sample| (name.clone(), sample)));
        }
    }
    samples
}

#[test]
fn serialization_samples() {
    let Some(folder) = folder() else { return };
    let mut count = 0;
    for (file, sample) in samples(&folder).iter().filter(|(_, sample)| sample.get("serializers").is_some()) {
        for (name, serializer) in
            [("json", Serializer::Json), ("msgpack", Serializer::MsgPack), ("cbor", Serializer::Cbor)]
        {
            let variants = sample["serializers"][name].as_array().expect("variants");
            let variants: Vec<_> = variants.iter().map(bytes).collect();
            let mut written = Vec::new();
            for variant in &variants {
                let message = match scan(serializer, variant) {
                    Ok(message) => message,
                    Err(error) => panic!("{file} {name}: {error}"),
                };
                check_attributes(&message, &sample["expected_attributes"], file);
                written.clear();
                encode(&message, serializer, &mut written);
            }
            // The router does not pass `forward_for` on, so it cannot write it.
            let forwarded = ["options", "details"]
                .iter()
                .any(|dict| sample["expected_attributes"][dict].get("forward_for").is_some());
            assert!(
                forwarded || variants.contains(&written),
                "{file} {name}: wrote {}",
                written.escape_ascii()
            );
            count += variants.len();
        }
    }
    assert!(count >= 129, "only {count} variants");
}

fn bytes(variant: &Json) -> Vec<u8> {
    match variant["bytes_hex"].as_str() {
        Some(hex) => (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"))
            .collect(),
        None => variant["bytes"].as_str().expect("bytes").as_bytes().to_vec(),
    }
}

#[test]
fn validation_samples() {
    let Some(folder) = folder() else { return };
    let mut count = 0;
    for (file, sample) in samples(&folder).iter().filter(|(_, sample)| sample.get("wmsg").is_some()) {
        for serializer in Serializer::ALL {
            let bytes = Tree::from_json(sample["wmsg"].clone()).write(serializer);
            match (scan(serializer, &bytes), sample["expected_error"]["contains"].as_str()) {
                (Ok(_), None) => {}
                (Err(error), Some(key)) => {
                    assert!(
                        error.to_string().contains(key),
                        "{file} {}: {error} lacks {key}",
                        sample["wmsg"]
                    );
                }
                (scanned, _) => panic!("{file} {serializer:?} {}: {scanned:?}", sample["wmsg"]),
            }
            count += 1;
        }
    }
    assert_eq!(count, 67 * 3);
}

fn check_attributes(message: &Message<'_>, expected: &Json, file: &str) {
    let mut attributes = attributes(message);
    attributes["message_type"] = json!(message.code());
    for (key, value) in expected.as_object().expect("attributes") {
        let value = match value {
            // What a router has no use for is not among the options.
            Json::Object(options) if key == "options" || key == "details" => options
                .iter()
                .filter(|(key, _)| *key != "forward_for")
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
            value => value.clone(),
        };
        assert_eq!(attributes[key], value, "{file}: {key} of {message:?}");
    }
}

fn attributes(message: &Message<'_>) -> Json {
    match message {
        Message::Hello(it) => json!({ "realm": it.realm, "roles": roles(&it.roles) }),
        Message::Welcome(it) => {
            assert!(it.broker.is_some() && it.dealer.is_some());
            json!({ "session_id": it.session.0, "roles": { "broker": {}, "dealer": {} } })
        }
        Message::Abort(it) => json!({ "details": {}, "reason": it.reason }),
        Message::Challenge { method, extra } => {
            json!({ "method": method, "extra": json_of(extra) })
        }
        Message::Authenticate { signature, extra } => {
            json!({ "signature": signature, "extra": json_of(extra) })
        }
        Message::Goodbye { message: None, reason } => json!({ "details": {}, "reason": reason }),
        Message::Error(it) => {
            json!({ "request_type": it.request_type, "request_id": it.request.0, "details": {}, "error": it.error })
        }
        Message::Publish(it) => {
            let fixed = json!({ "request_id": it.request.0, "options": publish_options(&it.options), "topic": it.topic });
            with_payload(fixed, &it.payload)
        }
        Message::Published { request, publication } => {
            json!({ "request_id": request.0, "publication_id": publication.0 })
        }
        Message::Subscribe { request, topic, .. } => {
            json!({ "request_id": request.0, "options": {}, "topic": topic })
        }
        Message::Subscribed { request, subscription } => {
            json!({ "request_id": request.0, "subscription_id": subscription.0 })
        }
        Message::Unsubscribe { request, subscription } => {
            json!({ "request_id": request.0, "subscription_id": subscription.0 })
        }
        Message::Unsubscribed { request, revocation: None } => json!({ "request_id": request.0 }),
        Message::Event(it) => {
            let fixed = json!({
                "subscription": it.subscription.0,
                "publication": it.publication.0,
                "details": event_details(&it.details),
            });
            with_payload(fixed, &it.payload)
        }
        Message::EventReceived { publication } => json!({ "publication_id": publication.0 }),
        Message::Call(it) => {
            let fixed = json!({ "request_id": it.request.0, "options": {}, "procedure": it.procedure });
            with_payload(fixed, &it.payload)
        }
        Message::Cancel { request, mode: None } => json!({ "request_id": request.0, "options": {} }),
        Message::Result(it) => {
            with_payload(json!({ "request_id": it.request.0, "details": {} }), &it.payload)
        }
        Message::Register { request, procedure, .. } => {
            json!({ "request_id": request.0, "options": {}, "procedure": procedure })
        }
        Message::Registered { request, registration } => {
            json!({ "request_id": request.0, "registration_id": registration.0 })
        }
        Message::Unregister { request, registration } => {
            json!({ "request_id": request.0, "registration_id": registration.0 })
        }
        Message::Unregistered { request, revocation: None } => json!({ "request_id": request.0 }),
        Message::Invocation(it) => {
            json!({ "request_id": it.request.0, "registration_id": it.registration.0, "details": {} })
        }
        Message::Interrupt { request, .. } => json!({ "request_id": request.0, "options": {} }),
        Message::Yield(it) => json!({ "request_id": it.request.0, "options": {} }),
        other => panic!("no sample has {other:?}"),
    }
}

fn roles(roles: &ClientRoles) -> Json {
    let roles = [
        ("publisher", roles.publisher),
        ("subscriber", roles.subscriber),
        ("caller", roles.caller),
        ("callee", roles.callee),
    ];
    roles
        .into_iter()
        .filter(|(_, features)| features.is_some())
        .map(|(role, _)| (role.to_owned(), json!({})))
        .collect()
}

fn publish_options(options: &PublishOptions<'_>) -> Json {
    present([
        ("acknowledge", json!(options.acknowledge)),
        ("exclude_me", json!(options.exclude_me)),
        ("enc_algo", json!(options.passthru.get().and_then(|it| it.enc_algo.as_ref()))),
        ("enc_serializer", json!(options.passthru.get().and_then(|it| it.enc_serializer.as_ref()))),
    ])
}

fn event_details(details: &EventDetails<'_>) -> Json {
    present([
        ("enc_algo", json!(details.passthru.get().and_then(|it| it.enc_algo.as_ref()))),
        ("enc_serializer", json!(details.passthru.get().and_then(|it| it.enc_serializer.as_ref()))),
    ])
}

fn present<const N: usize>(options: [(&str, Json); N]) -> Json {
    options
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// Adds `args`, `kwargs` and `payload`, the last in hexadecimal digits.
fn with_payload(mut attributes: Json, payload: &Payload<'_>) -> Json {
    let mut items = Tree::items(payload).into_iter();
    match items.next() {
        Some(Tree::Binary(binary)) => attributes["payload"] = json!(hex(&binary)),
        Some(Tree::Text(text)) => {
            let binary = STANDARD.decode(text.trim_start_matches('\0')).expect("Base64");
            attributes["payload"] = json!(hex(&binary));
        }
        Some(args) => attributes["args"] = args.to_json(),
        None => {}
    }
    if let Some(kwargs) = items.next() {
        attributes["kwargs"] = kwargs.to_json();
    }
    attributes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn json_of(value: &RawValue<'_>) -> Json {
    Tree::read(value.serializer, value.bytes).expect("a value").to_json()
}
