//! Connectanum: a thread-per-core WAMP v2 router.
//!
//! The layers, each importing only those before it:
//!
//! * [`wamp`], [`ws`], [`http`], [`rawsocket`]: pure syntax, bytes in and bytes out;
//! * [`auth`]: who a client is, and how it shows it; [`access`]: what it may do;
//! * [`router`]: the [`router::Shard`], a state machine without clock, socket or thread;
//! * [`shell`]: what the operating system gives: sockets, clock, threads, signals; it hosts the shards.
//!
//! `docs/ARCHITECTURE.md` has the picture and the reasons.

#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod access;
pub mod auth;
pub mod config;
pub mod demo;
pub mod http;
pub mod limits;
pub mod rawsocket;
pub mod router;
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod shell;
pub mod wamp;
pub mod ws;
