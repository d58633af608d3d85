//! A port's chains, and those that they share: what holds for every port is written once.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{FilterPlan, Permits, group, script};
use crate::mac::MacAddr;
use crate::model::{Direction, Port, SecurityGroupId};
use crate::plan::{Desired, names};

/// The chains that ports' chains jump to, and their rules: there as long as the table is.
pub(super) fn shared() -> [(&'static str, Vec<String>); 5] {
    [
        (SPOOF, SPOOF_RULES.map(str::to_owned).to_vec()),
        (egress_chain(true), egress_rules(true)),
        (egress_chain(false), egress_rules(false)),
        (ingress_chain(true), ingress_rules(true)),
        (ingress_chain(false), ingress_rules(false)),
    ]
}

/// Plans a port's chains and its entries in the verdict maps.
pub(super) fn plan(desired: &Desired, port: &Port, bridge: Option<String>, plan: &mut FilterPlan) {
    let tap = names::tap(&port.id);
    if !port.port_security {
        for entries in plan.maps.values_mut() {
            entries.insert(tap.clone(), "accept".to_owned());
        }
        return;
    }
    let groups: Vec<&SecurityGroupId> =
        port.security_groups.iter().filter(|id| desired.groups.contains_key(id)).collect();
    let stateful = groups.is_empty() || groups.iter().any(|id| desired.groups[id].stateful);
    let permits = Permits {
        bridge,
        addresses: port.fixed_ips.iter().map(|fixed| fixed.address).collect(),
        chains: groups
            .iter()
            .flat_map(|id| [group::chain(id, Direction::Ingress), group::chain(id, Direction::Egress)])
            .collect(),
    };
    plan.permits.insert(port.id.clone(), permits);
    for (map, chain, rules) in [
        ("spoof", format!("ps-{}", port.id), spoof(port)),
        ("egress", format!("pe-{}", port.id), egress(&groups, stateful)),
        ("ingress", format!("pi-{}", port.id), ingress(&groups, stateful)),
    ] {
        if let Some(entries) = plan.maps.get_mut(map) {
            entries.insert(tap.clone(), format!("goto {chain}"));
        }
        plan.chains.insert(chain, rules);
    }
}

/// What may be a source, by hardware address.
#[derive(Default)]
struct Sources {
    v4: Vec<Ipv4Net>,
    v6: Vec<Ipv6Net>,
}

fn sources(port: &Port) -> BTreeMap<MacAddr, Sources> {
    let mut all: BTreeMap<MacAddr, Sources> = BTreeMap::new();
    let own = port.fixed_ips.iter().map(|fixed| (port.mac, IpNet::from(fixed.address)));
    let pairs = port.allowed_address_pairs.iter().map(|pair| (pair.mac.unwrap_or(port.mac), pair.cidr));
    for (mac, net) in own.chain(pairs) {
        let sources = all.entry(mac).or_default();
        match net {
            IpNet::V4(net) => sources.v4.push(net),
            IpNet::V6(net) => sources.v6.push(net),
        }
    }
    all.entry(port.mac).or_default();
    for (mac, sources) in &mut all {
        sources.v6.push(Ipv6Net::from(mac.link_local()));
        // Intervals of an nft set must not overlap.
        sources.v4 = Ipv4Net::aggregate(&sources.v4);
        sources.v6 = Ipv6Net::aggregate(&sources.v6);
    }
    all
}

/// One value as it is, several as a set, which costs the kernel more.
fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match items.as_slice() {
        [one] => one.clone(),
        several => format!("{{ {} }}", several.join(", ")),
    }
}

/// Chain of what every port may and may not claim to be.
const SPOOF: &str = "spoof-any";

const SPOOF_RULES: [&str; 6] = [
    "ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept",
    "ether type ip udp sport 67 udp dport 68 drop",
    "ether type ip6 udp sport 547 udp dport 546 drop",
    "icmpv6 type { nd-router-advert, nd-redirect } drop",
    // Duplicate address detection asks before it has an address (RFC 5227, RFC 4862).
    "arp operation request arp saddr ip 0.0.0.0 accept",
    "ip6 saddr :: icmpv6 type { nd-neighbor-solicit, nd-router-solicit, mld-listener-report, mld2-listener-report } accept",
];

/// Whether a packet's source is the port's. Runs before connection tracking, so that a forged packet touches no connection.
fn spoof(port: &Port) -> Vec<String> {
    let sources = sources(port);
    let mut rules = vec![format!("ether saddr != {} drop", list(sources.keys())), format!("jump {SPOOF}")];
    let targets: BTreeSet<Ipv6Net> = sources.values().flat_map(|s| s.v6.iter().copied()).collect();
    let targets = Ipv6Net::aggregate(&targets.into_iter().collect());
    rules.push(advertised_targets(&targets));
    for (mac, sources) in &sources {
        if !sources.v4.is_empty() {
            let v4 = list(&sources.v4);
            rules.push(format!("ether saddr {mac} arp saddr ether {mac} arp saddr ip {v4} accept"));
            rules.push(format!("ether saddr {mac} ip saddr {v4} accept"));
        }
        rules.push(format!("ether saddr {mac} ip6 saddr {} accept", list(&sources.v6)));
    }
    rules.push("drop".to_owned());
    rules
}

/// Neighbour advertisements speak for the port's own addresses only: the target is 8 bytes into the ICMPv6 message. nft has
/// the raw payload compared with numbers, which prefixes become as ranges.
fn advertised_targets(targets: &[Ipv6Net]) -> String {
    let ranges = targets.iter().map(|net| {
        let (first, last) = (u128::from(net.network()), u128::from(net.broadcast()));
        if first == last { format!("{first:#034x}") } else { format!("{first:#034x}-{last:#034x}") }
    });
    format!("icmpv6 type nd-neighbor-advert @th,64,128 != {} drop", list(ranges))
}

fn egress(groups: &[&SecurityGroupId], stateful: bool) -> Vec<String> {
    judged(egress_chain(stateful), groups, Direction::Egress)
}

fn ingress(groups: &[&SecurityGroupId], stateful: bool) -> Vec<String> {
    judged(ingress_chain(stateful), groups, Direction::Ingress)
}

/// What every port may, then what its groups let through.
fn judged(shared: &str, groups: &[&SecurityGroupId], direction: Direction) -> Vec<String> {
    let mut rules = vec![format!("jump {shared}")];
    rules.extend(groups.iter().map(|id| format!("jump {}", group::chain(id, direction))));
    rules.push("drop".to_owned());
    rules
}

fn egress_chain(stateful: bool) -> &'static str {
    if stateful { "egress-any" } else { "egress-any-stateless" }
}

fn ingress_chain(stateful: bool) -> &'static str {
    if stateful { "ingress-any" } else { "ingress-any-stateless" }
}

fn egress_rules(stateful: bool) -> Vec<String> {
    let mut rules = tracked(stateful);
    rules.extend(
        [
            "ether type arp accept",
            "udp sport 68 udp dport 67 accept",
            "udp sport 546 udp dport 547 accept",
            "icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-report, mld-listener-done, mld2-listener-report } accept",
            "ip daddr 169.254.169.254 tcp dport 80 accept",
            "ip6 daddr fe80::a9fe:a9fe tcp dport 80 accept",
        ]
        .map(str::to_owned),
    );
    rules
}

fn ingress_rules(stateful: bool) -> Vec<String> {
    let mut rules = tracked(stateful);
    rules.extend(
        [
            "ether type arp accept",
            "udp sport 67 udp dport 68 accept",
            "udp sport 547 udp dport 546 accept",
            "icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-query } accept",
        ]
        .map(str::to_owned),
    );
    if !stateful {
        // Nothing remembers that the port asked.
        rules.push("ip saddr 169.254.169.254 tcp sport 80 accept".to_owned());
    }
    rules
}

fn tracked(stateful: bool) -> Vec<String> {
    if !stateful {
        return Vec::new();
    }
    vec![
        format!("meta mark & {:#x} != 0 drop", script::MARK_INVALID),
        format!("meta mark & {:#x} != 0 accept", script::MARK_ESTABLISHED),
    ]
}
