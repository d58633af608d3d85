//! Application credentials: a user's own, for one project, with some of the user's roles and perhaps for some requests only.
//!
//! Owns the tables `identity_app_credential*` and `identity_access_rule`. Knows tokens only as what may make and delete them.
//!
//! Invariants: a credential never has a role that its user has not, neither when it is made nor when it is used; it goes with its
//! user, its project, and with a grant that its user loses on the project. A secret that was made here is random and is kept as its
//! SHA-256; one that the user chose is hashed like a password.

pub(crate) mod api;
pub(crate) mod policy;
mod service;
pub(crate) mod store;
mod wire;

pub(crate) use wire::{RoleName, bare_rule, end};

use controller_base::{
    Timestamp,
    id::{ProjectId, RoleId, UserId},
};
use controller_web::token::AccessRule;

/// An application credential.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApplicationCredential {
    pub id: String,
    pub user_id: UserId,
    pub project_id: ProjectId,
    pub name: String,
    pub description: Option<String>,
    pub secret_hash: String,
    pub expires_at: Option<Timestamp>,
    pub unrestricted: bool,
    pub roles: Vec<RoleId>,
    /// None: for all requests.
    pub access_rules: Option<Vec<AccessRule>>,
}
