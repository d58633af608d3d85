//! What an attribute may hold. A check returns the value in its stored form, or the reason as Neutron words it.

use crate::address::mac;
use ipnet::IpNet;
use serde_json::{Map, Value, json};
use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr},
};

/// A check.
#[derive(Clone, Copy, Debug)]
pub enum Check {
    /// Anything.
    Any,
    /// A text of at most 255 characters.
    Name,
    /// A text of at most so many characters.
    Text(usize),
    /// Such a text, or null.
    TextOrNull(usize),
    /// A yes or no, in any of Python's notations.
    Flag,
    /// A whole number.
    Integer(i64, i64),
    /// A whole number, or null.
    IntegerOrNull(i64, i64),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// One of these numbers.
    Number(&'static [i64]),
    /// One of these texts, or null.
    OneOfOrNull(&'static [&'static str]),
    /// A UUID.
    Uuid,
    /// A UUID, or null.
    UuidOrNull,
    /// UUIDs, each once; null is none.
    UuidList,
    /// A project's id.
    Project,
    /// An address, or null.
    AddressOrNull,
    /// A prefix, or null.
    PrefixOrNull,
    /// The same, of which bits behind the prefix stay as they were given.
    GivenPrefixOrNull,
    /// A hardware address.
    Mac,
    /// `[{start, end}]`.
    Pools,
    /// Addresses of name servers.
    NameServers,
    /// `[{destination, nexthop}]`.
    Routes,
    /// `[{subnet_id, ip_address}]`.
    FixedIps,
    /// `[{ip_address, mac_address}]`.
    AddressPairs,
    /// `[{opt_name, opt_value, ip_version}]`.
    DhcpOptions,
    /// `{network_id, enable_snat, external_fixed_ips}`, or null.
    Gateway,
    /// A list of texts.
    TextList,
    /// An object, or null.
    ObjectOrNull,
    /// A name in the DNS.
    DnsName,
    /// An IP protocol by name or number, or null.
    Protocol,
    /// A port number or ICMP type as number or text, or null.
    PortOrNull,
}

type Checked = Result<Value, String>;

impl Check {
    /// The value in its stored form.
    ///
    /// # Errors
    /// Why it cannot be taken, without a full stop.
    pub fn apply(self, value: &Value) -> Checked {
        match self {
            Self::Any => Ok(value.clone()),
            Self::Name => text(value, 255),
            Self::Text(max) => text(value, max),
            Self::TextOrNull(max) => or_null(value, |value| text(value, max)),
            Self::Flag => flag(value),
            Self::Integer(min, max) => integer(value, min, max),
            Self::IntegerOrNull(min, max) => or_null(value, |value| integer(value, min, max)),
            Self::OneOf(choices) => one_of(value, choices),
            Self::Number(choices) => number_of(value, choices),
            Self::OneOfOrNull(choices) => or_null(value, |value| one_of(value, choices)),
            Self::Uuid => uuid(value),
            Self::UuidOrNull => or_null(value, uuid),
            Self::UuidList => or_null(value, uuid_list),
            Self::Project => project(value),
            Self::AddressOrNull => or_null(value, ip_address),
            Self::PrefixOrNull => or_null(value, prefix),
            Self::GivenPrefixOrNull => or_null(value, prefix_as_given),
            Self::Mac => hardware_address(value),
            Self::Pools => list(value, "IP pool", pool),
            Self::NameServers => name_servers(value),
            Self::Routes => list(value, "hostroute", route),
            Self::FixedIps => fixed_ips(value),
            Self::AddressPairs => or_null(value, address_pairs),
            Self::DhcpOptions => or_null(value, |value| list(value, "extra_dhcp_opts", dhcp_option)),
            Self::Gateway => or_null(value, gateway),
            Self::TextList => or_null(value, text_list),
            Self::ObjectOrNull => or_null(value, |value| {
                value
                    .as_object()
                    .map(|_| value.clone())
                    .ok_or_else(|| format!("'{}' is not a dictionary", shown(value)))
            }),
            Self::DnsName => dns_name(value),
            Self::Protocol => or_null(value, protocol),
            Self::PortOrNull => or_null(value, port),
        }
    }
}

/// A value as Python would print it inside a message.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        other => other.to_string(),
    }
}

fn or_null(value: &Value, check: impl FnOnce(&Value) -> Checked) -> Checked {
    if value.is_null() { Ok(Value::Null) } else { check(value) }
}

fn text(value: &Value, max: usize) -> Checked {
    let Some(text) = value.as_str() else {
        return Err(format!("'{}' is not a valid string", shown(value)));
    };
    if text.chars().count() > max {
        return Err(format!("'{text}' exceeds maximum length of {max}"));
    }
    if text.contains('\0') {
        return Err("the text holds a NUL character".to_owned());
    }
    Ok(value.clone())
}

fn flag(value: &Value) -> Checked {
    let known = match value {
        Value::Bool(set) => Some(*set),
        Value::Number(number) if number.as_i64() == Some(1) => Some(true),
        Value::Number(number) if number.as_i64() == Some(0) => Some(false),
        Value::String(text) => as_flag(text),
        _ => None,
    };
    known.map(Value::Bool).ok_or_else(|| format!("'{}' cannot be converted to boolean", shown(value)))
}

/// A yes or no from text, as Neutron reads it.
#[must_use]
pub fn as_flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

fn whole(value: &Value) -> Result<i64, String> {
    let number = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| format!("'{}' is not an integer", shown(value)))
}

fn integer(value: &Value, min: i64, max: i64) -> Checked {
    let number = whole(value)?;
    if number < min {
        return Err(format!("'{number}' is too small - must be at least '{min}'"));
    }
    if number > max {
        return Err(format!("'{number}' is too large - must be no larger than '{max}'"));
    }
    Ok(json!(number))
}

fn one_of(value: &Value, choices: &[&str]) -> Checked {
    match value.as_str() {
        Some(text) if choices.contains(&text) => Ok(value.clone()),
        _ => {
            let choices: Vec<_> = choices.iter().map(|choice| format!("'{choice}'")).collect();
            Err(format!("{} is not in [{}]", shown(value), choices.join(", ")))
        }
    }
}

fn number_of(value: &Value, choices: &[i64]) -> Checked {
    let number = whole(value)?;
    if choices.contains(&number) { Ok(json!(number)) } else { Err(format!("{number} is not in {choices:?}")) }
}

fn is_uuid(text: &str) -> bool {
    text.parse::<controller_base::id::NetworkId>().is_ok()
}

fn uuid(value: &Value) -> Checked {
    match value.as_str().and_then(|text| text.parse::<controller_base::id::NetworkId>().ok()) {
        Some(id) => Ok(Value::String(id.to_string())),
        None => Err(format!("'{}' is not a valid UUID", shown(value))),
    }
}

fn uuid_list(value: &Value) -> Checked {
    let Some(items) = value.as_array() else {
        return Err(format!("'{}' is not a list", shown(value)));
    };
    let mut seen = HashSet::new();
    let mut out = Vec::new();
    for item in items {
        let id = uuid(item)?;
        if !seen.insert(id.to_string()) {
            return Err(format!("Duplicate items in the list: '{}'", shown(item)));
        }
        out.push(id);
    }
    Ok(Value::Array(out))
}

fn project(value: &Value) -> Checked {
    match value.as_str() {
        Some(text) if text.parse::<controller_base::id::ProjectId>().is_ok() => Ok(value.clone()),
        _ => Err(format!("'{}' is not a valid project id", shown(value))),
    }
}

fn parse_address(value: &Value) -> Result<IpAddr, String> {
    let parsed = value.as_str().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| format!("'{}' is not a valid IP address", shown(value)))
}

fn ip_address(value: &Value) -> Checked {
    parse_address(value).map(|address| Value::String(address.to_string()))
}

fn parse_prefix(value: &Value) -> Option<IpNet> {
    let text = value.as_str()?;
    match text.parse::<IpNet>() {
        Ok(net) => Some(net.trunc()),
        Err(_) => text.parse::<IpAddr>().ok().map(IpNet::from),
    }
}

fn prefix(value: &Value) -> Checked {
    match parse_prefix(value) {
        Some(net) => Ok(Value::String(net.to_string())),
        None => Err(format!("'{}' is not a valid IP subnet", shown(value))),
    }
}

fn prefix_as_given(value: &Value) -> Checked {
    let normal = prefix(value)?;
    let given = value.as_str().and_then(|text| text.parse::<IpNet>().ok());
    Ok(given.map_or(normal, |given| Value::String(given.to_string())))
}

fn hardware_address(value: &Value) -> Checked {
    let parsed = value.as_str().and_then(mac::parse);
    match parsed {
        Some(bytes) if bytes[0] & 1 == 1 => {
            Err(format!("MAC address {} is a multicast address, which is not supported", shown(value)))
        }
        Some([0, 0, 0, 0, 0, 0]) | None => Err(format!("'{}' is not a valid MAC address", shown(value))),
        Some(bytes) => Ok(Value::String(mac::render(bytes))),
    }
}

fn list(value: &Value, what: &str, item: impl Fn(&Map<String, Value>) -> Checked) -> Checked {
    if value.is_null() {
        return Ok(json!([]));
    }
    let Some(items) = value.as_array() else {
        return Err(format!("Invalid data format for {what}: '{}'", shown(value)));
    };
    let mut out: Vec<Value> = Vec::new();
    for entry in items {
        let Some(map) = entry.as_object() else {
            return Err(format!("Invalid data format for {what}: '{}'", shown(entry)));
        };
        let checked = item(map)?;
        if out.contains(&checked) {
            return Err(format!("Duplicate {what} '{}'", shown(entry)));
        }
        out.push(checked);
    }
    Ok(Value::Array(out))
}

fn expect_keys(map: &Map<String, Value>, keys: &[&str]) -> Result<(), String> {
    let fits = map.len() == keys.len() && keys.iter().all(|key| map.contains_key(*key));
    if fits {
        return Ok(());
    }
    let provided: Vec<&str> = map.keys().map(String::as_str).collect();
    Err(format!("Validation of dictionary's keys failed. Expected keys: {keys:?} Provided keys: {provided:?}"))
}

fn pool(map: &Map<String, Value>) -> Checked {
    expect_keys(map, &["start", "end"])?;
    Ok(json!({"start": ip_address(&map["start"])?, "end": ip_address(&map["end"])?}))
}

fn route(map: &Map<String, Value>) -> Checked {
    expect_keys(map, &["destination", "nexthop"])?;
    let destination = parse_prefix(&map["destination"])
        .filter(|_| map["destination"].as_str().is_some_and(|text| text.contains('/')))
        .ok_or_else(|| format!("'{}' is not a valid CIDR", shown(&map["destination"])))?;
    Ok(json!({"destination": destination.to_string(), "nexthop": ip_address(&map["nexthop"])?}))
}

fn name_servers(value: &Value) -> Checked {
    if value.is_null() {
        return Ok(json!([]));
    }
    let Some(items) = value.as_array() else {
        return Err(format!("Invalid data format for nameserver: '{}'", shown(value)));
    };
    let mut out = Vec::new();
    for item in items {
        let server =
            ip_address(item).map_err(|reason| format!("'{}' is not a valid nameserver. {reason}", shown(item)))?;
        if out.contains(&server) {
            return Err(format!("Duplicate nameserver '{}'", shown(item)));
        }
        out.push(server);
    }
    Ok(Value::Array(out))
}

fn fixed_ips(value: &Value) -> Checked {
    let mut addresses = HashSet::new();
    let checked = list_allowing_repeats(value, "fixed IP", fixed_ip)?;
    for item in &checked {
        if let Some(address) = item["ip_address"].as_str()
            && !addresses.insert(address.to_owned())
        {
            return Err(format!("Duplicate IP address '{address}'"));
        }
    }
    Ok(Value::Array(checked))
}

/// Two addresses of the same subnet are asked for by two equal items.
fn list_allowing_repeats(
    value: &Value,
    what: &str,
    item: impl Fn(&Map<String, Value>) -> Checked,
) -> Result<Vec<Value>, String> {
    let wrong = |value: &Value| format!("Invalid data format for {what}: '{}'", shown(value));
    let items = value.as_array().ok_or_else(|| wrong(value))?;
    items.iter().map(|entry| item(entry.as_object().ok_or_else(|| wrong(entry))?)).collect()
}

fn fixed_ip(map: &Map<String, Value>) -> Checked {
    let mut out = Map::new();
    for (key, value) in map {
        let checked = match key.as_str() {
            "subnet_id" if is_uuid(value.as_str().unwrap_or_default()) => uuid(value)?,
            "subnet_id" => return Err(format!("'{}' is not a valid UUID", shown(value))),
            "ip_address" => ip_address(value)?,
            _ => return Err(format!("Invalid data format for fixed IP: '{}'", Value::Object(map.clone()))),
        };
        out.insert(key.clone(), checked);
    }
    if out.is_empty() {
        return Err("Invalid data format for fixed IP: '{}'".to_owned());
    }
    Ok(Value::Object(out))
}

fn address_pairs(value: &Value) -> Checked {
    let checked = list_allowing_repeats(value, "allowed address pair", |map| {
        if let Some(key) = map.keys().find(|key| !["ip_address", "mac_address"].contains(&key.as_str())) {
            return Err(format!("Unrecognized attribute(s) '{key}'"));
        }
        let address = map.get("ip_address").ok_or("AllowedAddressPair must contain ip_address")?;
        let address = parse_prefix(address).map(|_| address.clone()).ok_or_else(|| {
            format!("'{}' is neither a valid IP address, nor is it a valid IP subnet", shown(address))
        })?;
        let mut out = Map::from_iter([("ip_address".to_owned(), address)]);
        if let Some(mac) = map.get("mac_address") {
            out.insert("mac_address".to_owned(), hardware_address(mac)?);
        }
        Ok(Value::Object(out))
    })?;
    Ok(Value::Array(checked))
}

fn dhcp_option(map: &Map<String, Value>) -> Checked {
    let name = map.get("opt_name").ok_or("opt_name is required")?;
    let name = text(name, 64)?;
    if name.as_str().unwrap_or_default().trim().is_empty() {
        return Err(format!("'{}' Blank strings are not permitted", shown(&name)));
    }
    let value = map.get("opt_value").cloned().unwrap_or(Value::Null);
    let value = or_null(&value, |value| text(&Value::String(shown(value)), 255))?;
    let version = number_of(map.get("ip_version").unwrap_or(&json!(4)), &[4, 6])?;
    Ok(json!({"opt_name": name, "opt_value": value, "ip_version": version}))
}

fn gateway(value: &Value) -> Checked {
    let Some(map) = value.as_object() else {
        return Err(format!("'{}' is not a dictionary", shown(value)));
    };
    let mut out = Map::new();
    for (key, value) in map {
        let checked = match key.as_str() {
            "network_id" => uuid(value)?,
            "enable_snat" => flag(value)?,
            "external_fixed_ips" => fixed_ips(value)?,
            // Accepted for clients that echo what other clouds tell.
            "qos_policy_id" if value.is_null() => continue,
            _ => return Err(format!("Unexpected keys supplied: {key}")),
        };
        out.insert(key.clone(), checked);
    }
    if out.is_empty() {
        return Ok(Value::Null);
    }
    if !out.contains_key("network_id") {
        return Err("Validation of dictionary's keys failed. Expected keys: {'network_id'}".to_owned());
    }
    Ok(Value::Object(out))
}

fn text_list(value: &Value) -> Checked {
    let Some(items) = value.as_array() else {
        return Err(format!("'{}' is not a list", shown(value)));
    };
    items.iter().map(|item| text(item, 255)).collect::<Result<Vec<_>, _>>().map(Value::Array)
}

fn dns_name(value: &Value) -> Checked {
    let checked = text(value, 255)?;
    let name = checked.as_str().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.is_empty() || name.split('.').all(label) {
        return Ok(json!(name));
    }
    Err(format!("'{name}' not a valid PQDN or FQDN"))
}

fn protocol(value: &Value) -> Checked {
    Ok(Value::String(match value {
        Value::Number(number) => number.to_string(),
        other => {
            other.as_str().ok_or_else(|| format!("'{}' is not a valid string", shown(other)))?.to_ascii_lowercase()
        }
    }))
}

fn port(value: &Value) -> Checked {
    let number = whole(value).map_err(|_| format!("Invalid value for port {}", shown(value)))?;
    if (0..=65535).contains(&number) { Ok(json!(number)) } else { Err(format!("Invalid value for port {number}")) }
}

/// Whether the prefix is one that no subnet may have.
#[must_use]
pub fn is_special(net: &IpNet) -> bool {
    match net {
        IpNet::V4(net) => net.network().is_multicast() || net.network() >= Ipv4Addr::new(240, 0, 0, 0),
        IpNet::V6(net) => net.network().is_multicast(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_their_stored_form() {
        let table = [
            (Check::Flag, json!("True"), json!(true)),
            (Check::Flag, json!(0), json!(false)),
            (Check::Integer(0, 9), json!("7"), json!(7)),
            (Check::PrefixOrNull, json!("10.0.0.9/24"), json!("10.0.0.0/24")),
            (Check::GivenPrefixOrNull, json!("10.0.0.9/24"), json!("10.0.0.9/24")),
            (Check::PrefixOrNull, json!("10.0.0.9"), json!("10.0.0.9/32")),
            (Check::Mac, json!("FA-16-3E-00-00-0A"), json!("fa:16:3e:00:00:0a")),
            (Check::AddressOrNull, json!("FD00:0::1"), json!("fd00::1")),
            (Check::Gateway, json!({}), Value::Null),
            (Check::Protocol, json!(6), json!("6")),
            (Check::Protocol, json!("TCP"), json!("tcp")),
            (Check::NameServers, Value::Null, json!([])),
            (Check::DnsName, json!("Web-1.Example."), json!("web-1.example")),
            (
                Check::FixedIps,
                json!([{"ip_address": "10.0.0.5"}, {"ip_address": "10.0.0.6"}]),
                json!([{"ip_address": "10.0.0.5"}, {"ip_address": "10.0.0.6"}]),
            ),
        ];
        for (check, value, wanted) in table {
            assert_eq!(check.apply(&value).unwrap(), wanted, "{check:?}");
        }
    }

    #[test]
    fn refusals_read_as_neutrons() {
        let table = [
            (Check::Name, json!("x".repeat(256)), format!("'{}' exceeds maximum length of 255", "x".repeat(256))),
            (Check::Name, json!(3), "'3' is not a valid string".to_owned()),
            (Check::Flag, json!("maybe"), "'maybe' cannot be converted to boolean".to_owned()),
            (Check::Uuid, json!("x"), "'x' is not a valid UUID".to_owned()),
            (Check::Number(&[4, 6]), json!(5), "5 is not in [4, 6]".to_owned()),
            (Check::AddressOrNull, json!("10.0.0"), "'10.0.0' is not a valid IP address".to_owned()),
            (Check::PrefixOrNull, json!("10.0.0.0/33"), "'10.0.0.0/33' is not a valid IP subnet".to_owned()),
            (Check::FixedIps, json!([{"x": 1}]), "Invalid data format for fixed IP: '{\"x\":1}'".to_owned()),
            (
                Check::FixedIps,
                json!([{"ip_address": "10.0.0.5"}, {"ip_address": "10.0.0.5"}]),
                "Duplicate IP address '10.0.0.5'".to_owned(),
            ),
            (Check::OneOf(&["a", "b"]), json!("c"), "c is not in ['a', 'b']".to_owned()),
            (Check::Integer(68, 9000), json!(9001), "'9001' is too large - must be no larger than '9000'".to_owned()),
        ];
        for (check, value, wanted) in table {
            assert_eq!(check.apply(&value).unwrap_err(), wanted, "{check:?}");
        }
    }
}
