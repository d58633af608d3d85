//! Allocation candidates: the hosts on which a claim of this size would be taken now, the best first. Unlike upstream's, they leave out
//! hosts that an operator closed or that stay away, for no claim is taken there.
//!
//! Several groups of resources can be asked for. Nothing is shared between hosts: all groups are met by one host and at most one of its NUMA
//! nodes, or none is. With nodes a host is a candidate once for each that has the room.

pub(crate) mod api;
pub(crate) mod policy;
mod query;
mod wire;

use crate::{
    Order, Ratios,
    choose::{accepts, sort},
    provider::{Place, Provider},
    query::Demand,
    resource_class::{OF_HOST, OF_NODE},
};
use controller_base::Timestamp;
use query::Query;
use std::sync::Arc;

/// Where a claim could be made: a host, and a NUMA node of it where something of one is wanted.
#[derive(Clone, Debug)]
struct Candidate {
    provider: Arc<Provider>,
    node: Option<u32>,
}

impl Candidate {
    fn root(&self) -> Place<'_> {
        self.provider.root()
    }

    fn node(&self) -> Option<Place<'_>> {
        self.provider.places().find(|place| place.node.is_some_and(|node| Some(node.number) == self.node))
    }

    /// What a group is met by. One without resources asks for traits alone, which the host or its node has.
    fn places(&self, group: &Demand) -> Vec<Place<'_>> {
        if group.amounts.is_empty() {
            let suiting = self.node().filter(|node| group.suits(&[*node]));
            return vec![suiting.unwrap_or_else(|| self.root())];
        }
        let root = Some(self.root()).filter(|_| group.amounts.name_some(OF_HOST));
        root.into_iter().chain(self.node().filter(|_| group.amounts.name_some(OF_NODE))).collect()
    }
}

/// What a query can have.
fn select(
    mut providers: Vec<Provider>,
    query: &Query,
    (ratios, order): (&Ratios, Order),
    now: Timestamp,
) -> Vec<Candidate> {
    let Some((of_host, of_node)) = query.sum().split().filter(|_| !query.is_split()) else { return Vec::new() };
    providers.retain(|provider| accepts(provider, of_host, ratios, now));
    sort(&mut providers, ratios, order);
    let candidates = |provider: Provider| {
        let fitting = provider.nodes.iter().filter(|node| node.fits(of_node, ratios)).map(|node| Some(node.number));
        let nodes: Vec<_> = if query.sum().name_some(OF_NODE) { fitting.collect() } else { vec![None] };
        let provider = Arc::new(provider);
        nodes.into_iter().map(move |node| Candidate { provider: Arc::clone(&provider), node })
    };
    let suiting = providers.into_iter().flat_map(candidates).filter(|candidate| query.suits(candidate));
    suiting.take(query.limit.unwrap_or(usize::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{provider::node, traits::Cpu};
    use controller_base::{Generation, id::HostId};
    use controller_ports::placement::{HostUsage, Resources};
    use controller_web::{Microversion, Params};

    fn host(name: &str, memory_mib: u64) -> Provider {
        let usage = HostUsage {
            host_id: HostId::random(),
            hostname: name.to_owned(),
            total: Resources { vcpus: 2, memory_mib, disk_gib: 10 },
            used: Resources::default(),
            servers: 0,
        };
        let generation = Generation::FIRST;
        let (nodes, cpu) = (node::of_text("0:1:1024,1:1:2048"), Cpu::default());
        Provider { usage, nodes, generation, away_since: None, closed: false, cpu, modified_at: Timestamp(0) }
    }

    fn found(hosts: &[Provider], query: &str) -> String {
        let query = Query::read(&Params::parse(query), Microversion::new(1, 39)).unwrap();
        let found = select(hosts.to_vec(), &query, (&Ratios::default(), Order::Spread), Timestamp(0));
        let name = |found: &Candidate| {
            found.provider.usage.hostname.clone() + &found.node.map_or(String::new(), |node| node.to_string())
        };
        found.iter().map(name).collect()
    }

    #[test]
    fn the_best_hosts_come_first_and_closed_ones_not_at_all() {
        let mut hosts = [host("a", 1024), host("b", 4096), host("c", 2048)];
        assert_eq!(found(&hosts, "resources=VCPU:1"), "bca");
        assert_eq!(found(&hosts, "resources=VCPU:1&limit=2"), "bc");
        assert_eq!(found(&hosts, "resources=VCPU:1,MEMORY_MB:2048"), "bc");
        assert_eq!(found(&hosts, "resources=VCPU:3"), "", "one server gets no more than there is");
        assert_eq!(found(&hosts, "resources=PCPU:1"), "");
        hosts[1].closed = true;
        assert_eq!(found(&hosts, "resources=VCPU:1&required=COMPUTE_NODE"), "ca");
        assert_eq!(found(&hosts, "resources=VCPU:1&required=COMPUTE_STATUS_DISABLED"), "");
        let id = hosts[2].usage.host_id;
        assert_eq!(found(&hosts, &format!("resources=VCPU:1&in_tree={id}")), "c");
        assert_eq!(found(&hosts, &format!("resources=VCPU:1&member_of={id}")), "");
        assert_eq!(found(&hosts, &format!("resources=VCPU:1&member_of=!{id}")), "ca");
    }

    #[test]
    fn a_host_is_a_candidate_with_each_node_that_has_the_room() {
        let hosts = [host("a", 1024), host("b", 4096)];
        let numa = "resources=VCPU:1,MEMORY_MB:512&resources1=NUMA_THREAD:1,NUMA_MEMORY_MB";
        assert_eq!(found(&hosts, &format!("{numa}:512&group_policy=isolate")), "b0b1a0a1");
        assert_eq!(found(&hosts, &format!("{numa}:512&group_policy=isolate&limit=3")), "b0b1a0");
        assert_eq!(found(&hosts, &format!("{numa}:2048")), "b1a1");
        assert_eq!(found(&hosts, &format!("{numa}:2048&required1=HW_NUMA_ROOT")), "b1a1");
        assert_eq!(found(&hosts, &format!("{numa}:2048&required=HW_NUMA_ROOT")), "", "a host is no node");
        assert_eq!(found(&hosts, &format!("{numa}:4096")), "");
        assert_eq!(found(&hosts, "resources=NUMA_THREAD:1,VCPU:1&required=HW_NUMA_ROOT,COMPUTE_NODE"), "b0b1a0a1");
        assert_eq!(found(&hosts, "resources1=NUMA_THREAD:1,VCPU:1"), "", "a group is met by one provider");
        let near = "resources_M=NUMA_THREAD:1&required_N=HW_NUMA_ROOT&same_subtree=_M,_N&group_policy=none";
        assert_eq!(found(&hosts, near), "b0b1a0a1", "a group of traits alone is met by the node");
        let node = hosts[0].node_id(1);
        assert_eq!(found(&hosts, &format!("resources=VCPU:1&in_tree={node}")), "a");
    }

    #[test]
    fn groups_are_met_by_one_host_in_sum() {
        let hosts = [host("a", 1024), host("b", 4096)];
        let two = "resources=VCPU:1&resources1=MEMORY_MB:1024&resources2=MEMORY_MB:1024";
        assert_eq!(found(&hosts, &format!("{two}&group_policy=none")), "b");
        assert_eq!(found(&hosts, &format!("{two}&group_policy=isolate")), "", "two hosts would be needed");
        assert_eq!(found(&hosts, "resources1=VCPU:1&group_policy=isolate"), "ba");
        assert_eq!(found(&hosts, "resources1=VCPU:1&resources2=VCPU:1&resources3=VCPU:1&group_policy=none"), "");
        let id = hosts[0].usage.host_id;
        assert_eq!(found(&hosts, &format!("resources=VCPU:1&resources1=DISK_GB:1&in_tree1={id}")), "a");
        assert_eq!(found(&hosts, "resources=VCPU:1&required_A=COMPUTE_NODE&same_subtree=,_A"), "ba");
        assert_eq!(found(&hosts, "resources=VCPU:1&root_required=!COMPUTE_NODE"), "");
    }
}
