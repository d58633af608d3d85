//! What the metadata documents say about a port.

use ipnet::IpNet;

use super::Desired;
use crate::ids::PortId;
use crate::metadata::{GuestAddress, GuestInterface};

/// The interface that the port is in its guest; `None` if the port or its network is not known.
pub(crate) fn interface(desired: &Desired, port: &PortId) -> Option<GuestInterface> {
    let port = desired.ports.get(port)?;
    let network = desired.networks.get(&port.network)?;
    let addresses = port.fixed_ips.iter().filter_map(|fixed| {
        let subnet = desired.subnet_of(&port.network, fixed)?;
        Some(GuestAddress {
            subnet: subnet.id.clone(),
            address: IpNet::new(fixed.address, subnet.cidr.prefix_len()).ok()?,
            gateway: subnet.gateway,
            dhcp: subnet.dhcp,
            ipv6_mode: subnet.ipv6_address_mode,
            dns_servers: subnet.dns_servers.clone(),
            host_routes: subnet.host_routes.clone(),
        })
    });
    let floating = desired.routers.values().flat_map(|router| &router.floating_ips);
    Some(GuestInterface {
        port: port.id.clone(),
        network: network.id.clone(),
        mac: port.mac,
        mtu: network.mtu,
        addresses: addresses.collect(),
        floating_addresses: floating.filter(|f| f.port == port.id).map(|f| f.floating_address).collect(),
    })
}
