//! Users: who can get a token with a password.

pub(crate) mod api;
pub(crate) mod options;
pub(crate) mod policy;
pub(crate) mod secret;
mod service;
pub(crate) mod store;
mod wire;

pub(crate) use wire::render;

use crate::wire::Attributes;
use controller_base::{
    Timestamp,
    id::{DomainId, ProjectId, UserId},
};

/// A user.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct User {
    pub id: UserId,
    pub domain_id: DomainId,
    pub name: String,
    pub enabled: bool,
    pub default_project_id: Option<ProjectId>,
    /// None: no password opens the account.
    pub password_hash: Option<String>,
    pub password_changed_at: Option<Timestamp>,
    pub password_expires_at: Option<Timestamp>,
    pub options: Attributes,
    pub extra: Attributes,
    pub created_at: Timestamp,
    pub generation: i64,
}
