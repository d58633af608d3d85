//! A floating IP's body.

use super::model::FloatingIp;
use crate::{
    attributes::{Attribute, Check, Preset},
    port::model::Port,
};
use serde_json::{Map, Value, json};

/// What a floating IP's body may hold.
pub const ATTRIBUTES: &[Attribute] = &[
    Attribute::told("id"),
    Attribute::fixed("floating_ip_address", Preset::Unset, Check::AddressOrNull)
        .guarded_at_create("create_floatingip:floating_ip_address"),
    Attribute::fixed("subnet_id", Preset::Unset, Check::UuidOrNull).unfiltered(),
    Attribute::fixed("floating_network_id", Preset::Required, Check::Uuid),
    Attribute::told("router_id"),
    Attribute::writable("port_id", Preset::Null, Check::UuidOrNull),
    Attribute::writable("fixed_ip_address", Preset::Null, Check::AddressOrNull),
    Attribute::fixed("project_id", Preset::Unset, Check::Project),
    Attribute::told("tenant_id"),
    Attribute::told("status"),
    Attribute::told("port_details").unfiltered(),
    Attribute::fixed("dns_name", Preset::Empty, Check::DnsName),
    Attribute::fixed("dns_domain", Preset::Empty, Check::DnsName),
    Attribute::writable("description", Preset::Empty, Check::Name),
    Attribute::told("tags").unfiltered(),
    Attribute::told("created_at"),
    Attribute::told("updated_at"),
    Attribute::told("revision_number"),
];

/// The body; `inner` is the port that it is lent to.
#[must_use]
pub fn render(floating: &FloatingIp, inner: Option<&Port>) -> Map<String, Value> {
    let association = floating.association.as_ref();
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    put("id", json!(floating.id.to_string()));
    put("floating_ip_address", json!(floating.address.to_string()));
    put("floating_network_id", json!(floating.network_id.to_string()));
    put("router_id", json!(association.map(|association| association.router_id.to_string())));
    put("port_id", json!(association.map(|association| association.port_id.to_string())));
    put("fixed_ip_address", json!(association.map(|association| association.fixed_address.to_string())));
    put("status", json!(floating.status.name()));
    let details = inner.map(|port| {
        json!({
            "name": port.standard.name,
            "network_id": port.network_id.to_string(),
            "mac_address": port.mac,
            "admin_state_up": port.admin_up,
            "status": port.status.name(),
            "device_id": port.device_id,
            "device_owner": port.device_owner,
        })
    });
    put("port_details", details.unwrap_or(Value::Null));
    put("dns_name", json!(floating.dns_name));
    put("dns_domain", json!(floating.dns_domain));
    floating.standard.render(&mut body);
    body
}
