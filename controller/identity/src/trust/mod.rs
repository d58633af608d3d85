//! Trusts: a user (the trustor) lets another (the trustee) act with some of its roles on a project.
//!
//! Owns the tables `identity_trust*`. Tokens ask it what a trust gives.
//!
//! ```text
//!  trustor --makes--> trust --its trustee takes a token--> user: trustor (impersonation) or trustee
//!                       |
//!                       +--redelegated by the trustee--> trust --> ..., each step with less depth and no more roles or time
//! ```
//! Invariants: a trust gives roles only while the first trustor of its chain has all of them and every trust of the chain is there;
//! it goes with its trustor, trustee, project, and with the trust that it comes from.

pub(crate) mod api;
pub(crate) mod policy;
mod service;
pub(crate) mod store;
mod wire;

use controller_base::{
    Timestamp,
    id::{ProjectId, RoleId, UserId},
};

/// A trust.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trust {
    pub id: String,
    pub trustor: UserId,
    pub trustee: UserId,
    pub project_id: Option<ProjectId>,
    pub impersonation: bool,
    pub expires_at: Option<Timestamp>,
    /// None: no limit.
    pub remaining_uses: Option<i64>,
    pub redelegated_trust_id: Option<String>,
    /// How many further trusts may come from it, one after the other.
    pub redelegation_count: i64,
    pub roles: Vec<RoleId>,
}
