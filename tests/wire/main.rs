//! The syntax of WAMP, checked against other people's crates and against the official message vectors.

mod acceptance;
mod chance;
mod long;
mod messages;
mod naive;
mod plain;
mod random;
mod refusals;
mod transcoding;
mod tree;
mod vectors;
