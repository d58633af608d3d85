//! A network as a host shall have it.

use super::View;
use crate::{
    error::Result,
    network::{self, model},
    port::{self, model::Port},
    subnet::{self, model::Subnet, service_address},
};
use controller_base::{
    Generation,
    id::{HostId, NetworkId},
};
use controller_db::Connection;
use controller_db::{Filter, Value};
use controller_ports::fleet::{
    DesiredNetwork, DesiredObject,
    net::{DesiredSubnet, RemotePort, Segment},
};

pub(super) async fn build(
    conn: &mut Connection,
    view: &View<'_>,
    id: NetworkId,
) -> Result<Option<(Generation, DesiredObject)>> {
    let Some(network) = network::store::get(conn, id).await? else { return Ok(None) };
    let service_port = service_address::find(conn, id).await?;
    let subnets = subnet::store::of_network(conn, id).await?;
    let segment = match &network.segment {
        model::Segment::Overlay { vni } => Segment::Overlay { vni: *vni, remotes: remotes(conn, view, id).await? },
        model::Segment::Flat { physical_network } => Segment::Flat { physical_network: physical_network.clone() },
        model::Segment::Vlan { physical_network, vlan_id } => {
            Segment::Vlan { physical_network: physical_network.clone(), vlan_id: *vlan_id }
        }
    };
    let domain = match network.dns_domain.is_empty() {
        true => &view.service.config().dns_domain,
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
    Ok(Some((network.standard.generation, DesiredObject::Network(desired))))
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

/// The network's ports on other hosts whose tunnels' ends are known.
async fn remotes(conn: &mut Connection, view: &View<'_>, id: NetworkId) -> Result<Vec<RemotePort>> {
    let filter = Filter::new(port::store::SELECT)
        .and_eq("network_id", Some(id.to_string()))
        .and("host_id IS NOT NULL AND host_id <> ?", [Value::text(view.host)])
        .then("ORDER BY id");
    let address_of = |host: HostId| view.known.get(&host).map(|host| host.underlay_address.clone());
    let remote = |port: Port| {
        let host_address = address_of(port.host_id?).filter(|address| !address.is_empty())?;
        let addresses = port.fixed_ips.iter().map(|fixed| fixed.address).collect();
        Some(RemotePort { mac: port.mac, addresses, host_address })
    };
    Ok(port::store::list(conn, filter).await?.into_iter().filter_map(remote).collect())
}
