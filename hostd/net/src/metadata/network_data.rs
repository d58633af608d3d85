//! `network_data.json`, after nova's (virt/netutils.py).

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::{GuestAddress, GuestInterface};
use crate::model::Ipv6Mode;

/// The document.
pub(super) fn render(interfaces: &[GuestInterface]) -> Value {
    let mut networks = Vec::new();
    let mut services: Vec<Value> = Vec::new();
    for interface in interfaces {
        for address in &interface.addresses {
            networks.push(network(interface, address, networks.len()));
            for server in &address.dns_servers {
                let service = dns(server);
                if !services.contains(&service) {
                    services.push(service);
                }
            }
        }
    }
    json!({ "links": interfaces.iter().map(link).collect::<Vec<_>>(), "networks": networks, "services": services })
}

fn dns(server: &IpAddr) -> Value {
    json!({"type": "dns", "address": server.to_string()})
}

/// `tap` and the first 11 characters of the port's id, as neutron names them.
fn link_id(interface: &GuestInterface) -> String {
    format!("tap{}", interface.port.as_str().chars().take(11).collect::<String>())
}

fn link(interface: &GuestInterface) -> Value {
    json!({
        "id": link_id(interface),
        "vif_id": interface.port.as_str(),
        "type": "bridge",
        "mtu": interface.mtu,
        "ethernet_mac_address": interface.mac.to_string(),
    })
}

fn kind(address: &GuestAddress) -> &'static str {
    match (address.address, address.ipv6_mode) {
        (IpNet::V4(_), _) if address.dhcp => "ipv4_dhcp",
        (IpNet::V4(_), _) => "ipv4",
        (IpNet::V6(_), Some(Ipv6Mode::Slaac)) => "ipv6_slaac",
        (IpNet::V6(_), Some(Ipv6Mode::Dhcpv6Stateful)) => "ipv6_dhcpv6-stateful",
        (IpNet::V6(_), Some(Ipv6Mode::Dhcpv6Stateless)) => "ipv6_dhcpv6-stateless",
        (IpNet::V6(_), None) => "ipv6",
    }
}

fn network(interface: &GuestInterface, address: &GuestAddress, number: usize) -> Value {
    let mut network = json!({
        "id": format!("network{number}"),
        "type": kind(address),
        "link": link_id(interface),
        "network_id": interface.network.as_str(),
    });
    if kind(address) == "ipv4_dhcp" {
        return network;
    }
    let default = address.gateway.map(|by| match by {
        IpAddr::V4(_) => route("0.0.0.0", "0.0.0.0", by),
        IpAddr::V6(_) => route("::", "::", by),
    });
    let told = address
        .host_routes
        .iter()
        .map(|r| route(&r.destination.network().to_string(), &r.destination.netmask().to_string(), r.next_hop));
    network["ip_address"] = json!(address.address.addr().to_string());
    network["netmask"] = json!(address.address.netmask().to_string());
    network["routes"] = default.into_iter().chain(told).collect();
    network["services"] = address.dns_servers.iter().map(dns).collect();
    network
}

fn route(network: &str, netmask: &str, gateway: IpAddr) -> Value {
    json!({"network": network, "netmask": netmask, "gateway": gateway.to_string()})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mac::MacAddr;

    fn interface(dhcp: bool) -> GuestInterface {
        GuestInterface {
            port: "12345678-9abc-def0".into(),
            network: "n".into(),
            mac: MacAddr([0xfa, 0x16, 0x3e, 0, 0, 1]),
            mtu: 1450,
            addresses: vec![GuestAddress {
                subnet: "s".into(),
                address: "10.0.0.5/24".parse().unwrap(),
                gateway: Some("10.0.0.1".parse().unwrap()),
                dhcp,
                ipv6_mode: None,
                dns_servers: vec!["192.0.2.53".parse().unwrap()],
                host_routes: Vec::new(),
            }],
            floating_addresses: Vec::new(),
        }
    }

    #[test]
    fn dhcp_leaves_the_address_to_dhcp() {
        let data = render(&[interface(true)]);
        assert_eq!(data["networks"][0]["type"], "ipv4_dhcp");
        assert_eq!(data["networks"][0].get("ip_address"), None);
        assert_eq!(data["links"][0]["id"], "tap12345678-9a");
        assert_eq!(data["services"][0]["address"], "192.0.2.53");
    }

    #[test]
    fn static_addresses_come_with_mask_and_routes() {
        let data = render(&[interface(false)]);
        assert_eq!(data["networks"][0]["netmask"], "255.255.255.0");
        assert_eq!(data["networks"][0]["routes"][0]["gateway"], "10.0.0.1");
    }
}
