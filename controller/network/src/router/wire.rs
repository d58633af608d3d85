//! A router's body.

use super::model::Router;
use crate::{
    attributes::{Attribute, Attributes, Check, Preset},
    port::{
        allocate::Wanted,
        wire::{render_addresses, wanted},
    },
    subnet::wire::render_routes,
};
use controller_base::id::NetworkId;
use serde_json::{Map, Value, json};

/// What a router's body may hold.
pub const ATTRIBUTES: &[Attribute] = &[
    Attribute::told("id"),
    Attribute::writable("name", Preset::Empty, Check::Name),
    Attribute::writable("admin_state_up", Preset::Flag(true), Check::Flag),
    Attribute::told("status"),
    Attribute::fixed("project_id", Preset::Unset, Check::Project),
    Attribute::told("tenant_id"),
    Attribute::writable("external_gateway_info", Preset::Null, Check::Gateway)
        .guarded("create_router:external_gateway_info", "update_router:external_gateway_info")
        .unfiltered(),
    Attribute::writable("routes", Preset::Unset, Check::Routes).unfiltered(),
    Attribute::fixed("availability_zone_hints", Preset::Unset, Check::TextList).unfiltered(),
    Attribute::told("availability_zones").unfiltered(),
    Attribute::fixed("flavor_id", Preset::Unset, Check::UuidOrNull),
    Attribute::writable("description", Preset::Empty, Check::Name),
    Attribute::told("tags").unfiltered(),
    Attribute::told("created_at"),
    Attribute::told("updated_at"),
    Attribute::told("revision_number"),
];

/// What a body says of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedGateway {
    /// The external network.
    pub network_id: NetworkId,
    /// Whether to hide tenants' addresses; `None`: as it was.
    pub enable_snat: Option<bool>,
    /// Addresses there; `None`: any.
    pub fixed_ips: Option<Vec<Wanted>>,
}

/// The gateway that a body asks for; `Some(None)`: none.
#[must_use]
pub fn wanted_gateway(attributes: &Attributes) -> Option<Option<WantedGateway>> {
    if !attributes.was_given("external_gateway_info") {
        return None;
    }
    let Some(info) = attributes.get("external_gateway_info").and_then(Value::as_object) else {
        return Some(None);
    };
    let fixed_ips = info.get("external_fixed_ips").and_then(Value::as_array);
    Some(info.get("network_id").and_then(Value::as_str).and_then(|id| id.parse().ok()).map(|network_id| {
        WantedGateway {
            network_id,
            enable_snat: info.get("enable_snat").and_then(Value::as_bool),
            fixed_ips: fixed_ips.map(|list| list.iter().filter_map(Value::as_object).map(wanted).collect()),
        }
    }))
}

/// The body.
#[must_use]
pub fn render(router: &Router) -> Map<String, Value> {
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    put("id", json!(router.id.to_string()));
    put("name", json!(router.standard.name));
    put("admin_state_up", json!(router.admin_up));
    put("status", json!("ACTIVE"));
    let gateway = router.gateway.as_ref().map(|gateway| {
        json!({
            "network_id": gateway.network_id.to_string(),
            "enable_snat": router.enable_snat,
            "external_fixed_ips": render_addresses(&gateway.fixed_ips),
        })
    });
    put("external_gateway_info", gateway.unwrap_or(Value::Null));
    put("routes", render_routes(&router.routes));
    put("availability_zone_hints", json!([]));
    put("availability_zones", json!([]));
    put("flavor_id", Value::Null);
    router.standard.render(&mut body);
    body
}
