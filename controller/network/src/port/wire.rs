//! A port's body.

use super::{
    allocate::Wanted,
    model::{AddressPair, DhcpOption, Port},
    service::NewPort,
};
use crate::{
    attributes::{Attribute, Attributes, Check, Preset},
    error::{Error, Result},
    standard::Standard,
};
use controller_base::Timestamp;
use controller_ports::fleet::net::FixedIp;
use serde_json::{Map, Value, json};

const VNIC_TYPES: &[&str] = &[
    "normal",
    "direct",
    "macvtap",
    "baremetal",
    "direct-physical",
    "virtio-forwarder",
    "smart-nic",
    "accelerator-direct",
    "accelerator-direct-physical",
    "remote-managed",
    "vdpa",
];

/// What a port's body may hold.
pub const ATTRIBUTES: &[Attribute] = &[
    Attribute::told("id"),
    Attribute::writable("name", Preset::Empty, Check::Name),
    Attribute::fixed("network_id", Preset::Required, Check::Uuid).guarded_at_create("create_port:network_id"),
    Attribute::fixed("project_id", Preset::Unset, Check::Project),
    Attribute::told("tenant_id"),
    Attribute::writable("mac_address", Preset::Unset, Check::Mac)
        .guarded("create_port:mac_address", "update_port:mac_address"),
    Attribute::writable("admin_state_up", Preset::Flag(true), Check::Flag),
    Attribute::told("status"),
    Attribute::writable("device_id", Preset::Empty, Check::Name)
        .guarded("create_port:device_id", "update_port:device_id"),
    Attribute::writable("device_owner", Preset::Empty, Check::Name)
        .guarded("create_port:device_owner", "update_port:device_owner"),
    Attribute::writable("fixed_ips", Preset::Unset, Check::FixedIps)
        .guarded("create_port:fixed_ips", "update_port:fixed_ips"),
    Attribute::writable("allowed_address_pairs", Preset::Unset, Check::AddressPairs)
        .guarded("create_port:allowed_address_pairs", "update_port:allowed_address_pairs")
        .unfiltered(),
    Attribute::writable("extra_dhcp_opts", Preset::Unset, Check::DhcpOptions).unfiltered(),
    Attribute::writable("port_security_enabled", Preset::Unset, Check::Flag)
        .guarded("create_port:port_security_enabled", "update_port:port_security_enabled"),
    Attribute::writable("security_groups", Preset::Unset, Check::UuidList),
    Attribute::writable("binding:host_id", Preset::Unset, Check::TextOrNull(255))
        .guarded("create_port:binding:host_id", "update_port:binding:host_id")
        .shown_by("get_port:binding:host_id"),
    Attribute::writable("binding:vnic_type", Preset::Text("normal"), Check::OneOf(VNIC_TYPES))
        .guarded("create_port:binding:vnic_type", "update_port:binding:vnic_type"),
    Attribute::writable("binding:profile", Preset::Unset, Check::ObjectOrNull)
        .guarded("create_port:binding:profile", "update_port:binding:profile")
        .shown_by("get_port:binding:profile")
        .unfiltered(),
    Attribute::told("binding:vif_type").shown_by("get_port:binding:vif_type"),
    Attribute::told("binding:vif_details").shown_by("get_port:binding:vif_details").unfiltered(),
    Attribute::writable("dns_name", Preset::Empty, Check::DnsName),
    Attribute::told("dns_assignment").unfiltered(),
    Attribute::writable("description", Preset::Empty, Check::Name),
    Attribute::told("tags").unfiltered(),
    Attribute::told("created_at"),
    Attribute::told("updated_at"),
    Attribute::told("revision_number"),
];

/// The addresses that a body asks for.
#[must_use]
pub fn wanted_addresses(attributes: &Attributes) -> Option<Vec<Wanted>> {
    Some(attributes.objects("fixed_ips")?.into_iter().map(wanted).collect())
}

/// One item of `fixed_ips` or `external_fixed_ips`.
#[must_use]
pub fn wanted(map: &Map<String, Value>) -> Wanted {
    let text = |key: &str| map.get(key).and_then(Value::as_str);
    Wanted {
        subnet_id: text("subnet_id").and_then(|text| text.parse().ok()),
        address: text("ip_address").and_then(|text| text.parse().ok()),
    }
}

fn pairs(attributes: &Attributes) -> Vec<AddressPair> {
    let pair = |map: &Map<String, Value>| {
        let text = |key: &str| map.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(AddressPair { ip_address: text("ip_address")?, mac_address: text("mac_address") })
    };
    attributes.objects("allowed_address_pairs").unwrap_or_default().into_iter().filter_map(pair).collect()
}

/// Changes the options; a null value removes one.
fn apply_options(attributes: &Attributes, options: &mut Vec<DhcpOption>) {
    for map in attributes.objects("extra_dhcp_opts").unwrap_or_default() {
        let text = |key: &str| map.get(key).and_then(Value::as_str).map(str::to_owned);
        let (Some(opt_name), ip_version) =
            (text("opt_name"), map.get("ip_version").and_then(Value::as_i64).unwrap_or(4))
        else {
            continue;
        };
        options.retain(|option| option.opt_name != opt_name || option.ip_version != ip_version);
        if let Some(opt_value) = text("opt_value") {
            options.push(DhcpOption { opt_name, opt_value, ip_version });
        }
    }
}

/// The port that a body asks for.
pub fn new_port(attributes: &Attributes, now: Timestamp) -> Result<NewPort> {
    let network_id = attributes.parsed("network_id").ok_or(Error::HTTPNotFound)?;
    let mut new = NewPort::new(Standard::from_attributes(attributes, now), network_id);
    new.mac = attributes.text("mac_address");
    attributes.copy_flag("admin_state_up", &mut new.admin_up);
    attributes.copy_text("device_id", &mut new.device_id);
    attributes.copy_text("device_owner", &mut new.device_owner);
    attributes.copy_text("binding:host_id", &mut new.hostname);
    attributes.copy_text("binding:vnic_type", &mut new.vnic_type);
    attributes.copy_text("dns_name", &mut new.dns_name);
    new.profile = attributes.get("binding:profile").and_then(Value::as_object).cloned().unwrap_or_default();
    new.port_security = attributes.flag("port_security_enabled");
    new.address_pairs = pairs(attributes);
    apply_options(attributes, &mut new.dhcp_options);
    new.fixed_ips = wanted_addresses(attributes);
    new.groups = attributes.list("security_groups");
    Ok(new)
}

/// Takes over what an update gives, apart from addresses and security.
pub fn apply(attributes: &Attributes, port: &mut Port) {
    attributes.copy_flag("admin_state_up", &mut port.admin_up);
    attributes.copy_text("device_id", &mut port.device_id);
    attributes.copy_text("device_owner", &mut port.device_owner);
    attributes.copy_text("binding:host_id", &mut port.hostname);
    if attributes.is_null("binding:host_id") {
        port.hostname.clear();
    }
    attributes.copy_text("binding:vnic_type", &mut port.vnic_type);
    attributes.copy_text("dns_name", &mut port.dns_name);
    if attributes.was_given("binding:profile") {
        port.profile = attributes.get("binding:profile").and_then(Value::as_object).cloned().unwrap_or_default();
    }
    if attributes.was_given("allowed_address_pairs") {
        port.address_pairs = pairs(attributes);
    }
    apply_options(attributes, &mut port.dhcp_options);
}

/// Addresses as bodies tell them.
#[must_use]
pub fn render_addresses(fixed_ips: &[FixedIp]) -> Value {
    let fixed =
        |fixed: &FixedIp| json!({"subnet_id": fixed.subnet_id.to_string(), "ip_address": fixed.address.to_string()});
    fixed_ips.iter().map(fixed).collect()
}

/// The body; `domain` ends the names of its addresses where the network has none of its own.
#[must_use]
pub fn render(port: &Port, domain: &str) -> Map<String, Value> {
    let domain = if port.network.dns_domain.is_empty() { domain } else { &port.network.dns_domain };
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    put("id", json!(port.id.to_string()));
    put("name", json!(port.standard.name));
    put("network_id", json!(port.network_id.to_string()));
    put("mac_address", json!(port.mac));
    put("admin_state_up", json!(port.admin_up));
    put("status", json!(port.status.name()));
    put("device_id", json!(port.device_id));
    put("device_owner", json!(port.device_owner));
    put("fixed_ips", render_addresses(&port.fixed_ips));
    put("allowed_address_pairs", port.address_pairs.iter().map(|pair| render_pair(pair, port)).collect());
    let option = |option: &DhcpOption| json!({"opt_name": option.opt_name, "opt_value": option.opt_value, "ip_version": option.ip_version});
    put("extra_dhcp_opts", port.dhcp_options.iter().map(option).collect());
    put("port_security_enabled", json!(port.port_security));
    let groups: Vec<_> = port.groups.iter().map(ToString::to_string).collect();
    put("security_groups", json!(groups));
    put("binding:host_id", json!(port.hostname));
    put("binding:vnic_type", json!(port.vnic_type));
    put("binding:profile", Value::Object(port.profile.clone()));
    let bound = !port.hostname.is_empty();
    put("binding:vif_type", json!(if bound { "tap" } else { "unbound" }));
    put("binding:vif_details", if bound { json!({"port_filter": true}) } else { json!({}) });
    put("dns_name", json!(port.dns_name));
    put("dns_assignment", port.fixed_ips.iter().map(|fixed| assignment(port, fixed, domain)).collect());
    port.standard.render(&mut body);
    body
}

fn render_pair(pair: &AddressPair, port: &Port) -> Value {
    json!({"ip_address": pair.ip_address, "mac_address": pair.mac_address.as_deref().unwrap_or(&port.mac)})
}

fn assignment(port: &Port, fixed: &FixedIp, domain: &str) -> Value {
    let address = fixed.address.to_string();
    let hostname = match port.dns_name.is_empty() {
        true => format!("host-{}", address.replace(['.', ':'], "-")),
        false => port.dns_name.clone(),
    };
    let fqdn = format!("{hostname}.{}.", domain.trim_end_matches('.'));
    json!({"ip_address": address, "hostname": hostname, "fqdn": fqdn})
}
