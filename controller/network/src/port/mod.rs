//! Ports: where servers, routers and the service itself are plugged into networks.
//!
//! Invariants: a hardware address is unique within its network; a port's addresses lie in subnets of its network; ports of
//! routers and floating IPs are changed by these alone.
//!
//! ```text
//! (made) DOWN --attached to a server, which runs--> ACTIVE --server stops--> DOWN --detached--> DOWN or gone
//! ```

pub mod allocate;
pub mod model;
pub mod service;
pub mod store;
pub mod wire;
