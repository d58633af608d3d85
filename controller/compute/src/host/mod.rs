//! What operators want to know of hosts: `os-services`, `os-hypervisors`, `os-availability-zone`.
//!
//! Owns nothing: the fleet knows the hosts, placement how full they are. Services cannot be disabled here; a host is taken out by
//! the fleet.

pub(crate) mod api;
pub(crate) mod policy;
mod wire;
