//! The shells over real sockets: every behaviour on {glommio, epoll} × {1, 4 shards}.

#![allow(unreachable_pub, reason = "a test has no outside")]

mod auth;
mod auth_matrix;
mod authority;
mod child;
mod client;
mod common;
mod connections;
mod cookies;
mod enemy;
mod limits;
mod reload;
mod seccomp;
mod shutdown;
mod soak;
mod start;
mod status;
mod tls;
mod tls_files;
