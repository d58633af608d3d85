//! Routers: their legs in tenants' networks, their gateway, their static routes.
//!
//! Invariants: a router's legs never overlap; a leg or gateway that a floating IP needs stays.

pub mod gateway;
pub mod interface;
pub mod model;
pub mod service;
pub mod store;
pub mod wire;
