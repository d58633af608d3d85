//! Parts of Nova's API that network does the work for: `os-security-groups` and `os-security-group-rules` until 2.35, the actions
//! `addFixedIp` and `removeFixedIp` until 2.43.
//!
//! Owns nothing. The routes are there only if an implementation of the port was wired.

pub(crate) mod api;
pub(crate) mod policy;
mod rule_api;
mod wire;
