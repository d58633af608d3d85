//! What the kernel and the services shall be, computed from the desired state. Pure: no clock, no kernel, no I/O.

mod desired;
pub(crate) mod filter;
mod guest;
pub(crate) mod names;
mod network;
mod router;
mod service;
#[cfg(test)]
mod tests;
mod transit;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::IpNet;

use crate::config::NetConfig;
use crate::error::NetError;
use crate::ids::{NetworkId, RouterId};
use crate::mac::MacAddr;
use crate::model::ObjectKey;

pub(crate) use desired::Desired;
pub(crate) use filter::FilterPlan;
pub(crate) use guest::interface;
pub use names::tap as tap_name;
pub(crate) use network::{METADATA_V4, METADATA_V6};
pub(crate) use service::{Client, DhcpSubnet, ServicePlan};

/// What the kernel and the services shall be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// Links of the host's namespace, taps excepted, in the order in which they can be made.
    pub(crate) links: Vec<(String, LinkPlan)>,
    /// Taps; made when a guest starts, kept right while they are there.
    pub(crate) taps: BTreeMap<String, TapPlan>,
    /// Named namespaces.
    pub(crate) namespaces: BTreeMap<String, NamespacePlan>,
    /// The packet filter of the host's namespace.
    pub(crate) filter: FilterPlan,
    /// What is served in the networks' service namespaces.
    pub(crate) services: BTreeMap<NetworkId, Arc<ServicePlan>>,
    /// What is advertised in the routers' namespaces.
    pub(crate) advertisements: BTreeMap<RouterId, Arc<Vec<Advertisement>>>,
    /// What cannot be planned.
    pub(crate) failures: Vec<PlanFailure>,
}

/// An object that cannot be planned, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PlanFailure {
    /// The physical network is not configured here.
    PhysicalNetwork(ObjectKey, String),
    /// There are ports on other hosts, but no way to them.
    Underlay(NetworkId),
}

impl PlanFailure {
    /// For the caller.
    pub(crate) fn into_error(self) -> (Option<ObjectKey>, NetError) {
        match self {
            Self::PhysicalNetwork(key, name) => (Some(key), NetError::UnknownPhysicalNetwork(name)),
            Self::Underlay(id) => (Some(ObjectKey::Network(id.clone())), NetError::NoUnderlay(id)),
        }
    }
}

/// A link of the host's namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinkPlan {
    /// The object that needs it; `None`: the configuration.
    pub(crate) owner: Option<ObjectKey>,
    pub(crate) kind: LinkKind,
    pub(crate) mac: Option<MacAddr>,
    pub(crate) mtu: u32,
    pub(crate) master: Option<String>,
    /// Addresses of the host on it; `None`: it is not for the host, and IPv6 is off on it.
    pub(crate) addresses: Option<Vec<IpNet>>,
}

/// What a link is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LinkKind {
    Bridge,
    Vxlan(VxlanPlan),
    Vlan { parent: String, vlan_id: u16 },
    Veth(VethPeer),
}

/// A VXLAN device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VxlanPlan {
    pub(crate) vni: u32,
    pub(crate) local: IpAddr,
    pub(crate) port: u16,
    /// Behind which host each hardware address is.
    pub(crate) remotes: BTreeSet<(MacAddr, IpAddr)>,
    /// Neighbours for whom the device answers.
    pub(crate) neighbours: BTreeSet<(IpAddr, MacAddr)>,
}

/// The other end of a veth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VethPeer {
    pub(crate) namespace: String,
    pub(crate) link: String,
    pub(crate) mac: MacAddr,
    /// The bridge is told where it is, and need not learn nor flood: who speaks to it was never spoken to.
    pub(crate) told: bool,
}

/// A tap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TapPlan {
    pub(crate) owner: ObjectKey,
    pub(crate) bridge: String,
    pub(crate) mac: MacAddr,
    pub(crate) mtu: u32,
    pub(crate) up: bool,
}

/// A named namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamespacePlan {
    pub(crate) owner: ObjectKey,
    /// Below `/proc/sys/net`.
    pub(crate) sysctls: Vec<(String, String)>,
    /// Its ends of veths.
    pub(crate) links: BTreeMap<String, InnerLink>,
    pub(crate) routes: Vec<RoutePlan>,
    /// Sources whose packets go by the routes for floating addresses.
    pub(crate) floating_sources: BTreeSet<Ipv4Addr>,
    /// Its packet filter, a whole transaction; `None`: none.
    pub(crate) nft: Option<String>,
    /// Translations of addresses; connections through one that is taken away are ended.
    pub(crate) translated: BTreeMap<IpAddr, IpAddr>,
}

/// A namespace's end of a veth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InnerLink {
    pub(crate) mac: MacAddr,
    pub(crate) mtu: u32,
    pub(crate) addresses: Vec<IpNet>,
    pub(crate) neighbours: BTreeSet<(IpAddr, MacAddr)>,
    /// Neighbours are told when an address is new (gratuitous ARP).
    pub(crate) announce: bool,
}

/// A route of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoutePlan {
    pub(crate) destination: IpNet,
    pub(crate) via: Option<IpAddr>,
    pub(crate) link: Option<String>,
    /// For the packets of guests with a floating address alone.
    pub(crate) floating: bool,
}

/// What a router says of itself on one interface (RFC 4861, 6.2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advertisement {
    pub(crate) link: String,
    pub(crate) mac: MacAddr,
    pub(crate) mtu: u32,
    /// Addresses come from DHCPv6.
    pub(crate) managed: bool,
    /// Options come from DHCPv6.
    pub(crate) other: bool,
    pub(crate) prefixes: Vec<Prefix>,
    pub(crate) dns_servers: Vec<std::net::Ipv6Addr>,
}

/// A prefix in an advertisement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    pub(crate) prefix: ipnet::Ipv6Net,
    /// Guests make addresses of it.
    pub(crate) autonomous: bool,
}

impl Plan {
    /// Plans for the desired state.
    pub(crate) fn new(desired: &Desired, config: &NetConfig) -> Self {
        let mut plan = Self::default();
        network::physical(config, &mut plan);
        for network in desired.networks.values() {
            network::plan(desired, config, network, &mut plan);
        }
        for router in desired.routers.values() {
            router::plan(desired, router, config, &mut plan);
        }
        plan.filter = filter::plan(desired, config);
        plan
    }
}
