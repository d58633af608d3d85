//! Flavors: sizes that tenants choose from, their extra specs, and who may use those that are not public.
//!
//! Owns `compute_flavor` and `compute_flavor_access`. A server keeps a copy of its flavor, so deleting one touches no server.

mod access_api;
pub(crate) mod api;
mod extra_api;
pub(crate) mod model;
pub(crate) mod policy;
pub(crate) mod store;
pub(crate) mod wire;

pub use model::Flavor;
