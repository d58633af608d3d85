//! What the operator says about this host's network.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

/// What the operator says about this host's network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetConfig {
    /// The address from which VXLAN packets leave; without it there are no overlay networks between hosts.
    pub underlay_address: Option<IpAddr>,
    /// UDP port of VXLAN.
    pub vxlan_port: u16,
    /// What physical networks are on this host, by name.
    pub physical_networks: BTreeMap<String, PhysicalNetwork>,
    /// Where named network namespaces are kept.
    pub namespace_dir: PathBuf,
    /// The nft program.
    pub nft: PathBuf,
    /// Name servers to which guests' questions go; empty: those of `/etc/resolv.conf`.
    pub resolvers: Vec<SocketAddr>,
    /// Lease time told to DHCP clients.
    pub dhcp_lease: Duration,
}

/// A physical network on this host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhysicalNetwork {
    /// The bridge that is wired to it (flat) or the device that carries its VLANs.
    pub interface: String,
    /// Make the bridge if it is not there (a cloud of one machine without a wire of its own).
    pub create: bool,
    /// Addresses of the host on it, for example the gateway that the external subnet names.
    pub host_addresses: Vec<IpNet>,
    /// What comes from it and leaves the host by another way takes the host's address.
    pub masquerade: bool,
}

impl Default for NetConfig {
    fn default() -> Self {
        Self {
            underlay_address: None,
            vxlan_port: 4789,
            physical_networks: BTreeMap::new(),
            namespace_dir: PathBuf::from("/run/netns"),
            nft: PathBuf::from("nft"),
            resolvers: Vec::new(),
            dhcp_lease: Duration::from_secs(86_400),
        }
    }
}
