//! The packet filter of the host's namespace: anti-spoofing and security groups, in nftables' bridge family.
//!
//! A packet from a port passes `spoof` (hook prerouting, before connection tracking) and `egress` (prerouting, after it); a
//! packet to a port passes `ingress` (hooks forward and output). Each is one lookup of the interface in a verdict map. What a port may
//! claim to be are elements of sets, and what it may send and get says the chain of its security group, so that most ports are elements
//! and nothing else; one with allowed address pairs, or with several groups, has chains of its own. Remote
//! groups are sets of addresses. So a port, a group's rules and a group's members change independently. A tap that is in no map passes nothing.
//!
//! Connection tracking: br_netfilter shows bridged packets to the inet family, where they are tracked; where it is missing,
//! nf_conntrack_bridge tracks in the bridge family. Either way a chain right after tracking notes the state in the packet's
//! mark, and the rest reads the mark. Each network has a conntrack zone, since tenants' addresses overlap. Under br_netfilter
//! the operator's own inet rules see bridged packets too: a forward chain that drops by default must let `hb-*` pass.
//!
//! When something is allowed no more, the connections of the ports concerned are forgotten, so that their next packets are
//! judged by what is allowed now.

mod element;
mod group;
mod port;
mod script;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Desired, names, network};
use crate::config::NetConfig;
use crate::ids::{PortId, SecurityGroupId};
use crate::model::{Remote, Segment};

pub(crate) use element::{Change, Element, Verdict};
pub(crate) use port::{Tap, own_name};
pub(crate) use script::{Delta, Tracking, delta, full, removal, tracking_probe};

/// The packet filter of the host's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FilterPlan {
    /// Rules by chain; those that are always there excepted.
    pub(crate) chains: BTreeMap<String, Vec<String>>,
    /// Addresses by set.
    pub(crate) sets: BTreeMap<String, AddressSet>,
    /// What is in sets and maps of each tap.
    pub(crate) taps: BTreeMap<String, Tap>,
    /// Conntrack zones by bridge.
    pub(crate) zones: BTreeMap<String, u16>,
    /// Rules of the host's own translation.
    pub(crate) masquerade: Vec<String>,
    /// What a port's connections hang on.
    pub(crate) permits: BTreeMap<PortId, Permits>,
}

impl FilterPlan {
    /// What ports may claim to be, as a listing tells it.
    pub(crate) fn own_names(&self) -> impl Iterator<Item = String> {
        let elements = self.taps.iter().flat_map(|(name, tap)| tap.elements(name));
        elements.filter(|element| element.verdict.is_none()).map(|element| format!("{} {element}", element.set))
    }
}

/// What a port's connections hang on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Permits {
    /// The bridge, which tells the conntrack zone.
    pub(crate) bridge: Option<String>,
    pub(crate) addresses: Vec<IpAddr>,
    /// Chains of its security groups.
    pub(crate) chains: BTreeSet<String>,
}

/// Connections of an address that must be judged anew.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Doomed {
    pub(crate) zone: u16,
    pub(crate) address: IpAddr,
}

/// Whose connections are allowed less by the new filter than by the old one.
pub(crate) fn narrowed(old: &FilterPlan, new: &FilterPlan) -> BTreeSet<Doomed> {
    let sets: Vec<String> = old
        .sets
        .iter()
        .filter(|(name, set)| new.sets.get(*name).is_none_or(|now| !set.addresses.is_subset(&now.addresses)))
        .map(|(name, _)| format!("@{name} "))
        .collect();
    let narrower = |name: &String, rules: &Vec<String>| {
        let now = new.chains.get(name);
        let lost = rules.iter().any(|rule| now.is_none_or(|now| !now.contains(rule)));
        lost || rules.iter().any(|rule| sets.iter().any(|set| rule.contains(set.as_str())))
    };
    let chains: BTreeSet<&String> = old
        .chains
        .iter()
        .filter(|(name, rules)| name.starts_with('g') && narrower(name, rules))
        .map(|(name, _)| name)
        .collect();
    let mut doomed = BTreeSet::new();
    for (port, before) in &old.permits {
        let after = new.permits.get(port);
        let fewer = after.is_none_or(|after| !before.chains.is_subset(&after.chains));
        let zone = before.bridge.as_ref().and_then(|bridge| old.zones.get(bridge)).copied().unwrap_or_default();
        let gone = |address: &&IpAddr| fewer || after.is_none_or(|after| !after.addresses.contains(address));
        let judged = before.chains.iter().any(|chain| chains.contains(chain));
        let addresses = before.addresses.iter().filter(|address| judged || gone(address));
        doomed.extend(addresses.map(|address| Doomed { zone, address: *address }));
    }
    doomed
}

/// A set of addresses of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AddressSet {
    pub(crate) ipv6: bool,
    pub(crate) addresses: BTreeSet<IpAddr>,
}

/// Plans the filter.
pub(super) fn plan(desired: &Desired, config: &NetConfig) -> FilterPlan {
    let mut plan = FilterPlan::default();
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
        let bridge = desired.networks.get(&port.network).and_then(|network| network::bridge_of(network, config));
        port::plan(desired, port, bridge, &mut plan);
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
