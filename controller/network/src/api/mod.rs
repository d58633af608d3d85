//! The REST edge: Neutron's API v2.0.
//!
//! Kinds of resources share their handlers ([`generic`]); what differs between them stands in [`resources`].

mod availability;
mod error;
mod extensions;
mod generic;
mod interfaces;
mod query;
mod quotas;
mod resource;
mod resources;
mod tags;
#[cfg(test)]
mod tests;
mod versions;

use crate::service::NetworkService;
use controller_web::{Access, ErrorStyle, Routes, Service, ServiceInfo, WebState};
use resources::{FloatingIps, Networks, Ports, Routers, SecurityGroupRules, SecurityGroups, Subnets};

/// What the service is. Bulk creations need more room than the usual bound.
pub static INFO: ServiceInfo =
    ServiceInfo { name: "network", style: ErrorStyle::Network, body_limit: 1 << 20, microversions: None };

/// The service with its layers.
#[must_use]
pub fn service(network: NetworkService, web: &WebState) -> Service {
    Service::new(&INFO, routes(), network, web)
}

macro_rules! resource {
    ($routes:expr, $kind:ty, $collection:literal, $get:literal, $create:literal, $update:literal, $delete:literal) => {
        $routes
            .get(concat!("/v2.0/", $collection), $get, generic::list::<$kind>)
            .post(concat!("/v2.0/", $collection), $create, generic::create::<$kind>)
            .get(concat!("/v2.0/", $collection, "/{id}"), $get, generic::show::<$kind>)
            .put(concat!("/v2.0/", $collection, "/{id}"), $update, generic::update::<$kind>)
            .delete(concat!("/v2.0/", $collection, "/{id}"), $delete, generic::delete::<$kind>)
            .get(concat!("/v2.0/", $collection, "/{id}/tags"), $get, tags::list::<$kind>)
            .put(concat!("/v2.0/", $collection, "/{id}/tags"), $update, tags::replace::<$kind>)
            .delete(concat!("/v2.0/", $collection, "/{id}/tags"), $update, tags::clear::<$kind>)
            .get(concat!("/v2.0/", $collection, "/{id}/tags/{tag}"), $get, tags::show::<$kind>)
            .put(concat!("/v2.0/", $collection, "/{id}/tags/{tag}"), $update, tags::add::<$kind>)
            .delete(concat!("/v2.0/", $collection, "/{id}/tags/{tag}"), $update, tags::remove::<$kind>)
    };
}

/// Its routes.
#[must_use]
pub fn routes() -> Routes<NetworkService> {
    let routes = Routes::new()
        .get("/", Access::Public, versions::list)
        .get("/v2.0", Access::Public, versions::resources)
        .get("/v2.0/extensions", Access::Token, extensions::list)
        .get("/v2.0/extensions/{alias}", Access::Token, extensions::show);
    let routes =
        resource!(routes, Networks, "networks", "get_network", "create_network", "update_network", "delete_network");
    let routes = resource!(routes, Subnets, "subnets", "get_subnet", "create_subnet", "update_subnet", "delete_subnet");
    let routes = resource!(routes, Ports, "ports", "get_port", "create_port", "update_port", "delete_port");
    let routes = resource!(routes, Routers, "routers", "get_router", "create_router", "update_router", "delete_router");
    let routes = resource!(
        routes,
        FloatingIps,
        "floatingips",
        "get_floatingip",
        "create_floatingip",
        "update_floatingip",
        "delete_floatingip"
    );
    let routes = resource!(
        routes,
        SecurityGroups,
        "security-groups",
        "get_security_group",
        "create_security_group",
        "update_security_group",
        "delete_security_group"
    );
    routes
        .get("/v2.0/security-group-rules", "get_security_group_rule", generic::list::<SecurityGroupRules>)
        .post("/v2.0/security-group-rules", "create_security_group_rule", generic::create::<SecurityGroupRules>)
        .get("/v2.0/security-group-rules/{id}", "get_security_group_rule", generic::show::<SecurityGroupRules>)
        .delete("/v2.0/security-group-rules/{id}", "delete_security_group_rule", generic::delete::<SecurityGroupRules>)
        .put("/v2.0/routers/{id}/add_router_interface", "add_router_interface", interfaces::add)
        .put("/v2.0/routers/{id}/remove_router_interface", "remove_router_interface", interfaces::remove)
        .get("/v2.0/quotas", "get_quotas", quotas::list)
        .get("/v2.0/quotas/{project}", "get_quota", quotas::show)
        .put("/v2.0/quotas/{project}", "update_quota", quotas::update)
        .delete("/v2.0/quotas/{project}", "delete_quota", quotas::reset)
        .get("/v2.0/quotas/{project}/default", "get_quota", quotas::defaults)
        .get("/v2.0/quotas/{project}/details", "get_quota", quotas::details)
        .get("/v2.0/quotas/{project}/details.json", "get_quota", quotas::details)
        .get("/v2.0/agents", "get_agent", extensions::agents)
        .get("/v2.0/network-ip-availabilities", "get_network_ip_availability", availability::list)
        .get("/v2.0/network-ip-availabilities/{id}", "get_network_ip_availability", availability::show)
}
