//! Resource providers: the hosts, each the root of a tree, and below it the host's NUMA nodes. A host's id and name are its own.

pub(crate) mod api;
pub(crate) mod node;
pub(crate) mod place;
pub(crate) mod policy;
mod query;
mod service;
mod wire;

use crate::traits::Cpu;
use controller_base::{Generation, Timestamp};
use controller_ports::placement::HostUsage;
pub(crate) use node::Node;
pub(crate) use place::Place;

/// A host as it stood when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Provider {
    pub(crate) usage: HostUsage,
    /// Its NUMA nodes, by number; none: it did not tell.
    pub(crate) nodes: Vec<Node>,
    /// Rises with each change of the host and each claim on it.
    pub(crate) generation: Generation,
    /// When its stream ended; `None`: it is there.
    pub(crate) away_since: Option<Timestamp>,
    /// An operator wants nothing new on it.
    pub(crate) closed: bool,
    /// What its processors can do.
    pub(crate) cpu: Cpu,
    /// When its generation last rose.
    pub(crate) modified_at: Timestamp,
}
