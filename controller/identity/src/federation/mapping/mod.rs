//! Mappings: what an identity provider says of somebody, turned into a user, groups and projects of this cloud.
//!
//! `rules` is Keystone's language and knows nothing but texts; `store`, `wire` and `api` keep mappings for operators.

pub(crate) mod api;
pub mod rules;
pub(crate) mod store;
pub(crate) mod wire;

use controller_base::id::MappingId;
use serde_json::Value;

/// A mapping as its operator wrote it; it was checked before it was stored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mapping {
    pub id: MappingId,
    pub schema_version: String,
    pub rules: Value,
    pub generation: i64,
}
