//! Usages: how much is claimed, of a host or a NUMA node, or by a project. Always the sum of the claims, stored nowhere.

pub(crate) mod api;
pub(crate) mod policy;

use crate::{
    allocation::Allocation,
    provider::Place,
    resource_class::{Class, OF_HOST, OF_NODE},
};
use serde_json::{Map, Value};

/// The sums of what was claimed by class; classes of which nothing was are left out.
pub(crate) fn total(allocations: &[Allocation]) -> Map<String, Value> {
    let sum = |class: &Class, bound: bool| {
        let counted = allocations.iter().filter(|one| !bound || one.node.is_some());
        counted.map(|one| class.of(one.resources)).fold(0, u64::saturating_add)
    };
    let of_hosts = OF_HOST.iter().map(|class| (class, sum(class, false)));
    let of_nodes = OF_NODE.iter().map(|class| (class, sum(class, true)));
    let some = of_hosts.chain(of_nodes).filter(|(_, sum)| *sum > 0);
    some.map(|(class, sum)| (class.name().to_owned(), sum.into())).collect()
}

/// Amounts of the classes of which there is an inventory.
pub(crate) fn of(place: &Place<'_>) -> Map<String, Value> {
    let classes = place.classes().iter().filter(|class| class.of(place.total()) > 0);
    classes.map(|class| (class.name().to_owned(), class.of(place.used()).into())).collect()
}
