//! Servers: virtual machines of tenants.
//!
//! Owns `compute_server`. Their places are placement's, their ports network's, their guests the hosts': compute asks for them
//! through ports and never waits for a host inside of a request.
//!
//! ```text
//!             POST                    observed Running
//!   (claim) --------> BUILD ------------------------------> ACTIVE <-----------+
//!      |                | build fails, host says Failed      |  ^              |
//!      | no host        v                      stop, guest   |  | start        | reboot:
//!      +------------> ERROR <---- no answer    ended, crash  v  |              | REBOOT,
//!                       ^         in time                  SHUTOFF             | HARD_REBOOT
//!                       |                                    |                 |
//!                       +--- seen Running: back to ACTIVE    +-- hard reboot --+
//!
//!   any --DELETE--> task deleting --host says Gone (or is down)--> DELETED --host says Gone--> nothing left, purged later
//! ```
//!
//! Invariants:
//! - A row changes only under its generation; transitions are pure functions (`change.rs` for what is asked, `observe.rs` for
//!   what is seen).
//! - A server with a host has a claim in placement from the transaction that made it until nothing of it is left on that host
//!   (`gone`).
//! - A host is told of a server exactly while `published`; `desired.generation` grows with each change that it cares about.
//! - Nothing waits for ever: what a host does not answer in time ends in ERROR with a reason, and a later observation mends it.

pub(crate) mod api;
mod build_operation;
mod change;
mod create;
mod deadline;
mod delete_operation;
pub(crate) mod demand;
mod desired;
pub(crate) mod filter;
pub(crate) mod model;
mod observe;
mod observer;
pub(crate) mod policy;
pub(crate) mod restart;
#[cfg(test)]
pub(crate) mod samples;
pub(crate) mod service;
pub(crate) mod spec;
pub(crate) mod store;
pub(crate) mod wire;

pub(crate) use build_operation::Build;
#[cfg(test)]
pub(crate) use build_operation::State as BuildState;
pub use change::NotNow;
pub(crate) use deadline::Deadlines;
pub(crate) use delete_operation::Delete;
#[cfg(test)]
pub(crate) use delete_operation::State as DeleteState;
