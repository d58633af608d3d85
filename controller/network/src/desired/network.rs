//! A network as a host shall have it.

use super::shared::SharedNetwork;
use crate::{
    error::Result,
    hosts::Known,
    network::{self, model},
    port::{
        self,
        model::{Port, SERVICE},
    },
    service::NetworkService,
    subnet::{self, model::Subnet, service_address},
};
use controller_base::{
    Generation,
    id::{HostId, NetworkId},
};
use controller_db::{Connection, Filter};
use controller_ports::fleet::{
    DesiredNetwork, DesiredObject,
    net::{DesiredSubnet, RemotePort, Segment},
};

/// The network without its remotes, and its ports on hosts if it is an overlay.
pub(super) async fn build(
    conn: &mut Connection,
    service: &NetworkService,
    id: NetworkId,
) -> Result<(Option<(Generation, DesiredNetwork)>, Vec<Port>)> {
    let Some(network) = network::store::get(conn, id).await? else { return Ok((None, Vec::new())) };
    let subnets = subnet::store::of_network(conn, id).await?;
    let (segment, service_port, ports) = match &network.segment {
        model::Segment::Overlay { vni } => {
            let (service_port, ports) = ports_that_matter(conn, id).await?;
            (Segment::Overlay { vni: *vni, remotes: Vec::new() }, service_port, ports)
        }
        model::Segment::Flat { physical_network } => {
            let segment = Segment::Flat { physical_network: physical_network.clone() };
            (segment, service_address::find(conn, id).await?, Vec::new())
        }
        model::Segment::Vlan { physical_network, vlan_id } => {
            let segment = Segment::Vlan { physical_network: physical_network.clone(), vlan_id: *vlan_id };
            (segment, service_address::find(conn, id).await?, Vec::new())
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
        subnets: subnets.iter().map(|subnet| convert(subnet, service_port.as_ref())).collect(),
        dns_domain: domain.trim_end_matches('.').to_owned(),
        external: network.external,
    };
    Ok((Some((network.standard.generation, desired)), ports))
}

/// The same as one host shall have it: with the network's ports on other hosts whose tunnels' ends are known.
pub(super) fn seen_from(host: HostId, shared: &SharedNetwork) -> Option<(Generation, DesiredObject)> {
    let (generation, mut desired) = shared.network.clone()?;
    if let Segment::Overlay { remotes, .. } = &mut desired.segment {
        let others = shared.ports.iter().filter(|port| port.host_id != Some(host));
        remotes.extend(others.filter_map(|port| remote(port, &shared.known)));
    }
    Some((generation, DesiredObject::Network(desired)))
}

fn remote(port: &Port, known: &Known) -> Option<RemotePort> {
    let host_address = known.get(&port.host_id?)?.underlay_address.clone();
    let addresses = port.fixed_ips.iter().map(|fixed| fixed.address).collect();
    (!host_address.is_empty()).then(|| RemotePort { mac: port.mac.clone(), addresses, host_address })
}

/// The service's port, and those on hosts.
async fn ports_that_matter(conn: &mut Connection, id: NetworkId) -> Result<(Option<Port>, Vec<Port>)> {
    let service = [service_address::device_id(id).into(), SERVICE.into()];
    let filter = Filter::new(port::store::SELECT)
        .and_eq("network_id", Some(id.to_string()))
        .and("host_id IS NOT NULL OR (device_id = ? AND device_owner = ?)", service)
        .then("ORDER BY created_at, id");
    let ports = port::store::list(conn, filter).await?;
    let (on_hosts, mut service): (Vec<_>, Vec<_>) = ports.into_iter().partition(|port| port.host_id.is_some());
    Ok((service.pop(), on_hosts))
}

fn convert(subnet: &Subnet, service_port: Option<&Port>) -> DesiredSubnet {
    let service_address = service_address::of_subnet(service_port, subnet);
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
