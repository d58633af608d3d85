//! The bodies of groups and rules.

use super::model::{Rule, SecurityGroup};
use crate::{
    attributes::{Attribute, Check, Preset},
    standard::Standard,
};
use serde_json::{Map, Value, json};

/// What a group's body may hold.
pub const ATTRIBUTES: &[Attribute] = &[
    Attribute::told("id"),
    Attribute::writable("name", Preset::Empty, Check::Name),
    Attribute::writable("stateful", Preset::Flag(true), Check::Flag),
    Attribute::fixed("project_id", Preset::Unset, Check::Project),
    Attribute::told("tenant_id"),
    Attribute::told("security_group_rules").unfiltered(),
    Attribute::told("shared"),
    Attribute::writable("description", Preset::Empty, Check::Name),
    Attribute::told("tags").unfiltered(),
    Attribute::told("created_at"),
    Attribute::told("updated_at"),
    Attribute::told("revision_number"),
];

/// What a rule's body may hold.
pub const RULE_ATTRIBUTES: &[Attribute] = &[
    Attribute::told("id"),
    Attribute::fixed("security_group_id", Preset::Required, Check::Uuid),
    Attribute::fixed("direction", Preset::Required, Check::OneOf(&["ingress", "egress"])),
    Attribute::fixed("ethertype", Preset::Text("IPv4"), Check::TextOrNull(255)),
    Attribute::fixed("protocol", Preset::Null, Check::Protocol),
    Attribute::fixed("port_range_min", Preset::Null, Check::PortOrNull),
    Attribute::fixed("port_range_max", Preset::Null, Check::PortOrNull),
    Attribute::fixed("remote_ip_prefix", Preset::Null, Check::GivenPrefixOrNull),
    Attribute::fixed("remote_group_id", Preset::Null, Check::TextOrNull(255)),
    Attribute::fixed("remote_address_group_id", Preset::Null, Check::UuidOrNull),
    Attribute::told("normalized_cidr").unfiltered(),
    Attribute::fixed("project_id", Preset::Unset, Check::Project),
    Attribute::told("tenant_id"),
    Attribute::fixed("description", Preset::Empty, Check::Name),
    Attribute::told("tags").unfiltered(),
    Attribute::told("created_at"),
    Attribute::told("updated_at"),
    Attribute::told("revision_number"),
];

/// A group's body.
#[must_use]
pub fn render(group: &SecurityGroup) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("id".into(), json!(group.id.to_string()));
    body.insert("name".into(), json!(group.standard.name));
    body.insert("stateful".into(), json!(group.stateful));
    body.insert("shared".into(), json!(false));
    body.insert(
        "security_group_rules".into(),
        group.rules.iter().map(|rule| Value::Object(render_rule(rule))).collect(),
    );
    group.standard.render(&mut body);
    body
}

/// A rule's body.
#[must_use]
pub fn render_rule(rule: &Rule) -> Map<String, Value> {
    let prefix = rule.remote_prefix.map(|prefix| prefix.to_string());
    let normalized = rule.remote_prefix.map(|prefix| prefix.trunc().to_string());
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    put("id", json!(rule.id.to_string()));
    put("security_group_id", json!(rule.group_id.to_string()));
    put("direction", json!(rule.direction()));
    put("ethertype", json!(rule.ethertype()));
    put("protocol", json!(rule.protocol));
    put("port_range_min", json!(rule.port_min));
    put("port_range_max", json!(rule.port_max));
    put("remote_ip_prefix", json!(prefix));
    put("normalized_cidr", json!(normalized));
    put("remote_group_id", json!(rule.remote_group_id.map(|group| group.to_string())));
    put("remote_address_group_id", Value::Null);
    render_standard(&rule.standard, &mut body);
    body
}

fn render_standard(standard: &Standard, body: &mut Map<String, Value>) {
    standard.render(body);
}
