//! What is served in a network's service namespace.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::{Desired, guest};
use crate::ids::{PortId, SubnetId};
use crate::mac::MacAddr;
use crate::metadata::GuestInterface;
use crate::model::{Ipv6Mode, Network, Port, Route};

/// What is served in a network's service namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServicePlan {
    pub(crate) namespace: String,
    /// The namespace's own address on the network.
    pub(crate) mac: MacAddr,
    pub(crate) mtu: u16,
    /// Without a final dot.
    pub(crate) domain: String,
    pub(crate) subnets: BTreeMap<SubnetId, DhcpSubnet>,
    pub(crate) clients: BTreeMap<MacAddr, Client>,
    /// Fully qualified names in lower case, without a final dot.
    pub(crate) names: BTreeMap<String, Vec<IpAddr>>,
    pub(crate) reverse: BTreeMap<IpAddr, String>,
    /// Who asks, by source address.
    pub(crate) askers: BTreeMap<IpAddr, PortId>,
    /// What the metadata documents say of the interfaces of guests that have a port here, of all their networks.
    pub(crate) interfaces: BTreeMap<PortId, GuestInterface>,
}

/// A subnet as DHCP tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DhcpSubnet {
    pub(crate) cidr: IpNet,
    pub(crate) server: IpAddr,
    pub(crate) gateway: Option<IpAddr>,
    pub(crate) dns_servers: Vec<IpAddr>,
    pub(crate) routes: Vec<Route>,
    pub(crate) ipv6_mode: Option<Ipv6Mode>,
}

/// A port as DHCP knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) port: PortId,
    pub(crate) hostname: String,
    pub(crate) addresses: Vec<(SubnetId, IpAddr)>,
    pub(crate) options: BTreeMap<String, String>,
}

/// Neutron's default.
const DEFAULT_DOMAIN: &str = "openstacklocal";

/// Plans a network's services.
pub(super) fn plan(desired: &Desired, network: &Network, namespace: String, mac: MacAddr) -> ServicePlan {
    let domain = network.dns_domain.trim_matches('.');
    let domain = if domain.is_empty() { DEFAULT_DOMAIN } else { domain }.to_lowercase();
    let mut plan = ServicePlan {
        namespace,
        mac,
        mtu: network.mtu,
        domain,
        subnets: network.subnets.iter().filter_map(|s| Some((s.id.clone(), subnet(s)?))).collect(),
        clients: BTreeMap::new(),
        names: BTreeMap::new(),
        reverse: BTreeMap::new(),
        askers: BTreeMap::new(),
        interfaces: BTreeMap::new(),
    };
    for port in desired.ports_of(&network.id) {
        add_port(desired, port, &mut plan);
    }
    plan
}

fn subnet(subnet: &crate::model::Subnet) -> Option<DhcpSubnet> {
    let server = subnet.service_address.filter(|_| subnet.dhcp)?;
    let dns_servers = if subnet.dns_servers.is_empty() { vec![server] } else { subnet.dns_servers.clone() };
    Some(DhcpSubnet {
        cidr: subnet.cidr,
        server,
        gateway: subnet.gateway,
        dns_servers,
        routes: subnet.host_routes.clone(),
        ipv6_mode: subnet.ipv6_address_mode,
    })
}

fn add_port(desired: &Desired, port: &Port, plan: &mut ServicePlan) {
    let hostname = match (port.dns_name.as_str(), port.fixed_ips.first()) {
        ("", Some(fixed)) => default_name(fixed.address),
        ("", None) => String::new(),
        (name, _) => name.to_lowercase(),
    };
    let full = format!("{hostname}.{}", plan.domain);
    let mut addresses = Vec::new();
    for fixed in &port.fixed_ips {
        if let Some(subnet) = desired.subnet_of(&port.network, fixed) {
            addresses.push((subnet.id.clone(), fixed.address));
        }
        plan.askers.insert(fixed.address, port.id.clone());
        plan.names.entry(full.clone()).or_default().push(fixed.address);
        plan.reverse.insert(fixed.address, full.clone());
    }
    plan.askers.insert(port.mac.link_local().into(), port.id.clone());
    for sibling in desired.ports.values().filter(|p| !p.guest_id.is_empty() && p.guest_id == port.guest_id) {
        plan.interfaces.extend(guest::interface(desired, &sibling.id).map(|i| (sibling.id.clone(), i)));
    }
    plan.interfaces.extend(guest::interface(desired, &port.id).map(|i| (port.id.clone(), i)));
    let client = Client { port: port.id.clone(), hostname, addresses, options: port.extra_dhcp_options.clone() };
    plan.clients.insert(port.mac, client);
}

/// `host-10-0-0-5`.
fn default_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(ip) => format!("host-{}", ip.to_string().replace('.', "-")),
        IpAddr::V6(ip) => {
            let groups: Vec<String> = ip.segments().iter().map(|group| format!("{group:x}")).collect();
            format!("host-{}", groups.join("-"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_addresses_as_in_neutron() {
        assert_eq!(default_name("10.0.0.5".parse().unwrap()), "host-10-0-0-5");
        assert_eq!(default_name("2001:db8::5".parse().unwrap()), "host-2001-db8-0-0-0-0-0-5");
    }
}
