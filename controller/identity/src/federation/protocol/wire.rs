//! Bodies of `/v3/OS-FEDERATION/identity_providers/{id}/protocols`.

use super::Protocol;
use crate::IdentityError;
use controller_base::id::{FederationProtocolId, IdentityProviderId, MappingId};
use controller_web::BaseUrl;
use serde::Deserialize;
use serde_json::{Value, json};

/// Of a new protocol or a change; both name the mapping.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fields {
    mapping_id: String,
    remote_id_attribute: Option<String>,
}

impl Fields {
    fn mapping(&self) -> Result<MappingId, IdentityError> {
        self.mapping_id.parse().map_err(|_| unknown_mapping(&self.mapping_id))
    }

    /// A new protocol.
    pub(crate) fn into_protocol(
        self,
        provider_id: IdentityProviderId,
        id: FederationProtocolId,
    ) -> Result<Protocol, IdentityError> {
        let mapping_id = self.mapping()?;
        Ok(Protocol { provider_id, id, mapping_id, remote_id_attribute: self.remote_id_attribute, generation: 1 })
    }

    /// The protocol as it shall be.
    pub(crate) fn apply(self, protocol: &mut Protocol) -> Result<(), IdentityError> {
        protocol.mapping_id = self.mapping()?;
        if self.remote_id_attribute.is_some() {
            protocol.remote_id_attribute = self.remote_id_attribute;
        }
        Ok(())
    }
}

/// What Keystone says of a mapping that is not there.
pub(crate) fn unknown_mapping(id: impl std::fmt::Display) -> IdentityError {
    IdentityError::invalid(format!("Invalid mapping id: {id}"))
}

/// `{"protocol": ..}` without the key.
pub(crate) fn render(protocol: &Protocol, url: &BaseUrl) -> Value {
    let provider = url.join(&format!("/v3/OS-FEDERATION/identity_providers/{}", protocol.provider_id));
    json!({
        "id": protocol.id, "mapping_id": protocol.mapping_id, "remote_id_attribute": protocol.remote_id_attribute,
        "links": {"self": format!("{provider}/protocols/{}", protocol.id), "identity_provider": provider},
    })
}
