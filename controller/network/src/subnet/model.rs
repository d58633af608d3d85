//! A subnet.

use crate::{address::pool::Pool, network::model::Surroundings, standard::Standard};
use controller_base::id::{NetworkId, SubnetId};
use controller_ports::fleet::net::{Ipv6Mode, Route};
use ipnet::IpNet;
use std::net::IpAddr;

/// A subnet.
#[derive(Clone, Debug, PartialEq)]
pub struct Subnet {
    /// Its id.
    pub id: SubnetId,
    /// Owner, name, times.
    pub standard: Standard,
    /// Its network.
    pub network_id: NetworkId,
    /// What it must know of that.
    pub network: Surroundings,
    /// Its prefix.
    pub cidr: IpNet,
    /// The guests' default gateway.
    pub gateway: Option<IpAddr>,
    /// Whether hosts answer DHCP.
    pub enable_dhcp: bool,
    /// Name servers for guests.
    pub dns_nameservers: Vec<IpAddr>,
    /// Routes for guests.
    pub host_routes: Vec<Route>,
    /// Where addresses are handed out from.
    pub pools: Vec<Pool>,
    /// How guests get IPv6 addresses.
    pub address_mode: Option<Ipv6Mode>,
    /// What router advertisements say.
    pub ra_mode: Option<Ipv6Mode>,
    /// Device owners whose ports get their addresses here; empty: all.
    pub service_types: Vec<String>,
    /// Kept for clients; nothing is published.
    pub dns_publish_fixed_ip: bool,
}

impl Subnet {
    /// 4 or 6.
    #[must_use]
    pub fn ip_version(&self) -> i64 {
        if self.cidr.network().is_ipv4() { 4 } else { 6 }
    }

    /// Ports form their addresses by themselves.
    #[must_use]
    pub fn is_auto_address(&self) -> bool {
        let auto = |mode| matches!(mode, Some(Ipv6Mode::Slaac | Ipv6Mode::Dhcpv6Stateless));
        match (self.address_mode, self.ra_mode) {
            (None, ra) => auto(ra) && self.ip_version() == 6,
            (address, _) => auto(address),
        }
    }

    /// Whether a port of this owner may have an address here.
    #[must_use]
    pub fn serves(&self, device_owner: &str) -> bool {
        self.service_types.is_empty()
            || self.service_types.iter().any(|kind| !kind.is_empty() && device_owner.starts_with(kind.as_str()))
    }
}

/// Neutron's name of a mode.
#[must_use]
pub fn mode_name(mode: Ipv6Mode) -> &'static str {
    match mode {
        Ipv6Mode::Slaac => "slaac",
        Ipv6Mode::Dhcpv6Stateful => "dhcpv6-stateful",
        Ipv6Mode::Dhcpv6Stateless => "dhcpv6-stateless",
    }
}

/// The mode of this name.
#[must_use]
pub fn mode_named(name: &str) -> Option<Ipv6Mode> {
    [Ipv6Mode::Slaac, Ipv6Mode::Dhcpv6Stateful, Ipv6Mode::Dhcpv6Stateless]
        .into_iter()
        .find(|mode| mode_name(*mode) == name)
}
