//! Key pairs: a user's public keys. A private half that we make is returned once and kept nowhere.
//!
//! Owns `compute_keypair`. A server keeps a copy of its key, so deleting one touches no server.

pub(crate) mod api;
mod key;
pub(crate) mod model;
pub(crate) mod policy;
pub(crate) mod store;
mod wire;
