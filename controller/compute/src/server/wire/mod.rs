//! Servers' bodies.

pub(crate) mod create;
pub(crate) mod schema;
pub(crate) mod view;
