//! NUMA nodes of a host: how much of its processors and memory are near each other.
//!
//! A server that asks for it gets all of its own from one node. Of what the others take nobody knows which node it comes from: room on a
//! node is counted among those that asked, and is needed beside room on the host.

use crate::{Order, Ratios, choose::fits, provider::Provider};
use controller_ports::{fleet::NumaNode, placement::Resources};
use std::cmp::Reverse;

/// A node as it stood when its host was looked at. Disks are of no node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// As the host numbers it.
    pub(crate) number: u32,
    pub(crate) total: Resources,
    /// What the servers have that got it as their one node.
    pub(crate) used: Resources,
}

impl Node {
    /// As the host tells of it, with nothing used.
    pub(crate) fn told(node: &NumaNode) -> Self {
        let total = Resources { vcpus: threads(&node.cpus), memory_mib: node.memory_mib, disk_gib: 0 };
        Self { number: node.number, total, used: Resources::default() }
    }

    /// Whether one more server has the room. What a host keeps for itself is of no node.
    pub(crate) fn fits(&self, wanted: Resources, ratios: &Ratios) -> bool {
        let ratios = Ratios { reserved: Resources::default(), ..*ratios };
        fits(self.total, self.used, Resources { disk_gib: 0, ..wanted }, &ratios)
    }
}

/// The node of a host that a server gets: as with hosts, the emptiest or the fullest that has the room.
pub(crate) fn best(provider: &Provider, wanted: Resources, ratios: &Ratios, order: Order) -> Option<u32> {
    let free = |node: &&Node| node.total.memory_mib.saturating_sub(node.used.memory_mib);
    let fitting = provider.nodes.iter().filter(|node| node.fits(wanted, ratios));
    let best = match order {
        Order::Spread => fitting.min_by_key(|node| Reverse(free(node))),
        Order::Pack => fitting.min_by_key(free),
    };
    best.map(|node| node.number)
}

/// How many there are in a list as Linux writes it: `0-3,8` are five.
fn threads(list: &str) -> u64 {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        last.checked_sub(first)?.checked_add(1)
    };
    list.split(',').filter_map(range).fold(0, u64::saturating_add)
}

/// Nodes as they are stored: number, threads and memory of each.
pub(crate) fn text(nodes: &[NumaNode]) -> String {
    let told = nodes.iter().map(Node::told);
    let one = |node: Node| format!("{}:{}:{}", node.number, node.total.vcpus, node.total.memory_mib);
    told.map(one).collect::<Vec<_>>().join(",")
}

/// Nodes as they were stored.
pub(crate) fn of_text(text: &str) -> Vec<Node> {
    let one = |text: &str| {
        let mut numbers = text.splitn(3, ':').map(|number| number.parse().ok());
        let mut next = || numbers.next().flatten();
        let (number, vcpus, memory_mib): (u64, u64, u64) = (next()?, next()?, next()?);
        let total = Resources { vcpus, memory_mib, disk_gib: 0 };
        Some(Node { number: u32::try_from(number).ok()?, total, used: Resources::default() })
    };
    text.split(',').filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_stored_as_they_were_told() {
        let told = [(0, "0-3,8", 4096), (1, "4-7", 2048), (7, "", 0)];
        let told = told.map(|(number, cpus, memory_mib)| NumaNode { number, cpus: cpus.to_owned(), memory_mib });
        assert_eq!(text(&told), "0:5:4096,1:4:2048,7:0:0");
        assert_eq!(of_text(&text(&told)), told.each_ref().map(Node::told));
        assert_eq!(of_text(""), []);
    }

    #[test]
    fn what_is_no_list_has_no_threads() {
        for (list, count) in [("0", 1), ("0-1,4-5", 4), ("3-1", 0), ("-", 0), ("", 0), ("0-18446744073709551615", 0)] {
            assert_eq!(threads(list), count, "{list}");
        }
    }
}
