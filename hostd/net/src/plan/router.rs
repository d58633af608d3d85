//! A router's namespace: interfaces, addresses, routes, translation, advertisements.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::IpNet;

use super::{
    Advertisement, Desired, InnerLink, LinkKind, LinkPlan, NamespacePlan, Plan, PlanFailure, Prefix, RoutePlan,
    VethPeer, names, network, transit::Transit,
};
use crate::config::NetConfig;
use crate::mac::MacAddr;
use crate::model::{ExternalGateway, InterfaceAddress, Ipv6Mode, Network, ObjectKey, Router, RouterInterface, Segment};

/// Plans a router. Interfaces whose network is not known yet are left out until it is.
pub(super) fn plan(desired: &Desired, router: &Router, config: &NetConfig, plan: &mut Plan) {
    let key = ObjectKey::Router(router.id.clone());
    let namespace = names::router_namespace(&router.id);
    let mut links = BTreeMap::new();
    let transit = Transit::of(desired, router);
    let end = |link: String, mac, told| VethPeer { namespace: namespace.clone(), link, mac, told };
    for interface in &router.interfaces {
        let Some(network) = desired.networks.get(&interface.network) else { continue };
        let peer = end(names::interface_link(&interface.port), interface.mac, false);
        let addresses: Vec<IpNet> = interface.addresses.iter().map(|a| a.address).collect();
        let mut inner = inner(network, interface.mac, addresses, true);
        if let Some(transit) = transit.filter(|transit| transit.leaves_by(interface)) {
            inner.neighbours = transit.neighbours();
        }
        links.insert(peer.link.clone(), inner);
        attach(config, network, &key, names::interface_veth(&interface.port), peer, plan);
    }
    let gateway = router.gateway.as_ref().filter(|gateway| gateway.snat_here || !router.floating_ips.is_empty());
    if let Some((gateway, network)) = gateway.and_then(|g| Some((g, desired.networks.get(&g.network)?))) {
        let mac = gateway_mac(gateway, config);
        let peer = end(names::GATEWAY_LINK.to_owned(), mac, false);
        links.insert(peer.link.clone(), inner(network, mac, gateway_addresses(router, gateway), true));
        attach(config, network, &key, names::gateway_veth(&gateway.port), peer, plan);
    }
    if let Some(transit) = transit.filter(Transit::ends_here) {
        let peer = end(names::WAY_LINK.to_owned(), transit.mac, true);
        links.insert(peer.link.clone(), inner(transit.network, transit.mac, Vec::new(), false));
        attach(config, transit.network, &key, names::way_veth(&transit.interface.port), peer, plan);
    }
    let advertisements = advertisements(desired, router);
    if !advertisements.is_empty() && router.admin_up {
        plan.advertisements.insert(router.id.clone(), Arc::new(advertisements));
    }
    let inner = NamespacePlan {
        owner: key,
        sysctls: sysctls(router.admin_up, links.keys()),
        routes: routes(router, links.contains_key(names::GATEWAY_LINK), transit.as_ref()),
        floating_sources: floating_sources(router, transit.as_ref()),
        nft: Some(translation(router)),
        translated: router.floating_ips.iter().map(|f| (f.floating_address, f.fixed_address)).collect(),
        links,
    };
    plan.namespaces.insert(namespace, inner);
}

fn inner(network: &Network, mac: MacAddr, addresses: Vec<IpNet>, announce: bool) -> InnerLink {
    InnerLink { mac, mtu: network.mtu.into(), addresses, neighbours: BTreeSet::new(), announce }
}

fn attach(config: &NetConfig, network: &Network, key: &ObjectKey, veth: String, peer: VethPeer, plan: &mut Plan) {
    let Some(bridge) = network::bridge_of(network, config) else {
        if let Segment::Flat { physical_network } = &network.segment {
            plan.failures.push(PlanFailure::PhysicalNetwork(key.clone(), physical_network.clone()));
        }
        return;
    };
    let link = LinkPlan {
        owner: Some(key.clone()),
        kind: LinkKind::Veth(peer),
        mac: None,
        mtu: network.mtu.into(),
        master: Some(bridge),
        addresses: None,
    };
    plan.links.push((veth, link));
}

/// Each host's own, for all its addresses outside. A host that is cut off its controller keeps the shared address while another takes it,
/// and both have floating addresses: if they had one hardware address, switches would bring what is meant for the one to the other.
/// A host without a way to others is alone, and takes the port's.
fn gateway_mac(gateway: &ExternalGateway, config: &NetConfig) -> MacAddr {
    let Some(underlay) = config.underlay_address else { return gateway.mac };
    names::derived_mac(&format!("gateway {} {underlay}", gateway.port))
}

fn gateway_addresses(router: &Router, gateway: &ExternalGateway) -> Vec<IpNet> {
    let own = gateway.addresses.iter().map(|a| a.address).filter(|_| gateway.snat_here);
    let floating = router.floating_ips.iter().map(|f| IpNet::from(f.floating_address));
    own.chain(floating).collect()
}

fn sysctls<'a>(forward: bool, links: impl Iterator<Item = &'a String>) -> Vec<(String, String)> {
    let on = if forward { "1" } else { "0" };
    // Of both of a pair of settings the greater counts, and links were there before the default was.
    let own = links.flat_map(|link| {
        ["rp_filter", "send_redirects"].map(|name| (format!("ipv4/conf/{link}/{name}"), "0".to_owned()))
    });
    let common = [
        ("ipv4/ip_forward", on),
        ("ipv6/conf/all/forwarding", on),
        ("ipv4/conf/all/rp_filter", "0"),
        ("ipv4/conf/default/rp_filter", "0"),
        ("ipv4/conf/all/send_redirects", "0"),
        ("ipv4/conf/default/send_redirects", "0"),
        ("ipv4/conf/all/arp_ignore", "1"),
        ("ipv4/conf/all/arp_announce", "2"),
        ("ipv6/conf/all/accept_ra", "0"),
        ("ipv6/conf/default/accept_ra", "0"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    common.into_iter().chain(own).collect()
}

/// Where packets leave elsewhere but those of guests with a floating address, which leave here.
fn floating_sources(router: &Router, transit: Option<&Transit<'_>>) -> BTreeSet<Ipv4Addr> {
    let apart = transit.is_some_and(|transit| !transit.ends_here());
    let addresses = router.floating_ips.iter().flat_map(|f| [f.floating_address, f.fixed_address]);
    let v4 = |address| if let IpAddr::V4(address) = address { Some(address) } else { None };
    addresses.filter_map(v4).filter(|_| apart).collect()
}

fn default_route(next_hop: IpAddr) -> IpNet {
    match next_hop {
        IpAddr::V4(_) => IpNet::V4(ipnet::Ipv4Net::default()),
        IpAddr::V6(_) => IpNet::V6(ipnet::Ipv6Net::default()),
    }
}

fn routes(router: &Router, outside: bool, transit: Option<&Transit<'_>>) -> Vec<RoutePlan> {
    let transit = transit.filter(|transit| !transit.ends_here());
    let (floating, mut routes) = (transit.is_some(), transit.map(Transit::routes).unwrap_or_default());
    if let Some(gateway) = router.gateway.as_ref().filter(|_| outside) {
        let link = || Some(names::GATEWAY_LINK.to_owned());
        // Without the gateway's own address its prefix is not on the link by itself.
        let prefixes = gateway.addresses.iter().filter(|_| !gateway.snat_here);
        let route = |destination, via| RoutePlan { destination, via, link: link(), floating };
        routes.extend(prefixes.map(|a| route(a.address.trunc(), None)));
        // Floating addresses are of IPv4; all else leaves with the shared address.
        let next_hops = gateway.next_hops.iter().filter(|hop| !floating || hop.is_ipv4());
        routes.extend(next_hops.map(|hop| route(default_route(*hop), Some(*hop))));
    }
    for route in &router.routes {
        routes.push(RoutePlan {
            destination: route.destination.trunc(),
            via: Some(route.next_hop),
            link: None,
            floating: false,
        });
    }
    routes
}

/// The router's packet filter. Floating addresses take precedence over the shared one. A packet that comes from inside to a
/// floating address leaves with its sender's floating address, or else the outgoing interface's, so that the answer comes back.
fn translation(router: &Router) -> String {
    let mut inward = String::new();
    let mut outward = String::new();
    for floating in &router.floating_ips {
        let (IpAddr::V4(outside), IpAddr::V4(inside)) = (floating.floating_address, floating.fixed_address) else {
            continue;
        };
        let _infallible = writeln!(inward, "ip daddr {outside} dnat to {inside}");
        let _infallible = writeln!(outward, "ip saddr {inside} oifname \"gw\" snat to {outside}");
        let _infallible = writeln!(outward, "ip saddr {inside} iifname != \"gw\" ct status dnat snat to {outside}");
    }
    let mut shared = String::new();
    if let Some(gateway) = router.gateway.as_ref().filter(|g| g.snat && g.snat_here) {
        let own = gateway.addresses.iter().map(|a| a.address.addr()).find(IpAddr::is_ipv4);
        if let Some(own) = own {
            let _infallible = writeln!(shared, "oifname \"gw\" iifname != \"gw\" snat to {own}");
        }
    }
    format!(
        "table ip humilis\ndelete table ip humilis\ntable ip humilis {{\n\
         chain prerouting {{\ntype nat hook prerouting priority dstnat;\n{inward}}}\n\
         chain postrouting {{\ntype nat hook postrouting priority srcnat;\n{outward}{shared}\
         iifname != \"gw\" oifname != \"gw\" ct status dnat masquerade\n}}\n}}\n"
    )
}

fn advertisements(desired: &Desired, router: &Router) -> Vec<Advertisement> {
    router.interfaces.iter().filter_map(|interface| advertisement(desired, interface)).collect()
}

fn advertisement(desired: &Desired, interface: &RouterInterface) -> Option<Advertisement> {
    let network = desired.networks.get(&interface.network)?;
    let mut all = Advertisement {
        link: names::interface_link(&interface.port),
        mac: interface.mac,
        mtu: network.mtu.into(),
        managed: false,
        other: false,
        prefixes: Vec::new(),
        dns_servers: Vec::new(),
    };
    for InterfaceAddress { subnet, .. } in &interface.addresses {
        let Some(subnet) = desired.subnet(&network.id, subnet) else { continue };
        let (Some(mode), IpNet::V6(prefix)) = (subnet.ipv6_ra_mode, subnet.cidr) else { continue };
        all.managed |= mode == Ipv6Mode::Dhcpv6Stateful;
        all.other |= mode != Ipv6Mode::Slaac;
        all.prefixes.push(Prefix { prefix: prefix.trunc(), autonomous: mode != Ipv6Mode::Dhcpv6Stateful });
        let servers =
            if subnet.dns_servers.is_empty() { subnet.service_address.as_slice() } else { &subnet.dns_servers };
        all.dns_servers.extend(servers.iter().filter_map(|ip| match ip {
            IpAddr::V6(ip) => Some(*ip),
            IpAddr::V4(_) => None,
        }));
    }
    (!all.prefixes.is_empty()).then_some(all)
}
