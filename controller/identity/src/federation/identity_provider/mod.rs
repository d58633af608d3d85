//! Identity providers: who outside may say who somebody is.
//!
//! A provider owns a domain, in which the users that come by it live; one that is made without a domain gets one of its own. Its
//! remote ids, the names by which it signs, belong to no other provider.

pub(crate) mod api;
mod service;
pub(crate) mod store;
pub(crate) mod wire;

use controller_base::id::{DomainId, IdentityProviderId};

/// An identity provider.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct IdentityProvider {
    pub id: IdentityProviderId,
    pub domain_id: DomainId,
    pub enabled: bool,
    pub description: Option<String>,
    /// Minutes for which memberships outlive the token that brought them.
    pub authorization_ttl: Option<i64>,
    pub remote_ids: Vec<String>,
    pub generation: i64,
}
