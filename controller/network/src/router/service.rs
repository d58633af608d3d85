//! Rules of routers themselves.

use super::{gateway, interface, model::Router, store, wire};
use crate::{
    address,
    attributes::Attributes,
    error::{Error, Result},
    floating_ip,
    port::{self, model::ROUTER_INTERFACE},
    quota,
    service::{Caller, Change},
    sql::{self, Param},
    standard::{Standard, check_written},
    subnet::wire::{render_routes, routes},
};
use controller_base::id::RouterId;
use controller_ports::fleet::net::Route;

/// A new router.
pub async fn create(change: &mut Change, caller: &Caller, attributes: &Attributes) -> Result<Router> {
    let standard = Standard::from_attributes(attributes, change.now);
    quota::check(change, standard.project_id.as_ref(), "router", 1).await?;
    let mut router = Router {
        id: RouterId::random(),
        admin_up: attributes.flag("admin_state_up").unwrap_or(true),
        enable_snat: true,
        routes: Vec::new(),
        gateway: None,
        standard,
    };
    store::insert(change.conn(), &router).await?;
    if let Some(Some(wanted)) = wire::wanted_gateway(attributes) {
        gateway::set(change, caller, &mut router, &wanted).await?;
        write(change, &mut router, false).await?;
    }
    if let Some(routes) = routes(attributes, "routes").filter(|routes| !routes.is_empty()) {
        check_routes(change, &router, &routes).await?;
        router.routes = routes;
        write(change, &mut router, false).await?;
    }
    Ok(router)
}

/// Writes the router back. `counts`: as a revision of its own.
async fn write(change: &mut Change, router: &mut Router, counts: bool) -> Result<()> {
    let seen = if counts { router.standard.advance(change.now) } else { router.standard.generation.0 };
    check_written(store::update(change.conn(), router, seen).await?)
}

/// A changed router.
pub async fn update(change: &mut Change, caller: &Caller, id: RouterId, attributes: &Attributes) -> Result<Router> {
    let mut router = store::require(change.conn(), id).await?;
    change.touch_router_legs(id).await?;
    router.standard.apply(attributes);
    attributes.copy_flag("admin_state_up", &mut router.admin_up);
    match wire::wanted_gateway(attributes) {
        None => {}
        Some(None) => gateway::clear(change, &mut router).await?,
        Some(Some(wanted)) => gateway::set(change, caller, &mut router, &wanted).await?,
    }
    if let Some(routes) = routes(attributes, "routes") {
        check_routes(change, &router, &routes).await?;
        router.routes = routes;
    }
    write(change, &mut router, true).await?;
    change.touch_router_legs(id).await?;
    Ok(router)
}

/// A route's next hop lies behind one of the router's legs and is not the router itself.
async fn check_routes(change: &mut Change, router: &Router, routes: &[Route]) -> Result<()> {
    let most = change.service.config().max_routes;
    if routes.len() > most {
        return Err(Error::RoutesExhausted(router.id.to_string(), most));
    }
    let legs = interface::attached_subnets(change.conn(), router.id).await?;
    for route in routes {
        let wrong = |reason: &str| Err(Error::InvalidRoutes(render_routes(routes).to_string(), reason.to_owned()));
        if !legs.iter().any(|(_, subnet)| address::usable(&subnet.cidr, route.next_hop)) {
            return wrong("the nexthop is not connected with router");
        }
        if legs.iter().any(|(fixed, _)| fixed.address == route.next_hop) {
            return wrong("the nexthop is used by router");
        }
    }
    Ok(())
}

/// Removes a router without legs.
pub async fn delete(change: &mut Change, id: RouterId) -> Result<()> {
    let mut router = store::require(change.conn(), id).await?;
    if !port::store::of_device(change.conn(), &id.to_string(), ROUTER_INTERFACE).await?.is_empty() {
        return Err(Error::RouterInUse(id.to_string(), "still has ports".into()));
    }
    if !floating_ip::store::of_router(change.conn(), id).await?.is_empty() {
        return Err(Error::RouterInUse(id.to_string(), "still has floating IPs".into()));
    }
    gateway::clear(change, &mut router).await?;
    store::delete(change.conn(), id).await
}

/// Makes other changes of the router's legs wait until this transaction ends.
pub async fn lock(change: &mut Change, id: RouterId) -> Result<()> {
    let sql = "UPDATE network_router SET generation = generation + 1, updated_at = $1 WHERE id = $2";
    let now = Param::Int(change.now.0);
    match sql::run(change.conn(), sql, [now, Param::text(id)]).await? {
        0 => Err(Error::RouterNotFound(id.to_string())),
        _ => Ok(()),
    }
}
