//! The network service: Neutron's API v2.0 over networks, subnets, ports, routers, floating IPs and security groups.
//!
//! Owns the tables `network_*`, the allocation of addresses and of overlay numbers, and what hosts shall do about networks.
//! Must not touch another service's tables: compute plugs servers in through the port `Networks`, hosts learn through the fleet's
//! `DesiredState`.
//!
//! ```text
//! REST (api) ----+
//! Networks port -+--> services (rules, one transaction = one Change) --> stores --> database
//!                |                 | after the commit
//! DesiredState <-+-- desired <-- touch(host, key) to the fleet
//! ```
//!
//! Invariants: an address, a hardware address, a segment and a floating association exist once, and the database itself keeps it
//! so; a change tells every host whose desired state it alters; nobody sees another project's things.

pub mod address;
pub mod api;
pub mod attach;
pub mod attributes;
pub mod audit;
pub mod config;
mod counts;
pub mod desired;
pub mod error;
pub mod floating_ip;
pub mod hosts;
mod legacy;
mod migrations;
pub mod network;
pub mod policy;
pub mod port;
pub mod quota;
pub mod router;
pub mod security_group;
pub mod service;
mod sql;
mod standard;
pub mod subnet;
#[cfg(test)]
mod testing;
mod touch;

pub use config::NetworkConfig;
pub use error::Error;
pub use service::NetworkService;
