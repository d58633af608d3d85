//! The way between the hosts of a router: packets of guests without a floating address go to the host that holds the router's
//! shared address, through the tunnel of one of its tenant networks.
//!
//! ```text
//! guest's host:   in-…  --default by NEXT_HOP, which is MAC--> bridge -> VXLAN to the holder
//! holder:         VXLAN -> bridge -> way (MAC) -> gw, with the shared address
//! ```
//! Answers come straight: the holder's router is in the guest's network too. Both sides derive the same from the router: its overlay
//! network whose interface has the least id, and a hardware address.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::{Desired, RoutePlan, names};
use crate::ids::NetworkId;
use crate::mac::MacAddr;
use crate::model::{ExternalGateway, Network, Router, RouterInterface, Segment};

/// The holder as the other hosts' routes name it; it has no such address, only the hardware address counts.
const NEXT_HOP_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);
/// The same over IPv6.
const NEXT_HOP_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0x101);

/// A router's way between its hosts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transit<'a> {
    pub(super) network: &'a Network,
    pub(super) interface: &'a RouterInterface,
    /// Of the holder's end.
    pub(super) mac: MacAddr,
    gateway: &'a ExternalGateway,
}

impl<'a> Transit<'a> {
    /// `None` where nothing goes between hosts.
    pub(super) fn of(desired: &'a Desired, router: &'a Router) -> Option<Self> {
        let gateway = router.gateway.as_ref()?;
        if !(gateway.snat_here && gateway.snat_for_others || !gateway.snat_here && gateway.snat_host.is_some()) {
            return None;
        }
        let known = router.interfaces.iter().filter_map(|i| Some((i, desired.networks.get(&i.network)?)));
        let overlays = known.filter(|(_, network)| matches!(network.segment, Segment::Overlay { .. }));
        let (interface, network) = overlays.min_by(|(one, _), (other, _)| one.port.cmp(&other.port))?;
        let mac = names::derived_mac(&format!("way out of {}", router.id));
        Some(Self { network, interface, mac, gateway })
    }

    /// Whether packets of other hosts come here.
    pub(super) fn ends_here(&self) -> bool {
        self.gateway.snat_here
    }

    /// Whether this interface leads to the holder.
    pub(super) fn leaves_by(&self, interface: &RouterInterface) -> bool {
        !self.ends_here() && self.interface.port == interface.port
    }

    /// The holder, as a neighbour on the interface that leads to it.
    pub(super) fn neighbours(&self) -> BTreeSet<(IpAddr, MacAddr)> {
        BTreeSet::from([(NEXT_HOP_V4.into(), self.mac), (NEXT_HOP_V6.into(), self.mac)])
    }

    /// Default routes to the holder, of the families that have a way out there.
    pub(super) fn routes(&self) -> Vec<RoutePlan> {
        let link = Some(names::interface_link(&self.interface.port));
        let mut routes = Vec::new();
        if self.gateway.next_hops.iter().any(IpAddr::is_ipv4) {
            let neighbour = IpNet::from(IpAddr::V4(NEXT_HOP_V4));
            routes.push(RoutePlan { destination: neighbour, via: None, link: link.clone(), floating: false });
            let destination = IpNet::V4(ipnet::Ipv4Net::default());
            routes.push(RoutePlan { destination, via: Some(NEXT_HOP_V4.into()), link: link.clone(), floating: false });
        }
        if self.gateway.next_hops.iter().any(IpAddr::is_ipv6) {
            let destination = IpNet::V6(ipnet::Ipv6Net::default());
            routes.push(RoutePlan { destination, via: Some(NEXT_HOP_V6.into()), link, floating: false });
        }
        routes
    }
}

/// What the tunnel of a network must do for routers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Through {
    /// Routers of other hosts may send here, though the network has no ports there.
    pub(super) routed: bool,
    /// Holders behind other hosts.
    pub(super) holders: BTreeSet<(MacAddr, IpAddr)>,
}

/// Looks at all routers.
pub(super) fn through(desired: &Desired, network: &NetworkId) -> Through {
    let joins = |router: &Router| router.interfaces.iter().any(|interface| interface.network == *network);
    let mut through = Through { routed: desired.routers.values().any(joins), ..Through::default() };
    let ways = desired.routers.values().filter_map(|router| Transit::of(desired, router));
    for way in ways.filter(|way| way.network.id == *network) {
        through.holders.extend(way.gateway.snat_host.filter(|_| !way.ends_here()).map(|host| (way.mac, host)));
    }
    through
}
