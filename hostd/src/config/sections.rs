//! The sections of the configuration and what the parts of hostd make of them.

use hostd_guests::GuestsConfig;
use hostd_net::{NetConfig, PhysicalNetwork};
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de::Error as _};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

/// The controller and how to become its host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Controller {
    /// The federation's address; empty: the one of the enrolment.
    pub url: String,
    /// SHA-256 of the CA's certificate, for the first start.
    pub ca_fingerprint: String,
    /// The join token, for the first start.
    pub join_token: String,
}

/// A controller on the same machine, as it listens by default.
const LOCAL_CONTROLLER: &str = "https://127.0.0.1:8444";

impl Controller {
    /// Where to enrol.
    #[must_use]
    pub fn enrolment_url(&self) -> String {
        if self.url.is_empty() { LOCAL_CONTROLLER.to_owned() } else { self.url.clone() }
    }
}

/// What the host offers to guests; 0: what the machine has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Resources {
    /// Processors.
    pub vcpus: u32,
    /// Memory.
    pub memory_mib: u64,
    /// Space for disks.
    pub disk_gib: u64,
}

/// Guests' processes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Guests {
    /// The program that runs one guest.
    pub vmm: PathBuf,
    /// The firmware image.
    pub firmware: PathBuf,
    /// The KVM device.
    pub kvm: PathBuf,
    /// First user id of guests' processes.
    pub first_uid: u32,
    /// How many there are.
    pub uids: u32,
    /// The cgroup below which each guest has its own.
    pub cgroup_parent: String,
    /// Whether processes are jailed.
    pub jail: bool,
    /// Whether their system calls are filtered.
    pub seccomp: bool,
    /// Bytes of a console that are kept.
    pub console_bytes: u64,
    /// Seconds that a guest waits for its ports.
    pub ports_deadline: u64,
    /// Seconds that a process may take to run.
    pub start_deadline: u64,
}

impl Default for Guests {
    fn default() -> Self {
        let own = GuestsConfig::default();
        Self {
            vmm: own.vmm,
            firmware: own.firmware,
            kvm: own.kvm,
            first_uid: own.first_uid,
            uids: own.uids,
            cgroup_parent: own.cgroup_parent,
            jail: own.jail,
            seccomp: own.seccomp,
            console_bytes: own.console_bytes,
            ports_deadline: own.ports_deadline.as_secs(),
            start_deadline: own.start_deadline.as_secs(),
        }
    }
}

impl Guests {
    /// For the guests' crate.
    #[must_use]
    pub fn to_guests(&self) -> GuestsConfig {
        let own = self.clone();
        GuestsConfig {
            vmm: own.vmm,
            firmware: own.firmware,
            kvm: own.kvm,
            first_uid: own.first_uid,
            uids: own.uids,
            cgroup_parent: own.cgroup_parent,
            jail: own.jail,
            seccomp: own.seccomp,
            console_bytes: own.console_bytes,
            ports_deadline: Duration::from_secs(own.ports_deadline),
            start_deadline: Duration::from_secs(own.start_deadline),
        }
    }
}

/// The image cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Images {
    /// Bytes of images that no guest uses.
    pub unused_bytes: u64,
    /// The port at which other hosts get images from this one.
    pub port: u16,
    /// How many of them at a time; 0: none.
    pub hosts_served: usize,
}

impl Default for Images {
    fn default() -> Self {
        Self { unused_bytes: 10 << 30, port: 8448, hosts_served: 4 }
    }
}

/// The network.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// The address by which other hosts reach this one.
    #[serde(deserialize_with = "address")]
    pub underlay_address: Option<IpAddr>,
    /// UDP port of VXLAN.
    pub vxlan_port: u16,
    /// Where named network namespaces are kept.
    pub namespace_dir: PathBuf,
    /// The nft program.
    pub nft: PathBuf,
    /// Name servers for guests' questions.
    pub resolvers: Vec<SocketAddr>,
    /// Seconds of a DHCP lease.
    pub dhcp_lease: u64,
    /// Physical networks by name.
    pub physical: BTreeMap<String, Physical>,
}

impl Default for Network {
    fn default() -> Self {
        let own = NetConfig::default();
        Self {
            underlay_address: own.underlay_address,
            vxlan_port: own.vxlan_port,
            namespace_dir: own.namespace_dir,
            nft: own.nft,
            resolvers: own.resolvers,
            dhcp_lease: own.dhcp_lease.as_secs(),
            physical: BTreeMap::new(),
        }
    }
}

impl Network {
    /// For the network's crate.
    #[must_use]
    pub fn to_net(&self) -> NetConfig {
        let own = self.clone();
        NetConfig {
            underlay_address: own.underlay_address,
            vxlan_port: own.vxlan_port,
            physical_networks: own.physical.into_iter().map(|(name, physical)| (name, physical.into())).collect(),
            namespace_dir: own.namespace_dir,
            nft: own.nft,
            resolvers: own.resolvers,
            dhcp_lease: Duration::from_secs(own.dhcp_lease),
        }
    }
}

/// A physical network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Physical {
    /// The bridge that is wired to it, or the device that carries its VLANs.
    pub interface: String,
    /// Make the bridge if it is not there.
    pub create: bool,
    /// Addresses of the host on it.
    pub host_addresses: Vec<IpNet>,
    /// What leaves the host another way takes the host's address.
    pub masquerade: bool,
}

impl From<Physical> for PhysicalNetwork {
    fn from(own: Physical) -> Self {
        Self {
            interface: own.interface,
            create: own.create,
            host_addresses: own.host_addresses,
            masquerade: own.masquerade,
        }
    }
}

/// What listens on this host alone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Local {
    /// Address of the metrics; empty: none.
    pub metrics: String,
}

impl Default for Local {
    fn default() -> Self {
        Self { metrics: "127.0.0.1:8446".into() }
    }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IpAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(D::Error::custom) }
}
