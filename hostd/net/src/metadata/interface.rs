//! What the metadata documents say about a guest's interface.

use ipnet::IpNet;

use crate::ids::{NetworkId, PortId, SubnetId};
use crate::mac::MacAddr;
use crate::model::{Ipv6Mode, Route};
use std::net::IpAddr;

/// A guest's interface with all that its documents need of port, network and subnets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestInterface {
    /// The port.
    pub port: PortId,
    /// Its network.
    pub network: NetworkId,
    /// Its hardware address.
    pub mac: MacAddr,
    /// Its MTU.
    pub mtu: u16,
    /// Its addresses.
    pub addresses: Vec<GuestAddress>,
    /// Floating addresses that lead to it.
    pub floating_addresses: Vec<IpAddr>,
}

/// An address of a guest's interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestAddress {
    /// The subnet.
    pub subnet: SubnetId,
    /// The address with the subnet's prefix length.
    pub address: IpNet,
    /// The subnet's gateway.
    pub gateway: Option<IpAddr>,
    /// Whether the guest gets it by DHCP or RA.
    pub dhcp: bool,
    /// The subnet's IPv6 mode.
    pub ipv6_mode: Option<Ipv6Mode>,
    /// Name servers.
    pub dns_servers: Vec<IpAddr>,
    /// Further routes.
    pub host_routes: Vec<Route>,
}
