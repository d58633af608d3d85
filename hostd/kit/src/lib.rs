//! What every part of hostd stands on: where its files lie ([`paths`]), whole-or-nothing file writes ([`durable`]), the ledger of
//! desired state ([`ledger`]), names that are safe as file names ([`ids`]), undo of half-done local work ([`undo`]), bounded
//! commands ([`run`]), the machine's NUMA nodes ([`numa`]) and the points at which tests end the program ([`fault`]).
//!
//! It must not know guests, networks, images or the federation protocol: the ledger keeps bytes under a kind and an id.
//!
//! Invariants:
//! - hostd may be killed at any instruction. Whatever a function here leaves behind is found and mended at the next start.
//! - No function here ends the program, except [`fault::reach`] where a test asked for it.

pub mod durable;
pub mod fault;
pub mod ids;
pub mod ledger;
pub mod numa;
pub mod paths;
pub mod run;
pub mod undo;
