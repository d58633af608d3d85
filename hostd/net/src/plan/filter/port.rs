//! What a port has in sets and maps, its chains where it has any, and what all ports share.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::element::Part;
use super::{Element, FilterPlan, Permits, Verdict, group, script};
use crate::mac::MacAddr;
use crate::model::{Direction, Port, SecurityGroup, SecurityGroupId};
use crate::plan::{Desired, names};

/// The chains that ports' chains jump to, and their rules: there as long as the table is.
pub(super) fn shared() -> [(&'static str, Vec<String>); 6] {
    [
        (SPOOF, SPOOF_RULES.map(str::to_owned).to_vec()),
        (OWN, OWN_RULES.map(str::to_owned).to_vec()),
        (egress_chain(true), egress_rules(true)),
        (egress_chain(false), egress_rules(false)),
        (ingress_chain(true), ingress_rules(true)),
        (ingress_chain(false), ingress_rules(false)),
    ]
}

/// The sets and maps that are there as long as the table is, and what they hold.
pub(super) const SHARED_SETS: [(&str, &str); 4] = [
    ("own-mac", "type ifname . ether_addr"),
    ("own-v4", "type ifname . ether_addr . ipv4_addr"),
    ("own-v6", "type ifname . ether_addr . ipv6_addr"),
    // The target of a neighbour advertisement, which is 8 bytes into the ICMPv6 message.
    ("own-target", "typeof iifname . @th,64,128"),
];
pub(super) const MAPS: [&str; 3] = ["spoof", "egress", "ingress"];

/// A tap's entries in sets and maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tap {
    /// Where its packets go, in the order of [`MAPS`].
    verdicts: [Verdict; 3],
    /// What it may claim to be, unless a chain of its own says so.
    own: Option<(MacAddr, BTreeSet<IpAddr>)>,
}

impl Tap {
    /// All of its entries.
    pub(super) fn elements<'a>(&'a self, tap: &'a str) -> impl Iterator<Item = Element> + 'a {
        let element = move |set: &str, parts: &[Part], verdict| {
            let parts = [&[Part::Interface(tap.to_owned())], parts].concat();
            Element { set: set.to_owned(), parts, verdict }
        };
        let verdicts = MAPS.iter().zip(&self.verdicts);
        let verdicts = verdicts.map(move |(map, verdict)| element(map, &[], Some(verdict.clone())));
        let own = self.own.iter().flat_map(move |(mac, addresses)| {
            let sources = addresses.iter().flat_map(move |address| {
                let source = [Part::Mac(*mac), Part::Address(*address)];
                match address {
                    IpAddr::V4(_) => vec![element("own-v4", &source, None)],
                    IpAddr::V6(target) => {
                        vec![element("own-v6", &source, None), element("own-target", &[Part::Number(*target)], None)]
                    }
                }
            });
            std::iter::once(element("own-mac", &[Part::Mac(*mac)], None)).chain(sources)
        });
        verdicts.chain(own)
    }
}

/// The name of an element of [`SHARED_SETS`] in nft's listing: the set, then the element as nft takes it.
pub(crate) fn own_name(set: &str, listed: &serde_json::Value) -> Option<String> {
    SHARED_SETS.iter().find(|(name, _)| *name == set)?;
    let mut parts = listed.get("concat")?.as_array()?.iter().filter_map(serde_json::Value::as_str);
    let tap = parts.next()?;
    let rest = parts.map(|part| match part.strip_prefix("0x").map(|digits| u128::from_str_radix(digits, 16)) {
        Some(Ok(number)) => format!("{number:#034x}"),
        _ => part.to_owned(),
    });
    Some(format!("{set} {}", [format!("\"{tap}\"")].into_iter().chain(rest).collect::<Vec<_>>().join(" . ")))
}

/// Plans a port.
pub(super) fn plan(desired: &Desired, port: &Port, bridge: Option<String>, plan: &mut FilterPlan) {
    let tap = names::tap(&port.id);
    if !port.port_security {
        let verdicts = [Verdict::Accept, Verdict::Accept, Verdict::Accept];
        plan.taps.insert(tap, Tap { verdicts, own: None });
        return;
    }
    let groups: Vec<&SecurityGroupId> =
        port.security_groups.iter().filter(|id| desired.groups.contains_key(id)).collect();
    let permits = Permits {
        bridge,
        addresses: port.fixed_ips.iter().map(|fixed| fixed.address).collect(),
        chains: groups
            .iter()
            .flat_map(|id| [group::chain(id, Direction::Ingress), group::chain(id, Direction::Egress)])
            .collect(),
    };
    plan.permits.insert(port.id.clone(), permits);
    let (spoof, own) = if port.allowed_address_pairs.is_empty() {
        let fixed = port.fixed_ips.iter().map(|fixed| fixed.address);
        (OWN.to_owned(), Some((port.mac, fixed.chain([port.mac.link_local().into()]).collect())))
    } else {
        let chain = format!("ps-{}", port.id);
        plan.chains.insert(chain.clone(), spoof(port));
        (chain, None)
    };
    let judging = |direction| match groups.as_slice() {
        [only] => only_chain(only, direction),
        _ => format!("{}-{}", if direction == Direction::Egress { "pe" } else { "pi" }, port.id),
    };
    let (egress, ingress) = (judging(Direction::Egress), judging(Direction::Ingress));
    if groups.len() != 1 {
        let stateful = groups.is_empty() || groups.iter().any(|id| desired.groups[id].stateful);
        plan.chains.insert(egress.clone(), judged(egress_chain(stateful), &groups, Direction::Egress));
        plan.chains.insert(ingress.clone(), judged(ingress_chain(stateful), &groups, Direction::Ingress));
    }
    plan.taps.insert(tap, Tap { verdicts: [spoof, egress, ingress].map(Verdict::Goto), own });
}

/// Chain of ports that have this group alone.
fn only_chain(id: &SecurityGroupId, direction: Direction) -> String {
    format!("{}-{id}", if direction == Direction::Egress { "oe" } else { "oi" })
}

/// Plans the chains of ports that have this group alone.
pub(super) fn plan_only(group: &SecurityGroup, plan: &mut FilterPlan) {
    for (direction, shared) in
        [(Direction::Egress, egress_chain(group.stateful)), (Direction::Ingress, ingress_chain(group.stateful))]
    {
        plan.chains.insert(only_chain(&group.id, direction), judged(shared, &[&group.id], direction));
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

/// Chain of what a port may claim to be that claims nothing but what it is.
const OWN: &str = "spoof-own";

const OWN_RULES: [&str; 7] = [
    "iifname . ether saddr != @own-mac drop",
    "jump spoof-any",
    "icmpv6 type nd-neighbor-advert iifname . @th,64,128 != @own-target drop",
    "iifname . arp saddr ether . arp saddr ip @own-v4 accept",
    "iifname . ether saddr . ip saddr @own-v4 accept",
    "iifname . ether saddr . ip6 saddr @own-v6 accept",
    "drop",
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
