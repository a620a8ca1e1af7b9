//! Conformance of the router with the protocol, seen from outside: clients send messages, and what comes back is compared
//! with the specification and with our decisions where it leaves a gap (`docs/FEATURES.md` has the table).

mod harness;

mod access;
mod audience;
mod auth;
mod cancel;
mod closing;
mod concurrency;
mod features;
mod handshake;
mod history;
mod hoarding;
mod http;
mod identification;
mod ids;
mod isolation;
mod load;
mod meta;
mod options;
mod passthru_calls;
mod passthru_events;
mod patterns;
mod policy;
mod progress;
mod pubsub;
mod rawsocket;
mod registrations;
mod reload;
mod reroute;
mod retention;
mod revocation;
mod rpc;
mod serializers;
mod sharded_registration;
mod sharded_subscription;
mod shared;
mod sizes;
mod slow;
mod stream;
mod subscription_revocation;
mod timeout;
mod trust;
mod uris;
mod violations;
mod websocket;
