//! Rules of floating IPs.

use super::{
    model::{Association, FloatingIp},
    store,
};
use crate::{
    attributes::Attributes,
    error::{Error, Result},
    network,
    port::{
        self,
        allocate::Wanted,
        model::{FLOATING_IP, Port, Status},
        service::NewPort,
    },
    quota,
    service::{Caller, Change},
    sql::{self, Param},
    standard::{Standard, check_written},
    subnet::{self, model::Subnet},
};
use controller_base::id::{FloatingIpId, NetworkId, PortId, RouterId, SubnetId};
use std::net::IpAddr;

fn bad(reason: impl Into<String>) -> Error {
    Error::BadRequest("floatingip", reason.into())
}

/// A new floating IP.
pub async fn create(change: &mut Change, caller: &Caller, attributes: &Attributes) -> Result<FloatingIp> {
    let standard = Standard::from_attributes(attributes, change.now);
    quota::check(change, standard.project_id.as_ref(), "floatingip", 1).await?;
    let network_id: NetworkId = attributes.parsed("floating_network_id").ok_or(Error::HTTPNotFound)?;
    let network = network::service::require_visible(change, caller, network_id).await?;
    if !network.external {
        return Err(bad(format!("Network {network_id} is not a valid external network")));
    }
    let id = FloatingIpId::random();
    let outer = make_outer_port(change, id, network_id, attributes).await?;
    let address = outer.fixed_ips.iter().map(|fixed| fixed.address).find(IpAddr::is_ipv4);
    let mut floating = FloatingIp {
        id,
        standard,
        network_id,
        outer_port_id: outer.id,
        address: address.ok_or_else(|| Error::ExternalIpAddressExhausted(network_id.to_string()))?,
        association: None,
        status: Status::Down,
        dns_name: attributes.text("dns_name").unwrap_or_default(),
        dns_domain: attributes.text("dns_domain").unwrap_or_default(),
    };
    associate(change, caller, &mut floating, attributes).await?;
    store::insert(change.conn(), &floating).await?;
    touch(change, floating.association.as_ref()).await?;
    Ok(floating)
}

async fn make_outer_port(
    change: &mut Change,
    id: FloatingIpId,
    network_id: NetworkId,
    attributes: &Attributes,
) -> Result<Port> {
    let subnets = subnet::store::of_network(change.conn(), network_id).await?;
    let ipv4: Vec<&Subnet> = subnets.iter().filter(|subnet| subnet.ip_version() == 4).collect();
    if ipv4.is_empty() {
        return Err(bad(format!("Network {network_id} does not contain any IPv4 subnet")));
    }
    let address: Option<IpAddr> = attributes.parsed("floating_ip_address");
    let subnet: Option<SubnetId> = attributes.parsed("subnet_id");
    let choices: Vec<Wanted> = match (address, subnet) {
        (None, None) => ipv4.iter().map(|subnet| Wanted { subnet_id: Some(subnet.id), address: None }).collect(),
        (address, subnet_id) => vec![Wanted { subnet_id, address }],
    };
    let mut last = Error::ExternalIpAddressExhausted(network_id.to_string());
    for wanted in choices {
        let new = NewPort {
            device_id: id.to_string(),
            device_owner: FLOATING_IP.to_owned(),
            port_security: Some(false),
            fixed_ips: Some(vec![wanted]),
            groups: Some(Vec::new()),
            status: Status::NotApplicable,
            ..NewPort::new(Standard::new(None, change.now), network_id)
        };
        match port::service::create(change, &Caller::service(), new).await {
            Err(error @ Error::IpAddressGenerationFailure(_)) => last = error,
            other => return other,
        }
    }
    Err(last)
}

/// A changed floating IP: lent, lent to another, or taken back.
pub async fn update(
    change: &mut Change,
    caller: &Caller,
    id: FloatingIpId,
    attributes: &Attributes,
) -> Result<FloatingIp> {
    let mut floating = require(change, id).await?;
    touch(change, floating.association.as_ref()).await?;
    floating.standard.apply(attributes);
    if attributes.was_given("port_id") {
        floating.association = None;
        floating.status = Status::Down;
        associate(change, caller, &mut floating, attributes).await?;
    } else if attributes.get("fixed_ip_address").is_some() {
        return Err(bad("fixed_ip_address cannot be specified without a port_id"));
    }
    write(change, &mut floating).await?;
    touch(change, floating.association.as_ref()).await?;
    Ok(floating)
}

async fn require(change: &mut Change, id: FloatingIpId) -> Result<FloatingIp> {
    store::get(change.conn(), id).await?.ok_or_else(|| Error::FloatingIPNotFound(id.to_string()))
}

async fn write(change: &mut Change, floating: &mut FloatingIp) -> Result<()> {
    let seen = floating.standard.advance(change.now);
    check_written(store::update(change.conn(), floating, seen).await?)
}

async fn associate(
    change: &mut Change,
    caller: &Caller,
    floating: &mut FloatingIp,
    attributes: &Attributes,
) -> Result<()> {
    let wanted_address: Option<IpAddr> = attributes.parsed("fixed_ip_address");
    let Some(port_id) = attributes.parsed::<PortId>("port_id") else {
        return match wanted_address {
            Some(_) => Err(bad("fixed_ip_address cannot be specified without a port_id")),
            None => Ok(()),
        };
    };
    let inner = port::store::require(change.conn(), port_id).await?;
    if !caller.owns(inner.standard.project_id.as_ref()) {
        return Err(Error::PortNotFound(port_id.to_string()));
    }
    let (fixed_address, subnet_id) = inner_address(&inner, wanted_address)?;
    let router_id = find_router(change, floating.network_id, subnet_id, port_id).await?;
    let association = Association { port_id, fixed_address, router_id };
    let lent = store::of_port(change.conn(), port_id).await?;
    let clash = |other: &FloatingIp| {
        other.id != floating.id
            && other.network_id == floating.network_id
            && other.association.as_ref().is_some_and(|a| a.fixed_address == fixed_address)
    };
    if lent.iter().any(clash) {
        return Err(store::already_associated(floating, &association));
    }
    floating.association = Some(association);
    floating.status = Status::Active;
    Ok(())
}

/// The port's IPv4 address that is meant.
fn inner_address(port: &Port, wanted: Option<IpAddr>) -> Result<(IpAddr, SubnetId)> {
    let ipv4: Vec<_> = port.fixed_ips.iter().filter(|fixed| fixed.address.is_ipv4()).collect();
    let id = port.id;
    let chosen = match (wanted, ipv4.as_slice()) {
        (Some(wanted), _) => {
            let found = port.fixed_ips.iter().find(|fixed| fixed.address == wanted);
            found.ok_or_else(|| bad(format!("Port {id} does not have fixed ip {wanted}")))?
        }
        (None, []) => return Err(bad(format!("Cannot add floating IP to port {id} that has no fixed IPv4 addresses"))),
        (None, [only]) => only,
        (None, _) => {
            return Err(bad(format!(
                "Port {id} has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when assigning a floating IP"
            )));
        }
    };
    if chosen.address.is_ipv6() {
        return Err(bad(format!(
            "Cannot process floating IP association with {}, since that is not an IPv4 address",
            chosen.address
        )));
    }
    Ok((chosen.address, chosen.subnet_id))
}

/// A router that has a leg in the subnet and its gateway in the external network; the one at the subnet's gateway address first.
async fn find_router(change: &mut Change, external: NetworkId, subnet: SubnetId, port: PortId) -> Result<RouterId> {
    let sql = "SELECT leg.device_id FROM network_port leg \
               JOIN network_address a ON a.port_id = leg.id AND a.subnet_id = $1 \
               JOIN network_subnet s ON s.id = a.subnet_id \
               JOIN network_port way ON way.device_id = leg.device_id AND way.device_owner = 'network:router_gateway' \
               WHERE leg.device_owner = 'network:router_interface' AND way.network_id = $2 \
               ORDER BY CASE WHEN a.address = s.gateway_ip THEN 0 ELSE 1 END, leg.device_id";
    let found: Vec<RouterId> = sql::ids(change.conn(), sql, [Param::text(subnet), Param::text(external)]).await?;
    found.into_iter().next().ok_or_else(|| {
        Error::ExternalGatewayForFloatingIPNotFound(external.to_string(), subnet.to_string(), port.to_string())
    })
}

async fn touch(change: &mut Change, association: Option<&Association>) -> Result<()> {
    match association {
        Some(association) => change.touch_router(association.router_id).await,
        None => Ok(()),
    }
}

async fn take_back(change: &mut Change, mut floating: FloatingIp) -> Result<()> {
    touch(change, floating.association.as_ref()).await?;
    floating.association = None;
    floating.status = Status::Down;
    write(change, &mut floating).await
}

/// Takes back all that are lent to a port.
pub async fn free_port(change: &mut Change, port: PortId) -> Result<()> {
    for floating in store::of_port(change.conn(), port).await? {
        take_back(change, floating).await?;
    }
    Ok(())
}

/// Takes back those that are lent to one address of a port.
pub async fn free_address(change: &mut Change, port: PortId, address: IpAddr) -> Result<()> {
    for floating in store::of_port(change.conn(), port).await? {
        if floating.association.as_ref().is_some_and(|association| association.fixed_address == address) {
            take_back(change, floating).await?;
        }
    }
    Ok(())
}

/// Removes those of an external network that are lent to nobody.
pub async fn delete_idle(change: &mut Change, network: NetworkId) -> Result<()> {
    let sql = "SELECT id FROM network_floating_ip WHERE network_id = $1 AND port_id IS NULL";
    let idle: Vec<FloatingIpId> = sql::ids(change.conn(), sql, [Param::text(network)]).await?;
    for id in idle {
        delete(change, id).await?;
    }
    Ok(())
}

/// Removes a floating IP and its place in the external network.
pub async fn delete(change: &mut Change, id: FloatingIpId) -> Result<()> {
    let floating = require(change, id).await?;
    touch(change, floating.association.as_ref()).await?;
    store::delete(change.conn(), id).await?;
    match port::store::get(change.conn(), floating.outer_port_id).await? {
        Some(outer) => port::service::remove(change, &outer).await,
        None => Ok(()),
    }
}
