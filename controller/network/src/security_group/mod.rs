//! Security groups: what may reach a port, and what it may reach.
//!
//! Invariants: every project has a group `default` from its first use of the service on; no two rules of a group are the same;
//! a group that a port or another group's rule uses stays.

pub mod model;
pub mod protocol;
pub mod rules;
pub mod service;
pub mod store;
pub mod wire;
