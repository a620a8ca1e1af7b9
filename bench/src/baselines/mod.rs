//! What a router is compared with.

pub(crate) mod relay;
