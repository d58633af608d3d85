//! Protocols of identity providers: by which mapping what comes over one becomes a user.

pub(crate) mod api;
pub(crate) mod store;
pub(crate) mod wire;

use controller_base::id::{FederationProtocolId, IdentityProviderId, MappingId};

/// A protocol of a provider.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Protocol {
    pub provider_id: IdentityProviderId,
    pub id: FederationProtocolId,
    pub mapping_id: MappingId,
    /// The attribute that names the provider; it must be one of the provider's remote ids.
    pub remote_id_attribute: Option<String>,
    pub generation: i64,
}
