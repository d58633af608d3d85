//! Subnets: prefixes of a network with their gateway, pools and what guests are told.
//!
//! Invariants: subnets of a network never overlap; an address is given to at most one port, which the database itself keeps;
//! a subnet with DHCP holds an address for the hosts' own servers before the first guest is plugged in.

pub mod model;
pub mod rules;
pub mod service;
pub mod service_address;
pub mod store;
pub mod wire;
