//! Roles, and which imply which.

pub(crate) mod api;
mod named;
pub(crate) mod policy;
mod service;
pub(crate) mod store;
pub(crate) mod wire;

pub(crate) use named::with_implied;
pub(crate) use wire::render;

use crate::wire::Attributes;
use controller_base::id::{DomainId, RoleId};

/// A role.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Role {
    pub id: RoleId,
    /// None: it can be assigned everywhere.
    pub domain_id: Option<DomainId>,
    pub name: String,
    pub description: Option<String>,
    pub options: Attributes,
    pub extra: Attributes,
    pub generation: i64,
}
