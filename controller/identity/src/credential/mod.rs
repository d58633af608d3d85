//! Credentials of users (EC2 keys, TOTP seeds, certificates), encrypted at rest; and the blobs of the old `/v3/policies`, which
//! Keystone keeps for nobody but its API's sake.

pub(crate) mod api;
pub(crate) mod policy;
mod service;
pub(crate) mod store;
mod wire;

use crate::wire::Attributes;
use controller_base::id::{ProjectId, UserId};

/// A credential.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Credential {
    pub id: String,
    pub user_id: UserId,
    pub project_id: Option<ProjectId>,
    pub kind: String,
    /// In the clear; only `store` sees it sealed.
    pub blob: String,
    pub extra: Attributes,
    pub generation: i64,
}

/// A blob of the old `/v3/policies`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PolicyBlob {
    pub id: String,
    pub kind: String,
    pub blob: String,
    pub extra: Attributes,
    pub generation: i64,
}
