//! Networks, ports, security groups and routers, outward.

use super::{IntoWire, all, text, texts};
use controller_ports::fleet::net::{
    AddressPair, DesiredFloatingIp, DesiredNetwork, DesiredPort, DesiredRouter, DesiredSecurityGroup, DesiredSubnet,
    ExternalGateway, FixedIp, Ipv6Mode, Remote, RemotePort, Route, RouterLeg, SecurityRule, Segment,
};
use humilis_proto::federation as wire;

impl IntoWire for DesiredNetwork {
    type Wire = wire::Network;
    fn into_wire(self) -> wire::Network {
        wire::Network {
            name: self.name,
            mtu: self.mtu,
            segment: Some(self.segment.into_wire()),
            subnets: all(self.subnets),
            dns_domain: self.dns_domain,
            external: self.external,
        }
    }
}

impl IntoWire for Segment {
    type Wire = wire::network::Segment;
    fn into_wire(self) -> wire::network::Segment {
        use wire::network::Segment as W;
        match self {
            Self::Overlay { vni, remotes } => W::Overlay(wire::Overlay { vni, remotes: all(remotes) }),
            Self::Flat { physical_network } => W::Flat(wire::Flat { physical_network }),
            Self::Vlan { physical_network, vlan_id } => {
                W::Vlan(wire::Vlan { physical_network, vlan_id: vlan_id.into() })
            }
        }
    }
}

impl IntoWire for RemotePort {
    type Wire = wire::RemotePort;
    fn into_wire(self) -> wire::RemotePort {
        wire::RemotePort { mac: self.mac, addresses: texts(&self.addresses), host_address: self.host_address }
    }
}

impl IntoWire for DesiredSubnet {
    type Wire = wire::Subnet;
    fn into_wire(self) -> wire::Subnet {
        wire::Subnet {
            id: self.id.into(),
            cidr: self.cidr.to_string(),
            gateway: text(self.gateway.as_ref()),
            dhcp: self.dhcp,
            service_address: text(self.service_address.as_ref()),
            dns_servers: texts(&self.dns_servers),
            host_routes: all(self.host_routes),
            ipv6_address_mode: mode(self.ipv6_address_mode),
            ipv6_ra_mode: mode(self.ipv6_ra_mode),
        }
    }
}

fn mode(mode: Option<Ipv6Mode>) -> i32 {
    use wire::Ipv6Mode as W;
    let mode = match mode {
        None => W::Unspecified,
        Some(Ipv6Mode::Slaac) => W::Slaac,
        Some(Ipv6Mode::Dhcpv6Stateful) => W::Dhcpv6Stateful,
        Some(Ipv6Mode::Dhcpv6Stateless) => W::Dhcpv6Stateless,
    };
    mode.into()
}

impl IntoWire for Route {
    type Wire = wire::Route;
    fn into_wire(self) -> wire::Route {
        wire::Route { destination: self.destination.to_string(), next_hop: self.next_hop.to_string() }
    }
}

impl IntoWire for DesiredPort {
    type Wire = wire::Port;
    fn into_wire(self) -> wire::Port {
        wire::Port {
            network_id: self.network_id.into(),
            mac: self.mac,
            fixed_ips: all(self.fixed_ips),
            port_security: self.port_security,
            security_group_ids: texts(&self.security_groups),
            allowed_address_pairs: all(self.allowed_address_pairs),
            admin_up: self.admin_up,
            guest_id: self.server_id.into(),
            extra_dhcp_options: self.extra_dhcp_options.into_iter().collect(),
            dns_name: self.dns_name,
        }
    }
}

impl IntoWire for FixedIp {
    type Wire = wire::FixedIp;
    fn into_wire(self) -> wire::FixedIp {
        wire::FixedIp { subnet_id: self.subnet_id.into(), address: self.address.to_string() }
    }
}

impl IntoWire for AddressPair {
    type Wire = wire::AddressPair;
    fn into_wire(self) -> wire::AddressPair {
        wire::AddressPair { cidr: self.cidr.to_string(), mac: self.mac }
    }
}

impl IntoWire for DesiredSecurityGroup {
    type Wire = wire::SecurityGroup;
    fn into_wire(self) -> wire::SecurityGroup {
        wire::SecurityGroup {
            name: self.name,
            rules: all(self.rules),
            stateful: self.stateful,
            member_addresses: texts(&self.member_addresses),
        }
    }
}

impl IntoWire for SecurityRule {
    type Wire = wire::SecurityRule;
    fn into_wire(self) -> wire::SecurityRule {
        let (remote_cidr, remote_group_id) = match self.remote {
            Remote::Any => (String::new(), String::new()),
            Remote::Cidr(cidr) => (cidr.to_string(), String::new()),
            Remote::Group(group) => (String::new(), group.into()),
        };
        wire::SecurityRule {
            id: self.id.into(),
            ingress: self.ingress,
            ipv6: self.ipv6,
            protocol: self.protocol.map_or(-1, i32::from),
            port_min: self.port_min.map_or(-1, i32::from),
            port_max: self.port_max.map_or(-1, i32::from),
            remote_cidr,
            remote_group_id,
        }
    }
}

impl IntoWire for DesiredRouter {
    type Wire = wire::Router;
    fn into_wire(self) -> wire::Router {
        wire::Router {
            name: self.name,
            admin_up: self.admin_up,
            interfaces: all(self.interfaces),
            gateway: self.gateway.map(IntoWire::into_wire),
            floating_ips: all(self.floating_ips),
            routes: all(self.routes),
        }
    }
}

impl IntoWire for RouterLeg {
    type Wire = wire::RouterInterface;
    fn into_wire(self) -> wire::RouterInterface {
        let (fixed_ips, cidrs) =
            self.addresses.into_iter().map(|(ip, cidr)| (ip.into_wire(), cidr.to_string())).unzip();
        wire::RouterInterface {
            port_id: self.port_id.into(),
            network_id: self.network_id.into(),
            mac: self.mac,
            fixed_ips,
            cidrs,
        }
    }
}

impl IntoWire for ExternalGateway {
    type Wire = wire::ExternalGateway;
    fn into_wire(self) -> wire::ExternalGateway {
        let leg = self.leg.into_wire();
        wire::ExternalGateway {
            port_id: leg.port_id,
            network_id: leg.network_id,
            mac: leg.mac,
            fixed_ips: leg.fixed_ips,
            cidrs: leg.cidrs,
            next_hops: texts(&self.next_hops),
            snat: self.snat,
            snat_here: self.snat_here,
            snat_host_address: self.snat_host_address.unwrap_or_default(),
            snat_for_others: self.snat_for_others,
        }
    }
}

impl IntoWire for DesiredFloatingIp {
    type Wire = wire::FloatingIp;
    fn into_wire(self) -> wire::FloatingIp {
        wire::FloatingIp {
            id: self.id.into(),
            floating_address: self.floating_address.to_string(),
            fixed_address: self.fixed_address.to_string(),
            port_id: self.port_id.into(),
        }
    }
}
