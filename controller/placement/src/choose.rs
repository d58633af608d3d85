//! Which hosts a server may go to, and which of them are better: pure. The choice itself is made in [`crate::view`], whose order is this one.

use crate::{Order, Ratios, provider::Provider, traits};
use controller_base::Timestamp;
use controller_ports::placement::{Constraints, Resources};
use std::{cmp::Reverse, ops::RangeInclusive};

/// A host that was away no longer than this is probably being restarted, and will find what it shall run when it is back.
const GRACE_SECONDS: i64 = 60;

/// Whether a server may go there now. Of such hosts the first in the order of [`rank`] is taken.
pub(crate) fn suits(
    provider: &Provider,
    wanted: Resources,
    constraints: &Constraints,
    ratios: &Ratios,
    now: Timestamp,
) -> bool {
    let near = || !constraints.one_node || provider.nodes.iter().any(|node| node.fits(wanted, ratios));
    accepts(provider, wanted, ratios, now) && allowed(provider, constraints) && near()
}

/// Whether something new may go there now.
pub(crate) fn accepts(provider: &Provider, wanted: Resources, ratios: &Ratios, now: Timestamp) -> bool {
    open(provider, now) && fits(provider.usage.total, provider.usage.used, wanted, ratios)
}

/// The best ones first.
pub(crate) fn sort(providers: &mut [Provider], ratios: &Ratios, order: Order) {
    providers.sort_by_cached_key(|provider| {
        Reverse((rank(provider, ratios, order), Reverse(provider.usage.hostname.clone())))
    });
}

/// Whether the host takes new servers at all.
pub(crate) fn open(provider: &Provider, now: Timestamp) -> bool {
    !provider.closed && provider.away_since.is_none_or(|since| now < since.plus_seconds(GRACE_SECONDS))
}

/// Rather one that is there than one that went a moment ago, then by memory left, then by number of servers. The greatest is the best;
/// among equals the first by name.
pub(crate) type Rank = (bool, u64, u64);

/// Where a host stands in the order.
pub(crate) fn rank(provider: &Provider, ratios: &Ratios, order: Order) -> Rank {
    let (free, servers) = (free_memory(provider, ratios), provider.usage.servers);
    let there = provider.away_since.is_none();
    match order {
        Order::Spread => (there, free, u64::MAX - servers),
        Order::Pack => (there, u64::MAX - free, servers),
    }
}

/// The lowest and the highest rank of a host with so much memory left.
pub(crate) fn ranks(order: Order, there: bool, free: u64) -> RangeInclusive<Rank> {
    match order {
        Order::Spread => (there, free, 0)..=(there, u64::MAX, u64::MAX),
        Order::Pack => (there, 0, 0)..=(there, u64::MAX - free, u64::MAX),
    }
}

/// Memory that may still be promised, MiB.
fn free_memory(provider: &Provider, ratios: &Ratios) -> u64 {
    ratios.capacity(provider.usage.total).memory_mib.saturating_sub(provider.usage.used.memory_mib)
}

/// Whether what is asked of a host is true of this one.
pub(crate) fn allowed(provider: &Provider, constraints: &Constraints) -> bool {
    let usage = &provider.usage;
    let named = constraints.hostname.as_ref().is_none_or(|name| *name == usage.hostname);
    let among = constraints.only.as_ref().is_none_or(|only| only.contains(&usage.host_id));
    let has = |name: &String| traits::has(provider, name);
    let surely_not = |name: &String| traits::known(name).is_some() && !traits::has(provider, name);
    let able = constraints.required.iter().all(has) && constraints.forbidden.iter().all(surely_not);
    named && among && able && !constraints.avoid.contains(&usage.host_id)
}

/// One server never gets more than the host really has, whatever the ratios promise to many. What it does not want may be gone.
pub(crate) fn fits(total: Resources, used: Resources, wanted: Resources, ratios: &Ratios) -> bool {
    let capacity = ratios.capacity(total);
    let room = |total: u64, capacity: u64, used: u64, wanted: u64| {
        wanted == 0 || (wanted <= total && used.checked_add(wanted).is_some_and(|sum| sum <= capacity))
    };
    room(total.vcpus, capacity.vcpus, used.vcpus, wanted.vcpus)
        && room(total.memory_mib, capacity.memory_mib, used.memory_mib, wanted.memory_mib)
        && room(total.disk_gib, capacity.disk_gib, used.disk_gib, wanted.disk_gib)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::node;
    use crate::view::{Loaded, Stamp, View};
    use controller_base::{Generation, id::HostId};
    use controller_ports::placement::HostUsage;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp(1_000_000_000);

    fn host(name: &str, memory_mib: u64, used_mib: u64) -> Provider {
        Provider {
            usage: HostUsage {
                host_id: HostId::random(),
                hostname: name.to_owned(),
                total: Resources { vcpus: 2, memory_mib, disk_gib: 100 },
                used: Resources { vcpus: 0, memory_mib: used_mib, disk_gib: 0 },
                servers: 0,
            },
            nodes: Vec::new(),
            generation: Generation::FIRST,
            away_since: None,
            closed: false,
            cpu: traits::Cpu::default(),
            modified_at: NOW,
        }
    }

    fn server(vcpus: u64, memory_mib: u64) -> Resources {
        Resources { vcpus, memory_mib, disk_gib: 1 }
    }

    fn chosen(hosts: &[Provider], wanted: Resources, constraints: &Constraints) -> Option<String> {
        chosen_by(Order::Spread, hosts, wanted, constraints)
    }

    fn chosen_by(order: Order, hosts: &[Provider], wanted: Resources, constraints: &Constraints) -> Option<String> {
        let view = View::new(Ratios::default(), order);
        let loaded = |provider: &Provider| Loaded { provider: provider.clone(), stamp: Stamp(0) };
        let scope = view.everything(Duration::ZERO).unwrap();
        view.install(&scope, hosts.iter().map(loaded).collect());
        view.reserve(wanted, constraints, NOW).map(|reservation| reservation.hostname().to_owned())
    }

    #[test]
    fn the_host_with_most_free_memory_wins() {
        let hosts = [host("a", 4096, 3000), host("b", 4096, 1000), host("c", 4096, 2000)];
        assert_eq!(chosen(&hosts, server(1, 512), &Constraints::default()).as_deref(), Some("b"));
        let equal = [host("y", 4096, 0), host("x", 4096, 0)];
        assert_eq!(chosen(&equal, server(1, 512), &Constraints::default()).as_deref(), Some("x"));
    }

    #[test]
    fn a_host_has_what_is_required_and_nothing_forbidden() {
        let mut hosts = [host("a", 4096, 0), host("b", 4096, 1000)];
        hosts[1].cpu = traits::Cpu::of_features(&["avx2".to_owned()]);
        let chosen = |required: &[&str], forbidden: &[&str]| {
            let [required, forbidden] = [required, forbidden].map(|names| names.iter().map(|name| (*name).to_owned()));
            let constraints =
                Constraints { required: required.collect(), forbidden: forbidden.collect(), ..Constraints::default() };
            chosen(&hosts, server(1, 512), &constraints)
        };
        assert_eq!(chosen(&[], &[]).as_deref(), Some("a"));
        assert_eq!(chosen(&["HW_CPU_X86_AVX2", "COMPUTE_NODE"], &[]).as_deref(), Some("b"));
        assert_eq!(chosen(&[], &["HW_CPU_X86_AVX2"]).as_deref(), Some("a"));
        assert_eq!(chosen(&["HW_CPU_X86_AVX512F"], &[]), None);
        assert_eq!(chosen(&["CUSTOM_UNHEARD_OF"], &[]), None);
        assert_eq!(chosen(&[], &["CUSTOM_UNHEARD_OF"]), None, "nobody knows who has it");
    }

    #[test]
    fn a_server_of_one_node_goes_where_a_node_has_the_room() {
        let mut hosts = [host("a", 8192, 0), host("b", 4096, 0)];
        let one_node = Constraints { one_node: true, ..Constraints::default() };
        assert_eq!(chosen(&hosts, server(1, 512), &one_node), None, "nobody told of nodes");
        hosts[0].nodes = node::of_text("0:1:4096,1:1:4096");
        hosts[1].nodes = node::of_text("0:2:4096");
        assert_eq!(chosen(&hosts, server(1, 4096), &one_node).as_deref(), Some("a"));
        assert_eq!(chosen(&hosts, server(2, 512), &one_node).as_deref(), Some("b"), "two threads near each other");
        assert_eq!(chosen(&hosts, server(1, 4097), &one_node), None);
        assert_eq!(chosen(&hosts, server(1, 4097), &Constraints::default()).as_deref(), Some("a"));
        hosts[0].nodes[1].used.memory_mib = 1024;
        let best = |wanted, order| node::best(&hosts[0], wanted, &Ratios::default(), order);
        assert_eq!(best(server(1, 512), Order::Spread), Some(0));
        assert_eq!(best(server(1, 512), Order::Pack), Some(1));
        assert_eq!(best(server(1, 4000), Order::Pack), Some(0));
    }

    #[test]
    fn packing_takes_the_fullest_that_has_the_room() {
        let chosen = |hosts: &[Provider], wanted| chosen_by(Order::Pack, hosts, wanted, &Constraints::default());
        let mut hosts = [host("a", 4096, 3000), host("b", 4096, 1000), host("c", 4096, 2000)];
        assert_eq!(chosen(&hosts, server(1, 1096)).as_deref(), Some("a"));
        assert_eq!(chosen(&hosts, server(1, 1097)).as_deref(), Some("c"));
        assert_eq!(chosen(&hosts, server(1, 4096)), None);
        assert_eq!(chosen(&hosts, server(1, 0)).as_deref(), Some("a"));
        hosts[0].away_since = Some(NOW);
        assert_eq!(chosen(&hosts, server(1, 512)).as_deref(), Some("c"), "rather one that is there");
        assert_eq!(chosen(&[host("y", 4096, 0), host("x", 4096, 0)], server(1, 512)).as_deref(), Some("x"));
    }

    #[test]
    fn wishes_are_kept_where_there_is_room() {
        let hosts = [host("a", 8192, 0), host("b", 4096, 0), host("c", 2048, 0)];
        let [a, b, c] = [0, 1, 2].map(|number: usize| hosts[number].usage.host_id);
        let wish = |first: &[HostId], last: &[HostId], memory_mib| {
            let constraints = Constraints { first: first.to_vec(), last: last.to_vec(), ..Constraints::default() };
            chosen(&hosts, server(1, memory_mib), &constraints)
        };
        assert_eq!(wish(&[c, b], &[], 512).as_deref(), Some("c"));
        assert_eq!(wish(&[c, b], &[], 4096).as_deref(), Some("b"));
        assert_eq!(wish(&[c], &[], 8192).as_deref(), Some("a"));
        assert_eq!(wish(&[], &[a], 512).as_deref(), Some("b"));
        assert_eq!(wish(&[], &[c, b, a], 512).as_deref(), Some("c"));
        assert_eq!(wish(&[], &[a], 8192).as_deref(), Some("a"));
        let mut hosts = hosts.clone();
        hosts[2].away_since = Some(NOW);
        let together = Constraints { first: vec![c], ..Constraints::default() };
        assert_eq!(chosen(&hosts, server(1, 512), &together).as_deref(), Some("a"), "rather one that is there");
        let never = Constraints { first: vec![a], avoid: vec![a], ..Constraints::default() };
        assert_eq!(chosen(&hosts, server(1, 512), &never).as_deref(), Some("b"));
    }

    #[test]
    fn a_host_that_went_a_moment_ago_is_better_than_none() {
        let mut hosts = [host("a", 4096, 0), host("b", 2048, 0)];
        let any = Constraints::default();
        hosts[0].away_since = Some(NOW.plus_seconds(-59));
        assert_eq!(chosen(&hosts, server(1, 512), &any).as_deref(), Some("b"));
        assert_eq!(chosen(&hosts[..1], server(1, 512), &any).as_deref(), Some("a"));
        hosts[0].away_since = Some(NOW.plus_seconds(-60));
        assert_eq!(chosen(&hosts[..1], server(1, 512), &any), None);
        hosts[1].closed = true;
        assert_eq!(chosen(&hosts, server(1, 512), &any), None);
    }

    #[test]
    fn nothing_beyond_the_room() {
        let hosts = [host("a", 4096, 3000)];
        assert!(chosen(&hosts, server(1, 1096), &Constraints::default()).is_some());
        assert!(chosen(&hosts, server(1, 1097), &Constraints::default()).is_none());
        assert!(chosen(&hosts, server(1, u64::MAX), &Constraints::default()).is_none());
    }

    #[test]
    fn a_server_without_a_disk_goes_where_no_disk_is_left() {
        let mut full = host("a", 4096, 0);
        full.usage.used.disk_gib = 101;
        let hosts = [full];
        let diskless = Resources { disk_gib: 0, ..server(1, 512) };
        assert!(chosen(&hosts, diskless, &Constraints::default()).is_some());
        assert!(chosen(&hosts, server(1, 512), &Constraints::default()).is_none());
    }

    #[test]
    fn sixteen_may_share_a_thread_but_one_gets_no_more_than_there_are() {
        let mut shared = host("a", 4096, 0);
        shared.usage.used.vcpus = 31;
        assert!(chosen(&[shared.clone()], server(1, 1), &Constraints::default()).is_some());
        assert!(chosen(&[shared], server(2, 1), &Constraints::default()).is_none());
        assert!(chosen(&[host("a", 4096, 0)], server(3, 1), &Constraints::default()).is_none());
    }

    #[test]
    fn constraints_are_kept() {
        let hosts = [host("a", 8192, 0), host("b", 4096, 0)];
        let only_b = Constraints { hostname: Some("b".to_owned()), ..Constraints::default() };
        assert_eq!(chosen(&hosts, server(1, 1), &only_b).as_deref(), Some("b"));
        let not_a = Constraints { avoid: vec![hosts[0].usage.host_id], ..Constraints::default() };
        assert_eq!(chosen(&hosts, server(1, 1), &not_a).as_deref(), Some("b"));
        let among =
            |only: &[HostId]| Constraints { only: Some(only.iter().copied().collect()), ..Constraints::default() };
        assert_eq!(chosen(&hosts, server(1, 1), &among(&[hosts[1].usage.host_id])).as_deref(), Some("b"));
        assert_eq!(chosen(&hosts, server(1, 1), &among(&[])), None);
    }
}
