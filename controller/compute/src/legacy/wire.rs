//! Security groups in Nova's form.

use crate::schema::{Schema, integer, nullable, object, text};
use controller_ports::legacy_network::{Group, Rule, Source};
use serde_json::{Value, json};
use std::sync::LazyLock;

/// POST and PUT of a group.
pub(super) static GROUP: LazyLock<Schema> = LazyLock::new(|| {
    let group = object().required("name", text(0, 255)).field("description", nullable(text(0, 255))).done();
    object().required("security_group", group).done()
});

/// POST of a rule.
pub(super) static RULE: LazyLock<Schema> = LazyLock::new(|| {
    let rule = object()
        .required("parent_group_id", text(1, 255))
        .field("ip_protocol", nullable(text(0, 255)))
        .field("from_port", nullable(integer(-1, 65_535)))
        .field("to_port", nullable(integer(-1, 65_535)))
        .field("cidr", nullable(text(0, 255)))
        .field("group_id", nullable(text(0, 255)))
        .open()
        .done();
    object().required("security_group_rule", rule).done()
});

/// A group.
pub(super) fn group(group: &Group) -> Value {
    json!({
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "tenant_id": group.project_id,
        "rules": group.rules.iter().map(rule).collect::<Vec<_>>(),
    })
}

/// A rule. All ports are shown as 1 to 65535, all of ICMP as -1.
pub(super) fn rule(rule: &Rule) -> Value {
    let ports = matches!(rule.protocol.as_deref(), Some("tcp" | "udp"));
    let (first, last) = match (&rule.protocol, ports) {
        (None, _) => (None, None),
        (Some(_), true) => (Some(1), Some(65_535)),
        (Some(_), false) => (Some(-1), Some(-1)),
    };
    let (group, range) = match &rule.from {
        Source::Cidr(cidr) => (json!({}), json!({"cidr": cidr.to_string()})),
        Source::Group(_, name, project) => (json!({"name": name, "tenant_id": project}), json!({})),
    };
    json!({
        "id": rule.id,
        "parent_group_id": rule.group_id,
        "ip_protocol": rule.protocol,
        "from_port": rule.port_min.map(i32::from).or(first),
        "to_port": rule.port_max.map(i32::from).or(last),
        "group": group,
        "ip_range": range,
    })
}
