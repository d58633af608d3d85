//! Networks: what they are, their segments, who may see them.
//!
//! A network's segment (VNI, VLAN, physical network) is its own for life; the database refuses a second network on it.

pub mod model;
pub mod service;
pub mod store;
pub mod wire;

use crate::service::Caller;
use model::Network;

/// Whether the caller may know of the network.
#[must_use]
pub fn visible(network: &Network, caller: &Caller) -> bool {
    network.shared || network.external || caller.owns(network.standard.project_id.as_ref())
}
