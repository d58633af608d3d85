//! Quotas: how much a project may have. Usage is always counted from the things themselves and stored nowhere.
//!
//! Owns `compute_quota`, one row per limit that differs from the default.

pub(crate) mod api;
pub(crate) mod model;
pub(crate) mod policy;
pub(crate) mod store;

pub use model::Limits;
