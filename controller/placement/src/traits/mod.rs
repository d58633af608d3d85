//! Traits: what is true of a host. Only those are known that placement can vouch for; what processors can do is not told to it.

pub(crate) mod api;
pub(crate) mod policy;

use crate::provider::Provider;

/// A host that runs servers.
const NODE: &str = "COMPUTE_NODE";
/// An operator wants nothing new on it.
const DISABLED: &str = "COMPUTE_STATUS_DISABLED";

/// All that a host can have, by name.
pub(crate) const KNOWN: &[&str] = &[NODE, DISABLED];

pub(crate) fn of(provider: &Provider) -> Vec<&'static str> {
    KNOWN.iter().copied().filter(|name| *name == NODE || provider.closed).collect()
}

/// The trait's name, if there is such a trait.
pub(crate) fn known(name: &str) -> Option<&'static str> {
    KNOWN.iter().copied().find(|known| *known == name)
}
