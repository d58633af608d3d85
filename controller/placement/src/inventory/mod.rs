//! Inventories: how much of each class of resources a host or a NUMA node has, and how much it may promise. Computed from what the host told
//! of itself and the configured [`Ratios`]; who has nothing of a class has no inventory of it.

pub(crate) mod api;
pub(crate) mod policy;
mod wire;

use crate::{Ratios, provider::Place, resource_class::Class};

/// An inventory of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inventory {
    pub(crate) class: Class,
    /// Also the most that one server gets, whatever is promised to many.
    pub(crate) total: u64,
    /// How much of it no server can have.
    pub(crate) reserved: u64,
    /// How much of the rest is promised, in percent.
    pub(crate) ratio_percent: u64,
    /// How much that is.
    pub(crate) capacity: u64,
    /// How much of it is claimed.
    pub(crate) used: u64,
}

pub(crate) fn of(place: &Place<'_>, ratios: &Ratios) -> Vec<Inventory> {
    let ratios = place.ratios(ratios);
    let capacity = ratios.capacity(place.total());
    let inventory = |class: Class| Inventory {
        class,
        total: class.of(place.total()),
        reserved: class.of(ratios.reserved),
        ratio_percent: class.percent(&ratios),
        capacity: class.of(capacity),
        used: class.of(place.used()),
    };
    place.classes().iter().copied().map(inventory).filter(|inventory| inventory.total > 0).collect()
}
