//! A subnet's body.

use super::model::{Subnet, mode_name};
use crate::{
    address::pool::Pool,
    attributes::{Attribute, Attributes, Check, Preset},
};
use controller_ports::fleet::net::Route;
use serde_json::{Map, Value, json};

const MODES: &[&str] = &["dhcpv6-stateful", "dhcpv6-stateless", "slaac"];

/// What a subnet's body may hold.
pub const ATTRIBUTES: &[Attribute] = &[
    Attribute::told("id"),
    Attribute::writable("name", Preset::Empty, Check::Name),
    Attribute::fixed("ip_version", Preset::Required, Check::Number(&[4, 6])),
    Attribute::fixed("network_id", Preset::Required, Check::Uuid),
    Attribute::fixed("cidr", Preset::Unset, Check::PrefixOrNull),
    Attribute::writable("gateway_ip", Preset::Unset, Check::AddressOrNull),
    Attribute::writable("allocation_pools", Preset::Unset, Check::Pools).unfiltered(),
    Attribute::writable("dns_nameservers", Preset::Unset, Check::NameServers).unfiltered(),
    Attribute::writable("host_routes", Preset::Unset, Check::Routes).unfiltered(),
    Attribute::fixed("project_id", Preset::Unset, Check::Project),
    Attribute::told("tenant_id"),
    Attribute::writable("enable_dhcp", Preset::Flag(true), Check::Flag),
    Attribute::fixed("ipv6_ra_mode", Preset::Unset, Check::OneOfOrNull(MODES)),
    Attribute::fixed("ipv6_address_mode", Preset::Unset, Check::OneOfOrNull(MODES)),
    Attribute::fixed("subnetpool_id", Preset::Unset, Check::UuidOrNull),
    Attribute::fixed("prefixlen", Preset::Unset, Check::Integer(0, 128)).unfiltered(),
    Attribute::writable("service_types", Preset::Unset, Check::TextList).unfiltered(),
    Attribute::writable("dns_publish_fixed_ip", Preset::Flag(false), Check::Flag),
    Attribute::told("router:external"),
    Attribute::writable("description", Preset::Empty, Check::Name),
    Attribute::told("tags").unfiltered(),
    Attribute::told("created_at"),
    Attribute::told("updated_at"),
    Attribute::told("revision_number"),
];

/// The pools that a body asks for.
#[must_use]
pub fn pools(attributes: &Attributes) -> Option<Vec<Pool>> {
    let parse = |map: &Map<String, Value>, key: &str| map.get(key)?.as_str()?.parse().ok();
    let pool = |map| Some(Pool { first: parse(map, "start")?, last: parse(map, "end")? });
    Some(attributes.objects("allocation_pools")?.into_iter().filter_map(pool).collect())
}

/// The routes of a body's list.
#[must_use]
pub fn routes(attributes: &Attributes, name: &str) -> Option<Vec<Route>> {
    let route = |map: &Map<String, Value>| {
        Some(Route {
            destination: map.get("destination")?.as_str()?.parse().ok()?,
            next_hop: map.get("nexthop")?.as_str()?.parse().ok()?,
        })
    };
    Some(attributes.objects(name)?.into_iter().filter_map(route).collect())
}

/// Routes as bodies tell them.
#[must_use]
pub fn render_routes(routes: &[Route]) -> Value {
    let route =
        |route: &Route| json!({"destination": route.destination.to_string(), "nexthop": route.next_hop.to_string()});
    routes.iter().map(route).collect()
}

/// The body.
#[must_use]
pub fn render(subnet: &Subnet) -> Map<String, Value> {
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    put("id", json!(subnet.id.to_string()));
    put("name", json!(subnet.standard.name));
    put("network_id", json!(subnet.network_id.to_string()));
    put("ip_version", json!(subnet.ip_version()));
    put("cidr", json!(subnet.cidr.to_string()));
    put("gateway_ip", json!(subnet.gateway.map(|gateway| gateway.to_string())));
    let pool = |pool: &Pool| json!({"start": pool.first.to_string(), "end": pool.last.to_string()});
    put("allocation_pools", subnet.pools.iter().map(pool).collect());
    let servers: Vec<_> = subnet.dns_nameservers.iter().map(ToString::to_string).collect();
    put("dns_nameservers", json!(servers));
    put("host_routes", render_routes(&subnet.host_routes));
    put("enable_dhcp", json!(subnet.enable_dhcp));
    put("ipv6_ra_mode", json!(subnet.ra_mode.map(mode_name)));
    put("ipv6_address_mode", json!(subnet.address_mode.map(mode_name)));
    put("subnetpool_id", Value::Null);
    put("service_types", json!(subnet.service_types));
    put("dns_publish_fixed_ip", json!(subnet.dns_publish_fixed_ip));
    put("router:external", json!(subnet.network.external));
    subnet.standard.render(&mut body);
    body
}
