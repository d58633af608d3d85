//! The filter as nft transactions.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;

use super::element::Part;
use super::{AddressSet, Change, Element, FilterPlan, port};
use crate::plan::names;

/// The packet belongs to a connection that was let through.
pub(super) const MARK_ESTABLISHED: u32 = 0x4000_0000;
/// The packet belongs to no connection and cannot begin one.
pub(super) const MARK_INVALID: u32 = 0x2000_0000;

/// Where bridged packets are tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tracking {
    /// In the bridge family itself (nf_conntrack_bridge).
    Bridge,
    /// In the inet family, where br_netfilter shows bridged packets.
    BrNetfilter,
}

/// A transaction that only kernels with all that [`Tracking::Bridge`] needs take.
pub(crate) fn tracking_probe() -> String {
    "table bridge humilis-probe {\nchain probe {\ntype filter hook prerouting priority -250;\n\
     ct zone set meta ibrname map { \"probe\" : 1 }\nct state established accept\n}\n}\n"
        .to_owned()
}

/// The whole filter in place of whatever is there.
pub(crate) fn full(plan: &FilterPlan, tracking: Tracking) -> String {
    let mut script = removal();
    script.push_str("table bridge humilis {\n");
    for map in port::MAPS {
        let _infallible = writeln!(script, "map {map} {{\ntype ifname : verdict;\n}}");
    }
    for (set, kind) in port::SHARED_SETS {
        let _infallible = writeln!(script, "set {set} {{\n{kind};\n}}");
    }
    for (chain, rules) in port::shared() {
        let _infallible = writeln!(script, "chain {chain} {{\n{}\n}}", rules.join("\n"));
    }
    script.push_str("}\n");
    declare(&mut script, plan.sets.iter(), plan.chains.keys());
    fill(&mut script, plan.chains.iter());
    change(&mut script, &changes(&FilterPlan::default(), plan));
    script.push_str(&hooks());
    script.push_str(&tracked(tracking));
    script.push_str(&zones(plan, tracking));
    script.push_str(&masquerade(plan));
    script
}

/// Removes all of ours; succeeds when there is nothing.
pub(crate) fn removal() -> String {
    ["bridge", "inet"].map(|family| format!("table {family} humilis\ndelete table {family} humilis\n")).concat()
}

/// What leads from one filter to the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Delta {
    /// They are the same.
    Nothing,
    /// Elements come and go.
    Elements(Vec<Change>),
    /// A transaction for nft.
    Script(String),
}

/// From so many elements on one start of nft is cheap.
const MANY: usize = 256;

/// What leads from one filter to the other.
pub(crate) fn delta(old: &FilterPlan, new: &FilterPlan, tracking: Tracking) -> Delta {
    if old == new {
        return Delta::Nothing;
    }
    let changes = changes(old, new);
    let same_sets = old.sets.len() == new.sets.len() && old.sets.keys().eq(new.sets.keys());
    let same_rules = old.chains == new.chains && old.zones == new.zones && old.masquerade == new.masquerade;
    if same_sets && same_rules && changes.len() < MANY {
        return if changes.is_empty() { Delta::Nothing } else { Delta::Elements(changes) };
    }
    let mut script = String::new();
    let sets = new.sets.iter().filter(|(name, _)| !old.sets.contains_key(*name));
    let chains = new.chains.iter().filter(|(name, rules)| old.chains.get(*name) != Some(rules));
    declare(&mut script, sets, chains.clone().map(|(name, _)| name));
    for (name, _) in chains.clone() {
        let _infallible = writeln!(script, "flush chain bridge humilis {name}");
    }
    fill(&mut script, chains);
    change(&mut script, &changes);
    let gone: Vec<&String> = old.chains.keys().filter(|name| !new.chains.contains_key(*name)).collect();
    // All are emptied before the first is removed: they jump to each other.
    for name in &gone {
        let _infallible = writeln!(script, "flush chain bridge humilis {name}");
    }
    for name in gone {
        let _infallible = writeln!(script, "delete chain bridge humilis {name}");
    }
    for name in old.sets.keys().filter(|name| !new.sets.contains_key(*name)) {
        let _infallible = writeln!(script, "delete set bridge humilis {name}");
    }
    if old.zones != new.zones {
        script.push_str(&zones(new, tracking));
    }
    if old.masquerade != new.masquerade {
        script.push_str(&masquerade(new));
    }
    Delta::Script(script)
}

/// The elements that go, then those that come. A set that goes takes its own with it.
fn changes(old: &FilterPlan, new: &FilterPlan) -> Vec<Change> {
    let beyond = |one: &FilterPlan, other: &FilterPlan, add: bool| {
        let sets = one.sets.iter().filter(|(name, _)| add || other.sets.contains_key(*name));
        let members: Vec<Element> = sets
            .flat_map(|(name, set)| {
                let before = other.sets.get(name).map(|set| &set.addresses);
                let some = set.addresses.iter().filter(move |address| before.is_none_or(|set| !set.contains(address)));
                some.map(|address| member(name, *address))
            })
            .collect();
        let taps = one.taps.iter().flat_map(|(name, tap)| {
            let before: Vec<Element> = match other.taps.get(name) {
                Some(same) if same == tap => return Vec::new(),
                Some(before) => before.elements(name).collect(),
                None => Vec::new(),
            };
            tap.elements(name).filter(|element| !before.contains(element)).collect()
        });
        members.into_iter().chain(taps).map(|element| Change { add, element }).collect::<Vec<_>>()
    };
    [beyond(old, new, false), beyond(new, old, true)].concat()
}

fn member(set: &str, address: IpAddr) -> Element {
    Element { set: set.to_owned(), parts: vec![Part::Address(address)], verdict: None }
}

fn declare<'a>(
    script: &mut String,
    sets: impl Iterator<Item = (&'a String, &'a AddressSet)>,
    chains: impl Iterator<Item = &'a String>,
) {
    for (name, set) in sets {
        let kind = if set.ipv6 { "ipv6_addr" } else { "ipv4_addr" };
        let _infallible = writeln!(script, "add set bridge humilis {name} {{ type {kind}; }}");
    }
    for name in chains {
        let _infallible = writeln!(script, "add chain bridge humilis {name}");
    }
}

fn fill<'a>(script: &mut String, chains: impl Iterator<Item = (&'a String, &'a Vec<String>)>) {
    for (name, rules) in chains {
        for rule in rules {
            let _infallible = writeln!(script, "add rule bridge humilis {name} {rule}");
        }
    }
}

/// All elements of a set that come, or go, in one line.
fn change(script: &mut String, changes: &[Change]) {
    let mut lines: BTreeMap<(bool, &str), Vec<String>> = BTreeMap::new();
    for Change { add, element } in changes {
        lines.entry((*add, &element.set)).or_default().push(element.to_string());
    }
    for ((add, set), elements) in lines {
        let verb = if add { "add" } else { "delete" };
        let _infallible = writeln!(script, "{verb} element bridge humilis {set} {{ {} }}", elements.join(", "));
    }
}

/// The hooked chains. A tap that is in no map passes nothing.
fn hooks() -> String {
    let mut script = String::from("table bridge humilis {\n");
    for (chain, hook, priority, side, map) in [
        ("from-spoof", "prerouting", -300, "iifname", "spoof"),
        ("from-port", "prerouting", 10, "iifname", "egress"),
        ("to-port", "forward", -200, "oifname", "ingress"),
        ("to-port-local", "output", 10, "oifname", "ingress"),
    ] {
        let _infallible = writeln!(
            script,
            "chain {chain} {{\ntype filter hook {hook} priority {priority};\n{side} vmap @{map}\n\
             {side} \"{}*\" drop\n}}",
            names::TAP_PREFIX
        );
    }
    script.push_str("}\n");
    script
}

/// Notes a packet's state in its mark right after tracking. What the host itself sends is tracked in the inet family.
fn tracked(tracking: Tracking) -> String {
    let note = format!(
        "meta mark set meta mark & {:#x}\nct state established,related meta mark set meta mark | {MARK_ESTABLISHED:#x}\n\
         ct state invalid meta mark set meta mark | {MARK_INVALID:#x}\n",
        !(MARK_ESTABLISHED | MARK_INVALID)
    );
    let mut script =
        format!("table inet humilis {{\nchain output {{\ntype filter hook output priority -150;\n{note}}}\n");
    if tracking == Tracking::BrNetfilter {
        let _infallible = write!(script, "chain state {{\ntype filter hook prerouting priority -150;\n{note}}}\n");
    }
    script.push_str("}\n");
    if tracking == Tracking::Bridge {
        let _infallible = write!(
            script,
            "table bridge humilis {{\nchain state {{\ntype filter hook prerouting priority -150;\n{note}}}\n}}\n"
        );
    }
    script
}

fn zones(plan: &FilterPlan, tracking: Tracking) -> String {
    let (family, key) = match tracking {
        Tracking::Bridge => ("bridge", "meta ibrname"),
        Tracking::BrNetfilter => ("inet", "iifname"),
    };
    let mut script = format!(
        "add chain {family} humilis zones {{ type filter hook prerouting priority -250; }}\n\
         flush chain {family} humilis zones\n"
    );
    if !plan.zones.is_empty() {
        let entries: Vec<String> = plan.zones.iter().map(|(bridge, zone)| format!("\"{bridge}\" : {zone}")).collect();
        let _infallible =
            writeln!(script, "add rule {family} humilis zones ct zone set {key} map {{ {} }}", entries.join(", "));
    }
    script
}

fn masquerade(plan: &FilterPlan) -> String {
    let mut script = String::from(
        "add chain inet humilis host-nat { type nat hook postrouting priority srcnat; }\nflush chain inet humilis host-nat\n",
    );
    for rule in &plan.masquerade {
        let _infallible = writeln!(script, "add rule inet humilis host-nat {rule}");
    }
    script
}
