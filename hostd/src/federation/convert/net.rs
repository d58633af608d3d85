//! Networks, ports, security groups and routers, inward.

use super::{Invalid, number, parse, parse_all, parse_option};
use hostd_net::model::{
    AddressPair, Direction, ExternalGateway, FixedIp, FloatingIp, InterfaceAddress, Ipv6Mode, Network, Port, Remote,
    RemotePort, Route, Router, RouterInterface, SecurityGroup, SecurityRule, Segment, Subnet,
};
use humilis_proto::federation as wire;
use ipnet::IpNet;
use std::net::IpAddr;

/// VXLAN network identifiers have 24 bits.
const MAX_VNI: u32 = (1 << 24) - 1;
/// Ethernet's least MTU for IPv4.
const MIN_MTU: u16 = 68;

pub(super) fn network(id: &str, network: wire::Network) -> Result<Network, Invalid> {
    let mtu = number("mtu", network.mtu)?;
    Ok(Network {
        id: id.into(),
        name: network.name,
        mtu: Some(mtu).filter(|mtu| *mtu >= MIN_MTU).ok_or_else(|| Invalid::value("mtu", mtu))?,
        segment: segment(network.segment.ok_or(Invalid::Missing("segment"))?)?,
        subnets: network.subnets.into_iter().map(subnet).collect::<Result<_, _>>()?,
        dns_domain: network.dns_domain,
        external: network.external,
    })
}

fn segment(segment: wire::network::Segment) -> Result<Segment, Invalid> {
    use wire::network::Segment as W;
    Ok(match segment {
        W::Flat(flat) => Segment::Flat { physical_network: flat.physical_network },
        W::Vlan(vlan) => {
            let vlan_id = Some(vlan.vlan_id).filter(|id| (1..=4094).contains(id));
            let vlan_id = vlan_id.ok_or_else(|| Invalid::value("vlan_id", vlan.vlan_id))?;
            Segment::Vlan { physical_network: vlan.physical_network, vlan_id: number("vlan_id", vlan_id)? }
        }
        W::Overlay(overlay) => {
            let vni = Some(overlay.vni).filter(|vni| (1..=MAX_VNI).contains(vni));
            Segment::Overlay {
                vni: vni.ok_or_else(|| Invalid::value("vni", overlay.vni))?,
                remotes: overlay.remotes.iter().map(remote_port).collect::<Result<_, _>>()?,
            }
        }
    })
}

fn remote_port(port: &wire::RemotePort) -> Result<RemotePort, Invalid> {
    Ok(RemotePort {
        mac: parse("mac", &port.mac)?,
        addresses: parse_all("addresses", &port.addresses)?,
        host_address: parse("host_address", &port.host_address)?,
    })
}

fn subnet(subnet: wire::Subnet) -> Result<Subnet, Invalid> {
    Ok(Subnet {
        id: subnet.id.into(),
        cidr: parse("cidr", &subnet.cidr)?,
        gateway: parse_option("gateway", &subnet.gateway)?,
        dhcp: subnet.dhcp,
        service_address: parse_option("service_address", &subnet.service_address)?,
        dns_servers: parse_all("dns_servers", &subnet.dns_servers)?,
        host_routes: subnet.host_routes.iter().map(route).collect::<Result<_, _>>()?,
        ipv6_address_mode: mode(subnet.ipv6_address_mode)?,
        ipv6_ra_mode: mode(subnet.ipv6_ra_mode)?,
    })
}

fn mode(mode: i32) -> Result<Option<Ipv6Mode>, Invalid> {
    use wire::Ipv6Mode as W;
    match W::try_from(mode) {
        Ok(W::Unspecified) => Ok(None),
        Ok(W::Slaac) => Ok(Some(Ipv6Mode::Slaac)),
        Ok(W::Dhcpv6Stateful) => Ok(Some(Ipv6Mode::Dhcpv6Stateful)),
        Ok(W::Dhcpv6Stateless) => Ok(Some(Ipv6Mode::Dhcpv6Stateless)),
        Err(_) => Err(Invalid::value("ipv6 mode", mode)),
    }
}

fn route(route: &wire::Route) -> Result<Route, Invalid> {
    Ok(Route { destination: prefix(&route.destination)?, next_hop: parse("next_hop", &route.next_hop)? })
}

/// A prefix; an address alone is one of its full length.
fn prefix(text: &str) -> Result<IpNet, Invalid> {
    text.parse::<IpNet>().or_else(|_| parse::<IpAddr>("cidr", text).map(IpNet::from))
}

pub(super) fn port(id: &str, port: wire::Port) -> Result<Port, Invalid> {
    Ok(Port {
        id: id.into(),
        network: port.network_id.into(),
        mac: parse("mac", &port.mac)?,
        fixed_ips: port.fixed_ips.into_iter().map(fixed_ip).collect::<Result<_, _>>()?,
        port_security: port.port_security,
        security_groups: port.security_group_ids.into_iter().map(Into::into).collect(),
        allowed_address_pairs: port.allowed_address_pairs.iter().map(address_pair).collect::<Result<_, _>>()?,
        admin_up: port.admin_up,
        guest_id: port.guest_id,
        extra_dhcp_options: port.extra_dhcp_options.into_iter().collect(),
        dns_name: port.dns_name,
    })
}

fn fixed_ip(ip: wire::FixedIp) -> Result<FixedIp, Invalid> {
    Ok(FixedIp { address: parse("address", &ip.address)?, subnet: ip.subnet_id.into() })
}

fn address_pair(pair: &wire::AddressPair) -> Result<AddressPair, Invalid> {
    Ok(AddressPair { cidr: prefix(&pair.cidr)?, mac: parse_option("mac", &pair.mac)? })
}

pub(super) fn security_group(id: &str, group: wire::SecurityGroup) -> Result<SecurityGroup, Invalid> {
    Ok(SecurityGroup {
        id: id.into(),
        name: group.name,
        rules: group.rules.into_iter().map(rule).collect::<Result<_, _>>()?,
        stateful: group.stateful,
        member_addresses: parse_all("member_addresses", &group.member_addresses)?,
    })
}

fn rule(rule: wire::SecurityRule) -> Result<SecurityRule, Invalid> {
    let remote = match (rule.remote_cidr.as_str(), rule.remote_group_id.as_str()) {
        ("", "") => Remote::Any,
        (cidr, "") => Remote::Prefix(prefix(cidr)?),
        ("", group) => Remote::Group(group.into()),
        (_, group) => return Err(Invalid::value("remote_group_id", group)),
    };
    Ok(SecurityRule {
        id: rule.id,
        direction: if rule.ingress { Direction::Ingress } else { Direction::Egress },
        ipv6: rule.ipv6,
        protocol: any_or("protocol", rule.protocol)?,
        port_min: any_or("port_min", rule.port_min)?,
        port_max: any_or("port_max", rule.port_max)?,
        remote,
    })
}

/// A number where -1 stands for any.
fn any_or<T: TryFrom<i32>>(field: &'static str, value: i32) -> Result<Option<T>, Invalid> {
    if value == -1 { Ok(None) } else { number(field, value).map(Some) }
}

pub(super) fn router(id: &str, router: wire::Router) -> Result<Router, Invalid> {
    Ok(Router {
        id: id.into(),
        name: router.name,
        admin_up: router.admin_up,
        interfaces: router.interfaces.into_iter().map(interface).collect::<Result<_, _>>()?,
        gateway: router.gateway.map(gateway).transpose()?,
        floating_ips: router.floating_ips.into_iter().map(floating_ip).collect::<Result<_, _>>()?,
        routes: router.routes.iter().map(route).collect::<Result<_, _>>()?,
    })
}

fn interface(interface: wire::RouterInterface) -> Result<RouterInterface, Invalid> {
    Ok(RouterInterface {
        port: interface.port_id.into(),
        network: interface.network_id.into(),
        mac: parse("mac", &interface.mac)?,
        addresses: addresses(interface.fixed_ips, &interface.cidrs)?,
    })
}

/// Addresses with the prefix lengths of their subnets, which stand beside them in the same order.
fn addresses(ips: Vec<wire::FixedIp>, cidrs: &[String]) -> Result<Vec<InterfaceAddress>, Invalid> {
    if ips.len() != cidrs.len() {
        return Err(Invalid::value("cidrs", cidrs.len()));
    }
    let pair = |(ip, cidr): (wire::FixedIp, &String)| {
        let FixedIp { subnet, address } = fixed_ip(ip)?;
        let length = parse::<IpNet>("cidr", cidr)?.prefix_len();
        let address = IpNet::new(address, length).map_err(|_| Invalid::value("cidr", cidr))?;
        Ok(InterfaceAddress { subnet, address })
    };
    ips.into_iter().zip(cidrs).map(pair).collect()
}

fn gateway(gateway: wire::ExternalGateway) -> Result<ExternalGateway, Invalid> {
    Ok(ExternalGateway {
        port: gateway.port_id.into(),
        network: gateway.network_id.into(),
        mac: parse("mac", &gateway.mac)?,
        addresses: addresses(gateway.fixed_ips, &gateway.cidrs)?,
        next_hops: parse_all("next_hops", &gateway.next_hops)?,
        snat: gateway.snat,
        snat_here: gateway.snat_here,
        snat_host: parse_option("snat_host_address", &gateway.snat_host_address)?,
        snat_for_others: gateway.snat_for_others,
    })
}

fn floating_ip(ip: wire::FloatingIp) -> Result<FloatingIp, Invalid> {
    Ok(FloatingIp {
        id: ip.id.into(),
        floating_address: parse("floating_address", &ip.floating_address)?,
        fixed_address: parse("fixed_address", &ip.fixed_address)?,
        port: ip.port_id.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule_with(protocol: i32, cidr: &str, group: &str) -> wire::SecurityRule {
        wire::SecurityRule {
            protocol,
            port_min: -1,
            port_max: -1,
            remote_cidr: cidr.into(),
            remote_group_id: group.into(),
            ..wire::SecurityRule::default()
        }
    }

    #[test]
    fn minus_one_is_any() {
        let any = rule(rule_with(-1, "", "")).unwrap();
        assert_eq!((any.protocol, any.port_min, any.remote), (None, None, Remote::Any));
        assert!(rule(rule_with(256, "", "")).is_err());
        assert!(rule(rule_with(-2, "", "")).is_err());
    }

    #[test]
    fn a_rule_has_one_other_side() {
        assert!(matches!(rule(rule_with(6, "10.0.0.0/8", "")).unwrap().remote, Remote::Prefix(_)));
        assert!(matches!(rule(rule_with(6, "", "g")).unwrap().remote, Remote::Group(_)));
        assert!(rule(rule_with(6, "10.0.0.0/8", "g")).is_err());
    }

    #[test]
    fn an_interface_has_a_prefix_for_each_address() {
        let ip = wire::FixedIp { subnet_id: "s".into(), address: "10.0.0.1".into() };
        let found = addresses(vec![ip.clone()], &["10.0.0.0/24".into()]).unwrap();
        assert_eq!(found[0].address.to_string(), "10.0.0.1/24");
        assert!(addresses(vec![ip.clone()], &[]).is_err());
        assert!(addresses(vec![ip], &["fd00::/64".into()]).is_err());
    }

    #[test]
    fn a_network_is_of_some_kind() {
        let network = |vni| wire::Network {
            mtu: 1450,
            segment: Some(wire::network::Segment::Overlay(wire::Overlay { vni, remotes: vec![] })),
            ..wire::Network::default()
        };
        assert!(super::network("n", network(7)).is_ok());
        assert!(super::network("n", network(1 << 24)).is_err());
        assert!(super::network("n", wire::Network { segment: None, ..network(7) }).is_err());
        assert!(super::network("n", wire::Network { mtu: 1, ..network(7) }).is_err());
    }
}
