//! The packet filter of the host's namespace: anti-spoofing and security groups, in nftables' bridge family.
//!
//! A packet from a port passes `spoof` (hook prerouting, before connection tracking) and `egress` (prerouting, after it); a
//! packet to a port passes `ingress` (hooks forward and output). Each is one lookup of the interface in a verdict map that
//! leads to the port's own chain, which jumps to the chains of its security groups; remote groups are sets of addresses.
//! So a port, a group's rules and a group's members change independently. A tap that is in no map passes nothing.
//!
//! Connection tracking: kernels with nf_conntrack_bridge track in the bridge family; others see bridged packets in the inet
//! family through br_netfilter. Either way a chain right after tracking notes the state in the packet's mark, and the rest reads
//! the mark. Each network has a conntrack zone, since tenants' addresses overlap.
//!
//! Connections that were let through stay when a rule is taken away, until they end: as in neutron without its conntrack
//! helper. New connections follow the new rules at once.

mod group;
mod port;
mod script;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Desired, names};
use crate::config::NetConfig;
use crate::ids::SecurityGroupId;
use crate::model::{Remote, Segment};

pub(crate) use script::{Tracking, delta, full, tracking_probe};

/// Maps from interface to chain.
pub(crate) const MAPS: [&str; 3] = ["spoof", "egress", "ingress"];

/// The packet filter of the host's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FilterPlan {
    /// Rules by chain; hooked chains excepted.
    pub(crate) chains: BTreeMap<String, Vec<String>>,
    /// Addresses by set.
    pub(crate) sets: BTreeMap<String, AddressSet>,
    /// Verdicts by map and interface.
    pub(crate) maps: BTreeMap<&'static str, BTreeMap<String, String>>,
    /// Conntrack zones by bridge.
    pub(crate) zones: BTreeMap<String, u16>,
    /// Rules of the host's own translation.
    pub(crate) masquerade: Vec<String>,
}

/// A set of addresses of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AddressSet {
    pub(crate) ipv6: bool,
    pub(crate) addresses: BTreeSet<IpAddr>,
}

/// Plans the filter.
pub(super) fn plan(desired: &Desired, config: &NetConfig) -> FilterPlan {
    let mut plan =
        FilterPlan { maps: MAPS.iter().map(|map| (*map, BTreeMap::new())).collect(), ..FilterPlan::default() };
    for group in desired.groups.values() {
        group::plan(group, &mut plan);
    }
    let referenced: BTreeSet<&SecurityGroupId> = desired
        .groups
        .values()
        .flat_map(|group| {
            group.rules.iter().filter_map(|rule| if let Remote::Group(id) = &rule.remote { Some(id) } else { None })
        })
        .collect();
    for id in referenced {
        let members = desired.groups.get(id).map(|group| group.member_addresses.as_slice()).unwrap_or_default();
        group::members(id, members, &mut plan);
    }
    for port in desired.ports.values() {
        port::plan(desired, port, &mut plan);
    }
    plan.zones = zones(desired);
    plan.masquerade = masquerade(config);
    plan
}

/// Networks on bridges of their own get a zone each; those of a physical network share the host's.
fn zones(desired: &Desired) -> BTreeMap<String, u16> {
    let mut taken = BTreeSet::new();
    let mut zones = BTreeMap::new();
    for network in desired.networks.values().filter(|n| !matches!(n.segment, Segment::Flat { .. })) {
        let start = names::fnv(network.id.as_str()) % 65_535;
        let free =
            (0..65_535).filter_map(|i| u16::try_from((start + i) % 65_535 + 1).ok()).find(|zone| taken.insert(*zone));
        zones.extend(free.map(|zone| (names::bridge(&network.id), zone)));
    }
    zones
}

/// The incoming interface tells what is routed from what is bridged, which passes this chain too under br_netfilter.
fn masquerade(config: &NetConfig) -> Vec<String> {
    let wanted = config.physical_networks.values().filter(|p| p.masquerade);
    wanted
        .flat_map(|p| p.host_addresses.iter().filter(|a| a.addr().is_ipv4()).map(move |a| (&p.interface, a.trunc())))
        .map(|(bridge, net)| format!("iifname \"{bridge}\" oifname != \"{bridge}\" ip saddr {net} masquerade"))
        .collect()
}
