//! What a project may have and has: `limits`, and over time: `os-simple-tenant-usage`.
//!
//! Owns nothing: counts servers.

pub(crate) mod api;
pub(crate) mod policy;
