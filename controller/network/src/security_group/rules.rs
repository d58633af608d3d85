//! What a rule may look like. Pure.

use super::{
    model::Rule,
    protocol::{self, has_ports, is_icmp},
};
use crate::{
    attributes::Attributes,
    error::{Error, Result},
    standard::Standard,
};
use controller_base::id::{SecurityGroupId, SecurityGroupRuleId};
use ipnet::IpNet;

/// The rule that a body asks for.
pub fn build(attributes: &Attributes, standard: Standard) -> Result<Rule> {
    let ethertype = attributes.text("ethertype").unwrap_or_else(|| "IPv4".to_owned());
    let ipv6 = match ethertype.to_ascii_lowercase().as_str() {
        "ipv4" => false,
        "ipv6" => true,
        _ => return Err(Error::SecurityGroupRuleInvalidEtherType(ethertype)),
    };
    if attributes.get("remote_address_group_id").is_some() {
        return Err(Error::InvalidInput("address groups are not offered".into()));
    }
    let number = |name: &str| attributes.integer(name).and_then(|number| u16::try_from(number).ok());
    let protocol = attributes.text("protocol").filter(|name| !name.is_empty() && name != "any");
    let rule = Rule {
        id: SecurityGroupRuleId::random(),
        standard,
        group_id: attributes.parsed::<SecurityGroupId>("security_group_id").ok_or(Error::HTTPNotFound)?,
        ingress: attributes.text("direction").as_deref() == Some("ingress"),
        ipv6,
        protocol,
        port_min: number("port_range_min"),
        port_max: number("port_range_max"),
        remote_prefix: attributes.parsed::<IpNet>("remote_ip_prefix"),
        remote_group_id: remote_group(attributes)?,
    };
    check(&rule)?;
    Ok(rule)
}

/// What is no id is a group that does not exist.
fn remote_group(attributes: &Attributes) -> Result<Option<SecurityGroupId>> {
    let named = attributes.text("remote_group_id").filter(|id| !id.is_empty());
    named.map(|id| id.parse().map_err(|_| Error::SecurityGroupNotFound(id))).transpose()
}

fn check(rule: &Rule) -> Result<()> {
    if rule.remote_prefix.is_some() && rule.remote_group_id.is_some() {
        return Err(Error::SecurityGroupRemoteGroupAndRemoteIpPrefix);
    }
    if let Some(prefix) = rule.remote_prefix
        && prefix.network().is_ipv6() != rule.ipv6
    {
        return Err(Error::SecurityGroupRuleParameterConflict(rule.ethertype().into(), prefix.to_string()));
    }
    match &rule.protocol {
        Some(name) => check_protocol(rule, name),
        None if rule.port_min.is_some() || rule.port_max.is_some() => {
            Err(Error::SecurityGroupProtocolRequiredWithPorts)
        }
        None => Ok(()),
    }
}

fn check_protocol(rule: &Rule, name: &str) -> Result<()> {
    let Some(number) = protocol::number(name, rule.ipv6) else {
        return Err(Error::SecurityGroupRuleInvalidProtocol(name.to_owned(), protocol::names()));
    };
    if protocol::only_ipv6(name) && !rule.ipv6 {
        return Err(Error::SecurityGroupEthertypeConflictWithProtocol(rule.ethertype().into(), name.to_owned()));
    }
    if is_icmp(number) {
        return check_icmp(rule);
    }
    if !has_ports(number) {
        return match rule.port_min.or(rule.port_max) {
            Some(port) => Err(Error::SecurityGroupInvalidPortValue(port.to_string())),
            None => Ok(()),
        };
    }
    match (rule.port_min, rule.port_max) {
        (None, None) => Ok(()),
        (Some(0), _) | (_, Some(0)) => Err(Error::SecurityGroupInvalidPortValue("0".into())),
        (Some(min), Some(max)) if min <= max => Ok(()),
        _ => Err(Error::SecurityGroupInvalidPortRange),
    }
}

fn check_icmp(rule: &Rule) -> Result<()> {
    for (attribute, field, value) in
        [("port_range_min", "type", rule.port_min), ("port_range_max", "code", rule.port_max)]
    {
        if let Some(value) = value.filter(|value| *value > 255) {
            return Err(Error::SecurityGroupInvalidIcmpValue(field, attribute, value.to_string()));
        }
    }
    match (rule.port_min, rule.port_max) {
        (None, Some(code)) => Err(Error::SecurityGroupMissingIcmpType(code.to_string())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use controller_base::Timestamp;
    use serde_json::{Value, json};

    fn kind(mut body: Value) -> &'static str {
        body["security_group_id"] = json!("2b1c0a4e-0a8e-4f7a-9d53-2a9f5f0f0001");
        body["direction"] = json!("ingress");
        let Value::Object(item) = body else { panic!() };
        let parsed =
            crate::attributes::parse(super::super::wire::RULE_ATTRIBUTES, crate::attributes::Verb::Create, item);
        match parsed.and_then(|attributes| build(&attributes, Standard::new(None, Timestamp(0)))) {
            Ok(_) => "",
            Err(error) => error.kind(),
        }
    }

    #[test]
    fn rules_are_checked_as_neutron_does() {
        let table = [
            (json!({}), ""),
            (json!({"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}), ""),
            (json!({"protocol": "tcp", "port_range_min": "80", "port_range_max": "88"}), ""),
            (json!({"protocol": "icmp", "port_range_min": 8}), ""),
            (json!({"protocol": 17}), ""),
            (json!({"protocol": "icmp", "port_range_max": 8}), "SecurityGroupMissingIcmpType"),
            (json!({"protocol": "icmp", "port_range_min": 256}), "SecurityGroupInvalidIcmpValue"),
            (json!({"protocol": "bad_protocol_name"}), "SecurityGroupRuleInvalidProtocol"),
            (json!({"ethertype": "bad_ethertype"}), "SecurityGroupRuleInvalidEtherType"),
            (json!({"remote_ip_prefix": "192.168.1./24"}), "HTTPBadRequest"),
            (json!({"remote_ip_prefix": "fd00::/8"}), "SecurityGroupRuleParameterConflict"),
            (json!({"protocol": "tcp", "port_range_min": -16, "port_range_max": 80}), "HTTPBadRequest"),
            (json!({"protocol": "tcp", "port_range_min": 80, "port_range_max": 79}), "SecurityGroupInvalidPortRange"),
            (json!({"protocol": "tcp", "port_range_min": 80}), "SecurityGroupInvalidPortRange"),
            (json!({"port_range_min": 80, "port_range_max": 80}), "SecurityGroupProtocolRequiredWithPorts"),
            (json!({"protocol": "icmpv6"}), "SecurityGroupEthertypeConflictWithProtocol"),
            (
                json!({"remote_ip_prefix": "10.0.0.0/8", "remote_group_id": "2b1c0a4e-0a8e-4f7a-9d53-2a9f5f0f0002"}),
                "SecurityGroupRemoteGroupAndRemoteIpPrefix",
            ),
        ];
        for (body, wanted) in table {
            assert_eq!(kind(body.clone()), wanted, "{body}");
        }
    }
}
