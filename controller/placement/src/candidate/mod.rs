//! Allocation candidates: the hosts on which a claim of this size would be taken now, the best first. Unlike upstream's, they leave out
//! hosts that an operator closed or that stay away, for no claim is taken there.
//!
//! Several groups of resources can be asked for. A host is a tree of one provider, and nothing is shared between hosts: all groups
//! are met by the same host, or none is.

pub(crate) mod api;
pub(crate) mod policy;
mod query;
mod wire;

use crate::{
    Order, Ratios,
    choose::{accepts, sort},
    provider::Provider,
};
use controller_base::Timestamp;
use query::Query;

/// Those of the hosts that a query wants.
fn select(
    mut providers: Vec<Provider>,
    query: &Query,
    (ratios, order): (&Ratios, Order),
    now: Timestamp,
) -> Vec<Provider> {
    let Some(wanted) = query.sum().resources().filter(|_| !query.is_split()) else { return Vec::new() };
    providers.retain(|provider| query.suits(provider) && accepts(provider, wanted, ratios, now));
    sort(&mut providers, ratios, order);
    providers.truncate(query.limit.unwrap_or(usize::MAX));
    providers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traits::Cpu;
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
        Provider { usage, generation, away_since: None, closed: false, cpu: Cpu::default(), modified_at: Timestamp(0) }
    }

    fn found(hosts: &[Provider], query: &str) -> String {
        let query = Query::read(&Params::parse(query), Microversion::new(1, 39)).unwrap();
        let found = select(hosts.to_vec(), &query, (&Ratios::default(), Order::Spread), Timestamp(0));
        found.iter().map(|provider| provider.usage.hostname.as_str()).collect()
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
