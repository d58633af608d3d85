//! Rules of subnets.

use super::{
    model::{Subnet, mode_named},
    rules, service_address, store, wire,
};
use crate::{
    address::{first_usable, pool},
    attributes::Attributes,
    error::{Error, Result},
    network::{self, model::Network},
    port::{
        self,
        model::{AUTO_DELETED, ROUTER_INTERFACE},
    },
    quota,
    service::{Caller, Change},
    standard::{Standard, check_written},
};
use controller_base::id::{NetworkId, SubnetId};
use controller_db::{Filter, Value};
use ipnet::IpNet;
use std::net::IpAddr;

/// A new subnet.
pub async fn create(change: &mut Change, caller: &Caller, attributes: &Attributes) -> Result<Subnet> {
    let standard = Standard::from_attributes(attributes, change.now);
    let network_id: NetworkId = attributes.parsed("network_id").ok_or(Error::HTTPNotFound)?;
    let network = network::service::require_visible(change, caller, network_id).await?;
    if !caller.owns(network.standard.project_id.as_ref()) {
        return Err(Error::NetworkNotFound(network_id.to_string()));
    }
    network::store::lock(change.conn(), network_id).await?;
    quota::check(change, standard.project_id.as_ref(), "subnet", 1).await?;
    let subnet = build(standard, &network, attributes)?;
    rules::check_prefix(&subnet.cidr, attributes.integer("ip_version").unwrap_or(4))?;
    rules::check(&subnet, change.service.config())?;
    rules::check_overlap(&subnet.cidr, &store::of_network(change.conn(), network_id).await?)?;
    store::insert(change.conn(), &subnet).await?;
    port::service::add_auto_addresses(change, &subnet).await?;
    service_address::ensure_if_used(change, network_id).await?;
    change.touch_network(network_id).await?;
    Ok(subnet)
}

fn build(standard: Standard, network: &Network, attributes: &Attributes) -> Result<Subnet> {
    if attributes.get("subnetpool_id").is_some() || attributes.get("prefixlen").is_some() {
        return Err(Error::BadRequest("subnets", "subnet pools are not offered: give a cidr".into()));
    }
    let Some(cidr) = attributes.parsed::<IpNet>("cidr") else {
        return Err(Error::BadRequest("subnets", "a subnetpool must be specified in the absence of a cidr".into()));
    };
    let mode = |name: &str| attributes.text(name).as_deref().and_then(mode_named);
    let (address_mode, ra_mode) = (mode("ipv6_address_mode"), mode("ipv6_ra_mode"));
    let gateway = match attributes.has("gateway_ip") {
        true => attributes.parsed::<IpAddr>("gateway_ip"),
        false => Some(first_usable(&cidr)),
    };
    Ok(Subnet {
        id: SubnetId::random(),
        standard,
        network_id: network.id,
        network: network.into(),
        cidr,
        gateway,
        enable_dhcp: attributes.flag("enable_dhcp").unwrap_or(true),
        dns_nameservers: attributes.list("dns_nameservers").unwrap_or_default(),
        host_routes: wire::routes(attributes, "host_routes").unwrap_or_default(),
        pools: wire::pools(attributes)
            .filter(|_| attributes.was_given("allocation_pools"))
            .unwrap_or_else(|| pool::default_pools(&cidr, gateway)),
        address_mode,
        ra_mode,
        service_types: attributes.list("service_types").unwrap_or_default(),
        dns_publish_fixed_ip: attributes.flag("dns_publish_fixed_ip").unwrap_or(false),
    })
}

/// A changed subnet.
pub async fn update(change: &mut Change, id: SubnetId, attributes: &Attributes) -> Result<Subnet> {
    let mut subnet = store::require(change.conn(), id).await?;
    network::store::lock(change.conn(), subnet.network_id).await?;
    subnet.standard.apply(attributes);
    if attributes.was_given("gateway_ip") {
        change_gateway(change, &mut subnet, attributes.parsed("gateway_ip")).await?;
    }
    if let Some(pools) = wire::pools(attributes) {
        subnet.pools = pools;
    }
    if let Some(servers) = attributes.list("dns_nameservers") {
        subnet.dns_nameservers = servers;
    }
    if let Some(routes) = wire::routes(attributes, "host_routes") {
        subnet.host_routes = routes;
    }
    if let Some(types) = attributes.list("service_types") {
        subnet.service_types = types;
    }
    attributes.copy_flag("enable_dhcp", &mut subnet.enable_dhcp);
    attributes.copy_flag("dns_publish_fixed_ip", &mut subnet.dns_publish_fixed_ip);
    rules::check(&subnet, change.service.config())?;
    let seen = subnet.standard.advance(change.now);
    check_written(store::update(change.conn(), &subnet, seen).await?)?;
    service_address::ensure_if_used(change, subnet.network_id).await?;
    change.touch_network(subnet.network_id).await?;
    change.touch_gateways(subnet.network_id).await?;
    Ok(subnet)
}

async fn change_gateway(change: &mut Change, subnet: &mut Subnet, gateway: Option<IpAddr>) -> Result<()> {
    if gateway == subnet.gateway {
        return Ok(());
    }
    if let Some(current) = subnet.gateway
        && let Some(holder) = store::holder(change.conn(), subnet.id, current).await?
        && port::store::get(change.conn(), holder).await?.is_some_and(|port| port.device_owner == ROUTER_INTERFACE)
    {
        return Err(Error::GatewayIpInUse(current.to_string(), holder.to_string()));
    }
    subnet.gateway = gateway;
    Ok(())
}

/// Removes a subnet that no port needs; addresses that ports formed by themselves go with it.
pub async fn delete(change: &mut Change, id: SubnetId) -> Result<()> {
    let subnet = store::require(change.conn(), id).await?;
    network::store::lock(change.conn(), subnet.network_id).await?;
    let filter = Filter::new(port::store::SELECT)
        .and("id IN (SELECT port_id FROM network_address WHERE subnet_id = ?)", [Value::text(id)]);
    let ports = port::store::list(change.conn(), filter).await?;
    let goes_along = |port: &port::model::Port| {
        AUTO_DELETED.contains(&port.device_owner.as_str()) || (subnet.is_auto_address() && !port.is_router_port())
    };
    if !ports.iter().all(goes_along) {
        let reason = "One or more ports have an IP allocation from this subnet";
        return Err(Error::SubnetInUse(id.to_string(), reason.into()));
    }
    for mut port in ports {
        change.touch_port(&port).await?;
        port.fixed_ips.retain(|fixed| fixed.subnet_id != id);
        port::store::write_addresses(change.conn(), &port).await?;
        let seen = port.standard.advance(change.now);
        check_written(port::store::update(change.conn(), &port, seen).await?)?;
    }
    store::delete(change.conn(), id).await?;
    service_address::drop_if_unused(change, subnet.network_id).await?;
    change.touch_network(subnet.network_id).await
}
