//! Usages: how much is claimed, of a host or by a project. Always the sum of the claims, stored nowhere.

pub(crate) mod api;
pub(crate) mod policy;

use crate::{allocation::Allocation, resource_class::Class};
use controller_ports::placement::Resources;
use serde_json::{Map, Value};

/// The sums of what was claimed by class; classes of which nothing was are left out.
pub(crate) fn total(allocations: &[Allocation]) -> Map<String, Value> {
    let sum = |class: Class| allocations.iter().map(|one| class.of(one.resources)).fold(0, u64::saturating_add);
    let sums = Class::ALL.into_iter().map(|class| (class.name().to_owned(), sum(class)));
    sums.filter(|(_, sum)| *sum > 0).map(|(name, sum)| (name, sum.into())).collect()
}

/// Amounts of the classes of which there is an inventory.
pub(crate) fn of_offered(offered: Resources, used: Resources) -> Map<String, Value> {
    let classes = Class::ALL.into_iter().filter(|class| class.of(offered) > 0);
    classes.map(|class| (class.name().to_owned(), class.of(used).into())).collect()
}
