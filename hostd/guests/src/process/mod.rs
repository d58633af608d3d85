//! A guest's process: how it is started ([`spawn`]), found again ([`find`]), talked to ([`control`]) and seen to end ([`live`]).
//!
//! It must not know desired state. Invariants:
//! - The process is its own session and inherits only the descriptors of its spec: the end of hostd does not touch it.
//! - Its first argument names the guest, so that a process whose record was lost is found in `/proc`.

pub mod control;
pub mod find;
pub mod live;
pub mod spawn;
