//! Allocations: the claims, as the API calls them. The consumer is the server; it has all that it claims on one host, if it asked
//! for that on one NUMA node, too, and what it claimed does not change.

pub(crate) mod api;
pub(crate) mod policy;
mod service;
mod wire;

use controller_base::{
    Timestamp,
    id::{HostId, ProjectId, ServerId, UserId},
};
use controller_ports::placement::Resources;

/// What all consumers are.
pub(crate) const CONSUMER_TYPE: &str = "INSTANCE";

/// A claim with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Allocation {
    pub(crate) server: ServerId,
    pub(crate) host: HostId,
    /// The NUMA node that it got as its one.
    pub(crate) node: Option<u32>,
    /// `None`: it was claimed before owners were noted.
    pub(crate) owner: Option<(ProjectId, UserId)>,
    pub(crate) resources: Resources,
    pub(crate) created_at: Timestamp,
}
