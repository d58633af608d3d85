//! What operators want to know of hosts: `os-services`, `os-hypervisors`, `os-availability-zone`.
//!
//! Owns nothing: the fleet knows the hosts, placement how full they are. A disabled service is a drained host, one that is forced
//! down a fenced one, and a deleted one is removed from the fleet.

pub(crate) mod api;
mod change_api;
pub(crate) mod policy;
mod wire;
