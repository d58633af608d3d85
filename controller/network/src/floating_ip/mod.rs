//! Floating IPs: addresses of external networks that may be lent to ports behind routers.
//!
//! Invariants: the address is held by a port of the external network; an inner address has at most one floating IP per external
//! network, which the database itself keeps; lending needs a router that joins the inner subnet with the external network.
//!
//! ```text
//! DOWN --lent to a port--> ACTIVE --taken back, or the port or its address goes--> DOWN
//! ```

pub mod model;
pub mod service;
pub mod store;
pub mod wire;
