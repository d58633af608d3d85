//! The desired network state of this host in hostd-net's own words.
//!
//! It mirrors `humilis/federation/v1.proto`; the conversion lives in hostd's binary, which is also where values are checked.
//! Nothing here does anything.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

pub use crate::ids::{FloatingIpId, NetworkId, PortId, RouterId, SecurityGroupId, SubnetId};
pub use crate::mac::{BadMac, MacAddr};

/// A network that has ports or routers on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its id.
    pub id: NetworkId,
    /// The tenant's name for it.
    pub name: String,
    /// Bytes per packet, without the Ethernet header.
    pub mtu: u16,
    /// What carries it between hosts.
    pub segment: Segment,
    /// Its subnets.
    pub subnets: Vec<Subnet>,
    /// Domain of its ports' names; may end with a dot; empty = `openstacklocal`.
    pub dns_domain: String,
    /// Whether it is one to which routers have their gateways.
    pub external: bool,
}

/// What carries a network between hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// VXLAN between the hosts' underlay addresses.
    Overlay {
        /// The 24-bit network identifier.
        vni: u32,
        /// The network's ports on other hosts.
        remotes: Vec<RemotePort>,
    },
    /// A physical network as it is.
    Flat {
        /// Key of [`crate::NetConfig::physical_networks`].
        physical_network: String,
    },
    /// A VLAN of a physical network.
    Vlan {
        /// Key of [`crate::NetConfig::physical_networks`].
        physical_network: String,
        /// 1 to 4094.
        vlan_id: u16,
    },
}

/// A port on another host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemotePort {
    /// Its hardware address.
    pub mac: MacAddr,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The other host's underlay address.
    pub host_address: IpAddr,
}

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Its id.
    pub id: SubnetId,
    /// Its prefix.
    pub cidr: IpNet,
    /// The gateway told to guests.
    pub gateway: Option<IpAddr>,
    /// Whether guests are given addresses by DHCP (or RA).
    pub dhcp: bool,
    /// Where the host itself answers on this subnet: DHCP server, DNS, metadata. `None` without dhcp.
    pub service_address: Option<IpAddr>,
    /// Name servers told to guests; empty: the service address.
    pub dns_servers: Vec<IpAddr>,
    /// Further routes told to guests.
    pub host_routes: Vec<Route>,
    /// How guests get IPv6 addresses.
    pub ipv6_address_mode: Option<Ipv6Mode>,
    /// What routers advertise.
    pub ipv6_ra_mode: Option<Ipv6Mode>,
}

/// OpenStack's three modes of IPv6 configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ipv6Mode {
    /// Addresses from router advertisements.
    Slaac,
    /// Addresses and options from DHCPv6.
    Dhcpv6Stateful,
    /// Addresses from router advertisements, options from DHCPv6.
    Dhcpv6Stateless,
}

/// A route by way of a neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub destination: IpNet,
    /// By way of.
    pub next_hop: IpAddr,
}

/// A port of a guest on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its id.
    pub id: PortId,
    /// The network that it is on.
    pub network: NetworkId,
    /// Its hardware address.
    pub mac: MacAddr,
    /// Its addresses.
    pub fixed_ips: Vec<FixedIp>,
    /// False: no anti-spoofing and no security groups.
    pub port_security: bool,
    /// Its security groups.
    pub security_groups: Vec<SecurityGroupId>,
    /// What it may send from besides its own addresses.
    pub allowed_address_pairs: Vec<AddressPair>,
    /// False: the link is down.
    pub admin_up: bool,
    /// The guest that it belongs to.
    pub guest_id: String,
    /// DHCP options by neutron's names or by number.
    pub extra_dhcp_options: BTreeMap<String, String>,
    /// Its name in the network's domain; empty: `host-10-0-0-5` as neutron has it.
    pub dns_name: String,
}

/// An address of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedIp {
    /// The subnet that it is from.
    pub subnet: SubnetId,
    /// The address.
    pub address: IpAddr,
}

/// A source that a port may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressPair {
    /// Addresses.
    pub cidr: IpNet,
    /// `None`: the port's own.
    pub mac: Option<MacAddr>,
}

/// A security group that a port on this host is in, or that a rule names as remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityGroup {
    /// Its id.
    pub id: SecurityGroupId,
    /// Its name.
    pub name: String,
    /// What is let through.
    pub rules: Vec<SecurityRule>,
    /// Whether replies to what was let through are let through.
    pub stateful: bool,
    /// Addresses of all its ports on every host.
    pub member_addresses: Vec<IpAddr>,
}

/// One thing that a security group lets through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityRule {
    /// Its id.
    pub id: String,
    /// To the port, or from it.
    pub direction: Direction,
    /// IPv6, or IPv4.
    pub ipv6: bool,
    /// IANA protocol number; `None`: any.
    pub protocol: Option<u8>,
    /// First port, or ICMP type.
    pub port_min: Option<u16>,
    /// Last port, or ICMP code.
    pub port_max: Option<u16>,
    /// The other side.
    pub remote: Remote,
}

/// Which way a packet goes, seen from the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the port.
    Ingress,
    /// From the port.
    Egress,
}

/// The other side of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remote {
    /// Anything.
    Any,
    /// A prefix.
    Prefix(IpNet),
    /// All members of a group.
    Group(SecurityGroupId),
}

/// A router that this host needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Router {
    /// Its id.
    pub id: RouterId,
    /// The tenant's name for it.
    pub name: String,
    /// False: it forwards nothing.
    pub admin_up: bool,
    /// Its interfaces to tenant networks.
    pub interfaces: Vec<RouterInterface>,
    /// Its way out.
    pub gateway: Option<ExternalGateway>,
    /// Floating addresses of fixed addresses behind it, those of this host's ports.
    pub floating_ips: Vec<FloatingIp>,
    /// Further routes.
    pub routes: Vec<Route>,
}

/// A router's interface to a tenant network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterInterface {
    /// Its port.
    pub port: PortId,
    /// The network.
    pub network: NetworkId,
    /// Its hardware address, the same on every host.
    pub mac: MacAddr,
    /// Its addresses with the prefixes of their subnets.
    pub addresses: Vec<InterfaceAddress>,
}

/// An address with the prefix length of its subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The subnet that it is from.
    pub subnet: SubnetId,
    /// The address with its subnet's prefix length.
    pub address: IpNet,
}

/// A router's way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalGateway {
    /// Its port.
    pub port: PortId,
    /// The external network.
    pub network: NetworkId,
    /// The port's hardware address; a host that has an underlay answers with one of its own.
    pub mac: MacAddr,
    /// Its addresses with the prefixes of their subnets.
    pub addresses: Vec<InterfaceAddress>,
    /// The external subnets' gateways.
    pub next_hops: Vec<IpAddr>,
    /// Whether tenants' packets leave with the gateway's address.
    pub snat: bool,
    /// Whether this host holds the shared gateway address.
    pub snat_here: bool,
    /// The underlay address of the host that holds it, if that is another one.
    pub snat_host: Option<IpAddr>,
    /// If this host holds it: whether other hosts have the router too.
    pub snat_for_others: bool,
}

/// A floating address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FloatingIp {
    /// Its id.
    pub id: FloatingIpId,
    /// The outside address.
    pub floating_address: IpAddr,
    /// The port's address that it stands for.
    pub fixed_address: IpAddr,
    /// The port.
    pub port: PortId,
}

/// Any of the above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// A network.
    Network(Network),
    /// A port.
    Port(Port),
    /// A security group.
    SecurityGroup(SecurityGroup),
    /// A router.
    Router(Router),
}

/// Names any of the above.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKey {
    /// A network.
    Network(NetworkId),
    /// A port.
    Port(PortId),
    /// A security group.
    SecurityGroup(SecurityGroupId),
    /// A router.
    Router(RouterId),
}

/// A change of the desired state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// What is not among the upserts shall not be.
    pub complete: bool,
    /// New and changed objects.
    pub upserts: Vec<Object>,
    /// Objects that shall be no more.
    pub removals: Vec<ObjectKey>,
}
