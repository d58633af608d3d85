//! Room on hosts, claimed in the transaction that assigns the server.

use crate::Unavailable;
use async_trait::async_trait;
use controller_base::id::{HostId, ProjectId, ServerId, UserId};
use controller_db::Tx;
use std::collections::HashSet;

/// What a server takes of its host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// vCPUs.
    pub vcpus: u64,
    /// MiB.
    pub memory_mib: u64,
    /// GiB.
    pub disk_gib: u64,
}

impl Resources {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            vcpus: self.vcpus.saturating_add(other.vcpus),
            memory_mib: self.memory_mib.saturating_add(other.memory_mib),
            disk_gib: self.disk_gib.saturating_add(other.disk_gib),
        }
    }
}

/// Who takes room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// The server.
    pub server: ServerId,
    /// Whose it is.
    pub project: ProjectId,
    /// Who asked for it.
    pub user: UserId,
}

/// Where a server may go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Constraints {
    /// Only this host, if given (by name).
    pub hostname: Option<String>,
    /// Never these.
    pub avoid: Vec<HostId>,
    /// None but these, if given.
    pub only: Option<HashSet<HostId>>,
    /// Only hosts with all of these traits, by name.
    pub required: Vec<String>,
    /// None with one of these.
    pub forbidden: Vec<String>,
    /// Its vCPUs and its memory come from one NUMA node.
    pub one_node: bool,
    /// Rather one of these than any other, the first of them first.
    pub first: Vec<HostId>,
    /// Rather any other than one of these, the first of them first.
    pub last: Vec<HostId>,
}

/// What was claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The host.
    pub host: HostId,
    /// Its name.
    pub hostname: String,
    /// Its NUMA node, by number, for a server that gets one.
    pub node: Option<u32>,
}

/// Why no host was claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// No host that is up has the room.
    #[error("no valid host was found")]
    NoValidHost,
    /// The database failed.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A host as placement knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostUsage {
    /// The host.
    pub host_id: HostId,
    /// Its name.
    pub hostname: String,
    /// All that it has.
    pub total: Resources,
    /// What is claimed.
    pub used: Resources,
    /// Number of claims.
    pub servers: u64,
}

/// Implemented by placement.
#[async_trait]
pub trait Placement: Send + Sync {
    /// Chooses a host and claims room on it. A server that has a claim keeps its host.
    async fn claim(
        &self,
        tx: &mut Tx,
        consumer: &Consumer,
        wanted: Resources,
        constraints: &Constraints,
    ) -> Result<Claimed, ClaimError>;
    /// Gives the room back, for claims of later transactions: the same one must not claim after it. Without a claim it does nothing.
    async fn release(&self, tx: &mut Tx, server: ServerId) -> Result<(), Unavailable>;
    /// What each host keeps for its system and daemons.
    fn reserved(&self) -> Resources;
    /// All hosts and how full they are.
    async fn usages(&self) -> Result<Vec<HostUsage>, Unavailable>;
    /// All claims, for the audit.
    async fn claims(&self) -> Result<Vec<(ServerId, HostId)>, Unavailable>;
}
