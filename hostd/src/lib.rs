//! hostd, the daemon of a host: configuration, wiring, the federation's client side, metrics and the audit.
//!
//! It owns the daemon's life: what is started in which order, and what ends it. What a guest, a disk, an image or a network is,
//! its crates know; this one converts and connects.
//!
//! Invariants:
//! - The end of hostd, by signal or by kill, touches no guest.
//! - What comes from the controller is in the ledger before anything is done about it.
//!
//! ```text
//! federation/session -> desired -> ledger, network, guests -> board -> federation/session
//! federation/session -> delivery -> update -> the slot that does not run
//! ```

pub mod audit;
pub mod config;
mod cpu;
pub mod daemon;
pub mod delivery;
pub mod desired;
pub mod federation;
pub mod identity;
pub mod local;
pub mod metrics;
mod network;
mod notify;
mod resources;
pub mod screen;
pub mod sharing;
pub mod status;
pub mod update;
mod uptime;
