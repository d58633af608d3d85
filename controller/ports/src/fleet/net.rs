//! What a host needs to know of networks: only what its own ports and their routers touch.

use controller_base::id::{FloatingIpId, NetworkId, PortId, SecurityGroupId, SecurityGroupRuleId, ServerId, SubnetId};
use ipnet::IpNet;
use std::{collections::BTreeMap, net::IpAddr};

/// A network.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredNetwork {
    /// Its name.
    pub name: String,
    /// MTU for guests.
    pub mtu: u32,
    /// How hosts carry it.
    pub segment: Segment,
    /// Its subnets.
    pub subnets: Vec<DesiredSubnet>,
    /// Domain of its ports' names.
    pub dns_domain: String,
    /// Whether routers have their gateways here.
    pub external: bool,
}

/// How hosts carry a network.
#[derive(Clone, Debug, PartialEq)]
pub enum Segment {
    /// VXLAN.
    Overlay {
        /// The network's number.
        vni: u32,
        /// Its ports on other hosts.
        remotes: Vec<RemotePort>,
    },
    /// A physical network as it is.
    Flat {
        /// Its name.
        physical_network: String,
    },
    /// A VLAN of a physical network.
    Vlan {
        /// Its name.
        physical_network: String,
        /// The tag.
        vlan_id: u16,
    },
}

/// A port on another host.
#[derive(Clone, Debug, PartialEq)]
pub struct RemotePort {
    /// Hardware address.
    pub mac: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The other host's underlay address.
    pub host_address: String,
}

/// A subnet.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredSubnet {
    /// The subnet.
    pub id: SubnetId,
    /// Its prefix.
    pub cidr: IpNet,
    /// The guests' default gateway.
    pub gateway: Option<IpAddr>,
    /// Whether hosts answer DHCP.
    pub dhcp: bool,
    /// Where the host itself answers on it; set with `dhcp`.
    pub service_address: Option<IpAddr>,
    /// Name servers for guests; empty: the service address.
    pub dns_servers: Vec<IpAddr>,
    /// Routes for guests.
    pub host_routes: Vec<Route>,
    /// How guests get IPv6 addresses.
    pub ipv6_address_mode: Option<Ipv6Mode>,
    /// What router advertisements say.
    pub ipv6_ra_mode: Option<Ipv6Mode>,
}

/// How IPv6 addresses come to guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ipv6Mode {
    /// By themselves.
    Slaac,
    /// From DHCP.
    Dhcpv6Stateful,
    /// Addresses by themselves, the rest from DHCP.
    Dhcpv6Stateless,
}

/// A static route.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Where to.
    pub destination: IpNet,
    /// By whom.
    pub next_hop: IpAddr,
}

/// A port.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredPort {
    /// Its network.
    pub network_id: NetworkId,
    /// Hardware address, lower case with colons.
    pub mac: String,
    /// Its addresses.
    pub fixed_ips: Vec<FixedIp>,
    /// False: no anti-spoofing and no security groups.
    pub port_security: bool,
    /// Its groups.
    pub security_groups: Vec<SecurityGroupId>,
    /// Further sources that it may use.
    pub allowed_address_pairs: Vec<AddressPair>,
    /// Whether its link is up.
    pub admin_up: bool,
    /// The server that it belongs to.
    pub server_id: ServerId,
    /// DHCP options by name or number.
    pub extra_dhcp_options: BTreeMap<String, String>,
    /// Its name within the network's domain.
    pub dns_name: String,
}

/// An address of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedIp {
    /// The subnet.
    pub subnet_id: SubnetId,
    /// The address.
    pub address: IpAddr,
}

/// A source that a port may use beside its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressPair {
    /// Addresses.
    pub cidr: IpNet,
    /// Hardware address.
    pub mac: String,
}

/// A security group.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredSecurityGroup {
    /// Its name.
    pub name: String,
    /// What it lets through.
    pub rules: Vec<SecurityRule>,
    /// Whether answers pass by themselves.
    pub stateful: bool,
    /// Addresses of all its ports, on every host.
    pub member_addresses: Vec<IpAddr>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct SecurityRule {
    /// The rule.
    pub id: SecurityGroupRuleId,
    /// Towards the guest.
    pub ingress: bool,
    /// IPv6 instead of IPv4.
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

/// The other side of a rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Remote {
    /// Anyone.
    Any,
    /// A prefix.
    Cidr(IpNet),
    /// The members of a group.
    Group(SecurityGroupId),
}

/// A router.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredRouter {
    /// Its name.
    pub name: String,
    /// Whether it forwards.
    pub admin_up: bool,
    /// Its legs in tenant networks.
    pub interfaces: Vec<RouterLeg>,
    /// Its leg in an external network.
    pub gateway: Option<ExternalGateway>,
    /// Floating addresses of ports on this host (and of those that no host has).
    pub floating_ips: Vec<DesiredFloatingIp>,
    /// Static routes.
    pub routes: Vec<Route>,
}

/// A router's leg.
#[derive(Clone, Debug, PartialEq)]
pub struct RouterLeg {
    /// Its port.
    pub port_id: PortId,
    /// Its network.
    pub network_id: NetworkId,
    /// Hardware address.
    pub mac: String,
    /// Its addresses with their subnets' prefixes.
    pub addresses: Vec<(FixedIp, IpNet)>,
}

/// A router's way out.
#[derive(Clone, Debug, PartialEq)]
pub struct ExternalGateway {
    /// The leg.
    pub leg: RouterLeg,
    /// The external subnets' gateways.
    pub next_hops: Vec<IpAddr>,
    /// Whether tenants' addresses are hidden behind the leg's.
    pub snat: bool,
    /// Whether this host does so.
    pub snat_here: bool,
    /// The address by which the host that does so is reached, if that is another one.
    pub snat_host_address: Option<String>,
    /// If this host does so: whether other hosts have the router too.
    pub snat_for_others: bool,
}

/// A floating address.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredFloatingIp {
    /// The floating IP.
    pub id: FloatingIpId,
    /// Outside.
    pub floating_address: IpAddr,
    /// Inside.
    pub fixed_address: IpAddr,
    /// The inner port.
    pub port_id: PortId,
}
