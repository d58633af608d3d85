//! Groups of users, and who is in them.

pub(crate) mod api;
pub(crate) mod policy;
mod service;
pub(crate) mod store;
mod wire;

pub(crate) use wire::render;

use crate::wire::Attributes;
use controller_base::id::{DomainId, GroupId};

/// A group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    pub id: GroupId,
    pub domain_id: DomainId,
    pub name: String,
    pub description: String,
    pub extra: Attributes,
    pub generation: i64,
}
