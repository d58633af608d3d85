//! Room on hosts: who offers how much, and which server has claimed what of it.
//!
//! Owns the tables `placement_host` (inventory, from the fleet) and `placement_claim` (one row per server with room). It must
//! not know why a server wants room, nor talk to hosts.
//!
//! Invariants: a claim is made and released in the transaction of the one who assigns the server, so neither can be without the
//! other; the sum of a host's claims never exceeds its inventory times the allocation ratio at the time of claiming; usage is
//! always computed from the claims and stored nowhere.
//!
//! A claim raises the host row's generation under the condition that it is still the one that was judged: of two transactions
//! that saw the same room, one looks again.

mod choose;
mod config;
mod port;
mod store;

pub use config::{Ratios, Rejected};
pub use port::PlacementService;
