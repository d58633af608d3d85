//! A router as a host shall have it.

use super::View;
use crate::{
    error::Result,
    floating_ip, hosts, network,
    port::{
        self,
        model::{Port, ROUTER_GATEWAY, ROUTER_INTERFACE},
    },
    router::{self, model::Router},
    subnet,
};
use controller_base::{
    Generation,
    id::{HostId, RouterId},
};
use controller_db::Connection;
use controller_ports::fleet::{
    DesiredObject, DesiredRouter,
    net::{DesiredFloatingIp, ExternalGateway, RouterLeg},
};
use std::net::IpAddr;

/// The host that hides the tenants' addresses, seen from one of the hosts with the router.
struct Elected {
    here: bool,
    /// Of another one.
    address: Option<String>,
    /// Here, and there are others.
    for_others: bool,
}

impl Elected {
    fn of(candidates: &[HostId], view: &View, outside: Option<&str>) -> Self {
        let elected = hosts::elect(candidates, &view.known, outside);
        let here = elected == Some(view.host);
        let known = elected.filter(|_| !here).and_then(|id| view.known.get(&id));
        let address = known.map(|host| host.underlay_address.clone()).filter(|address| !address.is_empty());
        Self { here, address, for_others: here && candidates.len() > 1 }
    }
}

pub(super) async fn build(
    conn: &mut Connection,
    view: &View,
    id: RouterId,
    candidates: &[HostId],
) -> Result<Option<(Generation, DesiredObject)>> {
    let Some(router) = router::store::get(conn, id).await? else { return Ok(None) };
    let outside = port::store::of_device(conn, &id.to_string(), ROUTER_GATEWAY).await?.pop();
    let elected = Elected::of(candidates, view, physical_network(conn, outside.as_ref()).await?.as_deref());
    let mut interfaces = Vec::new();
    for port in port::store::of_device(conn, &id.to_string(), ROUTER_INTERFACE).await? {
        interfaces.push(leg(conn, &port).await?.0);
    }
    let desired = DesiredRouter {
        name: router.standard.name.clone(),
        admin_up: router.admin_up,
        interfaces,
        gateway: gateway(conn, &router, outside, &elected).await?,
        floating_ips: floating_ips(conn, view, id, elected.here).await?,
        routes: router.routes.clone(),
    };
    Ok(Some((router.standard.generation, DesiredObject::Router(desired))))
}

/// A leg, and the gateways of its subnets.
async fn leg(conn: &mut Connection, port: &Port) -> Result<(RouterLeg, Vec<IpAddr>)> {
    let mut addresses = Vec::new();
    let mut gateways = Vec::new();
    for fixed in &port.fixed_ips {
        let subnet = subnet::store::require(conn, fixed.subnet_id).await?;
        gateways.extend(subnet.gateway);
        addresses.push((fixed.clone(), subnet.cidr));
    }
    let leg = RouterLeg { port_id: port.id, network_id: port.network_id, mac: port.mac.clone(), addresses };
    Ok((leg, gateways))
}

/// What a host must be wired to in order to reach a port's network.
async fn physical_network(conn: &mut Connection, port: Option<&Port>) -> Result<Option<String>> {
    let Some(port) = port else { return Ok(None) };
    let network = network::store::require(conn, port.network_id).await?;
    Ok(network.segment.physical_network().map(str::to_owned))
}

async fn gateway(
    conn: &mut Connection,
    router: &Router,
    port: Option<Port>,
    elected: &Elected,
) -> Result<Option<ExternalGateway>> {
    let Some(port) = port else { return Ok(None) };
    let (leg, next_hops) = leg(conn, &port).await?;
    Ok(Some(ExternalGateway {
        leg,
        next_hops,
        snat: router.enable_snat,
        snat_here: elected.here,
        snat_host_address: elected.address.clone(),
        snat_for_others: elected.for_others,
    }))
}

/// Those of ports on this host; those of ports on no host are kept by the host that hides the tenants' addresses.
async fn floating_ips(
    conn: &mut Connection,
    view: &View,
    id: RouterId,
    elected: bool,
) -> Result<Vec<DesiredFloatingIp>> {
    let mut found = Vec::new();
    for floating in floating_ip::store::of_router(conn, id).await? {
        let Some(association) = floating.association else { continue };
        let host = port::store::get(conn, association.port_id).await?.and_then(|port| port.host_id);
        if host == Some(view.host) || (host.is_none() && elected) {
            found.push(DesiredFloatingIp {
                id: floating.id,
                floating_address: floating.address,
                fixed_address: association.fixed_address,
                port_id: association.port_id,
            });
        }
    }
    Ok(found)
}
