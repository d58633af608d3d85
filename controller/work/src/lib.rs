//! Durable operations and reconcilers: work that involves a host or a second service and must end well whatever crashes.
//!
//! Owns the table `work_operation` and the tasks that run it. Knows no service: what a step does is the service's.
//!
//! ```text
//!  enqueue (row in the caller's transaction)
//!     |
//!     v       step Done             last step Done
//!  forward(0) --------> forward(n) ----------------> row deleted
//!     |  Wait: run again when woken or in time           ^
//!     |  Retry: run again later                          |
//!     | Fail                                             |
//!     v          undone                   undone         |
//!  undo(n) ------------------> undo(0) -> failed hook ---+
//! ```
//!
//! Invariants:
//! - A step's completion is durable before the next step starts. Every step, undo and failed hook may run twice, and the undo of
//!   the failing step runs too, whether or not the step had any effect.
//! - Operations on one subject (a server's id, say) run one after another in the order of their enqueueing; those on different
//!   subjects run side by side.
//! - An undo never gives up: it is tried again until it succeeds.
//! - With several controllers an operation is driven by the one that holds its claim; claims of the dead run out.
//!
//! A later operation that makes an earlier one pointless (delete while building) says so in the database and calls
//! [`Runner::wake`]: the waiting step runs again, looks, and fails or finishes.
//!
//! To add an operation: a `*_operation.rs` in the service's resource with a struct that implements [`Operation`], its steps in
//! one table made with [`step!`], registered by the service's constructor, enqueued with [`Runner::enqueue`]; a test with
//! `testing` (feature of that name). `CONTROLLER_FAULT=kind.step[.before|.after|.undo]` aborts the process there (`after` is the default: the step ran, its
//! completion is not durable).

mod drive;
mod erased;
mod fault;
mod operation;
pub mod reconcile;
mod runner;
mod store;
#[cfg(feature = "testing")]
pub mod testing;

#[cfg(test)]
mod tests;

pub use operation::{Operation, Outcome, Run, Step, StepError};
pub use reconcile::{Reconciler, Reconcilers};
pub use runner::{Pending, Runner};
pub use store::MIGRATIONS;

#[doc(hidden)]
pub use futures::future::BoxFuture;
