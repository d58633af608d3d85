//! A guest's port as its host shall have it.

use crate::{
    error::Result,
    port::{
        self,
        model::{AddressPair, Port},
    },
};
use controller_base::{
    Generation,
    id::{HostId, PortId},
};
use controller_db::Connection;
use controller_ports::fleet::{DesiredObject, DesiredPort, net};
use ipnet::IpNet;
use std::net::IpAddr;

pub(super) async fn build(
    conn: &mut Connection,
    host: HostId,
    id: PortId,
) -> Result<Option<(Generation, DesiredObject)>> {
    let port = port::store::get(conn, id).await?.filter(|port| port.host_id == Some(host));
    let Some((port, server_id)) = port.and_then(|port| port.server_id().map(|server| (port, server))) else {
        return Ok(None);
    };
    let options = port.dhcp_options.iter().map(|option| (option.opt_name.clone(), option.opt_value.clone())).collect();
    let desired = DesiredPort {
        network_id: port.network_id,
        mac: port.mac.clone(),
        fixed_ips: port.fixed_ips.clone(),
        port_security: port.port_security,
        security_groups: port.groups.clone(),
        allowed_address_pairs: port.address_pairs.iter().filter_map(|pair| convert(pair, &port)).collect(),
        admin_up: port.admin_up,
        server_id,
        extra_dhcp_options: options,
        dns_name: port.dns_name.clone(),
    };
    Ok(Some((port.standard.generation, DesiredObject::Port(desired))))
}

fn convert(pair: &AddressPair, port: &Port) -> Option<net::AddressPair> {
    let text = pair.ip_address.as_str();
    let cidr = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    Some(net::AddressPair { cidr, mac: pair.mac_address.clone().unwrap_or_else(|| port.mac.clone()) })
}
