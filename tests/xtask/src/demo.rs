//! What a new cloud gets so that it can be used at once: images, flavors, networks, a first guest. Everything is made only where
//! it is missing, so that a second run is harmless.

use anyhow::{Context as _, Result, bail};
use humilis_harness::rest::Client;
use serde_json::{Value, json};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// An image to be uploaded.
pub struct DemoImage<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its bytes.
    pub file: &'a Path,
    /// Its format; `aki` for a kernel.
    pub disk_format: &'a str,
    /// Further properties.
    pub properties: Value,
}

/// A server and where it answers.
pub struct FirstGuest {
    /// Its id.
    pub id: String,
    /// Its floating address.
    pub floating_ip: String,
}

/// The public image of this name; uploaded if it is missing.
pub async fn image(cloud: &Client, wanted: &DemoImage<'_>) -> Result<String> {
    if let Some(id) = find(cloud, "image", "/v2/images", "images", wanted.name).await? {
        return Ok(id);
    }
    let container = if wanted.disk_format.starts_with('a') { wanted.disk_format } else { "bare" };
    let mut body = json!({"name": wanted.name, "disk_format": wanted.disk_format, "container_format": container, "visibility": "public"});
    for (name, value) in wanted.properties.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    let image = id_of(&cloud.call("POST", "image", "/v2/images", Some(body)).await?)?;
    cloud.upload(&image, wanted.file).await?;
    Ok(image)
}

/// The flavors that tutorials name.
pub async fn flavors(cloud: &Client) -> Result<()> {
    for (name, memory, cpus, disk) in [
        ("m1.nano", 192, 1, 1),
        ("m1.micro", 256, 1, 1),
        ("m1.tiny", 512, 1, 2),
        ("m1.small", 1024, 1, 10),
        ("m1.medium", 2048, 2, 20),
    ] {
        if find(cloud, "compute", "/flavors", "flavors", name).await?.is_none() {
            let flavor = json!({"flavor": {"name": name, "ram": memory, "vcpus": cpus, "disk": disk}});
            cloud.call("POST", "compute", "/flavors", Some(flavor)).await?;
        }
    }
    Ok(())
}

/// The external network `public`, the network `private` and a router between them; gives the ids of the two networks.
pub async fn networks(cloud: &Client) -> Result<(String, String)> {
    let public = match find(cloud, "network", "/v2.0/networks", "networks", "public").await? {
        Some(id) => id,
        None => {
            let network = json!({"network": {"name": "public", "router:external": true, "provider:network_type": "flat",
                "provider:physical_network": "public"}});
            let public = id_of(&cloud.call("POST", "network", "/v2.0/networks", Some(network)).await?["network"])?;
            let subnet = json!({"subnet": {"name": "public", "network_id": public, "ip_version": 4, "cidr": "172.24.4.0/24",
                "gateway_ip": "172.24.4.1", "enable_dhcp": false,
                "allocation_pools": [{"start": "172.24.4.10", "end": "172.24.4.250"}]}});
            cloud.call("POST", "network", "/v2.0/subnets", Some(subnet)).await?;
            public
        }
    };
    if let Some(private) = find(cloud, "network", "/v2.0/networks", "networks", "private").await? {
        return Ok((public, private));
    }
    let network = json!({"network": {"name": "private"}});
    let private = id_of(&cloud.call("POST", "network", "/v2.0/networks", Some(network)).await?["network"])?;
    let subnet = json!({"subnet": {"name": "private", "network_id": private, "ip_version": 4, "cidr": "10.0.0.0/24"}});
    let subnet = id_of(&cloud.call("POST", "network", "/v2.0/subnets", Some(subnet)).await?["subnet"])?;
    let router = json!({"router": {"name": "router", "external_gateway_info": {"network_id": public}}});
    let router = id_of(&cloud.call("POST", "network", "/v2.0/routers", Some(router)).await?["router"])?;
    let path = format!("/v2.0/routers/{router}/add_router_interface");
    cloud.call("PUT", "network", &path, Some(json!({"subnet_id": subnet}))).await?;
    Ok((public, private))
}

/// Lets ping, SSH and the demo guest's services through the default group.
pub async fn open_default_group(cloud: &Client) -> Result<()> {
    let path = format!("/v2.0/security-groups?name=default&project_id={}", cloud.project_id);
    let groups = cloud.call("GET", "network", &path, None).await?;
    let group = id_of(&groups["security_groups"][0])?;
    for (protocol, port) in [("icmp", None), ("tcp", Some(22)), ("tcp", Some(7)), ("tcp", Some(23))] {
        let rule = json!({"security_group_rule": {"security_group_id": group, "direction": "ingress", "protocol": protocol,
            "port_range_min": port, "port_range_max": port}});
        let (status, answer) = cloud.try_call("POST", "network", "/v2.0/security-group-rules", Some(rule)).await?;
        if status != 201 && status != 409 {
            bail!("a rule of the default group was refused: {status} {answer}");
        }
    }
    Ok(())
}

/// The server of this name, made and given a floating address if it is missing; waits until it is ACTIVE.
pub async fn first_guest(
    cloud: &Client,
    name: &str,
    image: &str,
    flavor: &str,
    nets: (&str, &str),
) -> Result<FirstGuest> {
    let (public, private) = nets;
    let flavor = find(cloud, "compute", "/flavors", "flavors", flavor).await?.context("the flavor is missing")?;
    let id = match find(cloud, "compute", "/servers", "servers", name).await? {
        Some(id) => id,
        None => {
            let server = json!({"server": {"name": name, "imageRef": image, "flavorRef": flavor, "networks": [{"uuid": private}]}});
            id_of(&cloud.call("POST", "compute", "/servers", Some(server)).await?["server"])?
        }
    };
    start(cloud, &id).await?;
    active(cloud, &id, Duration::from_secs(600)).await?;
    let ports = cloud.call("GET", "network", &format!("/v2.0/ports?device_id={id}"), None).await?;
    let port = id_of(&ports["ports"][0])?;
    let known = cloud.call("GET", "network", &format!("/v2.0/floatingips?port_id={port}"), None).await?;
    let floating = match known["floatingips"].get(0) {
        Some(floating) => floating.clone(),
        None => {
            let body = json!({"floatingip": {"floating_network_id": public, "port_id": port}});
            cloud.call("POST", "network", "/v2.0/floatingips", Some(body)).await?["floatingip"].clone()
        }
    };
    let floating_ip = floating["floating_ip_address"].as_str().context("the floating IP has no address")?.to_owned();
    Ok(FirstGuest { id, floating_ip })
}

/// Starts a server that is off.
pub async fn start(cloud: &Client, id: &str) -> Result<()> {
    let server = cloud.call("GET", "compute", &format!("/servers/{id}"), None).await?;
    if server["server"]["status"] == "SHUTOFF" {
        cloud.call("POST", "compute", &format!("/servers/{id}/action"), Some(json!({"os-start": null}))).await?;
    }
    Ok(())
}

/// Starts a server anew, without asking its guest; nothing while something else is done with it.
pub async fn restart(cloud: &Client, id: &str) -> Result<()> {
    let body = json!({"reboot": {"type": "HARD"}});
    match cloud.try_call("POST", "compute", &format!("/servers/{id}/action"), Some(body)).await? {
        (202 | 409, _) => Ok(()),
        (status, answer) => bail!("server {id} cannot be started anew: {status} {answer}"),
    }
}

/// Waits until a server is ACTIVE.
pub async fn active(cloud: &Client, id: &str, limit: Duration) -> Result<()> {
    let end = Instant::now() + limit;
    while Instant::now() < end {
        let server = cloud.call("GET", "compute", &format!("/servers/{id}"), None).await?;
        match server["server"]["status"].as_str() {
            Some("ACTIVE") => return Ok(()),
            Some("ERROR") => bail!("server {id} failed: {}", server["server"]["fault"]),
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    bail!("server {id} did not become ACTIVE in {} s", limit.as_secs())
}

/// What a server's console said.
pub async fn console(cloud: &Client, id: &str) -> Result<String> {
    let path = format!("/servers/{id}/action");
    let answer = cloud.call("POST", "compute", &path, Some(json!({"os-getConsoleOutput": {}}))).await?;
    Ok(answer["output"].as_str().unwrap_or_default().to_owned())
}

async fn find(cloud: &Client, service: &str, path: &str, list: &str, name: &str) -> Result<Option<String>> {
    let found = cloud.call("GET", service, &format!("{path}?name={name}"), None).await?;
    let mut items = found[list].as_array().into_iter().flatten();
    Ok(items.find(|item| item["name"] == name).and_then(|item| item["id"].as_str()).map(str::to_owned))
}

fn id_of(item: &Value) -> Result<String> {
    item["id"].as_str().map(str::to_owned).with_context(|| format!("{item} has no id"))
}
