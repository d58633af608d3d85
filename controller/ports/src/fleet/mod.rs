//! The hosts: what they shall run, what they were seen to run, and questions to them.
//!
//! Desired state is pulled, never pushed: a service says by [`Fleet::touch`] that something may have changed for a host, and
//! the fleet asks it anew through [`DesiredState`]. A lost touch is mended by the next complete comparison.
//!
//! ```text
//! compute, network --touch(host, key)--> fleet --DesiredState::get(host, key)--> compute, network
//!                                        fleet ==Desired==> host ==Observed==> fleet --GuestObserver--> compute
//! ```

pub mod guest;
pub mod member;
pub mod net;

use crate::Unavailable;
use async_trait::async_trait;
use controller_base::id::{HostId, NetworkId, PortId, RouterId, SecurityGroupId, ServerId};
use controller_base::{Generation, Timestamp};
pub use guest::DesiredGuest;
pub use member::{Admission, ClockOffset, Cpu, HostChange, HostChangeError, HostState, Membership, NumaNode};
pub use net::{DesiredNetwork, DesiredPort, DesiredRouter, DesiredSecurityGroup};
use std::collections::HashMap;

/// What a desired object is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectKey {
    /// A server.
    Guest(ServerId),
    /// A network.
    Network(NetworkId),
    /// A port of a server.
    Port(PortId),
    /// A security group.
    SecurityGroup(SecurityGroupId),
    /// A router.
    Router(RouterId),
}

/// One object of a host's desired state.
#[derive(Clone, Debug, PartialEq)]
pub enum DesiredObject {
    /// A server.
    Guest(Box<DesiredGuest>),
    /// A network that one of the host's ports or routers is on.
    Network(DesiredNetwork),
    /// A port of one of the host's servers.
    Port(DesiredPort),
    /// A security group of one of the host's ports, or one that its rules name.
    SecurityGroup(DesiredSecurityGroup),
    /// A router that one of the host's networks is attached to.
    Router(DesiredRouter),
}

/// A desired object with its identity and the number of its last change.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// What it is about; of the same kind as `object`.
    pub key: ObjectKey,
    /// Comes back in observations; the fleet itself compares contents.
    pub generation: Generation,
    /// What shall be.
    pub object: DesiredObject,
}

/// Implemented by each service that wants something of hosts.
#[async_trait]
pub trait DesiredState: Send + Sync {
    /// Whether objects of this kind come from this service.
    fn owns(&self, key: &ObjectKey) -> bool;
    /// All that shall be on the host. Called at each (re)connection and by the periodic comparison.
    async fn list(&self, host: HostId) -> Result<Vec<Desired>, Unavailable>;
    /// One object; `None` when it shall not be on the host. Called after a touch.
    async fn get(&self, host: HostId, key: ObjectKey) -> Result<Option<Desired>, Unavailable>;
}

/// What a host said of one guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedGuest {
    /// The server.
    pub id: ServerId,
    /// The generation of the desired guest that this answers.
    pub generation: Generation,
    /// The state that was seen.
    pub state: GuestState,
    /// For people; empty unless the state is `Failed` or `Crashed`.
    pub reason: String,
    /// The highest boot count carried out.
    pub boot_count: u64,
    /// When the state was entered, by the host's clock.
    pub since: Timestamp,
}

/// A guest's state on its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuestState {
    /// Image, disks, ports or process are being made.
    Preparing,
    /// Its vCPUs run.
    Running,
    /// It has no process and shall have none.
    Stopped,
    /// Its process ended by itself.
    Crashed,
    /// It could not be made or started.
    Failed,
    /// Nothing of it is left on the host.
    Gone,
}

/// Implemented by compute: takes in what hosts report. May be called again with the same facts.
#[async_trait]
pub trait GuestObserver: Send + Sync {
    /// `complete`: guests that are not listed do not exist on the host.
    async fn observed(&self, host: HostId, complete: bool, guests: Vec<ObservedGuest>) -> Result<(), Unavailable>;
    /// A guest of this host made a password for itself.
    async fn password_made(&self, host: HostId, server: ServerId, password: String) -> Result<(), PasswordError>;
}

/// Why a guest's password is not kept.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// There is one; its owner may clear it.
    #[error("the guest has a password")]
    AlreadySet,
    /// It is no guest of the host that said so.
    #[error("the host has no such guest")]
    NotFound,
    /// It is too long.
    #[error("the password is too long")]
    TooLong,
    /// Nothing can be kept now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// What a host offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostResources {
    /// Hardware threads.
    pub vcpus: u32,
    /// Memory for guests, MiB.
    pub memory_mib: u64,
    /// Disk for guests, GiB.
    pub disk_gib: u64,
}

/// A member of the federation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its id, the common name of its certificate.
    pub id: HostId,
    /// Its own name, unique among the members.
    pub hostname: String,
    /// Whether its stream is up.
    pub up: bool,
    /// When it last said something.
    pub last_seen: Timestamp,
    /// What it offers.
    pub resources: HostResources,
    /// Where other hosts' VXLAN reaches it.
    pub underlay_address: String,
    /// Flat and VLAN networks wired up there.
    pub physical_networks: Vec<String>,
    /// Its hostd's version.
    pub version: String,
    /// Its standing.
    pub membership: Membership,
}

/// Implemented by those who care which hosts are there (placement's inventory, network's flat networks).
#[async_trait]
pub trait HostObserver: Send + Sync {
    /// A host connected, left (its guests run on), offers something else or has another standing. May be called again with the
    /// same facts.
    async fn host_changed(&self, host: &Host) -> Result<(), Unavailable>;
    /// Forgets a host that is down and drained, as an operator asked. A text is why it cannot be forgotten.
    async fn forget_host(&self, _: HostId) -> Result<Option<String>, Unavailable> {
        Ok(None)
    }
}

/// Why a host did not answer a question.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Its stream is down.
    #[error("host {0} is not connected")]
    NotConnected(HostId),
    /// No answer in time.
    #[error("host {0} did not answer in time")]
    TimedOut(HostId),
    /// The host refused, for example because it has no such guest.
    #[error("host {host} answered: {reason}")]
    Refused {
        /// The host.
        host: HostId,
        /// Its words.
        reason: String,
    },
}

/// The hosts, as services see them. Implemented by the fleet.
#[async_trait]
pub trait Fleet: Send + Sync {
    /// Something about this object may have changed for this host. Cheap; call it after the commit (`Tx::on_commit`).
    fn touch(&self, host: HostId, key: ObjectKey);
    /// All members.
    async fn hosts(&self) -> Result<Vec<Host>, Unavailable>;
    /// Those of these that are members. Where few of very many hosts matter.
    async fn hosts_among(&self, ids: &[HostId]) -> Result<Vec<Host>, Unavailable> {
        let mut hosts = self.hosts().await?;
        hosts.retain(|host| ids.contains(&host.id));
        Ok(hosts)
    }
    /// Where the tunnels of those of these end that are members; empty: nowhere yet.
    async fn tunnel_ends(&self, ids: &[HostId]) -> Result<HashMap<HostId, String>, Unavailable> {
        Ok(self.hosts_among(ids).await?.into_iter().map(|host| (host.id, host.underlay_address)).collect())
    }
    /// One member.
    async fn host(&self, id: HostId) -> Result<Option<Host>, Unavailable>;
    /// What an operator changes; repeated it changes nothing.
    async fn change_host(&self, id: HostId, change: HostChange) -> Result<(), HostChangeError>;
    /// The newest bytes of a guest's console, at most `max_bytes` (0: all that is kept).
    async fn console_output(&self, host: HostId, server: ServerId, max_bytes: u64) -> Result<Vec<u8>, AskError>;
    /// How long the machine runs and how busy it is, as uptime(1) says it; a host that does not answer within seconds is not waited for.
    async fn uptime(&self, host: HostId) -> Result<String, AskError>;
    /// The host's own audit, as JSON lines.
    async fn audit(&self, host: HostId) -> Result<String, AskError>;
}
