//! A network as a host shall have it.

use super::shared::SharedNetwork;
use crate::{
    error::Result,
    network::{self, model},
    port::{self, store::Remote},
    service::NetworkService,
    subnet::{self, model::Subnet},
};
use controller_base::{
    Generation,
    id::{HostId, NetworkId},
};
use controller_db::Connection;
use controller_ports::fleet::{
    DesiredNetwork, DesiredObject,
    net::{DesiredSubnet, RemotePort, Segment},
};
use std::{collections::HashMap, net::IpAddr};

/// The network without its remotes, and its ports on hosts if it is an overlay.
pub(super) async fn build(
    conn: &mut Connection,
    service: &NetworkService,
    id: NetworkId,
) -> Result<(Option<(Generation, DesiredNetwork)>, Vec<Remote>)> {
    let Some(network) = network::store::get(conn, id).await? else { return Ok((None, Vec::new())) };
    let subnets = subnet::store::of_network_with_service(conn, id).await?;
    let (segment, remotes) = match &network.segment {
        model::Segment::Overlay { vni } => {
            let remotes = port::store::on_hosts(conn, id).await?;
            (Segment::Overlay { vni: *vni, remotes: Vec::new() }, remotes)
        }
        model::Segment::Flat { physical_network } => {
            (Segment::Flat { physical_network: physical_network.clone() }, Vec::new())
        }
        model::Segment::Vlan { physical_network, vlan_id } => {
            (Segment::Vlan { physical_network: physical_network.clone(), vlan_id: *vlan_id }, Vec::new())
        }
    };
    let domain = match network.dns_domain.is_empty() {
        true => &service.config().dns_domain,
        false => &network.dns_domain,
    };
    let desired = DesiredNetwork {
        name: network.standard.name.clone(),
        mtu: network.mtu,
        segment,
        subnets: subnets.iter().map(|(subnet, service)| convert(subnet, *service)).collect(),
        dns_domain: domain.trim_end_matches('.').to_owned(),
        external: network.external,
    };
    Ok((Some((network.standard.generation, desired)), remotes))
}

/// The same as one host shall have it: with the network's ports on other hosts whose tunnels' ends are known.
pub(super) fn seen_from(host: HostId, shared: &SharedNetwork) -> Option<(Generation, DesiredObject)> {
    let (generation, mut desired) = shared.network.clone()?;
    if let Segment::Overlay { remotes, .. } = &mut desired.segment {
        let others = shared.remotes.iter().filter(|remote| remote.host != host);
        remotes.extend(others.filter_map(|remote| as_seen(remote, &shared.tunnel_ends)));
    }
    Some((generation, DesiredObject::Network(desired)))
}

fn as_seen(remote: &Remote, tunnel_ends: &HashMap<HostId, String>) -> Option<RemotePort> {
    let host_address = tunnel_ends.get(&remote.host)?.clone();
    let (mac, addresses) = (remote.mac.clone(), remote.addresses.clone());
    (!host_address.is_empty()).then_some(RemotePort { mac, addresses, host_address })
}

fn convert(subnet: &Subnet, service: Option<IpAddr>) -> DesiredSubnet {
    let service_address = service.filter(|_| subnet.enable_dhcp);
    DesiredSubnet {
        id: subnet.id,
        cidr: subnet.cidr,
        gateway: subnet.gateway,
        // Where no guest is plugged in there is nobody to answer, and no address to answer from.
        dhcp: service_address.is_some(),
        service_address,
        dns_servers: subnet.dns_nameservers.clone(),
        host_routes: subnet.host_routes.clone(),
        ipv6_address_mode: subnet.address_mode,
        ipv6_ra_mode: subnet.ra_mode,
    }
}
