//! Credentials of users (EC2 keys, TOTP seeds, certificates), encrypted at rest; and the blobs of the old `/v3/policies`, which
//! Keystone keeps for nobody but its API's sake.

pub(crate) mod api;
pub(crate) mod policy;
mod service;
pub(crate) mod store;
mod wire;

pub(crate) use wire::render_policy;

use crate::{IdentityError, wire::Attributes};
use controller_base::id::{ProjectId, UserId};
use controller_web::TokenInfo;

/// A token of a delegation is for one project, and touches only the credentials of that: those of no project (passcodes' seeds) least.
pub(crate) fn in_scope(token: &TokenInfo, project: Option<&ProjectId>) -> Result<(), IdentityError> {
    let own = token.project().map(|project| &project.id);
    if token.delegation.is_none() || (own.is_some() && own == project) {
        return Ok(());
    }
    Err(IdentityError::forbidden_action("Credential project does not match the project scope of the delegated token"))
}

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
