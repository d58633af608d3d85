//! Resource providers: the hosts, each a tree of its own. The id is the host's, the name its host name.

pub(crate) mod api;
pub(crate) mod policy;
mod query;
mod service;
mod wire;

use crate::traits::Cpu;
use controller_base::{Generation, Timestamp};
use controller_ports::placement::HostUsage;

/// A host as it stood when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Provider {
    pub(crate) usage: HostUsage,
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
