//! POST /servers: the body as compute understands it, after it was checked against its schema.

use crate::schema::{as_bool, as_integer};
use controller_base::id::{NetworkId, PortId};
use controller_ports::network::RequestedNic;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a tenant asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CreateRequest {
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) flavor: String,
    pub(crate) admin_password: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) networks: Networks,
    pub(crate) disk_config: String,
    pub(crate) access_ipv4: Option<Ipv4Addr>,
    pub(crate) access_ipv6: Option<Ipv6Addr>,
    pub(crate) zone: Option<String>,
    pub(crate) config_drive: bool,
    pub(crate) key_name: Option<String>,
    pub(crate) min_count: u32,
    pub(crate) max_count: u32,
    pub(crate) return_reservation: bool,
    pub(crate) security_groups: Vec<String>,
    pub(crate) user_data: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) host: Option<String>,
    pub(crate) hostname: Option<String>,
    pub(crate) group: Option<String>,
}

/// Interfaces as they are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Networks {
    /// Nothing said, or `auto`: what the project's networks suggest.
    Auto {
        /// `auto` was said: there must be one.
        required: bool,
    },
    /// None.
    Nothing,
    /// These.
    These(Vec<RequestedNic>),
}

/// Reads a body that fits its schema.
///
/// # Errors
/// What the schema cannot tell: combinations that make no sense, and volumes, which this cloud does not have.
pub(crate) fn read(body: &Value) -> Result<CreateRequest, String> {
    let server = &body["server"];
    let text = |name: &str| server.get(name).and_then(Value::as_str).map(str::to_owned);
    let count = |name: &str| server.get(name).and_then(as_integer).map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    let truth = |name: &str| server.get(name).and_then(as_bool).unwrap_or(false);
    let min_count = count("min_count").unwrap_or(1);
    let max_count = count("max_count").unwrap_or(min_count);
    if min_count > max_count {
        return Err("min_count must be <= max_count".to_owned());
    }
    if server.get("personality").and_then(Value::as_array).is_some_and(|files| !files.is_empty()) {
        return Err("File injection is not supported; use user data or a config drive.".to_owned());
    }
    if server.get("trusted_image_certificates").is_some_and(|list| !list.is_null()) {
        return Err("Image signature certificate validation is not supported.".to_owned());
    }
    let host = [text("host"), text("hypervisor_hostname")].into_iter().flatten().next();
    let request = CreateRequest {
        name: text("name").unwrap_or_default(),
        image: image(server)?,
        flavor: flavor(server),
        admin_password: text("adminPass").filter(|password| !password.is_empty()),
        metadata: string_map(server.get("metadata")),
        networks: networks(server.get("networks"))?,
        disk_config: text("OS-DCF:diskConfig").unwrap_or_else(|| "MANUAL".to_owned()),
        access_ipv4: text("accessIPv4").and_then(|address| address.parse().ok()),
        access_ipv6: text("accessIPv6").and_then(|address| address.parse().ok()),
        zone: text("availability_zone"),
        config_drive: truth("config_drive"),
        key_name: text("key_name"),
        min_count,
        max_count,
        return_reservation: truth("return_reservation_id"),
        security_groups: security_groups(server),
        user_data: text("user_data").filter(|data| !data.is_empty()),
        description: text("description"),
        tags: tags(server.get("tags")),
        host,
        hostname: text("hostname"),
        group: group(body),
    };
    if request.max_count > 1 && request.hostname.is_some() {
        return Err("hostname must not be given when several servers are created".to_owned());
    }
    fixed_addresses_fit(&request)?;
    Ok(request)
}

/// Tags without repetitions, in order.
pub(crate) fn tags(value: Option<&Value>) -> Vec<String> {
    let list = value.and_then(Value::as_array).into_iter().flatten();
    let mut tags: Vec<String> = list.filter_map(Value::as_str).map(str::to_owned).collect();
    tags.sort();
    tags.dedup();
    tags
}

/// An object of texts.
pub(crate) fn string_map(value: Option<&Value>) -> BTreeMap<String, String> {
    let map = value.and_then(Value::as_object).into_iter().flatten();
    map.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// A reference may be an id or a link whose last part is the id.
fn last_part(reference: &str) -> String {
    reference.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned()
}

fn flavor(server: &Value) -> String {
    match &server["flavorRef"] {
        Value::String(text) => last_part(text),
        other => other.to_string(),
    }
}

fn image(server: &Value) -> Result<String, String> {
    let named = server.get("imageRef").and_then(Value::as_str).map(last_part).filter(|id| !id.is_empty());
    let no_volumes = || "Block Device Mapping is Invalid: volumes are not available in this cloud.".to_owned();
    if server.get("block_device_mapping").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
        return Err(no_volumes());
    }
    let mut mapped = None;
    for device in server.get("block_device_mapping_v2").and_then(Value::as_array).into_iter().flatten() {
        let word = |name: &str| device.get(name).and_then(Value::as_str);
        let root = device.get("boot_index").and_then(as_integer) == Some(0);
        let local = word("destination_type").unwrap_or("local") == "local";
        if word("source_type") != Some("image") || !local || !root || mapped.is_some() {
            return Err(no_volumes());
        }
        mapped = word("uuid").map(str::to_owned);
    }
    match (named, mapped) {
        (Some(named), Some(mapped)) if named != mapped => {
            Err("Block Device Mapping is Invalid: it boots from another image than imageRef names.".to_owned())
        }
        (Some(id), _) | (None, Some(id)) => Ok(id),
        (None, None) => Err("Invalid imageRef provided.".to_owned()),
    }
}

fn networks(value: Option<&Value>) -> Result<Networks, String> {
    let list = match value {
        None => return Ok(Networks::Auto { required: false }),
        Some(Value::String(word)) if word == "none" => return Ok(Networks::Nothing),
        Some(Value::String(_)) => return Ok(Networks::Auto { required: true }),
        Some(list) => list.as_array().map(Vec::as_slice).unwrap_or_default(),
    };
    if list.is_empty() {
        return Ok(Networks::Auto { required: false });
    }
    list.iter().map(nic).collect::<Result<_, _>>().map(Networks::These)
}

fn nic(network: &Value) -> Result<RequestedNic, String> {
    let word = |name: &str| network.get(name).and_then(Value::as_str);
    if let Some(port) = word("port") {
        if word("fixed_ip").is_some() {
            return Err("Specified Fixed IP cannot be used with port: the two together are ambiguous.".to_owned());
        }
        let id: PortId =
            port.parse().map_err(|_| format!("Bad port format: port uuid is not in proper format ({port})"))?;
        return Ok(RequestedNic::Port { id });
    }
    let text =
        word("uuid").ok_or_else(|| "Bad networks format: network uuid is not in proper format (None)".to_owned())?;
    let id: NetworkId =
        text.parse().map_err(|_| format!("Bad networks format: network uuid is not in proper format ({text})"))?;
    let fixed_ip = word("fixed_ip").and_then(|address| address.parse::<IpAddr>().ok());
    Ok(RequestedNic::Network { id, fixed_ip })
}

fn fixed_addresses_fit(request: &CreateRequest) -> Result<(), String> {
    let Networks::These(nics) = &request.networks else {
        return Ok(());
    };
    let fixed = |nic: &RequestedNic| match nic {
        RequestedNic::Network { fixed_ip, .. } => fixed_ip.is_some(),
        RequestedNic::Port { .. } => true,
    };
    if request.max_count > 1 && nics.iter().any(fixed) {
        return Err("Unable to launch multiple instances with a single configured port ID or fixed IP. \
                    Please launch your instance one by one with different ports."
            .to_owned());
    }
    Ok(())
}

fn security_groups(server: &Value) -> Vec<String> {
    let list = server.get("security_groups").and_then(Value::as_array).into_iter().flatten();
    let mut names: Vec<String> = list.filter_map(|group| group["name"].as_str()).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

fn group(body: &Value) -> Option<String> {
    let hints = body.get("os:scheduler_hints").or_else(|| body.get("OS-SCH-HNT:scheduler_hints"))?;
    hints.get("group")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const UUID: &str = "a3f1c2d4-5e6f-4701-8899-aabbccddeeff";

    fn request(more: Value) -> Result<CreateRequest, String> {
        let mut server = json!({"name": "a", "flavorRef": "http://c/v2.1/flavors/m1", "imageRef": UUID});
        let fields = more.as_object().unwrap().clone();
        server.as_object_mut().unwrap().extend(fields);
        read(&json!({"server": server}))
    }

    #[test]
    fn references_may_be_links() {
        let request = request(json!({"imageRef": format!("http://c/images/{UUID}")})).unwrap();
        assert_eq!((request.flavor.as_str(), request.image.as_str()), ("m1", UUID));
    }

    #[test]
    fn interfaces_are_read() {
        let nics = |value: Value| request(json!({"networks": value})).map(|request| request.networks);
        assert_eq!(nics(json!("none")), Ok(Networks::Nothing));
        assert_eq!(nics(json!("auto")), Ok(Networks::Auto { required: true }));
        assert_eq!(nics(json!([])), Ok(Networks::Auto { required: false }));
        assert!(matches!(nics(json!([{"port": UUID}])), Ok(Networks::These(list)) if list.len() == 1));
        assert!(nics(json!([{"port": UUID, "fixed_ip": "10.0.0.1"}])).is_err());
        assert!(nics(json!([{}])).is_err());
    }

    #[test]
    fn volumes_are_refused_and_a_mapped_image_is_taken() {
        let mapped = |device: Value| request(json!({"imageRef": "", "block_device_mapping_v2": [device]}));
        let image = json!({"source_type": "image", "destination_type": "local", "boot_index": 0, "uuid": UUID});
        assert_eq!(mapped(image).unwrap().image, UUID);
        let volume = json!({"source_type": "image", "destination_type": "volume", "boot_index": 0, "uuid": UUID});
        assert!(mapped(volume).unwrap_err().contains("volumes are not available"));
        assert!(request(json!({"imageRef": ""})).is_err());
    }

    #[test]
    fn counts_must_fit_together() {
        assert_eq!(request(json!({"min_count": 2})).unwrap().max_count, 2);
        assert!(request(json!({"min_count": 3, "max_count": 2})).is_err());
        let fixed = json!({"max_count": 2, "networks": [{"uuid": UUID, "fixed_ip": "10.0.0.9"}]});
        assert!(request(fixed).unwrap_err().contains("one by one"));
    }
}
