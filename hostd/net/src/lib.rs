//! The network of a host: taps, bridges, VXLAN, packet filters, DHCP, router advertisement, DNS, metadata and routers.
//!
//! Everything lives in the network namespace in which the actor is started. One task owns the state; others hold a
//! [`NetHandle`]. What shall be is computed purely (`plan`), and carried out elsewhere (`netlink`, `nft`, `elements`, `netns`).
//!
//! Owns: links named `hb-`, `hx-`, `hv-`, `hs-`, `ht-`, `hi-`, `hg-`, `hw-`, namespaces named `hn-` and `hr-`, nftables tables named
//! `humilis`. Must not touch any other link, namespace or table, nor know the wire form of the desired state.
//!
//! Invariants
//! - Converging twice changes nothing. A restart adopts what is there; taps of running guests and established connections
//!   are never disturbed.
//! - A tap without a filter of its own passes nothing.
//! - What no desired object explains is removed, but only after a complete desired state was received.

mod actor;
mod advertise;
mod config;
mod conntrack;
mod elements;
mod error;
mod frames;
mod handle;
mod ids;
mod inventory;
mod kernel;
mod mac;
pub mod metadata;
pub mod model;
mod netfilter;
mod netlink;
mod netns;
mod nft;
mod plan;
mod service;
mod sys;

pub use config::{NetConfig, PhysicalNetwork};
pub use error::NetError;
pub use handle::{Convergence, NetHandle, PreparedPort, dismantle};
pub use inventory::Item;
pub use plan::tap_name;

#[cfg(test)]
mod tests;
