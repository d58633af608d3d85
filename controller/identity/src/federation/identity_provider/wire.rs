//! Bodies of `/v3/OS-FEDERATION/identity_providers`.

use super::IdentityProvider;
use crate::IdentityError;
use controller_base::id::{DomainId, IdentityProviderId};
use controller_web::{BaseUrl, body::maybe_null};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Keystone's bound.
const LONGEST_REMOTE_ID: usize = 255;

/// Of a new provider or a change.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fields {
    enabled: Option<bool>,
    #[serde(default, deserialize_with = "maybe_null")]
    description: Option<Option<String>>,
    #[serde(default, deserialize_with = "maybe_null")]
    authorization_ttl: Option<Option<i64>>,
    #[serde(default, deserialize_with = "maybe_null")]
    remote_ids: Option<Option<Vec<String>>>,
    domain_id: Option<String>,
}

impl Fields {
    /// A new provider, and whether it names its domain.
    pub(crate) fn into_provider(self, id: IdentityProviderId) -> Result<(IdentityProvider, bool), IdentityError> {
        let domain: Option<DomainId> = self.domain_id.as_deref().map(str::parse).transpose()?;
        let named = domain.is_some();
        let provider = IdentityProvider {
            id,
            domain_id: domain.unwrap_or_else(DomainId::random),
            enabled: self.enabled.unwrap_or(false),
            description: self.description.flatten(),
            authorization_ttl: minutes(self.authorization_ttl.flatten())?,
            remote_ids: remotes(self.remote_ids.flatten().unwrap_or_default())?,
            generation: 1,
        };
        Ok((provider, named))
    }

    /// The provider as it shall be.
    pub(crate) fn apply(self, provider: &mut IdentityProvider) -> Result<(), IdentityError> {
        if self.domain_id.is_some() {
            return Err(IdentityError::invalid("Additional properties are not allowed ('domain_id' was unexpected)"));
        }
        provider.enabled = self.enabled.unwrap_or(provider.enabled);
        if let Some(description) = self.description {
            provider.description = description;
        }
        if let Some(ttl) = self.authorization_ttl {
            provider.authorization_ttl = minutes(ttl)?;
        }
        if let Some(given) = self.remote_ids {
            provider.remote_ids = remotes(given.unwrap_or_default())?;
        }
        Ok(())
    }
}

fn minutes(ttl: Option<i64>) -> Result<Option<i64>, IdentityError> {
    match ttl {
        Some(minutes) if !(0..=5_256_000).contains(&minutes) => Err(IdentityError::invalid(format!(
            "Invalid input for field 'authorization_ttl': {minutes} is not between 0 and 5256000 minutes"
        ))),
        other => Ok(other),
    }
}

fn remotes(given: Vec<String>) -> Result<Vec<String>, IdentityError> {
    let unique: BTreeSet<String> = given.iter().cloned().collect();
    if unique.len() != given.len() {
        return Err(IdentityError::invalid(format!(
            "Invalid input for field 'remote_ids': {given:?} has non-unique elements"
        )));
    }
    if let Some(long) = given.iter().find(|id| id.is_empty() || id.len() > LONGEST_REMOTE_ID) {
        return Err(IdentityError::invalid(format!(
            "Invalid input for field 'remote_ids': {long:?} is too long or empty"
        )));
    }
    Ok(unique.into_iter().collect())
}

/// `{"identity_provider": ..}` without the key.
pub(crate) fn render(provider: &IdentityProvider, url: &BaseUrl) -> Value {
    let own = url.join(&format!("/v3/OS-FEDERATION/identity_providers/{}", provider.id));
    json!({
        "id": provider.id, "domain_id": provider.domain_id, "enabled": provider.enabled,
        "description": provider.description, "authorization_ttl": provider.authorization_ttl,
        "remote_ids": provider.remote_ids, "links": {"self": own, "protocols": format!("{own}/protocols")},
    })
}
