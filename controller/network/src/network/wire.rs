//! A network's body.

use super::model::{Network, WantedSegment};
use crate::attributes::{Attribute, Attributes, Check, Preset};
use serde_json::{Map, Value, json};

/// What a network's body may hold.
pub const ATTRIBUTES: &[Attribute] = &[
    Attribute::told("id"),
    Attribute::writable("name", Preset::Empty, Check::Name),
    Attribute::told("subnets").unfiltered(),
    Attribute::writable("admin_state_up", Preset::Flag(true), Check::Flag),
    Attribute::told("status"),
    Attribute::fixed("project_id", Preset::Unset, Check::Project),
    Attribute::told("tenant_id"),
    Attribute::writable("shared", Preset::Flag(false), Check::Flag)
        .guarded("create_network:shared", "update_network:shared"),
    Attribute::writable("router:external", Preset::Flag(false), Check::Flag)
        .guarded("create_network:router:external", "update_network:router:external"),
    Attribute::writable("is_default", Preset::Flag(false), Check::Flag)
        .guarded("create_network:is_default", "update_network:is_default"),
    Attribute::writable("port_security_enabled", Preset::Flag(true), Check::Flag)
        .guarded("create_network:port_security_enabled", "update_network:port_security_enabled"),
    Attribute::writable("mtu", Preset::Unset, Check::Integer(0, 65_535)),
    Attribute::writable("dns_domain", Preset::Empty, Check::DnsName),
    Attribute::writable("provider:network_type", Preset::Unset, Check::TextOrNull(32))
        .guarded("create_network:provider:network_type", "update_network:provider:network_type")
        .shown_by("get_network:provider:network_type"),
    Attribute::writable("provider:physical_network", Preset::Unset, Check::TextOrNull(64))
        .guarded("create_network:provider:physical_network", "update_network:provider:physical_network")
        .shown_by("get_network:provider:physical_network"),
    Attribute::writable("provider:segmentation_id", Preset::Unset, Check::IntegerOrNull(0, 16_777_215))
        .guarded("create_network:provider:segmentation_id", "update_network:provider:segmentation_id")
        .shown_by("get_network:provider:segmentation_id"),
    Attribute::fixed("availability_zone_hints", Preset::Unset, Check::TextList).unfiltered(),
    Attribute::told("availability_zones").unfiltered(),
    Attribute::told("ipv4_address_scope"),
    Attribute::told("ipv6_address_scope"),
    Attribute::writable("description", Preset::Empty, Check::Name),
    Attribute::told("tags").unfiltered(),
    Attribute::told("created_at"),
    Attribute::told("updated_at"),
    Attribute::told("revision_number"),
];

/// The segment that a body asks for.
#[must_use]
pub fn wanted_segment(attributes: &Attributes) -> WantedSegment {
    WantedSegment {
        kind: attributes.text("provider:network_type"),
        physical_network: attributes.text("provider:physical_network"),
        number: attributes.integer("provider:segmentation_id").and_then(|number| u32::try_from(number).ok()),
    }
}

/// The body.
#[must_use]
pub fn render(network: &Network) -> Map<String, Value> {
    let mut body = Map::new();
    let subnets: Vec<_> = network.subnets.iter().map(ToString::to_string).collect();
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    put("id", json!(network.id.to_string()));
    put("name", json!(network.standard.name));
    put("admin_state_up", json!(network.admin_up));
    put("status", json!("ACTIVE"));
    put("shared", json!(network.shared));
    put("subnets", json!(subnets));
    put("router:external", json!(network.external));
    if network.external {
        put("is_default", json!(network.is_default));
    }
    put("port_security_enabled", json!(network.port_security));
    put("mtu", json!(network.mtu));
    put("dns_domain", json!(absolute(&network.dns_domain)));
    put("provider:network_type", json!(network.segment.kind()));
    put("provider:physical_network", json!(network.segment.physical_network()));
    put("provider:segmentation_id", json!(network.segment.number()));
    put("availability_zone_hints", json!([]));
    put("availability_zones", json!([]));
    put("ipv4_address_scope", Value::Null);
    put("ipv6_address_scope", Value::Null);
    network.standard.render(&mut body);
    body
}

/// With the dot at its end.
fn absolute(domain: &str) -> String {
    if domain.is_empty() { String::new() } else { format!("{}.", domain.trim_end_matches('.')) }
}
