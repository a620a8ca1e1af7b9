//! The steady path allocates nothing: scanning a message, writing the head of the one that follows from it, and all that
//! lies between.

// A global allocator cannot be had without.
#![allow(unsafe_code)]

mod circuit;
mod routed;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use connectanum::wamp::message::{Event, EventDetails, Invocation, InvocationDetails};
use connectanum::wamp::{
    Message, Payload, PublicationId, RegistrationId, RequestId, Serializer, SubscriptionId, encode,
    encode_head, scan, transcode,
};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// Counts what this thread allocates.
struct Counting;

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and `ptr` came from the system's allocator.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as above.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

/// Messages as JSON clients send them.
const MESSAGES: [&str; 8] = [
    r#"[16,239714735,{},"com.myapp.topic",["Hello \"world\"",1.5,null,[[]]],{"a":{"b":[true]}}]"#,
    r#"[16,1,{"acknowledge":true,"exclude_me":false,"_mine":1,"_other":{}},"com.myapp.topic",[]]"#,
    r#"[48,7814135,{"timeout":5000,"receive_progress":true},"com.myapp.procedure",[1,2,3]]"#,
    r#"[70,6131533,{},["a result"]]"#,
    r#"[70,6131533,{"progress":true},[],{"x":"y"}]"#,
    r#"[8,68,1,{},"com.myapp.error",["text"]]"#,
    r#"[32,713845233,{"match":"prefix"},"com.myapp"]"#,
    r#"[1,"realm1",{"roles":{"caller":{"features":{"call_canceling":true}}},"authmethods":["wampcra"],"authid":"joe"}]"#,
];

/// The messages in every serializer.
fn inputs() -> Vec<(Serializer, Vec<u8>)> {
    let mut inputs = Vec::new();
    for text in MESSAGES {
        inputs.push((Serializer::Json, text.as_bytes().to_vec()));
        for serializer in [Serializer::MsgPack, Serializer::Cbor] {
            let mut message = scan(Serializer::Json, text.as_bytes()).expect("a message");
            let mut bytes = Vec::new();
            if let Some(payload) = message.payload_mut() {
                transcode(*payload, serializer, &mut bytes).expect("a payload");
                *payload = Payload { serializer, items: payload.items, bytes: &bytes };
            }
            let mut whole = Vec::new();
            encode(&message, serializer, &mut whole);
            inputs.push((serializer, whole));
        }
    }
    inputs
}

#[test]
fn scan_allocates_nothing() {
    for (serializer, bytes) in inputs() {
        let count = allocations(|| {
            let message = scan(serializer, &bytes);
            assert!(message.is_ok());
        });
        assert_eq!(count, 0, "{serializer:?} {}", bytes.escape_ascii());
    }
}

/// Restrictions of the audience and payload passthru are rare: each of the two costs one allocation.
#[test]
fn rare_options_are_one_allocation() {
    let rare = r#"[16,1,{"exclude":[1,2,3],"eligible_authid":["joe"],"ppt_scheme":"x_a","ppt_keyid":"b"},"com.myapp.topic"]"#;
    assert_eq!(allocations(|| assert!(scan(Serializer::Json, rare.as_bytes()).is_ok())), 2);
}

#[test]
fn encoding_allocates_nothing_but_room() {
    let mut out = Vec::with_capacity(4096);
    for (serializer, bytes) in inputs() {
        let message = scan(serializer, &bytes).expect("a message");
        let answer = match &message {
            Message::Publish(publish) => Message::Event(Event {
                subscription: SubscriptionId(5_512_315_355),
                publication: PublicationId(4_429_313_566),
                details: EventDetails { topic: Some("com.myapp.topic".into()), ..EventDetails::default() },
                payload: publish.payload,
            }),
            Message::Call(call) => Message::Invocation(Invocation {
                request: RequestId(1),
                registration: RegistrationId(23_483_243),
                details: InvocationDetails {
                    timeout_ms: call.options.timeout_ms,
                    ..InvocationDetails::default()
                },
                payload: call.payload,
            }),
            other => other.clone(),
        };
        out.clear();
        let count = allocations(|| encode_head(&answer, serializer, &mut out));
        assert_eq!(count, 0, "{answer:?}");
        out.clear();
        assert_eq!(allocations(|| encode(&answer, serializer, &mut out)), 0, "{answer:?}");
    }
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![1]))), 1);
}
