//! Another configuration while sessions go on: what changes, and that nothing else does.

mod demand;
mod realms;
mod rights;
mod settings;
