//! The hosts' own address on each subnet with DHCP, where every host answers DHCP, DNS and metadata to its own guests.
//!
//! It is the same on all hosts and is kept by one port per network that belongs to the service: made before the network's first
//! server port, counted by no quota, gone with the network.

use super::{model::Subnet, store};
use crate::{
    error::Result,
    network,
    port::{
        self, allocate,
        model::{Port, SERVICE, Status},
        service::NewPort,
    },
    service::{Caller, Change},
    sql::{self, Param},
    standard::{Standard, check_written},
};
use controller_base::id::NetworkId;
use controller_db::Connection;

/// What the port of a network names as its device.
#[must_use]
pub fn device_id(network: NetworkId) -> String {
    format!("host-services-{network}")
}

/// The network's service port.
async fn find(conn: &mut Connection, network: NetworkId) -> Result<Option<Port>> {
    Ok(port::store::of_device(conn, &device_id(network), SERVICE).await?.pop())
}

/// The same, if a server is plugged into the network; else there is time.
pub async fn ensure_if_used(change: &mut Change, network: NetworkId) -> Result<()> {
    let used = "SELECT id FROM network_port WHERE network_id = $1 AND host_id IS NOT NULL";
    match sql::exists(change.conn(), used, [Param::text(network)]).await? {
        true => ensure(change, network).await.map(drop),
        false => Ok(()),
    }
}

/// Each subnet with DHCP has its service address afterwards, and no other has one. The network is locked; these are its subnets.
pub async fn ensure(change: &mut Change, network_id: NetworkId) -> Result<Vec<Subnet>> {
    let known = store::of_network_with_service(change.conn(), network_id).await?;
    let is_complete = known.iter().all(|(subnet, address)| subnet.enable_dhcp == address.is_some());
    let subnets = known.into_iter().map(|(subnet, _)| subnet).collect();
    if is_complete {
        return Ok(subnets);
    }
    let port = match find(change.conn(), network_id).await? {
        None => make(change, network_id).await?,
        Some(port) => port,
    };
    address(change, port, &subnets).await?;
    Ok(subnets)
}

async fn address(change: &mut Change, mut port: Port, subnets: &[Subnet]) -> Result<()> {
    let subnets: Vec<&Subnet> = subnets.iter().filter(|subnet| subnet.enable_dhcp).collect();
    let before = port.fixed_ips.clone();
    port.fixed_ips.retain(|fixed| subnets.iter().any(|subnet| subnet.id == fixed.subnet_id));
    for subnet in &subnets {
        if !port.fixed_ips.iter().any(|fixed| fixed.subnet_id == subnet.id) {
            let fixed = allocate::from_subnet(change.conn(), subnet, &port.mac, &port.fixed_ips).await?;
            port.fixed_ips.push(fixed);
        }
    }
    if port.fixed_ips != before {
        port::store::write_addresses(change.conn(), &port).await?;
        let seen = port.standard.advance(change.now);
        check_written(port::store::update(change.conn(), &port, seen).await?)?;
        change.touch_network(port.network_id).await?;
    }
    Ok(())
}

async fn make(change: &mut Change, network_id: NetworkId) -> Result<Port> {
    let network = network::store::require(change.conn(), network_id).await?;
    let standard = Standard::new(network.standard.project_id, change.now);
    let new = NewPort {
        device_id: device_id(network_id),
        device_owner: SERVICE.to_owned(),
        port_security: Some(false),
        fixed_ips: Some(Vec::new()),
        groups: Some(Vec::new()),
        status: Status::Active,
        ..NewPort::new(standard, network_id)
    };
    port::service::create(change, &Caller::service(), new).await
}

/// Removes the service port once it has no address left.
pub async fn drop_if_unused(change: &mut Change, network: NetworkId) -> Result<()> {
    match find(change.conn(), network).await? {
        Some(port) if port.fixed_ips.is_empty() => port::store::delete(change.conn(), port.id).await,
        _ => Ok(()),
    }
}
