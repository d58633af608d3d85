//! A router's legs in tenants' networks.

use super::{model::Router, service::lock, store};
use crate::{
    address::overlap,
    error::{Error, Result},
    floating_ip, network,
    port::{
        self,
        allocate::Wanted,
        model::{Port, ROUTER_GATEWAY, ROUTER_INTERFACE, Status},
        service::NewPort,
    },
    service::{Caller, Change},
    standard::{Standard, check_written},
    subnet::{self, model::Subnet},
};
use controller_base::id::{PortId, RouterId, SubnetId};
use controller_db::Connection;
use controller_ports::fleet::net::FixedIp;

/// What a leg is given by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    /// The subnet: the leg is a new port with its gateway address.
    pub subnet_id: Option<SubnetId>,
    /// A port that exists.
    pub port_id: Option<PortId>,
}

fn bad(reason: impl Into<String>) -> Error {
    Error::BadRequest("router", reason.into())
}

/// A router's addresses in tenants' networks with their subnets.
pub async fn attached_subnets(conn: &mut Connection, router: RouterId) -> Result<Vec<(FixedIp, Subnet)>> {
    let mut found = Vec::new();
    for owner in [ROUTER_INTERFACE, ROUTER_GATEWAY] {
        for leg in port::store::of_device(conn, &router.to_string(), owner).await? {
            for fixed in leg.fixed_ips {
                let subnet = subnet::store::require(conn, fixed.subnet_id).await?;
                found.push((fixed, subnet));
            }
        }
    }
    Ok(found)
}

/// Legs with overlapping prefixes could not be told apart.
pub async fn refuse_overlap(change: &mut Change, router: RouterId, added: &[Subnet]) -> Result<()> {
    let attached = attached_subnets(change.conn(), router).await?;
    for new in added {
        for (_, other) in &attached {
            if other.id == new.id {
                return Err(bad(format!("Router already has a port on subnet {}", new.id)));
            }
            if overlap(&new.cidr, &other.cidr) {
                return Err(bad(format!(
                    "Cidr {} of subnet {} overlaps with cidr {} of subnet {}",
                    new.cidr, new.id, other.cidr, other.id
                )));
            }
        }
    }
    Ok(())
}

/// Adds a leg. Returns its port and the subnet that the answer names.
pub async fn add(
    change: &mut Change,
    caller: &Caller,
    id: RouterId,
    by: Reference,
) -> Result<(Router, Port, SubnetId)> {
    let router = store::require(change.conn(), id).await?;
    lock(change, id).await?;
    let leg = match (by.port_id, by.subnet_id) {
        (None, None) => return Err(bad("Either subnet_id or port_id must be specified")),
        (Some(_), Some(_)) => return Err(bad("Cannot specify both subnet-id and port-id")),
        (Some(port), None) => add_port(change, caller, &router, port).await?,
        (None, Some(subnet)) => add_subnet(change, caller, &router, subnet).await?,
    };
    change.touch_router_legs(id).await?;
    let subnet = by.subnet_id.or_else(|| leg.fixed_ips.first().map(|fixed| fixed.subnet_id));
    let subnet = subnet.ok_or_else(|| bad("Router port must have at least one fixed IP"))?;
    Ok((router, leg, subnet))
}

async fn add_port(change: &mut Change, caller: &Caller, router: &Router, id: PortId) -> Result<Port> {
    let mut leg = port::store::require(change.conn(), id).await?;
    if !caller.owns(leg.standard.project_id.as_ref()) {
        return Err(Error::PortNotFound(id.to_string()));
    }
    if !leg.device_id.is_empty() {
        return Err(Error::PortInUse(id.to_string(), leg.network_id.to_string(), leg.device_id));
    }
    if leg.fixed_ips.is_empty() {
        return Err(bad("Router port must have at least one fixed IP"));
    }
    let mut subnets = Vec::new();
    for fixed in &leg.fixed_ips {
        subnets.push(subnet::store::require(change.conn(), fixed.subnet_id).await?);
    }
    if subnets.iter().filter(|subnet| subnet.ip_version() == 4).count() > 1 {
        return Err(bad("Cannot have multiple IPv4 subnets on router port"));
    }
    refuse_overlap(change, router.id, &subnets).await?;
    leg.device_id = router.id.to_string();
    leg.device_owner = ROUTER_INTERFACE.to_owned();
    leg.status = Status::Active;
    // A router's leg forwards for others: filters would drop what it carries.
    leg.port_security = false;
    leg.groups.clear();
    write(change, &mut leg).await?;
    port::store::write_groups(change.conn(), &leg).await?;
    Ok(leg)
}

async fn write(change: &mut Change, leg: &mut Port) -> Result<()> {
    let seen = leg.standard.advance(change.now);
    check_written(port::store::update(change.conn(), leg, seen).await?)
}

async fn add_subnet(change: &mut Change, caller: &Caller, router: &Router, id: SubnetId) -> Result<Port> {
    let subnet = subnet::store::require(change.conn(), id).await?;
    let network = network::store::require(change.conn(), subnet.network_id).await?;
    // An external network is seen by all, but its gateway address is nobody's to take.
    if !network.shared && !caller.owns(network.standard.project_id.as_ref()) {
        return Err(Error::SubnetNotFound(id.to_string()));
    }
    let Some(gateway) = subnet.gateway else {
        return Err(bad("Subnet for router interface must have a gateway IP"));
    };
    refuse_overlap(change, router.id, std::slice::from_ref(&subnet)).await?;
    if subnet.ip_version() == 6
        && let Some(leg) = ipv6_leg(change, router.id, &subnet).await?
    {
        return extend(change, leg, &subnet, gateway).await;
    }
    let new = NewPort {
        device_id: router.id.to_string(),
        device_owner: ROUTER_INTERFACE.to_owned(),
        port_security: Some(false),
        fixed_ips: Some(vec![Wanted { subnet_id: Some(id), address: Some(gateway) }]),
        groups: Some(Vec::new()),
        status: Status::Active,
        ..NewPort::new(Standard::new(router.standard.project_id.clone(), change.now), subnet.network_id)
    };
    port::service::create(change, &Caller::service(), new).await
}

/// IPv6 subnets of one network share a leg.
async fn ipv6_leg(change: &mut Change, router: RouterId, subnet: &Subnet) -> Result<Option<Port>> {
    let legs = port::store::of_device(change.conn(), &router.to_string(), ROUTER_INTERFACE).await?;
    let only_ipv6 = |leg: &Port| leg.fixed_ips.iter().all(|fixed| fixed.address.is_ipv6());
    Ok(legs.into_iter().find(|leg| leg.network_id == subnet.network_id && only_ipv6(leg)))
}

async fn extend(change: &mut Change, mut leg: Port, subnet: &Subnet, gateway: std::net::IpAddr) -> Result<Port> {
    network::store::lock(change.conn(), leg.network_id).await?;
    let kept =
        leg.fixed_ips.iter().map(|fixed| Wanted { subnet_id: Some(fixed.subnet_id), address: Some(fixed.address) });
    let mut wanted: Vec<_> = kept.collect();
    wanted.push(Wanted { subnet_id: Some(subnet.id), address: Some(gateway) });
    port::service::change_addresses(change, &mut leg, &wanted).await?;
    write(change, &mut leg).await?;
    Ok(leg)
}

/// Removes a leg. Returns what it was and the subnet that the answer names.
pub async fn remove(
    change: &mut Change,
    caller: &Caller,
    id: RouterId,
    by: Reference,
) -> Result<(Router, Port, SubnetId)> {
    let router = store::require(change.conn(), id).await?;
    lock(change, id).await?;
    let (leg, subnet) = find(change, caller, id, by).await?;
    let leaving: Vec<SubnetId> = match by.port_id {
        Some(_) => leg.fixed_ips.iter().map(|fixed| fixed.subnet_id).collect(),
        None => vec![subnet],
    };
    for subnet in &leaving {
        refuse_while_needed(change, &router, *subnet).await?;
    }
    change.touch_router_legs(id).await?;
    if leaving.len() == leg.fixed_ips.len() {
        port::service::remove(change, &leg).await?;
    } else {
        let mut rest = leg.clone();
        rest.fixed_ips.retain(|fixed| !leaving.contains(&fixed.subnet_id));
        port::store::write_addresses(change.conn(), &rest).await?;
        write(change, &mut rest).await?;
    }
    change.touch_router_legs(id).await?;
    Ok((router, leg, subnet))
}

async fn find(change: &mut Change, caller: &Caller, id: RouterId, by: Reference) -> Result<(Port, SubnetId)> {
    let legs = port::store::of_device(change.conn(), &id.to_string(), ROUTER_INTERFACE).await?;
    match (by.port_id, by.subnet_id) {
        (None, None) => Err(bad("Either subnet_id or port_id must be specified")),
        (Some(port), subnet) => {
            let leg = legs.into_iter().find(|leg| leg.id == port);
            let leg = leg.ok_or_else(|| Error::RouterInterfaceNotFound(id.to_string(), port.to_string()))?;
            let fixed = leg.fixed_ips.iter().find(|fixed| subnet.is_none_or(|subnet| subnet == fixed.subnet_id));
            match (fixed.map(|fixed| fixed.subnet_id), subnet) {
                (Some(found), _) => Ok((leg, found)),
                (None, Some(subnet)) => Err(Error::SubnetMismatchForPort(port.to_string(), subnet.to_string())),
                (None, None) => Err(bad("Router port must have at least one fixed IP")),
            }
        }
        (None, Some(subnet)) => {
            let known = subnet::store::require(change.conn(), subnet).await?;
            let network = network::store::require(change.conn(), known.network_id).await?;
            if !network::visible(&network, caller) {
                return Err(Error::SubnetNotFound(subnet.to_string()));
            }
            let leg = legs.into_iter().find(|leg| leg.fixed_ips.iter().any(|fixed| fixed.subnet_id == subnet));
            leg.map(|leg| (leg, subnet))
                .ok_or_else(|| Error::RouterInterfaceNotFoundForSubnet(id.to_string(), subnet.to_string()))
        }
    }
}

async fn refuse_while_needed(change: &mut Change, router: &Router, id: SubnetId) -> Result<()> {
    let subnet = subnet::store::require(change.conn(), id).await?;
    let (subnet_text, router_text) = (id.to_string(), router.id.to_string());
    for floating in floating_ip::store::of_router(change.conn(), router.id).await? {
        let inside = floating.association.is_some_and(|association| subnet.cidr.contains(&association.fixed_address));
        if inside {
            return Err(Error::RouterInterfaceInUseByFloatingIP(subnet_text, router_text));
        }
    }
    if router.routes.iter().any(|route| subnet.cidr.contains(&route.next_hop)) {
        return Err(Error::RouterInterfaceInUseByRoute(subnet_text, router_text));
    }
    Ok(())
}
