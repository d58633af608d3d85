//! A member's standing: whether it takes part, and what operators may change about that.

use super::Host;
use crate::Unavailable;
use controller_base::Timestamp;
use controller_base::id::HostId;
use serde::{Deserialize, Serialize};

/// Whether a host may take part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// It enrolled with a token that wants an operator's approval, and waits for it.
    Pending,
    /// It is a member.
    #[default]
    Admitted,
    /// An operator cut it off: no stream, no new certificate, until an operator lets it in again.
    Fenced,
}

/// What the fleet knows of a host beyond what services want of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Whether it may take part.
    pub admission: Admission,
    /// No new guests go there.
    pub drained: bool,
    /// An operator's words about why it is drained or fenced; may be empty.
    pub reason: String,
    /// Where its stream comes from, without the port; empty before the first.
    pub address: String,
    /// When it became a member.
    pub enrolled_at: Timestamp,
    /// SHA-256 of its newest certificate, hex; empty if that was issued before such were noted.
    pub certificate: String,
    /// When that ends.
    pub certificate_expires_at: Option<Timestamp>,
    /// The version of the appliance that it said it runs; empty: it is none, or was never here.
    pub appliance: String,
    /// How far its clock is from the controller's, while it is connected and told.
    pub clock: Option<ClockOffset>,
    /// Its NUMA nodes by number; none: it did not tell.
    pub numa: Vec<NumaNode>,
    /// Its processors; empty: it did not tell.
    pub cpu: Cpu,
}

/// What a machine's processors are; all are alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpu {
    /// As the processor says: `GenuineIntel`, `AuthenticAMD`.
    pub vendor: String,
    /// The model's name, for people.
    pub model: String,
    /// As Linux calls them: `avx2`, `aes`.
    pub features: Vec<String>,
}

/// A part of a machine whose processors are near to its memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumaNode {
    /// The kernel's number.
    pub number: u32,
    /// Hardware threads, as Linux lists them: `0-3,8-11`.
    pub cpus: String,
    /// Memory, MiB.
    pub memory_mib: u64,
}

/// How far a host's clock is ahead of the controller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockOffset {
    /// Microseconds; negative: it is behind.
    pub micros: i64,
    /// How wrong that may be at most, microseconds.
    pub error: i64,
}

impl Default for Membership {
    fn default() -> Self {
        Self {
            admission: Admission::default(),
            drained: false,
            reason: String::new(),
            address: String::new(),
            enrolled_at: Timestamp(0),
            certificate: String::new(),
            certificate_expires_at: None,
            appliance: String::new(),
            clock: None,
            numa: Vec::new(),
            cpu: Cpu::default(),
        }
    }
}

/// A host's state in a word, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostState {
    /// It waits for approval.
    Pending,
    /// It is cut off.
    Fenced,
    /// Its stream is down; its guests run on.
    Away,
    /// It is connected and takes no new guests.
    Drained,
    /// It is connected.
    Connected,
}

impl HostState {
    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Fenced => "fenced",
            Self::Away => "away",
            Self::Drained => "drained",
            Self::Connected => "connected",
        }
    }
}

impl Host {
    /// The state in a word.
    #[must_use]
    pub fn state(&self) -> HostState {
        match self.membership.admission {
            Admission::Pending => HostState::Pending,
            Admission::Fenced => HostState::Fenced,
            Admission::Admitted if !self.up => HostState::Away,
            Admission::Admitted if self.membership.drained => HostState::Drained,
            Admission::Admitted => HostState::Connected,
        }
    }

    /// Whether operators took it out of service: drained or fenced.
    #[must_use]
    pub fn disabled(&self) -> bool {
        self.membership.drained || self.fenced()
    }

    /// Whether it is cut off.
    #[must_use]
    pub fn fenced(&self) -> bool {
        self.membership.admission == Admission::Fenced
    }
}

/// What an operator changes about a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostChange {
    /// Let it in: it waits for approval, or shall be taken for the same although its machine is another one.
    Approve,
    /// No new guests there, for this reason.
    Drain(String),
    /// New guests there again.
    Undrain,
    /// Cut it off, for this reason.
    Fence(String),
    /// Let it in again.
    Unfence,
    /// It is no member any more; its certificate opens nothing.
    Remove,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum HostChangeError {
    /// There is no such host.
    #[error("there is no host {0}")]
    NoSuchHost(HostId),
    /// It is needed.
    #[error("host {host} cannot be removed: {reason}; it is drained now")]
    InUse {
        /// Its name.
        host: String,
        /// By what.
        reason: String,
    },
    /// It waits for approval: it has to be approved or removed.
    #[error("host {0} waits for approval: approve or remove it")]
    Pending(String),
    /// The database failed.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::HostResources;

    #[test]
    fn the_gravest_state_counts() {
        let mut host = Host {
            id: HostId::random(),
            hostname: "a".to_owned(),
            up: true,
            last_seen: Timestamp(0),
            resources: HostResources::default(),
            underlay_address: String::new(),
            physical_networks: Vec::new(),
            version: String::new(),
            membership: Membership::default(),
        };
        assert_eq!(host.state(), HostState::Connected);
        host.membership.drained = true;
        assert_eq!((host.state(), host.disabled()), (HostState::Drained, true));
        host.up = false;
        assert_eq!(host.state(), HostState::Away);
        host.membership.admission = Admission::Fenced;
        assert_eq!((host.state(), host.fenced()), (HostState::Fenced, true));
        host.membership.admission = Admission::Pending;
        assert_eq!(host.state(), HostState::Pending);
    }
}
