//! A network's links on this host: bridge, way to the other hosts, service namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

use super::{
    Desired, InnerLink, LinkKind, LinkPlan, NamespacePlan, Plan, PlanFailure, TapPlan, VethPeer, VxlanPlan, names,
    service, transit,
};
use crate::config::NetConfig;
use crate::mac::MacAddr;
use crate::model::{Network, ObjectKey, Port, RemotePort, Segment};

/// Where guests find the metadata server.
pub(crate) const METADATA_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// The same over IPv6.
pub(crate) const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe);

/// Bridges that the configuration asks for.
pub(super) fn physical(config: &NetConfig, plan: &mut Plan) {
    for physical in config.physical_networks.values().filter(|p| p.create) {
        let link = LinkPlan {
            owner: None,
            kind: LinkKind::Bridge,
            mac: Some(names::derived_mac(&physical.interface)),
            mtu: 1500,
            master: None,
            addresses: Some(physical.host_addresses.clone()),
        };
        plan.links.push((physical.interface.clone(), link));
    }
}

/// The bridge that the network's ports are in; `None` if this host has no such physical network.
pub(crate) fn bridge_of(network: &Network, config: &NetConfig) -> Option<String> {
    match &network.segment {
        Segment::Flat { physical_network } => Some(config.physical_networks.get(physical_network)?.interface.clone()),
        Segment::Overlay { .. } | Segment::Vlan { .. } => Some(names::bridge(&network.id)),
    }
}

/// Plans a network.
pub(super) fn plan(desired: &Desired, config: &NetConfig, network: &Network, plan: &mut Plan) {
    let key = ObjectKey::Network(network.id.clone());
    let Some(bridge) = bridge_of(network, config) else {
        if let Segment::Flat { physical_network } = &network.segment {
            plan.failures.push(PlanFailure::PhysicalNetwork(key, physical_network.clone()));
        }
        return;
    };
    match &network.segment {
        Segment::Overlay { vni, remotes } => {
            plan.links.push((bridge.clone(), own_bridge(network, &key)));
            overlay(desired, config, network, (*vni, remotes), &bridge, plan);
        }
        Segment::Vlan { physical_network, vlan_id } => match config.physical_networks.get(physical_network) {
            Some(physical) => {
                plan.links.push((bridge.clone(), own_bridge(network, &key)));
                let kind = LinkKind::Vlan { parent: physical.interface.clone(), vlan_id: *vlan_id };
                plan.links.push((names::vlan(&network.id), attached(network, &key, kind, &bridge)));
            }
            None => plan.failures.push(PlanFailure::PhysicalNetwork(key.clone(), physical_network.clone())),
        },
        Segment::Flat { .. } => {}
    }
    for port in desired.ports_of(&network.id) {
        plan.taps.insert(names::tap(&port.id), tap(port, network, &bridge));
    }
    if network.subnets.iter().any(|subnet| subnet.dhcp && subnet.service_address.is_some()) {
        service_namespace(desired, network, &key, &bridge, plan);
    }
}

fn own_bridge(network: &Network, key: &ObjectKey) -> LinkPlan {
    LinkPlan {
        owner: Some(key.clone()),
        kind: LinkKind::Bridge,
        mac: Some(names::derived_mac(&format!("bridge {}", network.id))),
        mtu: network.mtu.into(),
        master: None,
        addresses: None,
    }
}

fn attached(network: &Network, key: &ObjectKey, kind: LinkKind, bridge: &str) -> LinkPlan {
    LinkPlan {
        owner: Some(key.clone()),
        kind,
        mac: None,
        mtu: network.mtu.into(),
        master: Some(bridge.to_owned()),
        addresses: None,
    }
}

fn overlay(
    desired: &Desired,
    config: &NetConfig,
    network: &Network,
    (vni, remotes): (u32, &[RemotePort]),
    bridge: &str,
    plan: &mut Plan,
) {
    let through = transit::through(desired, &network.id);
    if remotes.is_empty() && !(through.routed && config.underlay_address.is_some()) {
        return;
    }
    let Some(local) = config.underlay_address else {
        plan.failures.push(PlanFailure::Underlay(network.id.clone()));
        return;
    };
    let neighbours = remotes.iter().flat_map(|r| r.addresses.iter().map(|ip| (*ip, r.mac))).collect();
    let vxlan = VxlanPlan {
        vni,
        local,
        port: config.vxlan_port,
        remotes: remotes.iter().map(|r| (r.mac, r.host_address)).chain(through.holders).collect(),
        neighbours,
    };
    let key = ObjectKey::Network(network.id.clone());
    // One of our own: udev would give it another than the kernel's, and with that change the kernel forgets all neighbours.
    let mac = Some(names::derived_mac(&format!("overlay {}", network.id)));
    let link = LinkPlan { mac, ..attached(network, &key, LinkKind::Vxlan(vxlan), bridge) };
    plan.links.push((names::vxlan(&network.id), link));
}

fn tap(port: &Port, network: &Network, bridge: &str) -> TapPlan {
    let MacAddr([_, rest @ ..]) = port.mac;
    let [a, b, c, d, e] = rest;
    TapPlan {
        owner: ObjectKey::Port(port.id.clone()),
        bridge: bridge.to_owned(),
        // Not the guest's own, which the bridge would then take for the host.
        mac: MacAddr([0xfe, a, b, c, d, e]),
        mtu: network.mtu.into(),
        up: port.admin_up,
    }
}

fn service_namespace(desired: &Desired, network: &Network, key: &ObjectKey, bridge: &str, plan: &mut Plan) {
    let namespace = names::service_namespace(&network.id);
    let mac = names::derived_mac(&format!("service {}", network.id));
    let peer = VethPeer { namespace: namespace.clone(), link: names::SERVICE_LINK.to_owned(), mac, told: false };
    plan.links.push((names::service_veth(&network.id), attached(network, key, LinkKind::Veth(peer), bridge)));
    let link = InnerLink {
        mac,
        mtu: network.mtu.into(),
        addresses: service_addresses(network),
        neighbours: neighbours(desired, network),
        announce: false,
    };
    let inner = NamespacePlan {
        owner: key.clone(),
        sysctls: vec![
            ("ipv4/conf/all/rp_filter".to_owned(), "0".to_owned()),
            ("ipv6/conf/all/accept_ra".to_owned(), "0".to_owned()),
            ("ipv6/conf/default/accept_ra".to_owned(), "0".to_owned()),
        ],
        links: BTreeMap::from([(names::SERVICE_LINK.to_owned(), link)]),
        routes: Vec::new(),
        floating_sources: BTreeSet::new(),
        nft: None,
        translated: BTreeMap::new(),
    };
    plan.namespaces.insert(namespace.clone(), inner);
    plan.services.insert(network.id.clone(), Arc::new(service::plan(desired, network, namespace, mac)));
}

fn service_addresses(network: &Network) -> Vec<IpNet> {
    let served = network.subnets.iter().filter(|subnet| subnet.dhcp);
    let mut addresses: Vec<IpNet> =
        served.filter_map(|subnet| IpNet::new(subnet.service_address?, subnet.cidr.prefix_len()).ok()).collect();
    addresses.push(IpNet::from(IpAddr::V4(METADATA_V4)));
    addresses.extend(IpNet::new(METADATA_V6.into(), 64));
    addresses
}

/// Known ports are not asked for their hardware address: an answer reaches a client that has no address yet.
fn neighbours(desired: &Desired, network: &Network) -> BTreeSet<(IpAddr, MacAddr)> {
    let ports = desired.ports_of(&network.id);
    ports.flat_map(|port| port.fixed_ips.iter().map(move |ip| (ip.address, port.mac))).collect()
}
