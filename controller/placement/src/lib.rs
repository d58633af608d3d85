//! Room on hosts: who offers how much, and which server has claimed what of it. OpenStack's Placement API, to be read.
//!
//! Owns the tables `placement_host` (inventory, from the fleet) and `placement_claim` (one row per server with room). It must
//! not know why a server wants room, nor talk to hosts.
//!
//! ```text
//!  fleet --HostObserver--> placement_host  = resource providers with inventories --+
//!                                                                                   +--> REST: providers, usages, candidates
//!  compute --Placement--> placement_claim = allocations, the server being consumer -+
//! ```
//!
//! Invariants: a claim is made and released in the transaction of the one who assigns the server, so neither can be without the
//! other; the sum of a host's claims never exceeds its inventory times the allocation ratio at the time of claiming; usage is
//! always computed from the claims and stored nowhere. Inventory is the hosts' own and claims are compute's: nothing is written
//! through the REST API.
//!
//! A claim chooses among hosts in memory ([`view`](mod@view)) and is checked by the database: it stamps the host's row, which locks it, and goes there only
//! if what the host holds is known or was read then. Of two transactions that saw the same room, one looks again.

mod aggregate;
mod allocation;
mod api;
mod candidate;
mod choose;
mod config;
mod error;
mod inventory;
pub mod policy;
mod port;
mod provider;
mod query;
mod resource_class;
mod store;
mod together;
mod traits;
mod usage;
mod view;

#[cfg(test)]
mod tests;

pub use api::{INFO, routes, service};
pub use config::{Config, Order, Ratios, Rejected};
pub use error::PlacementError;
pub use port::PlacementService;
pub use store::MIGRATIONS;
pub use view::Reservation;
