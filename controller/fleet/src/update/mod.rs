//! New versions of the appliance: the signed bundles that operators hand over, and the hosts that shall run them, one after another.
//!
//! It owns the bundles' folder ([`Depot`]) and `fleet_update`: what each host was last updated to, and how far that is. It must not know
//! how a host installs a bundle; a host believes the bundle's signature alone, never the controller.
//!
//! ```text
//! waiting --its turn--> ordered --> fetching --> installing --> restarting --> trial --> done --> the next host's turn
//!                          any of these --host says so, or silence--> failed --> those that wait: stopped
//! ```
//! Invariants:
//! - One host at a time; none after one that failed.
//! - What shall be stands in the database: a controller that starts again, as with its own machine's update, goes on where it was.
//! - A host is told at each stream's beginning; that it is told twice is harmless.

mod depot;
mod order;
mod roll;

pub use depot::{Bundle, Depot, DepotError, Incoming, Limits};
pub use order::{Order, State};
pub use roll::{OrderError, Roll};
