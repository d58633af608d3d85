//! A router's leg in an external network.

use super::{
    interface,
    model::{Gateway, Router},
    wire::WantedGateway,
};
use crate::{
    error::{Error, Result},
    floating_ip, network,
    port::{
        self,
        allocate::Wanted,
        model::{Port, ROUTER_GATEWAY, Status},
        service::NewPort,
    },
    service::{Caller, Change},
    standard::{Standard, check_written},
    subnet,
};

/// Moves the gateway to where it is wanted; the router's row is written by the caller.
pub async fn set(change: &mut Change, caller: &Caller, router: &mut Router, wanted: &WantedGateway) -> Result<()> {
    let network = network::service::require_visible(change, caller, wanted.network_id).await?;
    if !network.external {
        return Err(Error::BadRequest("router", format!("Network {} is not an external network", network.id)));
    }
    router.enable_snat = wanted.enable_snat.unwrap_or(true);
    let same_network = router.gateway.as_ref().filter(|gateway| gateway.network_id == wanted.network_id);
    match same_network.map(|gateway| gateway.port_id) {
        Some(port_id) => {
            if let Some(fixed_ips) = &wanted.fixed_ips {
                let leg = port::store::require(change.conn(), port_id).await?;
                move_addresses(change, router, leg, fixed_ips).await?;
            }
            Ok(())
        }
        None => {
            clear(change, router).await?;
            make(change, router, wanted).await
        }
    }
}

async fn move_addresses(change: &mut Change, router: &mut Router, mut leg: Port, wanted: &[Wanted]) -> Result<()> {
    network::store::lock(change.conn(), leg.network_id).await?;
    port::service::change_addresses(change, &mut leg, wanted).await?;
    let seen = leg.standard.advance(change.now);
    check_written(port::store::update(change.conn(), &leg, seen).await?)?;
    router.gateway = Some(as_gateway(&leg));
    Ok(())
}

fn as_gateway(leg: &Port) -> Gateway {
    Gateway { port_id: leg.id, network_id: leg.network_id, fixed_ips: leg.fixed_ips.clone() }
}

async fn make(change: &mut Change, router: &mut Router, wanted: &WantedGateway) -> Result<()> {
    let subnets = subnet::store::of_network(change.conn(), wanted.network_id).await?;
    interface::refuse_overlap(change, router.id, &subnets).await?;
    let new = NewPort {
        device_id: router.id.to_string(),
        device_owner: ROUTER_GATEWAY.to_owned(),
        port_security: Some(false),
        fixed_ips: wanted.fixed_ips.clone(),
        groups: Some(Vec::new()),
        status: Status::Active,
        ..NewPort::new(Standard::new(None, change.now), wanted.network_id)
    };
    let leg = port::service::create(change, &Caller::service(), new).await?;
    router.gateway = Some(as_gateway(&leg));
    Ok(())
}

/// Takes the gateway away, unless a floating IP needs it.
pub async fn clear(change: &mut Change, router: &mut Router) -> Result<()> {
    let Some(gateway) = router.gateway.take() else { return Ok(()) };
    let needed = floating_ip::store::of_router(change.conn(), router.id).await?;
    if needed.iter().any(|floating| floating.network_id == gateway.network_id) {
        let network = gateway.network_id.to_string();
        return Err(Error::RouterExternalGatewayInUseByFloatingIp(router.id.to_string(), network));
    }
    if let Some(leg) = port::store::get(change.conn(), gateway.port_id).await? {
        change.touch_router_legs(router.id).await?;
        port::service::remove(change, &leg).await?;
    }
    Ok(())
}
